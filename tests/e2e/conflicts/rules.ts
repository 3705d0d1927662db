import assert from 'node:assert/strict'
import type { Ruling } from 'landfall'
import type { Case } from './cases.js'
import type { Person } from './two.js'
import type { Fields } from './world.js'

/** A kind of data: how the two changed it, and what its rule makes of that. */
interface Kind {
  readonly name: string
  readonly base: Fields
  readonly bens: Fields
  readonly anas: Fields
  /** Who wrote later, where it matters; Ben is the first at the server in any case. */
  readonly later?: Person
  readonly merged: Fields
  readonly ruling: Omit<Ruling, 'base' | 'ours' | 'theirs'> & Partial<Ruling>
  /** The server has the outcome already. */
  readonly isTheirs?: boolean
}

const entry = (id: string, start: number, end: number) => ({ id, start, end })

const kinds: readonly Kind[] = [
  {
    name: 'the status that is further on stands, Ben’s',
    base: { status: 'not_started' },
    bens: { status: 'completed' },
    anas: { status: 'in_progress' },
    merged: { status: 'completed' },
    ruling: { path: ['status'], by: 'progression', value: 'completed', notify: true },
    isTheirs: true,
  },
  {
    name: 'the status that is further on stands, Ana’s',
    base: { status: 'not_started' },
    bens: { status: 'in_progress' },
    anas: { status: 'completed' },
    merged: { status: 'completed' },
    ruling: { path: ['status'], by: 'progression', value: 'completed', notify: true },
  },
  {
    name: 'the highest progress stands',
    base: { progress: 10 },
    bens: { progress: 40 },
    anas: { progress: 60 },
    merged: { progress: 60 },
    ruling: { path: ['progress'], by: 'highest', value: 60 },
  },
  {
    name: 'time logs are merged, and what overlaps since is flagged',
    base: { logs: [entry('1', 0, 5)] },
    bens: { logs: [entry('1', 0, 5), entry('2', 10, 20)] },
    anas: { logs: [entry('1', 0, 5), entry('3', 15, 30)] },
    merged: { logs: [entry('1', 0, 5), entry('2', 10, 20), entry('3', 15, 30)] },
    ruling: {
      path: ['logs'],
      by: 'union',
      value: [entry('1', 0, 5), entry('2', 10, 20), entry('3', 15, 30)],
      overlaps: [['2', '3']],
    },
  },
  {
    name: 'the latest assignment stands, Ana’s',
    base: { assignee: 'nobody' },
    bens: { assignee: 'ben' },
    anas: { assignee: 'ana' },
    later: 'ana',
    merged: { assignee: 'ana' },
    ruling: { path: ['assignee'], by: 'latest', value: 'ana', notify: true },
  },
  {
    name: 'the latest assignment stands, Ben’s, who is heard first and wrote last',
    base: { assignee: 'nobody' },
    bens: { assignee: 'ben' },
    anas: { assignee: 'ana' },
    later: 'ben',
    merged: { assignee: 'ben' },
    ruling: { path: ['assignee'], by: 'latest', value: 'ben', notify: true },
    isTheirs: true,
  },
  {
    name: 'the date that was set last stands, not the later date',
    base: { due: '2026-01-01' },
    bens: { due: '2026-03-03' },
    anas: { due: '2026-02-02' },
    later: 'ana',
    merged: { due: '2026-02-02' },
    ruling: { path: ['due'], by: 'latest', value: '2026-02-02', notify: true },
  },
  {
    name: 'what was counted on both sides is added up',
    base: { visits: 5 },
    bens: { visits: 7 },
    anas: { visits: 6 },
    merged: { visits: 8 },
    ruling: { path: ['visits'], by: 'counter', value: 8 },
  },
  {
    name: 'text is merged line by line',
    base: { notes: 'a\nb\nc' },
    bens: { notes: 'A\nb\nc' },
    anas: { notes: 'a\nb\nC' },
    merged: { notes: 'A\nb\nC' },
    ruling: { path: ['notes'], by: 'text', value: 'A\nb\nC' },
  },
  {
    name: 'a part of an object goes by a rule of its own',
    base: { address: { city: 'Bern', zip: 1 } },
    bens: { address: { city: 'Thun', zip: 1 } },
    anas: { address: { city: 'Biel', zip: 2 } },
    merged: { address: { city: 'Thun', zip: 2 } },
    ruling: {
      path: ['address', 'city'],
      base: 'Bern',
      ours: 'Biel',
      theirs: 'Thun',
      by: 'server',
      value: 'Thun',
    },
  },
  {
    name: 'a function of the app decides',
    base: { remark: 'dry' },
    bens: { remark: 'wet to the second joint' },
    anas: { remark: 'wet' },
    merged: { remark: 'wet to the second joint' },
    ruling: { path: ['remark'], by: 'function', value: 'wet to the second joint' },
    isTheirs: true,
  },
]

function settled({ name, base, bens, anas, later, merged, ruling, isTheirs }: Kind): Case {
  return {
    name,
    run: async two => {
      const common = { title: 'Splice' }
      const id = await two.shared('tasks', { ...common, ...base })
      await two.meet('tasks', id, bens, anas, later)
      await two.settle()
      assert.deepEqual(await two.server('tasks', id), { ...common, ...merged })

      const kept = await two.only(two.ana)
      const [field] = ruling.path as [string]
      const versions = { base: base[field], ours: anas[field], theirs: bens[field] }
      assert.deepEqual(
        { ...kept, foundAt: 0, resolution: null, id: '' },
        {
          id: '',
          table: 'tasks',
          recordId: id,
          kind: 'update-update',
          class: 'definite',
          state: 'settled',
          foundAt: 0,
          principal: 'ana',
          holder: null,
          base: { ...common, ...base },
          ours: { ...common, ...anas },
          theirs: { ...common, ...bens },
          theirsAt: null,
          theirVersion: null,
          merged: { ...common, ...merged },
          rulings: [{ ...versions, ...ruling }],
          resolution: null,
        },
      )
      const { resolution } = kept
      assert.deepEqual([resolution?.how, resolution?.by, resolution?.undone], ['rules', 'ana', null])
      assert.equal(resolution?.mutation === null, isTheirs === true, 'what the server has already is not sent')

      // Whoever is on the page is told, and of what they are to see.
      const told = (await two.told('ana')).map(({ about }) => about)
      assert.deepEqual(told, [kept])
      assert.deepEqual(await two.told('ben'), [])
      assert.equal((await two.ben.conflicts.list()).total, 0)
    },
  }
}

export const rules: readonly Case[] = kinds.map(settled)
