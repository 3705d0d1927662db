import assert from 'node:assert/strict'
import { looseSchema } from '../site/conflicts/schema.js'
import type { Case } from './cases.js'
import { fieldsOf, tableOf } from './two.js'

const reloaded: Case = {
  name: 'an open conflict outlives its page, is decided in the next one, and the history outlives that',
  run: async two => {
    const id = await two.shared('tasks', { title: 'Splice', visits: 1 })
    await two.meet('tasks', id, { title: "Ben's", visits: 2 }, { title: "Ana's", visits: 3 })
    const open = await two.only(two.ana)
    await two.reload()
    assert.deepEqual(await two.only(two.ana), open)
    assert.deepEqual((await two.ana.tables.tasks.get(id))?._syncStatus, 'conflict')
    assert.deepEqual(await two.server('tasks', id), { title: "Ben's", visits: 2 })

    await two.ana.conflicts.resolve(open.id, { choices: [{ path: ['title'], choose: 'ours' }] })
    await two.settle()
    const settled = await two.only(two.ana)
    await two.reload()
    assert.deepEqual(await two.only(two.ana), settled)
    assert.deepEqual(settled.rulings, [
      { path: ['title'], base: 'Splice', ours: "Ana's", theirs: "Ben's", by: 'person', value: "Ana's" },
      { path: ['visits'], base: 1, ours: 3, theirs: 2, by: 'counter', value: 4 },
    ])
    assert.deepEqual((await two.ana.conflicts.stats()).byHow, { manual: 1 })
    // What one page settled another one takes back.
    await two.ana.conflicts.undo(settled.id)
    await two.settle()
    assert.deepEqual(await two.server('tasks', id), { title: "Ben's", visits: 2 })
  },
}

const elsewhere: Case = {
  name: 'what one opening of a database finds another one lists, decides and takes back',
  run: async two => {
    const id = await two.shared('manual', { title: 'Splice' })
    const other = await two.another('ana')
    await two.meet('manual', id, { title: "Ben's" }, { title: "Ana's" })
    const open = await two.only(two.ana)
    assert.deepEqual(await two.only(other), open)
    await other.conflicts.resolve(open.id, 'client-wins')
    const { resolution, state } = await two.only(two.ana)
    assert.deepEqual([state, resolution?.how], ['settled', 'client-wins'])
    await assert.rejects(two.ana.conflicts.resolve(open.id, 'server-wins'), { code: 'conflict-settled' })
    await two.settle()
    assert.deepEqual(await two.server('manual', id), { title: "Ana's" })
    await two.ana.conflicts.undo(open.id)
    await assert.rejects(other.conflicts.undo(open.id), { code: 'conflict-undone' })
    await two.settle()
    assert.deepEqual(await two.server('manual', id), { title: "Ben's" })
    await other.close()
  },
}

const rejected: Case = {
  name: 'a change that the server refuses is rolled back, says what and why, and can be corrected',
  release: looseSchema,
  run: async two => {
    const id = await two.shared('readings', { title: 'Meter', value: 1 })
    const table = tableOf(two.ana, 'readings')
    await two.apart('ana', async () => {
      await table.update(id, { value: 'high' })
      assert.deepEqual(fieldsOf(await table.get(id)), { title: 'Meter', value: 'high' }, 'it is shown at once')
    })
    const shown = await table.get(id)
    assert.deepEqual(fieldsOf(shown), { title: 'Meter', value: 1 })
    assert.equal(shown?._syncReason, 'rejected')
    assert.deepEqual(await two.server('readings', id), { title: 'Meter', value: 1 })

    const [parked, ...others] = await two.ana.outbox.list()
    assert.deepEqual(others, [])
    assert.deepEqual([parked?.state, parked?.data], ['rejected', { value: 'high' }], 'what was written is still there')
    const { error } = parked ?? {}
    assert.deepEqual([error?.code, error?.field, error?.class], ['invalid-value', 'value', 'validation'])
    assert.notEqual(error?.message ?? '', '')
    const told = await two.told('ana')
    assert.deepEqual(told, [{ event: 'rejected', about: parked }])
    const { sentence, reason } = await two.ana.explain('readings', id)
    assert.equal(reason, 'rejected')
    assert.match(sentence, /`value` must be a number or null \(invalid-value\)/)
    assert.equal((await two.ana.conflicts.list()).total, 0, 'it is no conflict')

    await two.ana.outbox.retry(parked?.id ?? '', { value: 7 })
    await two.settle()
    assert.deepEqual(await two.server('readings', id), { title: 'Meter', value: 7 })
  },
}

export const keeping: readonly Case[] = [reloaded, elsewhere, rejected]
