/** The server and how the tests read it, without a browser. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FaultProxy } from './harness/proxy.js'
import { contents, withField } from './harness/records.js'
import { uploadPath } from './harness/rig.js'
import { Server } from './harness/server.js'

interface Answer {
  readonly results: readonly { readonly id: string; readonly status: string; readonly recordId: string }[]
}

async function upload(origin: string, operations: readonly object[]): Promise<Answer> {
  const body = {
    protocol: 1,
    principal: 'technician',
    deviceId: 'device_1_test',
    schemaVersion: 1,
    sentAt: 1,
    operations,
  }
  const answer = await fetch(`${origin}${uploadPath}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'landfall-protocol': '1' },
    body: JSON.stringify(body),
  })
  assert.equal(answer.status, 200, await answer.clone().text())
  return (await answer.json()) as Answer
}

const projectId = 'temp_1760000000000_k3j9x2_projects'
const phaseId = 'temp_1760000000001_q8w2e1_phases'

function create(id: string, table: string, recordId: string, data: object): object {
  return { id, table, recordId, operation: 'create', baseVersion: null, data, timestamp: 1, dependencies: [] }
}

test('what the server acknowledged is in its file when it has stopped, once, however often it was sent', async t => {
  const server = await Server.start()
  t.after(() => server.dispose())
  const proxy = await FaultProxy.start(() => server.origin)
  t.after(() => proxy.close())
  const operations = [
    create('op-1', 'projects', projectId, { name: 'Ring', customer: 'Port', address: 'Quay', status: 'active' }),
    create('op-2', 'phases', phaseId, { project_id: projectId, name: 'Backbone', position: 1 }),
  ]
  proxy.set(uploadPath, { kind: 'cut-answer' })
  await assert.rejects(upload(proxy.origin, operations), TypeError)
  await server.stop()
  await server.restart()
  const answer = await upload(proxy.origin, operations)
  assert.deepEqual(
    answer.results.map(result => result.status),
    ['duplicate', 'duplicate'],
  )

  await server.stop()
  const held = await contents(server.dataFile)
  assert.equal(held.records.length, 2)
  const [project] = withField(held, 'projects', 'name', 'Ring')
  const [phase] = withField(held, 'phases', 'name', 'Backbone')
  assert.ok(project && phase)
  assert.equal(project.createdAs, projectId)
  assert.deepEqual(phase.data, { project_id: project.id, name: 'Backbone', position: 1 })
  assert.deepEqual(
    held.audit.map(line => line.status),
    ['applied', 'applied', 'duplicate', 'duplicate'],
  )
})

test('the demo’s data is a thousand tasks and more, the same from every fresh start', async t => {
  const [one, two] = [await Server.start({ demo: true }), await Server.start({ demo: true })]
  t.after(() => one.dispose())
  t.after(() => two.dispose())
  await one.stop()
  await two.stop()
  const [first, second] = [await contents(one.dataFile), await contents(two.dataFile)]
  assert.ok(first.records.filter(record => record.table === 'tasks').length > 1_000)
  assert.deepEqual(second.records, first.records)
})
