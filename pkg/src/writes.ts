import type { Client, ClientWriteOptions } from './wasm/landfall.js'

/** What a write is; the engine has the same numbers. */
export const CREATE = 0
export const CREATE_MANY = 1
export const UPDATE = 2
export const DELETE = 3

/** Of a write that failed. */
const FAILED = -1

interface Waiting {
  readonly kind: number
  resolve(value: unknown): void
  reject(thrown: unknown): void
}

const NOTHING: readonly never[] = []

/**
 * The writes of one turn, which cross to the engine together. What they write is copied when they are added, in the order of
 * the calls, and each has its own answer.
 */
export class Writes {
  readonly #waiting: Waiting[] = []
  readonly #codes: number[] = []
  readonly #tables: string[] = []
  readonly #words: string[] = []
  readonly #bodies: number[] = []
  readonly #options: ClientWriteOptions[] = []

  /** `bodies` are numbers of what the engine holds. */
  add<T>(
    kind: number,
    table: string,
    bodies: ArrayLike<number>,
    options: ClientWriteOptions | undefined,
    id?: string,
    removed: readonly string[] = NOTHING,
  ): Promise<T> {
    let place = this.#tables.lastIndexOf(table)
    if (place < 0) place = this.#tables.push(table) - 1
    if (id !== undefined) this.#words.push(id)
    for (const name of removed) this.#words.push(name)
    for (let at = 0; at < bodies.length; at++) this.#bodies.push(bodies[at] as number)
    const option = options === undefined ? 0 : this.#options.push(options)
    this.#codes.push(kind, place, bodies.length, removed.length, option)
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ kind, resolve: resolve as (value: unknown) => void, reject })
    })
  }

  /** Hands them over and, once they are done, answers each. */
  async commit(client: Client, explain: (thrown: unknown) => unknown): Promise<void> {
    try {
      const numbers = Uint32Array.from(this.#bodies)
      const codes = Uint32Array.from(this.#codes)
      const written = await client.write(codes, this.#tables, this.#words, numbers, this.#options)
      let record = 0
      let error = 0
      const [records, counts, errors] = written
      for (const [at, { kind, resolve, reject }] of this.#waiting.entries()) {
        const count = counts[at] ?? FAILED
        if (count === FAILED) reject(explain(errors[error++]))
        else if (kind === CREATE_MANY) resolve(records.slice(record, record + count))
        else resolve(count === 0 ? undefined : records[record])
        record += Math.max(count, 0)
      }
    } catch (thrown) {
      this.fail(explain(thrown))
    }
  }

  /** Answers each with the same error. */
  fail(error: unknown): void {
    for (const { reject } of this.#waiting) reject(error)
  }
}
