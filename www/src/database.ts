import { open } from 'landfall'
import { schema } from './schema'

/** Who is signed in. The demo has no sign-in: the console may set another (`localStorage['landfall.principal']`). */
const PRINCIPAL_KEY = 'landfall.principal'

export function principal(): string {
  return localStorage.getItem(PRINCIPAL_KEY) ?? 'technician'
}

export function openField() {
  return open({
    name: 'field',
    schema,
    remote: { url: '/api/sync' },
    tenant: 'demo',
    principal: principal(),
  })
}

export type Database = Awaited<ReturnType<typeof openField>>

declare global {
  interface Window {
    /** The open database, for the console and for end-to-end tests. */
    landfall?: Database
  }
}

/** Without a worker everything works but delivery while the app is closed, so a failure is told and not fatal. */
export async function registerWorker(): Promise<void> {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return
  try {
    await navigator.serviceWorker.register('/sw.js', { updateViaCache: 'none' })
  } catch (error) {
    console.warn('The service worker was not registered: changes are sent only while the app is open.', error)
  }
}
