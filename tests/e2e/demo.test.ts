import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { contents, withField } from './harness/records.js'
import { installApp, rig, settled, uploadPath } from './harness/rig.js'
import { until } from './harness/until.js'

const phone = { width: 390, height: 844 }

/** Presses Tab until the focus is on something that the selector matches, as a person without a mouse does. */
async function tabTo(page: Page, selector: string): Promise<void> {
  for (let pressed = 0; pressed < 80; pressed += 1) {
    await page.keyboard.press('Tab')
    if (await page.evaluate(wanted => document.activeElement?.matches(wanted) === true, selector)) return
  }
  throw new Error(`80 times Tab do not lead to ${selector}`)
}

/** Opens every phase and step of a project: what is open at first depends on what is done. */
async function openAll(page: Page): Promise<void> {
  for (const toggle of ['phase-toggle', 'step-toggle'])
    for (;;) {
      const closed = page.locator(`[data-testid="${toggle}"][aria-expanded="false"]`)
      if ((await closed.count()) === 0) break
      await closed.first().click()
    }
}

async function assertFits(page: Page): Promise<void> {
  const [content, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth] as const)
  assert.ok(content <= screen, `the page is ${content} px wide on a screen of ${screen} px`)
}

test('on a phone, a technician works offline by touch, sees that it is safe, and sees it delivered', async t => {
  const world = await rig(t, { site: 'demo', viewport: phone })
  const { browser, server } = world
  const page = await installApp(world)
  await assertFits(page)
  await page.getByTestId('project-row').first().getByRole('link').click()
  await page.getByTestId('phase').first().waitFor()
  await openAll(page)
  await assertFits(page)

  await browser.context.setOffline(true)
  await page.getByTestId('offline-banner').waitFor()
  const open = page.locator('[data-testid="task-row"]:not([data-status="completed"])')
  const ticked = await open.first().getAttribute('data-id')
  await open.first().getByTestId('task-tick').click()
  const row = (id: string | null) => page.locator(`[data-testid="task-row"][data-id="${id}"]`)
  await page.locator(`[data-id="${ticked}"][data-status="completed"] [data-sync="saved"]`).waitFor()

  const edited = await open.first().getAttribute('data-id')
  await row(edited).getByTestId('task-open').click()
  await page.getByTestId('task-title').fill('Renamed without a network')
  await page.getByTestId('task-notes').fill('The duct is flooded.')
  await page.getByTestId('task-status-blocked').click()
  await assertFits(page)
  await page.getByTestId('task-close').click()
  await row(edited).getByText('Renamed without a network').waitFor()

  await page.getByTestId('add-task').first().click()
  await page.getByTestId('composer-task').getByRole('textbox').fill('Written on the roof')
  await page.getByTestId('save-task').click()
  await page.getByTestId('task-row').filter({ hasText: 'Written on the roof' }).waitFor()

  const gone = await open.last().getAttribute('data-id')
  await row(gone).getByTestId('task-open').click()
  await page.getByTestId('task-delete').click()
  await page.getByTestId('task-delete-confirm').click()
  await row(gone).waitFor({ state: 'detached' })
  await page.getByTestId('task-detail').waitFor({ state: 'detached' })

  await page.reload()
  await page.getByTestId('phase').first().waitFor()
  await openAll(page)
  await row(edited).getByText('Renamed without a network').waitFor()
  await page.getByTestId('task-row').filter({ hasText: 'Written on the roof' }).waitFor()
  assert.equal(await row(gone).count(), 0)
  assert.notEqual(await page.getByTestId('waiting-count').getAttribute('data-count'), '0')

  await browser.context.setOffline(false)
  await page.getByTestId('offline-banner').waitFor({ state: 'detached' })
  await settled(page)
  await page.locator('[data-testid="waiting-count"][data-count="0"]').waitFor({ state: 'attached' })
  await row(edited).locator('[data-sync="delivered"]').waitFor()
  await page
    .getByTestId('task-row')
    .filter({ hasText: 'Written on the roof' })
    .locator('[data-sync="delivered"]')
    .waitFor()

  await server.stop()
  const held = await contents(server.dataFile)
  const stored = (id: string | null) => held.records.find(record => record.table === 'tasks' && record.id === id)
  assert.equal(stored(ticked)?.data['status'], 'completed')
  assert.equal(stored(edited)?.data['notes'], 'The duct is flooded.')
  assert.equal(stored(edited)?.data['status'], 'blocked')
  assert.equal(stored(gone)?.deleted, true)
  assert.equal(withField(held, 'tasks', 'title', 'Written on the roof').length, 1)
  assert.deepEqual(world.failures, [])
})

test('with the keyboard alone: choose a project, complete a task, change another, sync', async t => {
  const world = await rig(t, { site: 'demo', viewport: phone })
  const page = await installApp(world)
  await tabTo(page, '[data-testid="project-row"] a')
  await page.keyboard.press('Enter')
  await page.getByTestId('project-title').waitFor()

  await tabTo(page, '[data-testid="task-row"]:not([data-status="completed"]) [data-testid="task-tick"]')
  const id = await page.evaluate(() => document.activeElement?.closest('[data-id]')?.getAttribute('data-id'))
  await page.keyboard.press('Space')
  await page.locator(`[data-testid="task-row"][data-id="${id}"][data-status="completed"]`).waitFor()

  // The next row's, past that of the task that was completed.
  await tabTo(page, `[data-testid="task-row"]:not([data-id="${id}"]) [data-testid="task-open"]`)
  const other = await page.evaluate(() => document.activeElement?.closest('[data-id]')?.getAttribute('data-id'))
  await page.keyboard.press('Enter')
  await page.getByTestId('task-detail').waitFor()
  await tabTo(page, '[role="radio"][tabindex="0"]')
  const before = await page.evaluate(() => document.activeElement?.getAttribute('data-status'))
  await page.keyboard.press('ArrowRight')
  const after = await page.evaluate(() => document.activeElement?.getAttribute('data-status'))
  assert.notEqual(after, before)
  await page.keyboard.press('Escape')
  await page.getByTestId('task-detail').waitFor({ state: 'detached' })
  await page.locator(`[data-testid="task-row"][data-id="${other}"][data-status="${after}"]`).waitFor()

  await page.evaluate(() => document.body.focus())
  await tabTo(page, '[data-testid="sync-button"]')
  await page.keyboard.press('Enter')
  await settled(page)
  const status = (task: string | null | undefined) =>
    page.evaluate(async wanted => (await globalThis.landfall.tables['tasks']?.get(wanted ?? ''))?.['status'], task)
  assert.deepEqual([await status(id), await status(other)], ['completed', after])
  assert.deepEqual(world.failures, [])
})

test('a task tells why it waits; what the server refuses is mended where it is told, and delivered', async t => {
  const world = await rig(t, { site: 'demo', viewport: phone })
  const { browser, proxy, server } = world
  const page = await installApp(world)
  await page.getByTestId('project-row').first().getByRole('link').click()
  await page.getByTestId('phase').first().waitFor()
  await openAll(page)
  await browser.context.setOffline(true)
  const first = page.getByTestId('task-row').first()
  const id = await first.getAttribute('data-id')
  await first.getByTestId('task-open').click()
  await page.getByTestId('task-title').fill('A title that is not allowed')
  await page.getByTestId('task-title').blur()
  await page.getByTestId('task-why').click()
  await page.getByTestId('story-next').getByText('when there is a connection').waitFor()
  await assertFits(page)

  proxy.poison(uploadPath, 'not allowed', {
    kind: 'answer',
    status: 422,
    headers: { 'landfall-protocol': '1', 'content-type': 'application/problem+json' },
    body: JSON.stringify({ type: 'urn:landfall:error:invalid-value', title: 'Say it otherwise', status: 422 }),
  })
  await browser.context.setOffline(false)
  await until('it is refused', async () => {
    await page.evaluate(() => globalThis.landfall.sync())
    return (await page.evaluate(() => globalThis.landfall.state())).parked === 1
  })
  const story = page.getByTestId('task-story')
  await story.getByText('Say it otherwise').waitFor()
  await story.getByTestId('outbox-edit').click()
  await story.getByLabel('Title').fill('A title that is')
  await assertFits(page)
  await story.getByTestId('outbox-edit-send').click()
  await settled(page)
  await page.getByTestId('task-why').waitFor({ state: 'detached' })
  await page.getByTestId('task-close').click()
  await page.getByTestId('sync-state').click()
  await page.getByTestId('activity').getByText('is sent again').waitFor()
  await assertFits(page)

  await server.stop()
  const held = await contents(server.dataFile)
  const stored = held.records.find(record => record.table === 'tasks' && record.id === id)
  assert.deepEqual([stored?.data['title'], stored?.version], ['A title that is', 2])
  assert.deepEqual(world.failures, [])
})
