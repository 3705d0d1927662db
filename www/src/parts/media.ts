import { useSyncExternalStore } from 'react'

function media(query: string): () => boolean {
  const list = matchMedia(query)
  const subscribe = (listener: () => void) => {
    list.addEventListener('change', listener)
    return () => list.removeEventListener('change', listener)
  }
  return () => useSyncExternalStore(subscribe, () => list.matches)
}

/** A list and what is chosen in it are both on the screen. The same number is in styles/layout.css. */
export const useColumns = media('(min-width: 720px)')

/** A task has its own column. The same number is in styles/layout.css. */
export const useWide = media('(min-width: 1120px)')
