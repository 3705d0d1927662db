import type { Bundle } from './build/bundles.js'
import { withChromium, withProfile } from './chromium.js'
import { coldRound } from './parts/cold.js'
import { firstSyncRound } from './parts/first-sync.js'
import { growthRound } from './parts/growth.js'
import { otherRound } from './parts/others.js'
import { pagesRound } from './parts/pages.js'
import { Round, type Run } from './parts/round.js'
import { safetyRound } from './parts/safety.js'
import { targetsRound } from './parts/targets.js'
import { warmRound } from './parts/warm.js'
import { workerRound } from './parts/worker.js'
import { isOwn, ours } from './report/rows.js'
import { type Sample, Samples } from './samples.js'
import type { Site } from './server/serve.js'
import { Wire } from './server/wire.js'

export interface Plan {
  readonly site: Site
  readonly bundles: readonly Bundle[]
  readonly rounds: number
  readonly fewRounds: number
  /** In how many of them the peers take part: they are slow, and what is told of them is a ratio to raw in the same round. */
  readonly peerRounds: number
  /** Called after each part of a round with what there is by then: a run that is cut short has not been for nothing. */
  readonly keep: (results: Results) => Promise<void>
  /** Absent: all of them. */
  readonly parts: readonly string[] | undefined
  readonly workloads: readonly string[] | undefined
}

export interface About {
  readonly isBulkOneEntry: boolean
  readonly notes: readonly string[]
}

/** Everything that a run measured, by where it was measured. */
export interface Results {
  readonly startedAt: string
  readonly minutes: number
  readonly rounds: number
  readonly fewRounds: number
  readonly peerRounds: number
  readonly bundles: readonly Bundle[]
  readonly about: Readonly<Record<string, About>>
  /** By what they call themselves. */
  readonly browsers: Readonly<Record<string, string>>
  readonly chromium: readonly Sample[]
  readonly throttled: readonly Sample[]
  readonly growth: readonly Sample[]
  readonly firefox: readonly Sample[]
  readonly webkit: readonly Sample[]
  /** Why a contestant has no figure, by contestant and workload. */
  readonly failures: Readonly<Record<string, string>>
}

/** Whom a failure is told of when a part of the run could not go on. */
export const everybody = 'everybody'

/** How much slower a cheap phone is than this machine, as Chromium's own tools have it. */
const throttling = 4

const say = (line: string) => process.stderr.write(`${line}\n`)

export async function measureAll(plan: Plan): Promise<Results> {
  const startedAt = new Date()
  const { site, bundles, rounds, fewRounds, peerRounds } = plan
  const failures: Record<string, string> = {}
  const wantsPart = (part: string) => plan.parts?.includes(part) ?? true
  const minutes = () => (Date.now() - startedAt.getTime()) / 60_000
  const runOf = (contestants: readonly Bundle[], where: string): Run => ({
    site,
    contestants,
    samples: new Samples(),
    late: new Map(),
    wants: workload => plan.workloads?.includes(workload) ?? true,
    failed(contestant, workload, reason) {
      const what = `${contestant}, ${workload}${where}`
      if (failures[what] === undefined) say(`${what}: ${reason}`)
      failures[what] = reason
    },
  })
  /** A browser that does not start, or ends, takes away its part of the report and not the others. */
  const guarded = async (part: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (failures[`${everybody}, ${part}`] === undefined) say(`${part}: ${reason}`)
      failures[`${everybody}, ${part}`] = reason
    }
  }
  const own = bundles.filter(({ name }) => isOwn(name))
  const mine = bundles.find(({ name }) => name === ours)
  const [main, slow, grown] = [runOf(bundles, ''), runOf(own, ', throttled'), runOf(own, '')]
  const others = { firefox: runOf(own, ', firefox'), webkit: runOf(own, ', webkit') }
  const browsers: Record<string, string> = {}
  const { version, about } = await lookAt(new Round(main, 0))
  browsers['chromium'] = version

  for (const { name, sizes } of bundles) {
    const value = (sizes.js + sizes.wasm + sizes.workers) / 1e3
    main.samples.keep({ round: 1, contestant: name, figure: 'bundle', value })
  }
  let wire: Wire | undefined
  const firstSync = (number: number) =>
    guarded('first sync', async () => {
      wire ??= await Wire.start()
      await firstSyncRound(new Round(main, number), wire, true)
      // Its bytes and counts are the same, and its times are long: once is enough.
      if (number === 1) await firstSyncRound(new Round(slow, number, 'slow', throttling), wire, false)
    })
  const results = (done: number): Results => ({
    startedAt: startedAt.toISOString(),
    minutes: minutes(),
    rounds: done,
    fewRounds: Math.min(fewRounds, done),
    peerRounds: Math.min(peerRounds, done),
    bundles,
    about,
    browsers,
    chromium: main.samples.all,
    throttled: slow.samples.all,
    growth: grown.samples.all,
    firefox: others.firefox.samples.all,
    webkit: others.webkit.samples.all,
    failures,
  })
  const ended = async (number: number, part: string): Promise<void> => {
    say(
      `round ${number} of ${rounds}${number === 0 ? ' (warm-up, dropped)' : ''}, ${part}, ${minutes().toFixed(1)} minutes`,
    )
    if (number > 0) await plan.keep(results(number))
  }
  for (let number = 0; number <= rounds; number += 1) {
    const isFew = number > 0 && number <= fewRounds
    if (wantsPart('chromium')) {
      // What the first round warms is the machine, for which our own three are enough.
      const ownRound = new Round({ ...main, contestants: own }, number)
      const round = number === 0 || number > peerRounds ? ownRound : new Round(main, number)
      await guarded('warm', () => warmRound(round, isFew))
      await guarded('cold', () => coldRound(round, fewRounds))
      if (isFew) {
        // Of peers once, for the sake of time: these are counts and sizes for the most part.
        const few = number === 1 ? round : ownRound
        await guarded('safety', () => safetyRound(few))
        await guarded('pages', () => pagesRound(few))
        if (mine !== undefined) await guarded('worker', () => workerRound(round, mine))
      }
      await ended(number, 'chromium')
    }
    if (wantsPart('throttled') && isFew) {
      const round = new Round(slow, number, 'slow', throttling)
      await guarded('throttled, warm', () => warmRound(round, false))
      await guarded('throttled, cold', () => coldRound(round, 0))
      if (mine !== undefined) await guarded('throttled, targets', () => targetsRound(round, mine))
      await ended(number, 'throttled')
    }
    for (const browser of ['firefox', 'webkit'] as const)
      if (wantsPart(browser) && isFew) {
        await guarded(browser, async () => {
          browsers[browser] = await otherRound(new Round(others[browser], number, browser), browser)
        })
        await ended(number, browser)
      }
    if (wantsPart('growth') && mine !== undefined && isFew) {
      await guarded('growth', () => growthRound(new Round(grown, number), mine))
      await ended(number, 'growth')
    }
    if (wantsPart('first-sync') && isFew) {
      await firstSync(number)
      await ended(number, 'first sync')
    }
  }
  await wire?.close()
  return results(rounds)
}

/** What the contestants say about themselves, and which browser it is. */
async function lookAt(round: Round): Promise<{ version: string; about: Record<string, About> }> {
  const about: Record<string, About> = {}
  let version = ''
  await withProfile(profile =>
    withChromium(profile, async context => {
      version = `Chromium ${context.browser()?.version() ?? ''}`
      for (const bundle of round.run.contestants)
        await round.attempt(bundle, 'about', () =>
          round.page(context, bundle, round.origin(bundle, 'about'), async page => {
            about[bundle.name] = await page.evaluate(() => globalThis.bench.about())
          }),
        )
    }),
  )
  return { version, about }
}
