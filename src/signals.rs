//! What the contexts of one database tell each other, over a `BroadcastChannel`.

use gloo_events::EventListener;
use landfall_core::ports::Signals;
use wasm_bindgen::prelude::*;
use web_sys::{BroadcastChannel, MessageEvent};

use crate::body::number;

/// One message. It may be lost, and come late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The log has grown: there is a valid entry under this key.
    Head(u64),
    /// The service worker began to work on a sync event: the registration that brought it is used up.
    SyncBegan,
}

const SYNC_BEGAN: &str = "sync-began";

/// The channel of one database. Where there is no `BroadcastChannel` (Safari before 15.4) nothing is sent or heard, and
/// the others learn of a change when they next look.
pub struct Channel {
    open: Option<(BroadcastChannel, EventListener)>,
}

impl Channel {
    /// Listens on the channel of this name. A message that came from this very `Channel` is not heard.
    #[must_use]
    pub fn open(name: &str, hear: impl Fn(Signal) + 'static) -> Self {
        let open = BroadcastChannel::new(name).ok().map(|channel| {
            let listener = EventListener::new(&channel, "message", move |event| {
                let event: &MessageEvent = event.unchecked_ref();
                if let Some(signal) = signal_of(&event.data()) {
                    hear(signal);
                }
            });
            (channel, listener)
        });
        Self { open }
    }

    /// Tells the others.
    pub fn tell(&self, signal: Signal) {
        if let Some((channel, _)) = &self.open {
            let message = match signal {
                Signal::Head(key) => number(key).into(),
                Signal::SyncBegan => SYNC_BEGAN.into(),
            };
            // It fails on a closed channel only, and this one is closed by dropping it.
            let _ = channel.post_message(&message);
        }
    }
}

/// What another release may say beyond this is passed over.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a key, if it is ours")]
fn signal_of(message: &JsValue) -> Option<Signal> {
    match message.as_f64() {
        Some(key) => (key >= 1.0).then_some(Signal::Head(key as u64)),
        None => message.as_string().filter(|word| word == SYNC_BEGAN).map(|_| Signal::SyncBegan),
    }
}

impl Signals for Channel {
    fn announce(&self, head_key: u64) {
        self.tell(Signal::Head(head_key));
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        if let Some((channel, _)) = &self.open {
            channel.close();
        }
    }
}
