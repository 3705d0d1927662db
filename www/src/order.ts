// Ids are strings; a server that counts makes "10" come before "9" in the order of code units. People want the order
// of making: numbers by their value, and what is not delivered yet (temp_<time>_…) after what is.

const collator = new Intl.Collator('en', { numeric: true })

export function byMaking(a: { readonly id: string }, b: { readonly id: string }): number {
  return collator.compare(a.id, b.id)
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
