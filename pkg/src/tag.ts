/** A Background Sync tag: this, then the database's name, tenant and principal, each percent-encoded. */
const TAG = 'landfall-sync:landfall:'

/** What the tags of one app's databases begin with. */
export function tagPrefix(name: string): string {
  return `${TAG}${encodeURIComponent(name)}:`
}

/** Whose database a tag means. */
export interface Addressee {
  readonly tenant: string
  readonly principal: string
}

/** Reads a tag. `undefined`: it is not one of this app's databases. */
export function addressee(tag: string, name: string): Addressee | undefined {
  const prefix = tagPrefix(name)
  if (!tag.startsWith(prefix)) return undefined
  const parts = /^([^:]+):([^:]+)$/.exec(tag.slice(prefix.length))
  if (parts === null) return undefined
  try {
    const [tenant, principal] = [parts[1] ?? '', parts[2] ?? ''].map(decodeURIComponent) as [string, string]
    return { tenant, principal }
  } catch {
    // Percent signs that encode nothing: somebody else's tag.
    return undefined
  }
}
