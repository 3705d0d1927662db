import { memo, type ReactNode } from 'react'
import { dayLabel, dayOf, useNow } from '../clock'
import { useAction } from '../failure'
import { useDatabase } from '../live'
import { ErrorNote } from '../parts/ErrorNote'
import { go, href, type Route } from '../route'
import { statusLabel, type Task } from '../schema'
import { SyncMark } from '../sync/SyncMark'
import { setStatus } from './edit'
import { StatusIcon } from './status'

interface Props {
  readonly task: Task
  /** The project's screen that it lies on, or `null` for "My work". */
  readonly project: string | null
  readonly chosen: boolean
  /** Where the task belongs, when the screen does not say so. */
  readonly place?: ReactNode
}

export const TaskRow = memo(function TaskRow({ task, project, chosen, place }: Props) {
  const db = useDatabase()
  const now = useNow()
  const { error, run } = useAction()
  const done = task.status === 'completed'
  const target: Partial<Route> = { view: project === null ? 'mine' : 'project', project, task: task.id }
  const late = !done && !!task.due_date && task.due_date < dayOf(now)
  const started = task.progress_percentage ?? 0
  // The tick says the other two well enough.
  const worded = !done && task.status !== 'not_started'

  return (
    <li className="task" data-testid="task-row" data-id={task.id} data-status={task.status} data-chosen={chosen}>
      <button
        type="button"
        className="task-tick"
        data-testid="task-tick"
        aria-pressed={done}
        aria-label={done ? `Reopen “${task.title}”` : `Complete “${task.title}”`}
        onClick={() => run(() => setStatus(db, task, done ? 'in_progress' : 'completed'))}
      >
        <StatusIcon status={task.status} />
      </button>
      <a
        className="task-link"
        href={href(target)}
        data-testid="task-open"
        aria-current={chosen ? 'true' : undefined}
        onClick={event => {
          if (event.metaKey || event.ctrlKey || event.shiftKey) return
          event.preventDefault()
          go(target, chosenElsewhere() ? 'replace' : 'over')
        }}
      >
        <span className="task-title">{task.title}</span>
        <span className="task-facts">
          <span className={worded ? 'task-status' : 'unseen'} data-status={task.status}>
            {statusLabel(task.status)}
            {task.status === 'in_progress' && started > 0 && started < 100 && ` ${started} %`}
          </span>
          {place && <span className="task-place">{place}</span>}
          {!place && task.assignee && <span>{task.assignee}</span>}
          {task.due_date && !done && (
            <span className={late ? 'late' : undefined}>
              {late ? 'Overdue: ' : ''}
              {dayLabel(task.due_date, now)}
            </span>
          )}
        </span>
      </a>
      <SyncMark record={task} />
      <ErrorNote error={error} />
    </li>
  )
})

/** On a wide screen another task may be open in its column: it is replaced, and one step back closes the column. */
function chosenElsewhere(): boolean {
  return location.hash.includes('/tasks/')
}
