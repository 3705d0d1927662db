import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { root } from '../harness/paths.js'
import type { Counted, Measured } from './ledger.js'

/** What the core allocates: counted in a program of its own, without a browser. */
export async function countInCore(): Promise<Measured> {
  const program = ['test', '--quiet', '--package', 'landfall-core', '--bench', 'allocations']
  const { stdout } = await promisify(execFile)('cargo', program, { cwd: root })
  return Object.fromEntries(JSON.parse(stdout) as [string, Counted][])
}
