import { hasErrorCode, type Mutation } from 'landfall'
import { type FormEvent, useState } from 'react'
import { useAction } from '../failure'
import { useDatabase } from '../live'
import { ErrorNote } from '../parts/ErrorNote'
import { currentRoute, go } from '../route'
import { fieldLabel } from './words'

/** The ways out of a parked change: look at the conflict; or send it again, with other words if they are what is wrong, or give it up. */
export function Decision({ mutation }: { mutation: Mutation }) {
  const db = useDatabase()
  const { error, clear, run } = useAction()
  const [sure, setSure] = useState(false)
  const [editing, setEditing] = useState(false)
  const conflict = mutation.state === 'conflict'
  const isShared = hasErrorCode(error, 'mutation-in-use')
  const texts = Object.entries(mutation.data).filter(
    (entry): entry is [string, string] =>
      typeof entry[1] === 'string' && entry[0] !== 'status' && !entry[0].endsWith('_id'),
  )
  const discard = (cascade: boolean) => run(() => db.outbox.discard(mutation.id, { cascade }))

  if (conflict)
    return (
      <button
        type="button"
        className="button"
        data-testid="outbox-decide"
        onClick={() => go({ ...currentRoute(), sync: true, conflict: mutation.id }, 'over')}
      >
        Decide
      </button>
    )
  // What is blocked goes by itself when the change that it needs has been decided.
  const blocked = mutation.state === 'blocked'
  if (editing)
    return (
      <Edit
        mutation={mutation}
        texts={texts}
        onEnd={() => setEditing(false)}
        send={changes => run(() => db.outbox.retry(mutation.id, changes))}
        error={error}
      />
    )
  return (
    <>
      <div className="confirm-actions">
        {!blocked && (
          <button
            type="button"
            className="button"
            data-testid="outbox-retry"
            onClick={() => run(() => db.outbox.retry(mutation.id))}
          >
            Retry
          </button>
        )}
        {!blocked && texts.length > 0 && (
          <button
            type="button"
            className="button quiet"
            data-testid="outbox-edit"
            onClick={() => {
              clear()
              setEditing(true)
            }}
          >
            Edit
          </button>
        )}
        <button
          type="button"
          className={sure ? 'button danger' : 'button quiet'}
          data-testid="outbox-discard"
          onBlur={() => setSure(false)}
          onClick={() => (sure ? discard(false) : setSure(true))}
        >
          {sure ? 'Really discard my change' : 'Discard'}
        </button>
      </div>
      {isShared ? (
        <div className="decide-note" role="alert">
          <p>Other changes of yours build on this one, and would go with it.</p>
          <button
            type="button"
            className="button danger"
            data-testid="outbox-discard-all"
            onClick={() => discard(true)}
          >
            Discard all of them
          </button>
        </div>
      ) : (
        <ErrorNote error={error} />
      )}
    </>
  )
}

interface EditProps {
  readonly mutation: Mutation
  readonly texts: readonly (readonly [string, string])[]
  readonly onEnd: () => void
  readonly send: (changes: Record<string, string>) => Promise<boolean>
  readonly error: unknown
}

/** The change's own words, the one at fault first. */
function Edit({ mutation, texts, onEnd, send, error }: EditProps) {
  const [values, setValues] = useState<Readonly<Record<string, string>>>(() => Object.fromEntries(texts))
  const atFault = mutation.error?.field
  const names = texts.map(([name]) => name).sort((a, b) => Number(b === atFault) - Number(a === atFault))
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    const changed = Object.entries(values).filter(([name, value]) => mutation.data[name] !== value)
    if (await send(Object.fromEntries(changed))) onEnd()
  }
  return (
    <form className="edit-change" data-testid="outbox-edit-form" onSubmit={submit}>
      {names.map((name, place) => (
        <label key={name} className="field">
          <span className="field-label">{fieldLabel(name)}</span>
          <input
            name={name}
            value={values[name] ?? ''}
            autoFocus={place === 0}
            aria-invalid={name === atFault}
            onChange={event => setValues({ ...values, [name]: event.target.value })}
          />
        </label>
      ))}
      <div className="confirm-actions">
        <button type="submit" className="button primary" data-testid="outbox-edit-send">
          Send again
        </button>
        <button type="button" className="button quiet" onClick={onEnd}>
          Cancel
        </button>
      </div>
      <ErrorNote error={error} />
    </form>
  )
}
