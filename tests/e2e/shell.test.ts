import assert from 'node:assert/strict'
import { test } from 'node:test'
import { installApp, openApp, rig } from './harness/rig.js'

test('the installed app starts, reads and writes with no server anywhere', async t => {
  const world = await rig(t, { site: 'demo' })
  const { browser, proxy, server } = world
  const page = await installApp(world)
  const before = await page.evaluate(() => globalThis.landfall.tables['tasks']?.count({}))
  await browser.closePages()
  await server.stop()
  await proxy.close()

  const offline = await openApp(world)
  assert.equal(await offline.evaluate(() => globalThis.landfall.tables['tasks']?.count({})), before)
  const [task] = (await offline.evaluate(() => globalThis.landfall.tables['tasks']?.query({ limit: 1 }))) ?? []
  assert.ok(task)
  await offline.evaluate(id => globalThis.landfall.tables['tasks']?.update(id, { notes: 'no server' }), task.id)
  // A pass may be trying already.
  const { pending, sending } = await offline.evaluate(() => globalThis.landfall.state())
  assert.equal(pending + sending, 1)
  assert.deepEqual(world.failures, [])
})
