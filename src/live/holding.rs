//! The edit locks that this page holds: taken, renewed at a third of their time, released.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_util::lock::Mutex;
use gloo_timers::callback::Timeout;
use landfall_core::ports::RemoteError;
use landfall_core::protocol::PROTOCOL;
use landfall_core::protocol::live::{LockAction as Action, LockAnswer, LockRequest};
use wasm_bindgen_futures::spawn_local;

use super::wire::Lock;
use super::{Shared, now_ms};
use crate::connectivity::online;

/// For how long a lock is asked for. Who dies while editing is shown to others for no longer than this.
const TTL_MS: u64 = 45_000;
/// A server that gives less time is not asked more often than this.
const RENEWAL_MS_MIN: u64 = 2_000;

/// What became of asking for a lock. None of these keeps anybody from writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taking {
    /// Others are told that it is edited here, until so many milliseconds by the server's clock, and as long as it is renewed.
    Granted { until: u64 },
    /// Somebody else has it.
    Held(Lock),
    /// No answer came. Nobody is told, and it is not known whether somebody else has it.
    Offline,
    /// The server has no locks.
    Unsupported,
    /// The server refused the request, by this code.
    Refused(String),
}

/// A lock that is wanted here, whether or not the server has answered.
struct Hold {
    table: String,
    id: String,
    /// Which taking it is of: what was asked for an earlier one says nothing of this.
    turn: u32,
    renewal: Option<Timeout>,
}

/// What is held in this page.
#[derive(Default)]
pub(super) struct Holds {
    list: RefCell<Vec<Hold>>,
    last_turn: Cell<u32>,
    /// One request at a time, in the order of the calls: two connections could turn "release, take" round.
    queue: Mutex<()>,
}

impl Holds {
    fn has(&self, turn: u32) -> bool {
        self.list.borrow().iter().any(|hold| hold.turn == turn)
    }

    fn wants(&self, table: &str, id: &str) -> bool {
        self.list.borrow().iter().any(|hold| hold.table == table && hold.id == id)
    }

    /// Begins to want it; the turn, and whether it was wanted before.
    fn begin(&self, table: &str, id: &str) -> (u32, bool) {
        let turn = self.last_turn.get().wrapping_add(1);
        self.last_turn.set(turn);
        let again = self.end_of(table, id);
        let hold = Hold { table: table.to_owned(), id: id.to_owned(), turn, renewal: None };
        self.list.borrow_mut().push(hold);
        (turn, again)
    }

    fn end(&self, turn: u32) {
        self.list.borrow_mut().retain(|hold| hold.turn != turn);
    }

    /// Whether it was wanted.
    fn end_of(&self, table: &str, id: &str) -> bool {
        let mut list = self.list.borrow_mut();
        let before = list.len();
        list.retain(|hold| hold.table != table || hold.id != id);
        list.len() < before
    }
}

impl Shared {
    pub(super) async fn take(self: Rc<Self>, table: String, id: String) -> Taking {
        if self.is_absent() {
            return Taking::Unsupported;
        }
        if !online() {
            return Taking::Offline;
        }
        let (turn, again) = self.holds.begin(&table, &id);
        let _queue = self.holds.queue.lock().await;
        let taking = self.ask(Action::Take, &table, &id).await;
        match taking {
            Taking::Granted { until } if self.holds.has(turn) => self.renew_before(turn, until),
            // The page left meanwhile, and its release may have overtaken this.
            Taking::Granted { .. } if !self.holds.wants(&table, &id) => {
                self.remote.post_last("locks", &self.request(Action::Release, &table, &id)).await;
            }
            Taking::Granted { .. } => {}
            // What was held before is lost by no failure of the network's.
            Taking::Offline if again => self.renew_in(turn, TTL_MS / 3),
            Taking::Held(_) | Taking::Offline | Taking::Unsupported | Taking::Refused(_) => {
                self.holds.end(turn);
            }
        }
        taking
    }

    pub(super) async fn release(self: Rc<Self>, table: String, id: String) {
        if self.holds.end_of(&table, &id) {
            let _queue = self.holds.queue.lock().await;
            self.remote.post_last("locks", &self.request(Action::Release, &table, &id)).await;
        }
    }

    /// Releases everything, as best it can: this page may be going away.
    pub(super) fn release_all(self: &Rc<Self>) {
        for hold in self.holds.list.take() {
            let this = Rc::clone(self);
            // Not in the queue, which may be waiting for an answer that no longer comes.
            spawn_local(async move {
                this.remote.post_last("locks", &this.request(Action::Release, &hold.table, &hold.id)).await;
            });
        }
    }

    /// The server says something of a lock of this device's. One that another tab released, and this one holds, is taken
    /// again: they are one device to the server.
    pub(super) fn handle_own(self: &Rc<Self>, lock: &Lock) {
        if lock.until.is_some() {
            return;
        }
        let list = self.holds.list.borrow();
        let hold = list.iter().find(|hold| hold.table == lock.table && hold.id == lock.record_id);
        if let Some(turn) = hold.map(|hold| hold.turn) {
            let this = Rc::clone(self);
            spawn_local(async move { this.renew(turn).await });
        }
    }

    fn request(&self, action: Action, table: &str, id: &str) -> LockRequest {
        LockRequest {
            protocol: PROTOCOL,
            principal: Some(self.settings.principal.clone()),
            device_id: self.settings.device_id.clone(),
            table: table.to_owned(),
            record_id: id.to_owned(),
            action,
            ttl_ms: Some(TTL_MS),
        }
    }

    async fn ask(self: &Rc<Self>, action: Action, table: &str, id: &str) -> Taking {
        let answer: LockAnswer = match self.remote.call("locks", &self.request(action, table, id)).await {
            Ok(answer) => answer,
            Err(RemoteError::Network(_) | RemoteError::Timeout | RemoteError::Foreign(_)) => {
                return Taking::Offline;
            }
            Err(RemoteError::Refused { status: 405 | 501, .. }) => return Taking::Unsupported,
            Err(RemoteError::Refused { code, .. }) => return Taking::Refused(code),
        };
        let news = {
            let mut table = self.table.borrow_mut();
            table.handle_time(answer.server_time, now_ms());
            answer.lock.clone().and_then(|lock| table.handle_lock(lock, now_ms()))
        };
        self.tell(news);
        match answer.lock {
            lock if answer.granted => Taking::Granted {
                until: lock.and_then(|lock| lock.until).unwrap_or(answer.server_time + TTL_MS),
            },
            Some(lock) => Taking::Held(lock),
            None => Taking::Refused("not-held".to_owned()),
        }
    }

    fn renew_before(self: &Rc<Self>, turn: u32, until: u64) {
        let server_now = self.table.borrow().server_now(now_ms()).unwrap_or(until);
        self.renew_in(turn, until.saturating_sub(server_now) / 3);
    }

    fn renew_in(self: &Rc<Self>, turn: u32, ms: u64) {
        let this = Rc::downgrade(self);
        let wait = u32::try_from(ms.max(RENEWAL_MS_MIN)).unwrap_or(u32::MAX);
        let renewal = Timeout::new(wait, move || {
            if let Some(this) = this.upgrade() {
                spawn_local(async move { this.renew(turn).await });
            }
        });
        // Released meanwhile, it is dropped, and does not fire.
        if let Some(hold) = self.holds.list.borrow_mut().iter_mut().find(|hold| hold.turn == turn) {
            hold.renewal = Some(renewal);
        }
    }

    async fn renew(self: Rc<Self>, turn: u32) {
        let _queue = self.holds.queue.lock().await;
        let named = {
            let list = self.holds.list.borrow();
            let hold = list.iter().find(|hold| hold.turn == turn);
            hold.map(|hold| (hold.table.clone(), hold.id.clone()))
        };
        let Some((table, id)) = named else { return };
        let mut taking = self.ask(Action::Renew, &table, &id).await;
        // It lapsed, in a page that slept for instance, and nobody has it.
        if matches!(taking, Taking::Refused(_)) && self.holds.has(turn) {
            taking = self.ask(Action::Take, &table, &id).await;
        }
        match taking {
            Taking::Granted { until } => self.renew_before(turn, until),
            // Somebody else has it now, and the app was told so.
            Taking::Held(_) | Taking::Unsupported => self.holds.end(turn),
            Taking::Offline | Taking::Refused(_) => self.renew_in(turn, TTL_MS / 3),
        }
    }
}
