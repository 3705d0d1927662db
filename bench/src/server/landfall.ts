/** Landfall's own protocol, as far as a client's benchmark needs it: it forgets nothing and refuses nothing. */
import { makeItem } from '../page/item.js'
import type { Ledger } from './books.js'
import { epoch } from './recording.js'

interface Operation {
  readonly id: string
  readonly table: string
  readonly recordId: string
  readonly operation: 'create' | 'update' | 'delete' | 'withdraw'
}

const headers = { 'content-type': 'application/json', 'landfall-protocol': '1' }

export interface Answer {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export function answerSync(path: string, body: Buffer, books: Ledger): Answer | undefined {
  const request = JSON.parse(body.toString()) as { readonly operations?: Operation[]; readonly cursor?: string | null }
  if (path === 'upload') return { headers, body: JSON.stringify(upload(request.operations ?? [], books)) }
  if (path !== 'download') return undefined
  const page = { entities: [], deletions: [], cursor: request.cursor ?? 'cursor-0', hasMore: false }
  return { headers, body: JSON.stringify({ ...page, epoch, horizon: 0, serverTime: Date.now() }) }
}

function upload(operations: readonly Operation[], books: Ledger): object {
  const now = Date.now()
  const idMappings: object[] = []
  const results = operations.map(({ id, table, recordId, operation }) => {
    if (operation === 'update' && books.isContested) {
      // As if somebody else had been quicker, with another status and another title.
      const data = { ...makeItem(Number(recordId)), status: 'blocked', title: `Theirs ${recordId}` }
      return { id, status: 'conflict', record: { table, id: recordId, version: 2, updatedAt: now, data } }
    }
    const isKnown = books.knows(id)
    const realId = recordId.startsWith('temp_') ? `s-${recordId.slice(5)}` : recordId
    if (operation === 'create' && realId !== recordId) {
      idMappings.push({ tempId: recordId, realId, entityType: table })
    }
    const version = books.enter(id, realId)
    return { id, status: isKnown ? 'duplicate' : 'applied', recordId: realId, version, updatedAt: now }
  })
  return { protocol: 1, epoch, serverTime: now, results, idMappings }
}
