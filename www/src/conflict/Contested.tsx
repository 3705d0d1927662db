import type { Choice, Json, Ruling } from 'landfall'
import { type ReactNode, useId } from 'react'
import { STATUS_LABELS, TASK_STATUSES } from '../schema'
import { Before, Value } from './Sides'
import { pathLabel, ruleInWords } from './words'

interface Props {
  readonly ruling: Ruling
  /** `undefined`: nobody has chosen, and the rule counts if there is one. */
  readonly choice: Choice | undefined
  readonly onChoose: (choice: Choice) => void
}

/** One contested value: what it was, what each side made of it, and which is to be. */
export function Contested({ ruling, choice, onChoose }: Props) {
  const name = useId()
  const { path, base, ours, theirs, by, value } = ruling
  const field = path[0] ?? ''
  const isOwn = typeof choice === 'object'
  const isByRule = by !== undefined
  return (
    <fieldset className="contested" data-testid="contested" data-path={path.join('.')}>
      <legend>
        {pathLabel(path)}
        {!isByRule && choice === undefined && (
          <span className="tag" data-tone="signal">
            choose one
          </span>
        )}
      </legend>
      <div className="sides">
        <Before ruling={ruling} />
        {(['ours', 'theirs'] as const).map(side => (
          <Option
            key={side}
            name={name}
            head={side === 'ours' ? 'Yours' : 'Theirs'}
            testId={`choose-${side}`}
            checked={choice === side}
            onChoose={() => onChoose(side)}
          >
            <Value field={field} value={side === 'ours' ? ours : theirs} before={base} />
          </Option>
        ))}
        {isByRule && choice !== undefined ? (
          <p className="by-rule">The rule would have made it {<Value field={field} value={value} />}.</p>
        ) : (
          isByRule && (
            <p className="by-rule">
              Settled by the rule, {ruleInWords(by)}: <Value field={field} value={value} />
            </p>
          )
        )}
        {hasOwn(ours, theirs) && path.length === 1 && (
          <Option
            name={name}
            head="Another"
            testId="choose-own"
            wide
            checked={isOwn}
            onChoose={() => onChoose({ value: ours ?? theirs ?? '' })}
          >
            {isOwn && <Own field={field} value={choice.value} onChange={value => onChoose({ value })} />}
          </Option>
        )}
      </div>
    </fieldset>
  )
}

/** What can be typed. A list of times cannot. */
function hasOwn(...values: readonly (Json | undefined)[]): boolean {
  return values.every(value => value === undefined || value === null || typeof value !== 'object')
}

interface OptionProps {
  readonly name: string
  readonly head: string
  readonly testId: string
  readonly checked: boolean
  readonly wide?: boolean
  readonly onChoose: () => void
  readonly children: ReactNode
}

function Option({ name, head, testId, checked, wide = false, onChoose, children }: OptionProps) {
  const id = useId()
  return (
    <div className="side-card option" data-wide={wide} data-checked={checked}>
      <label className="side-head" htmlFor={id}>
        <input id={id} type="radio" name={name} data-testid={testId} checked={checked} onChange={onChoose} />
        <span className="side-name">{head}</span>
      </label>
      {wide ? (
        children
      ) : (
        // The whole card chooses, and the value is part of the radio's name.
        <label className="side-body" htmlFor={id}>
          {children}
        </label>
      )}
    </div>
  )
}

interface OwnProps {
  readonly field: string
  readonly value: Json | undefined
  readonly onChange: (value: Json) => void
}

/** The control that such a field has elsewhere. */
function Own({ field, value, onChange }: OwnProps) {
  const shared = { 'aria-label': 'Your own', 'data-testid': 'own-value' }
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : ''
  if (field === 'status')
    return (
      <select {...shared} value={text} onChange={event => onChange(event.target.value)}>
        {TASK_STATUSES.map(status => (
          <option key={status} value={status}>
            {STATUS_LABELS[status]}
          </option>
        ))}
      </select>
    )
  if (typeof value === 'number')
    return (
      <input
        {...shared}
        type="number"
        value={text}
        onChange={event => onChange(Number.isNaN(event.target.valueAsNumber) ? 0 : event.target.valueAsNumber)}
      />
    )
  if (field === 'due_date')
    return <input {...shared} type="date" value={text} onChange={event => onChange(event.target.value)} />
  return <textarea {...shared} rows={2} value={text} onChange={event => onChange(event.target.value)} />
}
