import type { BrowserContext, CDPSession, Page } from 'playwright-core'
import type { Answerer, Question } from '../site/conflicts/page.js'
import { launch, newProfile, removeProfile } from './launch.js'
import type { Tab } from './tab.js'

declare global {
  var answer: Answerer
}

/** A real Chromium with a profile on the disk, which outlives the pages that the tests close. */
export class Browser {
  private constructor(
    private readonly profile: string,
    readonly context: BrowserContext,
    /** Stays open so that closing the app's pages does not end the browser. It is no page of the app. */
    private readonly bystander: Page,
  ) {}

  static async start(viewport = { width: 1280, height: 800 }): Promise<Browser> {
    const profile = await newProfile()
    const context = await launch(profile, { viewport })
    context.setDefaultTimeout(20_000)
    const bystander = context.pages()[0] ?? (await context.newPage())
    return new Browser(profile, context, bystander)
  }

  /** A page of the app, which fails the test when a script of it throws. */
  async open(url: string, failures?: string[]): Promise<Page> {
    const page = await this.context.newPage()
    page.on('pageerror', error => failures?.push(error.message))
    await page.goto(url)
    return page
  }

  async closePages(): Promise<void> {
    for (const page of this.context.pages()) if (page !== this.bystander) await page.close()
  }

  /** Kills the service workers as Chromium does when they have been idle or taken too long: nothing runs to its end. */
  async killServiceWorkers(): Promise<void> {
    // The domain is there on any page's session, and says what it knows about the whole profile.
    const session: CDPSession = await this.context.newCDPSession(this.bystander)
    await session.send('ServiceWorker.enable')
    await session.send('ServiceWorker.stopAllWorkers')
    await session.detach()
  }

  async close(): Promise<void> {
    await this.context.close()
    await removeProfile(this.profile)
  }
}

/** A page of Chromium that answers questions. */
export function tabOf(page: Page): Tab {
  return {
    ask: (question: Question) => page.evaluate(asked => globalThis.answer(asked), question),
    reload: async () => {
      await page.reload()
    },
  }
}
