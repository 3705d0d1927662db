import type { Books } from '../peer.js'

/** What arrived from one origin, counted. */
export interface Account {
  readonly requests: number
  /** Bodies as they came over the wire, compressed where they were. */
  readonly wireBytes: number
  /** The same, inflated. */
  readonly bytes: number
  readonly mutations: number
  /** Mutations that came once more. */
  readonly duplicates: number
}

export class Ledger implements Books {
  readonly #mutations = new Map<string, number>()
  readonly #versions = new Map<string, number>()
  #requests = 0
  #wireBytes = 0
  #bytes = 0
  #duplicates = 0
  /** Somebody else has changed every record that an update arrives for. */
  isContested = false

  enter(mutationId: string, recordId: string): number {
    const known = this.#mutations.get(mutationId)
    if (known !== undefined) {
      this.#duplicates += 1
      return known
    }
    const version = (this.#versions.get(recordId) ?? 1) + 1
    this.#versions.set(recordId, version)
    this.#mutations.set(mutationId, version)
    return version
  }

  knows(mutationId: string): boolean {
    return this.#mutations.has(mutationId)
  }

  request(wireBytes: number, bytes: number): void {
    this.#requests += 1
    this.#wireBytes += wireBytes
    this.#bytes += bytes
  }

  account(): Account {
    return {
      requests: this.#requests,
      wireBytes: this.#wireBytes,
      bytes: this.#bytes,
      mutations: this.#mutations.size,
      duplicates: this.#duplicates,
    }
  }
}
