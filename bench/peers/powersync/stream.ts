import type { DownloadPage } from '../../src/page/contestant.js'

const bucket = 'items[]'

/** The checksum of an operation is what the service says it is; the bucket's is their sum. */
const checksum = 1

/** What its service would stream: a checkpoint, the operations that lead to it, and that it is complete. */
function* lines(bodies: readonly string[]): Generator<string> {
  const pages = bodies.map(body => JSON.parse(body) as DownloadPage)
  const count = pages.reduce((sum, { entities }) => sum + entities.length, 0)
  const buckets = [{ bucket, count, checksum: (count * checksum) >>> 0, priority: 3 }]
  yield JSON.stringify({ checkpoint: { last_op_id: String(count), write_checkpoint: null, buckets } })
  let op = 0
  for (const [n, { entities }] of pages.entries()) {
    const after = String(op)
    const data = entities.map(({ id, data }) => {
      op += 1
      return { op_id: String(op), op: 'PUT', object_type: 'items', object_id: id, checksum, data: JSON.stringify(data) }
    })
    const hasMore = n + 1 < pages.length
    yield JSON.stringify({ data: { bucket, after, has_more: hasMore, data, next_after: String(op) } })
  }
  yield JSON.stringify({ checkpoint_complete: { last_op_id: String(count) } })
}

/** Stands where the network would be while the work goes on. The stream stays open, as a real one does. */
export async function streaming(bodies: readonly string[], work: () => Promise<void>): Promise<void> {
  const network = globalThis.fetch
  const encoder = new TextEncoder()
  globalThis.fetch = async (input, init) => {
    const { pathname } = new URL(input instanceof Request ? input.url : input, location.href)
    if (!pathname.endsWith('/sync/stream')) return network(input, init)
    const left = lines(bodies)
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const { value } = left.next()
        if (typeof value === 'string') controller.enqueue(encoder.encode(`${value}\n`))
      },
    })
    return new Response(body, { headers: { 'content-type': 'application/x-ndjson' } })
  }
  try {
    await work()
  } finally {
    globalThis.fetch = network
  }
}
