import {
  BTreeIndex,
  type Collection,
  createCollection,
  createLiveQueryCollection,
  eq,
  IR,
  type Transaction,
} from '@tanstack/db'
import { type OfflineExecutor, startOfflineExecutor } from '@tanstack/offline-transactions'
import { temporaryId } from '../../src/contestants/ids.js'
import { post } from '../../src/contestants/post.js'
import type { Contestant, DownloadPage, PushRequest } from '../../src/page/contestant.js'
import type { Item } from '../../src/page/item.js'
import type { Stored } from '../../src/contestants/outbox.js'
import { openStorage, Outbox, type Storage, Synced } from './storage.js'

const leaderLock = 'offline-executor-leader'

export default function tanstack(): Contestant {
  let db: Storage
  let outbox: Outbox
  let synced: Synced
  let items: Collection<Stored, string>
  let executor: OfflineExecutor
  /** The index is made when it is first asked for. */
  let isIndexed = false
  let pushUrl: string | undefined
  let notifyOnline: () => void = () => {}

  const start = (): OfflineExecutor =>
    startOfflineExecutor({
      collections: { items },
      storage: outbox,
      onlineDetector: {
        isOnline: () => pushUrl !== undefined,
        subscribe(callback) {
          notifyOnline = callback
          return () => {
            notifyOnline = () => {}
          }
        },
        notifyOnline: () => notifyOnline(),
        dispose() {},
      },
      mutationFns: {
        async push({ transaction, idempotencyKey }) {
          const mutations = transaction.mutations.map(({ key, type, modified, changes }, i) => {
            const { id: _, version: __, ...data } = type === 'insert' ? modified : changes
            return {
              id: `${idempotencyKey}-${i}`,
              recordId: key,
              operation: type === 'insert' ? 'create' : 'update',
              data,
            }
          }) as PushRequest['mutations']
          const results = await post(pushUrl ?? '', mutations)
          // Its data is in no store but the outbox until the server has it.
          await synced.put(
            results.map(({ version }, i) => ({
              ...(transaction.mutations[i]?.modified as unknown as Stored),
              version,
            })),
          )
        },
      },
    })

  /** One transaction of its own kind: one entry in the outbox, whatever it changes. */
  const transact = async (change: () => void): Promise<void> => {
    if (!executor.isOfflineEnabled) throw new Error('another tab is the leader: nothing is queued here')
    const options = { mutationFnName: 'push', autoCommit: false }
    const transaction = executor.createOfflineTransaction(options) as Transaction
    const written = outbox.written(transaction.id)
    transaction.mutate(change)
    // A commit ends when the server has it.
    await Promise.race([written, transaction.commit()])
  }

  const create = async (item: Item): Promise<string> => {
    const id = temporaryId()
    await transact(() => items.insert({ ...item, id, version: null }))
    return id
  }

  const indexed = (): Collection<Stored, string> => {
    if (!isIndexed) items.createIndex(({ group_id }) => group_id, { indexType: BTreeIndex })
    isIndexed = true
    return items
  }

  return {
    isBulkOneEntry: true,
    notes: [
      'Pulled records are in IndexedDB, written by hand as its guide to collections has it, and all are in memory; what is not sent yet is in its outbox only.',
      'It sends a request for each entry of its outbox, one after the other: one for a bulk call, 1,000 for 1,000 separate creates.',
      'Its outbox belongs to one tab: what other tabs write is sent at once, or lost.',
    ],
    async open() {
      db = await openStorage()
      outbox = new Outbox(db)
      synced = new Synced(db)
      items = createCollection(synced.options())
      isIndexed = false
      await items.preload()
      executor = start()
      await executor.waitForInit()
    },
    async close() {
      executor.dispose()
      // The lock is let go of a little later, and whoever finds it taken is no leader for good.
      await navigator.locks.request(leaderLock, () => {})
      await items.cleanup()
      db.close()
    },
    create,
    async createSeparately(all) {
      await Promise.all(all.map(create))
    },
    createMany: all =>
      transact(() => {
        items.insert(all.map(item => ({ ...item, id: temporaryId(), version: null })))
      }),
    async pull(bodies) {
      for (const body of bodies) await synced.apply(JSON.parse(body) as DownloadPage)
    },
    async apply(pages) {
      for (const page of pages) await synced.apply(page)
    },
    get: async id => items.get(id),
    readAll: async () => items.toArray,
    async queryGroup(groupId) {
      // A live query that is asked once takes several times as long.
      const where = eq(new IR.PropRef<string>(['group_id']), groupId)
      return (indexed().currentStateAsChanges({ where }) ?? []).map(({ value }) => value)
    },
    updateField: (ids, status) =>
      transact(() => {
        items.update([...ids], drafts => {
          for (const draft of drafts) draft.status = status
        })
      }),
    async push(url) {
      if ((await outbox.keys()).length === 0) return
      const emptied = outbox.emptied()
      pushUrl = url
      notifyOnline()
      await emptied
      pushUrl = undefined
    },
    queued: async () => (await outbox.keys()).length,
    async subscribeGroup(groupId, changed) {
      const group = createLiveQueryCollection(q =>
        q.from({ item: indexed() }).where(({ item }) => eq(item.group_id, groupId)),
      )
      await group.preload()
      changed(group.toArray)
      const subscription = group.subscribeChanges(() => changed(group.toArray))
      return () => {
        subscription.unsubscribe()
        void group.cleanup()
      }
    },
  }
}
