import { type FormEvent, useId, useState } from 'react'
import { dayLabel, dayOf, useNow } from '../clock'
import { principal } from '../database'
import { useAction } from '../failure'
import { useDatabase } from '../live'
import { ErrorNote } from '../parts/ErrorNote'
import type { Task } from '../schema'
import { overlapsAny, timeLogsOf, timeSpan, withTimeLog } from './times'

/** When somebody worked on it. Entries of two people are united; those that overlap are flagged. */
export function TimeLogs({ task }: { task: Task }) {
  const db = useDatabase()
  const now = useNow()
  const { error, run } = useAction()
  const [from, setFrom] = useState('')
  const [to, setTo] = useState('')
  const title = useId()
  const logs = timeLogsOf(task.time_logs)

  const log = async (event: FormEvent) => {
    event.preventDefault()
    const done = await run(async () => {
      if (from === '' || to === '' || from >= to) throw new Error('The end is to be after the start.')
      const today = dayOf(Date.now())
      const entry = { id: crypto.randomUUID(), by: principal(), start: `${today}T${from}`, end: `${today}T${to}` }
      await db.tables.tasks.update(task.id, { time_logs: withTimeLog(task.time_logs, entry) })
    })
    if (!done) return
    setFrom('')
    setTo('')
  }

  return (
    <section className="field" aria-labelledby={title}>
      <h3 id={title} className="field-label">
        Time
      </h3>
      {logs.length > 0 && (
        <ul className="time-logs" data-testid="task-times">
          {logs.map(entry => (
            <li key={entry.id}>
              <span>{timeSpan(entry)}</span>
              <span className="time-who">
                {dayLabel(entry.start.slice(0, 10), now)}, {entry.by}
              </span>
              {overlapsAny(entry, logs) && (
                <span className="tag" data-tone="signal">
                  overlaps
                </span>
              )}
            </li>
          ))}
        </ul>
      )}
      <form className="time-form" onSubmit={log} noValidate>
        <input
          type="time"
          aria-label="From"
          data-testid="time-from"
          value={from}
          onChange={e => setFrom(e.target.value)}
        />
        <span aria-hidden="true">–</span>
        <input type="time" aria-label="To" data-testid="time-to" value={to} onChange={e => setTo(e.target.value)} />
        <button type="submit" className="button" data-testid="time-log">
          Log time
        </button>
      </form>
      <ErrorNote error={error} />
    </section>
  )
}
