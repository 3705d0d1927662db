import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { demoSchema, serverBinary } from './paths.js'
import { within } from './until.js'

export interface ServerOptions {
  /** What it serves beside the API. */
  readonly static?: string
  /** Fill an empty database with the demo's data. */
  readonly demo?: boolean
  readonly schema?: string
}

/** The real server on a free port of the loopback, over a data file that outlives its process until `dispose`. */
export class Server {
  private constructor(
    private readonly folder: string,
    private readonly options: ServerOptions,
    private process: ChildProcess | undefined,
    /** Changes when the server is started again. */
    public origin: string,
  ) {}

  static async start(options: ServerOptions = {}): Promise<Server> {
    if (!existsSync(serverBinary))
      throw new Error(`${serverBinary} does not exist: cargo build --release -p landfall-server`)
    const server = new Server(await mkdtemp(join(tmpdir(), 'landfall-server-')), options, undefined, '')
    await server.restart()
    return server
  }

  get dataFile(): string {
    return join(this.folder, 'landfall.sqlite')
  }

  async restart(): Promise<void> {
    const { static: site, demo, schema = demoSchema } = this.options
    const args = ['--data', this.dataFile, '--listen', '127.0.0.1:0', '--schema', schema, '--open']
    if (site !== undefined) args.push('--static', site)
    if (demo === true) args.push('--demo')
    const child = spawn(serverBinary, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const ready = new Promise<string>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', code => reject(new Error(`the server ended with ${code} before it listened`)))
      createInterface({ input: child.stdout }).on('line', line => {
        const address = /^landfall-server listening on (http:\/\/\S+)$/.exec(line)?.[1]
        if (address !== undefined) resolve(address)
      })
    })
    this.process = child
    this.origin = await within(20_000, 'starting the server', ready)
  }

  /** Ends the process as a supervisor would. The data file stays, complete. */
  async stop(): Promise<void> {
    const child = this.process
    this.process = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGTERM')
    try {
      await within(10_000, 'stopping the server', ended)
    } finally {
      child.kill('SIGKILL')
    }
  }

  async dispose(): Promise<void> {
    await this.stop()
    await rm(this.folder, { recursive: true, force: true })
  }
}
