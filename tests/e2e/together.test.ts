import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { putToSleep } from './harness/asleep.js'
import { type Rig, rig } from './harness/rig.js'
import { addVoidEntry, generation } from './harness/stores.js'
import { until } from './harness/until.js'
import type { Site } from './site/page.js'

declare global {
  var site: Site
}

/** A tab of the test site with the database open, and no network: what is tested here is the store alone. */
async function openTab({ browser, failures, proxy }: Rig): Promise<Page> {
  const page = await browser.open(`${proxy.origin}/`, failures)
  await page.waitForFunction(() => globalThis.site !== undefined)
  await page.evaluate(() => globalThis.site.registerWorker())
  await page.evaluate(() => globalThis.site.open())
  return page
}

const fold = (page: Page) => page.evaluate(() => globalThis.landfall.debug.fold())

function projectNames(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const rows = await globalThis.landfall.tables['projects']?.query({})
    return rows?.map(row => String(row['name'])) ?? []
  })
}

test('two tabs and the worker append 5,000 changes together: one order, none lost, none doubled, three equal folds', async t => {
  const world = await rig(t, { site: 'test' })
  const [one, two] = [await openTab(world), await openTab(world)]
  const worker = () => one.evaluate(() => globalThis.site.ask({ do: 'fold' }) as Promise<string>)
  await worker()
  await world.browser.context.setOffline(true)

  const workerCount = 1_600
  const acknowledged = await Promise.all([
    one.evaluate(() => globalThis.site.append('tab one', 1_700, 5)),
    two.evaluate(() => globalThis.site.append('tab two', 1_700, 7)),
    one.evaluate(
      count => globalThis.site.ask({ do: 'append', label: 'worker', count, atOnce: 3 }) as Promise<string[]>,
      workerCount,
    ),
  ])
  const expected = acknowledged.flat()
  assert.equal(expected.length, 5_000)

  const folds = await until('the three folds are equal', async () => {
    const found = [await fold(one), await fold(two), await worker()] as const
    return found.every(text => text === found[0]) && found
  })
  for (const page of [one, two]) assert.deepEqual((await projectNames(page)).sort(), [...expected].sort())
  for (const name of ['tab one 0', 'tab two 1699', 'worker 1599']) assert.ok(folds[0].includes(`"${name}"`))
  assert.equal((await one.evaluate(() => globalThis.landfall.outbox.list())).length, 5_000)

  // What a context finds that was not there while it happened.
  const late = await openTab(world)
  assert.equal(await fold(late), folds[0])
  assert.deepEqual(world.failures, [])
})

test('a reader and a writer that slept through two compactions, with void entries just after, catch up', async t => {
  const world = await rig(t, { site: 'test' })
  const [reader, writer, awake, other] = [
    await openTab(world),
    await openTab(world),
    await openTab(world),
    await openTab(world),
  ]
  await world.browser.context.setOffline(true)
  await awake.evaluate(() => globalThis.site.append('before', 10, 1))
  await reader.evaluate(() => {
    const seen = { count: 0 }
    Object.assign(globalThis, { seen })
    globalThis.landfall.tables['projects']?.subscribe({}, rows => {
      seen.count = rows.length
    })
  })
  await until('the reader sees the start', () => reader.evaluate(() => Reflect.get(globalThis, 'seen').count === 10))
  await writer.evaluate(() => globalThis.site.append('writer', 1, 1))
  const wake = [await putToSleep(reader), await putToSleep(writer)]

  const start = await generation(awake)
  const names = ['writer 0', ...Array.from({ length: 10 }, (_, n) => `before ${n}`)]
  for (let round = 0; (await generation(awake)) < start + 2; round += 1) {
    assert.ok(round < 60, 'two compactions should have happened by now')
    const lists = await Promise.all([
      awake.evaluate(n => globalThis.site.append(`awake ${n}`, 200, 1), round),
      other.evaluate(n => globalThis.site.append(`other ${n}`, 200, 1), round),
    ])
    names.push(...lists.flat())
  }
  await addVoidEntry(awake)
  await addVoidEntry(awake)

  for (const go of wake) await go()
  names.push(...(await writer.evaluate(() => globalThis.site.append('woken', 5, 1))))
  await addVoidEntry(awake)
  names.push(...(await writer.evaluate(() => globalThis.site.append('woken again', 5, 1))))
  const total = names.length
  await until('the reader sees everything', () =>
    reader.evaluate(count => Reflect.get(globalThis, 'seen').count === count, total),
  )
  for (const page of [reader, writer, awake, other])
    assert.deepEqual((await projectNames(page)).sort(), [...names].sort())
  const text = await fold(awake)
  for (const page of [reader, writer, other])
    await until('the folds are equal', async () => (await fold(page)) === text)
  assert.deepEqual(world.failures, [])
})

/** A write takes some milliseconds. Whoever waited for a stopped tab would wait for 2 s. */
const unhinderedMs = 600

test('a tab in alert() delays nobody’s write', async t => {
  const world = await rig(t, { site: 'test' })
  const [stopped, free] = [await openTab(world), await openTab(world)]
  await world.browser.context.setOffline(true)
  // The alert comes while a write is under way, not between two.
  const shown = new Promise<import('playwright-core').Dialog>(resolve => stopped.once('dialog', resolve))
  await stopped.evaluate(() => {
    void globalThis.site.append('stopped', 1, 1)
    setTimeout(() => alert('stopped in the middle'), 1)
  })
  const dialog = await shown
  const { slowestMs, writes } = await free.evaluate(() => globalThis.site.slowestWrite(2_000))
  await dialog.accept()
  assert.ok(slowestMs < unhinderedMs, `a write took ${slowestMs} ms`)
  assert.ok(writes > 20, `only ${writes} writes in 2 s`)
  await until('the write of the stopped tab is there', async () => (await projectNames(free)).includes('stopped 0'))
})

test('a tab in a long task of 2 s delays nobody’s write, wherever its own write stands', async t => {
  const world = await rig(t, { site: 'test' })
  const [busy, free] = [await openTab(world), await openTab(world)]
  await world.browser.context.setOffline(true)
  for (const afterMs of [0, 1, 3]) {
    const [, { slowestMs, writes }] = await Promise.all([
      busy.evaluate(async after => {
        const written = globalThis.site.append(`busy ${after}`, 1, 1)
        if (after > 0) await new Promise(resolve => setTimeout(resolve, after))
        globalThis.site.block(2_000)
        await written
      }, afterMs),
      free.evaluate(() => globalThis.site.slowestWrite(2_200)),
    ])
    assert.ok(slowestMs < unhinderedMs, `${afterMs} ms into its write: a write took ${slowestMs} ms`)
    assert.ok(writes > 20, `only ${writes} writes in 2.2 s`)
  }
  await until('the other tab has heard of all that was acknowledged', async () => {
    const names = await projectNames(free)
    return [0, 1, 3].every(afterMs => names.includes(`busy ${afterMs} 0`))
  })
})
