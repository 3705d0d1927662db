import { useEffect, useMemo, useRef } from 'react'
import { keyOf } from '../identity'
import { useDatabase, useLive, useRecord } from '../live'
import { byMaking, byPosition, nextPosition } from '../order'
import { Composer } from '../parts/Composer'
import { useDisclosure } from '../parts/disclosure'
import { Icon } from '../parts/Icon'
import { Counts, countText, Meter } from '../parts/Meter'
import { useColumns } from '../parts/media'
import type { Phase, Project, Step } from '../schema'
import { SyncMark } from '../sync/SyncMark'
import { countOf, share, useTally } from '../tally'
import { TaskRow } from '../task/TaskRow'

interface Props {
  readonly id: string
  readonly task: string | null
}

export function ProjectScreen({ id, task }: Props) {
  const project = useRecord('projects', id)
  if (project === undefined) return null
  if (project === null) {
    return (
      <div className="empty" data-testid="empty-project">
        <Icon name="sites" size={36} />
        <h2>This project is not here</h2>
        <p>It was deleted, or it has not reached this device yet.</p>
      </div>
    )
  }
  return <OpenProject project={project} task={task} />
}

function OpenProject({ project, task }: { project: Project; task: string | null }) {
  const db = useDatabase()
  const phases = useLive('phases', { index: 'project_id', equals: project.id })
  const tally = useTally()
  const count = countOf(tally.projects, project.id)
  const sorted = [...(phases ?? [])].sort(byPosition)
  const heading = useRef<HTMLHeadingElement>(null)
  const columns = useColumns()
  const current = sorted.find(phase => unfinished(countOf(tally.phases, phase.id))) ?? sorted[0]

  useEffect(() => {
    document.title = `${project.name} · Landfall Field`
    return () => {
      document.title = 'Landfall Field'
    }
  }, [project.name])
  // On a phone the list that had the focus is gone: reading goes on here.
  useEffect(() => {
    if (!columns && document.activeElement === document.body) heading.current?.focus({ preventScroll: true })
  }, [columns])

  return (
    <article className="project-screen">
      <header className="project-head">
        <div className="project-line">
          <h1 ref={heading} tabIndex={-1} data-testid="project-title">
            {project.name}
          </h1>
          <SyncMark record={project} />
        </div>
        <p className="project-facts">
          {project.customer && (
            <span>
              <Icon name="person" size={16} />
              {project.customer}
            </span>
          )}
          {project.address && (
            <span>
              <Icon name="pin" size={16} />
              {project.address}
            </span>
          )}
        </p>
        <div className="project-progress" data-testid="project-progress">
          <span className="project-percent">
            {Math.round(share(count) * 100)}
            <small>%</small>
          </span>
          <div>
            <Meter count={count} label={`Progress of ${project.name}`} />
            <p className="project-line project-counts">
              <Counts count={count} words />
            </p>
          </div>
        </div>
      </header>

      {phases?.length === 0 && (
        <div className="empty small" data-testid="empty-phases">
          <h3>No phases yet</h3>
          <p>A phase is a stretch of the work: survey, installation, handover. Its steps hold the tasks.</p>
        </div>
      )}
      {phases && tally.ready && (
        <>
          {sorted.map(phase => (
            <PhaseSection
              key={keyOf(phase.id)}
              phase={phase}
              task={task}
              atFirst={sorted.length <= 2 || phase === current || countOf(tally.phases, phase.id).all === 0}
            />
          ))}
          <Composer
            label="Add a phase"
            testId="phase"
            fields={[{ name: 'name', label: 'New phase', placeholder: 'Installation' }]}
            create={({ name = '' }) =>
              db.tables.phases.create({ project_id: project.id, name, position: nextPosition(phases) })
            }
          />
        </>
      )}
    </article>
  )
}

function unfinished({ all, done }: { all: number; done: number }): boolean {
  return done < all
}

function PhaseSection({ phase, task, atFirst }: { phase: Phase; task: string | null; atFirst: boolean }) {
  const db = useDatabase()
  const steps = useLive('steps', { index: 'phase_id', equals: phase.id })
  const tally = useTally()
  const count = countOf(tally.phases, phase.id)
  const [open, toggle] = useDisclosure(keyOf(phase.id), atFirst)
  const sorted = [...(steps ?? [])].sort(byPosition)
  const current = sorted.find(step => unfinished(countOf(tally.steps, step.id))) ?? sorted[0]

  return (
    <section className="phase" data-testid="phase" data-id={phase.id}>
      <h2 className="phase-head">
        <button type="button" aria-expanded={open} data-testid="phase-toggle" onClick={toggle}>
          <Icon name="open" size={18} />
          <span className="phase-name">{phase.name}</span>
          <span className="figure" aria-hidden="true">
            {count.done}/{count.all}
          </span>
          <span className="unseen">, {countText(count)}</span>
        </button>
        <SyncMark record={phase} />
      </h2>
      {open && steps && (
        <div className="phase-body">
          {steps.length === 0 && (
            <p className="hint">No steps yet. A step is one piece of this phase, with the tasks that it takes.</p>
          )}
          {sorted.map(step => (
            <StepSection
              key={keyOf(step.id)}
              step={step}
              project={phase.project_id}
              task={task}
              atFirst={sorted.length === 1 || step === current || countOf(tally.steps, step.id).all === 0}
            />
          ))}
          <Composer
            label="Add a step"
            testId="step"
            fields={[{ name: 'name', label: 'New step', placeholder: 'Pull the cable' }]}
            create={({ name = '' }) =>
              db.tables.steps.create({ phase_id: phase.id, name, position: nextPosition(steps) })
            }
          />
        </div>
      )}
    </section>
  )
}

interface StepProps {
  readonly step: Step
  readonly project: string
  readonly task: string | null
  readonly atFirst: boolean
}

function StepSection({ step, project, task, atFirst }: StepProps) {
  const db = useDatabase()
  const tasks = useLive('tasks', { index: 'step_id', equals: step.id })
  const count = countOf(useTally().steps, step.id)
  const [open, toggle] = useDisclosure(keyOf(step.id), atFirst)
  const sorted = useMemo(() => tasks && [...tasks].sort(byMaking), [tasks])

  return (
    <section className="step" data-testid="step" data-id={step.id}>
      <h3 className="step-head">
        <button type="button" aria-expanded={open} data-testid="step-toggle" onClick={toggle}>
          <Icon name="open" size={16} />
          <span className="step-name">{step.name}</span>
          <span className="figure" aria-hidden="true">
            {count.done}/{count.all}
          </span>
          <span className="unseen">, {countText(count)}</span>
        </button>
        <SyncMark record={step} />
      </h3>
      {open && sorted && (
        <div className="step-body">
          {sorted.length === 0 && <p className="hint">No tasks yet. A task is what one person can tick off.</p>}
          <ul className="tasks">
            {sorted.map(each => (
              <TaskRow key={keyOf(each.id)} task={each} project={project} chosen={each.id === task} />
            ))}
          </ul>
          <Composer
            again
            label="Add a task"
            testId="task"
            fields={[{ name: 'title', label: 'New task', placeholder: 'Splice the drop cable' }]}
            create={({ title = '' }) =>
              db.tables.tasks.create({ step_id: step.id, title, status: 'not_started', progress_percentage: 0 })
            }
          />
        </div>
      )}
    </section>
  )
}
