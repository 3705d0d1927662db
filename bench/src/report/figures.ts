import { median, quantile, type Sample } from '../samples.js'
import { isOwn, ours, type Row, rows } from './rows.js'

/** One contestant's figure in one row. */
export interface Cell {
  /** The median over the rounds, in the row's unit. */
  readonly value: number
  /** The median of the ratios to raw within a round, and their quartiles. Of the values where the row has no ratio. */
  readonly told: number
  readonly lower: number
  readonly upper: number
  /** CPU time against raw's in the same round. */
  readonly cpuRatio?: number
  /** CPU time in the second after, less that of an idle second, in milliseconds. */
  readonly laterMs?: number
}

export interface Figure {
  readonly row: Row
  readonly cells: ReadonlyMap<string, Cell>
  /** Whether the floor's ratio is what it was elsewhere; `undefined`: nobody knows what it was. */
  readonly reproduced: boolean | undefined
  readonly met: boolean | undefined
  readonly bestPeer: string | undefined
}

/** Expectations are published with two decimals: what they stand for may be this much more or less. */
const rounding = 0.005

/** Within a quarter above 0.1, within a factor of two below. */
function isReproduced(ratio: number, expected: number): boolean {
  const [less, more] = expected > 0.1 ? [0.75, 1.25] : [0.5, 2]
  return ratio >= (expected - rounding) * less && ratio <= (expected + rounding) * more
}

export const isRatio = ({ unit }: Row): boolean => unit === 'ms'

function cellOf(row: Row, own: readonly Sample[], contestant: string, idleMs: number): Cell | undefined {
  const mine = own.filter(sample => sample.contestant === contestant)
  if (mine.length === 0) return undefined
  const beside = (sample: Sample) => own.find(one => one.round === sample.round && one.contestant === 'raw')
  const against = (of: (sample: Sample) => number | undefined) =>
    mine.map(sample => {
      const raw = beside(sample)
      return (of(sample) ?? Number.NaN) / ((raw && of(raw)) ?? Number.NaN)
    })
  const values = mine.map(({ value }) => value)
  const told = (isRatio(row) ? against(({ value }) => value) : values).filter(Number.isFinite)
  const cpu = against(({ cpuMs }) => cpuMs).filter(Number.isFinite)
  const later = mine.flatMap(({ laterMs }) => (laterMs === undefined ? [] : [laterMs - idleMs]))
  return {
    value: median(values),
    told: median(told),
    lower: quantile(told, 0.25),
    upper: quantile(told, 0.75),
    ...(cpu.length > 0 && { cpuRatio: median(cpu) }),
    ...(later.length > 0 && { laterMs: median(later) }),
  }
}

/** Figures in the order of the rows; those that nobody measured are left out. */
export function figuresOf(samples: readonly Sample[]): Figure[] {
  const idle = samples.filter(({ figure, laterMs }) => figure === 'idle' && laterMs !== undefined)
  const idleMs = idle.length > 0 ? median(idle.map(({ laterMs = 0 }) => laterMs)) : 0
  const contestants = [...new Set(samples.map(({ contestant }) => contestant))]
  return rows.flatMap(row => {
    const own = samples.filter(({ figure }) => figure === row.figure)
    const cells = new Map<string, Cell>()
    for (const contestant of contestants) {
      const cell = cellOf(row, own, contestant, idleMs)
      if (cell !== undefined) cells.set(contestant, cell)
    }
    return cells.size === 0 ? [] : [{ row, cells, ...judged(row, cells) }]
  })
}

function judged(row: Row, cells: ReadonlyMap<string, Cell>): Omit<Figure, 'row' | 'cells'> {
  const floor = cells.get('floor')?.told
  const mine = cells.get(ours)?.told
  const { floorExpected, target, least } = row
  const peers = [...cells].filter(([name]) => !isOwn(name))
  const [best] = peers.sort(([, a], [, b]) => a.told - b.told)
  return {
    reproduced: floorExpected === undefined || floor === undefined ? undefined : isReproduced(floor, floorExpected),
    met:
      mine === undefined || Number.isNaN(mine)
        ? undefined
        : target !== undefined
          ? mine <= target
          : least !== undefined
            ? mine >= least
            : undefined,
    bestPeer: row.isPart === true ? undefined : best?.[0],
  }
}
