/** The revision of a record of the recorded download, which the server knows without having stored it. */
export function pulledRevision(id: string): string {
  return `1-${id.padStart(32, '0')}`
}

export function isDesign(id: string): boolean {
  return id.startsWith('_design/')
}
