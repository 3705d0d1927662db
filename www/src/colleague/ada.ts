// A colleague who works with the same server from nowhere in particular: what a second device would send, sent by this page.
// It goes past this device's database, so to the app it is what somebody else did.
import type { Json } from 'landfall'
import { schema, type TableName } from '../schema'

export const ADA = 'ada'

type Data = Readonly<Record<string, Json>>

interface Operation {
  readonly table: TableName
  readonly recordId: string
  readonly operation: 'create' | 'update' | 'delete'
  readonly baseVersion: number | null
  readonly data?: Data
}

interface Result {
  readonly status: string
  readonly message?: string
  /** With `conflict`: the record as the server has it. */
  readonly record?: { readonly version: number }
}

const device = `device_${Date.now()}_ada`

async function post<T>(path: string, body: object): Promise<T> {
  const response = await fetch(`/api/sync/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'landfall-protocol': '1' },
    body: JSON.stringify({ protocol: 1, ...body }),
  })
  if (!response.ok) throw new Error(`The server did not let Ada do that (${response.status}).`)
  return (await response.json()) as T
}

let epoch: Promise<string> | undefined

/** Which copy of the data the server has: it takes no change from who does not know. */
function epochOf(): Promise<string> {
  epoch ??= post<{ epoch: string }>('download', { cursor: null, entityTypes: ['projects'], limit: 1 }).then(
    answer => answer.epoch,
  )
  return epoch
}

/** To be called before something is timed: what Ada needs to know is asked for once. */
export async function adaIsReady(): Promise<void> {
  try {
    await epochOf()
  } catch {
    epoch = undefined
    throw new Error('Ada cannot reach the server. She needs a network to be played.')
  }
}

async function send(operations: readonly Operation[]): Promise<readonly Result[]> {
  const { results } = await post<{ results: readonly Result[] }>('upload', {
    principal: ADA,
    deviceId: device,
    schemaVersion: schema.version,
    epoch: await epochOf(),
    sentAt: Date.now(),
    operations: operations.map(operation => ({
      id: crypto.randomUUID(),
      timestamp: Date.now(),
      dependencies: [],
      ...operation,
    })),
  })
  return results
}

/** On the versions that we have, or, where the server is further on, on its own. */
async function onTop(...operations: readonly Operation[]): Promise<void> {
  let results = await send(operations)
  const late = operations.flatMap((operation, at) => {
    const { status, record } = results[at] ?? {}
    return status === 'conflict' && record ? [{ ...operation, baseVersion: record.version }] : []
  })
  if (late.length > 0) results = [...results.filter(({ record }) => !record), ...(await send(late))]
  const failed = results.find(({ status }) => status !== 'applied')
  if (failed) throw new Error(`The server did not take Ada’s change: ${failed.message ?? failed.status}.`)
}

interface Known {
  readonly id: string
  readonly _version: number | null
}

export const ada = {
  create: (table: TableName, data: Data) =>
    onTop({
      table,
      recordId: `temp_${Date.now()}_${crypto.randomUUID().slice(0, 8)}_${table}`,
      operation: 'create',
      baseVersion: null,
      data,
    }),
  update: (table: TableName, { id, _version }: Known, data: Data) =>
    onTop({ table, recordId: id, operation: 'update', baseVersion: _version, data }),
  updateAll: (table: TableName, changes: readonly (readonly [Known, Data])[]) =>
    onTop(
      ...changes.map(([{ id, _version }, data]) => ({
        table,
        recordId: id,
        operation: 'update' as const,
        baseVersion: _version,
        data,
      })),
    ),
  remove: (table: TableName, { id, _version }: Known) =>
    onTop({ table, recordId: id, operation: 'delete', baseVersion: _version }),
}
