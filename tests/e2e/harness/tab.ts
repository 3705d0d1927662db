import type { Answer, Question } from '../site/conflicts/page.js'

/** A page of a browser that answers questions, whichever driver it has. */
export interface Tab {
  /** The page's answer, as JSON. */
  ask(question: Question): Promise<string>
  /** Loads the page anew: nothing of it is left but what is stored. */
  reload(): Promise<void>
}

/** What a call in the page was refused with. */
export class Refused extends Error {
  constructor(
    override readonly name: string,
    readonly code: string | undefined,
    readonly field: string | undefined,
    message: string,
  ) {
    super(message)
  }
}

/** Asks a page, and gives what it answered or throws what was thrown there. */
export async function ask(tab: Tab, question: Question): Promise<unknown> {
  const answer = JSON.parse(await tab.ask(question)) as Answer
  if (!('error' in answer)) return answer.value
  const { name, code, field, message } = answer.error
  throw new Refused(name, code, field, message)
}

/** What lies in a page, as it looks from here: every method takes and gives data, and answers later. */
export type Remote<T> = {
  readonly [K in keyof T]: T[K] extends (...args: infer A) => infer R
    ? (...args: A) => Promise<Awaited<R>>
    : Remote<T[K]>
}

/** Turns calls into questions: the path to the method, and its arguments. */
export function remote<T>(
  call: (path: readonly string[], args: readonly unknown[]) => Promise<unknown>,
  path: readonly string[] = [],
): Remote<T> {
  const target = () => undefined
  return new Proxy(target, {
    // Not for `then`: whoever awaits it would wait for it to be called back.
    get: (_, key) => (typeof key === 'string' && key !== 'then' ? remote(call, [...path, key]) : undefined),
    apply: (_, __, args: readonly unknown[]) => call(path, args),
  }) as unknown as Remote<T>
}
