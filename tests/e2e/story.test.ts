import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answeredOperations, installApp, openApp, rig, settled } from './harness/rig.js'
import { contents } from './harness/records.js'
import { assertPageHasStory, assertServerHasStory, storyOperations, writeStory } from './harness/story.js'
import { until } from './harness/until.js'

test('what was written offline reaches the server through the service worker, exactly once, with the app closed', async t => {
  const world = await rig(t, { site: 'demo' })
  const { browser, proxy, server } = world
  const page = await installApp(world)
  const before = await page.evaluate(() => globalThis.landfall.tables['tasks']?.count({}))
  assert.ok(before !== undefined && before > 1_000, `the demo has ${before} tasks`)

  await browser.context.setOffline(true)
  const story = await writeStory(page)
  await page.reload()
  await page.waitForFunction(() => globalThis.landfall !== undefined)
  await assertPageHasStory(page, story)
  assert.equal(await page.evaluate(() => globalThis.landfall.tables['tasks']?.count({})), before + 10 - 2)
  assert.equal(proxy.of('/api/sync/upload').length, 0)

  // No page of the app is left, and nobody sends the worker anything: only the browser can wake it.
  await browser.closePages()
  await browser.context.setOffline(false)
  await until('the worker delivered everything', () => answeredOperations(proxy).length >= storyOperations, 60_000)

  await server.stop()
  assertServerHasStory(await contents(server.dataFile), story)

  await server.restart()
  const again = await openApp(world)
  await settled(again)
  assert.deepEqual(await again.evaluate(() => globalThis.landfall.outbox.list()), [])
  assert.equal(await again.evaluate(() => globalThis.landfall.tables['tasks']?.count({})), before + 10 - 2)
  assert.deepEqual(world.failures, [])
})
