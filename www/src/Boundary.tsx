import { Component, type ReactNode } from 'react'

interface Props {
  readonly fallback: (failure: unknown) => ReactNode
  readonly children: ReactNode
}

/** The last net: a screen that could not be drawn says so in place of going blank. */
export class Boundary extends Component<Props, { readonly failure: unknown }> {
  override state = { failure: null as unknown }

  static getDerivedStateFromError(failure: unknown) {
    return { failure }
  }

  override render() {
    return this.state.failure ? this.props.fallback(this.state.failure) : this.props.children
  }
}
