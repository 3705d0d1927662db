import { grown, sizes } from '../parts/growth.js'
import { median, type Sample } from '../samples.js'
import { type Line, linePlot } from './plot.js'
import { digits, markdown } from './tables.js'

const operations: Readonly<Record<string, { readonly title: string; readonly kind: 'constant' | 'linear' | 'start' }>> =
  {
    create: { title: 'one awaited create', kind: 'constant' },
    query: { title: 'indexed query of 100 rows', kind: 'constant' },
    createMany: { title: '`createMany` of 1,000', kind: 'constant' },
    first: { title: 'opening to the first record', kind: 'start' },
    readAll: { title: 'reading all', kind: 'linear' },
  }

/** What ten times as much may cost: noise and a cache that no longer holds it are no growth. */
const most = { constant: 2, linear: 12, start: 2 } as const

interface Grown {
  readonly what: string
  readonly operation: string
  /** Medians, in the order of the sizes; `NaN`: not measured. */
  readonly ms: readonly number[]
}

function grownOf(samples: readonly Sample[]): Grown[] {
  return grown.flatMap(what =>
    Object.keys(operations).map(operation => ({
      what,
      operation,
      ms: sizes.map(size => {
        const name = `growth, ${what} ${size}, ${operation}`
        const values = samples.filter(({ figure }) => figure === name).map(({ value }) => value)
        return values.length === 0 ? Number.NaN : median(values)
      }),
    })),
  )
}

/** The times, and from 10,000 to 100,000 how many times as much, against what is asked. */
export function growthTable(samples: readonly Sample[]): string {
  const lines = grownOf(samples).map(({ what, operation, ms }) => {
    const { title = operation, kind = 'linear' } = operations[operation] ?? {}
    const factor = (ms[2] ?? Number.NaN) / (ms[1] ?? Number.NaN)
    const verdict = Number.isNaN(factor)
      ? '–'
      : factor <= most[kind]
        ? `≤ ${most[kind]} met`
        : `**≤ ${most[kind]} missed**`
    return [`${title}, ${what}`, ...ms.map(digits), digits(factor), verdict]
  })
  return markdown(['ms', ...sizes.map(size => size.toLocaleString('en')), '100,000 / 10,000', ''], lines)
}

export function growthPlot(samples: readonly Sample[]): string {
  const all = grownOf(samples)
  const panels = grown.map(what => ({
    title: `${what} in the store`,
    lines: all
      .filter(one => one.what === what)
      .map(({ operation, ms }): Line => ({
        name: operations[operation]?.title ?? operation,
        points: ms.flatMap((y, i) => (Number.isFinite(y) ? [{ x: sizes[i] ?? 0, y }] : [])),
      })),
  }))
  return linePlot('How Landfall grows', 'milliseconds, over how many there are', panels)
}
