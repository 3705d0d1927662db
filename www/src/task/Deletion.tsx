import { useEffect, useRef, useState } from 'react'
import { useAction } from '../failure'
import { useDatabase } from '../live'
import { ErrorNote } from '../parts/ErrorNote'
import { Icon } from '../parts/Icon'
import type { Task } from '../schema'

export function Deletion({ task, onDeleted }: { task: Task; onDeleted: () => void }) {
  const db = useDatabase()
  const [asking, setAsking] = useState(false)
  const { error, run } = useAction()
  const keep = useRef<HTMLButtonElement>(null)
  const ask = useRef<HTMLButtonElement>(null)
  const asked = useRef(false)

  useEffect(() => {
    if (asking) keep.current?.focus()
    else if (asked.current) ask.current?.focus()
    asked.current = asking
  }, [asking])

  if (!asking) {
    return (
      <button
        ref={ask}
        type="button"
        className="button danger quiet"
        data-testid="task-delete"
        onClick={() => setAsking(true)}
      >
        <Icon name="trash" size={18} />
        Delete task
      </button>
    )
  }
  return (
    <div
      className="confirm"
      role="group"
      aria-label="Delete this task?"
      onKeyDown={event => {
        if (event.key !== 'Escape') return
        event.preventDefault()
        event.stopPropagation()
        setAsking(false)
      }}
    >
      <p>
        Delete <strong>{task.title}</strong>? It disappears here now and for everybody once it is sent. This cannot be
        undone.
      </p>
      <ErrorNote error={error} />
      <div className="confirm-actions">
        <button
          type="button"
          className="button danger"
          data-testid="task-delete-confirm"
          onClick={async () => {
            if (await run(() => db.tables.tasks.delete(task.id))) onDeleted()
          }}
        >
          Delete
        </button>
        <button ref={keep} type="button" className="button quiet" onClick={() => setAsking(false)}>
          Keep it
        </button>
      </div>
    </div>
  )
}
