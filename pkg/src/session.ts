import type { Engine } from './engine.js'
import { fromEngine, landfallError, type LandfallError } from './errors.js'
import type { Client } from './wasm/landfall.js'
import { Writes } from './writes.js'

/**
 * One open client, and what is under way on it. Every call of the package goes through here, so that errors have their
 * classes, a dead engine answers each call that it left unanswered, and closing waits for what was begun.
 */
export class Session {
  readonly #engine: Engine
  readonly #client: Client
  readonly #underWay = new Set<(error: LandfallError) => void>()
  /** Of these, the calls that wait for the network: nobody who closes waits for them. */
  readonly #passes = new Set<(error: LandfallError) => void>()
  readonly #forget: () => void
  /** The engine's own function, asked for once. */
  #copy: ((fields: unknown, absent: string[]) => number) | undefined
  /** The writes of this turn. */
  #writes: Writes | undefined
  #ended = () => {}
  #closing: Promise<void> | undefined

  constructor(engine: Engine, client: Client) {
    this.#engine = engine
    this.#client = client
    this.#forget = engine.onDeath(death => {
      for (const reject of this.#underWay) reject(death)
      this.#underWay.clear()
      this.#passes.clear()
      this.#ended()
    })
  }

  /** Why no more calls are taken, if so. */
  get refusal(): LandfallError | undefined {
    if (this.#engine.death !== undefined) return this.#engine.death
    return this.#closing && landfallError('closed', 'the database is closed; open it again')
  }

  /**
   * A write: `add` copies what is written, throws what is wrong with that, and adds it to the others of this turn. They cross to
   * the engine when the turn ends, or before any other call does. It never throws.
   */
  write<T>(add: (writes: Writes, client: Client) => Promise<T>): Promise<T> {
    try {
      return this.#call(client => {
        if (this.#writes === undefined) {
          this.#writes = new Writes()
          queueMicrotask(() => this.#commit())
        }
        return add(this.#writes, client)
      })
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Copies what is written, at the call: what the app does to its objects afterwards is its own. The number under which the engine
   * knows the copy; what is `undefined` goes to `absent`.
   */
  copy(fields: unknown, isChange: boolean, absent: string[]): number {
    this.#copy ??= this.#client.copier()
    try {
      return this.#copy(fields, absent)
    } catch (refusal) {
      throw this.#client.unsayable(refusal, isChange)
    }
  }

  #commit(): void {
    const writes = this.#writes
    if (writes === undefined) return
    this.#writes = undefined
    const reject = (error: LandfallError) => writes.fail(error)
    const refusal = this.#engine.death
    if (refusal !== undefined) {
      reject(refusal)
      return
    }
    this.#underWay.add(reject)
    void writes
      .commit(this.#client, thrown => fromEngine(this.#engine.examine(thrown)))
      .then(() => {
        this.#underWay.delete(reject)
        this.#ended()
      })
  }

  /** A call that answers at once. */
  now<T>(call: (client: Client) => T): T {
    this.#commit()
    return this.#call(call)
  }

  #call<T>(call: (client: Client) => T): T {
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
    return this.#track(call)
  }

  /** A call that waits for the network. Closing ends it. */
  pass<T>(call: (client: Client) => Promise<unknown>): Promise<T> {
    return this.#track(call, this.#passes)
  }

  #track<T>(call: (client: Client) => Promise<unknown>, also?: Set<(error: LandfallError) => void>): Promise<T> {
    return new Promise((resolve, reject) => {
      const promise = this.now(call)
      this.#underWay.add(reject)
      also?.add(reject)
      const end = () => {
        this.#underWay.delete(reject)
        also?.delete(reject)
        this.#ended()
      }
      promise.then(
        value => {
          end()
          resolve(value as T)
        },
        (thrown: unknown) => {
          end()
          reject(fromEngine(this.#engine.examine(thrown)))
        },
      )
    })
  }

  /** Ends passes, waits for what else was begun, and closes. A second call waits for the first. */
  close(): Promise<void> {
    this.#commit()
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const alive = () => this.#engine.death === undefined
    const until = (holds: () => boolean) =>
      new Promise<void>(resolve => {
        this.#ended = () => {
          if (holds() || !alive()) resolve()
        }
        this.#ended()
      })
    if (alive()) {
      // Writes first: a pass may be committing them together with its own.
      this.#client.windDown()
      await until(() => this.#underWay.size === this.#passes.size)
    }
    if (alive()) {
      this.#client.interrupt()
      await until(() => this.#underWay.size === 0)
    }
    if (alive()) {
      this.#client.close()
      this.#client.free()
    }
    this.#forget()
  }
}
