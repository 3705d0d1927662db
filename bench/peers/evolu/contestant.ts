import {
  createEvolu,
  createIdFromString,
  type Evolu,
  FiniteNumber,
  id,
  Id,
  SimpleName,
  SqliteBoolean,
  String as Text,
} from '@evolu/common'
import { evoluWebDeps } from '@evolu/web'
import type { Contestant, DownloadPage } from '../../src/page/contestant.js'
import type { Item, StoredItem } from '../../src/page/item.js'

const ItemId = id('Item')
type ItemId = typeof ItemId.Type

const schema = {
  items: {
    id: ItemId,
    title: Text,
    status: Text,
    group_id: Text,
    assignee: Text,
    due_date: Text,
    notes: Text,
    location: Text,
    progress: FiniteNumber,
    minutes: FiniteNumber,
    urgent: SqliteBoolean,
  },
}

const fields = [
  'id',
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
] as const

/** Ids of others become its own: they have a shape that it asks for. */
const idOf = (name: string): ItemId => (Id.is(name) ? name : createIdFromString(name)) as ItemId

const values = (item: Item) => ({ ...item, urgent: item.urgent ? 1 : 0 }) as const

const stored = (row: object): StoredItem => {
  const item = row as Omit<StoredItem, 'urgent'> & { readonly urgent: 0 | 1 }
  return { ...item, urgent: item.urgent === 1 }
}

type Write = (onComplete: () => void) => { readonly ok: boolean }

export default function evolu(): Contestant {
  let db: Evolu<typeof schema>

  const all = () => db.createQuery(q => q.selectFrom('items').select(fields))
  const one = (name: string) => db.createQuery(q => q.selectFrom('items').select(fields).where('id', '=', idOf(name)))
  const inGroup = (groupId: string) =>
    db.createQuery(q =>
      q
        .selectFrom('items')
        .select(fields)
        .where('group_id', '=', groupId as typeof Text.Type),
    )
  /** Its queue is its history, of which nothing is sent here: a timestamp for each mutation. */
  const history = () =>
    db.createQuery(q =>
      q.selectFrom('evolu_timestamp' as 'items').select(({ fn }) => fn.countAll<number>().as('count')),
    )

  /** What is written in one turn is one transaction. It tells of it just before it commits; what is asked next is answered after. */
  const written = async (writes: readonly Write[]): Promise<void> => {
    await Promise.all(
      writes.map(
        write =>
          new Promise<void>((resolve, reject) => {
            if (!write(resolve).ok) reject(new Error('it does not take the record'))
          }),
      ),
    )
    await db.loadQuery(one(''))
    const error = db.getError()
    if (error !== null) throw new Error(error.type)
  }

  const insert = (items: readonly Item[]): Promise<void> =>
    written(items.map(item => onComplete => db.insert('items', values(item), { onComplete })))

  const apply = async ({ entities }: DownloadPage): Promise<void> => {
    await written(
      entities.map(
        ({ id: name, data }) =>
          onComplete =>
            db.upsert('items', { id: idOf(name), ...values(data) }, { onComplete }),
      ),
    )
  }

  return {
    notes: [
      'SQLite in a worker, on the file system of the origin. It answers just before its transaction commits: here a query is awaited after each write.',
      'Its queue is its history, encrypted when it is sent, to a relay of its own over a socket: here it is sent nowhere.',
      'Where a row begins with records that were pulled, these are its own, written by upserts.',
    ],
    async open() {
      db = createEvolu(evoluWebDeps)(schema, {
        name: SimpleName.orThrow('bench'),
        transports: [],
        indexes: create => [create('itemsGroup').on('items').column('group_id')],
      })
      await db.appOwner
    },
    // It cannot be closed; the page's end does.
    async close() {},
    async create(item) {
      let created = ''
      await written([
        onComplete => {
          const result = db.insert('items', values(item), { onComplete })
          if (result.ok) created = result.value.id
          return result
        },
      ])
      return created
    },
    createSeparately: insert,
    createMany: insert,
    async pull(bodies) {
      for (const body of bodies) await apply(JSON.parse(body) as DownloadPage)
    },
    async get(name) {
      const [row] = await db.loadQuery(one(name))
      return row === undefined ? undefined : stored(row)
    },
    readAll: async () => (await db.loadQuery(all())).map(stored),
    queryGroup: async groupId => (await db.loadQuery(inGroup(groupId))).map(stored),
    updateField: (ids, status) =>
      written(ids.map(name => onComplete => db.update('items', { id: idOf(name), status }, { onComplete }))),
    async push() {
      throw new Error('it pushes nothing over HTTP')
    },
    queued: async () => (await db.loadQuery(history()))[0]?.count ?? 0,
    async subscribeGroup(groupId, changed) {
      const query = inGroup(groupId)
      const stop = db.subscribeQuery(query)(() => changed(db.getQueryRows(query).map(stored)))
      changed((await db.loadQuery(query)).map(stored))
      return stop
    },
  }
}
