/** Makes what is counted now the limit of what does not fit any more, or fits too well. */
import { readBudgets, readResults, writeBudgets, writeResults } from './files.js'
import { accepted, judge } from './ledger.js'
import { measure } from './measure.js'
import { withLines } from './results.js'
import { table } from './table.js'

const endings: (() => unknown)[] = []
try {
  const before = await readBudgets()
  const measured = await measure({ after: ending => void endings.unshift(ending as () => unknown) })
  process.stdout.write(`${table(judge(before, measured))}\n`)
  const { budgets, raises } = accepted(before, measured)
  await writeBudgets(budgets)
  if (raises.length > 0) {
    await writeResults(withLines(await readResults(), raises))
    process.stdout.write(`\n${raises.length} went up: say in the new lines of bench/RESULTS.md what is gained by it.\n`)
  }
} finally {
  for (const end of endings) await end()
}
