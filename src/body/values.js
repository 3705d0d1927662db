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

const { getPrototypeOf, hasOwn, isFrozen } = Object
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

function copyNested(value, path, above) {
  if (above.includes(value)) throw new Refused('a reference to an object that it is in')
  above.push(value)
  if (above.length > DEPTH_MAX) throw new Refused(`nested more than ${DEPTH_MAX} deep`)
  const copy = Array.isArray(value) ? copyArray(value, path, above) : copyObject(value, path, above)
  above.pop()
  return Object.freeze(copy)
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
export function copyIn(value, absent) {
  const path = []
  try {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new Refused('not an object with fields')
    if (!isPlain(value)) throw new Refused(kindOf(value))
    const copy = { ...value }
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
    Object.freeze(object)
  }
  return value
}

/** The body itself, frozen with all that is in it: to be handed out as it is. */
export const freeze = freezeDeep

/** The record as readers get it. Its nested values are the body's own. */
export function recordOf(body, id, status, localUpdatedAt, serverUpdatedAt, syncId, deleted, version) {
  return freezeDeep({
    ...body,
    id,
    _syncStatus: status,
    _localUpdatedAt: localUpdatedAt ?? null,
    _serverUpdatedAt: serverUpdatedAt ?? null,
    _syncId: syncId ?? null,
    _isDeleted: deleted,
    _version: version ?? null,
  })
}

/**
 * Many records at once: a call from WebAssembly, and each string that it carries, costs more than making a record.
 * `words` holds an id and a mutation id (or nothing) for each, all on lines of their own; `numbers` holds status, when
 * it changed here and there, whether it is deleted, and the version, where NaN is none.
 */
export function recordsOf(bodies, words, numbers, statuses) {
  const lines = words.split('\n')
  const orNull = number => (number === number ? number : null)
  return bodies.map((body, at) => {
    const from = at * 5
    return recordOf(
      body,
      lines[at * 2],
      statuses[numbers[from]],
      orNull(numbers[from + 1]),
      orNull(numbers[from + 2]),
      lines[at * 2 + 1] || null,
      numbers[from + 3] === 1,
      orNull(numbers[from + 4]),
    )
  })
}

export function patched(body, changes, unset) {
  const copy = { ...body, ...changes }
  return unset.length === 0 ? copy : without(copy, unset)
}

export function withText(body, field, text) {
  return { ...body, [field]: text }
}

export function get(body, field) {
  return hasOwn(body, field) ? body[field] : undefined
}

/** What a field holds: 0 absent, 1 null, 2 boolean, 3 number, 4 string, 5 array, 6 object. */
export function kind(body, field) {
  if (!hasOwn(body, field)) return 0
  const value = body[field]
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

/** What the glue made of a list. */
export const array = values => values

/** The kind of each of these fields, a digit each, and then the first field that is none of them. */
export function outline(body, names) {
  let text = ''
  let known = 0
  for (const name of names) {
    const found = kind(body, name)
    if (found !== 0) known++
    text += found
  }
  const keys = Object.keys(body)
  return keys.length === known ? text : text + keys.find(key => !names.includes(key))
}

/** JSON as it would be if nobody had given `Object` or `Array` a `toJSON` for all (Prototype.js 1.6 did). */
export function toJson(value) {
  return hasOwn(Object.prototype, 'toJSON') || hasOwn(Array.prototype, 'toJSON')
    ? plainJson(value)
    : JSON.stringify(value)
}

function plainJson(value) {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(plainJson).join(',')}]`
  return `{${Object.keys(value)
    .filter(key => value[key] !== undefined)
    .map(key => `${JSON.stringify(key)}:${plainJson(value[key])}`)
    .join(',')}}`
}

/** One stored value: the head, a newline, the bodies. JSON text holds no raw newline, so the first one ends the head. */
export function pack(head, bodies) {
  return `${head}\n${toJson(bodies)}`
}

/** The head of a stored value, as UTF-8: the glue would encode a long text one unit at a time. */
export function headOf(text) {
  const end = text.indexOf('\n')
  if (end < 0) throw new SyntaxError('not a packed value')
  return new TextEncoder().encode(text.slice(0, end))
}

/** The bodies of a stored value. */
export function bodiesOf(text) {
  const bodies = JSON.parse(text.slice(text.indexOf('\n') + 1))
  if (!Array.isArray(bodies)) throw new SyntaxError('not a packed value')
  return bodies
}

/** An escape for half of a surrogate pair (the whole pair, too, has one), or a name that is no field's. */
const SUSPECT = /\\u[dD][89a-fA-F]|__proto__/

/**
 * The value of a server's JSON. What a field cannot hold is looked for only in a text that might have it: walking all
 * that a pull brings would cost more than parsing it.
 */
export function parseAnswer(text) {
  const answer = JSON.parse(text)
  if (SUSPECT.test(text)) checkAnswer(answer)
  return answer
}

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
