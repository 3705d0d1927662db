// What one person can try alone: Ada does something at the server, and before this device has heard of it, you do something
// too. Hers is awaited and yours is written in the same turn; the stream that tells of hers takes some milliseconds more.
import type { Json } from 'landfall'
import { dayOf } from '../clock'
import { type Database, principal } from '../database'
import type { Project, Step, Task } from '../schema'
import { withTimeLog } from '../task/times'
import { ada, ADA, adaIsReady } from './ada'

export interface Stage {
  readonly db: Database
  /** The task that was opened last, or some open one. */
  readonly task: Task
  readonly step: Step
  readonly project: Project
  /** Without: Ada acts alone, as on any other day. */
  readonly withYou: boolean
}

export interface Scene {
  readonly name: string
  readonly label: string
  /** What is to be seen. */
  readonly outcome: string
  readonly play: (stage: Stage) => Promise<void>
}

export interface Group {
  readonly title: string
  readonly scenes: readonly Scene[]
}

type TaskData = Readonly<Partial<Record<keyof Task & string, Json>>>

/** Both change the task, Ada first. */
function both(changes: (task: Task) => { readonly hers: TaskData; readonly yours: TaskData }): Scene['play'] {
  return async ({ db, task, withYou }) => {
    const { hers, yours } = changes(task)
    await ada.update('tasks', task, hers as Record<string, Json>)
    if (withYou) await db.tables.tasks.update(task.id, yours as Parameters<typeof db.tables.tasks.update>[1])
  }
}

/** What is typed twice is told apart. */
function stamp(): string {
  return new Date().toLocaleTimeString(undefined, { hour12: false })
}

const DAY_MS = 86_400_000
const inDays = (days: number): string => dayOf(Date.now() + days * DAY_MS)

function log(by: string, from: string, to: string): { id: string; by: string; start: string; end: string } {
  const day = dayOf(Date.now())
  return { id: crypto.randomUUID(), by, start: `${day}T${from}`, end: `${day}T${to}` }
}

/** Two values that are neither what it is nor each other, where there are enough. */
function twoOthers(all: readonly string[], current: string): readonly [string, string] {
  const others = all.filter(one => one !== current)
  return [others.at(-1) ?? current, others.at(0) ?? current]
}

const SAME_MOMENT: readonly Scene[] = [
  {
    name: 'title',
    label: 'Title',
    outcome: 'you decide',
    play: both(({ title }) => ({
      hers: { title: `${bare(title)}, says Ada at ${stamp()}` },
      yours: { title: `${bare(title)}, say I` },
    })),
  },
  {
    name: 'status',
    label: 'Status',
    outcome: 'the one further on, with a notice',
    play: both(({ status }) => {
      const [hers, yours] = twoOthers(['not_started', 'in_progress', 'completed'], status)
      return { hers: { status: hers }, yours: { status: yours } }
    }),
  },
  {
    name: 'blocked',
    label: 'Status, blocked',
    outcome: 'no rule fits: you decide',
    play: both(({ status }) => {
      const yours = status === 'completed' ? 'in_progress' : 'completed'
      return status === 'blocked'
        ? { hers: { status: 'on_hold' }, yours: { status: yours } }
        : { hers: { status: 'blocked' }, yours: { status: yours } }
    }),
  },
  {
    name: 'progress',
    label: 'Progress',
    outcome: 'the higher one',
    play: both(({ progress_percentage }) => {
      const base = Math.min(progress_percentage ?? 0, 70)
      return { hers: { progress_percentage: base + 25 }, yours: { progress_percentage: base + 10 } }
    }),
  },
  {
    name: 'assignee',
    label: 'Assignment',
    outcome: 'the later one, with a notice',
    play: both(({ assignee }) => ({
      hers: { assignee: assignee === 'Ada' ? 'Ada Byron' : 'Ada' },
      yours: { assignee: assignee === 'Me' ? 'Myself' : 'Me' },
    })),
  },
  {
    name: 'due',
    label: 'Due date',
    outcome: 'the later one, with a notice',
    play: both(({ due_date }) => {
      const [hers, yours] = twoOthers([inDays(3), inDays(5), inDays(9)], due_date ?? '')
      return { hers: { due_date: hers }, yours: { due_date: yours } }
    }),
  },
  {
    name: 'notes-lines',
    label: 'Notes, other lines',
    outcome: 'joined',
    play: both(({ notes }) => {
      const lines = (notes ?? '').split('\n')
      return {
        hers: { notes: [`Ada, ${stamp()}: bring the long ladder.`, ...lines].join('\n') },
        yours: { notes: [...lines, `Me, ${stamp()}: the key is at the desk.`].join('\n') },
      }
    }),
  },
  {
    name: 'notes-line',
    label: 'Notes, one line',
    outcome: 'you decide',
    play: both(({ notes }) => {
      const [first = '', ...rest] = (notes ?? '').split('\n')
      return {
        hers: { notes: [`${first || 'The duct'} is dry, says Ada at ${stamp()}`, ...rest].join('\n') },
        yours: { notes: [`${first || 'The duct'} is flooded, say I`, ...rest].join('\n') },
      }
    }),
  },
  {
    name: 'times',
    label: 'Time',
    outcome: 'both kept, the overlap flagged',
    play: both(({ time_logs }) => ({
      hers: { time_logs: withTimeLog(time_logs, log(ADA, '09:00', '11:00')) },
      yours: { time_logs: withTimeLog(time_logs, log(principal(), '10:30', '12:00')) },
    })),
  },
  {
    name: 'visits',
    label: 'Visits',
    outcome: 'added up',
    play: both(({ visits }) => ({ hers: { visits: (visits ?? 0) + 2 }, yours: { visits: (visits ?? 0) + 1 } })),
  },
]

const DELETIONS: readonly Scene[] = [
  {
    name: 'she-deletes',
    label: 'Ada deletes it, you change it',
    outcome: 'deleted; your change is kept',
    play: async ({ db, task, withYou }) => {
      await ada.remove('tasks', task)
      if (withYou) await db.tables.tasks.update(task.id, { notes: `Mine, ${stamp()}` })
    },
  },
  {
    name: 'you-delete',
    label: 'You delete it, Ada changes it',
    outcome: 'you decide',
    play: async ({ db, task, withYou }) => {
      await ada.update('tasks', task, { notes: `Ada, ${stamp()}: nearly done.` })
      if (withYou) await db.tables.tasks.delete(task.id)
    },
  },
  {
    name: 'step-deleted',
    label: 'A new step: she deletes it, you rename it',
    outcome: 'steps leave it to you',
    play: async ({ db, step, withYou }) => {
      const { phase_id, position } = step
      const made = await db.tables.steps.create({ phase_id, position: position + 0.5, name: `Extra step, ${stamp()}` })
      await db.sync()
      const known = await db.tables.steps.get(made.id)
      if (!known || known._version === null) throw new Error('The new step did not get to the server.')
      await ada.remove('steps', known)
      if (withYou) await db.tables.steps.update(known.id, { name: `${known.name}, renamed` })
    },
  },
]

const CREATIONS: readonly Scene[] = [
  {
    name: 'same-task',
    label: 'The same task twice',
    outcome: 'both stay, with a notice',
    play: async ({ db, step, withYou }) => {
      const fields = { step_id: step.id, title: `Check the seal, ${stamp()}`, status: 'not_started' }
      await ada.create('tasks', fields)
      if (withYou) await db.tables.tasks.create(fields)
    },
  },
  {
    name: 'same-number',
    label: 'Two tasks, one order number',
    outcome: 'you decide',
    play: async ({ db, step, withYou }) => {
      const fields = { step_id: step.id, status: 'not_started', order_no: `A-${Date.now() % 100_000}` }
      await ada.create('tasks', { ...fields, title: `Ada’s pump, ${stamp()}` })
      if (withYou) await db.tables.tasks.create({ ...fields, title: 'My pump', notes: 'With the new gasket' })
    },
  },
]

const OTHERS: readonly Scene[] = [
  {
    name: 'project',
    label: 'The project’s customer',
    outcome: 'the later one: projects have a strategy',
    play: async ({ db, project, withYou }) => {
      await ada.update('projects', project, { customer: `${bare(project.customer)}, says Ada at ${stamp()}` })
      if (withYou) await db.tables.projects.update(project.id, { customer: `${bare(project.customer)}, say I` })
    },
  },
  {
    name: 'many',
    label: 'Five titles at once',
    outcome: 'decide for all alike',
    play: async ({ db, step, withYou }) => {
      const tasks = await db.tables.tasks.query({ index: 'step_id', equals: step.id })
      const chosen = tasks.filter(task => task._version !== null && !task._syncReason).slice(0, 5)
      await ada.updateAll(
        'tasks',
        chosen.map(task => [task, { title: `${bare(task.title)}, says Ada at ${stamp()}` }]),
      )
      if (withYou)
        await Promise.all(chosen.map(task => db.tables.tasks.update(task.id, { title: `${bare(task.title)}, say I` })))
    },
  },
]

export const GROUPS: readonly Group[] = [
  { title: 'You both change', scenes: SAME_MOMENT },
  { title: 'Somebody deletes', scenes: DELETIONS },
  { title: 'You both add', scenes: CREATIONS },
  { title: 'And', scenes: OTHERS },
]

/** A title without what was played on it before. */
function bare(title: string): string {
  return title.replace(/, (?:says Ada at [\d:. ]+|say I)$/, '')
}

/** Plays a scene to its end: each side does its part, and the two meet. */
export async function play(scene: Scene, stage: Stage): Promise<void> {
  await adaIsReady()
  if (stage.task._syncReason) throw new Error('Decide what is open about this task first, or open another one.')
  // What waits here goes first, so that hers and yours begin from the same.
  if (stage.task._syncStatus !== 'synced') await stage.db.sync()
  const task = (await stage.db.tables.tasks.get(stage.task.id)) ?? stage.task
  await scene.play({ ...stage, task })
  await stage.db.sync()
}
