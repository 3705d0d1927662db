//! The lease as a Web Lock: one holder among all tabs and workers of the origin, and the browser gives it back when its
//! context dies.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::pin::pin;
use std::rc::Rc;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use js_sys::{Array, Function, Object, Promise};
use landfall_core::ports::Lease;
use wasm_bindgen::prelude::*;

use crate::scope::scope;

/// How often a context without Web Locks looks whether its own other pass has ended.
const HERE_RETRY_MS: u32 = 100;

/// The right to run a pass, under a name of its own for each database.
pub struct WebLease {
    name: Rc<str>,
}

/// A lease that is held until it is dropped.
pub struct Held(Holding);

enum Holding {
    /// What ends the lock's promise.
    Lock(Function),
    Here(Rc<str>),
}

thread_local! {
    static HELD_HERE: RefCell<HashSet<Rc<str>>> = RefCell::default();
}

/// What the lock manager said.
enum Answer {
    Granted(Held),
    Taken,
    /// There are no locks to be had: an opaque origin, or a document that is being unloaded.
    Refused,
}

impl WebLease {
    /// The lease of this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.into() }
    }

    /// Without Web Locks (Safari before 15.4, pages without HTTPS) contexts cannot exclude each other: there is one
    /// holder in this context, and perhaps one in each other. The server applies an id once, and the log decides
    /// whose entries count, so two passes at a time cost requests and no data.
    fn acquire_here(&self) -> Option<Held> {
        let free = HELD_HERE.with_borrow_mut(|held| held.insert(self.name.clone()));
        free.then(|| Held(Holding::Here(self.name.clone())))
    }

    async fn acquire_lock(&self, if_available: bool) -> Answer {
        let Some(locks) = scope().navigator().locks() else { return Answer::Refused };
        let (sender, receiver) = oneshot::channel();
        let sender = Cell::new(Some(sender));
        // Called once, with the lock or with null. The lock is held until the promise that it returns is settled.
        let granted = Closure::<dyn FnMut(JsValue) -> JsValue>::new(move |lock: JsValue| {
            let Some(sender) = sender.take() else { return JsValue::UNDEFINED };
            if lock.is_null() {
                let _ = sender.send(Answer::Taken);
                return JsValue::UNDEFINED;
            }
            let mut release = None;
            let held = Promise::new(&mut |resolve, _| release = Some(resolve));
            let answer =
                release.map_or(Answer::Refused, |release| Answer::Granted(Held(Holding::Lock(release))));
            // If nobody waits any more, the answer is dropped here, and the lock given back at once.
            let _ = sender.send(answer);
            held.into()
        });
        let options =
            Object::from_entries(&Array::of1(&Array::of2(&"ifAvailable".into(), &if_available.into())));
        let Ok(options) = options else { return Answer::Refused };
        let request = pin!(locks.request(&self.name, &options, granted.as_ref()));
        // The request's own promise is settled after the answer, or instead of it.
        match select(receiver, request).await {
            Either::Left((answer, _)) => answer.unwrap_or(Answer::Refused),
            Either::Right(_) => Answer::Refused,
        }
    }
}

impl Lease for WebLease {
    type Held = Held;

    async fn try_acquire(&self) -> Option<Held> {
        match self.acquire_lock(true).await {
            Answer::Granted(held) => Some(held),
            Answer::Taken => None,
            Answer::Refused => self.acquire_here(),
        }
    }

    async fn acquire(&self) -> Held {
        if let Answer::Granted(held) = self.acquire_lock(false).await {
            return held;
        }
        loop {
            if let Some(held) = self.acquire_here() {
                return held;
            }
            TimeoutFuture::new(HERE_RETRY_MS).await;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        match &self.0 {
            Holding::Lock(release) => {
                // A promise's resolve function throws nothing.
                let _ = release.call0(&JsValue::UNDEFINED);
            }
            Holding::Here(name) => {
                HELD_HERE.with_borrow_mut(|held| held.remove(name));
            }
        }
    }
}
