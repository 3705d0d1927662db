import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Question } from '../site/conflicts/page.js'
import { root } from './paths.js'
import type { Tab } from './tab.js'
import { within } from './until.js'

/** A program that was named, or else one of these names in the workspace's tools or on the path. */
function program(named: string | undefined, ...names: readonly string[]): string {
  if (named !== undefined) return named
  const folders = [join(root, '.tools', 'bin'), ...(process.env['PATH'] ?? '').split(delimiter)]
  const found = names.flatMap(name => folders.map(folder => join(folder, name))).find(existsSync)
  if (found === undefined) throw new Error(`there is no ${names.join(' or ')}: cargo xtask test provides it`)
  return found
}

interface Reply {
  readonly value: unknown
}

/** A real Firefox without a display, driven by WebDriver (https://www.w3.org/TR/webdriver2/). It has one page. */
export class Firefox implements Tab {
  private constructor(
    private readonly driver: ChildProcess,
    private readonly session: string,
    /** The browser's process. Its driver ends it; this is for when that is dead. */
    private readonly processId: number,
  ) {}

  static async start(): Promise<Firefox> {
    const binary = program(process.env['LANDFALL_FIREFOX'], 'firefox', 'firefox-esr')
    const geckodriver = program(process.env['LANDFALL_GECKODRIVER'], 'geckodriver')
    // Port 0: any that is free. What Firefox says of its own scripts is nobody's concern here.
    const driver = spawn(geckodriver, ['--port', '0', '--websocket-port', '0'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    try {
      const origin = await within(20_000, 'starting geckodriver', listening(driver, geckodriver))
      const capabilities = {
        browserName: 'firefox',
        'moz:firefoxOptions': { binary, args: ['-headless'] },
        timeouts: { script: 60_000, pageLoad: 30_000 },
      }
      const begun = send('POST', `${origin}/session`, { capabilities: { alwaysMatch: capabilities } })
      const { sessionId, capabilities: given } = (await within(60_000, 'starting Firefox', begun)) as {
        sessionId: string
        capabilities: { 'moz:processID': number }
      }
      return new Firefox(driver, `${origin}/session/${sessionId}`, given['moz:processID'])
    } catch (error) {
      driver.kill()
      throw error
    }
  }

  /** Loads a page, and waits until its scripts have run. */
  async open(url: string): Promise<void> {
    await this.command('url', { url })
  }

  async reload(): Promise<void> {
    await this.command('refresh', {})
  }

  async ask(question: Question): Promise<string> {
    const script = 'const [question, done] = arguments; globalThis.answer(question).then(done)'
    return (await this.command('execute/async', { script, args: [question] })) as string
  }

  async close(): Promise<void> {
    const ended = new Promise(resolve => this.driver.once('exit', resolve))
    try {
      await within(20_000, 'ending Firefox', send('DELETE', this.session))
    } catch (error) {
      killed(this.processId)
      throw error
    } finally {
      this.driver.kill()
      if (this.driver.exitCode === null) await within(10_000, 'ending geckodriver', ended)
    }
  }

  private command(name: string, body: object): Promise<unknown> {
    return within(90_000, `Firefox's ${name}`, send('POST', `${this.session}/${name}`, body))
  }
}

/** The address that a driver says it listens at. */
function listening(driver: ChildProcess, name: string): Promise<string> {
  return new Promise((resolve, reject) => {
    driver.once('error', reject)
    driver.once('exit', code => reject(new Error(`${name} ended with ${code} before it listened`)))
    if (driver.stdout === null) return
    createInterface({ input: driver.stdout }).on('line', line => {
      const address = /Listening on (\S+:\d+)$/.exec(line)?.[1]
      if (address !== undefined) resolve(`http://${address}`)
    })
  })
}

async function send(method: string, url: string, body?: object): Promise<unknown> {
  const response = await fetch(url, {
    method,
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  const { value } = (await response.json()) as Reply
  if (response.ok) return value
  const { error, message } = value as { readonly error: string; readonly message: string }
  throw new Error(`WebDriver: ${error}: ${message}`)
}

function killed(processId: number): void {
  try {
    process.kill(processId, 'SIGKILL')
  } catch {
    // It is gone already.
  }
}
