import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import type { AppRecord } from './app.js'
import { type ServerContents, withField } from './records.js'

/** What a technician changed without a network, as the page saw it. */
export interface Story {
  /** Fields of what was created, by title or name; references are temporary ids. */
  readonly project: AppRecord
  readonly phase: AppRecord
  readonly step: AppRecord
  readonly tasks: readonly AppRecord[]
  /** Existing tasks after their edit. */
  readonly edited: readonly AppRecord[]
  readonly deleted: readonly string[]
}

/** How many mutations it takes. */
export const storyOperations = 1 + 1 + 1 + 10 + 20 + 2

/** A project, a phase, a step and ten tasks that refer to each other by temporary id; twenty edits; two deletions. */
export function writeStory(page: Page): Promise<Story> {
  return page.evaluate(async () => {
    const { projects, phases, steps, tasks } = globalThis.landfall.tables
    if (!projects || !phases || !steps || !tasks) throw new Error('the schema has changed')
    const existing = await tasks.query({ limit: 22 })
    const project = await projects.create({
      name: 'Harbour ring',
      customer: 'Port of Elm',
      address: 'Quay 4',
      status: 'active',
      progress: 0,
    })
    const phase = await phases.create({ project_id: project.id, name: 'Backbone', position: 1 })
    const step = await steps.create({ phase_id: phase.id, name: 'Pull cable', position: 1 })
    const created: (typeof project)[] = []
    for (let n = 0; n < 10; n += 1)
      created.push(
        await tasks.create({
          step_id: step.id,
          title: `Harbour task ${n}`,
          status: 'not_started',
          progress_percentage: n * 10,
          notes: n % 2 === 0 ? `Note “${n}” – naïve, 漢字, 🛠` : null,
          assignee: 'Ines',
        }),
      )
    const edited: (typeof project)[] = []
    for (const [n, task] of existing.slice(0, 20).entries())
      edited.push(
        await tasks.update(task.id, { status: 'blocked', progress_percentage: n, notes: `Edited offline ${n}` }),
      )
    const deleted = existing.slice(20).map(task => task.id)
    for (const id of deleted) await tasks.delete(id)
    return { project, phase, step, tasks: created, edited, deleted }
  })
}

/** The app's fields of a record, without what sync keeps beside them. */
function fields(record: AppRecord): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => name !== 'id' && !name.startsWith('_')))
}

/** An absent optional field and one that is null say the same. */
function present(data: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(data).filter(([, value]) => value !== null && value !== undefined))
}

function only<T>(what: string, found: readonly T[]): T {
  assert.equal(found.length, 1, `${what}: ${found.length} times instead of once`)
  return found[0] as T
}

/** The page, started anew without a network, shows all of it. */
export async function assertPageHasStory(page: Page, story: Story): Promise<void> {
  const created = [
    ['projects', story.project],
    ['phases', story.phase],
    ['steps', story.step],
    ...story.tasks.map(task => ['tasks', task] as const),
    ...story.edited.map(task => ['tasks', task] as const),
  ] as const
  const found = await page.evaluate(
    wanted => Promise.all(wanted.map(([table, id]) => globalThis.landfall.tables[table]?.get(id))),
    created.map(([table, record]) => [table, record.id] as const),
  )
  for (const [n, [table, record]] of created.entries()) {
    const actual = found[n]
    assert.ok(actual, `${table} ${record.id} is gone`)
    assert.deepEqual(present(fields(actual)), present(fields(record)))
  }
  const deleted = await page.evaluate(
    ids => Promise.all(ids.map(id => globalThis.landfall.tables['tasks']?.get(id))),
    story.deleted,
  )
  assert.ok(deleted.every(task => task === undefined || task === null || task['_isDeleted'] === true))
}

/** The server's own tables hold the story exactly once, field by field, under its own ids. */
export function assertServerHasStory(server: ServerContents, story: Story): void {
  const project = only('the project', withField(server, 'projects', 'name', story.project['name']))
  assert.deepEqual(present(project.data), present(fields(story.project)))
  const phase = only('the phase', withField(server, 'phases', 'project_id', project.id))
  assert.deepEqual(present(phase.data), present({ ...fields(story.phase), project_id: project.id }))
  const step = only('the step', withField(server, 'steps', 'phase_id', phase.id))
  assert.deepEqual(present(step.data), present({ ...fields(story.step), phase_id: phase.id }))

  const tasks = withField(server, 'tasks', 'step_id', step.id)
  assert.equal(tasks.length, story.tasks.length)
  for (const task of story.tasks) {
    const stored = only(`the task ${task['title']}`, withField(server, 'tasks', 'title', task['title']))
    assert.deepEqual(present(stored.data), present({ ...fields(task), step_id: step.id }))
    assert.equal(stored.version, 1, 'a create that was applied once makes version 1')
  }
  for (const task of story.edited) {
    const stored = only(`the edited task ${task.id}`, recordsOf(server, 'tasks', task.id))
    assert.deepEqual(present(stored.data), present(fields(task)))
    assert.equal(stored.version, 2, 'an edit that was applied once makes version 2')
    assert.equal(stored.deleted, false)
  }
  for (const id of story.deleted) {
    const stored = only(`the deleted task ${id}`, recordsOf(server, 'tasks', id))
    assert.ok(stored.deleted && stored.version === 2)
  }
  for (const record of server.records) {
    assert.doesNotMatch(record.id, /^temp_/)
    assert.doesNotMatch(JSON.stringify(record.data), /temp_/)
  }
  const applied = server.audit.filter(line => line.status === 'applied').map(line => line.operationId)
  assert.equal(applied.length, new Set(applied).size, 'an operation was applied twice')
  assert.equal(applied.length, storyOperations)
}

function recordsOf(server: ServerContents, table: string, id: string) {
  return server.records.filter(record => record.table === table && record.id === id)
}
