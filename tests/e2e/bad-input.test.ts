import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { contents } from './harness/records.js'
import { rig, uploadPath } from './harness/rig.js'
import type { Refusal, Site } from './site/page.js'

declare global {
  var site: Site
}

const schema = {
  version: 1,
  tables: {
    folders: { fields: { name: 'string' } },
    things: {
      fields: { folder_id: 'string?', name: 'string', count: 'number?', extra: 'json?' },
      references: { folder_id: { table: 'folders', onDelete: 'refuse' } },
      indexes: ['name'],
    },
  },
}

/** Each is evaluated in the page, where what cannot cross from here can be written. */
const refused: readonly {
  readonly what: string
  readonly code: string
  readonly field?: string
  readonly call: string
}[] = [
  {
    what: 'a write to an unknown table',
    code: 'unknown-table',
    field: 'table',
    call: `tables.nowhere.create({ name: 'a' })`,
  },
  {
    what: 'a record with a function in it',
    code: 'invalid-value',
    field: 'extra.list[1].run',
    call: `tables.things.create({ name: 'a', extra: { list: [1, { run() {} }] } })`,
  },
  {
    what: 'an update with a function in it',
    code: 'invalid-value',
    field: 'name',
    call: `tables.things.update(known, { name: () => 'a' })`,
  },
  {
    what: 'a record in a list with a function in it',
    code: 'invalid-value',
    field: '[1].name',
    call: `tables.things.createMany([{ name: 'a' }, { name: () => 'b' }])`,
  },
  { what: 'NaN', code: 'invalid-value', field: 'count', call: `tables.things.create({ name: 'a', count: NaN })` },
  { what: 'a BigInt', code: 'invalid-value', field: 'count', call: `tables.things.create({ name: 'a', count: 1n })` },
  {
    what: 'a Date',
    code: 'invalid-value',
    field: 'extra.at',
    call: `tables.things.create({ name: 'a', extra: { at: new Date() } })`,
  },
  {
    what: 'a cycle',
    code: 'invalid-value',
    field: 'extra.self',
    call: `{ const extra = {}; extra.self = extra; return tables.things.create({ name: 'a', extra }) }`,
  },
  { what: 'a lone surrogate', code: 'invalid-value', field: 'name', call: `tables.things.create({ name: '\\ud800' })` },
  {
    what: 'a __proto__ key',
    code: 'invalid-value',
    field: 'extra.__proto__',
    call: `tables.things.create({ name: 'a', extra: JSON.parse('{ "__proto__": { "a": 1 } }') })`,
  },
  {
    what: 'an unknown field',
    code: 'invalid-value',
    field: 'colour',
    call: `tables.things.create({ name: 'a', colour: 'red' })`,
  },
  {
    what: 'a required field left out',
    code: 'invalid-value',
    field: 'name',
    call: `tables.things.create({ count: 1 })`,
  },
  {
    what: 'a value of another type',
    code: 'invalid-value',
    field: 'count',
    call: `tables.things.create({ name: 'a', count: '1' })`,
  },
  {
    what: 'a reference to no record',
    code: 'reference-missing',
    field: 'folder_id',
    call: `tables.things.create({ name: 'a', folder_id: 'nobody' })`,
  },
  {
    what: 'an update of an absent record',
    code: 'record-not-found',
    field: 'id',
    call: `tables.things.update('absent', { name: 'a' })`,
  },
  {
    what: 'a deletion of an absent record',
    code: 'record-not-found',
    field: 'id',
    call: `tables.things.delete('absent')`,
  },
  {
    what: 'the deletion of a parent that is referred to',
    code: 'reference-in-use',
    field: 'folder_id',
    call: `tables.folders.delete(folder)`,
  },
  {
    what: 'a query by an undeclared index',
    code: 'unknown-index',
    field: 'index',
    call: `tables.things.query({ index: 'count', equals: 1 })`,
  },
]

function refusal(page: Page, call: string): Promise<Refusal> {
  const body = call.startsWith('{') ? call : `{ return ${call} }`
  return page.evaluate(
    `site.refusal(() => { const { tables } = landfall; const { known, folder } = globalThis; ${body} })`,
  ) as Promise<Refusal>
}

test('bad input gets its typed error with code and field, at the call, and changes nothing', async t => {
  const world = await rig(t, { site: 'test' })
  const page = await world.browser.open(`${world.proxy.origin}/`, world.failures)
  await page.waitForFunction(() => globalThis.site !== undefined)
  await page.evaluate(document => globalThis.site.open({ name: 'bad-input', schema: document }), schema)
  await world.browser.context.setOffline(true)
  await page.evaluate(async () => {
    const { folders, things } = globalThis.landfall.tables
    const folder = await folders?.create({ name: 'folder' })
    const known = await things?.create({ name: 'known', folder_id: folder?.id })
    Object.assign(globalThis, { folder: folder?.id, known: known?.id })
  })
  const state = () =>
    page.evaluate(async () => ({
      fold: await globalThis.landfall.debug.fold(),
      outbox: await globalThis.landfall.outbox.list(),
    }))
  const before = await state()
  assert.equal(before.outbox.length, 2)

  for (const { what, code, field, call } of refused) {
    await t.test(what, async () => {
      const error = await refusal(page, call)
      assert.equal(error.code, code, error.message)
      assert.ok(error.isLandfallError)
      assert.equal(error.field, field, error.message)
      assert.deepEqual(await state(), before)
    })
  }
  assert.deepEqual(world.failures, [])
})

test('a schema with a foreign key to no table is refused with the path, and no database is made', async t => {
  const world = await rig(t, { site: 'test' })
  const page = await world.browser.open(`${world.proxy.origin}/`, world.failures)
  await page.waitForFunction(() => globalThis.site !== undefined)
  const broken = {
    ...schema,
    tables: {
      things: { ...schema.tables.things, references: { folder_id: { table: 'drawers', onDelete: 'cascade' } } },
    },
  }
  const error = await page.evaluate(
    document => globalThis.site.refusal(() => globalThis.site.open({ name: 'broken', schema: document })),
    broken,
  )
  assert.equal(error.code, 'invalid-schema')
  assert.ok(error.isLandfallError)
  assert.match(error.field ?? '', /^tables\.things\.references\.folder_id/)
  assert.match(error.message, /drawers/)
  assert.deepEqual(await page.evaluate(() => indexedDB.databases()), [])
})

test('a body that is not JSON gets a problem with its code from the server, and changes nothing', async t => {
  const world = await rig(t, { site: 'test' })
  const before = await fetch(`${world.server.origin}/`)
  assert.equal(before.status, 200)
  const answer = await fetch(`${world.server.origin}${uploadPath}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'landfall-protocol': '1' },
    body: 'this is not JSON',
  })
  assert.equal(answer.status, 400)
  assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/)
  assert.equal(answer.headers.get('landfall-protocol'), '1')
  const problem = (await answer.json()) as { type: string; status: number }
  assert.equal(problem.type, 'urn:landfall:error:malformed-body')
  assert.equal(problem.status, 400)
  await world.server.stop()
  const held = await contents(world.server.dataFile)
  assert.deepEqual([held.records, held.audit], [[], []])
})
