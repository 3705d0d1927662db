const KEY = 'landfall.last-task'

/** Which task was opened last in this tab. */
export function lastTask(): string | null {
  return sessionStorage.getItem(KEY)
}

export function rememberTask(id: string): void {
  sessionStorage.setItem(KEY, id)
}
