import { withChromium, withProfile } from '../chromium.js'
import type { WorkloadName } from '../page/workloads.js'
import { isOwn } from '../report/rows.js'
import type { Round } from './round.js'

/** Workloads of one page each, in a browser that has run for a while. */
export const warm: readonly WorkloadName[] = [
  'idle',
  'single',
  'single in 10,000',
  'separate',
  'many',
  'apply',
  'pull',
  'pull over pending',
  'queries',
  'push',
  'update',
  'live',
]

/** Of no interest beside others': an idle page's cost is one for all, and a part of another row is asked of our own three. */
const ownOnly: ReadonlySet<WorkloadName> = new Set(['idle', 'apply'])

/** Whether the work that was put off is waited for and told, a second each time. */
export async function warmRound(round: Round, putOff: boolean): Promise<void> {
  const wanted = warm.filter(workload => round.run.wants(workload))
  if (wanted.length === 0) return
  // What is put off is told against a page that does nothing.
  const chosen = [...new Set<WorkloadName>(['idle', ...wanted])]
  await withProfile(profile =>
    withChromium(profile, async context => {
      for (const [i, workload] of chosen.entries())
        for (const bundle of round.contestants(workload, i)) {
          if (ownOnly.has(workload) && !isOwn(bundle.name)) continue
          await round.attempt(bundle, workload, async () => {
            const origin = round.origin(bundle, workload)
            round.keep(bundle, await round.measure(context, profile, bundle, workload, origin, { putOff }))
          })
        }
    }),
  )
}
