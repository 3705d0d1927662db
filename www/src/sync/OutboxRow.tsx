import type { Mutation } from 'landfall'
import { useState } from 'react'
import { ago } from '../clock'
import { useAction } from '../failure'
import { useDatabase, useLive } from '../live'
import { ErrorNote } from '../parts/ErrorNote'
import type { TableName } from '../schema'
import { isParked } from './parked'
import { reasonOf } from './words'

const NOUNS: Readonly<Record<TableName, string>> = {
  projects: 'Project',
  phases: 'Phase',
  steps: 'Step',
  tasks: 'Task',
}
const VERBS: Readonly<Record<Mutation['operation'], string>> = { create: 'New', update: 'Changed', delete: 'Deleted' }

const FIELDS: Readonly<Record<string, string>> = {
  progress_percentage: 'progress',
  due_date: 'due date',
  step_id: 'step',
  phase_id: 'phase',
  project_id: 'project',
}

export function OutboxRow({ mutation, now }: { mutation: Mutation; now: number }) {
  const db = useDatabase()
  const { error, run } = useAction()
  const [sure, setSure] = useState(false)
  const table = mutation.table as TableName
  const conflict = mutation.state === 'conflict'
  const name = useName(table, mutation)
  const fields = [...Object.keys(mutation.data), ...mutation.unset].map(field => FIELDS[field] ?? field)

  return (
    <li className="outbox-row" data-testid="outbox-row" data-id={mutation.id} data-state={mutation.state}>
      <p className="outbox-what">
        <span className="outbox-verb">
          {VERBS[mutation.operation]} {NOUNS[table]?.toLowerCase() ?? table}
        </span>
        {name && <strong>{name}</strong>}
      </p>
      <p className="outbox-facts">
        {mutation.operation === 'update' && <span>{fields.join(', ')}</span>}
        <span>{ago(mutation.timestamp, now)}</span>
        {mutation.state === 'pending' && <span>waiting</span>}
        {mutation.state === 'sending' && <span>sent, no answer yet</span>}
        {mutation.attempts > 0 && <span>{mutation.attempts === 1 ? '1 try' : `${mutation.attempts} tries`}</span>}
      </p>
      {isParked(mutation) ? (
        <p className="outbox-error">{reasonOf(mutation)}</p>
      ) : (
        mutation.error && <p className="outbox-error">{mutation.error.message}</p>
      )}
      {isParked(mutation) && (
        <div className="confirm-actions">
          <button
            type="button"
            className="button"
            data-testid="outbox-retry"
            onClick={() => run(() => db.outbox.retry(mutation.id))}
          >
            {conflict ? 'Use mine' : 'Retry'}
          </button>
          <button
            type="button"
            className={sure ? 'button danger' : 'button quiet'}
            data-testid="outbox-discard"
            onBlur={() => setSure(false)}
            onClick={() => (sure ? run(() => db.outbox.discard(mutation.id)) : setSure(true))}
          >
            {sure ? 'Really discard my change' : conflict ? 'Keep theirs' : 'Discard'}
          </button>
        </div>
      )}
      <ErrorNote error={error} />
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
