import { groupName, groupSize, makeItem, makeItems } from './item.js'
import { expect, type Figures, median, settle, type Stage, time } from './stage.js'

const writes = 100
const queries = 50
const bulk = 1_000
const createsAtOnce = 10_000

/** The same operations on stores of several sizes, of records that the server has or of mutations that are queued. */
export interface Growth {
  fill(what: 'records' | 'mutations', size: number): Promise<void>
  /** In a page of its own, on a filled origin. */
  measure(size: number): Promise<Figures>
}

export function growth(stage: Stage): Growth {
  return {
    async fill(what, size) {
      const store = await stage.open()
      if (what === 'records') await store.pull(await stage.bodies(size))
      else
        for (let from = 0; from < size; from += createsAtOnce)
          await store.createMany(makeItems(from, Math.min(createsAtOnce, size - from), size / groupSize))
      const one = (await store.queryGroup(groupName(1)))[0]
      localStorage.setItem('one', one?.id ?? '')
      await settle(2_500)
      await store.close()
    },
    async measure(size) {
      await settle()
      const start = performance.now()
      const store = await stage.open()
      const one = await store.get(localStorage.getItem('one') ?? '')
      const first = performance.now() - start - stage.wasm.loadMs()
      expect(one !== undefined, 'the first record is not there')
      const found = (await store.queryGroup(groupName(0))).length
      expect(found === groupSize, `the group has ${found} records`)
      const times: number[] = []
      for (let n = 0; n < queries; n += 1)
        times.push(await time(() => store.queryGroup(groupName((n * 7) % (size / groupSize)))))
      const created: number[] = []
      // What opening leaves to be done later is to be done.
      await settle()
      for (let n = 0; n < writes; n += 1) created.push(await time(() => store.create(makeItem(0, 1))))
      const items = makeItems(0, bulk, 1)
      const many = await time(() => store.createMany(items))
      const all = await time(() => store.readAll())
      await store.close()
      return { first, query: median(times), create: median(created), createMany: many, readAll: all }
    },
  }
}
