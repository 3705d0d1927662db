import type { Mutation } from 'landfall'
import { createContext, useContext, useMemo } from 'react'
import { useOutbox, useSyncState } from '../live'

const NONE: ReadonlyMap<string, Mutation> = new Map()
const ParkedContext = createContext(NONE)
export const ParkedProvider = ParkedContext.Provider

export function isParked({ state }: Mutation): boolean {
  return state === 'rejected' || state === 'conflict' || state === 'blocked'
}

/** Called once, above all screens: the mutations that wait for somebody, by the record that they are about. */
export function useParkedMutations(): ReadonlyMap<string, Mutation> {
  const outbox = useOutbox(useSyncState().parked > 0)
  return useMemo(() => {
    const parked = (outbox ?? []).filter(isParked)
    return parked.length === 0 ? NONE : new Map(parked.map(mutation => [mutation.recordId, mutation]))
  }, [outbox])
}

export function useParked(recordId: string): Mutation | undefined {
  return useContext(ParkedContext).get(recordId)
}
