import type { Bundle } from '../build/bundles.js'
import { withChromium, withProfile } from '../chromium.js'
import type { Round } from './round.js'

export const grown = ['records', 'mutations'] as const
export const sizes = [1_000, 10_000, 100_000] as const

/** The same operations over stores of several sizes, each opened in a newly started browser. */
export async function growthRound(round: Round, bundle: Bundle): Promise<void> {
  for (const what of grown)
    for (const size of sizes)
      await round.attempt(bundle, `growth of ${what} to ${size}`, () =>
        withProfile(async profile => {
          const origin = round.origin(bundle, `${what} ${size}`)
          await withChromium(profile, context =>
            round.settling(context, profile, bundle, origin, page =>
              page.evaluate(([kind, count]) => globalThis.bench.growth.fill(kind, count), [what, size] as const),
            ),
          )
          const figures = await withChromium(profile, context =>
            round.settling(context, profile, bundle, origin, page =>
              page.evaluate(count => globalThis.bench.growth.measure(count), size),
            ),
          )
          for (const [name, value] of Object.entries(figures))
            round.keep(bundle, { figures: { [`growth, ${what} ${size}, ${name}`]: value } })
        }),
      )
}
