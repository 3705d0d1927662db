// Lends the workspace's license files to the tarball: `npm pack` takes nothing from outside the package's folder.
import { copyFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const home = join(dirname(fileURLToPath(import.meta.url)), '..')
for (const name of ['LICENSE-MIT', 'LICENSE-APACHE']) {
  if (process.argv[2] === 'take') rmSync(join(home, name), { force: true })
  else copyFileSync(join(home, '..', name), join(home, name))
}
