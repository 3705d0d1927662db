import type { Finding } from './ledger.js'

function cell({ count, limit, problem }: Finding): string {
  if (problem === undefined) return String(count)
  if (count === undefined) return `none (${limit})`
  if (limit === undefined) return `${count} (no limit)`
  return `${count} ${count > limit ? '>' : '<'} ${limit}`
}

/** All findings for people: a table for each kind of counts, the operations below each other. */
export function table(findings: readonly Finding[]): string {
  const operations = grouped(findings, finding => finding.operation)
  const kinds = grouped([...operations], ([, own]) => own[0]?.counter)
  return [...kinds.values()].map(rows => oneTable(new Map(rows))).join('\n\n')
}

function grouped<K, V>(values: readonly V[], key: (value: V) => K): Map<K, V[]> {
  const groups = new Map<K, V[]>()
  for (const value of values) {
    const group = groups.get(key(value))
    if (group === undefined) groups.set(key(value), [value])
    else group.push(value)
  }
  return groups
}

function oneTable(operations: ReadonlyMap<string, readonly Finding[]>): string {
  const counters = [...new Set([...operations.values()].flatMap(own => own.map(({ counter }) => counter)))]
  const rows = [...operations].map(([operation, own]) => {
    const cells = counters.map(counter => own.find(finding => finding.counter === counter))
    return [operation, ...cells.map(finding => (finding === undefined ? '' : cell(finding)))]
  })
  const lines = [['', ...counters], ...rows]
  const widths = lines[0]?.map((_, at) => Math.max(...lines.map(line => line[at]?.length ?? 0))) ?? []
  const padded = lines.map(line =>
    line.map((text, at) => (at === 0 ? text.padEnd(widths[at] ?? 0) : text.padStart(widths[at] ?? 0))),
  )
  return padded.map(line => line.join('  ').trimEnd()).join('\n')
}
