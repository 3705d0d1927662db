import { column, PowerSyncDatabase, Schema, Table, WASQLiteVFS } from '@powersync/web'
import { temporaryId } from '../../src/contestants/ids.js'
import { post } from '../../src/contestants/post.js'
import { type Contestant, pushBatch } from '../../src/page/contestant.js'
import type { Item, StoredItem } from '../../src/page/item.js'
import { streaming } from './stream.js'

const fields = [
  'title',
  'status',
  'group_id',
  'assignee',
  'due_date',
  'notes',
  'location',
  'progress',
  'minutes',
  'urgent',
] as const satisfies readonly (keyof Item)[]

const { text, integer } = column

const schema = new Schema({
  items: new Table(
    {
      title: text,
      status: text,
      group_id: text,
      assignee: text,
      due_date: text,
      notes: text,
      location: text,
      progress: integer,
      minutes: integer,
      urgent: integer,
    },
    { indexes: { group: ['group_id'] } },
  ),
})

const insert = `INSERT INTO items (id, ${fields.join(', ')}) VALUES (?${', ?'.repeat(fields.length)})`
const selectGroup = 'SELECT * FROM items WHERE group_id = ?'

type Row = Omit<StoredItem, 'urgent'> & { readonly urgent: number }
const stored = (row: Row): StoredItem => ({ ...row, urgent: row.urgent === 1 })
const parameters = (id: string, item: Item) => [id, ...fields.map(field => item[field])]

export default function powersync(): Contestant {
  let db: InstanceType<typeof PowerSyncDatabase>

  const insertAll = (items: readonly Item[]): Promise<void> =>
    db.writeTransaction(async tx => {
      await tx.executeBatch(
        insert,
        items.map(item => parameters(temporaryId(), item)),
      )
    })

  return {
    notes: [
      'SQLite in a worker, on the file system of the origin (OPFSWriteAheadVFS, the fastest of its storages).',
      'What it pulls is streamed to it as its service would, translated here from the recorded pages.',
    ],
    async open() {
      db = new PowerSyncDatabase({
        schema,
        database: {
          dbFilename: 'bench.db',
          vfs: WASQLiteVFS.OPFSWriteAheadVFS,
          // With a second connection for reads, opening a new database failed here once: its tables were not there yet.
          additionalReaders: 0,
          enableMultiTabs: false,
          worker: new URL('worker.js', import.meta.url),
        },
      })
      await db.init()
    },
    close: () => db.close(),
    async create(item) {
      const id = temporaryId()
      await db.execute(insert, parameters(id, item))
      return id
    },
    createSeparately: insertAll,
    createMany: insertAll,
    pull: bodies =>
      streaming(bodies, async () => {
        const before = db.currentStatus.lastSyncedAt?.getTime() ?? 0
        await db.connect({
          fetchCredentials: async () => ({ endpoint: `${location.origin}/api/powersync`, token: 'bench' }),
          uploadData: async () => {},
        })
        await db.waitForStatus(({ lastSyncedAt }) => (lastSyncedAt?.getTime() ?? 0) > before)
        await db.disconnect()
      }),
    async get(id) {
      const row = await db.getOptional<Row>('SELECT * FROM items WHERE id = ?', [id])
      return row === null ? undefined : stored(row)
    },
    readAll: async () => (await db.getAll<Row>('SELECT * FROM items')).map(stored),
    queryGroup: async groupId => (await db.getAll<Row>(selectGroup, [groupId])).map(stored),
    async updateField(ids, status) {
      await db.execute('UPDATE items SET status = ? WHERE id IN (SELECT value FROM json_each(?))', [
        status,
        JSON.stringify(ids),
      ])
    },
    async push(url) {
      for (;;) {
        const batch = await db.getCrudBatch(pushBatch)
        if (batch === null) return
        await post(
          url,
          batch.crud.map(({ clientId, id, op, opData }) => ({
            id: String(clientId),
            recordId: id,
            operation: op === 'PUT' ? 'create' : 'update',
            data: opData as Partial<Item>,
          })),
        )
        await batch.complete()
      }
    },
    queued: async () => (await db.get<{ count: number }>('SELECT count(*) AS count FROM ps_crud')).count,
    subscribeGroup: (groupId, changed) =>
      new Promise((resolve, reject) => {
        const abort = new AbortController()
        db.watch(
          selectGroup,
          [groupId],
          {
            onResult({ rows }) {
              changed(((rows?._array ?? []) as Row[]).map(stored))
              resolve(() => abort.abort())
            },
            onError: reject,
          },
          { throttleMs: 0, signal: abort.signal },
        )
      }),
  }
}
