import { useId, useState } from 'react'
import { ago, useNow } from '../clock'
import { useOutbox, useStory, useSyncState } from '../live'
import { Icon } from '../parts/Icon'
import type { Task } from '../schema'
import { Decision } from '../sync/Decision'
import { standingOf, SyncMark } from '../sync/SyncMark'
import { fieldName, whatNext, reasonOf } from '../sync/words'

/** Where a task stands between this device and the server; and, for who wants to know, why. */
export function Standing({ task }: { task: Task }) {
  const now = useNow()
  const standing = standingOf(task)
  const [asked, setAsked] = useState<boolean>()
  const panel = useId()
  const told = asked ?? standing === 'decide'
  return (
    <section className="standing" data-told={told}>
      <SyncMark record={task} words />
      <span className="standing-when">
        {task._syncStatus === 'synced'
          ? task._serverUpdatedAt !== null && `Changed at the server ${ago(task._serverUpdatedAt, now)}.`
          : task._localUpdatedAt !== null && `Changed here ${ago(task._localUpdatedAt, now)}.`}
      </span>
      {standing !== 'delivered' && (
        <button
          type="button"
          className="why"
          data-testid="task-why"
          aria-expanded={told}
          aria-controls={panel}
          onClick={() => setAsked(!told)}
        >
          Why?
        </button>
      )}
      <div id={panel} className="story" data-testid="task-story" hidden={!told || standing === 'delivered'}>
        {told && standing !== 'delivered' && <Told task={task} now={now} />}
      </div>
    </section>
  )
}

function Told({ task, now }: { task: Task; now: number }) {
  const story = useStory('tasks', task.id)
  const outbox = useOutbox()
  const { online } = useSyncState()
  if (!story) return null
  const { next } = story
  const wanted = next.kind === 'decide' ? outbox?.find(({ id }) => id === next.mutation) : undefined
  const isElsewhere = wanted !== undefined && (wanted.table !== story.table || wanted.recordId !== story.id)
  return (
    <>
      <ol className="story-changes">
        {story.mutations.map(({ id, operation, fields, unset, writtenAt, attempts, waits }) => (
          <li key={id} data-waits={waits.for}>
            <Icon name={waits.for === 'decision' ? 'decide' : waits.for === 'answer' ? 'sync' : 'device'} size={16} />
            <span>
              {operation === 'update' ? [...fields, ...unset].map(fieldName).join(', ') : WORDS[operation]}
              <small>
                {ago(writtenAt, now)}
                {attempts > 0 && `, ${attempts === 1 ? '1 try' : `${attempts} tries`}`}
              </small>
            </span>
          </li>
        ))}
      </ol>
      {wanted ? (
        <div className="decide-note">
          <p>
            {isElsewhere && <strong>It needs another change, and that one waits for you. </strong>}
            {reasonOf(wanted)}
          </p>
          <Decision mutation={wanted} />
        </div>
      ) : (
        <p data-testid="story-next">{whatNext(next, online)}</p>
      )}
    </>
  )
}

const WORDS = { create: 'Written here', delete: 'Deleted here' } as const
