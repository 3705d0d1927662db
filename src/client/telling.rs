//! What the app is told: results of live queries, changes, parked mutations, progress and state.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Array, Function};
use landfall_core::error::Error;
use landfall_core::live::SubscriptionId;
use landfall_core::log::entry::Id;
use landfall_core::outbox::waits;
use landfall_core::sorted::SortedMap;
use landfall_core::table::Query;
use wasm_bindgen::prelude::*;

use super::instance::Instance;
use super::shapes::{MutationShape, Progress, SyncState, to_js};
use crate::body::{JsBody, array_of};
use crate::connectivity::online;

#[wasm_bindgen]
extern "C" {
    /// Who is told. It does not throw; if it does all the same, that is its own affair.
    #[wasm_bindgen(typescript_type = "ClientObserver")]
    pub type Observer;

    #[wasm_bindgen(method, catch)]
    fn state(this: &Observer, state: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn progress(this: &Observer, progress: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn change(this: &Observer, table: &str, ids: &Array) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn parked(this: &Observer, mutation: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn conflict(this: &Observer, conflict: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    pub(super) fn lock(this: &Observer, lock: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = remoteChange)]
    pub(super) fn remote_change(this: &Observer, change: &JsValue) -> Result<(), JsValue>;
}

struct Shown {
    state: SyncState,
    object: JsValue,
}

struct Subscriber {
    /// `None` while its table is being loaded.
    query: Option<SubscriptionId>,
    changed: Function,
}

/// What was told so far, and to whom.
#[derive(Default)]
pub(super) struct Told {
    subscribers: RefCell<SortedMap<u32, Subscriber>>,
    last_subscriber: Cell<u32>,
    /// Whether anybody wants to hear which records changed.
    pub(super) wants_changes: Cell<bool>,
    shown: RefCell<Option<Shown>>,
    stale: Cell<bool>,
    announced: RefCell<JsValue>,
}

impl Told {
    pub(super) fn state_is_stale(&self) {
        self.stale.set(true);
    }

    fn changed(&self, subscriber: u32) -> Option<Function> {
        self.subscribers.borrow().get(&subscriber).map(|subscriber| subscriber.changed.clone())
    }
}

impl Instance {
    /// Tells everything that is new. Nothing of the engine is borrowed while the app runs: it may call back.
    pub(super) fn tell(&self) {
        for (subscriber, records) in self.results() {
            // One that ended meanwhile, perhaps by what the one before it did, hears no more.
            if let Some(changed) = self.told.changed(subscriber) {
                let _ = changed.call1(&JsValue::UNDEFINED, &array_of(&records));
            }
        }
        if self.told.wants_changes.get() {
            for (table, ids) in self.engine.take_touched() {
                let ids = ids.iter().map(|id| JsValue::from_str(id)).collect();
                let _ = self.observer.change(&table, &ids);
            }
        } else {
            self.engine.forget_touched();
        }
        let noted = self.inbox.take();
        for mutation in noted.parked.iter().filter_map(|id| self.mutation(id)) {
            let _ = self.observer.parked(&mutation);
        }
        for conflict in noted.conflicts.iter().filter_map(|id| self.engine.conflict(id)) {
            let _ = self.observer.conflict(&to_js(&conflict));
        }
        if let Some(reached) = noted.progress {
            let _ = self.observer.progress(&to_js(&Progress::from(reached)));
        }
        let state = self.state();
        if self.told.announced.replace(state.clone()) != state {
            let _ = self.observer.state(&state);
        }
    }

    /// The live queries whose result is another one now.
    fn results(&self) -> Vec<(u32, Vec<JsBody>)> {
        let mut live = self.engine.live.borrow_mut();
        let dirty = live.take_dirty();
        if dirty.is_empty() {
            return Vec::new();
        }
        let state = self.engine.state();
        let subscribers = self.told.subscribers.borrow();
        let subscriber_of: SortedMap<SubscriptionId, u32> =
            subscribers.iter().filter_map(|(id, subscriber)| Some((subscriber.query?, *id))).collect();
        dirty
            .into_iter()
            .filter_map(|query| {
                let table = state.table(live.table(query)?)?;
                Some((*subscriber_of.get(&query)?, live.refresh(query, table)?))
            })
            .collect()
    }

    /// A mutation of the outbox as the app sees it.
    fn mutation(&self, id: &Id) -> Option<JsValue> {
        let state = self.engine.state();
        let mutation = state.outbox.get(id)?;
        Some(to_js(&MutationShape::new(mutation, &waits(&state.outbox))))
    }

    /// The outbox as the app sees it, in the order of writing.
    pub(super) fn mutations(&self) -> Array {
        let state = self.engine.state();
        let waits = waits(&state.outbox);
        let shapes: Vec<_> =
            state.outbox.iter().map(|mutation| MutationShape::new(mutation, &waits)).collect();
        to_js(&shapes).unchecked_into()
    }

    /// How sync stands: the same object until it stands differently.
    pub(super) fn state(&self) -> JsValue {
        let mut shown = self.told.shown.borrow_mut();
        if self.told.stale.replace(false) || shown.is_none() {
            let state = SyncState::new(self.engine.status(), online());
            if shown.as_ref().is_none_or(|shown| shown.state != state) {
                let object = to_js(&state);
                *shown = Some(Shown { state, object });
            }
        }
        shown.as_ref().map(|shown| shown.object.clone()).unwrap_or_default()
    }

    /// Names a live query. It is to be [begun](Self::begin) once its table is there.
    pub(super) fn subscribe(&self, changed: Function) -> u32 {
        let id = self.told.last_subscriber.get() + 1;
        self.told.last_subscriber.set(id);
        self.told.subscribers.borrow_mut().insert(id, Subscriber { query: None, changed });
        id
    }

    /// The first result comes in a task of its own.
    pub(super) async fn begin(self: Rc<Self>, subscriber: u32, table: Id, query: Query) -> Result<(), Error> {
        self.load(&table).await?;
        let plan = {
            let state = self.engine.state();
            let held = state.table(&table).ok_or(Error::Closed)?;
            held.plan(&state.resolved(&table, &query))?
        };
        if let Some(waiting) = self.told.subscribers.borrow_mut().get_mut(&subscriber) {
            waiting.query = Some(self.engine.live.borrow_mut().subscribe(table, plan));
        }
        self.wake();
        Ok(())
    }

    pub(super) fn unsubscribe(&self, subscriber: u32) {
        let ended = self.told.subscribers.borrow_mut().remove(&subscriber);
        if let Some(query) = ended.and_then(|ended| ended.query) {
            self.engine.live.borrow_mut().unsubscribe(query);
        }
    }
}
