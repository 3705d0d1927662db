import type { Contestant } from './contestant.js'
import { groupName, groupSize, makeItem } from './item.js'
import { expect, median, type Stage, time } from './stage.js'

const echoes = 50

/** One of two pages of one origin. They talk over a channel of their own, whose price is measured and taken off. */
export class Tab {
  #store: Contestant | undefined
  #channel: BroadcastChannel | undefined

  constructor(private readonly stage: Stage) {}

  async open(pulled: number): Promise<void> {
    this.#store = await this.stage.open()
    if (pulled > 0) await this.#store.pull(await this.stage.bodies(pulled))
    this.#channel = new BroadcastChannel('bench')
  }

  canSubscribe(): boolean {
    return this.#store?.subscribeGroup !== undefined
  }

  /** Echoes what it hears, and tells of every change of a group's length. */
  async watch(): Promise<void> {
    const { channel, store } = this.#ready()
    channel.onmessage = ({ data }) => {
      if (data === 'ping') channel.postMessage('pong')
    }
    await store.subscribeGroup?.(groupName(0), items => channel.postMessage(items.length))
  }

  /** From the call of a write to the other page's callback. */
  async writeWatched(count: number): Promise<number> {
    const { channel, store } = this.#ready()
    const heard = (expected: unknown) =>
      new Promise<void>(resolve => {
        channel.onmessage = ({ data }) => {
          if (data === expected) resolve()
        }
      })
    const echo: number[] = []
    for (let i = 0; i < echoes; i += 1)
      echo.push(
        await time(async () => {
          const pong = heard('pong')
          channel.postMessage('ping')
          await pong
        }),
      )
    const times: number[] = []
    for (let i = 1; i <= count; i += 1) {
      const told = heard(groupSize + i)
      times.push(await time(() => Promise.all([told, store.create(makeItem(0))])))
    }
    return median(times) - median(echo) / 2
  }

  /** Awaited creates, one after the other, while the other page does the same. */
  async write(count: number): Promise<number> {
    const { store } = this.#ready()
    return (
      (await time(async () => {
        for (let i = 0; i < count; i += 1) await store.create(makeItem(i))
      })) / count
    )
  }

  async close(): Promise<void> {
    this.#channel?.close()
    await this.#store?.close()
  }

  async count(): Promise<number> {
    this.#store = await this.stage.open()
    return (await this.#store.readAll()).length
  }

  #ready(): { readonly channel: BroadcastChannel; readonly store: Contestant } {
    expect(this.#store !== undefined && this.#channel !== undefined, 'the tab is not open')
    return { channel: this.#channel as BroadcastChannel, store: this.#store as Contestant }
  }
}
