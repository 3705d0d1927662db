//! What the browser says about the network and about being looked at. Hints: a request's outcome is what counts.

use std::rc::Rc;

use gloo_events::EventListener;
use web_sys::VisibilityState;

use crate::scope::scope;

/// Something that makes it worth trying, or not worth it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// There is a network. It may still lead nowhere.
    Online,
    /// There is none.
    Offline,
    /// The page is looked at again: a phone may have slept since.
    Visible,
}

/// Whether the browser knows of a network. `true` where it does not say.
#[must_use]
pub fn online() -> bool {
    scope().navigator().on_line().unwrap_or(true)
}

/// Listens until it is dropped.
pub struct Connectivity {
    _listeners: Vec<EventListener>,
}

impl Connectivity {
    /// Calls `notice` at every turn. A worker has no page to be looked at.
    #[must_use]
    pub fn watch(notice: impl Fn(Turn) + 'static) -> Self {
        let notice = Rc::new(notice);
        let listen = |event: &'static str, turn| {
            let notice = notice.clone();
            EventListener::new(&scope(), event, move |_| notice(turn))
        };
        let mut listeners = vec![listen("online", Turn::Online), listen("offline", Turn::Offline)];
        if let Some(document) = scope().document() {
            listeners.push(EventListener::new(&document.clone(), "visibilitychange", move |_| {
                if document.visibility_state() == VisibilityState::Visible {
                    notice(Turn::Visible);
                }
            }));
        }
        Self { _listeners: listeners }
    }
}
