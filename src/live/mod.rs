//! The live notice: who is editing what, and that somebody has changed something.
//!
//! The server tells it on one stream of events for each database and browser, not for each tab: HTTP/1.1 has six
//! connections for an origin, and passes need them too. What happens, in order:
//! - The pages of a database wait for a Web Lock of its own name; those that nobody looks at, or that have no network, do
//!   not. Who gets it reads the stream ([`reader`]) and passes every event on to the others ([`relay`]).
//! - A page that is hidden reads on for a minute, so that a look elsewhere costs nothing. If another one is looked at, it
//!   hands over at once.
//! - A stream that ends, fails or is silent is begun anew, after a backoff. Since something may have been missed, a
//!   pass is due then, as it is when another device has changed something.
//! - The [table](LockTable) holds the locks of others until they are released, or lapse. Our own are taken, renewed and released by
//!   requests of their own ([`holding`]).
//!
//! All of it is advisory: no write waits for it or is refused by it, no failure of it is an error of the app's, and it
//! ends when this is dropped.

mod attendance;
mod events;
mod holding;
mod locks;
mod reader;
mod relay;
mod wire;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_util::future::{AbortHandle, Abortable};
use gloo_timers::callback::Timeout;
use js_sys::Function;
use landfall_core::ports::Clock;
use wasm_bindgen_futures::spawn_local;

use self::attendance::Attendance;
use self::holding::Holds;
use self::relay::{Relay, Word};
use crate::clock::DeviceClock;
use crate::remote::HttpRemote;

pub use self::events::{Event, LENGTH_MAX, Parser, TooLong};
pub use self::holding::Taking;
pub use self::locks::LockTable;
pub use self::wire::{Change, Changed, Hello, Lock, News, by_table};

/// A lock is held for people who wait: what asks for it must not make them wait for long.
const TIMEOUT_MS: u32 = 10_000;

/// What the notice is about, and who asks for it.
pub struct Settings {
    pub url: String,
    pub token: Option<Function>,
    /// The database's name in this origin, as its lock and its channel have it.
    pub database: String,
    pub tables: Vec<String>,
    pub principal: String,
    pub device_id: String,
}

/// Something to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Somebody else began to edit a record, or ended (`until` is `None`).
    Lock(Lock),
    /// Another device changed something.
    Change(Change),
    /// The server may have more than was pulled. Only the page that reads the stream is told.
    Behind,
}

/// The live notice of one database in this page. It ends when it is dropped, and then releases what it holds.
pub struct Live {
    shared: Rc<Shared>,
    reading: AbortHandle,
}

struct Shared {
    remote: HttpRemote,
    settings: Settings,
    table: RefCell<LockTable>,
    holds: Holds,
    attendance: Rc<Attendance>,
    relay: Relay,
    notice: Box<dyn Fn(Notice)>,
    /// Lapsed already, and not told yet: whoever asked for the list is not to be called back in the middle of it.
    lapsed: RefCell<Vec<Lock>>,
    timer: RefCell<Option<Timeout>>,
    /// This page reads the stream, and the server has said what is held.
    knows: Cell<bool>,
    /// The server is not asked for a stream before this, by a clock that nobody sets.
    absent_until: Cell<u64>,
}

fn now_ms() -> u64 {
    DeviceClock.elapsed_ms()
}

impl Live {
    /// Begins in this page. `notice` is called with what is new, never in the middle of a call.
    #[must_use]
    pub fn begin(settings: Settings, notice: impl Fn(Notice) + 'static) -> Self {
        let name = format!("{}:live", settings.database);
        let shared = Rc::new_cyclic(|weak: &std::rc::Weak<Shared>| {
            let (hidden, left, heard) = (weak.clone(), weak.clone(), weak.clone());
            let when = |this: &std::rc::Weak<Shared>, act: fn(&Rc<Shared>)| {
                if let Some(this) = this.upgrade() {
                    act(&this);
                }
            };
            Shared {
                remote: HttpRemote::new(&settings.url, settings.token.clone()).with_timeout_ms(TIMEOUT_MS),
                table: RefCell::new(LockTable::new(settings.device_id.as_str())),
                holds: Holds::default(),
                attendance: Attendance::watch(
                    move || when(&hidden, |this| this.ask_for_relief()),
                    move || when(&left, Shared::release_all),
                ),
                relay: Relay::open(&name, move |word| {
                    if let Some(this) = heard.upgrade() {
                        this.hear(word);
                    }
                }),
                notice: Box::new(notice),
                lapsed: RefCell::default(),
                timer: RefCell::default(),
                knows: Cell::default(),
                absent_until: Cell::default(),
                settings,
            }
        });
        shared.relay.tell(&Word::Opened);
        let (reading, registration) = AbortHandle::new_pair();
        let serving = Abortable::new(reader::serve(Rc::clone(&shared), name), registration);
        spawn_local(async move {
            let _ = serving.await;
        });
        Self { shared, reading }
    }

    /// The locks of others, and a number that is another one whenever they are others.
    #[must_use]
    pub fn locks(&self) -> (u32, Vec<Lock>) {
        self.shared.expire();
        let table = self.shared.table.borrow();
        (table.revision(), table.list().to_vec())
    }

    /// A time of the server's clock, in milliseconds, by this device's.
    #[must_use]
    pub fn device_time(&self, server_ms: u64) -> u64 {
        let server_now = self.shared.table.borrow().server_now(now_ms()).unwrap_or(server_ms);
        (DeviceClock.now_ms() + server_ms).saturating_sub(server_now)
    }

    /// Takes the lock of a record, by the id that the server knows, and renews it until it is
    /// [released](Self::release). Taking it again while it is held asks again.
    pub fn take(&self, table: &str, id: &str) -> impl Future<Output = Taking> + use<> {
        Rc::clone(&self.shared).take(table.to_owned(), id.to_owned())
    }

    /// Releases it. Returns when the server was told, or is known not to hear.
    pub fn release(&self, table: &str, id: &str) -> impl Future<Output = ()> + use<> {
        Rc::clone(&self.shared).release(table.to_owned(), id.to_owned())
    }

    /// Reads no more, and releases what is held. Dropping it does the same.
    pub fn end(&self) {
        self.reading.abort();
        self.shared.release_all();
    }
}

impl Shared {
    /// Does what a change to the table asks for: each piece of news is told, and the timer set anew.
    fn tell(self: &Rc<Self>, news: impl IntoIterator<Item = Lock>) {
        self.set_timer();
        for lock in news {
            (self.notice)(Notice::Lock(lock));
        }
    }

    /// Drops what has lapsed. It is told by the timer.
    fn expire(self: &Rc<Self>) {
        let lapsed = self.table.borrow_mut().expire(now_ms());
        if !lapsed.is_empty() {
            self.lapsed.borrow_mut().extend(lapsed);
            self.set_timer();
        }
    }

    fn set_timer(self: &Rc<Self>) {
        let now = now_ms();
        let at = if self.lapsed.borrow().is_empty() { self.table.borrow().poll_timeout() } else { Some(now) };
        let this = Rc::downgrade(self);
        let timer = at.map(|at| {
            // One millisecond more than what rounding may have taken.
            let wait = u32::try_from(at.saturating_sub(now) + 1).unwrap_or(u32::MAX);
            Timeout::new(wait, move || {
                if let Some(this) = this.upgrade() {
                    this.expire();
                    this.tell(this.lapsed.take());
                }
            })
        });
        self.timer.replace(timer);
    }

    /// The server said something: to this page, or to the one that reads.
    fn handle(self: &Rc<Self>, news: News) {
        match news {
            News::Hello(hello) => {
                let news = self.table.borrow_mut().handle_hello(hello, now_ms());
                self.tell(news);
            }
            News::Change(change) => {
                self.table.borrow_mut().handle_time(change.server_time, now_ms());
                self.set_timer();
                if !self.is_own(&change) {
                    (self.notice)(Notice::Change(change));
                }
            }
            News::Lock(lock) => {
                if lock.device_id == self.settings.device_id {
                    self.handle_own(&lock);
                }
                let news = self.table.borrow_mut().handle_lock(lock, now_ms());
                self.tell(news);
            }
        }
    }

    fn is_own(&self, change: &Change) -> bool {
        change.device_id == self.settings.device_id
    }

    /// Another page says something.
    fn hear(self: &Rc<Self>, word: Word) {
        match word {
            Word::Waiting => self.attendance.relieve(),
            Word::Hidden if self.attendance.is_here() => self.relay.tell(&Word::Waiting),
            Word::Opened if self.is_absent() => self.relay.tell(&Word::Absent),
            Word::Opened if self.knows.get() => {
                if let Some(event) = self.hello() {
                    self.relay.tell(&Word::Event(event));
                }
            }
            Word::Hidden | Word::Opened => {}
            Word::Absent => self.note_absent(),
            Word::Event(event) => {
                if let Some(news) = News::read(&event) {
                    self.handle(news);
                }
            }
        }
    }

    fn ask_for_relief(&self) {
        self.relay.tell(&Word::Hidden);
    }

    fn hello(&self) -> Option<Event> {
        let table = self.table.borrow();
        Hello { server_time: table.server_now(now_ms())?, locks: table.list().to_vec() }.event()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.end();
    }
}
