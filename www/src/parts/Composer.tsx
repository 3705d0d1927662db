import { type FormEvent, type KeyboardEvent, useEffect, useRef, useState } from 'react'
import { useAction } from '../failure'
import { ErrorNote } from './ErrorNote'
import { Icon } from './Icon'

export interface ComposerField {
  readonly name: string
  readonly label: string
  readonly placeholder?: string
  readonly optional?: boolean
}

const SHOWN_MS = 60

interface Props {
  /** On the button that opens it: "Add a task". */
  readonly label: string
  readonly submit?: string
  readonly fields: readonly ComposerField[]
  readonly testId: string
  readonly create: (values: Readonly<Record<string, string>>) => Promise<unknown>
  /** Several are often added in a row: it stays open and empty after each. */
  readonly again?: boolean
}

/** A button that opens into a small form in its own place. What was typed is dropped only when it is created, or by Cancel. */
export function Composer({ label, submit = 'Add', fields, testId, create, again = false }: Props) {
  const [open, setOpen] = useState(false)
  const [values, setValues] = useState<Readonly<Record<string, string>>>({})
  const { error, clear, run } = useAction()
  const first = useRef<HTMLInputElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  const creating = useRef(false)
  const wasOpen = useRef(false)

  useEffect(() => {
    if (open) first.current?.focus()
    else if (wasOpen.current) button.current?.focus()
    wasOpen.current = open
  }, [open])

  const cancel = () => {
    setOpen(false)
    setValues({})
    clear()
  }

  const send = async (event: FormEvent) => {
    event.preventDefault()
    if (creating.current) return
    const entered = Object.fromEntries(fields.map(({ name }) => [name, (values[name] ?? '').trim()]))
    if (fields.some(field => !field.optional && !entered[field.name])) {
      first.current?.focus()
      return
    }
    creating.current = true
    const done = await run(() => create(entered))
    creating.current = false
    if (!done) return
    setValues({})
    if (!again) return setOpen(false)
    first.current?.focus()
    // The new row pushes it down, as soon as the live query has it.
    setTimeout(() => first.current?.form?.scrollIntoView({ block: 'nearest' }), SHOWN_MS)
  }

  const keys = (event: KeyboardEvent) => {
    if (event.key !== 'Escape') return
    event.stopPropagation()
    cancel()
  }

  if (!open) {
    return (
      <button ref={button} type="button" className="add" data-testid={`add-${testId}`} onClick={() => setOpen(true)}>
        <Icon name="plus" size={18} />
        {label}
      </button>
    )
  }
  return (
    <form className="composer" onSubmit={send} onKeyDown={keys} data-testid={`composer-${testId}`}>
      {fields.map((field, place) => (
        <label key={field.name} className="field">
          <span className="field-label">
            {field.label}
            {field.optional && <span className="field-hint"> optional</span>}
          </span>
          <input
            ref={place === 0 ? first : undefined}
            name={field.name}
            value={values[field.name] ?? ''}
            placeholder={field.placeholder}
            required={!field.optional}
            autoComplete="off"
            enterKeyHint={place === fields.length - 1 ? 'done' : 'next'}
            onChange={event => setValues({ ...values, [field.name]: event.target.value })}
          />
        </label>
      ))}
      <ErrorNote error={error} />
      <div className="composer-actions">
        <button type="submit" className="button primary" data-testid={`save-${testId}`}>
          {submit}
        </button>
        <button type="button" className="button quiet" onClick={cancel}>
          {again ? 'Close' : 'Cancel'}
        </button>
      </div>
    </form>
  )
}
