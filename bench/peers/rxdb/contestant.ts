import {
  createRxDatabase,
  type RxCollection,
  type RxDatabase,
  type ReplicationPullHandler,
  type ReplicationPushHandler,
  type RxJsonSchema,
} from 'rxdb/plugins/core'
import { replicateRxCollection, type RxReplicationState } from 'rxdb/plugins/replication'
import { getRxStorageDexie } from 'rxdb/plugins/storage-dexie'
import { filter, firstValueFrom } from 'rxjs'
import { temporaryId } from '../../src/contestants/ids.js'
import { post } from '../../src/contestants/post.js'
import { type Contestant, type DownloadPage, pushBatch, type PushRequest } from '../../src/page/contestant.js'
import type { Item, StoredItem } from '../../src/page/item.js'

interface Checkpoint {
  readonly cursor: string
}

const text = { type: 'string' } as const
const key = { type: 'string', maxLength: 80 } as const
const number = { type: 'number' } as const

const schema: RxJsonSchema<StoredItem> = {
  version: 0,
  primaryKey: 'id',
  type: 'object',
  properties: {
    id: key,
    title: text,
    status: text,
    group_id: key,
    assignee: text,
    due_date: text,
    notes: text,
    location: text,
    progress: number,
    minutes: number,
    urgent: { type: 'boolean' },
  },
  required: ['id', 'group_id'],
  indexes: ['group_id'],
}

/** What its replication sends for a record: the whole of it, and the whole of what the server is assumed to have. */
interface PushRow {
  readonly newDocumentState: StoredItem
  readonly assumedMasterState?: StoredItem | undefined
}

/** Its changes have no id of their own: named by what they say, the same change sent again is found out. */
function mutation(row: PushRow): PushRequest['mutations'][number] {
  const { id, status } = row.newDocumentState
  const operation = row.assumedMasterState === undefined ? 'create' : 'update'
  return { id: `${id} ${operation} ${status}`, recordId: id, operation, data: row as unknown as Partial<Item> }
}

export default function rxdb(): Contestant {
  let db: RxDatabase<{ items: RxCollection<StoredItem> }>

  /**
   * Runs its replication until `enough`. It knows what is not pushed yet only if both its halves are there: what it may
   * not send fails, and is tried again until the replication is cancelled.
   */
  const replicate = async (
    pull: ReplicationPullHandler<StoredItem, Checkpoint>,
    push: ReplicationPushHandler<StoredItem>,
    batchSize: number,
    enough: (replication: RxReplicationState<StoredItem, Checkpoint>) => Promise<unknown>,
  ): Promise<void> => {
    const replication = replicateRxCollection<StoredItem, Checkpoint>({
      replicationIdentifier: 'bench',
      collection: db.items,
      pull: { handler: pull, batchSize: 1_000 },
      push: { handler: push, batchSize },
      waitForLeadership: false,
      retryTime: 10,
    })
    await enough(replication)
    await replication.cancel()
  }

  const failure = (replication: RxReplicationState<StoredItem, Checkpoint>): Promise<unknown> =>
    new Promise(resolve => replication.error$.subscribe(resolve))

  const nothingNew: ReplicationPullHandler<StoredItem, Checkpoint> = async checkpoint => ({ checkpoint, documents: [] })

  const offline = async (): Promise<never> => {
    throw new Error('nothing is sent now')
  }

  const insert = async (items: readonly Item[]): Promise<void> => {
    const { error } = await db.items.bulkInsert(items.map(item => ({ ...item, id: temporaryId() })))
    if (error.length > 0) throw new Error(`${error.length} records were not inserted`)
  }

  const apply = (pages: readonly (() => DownloadPage)[]): Promise<void> => {
    const left = [...pages]
    return replicate(
      async checkpoint => {
        const page = left.shift()?.()
        return {
          checkpoint: page === undefined ? checkpoint : { cursor: page.cursor },
          documents: page?.entities.map(({ id, data }) => ({ ...data, id, _deleted: false })) ?? [],
        }
      },
      offline,
      pushBatch,
      async replication => {
        await replication.startPromise
        const isPulled = replication.internalReplicationState?.firstSyncDone.down
        if (isPulled !== undefined) await firstValueFrom(isPulled.pipe(filter(Boolean)))
      },
    )
  }

  const inGroup = (groupId: string) => db.items.find({ selector: { group_id: groupId } })

  return {
    notes: [
      'Its queue is its change log, with what the server is assumed to have beside it: counted by asking its replication what it would send.',
      'It sends whole documents, and the whole of what the server is assumed to have.',
    ],
    async open() {
      db = await createRxDatabase<{ items: RxCollection<StoredItem> }>({
        name: 'bench',
        storage: getRxStorageDexie({ chromeTransactionDurability: 'relaxed' }),
      })
      await db.addCollections({ items: { schema } })
    },
    async close() {
      await db.close()
    },
    async create(item) {
      const { id } = await db.items.insert({ ...item, id: temporaryId() })
      return id
    },
    createSeparately: insert,
    createMany: insert,
    pull: bodies => apply(bodies.map(body => () => JSON.parse(body) as DownloadPage)),
    apply: pages => apply(pages.map(page => () => page)),
    get: async id => (await db.items.findOne(id).exec())?.toJSON(),
    readAll: async () => (await db.items.find().exec()).map(document => document.toJSON()),
    queryGroup: async groupId => (await inGroup(groupId).exec()).map(document => document.toJSON()),
    async updateField(ids, status) {
      const documents = await db.items.findByIds([...ids]).exec()
      await Promise.all([...documents.values()].map(document => document.incrementalPatch({ status })))
    },
    push: url =>
      replicate(
        nothingNew,
        async rows => {
          await post(url, rows.map(mutation))
          return []
        },
        pushBatch,
        async replication => {
          const error = failure(replication).then(cause => {
            throw new Error('the push failed', { cause })
          })
          await Promise.race([replication.awaitInitialReplication(), error])
        },
      ),
    async queued() {
      let count = 0
      await replicate(
        nothingNew,
        rows => {
          count = rows.length
          return offline()
        },
        100_000,
        replication => Promise.race([replication.awaitInitialReplication(), failure(replication)]),
      )
      return count
    },
    subscribeGroup: (groupId, changed) =>
      new Promise(resolve => {
        const subscription = inGroup(groupId).$.subscribe(documents => {
          changed(documents.map(document => document.toJSON()))
          queueMicrotask(() => resolve(() => subscription.unsubscribe()))
        })
      }),
  }
}
