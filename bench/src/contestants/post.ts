import type { PushAnswer, PushRequest } from '../page/contestant.js'

/** Sends one batch by the generic protocol. Whoever has no protocol of its own pushes with this. */
export async function post(url: string, mutations: PushRequest['mutations']): Promise<PushAnswer['results']> {
  const body: PushRequest = { mutations }
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${url} answered with status ${response.status}`)
  const { results } = (await response.json()) as PushAnswer
  return results
}
