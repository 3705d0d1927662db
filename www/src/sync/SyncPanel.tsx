import type { SyncResult } from 'landfall'
import { type ReactNode, useEffect, useRef, useState } from 'react'
import { ago, useNow } from '../clock'
import { Colleague } from '../colleague/Colleague'
import { ConflictSection } from '../conflict/ConflictSection'
import { trouble, useAction } from '../failure'
import { useActivity, useDatabase, useHealth, useOutbox, useProgress, useSyncState } from '../live'
import { ErrorNote } from '../parts/ErrorNote'
import { Icon } from '../parts/Icon'
import { OutboxRow } from './OutboxRow'
import { changes, inFull, isParked, moodOf, unwell } from './words'

/** More would only be scrolled past. */
const ROWS_MAX = 100
const LINES_AT_FIRST = 5

interface Props {
  readonly onClose: () => void
  readonly onConflict: (id: string) => void
}

export function SyncPanel({ onClose, onConflict }: Props) {
  const db = useDatabase()
  const state = useSyncState()
  const progress = useProgress()
  const outbox = useOutbox()
  const health = useHealth()
  const illness = health && unwell(health)
  const now = useNow()
  const heading = useRef<HTMLHeadingElement>(null)
  const [result, setResult] = useState<SyncResult | null>(null)
  const { error, run } = useAction()
  const running = state.phase !== 'idle'

  useEffect(() => heading.current?.focus({ preventScroll: true }), [])

  const parked = (outbox ?? []).filter(isParked)
  // Those have a list of their own.
  const others = parked.filter(({ state }) => state !== 'conflict')
  const waiting = (outbox ?? []).filter(mutation => !isParked(mutation))

  return (
    <article className="detail sync-panel">
      <header className="detail-bar">
        <h2 ref={heading} tabIndex={-1}>
          Sync
        </h2>
        <button
          type="button"
          className="icon-button"
          aria-label="Close sync"
          data-testid="sync-close"
          onClick={onClose}
        >
          <Icon name="close" />
        </button>
      </header>

      <div className="detail-fields">
        <section className="sync-summary" data-mood={moodOf(state)}>
          <p className="sync-sentence">{inFull(state)}</p>
          {illness && (
            <p className="sync-illness" role="status" data-testid="sync-illness">
              {illness}
            </p>
          )}
          {running && (
            <div
              className="meter-track"
              role="progressbar"
              aria-label="Sync"
              aria-valuenow={progress?.done ?? 0}
              aria-valuemax={progress?.total ?? undefined}
            >
              <div
                className="meter-fill"
                data-unknown={!progress?.total}
                style={progress?.total ? { transform: `scaleX(${progress.done / progress.total})` } : undefined}
              />
            </div>
          )}
          <button
            type="button"
            className="button primary"
            data-testid="sync-now"
            aria-busy={running}
            onClick={() => run(async () => setResult(await db.sync()))}
          >
            <Icon name="sync" size={18} />
            {running && progress
              ? `${progress.phase === 'pushing' ? 'Sent' : 'Received'} ${progress.done.toLocaleString()}`
              : 'Sync now'}
          </button>
          <ErrorNote error={error} />
          {result && !running && (
            <p className="sync-result" data-testid="sync-result">
              {told(result)}
            </p>
          )}
          <dl className="facts">
            <div>
              <dt>Last success</dt>
              <dd>{state.lastSuccessAt === null ? 'none yet' : ago(state.lastSuccessAt, now)}</dd>
            </div>
            {state.lastError && (
              <div>
                <dt>Last trouble</dt>
                <dd>{trouble(state.lastError)}</dd>
              </div>
            )}
            {state.nextAttemptAt !== null && state.nextAttemptAt > now && (
              <div>
                <dt>Next try</dt>
                <dd>{new Date(state.nextAttemptAt).toLocaleTimeString()}</dd>
              </div>
            )}
          </dl>
        </section>

        <ConflictSection now={now} onOpen={onConflict} />

        {others.length > 0 && (
          <List title="Needs your decision" count={others.length}>
            {others.slice(0, ROWS_MAX).map(mutation => (
              <OutboxRow key={mutation.id} mutation={mutation} now={now} />
            ))}
          </List>
        )}
        {waiting.length > 0 && (
          <List title="Saved here, to be sent" count={waiting.length}>
            {waiting.slice(0, ROWS_MAX).map(mutation => (
              <OutboxRow key={mutation.id} mutation={mutation} now={now} />
            ))}
          </List>
        )}
        {outbox?.length === 0 && (
          <div className="empty small">
            <Icon name="check" size={28} />
            <p>Nothing waits. What you change from now on is listed here until the server has it.</p>
          </div>
        )}
        <Activity now={now} />
        <Colleague />
      </div>
    </article>
  )
}

/** What sync did, newest first: a few lines, and more for who asks. */
function Activity({ now }: { now: number }) {
  const lines = useActivity()
  const [all, setAll] = useState(false)
  if (!lines || lines.length === 0) return null
  return (
    <section className="activity" data-testid="activity">
      <h3>What happened</h3>
      <ol>
        {(all ? lines : lines.slice(0, LINES_AT_FIRST)).map(({ number, at, what, sentence }) => (
          <li key={number} data-kind={what.kind}>
            <p>{sentence}</p>
            <time dateTime={new Date(at).toISOString()}>{ago(at, now)}</time>
          </li>
        ))}
      </ol>
      {!all && lines.length > LINES_AT_FIRST && (
        <button type="button" className="button quiet" onClick={() => setAll(true)}>
          Show more
        </button>
      )}
    </section>
  )
}

function List({ title, count, children }: { title: string; count: number; children: ReactNode }) {
  return (
    <section className="outbox" data-testid="outbox">
      <h3>
        {title} <span className="figure">{count.toLocaleString()}</span>
      </h3>
      <ul>{children}</ul>
      {count > ROWS_MAX && <p className="field-hint">and {(count - ROWS_MAX).toLocaleString()} more</p>}
    </section>
  )
}

function told({ pushed, pulled, durationMs, error, rejected }: SyncResult): string {
  if (error) return trouble(error)
  const took = durationMs < 1000 ? `${Math.ceil(durationMs)} ms` : `${(durationMs / 1000).toFixed(1)} s`
  const refused = rejected > 0 ? ` ${changes(rejected)} refused.` : ''
  if (pushed === 0 && pulled === 0) return `Nothing new on either side (${took}).${refused}`
  return `Sent ${pushed.toLocaleString()}, received ${pulled.toLocaleString()} in ${took}.${refused}`
}
