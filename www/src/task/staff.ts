import { useMemo } from 'react'
import { useLive } from '../live'

/** Whoever has a task is on the team: the demo keeps no table of people. */
export function useStaff(): readonly string[] {
  const tasks = useLive('tasks')
  return useMemo(() => {
    const names = new Set((tasks ?? []).flatMap(task => (task.assignee ? [task.assignee] : [])))
    return [...names].sort((a, b) => a.localeCompare(b))
  }, [tasks])
}
