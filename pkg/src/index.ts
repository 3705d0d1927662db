/**
 * Landfall: an offline-first sync engine for browsers.
 *
 * @packageDocumentation
 */
export { type Database, open, type OpenOptions, type RemoteOptions, type TablesOf } from './database.js'
export type * from './conflicts.js'
export {
  ConflictError,
  type ConflictErrorCode,
  type ErrorCode,
  errorCodes,
  hasErrorCode,
  InputError,
  type InputErrorCode,
  InstanceError,
  type InstanceErrorCode,
  isLandfallError,
  LandfallError,
  OutboxError,
  type OutboxErrorCode,
  RecordError,
  type RecordErrorCode,
  StorageError,
  type StorageErrorCode,
} from './errors.js'
export type { EditLock, LockNotice, Locks, RemoteChange, Taking } from './locks.js'
export type { Discarding, Outbox } from './outbox.js'
export { presets } from './presets.js'
export { defineSchema, type FieldsOf, type RecordIn, type RollupsOf, type ScopeName, type TableName } from './schema.js'
export type * from './reports.js'
export type { Table } from './table.js'
export type * from './types.js'
