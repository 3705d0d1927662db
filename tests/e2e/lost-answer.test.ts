import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contents } from './harness/records.js'
import { downloadPath, installApp, rig, settled, uploadPath } from './harness/rig.js'
import { assertServerHasStory, writeStory } from './harness/story.js'
import { until } from './harness/until.js'

test('an upload whose answer was cut off after the commit is retried and takes effect once', async t => {
  const world = await rig(t, { site: 'demo' })
  const { browser, proxy, server } = world
  const page = await installApp(world)
  await browser.context.setOffline(true)
  const story = await writeStory(page)

  const cut = proxy.set(uploadPath, { kind: 'cut-answer' })
  // No pull tells of it before it is sent again.
  proxy.set(downloadPath, { kind: 'refuse' }, Number.POSITIVE_INFINITY)
  await browser.context.setOffline(false)
  const lost = await cut.hit
  assert.equal(lost.status, 200, 'the server committed')
  await until('it was sent again', async () => {
    await page.evaluate(() => globalThis.landfall.sync().catch(() => undefined))
    return proxy.of(uploadPath).some(({ answerBody, delivered }) => delivered && answerBody?.includes('duplicate'))
  })
  proxy.heal()
  await page.evaluate(() => globalThis.landfall.sync())
  await settled(page)

  // What was sent again is what was sent before: the same keys, the same content.
  const sent = proxy
    .of(uploadPath)
    .map(exchange => JSON.parse(exchange.requestBody) as { operations: { id: string }[] })
  const first = sent[0]?.operations.map(operation => operation.id) ?? []
  const repeated = sent.slice(1).flatMap(upload => upload.operations.map(operation => operation.id))
  assert.ok(first.length > 0 && first.every(id => repeated.includes(id)))

  await browser.closePages()
  await server.stop()
  const held = await contents(server.dataFile)
  assertServerHasStory(held, story)
  assert.ok(held.audit.some(line => line.status === 'duplicate'))
  assert.deepEqual(world.failures, [])
})

test('an upload whose answer was cut off is learnt from a pull that comes before the retry, and takes effect once', async t => {
  const world = await rig(t, { site: 'demo' })
  const { browser, proxy, server } = world
  const page = await installApp(world)
  await browser.context.setOffline(true)
  const story = await writeStory(page)

  const cut = proxy.set(uploadPath, { kind: 'cut-answer' })
  // Until a pull has brought the records back under their temporary ids, no upload gets through.
  proxy.set(uploadPath, { kind: 'refuse' }, Number.POSITIVE_INFINITY)
  await browser.context.setOffline(false)
  await cut.hit
  await until('a pull brought what the server had committed', async () => {
    await page.evaluate(() => globalThis.landfall.sync().catch(() => undefined))
    return proxy
      .of(downloadPath)
      .some(({ answerBody, delivered }) => delivered && answerBody?.includes(story.project.id))
  })
  // The mapping is known from the pull alone, while the answer to the upload is not.
  const found = await page.evaluate(id => globalThis.landfall.tables['projects']?.get(id), story.project.id)
  assert.equal(found?.['name'], story.project['name'])
  const named = await page.evaluate(
    async name => (await globalThis.landfall.tables['projects']?.query({}))?.filter(row => row['name'] === name).length,
    story.project['name'],
  )
  assert.equal(named, 1, 'the pulled record and the one created here are the same')

  proxy.heal()
  await page.evaluate(() => globalThis.landfall.sync())
  await settled(page)
  await browser.closePages()
  await server.stop()
  assertServerHasStory(await contents(server.dataFile), story)
  assert.deepEqual(world.failures, [])
})
