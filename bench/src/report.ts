import type { ContestantName } from './page/main.js'
import type { Size } from './sizes.js'

/** One measured figure of one contestant in one round. */
export interface Sample {
  readonly round: number
  readonly contestant: ContestantName
  readonly figure: string
  readonly ms: number
}

interface Row {
  readonly title: string
  /** The log floor's ratio to raw IndexedDB that earlier measurements of the same two gave: a check on this harness. */
  readonly floorExpected?: number
}

const rows: Record<string, Row> = {
  single: { title: 'one awaited, queued create', floorExpected: 0.7 },
  'single in 10,000': { title: '… in a store of 10,000', floorExpected: 0.6 },
  separate: { title: '1,000 separate creates awaited together', floorExpected: 0.03 },
  many: { title: 'createMany of 10,000', floorExpected: 0.02 },
  apply: { title: 'pull of 10,000 applied, pages parsed before', floorExpected: 0.04 },
  pull: { title: 'pull of 10,000 applied, from bytes to durable' },
  'start synced, first': { title: 'cold start to the first record of 10,000 pulled', floorExpected: 0.54 },
  'start synced, all': { title: '… plus reading all 10,000', floorExpected: 0.19 },
  'start queued, first': { title: 'cold start to the first record of 10,000 queued creates' },
  'start queued, all': { title: '… plus reading all 10,000' },
  queries: { title: '100 indexed queries of 100 rows', floorExpected: 0.01 },
}

export interface Figure {
  readonly title: string
  /** Medians over the rounds. */
  readonly ms: Partial<Record<ContestantName, number>>
  /** Medians of the ratios to raw within a round. */
  readonly ratio: Partial<Record<ContestantName, number>>
  readonly floorExpected?: number
  readonly reproduced?: boolean
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** The expectations are published with two decimals: what they stand for may be this much more or less. */
const rounding = 0.005

/** Within a quarter above 0.1, within a factor of two below. */
function isReproduced(ratio: number, expected: number): boolean {
  const [less, more] = expected > 0.1 ? [0.75, 1.25] : [0.5, 2]
  return ratio >= (expected - rounding) * less && ratio <= (expected + rounding) * more
}

export function summarise(samples: readonly Sample[]): Record<string, Figure> {
  const figures: Record<string, Figure> = {}
  for (const [key, row] of Object.entries(rows)) {
    const own = samples.filter(sample => sample.figure === key)
    if (own.length === 0) continue
    const ms: Partial<Record<ContestantName, number>> = {}
    const ratio: Partial<Record<ContestantName, number>> = {}
    for (const contestant of new Set(own.map(sample => sample.contestant))) {
      const mine = own.filter(sample => sample.contestant === contestant)
      ms[contestant] = median(mine.map(sample => sample.ms))
      ratio[contestant] = median(
        mine.map(sample => {
          const beside = own.find(other => other.round === sample.round && other.contestant === 'raw')
          return sample.ms / (beside?.ms ?? Number.NaN)
        }),
      )
    }
    const { floorExpected, title } = row
    figures[key] =
      floorExpected === undefined || ratio.floor === undefined
        ? { title, ms, ratio }
        : { title, ms, ratio, floorExpected, reproduced: isReproduced(ratio.floor, floorExpected) }
  }
  return figures
}

function number(value: number | undefined, digits: number): string {
  return value === undefined ? '–' : value.toFixed(digits)
}

export function table(figures: Record<string, Figure>, sizes: readonly Size[]): string {
  const lines = [
    '| median of the rounds | raw ms | floor ms | Landfall ms | floor / raw | expected | Landfall / raw |',
    '|---|--:|--:|--:|--:|--:|--:|',
  ]
  for (const { title, ms, ratio, floorExpected, reproduced } of Object.values(figures)) {
    const expected = floorExpected === undefined ? '' : `${floorExpected}${reproduced === false ? ' DEVIATES' : ''}`
    lines.push(
      `| ${title} | ${number(ms.raw, 2)} | ${number(ms.floor, 2)} | ${number(ms.landfall, 2)} | ${number(ratio.floor, 3)} | ${expected} | ${number(ratio.landfall, 3)} |`,
    )
  }
  if (sizes.length > 0) lines.push('', '| size | bytes | brotli |', '|---|--:|--:|')
  for (const { file, bytes, brotli } of sizes) lines.push(`| ${file} | ${bytes} | ${brotli} |`)
  return lines.join('\n')
}
