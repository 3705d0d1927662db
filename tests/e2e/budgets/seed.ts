import { uploadPath } from '../harness/rig.js'
import { makeItem } from '../site/budgets/item.js'

/** How many operations the server takes in one request. */
const batchSize = 500

/** Has another device create items on the server: those from one number to another, without it. */
export async function seed(origin: string, from: number, to: number): Promise<void> {
  for (let first = from; first < to; first += batchSize) {
    const operations = Array.from({ length: Math.min(batchSize, to - first) }, (_, n) => create(first + n))
    const body = {
      protocol: 1,
      principal: 'default',
      deviceId: 'device_1_seed',
      schemaVersion: 1,
      sentAt: 1,
      operations,
    }
    const answer = await fetch(`${origin}${uploadPath}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'landfall-protocol': '1' },
      body: JSON.stringify(body),
    })
    const { results = [] } = (await answer.json()) as { results?: readonly { readonly status: string }[] }
    const refused = results.find(({ status }) => status !== 'applied')
    if (!answer.ok || refused !== undefined) throw new Error(`seeding: ${answer.status} ${JSON.stringify(refused)}`)
  }
}

function create(n: number): object {
  const recordId = `temp_1760000000000_${String(n).padStart(6, '0')}_items`
  const head = { id: `seed-${n}`, table: 'items', recordId, operation: 'create', baseVersion: null }
  return { ...head, data: makeItem(n), timestamp: 1, dependencies: [] }
}
