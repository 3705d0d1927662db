import { type ReactNode, useState } from 'react'
import { useAction } from '../failure'
import { byId, useDatabase, useLive } from '../live'
import { useDisclosure } from '../parts/disclosure'
import { ErrorNote } from '../parts/ErrorNote'
import { currentRoute } from '../route'
import type { Task } from '../schema'
import { lastTask } from './last-task'
import { GROUPS, play, type Scene, type Stage } from './scenes'

/** For who tries the demo alone: somebody else, at the press of a button. */
export function Colleague() {
  const [open, toggle] = useDisclosure('colleague', false)
  return (
    <details
      className="colleague"
      data-testid="colleague"
      open={open}
      onToggle={event => event.currentTarget.open !== open && toggle()}
    >
      <summary>Play a colleague</summary>
      {open && <Stages />}
    </details>
  )
}

function Stages() {
  const db = useDatabase()
  const tasks = useLive('tasks')
  const steps = useLive('steps')
  const phases = useLive('phases')
  const projects = useLive('projects')
  const [withYou, setWithYou] = useState(true)
  const [playing, setPlaying] = useState<string>()
  /** Which one was played last, and whether to its end. */
  const [played, setPlayed] = useState<Played>()
  const { error, run } = useAction()
  if (!tasks || !steps || !phases || !projects) return null

  const task = pick(tasks)
  const step = task && byId(steps).get(task.step_id)
  const phase = step && byId(phases).get(step.phase_id)
  const project = phase && byId(projects).get(phase.project_id)
  if (!task || !step || !project) return <p className="hint">There has to be a task first.</p>

  const stage: Stage = { db, task, step, project, withYou }
  const start = async (scene: Scene) => {
    if (playing !== undefined) return
    setPlaying(scene.name)
    setPlayed(undefined)
    setPlayed({ name: scene.name, done: await run(() => play(scene, stage)), alone: !withYou })
    setPlaying(undefined)
  }

  return (
    <div className="colleague-body">
      <p>
        Ada works with the same server. Each button lets her do something with <strong>{task.title}</strong>, and you at
        the same moment. Open another one first to play with that. What comes of it is above, under Conflicts.
      </p>
      <label className="check">
        <input
          type="checkbox"
          checked={withYou}
          data-testid="colleague-with-you"
          onChange={event => setWithYou(event.target.checked)}
        />
        <span>I do something at the same moment</span>
      </label>
      {GROUPS.map(({ title, scenes }) => (
        <section key={title}>
          <h4>{title}</h4>
          <ul>
            {scenes.map(scene => (
              <li key={scene.name}>
                <button
                  type="button"
                  className="button"
                  data-testid={`colleague-${scene.name}`}
                  aria-busy={playing === scene.name}
                  onClick={() => start(scene)}
                >
                  {scene.label}
                </button>
                <span role="status">{told(scene, played?.name === scene.name ? played : undefined, error)}</span>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </div>
  )
}

interface Played {
  readonly name: string
  readonly done: boolean
  readonly alone: boolean
}

/** What is to be seen; after it was played, what came of it. */
function told({ outcome }: Scene, played: Played | undefined, error: unknown): ReactNode {
  if (!played) return outcome
  if (!played.done) return <ErrorNote error={error} />
  return (
    <>
      <strong>Done</strong>
      {played.alone ? ', by Ada alone' : `: ${outcome}`}
    </>
  )
}

/** The task that is open below, or was last; else one that is not done. */
function pick(tasks: readonly Task[]): Task | undefined {
  const wanted = currentRoute().task ?? lastTask()
  const isFree = (task: Task) => task._version !== null && !task._syncReason
  const found = wanted === null ? undefined : byId(tasks).get(wanted)
  return found ?? tasks.find(task => isFree(task) && task.status !== 'completed') ?? tasks.find(isFree)
}
