import type { Health, Mutation, Next, SyncState } from 'landfall'
import { trouble } from '../failure'

export type Mood = 'new' | 'delivered' | 'waiting' | 'offline' | 'trouble'

export function waitingOf({ pending, sending, parked }: SyncState): number {
  return pending + sending + parked
}

export function moodOf(state: SyncState): Mood {
  if (state.parked > 0 || state.held || state.outdated) return 'trouble'
  if (!state.online) return 'offline'
  if (waitingOf(state) > 0 || state.lastError) return 'waiting'
  return state.lastSuccessAt === null ? 'new' : 'delivered'
}

export function changes(count: number): string {
  return count === 1 ? '1 change' : `${count.toLocaleString()} changes`
}

const FIELDS: Readonly<Record<string, string>> = {
  progress_percentage: 'progress',
  due_date: 'due date',
  step_id: 'step',
  phase_id: 'phase',
  project_id: 'project',
  assignee: 'assignment',
  time_logs: 'time',
  order_no: 'order number',
}

export function fieldName(field: string): string {
  return FIELDS[field] ?? field
}

export function fieldLabel(field: string): string {
  const name = fieldName(field)
  return name.charAt(0).toUpperCase() + name.slice(1)
}

export function isParked({ state }: Mutation): boolean {
  return state === 'rejected' || state === 'conflict' || state === 'blocked'
}

/** Why a mutation is parked, and what the two ways out would do. */
export function reasonOf({ state, error }: Mutation): string {
  if (state === 'conflict') return 'Somebody else changed this too. Nothing is overwritten until you decide.'
  if (state === 'blocked') return 'It builds on another change that needs your decision first.'
  const why = error ? `: ${trouble(error)}` : '.'
  return `Not accepted${/[.!?]$/.test(why) ? why : `${why}.`} Taken back on this device; edit and send it again, or discard it.`
}

/** The header's few words. */
export function brief(state: SyncState): string {
  const waiting = waitingOf(state)
  if (state.outdated) return 'Reload'
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
  if (state.outdated) return 'A newer version of this app is in use. Reload to go on; what is saved here will be sent.'
  if (state.held === 'protocol-unsupported')
    return 'The server needs a newer version of this app. Your changes are kept until it is there.'
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

const STUCK: Readonly<Record<NonNullable<Health['stuck']>['why'], string>> = {
  unreachable: 'the server cannot be reached',
  failing: 'the server does not do what it is asked',
  hung: 'sync hangs, and is begun again',
  'lease-kept': 'another tab of this app is to sync and does not',
  'no-pass': 'nobody has tried',
}

/** What is wrong with sync beyond what the state says already, or `null`. */
export function unwell({ stuck }: Health): string | null {
  if (stuck === null) return null
  return `Nothing has been delivered for ${Math.max(1, Math.round(stuck.forMs / 60_000))} min: ${STUCK[stuck.why]}.`
}

/** What happens next with a record that the server does not have as it is here. */
export function whatNext(next: Next, online: boolean): string {
  // What the browser knows before any request has failed.
  if (!online && (next.kind === 'send' || next.kind === 'send-at' || next.kind === 'send-after'))
    return 'It is sent when there is a connection.'
  switch (next.kind) {
    case 'nothing':
      return 'The server has it as it is here.'
    case 'decide':
      return 'It is sent when you have decided.'
    case 'sign-in':
      return next.why === 'unauthenticated'
        ? 'It is sent when you sign in again.'
        : next.why === 'principal-mismatch'
          ? 'It is sent when you are the one who is signed in at the server.'
          : 'It is sent when this app is updated.'
    case 'author-signs-in':
      return `It is sent when ${next.principal} signs in.`
    case 'restart':
      return 'It is sent when the app is loaded anew.'
    case 'connect':
      return 'It is sent when there is a connection.'
    case 'send-at':
      return `It is sent again at ${new Date(next.at).toLocaleTimeString()}.`
    case 'send-after':
      return 'It is sent right after what it belongs to.'
    case 'send':
      return next.ahead === 0 ? 'It is sent next.' : `It is sent after ${changes(next.ahead)}.`
    case 'withdraw':
      return 'You gave it up. The server is asked to forget it, in case it has it already.'
    case 'ask-again':
      return 'It was sent. The answer is missing, and is asked for again.'
  }
}
