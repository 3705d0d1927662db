import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { rolldown } from 'rolldown'
import { defineConfig, type Plugin } from 'vite'

const WORKER = fileURLToPath(new URL('src/sw.ts', import.meta.url))

/**
 * After the page is built, bundles src/sw.ts to one classic script, /sw.js, that knows everything the page build
 * emitted. Not Vite's own lib build: that inlines assets, and the wasm would be in the worker a second time.
 */
function serviceWorker(): Plugin {
  let out = ''
  return {
    name: 'landfall-demo:service-worker',
    apply: 'build',
    configResolved(config) {
      out = join(config.root, config.build.outDir)
    },
    async closeBundle() {
      const files = (await filesBelow(out)).filter(file => file !== 'sw.js' && !file.endsWith('.map'))
      const hash = createHash('sha256')
      for (const file of files)
        hash
          .update(file)
          .update('\0')
          .update(await readFile(join(out, file)))
      const modules = files.filter(file => file.endsWith('.wasm'))
      const [wasm] = modules
      if (!wasm || modules.length > 1)
        throw new Error(`The page build should emit one wasm module, not ${modules.length}`)
      const shell = {
        // The page itself comes first: `serve` answers every navigation with it.
        urls: ['/', ...files.filter(file => file !== 'index.html').map(file => `/${file}`)],
        version: hash.digest('hex').slice(0, 16),
        wasm: `/${wasm}`,
      }
      const bundle = await rolldown({
        input: WORKER,
        platform: 'browser',
        // A classic script has no import.meta. Only the glue's default address of the wasm reads it, and `serve` is
        // told the hashed one.
        transform: {
          target: 'es2022',
          define: { __SHELL__: JSON.stringify(shell), 'import.meta.url': 'self.location.href' },
        },
      })
      await bundle.write({ file: join(out, 'sw.js'), format: 'iife', minify: true, codeSplitting: false })
      await bundle.close()
    },
  }
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => entry.isFile())
    .map(entry => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort()
}

export default defineConfig({
  plugins: [react(), serviceWorker()],
  build: { target: 'es2022', assetsInlineLimit: 0 },
  // The package is linked from the workspace and finds its wasm beside its own file.
  optimizeDeps: { exclude: ['landfall'] },
  server: { proxy: { '/api': 'http://127.0.0.1:8080' } },
})
