import type { Figures } from './stage.js'

/** A page whose service worker is woken by a message, as it would be by a push or a sync event. */
export class Worker {
  async register(): Promise<void> {
    await navigator.serviceWorker.register('/worker.js')
    await navigator.serviceWorker.ready
  }

  /** From the event to a record in the page's hands; what happened within by the worker's own clock. */
  async wake(id: string): Promise<Figures> {
    const { active } = await navigator.serviceWorker.ready
    const { port1, port2 } = new MessageChannel()
    const answered = new Promise<Answer>(resolve => {
      port1.onmessage = ({ data }: MessageEvent<Answer>) => resolve(data)
    })
    const begun = performance.now()
    active?.postMessage({ id }, [port2])
    const answer = await answered
    const whole = performance.now() - begun
    if (answer.error !== undefined) throw new Error(answer.error)
    const { title, ms = Number.NaN, wasmMs = Number.NaN } = answer.value ?? {}
    if (title === undefined) throw new Error('the worker has not found the record')
    return { 'worker, woken to first': whole, 'worker, opened to first': ms, 'worker, wasm': wasmMs }
  }
}

interface Answer {
  readonly error?: string
  readonly value?: { readonly title?: string; readonly ms: number; readonly wasmMs: number }
}
