import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { delimiter, join } from 'node:path'
import type { Figures, Options } from './page/stage.js'
import type { WorkloadName } from './page/workloads.js'

export type BrowserName = 'firefox' | 'webkit'

/** WebKitGTK calls itself by the name of its least browser. */
const titles: Readonly<Record<BrowserName, string>> = { firefox: 'Firefox', webkit: 'WebKitGTK' }

/** For one workload; a browser that does not keep to it is given a little longer. */
const patienceMs = 60_000

function program(named: string | undefined, ...names: readonly string[]): string {
  if (named !== undefined) return named
  const found = (process.env['PATH'] ?? '')
    .split(delimiter)
    .flatMap(folder => names.map(name => join(folder, name)))
    .find(existsSync)
  if (found === undefined) throw new Error(`there is no ${names.join(' or ')}: cargo xtask bench provides it`)
  return found
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

interface Driver {
  readonly command: readonly string[]
  readonly capabilities: object
}

function driverOf(browser: BrowserName, port: number): Driver {
  if (browser === 'firefox') {
    const geckodriver = program(process.env['LANDFALL_GECKODRIVER'], 'geckodriver')
    const binary = program(process.env['LANDFALL_FIREFOX'], 'firefox', 'firefox-esr')
    return {
      command: [geckodriver, '--port', String(port), '--websocket-port', '0'],
      capabilities: { browserName: 'firefox', 'moz:firefoxOptions': { binary, args: ['-headless'] } },
    }
  }
  // WebKitGTK has no headless mode: it is lent a display.
  const webkit = program(process.env['LANDFALL_WEBKIT_DRIVER'], 'WebKitWebDriver')
  return { command: [program(undefined, 'xvfb-run'), '-a', webkit, `--port=${port}`], capabilities: {} }
}

/** A browser other than Chromium, driven by WebDriver (https://www.w3.org/TR/webdriver2/). It has one page. */
export class WebDriver {
  private constructor(
    private readonly driver: ChildProcess,
    private readonly session: string,
    readonly version: string,
  ) {}

  static async start(browser: BrowserName): Promise<WebDriver> {
    const port = await freePort()
    const { command, capabilities } = driverOf(browser, port)
    const [file = '', ...args] = command
    // A group of its own, so that the display that xvfb-run starts ends with it.
    const driver = spawn(file, args, { stdio: 'ignore', detached: true })
    try {
      const origin = `http://127.0.0.1:${port}`
      await listening(origin)
      const timeouts = { script: patienceMs, pageLoad: 30_000 }
      const { sessionId, capabilities: given } = (await send('POST', `${origin}/session`, {
        capabilities: { alwaysMatch: { ...capabilities, timeouts } },
      })) as { sessionId: string; capabilities: { browserVersion: string } }
      return new WebDriver(driver, `${origin}/session/${sessionId}`, `${titles[browser]} ${given.browserVersion}`)
    } catch (error) {
      end(driver)
      throw error
    }
  }

  /** Loads a measured page, and runs a workload in it. */
  async run(url: string, workload: WorkloadName, options: Options): Promise<Figures> {
    await send('POST', `${this.session}/url`, { url })
    const script = `const [name, options, done] = arguments
      const begin = () => {
        if (globalThis.bench === undefined) return setTimeout(begin, 20)
        globalThis.bench.run(name, options).then(value => done({ value }), error => done({ error: String(error) }))
      }
      begin()`
    const { value, error } = (await send('POST', `${this.session}/execute/async`, {
      script,
      args: [workload, options],
    })) as { value?: Figures; error?: string }
    if (value === undefined) throw new Error(error)
    return value
  }

  async close(): Promise<void> {
    try {
      await send('DELETE', this.session, undefined, 10_000)
    } catch {
      // It has ended already, or hangs.
    } finally {
      end(this.driver)
    }
  }
}

function end(driver: ChildProcess): void {
  try {
    if (driver.pid !== undefined) process.kill(-driver.pid, 'SIGTERM')
  } catch {
    // It has ended already.
  }
}

async function listening(origin: string): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      await fetch(`${origin}/status`)
      return
    } catch (error) {
      if (attempt === 100) throw error
      await new Promise(resolve => setTimeout(resolve, 100))
    }
  }
}

async function send(method: string, url: string, body?: object, limitMs = patienceMs + 10_000): Promise<unknown> {
  const response = await fetch(url, {
    method,
    signal: AbortSignal.timeout(limitMs),
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  const { value } = (await response.json()) as { readonly value: unknown }
  if (response.ok) return value
  const { error, message } = value as { readonly error: string; readonly message: string }
  throw new Error(`WebDriver: ${error}: ${message}`)
}
