import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answeredOperations, installApp, openApp, rig, settled } from './harness/rig.js'
import { contents } from './harness/records.js'
import { generation, holdsTemporaryIds, readStores } from './harness/stores.js'
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

  // In the fold at once: lines of it that hold a temporary id are lines of the id map.
  const fold = await again.evaluate(() => globalThis.landfall.debug.fold())
  const holding = fold.split('\n').filter(line => line.includes('temp_'))
  assert.equal(holding.length, 13)
  for (const line of holding) assert.match(line, /^mapping /)
  for (const record of [story.project, story.phase, story.step, ...story.tasks])
    assert.ok(holding.some(line => line.includes(record.id)))

  // In the stores when old entries are gone and every segment has been rewritten, which writing on brings about.
  assert.ok(holdsTemporaryIds(await readStores(again)), 'until then, old entries hold them')
  const [busy] = story.edited
  assert.ok(busy)
  await until(
    'the stores hold temporary ids in the id map alone',
    async () => {
      await again.evaluate(async id => {
        const tasks = globalThis.landfall.tables['tasks']
        for (let n = 0; n < 250; n += 1) await tasks?.update(id, { progress_percentage: n % 100 })
      }, busy.id)
      return !holdsTemporaryIds(await readStores(again))
    },
    60_000,
  )
  assert.ok((await generation(again)) >= 2)
  // A reader that knows a record by its old id still finds it.
  const found = await again.evaluate(id => globalThis.landfall.tables['projects']?.get(id), story.project.id)
  assert.equal(found?.['name'], story.project['name'])
  assert.deepEqual(world.failures, [])
})
