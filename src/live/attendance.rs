//! Whether there is a network, and somebody who looks at this page.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use futures_channel::oneshot;
use gloo_events::EventListener;
use gloo_timers::callback::Timeout;
use landfall_core::ports::Clock;
use web_sys::VisibilityState;

use crate::clock::DeviceClock;
use crate::connectivity::online;
use crate::scope::scope;

/// A page that is hidden for longer reads no more. Long enough for a look at another tab, or at a message.
const HIDDEN_MS: u32 = 60_000;

/// What is known of it, and who waits for a change.
pub(super) struct Attendance {
    /// Since when the page is hidden, by a clock that nobody sets.
    hidden_since: Cell<Option<u64>>,
    /// While hidden: a page that is looked at would take over.
    is_relieved: Cell<bool>,
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
    patience: RefCell<Option<Timeout>>,
    listeners: RefCell<Vec<EventListener>>,
}

fn is_hidden() -> bool {
    scope().document().is_some_and(|document| document.visibility_state() == VisibilityState::Hidden)
}

impl Attendance {
    /// Watches until it is dropped. `hides` is called when the page is hidden, `leaves` when it goes away, perhaps for good.
    pub(super) fn watch(hides: impl Fn() + 'static, leaves: impl Fn() + 'static) -> Rc<Self> {
        let this = Rc::new(Self {
            hidden_since: Cell::default(),
            is_relieved: Cell::default(),
            waiting: RefCell::default(),
            patience: RefCell::default(),
            listeners: RefCell::default(),
        });
        let mut listeners = Vec::new();
        if is_hidden() {
            this.hide();
        }
        for event in ["online", "offline"] {
            listeners.push(EventListener::new(&scope(), event, {
                let this = Rc::downgrade(&this);
                move |_| Self::turned(&this)
            }));
        }
        listeners.push(EventListener::new(&scope(), "pagehide", move |_| leaves()));
        if let Some(document) = scope().document() {
            let this = Rc::downgrade(&this);
            listeners.push(EventListener::new(&document, "visibilitychange", move |_| {
                let Some(attendance) = this.upgrade() else { return };
                if is_hidden() {
                    attendance.hide();
                    hides();
                } else {
                    attendance.hidden_since.set(None);
                    attendance.is_relieved.set(false);
                    attendance.patience.take();
                }
                Self::turned(&this);
            }));
        }
        this.listeners.replace(listeners);
        this
    }

    /// Somebody may be served: there is a network, and the page is looked at.
    pub(super) fn is_here(&self) -> bool {
        online() && self.hidden_since.get().is_none()
    }

    /// Nobody is served any more by going on.
    pub(super) fn is_gone(&self) -> bool {
        let is_over = |since| DeviceClock.elapsed_ms().saturating_sub(since) >= u64::from(HIDDEN_MS);
        !online() || self.hidden_since.get().is_some_and(|since| self.is_relieved.get() || is_over(since))
    }

    /// Another page is looked at, and would take over.
    pub(super) fn relieve(&self) {
        if self.hidden_since.get().is_some() {
            self.is_relieved.set(true);
            self.tell();
        }
    }

    /// Returns when it holds.
    pub(super) async fn until(&self, holds: impl Fn(&Self) -> bool) {
        while !holds(self) {
            let (sender, receiver) = oneshot::channel();
            self.waiting.borrow_mut().push(sender);
            // It is dropped with this, and then nobody waits.
            let _ = receiver.await;
        }
    }

    fn hide(self: &Rc<Self>) {
        self.hidden_since.set(Some(DeviceClock.elapsed_ms()));
        let this = Rc::downgrade(self);
        self.patience.replace(Some(Timeout::new(HIDDEN_MS, move || Self::turned(&this))));
    }

    fn turned(this: &Weak<Self>) {
        if let Some(this) = this.upgrade() {
            this.tell();
        }
    }

    fn tell(&self) {
        for waiting in self.waiting.take() {
            // Who waits no more is gone.
            let _ = waiting.send(());
        }
    }
}
