/**
 * `cargo xtask bench`: the package beside raw IndexedDB, a bare log and, with `--peers`, the libraries that do what it does.
 *
 * A round measures each workload for each contestant, the one that goes first rotating, every time on an origin that
 * nobody used before; the first round warms the machine and is dropped. Ratios are taken within a round, then their median,
 * so that what else the machine does meanwhile falls on all of them.
 */
import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { bundle, bundleWorker, peerServers, writeJson } from './build/bundles.js'
import { coldRound } from './parts/cold.js'
import { pagesRound } from './parts/pages.js'
import { Round, type Run } from './parts/round.js'
import { safetyRound } from './parts/safety.js'
import { warmRound } from './parts/warm.js'
import { figuresOf } from './report/figures.js'
import { bundleTable, costTable, mainTable, reproductionTable, spreadTable } from './report/tables.js'
import { Samples } from './samples.js'
import { serve } from './server/serve.js'

const { values: options } = parseArgs({
  options: {
    /** Fewer rounds. */
    quick: { type: 'boolean', default: false },
    /** Measure the libraries of bench/peers too. */
    peers: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    /** The contestants, by name; all by default. */
    only: { type: 'string' },
    /** The workloads, by name, with semicolons between; all by default. */
    workloads: { type: 'string' },
    /** The built package's folder. */
    library: { type: 'string' },
  },
})

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')
const library = resolve(options.library ?? join(root, 'pkg', 'dist'))
const folders = { bench: join(root, 'bench'), library, site: join(root, 'target', 'bench', 'site') }
const output = join(root, 'target', 'bench', 'samples.json')

const only = options.only?.split(',')
const chosen = options.workloads?.split(';')
const rounds = Number(options.rounds ?? (options.quick ? 3 : options.peers ? 5 : 9))
/** Counts and sizes hardly differ from round to round. */
const fewRounds = Math.min(rounds, options.quick ? 1 : 3)

if ((only?.includes('landfall') ?? true) && !existsSync(join(library, 'index.js')))
  throw new Error(
    `${library} has no index.js: build the package first (cargo xtask build), or measure --only raw,floor`,
  )

const startedAt = new Date()
const say = (line: string) => process.stderr.write(`${line}\n`)
const bundles = await bundle(folders, name => only?.includes(name) ?? true, options.peers)
await bundleWorker(folders)
const site = await serve(
  folders.site,
  bundles,
  await peerServers(
    folders,
    bundles.map(({ name }) => name),
  ),
)
const samples = new Samples()
const failures = new Map<string, string>()
const run: Run = {
  site,
  contestants: bundles,
  samples,
  wants: workload => chosen?.includes(workload) ?? true,
  failed(contestant, workload, reason) {
    const what = `${contestant}, ${workload}`
    if (!failures.has(what)) say(`${what}: ${reason}`)
    failures.set(what, reason)
  },
}

for (const { name, sizes } of bundles)
  samples.keep({ round: 1, contestant: name, figure: 'bundle', value: (sizes.js + sizes.wasm + sizes.workers) / 1e3 })
for (let number = 0; number <= rounds; number += 1) {
  const round = new Round(run, number)
  await warmRound(round)
  await coldRound(round)
  if (number > 0 && number <= fewRounds) {
    await safetyRound(round)
    await pagesRound(round)
  }
  const minutes = ((Date.now() - startedAt.getTime()) / 60_000).toFixed(1)
  say(`round ${number} of ${rounds}${number === 0 ? ' (warm-up, dropped)' : ''}, ${minutes} minutes`)
}
await site.close()

const figures = figuresOf(samples.all)
await writeJson(output, {
  startedAt: startedAt.toISOString(),
  cpu: cpus()[0]?.model,
  rounds,
  bundles,
  failures: Object.fromEntries(failures),
  figures: figures.map(({ row, cells, ...rest }) => ({ ...row, ...rest, cells: Object.fromEntries(cells) })),
  samples: samples.all,
})
process.stdout.write(
  [
    mainTable(figures, bundles, new Set()),
    spreadTable(figures, bundles),
    costTable(figures, bundles),
    bundleTable(bundles),
    reproductionTable(figures),
    output,
  ].join('\n\n') + '\n',
)
if (failures.size > 0) process.exitCode = 1
