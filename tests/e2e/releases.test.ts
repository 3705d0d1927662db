import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { contents, withField } from './harness/records.js'
import { type Rig, rig, settled, uploadPath } from './harness/rig.js'
import { until } from './harness/until.js'
import type { Site } from './site/page.js'

declare global {
  var site: Site
}

/** A tab of one release of the app: what differs is the version of its schema, and what it asks of others. */
async function openTab({ browser, failures, proxy }: Rig, release: object): Promise<Page> {
  const page = await browser.open(`${proxy.origin}/`, failures)
  await page.waitForFunction(() => globalThis.site !== undefined)
  await page.evaluate(release => globalThis.site.open({ release }), release)
  return page
}

const write = (page: Page, name: string) =>
  page.evaluate(async name => {
    const fields = { name, customer: 'Port of Elm', address: 'Quay 4', status: 'active' }
    await globalThis.landfall.tables['projects']?.create(fields)
  }, name)

const names = (page: Page) =>
  page.evaluate(async () => (await globalThis.landfall.tables['projects']?.query({}))?.map(row => row['name']) ?? [])

test('beside a newer release that raised minWriter an old tab says outdated, reads on, and nothing is lost', async t => {
  const world = await rig(t, { site: 'test' })
  const { browser, proxy, server } = world
  proxy.set(uploadPath, { kind: 'refuse' }, Number.POSITIVE_INFINITY)
  const old = await openTab(world, { version: 1 })
  await write(old, 'Of the old release')
  await old.evaluate(() => {
    const heard: unknown[] = []
    Object.assign(globalThis, { heard })
    globalThis.landfall.on('outdated', outdated => heard.push(outdated))
  })

  const young = await openTab(world, { version: 2, minWriter: 2 })
  await write(young, 'Of the new release')
  const heard = await until('the old tab has heard of it', async () => {
    const heard = await old.evaluate(() => Reflect.get(globalThis, 'heard') as unknown[])
    return heard.length > 0 && heard
  })
  assert.deepEqual(heard, [{ part: 'schema', needed: 2, has: 1, stillReads: true }])
  assert.deepEqual(await old.evaluate(() => globalThis.landfall.state().outdated), heard[0])
  // What it cannot save it refuses whole, so that the app keeps the input; what others write it still shows.
  const refusal = await old.evaluate(() =>
    globalThis.site.refusal(() =>
      globalThis.landfall.tables['projects']?.create({ name: 'Lost?', customer: 'c', address: 'a', status: 'active' }),
    ),
  )
  assert.deepEqual([refusal.isLandfallError, refusal.code], [true, 'outdated'])
  await until('the old tab shows what the new one wrote', async () => (await names(old)).length === 2)
  const health = await old.evaluate(() => globalThis.landfall.health())
  assert.deepEqual(health.reasons, [{ kind: 'stopped', code: 'outdated' }])

  proxy.heal()
  await young.evaluate(() => globalThis.landfall.sync())
  await settled(young)
  // An old release that is opened anew finds it so, and reads too.
  const late = await openTab(world, { version: 1 })
  assert.equal((await late.evaluate(() => globalThis.landfall.state())).outdated?.stillReads, true)
  assert.deepEqual((await names(late)).sort(), ['Of the new release', 'Of the old release'])

  await browser.closePages()
  await server.stop()
  const held = await contents(server.dataFile)
  for (const name of ['Of the old release', 'Of the new release'])
    assert.equal(withField(held, 'projects', 'name', name).length, 1, name)
  assert.equal(held.audit.filter(line => line.status === 'applied').length, 2)
  assert.deepEqual(world.failures, [])
})

test('a release that an old one cannot read ends its reading too, and it says why', async t => {
  const world = await rig(t, { site: 'test' })
  const old = await openTab(world, { version: 1 })
  await write(old, 'Before')
  const young = await openTab(world, { version: 2, minReader: 2 })
  await write(young, 'After')
  await until('the old tab has stopped', () =>
    old.evaluate(() => globalThis.landfall.state().outdated?.stillReads === false),
  )
  const refusal = await old.evaluate(() => globalThis.site.refusal(() => globalThis.landfall.activity()))
  assert.equal(refusal.code, 'outdated')
  assert.deepEqual((await names(young)).sort(), ['After', 'Before'])
  const late = await world.browser.open(`${world.proxy.origin}/`, world.failures)
  await late.waitForFunction(() => globalThis.site !== undefined)
  const unopened = await late.evaluate(() =>
    globalThis.site.refusal(() => globalThis.site.open({ release: { version: 1 } })),
  )
  assert.equal(unopened.code, 'outdated')
  assert.deepEqual(world.failures, [])
})
