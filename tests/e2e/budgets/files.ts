import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from '../harness/paths.js'
import type { Budgets } from './ledger.js'

const budgetsFile = join(root, 'bench', 'budgets.json')
const resultsFile = join(root, 'bench', 'RESULTS.md')

/** Without the file there are none yet. */
export async function readBudgets(): Promise<Budgets> {
  return existsSync(budgetsFile) ? (JSON.parse(await readFile(budgetsFile, 'utf8')) as Budgets) : {}
}

export async function writeBudgets(budgets: Budgets): Promise<void> {
  await writeFile(budgetsFile, `${JSON.stringify(budgets, null, 2)}\n`)
}

export const readResults = (): Promise<string> => readFile(resultsFile, 'utf8')

export const writeResults = (markdown: string): Promise<void> => writeFile(resultsFile, markdown)
