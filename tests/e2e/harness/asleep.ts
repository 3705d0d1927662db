import type { Dialog, Page } from 'playwright-core'

/** Puts a page into `alert()`, where nothing of it runs; gives what wakes it. */
export async function putToSleep(page: Page): Promise<() => Promise<void>> {
  const shown = new Promise<Dialog>(resolve => page.once('dialog', resolve))
  // In a task of its own: evaluate could not return from within the dialog.
  await page.evaluate(() => {
    setTimeout(() => alert('asleep'), 0)
  })
  const dialog = await shown
  return () => dialog.accept()
}
