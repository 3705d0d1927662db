import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The workspace's root. This file runs as target/e2e/build/harness/paths.js. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', '..')

const target = process.env['CARGO_TARGET_DIR'] ?? join(root, 'target')

/** The build that `cargo xtask test` makes; LANDFALL_SERVER names another. */
export const serverBinary = process.env['LANDFALL_SERVER'] ?? join(target, 'server', 'landfall-server')

export const demoSite = join(root, 'www', 'dist')
export const demoSchema = join(root, 'www', 'schema.json')
