import type { MakePeerServer, PeerAnswer } from '../../src/peer.js'
import { isDesign, pulledRevision } from './revisions.js'

const json = (value: unknown, status = 200): PeerAnswer => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(value),
})

interface Doc {
  readonly _id: string
  readonly _rev: string
}

/** As much of CouchDB's HTTP interface as the sending half of a replication asks for. */
const makeServer: MakePeerServer = books => {
  const known = new Map<string, Set<string>>()
  const local = new Map<string, object>()

  const missing = (id: string, revisions: readonly string[]): string[] =>
    revisions.filter(revision => known.get(id)?.has(revision) !== true && revision !== pulledRevision(id))

  const store = ({ _id, _rev }: Doc): void => {
    if (!isDesign(_id)) books.enter(`${_id} ${_rev}`, _id)
    const revisions = known.get(_id) ?? new Set()
    known.set(_id, revisions.add(_rev))
  }

  return ({ method, path, body }) => {
    const [, , rest = ''] = /^\/([^/?]*)\/?([^?]*)/.exec(path) ?? []
    const sent = (): unknown => JSON.parse(body.toString())
    if (rest === '') return json({ db_name: 'bench', update_seq: known.size })
    if (rest === '_revs_diff') {
      const asked = Object.entries(sent() as Record<string, string[]>)
      return json(
        Object.fromEntries(
          asked
            .map(([id, revisions]) => [id, { missing: missing(id, revisions) }] as const)
            .filter(([, answer]) => answer.missing.length > 0),
        ),
      )
    }
    if (rest === '_bulk_docs') {
      for (const doc of (sent() as { readonly docs: readonly Doc[] }).docs) store(doc)
      return json([], 201)
    }
    if (rest.startsWith('_local/')) {
      const id = decodeURIComponent(rest)
      if (method === 'PUT') {
        const rev = `0-${local.size + 1}`
        local.set(id, { ...(sent() as object), _id: id, _rev: rev })
        return json({ ok: true, id, rev }, 201)
      }
      const found = local.get(id)
      return found === undefined ? json({ error: 'not_found', reason: 'missing' }, 404) : json(found)
    }
    return json({ error: 'not_found', reason: 'missing' }, 404)
  }
}

export default makeServer
