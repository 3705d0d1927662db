import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { cpus, totalmem, type } from 'node:os'
import { join } from 'node:path'
import type { Bundle } from '../build/bundles.js'
import type { Results } from '../measure.js'
import { median, type Sample } from '../samples.js'
import { type Figure, figuresOf, isRatio } from './figures.js'
import { firstSyncPlot, firstSyncTable, isFirstSync } from './first-sync.js'
import { growthPlot, growthTable } from './growth.js'
import { type Bars, barPlot } from './plot.js'
import { isOwn } from './rows.js'
import { bundleTable, costTable, digits, mainTable, markdown, reproductionTable, spreadTable } from './tables.js'

interface Report {
  readonly markdown: string
  /** SVG by file name. */
  readonly plots: Readonly<Record<string, string>>
}

/** What field work asks of a slow device, in milliseconds. */
const targets: readonly { readonly figure: string; readonly title: string; readonly most?: number }[] = [
  { figure: '100 operations synced', title: '100 operations synced', most: 2_000 },
  { figure: '100 conflicts detected', title: '100 conflicts detected', most: 500 },
  { figure: 'a conflict resolved', title: 'one conflict resolved', most: 100 },
  { figure: 'graph of 500 built', title: 'a graph of 500 built from storage', most: 1_000 },
  { figure: 'graph of 500 written', title: '… written level by level' },
  { figure: 'graph of 500 synced', title: '… synced' },
  { figure: 'ids exchanged', title: 'the ids of a record and of 40 that refer to it exchanged', most: 50 },
]

const workerFigures: readonly (readonly [string, string])[] = [
  ['worker, woken to first', 'from the event to a record in the page’s hands'],
  ['worker, opened to first', '… of that, from `open` to the record, in the worker'],
  ['worker, wasm', '… of that, the wasm’s load'],
]

function medianOf(samples: readonly Sample[], figure: string): number {
  const values = samples.filter(sample => sample.figure === figure).map(({ value }) => value)
  return values.length === 0 ? Number.NaN : median(values)
}

function targetTable(samples: readonly Sample[]): string {
  return markdown(
    ['under 4× throttling', 'ms', 'target'],
    targets.map(({ figure, title, most }) => {
      const ms = medianOf(samples, figure)
      const verdict = most === undefined || Number.isNaN(ms) ? '' : ms < most ? `< ${most} met` : `**< ${most} missed**`
      return [title, digits(ms), verdict]
    }),
  )
}

function workerTable(samples: readonly Sample[]): string {
  return markdown(
    ['a stopped service worker is woken, 10,000 records', 'ms'],
    workerFigures.map(([figure, title]) => [title, digits(medianOf(samples, figure))]),
  )
}

function ratioPlot(figures: readonly Figure[], bundles: readonly Bundle[]): string {
  const shown = figures.filter(({ row, cells }) => isRatio(row) && row.isPart !== true && cells.has('raw'))
  const groups = shown.map(({ row, cells }): Bars => ({
    title: row.title,
    bars: bundles.flatMap(({ name }, series) => {
      const value = cells.get(name)?.told
      return name === 'raw' || value === undefined || !(value > 0) ? [] : [{ series, value }]
    }),
    ...(row.target !== undefined && { target: row.target }),
  }))
  return barPlot(
    'Times against raw IndexedDB (1 = as fast; left is faster; dashed: target)',
    bundles.map(({ title }) => title),
    groups,
  )
}

const hasAny = (samples: readonly Sample[], figures: readonly (readonly [string, string])[]): boolean =>
  samples.some(one => figures.some(([figure]) => figure === one.figure))

/** What was measured, with what, on what. No names of machines, and no paths. */
function versionTable({ bundles, browsers }: Results): string {
  const libraries = bundles.filter(({ version }) => version !== '').map(({ title, version }) => `${title} ${version}`)
  const gibibytes = Math.round(totalmem() / 2 ** 30)
  return markdown(
    ['what', 'which'],
    [
      ['browsers', Object.values(browsers).join(', ')],
      ['libraries', libraries.join(', ')],
      ['Node.js', process.versions.node],
      ['machine', `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'a processor'}, ${gibibytes} GiB, ${type()}`],
    ],
  ).replace('| --: |', '| --- |')
}

/** A reason's first line, without addresses and paths of the machine that it was on. */
function withoutPlaces(reason: string): string {
  const [line = ''] = reason.split('\n')
  return line.replaceAll(/\b\w+:\/\/\S+/g, '…').replaceAll(/(?:\/[\w.+@-]+){2,}/g, '…')
}

function section(title: string, ...parts: readonly string[]): string {
  return [`### ${title}`, ...parts].join('\n\n')
}

function report(results: Results): Report {
  const { bundles, browsers, chromium, throttled, firefox, webkit, growth, about, failures } = results
  const own = bundles.filter(({ name }) => isOwn(name))
  const oneEntry = new Set(Object.keys(about).filter(name => about[name]?.isBulkOneEntry === true))
  const figures = figuresOf(chromium)
  const plots: Record<string, string> = {}
  const sections: string[] = []
  sections.push(
    `Measured on ${results.startedAt.slice(0, 10)} in ${results.minutes.toFixed(0)} minutes: ${results.rounds} rounds after one of warm-up (${results.peerRounds} for the peers, ${results.fewRounds} for sizes, counts, growth, the first sync and other browsers).`,
    versionTable(results),
  )
  const isMeasured = (part: readonly Sample[]) => part.some(one => one.figure !== 'bundle' && !isFirstSync(one))
  if (isMeasured(chromium)) {
    plots['ratios.svg'] = ratioPlot(figures, bundles)
    sections.push(
      section(
        'Against raw IndexedDB, in Chromium',
        'Times are medians of the ratios to raw IndexedDB within a round; bold is the best peer. \\*: the whole bulk call is one queue entry. –: not measured, see the notes.',
        mainTable(figures, bundles, oneEntry),
        '![Times against raw IndexedDB](results/ratios.svg)',
      ),
      section('Spread: the quartiles of the above', spreadTable(figures, bundles)),
    )
    if (figures.some(({ cells }) => [...cells.values()].some(({ cpuRatio }) => cpuRatio !== undefined)))
      sections.push(
        section(
          'CPU time of all the browser’s processes, and work put off',
          'CPU time × raw’s, then the milliseconds of CPU time in the second after the last promise resolved, less those of an idle second.',
          costTable(figures, bundles),
        ),
      )
    if (hasAny(chromium, workerFigures)) sections.push(section('Started by an event', workerTable(chromium)))
    sections.push(section('Bundles', bundleTable(bundles)))
    if (figures.some(({ reproduced }) => reproduced !== undefined))
      sections.push(section('The log floor against earlier measurements', reproductionTable(figures)))
  }
  if (chromium.some(isFirstSync)) {
    plots['first-sync.svg'] = firstSyncPlot(chromium, throttled)
    sections.push(
      section(
        'The first sync of 100,000 records',
        'From the real server into an empty store; the first screen lists the projects and 20 items of one of them. By hand: a page is fetched, put, and the next one asked for.',
        firstSyncTable(chromium, throttled),
        '![The first sync](results/first-sync.svg)',
      ),
    )
  }
  if (isMeasured(throttled)) {
    const parts = [mainTable(figuresOf(throttled), own, oneEntry)]
    if (targets.some(({ figure }) => throttled.some(one => one.figure === figure)))
      parts.unshift(targetTable(throttled))
    sections.push(section('On a slow device: Chromium, its page 4× slower', ...parts))
  }
  for (const [name, samples] of [
    ['firefox', firefox],
    ['webkit', webkit],
  ] as const)
    if (isMeasured(samples))
      sections.push(section(`In ${browsers[name] ?? name}`, mainTable(figuresOf(samples), own, oneEntry)))
  if (isMeasured(growth)) {
    plots['growth.svg'] = growthPlot(growth)
    sections.push(section('Growth', growthTable(growth), '![How Landfall grows](results/growth.svg)'))
  }
  const notes = bundles.flatMap(({ name, title, without }) => [
    ...(about[name]?.notes ?? []).map(note => `- ${title}: ${note}`),
    ...Object.entries(without).map(([workload, why]) => `- ${title} has no "${workload}": ${why}`),
  ])
  const failed = Object.entries(failures).map(([what, why]) => `- failed: ${what}: ${withoutPlaces(why)}`)
  if (notes.length + failed.length > 0) sections.push(section('Notes', [...notes, ...failed].join('\n')))
  return { markdown: sections.join('\n\n'), plots }
}

async function writePlots(plots: Report['plots'], folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const [file, svg] of Object.entries(plots)) await writeFile(join(folder, file), svg)
}

/** Keeps every sample, the plots and the report in a folder, and gives the report. */
export async function tell(results: Results, folder: string): Promise<string> {
  const { markdown: text, plots } = report(results)
  await writePlots(plots, join(folder, 'results'))
  await writeFile(join(folder, 'samples.json'), `${JSON.stringify(results, null, 1)}\n`)
  await writeFile(join(folder, 'report.md'), `${text}\n`)
  return text
}

const [begin, end] = ['<!-- measured: begin -->', '<!-- measured: end -->']

/** Puts the report between its marks in RESULTS.md, and leaves alone what people wrote around it. */
export async function record(results: Results, bench: string): Promise<void> {
  const { markdown: text, plots } = report(results)
  const file = join(bench, 'RESULTS.md')
  const before = await readFile(file, 'utf8').catch(() => `# Results\n\n${begin}\n${end}\n`)
  const [from, to] = [before.indexOf(begin), before.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${file} has no place for a report, between ${begin} and ${end}`)
  // The tables are wider than any line of prose: a formatter would only pad them.
  const block = `${begin}\n<!-- prettier-ignore-start -->\n\n${text}\n\n<!-- prettier-ignore-end -->\n`
  await writeFile(file, before.slice(0, from) + block + before.slice(to))
  await writePlots(plots, join(bench, 'results'))
}
