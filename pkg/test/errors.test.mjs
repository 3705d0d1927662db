// Errors, and the small parts that need no browser.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromEngine } from '../dist/errors.js'
import { Listeners } from '../dist/events.js'
import { hasErrorCode, InputError, InstanceError, isLandfallError, LandfallError, StorageError } from '../dist/index.js'
import { addressee } from '../dist/tag.js'

test('an error of the engine becomes one of its class', () => {
  const error = fromEngine({ code: 'invalid-value', message: 'no', field: 'a.b', retryable: false })
  assert.ok(error instanceof InputError && error instanceof LandfallError && error instanceof Error)
  assert.deepEqual(
    [error.name, error.code, error.field, error.retryable],
    ['InputError', 'invalid-value', 'a.b', false],
  )
  const full = fromEngine({ code: 'quota-exceeded', message: 'full', field: null, retryable: true })
  assert.ok(full instanceof StorageError && full.retryable && !('field' in full))
  assert.ok(hasErrorCode(full, 'corrupt', 'quota-exceeded') && !hasErrorCode(full, 'corrupt'))
  assert.equal(fromEngine(full), full)
})

test('what nobody expected is an error of the package too, with its cause', () => {
  const cause = new TypeError('odd')
  const error = fromEngine(cause)
  assert.ok(error instanceof InstanceError && isLandfallError(error))
  assert.deepEqual([error.code, error.cause], ['internal', cause])
  assert.equal(fromEngine({ code: 'from-the-future', message: '', retryable: true }).code, 'internal')
  assert.ok(!isLandfallError(cause))
})

test('listeners are called in order, one failing hinders no other, and each is removed once', async () => {
  const listeners = new Listeners()
  const heard = []
  const failures = []
  globalThis.reportError = error => failures.push(error)
  const twice = event => heard.push(['twice', event])
  const removeOne = listeners.add('a', twice)
  listeners.add('a', () => {
    throw new Error('mine')
  })
  listeners.add('a', twice)
  listeners.tell('a', 1)
  assert.deepEqual(heard, [
    ['twice', 1],
    ['twice', 1],
  ])
  assert.equal(failures.length, 1)
  removeOne()
  removeOne()
  listeners.tell('a', 2)
  assert.equal(heard.length, 3)
  assert.ok(listeners.has('a') && !listeners.has('b'))
})

test('a tag says whose database it means', () => {
  assert.deepEqual(addressee('landfall-sync:landfall:field:acme:u7', 'field'), { tenant: 'acme', principal: 'u7' })
  assert.deepEqual(addressee('landfall-sync:landfall:a%3Ab:%C3%BC:%2F', 'a:b'), { tenant: 'ü', principal: '/' })
  for (const tag of [
    'landfall-sync:landfall:other:acme:u7',
    'landfall-sync:landfall:field:acme',
    'field',
    '',
    'landfall-sync:landfall:%:a:b',
  ])
    assert.equal(addressee(tag, 'field'), undefined)
})
