import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'
import { rolldown } from 'rolldown'

export interface Size {
  readonly file: string
  readonly bytes: number
  readonly brotli: number
}

function sizeOf(file: string, content: Uint8Array): Size {
  const brotli = brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } })
  return { file, bytes: content.length, brotli: brotli.length }
}

/** What an app's users download: the module, and each entry's JavaScript as a bundler makes it. */
export async function sizes(library: string): Promise<Size[]> {
  const found = [sizeOf('landfall_bg.wasm', await readFile(join(library, 'wasm', 'landfall_bg.wasm')))]
  for (const entry of ['index.js', 'service-worker.js']) {
    const bundle = await rolldown({ input: join(library, entry), platform: 'browser' })
    const { output } = await bundle.generate({ format: 'esm', minify: true, codeSplitting: false })
    await bundle.close()
    found.push(sizeOf(`${entry}, bundled and minified`, Buffer.from(output[0].code)))
  }
  return found
}
