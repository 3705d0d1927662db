import type { WorkloadName } from '../page/workloads.js'
import { WebDriver, type BrowserName } from '../webdriver.js'
import type { Round } from './round.js'

/** A cold start is a page that is loaded anew here: these browsers are not started again on a profile that was filled. */
const workloads: readonly { readonly workload: WorkloadName; readonly fill?: WorkloadName }[] = [
  { workload: 'single' },
  { workload: 'single in 10,000' },
  { workload: 'separate' },
  { workload: 'many' },
  { workload: 'pull' },
  { workload: 'queries' },
  { workload: 'push' },
  { workload: 'update' },
  { workload: 'live' },
  { workload: 'start synced', fill: 'fill by pull' },
]

/** These browsers, driven so, hang now and then, whoever is measured: what fails is tried once more, in a new one. */
const attempts = 2

/** The main workloads in Firefox or WebKitGTK. Gives what the browser says it is. */
export async function otherRound(round: Round, browser: BrowserName): Promise<string> {
  let driver = await WebDriver.start(browser)
  const { version } = driver
  try {
    for (const [i, { workload, fill }] of workloads.entries()) {
      if (!round.run.wants(workload)) continue
      for (const bundle of round.contestants(workload, i))
        await round.attempt(bundle, workload, async () => {
          for (let attempt = 1; ; attempt += 1) {
            const url = round.run.site.url(round.origin(bundle, `${workload} ${attempt}`), bundle.name)
            try {
              if (fill !== undefined) await driver.run(url, fill, {})
              round.keep(bundle, { figures: await driver.run(url, workload, {}) })
              return
            } catch (error) {
              await driver.close()
              driver = await WebDriver.start(browser)
              if (attempt === attempts) throw error
              process.stderr.write(`${bundle.name}, ${workload}, ${browser}: once more, after ${String(error)}\n`)
            }
          }
        })
    }
    return version
  } finally {
    await driver.close()
  }
}
