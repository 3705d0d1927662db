import type { SchemaDocument } from 'landfall'

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
