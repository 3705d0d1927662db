import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Json, SchemaDocument } from 'landfall'
import { FaultProxy } from '../harness/proxy.js'
import { downloadPath, uploadPath } from '../harness/rig.js'
import { Server } from '../harness/server.js'
import { buildSite } from '../harness/site.js'
import type { Tab } from '../harness/tab.js'
import { schema, type TableName } from '../site/conflicts/schema.js'
import { type Person, Two } from './two.js'

export type Fields = { readonly [field: string]: Json }

/** A record as the server tells it to somebody who has nothing. */
export interface Held {
  readonly table: TableName
  readonly id: string
  readonly version: number
  readonly data: Fields
}

/** The server with the tests' schema, and the proxy that takes the network from one device and leaves it to another. */
export class World {
  private constructor(
    readonly server: Server,
    readonly proxy: FaultProxy,
    private readonly folder: string,
  ) {}

  static async start(): Promise<World> {
    const folder = await mkdtemp(join(tmpdir(), 'landfall-conflicts-'))
    const file = join(folder, 'schema.json')
    await writeFile(file, JSON.stringify(schema))
    const server = await Server.start({ static: await buildSite(), schema: file })
    return new World(server, await FaultProxy.start(() => server.origin), folder)
  }

  /** Where the page is that is several devices. */
  get page(): string {
    return `${this.proxy.origin}/conflicts.html`
  }

  /** Takes the network from everything of a principal. Requests are told apart by what is in them. */
  cut(principal: string): void {
    for (const path of [uploadPath, downloadPath])
      this.proxy.poison(path, `"principal":${JSON.stringify(principal)}`, { kind: 'refuse' })
  }

  /** Gives it back to everybody. */
  heal(): void {
    this.proxy.heal()
  }

  /** All living records, by the server's own account, in the order of tables. */
  async records(): Promise<readonly Held[]> {
    const response = await fetch(`${this.server.origin}${downloadPath}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'landfall-protocol': '1' },
      body: JSON.stringify({
        protocol: 1,
        principal: 'auditor',
        cursor: null,
        entityTypes: Object.keys(schema.tables),
        limit: 1_000,
      }),
    })
    const page = (await response.json()) as { readonly entities: readonly Held[]; readonly hasMore: boolean }
    if (!response.ok || page.hasMore) throw new Error(`the server answered ${response.status}, or not everything`)
    return page.entities
  }

  /** Two devices that have nothing yet, of two people. */
  two(tabs: Record<Person, Tab>, name: string, release?: SchemaDocument): Promise<Two> {
    return Two.open(this, tabs, name, release)
  }

  async close(): Promise<void> {
    await this.proxy.close()
    await this.server.dispose()
    await rm(this.folder, { recursive: true, force: true })
  }
}
