/** Plots as SVG by hand: a few lines and rectangles. Legible on white and on black. */

const palette = [
  '#888888',
  '#d4a017',
  '#d62728',
  '#1f77b4',
  '#2ca02c',
  '#9467bd',
  '#8c564b',
  '#e377c2',
  '#17becf',
  '#bcbd22',
  '#ff7f0e',
  '#7f9fbf',
  '#5f8f5f',
  '#bf5f8f',
]

export const colourOf = (index: number): string => palette[index % palette.length] ?? '#000000'

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('`', '')

function text(x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end' = 'start'): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escaped(content)}</text>`
}

function svg(width: number, height: number, parts: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11" fill="#555">
<rect width="${width}" height="${height}" fill="#fff"/>
${parts.join('\n')}
</svg>
`
}

/** From a value to a place, by its logarithm. */
class LogScale {
  readonly ticks: readonly number[]
  readonly #low: number
  readonly #high: number

  constructor(
    values: readonly number[],
    private readonly from: number,
    private readonly to: number,
  ) {
    this.#low = Math.floor(Math.log10(Math.min(...values)))
    this.#high = Math.max(this.#low + 1, Math.ceil(Math.log10(Math.max(...values))))
    this.ticks = Array.from({ length: this.#high - this.#low + 1 }, (_, i) => 10 ** (this.#low + i))
  }

  at(value: number): number {
    const part = (Math.log10(value) - this.#low) / (this.#high - this.#low)
    return this.from + part * (this.to - this.from)
  }
}

const tickText = (value: number) => (value >= 1_000 ? `${value / 1_000}k` : String(Number(value.toPrecision(1))))

export interface Bars {
  readonly title: string
  readonly bars: readonly { readonly series: number; readonly value: number }[]
  /** Where a line is to be drawn across the group. */
  readonly target?: number
}

/** Groups of horizontal bars on a logarithmic scale; each begins at 1, where raw IndexedDB is. */
export function barPlot(title: string, series: readonly string[], groups: readonly Bars[]): string {
  const [left, width, bar, gap] = [300, 960, 8, 14]
  const head = 34 + 16 * Math.ceil(series.length / 6)
  const bars = groups.flatMap(group => group.bars)
  const scale = new LogScale([...bars.map(({ value }) => value), 1], left, width - 60)
  const heights = groups.map(group => group.bars.length * bar + gap)
  const height = head + heights.reduce((sum, one) => sum + one, 0) + 30
  const parts = [`<text x="10" y="18" font-size="14" font-weight="bold">${escaped(title)}</text>`]
  for (const [i, name] of series.entries()) {
    const [x, y] = [10 + (i % 6) * 155, 30 + 16 * Math.floor(i / 6)]
    parts.push(`<rect x="${x}" y="${y}" width="10" height="10" fill="${colourOf(i)}"/>`, text(x + 14, y + 9, name))
  }
  for (const tick of scale.ticks) {
    const x = scale.at(tick).toFixed(1)
    const stroke = tick === 1 ? '#999' : '#ddd'
    parts.push(`<line x1="${x}" y1="${head}" x2="${x}" y2="${height - 26}" stroke="${stroke}"/>`)
    parts.push(text(Number(x), height - 12, tickText(tick), 'middle'))
  }
  let y = head
  for (const [i, group] of groups.entries()) {
    const full = heights[i] ?? 0
    parts.push(text(left - 8, y + (full - gap) / 2 + 4, group.title, 'end'))
    for (const [n, { series: which, value }] of group.bars.entries()) {
      const [one, x] = [scale.at(1), scale.at(value)]
      const [begin, end] = [Math.min(one, x), Math.max(one, x)]
      parts.push(
        `<rect x="${begin.toFixed(1)}" y="${y + n * bar}" width="${Math.max(1, end - begin).toFixed(1)}" height="${bar - 1}" fill="${colourOf(which)}"/>`,
      )
    }
    if (group.target !== undefined) {
      const x = scale.at(group.target).toFixed(1)
      parts.push(
        `<line x1="${x}" y1="${y - 2}" x2="${x}" y2="${y + full - gap + 2}" stroke="#000" stroke-dasharray="3 2"/>`,
      )
    }
    y += full
  }
  return svg(width, height, parts)
}

export interface Line {
  readonly name: string
  readonly points: readonly { readonly x: number; readonly y: number }[]
}

/** Panels side by side, lines on two logarithmic scales. */
export function linePlot(
  title: string,
  unit: string,
  panels: readonly { readonly title: string; readonly lines: readonly Line[] }[],
): string {
  const [panelWidth, height, top, bottom] = [430, 380, 60, 330]
  const all = panels.flatMap(panel => panel.lines.flatMap(line => line.points))
  const parts = [`<text x="10" y="18" font-size="14" font-weight="bold">${escaped(title)}</text>`, text(10, 36, unit)]
  const vertical = new LogScale(
    all.map(({ y }) => y),
    bottom,
    top,
  )
  for (const [p, panel] of panels.entries()) {
    const left = 50 + p * panelWidth
    const right = left + panelWidth - 150
    const horizontal = new LogScale(
      all.map(({ x }) => x),
      left,
      right,
    )
    parts.push(text((left + right) / 2, top - 8, panel.title, 'middle'))
    for (const tick of vertical.ticks) {
      const y = vertical.at(tick).toFixed(1)
      parts.push(
        `<line x1="${left}" y1="${y}" x2="${right}" y2="${y}" stroke="#ddd"/>`,
        text(left - 6, Number(y) + 4, tickText(tick), 'end'),
      )
    }
    for (const tick of horizontal.ticks) parts.push(text(horizontal.at(tick), bottom + 18, tickText(tick), 'middle'))
    for (const [i, { points }] of panel.lines.entries()) {
      const path = points.map(({ x, y }) => `${horizontal.at(x).toFixed(1)},${vertical.at(y).toFixed(1)}`).join(' ')
      const colour = colourOf(i + 2)
      parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`)
      for (const { x, y } of points)
        parts.push(
          `<circle cx="${horizontal.at(x).toFixed(1)}" cy="${vertical.at(y).toFixed(1)}" r="3" fill="${colour}"/>`,
        )
    }
    // Names beside the lines' ends, far enough from each other to be read.
    const names = panel.lines.flatMap(({ name, points }) => {
      const last = points.at(-1)
      return last === undefined ? [] : [{ name, x: horizontal.at(last.x) + 8, y: vertical.at(last.y) + 4 }]
    })
    let lowest = Number.NEGATIVE_INFINITY
    for (const { name, x, y } of names.sort((a, b) => a.y - b.y)) {
      lowest = Math.max(y, lowest + 13)
      parts.push(text(x, lowest, name))
    }
  }
  return svg(50 + panels.length * panelWidth, height, parts)
}
