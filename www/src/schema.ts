import { defineSchema, type RecordOf } from 'landfall'
import document from '../schema.json'
import type { FieldSchema } from './schema-type'

/** The document that the server and the service worker read too. */
export const schema = defineSchema(document as FieldSchema)

type Tables = FieldSchema['tables']
export type TableName = keyof Tables
export type Row<T extends TableName> = RecordOf<Tables[T]['fields']>

export type Project = Row<'projects'>
export type Phase = Row<'phases'>
export type Step = Row<'steps'>
export type Task = Row<'tasks'>

export const TASK_STATUSES = ['not_started', 'in_progress', 'blocked', 'completed'] as const
export type TaskStatus = (typeof TASK_STATUSES)[number]

export const STATUS_LABELS: Readonly<Record<TaskStatus, string>> = {
  not_started: 'Not started',
  in_progress: 'In progress',
  blocked: 'Blocked',
  completed: 'Completed',
}

/** Another client may know statuses that this release does not: they are shown, never changed. */
export function statusLabel(status: string): string {
  return STATUS_LABELS[status as TaskStatus] ?? status.replaceAll('_', ' ')
}
