import { type ReactNode, useId } from 'react'
import { ErrorNote } from './ErrorNote'

interface Props {
  readonly label: ReactNode
  readonly error: unknown
  /** Gets the ids that tie the control to its label and to its error. */
  readonly control: (ids: { readonly id: string; readonly 'aria-describedby': string | undefined }) => ReactNode
  readonly children?: ReactNode
}

export function Field({ label, error, control, children }: Props) {
  const id = useId()
  const errorId = `${id}-error`
  return (
    <div className="field">
      <label className="field-label" htmlFor={id}>
        {label}
      </label>
      {control({ id, 'aria-describedby': error ? errorId : undefined })}
      {children}
      <div id={errorId}>
        <ErrorNote error={error} />
      </div>
    </div>
  )
}
