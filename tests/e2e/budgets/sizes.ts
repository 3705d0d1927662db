import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'
import { rolldown } from 'rolldown'
import { root } from '../harness/paths.js'
import type { Counted, Measured } from './ledger.js'

const library = join(root, 'pkg', 'dist')

function sizeOf(content: Uint8Array): Counted {
  const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY }
  return { bytes: content.length, 'bytes, brotli': brotliCompressSync(content, { params }).length }
}

/** An entry of the package as an app's bundler makes it. */
async function bundled(entry: string): Promise<Buffer> {
  const bundle = await rolldown({ input: join(library, entry), platform: 'browser' })
  const { output } = await bundle.generate({ format: 'esm', minify: true, codeSplitting: false })
  await bundle.close()
  return Buffer.from(output[0].code)
}

/** What an app's users download. */
export async function measureSizes(): Promise<Measured> {
  return {
    'the wasm': sizeOf(await readFile(join(library, 'wasm', 'landfall_bg.wasm'))),
    'JavaScript of the page': sizeOf(await bundled('index.js')),
    'JavaScript of the service worker': sizeOf(await bundled('service-worker.js')),
  }
}
