import { useEffect, useRef } from 'react'
import { useConflict, useDatabase } from '../live'
import { Icon } from '../parts/Icon'
import { Ended } from './Ended'
import { noticesOf } from './notices'
import { Open } from './Open'
import { kindInWords, nounOf, titleOf } from './words'

/** One conflict, in the place of the sync panel: to be decided, or how it was settled. */
export function ConflictDetail({ id, onBack }: { id: string; onBack: () => void }) {
  const conflict = useConflict(id)
  const heading = useRef<HTMLHeadingElement>(null)
  const state = conflict?.state

  const notices = noticesOf(useDatabase())
  useEffect(() => {
    notices.seeOpen()
    notices.hold('deciding', true)
    return () => notices.hold('deciding', false)
  }, [notices])
  useEffect(() => {
    heading.current?.focus({ preventScroll: true })
    // The dialog was scrolled to where the list was left.
    heading.current?.closest('dialog')?.scrollTo(0, 0)
  }, [state])

  return (
    <article className="detail conflict" data-testid="conflict-detail" data-state={state}>
      <header className="detail-bar">
        <button type="button" className="icon-button" aria-label="Back" data-testid="conflict-back" onClick={onBack}>
          <Icon name="back" />
        </button>
        <h2 ref={heading} tabIndex={-1}>
          {conflict ? titleOf(conflict) : 'Conflict'}
        </h2>
      </header>
      {conflict && (
        <div className="detail-fields">
          <p className="conflict-kind">
            {nounOf(conflict.table)} · {kindInWords(conflict)}
          </p>
          {conflict.state === 'open' ? (
            <Open key={conflict.theirVersion} conflict={conflict} onLater={onBack} />
          ) : (
            <Ended conflict={conflict} />
          )}
        </div>
      )}
      {conflict === null && (
        <div className="empty small" data-testid="conflict-gone">
          <Icon name="check" size={28} />
          <p>This is settled, and nothing was lost.</p>
        </div>
      )}
    </article>
  )
}
