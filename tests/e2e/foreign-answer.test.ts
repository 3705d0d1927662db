import assert from 'node:assert/strict'
import { test } from 'node:test'
import { captivePortal, type Fault, unavailable } from './harness/proxy.js'
import { contents } from './harness/records.js'
import { downloadPath, installApp, rig, settled, uploadPath } from './harness/rig.js'
import { assertServerHasStory, writeStory } from './harness/story.js'

const faults: readonly { readonly what: string; readonly fault: Fault }[] = [
  { what: 'a login page with 200', fault: captivePortal },
  { what: 'an answer cut off in the middle of its JSON', fault: { kind: 'truncate' } },
  { what: '503 with Retry-After in seconds', fault: unavailable(503, '1') },
  { what: '429 with Retry-After as a date', fault: unavailable(429, new Date(Date.now() + 1_000).toUTCString()) },
  { what: 'a connection that is refused', fault: { kind: 'refuse' } },
]

test('what is not our server’s whole answer acknowledges nothing, and what was pending arrives once', async t => {
  const world = await rig(t, { site: 'demo' })
  const { browser, proxy, server } = world
  const page = await installApp(world)
  await browser.context.setOffline(true)
  const story = await writeStory(page)
  const waiting = () =>
    page.evaluate(async () => (await globalThis.landfall.outbox.list()).map(mutation => mutation.id).sort())
  const before = await waiting()
  for (const { fault, what } of faults) {
    proxy.set(uploadPath, fault, Number.POSITIVE_INFINITY)
    proxy.set(downloadPath, fault, Number.POSITIVE_INFINITY)
    await browser.context.setOffline(false)
    const result = await page.evaluate(() => globalThis.landfall.sync())
    assert.notEqual(result.error, null, what)
    assert.deepEqual(await waiting(), before, what)
    await browser.context.setOffline(true)
    proxy.heal()
  }

  await browser.context.setOffline(false)
  await page.evaluate(() => globalThis.landfall.sync())
  await settled(page, 60_000)
  await browser.closePages()
  await server.stop()
  assertServerHasStory(await contents(server.dataFile), story)
  assert.deepEqual(world.failures, [])
})
