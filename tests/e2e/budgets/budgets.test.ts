import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readBudgets, readResults } from './files.js'
import { judge } from './ledger.js'
import { measure } from './measure.js'
import { linesOf, unexplained } from './results.js'
import { table } from './table.js'

test('what is counted stays within its budget', async t => {
  const findings = judge(await readBudgets(), await measure(t))
  process.stdout.write(`\n${table(findings)}\n\n`)
  for (const { operation, counter, problem } of findings)
    await t.test(`${operation}: ${counter}`, () =>
      assert.ok(problem === undefined, `${operation}, ${counter}: ${problem}`),
    )
})

test('every budget that was raised has a line that says what is gained', async () => {
  assert.deepEqual(unexplained(await readBudgets(), linesOf(await readResults())), [])
})
