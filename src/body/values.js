/**
 * The loops over the app's values. They are JavaScript because JavaScript walks its own objects faster than
 * WebAssembly does by reflection: each read from there is a call across the boundary.
 *
 * Two rules hold in every function. An object gets its fields by spread, literal or `fromEntries`, which define own
 * properties, and is assigned to only where it already has the field: so no setter on a polluted `Object.prototype`
 * can run. And only own fields are ever read.
 */

/** Fields inside fields: as deep as the server reads. A flat record has depth 1. */
const DEPTH_MAX = 32

const { freeze, getPrototypeOf, hasOwn, isFrozen } = Object
const slice = Array.prototype.slice
const SURROGATE = /\p{Surrogate}/u
/** Chrome 111, Firefox 119, Safari 16.4 have the fast one. */
const wellFormed = 'isWellFormed' in String.prototype ? text => text.isWellFormed() : text => !SURROGATE.test(text)

/** A root prototype, of this realm or another one (an iframe's object is plain too), or none at all. */
function isPlain(object) {
  const prototype = getPrototypeOf(object)
  return prototype === null || (getPrototypeOf(prototype) === null && hasOwn(prototype, 'isPrototypeOf'))
}

function isPlainArray(array) {
  const prototype = getPrototypeOf(array)
  const root = prototype && getPrototypeOf(prototype)
  return !!root && getPrototypeOf(root) === null && hasOwn(prototype, 'concat')
}

/** What an object that JSON has no word for is, in words. */
function kindOf(object) {
  const name = object.constructor?.name
  const named = typeof name === 'string' && name !== '' && name !== 'Object'
  return named ? `an instance of ${name}` : 'an object with a prototype of its own'
}

class Refused {
  what
  constructor(what) {
    this.what = what
  }
}

/** Names that can be used. A bound, because an app may pass in any. */
const usable = new Set()
const USABLE_MAX = 1_000

function isUsable(key) {
  if (usable.has(key)) return true
  if (key === '__proto__' || !wellFormed(key)) return false
  if (usable.size < USABLE_MAX) usable.add(key)
  return true
}

/** Whether a copy of an app's object is done: most hold nothing but scalars of JSON's, and a look at those is quick. */
function isFlat(copy) {
  for (const key in copy) {
    if (!hasOwn(copy, key)) continue
    if (!isUsable(key)) return false
    const value = copy[key]
    switch (typeof value) {
      case 'string':
        if (!wellFormed(value)) return false
        break
      case 'number':
        // -0 has no JSON, and neither have NaN and the infinities.
        if (value - value !== 0 || (value === 0 && 1 / value < 0)) return false
        break
      case 'boolean':
        break
      default:
        if (value !== null) return false
    }
  }
  return Object.getOwnPropertySymbols(copy).length === 0
}

/** The copy of one value that is not `undefined` at the top level. `path` and `above` are where it is and within what. */
function copyValue(value, path, above) {
  switch (typeof value) {
    case 'string':
      if (!wellFormed(value)) throw new Refused('text with half of a surrogate pair')
      return value
    case 'number':
      if (value === 0) return 0 // -0 has no JSON: it is 0 there.
      if (value - value !== 0) throw new Refused(`${value}`)
      return value
    case 'boolean':
      return value
    case 'object':
      return value === null ? null : copyNested(value, path, above)
    case 'undefined':
      throw new Refused('undefined')
    case 'bigint':
      throw new Refused('a BigInt')
    default:
      throw new Refused(`a ${typeof value}`)
  }
}

/**
 * Bodies, by the number that Rust knows each by. A number crosses the boundary for nothing, where a reference to an object
 * has to be put into the module's table and taken out again.
 */
const held = []
/** Numbers of bodies that are gone. */
const unused = []

export function hold(body) {
  const number = unused.length > 0 ? unused.pop() : held.length
  held[number] = body
  return number
}

export function holdAll(bodies) {
  const numbers = new Uint32Array(bodies.length)
  for (let at = 0; at < bodies.length; at++) numbers[at] = hold(bodies[at])
  return numbers
}

export function release(numbers) {
  for (const number of numbers) {
    held[number] = undefined
    unused.push(number)
  }
}

/**
 * Bodies of one stored value that nobody has asked for yet: they are parsed when one of them is. Whoever opens a database with
 * a hundred thousand records looks at some dozens first.
 */
class Unread {
  #text
  constructor(text, count) {
    this.#text = text
    this.numbers = holdAll(new Array(count).fill(this))
  }

  read() {
    const bodies = parseBodies(this.#text)
    // Too late for a typed error. What is stored is there whole or not at all, so this is a disk that lies: nothing goes on.
    const numbers = this.numbers
    if (bodies.length !== numbers.length) throw new WebAssembly.RuntimeError('a stored value is damaged')
    // Some may have been let go, and their numbers be others' by now.
    for (let at = 0; at < bodies.length; at++) if (held[numbers[at]] === this) held[numbers[at]] = bodies[at]
  }
}

function parseBodies(text) {
  const bodies = JSON.parse(text)
  if (!Array.isArray(bodies)) throw new SyntaxError('not a packed value')
  return bodies
}

export function bodyOf(number) {
  const body = held[number]
  if (!(body instanceof Unread)) return body
  body.read()
  return held[number]
}

/** The bodies as one array. */
export function arrayOf(numbers) {
  const bodies = new Array(numbers.length)
  for (let at = 0; at < numbers.length; at++) bodies[at] = bodyOf(numbers[at])
  return bodies
}

function copyNested(value, path, above) {
  if (above.includes(value)) throw new Refused('a reference to an object that it is in')
  above.push(value)
  if (above.length > DEPTH_MAX) throw new Refused(`nested more than ${DEPTH_MAX} deep`)
  const copy = Array.isArray(value) ? copyArray(value, path, above) : copyObject(value, path, above)
  above.pop()
  return freeze(copy)
}

function copyArray(value, path, above) {
  if (!isPlainArray(value)) throw new Refused(kindOf(value))
  const copy = slice.call(value)
  for (let index = 0; index < copy.length; index++) {
    path.push(index)
    if (!hasOwn(copy, index)) throw new Refused('a hole in an array')
    copy[index] = copyValue(copy[index], path, above)
    path.pop()
  }
  for (const key of Reflect.ownKeys(value)) {
    if (key !== 'length' && !hasOwn(copy, key)) {
      path.push(key)
      throw new Refused('a named field of an array')
    }
  }
  return copy
}

function copyObject(value, path, above) {
  if (!isPlain(value)) throw new Refused(kindOf(value))
  const copy = { ...value }
  for (const key of Reflect.ownKeys(copy)) {
    path.push(key)
    checkKey(key)
    const field = copy[key]
    const copied = copyValue(field, path, above)
    if (copied !== field || copied === 0) copy[key] = copied
    path.pop()
  }
  return copy
}

function checkKey(key) {
  if (typeof key === 'symbol') throw new Refused('a field named by a symbol')
  if (key === '__proto__') throw new Refused('a field named __proto__')
  if (!wellFormed(key)) throw new Refused('a field name with half of a surrogate pair')
}

function pathText(path) {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (typeof step === 'symbol') text += `[${String(step)}]`
    else if (/^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(step)) text += text === '' ? step : `.${step}`
    else text += `[${JSON.stringify(step)}]`
  }
  return text
}

/**
 * A copy of a record's fields that shares nothing with the caller's object and is JSON's and nothing else. The names
 * of top-level fields that are `undefined` go to `absent`. Throws `[path, what]`, also when reading the value throws.
 */
function copyOf(value, absent) {
  const path = []
  try {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new Refused('not an object with fields')
    if (!isPlain(value)) throw new Refused(kindOf(value))
    const copy = { ...value }
    if (isFlat(copy)) return copy
    const above = [value]
    for (const key of Reflect.ownKeys(copy)) {
      path.push(key)
      checkKey(key)
      const field = copy[key]
      if (field === undefined) absent.push(key)
      else {
        const copied = copyValue(field, path, above)
        if (copied !== field || copied === 0) copy[key] = copied
      }
      path.pop()
    }
    return absent.length === 0 ? copy : without(copy, absent)
  } catch (error) {
    // A getter or a proxy of the app's may throw anything.
    throw [pathText(path), error instanceof Refused ? error.what : `unreadable: ${String(error?.message ?? error)}`]
  }
}

export const copyIn = (value, absent) => hold(copyOf(value, absent))

/** The same of each in a list. Throws `[path, what, at]`. */
export function copyAllIn(values) {
  const copies = []
  // Not `map`: a hole is no record.
  for (let at = 0; at < values.length; at++) {
    try {
      copies.push(copyOf(values[at], []))
    } catch (refusal) {
      throw [...refusal, at]
    }
  }
  return holdAll(copies)
}

/** Not `delete`: it would leave an object that engines read slowly ever after. */
function without(body, names) {
  return Object.fromEntries(Object.entries(body).filter(([name]) => !names.includes(name)))
}

/** Freezes what a value holds. Without recursion: what came from a server may be nested as deep as it likes. */
function freezeDeep(value) {
  const open = [value]
  for (let object = open.pop(); object !== undefined; object = open.pop()) {
    for (const key of Object.keys(object)) {
      const field = object[key]
      if (typeof field === 'object' && field !== null && !isFrozen(field)) open.push(field)
    }
    freeze(object)
  }
  return value
}

/** An object of ours, frozen with all that is in it: to be handed out as it is. */
export { freezeDeep as frozen }

/** The record as readers get it. Its nested values are the body's own. */
function recordFrom(body, id, status, localUpdatedAt, serverUpdatedAt, syncId, deleted, version) {
  const record = {
    ...body,
    id,
    _syncStatus: status,
    _localUpdatedAt: localUpdatedAt,
    _serverUpdatedAt: serverUpdatedAt,
    _syncId: syncId,
    _isDeleted: deleted,
    _version: version,
  }
  // Most records hold nothing that is nested, and looking costs less than making a list of what they hold.
  for (const field in body) if (typeof body[field] === 'object' && body[field] !== null) return freezeDeep(record)
  return freeze(record)
}

export function recordOf(number, id, status, localUpdatedAt, serverUpdatedAt, syncId, deleted, version) {
  const [changed, received] = [localUpdatedAt ?? null, serverUpdatedAt ?? null]
  return hold(
    recordFrom(bodyOf(number), id, statuses[status], changed, received, syncId ?? null, deleted, version ?? null),
  )
}

/** In the order in which Rust declares them. */
const statuses = ['synced', 'modified', 'pending_upload', 'conflict']

/**
 * Many records at once: a call from WebAssembly, and each string that it carries, costs more than making a record.
 * `ids` holds a line for each, and so does `syncIds`, which is empty where none has one; `facts` holds status, when
 * it changed here and there, whether it is deleted, and the version, where NaN is none. Gives nothing where an id has several lines.
 */
export function recordsOf(numbers, ids, syncIds, facts) {
  const [idOf, syncIdOf] = [ids.split('\n'), syncIds === '' ? [] : syncIds.split('\n')]
  if (idOf.length !== numbers.length) return undefined
  const records = new Uint32Array(numbers.length)
  for (let at = 0, from = 0; at < numbers.length; at++, from += 5) {
    const record = recordFrom(
      bodyOf(numbers[at]),
      idOf[at],
      statuses[facts[from]],
      orNull(facts[from + 1]),
      orNull(facts[from + 2]),
      syncIdOf[at] || null,
      facts[from + 3] === 1,
      orNull(facts[from + 4]),
    )
    records[at] = hold(record)
  }
  return records
}

const orNull = fact => (fact === fact ? fact : null)

export function patched(number, changes, unset) {
  const copy = { ...bodyOf(number), ...bodyOf(changes) }
  return hold(unset === undefined ? copy : without(copy, unset))
}

export function withText(number, field, text) {
  return hold({ ...bodyOf(number), [field]: text })
}

export function get(number, field) {
  const body = bodyOf(number)
  return hasOwn(body, field) ? body[field] : undefined
}

export const fieldsOf = number => Object.keys(bodyOf(number))

/** What a field holds: 0 absent, and else as {@link kindOfValue}. */
const kindIn = (body, field) => (hasOwn(body, field) ? kindOfValue(body[field]) : 0)

/** What a value is: 1 null, 2 boolean, 3 number, 4 string, 5 array, 6 object. */
function kindOfValue(value) {
  switch (typeof value) {
    case 'boolean':
      return 2
    case 'number':
      return 3
    case 'string':
      return 4
    default:
      return value === null ? 1 : Array.isArray(value) ? 5 : 6
  }
}

export const kind = (number, field) => kindIn(bodyOf(number), field)

/**
 * The kinds of these fields of each body, one after the other, into `kinds`, which is all 0. Gives back, for each body, a field
 * that is none of them: as `[at, name, …]`, and nothing at all where there is none.
 */
export function outlines(numbers, names, kinds) {
  const mayInherit = Object.keys(Object.prototype).length > 0
  const strange = []
  // Most have the same fields in the same order: where the kind of each belongs is looked up for the first of them.
  const [fields, places] = [[], []]
  for (let at = 0, from = 0; at < numbers.length; at++, from += names.length) {
    const body = bodyOf(numbers[at])
    let unknown
    let next = 0
    for (const field in body) {
      if (mayInherit && !hasOwn(body, field)) continue
      if (field !== fields[next]) {
        fields[next] = field
        places[next] = names.indexOf(field)
      }
      const place = places[next++]
      if (place < 0) unknown ??= field
      else kinds[from + place] = kindOfValue(body[field])
    }
    if (unknown !== undefined) strange.push(at, unknown)
  }
  return strange.length === 0 ? undefined : strange
}

/**
 * One field of each body: its kind to `kinds`, what is a number or a boolean to `facts`, and what is text to the lines that
 * are given back. A text of several lines is of the kind 7, and to be asked for by itself.
 */
export function column(numbers, field, kinds, facts) {
  const lines = []
  for (let at = 0; at < numbers.length; at++) {
    const body = bodyOf(numbers[at])
    const found = kindIn(body, field)
    kinds[at] = found
    if (found === 2 || found === 3) facts[at] = Number(body[field])
    else if (found === 4) {
      if (body[field].includes('\n')) kinds[at] = 7
      else lines.push(body[field])
    }
  }
  return lines.join('\n')
}

/** JSON as it would be if nobody had given `Object` or `Array` a `toJSON` for all (Prototype.js 1.6 did). */
export const toJson = number => jsonOf(bodyOf(number))

/** How long the text of each is. */
export const lengthsOf = numbers => numbers.map(number => toJson(number).length)

function jsonOf(value) {
  return hasOwn(Object.prototype, 'toJSON') || hasOwn(Array.prototype, 'toJSON')
    ? plainJson(value)
    : JSON.stringify(value)
}

/**
 * A text of Rust's with the bodies in it: each number between two marks is that of the body which belongs there. JSON has no such
 * character, so whatever else the text says, it is no mark.
 */
export function filledIn(text) {
  const parts = text.split('\u0001')
  for (let at = 1; at < parts.length; at += 2) parts[at] = toJson(parts[at])
  return parts.join('')
}

/** What such a text says, frozen: to be handed out as it is. */
export function valueOf(text) {
  const value = JSON.parse(filledIn(text))
  return typeof value === 'object' && value !== null ? freezeDeep(value) : value
}

function plainJson(value) {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(plainJson).join(',')}]`
  return `{${Object.keys(value)
    .filter(key => value[key] !== undefined)
    .map(key => `${JSON.stringify(key)}:${plainJson(value[key])}`)
    .join(',')}}`
}

/** One stored value: the head, a newline, how many bodies there are, and those. JSON text holds no raw newline, so the first one ends the head. */
export function pack(head, numbers) {
  return `${head}\n${numbers.length}${jsonOf(arrayOf(numbers))}`
}

/** The head of a stored value, as UTF-8: the glue would encode a long text one unit at a time. */
export function headOf(text) {
  const end = text.indexOf('\n')
  if (end < 0) throw new SyntaxError('not a packed value')
  return new TextEncoder().encode(text.slice(0, end))
}

/** The bodies of a stored value. Older ones do not say how many there are, and are parsed at once. */
export function bodiesOf(text) {
  const begin = text.indexOf('\n') + 1
  const open = text.indexOf('[', begin)
  const count = Number(text.slice(begin, open))
  if (open <= begin || !Number.isSafeInteger(count) || !text.endsWith(']'))
    return holdAll(parseBodies(text.slice(begin)))
  return new Unread(text.slice(open), count).numbers
}

/** An escape for half of a surrogate pair (the whole pair, too, has one), or a name that is no field's. */
const SUSPECT = /\\u[dD][89a-fA-F]|__proto__/

/**
 * The value of a server's JSON. What a field cannot hold is looked for only in a text that might have it: walking all
 * that a pull brings would cost more than parsing it.
 */
function parseAnswer(text) {
  const answer = JSON.parse(text)
  if (SUSPECT.test(text)) checkAnswer(answer)
  return answer
}

/** An answer without its bodies, as text in which each is its place in the list beside: `[outline, bodies]`. */
export const outlineOf = text => outlined(parseAnswer(text), text)

function outlined(answer, text) {
  const bodies = []
  for (const row of rowsIn(answer))
    if (typeof row === 'object' && row !== null && hasOwn(row, 'data')) {
      if (!isObject(row.data)) throw new TypeError("a record's fields are not an object")
      row.data = bodies.push(row.data) - 1
    }
  return [bodies.length === 0 ? text : jsonOf(answer), holdAll(bodies)]
}

/** Where the protocol has a record: in a page, and with a result. */
function rowsIn(answer) {
  const list = member => (Array.isArray(answer?.[member]) ? answer[member] : [])
  return [...list('entities'), ...list('results').map(result => result?.record)]
}

/**
 * A page of a download, its rows apart, each field of theirs as a list: `[outline, bodies, tables, facts, ids, names]`. `facts` has, for
 * each row, which of the tables it is of, its version and its time; `ids` and `names` (under which they were created, or nothing) are
 * lines. Nothing is taken apart, and the page comes as [outline, bodies], where a row is not as it should be or an id has several lines:
 * who reads it as it is then says what is wrong.
 */
export function pageOf(text) {
  const page = parseAnswer(text)
  const rows = page?.entities
  if (!Array.isArray(rows) || !rows.every(isRow)) return outlined(page, text)
  const tables = []
  const facts = new Float64Array(rows.length * 3)
  for (let at = 0; at < rows.length; at++) {
    const { table, version, updatedAt } = rows[at]
    let number = tables.lastIndexOf(table)
    if (number < 0) number = tables.push(table) - 1
    facts[at * 3] = number
    facts[at * 3 + 1] = version
    facts[at * 3 + 2] = updatedAt
  }
  const ids = rows.map(row => row.id).join('\n')
  const names = rows.some(row => row.createdAs) ? rows.map(row => row.createdAs ?? '').join('\n') : ''
  const bodies = holdAll(rows.map(row => row.data))
  return [jsonOf({ ...page, entities: [] }), bodies, tables, facts, ids, names]
}

function isRow(row) {
  return (
    typeof row?.table === 'string' &&
    isLine(row.id) &&
    isCount(row.version) &&
    isCount(row.updatedAt) &&
    (row.createdAs === undefined || row.createdAs === null || isLine(row.createdAs)) &&
    isObject(row.data)
  )
}

const isObject = value => typeof value === 'object' && value !== null && !Array.isArray(value)
const isLine = text => typeof text === 'string' && !text.includes('\n')
const isCount = number => Number.isSafeInteger(number) && number >= 0

function checkAnswer(answer) {
  const open = [answer]
  while (open.length > 0) {
    const value = open.pop()
    if (typeof value === 'string') {
      if (!wellFormed(value)) throw new SyntaxError('text with half of a surrogate pair')
    } else if (typeof value === 'object' && value !== null) {
      for (const key of Object.keys(value)) {
        if (key === '__proto__' || !wellFormed(key)) throw new SyntaxError('a field name that cannot be used')
        open.push(value[key])
      }
    }
  }
}
