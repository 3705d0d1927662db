import { heapBytes } from '../chromium.js'
import type { Place, Round } from './round.js'

const liveWrites = 50
const writesEach = 200
const storeSize = 10_000

/** What takes two pages of one origin, or a look into one from outside. */
export const pagesRound = (round: Round): Promise<void> =>
  round.each({ 'live elsewhere': liveElsewhere, 'two tabs': twoTabs, memory })

function liveElsewhere({ round, context, bundle, origin }: Place): Promise<void> {
  return round.page(context, bundle, origin, writer =>
    round.page(context, bundle, origin, async watcher => {
      await writer.evaluate(size => globalThis.bench.tab.open(size), storeSize)
      if (!(await writer.evaluate(() => globalThis.bench.tab.canSubscribe()))) return
      await watcher.evaluate(() => globalThis.bench.tab.open(0))
      await watcher.evaluate(() => globalThis.bench.tab.watch())
      const ms = await writer.evaluate(count => globalThis.bench.tab.writeWatched(count), liveWrites)
      round.keep(bundle, { figures: { 'live elsewhere': ms } })
    }),
  )
}

async function twoTabs({ round, context, bundle, origin }: Place): Promise<void> {
  const times = await round.page(context, bundle, origin, first =>
    round.page(context, bundle, origin, async second => {
      const both = [first, second]
      await first.evaluate(() => globalThis.bench.tab.open(0))
      await second.evaluate(() => globalThis.bench.tab.open(0))
      const given = await Promise.all(
        both.map(page => page.evaluate(count => globalThis.bench.tab.write(count), writesEach)),
      )
      for (const page of both) await page.evaluate(() => globalThis.bench.tab.close())
      return given
    }),
  )
  const count = await round.page(context, bundle, origin, page => page.evaluate(() => globalThis.bench.tab.count()))
  if (count !== 2 * writesEach) throw new Error(`${count} of ${2 * writesEach} records are there`)
  round.keep(bundle, { figures: { 'two tabs': times.reduce((sum, ms) => sum + ms, 0) / times.length } })
}

async function memory({ round, context, profile, bundle, origin }: Place): Promise<void> {
  await round.measure(context, profile, bundle, 'fill by pull', origin)
  await round.page(context, bundle, origin, async page => {
    const session = await context.newCDPSession(page)
    const empty = await heapBytes(session)
    const used = async () =>
      ((await heapBytes(session)) - empty + (await page.evaluate(() => globalThis.bench.memory.wasmBytes()))) / 1e6
    await page.evaluate(() => globalThis.bench.memory.open())
    const open = await used()
    const count = await page.evaluate(() => globalThis.bench.memory.holdAll())
    if (count !== storeSize) throw new Error(`${count} records are held`)
    const held = await used()
    await page.evaluate(() => globalThis.bench.memory.use())
    round.keep(bundle, {
      figures: { 'memory, open': open, 'memory, all held': held, 'memory, after use': await used() },
    })
  })
}
