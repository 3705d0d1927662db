import type { Conflict } from 'landfall'
import { type ReactNode, useState } from 'react'
import { ago } from '../clock'
import { useConflicts, useConflictStats, useDatabase } from '../live'
import { Icon } from '../parts/Icon'
import { noticesOf } from './notices'
import { contestedIn, howInWords, kindInWords, nameOf, nounOf, titleOf } from './words'

/** More would only be scrolled past. */
const ROWS_MAX = 50

type Which = 'open' | 'ended'

/** In the sync panel: what met what somebody else did, open ones first. */
export function ConflictSection({ now, onOpen }: { now: number; onOpen: (id: string) => void }) {
  const stats = useConflictStats()
  const [chosen, setChosen] = useState<Which>()
  if (!stats) return null
  const { open, settled, undone } = stats.all
  const ended = settled + undone
  const merged = Object.values(stats.merged).reduce((sum, count) => sum + count, 0)
  if (open + ended + merged === 0) return null
  const which = chosen ?? (open > 0 ? 'open' : 'ended')
  return (
    <section className="conflicts" data-testid="conflicts">
      <h3>
        Conflicts
        {open > 0 && (
          <span className="tag" data-tone="signal" data-testid="conflicts-open-count" data-count={open}>
            {open.toLocaleString()} open
          </span>
        )}
      </h3>
      <div className="filter" role="group" aria-label="Which conflicts">
        {(
          [
            ['open', 'Open', open],
            ['ended', 'Settled', ended],
          ] as const
        ).map(([name, label, count]) => (
          <button
            key={name}
            type="button"
            aria-pressed={which === name}
            data-testid={`conflicts-${name}`}
            onClick={() => setChosen(name)}
          >
            {label} <span className="figure">{count.toLocaleString()}</span>
          </button>
        ))}
      </div>
      <Rows key={which} which={which} total={which === 'open' ? open : ended} now={now} onOpen={onOpen} />
      {which === 'ended' && merged > 0 && (
        <p className="field-hint">
          {merged === 1 ? 'One change' : `${merged.toLocaleString()} changes`} of yours met somebody else’s and needed
          nobody. Where a value lost, it is kept here.
        </p>
      )}
    </section>
  )
}

interface RowsProps {
  readonly which: Which
  readonly total: number
  readonly now: number
  readonly onOpen: (id: string) => void
}

function Rows({ which, total, now, onOpen }: RowsProps) {
  const conflicts = useConflicts(which, ROWS_MAX)
  if (!conflicts) return null
  if (conflicts.length === 0)
    return (
      <p className="hint" data-testid="conflicts-none">
        {which === 'open' ? 'Nothing waits for you.' : 'Nothing yet.'}
      </p>
    )
  return (
    <>
      <ul>
        {conflicts.map(conflict => (
          <ConflictRow key={conflict.id} conflict={conflict} now={now} onOpen={onOpen} />
        ))}
      </ul>
      {total > conflicts.length && <p className="field-hint">and {(total - conflicts.length).toLocaleString()} more</p>}
    </>
  )
}

function ConflictRow({ conflict, now, onOpen }: { conflict: Conflict; now: number; onOpen: (id: string) => void }) {
  const { id, table, kind, state, rulings, foundAt, principal, resolution } = conflict
  const fields = contestedIn(rulings)
  const other = noticesOf(useDatabase()).otherOf(conflict) ?? 'somebody else'
  const facts: ReactNode[] =
    state === 'open'
      ? [`${nameOf(principal)} and ${other}`, ago(foundAt, now)]
      : [howInWords(conflict), ago(resolution?.undone?.at ?? resolution?.at ?? foundAt, now)]
  return (
    <li className="conflict-row" data-testid="conflict-row" data-id={id} data-state={state} data-kind={kind}>
      <button type="button" data-testid="conflict-open" onClick={() => onOpen(id)}>
        <span className="conflict-mark">
          <Icon name={state === 'open' ? 'decide' : state === 'undone' ? 'undo' : 'check'} size={18} />
        </span>
        <span className="conflict-what">
          <strong>{titleOf(conflict)}</strong>
          <span>
            {nounOf(table)} · {kindInWords(conflict)}
            {fields && `: ${fields}`}
          </span>
          <span className="conflict-facts">
            {facts.map((fact, place) => (
              <span key={place}>{fact}</span>
            ))}
          </span>
          {rulings.some(({ overlaps }) => overlaps && overlaps.length > 0) && (
            <span className="tag" data-tone="signal">
              times overlap
            </span>
          )}
        </span>
        <Icon name="open" size={18} />
      </button>
    </li>
  )
}
