//! The live notice: what it tells the app, and the passes that it asks for.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use js_sys::{Array, Promise};
use landfall_core::decide::check;
use landfall_core::error::Error;
use landfall_core::ids::is_temporary;
use landfall_core::log::entry::Id;
use landfall_core::ports::{Clock, Phase, Random};
use landfall_core::schedule::Occasion;
use landfall_core::state::Meta;
use serde::Serialize;
use wasm_bindgen::prelude::*;

use super::instance::Instance;
use super::options::Options;
use super::{Client, promise, shapes::to_js};
use crate::clock::{CryptoRandom, DeviceClock};
use crate::live::{Change, Live, Lock, Notice, Settings, Taking, by_table};
use crate::scope::scope;

/// A change is fetched after a little while, another one for each device, so that not all of them come at once,
const SPREAD_MS: u64 = 200;
/// and at most so often: what others write in a burst comes together.
const PAUSE_MS: u64 = 500;

/// How often a pass is tried again while another context, a frozen tab perhaps, is at one.
const TRIES: u32 = 20;

/// The live notice of an instance, if it has one.
#[derive(Default)]
pub(super) struct Liveness {
    live: RefCell<Option<Rc<Live>>>,
    /// The locks of others as the app sees them, of this revision: the same objects until they are others.
    shown: RefCell<Option<(u32, Vec<Lock>, Array)>>,
    due: RefCell<Option<Timeout>>,
    last_due_at: Cell<Option<u64>>,
    /// The server has something that no pass of this context has asked for yet: how often that is still tried.
    tries: Cell<u32>,
}

impl Liveness {
    pub(super) fn stop(&self) {
        self.due.take();
        // Whoever waits for an answer may still have it.
        if let Some(live) = self.live.take() {
            live.end();
        }
    }

    fn live(&self) -> Option<Rc<Live>> {
        self.live.borrow().clone()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LockShape<'l> {
    table: &'l str,
    record_id: &'l str,
    principal: &'l str,
    device_id: &'l str,
    until: Option<u64>,
}

impl<'l> LockShape<'l> {
    fn new(lock: &'l Lock, live: &Live) -> Self {
        Self {
            table: &lock.table,
            record_id: &lock.record_id,
            principal: &lock.principal,
            device_id: &lock.device_id,
            until: lock.until.map(|until| live.device_time(until)),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChangeShape<'c> {
    table: &'c str,
    ids: Vec<&'c str>,
    principal: Option<&'c str>,
    device_id: Option<&'c str>,
    at: u64,
}

#[derive(Serialize)]
struct TakingShape<'l> {
    granted: bool,
    reason: Option<&'static str>,
    holder: Option<LockShape<'l>>,
    until: Option<u64>,
}

impl TakingShape<'_> {
    fn not(reason: &'static str) -> Self {
        Self { granted: false, reason: Some(reason), holder: None, until: None }
    }
}

#[wasm_bindgen]
impl Client {
    /// Tells others that a record is edited here; what became of it.
    #[wasm_bindgen(js_name = takeLock, unchecked_return_type = "Promise<unknown>")]
    pub fn take_lock(&self, table: &str, id: &str) -> Promise {
        let this = Rc::clone(&self.instance);
        let (table, id): (Id, Id) = (table.into(), id.into());
        promise(async move { this.until_stopped(this.take_lock(&table, &id)).await? })
    }

    /// Tells them that it is not any more.
    #[wasm_bindgen(js_name = releaseLock, unchecked_return_type = "Promise<undefined>")]
    pub fn release_lock(&self, table: &str, id: &str) -> Promise {
        let this = Rc::clone(&self.instance);
        let (table, id): (Id, Id) = (table.into(), id.into());
        promise(async move {
            this.check_open()?;
            if let Some(live) = this.liveness.live() {
                let id = this.engine.state().resolve(&id);
                this.until_stopped(live.release(&table, &id)).await?;
            }
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Who else edits a record: the same object until it is another; `null` if nobody is known to.
    #[must_use]
    #[wasm_bindgen(js_name = lockOf)]
    pub fn lock_of(&self, table: &str, id: &str) -> JsValue {
        let id = self.instance.engine.state().resolve(&id.into());
        self.instance.lock_of(table, &id)
    }

    /// All that others edit: the same array until it is another.
    #[must_use]
    #[wasm_bindgen(unchecked_return_type = "unknown[]")]
    pub fn locks(&self) -> Array {
        self.instance.shown_locks().1
    }
}

impl Instance {
    /// In a page that goes on by itself, and has a server. In a worker nobody looks at anything.
    pub(super) fn begin_live(self: &Rc<Self>, options: &Options, database: String) {
        let is_page = scope().document().is_some();
        let is_wanted = options.live().unwrap_or_default() && self.is_self_driven && is_page;
        let Some(url) = options.url().filter(|_| is_wanted) else { return };
        let device_id = self.engine.state().meta(Meta::DEVICE_ID).unwrap_or_default().to_owned();
        let settings = Settings {
            url,
            token: options.token(),
            database,
            tables: self.engine.schema().tables.keys().cloned().collect(),
            principal: options.principal(),
            device_id,
        };
        let this = Rc::downgrade(self);
        let live = Live::begin(settings, move |notice| {
            if let Some(this) = this.upgrade() {
                this.notice(notice);
            }
        });
        self.liveness.live.replace(Some(Rc::new(live)));
    }

    fn notice(self: &Rc<Self>, notice: Notice) {
        let Some(live) = self.liveness.live() else { return };
        match notice {
            Notice::Lock(lock) => {
                let _ = self.observer.lock(&to_js(&LockShape::new(&lock, &live)));
            }
            Notice::Change(change) => {
                // A pass that is under way here may have asked before it. If none is, the page that reads begins one.
                if self.engine.status().phase != Phase::Idle {
                    self.fall_behind();
                }
                self.tell_change(&change, &live);
            }
            Notice::Behind => self.fall_behind(),
        }
    }

    fn tell_change(&self, change: &Change, live: &Live) {
        let at = live.device_time(change.server_time);
        // Empty is what stands for several in one, and for nobody who is known.
        let known = |name: &'_ str| Some(name).filter(|name| !name.is_empty()).map(str::to_owned);
        let (principal, device_id) = (known(&change.principal), known(&change.device_id));
        for (table, ids) in by_table(change) {
            let shape = ChangeShape {
                table,
                ids,
                principal: principal.as_deref(),
                device_id: device_id.as_deref(),
                at,
            };
            let _ = self.observer.remote_change(&to_js(&shape));
        }
    }

    /// The server has something new.
    fn fall_behind(self: &Rc<Self>) {
        self.liveness.tries.set(TRIES);
        self.pass_soon();
    }

    fn pass_soon(self: &Rc<Self>) {
        if self.is_ending() || self.liveness.due.borrow().is_some() {
            return;
        }
        let now = DeviceClock.elapsed_ms();
        let pause = self.liveness.last_due_at.get().map_or(0, |last| (last + PAUSE_MS).saturating_sub(now));
        let wait = pause.max(CryptoRandom.bits() % SPREAD_MS);
        let this = Rc::downgrade(self);
        let due = Timeout::new(u32::try_from(wait).unwrap_or(u32::MAX), move || {
            let Some(this) = this.upgrade() else { return };
            this.liveness.due.take();
            this.liveness.last_due_at.set(Some(DeviceClock.elapsed_ms()));
            // As good as somebody who looks: now, if the engine has nothing against it.
            this.occasion(Occasion::LookedAt);
        });
        self.liveness.due.replace(Some(due));
    }

    /// A pass ended. If it was another context's, it may have asked before the last change.
    pub(super) fn look_again(self: &Rc<Self>, was_here: bool) {
        let left = if was_here { 0 } else { self.liveness.tries.get().saturating_sub(1) };
        self.liveness.tries.set(left);
        if left > 0 {
            self.pass_soon();
        }
    }

    async fn take_lock(&self, table: &Id, id: &Id) -> Result<JsValue, Error> {
        self.check_open()?;
        check::table(self.engine.schema(), table)?;
        let id = self.engine.state().resolve(id);
        let Some(live) = self.liveness.live() else { return Ok(to_js(&TakingShape::not("unsupported"))) };
        // Nobody else can know of it.
        if is_temporary(&id) {
            return Ok(to_js(&TakingShape::not("undelivered")));
        }
        let taking = live.take(table, &id).await;
        let known = self.known_lock(table, &id);
        let holder = known.as_ref().map(|lock| LockShape::new(lock, &live));
        let shape = match &taking {
            Taking::Granted { until } => TakingShape {
                granted: true,
                reason: None,
                holder: None,
                until: Some(live.device_time(*until)),
            },
            Taking::Held(lock) => {
                TakingShape { holder: Some(LockShape::new(lock, &live)), ..TakingShape::not("held") }
            }
            Taking::Offline => TakingShape { holder, ..TakingShape::not("offline") },
            Taking::Unsupported => TakingShape::not("unsupported"),
            Taking::Refused(_) => TakingShape { holder, ..TakingShape::not("refused") },
        };
        Ok(to_js(&shape))
    }

    fn known_lock(&self, table: &str, id: &str) -> Option<Lock> {
        let (_, locks) = self.liveness.live()?.locks();
        locks.into_iter().find(|lock| lock.table == table && lock.record_id == id)
    }

    fn lock_of(&self, table: &str, id: &str) -> JsValue {
        let (locks, shown) = self.shown_locks();
        let at = locks.iter().position(|lock| lock.table == table && lock.record_id == id);
        at.and_then(|at| u32::try_from(at).ok()).map_or(JsValue::NULL, |at| shown.get(at))
    }

    fn shown_locks(&self) -> (Vec<Lock>, Array) {
        let live = self.liveness.live();
        let (revision, locks) = live.as_ref().map(|live| live.locks()).unwrap_or_default();
        let mut shown = self.liveness.shown.borrow_mut();
        if let Some((known, locks, array)) = &*shown
            && *known == revision
        {
            return (locks.clone(), array.clone());
        }
        let shapes: Vec<LockShape> =
            live.iter().flat_map(|live| locks.iter().map(|lock| LockShape::new(lock, live))).collect();
        let array: Array = to_js(&shapes).unchecked_into();
        *shown = Some((revision, locks.clone(), array.clone()));
        (locks, array)
    }
}
