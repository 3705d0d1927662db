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

const statuses = ['not_started', 'in_progress', 'blocked', 'completed']
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

/** Item number `n`, in one of so many groups; the same for every contestant and round. */
export function makeItem(n: number, groups = 100): Item {
  return {
    title: `Splice and test cabinet ${n}`,
    status: statuses[n % statuses.length] ?? 'not_started',
    group_id: groupName(n % groups),
    assignee: `technician-${n % 37}`,
    due_date: `2026-${String(1 + (n % 12)).padStart(2, '0')}-${String(1 + (n % 28)).padStart(2, '0')}`,
    notes: notes[n % notes.length] ?? '',
    location: `Section ${n % 211}, pole ${n}`,
    progress: n % 101,
    minutes: 15 + (n % 240),
    urgent: n % 10 === 0,
  }
}

export function makeItems(from: number, count: number, groups = 100): Item[] {
  return Array.from({ length: count }, (_, i) => makeItem(from + i, groups))
}
