// The real engine where there is no browser: what it answers without a store, and what its death does.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { loadEngine } from '../dist/engine.js'
import { InstanceError, open, StorageError } from '../dist/index.js'
import { Session } from '../dist/session.js'

const wasm = readFileSync(new URL('../dist/wasm/landfall_bg.wasm', import.meta.url))
const schema = { version: 1, tables: { notes: { fields: { text: 'string' } } } }

test('an engine that cannot be fetched is told apart, and can be loaded later', async () => {
  const missing = () => Promise.resolve(new Response('nothing here', { status: 404 }))
  await assert.rejects(loadEngine(missing), { code: 'engine-unavailable', retryable: true })
  const page = () => Promise.resolve(new Response('<!doctype html>', { headers: { 'content-type': 'text/html' } }))
  await assert.rejects(loadEngine(page), { code: 'engine-unavailable' })
  const engine = await loadEngine(() => new Response(wasm, { headers: { 'content-type': 'application/wasm' } }))
  assert.equal(engine.death, undefined)
})

test('options that cannot be are refused with their name', async () => {
  await assert.rejects(open({ name: '', schema }), { code: 'invalid-value', field: 'name' })
  await assert.rejects(open({ name: 'a', schema, principal: 7 }), { code: 'invalid-value', field: 'principal' })
  await assert.rejects(open({ name: 'a', schema, remote: {} }), { code: 'invalid-value', field: 'remote.url' })
  await assert.rejects(open({ name: 'a', schema: { version: 1, tables: {} } }), { code: 'invalid-schema' })
  const odd = { version: 1, tables: { notes: { fields: { text: () => 'string' } } } }
  await assert.rejects(open({ name: 'a', schema: odd }), { code: 'invalid-schema', field: 'tables.notes.fields.text' })
})

test('without a store nothing is opened', async () => {
  await assert.rejects(
    open({ name: 'a', schema }),
    error => error instanceof StorageError && error.code === 'storage-unavailable',
  )
})

test('closing waits for writes, ends passes, and refuses what comes later', async () => {
  const engine = await loadEngine(() => assert.fail('it is loaded'))
  const did = []
  const client = new Proxy({}, { get: (_, name) => () => did.push(name) })
  const session = new Session(engine, client)
  const write = Promise.withResolvers?.() ?? later()
  const pass = Promise.withResolvers?.() ?? later()
  const written = session.call(() => write.promise)
  const passed = session.pass(() => pass.promise)
  const closed = session.close()
  await assert.rejects(
    session.call(() => assert.fail('it is closing')),
    { code: 'closed' },
  )
  assert.deepEqual(did, ['windDown'])
  write.resolve('stored')
  assert.equal(await written, 'stored')
  await new Promise(setImmediate)
  assert.deepEqual(did, ['windDown', 'interrupt'])
  pass.reject({ code: 'closed', message: 'it is closed', field: null, retryable: false })
  await assert.rejects(passed, { code: 'closed' })
  await closed
  assert.deepEqual(did, ['windDown', 'interrupt', 'close', 'free'])
})

test('when the engine dies, what waits for it and what comes later is told so', async () => {
  const engine = await loadEngine(() => assert.fail('it is loaded'))
  const session = new Session(engine, {})
  const waiting = session.call(() => new Promise(() => {}))
  const trap = new WebAssembly.RuntimeError('unreachable')
  const dead = error =>
    error instanceof InstanceError &&
    error.code === 'instance-dead' &&
    error.cause === trap &&
    /reload/.test(error.message)
  await assert.rejects(
    session.call(() => Promise.reject(trap)),
    dead,
  )
  await assert.rejects(waiting, dead)
  await assert.rejects(
    session.call(() => assert.fail('nobody calls a dead engine')),
    dead,
  )
  await assert.rejects(open({ name: 'a', schema }), dead)
  await session.close()
})

function later() {
  const parts = {}
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }))
  return parts
}
