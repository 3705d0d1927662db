/** Every figure that is told, in the order of the table, with what it is held against. */
export interface Row {
  /** As the samples name it. */
  readonly figure: string
  readonly title: string
  /** Times are told as ratios to raw IndexedDB's in the same round, everything else as it is. */
  readonly unit: 'ms' | 'kB' | 'MB' | ''
  /** The log floor's ratio to raw that earlier measurements of the same two gave: a check on this harness. */
  readonly floorExpected?: number
  /** At most this: × raw for times, in the row's unit for everything else. */
  readonly target?: number
  /** At least this, in the row's unit. */
  readonly least?: number
  /** Nothing that a peer could be ahead in: a part of another row, or a count that only has to be right. */
  readonly isPart?: boolean
}

export const rows: readonly Row[] = [
  { figure: 'single', title: 'one awaited, durable, queued create', unit: 'ms', floorExpected: 0.7, target: 1 },
  { figure: 'single in 10,000', title: '… in a store of 10,000', unit: 'ms', floorExpected: 0.6, target: 1 },
  { figure: 'two tabs', title: '… while another tab does the same', unit: 'ms' },
  {
    figure: 'separate',
    title: '1,000 separate creates awaited together',
    unit: 'ms',
    floorExpected: 0.03,
    target: 0.06,
  },
  { figure: 'many', title: '`createMany` of 10,000', unit: 'ms', floorExpected: 0.02, target: 0.04 },
  { figure: 'pull', title: 'pull of 10,000, from bytes to durable', unit: 'ms', target: 0.06 },
  { figure: 'apply', title: '… its pages parsed before', unit: 'ms', floorExpected: 0.04, isPart: true },
  { figure: 'pull over pending', title: '… with 500 local changes pending', unit: 'ms' },
  {
    figure: 'start synced, first',
    title: 'cold start to the first record of 10,000',
    unit: 'ms',
    floorExpected: 0.54,
    target: 0.6,
  },
  {
    figure: 'start synced, all',
    title: '… plus reading all 10,000',
    unit: 'ms',
    floorExpected: 0.19,
    target: 0.35,
  },
  {
    figure: 'start synced, first with wasm',
    title: '… to the first record, the wasm’s load counted',
    unit: 'ms',
    isPart: true,
  },
  { figure: 'start queued, first', title: 'cold start to the first of 10,000 queued creates', unit: 'ms' },
  { figure: 'start queued, all', title: '… plus reading all 10,000', unit: 'ms' },
  { figure: 'navigation, first with wasm', title: 'from navigation to the first record, all counted', unit: 'ms' },
  { figure: 'navigation, wasm', title: '… of that, the wasm’s load, ms', unit: '', isPart: true },
  { figure: 'queries', title: '100 indexed queries of 100 rows', unit: 'ms', floorExpected: 0.01, target: 0.03 },
  { figure: 'live', title: 'live query: from write to callback and durable, same tab', unit: 'ms' },
  { figure: 'live, told', title: '… to the callback, durable or not', unit: 'ms', isPart: true },
  { figure: 'live elsewhere', title: '… in another tab', unit: 'ms' },
  { figure: 'push', title: 'push of 1,000', unit: 'ms', floorExpected: 0.18, target: 0.27 },
  { figure: 'update', title: 'one field changed in 1,000 records', unit: 'ms', floorExpected: 0.01, target: 0.02 },
  { figure: 'bytes sent', title: '… bytes sent for it', unit: 'kB' },
  { figure: 'bytes on the wire', title: '… the same on the wire, compressed or not', unit: 'kB', isPart: true },
  { figure: 'requests sent', title: '… in so many requests', unit: '', isPart: true },
  { figure: 'memory, open', title: 'memory with 10,000 open', unit: 'MB', target: 6 },
  { figure: 'memory, all held', title: '… all 10,000 held', unit: 'MB' },
  { figure: 'memory, after use', title: '… after use, none held', unit: 'MB' },
  { figure: 'disk', title: 'storage used by 10,000 pulled and 1,000 queued', unit: 'MB' },
  { figure: 'bundle', title: 'bundle to begin with, brotli', unit: 'kB', target: 110 },
  { figure: 'start synced, wasm', title: 'the wasm’s load in a cold start, ms', unit: '', target: 25, isPart: true },
  {
    figure: 'survived',
    title: 'of 20 awaited creates, left after the page was killed',
    unit: '',
    least: 20,
    isPart: true,
  },
  { figure: 'sent twice', title: 'mutations sent again after drain, kill, drain', unit: '', target: 0, isPart: true },
]

/** The ids that stand for contestants by hand; everybody else but Landfall is a peer. */
export const byHand: readonly string[] = ['raw', 'floor']
export const ours = 'landfall'
export const isOwn = (name: string): boolean => byHand.includes(name) || name === ours
