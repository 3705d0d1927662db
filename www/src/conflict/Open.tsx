import type { Choice, Conflict, ConflictFilter, Decision, Preview, Ruling } from 'landfall'
import { useEffect, useState } from 'react'
import { ago, useNow } from '../clock'
import { useAction } from '../failure'
import { useConflictCount, useDatabase } from '../live'
import { ErrorNote } from '../parts/ErrorNote'
import { Contested } from './Contested'
import { KeepBoth } from './KeepBoth'
import { Becomes } from './Becomes'
import { Value } from './Sides'
import { changedFields } from './words'
import { fieldLabel } from '../sync/words'

export type Choices = Readonly<Record<string, Choice>>

/** Field names have no such character. */
const keyOfPath = (path: readonly string[]): string => path.join('\u0000')

/** A conflict that waits for somebody: what each side has, what it would become, and the ways to end it. */
export function Open({ conflict, onLater }: { conflict: Conflict; onLater: () => void }) {
  const db = useDatabase()
  const now = useNow()
  const { id, kind, rulings } = conflict
  const [choices, setChoices] = useState<Choices>({})
  const [all, setAll] = useState(false)
  const [told, setTold] = useState<string>()
  const { error, run } = useAction()

  const decision: Decision = { choices: rulings.flatMap(ruling => asChoice(ruling, choices[keyOfPath(ruling.path)])) }
  const preview = usePreview(id, decision)
  const field = rulings.find(({ by }) => by === undefined)?.path[0]
  const alike: ConflictFilter = { table: conflict.table, kind, ...(field === undefined ? {} : { field }) }
  const count = useConflictCount(alike)
  const isOwn = Object.values(choices).some(choice => typeof choice === 'object')
  const forAll = all && count > 1

  const settle = (decided: Decision) =>
    run(async () => {
      if (!forAll) return db.conflicts.resolve(id, decided)
      const { settled, open } = await db.conflicts.resolveAlike({ ...alike, state: 'open' }, decided)
      if (open.length > 0) setTold(`${settled.length} settled; ${open.length} have more to decide and stay open.`)
    })

  const isDeletion = kind === 'update-delete' || kind === 'delete-update'
  return (
    <>
      <p className="conflict-story">{story(conflict)}</p>
      <p className="conflict-when">
        Found {ago(conflict.foundAt, now)}
        {conflict.theirsAt !== null && `; theirs is from ${new Date(conflict.theirsAt).toLocaleTimeString()}`}.
      </p>
      {isDeletion ? (
        <Changed conflict={conflict} />
      ) : (
        rulings.map(ruling => (
          <Contested
            key={keyOfPath(ruling.path)}
            ruling={ruling}
            choice={choices[keyOfPath(ruling.path)]}
            onChoose={choice => setChoices({ ...choices, [keyOfPath(ruling.path)]: choice })}
          />
        ))
      )}
      {!isDeletion && preview.now && <Becomes table={conflict.table} preview={preview.now} error={preview.error} />}
      {kind === 'create-create' && (
        <KeepBoth conflict={conflict} label="Or keep both, and yours under another number" />
      )}

      <div className="decide-bar">
        {count > 1 && (
          <label className="check" data-testid="conflict-alike">
            <input
              type="checkbox"
              checked={all && !isOwn}
              disabled={isOwn}
              onChange={event => setAll(event.target.checked)}
            />
            <span>
              Decide for all {count} alike
              {isOwn && <span className="field-hint"> not with a value of your own</span>}
            </span>
          </label>
        )}
        {isDeletion ? (
          <DeletionButtons conflict={conflict} settle={settle} onLater={onLater} />
        ) : (
          <div className="decide-actions">
            <button
              type="button"
              className="button"
              data-testid="conflict-keep-ours"
              onClick={() => settle('client-wins')}
            >
              Keep yours
            </button>
            <button
              type="button"
              className="button"
              data-testid="conflict-keep-theirs"
              onClick={() => settle('server-wins')}
            >
              Keep theirs
            </button>
            <button
              type="button"
              className="button primary"
              data-testid="conflict-save"
              disabled={!preview.now?.settled || preview.error !== null}
              onClick={() => settle(decision)}
            >
              Save this
            </button>
            <Later onLater={onLater} />
          </div>
        )}
        <ErrorNote error={error} />
        {told && (
          <p role="status" className="field-hint" data-testid="conflict-told">
            {told}
          </p>
        )}
      </div>
    </>
  )
}

function asChoice({ path }: Ruling, choice: Choice | undefined) {
  if (choice === undefined) return []
  return [typeof choice === 'string' ? { path, choose: choice } : { path, ...choice }]
}

function story({ kind }: Conflict): string {
  switch (kind) {
    case 'update-update':
      return 'Nothing is overwritten until you decide. What only one of you changed is kept anyway.'
    case 'update-delete':
      return 'Somebody deleted this while you changed it. It can stay deleted, or come back with your changes as a new one.'
    case 'delete-update':
      return 'You deleted this while somebody changed it. It can stay, with their change, or go all the same.'
    case 'create-create':
      return 'Yours and theirs have the same order number, which only one can have. They become one, and what belongs to yours comes along.'
  }
}

interface Previewed {
  /** What would become of it by the last decision that could be tried. */
  readonly now: Preview | null
  readonly error: unknown
}

/** Asked anew with every choice, each key included: it changes nothing and takes no time to speak of. */
function usePreview(id: string, decision: Decision): Previewed {
  const db = useDatabase()
  const [previewed, setPreviewed] = useState<Previewed>({ now: null, error: null })
  const key = JSON.stringify(decision)
  useEffect(() => {
    let wanted = true
    db.conflicts.preview(id, JSON.parse(key) as Decision).then(
      now => wanted && setPreviewed({ now, error: null }),
      (error: unknown) => wanted && setPreviewed(({ now }) => ({ now, error })),
    )
    return () => {
      wanted = false
    }
  }, [db, id, key])
  return previewed
}

/** Where one side deleted it: what the other side did to it. */
function Changed({ conflict: { kind, base, ours, theirs } }: { conflict: Conflict }) {
  const after = kind === 'update-delete' ? ours : theirs
  const fields = changedFields(base, after)
  return (
    <section className="contested">
      <h3>{kind === 'update-delete' ? 'What you changed' : 'What they changed'}</h3>
      <dl className="becomes">
        {fields.map(field => (
          <div key={field}>
            <dt>{fieldLabel(field)}</dt>
            <dd>
              <Value field={field} value={after?.[field]} before={base?.[field]} />
            </dd>
          </div>
        ))}
      </dl>
    </section>
  )
}

function Later({ onLater }: { onLater: () => void }) {
  return (
    <button type="button" className="button quiet" data-testid="conflict-later" onClick={onLater}>
      Later
    </button>
  )
}

interface DeletionProps {
  readonly conflict: Conflict
  readonly settle: (decision: Decision) => unknown
  readonly onLater: () => void
}

function DeletionButtons({ conflict, settle, onLater }: DeletionProps) {
  const isTheirs = conflict.kind === 'update-delete'
  return (
    <div className="confirm-actions">
      <button
        type="button"
        className="button primary"
        data-testid={isTheirs ? 'conflict-keep-ours' : 'conflict-keep-theirs'}
        onClick={() => settle(isTheirs ? 'client-wins' : 'server-wins')}
      >
        {isTheirs ? 'Bring it back as a new one' : 'Keep it, with their change'}
      </button>
      <button
        type="button"
        className="button danger"
        data-testid={isTheirs ? 'conflict-keep-theirs' : 'conflict-keep-ours'}
        onClick={() => settle(isTheirs ? 'server-wins' : 'client-wins')}
      >
        {isTheirs ? 'Delete it' : 'Delete it all the same'}
      </button>
      <Later onLater={onLater} />
    </div>
  )
}
