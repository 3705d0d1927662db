import { testConflicts } from './conflicts/cases.js'
import { Firefox } from './harness/firefox.js'

testConflicts('Firefox', async url => {
  const firefox = await Firefox.start()
  await firefox.open(url)
  return { tab: firefox, close: () => firefox.close() }
})
