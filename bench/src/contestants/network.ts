export interface Network {
  /**
   * While the work goes on, downloads are answered by these bodies, one after the other. Uploads are put off, as by a server
   * that is overloaded: what is queued stays queued. Gives how many bodies nobody asked for.
   */
  playing(bodies: readonly string[], work: () => Promise<void>): Promise<number>
  /** While the work goes on, requests go to the real server. */
  connected(work: () => Promise<void>): Promise<void>
}

/**
 * Stands between an engine that syncs by itself and the network. There is none by default: no pass competes with the writes
 * that are measured, as none does for the contestants without an engine.
 */
export function installNetwork(): Network {
  let state: 'none' | 'recorded' | 'real' = 'none'
  let answers: string[] = []
  Object.defineProperty(Navigator.prototype, 'onLine', { get: () => state !== 'none' })
  const real = globalThis.fetch
  globalThis.fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input, location.href)
    if (state === 'real' || !url.pathname.startsWith('/api/')) return real(input, init)
    if (state === 'none') throw new TypeError('offline')
    const headers = { 'content-type': 'application/json', 'landfall-protocol': '1' }
    if (!url.pathname.endsWith('/download')) return new Response('{}', { status: 503, headers })
    const body = answers.shift()
    if (body === undefined) throw new TypeError('the recording has ended')
    return new Response(body, { headers })
  }
  const during = async (what: 'recorded' | 'real', work: () => Promise<void>): Promise<void> => {
    state = what
    try {
      await work()
    } finally {
      state = 'none'
    }
  }
  return {
    async playing(bodies, work) {
      answers = [...bodies]
      await during('recorded', work)
      return answers.length
    },
    connected: work => during('real', work),
  }
}
