import type { Mutation, SyncState } from 'landfall'
import { trouble } from '../failure'

export type Mood = 'new' | 'delivered' | 'waiting' | 'offline' | 'trouble'

export function waitingOf({ pending, sending, parked }: SyncState): number {
  return pending + sending + parked
}

export function moodOf(state: SyncState): Mood {
  if (state.parked > 0 || state.held) return 'trouble'
  if (!state.online) return 'offline'
  if (waitingOf(state) > 0 || state.lastError) return 'waiting'
  return state.lastSuccessAt === null ? 'new' : 'delivered'
}

export function changes(count: number): string {
  return count === 1 ? '1 change' : `${count.toLocaleString()} changes`
}

/** Why a mutation is parked, and what the two ways out would do. */
export function reasonOf({ state, error }: Mutation): string {
  if (state === 'conflict') return 'Somebody else changed this first. Yours can go on top of theirs, or theirs stays.'
  if (state === 'blocked') return 'It builds on another change that needs your decision first.'
  return error ? `The server did not accept it: ${trouble(error)}` : 'The server did not accept it.'
}

/** The header's few words. */
export function brief(state: SyncState): string {
  const waiting = waitingOf(state)
  if (state.held) return 'Held'
  if (state.parked > 0) return 'Decide'
  if (!state.online) return 'Offline'
  if (state.lastError) return 'Trying again'
  if (waiting > 0) return 'Waiting'
  return state.lastSuccessAt === null ? 'First sync' : 'Delivered'
}

/** The whole sentence, for the panel and for screen readers. */
export function inFull(state: SyncState): string {
  const waiting = state.pending + state.sending
  if (state.held === 'unauthenticated') return 'The server asks for a sign-in. Your changes are kept until then.'
  if (state.held === 'principal-mismatch')
    return 'Somebody else is signed in at the server. Your changes are kept for you.'
  if (state.phase === 'pushing') return 'Sending your changes.'
  if (state.phase === 'pulling') return 'Getting what others changed.'
  const saved = waiting === 0 ? '' : ` ${changes(waiting)} ${waiting === 1 ? 'is' : 'are'} saved on this device.`
  if (!state.online) return `You are offline.${saved}`
  if (state.lastError) return `The last try did not succeed; it is repeated.${saved}`
  if (waiting > 0) return `${changes(waiting)} saved on this device, to be sent.`
  if (state.parked > 0) return 'All else is delivered.'
  return state.lastSuccessAt === null ? 'Nothing has been exchanged with the server yet.' : 'Everything is delivered.'
}
