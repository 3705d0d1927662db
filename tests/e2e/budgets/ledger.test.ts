import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accepted, type Budgets, judge, type Measured } from './ledger.js'
import { linesOf, unexplained, withLines } from './results.js'

const problems = (budgets: Budgets, measured: Measured) =>
  judge(budgets, measured).map(({ problem }) => problem?.split('. ')[0]?.split(':')[0])

test('an exact count is its limit, and nothing else', () => {
  const budgets = { create: { requests: 2 } }
  assert.deepEqual(problems(budgets, { create: { requests: 2 } }), [undefined])
  assert.deepEqual(problems(budgets, { create: { requests: 3 } }), ['3, and its limit is 2'])
  assert.deepEqual(problems(budgets, { create: { requests: 1 } }), ['1, and its limit is 2'])
})

test('a size may be up to five per cent smaller than its limit', () => {
  const budgets = { push: { 'bytes sent': 1_000 } }
  for (const [bytes, is] of [
    [1_000, undefined],
    [950, undefined],
    [1_001, '1001, and its limit is 1000'],
    [949, '949, and its limit is 1000'],
  ] as const)
    assert.deepEqual(problems(budgets, { push: { 'bytes sent': bytes } }), [is])
})

test('what has no limit, or is counted no more, asks to be accepted', () => {
  assert.deepEqual(problems({ gone: { requests: 1 } }, { come: { requests: 1 } }), [
    '1, and it has no limit yet',
    'nobody counts it any more',
  ])
  assert.deepEqual(accepted({ gone: { requests: 1 } }, { come: { requests: 1 } }), {
    budgets: { come: { requests: 1 } },
    raises: [],
  })
})

test('what is accepted fits, and says which limits went up', () => {
  const budgets: Budgets = {
    create: { requests: 2, transactions: 2, 'calls into wasm': { limit: 30, lowest: 20 } },
    push: { 'bytes sent': 1_000, 'bytes received': 1_000 },
  }
  const measured = {
    create: { requests: 3, transactions: 1, 'calls into wasm': 25 },
    push: { 'bytes sent': 12_345, 'bytes received': 990 },
  }
  const next = accepted(budgets, measured)
  assert.deepEqual(next.budgets, {
    create: { requests: { limit: 3, lowest: 2 }, transactions: 1, 'calls into wasm': { limit: 25, lowest: 20 } },
    push: { 'bytes sent': { limit: 12_500, lowest: 1_000 }, 'bytes received': 1_000 },
  })
  assert.deepEqual(next.raises, [
    { operation: 'create', counter: 'requests', from: 2, to: 3 },
    { operation: 'push', counter: 'bytes sent', from: 1_000, to: 12_500 },
  ])
  assert.deepEqual(problems(next.budgets, measured), [undefined, undefined, undefined, undefined, undefined])
})

const results = (lines: string) => `# Results

## Raised budgets

Why.

| operation | counter | from | to | what is gained |
|---|---|--:|--:|---|
${lines}
## More

| create | requests | 1 | 9 | of another table |
`

test('a raised limit is explained by lines that lead from its lowest to where it is', () => {
  const budgets: Budgets = { create: { requests: { limit: 5, lowest: 2 }, transactions: 1 } }
  const complaints = (lines: string) => unexplained(budgets, linesOf(results(lines)))
  assert.deepEqual(
    complaints('| create | requests | 2 | 3 | one thing |\n| create | requests | 3 | 5 | another |\n'),
    [],
  )
  assert.equal(complaints('').length, 1)
  assert.match(complaints('| create | requests | 2 | 3 | one thing |\n')[0] ?? '', /from 3 on$/)
  assert.match(complaints('| create | requests | 4 | 5 | one thing |\n')[0] ?? '', /from 2 on$/)
  assert.match(complaints('| update | requests | 2 | 5 | one thing |\n')[0] ?? '', /from 2 on$/)
  assert.match(complaints('| create | requests | 2 | 5 | |\n')[0] ?? '', /does not say what is gained/)
})

test('a raise adds its line to the table, and leaves its gain to be said', () => {
  const raise = { operation: 'create', counter: 'bytes sent', from: 1_000, to: 12_500 }
  const before = results('| create | requests | 2 | 3 | one thing |\n')
  const after = withLines(before, [raise])
  assert.deepEqual(linesOf(after), [...linesOf(before), { ...raise, gain: '' }])
  assert.equal(after.replace('| create | bytes sent | 1000 | 12500 | |\n', ''), before)
})
