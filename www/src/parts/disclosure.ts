import { useState } from 'react'

const chosen = new Map<string, boolean>()

/** Open or closed, remembered for as long as the app runs, so that going back finds a screen as it was left. */
export function useDisclosure(key: string, atFirst: boolean): readonly [boolean, () => void] {
  const [open, setOpen] = useState(chosen.get(key) ?? atFirst)
  const toggle = () => {
    chosen.set(key, !open)
    setOpen(!open)
  }
  return [open, toggle]
}
