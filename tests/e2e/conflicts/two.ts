import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Conflict, ConflictFilter, Database, SchemaDocument, SyncMetadata } from 'landfall'
import { ask, type Remote, remote, type Tab } from '../harness/tab.js'
import { until } from '../harness/until.js'
import type { Told } from '../site/conflicts/page.js'
import type { ConflictSchema, TableName } from '../site/conflicts/schema.js'
import type { Fields, Held, World } from './world.js'

export type Person = 'ana' | 'ben'
const people: readonly Person[] = ['ana', 'ben']
export type Device = Remote<Database<ConflictSchema>>
export type Row = SyncMetadata & Fields

/** A table whose fields are not known when this is compiled. */
interface LooseTable {
  create(fields: Fields): Promise<Row>
  update(id: string, changes: Fields): Promise<Row>
  delete(id: string): Promise<void>
  get(id: string): Promise<Row | undefined>
  query(): Promise<readonly Row[]>
}

export function tableOf(device: Device, table: TableName): LooseTable {
  return (device.tables as unknown as Record<TableName, LooseTable>)[table]
}

/**
 * How far apart two writes must lie for a device to know which was the later one: it knows the server's clock no better than an
 * answer took to come.
 */
const clearlyLaterMs = 400

/** A record's own fields, as the app wrote them; none, if there is no record. */
export function fieldsOf(row: Row | undefined): Fields {
  return Object.fromEntries(Object.entries(row ?? {}).filter(([name]) => name !== 'id' && !name.startsWith('_')))
}

/** Ana and Ben, each with a device of their own, and the server between them. */
export class Two {
  readonly ana: Device
  readonly ben: Device

  private constructor(
    private readonly world: World,
    private readonly tabs: Record<Person, Tab>,
    private readonly name: string,
    private readonly release: SchemaDocument | undefined,
    /** What others left at the server. */
    private readonly before: ReadonlySet<string>,
  ) {
    this.ana = this.device('ana', 'ana')
    this.ben = this.device('ben', 'ben')
  }

  private device(who: Person, name: string): Device {
    return remote((path, args) => ask(this.tabs[who], { ask: 'call', device: name, path, args }))
  }

  /** `release`: what Ana has of the app, if it is another one. */
  static async open(world: World, tabs: Record<Person, Tab>, name: string, release?: SchemaDocument): Promise<Two> {
    const two = new Two(world, { ...tabs }, name, release, new Set(Object.keys(byId(await world.records()))))
    for (const who of people) await two.begin(who)
    return two
  }

  private async begin(who: Person, device: string = who): Promise<void> {
    const schema = who === 'ana' && this.release !== undefined ? { schema: this.release } : {}
    await ask(this.tabs[who], { ask: 'open', device, name: this.name, principal: who, ...schema })
  }

  /** Opens what somebody has open once more. */
  async another(who: Person): Promise<Device> {
    const name = `${who} again`
    await this.begin(who, name)
    return this.device(who, name)
  }

  /** Every page is loaded anew. */
  async reload(): Promise<void> {
    await this.isSound()
    for (const tab of this.pages()) await tab.reload()
    for (const who of people) await this.begin(who)
  }

  /** Somebody, whose page was closed, opens another one. */
  async reopen(who: Person, tab: Tab): Promise<void> {
    this.tabs[who] = tab
    await this.begin(who)
  }

  async close(): Promise<void> {
    await this.isSound()
    for (const who of people) await ask(this.tabs[who], { ask: 'close', device: who })
  }

  /** Nothing went wrong in a page that nobody caught. */
  private async isSound(): Promise<void> {
    for (const tab of this.pages()) assert.deepEqual(await ask(tab, { ask: 'failures' }), [])
  }

  private pages(): ReadonlySet<Tab> {
    return new Set(Object.values(this.tabs))
  }

  /** What a device told those who listen, since it was opened. */
  async told(who: Person): Promise<readonly Told[]> {
    return (await ask(this.tabs[who], { ask: 'told', device: who })) as readonly Told[]
  }

  /** A record that both devices and the server have; the server's id for it. */
  async shared(table: TableName, fields: Fields): Promise<string> {
    const { id } = await tableOf(this.ana, table).create(fields)
    await this.sync(this.ana)
    await this.sync(this.ben)
    const known = await tableOf(this.ben, table).query()
    const row = await tableOf(this.ana, table).get(id)
    assert.ok(row !== undefined && !row.id.startsWith('temp_') && known.some(({ id }) => id === row.id))
    return row.id
  }

  /** Somebody works without a network while the other one goes on; then they have it again, and sync. */
  async apart(who: Person, work: () => Promise<void>): Promise<void> {
    this.world.cut(who)
    try {
      await work()
    } finally {
      this.world.heal()
    }
    await this.sync(this[who])
  }

  /**
   * Both change it without knowing of each other, and Ben is heard first. `later`: who wrote later, where it matters.
   */
  async meet(table: TableName, id: string, bens: Fields, anas: Fields, later?: Person): Promise<void> {
    await this.apart('ana', async () => {
      const ben = async () => {
        await tableOf(this.ben, table).update(id, bens)
        await this.sync(this.ben)
      }
      const ana = () => tableOf(this.ana, table).update(id, anas)
      const [first, second] = later === 'ben' ? [ana, ben] : [ben, ana]
      await first()
      if (later !== undefined) await sleep(clearlyLaterMs)
      await second()
    })
  }

  /** All that a device shows. */
  private async held(who: Person): Promise<Record<string, Fields>> {
    const tables = (await ask(this.tabs[who], { ask: 'rows', device: who })) as Record<string, readonly Row[]>
    return byId(
      Object.entries(tables).flatMap(([table, rows]) => rows.map(row => ({ table, id: row.id, data: fieldsOf(row) }))),
    )
  }

  /** One pass that succeeds. */
  async sync(device: Device): Promise<void> {
    const { error } = await device.sync()
    assert.equal(error, null)
  }

  /** Both sync until nothing is left to be sent, and then have what the server has. */
  async settle(): Promise<void> {
    await until('nothing is left to be sent', async () => {
      for (const device of [this.ana, this.ben]) await this.sync(device)
      const left = [await this.ana.outbox.list(), await this.ben.outbox.list()]
      return left.every(outbox => outbox.length === 0)
    })
    for (const device of [this.ana, this.ben]) await this.sync(device)
    const records = await this.world.records()
    for (const who of people) assert.deepEqual(await this.held(who), byId(records))
  }

  /** A record as the server has it; `undefined`: it has none, or it is deleted. */
  async server(table: TableName, id: string): Promise<Fields | undefined> {
    return (await this.records(table)).find(record => record.id === id)?.data
  }

  /** What the server has of a table since the two are there. */
  async records(table: TableName): Promise<readonly Held[]> {
    const records = await this.world.records()
    return records.filter(({ table: of, id }) => of === table && !this.before.has(`${of}/${id}`))
  }

  /** The one conflict that a device has. */
  async only(device: Device, filter: ConflictFilter = {}): Promise<Conflict> {
    const { conflicts, total } = await device.conflicts.list(filter)
    assert.equal(total, 1, JSON.stringify(conflicts))
    return conflicts[0] as Conflict
  }
}

function byId(records: readonly { table: string; id: string; data: Fields }[]): Record<string, Fields> {
  return Object.fromEntries(records.map(({ table, id, data }) => [`${table}/${id}`, data]))
}
