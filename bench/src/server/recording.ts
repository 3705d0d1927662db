import type { DownloadPage } from '../page/contestant.js'
import { groupSize, makeItem } from '../page/item.js'

const pageSize = 1_000
const updatedAt = 1_760_000_000_000

export const epoch = 'b1f0c4de-bench'

/**
 * The answer to one page of a first download of so many records, as the protocol has it; `undefined` after the last. Ids
 * count from 1. Each group has {@link groupSize} records, however many there are in all. `version`: that of all records; a
 * later one is news to whoever has an earlier one.
 */
export function recordedPage(size: number, page: number, version: number): string | undefined {
  if (page * pageSize >= size) return undefined
  const answer: DownloadPage = {
    entities: Array.from({ length: Math.min(pageSize, size - page * pageSize) }, (_, i) => {
      const n = page * pageSize + i + 1
      return {
        table: 'items',
        id: String(n),
        version,
        updatedAt: updatedAt + version,
        data: makeItem(n, size / groupSize),
      }
    }),
    deletions: [],
    cursor: `cursor-${version}-${(page + 1) * pageSize}`,
    hasMore: (page + 1) * pageSize < size,
    epoch,
    horizon: 0,
    serverTime: Date.now(),
  }
  return JSON.stringify(answer)
}
