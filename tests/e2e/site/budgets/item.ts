import type { SchemaDocument } from 'landfall'

/** One table, with an index. */
export const schema = {
  version: 1,
  tables: {
    items: {
      fields: {
        title: 'string',
        status: 'string',
        group_id: 'string',
        assignee: 'string',
        due_date: 'string',
        notes: 'string',
        location: 'string',
        progress: 'number',
        minutes: 'number',
        urgent: 'boolean',
      },
      indexes: ['group_id'],
    },
  },
} as const satisfies SchemaDocument

export const groupCount = 10

/** About 300 bytes in 10 fields; the same for the same number. */
export function makeItem(n: number) {
  return {
    title: `Splice and test cabinet ${n}`,
    status: ['not_started', 'in_progress', 'blocked', 'completed'][n % 4] ?? '',
    group_id: `group-${n % groupCount}`,
    assignee: `technician-${n % 37}`,
    due_date: `2026-${String(1 + (n % 12)).padStart(2, '0')}-${String(1 + (n % 28)).padStart(2, '0')}`,
    notes: 'Call half an hour before arrival; the gate code is on the job card, the key with the caretaker.',
    location: `Section ${n % 211}, pole ${n}`,
    progress: n % 101,
    minutes: 15 + (n % 240),
    urgent: n % 10 === 0,
  }
}

export function makeItems(count: number) {
  return Array.from({ length: count }, (_, n) => makeItem(n))
}
