import { readdir, readFile } from 'node:fs/promises'

interface Process {
  readonly id: number
  readonly parent: number
}

async function text(path: string): Promise<string> {
  // A process may end while it is read.
  return readFile(path, 'utf8').catch(() => '')
}

async function processes(): Promise<Process[]> {
  const ids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  return Promise.all(
    ids.map(async id => {
      const stat = await text(`/proc/${id}/stat`)
      // The name in parentheses may hold anything; the parent is the second field after it.
      return { id: Number(id), parent: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0) }
    }),
  )
}

/** All processes of the browser that runs on this profile. Linux only, as `/proc` is. */
async function browserProcesses(profile: string): Promise<number[]> {
  const all = await processes()
  const found = new Set<number>()
  for (const { id } of all)
    if ((await text(`/proc/${id}/cmdline`)).includes(`--user-data-dir=${profile}`)) found.add(id)
  for (let before = 0; before < found.size;) {
    before = found.size
    for (const { id, parent } of all) if (found.has(parent)) found.add(id)
  }
  return [...found]
}

/** The CPU time that the browser on this profile has used so far, in milliseconds, to the microsecond. */
export async function cpuMs(profile: string): Promise<number> {
  return cpuMsOf(await browserProcesses(profile))
}

async function cpuMsOf(processes: readonly number[]): Promise<number> {
  let ns = 0
  for (const id of processes) {
    const threads = await readdir(`/proc/${id}/task`).catch(() => [])
    for (const thread of threads) ns += Number((await text(`/proc/${id}/task/${thread}/schedstat`)).split(' ')[0] ?? 0)
  }
  return ns / 1e6
}

const windowMs = 200
/** What an idle browser uses is some 20 ms in a second. */
const quietMs = 10
const patienceMs = 5_000

/**
 * Waits until the browser has nothing to do any more: its own start is busy for seconds, and so is what an engine puts off.
 * Whoever never rests is not waited for for ever.
 */
export async function quiet(profile: string): Promise<void> {
  const begun = Date.now()
  const browser = await browserProcesses(profile)
  let before = await cpuMsOf(browser)
  for (let still = 0; still < 2 && Date.now() - begun < patienceMs;) {
    await new Promise(resolve => setTimeout(resolve, windowMs))
    const now = await cpuMsOf(browser)
    still = now - before < quietMs ? still + 1 : 0
    before = now
  }
}
