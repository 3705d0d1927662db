import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'

export interface Size {
  readonly file: string
  readonly bytes: number
  readonly brotli: number
}

/** What an app downloads: the module, and the JavaScript that a page imports. */
export async function sizes(library: string): Promise<Size[]> {
  const entries = await readdir(library, { recursive: true, withFileTypes: true })
  const found: Size[] = []
  for (const entry of entries) {
    if (!entry.isFile() || !/\.(js|wasm)$/.test(entry.name)) continue
    const content = await readFile(join(entry.parentPath, entry.name))
    const brotli = brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } })
    found.push({ file: entry.name, bytes: content.length, brotli: brotli.length })
  }
  return found.sort((a, b) => b.bytes - a.bytes)
}
