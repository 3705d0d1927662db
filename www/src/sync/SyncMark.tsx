import type { SyncMetadata } from 'landfall'
import { Icon, type IconName } from '../parts/Icon'

type Standing = 'delivered' | 'saved' | 'decide'

const MARKS: Readonly<Record<Standing, { icon: IconName; label: string }>> = {
  delivered: { icon: 'check', label: 'Delivered' },
  saved: { icon: 'device', label: 'Saved on this device' },
  decide: { icon: 'decide', label: 'Needs a decision' },
}

export function standingOf(record: SyncMetadata): Standing {
  if (record._syncReason) return 'decide'
  return record._syncStatus === 'synced' ? 'delivered' : 'saved'
}

/** Where a record stands between this device and the server: a shape and a word, never colour alone. */
export function SyncMark({ record, words = false }: { record: SyncMetadata; words?: boolean }) {
  const standing = standingOf(record)
  const { icon, label } = MARKS[standing]
  return (
    <span className="sync-mark" data-testid="sync-mark" data-sync={standing} title={label}>
      <Icon name={icon} size={16} />
      <span className={words ? undefined : 'unseen'}>{label}</span>
    </span>
  )
}
