import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { contents, withField } from './harness/records.js'
import { downloadPath, installApp, rig, settled, uploadPath } from './harness/rig.js'
import { until } from './harness/until.js'

function createProject(page: Page, name: string) {
  return page.evaluate(async name => {
    const fields = { name, customer: 'Port of Elm', address: 'Quay 4', status: 'active' }
    const project = await globalThis.landfall.tables['projects']?.create(fields)
    return { id: project?.id ?? '', mutation: String(project?.['_syncId']) }
  }, name)
}

/** A browser repeats a request whose connection broke, at once; what it repeats is to be refused too. */
const repeatedMs = 300

const names = (page: Page) =>
  page.evaluate(async () => (await globalThis.landfall.tables['projects']?.query({}))?.map(row => row['name']) ?? [])

test('what is given up before the server heard of it never takes effect, although it was being sent', async t => {
  const world = await rig(t, { site: 'demo' })
  const { browser, proxy, server } = world
  const page = await installApp(world)
  await browser.context.setOffline(true)
  const project = await createProject(page, 'Given up')

  const request = proxy.set(uploadPath, { kind: 'refuse' }, Number.POSITIVE_INFINITY)
  await browser.context.setOffline(false)
  await request.hit
  assert.equal(await page.evaluate(id => globalThis.landfall.outbox.discard(id), project.mutation), 'withdrawing')
  assert.ok(!(await names(page)).includes('Given up'), 'nothing of it is shown any more')
  await sleep(repeatedMs)
  proxy.heal()
  await page.evaluate(() => globalThis.landfall.sync())
  await settled(page)

  const story = await page.evaluate(id => globalThis.landfall.explain('projects', id), project.id)
  assert.deepEqual([story.presence, story.next.kind], ['gone', 'nothing'])
  assert.ok(story.activity.some(({ what }) => what.kind === 'withdrawn'))
  const { perTable } = await page.evaluate(() => globalThis.landfall.health())
  assert.equal(perTable['projects']?.withdrawn, 1)

  await browser.closePages()
  await server.stop()
  const held = await contents(server.dataFile)
  assert.equal(withField(held, 'projects', 'name', 'Given up').length, 0)
  assert.deepEqual(world.failures, [])
})

test('what was applied before it was given up is settled as that, and shown again', async t => {
  const world = await rig(t, { site: 'demo' })
  const { browser, proxy, server } = world
  const page = await installApp(world)
  await browser.context.setOffline(true)
  const project = await createProject(page, 'Too late')

  const cut = proxy.set(uploadPath, { kind: 'cut-answer' })
  // Nothing more gets through until it is decided, and no pull tells of it.
  proxy.set(uploadPath, { kind: 'refuse' }, Number.POSITIVE_INFINITY)
  proxy.set(downloadPath, { kind: 'refuse' }, Number.POSITIVE_INFINITY)
  await browser.context.setOffline(false)
  assert.equal((await cut.hit).status, 200, 'the server committed')
  assert.equal(await page.evaluate(id => globalThis.landfall.outbox.discard(id), project.mutation), 'withdrawing')
  await sleep(repeatedMs)
  proxy.heal()
  await page.evaluate(() => globalThis.landfall.sync())
  await settled(page)
  await until('it is shown as the server has it', async () => (await names(page)).includes('Too late'))
  const kept = await page.evaluate(id => globalThis.landfall.tables['projects']?.get(id), project.id)
  assert.deepEqual([kept?.['_syncStatus'], kept?._version], ['synced', 1])

  await browser.closePages()
  await server.stop()
  const held = await contents(server.dataFile)
  assert.equal(withField(held, 'projects', 'name', 'Too late').length, 1)
  const creates = held.audit.filter(line => line.operationId === project.mutation && line.operation === 'create')
  // A browser may repeat a request whose connection broke; it takes effect once.
  assert.equal(creates.filter(line => line.status !== 'duplicate').length, 1)
  assert.equal(creates[0]?.status, 'applied')
  assert.deepEqual(world.failures, [])
})
