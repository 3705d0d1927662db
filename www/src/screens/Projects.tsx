import { trouble } from '../failure'
import { keyOf } from '../identity'
import { useDatabase, useLive, useSyncState } from '../live'
import { byMaking } from '../order'
import { Composer } from '../parts/Composer'
import { Icon } from '../parts/Icon'
import { Counts, Meter } from '../parts/Meter'
import { Skeleton } from '../parts/Skeleton'
import { go, href } from '../route'
import type { Project } from '../schema'
import { SyncMark } from '../sync/SyncMark'
import { countOf, useTally } from '../tally'

interface Props {
  readonly chosen: string | null
  /** Its heading is the page's first, since nothing is chosen. */
  readonly heads: boolean
}

export function Projects({ chosen, heads }: Props) {
  const db = useDatabase()
  const projects = useLive('projects')
  const state = useSyncState()
  const Heading = heads ? 'h1' : 'h2'
  const firstPull = state.lastSuccessAt === null && state.online && state.lastError === null

  if (!projects || (projects.length === 0 && firstPull))
    return <Skeleton label="Getting your projects for the first time" />
  return (
    <>
      <div className="list-head">
        <Heading>Projects</Heading>
        {projects.length > 0 && <span className="figure">{projects.length}</span>}
      </div>
      {projects.length === 0 && (
        <NoProjects online={state.online} failed={state.lastError && trouble(state.lastError)} />
      )}
      <ul className="projects">
        {[...projects].sort(byMaking).map(project => (
          <ProjectRow key={keyOf(project.id)} project={project} chosen={project.id === chosen} />
        ))}
      </ul>
      <Composer
        label="Add a project"
        submit="Create project"
        testId="project"
        fields={[
          { name: 'name', label: 'Project', placeholder: 'What is to be done' },
          { name: 'customer', label: 'Customer', optional: true },
          { name: 'address', label: 'Address', optional: true },
        ]}
        create={async ({ name = '', customer = '', address = '' }) => {
          const project = await db.tables.projects.create({ name, customer, address, status: 'not_started' })
          go({ view: 'project', project: project.id })
        }}
      />
    </>
  )
}

function ProjectRow({ project, chosen }: { project: Project; chosen: boolean }) {
  const count = countOf(useTally().projects, project.id)
  return (
    <li className="project" data-testid="project-row" data-id={project.id} data-chosen={chosen}>
      <a href={href({ view: 'project', project: project.id })} aria-current={chosen ? 'page' : undefined}>
        <span className="project-line">
          <span className="project-name">{project.name}</span>
          <SyncMark record={project} />
        </span>
        {project.customer && <span className="project-customer">{project.customer}</span>}
        <Meter count={count} label={`Progress of ${project.name}`} />
        <span className="project-line project-counts">
          <Counts count={count} />
        </span>
      </a>
    </li>
  )
}

function NoProjects({ online, failed }: { online: boolean; failed: string | null }) {
  return (
    <div className="empty" data-testid="empty-projects">
      <Icon name="sites" size={36} />
      <h3>No projects on this device yet</h3>
      <p>
        {!online
          ? 'They come the first time that this device is online. You can already add one: it is sent then.'
          : failed
            ? `They could not be fetched yet, and it is tried again. ${failed}`
            : 'A project holds phases, a phase holds steps, a step holds tasks. Add the first one.'}
      </p>
    </div>
  )
}
