/**
 * `npm run bench -w landfall-bench -- --quick`: the package beside raw IndexedDB and beside a bare log, in one run.
 *
 * A round measures each workload for each contestant, the one that goes first rotating, every time on an origin that
 * nobody used before; the first round warms the machine and is dropped. Ratios are taken within a round, then their median,
 * so that what else the machine does meanwhile falls on all of them.
 */
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { BrowserContext } from 'playwright-core'
import { withChromium, withProfile } from './browser.js'
import type { ContestantName, WorkloadName } from './page/main.js'
import { type Sample, summarise, table } from './report.js'
import { serve } from './serve.js'
import { sizes } from './sizes.js'

const { values: options } = parseArgs({
  options: {
    /** Fewer rounds. */
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    /** The contestants, by name; all by default. */
    only: { type: 'string' },
    /** The workloads, by name; all by default. */
    workloads: { type: 'string' },
    /** The built package's folder. */
    library: { type: 'string' },
  },
})

const build = dirname(fileURLToPath(import.meta.url))
const root = join(build, '..', '..', '..')
const library = resolve(options.library ?? join(root, 'pkg', 'dist'))
const output = join(root, 'target', 'bench', 'quick.json')

const contestants = (options.only?.split(',') ?? ['raw', 'floor', 'landfall']) as ContestantName[]
const rounds = Number(options.rounds ?? (options.quick ? 5 : 15))
const warm: readonly WorkloadName[] = ['single', 'single in 10,000', 'separate', 'many', 'apply', 'pull', 'queries']
const chosen = options.workloads?.split(';')
const workloads = warm.filter(workload => chosen === undefined || chosen.includes(workload))
const startIsChosen = chosen === undefined || chosen.includes('start')

if (contestants.includes('landfall') && !existsSync(join(library, 'index.js')))
  throw new Error(
    `${library} has no index.js: build the package first (cargo xtask package), or measure --only raw,floor`,
  )

const site = await serve(join(build, 'page'), library)

function originOf(contestant: string, workload: string, round: number): string {
  return `${contestant}-${workload.replace(/[^a-z0-9]+/g, '-')}-${round}`
}

async function measure(
  context: BrowserContext,
  contestant: ContestantName,
  workload: WorkloadName,
  origin: string,
): Promise<Record<string, number>> {
  const page = await context.newPage()
  try {
    const failures: string[] = []
    page.on('pageerror', error => failures.push(error.message))
    await page.goto(site.url(origin, contestant), { waitUntil: 'load' })
    await page.waitForFunction(() => globalThis.bench !== undefined, undefined, { timeout: 10_000 })
    const figures = await page.evaluate(([who, what]) => globalThis.bench.measure(who, what), [
      contestant,
      workload,
    ] as const)
    if (failures.length > 0) throw new Error(failures.join('; '))
    return figures
  } catch (error) {
    throw new Error(`${contestant}, ${workload}: ${error instanceof Error ? error.message : error}`, { cause: error })
  } finally {
    await page.close()
  }
}

const samples: Sample[] = []
function keep(round: number, contestant: ContestantName, figures: Record<string, number>): void {
  if (round === 0) return
  for (const [figure, ms] of Object.entries(figures)) samples.push({ round, contestant, figure, ms })
}

function rotated(round: number): ContestantName[] {
  const first = round % contestants.length
  return [...contestants.slice(first), ...contestants.slice(0, first)]
}

const startedAt = new Date()
let version = ''
await withProfile(profile =>
  withChromium(profile, async context => {
    version = context.browser()?.version() ?? ''
    for (let round = 0; round <= rounds; round += 1) {
      for (const [i, workload] of workloads.entries()) {
        for (const contestant of rotated(round + i)) {
          if (workload === 'apply' && contestant === 'landfall') continue
          keep(round, contestant, await measure(context, contestant, workload, originOf(contestant, workload, round)))
        }
      }
      process.stderr.write(`round ${round} of ${rounds}${round === 0 ? ' (warm-up, dropped)' : ''}\n`)
    }
  }),
)
for (let round = 0; startIsChosen && round <= rounds; round += 1) {
  await withProfile(async profile => {
    const starts = (['queued', 'synced'] as const).map(state => ({ state, origin: `start-${state}` }))
    await withChromium(profile, async context => {
      for (const { state, origin } of starts)
        for (const contestant of contestants)
          await measure(
            context,
            contestant,
            state === 'queued' ? 'fill by create' : 'fill by pull',
            originOf(contestant, origin, round),
          )
    })
    for (const { state, origin } of starts)
      for (const contestant of rotated(round))
        await withChromium(profile, async context => {
          const { first = Number.NaN, all = Number.NaN } = await measure(
            context,
            contestant,
            'start',
            originOf(contestant, origin, round),
          )
          keep(round, contestant, { [`start ${state}, first`]: first, [`start ${state}, all`]: all })
        })
  })
  process.stderr.write(`cold starts, round ${round} of ${rounds}\n`)
}
await site.close()

const figures = summarise(samples)
const librarySizes = contestants.includes('landfall') ? await sizes(library) : []
await mkdir(dirname(output), { recursive: true })
await writeFile(
  output,
  `${JSON.stringify({ startedAt: startedAt.toISOString(), chromium: version, cpu: cpus()[0]?.model, rounds, figures, sizes: librarySizes, samples }, null, 2)}\n`,
)
process.stdout.write(
  `Chromium ${version}, ${rounds} rounds after one of warm-up, ${Math.round((Date.now() - startedAt.getTime()) / 1000)} s\n\n`,
)
process.stdout.write(`${table(figures, librarySizes)}\n\n${output}\n`)
const deviating = Object.values(figures).filter(figure => figure.reproduced === false)
if (deviating.length > 0)
  process.stdout.write(`deviates from the expected ratio: ${deviating.map(figure => figure.title).join('; ')}\n`)
