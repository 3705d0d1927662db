import type { Item, StoredItem } from './item.js'

/** A page of a download, as PROTOCOL's `POST /api/sync/download` answers it. */
export interface DownloadPage {
  readonly entities: readonly {
    readonly table: 'items'
    readonly id: string
    readonly version: number
    readonly updatedAt: number
    readonly data: Item
  }[]
  readonly deletions: readonly []
  readonly cursor: string
  readonly hasMore: boolean
  readonly epoch: string
  readonly horizon: number
  readonly serverTime: number
}

/** What a generic push sends to {@link pushPath}, at most {@link pushBatch} of them in a request. */
export interface PushRequest {
  readonly mutations: readonly {
    /** Unique; the same again is a duplicate, which the server counts and acknowledges like the first. */
    readonly id: string
    readonly recordId: string
    readonly operation: 'create' | 'update'
    /** The whole record of a create; of an update the changed fields, where the contestant knows them. */
    readonly data: Partial<Item>
  }[]
}

/** The answer: one result for each mutation, in their order. A client deletes from its queue what is named here. */
export interface PushAnswer {
  readonly results: readonly { readonly id: string; readonly recordId: string; readonly version: number }[]
}

/** Same origin as the page. */
export const pushPath = '/api/push'
export const pushBatch = 500

/**
 * What is measured. Every promise of a writing method resolves when the write is durable in the sense of a relaxed
 * IndexedDB transaction's `complete`, and each created or changed record is queued for upload in the same transaction.
 *
 * A contestant is a module whose default export is a {@link MakeContestant}. It is bundled by itself, and imported when the
 * clock of a cold start has begun: what it imports statically is evaluated then.
 */
export interface Contestant {
  /** Opens what an earlier page of this origin left, or something new. Nothing is sent or fetched until it is asked for. */
  open(): Promise<void>
  /** Lets go of the database, so that it can be opened again in this page. */
  close(): Promise<void>
  /** The new record's id. */
  create(item: Item): Promise<string>
  /** Asked for one by one, awaited together. A contestant may do them in as few transactions as it likes. */
  createSeparately(items: readonly Item[]): Promise<void>
  createMany(items: readonly Item[]): Promise<void>
  /** Applies the bodies of a download's answers, the network left out: parsing, storing, and the cursor with each page. */
  pull(bodies: readonly string[]): Promise<void>
  /** The same from pages that are parsed already, where a contestant can be given such pages. */
  apply?(pages: readonly DownloadPage[]): Promise<void>
  get(id: string): Promise<StoredItem | undefined>
  readAll(): Promise<readonly StoredItem[]>
  queryGroup(groupId: string): Promise<readonly StoredItem[]>
  /** Sets `status` in each of these records; each change is a queued mutation of its own, where the contestant has that. */
  updateField(ids: readonly string[], status: string): Promise<void>
  /**
   * Sends all that is queued over HTTP, by the generic protocol to `url`, or by its own to `/api/<name>/…` beside it.
   * Resolves when everything was acknowledged and that is durable: what was acknowledged is never sent again.
   */
  push(url: string): Promise<void>
  /** How many mutations are queued, counted from storage where there is a way to. */
  queued(): Promise<number>
  /**
   * A live query: calls `changed` with the group's records, first as soon as they are read, then whenever they are
   * others, also when another tab wrote them. Resolves with what ends it, when it has been called for the first time.
   */
  subscribeGroup?(groupId: string, changed: (items: readonly StoredItem[]) => void): Promise<() => void>
  /** A bulk call makes one entry in the queue, and not one for each record: marked with `*` in the table. */
  readonly isBulkOneEntry?: boolean
  /** What a reader of the table has to know, each a sentence. */
  readonly notes?: readonly string[]
}

export type MakeContestant = () => Contestant
