import type { SchemaDocument, Strategy } from 'landfall'

const titled = { title: 'string' } as const
const by = <const S extends Strategy>(strategy: S) => ({ fields: titled, conflict: { strategy } }) as const

/**
 * What page, worker and server read in the tests of conflicts: a table of tasks with a rule for each of F7's data types, a table
 * for each strategy, and one for each way of telling that somebody was there first.
 */
export const schema = {
  version: 1,
  tables: {
    tasks: {
      fields: {
        title: 'string',
        status: 'string?',
        progress: 'number?',
        logs: 'json?',
        assignee: 'string?',
        due: 'string?',
        visits: 'number?',
        notes: 'string?',
        address: 'json?',
        remark: 'string?',
        depth: 'number?',
        serial: 'string?',
      },
      unique: [['serial']],
      rules: {
        status: { progression: ['not_started', 'in_progress', 'completed'], notify: true },
        progress: 'highest',
        logs: { union: { by: 'id', overlap: ['start', 'end'] } },
        assignee: { latest: true, notify: true },
        due: { latest: true, notify: true },
        visits: 'counter',
        notes: 'text',
        'address.city': 'server',
        remark: { function: 'longer' },
      },
    },
    tools: {
      fields: { name: 'string', task_id: 'string?' },
      references: { task_id: { table: 'tasks', onDelete: 'cascade' } },
    },
    sites: { fields: titled, alike: [['title']] },
    readings: { fields: { title: 'string', value: 'number?' } },
    server_wins: by('server-wins'),
    client_wins: by('client-wins'),
    last_write_wins: by('last-write-wins'),
    merged: by('merge'),
    manual: by('manual'),
    by_version: { fields: titled, conflict: { detect: 'version' } },
    by_timestamp: { fields: titled, conflict: { detect: 'timestamp' } },
    by_hash: { fields: titled, conflict: { detect: 'hash' } },
  },
} as const satisfies SchemaDocument

export type ConflictSchema = typeof schema
export type TableName = keyof ConflictSchema['tables']

/** A release of the app that is more generous than the server: it takes any reading. */
export const looseSchema: SchemaDocument = {
  ...schema,
  tables: { ...schema.tables, readings: { fields: { title: 'string', value: 'json?' } } },
}
