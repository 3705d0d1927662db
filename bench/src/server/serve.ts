import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Bundle } from '../build/bundles.js'
import type { PushAnswer, PushRequest } from '../page/contestant.js'
import type { MakePeerServer, PeerServer } from '../peer.js'
import { type Account, Ledger } from './books.js'
import { answerSync } from './landfall.js'
import { recordedPage } from './recording.js'
import type { Wire } from './wire.js'

export interface Site {
  /** A contestant's page on an origin of its own: the name is part of the host. */
  url(origin: string, contestant: string, query?: string): string
  /** What was pushed from an origin so far. */
  account(origin: string): Account
  /** Told of each mark that a page sets; the page goes on when it is done. `undefined`: nobody cares. */
  onMark: ((mark: string) => Promise<void>) | undefined
  /** The real server, for as long as pages are to reach it. */
  wire: Wire | undefined
  close(): Promise<void>
}

const types: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
}

/** Cross-origin isolation gives the page's clock its 5 µs. */
const isolation = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cross-origin-resource-policy': 'same-origin',
}
/** A cold start finds its library fetched. */
const cached = { 'cache-control': 'public, max-age=86400, immutable' }
/** The scripts lie below their scope. */
const scope = { 'service-worker-allowed': '/' }

interface Found {
  readonly status?: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Buffer
  /** The connection ends in the middle of it. */
  readonly isCut?: boolean
}

/** The measured page. The contestant's modules are fetched before it starts, and evaluated only when it is measured. */
function html({ name, modules, binaries }: Bundle): string {
  const links = [
    ...modules.map(file => `<link rel="modulepreload" href="/bundle/${name}/${file}">`),
    ...binaries
      .filter(file => file.endsWith('.wasm'))
      .map(file => `<link rel="preload" as="fetch" crossorigin href="/bundle/${name}/${file}">`),
  ]
  return `<!doctype html><meta charset="utf-8"><title>${name}</title>${links.join('')}
<script type="module" src="/page.js"></script>`
}

/** Serves the pages, the bundles and the recorded download, and takes what is pushed, on the loopback only. */
export async function serve(
  root: string,
  bundles: readonly Bundle[],
  peerServers: ReadonlyMap<string, MakePeerServer>,
): Promise<Site> {
  const ledgers = new Map<string, Ledger>()
  const peers = new Map<string, PeerServer>()
  const recorded = new Map<string, string>()

  const ledgerOf = (origin: string): Ledger => {
    const known = ledgers.get(origin) ?? new Ledger()
    ledgers.set(origin, known)
    return known
  }

  const file = async (path: string): Promise<Found | undefined> => {
    const name = normalize(path)
    const type = types[extname(name)]
    if (type === undefined || name.startsWith('..')) return undefined
    return { headers: { ...cached, ...scope, 'content-type': type }, body: await readFile(join(root, name)) }
  }

  const record = (size: number, page: number, version: number): Found | undefined => {
    const key = `${size}/${page}/${version}`
    const body = recorded.get(key) ?? recordedPage(size, page, version)
    if (body === undefined) return undefined
    recorded.set(key, body)
    return { headers: { 'content-type': 'application/json' }, body }
  }

  const api = async (
    origin: string,
    rest: string[],
    query: string,
    request: IncomingMessage,
  ): Promise<Found | undefined> => {
    const sent = await bodyOf(request)
    if (rest[0] === 'wire') {
      const path = `/${rest.slice(1).join('/')}${query}`
      const passed = await site.wire?.answer(origin, path, request.method ?? 'GET', request.headers, sent)
      return passed === undefined ? { headers: {}, body: '', isCut: true } : { ...passed.answer, isCut: passed.isCut }
    }
    const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent
    const ledger = ledgerOf(origin)
    const [first = '', ...path] = rest
    if (first === 'sync') {
      const answer = answerSync(path.join('/'), body, ledger)
      if (path[0] === 'upload') ledger.request(sent.length, body.length)
      return answer
    }
    if (first === 'push') {
      ledger.request(sent.length, body.length)
      const { mutations } = JSON.parse(body.toString()) as PushRequest
      const results = mutations.map(({ id, recordId }) => ({ id, recordId, version: ledger.enter(id, recordId) }))
      const answer: PushAnswer = { results }
      return { headers: { 'content-type': 'application/json' }, body: JSON.stringify(answer) }
    }
    const make = peerServers.get(first)
    if (make === undefined) return undefined
    const key = `${first} ${origin}`
    const peer = peers.get(key) ?? make(ledger)
    peers.set(key, peer)
    if (request.method !== 'GET') ledger.request(sent.length, body.length)
    const { headers = {}, ...answer } = await peer({
      method: request.method ?? 'GET',
      path: `/${path.join('/')}${query}`,
      headers: request.headers,
      body,
    })
    return { ...answer, headers }
  }

  const site: Site = {
    url: () => '',
    account: origin => ledgerOf(origin).account(),
    onMark: undefined,
    wire: undefined,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }

  const answer = async (request: IncomingMessage): Promise<Found | undefined> => {
    const { pathname, search, hostname } = new URL(request.url ?? '/', `http://${request.headers.host}`)
    const origin = hostname.replace(/\.localhost$/, '')
    const [, first = '', ...rest] = pathname.split('/')
    if (first === 'at') {
      const bundle = bundles.find(({ name }) => name === rest[0])
      return bundle && { headers: { 'content-type': 'text/html' }, body: html(bundle) }
    }
    if (first === 'recorded') return record(Number(rest[0]), Number(rest[1]), Number(rest[2]))
    if (first === 'mark') {
      await site.onMark?.(rest[0] ?? '')
      return { headers: { 'cache-control': 'no-store' }, body: '' }
    }
    // From now on every update from this origin meets somebody else's change.
    if (first === 'contest') {
      ledgerOf(origin).isContested = true
      return { headers: { 'cache-control': 'no-store' }, body: '' }
    }
    if (first === 'api') return api(origin, rest, search, request)
    return file(pathname)
  }

  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      const found = await answer(request)
      if (found === undefined) response.writeHead(404, isolation).end()
      else if (found.isCut === true) cut(response, found)
      else response.writeHead(found.status ?? 200, { ...isolation, ...found.headers }).end(found.body)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      process.stderr.write(`the bench server could not answer ${request.url}: ${reason}\n`)
      response.writeHead(500, isolation).end(reason)
    }
  }

  const server = createServer((request, response) => void respond(request, response))
  // A connection that the browser wants to use again must not have been closed meanwhile.
  server.keepAliveTimeout = 600_000
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  site.url = (origin, contestant, query = '') => `http://${origin}.localhost:${port}/at/${contestant}${query}`
  return site
}

/** As a network that is lost: half of the answer arrives, and no end of it. */
function cut(response: ServerResponse, { status = 200, headers, body }: Found): void {
  const whole = Buffer.from(body)
  if (whole.length === 0) return void response.destroy()
  response.writeHead(status, { ...isolation, ...headers, 'content-length': whole.length })
  response.write(whole.subarray(0, whole.length >> 1), () => response.destroy())
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts)
}
