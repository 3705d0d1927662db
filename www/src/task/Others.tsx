import type { EditLock } from 'landfall'
import { ago, useNow } from '../clock'
import { Icon } from '../parts/Icon'
import { useRemoteChange } from './editing'

/** What others do with this task while it is open here. Nothing has to be done about it. */
export function Others({ id, editor }: { id: string; editor: EditLock | null }) {
  const change = useRemoteChange(id)
  const now = useNow()
  return (
    <div className="others" role="status">
      {editor && (
        <p data-testid="task-editor">
          <Icon name="person" size={18} />
          <span>
            <strong>{editor.principal}</strong> is editing this
          </span>
        </p>
      )}
      {change && (
        <p data-testid="task-changed">
          <Icon name="sync" size={18} />
          <span>
            Changed {ago(change.at, now)} by <strong>{change.principal ?? 'somebody else'}</strong>
          </span>
        </p>
      )}
    </div>
  )
}
