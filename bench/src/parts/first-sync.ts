import { withChromium, withProfile } from '../chromium.js'
import { itemCount } from '../page/first-sync.js'
import { ours } from '../report/rows.js'
import type { Wire } from '../server/wire.js'
import type { Round } from './round.js'

/** Who is asked: the package, and the same by hand; what a cut costs is the package's own question. */
const asked: Readonly<Record<string, readonly string[]>> = { 'first sync': ['raw', ours], 'first sync, cut': [ours] }

/** 100,000 records from the real server into an empty store; then once more with the network lost half-way. */
export async function firstSyncRound(round: Round, wire: Wire, hasCut: boolean): Promise<void> {
  const { site, wants } = round.run
  site.wire = wire
  try {
    for (const workload of hasCut ? ['first sync', 'first sync, cut'] : ['first sync'])
      for (const bundle of round.contestants(workload).filter(({ name }) => asked[workload]?.includes(name)))
        if (wants(workload))
          await round.attempt(bundle, workload, () =>
            withProfile(profile =>
              withChromium(profile, async context => {
                const origin = round.origin(bundle, workload)
                const isCut = workload !== 'first sync'
                if (isCut) wire.cutAfter(origin, itemCount / 2)
                const figures = await round.settling(context, profile, bundle, origin, page =>
                  page.evaluate(() => globalThis.bench.firstSync()),
                )
                const { requests, bytes, rows, twice } = wire.passed(origin)
                round.keep(bundle, {
                  figures: isCut
                    ? { 'first sync, rows twice': twice }
                    : {
                        ...figures,
                        'first sync, requests': requests,
                        'first sync, bytes on the wire': bytes / 1e6,
                        'first sync, rows': rows,
                      },
                })
              }),
            ),
          )
  } finally {
    site.wire = undefined
  }
}
