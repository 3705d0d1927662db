import type { WriteTransaction } from 'replicache'
import type { Item } from '../../src/page/item.js'
import type { Stored } from '../../src/contestants/outbox.js'

/** A type and not an interface: only that is JSON to the library. */
export type Values = { readonly [Field in keyof Stored]: Stored[Field] }
export type Created = { readonly id: string; readonly item: { readonly [Field in keyof Item]: Item[Field] } }
export type Changed = { readonly ids: readonly string[]; readonly status: string }

export const key = (id: string): string => `item/${id}`

const set = (tx: WriteTransaction, { id, item }: Created): Promise<void> =>
  tx.set(key(id), { ...item, id, version: null })

/** What a mutation is, here and in each pull anew. Names and arguments are what is queued, and what is sent. */
export const mutators = {
  create: set,
  async createMany(tx: WriteTransaction, all: readonly Created[]): Promise<void> {
    for (const one of all) await set(tx, one)
  },
  async update(tx: WriteTransaction, { ids, status }: Changed): Promise<void> {
    for (const id of ids) {
      const record = await tx.get<Values>(key(id))
      if (record !== undefined) await tx.set(key(id), { ...record, status })
    }
  },
}
