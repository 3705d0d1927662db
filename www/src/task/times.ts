import type { Json } from 'landfall'

/** A stretch of work on a task. `start` and `end`: YYYY-MM-DDTHH:MM, where the work was done, so that their order is that of time. */
export interface TimeLog {
  readonly id: string
  readonly by: string
  readonly start: string
  readonly end: string
}

/** Another release may write entries that this one does not know: they are kept, and not shown. */
function isTimeLog(entry: Json): entry is Json & TimeLog {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return false
  return ['id', 'by', 'start', 'end'].every(key => typeof (entry as Record<string, Json>)[key] === 'string')
}

export function timeLogsOf(value: Json | null | undefined): readonly TimeLog[] {
  const logs: readonly Json[] = Array.isArray(value) ? value : []
  return logs.filter(isTimeLog).sort((a, b) => (a.start < b.start ? -1 : 1))
}

export function withTimeLog(value: Json | null | undefined, log: TimeLog): Json {
  return [...(Array.isArray(value) ? (value as readonly Json[]) : []), { ...log }]
}

/** Whether somebody would have been in two places. */
export function overlapsAny(log: TimeLog, others: readonly TimeLog[]): boolean {
  return others.some(other => other.id !== log.id && log.start < other.end && other.start < log.end)
}

export function timeSpan({ start, end }: TimeLog): string {
  return `${start.slice(11)} – ${end.slice(11)}`
}
