// Progress is counted, never stored: how many tasks there are below a step, a phase and a project, and how many are
// done. One walk over three tables answers for the whole screen (about a millisecond for some thousands of tasks).
import type { SyncMetadata } from 'landfall'
import { createContext, useContext, useMemo } from 'react'
import { byId, useLive } from './live'
import type { Phase, Step, Task } from './schema'

export interface Count {
  readonly all: number
  readonly done: number
  readonly blocked: number
  /** Records below it, of every table, that the server does not have as they are here. */
  readonly saved: number
}

export interface Tally {
  /** False until all three tables have answered: nothing counted is not the same as zero. */
  readonly ready: boolean
  readonly projects: ReadonlyMap<string, Count>
  readonly phases: ReadonlyMap<string, Count>
  readonly steps: ReadonlyMap<string, Count>
}

const NOTHING: Count = { all: 0, done: 0, blocked: 0, saved: 0 }
const EMPTY: Tally = { ready: false, projects: new Map(), phases: new Map(), steps: new Map() }

const TallyContext = createContext<Tally>(EMPTY)
export const TallyProvider = TallyContext.Provider
export const useTally = (): Tally => useContext(TallyContext)

export const countOf = (counts: ReadonlyMap<string, Count>, id: string): Count => counts.get(id) ?? NOTHING

export function share({ all, done }: Count): number {
  return all === 0 ? 0 : done / all
}

/** Called once, above all screens. */
export function useCountedTally(): Tally {
  const phases = useLive('phases')
  const steps = useLive('steps')
  const tasks = useLive('tasks')
  return useMemo(() => (phases && steps && tasks ? count(phases, steps, tasks) : EMPTY), [phases, steps, tasks])
}

function count(phases: readonly Phase[], steps: readonly Step[], tasks: readonly Task[]): Tally {
  const tally = {
    ready: true,
    projects: new Map<string, Count>(),
    phases: new Map<string, Count>(),
    steps: new Map<string, Count>(),
  }
  for (const phase of phases) wait(tally.projects, phase.project_id, phase)
  for (const step of steps) {
    const phase = byId(phases).get(step.phase_id)
    wait(tally.phases, phase?.id, step)
    wait(tally.projects, phase?.project_id, step)
  }
  for (const task of tasks) {
    const step = byId(steps).get(task.step_id)
    const phase = step && byId(phases).get(step.phase_id)
    for (const [counts, id] of [
      [tally.steps, step?.id],
      [tally.phases, phase?.id],
      [tally.projects, phase?.project_id],
    ] as const) {
      add(counts, id, task)
      wait(counts, id, task)
    }
  }
  return tally
}

type Counts = Map<string, Count>

function add(counts: Counts, id: string | undefined, { status }: Task): void {
  if (id === undefined) return
  const count = counts.get(id) ?? NOTHING
  counts.set(id, {
    ...count,
    all: count.all + 1,
    done: count.done + (status === 'completed' ? 1 : 0),
    blocked: count.blocked + (status === 'blocked' ? 1 : 0),
  })
}

function wait(counts: Counts, id: string | undefined, { _syncStatus }: SyncMetadata): void {
  if (id === undefined || _syncStatus === 'synced') return
  const count = counts.get(id) ?? NOTHING
  counts.set(id, { ...count, saved: count.saved + 1 })
}
