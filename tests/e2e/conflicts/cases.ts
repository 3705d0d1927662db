import { after, before, test } from 'node:test'
import type { SchemaDocument } from 'landfall'
import type { Tab } from '../harness/tab.js'
import { deciding } from './deciding.js'
import { keeping } from './keeping.js'
import { kinds } from './kinds.js'
import { rules } from './rules.js'
import { strategies } from './strategies.js'
import type { Two } from './two.js'
import { World } from './world.js'

/** What two people do, and what must have come of it. It is the same in every browser. */
export interface Case {
  readonly name: string
  /** Ana's release of the app, where it is not the server's. */
  readonly release?: SchemaDocument
  run(two: Two): Promise<void>
}

const cases: readonly Case[] = [...rules, ...strategies, ...kinds, ...deciding, ...keeping]

/** A browser with the page open. */
export interface Opened {
  readonly tab: Tab
  close(): Promise<void>
}

/** Runs every case in a browser; each with two new databases, all with one server. */
export function testConflicts(browser: string, open: (url: string) => Promise<Opened>): void {
  let world: World | undefined
  let opened: Opened | undefined
  before(async () => {
    world = await World.start()
    opened = await open(world.page)
  })
  after(async () => {
    await opened?.close()
    await world?.close()
  })
  for (const [at, { name, release, run }] of cases.entries()) {
    test(`${browser}: ${name}`, async () => {
      if (world === undefined || opened === undefined) throw new Error('the browser did not start')
      const { tab } = opened
      const two = await world.two({ ana: tab, ben: tab }, `case ${at}`, release)
      try {
        await run(two)
      } finally {
        world.heal()
        await two.close()
      }
    })
  }
}
