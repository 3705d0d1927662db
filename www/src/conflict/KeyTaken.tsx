import type { Conflict } from 'landfall'
import { useAction } from '../failure'
import { useDatabase } from '../live'
import { ErrorNote } from '../parts/ErrorNote'
import { KeepBoth } from './KeepBoth'

/** An order number that another task has got first: sent as it is, the change would only be refused again. */
export function KeyTaken({ conflict, onLater }: { conflict: Conflict; onLater: () => void }) {
  const db = useDatabase()
  const { error, run } = useAction()
  return (
    <>
      <p className="conflict-story">
        Another task has the order number {String(conflict.ours?.['order_no'] ?? '')} already, and only one can have it.
      </p>
      <KeepBoth conflict={conflict} label="Give yours another number" />
      <div className="decide-bar">
        <div className="confirm-actions">
          <button
            type="button"
            className="button"
            data-testid="conflict-give-up"
            onClick={() => run(() => db.outbox.discard(conflict.id))}
          >
            Give my change up
          </button>
          <button type="button" className="button quiet" data-testid="conflict-later" onClick={onLater}>
            Later
          </button>
        </div>
        <ErrorNote error={error} />
      </div>
    </>
  )
}
