import { median, type Sample } from '../samples.js'
import { type Bars, barPlot } from './plot.js'
import { ours } from './rows.js'
import { digits, markdown } from './tables.js'

interface Asked {
  readonly figure: string
  readonly title: string
  /** At most this, without throttling. */
  readonly most?: number
  /** Drawn, as how many times raw's. */
  readonly isTime?: boolean
}

const asked: readonly Asked[] = [
  { figure: 'first screen', title: 'the first screen’s data is readable, ms', isTime: true },
  { figure: 'all', title: 'all is there, ms', isTime: true },
  { figure: 'long tasks', title: 'long tasks (over 50 ms)', most: 0 },
  { figure: 'longest task', title: '… the longest, ms' },
  { figure: 'longest gap between frames', title: 'longest wait between two frames, ms' },
  { figure: 'requests', title: 'requests' },
  { figure: 'bytes on the wire', title: 'answers on the wire, gzipped, MB' },
  { figure: 'rows twice', title: 'rows that came twice after a cut half-way (a page has 1,000)', most: 1_000 },
]

type Where = readonly [title: string, samples: readonly Sample[]]

function valueOf(samples: readonly Sample[], contestant: string, figure: string): number {
  const own = samples.filter(one => one.contestant === contestant && one.figure === `first sync, ${figure}`)
  return own.length === 0 ? Number.NaN : median(own.map(({ value }) => value))
}

/** Counts as they are. */
const told = (value: number): string => (Number.isInteger(value) ? value.toLocaleString('en') : digits(value))

/** The same in a page as fast as the machine, and in a slowed one. */
const places = (chromium: readonly Sample[], throttled: readonly Sample[]): readonly Where[] => [
  ['', chromium],
  [', 4× slower', throttled],
]

export function isFirstSync({ figure }: Sample): boolean {
  return figure.startsWith('first sync, ')
}

export function firstSyncTable(chromium: readonly Sample[], throttled: readonly Sample[]): string {
  const columns = places(chromium, throttled).flatMap(([where, samples]) =>
    [
      ['raw', 'raw IndexedDB'],
      [ours, 'Landfall'],
    ].map(([name = '', title = '']) => ({ title: `${title}${where}`, name, samples })),
  )
  const lines = asked.map(({ figure, title, most }) => {
    const mine = valueOf(chromium, ours, figure)
    const bound = most === undefined ? '' : most === 0 ? 'none' : `≤ ${most.toLocaleString('en')}`
    const verdict =
      most === undefined ? '' : Number.isNaN(mine) ? '–' : mine <= most ? `${bound} met` : `**${bound} missed**`
    return [title, ...columns.map(({ name, samples }) => told(valueOf(samples, name, figure))), verdict]
  })
  return markdown(['50 projects, 100,000 items', ...columns.map(({ title }) => title), 'target'], lines)
}

export function firstSyncPlot(chromium: readonly Sample[], throttled: readonly Sample[]): string {
  const groups = places(chromium, throttled).flatMap(([where, samples]) =>
    asked.flatMap(({ figure, title, isTime }): Bars[] => {
      const value = valueOf(samples, ours, figure) / valueOf(samples, 'raw', figure)
      return isTime === true && value > 0
        ? [{ title: `${title.replace(', ms', '')}${where}`, bars: [{ series: 0, value }] }]
        : []
    }),
  )
  return barPlot('First sync of 100,000 against raw IndexedDB (1 = as fast; left is faster)', ['Landfall'], groups)
}
