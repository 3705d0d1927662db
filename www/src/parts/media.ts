import { useSyncExternalStore } from 'react'

/** From here on a task has its own column. The same number is in styles/layout.css. */
const WIDE = matchMedia('(min-width: 1120px)')

export function useWide(): boolean {
  return useSyncExternalStore(
    listener => {
      WIDE.addEventListener('change', listener)
      return () => WIDE.removeEventListener('change', listener)
    },
    () => WIDE.matches,
  )
}
