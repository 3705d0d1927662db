/** Random once, then counted: `crypto.randomUUID()` for each of 10,000 would cost as much as the floor's whole commit. */
const session = crypto.randomUUID().slice(0, 23)
let minted = 0

/** A mutation's id. Those of one page are in the order in which they were minted. */
export function mutationId(): string {
  minted += 1
  return `${session}-${minted.toString(16).padStart(12, '0')}`
}

/** A new record's id, until the server gives it another one; here it keeps it. */
export function temporaryId(): string {
  minted += 1
  return `temp_${session}_${minted.toString(36)}_items`
}
