import type { RuleDocument } from './types.js'

/**
 * Rules by the kind of data, as field work wants them: to be put into a schema's `rules`. What is not here (texts and numbers that
 * people write) is left to a person, as it is without a rule.
 */
export const presets = Object.freeze({
  /** The furthest of the steps wins, and the user is told: what one person has done, no other one takes back by being late. */
  status: (...steps: readonly string[]) => ({ progression: steps, notify: true }) as const satisfies RuleDocument,
  /** The highest progress wins. */
  progress: 'highest',
  /** All entries of both; those whose times overlap since are flagged. */
  timeLogs: (by = 'id', start = 'start', end = 'end') =>
    ({ union: { by, overlap: [start, end] }, notify: true }) as const satisfies RuleDocument,
  /** The latest assignment wins, and the user is told. */
  assignment: { latest: true, notify: true },
  /** The latest date wins, and the user is told. */
  date: { latest: true, notify: true },
  /** Both counted. */
  counter: 'counter',
  /** Long texts, line by line; where both changed a line, a person decides. */
  longText: 'text',
} as const)
