import { testConflicts } from './conflicts/cases.js'
import { Browser, tabOf } from './harness/chromium.js'

testConflicts('Chromium', async url => {
  const browser = await Browser.start()
  return { tab: tabOf(await browser.open(url)), close: () => browser.close() }
})
