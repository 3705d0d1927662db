import type { Page } from 'playwright-core'
import { type Rig, rig, type Teardown } from '../harness/rig.js'
import type { OperationName } from '../site/budgets/page.js'
import { schema } from '../site/budgets/item.js'
import type { Counted, Measured } from './ledger.js'
import { seed } from './seed.js'

/** Counts what single operations ask of the browser, of the border to WebAssembly and of the network. */
export async function countInBrowser(t: Teardown): Promise<Measured> {
  const world = await rig(t, { site: 'test', schema })
  const measured: Record<string, Counted> = {}

  const local = await device(world, 'local')
  measured['open an empty database'] = await local.count('open')
  // The first write of all asks for more than the next one.
  await local.count('create')
  measured['one create'] = await local.count('create')
  measured['1,000 creates awaited together'] = await local.count('create 1,000 separately')
  measured['createMany of 1,000'] = await local.count('create 1,000')
  await local.close()

  await seed(world.server.origin, 0, 1_000)
  const reader = await device(world, 'reader')
  await reader.count('open')
  measured['a pull of 1,000'] = await reader.countWithNetwork('sync')
  await reader.count('read all')
  measured['one get'] = await reader.count('get')
  measured['the first query by an index of 1,000'] = await reader.count('query')
  measured['a query by an index, 100 of 1,000'] = await reader.count('query again')
  measured['one update'] = await reader.count('update')
  measured['one delete'] = await reader.count('delete')
  await reader.close()

  const writer = await device(world, 'writer')
  await writer.count('open')
  await writer.count('sync')
  await writer.count('create 100')
  measured['a push of 100 creates'] = await writer.countWithNetwork('sync')
  await writer.count('read all')
  await writer.count('update 100')
  measured['a push of one changed field in 100'] = await writer.countWithNetwork('sync')
  await writer.close()

  const long = await device(world, 'long')
  await long.count('open')
  // The first compaction of a page tries how the browser fails; the next one only compacts.
  await long.count('create 5,000')
  await long.count('upkeep')
  await long.count('create 5,000')
  measured['a compaction of 5,000 into 5,000'] = await long.count('upkeep')
  await long.reload()
  measured['open with 10,000 queued'] = await long.count('open')
  measured['the first get of 10,000 queued'] = await long.count('get')
  await long.close()

  await seed(world.server.origin, 1_000, 10_000)
  const large = await device(world, 'large')
  await large.count('open')
  await large.count('sync')
  await large.count('upkeep')
  await large.count('read all')
  await large.reload()
  measured['open with 10,000'] = await large.count('open')
  measured['the first get of 10,000'] = await large.count('get')
  await large.close()

  if (world.failures.length > 0) throw new Error(world.failures.join('; '))
  return measured
}

/** A page with a database of its own. */
async function device(world: Rig, name: string) {
  const { browser, failures, proxy } = world
  const page = await browser.open(`${proxy.origin}/budgets.html#${name}`, failures)
  const ready = (): Promise<unknown> => page.waitForFunction(() => globalThis.count !== undefined)
  await ready()
  const count = (operation: OperationName) => inPage(page, operation)
  return {
    count,
    async countWithNetwork(operation: OperationName): Promise<Counted> {
      const before = proxy.exchanges.length
      const counted = await count(operation)
      const exchanges = proxy.exchanges.slice(before)
      const total = (bytes: (exchange: (typeof exchanges)[number]) => number) =>
        exchanges.reduce((sum, exchange) => sum + bytes(exchange), 0)
      return {
        ...counted,
        'HTTP requests': exchanges.length,
        'bytes sent': total(exchange => exchange.requestBytes),
        'bytes received': total(exchange => exchange.answerBytes ?? 0),
      }
    },
    async reload(): Promise<void> {
      await page.reload()
      await ready()
    },
    close: () => page.close(),
  }
}

async function inPage(page: Page, operation: OperationName): Promise<Counted> {
  const { transactions, requests, callsIntoJavaScript, callsIntoWasm } = await page.evaluate(
    name => globalThis.count(name),
    operation,
  )
  return {
    'IndexedDB transactions': transactions,
    'IndexedDB requests': requests,
    'calls into JavaScript': callsIntoJavaScript,
    'calls into wasm': callsIntoWasm,
  }
}
