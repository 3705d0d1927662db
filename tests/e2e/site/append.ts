import type { AppDatabase } from '../harness/app.js'

/** Writes `count` projects named `<label> <n>`, `atOnce` of them together; gives what was acknowledged. */
export async function append(db: AppDatabase, label: string, count: number, atOnce: number): Promise<string[]> {
  const acknowledged: string[] = []
  for (let from = 0; from < count; from += atOnce) {
    const names = Array.from({ length: Math.min(atOnce, count - from) }, (_, i) => `${label} ${from + i}`)
    const fields = { customer: 'Elm', address: 'Quay 4', status: 'active' }
    const created = await Promise.all(names.map(name => db.tables['projects']?.create({ name, ...fields })))
    acknowledged.push(...created.map(record => String(record?.['name'])))
  }
  return acknowledged
}
