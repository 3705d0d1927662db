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

/**
 * What is measured. Every promise of a writing method resolves when the write is durable in the sense of a relaxed
 * IndexedDB transaction's `complete`, and each created record is queued for upload in the same transaction.
 */
export interface Contestant {
  open(): Promise<void>
  create(item: Item): Promise<void>
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
}
