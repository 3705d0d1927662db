import { useState, useSyncExternalStore } from 'react'
import { sentence } from '../failure'
import { useDatabase } from '../live'
import { Icon, type IconName } from '../parts/Icon'
import { currentRoute, go } from '../route'
import { type Notice, noticesOf } from './notices'

const ICONS: Readonly<Record<Notice['tone'], IconName>> = { open: 'decide', merged: 'sync', alike: 'twice' }

/**
 * A modal dialog makes all outside of it inert: so the stack stands in the topmost one. Whoever renders it says whether it is that.
 */
export function NoticeStack() {
  const notices = noticesOf(useDatabase())
  const shown = useSyncExternalStore(notices.subscribe, notices.snapshot)
  return (
    <div
      className="notices"
      role="status"
      data-testid="notices"
      onPointerEnter={() => notices.hold('reading', true)}
      onPointerLeave={() => notices.hold('reading', false)}
      onFocus={() => notices.hold('reading', true)}
      onBlur={() => notices.hold('reading', false)}
    >
      {shown.map(notice => (
        <NoticeCard key={notice.key} notice={notice} onDone={() => notices.dismiss(notice.key)} />
      ))}
    </div>
  )
}

function NoticeCard({ notice, onDone }: { notice: Notice; onDone: () => void }) {
  const db = useDatabase()
  const [error, setError] = useState<unknown>(null)
  const { tone, text, conflicts, record, canUndo } = notice
  const last = conflicts.at(-1)

  const show = async () => {
    onDone()
    if (record) return showRecord()
    // Several are chosen from in the list.
    const conflict = conflicts.length === 1 && last !== undefined ? last : null
    go({ ...currentRoute(), sync: true, conflict }, 'over')
  }
  const showRecord = async () => {
    if (record?.table !== 'tasks') return
    const task = await db.tables.tasks.get(record.id)
    const step = task && (await db.tables.steps.get(task.step_id))
    const phase = step && (await db.tables.phases.get(step.phase_id))
    if (task && phase) go({ view: 'project', project: phase.project_id, task: task.id })
  }
  const undo = async () => {
    try {
      if (last !== undefined) await db.conflicts.undo(last)
      onDone()
    } catch (failure) {
      setError(failure)
    }
  }

  return (
    <div className="notice" data-tone={tone} data-testid="notice">
      <Icon name={ICONS[tone]} />
      <p>{error ? sentence(error) : text}</p>
      <div className="notice-actions">
        <button type="button" className="button" data-testid="notice-show" onClick={show}>
          {tone === 'open' ? 'Decide now' : 'Show'}
        </button>
        {canUndo && !error && (
          <button type="button" className="button quiet" data-testid="notice-undo" onClick={undo}>
            Undo
          </button>
        )}
        {tone === 'open' && (
          <button type="button" className="button quiet" data-testid="notice-later" onClick={onDone}>
            Later
          </button>
        )}
      </div>
      {tone !== 'open' && (
        <button
          type="button"
          className="icon-button"
          aria-label="Dismiss"
          data-testid="notice-dismiss"
          onClick={onDone}
        >
          <Icon name="close" size={18} />
        </button>
      )}
    </div>
  )
}
