import type { Database } from '../database'
import type { Task, TaskStatus } from '../schema'

/** A completed task is done to 100 %: one mutation says both. Reopening leaves the progress as it was. */
export function setStatus(db: Database, task: Task, status: TaskStatus): Promise<unknown> {
  const changes =
    status === 'completed' && task.progress_percentage !== 100 ? { status, progress_percentage: 100 } : { status }
  return db.tables.tasks.update(task.id, changes)
}
