/**
 * Budgets: what operations may cost, as counts that are the same on every run. `bench/budgets.json` has a limit for each.
 *
 * A count above its limit fails. So does one below: it says that somebody made something better, and a limit that stays where it was
 * would let the next change use the room up unseen. Both are one command away from being accepted. A limit that was ever lower keeps
 * its lowest value beside it, until a line of `bench/RESULTS.md` says for each step up from there what was gained by it.
 */

/** Counts by their names, of one operation. */
export type Counted = Readonly<Record<string, number>>
/** The same of operations by theirs. */
export type Measured = Readonly<Record<string, Counted>>

/** A limit; with the lowest that it ever was, if that is another. */
export type Budget = number | { readonly limit: number; readonly lowest: number }
export type Budgets = Readonly<Record<string, Readonly<Record<string, Budget>>>>

export const limitOf = (budget: Budget): number => (typeof budget === 'number' ? budget : budget.limit)
export const lowestOf = (budget: Budget): number => (typeof budget === 'number' ? budget : budget.lowest)

/**
 * Bytes hang on compilers, on the paths in messages, and, where they are compressed, on random ids and times: a limit of them leaves one
 * per cent, and is lowered where five are left. Everything else is counted exactly.
 */
const isSize = (counter: string): boolean => counter.startsWith('bytes')
const headroom = 1.01
const worthLowering = 0.95

/** The limit that a count asks for: of sizes a round one, so that it does not change with every byte. */
function limitFor(counter: string, count: number): number {
  if (!isSize(counter)) return count
  const step = 10 ** Math.max(0, Math.floor(Math.log10(count)) - 2)
  return Math.ceil((count * headroom) / step) * step
}

export interface Finding {
  readonly operation: string
  readonly counter: string
  readonly count: number | undefined
  readonly limit: number | undefined
  /** What is wrong and what to do about it, if anything is. */
  readonly problem: string | undefined
}

const accept = 'cargo xtask budgets --accept'

function problemOf(counter: string, count: number | undefined, limit: number | undefined): string | undefined {
  if (count === undefined) return `nobody counts it any more: \`${accept}\` removes its limit`
  if (limit === undefined) return `${count}, and it has no limit yet: \`${accept}\` gives it one`
  if (count > limit)
    return `${count}, and its limit is ${limit}. Make it ${limit} again; or, if it is worth it, raise the limit with \`${accept}\` and say in bench/RESULTS.md what is gained`
  if (count < (isSize(counter) ? limit * worthLowering : limit))
    return `${count}, and its limit is ${limit}: it is better than that. \`${accept}\` lowers the limit`
  return undefined
}

/** Every count and every budget, once. */
export function judge(budgets: Budgets, measured: Measured): Finding[] {
  const operations = new Set([...Object.keys(measured), ...Object.keys(budgets)])
  return [...operations].flatMap(operation => {
    const [counted = {}, budgeted = {}] = [measured[operation], budgets[operation]]
    return [...new Set([...Object.keys(counted), ...Object.keys(budgeted)])].map(counter => {
      const [count, budget] = [counted[counter], budgeted[counter]]
      const limit = budget === undefined ? undefined : limitOf(budget)
      return { operation, counter, count, limit, problem: problemOf(counter, count, limit) }
    })
  })
}

/** A limit that went up. */
export interface Raise {
  readonly operation: string
  readonly counter: string
  readonly from: number
  readonly to: number
}

/** The budgets that hold what was measured, those that held it as they were; and which limits went up for it. */
export function accepted(budgets: Budgets, measured: Measured): { budgets: Budgets; raises: Raise[] } {
  const next: Record<string, Record<string, Budget>> = {}
  const raises: Raise[] = []
  for (const { operation, counter, count, limit, problem } of judge(budgets, measured)) {
    if (count === undefined) continue
    const known = budgets[operation]?.[counter]
    const place = (next[operation] ??= {})
    if (known === undefined || limit === undefined) {
      place[counter] = limitFor(counter, count)
    } else if (problem === undefined) {
      place[counter] = known
    } else {
      const to = limitFor(counter, count)
      const lowest = Math.min(lowestOf(known), to)
      place[counter] = lowest === to ? to : { limit: to, lowest }
      if (to > limit) raises.push({ operation, counter, from: limit, to })
    }
  }
  return { budgets: next, raises }
}
