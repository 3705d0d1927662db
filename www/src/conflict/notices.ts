// What happens while somebody works is told beside the work, and goes by itself: nothing has to be done about it now.
import type { ActivityLine, Conflict } from 'landfall'
import type { Database } from '../database'
import type { TableName } from '../schema'
import { fieldName } from '../sync/words'
import { titleOf, valueText } from './words'

export interface Notice {
  readonly key: string
  readonly tone: 'open' | 'merged' | 'alike'
  readonly text: string
  /** The conflicts that it is about, the newest last. */
  readonly conflicts: readonly string[]
  /** The record that it is about, where there is no conflict. */
  readonly record?: { readonly table: string; readonly id: string }
  readonly canUndo: boolean
}

const SHOWN_MS = 8_000
const SHOWN_MAX = 3
const OPEN = 'open'

/** The notices of one database, as a store that React can look at. */
export class Notices {
  readonly #db: Database
  readonly #listeners = new Set<() => void>()
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>()
  /** Who changed which record last, as far as the stream told. */
  readonly #changedBy = new Map<string, string>()
  #shown: readonly Notice[] = []
  readonly #holds = new Set<'reading' | 'deciding'>()
  #lastLine: number | undefined

  constructor(db: Database) {
    this.#db = db
    db.on('remote-change', ({ table, ids, principal }) => {
      if (principal !== null) for (const id of ids) this.#changedBy.set(`${table}/${id}`, principal)
    })
    db.on('conflict', conflict => this.#take(conflict))
    const look = () => void this.#lookForAlike()
    db.on('change', look)
    db.on('state', look)
    look()
  }

  readonly snapshot = (): readonly Notice[] => this.#shown

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  dismiss(key: string): void {
    clearTimeout(this.#timers.get(key))
    this.#timers.delete(key)
    this.#publish(this.#shown.filter(notice => notice.key !== key))
  }

  /** While somebody reads or reaches for one of them, or decides something else, none goes. */
  hold(why: 'reading' | 'deciding', isHeld: boolean): void {
    if (this.#holds.has(why) === isHeld) return
    if (isHeld) this.#holds.add(why)
    else this.#holds.delete(why)
    for (const { key } of this.#shown) this.#time(key)
  }

  /** Somebody looks at what is open: it need not be told any more. */
  seeOpen(): void {
    this.dismiss(OPEN)
  }

  #take(conflict: Conflict): void {
    const { id, state, resolution } = conflict
    if (state === 'open') return this.#takeOpen(conflict)
    const open = this.#shown.find(({ key }) => key === OPEN)
    if (open?.conflicts.includes(id)) this.dismiss(OPEN)
    if (state === 'undone') return this.dismiss(id)
    const text = resolution?.how === 'rules' ? this.#merged(conflict) : null
    if (text !== null) this.#show({ key: id, tone: 'merged', text, conflicts: [id], canUndo: true })
  }

  /** Several that are open are one notice: they are decided in one place. */
  #takeOpen(conflict: Conflict): void {
    const before = this.#shown.find(({ key }) => key === OPEN)?.conflicts ?? []
    const conflicts = [...before, conflict.id]
    const text =
      conflicts.length === 1 ? this.#met(conflict) : `${conflicts.length} changes of yours met somebody else’s.`
    this.#show({ key: OPEN, tone: 'open', text, conflicts, canUndo: false })
  }

  #met(conflict: Conflict): string {
    const who = this.#who(conflict)
    const title = titleOf(conflict)
    switch (conflict.kind) {
      case 'update-update':
        return `${who} changed “${title}” too.`
      case 'update-delete':
        return `${who} deleted “${title}”, which you changed.`
      case 'delete-update':
        return `${who} changed “${title}”, which you deleted.`
      case 'create-create':
        return `${who} made one with the order number of “${title}” too.`
    }
  }

  /** Of what the rules settled only that which somebody is to know. */
  #merged(conflict: Conflict): string | null {
    const title = titleOf(conflict)
    if (conflict.kind === 'update-delete') return `${this.#who(conflict)} deleted “${title}”. What you changed is kept.`
    const told = conflict.rulings.filter(({ notify }) => notify)
    if (told.length === 0) return null
    const values = told.map(({ path: [field = ''], value }) => {
      return `${fieldName(field)} is now ${valueText(field, value) ?? 'empty'}`
    })
    return `${this.#who(conflict)} changed “${title}” too. Merged: ${values.join(', ')}.`
  }

  /** Who did theirs, if the stream told since the app was opened. */
  otherOf({ table, recordId, holder }: Conflict): string | undefined {
    const name = this.#changedBy.get(`${table}/${holder ?? recordId}`)
    return name && name.charAt(0).toUpperCase() + name.slice(1)
  }

  #who(conflict: Conflict): string {
    return this.otherOf(conflict) ?? 'Somebody'
  }

  async #lookForAlike(): Promise<void> {
    let lines: readonly ActivityLine[]
    try {
      lines = await this.#db.activity({ limit: 20 })
    } catch {
      // The database is closed, or cannot be read: that is said elsewhere.
      return
    }
    const last = this.#lastLine
    this.#lastLine = Math.max(last ?? 0, ...lines.map(({ number }) => number))
    // What was there when the app was opened is no news.
    if (last === undefined) return
    for (const { number, what } of lines) if (number > last && what.kind === 'alike') await this.#tellAlike(what)
  }

  async #tellAlike({ of, other }: Extract<ActivityLine['what'], { kind: 'alike' }>): Promise<void> {
    const table = this.#db.tables[of.table as TableName]
    const record = (await table.get(of.record)) as { title?: string; name?: string } | undefined
    const title = record?.title ?? record?.name ?? of.record
    const text = `Looks like “${title}” is there twice.`
    this.#show({
      key: [of.record, other].sort().join(),
      tone: 'alike',
      text,
      conflicts: [],
      record: { table: of.table, id: of.record },
      canUndo: false,
    })
  }

  #show(notice: Notice): void {
    const others = this.#shown.filter(({ key }) => key !== notice.key)
    for (const { key } of others.slice(0, Math.max(0, others.length + 1 - SHOWN_MAX))) this.dismiss(key)
    this.#publish([...this.#shown.filter(({ key }) => key !== notice.key), notice])
    this.#time(notice.key)
  }

  #time(key: string): void {
    clearTimeout(this.#timers.get(key))
    if (this.#holds.size > 0) return
    this.#timers.set(
      key,
      setTimeout(() => this.dismiss(key), SHOWN_MS),
    )
  }

  #publish(shown: readonly Notice[]): void {
    this.#shown = shown
    // What goes under the pointer does not say that the pointer has left.
    if (shown.length === 0) this.#holds.delete('reading')
    for (const listener of this.#listeners) listener()
  }
}

const made = new WeakMap<Database, Notices>()

/** From the first call on, for as long as the database is open. */
export function noticesOf(db: Database): Notices {
  let notices = made.get(db)
  if (!notices) made.set(db, (notices = new Notices(db)))
  return notices
}
