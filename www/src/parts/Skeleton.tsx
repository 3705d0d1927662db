/** Only for the very first load: what is on this device needs no waiting. */
export function Skeleton({ label }: { label: string }) {
  return (
    <div className="skeleton" role="status" data-testid="skeleton">
      <span className="unseen">{label}</span>
      {[0, 1, 2, 3, 4].map(place => (
        <div key={place} className="skeleton-card" aria-hidden="true">
          <span />
          <span />
          <span />
        </div>
      ))}
    </div>
  )
}
