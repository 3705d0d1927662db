import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Page } from 'playwright-core'
import type {} from './app.js'
import { Browser } from './chromium.js'
import { demoSchema, demoSite } from './paths.js'
import { FaultProxy } from './proxy.js'
import { Server } from './server.js'
import { buildSite } from './site.js'
import { until } from './until.js'

export const uploadPath = '/api/sync/upload'
export const downloadPath = '/api/sync/download'

/** Everything real, on the loopback: the server, the proxy before it, and a Chromium. Taken down when the test ends. */
export interface Rig {
  readonly server: Server
  readonly proxy: FaultProxy
  readonly browser: Browser
  /** Scripts that threw in a page that `open` opened. */
  readonly failures: string[]
}

/** Where what was begun is noted to be ended: a test, or what stands in for one. */
export type Teardown = Pick<TestContext, 'after'>

interface RigOptions {
  /** Which site the server serves: the demo's build with its data, or the test site over an empty database. */
  readonly site: 'demo' | 'test'
  readonly viewport?: { width: number; height: number }
  /** Added to the schema that the server reads. */
  readonly schema?: object
}

export async function rig(t: Teardown, { site, viewport, schema }: RigOptions): Promise<Rig> {
  const folder = site === 'demo' ? demoSite : await buildSite()
  if (!existsSync(join(folder, 'index.html'))) throw new Error(`${folder} is not built: cargo xtask test builds it`)
  const server = await Server.start({ static: folder, demo: site === 'demo', schema: await extended(t, schema) })
  t.after(() => server.dispose())
  const proxy = await FaultProxy.start(() => server.origin)
  t.after(() => proxy.close())
  const browser = await Browser.start(viewport)
  t.after(() => browser.close())
  return { server, proxy, browser, failures: [] }
}

/** The file of the demo's schema, or of one that has more in it. */
async function extended(t: Teardown, more: object | undefined): Promise<string> {
  if (more === undefined) return demoSchema
  const folder = await mkdtemp(join(tmpdir(), 'landfall-schema-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'schema.json')
  await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(demoSchema, 'utf8')), ...more }))
  return file
}

/** Opens the app and waits until its database is there. */
export async function openApp({ browser, failures, proxy }: Rig, path = '/'): Promise<Page> {
  const page = await browser.open(`${proxy.origin}${path}`, failures)
  await page.waitForFunction(() => globalThis.landfall !== undefined)
  return page
}

/** Opens the app, and waits until it has everything and can start without a network. */
export async function installApp(rig: Rig, path = '/'): Promise<Page> {
  const page = await openApp(rig, path)
  await page.evaluate(() => navigator.serviceWorker.ready)
  await settled(page)
  return page
}

/** Waits until nothing is to be sent and a pass has succeeded. */
export async function settled(page: Page, limitMs = 30_000): Promise<void> {
  await until(
    'nothing is pending and a pass has succeeded',
    () =>
      page.evaluate(() => {
        const { lastSuccessAt, parked, pending, phase, sending } = globalThis.landfall.state()
        return phase === 'idle' && lastSuccessAt !== null && pending + sending + parked === 0
      }),
    limitMs,
  )
}

interface Operation {
  readonly id: string
  readonly recordId: string
  readonly operation: string
}

/** The operations that the server has answered, by what the proxy saw pass. */
export function answeredOperations(proxy: FaultProxy): Operation[] {
  return proxy
    .of(uploadPath)
    .filter(exchange => exchange.status === 200)
    .flatMap(exchange => (JSON.parse(exchange.requestBody) as { operations: Operation[] }).operations)
}
