import { useSyncState } from '../live'
import { Icon } from '../parts/Icon'

/** L9: somebody without a network must not wonder whether work is lost. */
export function Banners({ onDecide }: { onDecide: () => void }) {
  const state = useSyncState()
  return (
    <>
      {!state.online && (
        <div className="banner" role="status" data-mood="offline" data-testid="offline-banner">
          <Icon name="away" />
          <p>
            <strong>You are offline.</strong> Everything you do is saved on this device and will be sent when you are
            back online.
          </p>
        </div>
      )}
      {state.parked > 0 && (
        <div className="banner" role="status" data-mood="trouble" data-testid="decide-banner">
          <Icon name="decide" />
          <p>
            <strong>{state.parked === 1 ? 'One change needs' : `${state.parked} changes need`} your decision.</strong>{' '}
            The rest goes on.
          </p>
          <button type="button" className="button" onClick={onDecide}>
            Look
          </button>
        </div>
      )}
    </>
  )
}
