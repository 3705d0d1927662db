/** One measured figure of one contestant in one round. */
export interface Sample {
  readonly round: number
  readonly contestant: string
  readonly figure: string
  /** In the figure's own unit (report/rows.ts). */
  readonly value: number
  /** CPU time of all the browser's processes meanwhile, in milliseconds for one operation. */
  readonly cpuMs?: number
  /** The same in the second after the last promise resolved, all of it. */
  readonly laterMs?: number
}

/** What was measured, and where it runs. The first round warms everything and is dropped. */
export class Samples {
  readonly all: Sample[] = []

  keep(sample: Sample): void {
    if (sample.round > 0 && Number.isFinite(sample.value)) this.all.push(sample)
  }
}

export function quantile(values: readonly number[], at: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const place = (sorted.length - 1) * at
  const below = sorted[Math.floor(place)] ?? Number.NaN
  const above = sorted[Math.ceil(place)] ?? Number.NaN
  return below + (above - below) * (place - Math.floor(place))
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)
