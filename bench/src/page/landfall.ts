import type { Database, SchemaDocument } from 'landfall'
import type { Contestant } from './contestant.js'

const schema = {
  version: 1,
  tables: {
    items: {
      fields: {
        title: 'string',
        status: 'string',
        group_id: 'string',
        assignee: 'string',
        due_date: 'string',
        notes: 'string',
        location: 'string',
        progress: 'number',
        minutes: 'number',
        urgent: 'boolean',
      },
      indexes: ['group_id'],
    },
  },
} as const satisfies SchemaDocument

/** The real package, as an app would import it. What it sends is answered by `remote`, without a network. */
export function landfall(remote: Remote): Contestant {
  let db: Database<typeof schema>
  return {
    async open() {
      // Only now, so that a cold start includes evaluating the library and compiling its module.
      const { open } = await import('landfall')
      db = await open({ name: 'bench', schema, remote: { url: '/api/sync' } })
    },
    async create(item) {
      await db.tables.items.create(item)
    },
    async createSeparately(items) {
      await Promise.all(items.map(item => db.tables.items.create(item)))
    },
    async createMany(items) {
      await db.tables.items.createMany(items)
    },
    async pull(bodies) {
      remote.play(bodies)
      const { error } = await db.sync()
      remote.silence()
      if (error !== null) throw new Error(error.message)
    },
    get: id => db.tables.items.get(id),
    readAll: () => db.tables.items.query({}),
    queryGroup: groupId => db.tables.items.query({ index: 'group_id', equals: groupId }),
  }
}

export interface Remote {
  /** From now on the network is there and downloads are answered by these bodies, one after the other. */
  play(bodies: readonly string[]): void
  /** There is no network. */
  silence(): void
}

/**
 * Stands where the network would be, so that what is measured is the client's work alone. Offline by default: no pass
 * competes with the writes that are measured, as none does for the contestants without an engine.
 */
export function installRemote(): Remote {
  let online = false
  let answers: string[] = []
  Object.defineProperty(Navigator.prototype, 'onLine', { get: () => online })
  const network = globalThis.fetch
  globalThis.fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input, location.href)
    if (!url.pathname.startsWith('/api/')) return network(input, init)
    if (!online) throw new TypeError('offline')
    if (!url.pathname.endsWith('/download')) throw new TypeError(`nobody answers ${url.pathname}`)
    const body = answers.shift()
    if (body === undefined) throw new TypeError('the recording has ended')
    return new Response(body, { headers: { 'content-type': 'application/json', 'landfall-protocol': '1' } })
  }
  return {
    play(bodies) {
      online = true
      answers = [...bodies]
    },
    silence() {
      online = false
    },
  }
}
