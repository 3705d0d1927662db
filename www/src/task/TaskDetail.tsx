import { type CSSProperties, useEffect, useRef } from 'react'
import { useDraft } from '../draft'
import { useAction } from '../failure'
import { keyOf } from '../identity'
import { byId, useDatabase, useLive } from '../live'
import { ErrorNote } from '../parts/ErrorNote'
import { Field } from '../parts/Field'
import { Icon } from '../parts/Icon'
import type { Task } from '../schema'
import { Deletion } from './Deletion'
import { setStatus } from './edit'
import { Others } from './Others'
import { useEditing, useEditor } from './editing'
import { Recovered } from './Recovered'
import { useStaff } from './staff'
import { StatusPicker } from './status'
import { TimeLogs } from './TimeLogs'
import { Standing } from './Standing'

interface Props {
  readonly task: Task
  readonly onClose: () => void
}

export function TaskDetail({ task, onClose }: Props) {
  const db = useDatabase()
  const heading = useRef<HTMLHeadingElement>(null)
  const status = useAction()
  const assignee = useAction()
  const due = useAction()
  const visits = useAction()
  const staff = useStaff()
  const key = keyOf(task.id)
  const { tasks } = db.tables
  const editor = useEditor(task.id)
  const beginEditing = useEditing(task.id, editor)

  useEffect(() => heading.current?.focus({ preventScroll: true }), [])

  const title = useDraft({
    name: `tasks.${key}.title`,
    stored: task.title,
    save: value => tasks.update(task.id, { title: value.trim() }),
    refuse: value =>
      value.trim() === '' ? 'A task needs a title. The one before is kept until there is a new one.' : null,
  })
  const notes = useDraft({
    name: `tasks.${key}.notes`,
    stored: task.notes ?? '',
    save: value => tasks.update(task.id, { notes: value === '' ? undefined : value }),
  })
  const order = useDraft({
    name: `tasks.${key}.order_no`,
    stored: task.order_no ?? '',
    save: value => tasks.update(task.id, { order_no: value.trim() || undefined }),
  })
  const progress = useDraft({
    name: `tasks.${key}.progress_percentage`,
    stored: task.progress_percentage ?? 0,
    save: value => tasks.update(task.id, { progress_percentage: value }),
    pauseMs: 400,
  })

  return (
    <article className="detail">
      <header className="detail-bar">
        <h2 ref={heading} tabIndex={-1} className="detail-kind">
          <Place task={task} />
        </h2>
        <button
          type="button"
          className="icon-button"
          aria-label="Close task"
          data-testid="task-close"
          onClick={onClose}
        >
          <Icon name="close" />
        </button>
      </header>

      <Others id={task.id} editor={editor} />
      <div className="detail-fields" onFocus={event => isField(event.target) && beginEditing()} onInput={beginEditing}>
        <Field
          label="Title"
          error={title.error}
          control={ids => (
            <textarea
              {...ids}
              className="detail-title"
              data-testid="task-title"
              rows={1}
              value={title.value}
              onChange={event => title.set(event.target.value.replaceAll('\n', ' '))}
              onBlur={title.flush}
              onKeyDown={event => {
                if (event.key !== 'Enter') return
                event.preventDefault()
                title.flush()
              }}
            />
          )}
        >
          <Recovered draft={title} />
        </Field>

        <div className="field">
          <span className="field-label" aria-hidden="true">
            Status
          </span>
          <StatusPicker value={task.status} onChange={value => status.run(() => setStatus(db, task, value))} />
          <ErrorNote error={status.error} />
        </div>

        <Field
          label={
            <span className="field-split">
              Progress <span className="figure">{progress.value} %</span>
            </span>
          }
          error={progress.error}
          control={ids => (
            <input
              {...ids}
              type="range"
              min={0}
              max={100}
              step={5}
              data-testid="task-progress"
              aria-label="Progress"
              aria-valuetext={`${progress.value} percent`}
              value={progress.value}
              style={{ '--share': `${progress.value}%` } as CSSProperties}
              onChange={event => progress.set(event.target.valueAsNumber)}
              onPointerUp={progress.flush}
              onBlur={progress.flush}
            />
          )}
        />

        <div className="field-pair">
          <Field
            label="Assigned to"
            error={assignee.error}
            control={ids => (
              <select
                {...ids}
                data-testid="task-assignee"
                value={task.assignee ?? ''}
                onChange={event => {
                  const value = event.target.value || undefined
                  void assignee.run(() => tasks.update(task.id, { assignee: value }))
                }}
              >
                <option value="">Nobody</option>
                {staff.map(name => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            )}
          />
          <Field
            label="Due"
            error={due.error}
            control={ids => (
              <input
                {...ids}
                type="date"
                data-testid="task-due"
                value={task.due_date ?? ''}
                onChange={event => {
                  const value = event.target.value || undefined
                  void due.run(() => tasks.update(task.id, { due_date: value }))
                }}
              />
            )}
          />
        </div>

        <Field
          label="Notes"
          error={notes.error}
          control={ids => (
            <textarea
              {...ids}
              className="detail-notes"
              data-testid="task-notes"
              rows={4}
              placeholder="What did you find? What is left to do?"
              value={notes.value}
              onChange={event => notes.set(event.target.value)}
              onBlur={notes.flush}
            />
          )}
        >
          <Recovered draft={notes} />
        </Field>

        <div className="field-pair">
          <Field
            label="Order number"
            error={order.error}
            control={ids => (
              <input
                {...ids}
                data-testid="task-order"
                autoComplete="off"
                placeholder="None"
                value={order.value}
                onChange={event => order.set(event.target.value)}
                onBlur={order.flush}
              />
            )}
          />
          <div className="field">
            <span className="field-label">
              Visits <span className="figure">{task.visits ?? 0}</span>
            </span>
            <button
              type="button"
              className="button wide"
              data-testid="task-visit"
              onClick={() => visits.run(() => tasks.update(task.id, { visits: (task.visits ?? 0) + 1 }))}
            >
              +1 visit
            </button>
            <ErrorNote error={visits.error} />
          </div>
        </div>

        <TimeLogs task={task} />

        <Standing task={task} />
        <Deletion task={task} onDeleted={onClose} />
      </div>
    </article>
  )
}

/** Something to write in. A button may be for looking only. */
function isField(target: Element): boolean {
  return target.matches('input, textarea, select')
}

function Place({ task }: { task: Task }) {
  const steps = useLive('steps')
  const phases = useLive('phases')
  const step = steps && byId(steps).get(task.step_id)
  const phase = step && phases && byId(phases).get(step.phase_id)
  if (!step || !phase) return 'Task'
  return (
    <>
      {phase.name} <span aria-hidden="true">›</span> {step.name}
    </>
  )
}
