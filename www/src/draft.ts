// What somebody types is theirs from the first key. A draft is shown in place of the stored value until that value
// answers; each key goes to localStorage at once (synchronous, so it survives a killed tab), the database gets the
// text after a pause, on leaving the field, and when the app is hidden.
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react'

type Scalar = string | number

export interface Draft<T extends Scalar> {
  readonly value: T
  readonly error: unknown
  readonly set: (value: T) => void
  /** Saves now what is not saved. */
  readonly flush: () => void
  /** Typed before the app was closed, and the record has changed since: to be used or dropped by whoever typed it. */
  readonly recovered: T | null
  readonly useRecovered: () => void
  readonly dropRecovered: () => void
}

interface Options<T extends Scalar> {
  /** Unique for the record and field. */
  readonly name: string
  readonly stored: T
  readonly save: (value: T) => Promise<unknown>
  /** Why this value cannot be saved, if so. */
  readonly refuse?: (value: T) => string | null
  readonly pauseMs?: number
}

interface Kept<T> {
  readonly value: T
  readonly base: T
}

const PREFIX = 'landfall.draft.'

function recall<T>(name: string): Kept<T> | null {
  const text = localStorage.getItem(PREFIX + name)
  return text === null ? null : (JSON.parse(text) as Kept<T>)
}

function keep<T>(name: string, kept: Kept<T>): void {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(kept))
  } catch {
    // Only the second net is missing: the text is on the screen and on its way to the database.
  }
}

interface Shown<T> {
  readonly value: T
  /** Once saved: what was stored before. The draft gives way when the stored value is another. */
  readonly savedOver?: T
}

export function useDraft<T extends Scalar>(options: Options<T>): Draft<T> {
  const { name, stored } = options
  const [shown, setShown] = useState<Shown<T> | null>(null)
  const [error, setError] = useState<unknown>(null)
  const [recovered, setRecovered] = useState<T | null>(null)

  const latest = useRef(options)
  useLayoutEffect(() => {
    latest.current = options
  })
  const unsaved = useRef<{ value: T } | null>(null)
  const saving = useRef(false)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)

  const flush = useCallback(async () => {
    clearTimeout(timer.current)
    if (saving.current) return
    saving.current = true
    try {
      while (unsaved.current) {
        const { name, stored, save, refuse } = latest.current
        const sent = unsaved.current
        const reason = refuse?.(sent.value)
        if (reason) throw new Error(reason)
        if (sent.value !== stored) await save(sent.value)
        if (unsaved.current === sent) {
          unsaved.current = null
          localStorage.removeItem(PREFIX + name)
          setShown(sent.value === stored ? null : { value: sent.value, savedOver: stored })
        }
      }
      setError(null)
    } catch (failure) {
      setError(failure)
    } finally {
      saving.current = false
    }
  }, [])

  const set = useCallback(
    (value: T) => {
      const { name, stored, pauseMs = 600 } = latest.current
      unsaved.current = { value }
      setShown({ value })
      keep(name, { value, base: stored })
      clearTimeout(timer.current)
      timer.current = setTimeout(flush, pauseMs)
    },
    [flush],
  )

  useEffect(() => {
    const kept = recall<T>(name)
    if (kept && !unsaved.current) {
      const now = latest.current.stored
      if (kept.value === now) localStorage.removeItem(PREFIX + name)
      else if (kept.base === now) set(kept.value)
      else setRecovered(kept.value)
    }
  }, [name, set])

  useEffect(() => {
    const hidden = () => document.visibilityState === 'hidden' && void flush()
    document.addEventListener('visibilitychange', hidden)
    return () => {
      document.removeEventListener('visibilitychange', hidden)
      void flush()
    }
  }, [flush])

  const dropRecovered = useCallback(() => {
    localStorage.removeItem(PREFIX + latest.current.name)
    setRecovered(null)
  }, [])
  const useRecovered = useCallback(() => {
    setRecovered(kept => {
      if (kept !== null) set(kept)
      return null
    })
  }, [set])

  const outdated = shown !== null && 'savedOver' in shown && shown.savedOver !== stored
  return {
    value: shown === null || outdated ? stored : shown.value,
    error,
    set,
    flush: () => void flush(),
    recovered,
    useRecovered,
    dropRecovered,
  }
}
