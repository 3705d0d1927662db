import type { Engine } from './engine.js'
import { fromEngine, landfallError, type LandfallError } from './errors.js'
import type { Client } from './wasm/landfall.js'

/**
 * One open client, and what is under way on it. Every call of the package goes through here, so that errors have their
 * classes, a dead engine answers each call that it left unanswered, and closing waits for what was begun.
 */
export class Session {
  readonly #engine: Engine
  readonly #client: Client
  readonly #underWay = new Set<(error: LandfallError) => void>()
  readonly #forget: () => void
  #idle: (() => void) | undefined
  #closing: Promise<void> | undefined

  constructor(engine: Engine, client: Client) {
    this.#engine = engine
    this.#client = client
    this.#forget = engine.onDeath(death => {
      for (const reject of this.#underWay) reject(death)
      this.#underWay.clear()
    })
  }

  /** Why no more calls are taken, if so. */
  get refusal(): LandfallError | undefined {
    if (this.#engine.death !== undefined) return this.#engine.death
    return this.#closing && landfallError('closed', 'the database is closed; open it again')
  }

  /** A call that answers at once. */
  now<T>(call: (client: Client) => T): T {
    const refusal = this.refusal
    if (refusal !== undefined) throw refusal
    try {
      return call(this.#client)
    } catch (thrown) {
      throw fromEngine(this.#engine.examine(thrown))
    }
  }

  /** A call that answers with a promise. It never throws. */
  call<T>(call: (client: Client) => Promise<unknown>): Promise<T> {
    return new Promise((resolve, reject) => {
      const promise = this.now(call)
      this.#underWay.add(reject)
      promise.then(
        value => {
          this.#ended(reject)
          resolve(value as T)
        },
        (thrown: unknown) => {
          this.#ended(reject)
          reject(fromEngine(this.#engine.examine(thrown)))
        },
      )
    })
  }

  #ended(reject: (error: LandfallError) => void): void {
    this.#underWay.delete(reject)
    if (this.#underWay.size === 0) this.#idle?.()
  }

  /** Ends passes, waits for writes that were begun, and closes. A second call waits for the first. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#engine.death === undefined) {
      this.#client.stop()
      if (this.#underWay.size > 0) await new Promise<void>(resolve => (this.#idle = resolve))
      if (this.#engine.death === undefined) {
        this.#client.close()
        this.#client.free()
      }
    }
    this.#forget()
  }
}
