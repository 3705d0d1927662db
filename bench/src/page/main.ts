/** What runs inside a measured page: the harness calls it, in Chromium directly, elsewhere by WebDriver. */
import { type Growth, growth } from './growth.js'
import { Memory } from './memory.js'
import { type Figures, type Options, Stage } from './stage.js'
import { Tab } from './tab.js'
import { type WorkloadName, workloads } from './workloads.js'

export interface Bench {
  run(workload: WorkloadName, options: Options): Promise<Figures>
  /** What {@link workloads}' `navigate` gave, where the page's address asks for it. */
  readonly navigated: Promise<Figures> | undefined
  readonly memory: Memory
  readonly tab: Tab
  readonly growth: Growth
}

declare global {
  var bench: Bench
}

if (!crossOriginIsolated) throw new Error('the page is not cross-origin isolated: its clock is too coarse')
const stage = new Stage(location.pathname.split('/')[2] ?? '')
globalThis.bench = {
  run: (workload, options) => workloads[workload](stage, options),
  navigated: location.search === '?navigate' ? workloads.navigate(stage) : undefined,
  memory: new Memory(stage),
  tab: new Tab(stage),
  growth: growth(stage),
}
