import { mutationId } from './ids.js'
import { post } from './post.js'
import type { PushAnswer } from '../page/contestant.js'
import type { Item, StoredItem } from '../page/item.js'

export type Stored = StoredItem & { readonly version: number | null }

/** The queue entry of raw IndexedDB and of the peers that have no queue of their own: what an app would write beside the record. */
export interface OutboxEntry {
  readonly id: string
  readonly table: 'items'
  readonly recordId: string
  readonly operation: 'create' | 'update'
  readonly data: Partial<Item>
  readonly baseVersion: number | null
  readonly timestamp: number
  readonly priority: 'medium'
  readonly attempts: 0
}

export function outboxEntry(record: Stored, operation: OutboxEntry['operation'], data: Partial<Item>): OutboxEntry {
  return {
    id: mutationId(),
    table: 'items',
    recordId: record.id,
    operation,
    data,
    baseVersion: record.version,
    timestamp: Date.now(),
    priority: 'medium',
    attempts: 0,
  }
}

/** What is still queued stays on top of what the server has: the changed fields by record. */
export function pendingFields(queued: Iterable<Pick<OutboxEntry, 'recordId' | 'data'>>): Map<string, Partial<Item>> {
  const pending = new Map<string, Partial<Item>>()
  for (const { recordId, data } of queued) pending.set(recordId, { ...pending.get(recordId), ...data })
  return pending
}

/** Sends one batch by the generic protocol, and of each entry only what the server asks for. */
export function sendEntries(url: string, batch: readonly OutboxEntry[]): Promise<PushAnswer['results']> {
  return post(
    url,
    batch.map(({ id, recordId, operation, data }) => ({ id, recordId, operation, data })),
  )
}
