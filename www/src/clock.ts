import { useSyncExternalStore } from 'react'

const TICK_MS = 20_000
let now = Date.now()
const listeners = new Set<() => void>()
let ticking: ReturnType<typeof setInterval> | undefined

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  if (ticking === undefined) {
    now = Date.now()
    ticking = setInterval(() => {
      now = Date.now()
      for (const each of listeners) each()
    }, TICK_MS)
  }
  return () => {
    listeners.delete(listener)
    if (listeners.size === 0) {
      clearInterval(ticking)
      ticking = undefined
    }
  }
}

/** The time, renewed often enough for "2 minutes ago". */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now)
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

export function ago(then: number, present: number): string {
  const passed = present - then
  if (passed < MINUTE_MS) return 'just now'
  if (passed < HOUR_MS) return `${Math.floor(passed / MINUTE_MS)} min ago`
  if (passed < DAY_MS) return `${Math.floor(passed / HOUR_MS)} h ago`
  return new Date(then).toLocaleDateString(undefined, { day: 'numeric', month: 'short' })
}

/** A day as the schema keeps it: YYYY-MM-DD, in the technician's own time zone. */
export function dayOf(time: number): string {
  const date = new Date(time)
  const two = (part: number) => String(part).padStart(2, '0')
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}

export function dayLabel(day: string, present: number): string {
  if (day === dayOf(present)) return 'Today'
  if (day === dayOf(present + DAY_MS)) return 'Tomorrow'
  if (day === dayOf(present - DAY_MS)) return 'Yesterday'
  const date = new Date(`${day}T12:00`)
  if (Number.isNaN(date.getTime())) return day
  const sameYear = date.getFullYear() === new Date(present).getFullYear()
  return date.toLocaleDateString(undefined, {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    ...(sameYear ? {} : { year: 'numeric' }),
  })
}
