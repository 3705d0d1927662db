import { type ReactNode, useEffect, useLayoutEffect, useRef } from 'react'

interface Props {
  readonly label: string
  readonly className: string
  readonly testId: string
  /** Over everything, with the rest out of reach; otherwise a column beside the list. */
  readonly modal: boolean
  readonly onClose: () => void
  readonly children: ReactNode
}

/** One `dialog` for both forms: what is typed inside survives turning the phone. The browser keeps focus in and gives it back. */
export function Sheet({ label, className, testId, modal, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null)

  useLayoutEffect(() => {
    const element = dialog.current
    if (!element) return
    if (modal) element.showModal()
    else element.show()
    return () => element.close()
  }, [modal])

  useEffect(() => {
    if (modal) return
    const keys = (event: KeyboardEvent) => {
      // A modal sheet over this one closes first, by the browser's own handling.
      const covered = document.querySelector('dialog:modal') !== null
      if (event.key === 'Escape' && !event.defaultPrevented && !covered) onClose()
    }
    addEventListener('keydown', keys)
    return () => removeEventListener('keydown', keys)
  }, [modal, onClose])

  return (
    <dialog
      ref={dialog}
      className={`sheet ${className}`}
      data-modal={modal}
      data-testid={testId}
      aria-label={label}
      onCancel={event => {
        event.preventDefault()
        onClose()
      }}
      onClick={event => event.target === event.currentTarget && modal && onClose()}
    >
      <div className="sheet-body">{children}</div>
    </dialog>
  )
}
