import { Icon } from './Icon'
import type { Count } from '../tally'
import { share } from '../tally'

/** Tasks done of all, as a gauge with its words. */
export function Meter({ count, label }: { count: Count; label: string }) {
  const percent = Math.round(share(count) * 100)
  return (
    <div className="meter">
      <div
        className="meter-track"
        role="progressbar"
        aria-label={label}
        aria-valuenow={percent}
        aria-valuetext={countText(count)}
        data-full={count.all > 0 && count.done === count.all}
      >
        <div className="meter-fill" style={{ transform: `scaleX(${share(count)})` }} />
      </div>
    </div>
  )
}

/** Under the gauge: what is done, what is stuck, and what below it waits to be sent. */
export function Counts({ count, words = false }: { count: Count; words?: boolean }) {
  return (
    <>
      <span>{countText(count)}</span>
      {count.saved > 0 && (
        <span className="saved-count" title="Changes below, saved on this device">
          <Icon name="device" size={15} />
          {count.saved}
          <span className={words ? undefined : 'unseen'}> saved here</span>
        </span>
      )}
      {count.blocked > 0 && <span className="blocked-count">{count.blocked} blocked</span>}
    </>
  )
}

export function countText({ all, done }: Count): string {
  if (all === 0) return 'No tasks yet'
  return `${done} of ${all} ${all === 1 ? 'task' : 'tasks'} done`
}
