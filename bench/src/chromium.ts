import { setTimeout as sleep } from 'node:timers/promises'
import type { BrowserContext, CDPSession, Page } from 'playwright-core'
import { launch, newProfile, removeProfile } from '../../tests/e2e/harness/launch.js'

export async function withProfile<T>(work: (profile: string) => Promise<T>): Promise<T> {
  const profile = await newProfile()
  try {
    return await work(profile)
  } finally {
    await removeProfile(profile)
  }
}

/** Starts Chromium on a profile, and ends it when the work is done. */
export async function withChromium<T>(profile: string, work: (context: BrowserContext) => Promise<T>): Promise<T> {
  const context = await launch(profile)
  try {
    return await work(context)
  } finally {
    await context.close()
  }
}

/** How often slower than it is the page's main thread is to run. */
export async function throttle(page: Page, rate: number): Promise<void> {
  const session = await page.context().newCDPSession(page)
  await session.send('Emulation.setCPUThrottlingRate', { rate })
}

/** The JavaScript heap of a page's main thread after everything that nobody holds is gone, in bytes. */
export async function heapBytes(session: CDPSession): Promise<number> {
  // What a finaliser lets go of is collected by the next one.
  for (let i = 0; i < 3; i += 1) await session.send('HeapProfiler.collectGarbage')
  const {
    usedSize,
    embedderHeapUsedSize = 0,
    backingStorageSize = 0,
  } = (await session.send('Runtime.getHeapUsage')) as {
    usedSize: number
    embedderHeapUsedSize?: number
    backingStorageSize?: number
  }
  return usedSize + embedderHeapUsedSize + backingStorageSize
}

/** What ends a page's process as an out-of-memory killer would. To be made before the page freezes: attaching needs it. */
export async function crasher(page: Page): Promise<() => Promise<void>> {
  const session = await page.context().newCDPSession(page)
  let isDead = false
  const crashed = new Promise<void>(resolve => {
    page.once('crash', () => {
      isDead = true
      resolve()
    })
  })
  return async () => {
    // Refused while a navigation is pending; and of one who did as it was told nobody answers.
    for (let attempt = 0; !isDead && attempt < 20; attempt += 1) {
      session.send('Page.crash').catch(() => {})
      await Promise.race([crashed, sleep(500)])
    }
    if (!isDead) throw new Error('the page could not be killed')
  }
}

/** Whoever hangs is not waited for. */
export async function closePage(page: Page): Promise<void> {
  await Promise.race([page.close().catch(() => {}), sleep(10_000)])
}
