// What a project that installs the package gets: run against dist/, after `npm run build`.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const home = join(dirname(fileURLToPath(import.meta.url)), '..')
const manifest = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'))
const read = path => readFileSync(join(home, path), 'utf8')

/** Every file that an entry imports, directly or not. */
function graph(entry) {
  const found = new Map()
  const open = [join(home, entry)]
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (found.has(path)) continue
    const text = readFileSync(path, 'utf8')
    found.set(path, text)
    for (const [, from] of text.matchAll(/(?:^|\n)(?:import|export)[^'"\n]*?['"]([^'"\n]+)['"]/g)) {
      assert.ok(from.startsWith('.'), `${relative(home, path)} imports ${from}: the package has no dependencies`)
      open.push(join(dirname(path), from))
    }
  }
  return found
}

const targets = Object.entries(manifest.exports).flatMap(([name, target]) =>
  Object.entries(typeof target === 'string' ? { default: target } : target).map(([kind, path]) => ({
    name,
    kind,
    path,
  })),
)
const entries = targets.filter(({ kind, path }) => kind === 'default' && path.endsWith('.js'))

test('every export leads to a file that is packed', () => {
  const packed = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: home }))
  const files = packed[0].files.map(({ path }) => `./${path}`)
  for (const { name, kind, path } of targets)
    assert.ok(files.includes(path), `${name} (${kind}): ${path} is not packed`)
  assert.deepEqual(
    files.filter(path => /\.test|tsconfig|\.mjs$/.test(path)),
    [],
  )
})

test('types come before code, and lie beside it', () => {
  for (const [name, target] of Object.entries(manifest.exports)) {
    if (typeof target === 'string') continue
    assert.deepEqual(Object.keys(target), ['types', 'default'], name)
    assert.equal(target.types, target.default.replace(/\.js$/, '.d.ts'), name)
  }
})

for (const { name, path } of entries) {
  test(`${name} can be imported where there is no browser, and does nothing by being imported`, async () => {
    const before = Object.keys(globalThis)
    const module = await import(join(home, path))
    assert.ok(Object.keys(module).length > 0)
    assert.deepEqual(Object.keys(globalThis), before)
  })

  test(`${name} has no top-level await, so that it can become a classic script`, () => {
    for (const [file, text] of graph(path)) {
      // A function body cannot hold `import` or `export`; without them a module's top level is a synchronous function's.
      const body = text
        .replace(/^import[^'"]*?from\s*['"][^'"]+['"];?$/gm, '')
        .replace(/^import\s*['"][^'"]+['"];?$/gm, '')
        .replace(/^export\s*(?:type\s*)?\{[^}]*\}(?:\s*from\s*['"][^'"]+['"])?;?$/gm, '')
        .replace(/^export default /gm, 'void ')
        .replace(/^export /gm, '')
        .replaceAll('import.meta', 'importMeta')
      assert.doesNotThrow(() => new Function(body), `${relative(home, file)} does not parse as a synchronous script`)
    }
  })
}

test('one place says where the engine lies, in the form that bundlers know', () => {
  const places = []
  for (const [file, text] of graph(manifest.exports['.'].default))
    for (const [found] of text.matchAll(/new URL\([^)]*import\.meta\.url\)|import\.meta/g))
      places.push([relative(home, file), found])
  assert.deepEqual(places, [['dist/wasm-location.js', "new URL('./wasm/landfall_bg.wasm', import.meta.url)"]])
  assert.ok(existsSync(join(home, 'dist/wasm/landfall_bg.wasm')))
})

test('the service worker is told where the engine lies, and asks nobody', () => {
  const files = graph(manifest.exports['./service-worker'].default)
  for (const [file, text] of files) assert.ok(!text.includes('import.meta'), relative(home, file))
})

test('the table of errors has every code of the engine', async () => {
  const { errorCodes } = await import(join(home, 'dist/index.js'))
  const codes = ['../core/src/error.rs', '../core/src/table/query.rs'].flatMap(path => {
    const [body] = /fn code\(&self\)[^]*?\n {4}\}/.exec(read(path)) ?? ['']
    return [...body.matchAll(/=> "([^"]+)"/g)].map(([, code]) => code)
  })
  assert.ok(codes.length >= 17, `only ${codes.length} codes were found in the engine's sources`)
  for (const code of codes) assert.ok(errorCodes.includes(code), `${code} has no class`)
})

test('docs/errors.md has every code, with its class', async () => {
  const { errorCodes, ...exported } = await import(join(home, 'dist/index.js'))
  const { landfallError } = await import(join(home, 'dist/errors.js'))
  const [, section] = read('../docs/errors.md').split("## The package's")
  const rows = [...section.matchAll(/^\| `([^`]+)` \| `([^`]+)` \|/gm)].map(([, code, name]) => [code, name])
  assert.deepEqual(
    rows,
    errorCodes.map(code => [code, landfallError(code, '').constructor.name]),
  )
  for (const [, name] of rows) assert.ok(name in exported, `${name} is not exported`)
})

test('what dist/ holds was made from what src/ holds', () => {
  const sources = readdirSync(join(home, 'src'), { recursive: true }).filter(path => path.endsWith('.ts'))
  for (const path of sources)
    assert.ok(existsSync(join(home, 'dist', path.replace(/\.ts$/, '.js'))), `${path} was not built`)
})
