import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { Browser } from './harness/chromium.js'
import { type Rig, rig } from './harness/rig.js'
import { until } from './harness/until.js'
import type { Site } from './site/page.js'

declare global {
  var site: Site
}

/** What is promised to somebody who looks. */
const limitMs = 3_000

/** How many streams a page has asked for. */
const streams = new WeakMap<Page, number>()

/**
 * A page with the database open, as this principal, and the stream begun. At the server itself: the proxy keeps an answer until it is
 * whole, and this one never is.
 */
async function openPage(browser: Browser, { server, failures }: Rig, principal: string): Promise<Page> {
  const page = await browser.open(`${server.origin}/`, failures)
  page.on('request', request => {
    if (request.url().includes('/stream?')) streams.set(page, (streams.get(page) ?? 0) + 1)
  })
  await page.waitForFunction(() => globalThis.site !== undefined)
  await page.evaluate(who => globalThis.site.open({ principal: who }), principal)
  await page.evaluate(() => {
    const heard: unknown[] = []
    Object.assign(globalThis, { heard })
    for (const event of ['lock', 'remote-change']) globalThis.landfall.on(event, about => heard.push([event, about]))
  })
  return page
}

const heard = (page: Page) => page.evaluate(() => JSON.stringify(Reflect.get(globalThis, 'heard')))
const holderOf = (page: Page, id: string) =>
  page.evaluate(record => globalThis.landfall.locks.of('projects', record)?.principal ?? null, id)

/** Two browsers, each with a page, and a project that both have. */
async function two(t: Parameters<typeof rig>[0]) {
  const world = await rig(t, { site: 'test' })
  const browser = await Browser.start()
  t.after(() => browser.close())
  const a = await openPage(world.browser, world, 'ada')
  const b = await openPage(browser, world, 'bert')
  await a.evaluate(() => globalThis.site.append('shared', 1, 1))
  const id = await until('both have it, under its own id', async () => {
    const [one, two] = await Promise.all(
      [a, b].map(page =>
        page.evaluate(async () => (await globalThis.landfall.tables['projects']?.query({}))?.[0]?.id ?? ''),
      ),
    )
    return one === two && one !== '' && !one?.startsWith('temp_') && one
  })
  return { world, a, b, id }
}

test('who edits a record is known to others within 3 s, until the lock is released or its page is gone', async t => {
  const { world, a, b, id } = await two(t)
  const take = (page: Page) => page.evaluate(record => globalThis.landfall.locks.take('projects', record), id)
  assert.equal((await take(a)).granted, true)
  await until('b sees it', async () => (await holderOf(b, id)) === 'ada', limitMs)
  assert.equal(await holderOf(a, id), null, 'who holds it is nobody else to themselves')
  assert.match(await heard(b), /\["lock",\{"table":"projects","recordId":"[^"]+","principal":"ada"/)

  const refused = await take(b)
  assert.deepEqual([refused.granted, refused.reason, refused.holder?.principal], [false, 'held', 'ada'])
  // Advice, and no more.
  await b.evaluate(
    record => globalThis.landfall.tables['projects']?.update(record, { name: 'written all the same' }),
    id,
  )

  await a.evaluate(record => globalThis.landfall.locks.release('projects', record), id)
  await until('b sees that it has ended', async () => (await holderOf(b, id)) === null, limitMs)
  assert.equal((await take(b)).granted, true)
  await until('a sees it', async () => (await holderOf(a, id)) === 'bert', limitMs)
  // Playwright's `close` would kill the page, which nobody does to a tab.
  await b.goto('about:blank')
  await until('it ends with its page', async () => (await holderOf(a, id)) === null, limitMs)
  assert.deepEqual(world.failures, [])
})

test('what somebody changed is shown to others within 3 s, without asking', async t => {
  const { world, a, b, id } = await two(t)
  await a.evaluate(record => globalThis.landfall.tables['projects']?.update(record, { name: 'Harbour ring' }), id)
  const nameAt = (page: Page) =>
    page.evaluate(async record => (await globalThis.landfall.tables['projects']?.get(record))?.['name'], id)
  await until('b shows it', async () => (await nameAt(b)) === 'Harbour ring', limitMs)
  await until(
    'b is told whose it was',
    async () => (await heard(b)).includes(`"ids":["${id}"],"principal":"ada"`),
    limitMs,
  )
  assert.ok(!(await heard(a)).includes('"ada"'), 'nobody is told of their own changes')
  assert.deepEqual(world.failures, [])
})

test('two tabs read one stream, and the other goes on when its tab is closed', async t => {
  const { world, a, b, id } = await two(t)
  const second = await openPage(world.browser, world, 'ada')
  await b.evaluate(record => globalThis.landfall.locks.take('projects', record), id)
  for (const page of [a, second])
    await until('each tab sees it', async () => (await holderOf(page, id)) === 'bert', limitMs)
  assert.equal(streams.get(second), undefined)
  await a.close()
  await b.evaluate(record => globalThis.landfall.locks.release('projects', record), id)
  await until('the tab that is left sees that it has ended', async () => (await holderOf(second, id)) === null, limitMs)
  assert.equal(streams.get(second), 1)
  assert.deepEqual(world.failures, [])
})

test('the demo says who is editing the open task and who changed it, and shows the change', async t => {
  const world = await rig(t, { site: 'demo', viewport: { width: 420, height: 860 } })
  const browser = await Browser.start()
  t.after(() => browser.close())
  const openDemo = async (where: Browser) => {
    const page = await where.open(`${world.server.origin}/`, world.failures)
    await page.waitForFunction(() => globalThis.landfall !== undefined)
    await until('the tasks are there', () =>
      page.evaluate(async () => ((await globalThis.landfall.tables['tasks']?.count({})) ?? 0) > 0),
    )
    return page
  }
  const show = (page: Page, task: string) =>
    page.evaluate(id => {
      location.hash = `#/mine/tasks/${id}`
    }, task)
  const reader = await openDemo(world.browser)
  const writer = await openDemo(browser)
  await writer.evaluate(() => localStorage.setItem('landfall.principal', 'ada'))
  await writer.reload()
  const id = await reader.evaluate(
    async () => (await globalThis.landfall.tables['tasks']?.query({ limit: 1 }))?.[0]?.id ?? '',
  )
  for (const page of [reader, writer]) await show(page, id)
  await reader.getByTestId('task-notes').waitFor()

  await writer.getByTestId('task-notes').fill('Cut at the third joint')
  await reader.getByTestId('task-editor').waitFor({ timeout: limitMs })
  assert.equal(await reader.getByTestId('task-editor').innerText(), 'ada is editing this')
  await reader.getByTestId('task-changed').waitFor({ timeout: limitMs })
  assert.equal(await reader.getByTestId('task-changed').innerText(), 'Changed just now by ada')
  const notes = reader.getByTestId('task-notes')
  await until('the notes are shown', async () => (await notes.inputValue()) === 'Cut at the third joint', limitMs)
  assert.equal(await writer.getByTestId('task-editor').count(), 0)

  await writer.getByTestId('task-close').click()
  await reader.getByTestId('task-editor').waitFor({ state: 'detached', timeout: limitMs })
  await notes.click()
  await show(writer, id)
  await writer.getByTestId('task-editor').waitFor({ timeout: limitMs })
  assert.equal(await writer.getByTestId('task-editor').innerText(), 'technician is editing this')
  assert.deepEqual(world.failures, [])
})
