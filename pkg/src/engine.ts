import { landfallError, type LandfallError } from './errors.js'
import init, { Client, type ClientOptions, onPanic } from './wasm/landfall.js'

/** The compiled engine: one instance of the WebAssembly module in this context, shared by all open databases. */
export interface Engine {
  open(options: ClientOptions): Promise<Client>
  /** Why nothing can be done with it any more, once that is so. */
  readonly death: LandfallError | undefined
  /** Calls `hear` when it dies. The returned function takes that back. */
  onDeath(hear: (death: LandfallError) => void): () => void
  /** A trap that a call ran into: the instance is dead. Anything else is given back as it is. */
  examine(thrown: unknown): unknown
}

/** Where the module comes from: an address, or an answer that has it. */
export type WasmSource = string | URL | Response | Promise<Response>

class WasmEngine implements Engine {
  death: LandfallError | undefined
  readonly #hearers = new Set<(death: LandfallError) => void>()

  open(options: ClientOptions): Promise<Client> {
    return Client.open(options)
  }

  onDeath(hear: (death: LandfallError) => void): () => void {
    this.#hearers.add(hear)
    return () => this.#hearers.delete(hear)
  }

  examine(thrown: unknown): unknown {
    if (!(thrown instanceof WebAssembly.RuntimeError)) return thrown
    return this.die(thrown.message, thrown)
  }

  die(reason: string, cause?: unknown): LandfallError {
    if (this.death === undefined) {
      this.death = landfallError(
        'instance-dead',
        `Landfall's engine stopped by a mistake of its own (${reason}). Nothing that was saved is lost: reload the app and open the database again.`,
        { cause },
      )
      for (const hear of this.#hearers) hear(this.death)
    }
    return this.death
  }
}

let loading: Promise<Engine> | undefined

/** Loads the engine, once in this context: later calls get the same one, wherever they say that it is. */
export function loadEngine(source: () => WasmSource): Promise<Engine> {
  loading ??= load(source).catch((error: unknown) => {
    // The network may be back at the next call.
    loading = undefined
    const reason = error instanceof Error ? error.message : String(error)
    throw landfallError('engine-unavailable', `Landfall's engine could not be loaded: ${reason}`, {
      retryable: true,
      cause: error,
    })
  })
  return loading
}

async function load(source: () => WasmSource): Promise<Engine> {
  const found = source()
  const answer = await (typeof found === 'string' || found instanceof URL ? fetch(found) : found)
  if (!answer.ok) throw new Error(`${answer.url} answered with status ${answer.status}`)
  await init({ module_or_path: await compile(answer) })
  const engine = new WasmEngine()
  onPanic((message: string) => {
    console.error(`Landfall's engine panicked: ${message}`)
    engine.die(message)
  })
  return engine
}

/** Compiles while it arrives. A server that names another type than application/wasm gets a slower way. */
async function compile(answer: Response): Promise<WebAssembly.Module> {
  if (answer.headers.get('content-type') === 'application/wasm' && 'compileStreaming' in WebAssembly) {
    return WebAssembly.compileStreaming(answer)
  }
  return WebAssembly.compile(await answer.arrayBuffer())
}
