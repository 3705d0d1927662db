import type { Conflict, Ruling } from 'landfall'
import { ago, useNow } from '../clock'
import { useAction } from '../failure'
import { useDatabase } from '../live'
import { ErrorNote } from '../parts/ErrorNote'
import { Icon } from '../parts/Icon'
import { fieldLabel } from '../sync/words'
import { timeLogsOf, timeSpan } from '../task/times'
import { Before, Side, Value } from './Sides'
import { changedFields, equal, fateOf, howInWords, pathLabel, ruleInWords } from './words'

/** How a conflict ended: by whom, when, what lost, and the way back. */
export function Ended({ conflict }: { conflict: Conflict }) {
  const db = useDatabase()
  const now = useNow()
  const { error, run } = useAction()
  const { id, kind, rulings, resolution, state, base, ours, theirs } = conflict
  if (!resolution) return null
  const lostSide = kind === 'update-delete' ? ours : kind === 'delete-update' ? theirs : null
  const lostFields = lostSide ? changedFields(base, lostSide) : []
  return (
    <>
      <section className="verdict" data-state={state} data-testid="conflict-verdict">
        <Icon name={state === 'undone' ? 'undo' : 'check'} />
        <p>
          <strong>{howInWords(conflict)}</strong>
          <span>{ago(resolution.undone?.at ?? resolution.at, now)}</span>
        </p>
      </section>
      {rulings.map(ruling => (
        <Outcome key={ruling.path.join('\u0000')} ruling={ruling} isUndone={state === 'undone'} />
      ))}
      {lostFields.length > 0 && (
        <section className="contested">
          <h3>{kind === 'update-delete' ? 'What you changed' : 'What they changed'}</h3>
          <dl className="becomes">
            {lostFields.map(field => (
              <div key={field}>
                <dt>{fieldLabel(field)}</dt>
                <dd>
                  <Value field={field} value={lostSide?.[field]} before={base?.[field]} />
                </dd>
              </div>
            ))}
          </dl>
        </section>
      )}
      {state === 'settled' && (
        <div className="decide-bar">
          <div className="confirm-actions">
            <button
              type="button"
              className="button"
              data-testid="conflict-undo"
              onClick={() => run(() => db.conflicts.undo(id))}
            >
              <Icon name="undo" size={18} />
              {undoLabel(conflict)}
            </button>
          </div>
          <ErrorNote error={error} />
        </div>
      )}
    </>
  )
}

function undoLabel({ kind, resolution, merged }: Conflict): string {
  const isDeleted = merged === null && !resolution?.created
  if (kind === 'update-delete' && isDeleted) return 'Undo: bring it back as a new one'
  if (kind === 'delete-update' && isDeleted) return 'Undo: bring it back'
  return 'Undo'
}

/** A value that was contested: what it is now, and what lost. */
function Outcome({ ruling, isUndone }: { ruling: Ruling; isUndone: boolean }) {
  const { path, base, ours, theirs, by, value, overlaps } = ruling
  const field = path[0] ?? ''
  const sides = [
    ['Yours', ours],
    ['Theirs', theirs],
  ] as const
  const isNew = sides.every(([, side]) => fateOf(ruling, side) !== 'kept')
  // An undo puts in place what did not count; of two that did not, theirs.
  const back = equal(value, theirs) ? ours : theirs
  return (
    <section className="contested" data-testid="outcome" data-path={path.join('.')}>
      <h3>
        {pathLabel(path)} {by && !isUndone && <span className="figure">{ruleInWords(by)}</span>}
      </h3>
      <div className="sides">
        <Before ruling={ruling} />
        {sides.map(([head, side]) => {
          const fate = isUndone ? (equal(side, back) ? 'back' : 'past') : fateOf(ruling, side)
          return (
            <Side key={head} head={head} lost={fate === 'lost' || fate === 'past'} tag={<Fate fate={fate} />}>
              <Value field={field} value={side} before={base} />
            </Side>
          )
        })}
        {isNew && (
          <div className="side-card" data-wide="true" data-checked={!isUndone} data-lost={isUndone}>
            <p className="side-head">
              <span className="side-name">{isUndone ? 'It had become' : 'It became'}</span>
            </p>
            <Value field={field} value={value} />
          </div>
        )}
      </div>
      {overlaps && overlaps.length > 0 && !isUndone && <Overlaps ruling={ruling} pairs={overlaps} />}
    </section>
  )
}

const FATES: Readonly<Record<string, readonly [tone: string, word: string]>> = {
  kept: ['done', 'counts'],
  lost: ['quiet', 'lost'],
  back: ['done', 'back in place'],
}

function Fate({ fate }: { fate: string }) {
  const known = FATES[fate]
  if (!known) return null
  const [tone, word] = known
  return (
    <span className="tag" data-tone={tone}>
      {word}
    </span>
  )
}

function Overlaps({ ruling, pairs }: { ruling: Ruling; pairs: readonly (readonly [string, string])[] }) {
  const logs = timeLogsOf(ruling.value)
  const named = (id: string) => {
    const log = logs.find(log => log.id === id)
    return log ? `${timeSpan(log)} (${log.by})` : id
  }
  return (
    <p className="overlaps" data-testid="overlaps">
      <Icon name="decide" size={18} />
      <span>
        {pairs.map(([one, other]) => `${named(one)} and ${named(other)}`).join('; ')}{' '}
        {pairs.length === 1 ? 'overlap' : 'each overlap'}. Both are kept; have a look whether that is right.
      </span>
    </p>
  )
}
