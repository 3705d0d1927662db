import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contents } from './harness/records.js'
import { installApp, openApp, rig, settled, uploadPath } from './harness/rig.js'
import { until } from './harness/until.js'
import { assertServerHasStory, writeStory } from './harness/story.js'

for (const where of ['before-server', 'after-server'] as const) {
  const when = where === 'before-server' ? 'before the server has the push' : 'after the server committed the push'
  test(`a service worker killed ${when} loses nothing and doubles nothing`, async t => {
    const world = await rig(t, { site: 'demo' })
    const { browser, proxy, server } = world
    const page = await installApp(world)
    await browser.context.setOffline(true)
    const story = await writeStory(page)
    await browser.closePages()

    const hang = proxy.set(uploadPath, { kind: 'hang', where })
    await browser.context.setOffline(false)
    const push = await hang.hit
    await browser.killServiceWorkers()
    await until('the worker and its request are gone', () => push.abandoned)
    proxy.release()

    const again = await openApp(world)
    await settled(again, 60_000)
    assert.deepEqual(await again.evaluate(() => globalThis.landfall.outbox.list()), [])
    await browser.closePages()
    await server.stop()
    assertServerHasStory(await contents(server.dataFile), story)
    assert.deepEqual(world.failures, [])
  })
}
