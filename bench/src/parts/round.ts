import type { BrowserContext, Page } from 'playwright-core'
import type { Bundle } from '../build/bundles.js'
import { closePage, throttle, withChromium, withProfile } from '../chromium.js'
import { cpuMs, quiet } from '../cpu.js'
import type {} from '../page/main.js'
import type { Figures, Options } from '../page/stage.js'
import type { WorkloadName } from '../page/workloads.js'
import type { Samples } from '../samples.js'
import type { Site } from '../server/serve.js'

/** Everything that is the same for all rounds of a run. */
export interface Run {
  readonly site: Site
  readonly contestants: readonly Bundle[]
  readonly samples: Samples
  /** Whether a workload was chosen. */
  wants(workload: string): boolean
  /** A contestant could not do it: it has no figure, and the report says why. */
  failed(contestant: string, workload: string, reason: string): void
  /** What took too long, by contestant: it is not asked for again, and whoever is often late is asked for nothing any more. */
  readonly late: Map<string, Set<string>>
}

/** How long one page may take for what it is asked. */
const patienceMs = 90_000
const lateMost = 3

class Late extends Error {}

/** One round: each contestant once, on origins that nobody used before. */
export class Round {
  constructor(
    readonly run: Run,
    readonly number: number,
    /** Told apart in the origins' names, where rounds are counted more than once. */
    readonly name: string = '',
    readonly throttling = 1,
  ) {}

  /** The contestants that can do it, the first one rotating. */
  contestants(workload: string, shift = 0): Bundle[] {
    const able = this.run.contestants.filter(({ without }) => without[workload] === undefined)
    const first = (this.number + shift) % Math.max(1, able.length)
    return [...able.slice(first), ...able.slice(0, first)]
  }

  origin({ name }: Bundle, workload: string): string {
    return `${name}-${workload}-${this.name}${this.number}`.toLowerCase().replace(/[^a-z0-9]+/g, '-')
  }

  /** Loads a contestant's page, and leaves it open while the work goes on. */
  async page<T>(
    context: BrowserContext,
    bundle: Bundle,
    origin: string,
    work: (page: Page) => Promise<T>,
    query = '',
  ): Promise<T> {
    const page = await context.newPage()
    page.setDefaultTimeout(patienceMs)
    const failures: string[] = []
    page.on('pageerror', error => failures.push(error.message))
    try {
      if (this.throttling > 1) await throttle(page, this.throttling)
      await page.goto(this.run.site.url(origin, bundle.name, query), { waitUntil: 'load' })
      await page.waitForFunction(() => globalThis.bench !== undefined, undefined, { timeout: 20_000 })
      const given = await within(work(page), () => failures)
      if (failures.length > 0) throw new Error(failures.join('; '))
      return given
    } finally {
      await closePage(page)
    }
  }

  /** The same for a page that asks to be told when the browser has nothing to do. */
  settling<T>(
    context: BrowserContext,
    profile: string,
    bundle: Bundle,
    origin: string,
    work: (page: Page) => Promise<T>,
  ): Promise<T> {
    return this.page(context, bundle, origin, async page => {
      this.run.site.onMark = () => quiet(profile)
      try {
        return await work(page)
      } finally {
        this.run.site.onMark = undefined
      }
    })
  }

  /** Runs one workload in a page of its own. */
  measure(
    context: BrowserContext,
    profile: string,
    bundle: Bundle,
    workload: WorkloadName,
    origin: string,
    options: Options = {},
  ): Promise<Measured> {
    return this.page(context, bundle, origin, async page => {
      const marks: Record<string, number> = {}
      this.run.site.onMark = async mark => {
        if (mark === 'quiet') await quiet(profile)
        else marks[mark] = await cpuMs(profile)
      }
      try {
        const figures = await page.evaluate(([name, how]) => globalThis.bench.run(name, how), [
          workload,
          options,
        ] as const)
        return { figures, ...cpuOf(marks) }
      } finally {
        this.run.site.onMark = undefined
      }
    })
  }

  keep(bundle: Bundle, { figures, cpuMs: cpu, laterMs }: Measured): void {
    const { operations = 1, ...rest } = figures
    for (const [figure, value] of Object.entries(rest))
      this.run.samples.keep({
        round: this.number,
        contestant: bundle.name,
        figure,
        value,
        ...(cpu !== undefined && { cpuMs: cpu / operations }),
        ...(laterMs !== undefined && { laterMs }),
      })
  }

  /** These workloads in one browser, each for all who can do it: who cannot do one of them may do the others. */
  async each(parts: Readonly<Record<string, (place: Place) => Promise<void>>>): Promise<void> {
    const wanted = Object.entries(parts).filter(([workload]) => this.run.wants(workload))
    if (wanted.length === 0) return
    await withProfile(profile =>
      withChromium(profile, async context => {
        // Closing the only page would end the browser.
        await context.newPage()
        for (const [i, [workload, work]] of wanted.entries())
          for (const bundle of this.contestants(workload, i))
            await this.attempt(bundle, workload, () =>
              work({ round: this, context, profile, bundle, origin: this.origin(bundle, workload) }),
            )
      }),
    )
  }

  /** Goes on with the next contestant when one fails: a peer's failure is a result, ours is told all the same. */
  async attempt(bundle: Bundle, workload: string, work: () => Promise<void>): Promise<void> {
    const late = this.run.late.get(bundle.name) ?? new Set<string>()
    this.run.late.set(bundle.name, late)
    if (late.has(workload)) return
    if (late.size >= lateMost) {
      this.run.failed(bundle.name, workload, 'not asked any more: it was late too often')
      return
    }
    try {
      await work()
    } catch (error) {
      if (error instanceof Late) late.add(workload)
      const reason = error instanceof Error ? error.message : String(error)
      this.run.failed(bundle.name, workload, reason)
    }
  }
}

/** Where one contestant does one workload. */
export interface Place {
  readonly round: Round
  readonly context: BrowserContext
  readonly profile: string
  readonly bundle: Bundle
  readonly origin: string
}

export interface Measured {
  readonly figures: Figures
  readonly cpuMs?: number
  readonly laterMs?: number
}

function cpuOf({ begin, end, after }: Record<string, number>): Omit<Measured, 'figures'> {
  if (begin === undefined || end === undefined) return {}
  return { cpuMs: end - begin, ...(after !== undefined && { laterMs: after - end }) }
}

async function within<T>(work: Promise<T>, failures: () => readonly string[]): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Late(['it took more than a minute and a half', ...failures()].join('; '))),
      patienceMs,
    )
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
