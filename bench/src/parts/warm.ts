import { withChromium, withProfile } from '../chromium.js'
import type { WorkloadName } from '../page/workloads.js'
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

/** In each second of these rounds' measurements the work that was put off is waited for. */
const putOffRounds = 3

export async function warmRound(round: Round): Promise<void> {
  const wanted = warm.filter(workload => round.run.wants(workload))
  if (wanted.length === 0) return
  // What is put off is told against a page that does nothing.
  const chosen = [...new Set<WorkloadName>(['idle', ...wanted])]
  await withProfile(profile =>
    withChromium(profile, async context => {
      for (const [i, workload] of chosen.entries())
        for (const bundle of round.contestants(workload, i))
          await round.attempt(bundle, workload, async () => {
            const origin = round.origin(bundle, workload)
            const putOff = round.number > 0 && round.number <= putOffRounds
            round.keep(bundle, await round.measure(context, profile, bundle, workload, origin, { putOff }))
          })
    }),
  )
}
