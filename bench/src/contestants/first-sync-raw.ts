/** The same by hand: one page after the other is fetched and put, a value for each record, each page with its cursor. */
import {
  itemCount,
  type Project,
  projectCount,
  screenItems,
  screenProject,
  Smoothness,
  wirePath,
} from '../page/first-sync.js'
import type { Item } from '../page/item.js'
import { expect, type Figures } from '../page/stage.js'
import { done, openDatabase, result } from './idb.js'

interface Page {
  readonly entities: readonly { readonly table: string; readonly id: string; readonly data: Item | Project }[]
  readonly cursor: string
  readonly hasMore: boolean
}

async function pageAfter(cursor: string | null): Promise<Page> {
  const response = await fetch(`${wirePath}/download`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'landfall-protocol': '1' },
    body: JSON.stringify({ protocol: 1, principal: 'default', cursor, entityTypes: ['projects', 'items'] }),
  })
  if (!response.ok) throw new Error(`the download was answered with ${response.status}: ${await response.text()}`)
  return (await response.json()) as Page
}

const tables = ['projects', 'items']

export async function measure(): Promise<Figures> {
  const db = await openDatabase('first', created => {
    created.createObjectStore('projects', { keyPath: 'id' })
    created.createObjectStore('items', { keyPath: 'id' }).createIndex('project_id', 'project_id')
    created.createObjectStore('cursors')
  })
  const isShown = async (): Promise<boolean> => {
    const all = await result<(Project & { readonly id: string })[]>(
      db.transaction('projects').objectStore('projects').getAll(),
    )
    const shown = all.find(({ name }) => name === screenProject)
    if (shown === undefined || all.length < projectCount) return false
    const index = db.transaction('items').objectStore('items').index('project_id')
    return (await result<Item[]>(index.getAll(shown.id, screenItems))).length === screenItems
  }
  const smoothness = new Smoothness()
  const begun = performance.now()
  let screen = Number.NaN
  let cursor: string | null = null
  for (let hasMore = true; hasMore;) {
    let page: Page
    try {
      page = await pageAfter(cursor)
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      await new Promise(resolve => setTimeout(resolve, 200))
      continue
    }
    const transaction = db.transaction([...tables, 'cursors'], 'readwrite', { durability: 'relaxed' })
    for (const { table, id, data } of page.entities) transaction.objectStore(table).put({ ...data, id })
    transaction.objectStore('cursors').put(page.cursor, 'all')
    await done(transaction)
    if (Number.isNaN(screen) && (await isShown())) screen = performance.now() - begun
    ;({ cursor, hasMore } = page)
  }
  const whole = performance.now() - begun
  const figures = await smoothness.end()
  const count = await result(db.transaction('items').objectStore('items').count())
  expect(count === itemCount, `${count} items are there`)
  db.close()
  return { 'first sync, first screen': screen, 'first sync, all': whole, ...figures }
}
