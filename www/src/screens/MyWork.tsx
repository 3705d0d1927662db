import { useState } from 'react'
import { dayOf, useNow } from '../clock'
import { keyOf } from '../identity'
import { byId, useLive } from '../live'
import { Icon } from '../parts/Icon'
import type { Task } from '../schema'
import { useStaff } from '../task/staff'
import { TaskRow } from '../task/TaskRow'

const ME_KEY = 'landfall.me'
const WEEK_MS = 7 * 86_400_000

/** What one technician has to do, by when: the compound index (assignee, due_date) has it in this order. */
export function MyWork({ task }: { task: string | null }) {
  const staff = useStaff()
  const [me, setMe] = useState(localStorage.getItem(ME_KEY) ?? '')
  const choose = (name: string) => {
    localStorage.setItem(ME_KEY, name)
    setMe(name)
  }

  return (
    <article className="mine">
      <header className="project-head">
        <h1>My work</h1>
        {staff.length > 0 && (
          <label className="mine-who">
            <span className="field-label">Technician</span>
            <select value={me} data-testid="mine-who" onChange={event => choose(event.target.value)}>
              <option value="" disabled>
                Choose your name
              </option>
              {staff.map(name => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        )}
      </header>
      {me ? (
        <Work key={me} me={me} task={task} />
      ) : (
        <div className="empty" data-testid="empty-mine">
          <Icon name="mine" size={36} />
          <h2>Whose work?</h2>
          <p>Choose your name above. This device remembers it.</p>
        </div>
      )}
    </article>
  )
}

function Work({ me, task }: { me: string; task: string | null }) {
  const now = useNow()
  const tasks = useLive('tasks', { index: ['assignee', 'due_date'], equals: [me] })
  if (!tasks) return null
  const open = tasks.filter(({ status }) => status !== 'completed')
  const groups = byUrgency(open, now)
  if (open.length === 0) {
    return (
      <div className="empty">
        <Icon name="check" size={36} />
        <h2>Nothing open</h2>
        <p>{tasks.length > 0 ? 'All your tasks are completed.' : 'No task is assigned to this name.'}</p>
      </div>
    )
  }
  return (
    <>
      {groups.map(([name, members]) => (
        <section key={name} className="mine-group">
          <h2>
            {name} <span className="figure">{members.length}</span>
          </h2>
          <ul className="tasks">
            {members.map(each => (
              <TaskRow
                key={keyOf(each.id)}
                task={each}
                project={null}
                chosen={each.id === task}
                place={<ProjectName task={each} />}
              />
            ))}
          </ul>
        </section>
      ))}
    </>
  )
}

function ProjectName({ task }: { task: Task }) {
  const projects = useLive('projects')
  const phases = useLive('phases')
  const steps = useLive('steps')
  const step = steps && byId(steps).get(task.step_id)
  const phase = step && phases && byId(phases).get(step.phase_id)
  const project = phase && projects && byId(projects).get(phase.project_id)
  return project?.name ?? ''
}

function byUrgency(tasks: readonly Task[], now: number): readonly (readonly [string, readonly Task[]])[] {
  const today = dayOf(now)
  const week = dayOf(now + WEEK_MS)
  const groups: readonly (readonly [string, (due: string) => boolean])[] = [
    ['Overdue', due => due !== '' && due < today],
    ['Today', due => due === today],
    ['The next seven days', due => due > today && due <= week],
    ['Later', due => due > week],
    ['Without a date', due => due === ''],
  ]
  return groups
    .map(([name, holds]) => [name, tasks.filter(task => holds(task.due_date ?? ''))] as const)
    .filter(([, members]) => members.length > 0)
}
