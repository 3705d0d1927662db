import { StrictMode, useEffect, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './App'
import { Boundary } from './Boundary'
import { type Database, openField, registerWorker } from './database'
import { sentence } from './failure'
import { DatabaseProvider } from './live'
import { Logo } from './parts/Icon'
import { Skeleton } from './parts/Skeleton'
import './styles/index.css'

void registerWorker()
const opening = openField()

function Start() {
  const [db, setDb] = useState<Database | null>(null)
  const [failure, setFailure] = useState<unknown>(null)
  useEffect(() => {
    opening.then(opened => {
      window.landfall = opened
      setDb(opened)
    }, setFailure)
  }, [])

  if (failure) return <Failed failure={failure} />
  if (db) {
    return (
      <DatabaseProvider value={db}>
        <App />
      </DatabaseProvider>
    )
  }
  return (
    <div className="app" data-view="projects">
      <header className="top">
        <span className="brand">
          <Logo />
          <span>
            Landfall <b>Field</b>
          </span>
        </span>
      </header>
      <aside className="side">
        <Skeleton label="Opening" />
      </aside>
    </div>
  )
}

function Failed({ failure }: { failure: unknown }) {
  return (
    <main className="empty failed" data-testid="failed">
      <Logo size={64} />
      <h1>The app cannot go on</h1>
      <p role="alert">{sentence(failure)}</p>
      <p>What was saved before is still on this device.</p>
      <button type="button" className="button primary" onClick={() => location.reload()}>
        Reload
      </button>
    </main>
  )
}

const root = document.getElementById('root')
if (root) {
  createRoot(root).render(
    <StrictMode>
      <Boundary fallback={failure => <Failed failure={failure} />}>
        <Start />
      </Boundary>
    </StrictMode>,
  )
}
