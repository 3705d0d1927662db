/** The real server, filled, behind the pages' own origins; what passes is counted, and a connection can be cut. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, type IncomingHttpHeaders, request as send } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { Server } from '../../../tests/e2e/harness/server.js'
import { itemCount, makeProject, makeProjectItem, projectCount, projectOf, schema } from '../page/first-sync.js'

/** How many operations the server takes in one request. */
const batchSize = 500
/** How long there is no network after a cut. */
const cutMs = 1_000

export interface WireAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

interface Download {
  readonly wire: Buffer
  readonly headers: IncomingHttpHeaders
}

interface Line {
  readonly downloads: Download[]
  rows: number
  /** The answer after so many rows ends in its middle. */
  cutAt: number
  /** No network until then, by the process's clock. */
  cutUntil: number
}

export interface Passed {
  readonly requests: number
  /** Bodies of answers as they came over the wire. */
  readonly bytes: number
  readonly rows: number
  /** Rows that came once more. */
  readonly twice: number
}

interface Page {
  readonly entities?: readonly { readonly table: string; readonly id: string }[]
}

const contentOf = ({ wire, headers }: Download): Page =>
  JSON.parse((headers['content-encoding'] === 'gzip' ? gunzipSync(wire) : wire).toString()) as Page

export class Wire {
  readonly #lines = new Map<string, Line>()
  readonly #agent = new Agent({ keepAlive: true })

  private constructor(
    private readonly server: Server,
    private readonly folder: string,
  ) {}

  static async start(): Promise<Wire> {
    const folder = await mkdtemp(join(tmpdir(), 'landfall-bench-schema-'))
    const file = join(folder, 'schema.json')
    await writeFile(file, JSON.stringify(schema))
    const server = await Server.start({ schema: file })
    await fill(server.origin)
    return new Wire(server, folder)
  }

  /** Nothing as long as the origin has no network. */
  async answer(
    origin: string,
    path: string,
    method: string,
    headers: IncomingHttpHeaders,
    body: Buffer,
  ): Promise<{ readonly answer: WireAnswer; readonly isCut: boolean } | undefined> {
    const line = this.#line(origin)
    if (Date.now() < line.cutUntil) return undefined
    const { status, headers: given, wire } = await this.#forward(path, method, headers, body)
    let isCut = false
    if (path.endsWith('/download') && status === 200) {
      line.downloads.push({ wire, headers: given })
      if (Number.isFinite(line.cutAt)) {
        line.rows += contentOf({ wire, headers: given }).entities?.length ?? 0
        isCut = line.rows >= line.cutAt
      }
      if (isCut) {
        line.cutAt = Number.POSITIVE_INFINITY
        line.cutUntil = Date.now() + cutMs
      }
    }
    const told = ['content-type', 'content-encoding', 'landfall-protocol', 'vary']
    const kept = told.flatMap(name => (typeof given[name] === 'string' ? [[name, given[name]] as const] : []))
    return { answer: { status, headers: Object.fromEntries(kept), body: wire }, isCut }
  }

  /** The origin's network is lost in the middle of the answer that brings it so many rows, and comes back a second later. */
  cutAfter(origin: string, rows: number): void {
    this.#line(origin).cutAt = rows
  }

  /** Read only now: unpacking it meanwhile would take the page's processor. */
  passed(origin: string): Passed {
    const { downloads } = this.#line(origin)
    const seen = new Set<string>()
    let rows = 0
    for (const download of downloads)
      for (const { table, id } of contentOf(download).entities ?? []) {
        rows += 1
        seen.add(`${table} ${id}`)
      }
    const bytes = downloads.reduce((sum, { wire }) => sum + wire.length, 0)
    this.#lines.delete(origin)
    return { requests: downloads.length, bytes, rows, twice: rows - seen.size }
  }

  async close(): Promise<void> {
    this.#agent.destroy()
    await this.server.dispose()
    await rm(this.folder, { recursive: true, force: true })
  }

  #line(origin: string): Line {
    const known = this.#lines.get(origin)
    if (known !== undefined) return known
    const line: Line = { downloads: [], rows: 0, cutAt: Number.POSITIVE_INFINITY, cutUntil: 0 }
    this.#lines.set(origin, line)
    return line
  }

  #forward(
    path: string,
    method: string,
    headers: IncomingHttpHeaders,
    body: Buffer,
  ): Promise<{ readonly status: number; readonly headers: IncomingHttpHeaders; readonly wire: Buffer }> {
    const { hostname, port, host } = new URL(this.server.origin)
    return new Promise((resolve, reject) => {
      const request = send(
        {
          hostname,
          port,
          path: `/api/sync${path}`,
          method,
          agent: this.#agent,
          headers: { ...headers, host, 'content-length': String(body.length) },
        },
        answer => {
          const parts: Buffer[] = []
          answer.on('data', (part: Buffer) => parts.push(part))
          answer.on('error', reject)
          answer.on('end', () =>
            resolve({ status: answer.statusCode ?? 0, headers: answer.headers, wire: Buffer.concat(parts) }),
          )
        },
      )
      request.on('error', reject)
      request.end(body)
    })
  }
}

interface Result {
  readonly status: string
  readonly recordId: string
}

/** Has another device create everything: the projects, then the items, which refer to the ids that the server gave those. */
async function fill(origin: string): Promise<void> {
  const create = (table: string, n: number, data: object): object => {
    const recordId = `temp_1760000000000_${String(n).padStart(6, '0')}_${table}`
    const head = { id: `${table}-${n}`, table, recordId, operation: 'create', baseVersion: null }
    return { ...head, data, timestamp: 1, dependencies: [] }
  }
  const projects = await upload(
    origin,
    Array.from({ length: projectCount }, (_, n) => create('projects', n, makeProject(n))),
  )
  for (let from = 0; from < itemCount; from += batchSize)
    await upload(
      origin,
      Array.from({ length: batchSize }, (_, i) => {
        const n = from + i
        return create('items', n, makeProjectItem(n, projects[projectOf(n)]?.recordId ?? ''))
      }),
    )
}

/** A server that is overloaded is asked again: what it has taken it knows by its ids. */
const attempts = 20

async function upload(origin: string, operations: readonly object[]): Promise<readonly Result[]> {
  const head = { protocol: 1, principal: 'default', deviceId: 'device_1_seed', schemaVersion: 1, sentAt: 1 }
  for (let attempt = 1; ; attempt += 1) {
    const answer = await fetch(`${origin}/api/sync/upload`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'landfall-protocol': '1' },
      body: JSON.stringify({ ...head, operations }),
    })
    if (answer.status === 503 && attempt < attempts) {
      await sleep(500)
      continue
    }
    const { results = [] } = (await answer.json()) as { results?: readonly Result[] }
    const refused = results.find(({ status }) => status !== 'applied' && status !== 'duplicate')
    if (!answer.ok || refused !== undefined)
      throw new Error(`the server was not filled: ${answer.status} ${JSON.stringify(refused)}`)
    return results
  }
}
