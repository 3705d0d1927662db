import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The workspace's root: compiled, this file lies somewhere below `target`, for the tests or for the benchmark. */
export const root = rootAbove(dirname(fileURLToPath(import.meta.url)))

const target = process.env['CARGO_TARGET_DIR'] ?? join(root, 'target')

/** The build that `cargo xtask test` makes; LANDFALL_SERVER names another. */
export const serverBinary = process.env['LANDFALL_SERVER'] ?? join(target, 'server', 'landfall-server')

export const demoSite = join(root, 'www', 'dist')
export const demoSchema = join(root, 'www', 'schema.json')

function rootAbove(folder: string): string {
  const above = dirname(folder)
  if (above === folder) throw new Error('this is no checkout of the workspace')
  return existsSync(join(folder, 'Cargo.lock')) ? folder : rootAbove(above)
}
