/**
 * What field work asks of a slow device: so many operations synced, conflicts detected and resolved, a graph built, an id
 * exchanged. Through the package alone.
 */
import { type Database, open, type SchemaDocument } from 'landfall'
import { schema as items } from '../../../tests/e2e/site/budgets/item.js'
import { makeItem } from '../page/item.js'
import { expect, type Figures, median, Stage, time } from '../page/stage.js'
import { installNetwork } from './network.js'

const network = installNetwork()
const stage = new Stage('targets')

const schema = {
  version: 1,
  tables: {
    ...items.tables,
    nodes: {
      fields: { name: 'string', parent_id: 'string?' },
      references: { parent_id: { table: 'nodes' } },
      indexes: ['parent_id'],
    },
  },
} as const satisfies SchemaDocument

type Db = Database<typeof schema>

const changed = 100
const resolved = 20
const graph = 500
const children = 40

const opened = (name: string): Promise<Db> => open({ name, schema, remote: { url: '/api/sync', live: false } })

async function sync(db: Db): Promise<void> {
  const { error } = await db.sync()
  if (error !== null) throw new Error(`the pass ended early: ${error.code}: ${error.message}`)
}

/** A database with 1,000 records, of which 100 were changed without a network. */
async function withChanges(name: string): Promise<Db> {
  const db = await opened(name)
  // Two sets of tables are pulled one after the other: the second one has nothing.
  const [page = ''] = await stage.bodies(1_000)
  const empty = JSON.stringify({ ...JSON.parse(page), entities: [] })
  await network.playing([page, empty, empty], () => sync(db))
  await Promise.all(
    Array.from({ length: changed }, (_, i) => db.tables.items.update(String(i + 1), { status: 'ours', title: 'Ours' })),
  )
  return db
}

async function operations(): Promise<Figures> {
  const db = await withChanges('operations')
  const ms = await time(() => network.connected(() => sync(db)))
  const left = (await db.outbox.list()).length
  expect(left === 0, `${left} operations are left`)
  await db.close()
  return { '100 operations synced': ms }
}

async function conflicts(): Promise<Figures> {
  const db = await withChanges('conflicts')
  await fetch('/contest', { method: 'POST' })
  const detected = await time(() => network.connected(() => sync(db)))
  const { conflicts: found } = await db.conflicts.list({ state: 'open' })
  expect(found.length === changed, `${found.length} conflicts were found`)
  const times: number[] = []
  for (const { id } of found.slice(0, resolved)) times.push(await time(() => db.conflicts.resolve(id, 'client-wins')))
  await db.close()
  return { '100 conflicts detected': detected, 'a conflict resolved': median(times) }
}

/** A tree, each with two children: 500 creates of which each but the first waits for another. */
async function dependencies(): Promise<Figures> {
  const db = await opened('graph')
  const written = await time(async () => {
    let level = [(await db.tables.nodes.create({ name: 'root' })).id]
    for (let count = 1; count < graph;) {
      const parents = level.flatMap(id => [id, id]).slice(0, graph - count)
      const records = await db.tables.nodes.createMany(parents.map(parent_id => ({ name: 'node', parent_id })))
      level = records.map(({ id }) => id)
      count += level.length
    }
  })
  await db.close()
  let again = await opened('graph')
  await again.close()
  const built = await time(async () => {
    again = await opened('graph')
    const outbox = await again.outbox.list()
    expect(outbox.length === graph, `${outbox.length} mutations are queued`)
  })
  const sent = await time(() => network.connected(() => sync(again)))
  const left = (await again.outbox.list()).length
  expect(left === 0, `${left} of the graph are left`)
  await again.close()
  return { 'graph of 500 written': written, 'graph of 500 built': built, 'graph of 500 synced': sent }
}

/** A record and what refers to it, all created here: from the answer with the ids to the next request. */
async function exchange(): Promise<Figures> {
  const db = await opened('exchange')
  await network.connected(() => sync(db))
  const { id } = await db.tables.nodes.create({ name: 'parent' })
  await db.tables.nodes.createMany(Array.from({ length: children }, () => ({ name: 'child', parent_id: id })))
  const times: number[] = []
  let answeredAt: number | undefined
  const real = globalThis.fetch
  globalThis.fetch = async (input, init) => {
    if (answeredAt !== undefined) times.push(performance.now() - answeredAt)
    answeredAt = undefined
    const answer = await real(input, init)
    if (String(input instanceof Request ? input.url : input).endsWith('/upload')) answeredAt = performance.now()
    return answer
  }
  await network.connected(() => sync(db))
  globalThis.fetch = real
  const found = await db.tables.nodes.query({ index: 'parent_id', equals: (await db.tables.nodes.get(id))?.id ?? '' })
  expect(found.length === children && !found.some(node => node.id.startsWith('temp_')), 'ids are not exchanged')
  expect(times.length > 0, 'nothing followed the upload')
  await db.close()
  return { 'ids exchanged': Math.max(...times) }
}

export async function measure(): Promise<Figures> {
  // Its code is compiled before, as in an app that was used for a while.
  const warm = await opened('warm')
  await Promise.all(Array.from({ length: changed }, (_, i) => warm.tables.items.create(makeItem(i))))
  await network.connected(() => sync(warm))
  await warm.close()
  return { ...(await operations()), ...(await conflicts()), ...(await dependencies()), ...(await exchange()) }
}
