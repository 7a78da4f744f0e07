import { Component, type ComponentChildren } from 'preact'
import { words } from '../words/words.js'

/** A fault of ours in one part of the page isn't a blank page. */
export class Fence extends Component<{ children: ComponentChildren }, { isBroken: boolean }> {
  override state = { isBroken: false }

  static override getDerivedStateFromError() {
    return { isBroken: true }
  }

  override componentDidCatch(error: unknown) {
    console.error(error)
  }

  render() {
    if (!this.state.isBroken) return this.props.children
    return (
      <div class="card trouble" role="alert">
        <p>{words.frame.stopped}</p>
        <button type="button" onClick={() => location.reload()}>
          {words.frame.reload}
        </button>
      </div>
    )
  }
}
