import { type Row, readDatabase } from './database.js'

/** A record as the server's SQLite has it. */
export interface ServerRecord {
  readonly table: string
  readonly id: string
  readonly version: number
  readonly deleted: boolean
  readonly createdAs: string | null
  readonly data: Readonly<Record<string, unknown>>
}

export interface ServerContents {
  readonly records: readonly ServerRecord[]
  /** A line for each operation that was received, the repeated ones included. */
  readonly audit: readonly { readonly operationId: string; readonly operation: string; readonly status: string }[]
}

/** Everything that a stopped server has. */
export function contents(dataFile: string): Promise<ServerContents> {
  return readDatabase(dataFile, query => ({
    records: query('SELECT tbl, id, version, deleted, created_as, data FROM records ORDER BY tbl, id').map(toRecord),
    audit: query('SELECT operation_id, operation, status FROM audit ORDER BY line').map(row => ({
      operationId: String(row['operation_id']),
      operation: String(row['operation']),
      status: String(row['status']),
    })),
  }))
}

function toRecord(row: Row): ServerRecord {
  return {
    table: String(row['tbl']),
    id: String(row['id']),
    version: Number(row['version']),
    deleted: row['deleted'] === 1,
    createdAs: row['created_as'] === null ? null : String(row['created_as']),
    data: JSON.parse(String(row['data'])) as Record<string, unknown>,
  }
}

/** The living records of a table that have this value in this field. */
export function withField(
  { records }: ServerContents,
  table: string,
  field: string,
  value: unknown,
): readonly ServerRecord[] {
  return records.filter(record => record.table === table && !record.deleted && record.data[field] === value)
}
