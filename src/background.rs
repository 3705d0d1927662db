//! Background Sync: a promise of the browser's to start the service worker when there is a network, even when every page
//! is closed. Chromium has it; elsewhere this does nothing, and pages and the worker send when they run.
//!
//! A write resolves only after its registration is done, so that whoever saw it resolve may close the page. But a
//! registration is a trip to the browser's process, as long as the write itself, and one of them serves all writes until
//! the browser has used it up. So this remembers that one is *armed*:
//! - the first write that leaves something unsent arms; the writes after it find it armed;
//! - a pass that leaves nothing unsent disarms, and so does the worker's word that it began on a sync event, which uses
//!   the registration up. The worker gives it before it reads the log: a write that it does not see finds the word
//!   here and arms anew. One event too many does no harm, one too few would.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_util::lock::Mutex;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

use crate::scope::{Container, Registration, scope};

/// Background Sync for one tag.
#[derive(Clone)]
pub struct Background(Rc<State>);

struct State {
    tag: String,
    armed: Cell<bool>,
    /// There is something unsent, and no worker yet that could be started for it.
    wanted: Cell<bool>,
    /// The browser will not have it: no Background Sync, or the user forbade it.
    refused: Cell<bool>,
    asked: Cell<bool>,
    registration: RefCell<Option<Registration>>,
    /// One registering at a time. A write that comes meanwhile waits for it, and then finds it armed.
    turn: Mutex<()>,
}

impl Background {
    /// Nothing is registered yet. The tag is what the service worker's `sync` event will carry.
    #[must_use]
    pub fn new(tag: impl Into<String>) -> Self {
        Self(Rc::new(State {
            tag: tag.into(),
            armed: Cell::new(false),
            wanted: Cell::new(false),
            refused: Cell::new(false),
            asked: Cell::new(false),
            registration: RefCell::default(),
            turn: Mutex::new(()),
        }))
    }

    /// Returns when the browser has registered it, or when it is clear that it cannot now: `true` if it is armed. Costs
    /// nothing where it is armed already, or cannot be.
    pub async fn arm(&self) -> bool {
        let state = &self.0;
        if state.armed.get() || state.refused.get() {
            return state.armed.get();
        }
        let _turn = state.turn.lock().await;
        if state.armed.get() || state.refused.get() {
            return state.armed.get();
        }
        state.wanted.set(true);
        match self.registration().await {
            Some(registration) => self.register(&registration).await,
            None => false,
        }
    }

    /// Nothing is unsent any more, or the registration is used up.
    pub fn disarm(&self) {
        self.0.armed.set(false);
        self.0.wanted.set(false);
    }

    /// Whether the browser has promised to start the service worker.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.0.armed.get()
    }

    /// A registration whose worker is active: without one `register` is refused. The browser is asked once; if it knows
    /// none yet, `ready` tells when there is one.
    async fn registration(&self) -> Option<Registration> {
        let state = &self.0;
        if let Some(known) = state.registration.borrow().clone() {
            return Some(known);
        }
        // Whoever waits for the worker puts it there.
        if state.asked.get() {
            return None;
        }
        let found = if let Some(own) = scope().registration() {
            Some(own)
        } else {
            let Some(container) = scope().navigator().service_worker() else {
                state.refused.set(true);
                return None;
            };
            state.asked.set(true);
            let found = container.get_registration().await.ok();
            let found = found.filter(JsValue::is_object).map(JsCast::unchecked_into::<Registration>);
            let found = found.filter(|found| found.active().is_some());
            if found.is_none() {
                self.await_worker(container);
            }
            found
        }?;
        state.registration.replace(Some(found.clone()));
        Some(found)
    }

    /// The page's first visit: its worker is still being installed, or will be registered later, or never.
    fn await_worker(&self, container: Container) {
        let this = self.clone();
        spawn_local(async move {
            let Ok(ready) = container.ready().await else { return };
            let registration: Registration = ready.unchecked_into();
            this.0.registration.replace(Some(registration.clone()));
            let _turn = this.0.turn.lock().await;
            if this.0.wanted.get() && !this.0.armed.get() {
                this.register(&registration).await;
            }
        });
    }

    async fn register(&self, registration: &Registration) -> bool {
        let state = &self.0;
        let Some(sync) = registration.sync() else {
            state.refused.set(true);
            return false;
        };
        // Set before it is done: a disarming that comes meanwhile must win.
        state.armed.set(true);
        if let Err(error) = sync.register(&state.tag).await {
            state.armed.set(false);
            // The user or the browser's settings forbid it. Any other failure (a worker that was just replaced) may
            // pass, and the next write tries again.
            let name = js_sys::Reflect::get(&error, &"name".into()).ok().and_then(|name| name.as_string());
            state.refused.set(name.as_deref() == Some("NotAllowedError"));
        }
        state.armed.get()
    }
}
