import assert from 'node:assert/strict'
import type { Case } from './cases.js'
import { fieldsOf, tableOf, type Two } from './two.js'
import type { TableName } from '../site/conflicts/schema.js'

/** Ana changes what Ben deletes. */
async function updateMeetsDeletion(two: Two, table: TableName, id: string): Promise<void> {
  await two.apart('ana', async () => {
    await tableOf(two.ana, table).update(id, { title: "Ana's" })
    await tableOf(two.ben, table).delete(id)
    await two.sync(two.ben)
  })
}

/** Ana deletes what Ben changes. */
async function deletionMeetsUpdate(two: Two, table: TableName, id: string): Promise<void> {
  await two.apart('ana', async () => {
    await tableOf(two.ana, table).delete(id)
    await tableOf(two.ben, table).update(id, { title: "Ben's" })
    await two.sync(two.ben)
  })
}

const deletionWins: Case = {
  name: 'update meets deletion: the deletion stands, the edits are kept, and undone they are a new record',
  run: async two => {
    const id = await two.shared('merged', { title: 'Splice' })
    await updateMeetsDeletion(two, 'merged', id)
    await two.settle()
    assert.equal(await two.server('merged', id), undefined)
    assert.equal(await tableOf(two.ana, 'merged').get(id), undefined)
    const kept = await two.only(two.ana)
    assert.deepEqual([kept.state, kept.kind, kept.class], ['settled', 'update-delete', 'definite'])
    assert.deepEqual([kept.ours, kept.theirs, kept.merged], [{ title: "Ana's" }, null, null])
    assert.deepEqual([kept.base, kept.resolution?.how], [{ title: 'Splice' }, 'rules'])

    assert.notEqual(await two.ana.conflicts.undo(kept.id), null)
    await two.settle()
    const anew = await two.records('merged')
    assert.deepEqual(
      anew.map(({ version, data }) => [version, data]),
      [[1, { title: "Ana's" }]],
    )
    assert.notEqual(anew[0]?.id, id)
    assert.equal((await two.only(two.ana)).state, 'undone')
  },
}

function updateOrDeletion(strategy: 'server-wins' | 'client-wins'): Case {
  const lives = strategy === 'client-wins'
  return {
    name: `update meets deletion: a person decides, and ${strategy} makes it ${lives ? 'live' : 'stay deleted'}`,
    run: async two => {
      const id = await two.shared('manual', { title: 'Splice' })
      await updateMeetsDeletion(two, 'manual', id)
      const open = await two.only(two.ana)
      assert.deepEqual([open.state, open.kind], ['open', 'update-delete'])
      assert.deepEqual([open.base, open.ours, open.theirs], [{ title: 'Splice' }, { title: "Ana's" }, null])

      await two.ana.conflicts.resolve(open.id, strategy)
      await two.settle()
      const made = await two.records('manual')
      assert.deepEqual(
        made.map(({ data }) => data),
        lives ? [{ title: "Ana's" }] : [],
      )
      assert.equal(await two.server('manual', id), undefined, 'what was deleted does not come back under its id')
      const { resolution, ...kept } = await two.only(two.ana)
      assert.deepEqual([kept.state, resolution?.how, resolution?.by], ['settled', strategy, 'ana'])
      assert.deepEqual(kept.merged, lives ? { title: "Ana's" } : null)
    },
  }
}

function deletionOrUpdate(strategy: 'server-wins' | 'client-wins'): Case {
  const lives = strategy === 'server-wins'
  return {
    name: `deletion meets update: ${strategy} makes it ${lives ? 'live' : 'be deleted'}, and undone it is the other way`,
    run: async two => {
      const id = await two.shared('merged', { title: 'Splice' })
      await deletionMeetsUpdate(two, 'merged', id)
      const open = await two.only(two.ana)
      assert.deepEqual([open.state, open.kind, open.class], ['open', 'delete-update', 'definite'])
      assert.deepEqual([open.base, open.ours, open.theirs], [{ title: 'Splice' }, null, { title: "Ben's" }])
      assert.deepEqual(await two.server('merged', id), { title: "Ben's" })

      await two.ana.conflicts.resolve(open.id, strategy)
      await two.settle()
      assert.deepEqual(await two.server('merged', id), lives ? { title: "Ben's" } : undefined)

      await two.ana.conflicts.undo(open.id)
      await two.settle()
      const { resolution, state } = await two.only(two.ana)
      assert.deepEqual([state, resolution?.how, resolution?.undone?.by], ['undone', strategy, 'ana'])
      const titles = (await two.records('merged')).map(({ data }) => data['title'])
      assert.deepEqual(titles, lives ? [] : ["Ben's"])
    },
  }
}

/** Ben creates a pump of a serial number without a network, with a wrench; Ana has created one of that number already. */
async function bothCreate(two: Two, serial: string): Promise<{ readonly ours: string; readonly theirs: string }> {
  let ours = ''
  await two.apart('ben', async () => {
    const pump = await two.ben.tables.tasks.create({ title: "Ben's pump", serial, status: 'completed' })
    await two.ben.tables.tools.create({ name: 'wrench', task_id: pump.id })
    ours = pump.id
    await two.ana.tables.tasks.create({ title: "Ana's pump", serial, notes: 'hers' })
    await two.sync(two.ana)
  })
  const [hers] = await two.records('tasks')
  return { ours, theirs: hers?.id ?? '' }
}

function oneKey(strategy: 'server-wins' | 'client-wins', title: string): Case {
  return {
    name: `creation meets creation: two records of one natural key become one, by ${strategy}`,
    run: async two => {
      const serial = `P-${strategy}`
      const { ours, theirs } = await bothCreate(two, serial)
      const open = await two.only(two.ben)
      assert.deepEqual([open.state, open.kind, open.holder], ['open', 'create-create', theirs])
      const anas = { title: "Ana's pump", serial, notes: 'hers' }
      assert.deepEqual([open.base, open.theirs], [null, anas])
      assert.deepEqual(open.ours, { title: "Ben's pump", serial, status: 'completed' })
      assert.deepEqual(open.rulings, [{ path: ['title'], ours: "Ben's pump", theirs: "Ana's pump" }])
      assert.deepEqual(
        (await two.ben.outbox.list()).map(({ table, state }) => [table, state]),
        [
          ['tasks', 'conflict'],
          ['tools', 'blocked'],
        ],
      )

      await two.ben.conflicts.resolve(open.id, strategy)
      await two.settle()
      const merged = { ...anas, title, status: 'completed' }
      const held = (await two.records('tasks')).map(({ id, data }) => [id, data])
      assert.deepEqual(held, [[theirs, merged]])
      // What hangs on ours comes along, and who knows ours by its old id finds what it became.
      const tools = (await two.records('tools')).map(({ data }) => data)
      assert.deepEqual(tools, [{ name: 'wrench', task_id: theirs }])
      const found = await tableOf(two.ben, 'tasks').get(ours)
      assert.deepEqual([found?.id, fieldsOf(found)], [theirs, merged])
      const kept = await two.only(two.ben)
      assert.deepEqual([kept.recordId, kept.resolution?.how, kept.merged], [theirs, strategy, merged])
    },
  }
}

const nothingContested: Case = {
  name: 'creation meets creation: where nothing is contested, they become one with nobody asked',
  run: async two => {
    const common = { title: 'Pump', serial: 'P-common' }
    await two.apart('ben', async () => {
      await two.ben.tables.tasks.create({ ...common, status: 'completed' })
      await two.ana.tables.tasks.create({ ...common, notes: 'hers' })
      await two.sync(two.ana)
    })
    await two.settle()
    const merged = { ...common, notes: 'hers', status: 'completed' }
    assert.deepEqual(
      (await two.records('tasks')).map(({ version, data }) => [version, data]),
      [[2, merged]],
    )
    const kept = await two.only(two.ben)
    assert.deepEqual([kept.state, kept.kind, kept.class], ['settled', 'create-create', 'potential'])
    assert.deepEqual([kept.rulings, kept.merged, kept.resolution?.how], [[], merged, 'rules'])
  },
}

const twoKeys: Case = {
  name: 'creation meets creation: both are kept under two natural keys',
  run: async two => {
    await bothCreate(two, 'P-both')
    const open = await two.only(two.ben)
    await two.ben.outbox.retry(open.id, { serial: 'P-other' })
    await two.settle()
    const held = (await two.records('tasks')).map(({ data }) => data)
    assert.deepEqual(held, [
      { title: "Ana's pump", serial: 'P-both', notes: 'hers' },
      { title: "Ben's pump", serial: 'P-other', status: 'completed' },
    ])
    const ours = (await two.records('tasks'))[1]?.id
    assert.deepEqual(
      (await two.records('tools')).map(({ data }) => data),
      [{ name: 'wrench', task_id: ours }],
    )
    assert.equal((await two.ben.conflicts.list()).total, 0, 'nothing lost')
  },
}

const alike: Case = {
  name: 'creation meets creation: without a natural key both are there, and somebody is told',
  run: async two => {
    await two.apart('ben', async () => {
      await two.ben.tables.sites.create({ title: 'Harbour' })
      await two.ana.tables.sites.create({ title: 'Harbour' })
      await two.sync(two.ana)
    })
    await two.settle()
    assert.equal((await two.records('sites')).length, 2)
    const lines = [...(await two.ana.activity()), ...(await two.ben.activity())]
    assert.equal(lines.filter(({ what }) => what.kind === 'alike').length, 2)
    assert.equal((await two.ben.conflicts.list()).total, 0)
  },
}

export const kinds: readonly Case[] = [
  deletionWins,
  updateOrDeletion('server-wins'),
  updateOrDeletion('client-wins'),
  deletionOrUpdate('server-wins'),
  deletionOrUpdate('client-wins'),
  oneKey('server-wins', "Ana's pump"),
  oneKey('client-wins', "Ben's pump"),
  nothingContested,
  twoKeys,
  alike,
]
