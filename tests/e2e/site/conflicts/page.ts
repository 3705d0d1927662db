/**
 * A page that is several devices at once: each a database of its own, with its own principal. What a test asks of it is data, and so
 * is what it answers, so that any driver of browsers can carry both.
 */
import { type Database, defineSchema, type EventMap, LandfallError, open } from 'landfall'
import type { SchemaDocument } from 'landfall'
import { functions } from './functions.js'
import { schema } from './schema.js'

export type Question =
  | {
      readonly ask: 'open'
      readonly device: string
      readonly name: string
      readonly principal: string
      readonly schema?: SchemaDocument
    }
  /** A method of the database, by the path to it. */
  | {
      readonly ask: 'call'
      readonly device: string
      readonly path: readonly string[]
      readonly args: readonly unknown[]
    }
  /** The records of all tables. */
  | { readonly ask: 'rows'; readonly device: string }
  /** What the database told its listeners. */
  | { readonly ask: 'told'; readonly device: string }
  | { readonly ask: 'close'; readonly device: string }
  /** What went wrong and nobody caught. */
  | { readonly ask: 'failures' }

export type Answer =
  | { readonly value?: unknown }
  | {
      readonly error: {
        readonly name: string
        readonly code?: string
        readonly field?: string
        readonly message: string
      }
    }

/** The events that somebody is told about conflicts, in their order. */
export type Told = { readonly [K in 'conflict' | 'rejected']: { readonly event: K; readonly about: EventMap[K] } }[
  'conflict' | 'rejected']

const devices = new Map<string, { readonly database: Database; readonly told: Told[] }>()
const failures: string[] = []
addEventListener('error', event => failures.push(event.message))
addEventListener('unhandledrejection', event => failures.push(String(event.reason)))

function device(name: string) {
  const found = devices.get(name)
  if (found === undefined) throw new Error(`${name} is not open`)
  return found
}

async function reply(question: Question): Promise<unknown> {
  switch (question.ask) {
    case 'open': {
      const { name, principal } = question
      const database = await open<SchemaDocument>({
        name,
        schema: defineSchema(question.schema ?? schema),
        remote: { url: '/api/sync', live: false },
        principal,
        functions,
        wasm: '/landfall_bg.wasm',
      })
      const told: Told[] = []
      database.on('conflict', about => told.push({ event: 'conflict', about }))
      database.on('rejected', about => told.push({ event: 'rejected', about }))
      devices.set(question.device, { database, told })
      return
    }
    case 'call': {
      const { database } = device(question.device)
      const path = [...question.path]
      const method = path.pop() ?? ''
      const holder = path.reduce<unknown>((value, key) => Reflect.get(value as object, key), database) as object
      const call = Reflect.get(holder, method) as (...args: readonly unknown[]) => unknown
      return call.apply(holder, [...question.args])
    }
    case 'rows': {
      const tables = Object.entries(device(question.device).database.tables)
      return Object.fromEntries(await Promise.all(tables.map(async ([name, table]) => [name, await table.query()])))
    }
    case 'told':
      return device(question.device).told
    case 'close': {
      const { database } = device(question.device)
      devices.delete(question.device)
      return database.close()
    }
    case 'failures':
      return failures
  }
}

/** The answer to a question, as JSON. Nothing is thrown: drivers differ in what becomes of that. */
async function answer(question: Question): Promise<string> {
  try {
    return JSON.stringify({ value: await reply(question) } satisfies Answer)
  } catch (thrown) {
    const { name, message } = thrown as Error
    const { code, field } = thrown instanceof LandfallError ? thrown : {}
    return JSON.stringify({ error: { name, message, code, field } })
  }
}

declare global {
  var answer: Answerer
}
export type Answerer = typeof answer
globalThis.answer = answer
