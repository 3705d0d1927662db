//! What the pages of one database tell each other of the stream, which one of them reads.

use gloo_events::EventListener;
use wasm_bindgen::prelude::*;
use web_sys::{BroadcastChannel, MessageEvent};

use super::events::Event;

/// One message. It may be lost, and come late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// A page that is looked at waits to read.
    Waiting,
    /// The page that reads is looked at no more: does somebody wait?
    Hidden,
    /// A page was opened: what is known?
    Opened,
    /// The server has no stream.
    Absent,
    /// The server said this.
    Event(Event),
}

const WAITING: &str = "waiting";
const HIDDEN: &str = "hidden";
const OPENED: &str = "opened";
const ABSENT: &str = "absent";

/// Their channel. Where there is no `BroadcastChannel` (Safari before 15.4) there are no Web Locks either, and each page
/// reads a stream of its own.
pub(super) struct Relay {
    open: Option<(BroadcastChannel, EventListener)>,
}

impl Relay {
    pub(super) fn open(name: &str, hear: impl Fn(Word) + 'static) -> Self {
        let open = BroadcastChannel::new(name).ok().map(|channel| {
            let listener = EventListener::new(&channel, "message", move |event| {
                let event: &MessageEvent = event.unchecked_ref();
                if let Some(word) = event.data().as_string().and_then(|text| word_of(&text)) {
                    hear(word);
                }
            });
            (channel, listener)
        });
        Self { open }
    }

    /// Tells the others.
    pub(super) fn tell(&self, word: &Word) {
        let Some((channel, _)) = &self.open else { return };
        let message = match word {
            Word::Waiting => JsValue::from_str(WAITING),
            Word::Hidden => JsValue::from_str(HIDDEN),
            Word::Opened => JsValue::from_str(OPENED),
            Word::Absent => JsValue::from_str(ABSENT),
            // A name has no line feed in it.
            Word::Event(Event { name, data }) => format!("{name}\n{data}").into(),
        };
        // It fails on a closed channel only, and this one is closed by dropping it.
        let _ = channel.post_message(&message);
    }
}

/// What another release may say beyond this is passed over.
fn word_of(text: &str) -> Option<Word> {
    if let Some((name, data)) = text.split_once('\n') {
        return Some(Word::Event(Event { name: name.to_owned(), data: data.to_owned() }));
    }
    match text {
        WAITING => Some(Word::Waiting),
        HIDDEN => Some(Word::Hidden),
        OPENED => Some(Word::Opened),
        ABSENT => Some(Word::Absent),
        _ => None,
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some((channel, _)) = &self.open {
            channel.close();
        }
    }
}
