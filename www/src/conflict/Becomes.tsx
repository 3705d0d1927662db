import type { Preview } from 'landfall'
import { ErrorNote } from '../parts/ErrorNote'
import { fieldLabel } from '../sync/words'
import { nounOf, valueText } from './words'

/** The record as it would be by the choices so far. */
export function Becomes({ table, preview, error }: { table: string; preview: Preview; error: unknown }) {
  const { merged, rulings } = preview
  const contested = new Set(rulings.map(({ path }) => path[0]))
  const open = new Set(rulings.filter(({ by }) => by === undefined).map(({ path }) => path[0]))
  const fields = Object.keys(merged ?? {})
    .filter(field => !field.endsWith('_id'))
    .sort((a, b) => Number(contested.has(b)) - Number(contested.has(a)))
  return (
    <section className="preview" aria-live="polite" data-testid="conflict-preview" data-settled={preview.settled}>
      <h3>The {nounOf(table).toLowerCase()} becomes</h3>
      <dl className="becomes">
        {fields.map(field => (
          <div key={field} data-contested={contested.has(field)} data-open={open.has(field)} data-field={field}>
            <dt>{fieldLabel(field)}</dt>
            <dd>{open.has(field) ? 'not decided yet' : (valueText(field, merged?.[field]) ?? 'nothing')}</dd>
          </div>
        ))}
      </dl>
      <ErrorNote error={error} />
    </section>
  )
}
