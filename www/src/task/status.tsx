import { STATUS_LABELS, statusLabel, TASK_STATUSES, type TaskStatus } from '../schema'
import { type KeyboardEvent, useRef } from 'react'

/** Each status has its own shape, so that it is told apart without colour. */
export function StatusIcon({ status }: { status: string }) {
  return (
    <svg className="status-icon" data-status={status} width="22" height="22" viewBox="0 0 24 24" aria-hidden="true">
      <circle cx="12" cy="12" r="9" />
      {status === 'in_progress' && <path className="status-fill" d="M12 6.5a5.5 5.5 0 0 1 0 11z" />}
      {status === 'blocked' && <path d="M7.5 12h9" />}
      {status === 'completed' && <path d="M7.7 12.4l2.9 2.9 5.7-6.2" />}
    </svg>
  )
}

interface Props {
  readonly value: string
  readonly onChange: (status: TaskStatus) => void
}

/** A radio group with one tab stop; the arrows move and choose, as in a native one. */
export function StatusPicker({ value, onChange }: Props) {
  const group = useRef<HTMLDivElement>(null)
  const known = (TASK_STATUSES as readonly string[]).indexOf(value)

  const keys = (event: KeyboardEvent) => {
    const move = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key]
    if (move === undefined) return
    event.preventDefault()
    const place = (Math.max(known, 0) + move + TASK_STATUSES.length) % TASK_STATUSES.length
    group.current?.querySelectorAll('button')[place]?.focus()
    onChange(TASK_STATUSES[place] as TaskStatus)
  }

  return (
    <div ref={group} className="segments" role="radiogroup" aria-label="Status" onKeyDown={keys}>
      {TASK_STATUSES.map((status, place) => (
        <button
          key={status}
          type="button"
          role="radio"
          aria-checked={status === value}
          tabIndex={place === Math.max(known, 0) ? 0 : -1}
          className="segment"
          data-status={status}
          data-testid={`task-status-${status}`}
          onClick={() => onChange(status)}
        >
          <StatusIcon status={status} />
          {STATUS_LABELS[status]}
        </button>
      ))}
      {known < 0 && <p className="field-hint">Now: {statusLabel(value)}</p>}
    </div>
  )
}
