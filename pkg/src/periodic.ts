/** Periodic Background Sync (https://wicg.github.io/periodic-background-sync/), which TypeScript's DOM types lack. */
interface PeriodicSyncManager {
  register(tag: string, options: { readonly minInterval: number }): Promise<void>
  unregister(tag: string): Promise<void>
  getTags(): Promise<string[]>
}

/** Twice a day. The browser makes it rarer for apps that are seldom used. */
const MIN_INTERVAL_MS = 12 * 60 * 60 * 1000

/**
 * Asks the browser to start the service worker now and then to fetch what is new, where that is allowed: in Chromium, for
 * installed apps. It is a comfort: nothing waits for it, and nothing is told when it cannot be had.
 *
 * `tag` names one database of one principal. Of the app's others with the same `prefix` nobody is signed in any more.
 */
export async function askForPeriodicSync(tag: string, prefix: string): Promise<void> {
  if (typeof document === 'undefined' || !('serviceWorker' in navigator)) return
  try {
    const name = 'periodic-background-sync' as PermissionName
    const { state } = await navigator.permissions.query({ name })
    if (state !== 'granted') return
    const registration = await navigator.serviceWorker.ready
    const { periodicSync } = registration as ServiceWorkerRegistration & { periodicSync?: PeriodicSyncManager }
    if (periodicSync === undefined) return
    for (const other of await periodicSync.getTags())
      if (other !== tag && other.startsWith(prefix)) await periodicSync.unregister(other)
    await periodicSync.register(tag, { minInterval: MIN_INTERVAL_MS })
  } catch {
    // Other engines do not know the permission by this name.
  }
}
