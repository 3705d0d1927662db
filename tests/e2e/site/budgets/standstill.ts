/**
 * Time stands still in the page, or else what is counted would depend on how fast the machine is: how many timers run out
 * meanwhile, and how often the device learns anew by how much its clock differs from the server's.
 */
export const realTimeout = globalThis.setTimeout.bind(globalThis)

const startedAt = Date.now()
let passedMs = 0
let held: { readonly callback: () => void; readonly dueMs: number }[] = []

function holdTimers(): void {
  const set = (callback: () => void, ms = 0) => {
    // What is to be done at once is.
    if (ms <= 0) return realTimeout(callback, 0)
    const timer = { callback, dueMs: passedMs + ms }
    held.push(timer)
    return timer
  }
  const clear = (timer: unknown) => {
    held = held.filter(other => other !== timer)
  }
  Object.assign(globalThis, { setTimeout: set, clearTimeout: clear })
}

/** The server's clock shows what the device's does. */
function agreeWithServer(): void {
  const { fetch } = globalThis
  globalThis.fetch = async (input, init) => {
    const answer = await fetch(input, init)
    if (answer.headers.get('content-type') !== 'application/json') return answer
    const text = (await answer.text()).replace(/"serverTime":\d+/, `"serverTime":${Date.now()}`)
    return new Response(text, answer)
  }
}

export function standStill(): void {
  Object.assign(Date, { now: () => startedAt + passedMs })
  Object.assign(performance, { now: () => passedMs })
  holdTimers()
  agreeWithServer()
}

/** So much time passes at once; what is due by then happens, the earliest first. */
export function letPass(ms: number): void {
  passedMs += ms
  const isDue = ({ dueMs }: (typeof held)[number]) => dueMs <= passedMs
  const due = held.filter(isDue).sort((one, other) => one.dueMs - other.dueMs)
  held = held.filter(timer => !isDue(timer))
  for (const { callback } of due) callback()
}
