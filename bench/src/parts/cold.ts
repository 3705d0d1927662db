import type { Page } from 'playwright-core'
import { withChromium, withProfile } from '../chromium.js'
import type { WorkloadName } from '../page/workloads.js'
import { quiet } from '../cpu.js'
import { isOwn } from '../report/rows.js'
import type { Round } from './round.js'

interface Start {
  /** Peers are not asked for it: what their table has is the other one. */
  readonly isOwnOnly?: boolean
  /** Only in the first rounds. */
  readonly isFew?: boolean
  readonly workload: 'start synced' | 'start queued' | 'navigate'
  readonly fill: WorkloadName
}

const starts: readonly Start[] = [
  { workload: 'start synced', fill: 'fill by pull' },
  { workload: 'start queued', fill: 'fill by create', isOwnOnly: true },
  { workload: 'navigate', fill: 'fill by pull', isFew: true },
]

/** Cold starts, each in a newly started browser, over what was filled in the browser before. */
export async function coldRound(round: Round, fewRounds: number): Promise<void> {
  const chosen = starts.filter(
    ({ workload, isFew }) => round.run.wants(workload) && (isFew !== true || round.number <= fewRounds),
  )
  const contestantsOf = ({ workload, isOwnOnly }: Start) =>
    round.contestants(workload).filter(({ name }) => isOwnOnly !== true || isOwn(name))
  if (chosen.length === 0) return
  await withProfile(async profile => {
    const filled = new Set<string>()
    await withChromium(profile, async context => {
      for (const start of chosen)
        for (const bundle of contestantsOf(start))
          await round.attempt(bundle, start.workload, async () => {
            const origin = round.origin(bundle, start.workload)
            await round.measure(context, profile, bundle, start.fill, origin)
            filled.add(origin)
          })
    })
    for (const start of chosen)
      for (const bundle of contestantsOf(start)) {
        const { workload } = start
        const origin = round.origin(bundle, workload)
        if (!filled.has(origin)) continue
        await round.attempt(bundle, workload, () =>
          withChromium(profile, async context => {
            if (workload !== 'navigate') {
              round.keep(bundle, await round.measure(context, profile, bundle, workload, origin))
              return
            }
            // As in the others the browser's own start is to end before.
            await quiet(profile)
            const read = (page: Page) => page.evaluate(() => globalThis.bench.navigated)
            round.keep(bundle, { figures: (await round.page(context, bundle, origin, read, '?navigate')) ?? {} })
          }),
        )
      }
  })
}
