//! The engine's world in a browser, and where it leaves what it has to tell.

use std::cell::RefCell;
use std::mem;
use std::rc::{Rc, Weak};

use gloo_timers::future::TimeoutFuture;
use landfall_core::log::entry::Id;
use landfall_core::merge::Functions;
use landfall_core::ports::{Clock, Event, Phase, Ports, Random, Signals};

use super::conflicts::AppFunctions;
use super::instance::Instance;
use crate::body::JsBody;
use crate::clock::{CryptoRandom, DeviceClock};
use crate::lease::WebLease;
use crate::log::IdbLog;
use crate::remote::HttpRemote;
use crate::signals::{Channel, Signal};

/// One database's ports in this context.
pub(super) struct BrowserPorts {
    pub(super) log: IdbLog,
    pub(super) remote: HttpRemote,
    pub(super) lease: WebLease,
    pub(super) channel: Channel,
    pub(super) inbox: Rc<Inbox>,
    pub(super) functions: Rc<AppFunctions>,
}

impl Ports for BrowserPorts {
    type Body = JsBody;
    type Log = IdbLog;
    type Remote = HttpRemote;
    type Lease = WebLease;

    fn log(&self) -> &IdbLog {
        &self.log
    }

    fn remote(&self) -> &HttpRemote {
        &self.remote
    }

    fn lease(&self) -> &WebLease {
        &self.lease
    }

    fn clock(&self) -> &dyn Clock {
        &DeviceClock
    }

    fn random(&self) -> &dyn Random {
        &CryptoRandom
    }

    fn signals(&self) -> &dyn Signals {
        &self.channel
    }

    fn functions(&self) -> Rc<dyn Functions> {
        Rc::clone(&self.functions) as Rc<dyn Functions>
    }

    fn event(&self, event: Event) {
        self.inbox.note(event);
    }

    async fn sleep_ms(&self, ms: u64) {
        TimeoutFuture::new(u32::try_from(ms).unwrap_or(u32::MAX)).await;
    }
}

/// How far a pass has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) phase: Phase,
    pub(super) done: usize,
    pub(super) total: Option<usize>,
}

/// What happened since somebody last looked.
#[derive(Default)]
pub(super) struct Noted {
    pub(super) parked: Vec<Id>,
    pub(super) conflicts: Vec<Id>,
    pub(super) progress: Option<Progress>,
}

/// Takes the engine's events in, which come in the middle of its work, and has them acted on afterwards. Until there is
/// an instance to act (while the engine is being opened) they wait here.
#[derive(Default)]
pub(super) struct Inbox {
    noted: RefCell<Noted>,
    instance: RefCell<Weak<Instance>>,
}

impl Inbox {
    pub(super) fn belong_to(&self, instance: &Rc<Instance>) {
        self.instance.replace(Rc::downgrade(instance));
    }

    fn note(&self, event: Event) {
        match event {
            Event::Folded | Event::Status => {}
            Event::Parked(id) => self.noted.borrow_mut().parked.push(id),
            Event::Conflict(id) => self.noted.borrow_mut().conflicts.push(id),
            Event::Progress { phase, done, total } => {
                self.noted.borrow_mut().progress = Some(Progress { phase, done, total });
            }
        }
        if let Some(instance) = self.instance() {
            instance.wake();
        }
    }

    pub(super) fn take(&self) -> Noted {
        mem::take(&mut *self.noted.borrow_mut())
    }

    /// Another context says something.
    pub(super) fn hear(&self, signal: Signal) {
        if let Some(instance) = self.instance() {
            instance.hear(signal);
        }
    }

    fn instance(&self) -> Option<Rc<Instance>> {
        self.instance.borrow().upgrade()
    }
}
