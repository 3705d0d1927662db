import type { Puller, ReadTransaction } from 'replicache'
import { ReplicacheImpl } from 'replicache/impl'
import { temporaryId } from '../../src/contestants/ids.js'
import type { Contestant, DownloadPage } from '../../src/page/contestant.js'
import type { Item, StoredItem } from '../../src/page/item.js'
import { type Created, key, mutators, type Values } from './mutators.js'
import type { Seen } from './server.js'

const inGroup = (groupId: string) => (tx: ReadTransaction) =>
  tx.scan<Values>({ indexName: 'group', prefix: groupId }).values().toArray()

/** A pull whose answer is there already. */
const recorded =
  (page: () => DownloadPage): Puller =>
  async request => {
    const seen = request.pullVersion === 1 ? (request.cookie as unknown as Seen | null) : null
    return {
      httpRequestInfo: { httpStatusCode: 200, errorMessage: '' },
      response: {
        cookie: { order: (seen?.order ?? 0) + 1, push: seen?.push ?? 0 },
        lastMutationIDChanges: {},
        patch: page().entities.map(({ id, version, data }) => ({
          op: 'put',
          key: key(id),
          value: { ...data, id, version },
        })),
      },
    }
  }

export default function replicache(): Contestant {
  let rep: ReplicacheImpl<typeof mutators>
  let running: Promise<void>
  let next: Promise<void> | undefined

  /** One at a time, as it demands; whoever asks while one goes on shares the next. */
  const persist = (): Promise<void> => {
    next ??= running = running.then(() => {
      next = undefined
      return rep.persist()
    })
    return next
  }

  const created = (item: Item): Created => ({ id: temporaryId(), item: { ...item } })

  const apply = async (pages: readonly (() => DownloadPage)[]): Promise<void> => {
    const { puller } = rep
    for (const page of pages) {
      rep.puller = recorded(page)
      await rep.pull({ now: true })
    }
    rep.puller = puller
    await persist()
  }

  return {
    isBulkOneEntry: true,
    notes: [
      'It answers before anything is durable, and persists when the browser is idle: here it persists after each write, pull and push, by an entry of its package that is not documented.',
      'Its bulk call is one mutation with all records as arguments.',
      'What was pushed leaves its queue by a pull, which brings the records once more: the push is timed with it.',
    ],
    async open() {
      running = Promise.resolve()
      rep = new ReplicacheImpl(
        {
          name: 'bench',
          mutators,
          indexes: { group: { prefix: key(''), jsonPointer: '/group_id' } },
          pullInterval: null,
          logLevel: 'error',
        },
        { enableScheduledPersist: false },
      )
      await rep.clientGroupID
    },
    close: () => rep.close(),
    async create(item) {
      const one = created(item)
      await rep.mutate.create(one)
      await persist()
      return one.id
    },
    async createSeparately(items) {
      await Promise.all(items.map(item => rep.mutate.create(created(item))))
      await persist()
    },
    async createMany(items) {
      await rep.mutate.createMany(items.map(created))
      await persist()
    },
    pull: bodies => apply(bodies.map(body => () => JSON.parse(body) as DownloadPage)),
    apply: pages => apply(pages.map(page => () => page)),
    get: id => rep.query(tx => tx.get<Values>(key(id))),
    readAll: () =>
      rep.query(tx =>
        tx
          .scan<Values>({ prefix: key('') })
          .values()
          .toArray(),
      ),
    queryGroup: groupId => rep.query(inGroup(groupId)),
    async updateField(ids, status) {
      await rep.mutate.update({ ids: [...ids], status })
      await persist()
    },
    async push(url) {
      const base = new URL('replicache/', new URL(url, location.href))
      rep.pushURL = new URL('push', base).href
      rep.pullURL = new URL('pull', base).href
      while ((await rep.experimentalPendingMutations()).length > 0) {
        await rep.push({ now: true })
        await rep.pull({ now: true })
      }
      rep.pushURL = ''
      rep.pullURL = ''
      await persist()
    },
    queued: async () => (await rep.experimentalPendingMutations()).length,
    subscribeGroup: (groupId, changed) =>
      new Promise(resolve => {
        const stop = rep.subscribe(inGroup(groupId), (items: readonly StoredItem[]) => {
          changed(items)
          resolve(stop)
        })
      }),
  }
}
