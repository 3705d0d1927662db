// Compiled, never run: what the schema's types allow and what they refuse.
import {
  defineSchema,
  hasErrorCode,
  isLandfallError,
  open,
  presets,
  type RecordIn,
  type SchemaDocument,
} from '../dist/index.js'
import { serve } from '../dist/service-worker.js'

const schema = defineSchema({
  version: 3,
  minReader: 2,
  minWriter: 3,
  scopes: { mine: { tasks: { title: ['$principal', null], done: false } } },
  tables: {
    steps: {
      fields: { name: 'string', latest: 'string?' },
      rollups: {
        task_count: { count: 'tasks' },
        complete: { all: 'tasks', where: { done: true } },
        progress: { average: 'tasks', of: 'hours', where: { title: ['a', 'b'] } },
        latest: { max: 'tasks', of: 'title', by: 'step_id', write: true },
      },
      pull: { everyMs: 60_000, scope: 'mine' },
    },
    tasks: {
      fields: { step_id: 'string', title: 'string', done: 'boolean', hours: 'number?', tags: 'json?' },
      references: { step_id: { table: 'steps', onDelete: 'cascade' } },
      indexes: ['step_id', ['title', 'done']],
      priority: { default: 'low', fields: { done: 'high' } },
      unique: [['step_id', 'title']],
      alike: ['title'],
      conflict: { detect: 'hash', strategy: 'merge' },
      rules: {
        title: presets.status('open', 'done'),
        done: { latest: true, notify: true },
        hours: 'counter',
        tags: presets.timeLogs(),
        'tags.*.note': 'text',
        step_id: { function: 'nearest' },
      },
    },
  },
})

// @ts-expect-error there is no such way to merge
defineSchema({ version: 1, tables: { a: { fields: { b: 'string' }, rules: { b: 'newest' } } } })
// @ts-expect-error there is no such strategy
defineSchema({ version: 1, conflict: { strategy: 'mine' }, tables: { a: { fields: { b: 'string' } } } })

// @ts-expect-error there is no such type of field
defineSchema({ version: 1, tables: { a: { fields: { b: 'text' } } } })
// @ts-expect-error a schema has a version
defineSchema({ tables: {} })
// @ts-expect-error there is no such roll-up
defineSchema({ version: 1, tables: { a: { fields: { b: 'string' }, rollups: { c: { median: 'd' } } } } })
// @ts-expect-error all of them must meet a condition
defineSchema({ version: 1, tables: { a: { fields: { b: 'string' }, rollups: { c: { all: 'd' } } } } })

export async function use(): Promise<void> {
  const db = await open({
    name: 'types',
    schema,
    scope: 'mine',
    remote: { url: '/api/sync', token: async () => 'token', live: false },
  })
  const { steps, tasks } = db.tables
  const step = await steps.create({ name: 'Dig' })
  const task = await tasks.create({ step_id: step.id, title: 'Splice', done: false, tags: ['a', { b: null }] })
  const title: string = task.title
  const hours: number | null | undefined = task.hours
  const version: number | null = task._version
  await tasks.update(task.id, { done: true, hours: undefined }, { priority: 'critical', durability: 'strict' })
  await tasks.createMany([{ step_id: step.id, title, done: true, hours: hours ?? null }])
  const rows: readonly RecordIn<typeof schema, 'tasks'>[] = await tasks.query({
    index: ['title', 'done'],
    range: { gte: ['a'], lt: ['b', true] },
    order: 'desc',
    limit: 5,
  })
  const stop: () => void = tasks.subscribe({ index: 'step_id', equals: step.id }, found => found.map(row => row.done))
  const off: () => void = db.on('conflict', mutation => mutation.recordId)
  db.on('state', state => state.pending + (version ?? 0) + rows.length)
  stop()
  off()

  const [count, complete, progress, latest]: [number, boolean, number | null, string | null] = [
    step.task_count,
    step.complete,
    step.progress,
    step.latest,
  ]
  const { healthy, reasons, perTable } = await db.health()
  const [line] = await db.activity({ limit: 1 })
  if (line?.what.kind === 'parked') line.what.reason.code satisfies string
  for (const reason of reasons)
    if (reason.kind === 'stuck' && reason.why === 'failing') reason.code satisfies string
    else if (reason.kind === 'held') reason.why satisfies string
  const taking = await db.locks.take('tasks', task.id)
  if (taking.granted) taking.until satisfies number
  else if (taking.reason === 'held') taking.holder.principal satisfies string
  // @ts-expect-error nobody may be known
  else taking.holder.principal
  const since: number | undefined = db.locks.of('tasks', task.id)?.until
  // @ts-expect-error there is no such table
  db.locks.of('projects', task.id)
  db.on('lock', ({ until, recordId }) => until === null && db.locks.list().every(lock => lock.recordId !== recordId))
  db.on('remote-change', ({ table, ids, principal, at }) => [table, ...ids, principal ?? '', at, since])
  db.on('outdated', ({ stillReads }) => stillReads && healthy && perTable['tasks']?.pushed)
  void [count, complete, progress, latest]
  // @ts-expect-error a roll-up is not written, declared as a field or not
  steps.create({ name: 'Dig', latest: 'a' })
  // @ts-expect-error a roll-up is not written
  steps.update('1', { task_count: 5 })
  // @ts-expect-error a roll-up is not removed
  steps.update('1', { complete: undefined })

  // @ts-expect-error there is no such scope
  open({ name: 'types', schema, scope: 'yours' })
  // @ts-expect-error there is no scope at all
  open({ name: 'types', schema: { version: 1, tables: { a: { fields: { b: 'string' } } } }, scope: 'mine' })
  open({ name: 'types', schema: JSON.parse('{}') as SchemaDocument, scope: 'whatever the document has' })
  // @ts-expect-error there is no such table
  db.tables.projects
  // @ts-expect-error a required field is left out
  tasks.create({ title: 'Splice', done: false })
  // @ts-expect-error a value of another type
  tasks.create({ step_id: '1', title: 5, done: false })
  // @ts-expect-error there is no such field
  tasks.create({ step_id: '1', title: 'Splice', done: false, colour: 'red' })
  // @ts-expect-error a required field cannot be null
  tasks.update('1', { title: null })
  // @ts-expect-error sync metadata is not written
  tasks.update('1', { _version: 2 })
  // @ts-expect-error a record is frozen
  task.title = 'Dig'
  // @ts-expect-error what is not JSON
  tasks.update('1', { tags: new Date() })
  // @ts-expect-error there is no such order
  tasks.query({ order: 'up' })
  // @ts-expect-error there is no such event
  db.on('sync', () => {})
  // @ts-expect-error there is no such priority
  tasks.delete('1', { priority: 'urgent' })

  const { conflicts, total } = await db.conflicts.list({ state: 'open', kind: 'update-update', limit: 20 })
  for (const { id, rulings } of conflicts) {
    const path = rulings[0]?.path ?? []
    const { merged, settled } = await db.conflicts.preview(id, { choices: [{ path, choose: 'ours' }] })
    if (settled && merged !== null)
      await db.conflicts.resolve(id, { strategy: 'merge', choices: { title: { value: total } } })
  }
  await db.conflicts.resolveAlike({ table: 'tasks' }, 'server-wins')
  // @ts-expect-error there is no such strategy
  db.conflicts.resolve('1', 'mine')
  // @ts-expect-error there is no such choice
  db.conflicts.resolve('1', { choices: { title: 'mine' } })
  // @ts-expect-error there is no such state
  db.conflicts.list({ state: 'closed' })

  await tasks.delete(task.id).catch((error: unknown) => {
    if (isLandfallError(error) && error.retryable) return
    if (hasErrorCode(error, 'record-not-found', 'reference-in-use')) {
      const code: 'record-not-found' | 'reference-in-use' = error.code
      throw new Error(code)
    }
    // @ts-expect-error there is no such code
    hasErrorCode(error, 'not-found')
  })
}

serve({ name: 'types', schema, remote: { url: '/api/sync' }, shell: ['/'], version: '1', wasm: '/engine.wasm' })
// @ts-expect-error a classic script cannot find the engine by itself
serve({ name: 'types', schema, remote: { url: '/api/sync' }, shell: ['/'], version: '1' })
