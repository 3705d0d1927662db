import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { brotliCompressSync, constants } from 'node:zlib'
import { rolldown, type RolldownOutput } from 'rolldown'
import type { MakePeerServer, PeerDocument } from '../peer.js'

/** Bytes after brotli at its best, as a server has them compressed once. */
export interface Sizes {
  /** What a page loads to begin. */
  readonly js: number
  /** What it imports only when it is needed. */
  readonly lazyJs: number
  readonly workers: number
  readonly wasm: number
}

/** A contestant as the server has it: its modules and what lies beside them. */
export interface Bundle {
  readonly name: string
  readonly title: string
  readonly version: string
  /** The files that a page loads to begin. */
  readonly modules: readonly string[]
  readonly binaries: readonly string[]
  readonly sizes: Sizes
  readonly without: Readonly<Record<string, string>>
}

export interface Folders {
  /** `bench/`. */
  readonly bench: string
  /** The built package. */
  readonly library: string
  /** Where the site is built. */
  readonly site: string
}

async function roll(input: string, folders: Folders, define: Record<string, string> = {}): Promise<Built> {
  const bundle = await rolldown({
    input,
    platform: 'browser',
    // What a page imports of another bundle.
    external: /^\/bundle\//,
    resolve: { alias: { landfall: join(folders.library, 'index.js') } },
    transform: { target: 'es2022', define: { 'process.env.NODE_ENV': '"production"', ...define } },
    // Peers' packages warn about what they do with themselves; what does not resolve is an error all the same.
    logLevel: 'silent',
  })
  return {
    write: async (options: Parameters<typeof bundle.write>[0]) => {
      const output = await bundle.write({ minify: true, ...options })
      await bundle.close()
      return output
    },
  }
}

interface Built {
  write(options: object): Promise<RolldownOutput>
}

async function compressed(files: readonly string[]): Promise<number> {
  let sum = 0
  for (const file of files) {
    const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY }
    sum += brotliCompressSync(await readFile(file), { params }).length
  }
  return sum
}

interface Source {
  readonly name: string
  readonly document: PeerDocument
  readonly version: string
  readonly entry: string
  /** Where the document's paths begin. */
  readonly folder: string
  readonly assetRoot: string
}

async function make({ name, document, version, entry, folder, assetRoot }: Source, folders: Folders): Promise<Bundle> {
  const target = join(folders.site, 'bundle', name)
  const rolled = await roll(entry, folders)
  const { output } = await rolled.write({
    dir: target,
    format: 'esm',
    entryFileNames: 'contestant.js',
    chunkFileNames: '[name]-[hash].js',
  })
  const chunks = output.filter(part => part.type === 'chunk')
  const modules: string[] = []
  const follow = (file: string) => {
    if (modules.includes(file)) return
    modules.push(file)
    for (const next of chunks.find(chunk => chunk.fileName === file)?.imports ?? []) follow(next)
  }
  follow('contestant.js')
  const lazy = chunks.map(chunk => chunk.fileName).filter(file => !modules.includes(file))
  const workers: string[] = []
  for (const worker of document.workers ?? []) {
    const file = basename(worker).replace(/\.ts$/, '.js')
    const rolledWorker = await roll(join(folder, worker), folders)
    await rolledWorker.write({ file: join(target, file), format: 'esm', codeSplitting: false })
    workers.push(file)
  }
  const binaries: string[] = []
  for (const [file, source] of Object.entries(document.assets ?? {})) {
    await mkdir(dirname(join(target, file)), { recursive: true })
    await cp(join(assetRoot, source), join(target, file))
    if (file.endsWith('.js')) workers.push(file)
    else binaries.push(file)
  }
  const inTarget = (files: readonly string[]) => compressed(files.map(file => join(target, file)))
  const sizes: Sizes = {
    js: await inTarget(modules),
    lazyJs: await inTarget(lazy),
    workers: await inTarget(workers),
    wasm: await inTarget(binaries),
  }
  return { name, title: document.title, version, modules, binaries, sizes, without: document.without ?? {} }
}

async function versionIn(folder: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { readonly version: string }
  return version
}

/** The package's modules, by their place in it. */
async function wasmOf(library: string): Promise<Record<string, string>> {
  const files = await readdir(join(library, 'wasm'))
  return Object.fromEntries(files.filter(file => file.endsWith('.wasm')).map(file => [`wasm/${file}`, `wasm/${file}`]))
}

async function ownSources(folders: Folders): Promise<Source[]> {
  const folder = join(folders.bench, 'src', 'contestants')
  const own = { folder, assetRoot: folders.library }
  const byHand = (name: string, title: string): Source => ({
    ...own,
    name,
    document: { title, package: '' },
    version: '',
    entry: join(folder, `${name}.ts`),
  })
  const sources = [byHand('raw', 'raw IndexedDB'), byHand('floor', 'log floor')]
  if (existsSync(join(folders.library, 'index.js')))
    sources.push({
      ...own,
      name: 'landfall',
      document: { title: 'Landfall', package: 'landfall', assets: await wasmOf(folders.library) },
      version: await versionIn(join(folders.library, '..')),
      entry: join(folder, 'landfall.ts'),
    })
  return sources
}

async function peerSources(bench: string): Promise<Source[]> {
  const root = join(bench, 'peers')
  const sources: Source[] = []
  for (const name of (await readdir(root)).sort()) {
    const folder = join(root, name)
    if (!existsSync(join(folder, 'peer.json'))) continue
    const document = JSON.parse(await readFile(join(folder, 'peer.json'), 'utf8')) as PeerDocument
    const version = await versionIn(join(root, 'node_modules', document.package))
    sources.push({ name, document, version, entry: join(folder, 'contestant.ts'), folder, assetRoot: root })
  }
  return sources
}

/** Builds the measured page and each contestant that is wanted, by itself. */
export async function bundle(folders: Folders, wanted: (name: string) => boolean, peers: boolean): Promise<Bundle[]> {
  const page = await roll(join(folders.bench, 'src', 'page', 'main.ts'), folders)
  await page.write({ file: join(folders.site, 'page.js'), format: 'esm', codeSplitting: false })
  const sources = [...(await ownSources(folders)), ...(peers ? await peerSources(folders.bench) : [])]
  const bundles: Bundle[] = []
  for (const source of sources.filter(({ name }) => wanted(name))) bundles.push(await make(source, folders))
  return bundles
}

/** The peers' own protocols, for the process that serves. */
export async function peerServers(folders: Folders, names: readonly string[]): Promise<Map<string, MakePeerServer>> {
  const servers = new Map<string, MakePeerServer>()
  for (const name of names) {
    const input = join(folders.bench, 'peers', name, 'server.ts')
    if (!existsSync(input)) continue
    const built = await rolldown({ input, platform: 'node', external: /^node:/ })
    const file = join(folders.site, 'peer-servers', `${name}.mjs`)
    await built.write({ file, format: 'esm', codeSplitting: false })
    await built.close()
    const { default: makeServer } = (await import(pathToFileURL(file).href)) as { readonly default: MakePeerServer }
    servers.set(name, makeServer)
  }
  return servers
}

/** What only these two are asked, beside their contestants, where the package finds the same wasm. */
const asked: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  landfall: { targets: 'targets.ts', 'first-sync': 'first-sync.ts' },
  raw: { 'first-sync': 'first-sync-raw.ts' },
}

export async function bundleAsked(folders: Folders, contestant: string): Promise<void> {
  for (const [name, source] of Object.entries(asked[contestant] ?? {})) {
    const rolled = await roll(join(folders.bench, 'src', 'contestants', source), folders)
    const file = join(folders.site, 'bundle', contestant, `${name}.js`)
    await rolled.write({ file, format: 'esm', codeSplitting: false })
  }
}

/** The same package's service worker, bundled as an app would: one classic script. */
export async function bundleWorker(folders: Folders): Promise<number> {
  const file = join(folders.site, 'worker.js')
  // A classic script has no import.meta. Only the package's default address of the wasm reads it, and it is told one.
  const rolled = await roll(join(folders.bench, 'src', 'contestants', 'worker.ts'), folders, {
    'import.meta.url': 'self.location.href',
  })
  await rolled.write({ file, format: 'iife', codeSplitting: false })
  return compressed([file])
}
