import type { MergeFunction } from '../conflicts.js'
import { loadEngine } from '../engine.js'
import { fromEngine, landfallError } from '../errors.js'
import { Session } from '../session.js'
import type { Addressee } from '../tag.js'
import type { SchemaDocument } from '../types.js'
import type { ClientObserver } from '../wasm/landfall.js'

export interface DeliveryOptions {
  readonly name: string
  readonly schema: SchemaDocument
  /** The scope that the app's pages pull, if they open the database with one. */
  readonly scope?: string
  /** The functions that the schema's rules name: the same as in the app's pages. */
  readonly functions?: Readonly<Record<string, MergeFunction>>
  readonly remote: { readonly url: string; readonly token?: () => string | Promise<string> }
}

interface Delivery {
  readonly pending: number
  readonly held: string | null
  readonly error: { readonly code: string; readonly message: string } | null
}

/** Nobody watches a worker's event. */
const nobody: ClientObserver = {
  state() {},
  progress() {},
  change() {},
  parked() {},
  conflict() {},
  lock() {},
  remoteChange() {},
}

/**
 * Sends and fetches what one database has, from nothing: the worker may have been started for this. Rejects when another
 * try may deliver more, so that the browser tries again.
 */
export async function deliver(
  { name, schema, scope, functions, remote }: DeliveryOptions,
  { tenant, principal }: Addressee,
  wasm: () => Promise<Response>,
): Promise<void> {
  const engine = await loadEngine(wasm)
  if (engine.death !== undefined) throw engine.death
  const { url, token } = remote
  const client = await engine
    .open({
      name,
      tenant,
      principal,
      schema,
      scope,
      url,
      token,
      observer: nobody,
      functions,
      selfDriven: false,
      live: false,
    })
    .catch((thrown: unknown) => {
      throw fromEngine(engine.examine(thrown))
    })
  const session = new Session(engine, client)
  try {
    const left = await session.pass<Delivery>(open => open.deliver())
    // Without a sign-in another try would end the same way: the next page that is opened goes on.
    if (left.pending > 0 && left.held === null) {
      const why = left.error === null ? '' : `: ${left.error.message}`
      throw landfallError('undelivered', `${left.pending} changes are still to be sent${why}`, { retryable: true })
    }
  } finally {
    await session.close()
  }
}
