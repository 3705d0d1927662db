/** Lets an error in an app's listener reach the app's own error handling, and nothing of ours. */
export function reportFailure(error: unknown): void {
  if (typeof reportError === 'function') reportError(error)
  // Safari before 15.4.
  else
    queueMicrotask(() => {
      throw error
    })
}

/** Calls what belongs to the app. */
export function callApp<A extends readonly unknown[]>(listener: (...args: A) => void, ...args: A): void {
  try {
    listener(...args)
  } catch (error) {
    reportFailure(error)
  }
}

type Listener<T> = (event: T) => void

/** Who listens to what. */
export class Listeners<Events> {
  readonly #lists = new Map<keyof Events, readonly Listener<never>[]>()

  /** Adds a listener, once for each call; the returned function removes it. */
  add<K extends keyof Events>(kind: K, listener: Listener<Events[K]>): () => void {
    // Its own function, so that a listener that was added twice is removed one at a time.
    const own: Listener<Events[K]> = event => listener(event)
    this.#lists.set(kind, [...this.#of(kind), own])
    return () => {
      this.#lists.set(
        kind,
        this.#of(kind).filter(other => other !== own),
      )
    }
  }

  has(kind: keyof Events): boolean {
    return this.#of(kind).length > 0
  }

  tell<K extends keyof Events>(kind: K, event: Events[K]): void {
    for (const listener of this.#of(kind)) callApp(listener as Listener<Events[K]>, event)
  }

  #of(kind: keyof Events): readonly Listener<never>[] {
    return this.#lists.get(kind) ?? []
  }
}
