import type { EditLock, RemoteChange } from 'landfall'
import { useCallback, useEffect, useState, useSyncExternalStore } from 'react'
import { useDatabase, useSyncState } from '../live'

/** Who else is editing this task, as far as is known. */
export function useEditor(id: string): EditLock | null {
  const db = useDatabase()
  const subscribe = useCallback((listener: () => void) => db.on('lock', listener), [db])
  return useSyncExternalStore(subscribe, () => db.locks.of('tasks', id))
}

/** The last change that somebody else made while this task was open. */
export function useRemoteChange(id: string): RemoteChange | null {
  const db = useDatabase()
  const [last, setLast] = useState<RemoteChange | null>(null)
  useEffect(
    () =>
      db.on('remote-change', change => {
        if (change.table === 'tasks' && change.ids.includes(id)) setLast(change)
      }),
    [db, id],
  )
  return last
}

/**
 * Tells others that this task is being edited, from the call of what it returns until the task is closed. If somebody else
 * was first, or there is no network, it is tried again when that has changed. No edit waits for any of it.
 */
export function useEditing(id: string, editor: EditLock | null): () => void {
  const db = useDatabase()
  const { online } = useSyncState()
  const [editing, setEditing] = useState(false)
  const free = editor === null
  useEffect(() => {
    // Only a closed database refuses, and then there is nobody to tell.
    if (editing && online && free) db.locks.take('tasks', id).catch(() => {})
  }, [db, id, editing, online, free])
  useEffect(() => () => void db.locks.release('tasks', id).catch(() => {}), [db, id])
  return useCallback(() => setEditing(true), [])
}
