// A record born here has a temporary id until it is delivered; then it has the server's. React would take that for
// another record: what is open would close, and a field would lose its focus in the middle of a word. So the app keeps
// the id under which it first saw a record, as its key on the screen only.

const firstIds = new Map<string, string>()
const currentIds = new Map<string, string>()

/** Notes that the record first seen as `before` now has the id `now`. */
export function renamed(before: string, now: string): void {
  const first = firstIds.get(before) ?? before
  firstIds.set(now, first)
  currentIds.set(first, now)
  currentIds.set(before, now)
}

/** The same for a record's whole life on this screen. */
export function keyOf(id: string): string {
  return firstIds.get(id) ?? id
}

/** The id that the record has today. */
export function currentId(id: string): string {
  return currentIds.get(id) ?? id
}
