import type { DownloadPage } from './page/contestant.js'
import { makeItem } from './page/item.js'

const pageSize = 1_000
const pageCount = 10
const updatedAt = 1_760_000_000_000

/** The answers to a first download of 10,000 records, in pages of 1,000, as the protocol has them. Ids are 1 to 10,000. */
export function recordedPages(): string[] {
  return Array.from({ length: pageCount }, (_, page) => {
    const answer: DownloadPage = {
      entities: Array.from({ length: pageSize }, (_, i) => {
        const n = page * pageSize + i + 1
        return { table: 'items', id: String(n), version: 1, updatedAt, data: makeItem(n) }
      }),
      deletions: [],
      cursor: `cursor-${(page + 1) * pageSize}`,
      hasMore: page + 1 < pageCount,
      epoch: 'b1f0c4de-bench',
      horizon: 0,
      serverTime: updatedAt + page,
    }
    return JSON.stringify(answer)
  })
}
