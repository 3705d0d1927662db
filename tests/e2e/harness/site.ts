import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { root } from './paths.js'

const source = join(root, 'tests', 'e2e', 'site')
const built = join(root, 'target', 'e2e', 'site')

const html = (script: string) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>Landfall test site</title>
<script type="module" src="/${script}"></script></html>`

/** Builds the test site from the built package, as an app would: pages are modules, workers one classic script each. */
export async function buildSite(): Promise<string> {
  await mkdir(built, { recursive: true })
  for (const [input, file, format] of [
    ['page.ts', 'page.js', 'esm'],
    ['worker.ts', 'sw.js', 'iife'],
    [join('conflicts', 'page.ts'), 'conflicts.js', 'esm'],
    [join('conflicts', 'worker.ts'), 'conflicts-sw.js', 'iife'],
    [join('budgets', 'page.ts'), 'budgets.js', 'esm'],
  ] as const) {
    const bundle = await rolldown({
      input: join(source, input),
      cwd: join(root, 'tests'),
      platform: 'browser',
      // A classic script has no import.meta. Only the glue's default address of the wasm reads it, and both are told one.
      transform: { target: 'es2022', define: { 'import.meta.url': 'self.location.href' } },
    })
    await bundle.write({ file: join(built, file), format, codeSplitting: false })
    await bundle.close()
  }
  await copyFile(join(root, 'pkg', 'dist', 'wasm', 'landfall_bg.wasm'), join(built, 'landfall_bg.wasm'))
  await writeFile(join(built, 'index.html'), html('page.js'))
  await writeFile(join(built, 'conflicts.html'), html('conflicts.js'))
  await writeFile(join(built, 'budgets.html'), html('budgets.js'))
  return built
}
