// What TypeScript promises, and JavaScript does not.
import { landfallError } from './errors.js'

export function text(value: unknown, field: string): string {
  if (typeof value === 'string') return value
  throw landfallError('invalid-value', `\`${field}\` must be a string`, { field })
}

export function texts(value: unknown, field: string): string[] {
  return list(value, field).map((part, at) => text(part, `${field}[${at}]`))
}

export function words(value: unknown, field: string): string {
  if (typeof value === 'string' && value !== '') return value
  throw landfallError('invalid-value', `\`${field}\` must be a string with something in it`, { field })
}

export function whole(value: unknown, field: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return Math.min(value, 2 ** 32 - 1)
  throw landfallError('invalid-value', `\`${field}\` must be a whole number, 0 or more`, { field })
}

export function list<T>(value: readonly T[] | unknown, field: string): T[] {
  if (Array.isArray(value)) return value as T[]
  throw landfallError('invalid-value', `\`${field}\` must be an array`, { field })
}

export function object<T extends object>(value: T, field: string): T {
  if (typeof value === 'object' && value !== null) return value
  throw landfallError('invalid-value', `\`${field}\` must be an object`, { field })
}
