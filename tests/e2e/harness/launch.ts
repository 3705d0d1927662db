/** Chromium on a profile, for the tests and for the benchmark. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, type BrowserContextOptions, chromium } from 'playwright-core'

const executablePath = process.env['LANDFALL_CHROMIUM'] ?? '/usr/bin/chromium'

/** A profile on the disk: in a private context Chromium keeps IndexedDB in memory. */
export function newProfile(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'landfall-chromium-'))
}

export async function removeProfile(profile: string): Promise<void> {
  await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
}

export function launch(profile: string, options: BrowserContextOptions = {}): Promise<BrowserContext> {
  return chromium.launchPersistentContext(profile, {
    ...options,
    executablePath,
    args: [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}
