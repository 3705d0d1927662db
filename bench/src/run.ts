/**
 * `cargo xtask bench`: the package beside raw IndexedDB, a bare log and, with `--peers`, the libraries that do what it does.
 *
 * A round measures each workload for each contestant, the one that goes first rotating, every time on an origin that
 * nobody used before; the first round warms the machine and is dropped. Ratios are taken within a round, then their median,
 * so that what else the machine does meanwhile falls on all of them.
 */
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from '../../tests/e2e/harness/paths.js'
import { bundle, bundleAsked, bundleWorker, peerServers } from './build/bundles.js'
import { everybody, measureAll } from './measure.js'
import { record, tell } from './report/report.js'
import { byHand, ours } from './report/rows.js'
import { serve } from './server/serve.js'

const { values: options } = parseArgs({
  options: {
    /** Fewer rounds. */
    quick: { type: 'boolean', default: false },
    /** Measure the libraries of bench/peers too. */
    peers: { type: 'boolean', default: false },
    /** Write the report to bench/RESULTS.md and bench/results. */
    record: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    /** The contestants, by name, with commas between; all by default. */
    only: { type: 'string' },
    /** The workloads, by name, with semicolons between; all by default. */
    workloads: { type: 'string' },
    /** Of `chromium`, `throttled`, `growth`, `first-sync`, `firefox` and `webkit`, with commas between; all by default. */
    parts: { type: 'string' },
    /** The built package's folder. */
    library: { type: 'string' },
  },
})

const library = resolve(options.library ?? join(root, 'pkg', 'dist'))
// A folder of its own: another run beside this one must not find it half built.
const folders = { bench: join(root, 'bench'), library, site: await mkdtemp(join(tmpdir(), 'landfall-bench-site-')) }

// Playwright ends its browsers when this process exits; by itself it would go on without them.
process.once('SIGTERM', () => process.exit(143))

const only = options.only?.split(',')
const isWanted = (name: string) => only?.includes(name) ?? true
if (isWanted(ours) && !existsSync(join(library, 'index.js')))
  throw new Error(
    `${library} has no index.js: build the package first (cargo xtask build), or measure --only raw,floor`,
  )

const bundles = await bundle(folders, isWanted, options.peers)
const names = bundles.map(({ name }) => name)
for (const name of names) await bundleAsked(folders, name)
if (names.includes(ours)) await bundleWorker(folders)
const site = await serve(folders.site, bundles, await peerServers(folders, names))
const rounds = Number(options.rounds ?? (options.quick ? 3 : options.peers ? 4 : 9))
const output = join(root, 'target', 'bench')
const results = await measureAll({
  site,
  bundles,
  rounds,
  // Counts and sizes hardly differ from round to round.
  fewRounds: Math.min(rounds, options.quick || options.peers ? 1 : 3),
  peerRounds: Math.ceil(rounds / 3),
  async keep(sofar) {
    await tell(sofar, output)
    if (options.record) await record(sofar, folders.bench)
  },
  parts: options.parts?.split(','),
  workloads: options.workloads?.split(';'),
})
await site.close()
await rm(folders.site, { recursive: true })

process.stdout.write(`${await tell(results, output)}\n`)
if (options.record) await record(results, folders.bench)
// That a peer cannot do something is a result; that we cannot is a failure.
const isOurs = (what: string) => [everybody, ...byHand, ours].some(name => what.startsWith(`${name}, `))
if (Object.keys(results.failures).some(isOurs)) process.exitCode = 1
