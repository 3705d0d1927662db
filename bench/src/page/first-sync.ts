/** The first sync of a large store over the wire: what the server has, and what the first screen shows of it. */
import type { SchemaDocument } from 'landfall'
import { schema as single } from '../../../tests/e2e/site/budgets/item.js'
import { type Item, makeItem } from './item.js'
import type { Figures } from './stage.js'

export const projectCount = 50
export const itemCount = 100_000
/** Of one project the first screen lists the first few, under the names of all projects. */
export const screenItems = 20
export const screenProject = 'Project 0'

/** `items` refers to the small table, so that this is pulled first. */
export const schema = {
  version: 1,
  tables: {
    projects: { fields: { name: 'string', customer: 'string' } },
    items: {
      fields: { ...single.tables.items.fields, project_id: 'string' },
      references: { project_id: { table: 'projects' } },
      indexes: ['project_id'],
    },
  },
} as const satisfies SchemaDocument

export interface Project {
  readonly name: string
  readonly customer: string
}

export function makeProject(n: number): Project {
  return { name: `Project ${n}`, customer: `Customer ${n % 7}` }
}

/** The projects' items lie among each other, as they come when many people work at once. */
export const projectOf = (n: number): number => n % projectCount

export function makeProjectItem(n: number, project_id: string): Item & { readonly project_id: string } {
  return { ...makeItem(n), project_id }
}

/** Below which the harness passes on what is asked of the real server. */
export const wirePath = '/api/wire'

/** A task that holds the page's thread for longer cannot answer a finger in time (https://www.w3.org/TR/longtasks/). */
const longMs = 50

/** What else the page could not do meanwhile: long tasks, and the longest wait between two frames. */
export class Smoothness {
  readonly #tasks: number[] = []
  readonly #observer = new PerformanceObserver(list => this.#take(list.getEntries()))
  #worstGap = 0
  #last: number | undefined

  constructor() {
    this.#observer.observe({ type: 'longtask' })
    const frame = (now: number): void => {
      if (this.#last === Number.POSITIVE_INFINITY) return
      if (this.#last !== undefined) this.#worstGap = Math.max(this.#worstGap, now - this.#last)
      this.#last = now
      requestAnimationFrame(frame)
    }
    requestAnimationFrame(frame)
  }

  #take(entries: readonly PerformanceEntry[]): void {
    for (const { duration } of entries) if (duration > longMs) this.#tasks.push(duration)
  }

  async end(): Promise<Figures> {
    // The task that ended just now is told of in the next one.
    await new Promise(resolve => setTimeout(resolve, 100))
    this.#take(this.#observer.takeRecords())
    this.#observer.disconnect()
    this.#last = Number.POSITIVE_INFINITY
    return {
      'first sync, long tasks': this.#tasks.length,
      'first sync, longest task': Math.max(0, ...this.#tasks),
      'first sync, longest gap between frames': this.#worstGap,
    }
  }
}
