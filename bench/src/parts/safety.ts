import { crasher } from '../chromium.js'
import type { WorkloadName } from '../page/workloads.js'
import type { Place, Round } from './round.js'

/** What is left after a page was killed, what is sent, what is stored: counts, for which few rounds are enough. */
export const safetyRound = (round: Round): Promise<void> =>
  round.each({ survive, drain, 'update sent': updateSent, disk })

async function survive(place: Place): Promise<void> {
  const { round, context, profile, bundle, origin } = place
  await writeAndDie(place, 'write and die')
  round.keep(bundle, await round.measure(context, profile, bundle, 'count survivors', origin))
}

async function drain(place: Place): Promise<void> {
  const { round, context, profile, bundle, origin } = place
  const { site } = round.run
  await writeAndDie(place, 'drain and die')
  const before = site.account(origin)
  await round.measure(context, profile, bundle, 'drain again', origin)
  const { mutations, duplicates } = site.account(origin)
  const twice = duplicates + mutations - before.mutations
  round.keep(bundle, { figures: { 'sent twice': twice, arrived: before.mutations } })
}

async function disk({ round, context, profile, bundle, origin }: Place): Promise<void> {
  round.keep(bundle, await round.measure(context, profile, bundle, 'disk', origin))
}

/** Runs a workload whose page freezes at its end, and kills the page there. */
async function writeAndDie({ round, context, bundle, origin }: Place, workload: WorkloadName): Promise<void> {
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

async function updateSent({ round, context, bundle, origin }: Place): Promise<void> {
  const { site } = round.run
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
