import { sentence } from '../failure'

/** A failure, said beside the control that met it. */
export function ErrorNote({ error }: { error: unknown }) {
  if (!error) return null
  return (
    <p className="error-note" role="alert" data-testid="error-note">
      {sentence(error)}
    </p>
  )
}
