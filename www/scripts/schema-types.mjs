// TypeScript widens what it imports from JSON ("string", never 'number?'), so tables could not be typed
// from schema.json alone. JSON's text is a valid type literal: this writes it down as one.
// `--check` fails when schema.json was changed without running this.
import { readFileSync, writeFileSync } from 'node:fs'

const source = new URL('../schema.json', import.meta.url)
const target = new URL('../src/schema-type.ts', import.meta.url)

const document = JSON.parse(readFileSync(source, 'utf8'))
const expected = `// Written by scripts/schema-types.mjs from schema.json. Do not edit.
// prettier-ignore
export type FieldSchema = ${JSON.stringify(document, null, 2)}
`

if (process.argv.includes('--check')) {
  const found = readFileSync(target, 'utf8')
  if (found !== expected) {
    console.error('src/schema-type.ts is older than schema.json. Run: npm run -w www schema-types')
    process.exit(1)
  }
} else {
  writeFileSync(target, expected)
}
