import { type ErrorCode, isLandfallError } from 'landfall'
import { useCallback, useState } from 'react'

/** What each code means to somebody with a phone in the hand. What they typed is still in the field. */
const SENTENCES: Readonly<Partial<Record<ErrorCode, string>>> = {
  'quota-exceeded':
    'This device has no room left, so this was not saved. Free some space and try again; what you entered is still here.',
  'storage-unavailable':
    'The browser does not let this app store anything now. What you entered is still here: try again, or reload the app.',
  outdated:
    'A newer version of this app is open in another tab. Reload before you go on; what you entered is still here.',
  'record-not-found': 'This was deleted meanwhile, here or by somebody else.',
  'reference-missing': 'What this belongs to was deleted meanwhile.',
  'mutation-in-flight': 'This change is on its way to the server. Wait for the answer, then decide.',
  'mutation-in-use': 'Other changes build on this one. Decide about those first.',
  'mutation-not-found': 'This change is settled already.',
  'conflict-not-found': 'This conflict is not there any more.',
  'conflict-settled': 'This is settled already, in another tab perhaps.',
  'conflict-open': 'Something is left to decide.',
  'conflict-outlived': 'This was changed again since, so it cannot be taken back. Change it by hand.',
  'conflict-undone': 'This was taken back already.',
  'theirs-unknown': 'What the other side has is not on this device yet. Sync, and decide then.',
  'engine-unavailable': 'The app did not load completely. Look after the connection and reload.',
}

export function sentence(error: unknown): string {
  if (isLandfallError(error)) return SENTENCES[error.code] ?? error.message
  return error instanceof Error ? error.message : String(error)
}

const TROUBLES: Readonly<Record<string, string>> = {
  network: 'The server did not answer.',
  timeout: 'The server took too long to answer.',
  'foreign-answer': 'What answered is not the sync server: a sign-in page of this network, perhaps.',
}

/** What kept a pass from its end. */
export function trouble({ code, message }: { readonly code: string; readonly message: string }): string {
  return TROUBLES[code] ?? message.charAt(0).toUpperCase() + message.slice(1)
}

export interface Action {
  readonly error: unknown
  readonly clear: () => void
  /** Resolves to whether it was done. A failure is kept to be shown beside the control. */
  readonly run: (work: () => Promise<unknown>) => Promise<boolean>
}

export function useAction(): Action {
  const [error, setError] = useState<unknown>(null)
  const clear = useCallback(() => setError(null), [])
  const run = useCallback(async (work: () => Promise<unknown>) => {
    try {
      await work()
      setError(null)
      return true
    } catch (failure) {
      setError(failure)
      return false
    }
  }, [])
  return { error, clear, run }
}
