/** Every code that an error of this package has. Codes are stable: match on them, never on messages. */
export type ErrorCode =
  InputErrorCode | RecordErrorCode | OutboxErrorCode | ConflictErrorCode | StorageErrorCode | InstanceErrorCode

/** The call cannot be done as it was written. */
export type InputErrorCode =
  'invalid-schema' | 'unknown-table' | 'unknown-scope' | 'invalid-value' | 'unknown-index' | 'invalid-query'
/** What the call is about is not as it would have to be. */
export type RecordErrorCode = 'record-not-found' | 'reference-missing' | 'reference-in-use'
/** The outbox does not allow this decision about that mutation. */
export type OutboxErrorCode =
  'mutation-not-found' | 'mutation-in-flight' | 'mutation-not-parked' | 'mutation-in-use' | 'dependency-cycle'
/** The conflict does not allow this decision. */
export type ConflictErrorCode =
  | 'conflict-not-found'
  | 'conflict-settled'
  | 'conflict-not-settled'
  | 'conflict-undone'
  | 'conflict-open'
  | 'conflict-outlived'
  | 'conflict-waits'
  | 'theirs-unknown'
/** The device does not keep what it was given. */
export type StorageErrorCode = 'quota-exceeded' | 'storage-unavailable' | 'corrupt' | 'outdated'
/** This database cannot do it any more, or never could. */
export type InstanceErrorCode =
  'closed' | 'no-remote' | 'engine-unavailable' | 'instance-dead' | 'undelivered' | 'internal'

export interface LandfallErrorOptions {
  readonly field?: string | undefined
  readonly retryable?: boolean
  readonly retryAfterMs?: number | undefined
  readonly cause?: unknown
}

/** The root of every error that this package rejects with or throws. */
export class LandfallError extends Error {
  override readonly name: string = 'LandfallError'
  /** Kebab-case and stable. */
  readonly code: ErrorCode
  /** The field or the part of the argument at fault, as a path: `title`, `time_logs[2].start`, `range.gt`. */
  declare readonly field?: string
  /** Whether the same call may succeed later without a change to it. */
  readonly retryable: boolean
  /** The least time to wait before that, in milliseconds. */
  declare readonly retryAfterMs?: number

  constructor(code: ErrorCode, message: string, options: LandfallErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retryable = options.retryable ?? false
    if (options.field !== undefined) this.field = options.field
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs
  }
}

/** The call cannot be done as it was written: a mistake in the app, or input to be corrected (`field` says which). */
export class InputError extends LandfallError {
  override readonly name = 'InputError'
  declare readonly code: InputErrorCode
}

/** A record is not there, or others still refer to it. */
export class RecordError extends LandfallError {
  override readonly name = 'RecordError'
  declare readonly code: RecordErrorCode
}

/** A mutation cannot be discarded or retried as it stands. */
export class OutboxError extends LandfallError {
  override readonly name = 'OutboxError'
  declare readonly code: OutboxErrorCode
}

/** A conflict cannot be settled, or its settlement not be taken back, by this. */
export class ConflictError extends LandfallError {
  override readonly name = 'ConflictError'
  declare readonly code: ConflictErrorCode
}

/** The change was not saved: keep what the user entered. */
export class StorageError extends LandfallError {
  override readonly name = 'StorageError'
  declare readonly code: StorageErrorCode
}

/** The database is closed, has no server, or its engine is not running. */
export class InstanceError extends LandfallError {
  override readonly name = 'InstanceError'
  declare readonly code: InstanceErrorCode
}

/** The one table from codes to classes. The packaging tests compare it with the engine's own. */
const classes: Readonly<
  Record<ErrorCode, new (code: never, message: string, options?: LandfallErrorOptions) => LandfallError>
> = {
  'invalid-schema': InputError,
  'unknown-table': InputError,
  'unknown-scope': InputError,
  'invalid-value': InputError,
  'unknown-index': InputError,
  'invalid-query': InputError,
  'record-not-found': RecordError,
  'reference-missing': RecordError,
  'reference-in-use': RecordError,
  'mutation-not-found': OutboxError,
  'mutation-in-flight': OutboxError,
  'mutation-not-parked': OutboxError,
  'mutation-in-use': OutboxError,
  'dependency-cycle': OutboxError,
  'conflict-not-found': ConflictError,
  'conflict-settled': ConflictError,
  'conflict-not-settled': ConflictError,
  'conflict-undone': ConflictError,
  'conflict-open': ConflictError,
  'conflict-outlived': ConflictError,
  'conflict-waits': ConflictError,
  'theirs-unknown': ConflictError,
  'quota-exceeded': StorageError,
  'storage-unavailable': StorageError,
  corrupt: StorageError,
  outdated: StorageError,
  closed: InstanceError,
  'no-remote': InstanceError,
  'engine-unavailable': InstanceError,
  'instance-dead': InstanceError,
  undelivered: InstanceError,
  internal: InstanceError,
}

/** Every code that there is. */
export const errorCodes: readonly ErrorCode[] = Object.freeze(Object.keys(classes) as ErrorCode[])

/** Makes the error of a code. */
export function landfallError(code: ErrorCode, message: string, options?: LandfallErrorOptions): LandfallError {
  return new classes[code](code as never, message, options)
}

/** Whether something that was caught is one of this package's errors. */
export function isLandfallError(error: unknown): error is LandfallError {
  return error instanceof LandfallError
}

/** Whether it is the one of this code: `isErrorCode(error, 'quota-exceeded')`. */
export function hasErrorCode<C extends ErrorCode>(
  error: unknown,
  ...codes: readonly C[]
): error is LandfallError & { readonly code: C } {
  return error instanceof LandfallError && (codes as readonly string[]).includes(error.code)
}

/** An error as the engine passes it over: a plain object. */
interface PlainError {
  readonly code: string
  readonly message: string
  readonly field: string | null
  readonly retryable: boolean
}

function isPlainError(thrown: unknown): thrown is PlainError {
  return (
    typeof thrown === 'object' && thrown !== null && 'code' in thrown && 'message' in thrown && 'retryable' in thrown
  )
}

/** Whatever the engine rejected with, as an error of this package. */
export function fromEngine(thrown: unknown): LandfallError {
  if (thrown instanceof LandfallError) return thrown
  if (isPlainError(thrown) && thrown.code in classes) {
    const { code, message, field, retryable } = thrown
    return landfallError(code as ErrorCode, message, { field: field ?? undefined, retryable })
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return landfallError('internal', `the engine failed in a way it should not: ${message}`, { cause: thrown })
}
