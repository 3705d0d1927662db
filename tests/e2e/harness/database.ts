import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import initSqlJs, { type SqlValue } from 'sql.js'

export type Row = Record<string, SqlValue>

/** Reads the data file of a server that was stopped, by SQL of the test's own. */
export async function readDatabase<T>(file: string, read: (query: (sql: string) => Row[]) => T): Promise<T> {
  if (existsSync(`${file}-wal`)) throw new Error('the server left a write-ahead log: it did not close its database')
  const bytes = await readFile(file)
  // A database in memory has no write-ahead log; these two bytes of the header say that this one needs none either
  // (https://www.sqlite.org/fileformat.html, "File format version numbers"). Everything is in the file by now.
  bytes.fill(1, 18, 20)
  const sqlite = await initSqlJs()
  const database = new sqlite.Database(bytes)
  try {
    return read(sql => {
      const rows: Row[] = []
      const statement = database.prepare(sql)
      while (statement.step()) rows.push(statement.getAsObject())
      statement.free()
      return rows
    })
  } finally {
    database.close()
  }
}
