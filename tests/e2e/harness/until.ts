import { setTimeout as sleep } from 'node:timers/promises'

/** Waits until the condition gives something, asking often; fails with what was waited for. */
export async function until<T>(
  what: string,
  condition: () => T | false | undefined | Promise<T | false | undefined>,
  limitMs = 20_000,
): Promise<T> {
  const end = Date.now() + limitMs
  for (;;) {
    const value = await condition()
    if (value !== undefined && value !== false) return value
    if (Date.now() > end) throw new Error(`waited ${limitMs} ms in vain until ${what}`)
    await sleep(25)
  }
}

/** Fails instead of hanging. */
export async function within<T>(limitMs: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${limitMs} ms`)), limitMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
