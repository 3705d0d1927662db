/** What runs inside a measured page: the harness calls it, in Chromium directly, elsewhere by WebDriver. */
import { type Growth, growth } from './growth.js'
import { Memory } from './memory.js'
import { type Figures, type Options, Stage } from './stage.js'
import { Tab } from './tab.js'
import { Worker } from './worker.js'
import { type WorkloadName, workloads } from './workloads.js'

export interface Bench {
  /** What the contestant says about itself. */
  about(): Promise<{ readonly isBulkOneEntry: boolean; readonly notes: readonly string[] }>
  run(workload: WorkloadName, options: Options): Promise<Figures>
  /** What {@link workloads}' `navigate` gave, where the page's address asks for it. */
  readonly navigated: Promise<Figures> | undefined
  readonly memory: Memory
  readonly tab: Tab
  readonly growth: Growth
  readonly worker: Worker
  /** What field work asks of a slow device; in Landfall's page only. */
  targets(): Promise<Figures>
  /** All that the real server has, into an empty store; in Landfall's page and in raw's. */
  firstSync(): Promise<Figures>
}

declare global {
  var bench: Bench
}

if (!crossOriginIsolated) throw new Error('the page is not cross-origin isolated: its clock is too coarse')
/** What only some contestants are asked, which lies beside them. */
async function asked(what: string): Promise<Figures> {
  const { measure } = (await import(`/bundle/${stage.contestant}/${what}.js`)) as { measure(): Promise<Figures> }
  return measure()
}
const stage = new Stage(location.pathname.split('/')[2] ?? '')
globalThis.bench = {
  async about() {
    const { isBulkOneEntry = false, notes = [] } = await stage.make()
    return { isBulkOneEntry, notes }
  },
  run: (workload, options) => workloads[workload](stage, options),
  navigated: location.search === '?navigate' ? workloads.navigate(stage) : undefined,
  memory: new Memory(stage),
  tab: new Tab(stage),
  growth: growth(stage),
  worker: new Worker(),
  targets: () => asked('targets'),
  firstSync: () => asked('first-sync'),
}
