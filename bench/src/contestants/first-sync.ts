/** The first sync through the package alone, as an app's first screen sees it. */
import { open } from 'landfall'
import {
  itemCount,
  projectCount,
  schema,
  screenItems,
  screenProject,
  Smoothness,
  wirePath,
} from '../page/first-sync.js'
import { expect, type Figures } from '../page/stage.js'
import { installNetwork } from './network.js'

const network = installNetwork()

/** How long an app waits that was cut off, if nothing tells it that the network is back. */
const againMs = 200

export async function measure(): Promise<Figures> {
  const db = await open({ name: 'first', schema, remote: { url: wirePath, live: false } })
  const { projects, items } = db.tables
  const smoothness = new Smoothness()
  const begun = performance.now()
  let screen = Number.NaN
  let stopItems: (() => void) | undefined
  const stopProjects = projects.subscribe({}, all => {
    const shown = all.find(({ name }) => name === screenProject)
    if (shown === undefined || all.length < projectCount || stopItems !== undefined) return
    stopItems = items.subscribe({ index: 'project_id', equals: shown.id, limit: screenItems }, some => {
      if (some.length === screenItems && Number.isNaN(screen)) screen = performance.now() - begun
    })
  })
  await network.connected(async () => {
    while ((await db.sync()).error !== null) await new Promise(resolve => setTimeout(resolve, againMs))
  })
  const whole = performance.now() - begun
  const figures = await smoothness.end()
  stopProjects()
  stopItems?.()
  const count = await items.count()
  expect(count === itemCount, `${count} items are there`)
  await db.close()
  return { 'first sync, first screen': screen, 'first sync, all': whole, ...figures }
}
