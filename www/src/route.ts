// Screens live in the address's hash: any static server will do, the phone's back button closes a sheet, and a reload
// comes back to the same task. A record's temporary id in an old address still finds its record.
import { useSyncExternalStore } from 'react'

export interface Route {
  readonly view: 'projects' | 'project' | 'mine'
  readonly project: string | null
  readonly task: string | null
  /** The sync panel lies over whatever is below. */
  readonly sync: boolean
  /** In the panel, one conflict. */
  readonly conflict: string | null
}

const HASH = /^#\/(?:(mine)|projects\/([^/?]+))?(?:\/tasks\/([^/?]+))?(\?sync(?:=([^/?]+))?)?$/

function parse(hash: string): Route {
  const [, mine, project, task, sync, conflict] = HASH.exec(hash) ?? []
  return {
    view: mine ? 'mine' : project ? 'project' : 'projects',
    project: project ? decodeURIComponent(project) : null,
    task: task ? decodeURIComponent(task) : null,
    sync: sync !== undefined,
    conflict: conflict ? decodeURIComponent(conflict) : null,
  }
}

export function href(route: Partial<Route>): string {
  const place = route.view === 'mine' ? 'mine' : route.project ? `projects/${encodeURIComponent(route.project)}` : ''
  const task = route.task ? `/tasks/${encodeURIComponent(route.task)}` : ''
  const conflict = route.conflict ? `=${encodeURIComponent(route.conflict)}` : ''
  return `#/${place}${task}${route.sync ? `?sync${conflict}` : ''}`
}

let current = parse(location.hash)
const listeners = new Set<() => void>()

function read(): void {
  current = parse(location.hash)
  for (const listener of listeners) listener()
}
addEventListener('popstate', read)
addEventListener('hashchange', read)

export function useRoute(): Route {
  return useSyncExternalStore(
    listener => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => current,
  )
}

export const currentRoute = (): Route => current

/** Goes there; `over` says that it lies over the present screen, so that closing it means going back. */
export function go(route: Partial<Route>, how: 'push' | 'over' | 'replace' = 'push'): void {
  const hash = href(route)
  if (how === 'replace') history.replaceState(history.state, '', hash)
  else history.pushState({ over: how === 'over' }, '', hash)
  read()
}

/** Closes what lies over `below`: one step back if it was opened from there, else (a link, a reload) in its place. */
export function close(below: Partial<Route>): void {
  const state = history.state as { over?: boolean } | null
  if (state?.over) history.back()
  else go(below, 'replace')
}
