// The facade of edit locks over a client that stands in for the engine's.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readFileSync } from 'node:fs'
import { loadEngine } from '../dist/engine.js'
import { locksOf } from '../dist/locks.js'
import { Session } from '../dist/session.js'

const wasm = readFileSync(new URL('../dist/wasm/landfall_bg.wasm', import.meta.url))
const engine = () => loadEngine(() => new Response(wasm, { headers: { 'content-type': 'application/wasm' } }))

const lock = Object.freeze({ table: 'tasks', recordId: '7', principal: 'u8', deviceId: 'd8', until: 5 })
const taken = { granted: true, reason: null, holder: null, until: 5 }

async function open(client = {}) {
  const calls = []
  const note =
    (name, answer) =>
    (...about) => {
      calls.push([name, ...about])
      return answer
    }
  const session = new Session(await engine(), {
    takeLock: note('take', Promise.resolve(taken)),
    releaseLock: note('release', Promise.resolve(undefined)),
    lockOf: note('of', lock),
    locks: note('list', [lock]),
    windDown() {},
    interrupt() {},
    close() {},
    free() {},
    ...client,
  })
  return { session, locks: locksOf(session), calls }
}

test('calls go through as they are, and answers come back', async () => {
  const { locks, calls } = await open()
  assert.deepEqual(await locks.take('tasks', '7'), taken)
  assert.equal(await locks.release('tasks', '7'), undefined)
  assert.equal(locks.of('tasks', '7'), lock)
  assert.deepEqual(locks.list(), [lock])
  assert.deepEqual(calls, [['take', 'tasks', '7'], ['release', 'tasks', '7'], ['of', 'tasks', '7'], ['list']])
})

test('what is no name is refused with its place', async () => {
  const { locks, calls } = await open()
  await assert.rejects(locks.take('tasks', 7), { code: 'invalid-value', field: 'id' })
  await assert.rejects(locks.release(undefined, '7'), { code: 'invalid-value', field: 'table' })
  assert.throws(() => locks.of('tasks'), { code: 'invalid-value', field: 'id' })
  assert.deepEqual(calls, [])
})

test('after closing nobody is known to edit anything, and nothing is taken', async () => {
  let interrupt
  const waits = new Promise((_, reject) => {
    interrupt = () => reject({ code: 'closed', message: 'it is closed', field: null, retryable: false })
  })
  const { session, locks } = await open({ takeLock: () => waits, interrupt: () => interrupt() })
  const waiting = locks.take('tasks', '7')
  const closed = session.close()
  await assert.rejects(waiting, { code: 'closed' })
  await closed
  assert.equal(locks.of('tasks', '7'), null)
  assert.deepEqual(locks.list(), [])
  await assert.rejects(locks.take('tasks', '7'), { code: 'closed' })
})
