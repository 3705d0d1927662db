/** The table of raised budgets in `bench/RESULTS.md`: a line for each step up, with what it bought. */
import { type Budgets, limitOf, lowestOf, type Raise } from './ledger.js'

export interface Line extends Raise {
  readonly gain: string
}

const heading = '## Raised budgets'

/** The lines of the table, in their order. */
export function linesOf(markdown: string): Line[] {
  const section = markdown.split(`${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  return section.split('\n').flatMap(line => {
    const [, operation, counter, from, to, gain] = line.split('|').map(cell => cell.trim())
    const steps = [from, to].map(cell => Number(cell?.replaceAll(',', '')))
    // The table's head and the rule under it have no numbers.
    if (operation === undefined || counter === undefined || !steps.every(Number.isInteger)) return []
    return [{ operation, counter, from: steps[0] ?? 0, to: steps[1] ?? 0, gain: gain ?? '' }]
  })
}

/** The text with a line for each raise at the end of the table. What is gained is for whoever raised it to say. */
export function withLines(markdown: string, raises: readonly Raise[]): string {
  const [before, after] = markdown.split(`${heading}\n`)
  if (before === undefined || after === undefined) throw new Error(`bench/RESULTS.md has no "${heading}"`)
  const [section = '', ...others] = after.split('\n## ')
  const lines = raises.map(({ operation, counter, from, to }) => `| ${operation} | ${counter} | ${from} | ${to} | |`)
  const table = [section.trimEnd(), ...lines].join('\n')
  return [`${before}${heading}\n${table}\n`, ...others].join('\n## ')
}

/** Which raised budgets lack a line. The lines of one lead, step by step, from its lowest limit to the one it has. */
export function unexplained(budgets: Budgets, lines: readonly Line[]): string[] {
  const problems = lines
    .filter(({ from, to, gain }) => gain === '' || from >= to)
    .map(({ operation, counter }) => `the line of ${operation}, ${counter} does not say what is gained by a raise`)
  for (const [operation, counters] of Object.entries(budgets)) {
    for (const [counter, budget] of Object.entries(counters)) {
      const own = lines.filter(line => line.operation === operation && line.counter === counter)
      let reached = lowestOf(budget)
      for (let step = true; step && reached < limitOf(budget);) {
        const next = Math.max(...own.filter(({ from }) => from <= reached).map(({ to }) => to))
        step = next > reached
        if (step) reached = next
      }
      if (reached < limitOf(budget))
        problems.push(
          `${operation}, ${counter}: its limit was ${lowestOf(budget)} and is ${limitOf(budget)}, and no line in bench/RESULTS.md under "Raised budgets" says what was gained from ${reached} on`,
        )
    }
  }
  return problems
}
