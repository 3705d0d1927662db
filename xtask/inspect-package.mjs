// Looks into a packed tarball as a project that installs it would: unpacks it into an empty project's node_modules,
// imports both entries from there and prints what travels. Exits non-zero when anything is missing.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { brotliCompressSync, constants } from 'node:zlib'

const tarball = resolve(process.argv[2])
const project = join(dirname(tarball), 'installed')
const home = join(project, 'node_modules', 'landfall')
rmSync(project, { recursive: true, force: true })
mkdirSync(home, { recursive: true })
writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n')
execFileSync('tar', ['-xzf', tarball, '-C', home, '--strip-components=1'])

const files = readdirSync(home, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
const paths = files.map(entry => join(entry.parentPath ?? entry.path, entry.name))

const problems = []
const manifest = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'))
if (manifest.private) problems.push('package.json says private, so npm would not publish it')
const wasm = paths.filter(path => path.endsWith('.wasm'))
if (wasm.length !== 1) problems.push(`one .wasm file is expected, not ${wasm.length}`)
for (const name of ['LICENSE-MIT', 'LICENSE-APACHE', 'README.md']) {
  if (!paths.includes(join(home, name))) problems.push(`${name} is missing`)
}

// The entries are resolved by Node from a file of that project, through the package's own `exports`.
const probe = join(project, 'probe.mjs')
const entries = { landfall: ['open', 'defineSchema', 'LandfallError'], 'landfall/service-worker': ['serve'] }
writeFileSync(probe, 'export const load = name => import(name)\n')
const { load } = await import(pathToFileURL(probe).href)
for (const [entry, names] of Object.entries(entries)) {
  try {
    const module = await load(entry)
    for (const name of names) if (!(name in module)) problems.push(`${entry} does not export ${name}`)
  } catch (error) {
    problems.push(`${entry} cannot be imported: ${error.message}`)
  }
}

const kilobytes = bytes => `${(bytes / 1000).toFixed(1)} kB`
const size = path => {
  const raw = readFileSync(path)
  const brotli = brotliCompressSync(raw, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } })
  return { raw: raw.length, brotli: brotli.length }
}
const show = (label, { raw, brotli }) =>
  console.log(`${label.padEnd(36)} ${kilobytes(raw).padStart(10)} raw ${kilobytes(brotli).padStart(10)} brotli`)
const sizes = paths.map(path => [path.slice(home.length + 1), size(path)])
for (const [name, bytes] of sizes) if (/\.(wasm|js)$/.test(name)) show(name, bytes)
const sum = (total, [, bytes]) => ({ raw: total.raw + bytes.raw, brotli: total.brotli + bytes.brotli })
show(`all ${paths.length} files`, sizes.reduce(sum, { raw: 0, brotli: 0 }))

for (const problem of problems) console.error(`problem: ${problem}`)
process.exitCode = problems.length > 0 ? 1 : 0
