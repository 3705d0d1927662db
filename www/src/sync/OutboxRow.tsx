import type { Mutation } from 'landfall'
import { ago } from '../clock'
import { nounOf } from '../conflict/words'
import { useLive } from '../live'
import type { TableName } from '../schema'
import { Decision } from './Decision'
import { fieldName, isParked, reasonOf } from './words'

const VERBS: Readonly<Record<Mutation['operation'], string>> = { create: 'New', update: 'Changed', delete: 'Deleted' }

export function OutboxRow({ mutation, now }: { mutation: Mutation; now: number }) {
  const table = mutation.table as TableName
  const name = useName(table, mutation)
  const fields = [...Object.keys(mutation.data), ...mutation.unset].map(fieldName)

  return (
    <li className="outbox-row" data-testid="outbox-row" data-id={mutation.id} data-state={mutation.state}>
      <p className="outbox-what">
        <span className="outbox-verb">
          {VERBS[mutation.operation]} {nounOf(table).toLowerCase()}
        </span>
        {name && <strong>{name}</strong>}
      </p>
      <p className="outbox-facts">
        {mutation.operation === 'update' && <span>{fields.join(', ')}</span>}
        <span>{ago(mutation.timestamp, now)}</span>
        {mutation.state === 'pending' && <span>waiting</span>}
        {mutation.state === 'sending' && (
          <span>{mutation.withdrawing ? 'given up, if the server lets it' : 'sent, no answer yet'}</span>
        )}
        {mutation.attempts > 0 && <span>{mutation.attempts === 1 ? '1 try' : `${mutation.attempts} tries`}</span>}
      </p>
      {isParked(mutation) ? (
        <p className="outbox-error">{reasonOf(mutation)}</p>
      ) : (
        mutation.error && <p className="outbox-error">{mutation.error.message}</p>
      )}
      {isParked(mutation) && <Decision mutation={mutation} />}
    </li>
  )
}

/** What people call it: as it is now, or as the mutation itself says. A deleted record has only its id left. */
function useName(table: TableName, { recordId, data }: Mutation): string {
  const rows = useLive(table) as readonly { id: string; name?: string; title?: string }[] | undefined
  const row = rows?.find(({ id }) => id === recordId)
  const said = row?.title ?? row?.name ?? data['title'] ?? data['name']
  return typeof said === 'string' ? said : ''
}
