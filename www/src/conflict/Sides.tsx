import type { Json, Ruling } from 'landfall'
import type { ReactNode } from 'react'
import { difference } from './diff'
import { valueText } from './words'

/** A value with what differs from the one before: struck out what is gone, underlined what is new. Never by colour alone. */
export function Value({ field, value, before }: { field: string; value: Json | undefined; before?: Json | undefined }) {
  const text = valueText(field, value)
  if (text === null) return <span className="value none">nothing</span>
  const old = valueText(field, before)
  const stretches = old === null || old === text ? null : difference(old, text)
  if (!stretches) return <span className="value">{text}</span>
  return (
    <span className="value">
      {stretches.map(({ text, in: where }, place) =>
        where === 'both' ? text : where === 'after' ? <ins key={place}>{text}</ins> : <del key={place}>{text}</del>,
      )}
    </span>
  )
}

/** The value from which both began. */
export function Before({ ruling: { path, base } }: { ruling: Ruling }) {
  if (base === undefined) return null
  return (
    <p className="before">
      <span className="side-name">Before</span>
      <Value field={path[0] ?? ''} value={base} />
    </p>
  )
}

/** One of the two, or of more, that stand beside each other; `head` says whose it is. */
export function Side({
  head,
  tag,
  lost = false,
  children,
}: {
  head: string
  tag?: ReactNode
  lost?: boolean
  children: ReactNode
}) {
  return (
    <div className="side-card" data-lost={lost}>
      <p className="side-head">
        <span className="side-name">{head}</span>
        {tag}
      </p>
      {children}
    </div>
  )
}
