import { makeItem as budgetItem } from '../../../tests/e2e/site/budgets/item.js'

/** The record that every contestant keeps: ten fields, about 300 bytes of JSON. Used by the harness and by the pages. */
export interface Item {
  readonly title: string
  readonly status: string
  readonly group_id: string
  readonly assignee: string
  readonly due_date: string
  readonly notes: string
  readonly location: string
  readonly progress: number
  readonly minutes: number
  readonly urgent: boolean
}

export interface StoredItem extends Item {
  readonly id: string
}

const notes = [
  'Bring the long ladder and the splice kit; the caretaker has the key.',
  'Call half an hour before arrival, gate code on the job card.',
  'Second visit: water in the duct, pump it before pulling the cable.',
]

/** How many records a query by group finds. */
export const groupSize = 100

export function groupName(n: number): string {
  return `group-${String(n).padStart(4, '0')}`
}

/** Item number `n`, in one of so many groups; the same for every contestant and round. Its text varies, so that gzip is not flattered. */
export function makeItem(n: number, groups = 100): Item {
  return { ...budgetItem(n), group_id: groupName(n % groups), notes: notes[n % notes.length] ?? '' }
}

export function makeItems(from: number, count: number, groups = 100): Item[] {
  return Array.from({ length: count }, (_, i) => makeItem(from + i, groups))
}
