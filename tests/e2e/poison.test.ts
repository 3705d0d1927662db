import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contents, withField } from './harness/records.js'
import { installApp, rig, uploadPath } from './harness/rig.js'
import { until } from './harness/until.js'

const total = 100
/** A step that breaks every request it is in, and the tasks that need it. */
const poisoned = 1 + 3

test('of 100 mutations with one poison and three dependents 96 arrive, and 4 are parked and explained', async t => {
  const world = await rig(t, { site: 'demo' })
  const { browser, proxy, server } = world
  const page = await installApp(world)
  await browser.context.setOffline(true)
  const written = await page.evaluate(async count => {
    const { phases, steps, tasks } = globalThis.landfall.tables
    const [phase] = (await phases?.query({ limit: 1 })) ?? []
    if (!steps || !tasks || !phase) throw new Error('the schema has changed')
    const status = { status: 'not_started', progress_percentage: 0, assignee: 'Ines' }
    const good = await steps.create({ phase_id: phase.id, name: 'Sound', position: 1 })
    const bad = await steps.create({ phase_id: phase.id, name: 'Poison', position: 2 })
    const needing: string[] = []
    for (let n = 0; n < count - 2; n += 1) {
      const isNeeding = n % 33 === 5
      const step_id = isNeeding ? bad.id : good.id
      const task = await tasks.create({ step_id, title: isNeeding ? `Needs it ${n}` : `Sound ${n}`, ...status })
      if (isNeeding) needing.push(task.id)
    }
    return { bad: bad.id, needing, phase: phase.id }
  }, total)
  assert.equal(1 + written.needing.length, poisoned)

  proxy.poison(uploadPath, '"name":"Poison"', {
    kind: 'answer',
    status: 413,
    headers: { 'landfall-protocol': '1', 'content-type': 'application/problem+json' },
    body: JSON.stringify({ type: 'urn:landfall:error:body-too-large', title: 'The body is too large', status: 413 }),
  })
  await browser.context.setOffline(false)
  const state = await until('all but the poison is delivered', async () => {
    await page.evaluate(() => globalThis.landfall.sync())
    const state = await page.evaluate(() => globalThis.landfall.state())
    return state.pending + state.sending + state.parked === poisoned && state.parked > 0 ? state : undefined
  })
  assert.equal(state.parked, 1, 'the poison itself; what needs it is blocked by it')

  const outbox = await page.evaluate(() => globalThis.landfall.outbox.list())
  assert.deepEqual(outbox.map(mutation => mutation.state).sort(), ['blocked', 'blocked', 'blocked', 'rejected'])
  const [poison, ...blocked] = await page.evaluate(
    ids => Promise.all(ids.map(({ id, table }) => globalThis.landfall.explain(table, id))),
    [{ table: 'steps', id: written.bad }, ...written.needing.map(id => ({ table: 'tasks', id }))],
  )
  const parked = outbox.find(mutation => mutation.state === 'rejected')
  assert.equal(poison?.mutations[0]?.error?.code, 'body-too-large')
  assert.equal(poison?.next.kind, 'decide')
  for (const story of blocked) {
    assert.equal(story.mutations[0]?.waits.for, 'blocked')
    assert.equal(story.mutations[0]?.waits.by, parked?.id)
    assert.deepEqual([story.reason, story.next.kind, story.next.mutation], ['blocked', 'decide', parked?.id])
    assert.match(story.sentence, /\S/)
  }

  // Nothing is lost by the refusal: mended and sent again, all of it arrives.
  proxy.heal()
  await page.evaluate(id => globalThis.landfall.outbox.retry(id), parked?.id ?? '')
  await until('everything is delivered', async () => {
    await page.evaluate(() => globalThis.landfall.sync())
    return (await page.evaluate(() => globalThis.landfall.outbox.list())).length === 0
  })
  await browser.closePages()
  await server.stop()
  const held = await contents(server.dataFile)
  const good = withField(held, 'steps', 'name', 'Sound')
  const bad = withField(held, 'steps', 'name', 'Poison')
  assert.equal(good.length, 1)
  assert.equal(bad.length, 1)
  assert.equal(withField(held, 'tasks', 'step_id', good[0]?.id).length, total - 1 - poisoned)
  assert.equal(withField(held, 'tasks', 'step_id', bad[0]?.id).length, poisoned - 1)
  const applied = held.audit.filter(line => line.status === 'applied').map(line => line.operationId)
  assert.equal(applied.length, total)
  assert.equal(new Set(applied).size, total)
  assert.deepEqual(world.failures, [])
})
