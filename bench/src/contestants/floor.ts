import { type Contestant, type DownloadPage, pushBatch } from '../page/contestant.js'
import type { Item, StoredItem } from '../page/item.js'
import { done, openDatabase, result } from './idb.js'
import { mutationId, temporaryId } from './ids.js'
import { type OutboxEntry, pendingFields, type Stored } from './outbox.js'
import { post } from './post.js'

/** Several hundred records to a value; anything from 200 to 1,000 measures alike. */
const recordsPerValue = 250

/** One change, written once: it is both what the record becomes and what is queued. */
type Change =
  | { readonly record: Stored; readonly mutation?: Mutation }
  | { readonly id: string; readonly fields: Partial<Item>; readonly mutation: Mutation }
  | { readonly acknowledged: string; readonly id: string; readonly version: number }

/** Absent where the change came from the server. */
interface Mutation {
  readonly id: string
  readonly timestamp: number
}

interface Commit {
  readonly changes: readonly Change[]
  readonly cursor?: string
}

type Queued = Pick<OutboxEntry, 'id' | 'recordId' | 'operation' | 'data'>

/**
 * The limit that is known: an append-only store in which a commit is a JSON string, or a few of them in one transaction,
 * with the state and its index in memory. No engine around it: no validity, no compaction, no other tabs.
 */
export default function floor(): Contestant {
  let db: IDBDatabase
  const records = new Map<string, Stored>()
  const outbox = new Map<string, Queued>()
  /** Built when it is first asked for, kept up from then on. */
  let groups: Map<string, Set<string>> | undefined

  const index = (record: Stored, into: Map<string, Set<string>>): void => {
    const group = into.get(record.group_id)
    if (group === undefined) into.set(record.group_id, new Set([record.id]))
    else group.add(record.id)
  }

  const put = (record: Stored): void => {
    if (groups !== undefined) {
      const known = records.get(record.id)
      if (known !== undefined) groups.get(known.group_id)?.delete(known.id)
      index(record, groups)
    }
    records.set(record.id, record)
  }

  const fold = (commit: Commit): void => {
    for (const change of commit.changes) {
      if ('record' in change) {
        const { record, mutation } = change
        put(record)
        if (mutation === undefined) continue
        const { id, version: _, ...data } = record
        outbox.set(mutation.id, { id: mutation.id, recordId: id, operation: 'create', data })
        continue
      }
      const known = records.get(change.id)
      if (known === undefined) throw new Error(`there is no ${change.id} to change`)
      if ('acknowledged' in change) {
        outbox.delete(change.acknowledged)
        records.set(change.id, { ...known, version: change.version })
      } else {
        const { id, fields, mutation } = change
        put({ ...known, ...fields })
        outbox.set(mutation.id, { id: mutation.id, recordId: id, operation: 'update', data: fields })
      }
    }
  }

  const append = async (changes: readonly Change[], cursor?: string): Promise<void> => {
    const transaction = db.transaction('log', 'readwrite', { durability: 'relaxed' })
    const log = transaction.objectStore('log')
    const commits: Commit[] = []
    for (let from = 0; from < changes.length; from += recordsPerValue) {
      const commit = { changes: changes.slice(from, from + recordsPerValue), ...(cursor && { cursor }) }
      log.add(JSON.stringify(commit))
      commits.push(commit)
    }
    transaction.commit()
    await done(transaction)
    for (const commit of commits) fold(commit)
  }

  const write = async (items: readonly Item[]): Promise<string> => {
    const timestamp = Date.now()
    let id = ''
    await append(
      items.map(item => {
        id = temporaryId()
        return { record: { ...item, id, version: null }, mutation: { id: mutationId(), timestamp } }
      }),
    )
    return id
  }

  const apply = (page: DownloadPage): Promise<void> => {
    // What is still queued stays on top of what the server has.
    const pending = pendingFields(outbox.values())
    const changes = page.entities.map(({ id, version, data }) => ({
      record: { ...data, ...pending.get(id), id, version },
    }))
    return append(changes, page.cursor)
  }

  return {
    async open() {
      db = await openDatabase('floor', created => {
        created.createObjectStore('log', { autoIncrement: true })
      })
      const values = await result<string[]>(db.transaction('log').objectStore('log').getAll())
      for (const value of values) fold(JSON.parse(value) as Commit)
    },
    async close() {
      db.close()
      records.clear()
      outbox.clear()
      groups = undefined
    },
    create: item => write([item]),
    async createSeparately(items) {
      await write(items)
    },
    async createMany(items) {
      await write(items)
    },
    async pull(bodies) {
      for (const body of bodies) await apply(JSON.parse(body) as DownloadPage)
    },
    async apply(pages) {
      for (const page of pages) await apply(page)
    },
    get: async id => records.get(id),
    readAll: async () => [...records.values()],
    async queryGroup(groupId) {
      if (groups === undefined) {
        groups = new Map()
        for (const record of records.values()) index(record, groups)
      }
      const found: StoredItem[] = []
      for (const id of groups.get(groupId) ?? []) {
        const record = records.get(id)
        if (record !== undefined) found.push(record)
      }
      return found
    },
    async updateField(ids, status) {
      const timestamp = Date.now()
      await append(ids.map(id => ({ id, fields: { status }, mutation: { id: mutationId(), timestamp } })))
    },
    async push(url) {
      while (outbox.size > 0) {
        const batch: Queued[] = []
        for (const queued of outbox.values()) if (batch.push(queued) === pushBatch) break
        const results = await post(url, batch)
        await append(results.map(({ id, recordId, version }) => ({ acknowledged: id, id: recordId, version })))
      }
    },
    // In memory it is what a fold of the store gave: that is its only count.
    queued: async () => outbox.size,
  }
}
