/** The fault proxy is what the other tests trust: each of its faults is shown to be what it says. */
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { captivePortal, FaultProxy, unavailable } from './harness/proxy.js'

async function behindProxy(t: TestContext): Promise<{ proxy: FaultProxy; heard: string[] }> {
  const heard: string[] = []
  const server: Server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    heard.push(body)
    response.writeHead(200, { 'landfall-protocol': '1', 'content-type': 'application/json' })
    response.end(JSON.stringify({ heard: body }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const proxy = await FaultProxy.start(() => `http://127.0.0.1:${port}`)
  t.after(() => proxy.close())
  return { proxy, heard }
}

const post = (proxy: FaultProxy, body: string) => fetch(`${proxy.origin}/api`, { method: 'POST', body })

test('without a fault, request and answer pass unchanged', async t => {
  const { heard, proxy } = await behindProxy(t)
  const answer = await post(proxy, 'a')
  assert.equal(answer.headers.get('landfall-protocol'), '1')
  assert.deepEqual(await answer.json(), { heard: 'a' })
  assert.deepEqual(heard, ['a'])
  assert.ok(proxy.of('/api')[0]?.delivered)
})

test('a cut answer: the server has answered in full, the client has got nothing, the next request passes', async t => {
  const { heard, proxy } = await behindProxy(t)
  const cut = proxy.set('/api', { kind: 'cut-answer' })
  await assert.rejects(post(proxy, 'a'))
  assert.equal((await cut.hit).answerBody, '{"heard":"a"}')
  assert.equal((await post(proxy, 'b')).status, 200)
  assert.deepEqual(heard, ['a', 'b'])
})

test('refused: the server hears nothing, as often as was said', async t => {
  const { heard, proxy } = await behindProxy(t)
  proxy.set('/api', { kind: 'refuse' }, 2)
  await assert.rejects(post(proxy, 'a'))
  await assert.rejects(post(proxy, 'b'))
  assert.equal((await post(proxy, 'c')).status, 200)
  assert.deepEqual(heard, ['c'])
})

test('hung before the server and released: the server hears it then; who hung up is not forwarded', async t => {
  const { heard, proxy } = await behindProxy(t)
  const hang = proxy.set('/api', { kind: 'hang', where: 'before-server' }, 2)
  const waiting = post(proxy, 'a')
  await hang.hit
  const gone = new AbortController()
  const left = fetch(`${proxy.origin}/api`, { method: 'POST', body: 'b', signal: gone.signal })
  while (proxy.of('/api').length < 2) await new Promise(resolve => setTimeout(resolve, 5))
  gone.abort()
  await assert.rejects(left)
  await new Promise(resolve => setTimeout(resolve, 50))
  assert.deepEqual(heard, [])
  proxy.release()
  assert.equal((await waiting).status, 200)
  assert.deepEqual(heard, ['a'])
})

test('hung after the server: it has committed while the client still waits', async t => {
  const { heard, proxy } = await behindProxy(t)
  const hang = proxy.set('/api', { kind: 'hang', where: 'after-server' })
  const waiting = post(proxy, 'a')
  assert.equal((await hang.hit).status, 200)
  assert.deepEqual(heard, ['a'])
  proxy.release()
  assert.deepEqual(await (await waiting).json(), { heard: 'a' })
})

test('a captive portal, 503 and 429 answer in the server’s place', async t => {
  const { heard, proxy } = await behindProxy(t)
  proxy.set('/api', captivePortal)
  const portal = await post(proxy, 'a')
  assert.equal(portal.status, 200)
  assert.equal(portal.headers.get('landfall-protocol'), null)
  proxy.set('/api', unavailable(503, '7'))
  proxy.set('/api', unavailable(429, 'Wed, 21 Oct 2026 07:28:00 GMT'))
  const busy = await post(proxy, 'b')
  assert.deepEqual([busy.status, busy.headers.get('retry-after')], [503, '7'])
  assert.equal((await post(proxy, 'c')).status, 429)
  assert.deepEqual(heard, [])
})

test('a truncated answer looks complete to HTTP and is not JSON', async t => {
  const { heard, proxy } = await behindProxy(t)
  proxy.set('/api', { kind: 'truncate' })
  const answer = await post(proxy, 'a')
  assert.equal(answer.status, 200)
  await assert.rejects(answer.json(), SyntaxError)
  assert.deepEqual(heard, ['a'])
})

test('a delayed answer comes, late', async t => {
  const { proxy } = await behindProxy(t)
  proxy.set('/api', { kind: 'delay', ms: 150 })
  const start = Date.now()
  assert.equal((await post(proxy, 'a')).status, 200)
  assert.ok(Date.now() - start >= 140)
})
