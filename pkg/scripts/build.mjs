// Builds dist/: what tsc makes of src/, and beside it the engine that `cargo xtask build` left in wasm/.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const home = join(dirname(fileURLToPath(import.meta.url)), '..')
const wasm = join(home, 'wasm')
const dist = join(home, 'dist')

if (!existsSync(join(wasm, 'landfall_bg.wasm'))) {
  console.error('pkg/wasm is empty: build the engine first, with `cargo xtask build`')
  process.exit(1)
}
rmSync(dist, { recursive: true, force: true })
execFileSync('tsc', ['-p', '.'], { cwd: home, stdio: 'inherit' })
const wanted = name => !name.endsWith('.gitignore') && !name.endsWith('package.json')
cpSync(wasm, join(dist, 'wasm'), { recursive: true, filter: wanted })
