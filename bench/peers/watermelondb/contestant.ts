import { appSchema, Database, Model, Q, tableSchema } from '@nozbe/watermelondb'
import LokiJSAdapter from '@nozbe/watermelondb/adapters/lokijs'
import { synchronize } from '@nozbe/watermelondb/sync'
import logger from '@nozbe/watermelondb/utils/common/logger'
import { post } from '../../src/contestants/post.js'
import type { Contestant, DownloadPage, PushRequest } from '../../src/page/contestant.js'
import type { Item, StoredItem } from '../../src/page/item.js'

const columns = [
  { name: 'title', type: 'string' },
  { name: 'status', type: 'string' },
  { name: 'group_id', type: 'string', isIndexed: true },
  { name: 'assignee', type: 'string' },
  { name: 'due_date', type: 'string' },
  { name: 'notes', type: 'string' },
  { name: 'location', type: 'string' },
  { name: 'progress', type: 'number' },
  { name: 'minutes', type: 'number' },
  { name: 'urgent', type: 'boolean' },
] as const

/** Reads and writes its columns by `_getRaw` and `_setRaw`, which is what the `@field` decorator makes of a property. */
class ItemModel extends Model {
  static override table = 'items'

  fill(item: Item): void {
    for (const { name } of columns) this._setRaw(name, item[name])
  }
}

/** A record as it is kept, and as its sync sends it. `_changed` names the columns that were changed here. */
interface Raw extends StoredItem {
  readonly _status: 'synced' | 'created' | 'updated'
  readonly _changed: string
}

const rawOf = (record: ItemModel): Raw => record._raw as unknown as Raw

/** Its changes have no id of their own: named by what they say, the same change sent again is found out. */
function mutation(raw: Raw): PushRequest['mutations'][number] {
  const isCreate = raw._status === 'created'
  const id = isCreate ? `${raw.id} created` : `${raw.id} ${raw._changed} ${raw.status}`
  return { id, recordId: raw.id, operation: isCreate ? 'create' : 'update', data: raw }
}

logger.silence()

export default function watermelondb(): Contestant {
  let adapter: LokiJSAdapter
  let db: Database

  const items = () => db.get<ItemModel>('items')

  const save = (): Promise<void> =>
    new Promise((resolve, reject) => {
      adapter._driver.loki.saveDatabase((error?: Error) => (error ? reject(error) : resolve()))
    })

  const write = async (all: readonly Item[]): Promise<string> => {
    const records = all.map(item => items().prepareCreate(record => record.fill(item)))
    await db.write(() => db.batch(...[records]))
    await save()
    return records.at(-1)?.id ?? ''
  }

  /** What is pulled is one set of changes with one timestamp: its sync has no pages. */
  const apply = async (pages: readonly DownloadPage[]): Promise<void> => {
    const updated = pages.flatMap(({ entities }) => entities.map(({ id, data }) => ({ ...data, id })))
    await synchronize({
      database: db,
      sendCreatedAsUpdated: true,
      pullChanges: async () => ({
        changes: { items: { created: [], updated, deleted: [] } },
        timestamp: pages.at(-1)?.serverTime ?? Date.now(),
      }),
    })
    await save()
  }

  const inGroup = (groupId: string) => items().query(Q.where('group_id', groupId))
  const withStatus = (status: Raw['_status']) => items().query(Q.where('_status', status))

  return {
    notes: [
      'It answers before anything is durable: each write, pull and push here forces a save and waits for it.',
      'Its adapter keeps everything in memory; it has no live queries across tabs, and what another tab wrote is overwritten.',
      'Its queue is a mark on each record, and whole records are sent, all in one request.',
    ],
    async open() {
      adapter = new LokiJSAdapter({
        dbName: 'bench',
        schema: appSchema({ version: 1, tables: [tableSchema({ name: 'items', columns: [...columns] })] }),
        useWebWorker: false,
        useIncrementalIndexedDB: true,
      })
      db = new Database({ adapter, modelClasses: [ItemModel] })
      // The first that waits for the adapter, which loads everything.
      await db.localStorage.get('')
    },
    close: () => new Promise(resolve => adapter._driver.loki.close(() => resolve())),
    create: item => write([item]),
    async createSeparately(all) {
      await write(all)
    },
    async createMany(all) {
      await write(all)
    },
    pull: bodies => apply(bodies.map(body => JSON.parse(body) as DownloadPage)),
    apply,
    get: async id => rawOf(await items().find(id)),
    readAll: async () => (await items().query().fetch()).map(rawOf),
    queryGroup: async groupId => (await inGroup(groupId).fetch()).map(rawOf),
    async updateField(ids, status) {
      await db.write(async () => {
        const records = await items()
          .query(Q.where('id', Q.oneOf([...ids])))
          .fetch()
        await db.batch(...[records.map(record => record.prepareUpdate(() => record._setRaw('status', status)))])
      })
      await save()
    },
    async push(url) {
      await synchronize({
        database: db,
        pullChanges: async ({ lastPulledAt }) => ({ changes: {}, timestamp: lastPulledAt ?? Date.now() }),
        async pushChanges({ changes }) {
          const { items } = changes as unknown as { items: Record<'created' | 'updated', Raw[]> }
          await post(url, [...items.created, ...items.updated].map(mutation))
        },
      })
      await save()
    },
    queued: async () => (await withStatus('created').fetchCount()) + (await withStatus('updated').fetchCount()),
    subscribeGroup: (groupId, changed) =>
      new Promise(resolve => {
        const subscription = inGroup(groupId)
          .observeWithColumns(columns.map(({ name }) => name))
          .subscribe(records => {
            changed(records.map(rawOf))
            queueMicrotask(() => resolve(() => subscription.unsubscribe()))
          })
      }),
  }
}
