import assert from 'node:assert/strict'
import type { Decision } from 'landfall'
import type { Case } from './cases.js'
import { type Person, tableOf, type Two } from './two.js'
import type { Fields } from './world.js'

const base = { title: 'Splice', visits: 1 }

/** Both gave it another title, which nobody but a person can decide, and counted visits, which rules can. */
async function titled(two: Two, bens: Fields = {}, anas: Fields = {}) {
  const id = await two.shared('tasks', base)
  await two.meet('tasks', id, { title: "Ben's", visits: 2, ...bens }, { title: "Ana's", visits: 3, ...anas })
  return { id, open: await two.only(two.ana, { state: 'open' }) }
}

const title = { path: ['title'], base: 'Splice', ours: "Ana's", theirs: "Ben's" }
const visits = { path: ['visits'], base: 1, ours: 3, theirs: 2 }

function byHand(strategy: 'server-wins' | 'client-wins'): Case {
  const server = { title: "Ben's", visits: 2 }
  const client = { title: "Ana's", visits: 3 }
  const both = { due: '2026-01-01', notes: 'hers' }
  const [won, lost] = strategy === 'server-wins' ? [server, client] : [client, server]
  return {
    name: `${strategy} by hand settles all that is contested, and undo brings back what lost`,
    run: async two => {
      const { id, open } = await titled(two, { due: '2026-01-01' }, { notes: 'hers' })
      await two.ana.conflicts.resolve(open.id, strategy)
      await two.settle()
      assert.deepEqual(await two.server('tasks', id), { ...won, ...both }, 'what one side alone changed is that side’s')
      const settled = await two.only(two.ana)
      const by = strategy === 'server-wins' ? 'server' : 'client'
      assert.deepEqual(settled.rulings, [
        { ...title, by, value: won.title },
        { ...visits, by, value: won.visits },
      ])
      assert.deepEqual([settled.state, settled.resolution?.how, settled.resolution?.by], ['settled', strategy, 'ana'])

      assert.notEqual(await two.ana.conflicts.undo(open.id), null, 'it goes to the server as a change like any other')
      await two.settle()
      assert.deepEqual(await two.server('tasks', id), { ...lost, ...both })
      const undone = await two.only(two.ana)
      assert.deepEqual([undone.state, undone.resolution?.undone?.by], ['undone', 'ana'])
      assert.deepEqual(undone.rulings, settled.rulings, 'the history stays')
      await assert.rejects(two.ana.conflicts.undo(open.id), { name: 'ConflictError', code: 'conflict-undone' })
      const told = (await two.told('ana')).map(({ about }) => about.state)
      assert.deepEqual(told, ['open', 'settled', 'undone'])
    },
  }
}

function laterByHand(later: Person): Case {
  return {
    name: `last-write-wins by hand: ${later} wrote later`,
    run: async two => {
      const id = await two.shared('manual', { title: 'Splice' })
      await two.meet('manual', id, { title: "Ben's" }, { title: "Ana's" }, later)
      const { id: conflict } = await two.only(two.ana, { state: 'open' })
      await two.ana.conflicts.resolve(conflict, 'last-write-wins')
      await two.settle()
      const value = later === 'ana' ? "Ana's" : "Ben's"
      assert.deepEqual(await two.server('manual', id), { title: value })
      const { resolution, rulings } = await two.only(two.ana)
      assert.deepEqual(rulings, [{ ...title, by: 'latest', value }])
      assert.deepEqual([resolution?.how, resolution?.by], ['last-write-wins', 'ana'])
    },
  }
}

const handMerge: Case = {
  name: 'a merge by hand: previewed first, of values, versions and what rules make',
  run: async two => {
    const { id, open } = await titled(
      two,
      { address: { city: 'Thun', zip: 2 }, remark: 'one' },
      { address: { city: 'Biel', zip: 3 }, remark: 'two' },
    )
    const city = { path: ['address', 'city'], ours: 'Biel', theirs: 'Thun' }
    const zip = { path: ['address', 'zip'], ours: 3, theirs: 2 }
    const remark = { path: ['remark'], ours: 'two', theirs: 'one' }
    const counted = { ...visits, by: 'counter', value: 4 }
    const undecided = open.rulings.filter(({ by }) => by === undefined)
    assert.deepEqual(undecided, [zip, remark, title])

    const decision: Decision = {
      choices: { title: { value: "Ben's and Ana's" }, 'address.zip': 'ours', remark: {} },
    }
    const merged = { title: "Ben's and Ana's", visits: 4, address: { city: 'Thun', zip: 3 } }
    const rulings = [
      { ...city, by: 'server', value: 'Thun' },
      { ...zip, by: 'person', value: 3 },
      { ...remark, by: 'person' },
      { ...title, by: 'person', value: "Ben's and Ana's" },
      counted,
    ]
    const preview = await two.ana.conflicts.preview(open.id, decision)
    assert.deepEqual([preview.settled, preview.merged, preview.rulings], [true, merged, rulings])
    assert.equal((await two.only(two.ana)).state, 'open', 'a preview changes nothing')
    const half = await two.ana.conflicts.preview(open.id, { choices: { title: 'theirs' } })
    assert.equal(half.settled, false)

    await two.ana.conflicts.resolve(open.id, decision)
    await two.settle()
    assert.deepEqual(await two.server('tasks', id), merged)
    const kept = await two.only(two.ana)
    assert.deepEqual([kept.state, kept.merged, kept.rulings], ['settled', merged, rulings])
    assert.deepEqual([kept.resolution?.how, kept.resolution?.by], ['manual', 'ana'])
  },
}

const refusals: Case = {
  name: 'what does not settle it is refused with its place, and nothing is lost',
  run: async two => {
    const { id, open } = await titled(two)
    const { conflicts } = two.ana
    const refused = async (decision: Decision, expected: object) => {
      await assert.rejects(conflicts.resolve(open.id, decision), expected)
      assert.deepEqual(await two.only(two.ana), open)
    }
    await refused({}, { name: 'ConflictError', code: 'conflict-open', field: 'title' })
    await refused('merge', { code: 'conflict-open', field: 'title' })
    await refused({ choices: { title: { value: 7 } } }, { code: 'invalid-value', field: 'title' })
    await refused({ choices: { title: {} } }, { code: 'invalid-value', field: 'title' })
    const word = 'mine' as Decision
    await refused(word, { name: 'InputError', code: 'invalid-value', field: 'decision' })
    const unknown = '019b0000-0000-7000-8000-000000000000'
    await assert.rejects(conflicts.resolve(unknown, 'client-wins'), { code: 'conflict-not-found' })
    assert.equal(await conflicts.get(unknown), null)
    await assert.rejects(conflicts.undo(open.id), { code: 'conflict-not-settled' })
    // Of several all or none.
    await assert.rejects(conflicts.resolve([open.id, unknown], 'client-wins'), { code: 'conflict-not-found' })
    assert.deepEqual(await conflicts.get(open.id), open)
    assert.deepEqual(await two.server('tasks', id), { title: "Ben's", visits: 2 })

    // What is written while it is open is part of it.
    await two.ana.tables.tasks.update(id, { notes: 'x' })
    assert.deepEqual((await two.only(two.ana)).ours, { title: "Ana's", visits: 3, notes: 'x' })
    await conflicts.resolve(open.id, 'server-wins')
    await assert.rejects(conflicts.resolve(open.id, 'client-wins'), { code: 'conflict-settled' })
    await two.settle()
    assert.deepEqual(await two.server('tasks', id), { title: "Ben's", visits: 2, notes: 'x' })
  },
}

const outlived: Case = {
  name: 'an undo overwrites nothing that somebody wrote since',
  run: async two => {
    const { id, open } = await titled(two)
    await two.ana.conflicts.resolve(open.id, 'client-wins')
    await two.settle()
    await two.ben.tables.tasks.update(id, { title: 'Later' })
    await two.sync(two.ben)
    await two.settle()
    await assert.rejects(two.ana.conflicts.undo(open.id), { code: 'conflict-outlived', field: 'title' })
    assert.deepEqual(await two.server('tasks', id), { title: 'Later', visits: 3 })
    assert.equal((await two.only(two.ana)).state, 'settled')
  },
}

const givenUp: Case = {
  name: 'what is given up is kept, and can be taken back',
  run: async two => {
    const { id, open } = await titled(two, {}, { notes: 'hers' })
    assert.equal(await two.ana.outbox.discard(open.id), 'discarded')
    await two.settle()
    assert.deepEqual(await two.server('tasks', id), { title: "Ben's", visits: 2 })
    const kept = await two.only(two.ana)
    assert.deepEqual([kept.state, kept.resolution?.how, kept.resolution?.by], ['settled', 'discarded', 'ana'])
    assert.deepEqual(kept.ours, { title: "Ana's", visits: 3, notes: 'hers' })
    await two.ana.conflicts.undo(open.id)
    await two.settle()
    assert.deepEqual(await two.server('tasks', id), { title: "Ana's", visits: 3, notes: 'hers' })
  },
}

const many: Case = {
  name: 'many alike are settled at once; they are listed by filter and page, counted, and forgotten',
  run: async two => {
    const ids: string[] = []
    for (let at = 0; at < 5; at += 1) ids.push(await two.shared('tasks', { title: `task ${at}`, remark: 'dry' }))
    const manual = await two.shared('manual', { title: 'Splice' })
    await two.apart('ana', async () => {
      for (const id of ids) {
        const first = id === ids[0]
        await two.ben.tables.tasks.update(id, { title: "Ben's", ...(first ? { remark: 'wet' } : {}) })
        await two.ana.tables.tasks.update(id, { title: "Ana's", ...(first ? { remark: 'new' } : {}) })
      }
      await two.ana.tables.manual.update(manual, { title: "Ana's" })
      await two.ben.tables.manual.delete(manual)
      await two.sync(two.ben)
    })
    const { conflicts } = two.ana
    const tally = (open: number, settled: number, undone = 0) => ({ open, settled, undone })
    assert.deepEqual(await conflicts.stats(), {
      all: tally(6, 0),
      byTable: { manual: tally(1, 0), tasks: tally(5, 0) },
      byKind: { 'update-delete': tally(1, 0), 'update-update': tally(5, 0) },
      byHow: {},
      byField: { 'tasks.remark': 1, 'tasks.title': 5 },
      merged: {},
    })

    const records = async (query: Parameters<typeof conflicts.list>[0]) => {
      const { conflicts: found, total } = await conflicts.list(query)
      return [found.map(({ recordId }) => recordId), total]
    }
    const tasks = { table: 'tasks' }
    const [oldest] = (await records({ ...tasks, order: 'oldest' })) as [string[]]
    assert.deepEqual([...oldest].sort(), [...ids].sort())
    assert.deepEqual(await records(tasks), [[...oldest].reverse(), 5], 'the newest first')
    assert.deepEqual(await records({ ...tasks, order: 'record' }), [[...ids].sort(), 5])
    assert.deepEqual(await records({ ...tasks, order: 'oldest', offset: 1, limit: 2 }), [oldest.slice(1, 3), 5])
    assert.deepEqual(await records({ field: 'remark' }), [[ids[0]], 1])
    assert.deepEqual(await records({ kind: 'update-delete' }), [[manual], 1])
    assert.deepEqual(await records({ recordId: ids[2] ?? '' }), [[ids[2]], 1])
    assert.deepEqual(await records({ state: 'settled' }), [[], 0])
    await assert.rejects(conflicts.list({ tables: 'tasks' } as object), { code: 'invalid-value', field: 'filter' })

    // One of them has another open value besides, which this does not settle.
    const alike = await conflicts.resolveAlike({ ...tasks, field: 'title' }, { choices: { title: 'ours' } })
    const first = await two.only(two.ana, { field: 'remark' })
    assert.deepEqual([alike.settled.length, alike.open], [4, [first.id]])
    assert.deepEqual(await conflicts.resolveAlike({}, 'client-wins'), {
      settled: (await conflicts.list({ how: 'client-wins' })).conflicts.map(({ id }) => id),
      open: [],
    })
    await two.settle()
    for (const id of ids) {
      const remark = id === ids[0] ? 'new' : 'dry'
      assert.deepEqual(await two.server('tasks', id), { title: "Ana's", remark })
    }
    const anew = (await two.records('manual')).map(({ data }) => data)
    assert.deepEqual(anew, [{ title: "Ana's" }])
    const after = await conflicts.stats()
    assert.deepEqual([after.all, after.byHow], [tally(0, 6), { 'client-wins': 2, manual: 4 }])

    assert.equal(await conflicts.forget(Date.now() + 60_000), 6)
    assert.deepEqual(await conflicts.list(), { conflicts: [], total: 0 })
  },
}

const both: Case = {
  name: 'several named ones are settled by one decision',
  run: async two => {
    const ids = [await two.shared('manual', { title: 'one' }), await two.shared('manual', { title: 'two' })]
    await two.apart('ana', async () => {
      for (const id of ids) await tableOf(two.ben, 'manual').update(id, { title: "Ben's" })
      for (const id of ids) await tableOf(two.ana, 'manual').update(id, { title: "Ana's" })
      await two.sync(two.ben)
    })
    const { conflicts } = await two.ana.conflicts.list()
    await two.ana.conflicts.resolve(
      conflicts.map(({ id }) => id),
      'client-wins',
    )
    await two.settle()
    assert.deepEqual(
      (await two.records('manual')).map(({ data }) => data),
      [{ title: "Ana's" }, { title: "Ana's" }],
    )
    assert.deepEqual((await two.ana.conflicts.stats()).byHow, { 'client-wins': 2 })
  },
}

export const deciding: readonly Case[] = [
  byHand('server-wins'),
  byHand('client-wins'),
  laterByHand('ana'),
  laterByHand('ben'),
  handMerge,
  refusals,
  outlived,
  givenUp,
  both,
  many,
]
