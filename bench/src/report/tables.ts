import type { Bundle } from '../build/bundles.js'
import { type Cell, type Figure, isRatio } from './figures.js'
import { ours } from './rows.js'

/** Two digits that say something: 132, 13, 1.3, 0.13, 0.013. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '–'
  if (Math.abs(value) >= 10 || value === 0) return value.toFixed(0)
  if (Math.abs(value) >= 1) return value.toFixed(1)
  return value.toFixed(Math.abs(value) >= 0.1 ? 2 : 3)
}

export function markdown(header: readonly string[], lines: readonly (readonly string[])[]): string {
  const rule = header.map((_, i) => (i === 0 ? '---' : '--:'))
  return [header, rule, ...lines].map(cells => `| ${cells.join(' | ')} |`).join('\n')
}

function verdict({ row: { target, least }, met }: Figure): string {
  if (met === undefined) return target === undefined && least === undefined ? '' : '–'
  const bound = target === undefined ? `≥ ${least}` : `≤ ${target}`
  return met ? `${bound} met` : `**${bound} missed**`
}

function ahead({ row, cells, bestPeer }: Figure): string {
  // Sizes and memory are told beside the peers', and not as a race.
  if (!isRatio(row)) return ''
  const mine = cells.get(ours)
  const best = bestPeer === undefined ? undefined : cells.get(bestPeer)
  if (mine === undefined || best === undefined) return ''
  const times = best.told / mine.told
  return times > 1 ? `${digits(times)} ×` : `**no, ${digits(times)} ×**`
}

/** The rows against the contestants. */
export function mainTable(
  figures: readonly Figure[],
  bundles: readonly Bundle[],
  oneEntry: ReadonlySet<string>,
): string {
  const hasPeers = figures.some(({ bestPeer }) => bestPeer !== undefined)
  const header = ['× raw IndexedDB', 'raw ms', ...bundles.map(({ title }) => title), 'target']
  if (hasPeers) header.push('ahead of the best peer')
  const bulk = ['separate', 'many', 'update']
  const lines = figures.map(figure => {
    const { row, cells, bestPeer } = figure
    const tell = (bundle: Bundle): string => {
      const cell = cells.get(bundle.name)
      if (cell === undefined) return '–'
      const star = bulk.includes(row.figure) && oneEntry.has(bundle.name) ? '\\*' : ''
      const text = `${digits(cell.told)}${star}`
      return bundle.name === bestPeer ? `**${text}**` : text
    }
    const unit = row.unit === 'ms' || row.unit === '' ? '' : `, ${row.unit}`
    const raw = isRatio(row) ? digits(cells.get('raw')?.value ?? Number.NaN) : ''
    const line = [`${row.title}${unit}`, raw, ...bundles.map(tell), verdict(figure)]
    return hasPeers ? [...line, ahead(figure)] : line
  })
  return markdown(header, lines)
}

/** The same with the quartiles of what the main table tells. */
export function spreadTable(figures: readonly Figure[], bundles: readonly Bundle[]): string {
  const tell = (cell: Cell | undefined) => (cell === undefined ? '–' : `${digits(cell.lower)}–${digits(cell.upper)}`)
  return markdown(
    ['quartiles', ...bundles.map(({ title }) => title)],
    figures.map(({ row, cells }) => [row.title, ...bundles.map(({ name }) => tell(cells.get(name)))]),
  )
}

/** CPU time against raw's, and what was put off. */
export function costTable(figures: readonly Figure[], bundles: readonly Bundle[]): string {
  const tell = (cell: Cell | undefined) => {
    if (cell?.cpuRatio === undefined) return '–'
    const later = cell.laterMs === undefined ? '' : `, ${Math.max(0, cell.laterMs).toFixed(0)}`
    return `${digits(cell.cpuRatio)}${later}`
  }
  return markdown(
    ['CPU × raw, ms put off', ...bundles.map(({ title }) => title)],
    figures
      .filter(({ cells }) => [...cells.values()].some(({ cpuRatio }) => cpuRatio !== undefined))
      .map(({ row, cells }) => [row.title, ...bundles.map(({ name }) => tell(cells.get(name)))]),
  )
}

/** What is loaded to begin with, and what else. */
export function bundleTable(bundles: readonly Bundle[]): string {
  const kB = (bytes: number) => (bytes === 0 ? '' : digits(bytes / 1e3))
  return markdown(
    ['brotli, kB', 'version', 'JavaScript', 'wasm', 'workers', 'loaded when needed'],
    bundles.map(({ title, version, sizes }) => [
      title,
      version,
      kB(sizes.js),
      kB(sizes.wasm),
      kB(sizes.workers),
      kB(sizes.lazyJs),
    ]),
  )
}

/** The floor against what earlier measurements gave. */
export function reproductionTable(figures: readonly Figure[]): string {
  return markdown(
    ['floor / raw', 'here', 'expected', ''],
    figures
      .filter(({ reproduced }) => reproduced !== undefined)
      .map(({ row, cells, reproduced }) => [
        row.title,
        digits(cells.get('floor')?.told ?? Number.NaN),
        String(row.floorExpected),
        reproduced === true ? 'reproduced' : '**deviates**',
      ]),
  )
}
