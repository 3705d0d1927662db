import type { Draft } from '../draft'

/** Text that a closed app left behind, where the stored value has moved on: a person decides. */
export function Recovered({ draft }: { draft: Draft<string> }) {
  if (draft.recovered === null) return null
  return (
    <div className="decide-note">
      <p>
        You had typed this before the app was closed, and the task has changed since: <q>{draft.recovered}</q>
      </p>
      <button type="button" className="button" onClick={draft.useRecovered}>
        Use it
      </button>
      <button type="button" className="button quiet" onClick={draft.dropRecovered}>
        Drop it
      </button>
    </div>
  )
}
