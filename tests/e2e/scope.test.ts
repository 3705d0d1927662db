import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { type Rig, rig } from './harness/rig.js'
import type { Site } from './site/page.js'

declare global {
  var site: Site
}

const release = { scopes: { active: { projects: { status: 'active' } } } }

async function openTab({ browser, failures, proxy }: Rig, options: object): Promise<Page> {
  const page = await browser.open(`${proxy.origin}/`, failures)
  await page.waitForFunction(() => globalThis.site !== undefined)
  await page.evaluate(options => globalThis.site.open(options), { release, ...options })
  return page
}

const sync = (page: Page) => page.evaluate(() => globalThis.landfall.sync())

const names = (page: Page) =>
  page.evaluate(async () => {
    const { projects, phases } = globalThis.landfall.tables
    const rows = [...((await projects?.query({})) ?? []), ...((await phases?.query({})) ?? [])]
    return rows.map(row => String(row['name'])).sort()
  })

test('a device that opens with a scope has what is in it and nothing else, as it enters and leaves', async t => {
  const world = await rig(t, { site: 'test', schema: release })
  const office = await openTab(world, { name: 'office' })
  const ids = await office.evaluate(async () => {
    const { projects, phases } = globalThis.landfall.tables
    const ids: string[] = []
    for (const status of ['active', 'done']) {
      const project = await projects?.create({ name: status, customer: 'c', address: 'a', status })
      await phases?.create({ project_id: project?.id, name: `phase of ${status}`, position: 1 })
      ids.push(project?.id ?? '')
    }
    return ids
  })
  await sync(office)
  assert.equal((await names(office)).length, 4)

  const field = await openTab(world, { name: 'field', scope: 'active' })
  await sync(field)
  assert.deepEqual(await names(field), ['active', 'phase of active'])
  const offset = (await field.evaluate(() => globalThis.landfall.state())).clockOffsetMs
  assert.ok(offset !== null && Math.abs(offset) < 60_000, `the same machine's clock is ${offset} ms ahead`)

  await office.evaluate(async ([one, two]) => {
    await globalThis.landfall.tables['projects']?.update(one ?? '', { status: 'done' })
    await globalThis.landfall.tables['projects']?.update(two ?? '', { status: 'active' })
  }, ids)
  await sync(office)
  await sync(field)
  assert.deepEqual(await names(field), ['done', 'phase of done'])
  assert.equal((await names(office)).length, 4)

  const refused = await field.evaluate(release => {
    return globalThis.site.refusal(() => globalThis.site.open({ name: 'third', release, scope: 'none' }))
  }, release)
  assert.deepEqual([refused.code, refused.field], ['unknown-scope', 'scope'])
  assert.deepEqual(world.failures, [])
})
