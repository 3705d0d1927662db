import type { Contestant, DownloadPage } from './contestant.js'
import { done, mutationId, openDatabase, result, temporaryId } from './idb.js'
import type { Item, StoredItem } from './item.js'

/** Several hundred records to a value; anything from 200 to 1,000 measures alike. */
const recordsPerValue = 250

/** A change is written once, and is both what the record becomes and what is queued. */
interface Change {
  readonly record: StoredItem & { readonly version: number | null }
  /** Absent when the change came from the server. */
  readonly mutation?: { readonly id: string; readonly timestamp: number }
}

interface Commit {
  readonly changes: readonly Change[]
  readonly cursor?: string
}

/**
 * The limit that is known: an append-only store in which a commit is a JSON string, or a few of them in one transaction,
 * with the state and its index in memory. No engine around it: no validity, no compaction, no other tabs.
 */
export function floor(): Contestant {
  let db: IDBDatabase
  const records = new Map<string, StoredItem>()
  const outbox = new Map<string, Change>()
  /** Built when it is first asked for, kept up from then on. */
  let groups: Map<string, Set<string>> | undefined

  const index = (record: StoredItem, into: Map<string, Set<string>>): void => {
    const group = into.get(record.group_id)
    if (group === undefined) into.set(record.group_id, new Set([record.id]))
    else group.add(record.id)
  }

  const fold = (commit: Commit): void => {
    for (const change of commit.changes) {
      const { record } = change
      if (groups !== undefined) {
        const known = records.get(record.id)
        if (known !== undefined) groups.get(known.group_id)?.delete(known.id)
        index(record, groups)
      }
      records.set(record.id, record)
      if (change.mutation !== undefined) outbox.set(change.mutation.id, change)
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

  const write = (items: readonly Item[]): Promise<void> => {
    const timestamp = Date.now()
    return append(
      items.map(item => ({
        record: { ...item, id: temporaryId(), version: null },
        mutation: { id: mutationId(), timestamp },
      })),
    )
  }

  const apply = (page: DownloadPage): Promise<void> =>
    append(
      page.entities.map(({ id, version, data }) => ({ record: { ...data, id, version } })),
      page.cursor,
    )

  return {
    async open() {
      db = await openDatabase('floor', created => {
        created.createObjectStore('log', { autoIncrement: true })
      })
      const values = await result<string[]>(db.transaction('log').objectStore('log').getAll())
      for (const value of values) fold(JSON.parse(value) as Commit)
    },
    create: item => write([item]),
    createSeparately: write,
    createMany: write,
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
  }
}
