import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as send,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'

/** What happens to a request that a fault is set for. */
export type Fault =
  /** The server gets the request and commits, its answer is read to the end, and the client's connection is cut. */
  | { readonly kind: 'cut-answer' }
  /** The connection is cut before the server hears of it. */
  | { readonly kind: 'refuse' }
  /** Held until `release`, before the server hears of it or after it has answered. */
  | { readonly kind: 'hang'; readonly where: 'before-server' | 'after-server' }
  | { readonly kind: 'delay'; readonly ms: number }
  /** Something else answers, and the server hears nothing. */
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly headers?: Record<string, string>
      readonly body?: string
    }
  /** The server's answer ends in the middle, and looks complete to HTTP. */
  | { readonly kind: 'truncate' }

/** A login page where our server should be. */
export const captivePortal: Fault = {
  kind: 'answer',
  status: 200,
  headers: { 'content-type': 'text/html' },
  body: '<!doctype html><title>Welcome</title><p>Accept the terms to use this network.</p>',
}

export function unavailable(status: 429 | 503, retryAfter: string): Fault {
  return { kind: 'answer', status, headers: { 'retry-after': retryAfter }, body: '' }
}

/** One request as the proxy saw it. */
export interface Exchange {
  readonly path: string
  readonly method: string
  readonly requestBody: string
  /** How long the request's body was on the wire. */
  readonly requestBytes: number
  readonly fault: Fault['kind'] | undefined
  /** What the server answered, whether or not the client got it. */
  status?: number
  answerBody?: string
  /** How long the answer's body was on the wire. */
  answerBytes?: number
  /** The client got the answer whole. */
  delivered: boolean
  /** The client's connection ended without an answer. */
  abandoned: boolean
  readonly at: number
}

interface Rule {
  readonly path: string
  readonly fault: Fault
  /** Whether it is meant for a request with this body. */
  readonly meets: (body: string) => boolean
  times: number
  readonly notify: (exchange: Exchange) => void
}

export interface SetFault {
  /** Resolves when the fault has happened to a request for the first time. */
  readonly hit: Promise<Exchange>
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Stands between browser and server on the loopback, forwards everything, and misbehaves as told. */
export class FaultProxy {
  readonly exchanges: Exchange[] = []
  private rules: Rule[] = []
  private released: (() => void)[] = []

  private constructor(
    private readonly server: Server,
    private readonly upstream: () => string,
    /** The origin for the browser; it stays when the server behind it is started again. */
    readonly origin: string,
  ) {}

  static async start(upstream: () => string): Promise<FaultProxy> {
    const server = createServer()
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const proxy = new FaultProxy(server, upstream, `http://127.0.0.1:${port}`)
    server.on('request', (request, response) => {
      proxy.serve(request, response).catch(() => response.destroy())
    })
    return proxy
  }

  /** The next `times` requests of this path meet the fault. Faults set earlier come first. */
  set(path: string, fault: Fault, times = 1): SetFault {
    return this.setWhere(path, () => true, fault, times)
  }

  /** Every request of this path whose body holds the text meets the fault: a poison that breaks whatever it is in. */
  poison(path: string, text: string, fault: Fault): SetFault {
    return this.setWhere(path, body => body.includes(text), fault, Number.POSITIVE_INFINITY)
  }

  private setWhere(path: string, meets: Rule['meets'], fault: Fault, times: number): SetFault {
    return {
      hit: new Promise(resolve => {
        this.rules.push({ path, fault, meets, times, notify: resolve })
      }),
    }
  }

  /** No more faults. What hangs goes on hanging until `release`. */
  heal(): void {
    this.rules = []
  }

  /** Lets go of what hangs. */
  release(): void {
    for (const go of this.released.splice(0)) go()
  }

  /** The requests of a path, in order of arrival. */
  of(path: string): Exchange[] {
    return this.exchanges.filter(exchange => exchange.path === path)
  }

  async close(): Promise<void> {
    this.heal()
    this.release()
    await new Promise<void>(resolve => {
      this.server.close(() => resolve())
      this.server.closeAllConnections()
    })
  }

  private take(path: string, body: string): Rule | undefined {
    const rule = this.rules.find(candidate => candidate.times > 0 && candidate.path === path && candidate.meets(body))
    if (rule !== undefined) rule.times -= 1
    return rule
  }

  private held(): Promise<void> {
    return new Promise(resolve => this.released.push(resolve))
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', this.origin).pathname
    const body = await readAll(request)
    const requestBody = text(body, request.headers)
    const rule = this.take(path, requestBody)
    const fault = rule?.fault
    const exchange: Exchange = {
      path,
      method: request.method ?? 'GET',
      requestBody,
      requestBytes: body.length,
      fault: fault?.kind,
      delivered: false,
      abandoned: false,
      at: Date.now(),
    }
    this.exchanges.push(exchange)
    response.on('close', () => {
      exchange.abandoned = !response.writableFinished
    })
    const happened = () => rule?.notify(exchange)

    if (fault?.kind === 'refuse') {
      response.destroy()
      return happened()
    }
    if (fault?.kind === 'answer') {
      response.writeHead(fault.status, fault.headers).end(fault.body ?? '')
      return happened()
    }
    if (fault?.kind === 'hang' && fault.where === 'before-server') {
      happened()
      await this.held()
      // Who hung up meanwhile is gone: a proxy that forwards for the dead would invent requests.
      if (response.destroyed) return
    }
    if (fault?.kind === 'delay') await new Promise(resolve => setTimeout(resolve, fault.ms))

    const answer = await this.forward(request, body)
    exchange.status = answer.status
    exchange.answerBody = text(answer.body, answer.headers)
    exchange.answerBytes = answer.body.length

    if (fault?.kind === 'cut-answer') {
      response.destroy()
      return happened()
    }
    if (fault?.kind === 'hang' && fault.where === 'after-server') {
      happened()
      await this.held()
    }
    const content = fault?.kind === 'truncate' ? answer.body.subarray(0, answer.body.length >> 1) : answer.body
    const headers = { ...answer.headers, 'content-length': String(content.length) }
    delete headers['transfer-encoding']
    delete headers.connection
    response.on('finish', () => {
      exchange.delivered = fault?.kind !== 'truncate'
    })
    response.writeHead(answer.status, headers).end(content)
    if (fault?.kind === 'delay' || fault?.kind === 'truncate') happened()
  }

  private forward(request: IncomingMessage, body: Buffer): Promise<Answer> {
    const upstream = new URL(this.upstream())
    const headers = { ...request.headers, host: upstream.host, 'content-length': String(body.length) }
    return new Promise((resolve, reject) => {
      const forwarded = send(
        {
          host: upstream.hostname,
          port: upstream.port,
          path: request.url,
          method: request.method,
          headers,
          agent: false,
        },
        answer => {
          readAll(answer).then(
            content => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: content }),
            reject,
          )
        },
      )
      forwarded.on('error', reject)
      forwarded.end(body)
    })
  }
}

async function readAll(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function text(body: Buffer, headers: IncomingHttpHeaders): string {
  return (headers['content-encoding'] === 'gzip' && body.length > 0 ? gunzipSync(body) : body).toString('utf8')
}
