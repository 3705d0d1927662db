import PouchDB from 'pouchdb-browser'
import find from 'pouchdb-find'
import { temporaryId } from '../../src/contestants/ids.js'
import { type Contestant, type DownloadPage, pushBatch } from '../../src/page/contestant.js'
import type { Item, StoredItem } from '../../src/page/item.js'
import { isDesign, pulledRevision } from './revisions.js'

PouchDB.plugin(find)

type Doc = PouchDB.Core.ExistingDocument<Item>

const stored = ({ _id, _rev, ...item }: Doc): StoredItem => ({ ...item, id: _id })

export default function pouchdb(): Contestant {
  let db: PouchDB.Database<Item>
  let isIndexed = false

  /** A document that is not replicated. */
  const note = async (id: string, value: object): Promise<void> => {
    const old = await noted(id)
    await db.put({ ...value, _id: `_local/${id}`, ...(old && { _rev: old._rev }) } as never)
  }

  const noted = async (id: string): Promise<{ _rev: string; seq?: number | string } | undefined> => {
    try {
      return await db.get(`_local/${id}`)
    } catch (error) {
      if ((error as PouchDB.Core.Error).status === 404) return undefined
      throw error
    }
  }

  const insert = async (items: readonly Item[]): Promise<void> => {
    await db.bulkDocs(items.map(item => ({ ...item, _id: temporaryId() })))
  }

  /** As a replication writes what it receives: with the revisions that the server gave. */
  const apply = async ({ entities, cursor }: DownloadPage): Promise<void> => {
    const docs = entities.map(({ id, data }) => ({ ...data, _id: id, _rev: pulledRevision(id) }))
    await db.bulkDocs(docs, { new_edits: false })
    await note('pull', { cursor })
  }

  const group = async (groupId: string): Promise<StoredItem[]> => {
    if (!isIndexed) await db.createIndex({ index: { fields: ['group_id'] } })
    isIndexed = true
    const { docs } = await db.find({ selector: { group_id: groupId }, limit: 10_000 })
    return docs.map(stored)
  }

  return {
    notes: [
      'Its queue is its change log; its own replication sends whole documents after asking which revisions are missing.',
      'A pull is written as its replication would, without asking the server for each revision.',
      'Its first indexed query builds the index, which is not in the figures.',
    ],
    async open() {
      db = new PouchDB<Item>('bench')
      isIndexed = false
      await db.info()
    },
    close: () => db.close(),
    async create(item) {
      const { id } = await db.put({ ...item, _id: temporaryId() })
      return id
    },
    createSeparately: insert,
    createMany: insert,
    async pull(bodies) {
      for (const body of bodies) await apply(JSON.parse(body) as DownloadPage)
    },
    async apply(pages) {
      for (const page of pages) await apply(page)
    },
    get: async id => stored((await db.get(id)) as Doc),
    async readAll() {
      const { rows } = await db.allDocs({ include_docs: true })
      return rows.filter(({ id }) => !isDesign(id)).map(({ doc }) => stored(doc as Doc))
    },
    queryGroup: group,
    async updateField(ids, status) {
      const { rows } = await db.allDocs({ keys: [...ids], include_docs: true })
      const docs = rows.map(row => ({ ...(row as { doc: Doc }).doc, status }))
      await db.bulkDocs(docs)
    },
    async push(url) {
      const { href } = new URL('pouchdb/bench', new URL(url, location.href))
      const { last_seq: seq } = await db.replicate.to(href, { batch_size: pushBatch })
      await note('pushed', { seq })
    },
    async queued() {
      const since = (await noted('pushed'))?.seq ?? 0
      const { results } = await db.changes({ since })
      return results.filter(({ id, changes }) => !isDesign(id) && changes[0]?.rev !== pulledRevision(id)).length
    },
    async subscribeGroup(groupId, changed) {
      changed(await group(groupId))
      const changes = db.changes({ since: 'now', live: true, include_docs: true }).on('change', async ({ doc }) => {
        if (doc?.group_id === groupId) changed(await group(groupId))
      })
      return () => changes.cancel()
    },
  }
}
