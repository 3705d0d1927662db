import { groupName, groupSize, type StoredItem } from './item.js'
import type { Contestant } from './contestant.js'
import type { Stage } from './stage.js'

/** A page that is asked step by step, so that the harness can collect garbage and measure the heap after each. */
export class Memory {
  #store: Contestant | undefined
  #held: readonly StoredItem[] = []

  constructor(private readonly stage: Stage) {}

  /** Opens what is there, and reads one record, so that whoever loads when it is asked has loaded. */
  async open(): Promise<void> {
    this.#store = await this.stage.open()
    await this.#store.get('1')
  }

  async holdAll(): Promise<number> {
    this.#held = (await this.#store?.readAll()) ?? []
    return this.#held.length
  }

  /** What an app does for a while: all groups are asked for, and some records changed. Nothing is held afterwards. */
  async use(): Promise<void> {
    const count = this.#held.length
    this.#held = []
    for (let n = 0; n < count / groupSize; n += 1) await this.#store?.queryGroup(groupName(n))
    const ids = Array.from({ length: 500 }, (_, i) => String(i + 1))
    await this.#store?.updateField(ids, 'used')
  }

  wasmBytes(): number {
    return this.stage.wasm.bytes()
  }
}
