import { useSyncState } from '../live'
import { Icon } from '../parts/Icon'

/** L9: somebody without a network must not wonder whether work is lost. */
export function Banners({ onDecide }: { onDecide: () => void }) {
  const state = useSyncState()
  return (
    <>
      {state.outdated && (
        <div className="banner" role="status" data-mood="trouble" data-testid="outdated-banner">
          <Icon name="sync" />
          <p>
            <strong>A newer version of this app is in use.</strong> Reload to go on. What is saved here will be sent.
          </p>
          <button type="button" className="button" onClick={() => location.reload()}>
            Reload
          </button>
        </div>
      )}
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
