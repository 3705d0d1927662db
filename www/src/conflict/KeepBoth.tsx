import type { Conflict } from 'landfall'
import { type FormEvent, useId, useState } from 'react'
import { useAction } from '../failure'
import { useDatabase } from '../live'
import { ErrorNote } from '../parts/ErrorNote'

/** Two tasks that are not the same after all: ours gets another order number, and both stay. */
export function KeepBoth({ conflict, label }: { conflict: Conflict; label: string }) {
  const db = useDatabase()
  const id = useId()
  const taken = String(conflict.ours?.['order_no'] ?? '')
  const [number, setNumber] = useState(`${taken}-2`)
  const { error, run } = useAction()
  const send = (event: FormEvent) => {
    event.preventDefault()
    void run(async () => {
      if (number.trim() === '' || number.trim() === taken) throw new Error(`${taken} is theirs. Give yours another.`)
      await db.outbox.retry(conflict.id, { order_no: number.trim() })
    })
  }
  return (
    <form className="keep-both" onSubmit={send}>
      <label htmlFor={id} className="field-label">
        {label}
      </label>
      <div>
        <input
          id={id}
          value={number}
          data-testid="keep-both-number"
          onChange={event => setNumber(event.target.value)}
        />
        <button type="submit" className="button" data-testid="keep-both">
          Save
        </button>
      </div>
      <ErrorNote error={error} />
    </form>
  )
}
