import { useCallback, useEffect, useLayoutEffect } from 'react'
import { rememberTask } from './colleague/last-task'
import { ConflictDetail } from './conflict/ConflictDetail'
import { NoticeStack } from './conflict/NoticeStack'
import { keyOf } from './identity'
import { useRecord } from './live'
import { Icon, Logo } from './parts/Icon'
import { useColumns, useWide } from './parts/media'
import { Sheet } from './parts/Sheet'
import { close, go, href, type Route, useRoute } from './route'
import { MyWork } from './screens/MyWork'
import { ProjectScreen } from './screens/ProjectScreen'
import { Projects } from './screens/Projects'
import { Banners } from './sync/Banners'
import { SyncBar } from './sync/SyncBar'
import { SyncPanel } from './sync/SyncPanel'
import { TallyProvider, useCountedTally } from './tally'
import { TaskDetail } from './task/TaskDetail'

export function App() {
  const route = useRoute()
  const openSync = useCallback(() => go({ ...route, sync: true, conflict: null }, 'over'), [route])
  const openConflict = useCallback((id: string) => go({ ...route, sync: true, conflict: id }, 'over'), [route])
  // One conflict lies over the panel, which need not have been open before.
  const closeSync = useCallback(() => close({ ...route, sync: route.conflict !== null, conflict: null }), [route])
  useScrollMemory(href({ ...route, task: null, sync: false, conflict: null }))
  const project = useCanonical(route)
  const wide = useWide()
  const listIsAll = !useColumns() && route.view === 'projects'

  return (
    <TallyProvider value={useCountedTally()}>
      <div className="app" data-view={route.view} data-task={route.task !== null}>
        <header className="top" data-testid="app-header">
          <a className="back" href={href({})} aria-label="All projects">
            <Icon name="back" />
          </a>
          <a className="brand" href={href({})} aria-label="Landfall Field, all projects">
            <Logo />
            <span>
              Landfall <b>Field</b>
            </span>
          </a>
          <SyncBar onOpen={openSync} panelOpen={route.sync} />
        </header>
        <div className="banners">
          <Banners onDecide={openSync} />
        </div>
        <nav className="tabs" aria-label="Views">
          <a href={href({})} data-testid="nav-projects" aria-current={route.view === 'mine' ? undefined : 'page'}>
            <Icon name="sites" />
            Projects
          </a>
          <a
            href={href({ view: 'mine' })}
            data-testid="nav-mine"
            aria-current={route.view === 'mine' ? 'page' : undefined}
          >
            <Icon name="mine" />
            My work
          </a>
        </nav>
        <section className="side" aria-label="Projects" role={listIsAll ? 'main' : undefined}>
          <Projects chosen={project} heads={route.view === 'projects'} />
        </section>
        <main className="main">
          {route.view === 'mine' && <MyWork task={route.task} />}
          {route.view === 'project' && project && <ProjectScreen key={keyOf(project)} id={project} task={route.task} />}
          {route.view === 'projects' && (
            <div className="empty" data-testid="empty-main">
              <Logo size={64} />
              <h2>Choose a project</h2>
              <p>Everything here works without a network, and is sent when there is one.</p>
            </div>
          )}
        </main>
        {!route.sync && (wide || !route.task) && <NoticeStack />}
        {route.task && <OpenTask key={keyOf(route.task)} route={route} id={route.task} />}
        {route.sync && (
          <Sheet
            label={route.conflict ? 'Conflict' : 'Sync'}
            className={route.conflict ? 'sheet-sync sheet-wide' : 'sheet-sync'}
            testId="sync-panel"
            modal
            onClose={closeSync}
          >
            {route.conflict ? (
              <ConflictDetail key={route.conflict} id={route.conflict} onBack={closeSync} />
            ) : (
              <SyncPanel onClose={closeSync} onConflict={openConflict} />
            )}
            {!route.conflict && <NoticeStack />}
          </Sheet>
        )}
      </div>
    </TallyProvider>
  )
}

function OpenTask({ route, id }: { route: Route; id: string }) {
  const task = useRecord('tasks', id)
  const wide = useWide()
  const closeTask = useCallback(() => close({ ...route, task: null }), [route])
  const known = task?.id
  useEffect(() => {
    if (known !== undefined) rememberTask(known)
  }, [known])
  if (task === undefined) return null
  return (
    <Sheet
      label={task ? `Task: ${task.title}` : 'Task'}
      className="sheet-task"
      testId="task-detail"
      modal={!wide}
      onClose={closeTask}
    >
      {task ? (
        <TaskDetail task={task} onClose={closeTask} />
      ) : (
        <div className="empty">
          <h2>This task is gone</h2>
          <p>It was deleted, here or by somebody else.</p>
          <button type="button" className="button" onClick={closeTask}>
            Close
          </button>
        </div>
      )}
      {!wide && !route.sync && <NoticeStack />}
    </Sheet>
  )
}

/** The project's id of today. An address that still has a temporary one is put right, without a step in the history. */
function useCanonical(route: Route): string | null {
  const project = useRecord('projects', route.project)
  const task = useRecord('tasks', route.task)
  const projectId = route.project && (project?.id ?? route.project)
  const taskId = route.task && (task?.id ?? route.task)
  useEffect(() => {
    if (projectId !== route.project || taskId !== route.task)
      go({ ...route, project: projectId, task: taskId }, 'replace')
  }, [route, projectId, taskId])
  return projectId
}

const offsets = new Map<string, number>()

/** On a phone the document scrolls: each screen comes back to where it was left. */
function useScrollMemory(screen: string): void {
  useLayoutEffect(() => {
    scrollTo(0, offsets.get(screen) ?? 0)
    const remember = () => offsets.set(screen, scrollY)
    addEventListener('scroll', remember, { passive: true })
    return () => removeEventListener('scroll', remember)
  }, [screen])
}
