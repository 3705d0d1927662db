import type { Conflict, ConflictKind, Fields, Json, Ruling } from 'landfall'
import { dayLabel } from '../clock'
import { principal } from '../database'
import { statusLabel, type TableName } from '../schema'
import { fieldLabel, fieldName } from '../sync/words'
import { timeLogsOf, timeSpan } from '../task/times'

export const NOUNS: Readonly<Record<TableName, string>> = {
  projects: 'Project',
  phases: 'Phase',
  steps: 'Step',
  tasks: 'Task',
}

export function nounOf(table: string): string {
  return NOUNS[table as TableName] ?? table
}

const KINDS: Readonly<Record<ConflictKind, string>> = {
  'update-update': 'Both changed it',
  'update-delete': 'You changed it, they deleted it',
  'delete-update': 'You deleted it, they changed it',
  'create-create': 'Both made one with the same number',
}

export function kindInWords({ kind }: Pick<Conflict, 'kind'>): string {
  return KINDS[kind]
}

/** What people call the record: as we have it, or they, or as it was. */
export function titleOf({ ours, theirs, base, table }: Pick<Conflict, 'ours' | 'theirs' | 'base' | 'table'>): string {
  for (const fields of [base, ours, theirs]) {
    const name = fields?.['title'] ?? fields?.['name']
    if (typeof name === 'string' && name !== '') return name
  }
  return nounOf(table)
}

/** `Title`, or `Time › 09:00` for what lies deeper. */
export function pathLabel(path: readonly string[]): string {
  const [field = '', ...rest] = path
  return [fieldLabel(field), ...rest].join(' › ')
}

/** The fields that are contested, each once: "title, notes". */
export function contestedIn(rulings: readonly Ruling[]): string {
  return [...new Set(rulings.map(({ path }) => fieldName(path[0] ?? '')))].join(', ')
}

/** A value as people read it; `null` for none. */
export function valueText(field: string, value: Json | undefined): string | null {
  if (value === undefined || value === null || value === '') return null
  if (field === 'status' && typeof value === 'string') return statusLabel(value)
  if (field === 'due_date' && typeof value === 'string') return dayLabel(value, Date.now())
  if ((field === 'progress_percentage' || field === 'progress') && typeof value === 'number') return `${value} %`
  if (field === 'time_logs') {
    const logs = timeLogsOf(value)
    return logs.length === 0 ? null : logs.map(log => `${timeSpan(log)}, ${log.by}`).join('\n')
  }
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** What has settled a contested value. */
const RULES: Readonly<Record<string, string>> = {
  person: 'chosen by hand',
  server: 'theirs counts',
  client: 'yours counts',
  latest: 'the later one counts',
  highest: 'the higher one counts',
  lowest: 'the lower one counts',
  progression: 'what is further on counts',
  counter: 'added up',
  union: 'all of both',
  positions: 'place by place',
  text: 'line by line',
}

export function ruleInWords(by: string): string {
  return RULES[by] ?? by
}

/** Rules that take one side, so that the other one loses. The others make one of both. */
const TAKES_ONE = new Set(['person', 'server', 'client', 'latest', 'highest', 'lowest', 'progression'])

export function equal(one: Json | undefined, other: Json | undefined): boolean {
  return JSON.stringify(one ?? null) === JSON.stringify(other ?? null)
}

/** What became of one side's value. */
export function fateOf({ by, value }: Ruling, side: Json | undefined): 'kept' | 'lost' | 'joined' | 'open' {
  if (by === undefined) return 'open'
  if (equal(side, value)) return 'kept'
  return TAKES_ONE.has(by) ? 'lost' : 'joined'
}

/** Where one of the two had deleted it, by kind and by whose stood. */
const DELETIONS: Readonly<Record<string, string>> = {
  'update-delete ours': 'brought it back as a new one',
  'update-delete theirs': 'left it deleted',
  'delete-update ours': 'deleted it all the same',
  'delete-update theirs': 'kept it, with their change',
}

/** Who settled it, and how: "The rules settled it", "You kept theirs". */
export function howInWords({ resolution, kind, principal: author }: Conflict): string {
  if (!resolution) return ''
  const { how, by, undone } = resolution
  if (undone) return `Taken back by ${nameOf(undone.by)}`
  if (how === 'rules' || how === 'merge') {
    if (kind === 'update-delete') return 'Deleted, as the rules say'
    return how === 'rules' ? 'Settled by the rules' : `Settled by the rules, as ${nameOf(by)} decided`
  }
  const who = by === author && by === principal() ? 'You' : by
  if (how === 'discarded') return `${who} gave yours up`
  if (how === 'manual') return `${who} chose`
  const side = how === 'client-wins' ? 'ours' : 'theirs'
  const deletion = DELETIONS[`${kind} ${side}`]
  if (deletion) return `${who} ${deletion}`
  if (how === 'last-write-wins') return `${who} kept the later one`
  return how === 'client-wins' ? `${who} kept yours` : `${who} kept theirs`
}

export function nameOf(name: string): string {
  return name === principal() ? 'you' : name
}

/** The fields in which two versions differ, without references and what sync keeps. */
export function changedFields(before: Fields | null, after: Fields | null): readonly string[] {
  const names = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])
  return [...names].filter(name => !name.endsWith('_id') && !equal(before?.[name], after?.[name])).sort()
}
