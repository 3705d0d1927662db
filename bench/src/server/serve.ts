import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize, relative, sep } from 'node:path'
import { recordedPages } from './recording.js'

export interface Site {
  /** A page on an origin of its own: the name is part of the host. */
  url(origin: string, contestant: string): string
  close(): Promise<void>
}

const types: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
}

/** Cross-origin isolation gives the page's clock its 5 µs; long caching lets a cold start find its library fetched. */
const headers = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cache-control': 'public, max-age=86400, immutable',
}

async function filesUnder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter(entry => entry.isFile()).map(entry => relative(folder, join(entry.parentPath, entry.name)))
}

/** The measured page. Landfall's modules are fetched before it starts, and evaluated only when it is measured. */
async function html(contestant: string, library: string): Promise<string> {
  let preload = ''
  if (contestant === 'landfall') {
    for (const file of await filesUnder(library)) {
      const url = `/library/${file.split(sep).join('/')}`
      if (file.includes('service-worker')) continue
      if (file.endsWith('.js')) preload += `<link rel="modulepreload" href="${url}">`
      if (file.endsWith('.wasm')) preload += `<link rel="preload" as="fetch" crossorigin href="${url}">`
    }
  }
  return `<!doctype html><meta charset="utf-8"><title>${contestant}</title>
<script type="importmap">{"imports":{"landfall":"/library/index.js"}}</script>${preload}
<script type="module" src="/page/main.js"></script>`
}

/** Serves the pages, the built library and the recorded download, on the loopback only. */
export async function serve(pages: string, library: string): Promise<Site> {
  const recorded = recordedPages()
  const roots: Record<string, string> = { page: pages, library }

  const answer = async (path: string): Promise<{ type: string; body: string | Buffer } | undefined> => {
    const [, first = '', ...rest] = path.split('/')
    if (first === 'at') return { type: 'text/html', body: await html(rest[0] ?? '', library) }
    if (first === 'recorded') {
      const body = recorded[Number.parseInt(rest[0] ?? '', 10)]
      return body === undefined ? undefined : { type: 'application/json', body }
    }
    const root = roots[first]
    const file = normalize(rest.join('/'))
    const type = types[extname(file)]
    if (root === undefined || type === undefined || file.startsWith('..')) return undefined
    return { type, body: await readFile(join(root, file)) }
  }

  const server = createServer((request, response) => {
    answer(new URL(request.url ?? '/', 'http://localhost').pathname).then(
      found => {
        if (found === undefined) response.writeHead(404).end()
        else response.writeHead(200, { ...headers, 'content-type': found.type }).end(found.body)
      },
      () => response.writeHead(404).end(),
    )
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: (origin, contestant) => `http://${origin}.localhost:${port}/at/${contestant}`,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
