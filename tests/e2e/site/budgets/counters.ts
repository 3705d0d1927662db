import { realTimeout } from './standstill.js'

/** What one operation asked of the browser, and how often it crossed between JavaScript and WebAssembly. */
export interface Counts {
  transactions: number
  requests: number
  callsIntoJavaScript: number
  callsIntoWasm: number
}

const counts: Counts = { transactions: 0, requests: 0, callsIntoJavaScript: 0, callsIntoWasm: 0 }

export const read = (): Counts => ({ ...counts })

function difference(after: Counts, before: Counts): Counts {
  return {
    transactions: after.transactions - before.transactions,
    requests: after.requests - before.requests,
    callsIntoJavaScript: after.callsIntoJavaScript - before.callsIntoJavaScript,
    callsIntoWasm: after.callsIntoWasm - before.callsIntoWasm,
  }
}

type Callable = (this: unknown, ...args: unknown[]) => unknown

const requestsOf = new WeakMap<IDBTransaction, IDBRequest[]>()
let openTransactions = 0

/** The function, and a count for each call of it. */
function counted(original: Callable, count: () => void): Callable {
  return function (...args) {
    count()
    return original.apply(this, args)
  }
}

function replaceMethods(prototype: object, names: readonly string[], by: (original: Callable) => Callable): void {
  for (const name of names) Reflect.set(prototype, name, by(Reflect.get(prototype, name) as Callable))
}

function countIndexedDb(): void {
  const request = (original: Callable): Callable =>
    function (...args) {
      counts.requests += 1
      const made = original.apply(this, args) as IDBRequest
      if (made.transaction !== null) requestsOf.get(made.transaction)?.push(made)
      return made
    }
  const transaction = (original: Callable): Callable =>
    function (...args) {
      counts.transactions += 1
      const made = original.apply(this, args) as IDBTransaction
      requestsOf.set(made, [])
      openTransactions += 1
      for (const end of ['complete', 'abort']) made.addEventListener(end, () => void (openTransactions -= 1))
      return made
    }
  const reads = ['count', 'get', 'getAll', 'getAllKeys', 'getKey', 'openCursor', 'openKeyCursor']
  replaceMethods(IDBDatabase.prototype, ['transaction'], transaction)
  replaceMethods(IDBFactory.prototype, ['open', 'deleteDatabase'], request)
  replaceMethods(IDBObjectStore.prototype, [...reads, 'add', 'clear', 'delete', 'put'], request)
  replaceMethods(IDBIndex.prototype, reads, request)
}

/**
 * Lets a transaction be complete only when its requests have their results. Chromium may be quicker to tell the former than to
 * fetch a large value, and whoever then waits for that value makes some calls more.
 */
function completeLast(): void {
  const set = Object.getOwnPropertyDescriptor(IDBTransaction.prototype, 'oncomplete')?.set
  Object.defineProperty(IDBTransaction.prototype, 'oncomplete', {
    set(this: IDBTransaction, listener: ((event: Event) => void) | null) {
      const waiting = async (event: Event) => {
        while (requestsOf.get(this)?.some(request => request.readyState === 'pending'))
          await new Promise<void>(resolve => realTimeout(resolve, 0))
        listener?.call(this, event)
      }
      set?.call(this, listener && waiting)
    },
  })
}

function countedFunctions<T extends object>(functions: T, count: () => void): T {
  const wrapped = Object.entries(functions).map(([name, value]) => [
    name,
    typeof value === 'function' ? counted(value as Callable, count) : value,
  ])
  return Object.fromEntries(wrapped) as T
}

/** Counts at the border itself: every import that the module calls, and every export that is called. */
function countCrossings(): void {
  const instantiate = WebAssembly.instantiate as (
    module: WebAssembly.Module,
    imports: WebAssembly.Imports,
  ) => Promise<WebAssembly.Instance>
  const counting = async (module: WebAssembly.Module, imports: WebAssembly.Imports) => {
    const modules = Object.entries(imports).map(([name, functions]) => [
      name,
      countedFunctions(functions, () => void (counts.callsIntoJavaScript += 1)),
    ])
    const instance = await instantiate(module, Object.fromEntries(modules) as WebAssembly.Imports)
    const exports = countedFunctions(instance.exports, () => void (counts.callsIntoWasm += 1))
    // An instance still to who looks with `instanceof`; its own `exports` cannot be replaced.
    return new Proxy(instance, { get: (target, key) => (key === 'exports' ? exports : Reflect.get(target, key)) })
  }
  Reflect.set(WebAssembly, 'instantiate', counting)
}

/** What comes next comes sooner, unless a transaction is waited for. */
const quietMs = 150

/** Waits until nothing is counted any more, and gives what was counted since `before`. */
export async function settled(before: Counts): Promise<Counts> {
  for (;;) {
    const now = read()
    await new Promise<void>(resolve => realTimeout(resolve, quietMs))
    const isQuiet = Object.values(difference(read(), now)).every(count => count === 0)
    if (isQuiet && openTransactions === 0) return difference(now, before)
  }
}

/** From here on everything is counted. Before the engine is loaded, or it keeps what it was given. */
export function install(): void {
  countIndexedDb()
  completeLast()
  countCrossings()
}
