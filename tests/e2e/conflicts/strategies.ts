import assert from 'node:assert/strict'
import type { Json } from 'landfall'
import type { Case } from './cases.js'
import { fieldsOf, type Person, tableOf } from './two.js'
import type { TableName } from '../site/conflicts/schema.js'

const versions = { path: ['title'], base: 'Splice', ours: "Ana's", theirs: "Ben's" }

/** By the table's strategy, with nobody asked. */
function decided(table: TableName, by: string, wins: Person, later: Person): Case {
  return {
    name: `${table}: ${later} wrote later, and ${wins} wins`,
    run: async two => {
      const id = await two.shared(table, { title: 'Splice' })
      await two.meet(table, id, { title: "Ben's" }, { title: "Ana's" }, later)
      await two.settle()
      const title = wins === 'ana' ? "Ana's" : "Ben's"
      assert.deepEqual(await two.server(table, id), { title })
      const kept = await two.only(two.ana)
      assert.deepEqual(kept.rulings, [{ ...versions, by, value: title }])
      assert.deepEqual([kept.state, kept.class, kept.merged], ['settled', 'definite', { title }])
      assert.deepEqual([kept.resolution?.how, kept.resolution?.by], ['rules', 'ana'])
      assert.equal(kept.resolution?.mutation === null, wins === 'ben')
    },
  }
}

/** What nobody has decided: nothing is overwritten, and all three versions are there. */
function waiting(table: TableName): Case {
  return {
    name: `${table}: it waits for a person, and nothing is overwritten`,
    run: async two => {
      const id = await two.shared(table, { title: 'Splice' })
      await two.meet(table, id, { title: "Ben's" }, { title: "Ana's" })
      const open = await two.only(two.ana, { state: 'open' })
      assert.deepEqual(open.rulings, [versions])
      assert.deepEqual(
        [open.base, open.ours, open.theirs],
        [{ title: 'Splice' }, { title: "Ana's" }, { title: "Ben's" }],
      )
      assert.deepEqual([open.kind, open.class, open.theirVersion], ['update-update', 'definite', 2])
      assert.equal(open.resolution, null)
      const [record] = await two.records(table)
      assert.deepEqual([record?.data, record?.version], [{ title: "Ben's" }, 2])
      const shown = await tableOf(two.ana, table).get(id)
      assert.deepEqual([shown?._syncStatus, shown?._syncReason], ['conflict', 'conflict'])
      assert.deepEqual(fieldsOf(shown), { title: "Ana's" })
      assert.deepEqual(
        (await two.ana.outbox.list()).map(({ id, state }) => [id, state]),
        [[open.id, 'conflict']],
      )
    },
  }
}

const untouched: Case = {
  name: 'what nobody else touched is merged without a word',
  run: async two => {
    const id = await two.shared('tasks', { title: 'Splice' })
    await two.meet('tasks', id, { assignee: 'ben' }, { status: 'in_progress' })
    await two.settle()
    const merged = { title: 'Splice', assignee: 'ben', status: 'in_progress' }
    assert.deepEqual(await two.server('tasks', id), merged)
    assert.deepEqual(await two.ana.conflicts.list(), { conflicts: [], total: 0 })
    assert.deepEqual((await two.ana.conflicts.stats()).merged, { tasks: 1 })
    assert.deepEqual(await two.told('ana'), [])
  },
}

/** What the rule of its field, if there is one, does not settle. */
function undecided(what: string, field: string, base: Json, ours: Json, theirs: Json): Case {
  return {
    name: `${what} waits for a person`,
    run: async two => {
      const id = await two.shared('tasks', { title: 'Splice', [field]: base })
      await two.meet('tasks', id, { [field]: theirs, visits: 1 }, { [field]: ours, visits: 2 })
      const open = await two.only(two.ana, { state: 'open' })
      assert.deepEqual(open.rulings, [
        { path: [field], base, ours, theirs },
        { path: ['visits'], ours: 2, theirs: 1, by: 'counter', value: 3 },
      ])
      // Theirs stands until somebody decides.
      assert.deepEqual(open.merged, { title: 'Splice', [field]: theirs, visits: 3 })
      assert.deepEqual(await two.server('tasks', id), { title: 'Splice', [field]: theirs, visits: 1 })
    },
  }
}

/** Ben changes it and changes it back: another version and a later time, with the same content. */
function detected(table: TableName, meets: boolean): Case {
  return {
    name: `${table}: a change that was taken back ${meets ? 'is met' : 'is not noticed'}, another one is a conflict`,
    run: async two => {
      const id = await two.shared(table, { title: 'Splice' })
      await two.apart('ana', async () => {
        for (const title of ["Ben's", 'Splice']) {
          await tableOf(two.ben, table).update(id, { title })
          await two.sync(two.ben)
        }
        await tableOf(two.ana, table).update(id, { title: "Ana's" })
      })
      await two.settle()
      assert.deepEqual((await two.ana.conflicts.stats()).merged, meets ? { [table]: 1 } : {})
      assert.deepEqual(await two.server(table, id), { title: "Ana's" }, 'nobody’s change is in its way')
      assert.equal((await two.ana.conflicts.list()).total, 0)

      await two.meet(table, id, { title: 'B' }, { title: 'A' })
      const open = await two.only(two.ana)
      assert.deepEqual([open.state, open.ours, open.theirs], ['open', { title: 'A' }, { title: 'B' }])
      assert.deepEqual(await two.server(table, id), { title: 'B' })
    },
  }
}

export const strategies: readonly Case[] = [
  decided('server_wins', 'server', 'ben', 'ana'),
  decided('client_wins', 'client', 'ana', 'ben'),
  decided('last_write_wins', 'latest', 'ben', 'ben'),
  decided('last_write_wins', 'latest', 'ana', 'ana'),
  waiting('merged'),
  waiting('manual'),
  untouched,
  undecided('what a function of the app does not decide', 'remark', 'dry', 'new', 'wet'),
  undecided('a line of text that both changed', 'notes', 'a\nb', 'a\nB', 'a\nb!'),
  undecided('a status that is in no progression', 'status', 'not_started', 'blocked', 'completed'),
  undecided('a number without a rule', 'depth', 10, 12, 11),
  detected('by_version', true),
  detected('by_timestamp', true),
  detected('by_hash', false),
]
