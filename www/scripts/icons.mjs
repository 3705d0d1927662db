// Renders the icons of the manifest from public/icons/logo.svg with a headless Chromium (CHROMIUM, or the one on PATH).
// They are committed: only a change of the logo needs this.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../public/icons/', import.meta.url))
const logo = readFileSync(join(folder, 'logo.svg'), 'utf8')
// A launcher cuts a maskable icon to its own shape: no corners of ours, and the mark inside the middle 80 %.
const maskable = logo.replace(' rx="112"', '').replace('translate(61 64) scale(6)', 'translate(100 102) scale(4.8)')

const work = mkdtempSync(join(tmpdir(), 'landfall-icons-'))
try {
  for (const [name, size, svg] of [
    ['icon-192.png', 192, logo],
    ['icon-512.png', 512, logo],
    ['maskable-512.png', 512, maskable],
  ]) {
    const page = join(work, 'page.html')
    writeFileSync(page, `<style>body{margin:0}svg{display:block;width:${size}px;height:${size}px}</style>${svg}`)
    execFileSync(process.env.CHROMIUM ?? 'chromium', [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--hide-scrollbars',
      '--default-background-color=00000000',
      `--user-data-dir=${join(work, 'profile')}`,
      `--window-size=${size},${size}`,
      `--screenshot=${join(folder, name)}`,
      page,
    ])
  }
} finally {
  rmSync(work, { recursive: true, force: true })
}
