// Ids are strings; a server that counts makes "10" come before "9" in the order of code units. People want the order
// of making: numbers by their value, and what is not delivered yet (temp_<time>_…) after what is. Not Intl.Collator's
// numeric order: for a list of some thousands it takes as long as all the rest of a change.

export function byMaking(a: { readonly id: string }, b: { readonly id: string }): number {
  const left = Number(a.id)
  const right = Number(b.id)
  if (!Number.isNaN(left) && !Number.isNaN(right)) return left - right
  if (Number.isNaN(left) !== Number.isNaN(right)) return Number.isNaN(left) ? 1 : -1
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0
}

interface Placed {
  readonly id: string
  readonly position: number
}

export function byPosition(a: Placed, b: Placed): number {
  return a.position - b.position || byMaking(a, b)
}

export function nextPosition(rows: readonly Placed[] | undefined): number {
  return (rows ?? []).reduce((last, row) => Math.max(last, row.position), 0) + 1
}
