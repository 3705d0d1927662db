import type { BrowserContext } from 'playwright-core'
import type { Bundle } from '../build/bundles.js'
import { crasher, withChromium, withProfile } from '../chromium.js'
import type { WorkloadName } from '../page/workloads.js'
import type { Round } from './round.js'

/** What is left after a page was killed, what is sent, what is stored: counts, for which few rounds are enough. */
export async function safetyRound(round: Round): Promise<void> {
  const { run } = round
  await withProfile(profile =>
    withChromium(profile, async context => {
      // Closing the only page would end the browser.
      await context.newPage()
      for (const bundle of round.contestants('survive')) {
        if (run.wants('survive'))
          await round.attempt(bundle, 'survive', async () => {
            const origin = round.origin(bundle, 'survive')
            await writeAndDie(round, context, bundle, origin, 'write and die')
            round.keep(bundle, await round.measure(context, profile, bundle, 'count survivors', origin))
          })
        if (run.wants('drain'))
          await round.attempt(bundle, 'drain', async () => {
            const origin = round.origin(bundle, 'drain')
            await writeAndDie(round, context, bundle, origin, 'drain and die')
            const before = run.site.account(origin)
            await round.measure(context, profile, bundle, 'drain again', origin)
            const { mutations, duplicates } = run.site.account(origin)
            const twice = duplicates + mutations - before.mutations
            round.keep(bundle, { figures: { 'sent twice': twice, arrived: before.mutations } })
          })
        if (run.wants('update sent'))
          await round.attempt(bundle, 'update sent', () => updateSent(round, context, bundle))
        if (run.wants('disk'))
          await round.attempt(bundle, 'disk', async () => {
            const origin = round.origin(bundle, 'disk')
            round.keep(bundle, await round.measure(context, profile, bundle, 'disk', origin))
          })
      }
    }),
  )
}

/** Runs a workload whose page freezes at its end, and kills the page there. */
async function writeAndDie(
  round: Round,
  context: BrowserContext,
  bundle: Bundle,
  origin: string,
  workload: WorkloadName,
): Promise<void> {
  const { site } = round.run
  await round.page(context, bundle, origin, async page => {
    const crash = await crasher(page)
    const killed = new Promise<void>((resolve, reject) => {
      site.onMark = async mark => {
        if (mark === 'kill') await crash().then(resolve, reject)
      }
    })
    // Being killed rejects it as well as failing does; only the harness knows which of the two it was.
    const ran = page.evaluate(name => globalThis.bench.run(name, {}), workload)
    const failed = ran.catch(async (error: unknown) => {
      await Promise.race([killed, new Promise(resolve => setTimeout(resolve, 5_000))])
      throw error
    })
    try {
      await Promise.race([killed, failed])
    } finally {
      site.onMark = undefined
    }
  })
}

async function updateSent(round: Round, context: BrowserContext, bundle: Bundle): Promise<void> {
  const { site } = round.run
  const origin = round.origin(bundle, 'update sent')
  await round.page(context, bundle, origin, async page => {
    let before = site.account(origin)
    let after = before
    site.onMark = async mark => {
      if (mark === 'before') before = site.account(origin)
      if (mark === 'sent') after = site.account(origin)
    }
    try {
      await page.evaluate(() => globalThis.bench.run('update sent', {}))
    } finally {
      site.onMark = undefined
    }
    round.keep(bundle, {
      figures: {
        'bytes sent': (after.bytes - before.bytes) / 1e3,
        'bytes on the wire': (after.wireBytes - before.wireBytes) / 1e3,
        'requests sent': after.requests - before.requests,
        'mutations sent': after.mutations - before.mutations,
      },
    })
  })
}
