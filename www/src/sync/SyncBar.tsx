import { type CSSProperties, useEffect, useState } from 'react'
import { useDatabase, useProgress, useSyncState } from '../live'
import { Icon, type IconName } from '../parts/Icon'
import { brief, inFull, type Mood, moodOf, waitingOf } from './words'

const ICONS: Readonly<Record<Mood, IconName>> = {
  new: 'sites',
  delivered: 'check',
  waiting: 'device',
  offline: 'away',
  trouble: 'decide',
}

/** In the header: where everything stands (opens the panel), and the button that syncs now. */
export function SyncBar({ onOpen, panelOpen }: { onOpen: () => void; panelOpen: boolean }) {
  const state = useSyncState()
  const mood = moodOf(state)
  const waiting = waitingOf(state)
  return (
    <div className="sync-bar">
      <button
        type="button"
        className="sync-state"
        data-mood={mood}
        data-testid="sync-state"
        aria-haspopup="dialog"
        aria-expanded={panelOpen}
        onClick={onOpen}
      >
        <Icon name={mood === 'waiting' && state.lastError ? 'sync' : ICONS[mood]} size={18} />
        <span className="sync-words">{brief(state)}</span>
        <span className="waiting-count" data-testid="waiting-count" data-count={waiting} hidden={waiting === 0}>
          {waiting.toLocaleString()}
          <span className="unseen"> {waiting === 1 ? 'change is' : 'changes are'} not delivered yet</span>
        </span>
      </button>
      <SyncButton />
      <Announcer text={inFull(state)} />
    </div>
  )
}

function SyncButton() {
  const db = useDatabase()
  const { phase } = useSyncState()
  const progress = useProgress()
  const running = phase !== 'idle'
  const share = running && progress?.total ? progress.done / progress.total : null
  return (
    <button
      type="button"
      className="icon-button sync-button"
      data-testid="sync-button"
      data-running={running}
      aria-label={running ? 'Syncing' : 'Sync now'}
      aria-busy={running}
      style={share === null ? undefined : ({ '--share': `${share}turn` } as CSSProperties)}
      // What goes wrong is in the state: the bar and the panel say it.
      onClick={() => void db.sync().catch(() => undefined)}
    >
      <Icon name="sync" />
    </button>
  )
}

/** Says a change of standing once it lasts: a pass of 50 ms is nobody's news. */
function Announcer({ text }: { text: string }) {
  const [said, setSaid] = useState(text)
  useEffect(() => {
    const later = setTimeout(() => setSaid(text), 1_500)
    return () => clearTimeout(later)
  }, [text])
  return (
    <p className="unseen" role="status">
      {said}
    </p>
  )
}
