const PATHS = {
  back: 'M15 5l-7 7 7 7',
  open: 'M9 5l7 7-7 7',
  plus: 'M12 5v14M5 12h14',
  close: 'M6 6l12 12M18 6L6 18',
  sync: 'M20 11a8 8 0 0 0-14.3-4M4 13a8 8 0 0 0 14.3 4M5 3v4.5h4.5M19 21v-4.5h-4.5',
  check: 'M5 12.5l4.5 4.5L19 7',
  /* A phone with its own dot: it is here. */
  device:
    'M8 3h8a1.5 1.5 0 0 1 1.5 1.5v15A1.5 1.5 0 0 1 16 21H8a1.5 1.5 0 0 1-1.5-1.5v-15A1.5 1.5 0 0 1 8 3zM12 9v5.5M9.7 12.4L12 14.7l2.3-2.3',
  decide: 'M12 2.8l9.2 9.2-9.2 9.2L2.8 12zM12 8v4.7M12 15.8v.1',
  trash: 'M4.5 7h15M9.5 7V4.5h5V7M6.5 7l.8 12.5h9.4L17.5 7M10.3 11v5M13.7 11v5',
  person: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20.5c.8-3.7 3.7-5.5 7.5-5.5s6.7 1.8 7.5 5.5',
  day: 'M4.5 6h15v14h-15zM4.5 10.5h15M8.5 3.5V8M15.5 3.5V8',
  pin: 'M12 21.5s7-6.2 7-11.5a7 7 0 1 0-14 0c0 5.3 7 11.5 7 11.5zM12 12.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z',
  sites: 'M3.5 20.5h17M5.5 20.5v-11l6.5-5 6.5 5v11M10 20.5v-6h4v6',
  mine: 'M9.5 6.5H20M9.5 12H20M9.5 17.5H20M4 6.5l1.2 1.2L7.3 5.3M4 12l1.2 1.2 2.1-2.4M4 17.5l1.2 1.2 2.1-2.4',
  twice: 'M8.5 8.5h11v11h-11zM15.5 8.5v-4h-11v11h4',
  undo: 'M8.5 5L4 9.5 8.5 14M4.5 9.5H14a6 6 0 0 1 0 12h-3',
  away: 'M3 16.5c2 0 2.5 1.5 4.5 1.5s2.5-1.5 4.5-1.5 2.5 1.5 4.5 1.5 2.5-1.5 4.5-1.5M12 14V4l6 8H6',
} as const

export type IconName = keyof typeof PATHS

/** Decorative: what it says is said in words beside it, or in the label of its control. */
export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg className="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  )
}

/** The project's mark: the light on a headland, over the water. */
export function Logo({ size = 32 }: { size?: number }) {
  return (
    <svg className="logo" width={size} height={size} viewBox="0 0 64 64" aria-hidden="true">
      <path className="logo-beam" d="M47 11L2 1v20z" />
      <path className="logo-land" d="M40.2 36l2.3-21h9l2.3 21z" />
      <circle className="logo-light" cx="47" cy="11" r="6" />
      <path className="logo-land" d="M10 47c9-1 14-5 20-10 5-4 9-6 15-6 8 0 13 4 17 16z" />
      <path
        className="logo-sea"
        d="M4 55c4.7 0 4.7 3.5 9.3 3.5s4.7-3.5 9.3-3.5 4.7 3.5 9.3 3.5 4.7-3.5 9.3-3.5 4.7 3.5 9.3 3.5 4.7-3.5 9.3-3.5"
      />
    </svg>
  )
}
