import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World } from './conflicts/world.js'
import { Browser, tabOf } from './harness/chromium.js'
import { uploadPath } from './harness/rig.js'
import { until } from './harness/until.js'

test('the service worker, with no page open, merges what rules and functions settle, and leaves the rest to the next page', async t => {
  const world = await World.start()
  t.after(() => world.close())
  const [anas, bens] = [await Browser.start(), await Browser.start()]
  for (const browser of [anas, bens]) t.after(() => browser.close())
  const page = await anas.open(world.page)
  await page.evaluate(async () => {
    await navigator.serviceWorker.register('/conflicts-sw.js')
    await navigator.serviceWorker.ready
  })
  const two = await world.two({ ana: tabOf(page), ben: tabOf(await bens.open(world.page)) }, 'field')
  const counted = await two.shared('tasks', { title: 'Counted', progress: 10, visits: 1 })
  const remarked = await two.shared('tasks', { title: 'Remarked', remark: 'dry' })
  const titled = await two.shared('tasks', { title: 'Titled', visits: 5 })

  // Ana works without a network and closes the app; Ben, who has one, is first.
  await anas.context.setOffline(true)
  await two.ana.tables.tasks.update(counted, { progress: 60, visits: 3 })
  await two.ana.tables.tasks.update(remarked, { remark: 'wet to the second joint' })
  await two.ana.tables.tasks.update(titled, { title: "Ana's", visits: 6 })
  await anas.closePages()
  await two.ben.tables.tasks.update(counted, { progress: 40, visits: 2 })
  await two.ben.tables.tasks.update(remarked, { remark: 'wet' })
  await two.ben.tables.tasks.update(titled, { title: "Ben's", visits: 7 })
  await two.sync(two.ben)

  // Nobody sends the worker anything: only the browser can wake it.
  const before = world.proxy.of(uploadPath).length
  await anas.context.setOffline(false)
  await until(
    'the worker has delivered what it can',
    async () => {
      const answers = world.proxy.of(uploadPath).slice(before)
      const ofTitled = answers.some(({ status, requestBody }) => status === 200 && requestBody.includes(`"${titled}"`))
      return (
        ofTitled &&
        (await two.server('tasks', counted))?.['visits'] === 4 &&
        (await two.server('tasks', remarked))?.['remark'] === 'wet to the second joint'
      )
    },
    60_000,
  )
  assert.deepEqual(await two.server('tasks', counted), { title: 'Counted', progress: 60, visits: 4 })
  assert.deepEqual(await two.server('tasks', titled), { title: "Ben's", visits: 7 }, 'nothing is overwritten')
  assert.deepEqual(
    anas.context.pages().map(open => open.url()),
    ['about:blank'],
  )

  const openedAt = Date.now()
  await two.reopen('ana', tabOf(await anas.open(world.page)))
  const kept = await two.only(two.ana, { recordId: counted })
  assert.deepEqual([kept.state, kept.resolution?.how, kept.resolution?.by], ['settled', 'rules', 'ana'])
  assert.deepEqual(kept.rulings, [
    { path: ['progress'], base: 10, ours: 60, theirs: 40, by: 'highest', value: 60 },
    { path: ['visits'], base: 1, ours: 3, theirs: 2, by: 'counter', value: 4 },
  ])
  const byFunction = await two.only(two.ana, { recordId: remarked })
  const [base, ours, theirs] = ['dry', 'wet to the second joint', 'wet']
  assert.deepEqual(byFunction.rulings, [{ path: ['remark'], base, ours, theirs, by: 'function', value: ours }])
  const open = await two.only(two.ana, { state: 'open' })
  assert.deepEqual([open.recordId, open.kind], [titled, 'update-update'])
  assert.deepEqual(open.rulings, [
    { path: ['title'], base: 'Titled', ours: "Ana's", theirs: "Ben's" },
    { path: ['visits'], base: 5, ours: 6, theirs: 7, by: 'counter', value: 8 },
  ])
  for (const { foundAt } of [kept, byFunction, open]) assert.ok(foundAt < openedAt, 'the worker found it, not the page')

  await two.ana.conflicts.resolve(open.id, { choices: { title: 'ours' } })
  await two.settle()
  assert.deepEqual(await two.server('tasks', titled), { title: "Ana's", visits: 8 })
  await two.close()
})
