import type { MergeFunction } from 'landfall'

/** The longer of two texts; of two that are equally long neither. */
const longer: MergeFunction = ({ ours, theirs }) => {
  const [one, other] = [String(ours ?? ''), String(theirs ?? '')]
  if (one.length === other.length) return undefined
  return one.length > other.length ? one : other
}

/** The rules of the app's own, the same in the page and in the worker. */
export const functions = { longer }
