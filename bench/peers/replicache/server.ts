import type { MutationV1, PullRequestV1, PullResponseOKV1, PushRequestV1 } from 'replicache'
import { type Item, makeItem } from '../../src/page/item.js'
import type { MakePeerServer } from '../../src/peer.js'
import { type Changed, type Created, key, type Values } from './mutators.js'

interface Row {
  readonly value: Values
  /** The push that changed it. */
  readonly changedBy: number
}

/** What a cookie says: the last push that was seen. It also has an order, which each pull raises. */
export interface Seen {
  readonly order: number
  readonly push: number
}

/** Its push endpoint applies mutations by name, and its pull endpoint gives what changed since the cookie. */
const makeServer: MakePeerServer = books => {
  const rows = new Map<string, Row>()
  const clients = new Map<string, { readonly last: number; readonly changedBy: number }>()
  let push = 0

  const put = (mutation: string, id: string, item: Item): void => {
    rows.set(id, { value: { ...item, id, version: books.enter(mutation, id) }, changedBy: push })
  }

  const apply = ({ clientID, id, name, args }: MutationV1): void => {
    const mutation = (n: number): string => `${clientID}-${id}-${n}`
    if (name === 'update') {
      const { ids, status } = args as Changed
      // A record that was not created here is one of the recorded download's.
      ids.forEach((record, n) =>
        put(mutation(n), record, { ...(rows.get(record)?.value ?? makeItem(Number(record))), status }),
      )
    } else {
      const created = (name === 'create' ? [args] : args) as readonly Created[]
      created.forEach((one, n) => put(mutation(n), one.id, one.item))
    }
    clients.set(clientID, { last: id, changedBy: push })
  }

  const pull = ({ cookie }: PullRequestV1): PullResponseOKV1 => {
    const seen = cookie as unknown as Seen | null
    const since = seen?.push ?? 0
    return {
      cookie: { order: (seen?.order ?? 0) + 1, push },
      lastMutationIDChanges: Object.fromEntries(
        [...clients].filter(([, { changedBy }]) => changedBy > since).map(([client, { last }]) => [client, last]),
      ),
      patch: [...rows.values()]
        .filter(({ changedBy }) => changedBy > since)
        .map(({ value }) => ({ op: 'put', key: key(value.id), value })),
    }
  }

  return ({ path, body }) => {
    const request: unknown = JSON.parse(body.toString())
    if (path.startsWith('/pull')) return { body: JSON.stringify(pull(request as PullRequestV1)) }
    push += 1
    for (const mutation of (request as PushRequestV1).mutations) apply(mutation)
    return { body: '{}' }
  }
}

export default makeServer
