//! The page that reads the stream: who it is, and how it reads.

use std::pin::pin;
use std::rc::Rc;

use futures_util::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use js_sys::{Object, Promise, Uint8Array};
use landfall_core::outbox::Backoff;
use landfall_core::ports::{Lease, Random, RemoteError};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortController;

use super::events::Parser;
use super::relay::Word;
use super::wire::News;
use super::{Notice, Shared, attendance::Attendance, now_ms};
use crate::clock::CryptoRandom;
use crate::lease::WebLease;

/// How long the server has for its first word.
const BEGIN_MS: u32 = 30_000;
/// A comment comes every 15 s: a stream that is silent for longer than three of them is dead.
const SILENCE_MS: u32 = 45_000;
/// A server without a stream is not asked again before this.
const ABSENT_MS: u64 = 60 * 60_000;
/// A stream that lasted for this long was a good one: what ends it is no failure that piles up.
const STEADY_MS: u64 = 20_000;
/// Even where chance says "at once".
const RETRY_MS_MIN: u64 = 100;

#[wasm_bindgen]
extern "C" {
    /// A stream's reader. web-sys has it behind a feature, with an answer of no type.
    type Reader;
    #[wasm_bindgen(method)]
    fn read(this: &Reader) -> Promise;

    /// What it answers.
    type Piece;
    #[wasm_bindgen(method, getter)]
    fn done(this: &Piece) -> bool;
    #[wasm_bindgen(method, getter)]
    fn value(this: &Piece) -> Option<Uint8Array>;
}

/// Ends its request when it is dropped, wherever that stands.
struct Request(AbortController);

impl Drop for Request {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Reads while this page is the one that does, and waits for that while it is not. It never ends by itself.
pub(super) async fn serve(shared: Rc<Shared>, name: String) {
    let lease = WebLease::new(&name);
    loop {
        shared.attendance.until(Attendance::is_here).await;
        // A page that is hidden may be reading: it hands over.
        shared.relay.tell(&Word::Waiting);
        let waiting = pin!(lease.acquire());
        let left = pin!(shared.attendance.until(|attendance| !attendance.is_here()));
        let Either::Left((held, _)) = select(waiting, left).await else { continue };
        {
            let reading = pin!(shared.read_on());
            let gone = pin!(shared.attendance.until(Attendance::is_gone));
            select(reading, gone).await;
        }
        shared.knows.set(false);
        drop(held);
    }
}

impl Shared {
    async fn read_on(self: &Rc<Self>) {
        let mut backoff = Backoff::default();
        loop {
            sleep(self.absent_until.get().saturating_sub(now_ms())).await;
            let begun = now_ms();
            let end = self.read().await;
            self.knows.set(false);
            if now_ms().saturating_sub(begun) >= STEADY_MS {
                backoff.reset();
            }
            let retry_after_ms = match end {
                RemoteError::Refused { status: 404 | 405 | 501, .. } => {
                    self.note_absent();
                    self.relay.tell(&Word::Absent);
                    continue;
                }
                // 401 too: the token is asked for anew each time, and may be another one by then.
                RemoteError::Refused { retry_after_ms, .. } => retry_after_ms,
                RemoteError::Network(_) | RemoteError::Timeout | RemoteError::Foreign(_) => None,
            };
            sleep(backoff.fail(CryptoRandom.bits(), retry_after_ms).max(RETRY_MS_MIN)).await;
        }
    }

    pub(super) fn note_absent(&self) {
        self.absent_until.set(now_ms() + ABSENT_MS);
    }

    pub(super) fn is_absent(&self) -> bool {
        self.absent_until.get() > now_ms()
    }

    /// Reads one stream to its end, and says what that was.
    async fn read(self: &Rc<Self>) -> RemoteError {
        match self.read_events().await {
            Ok(()) => RemoteError::Network("the stream ended".to_owned()),
            Err(error) => error,
        }
    }

    async fn read_events(self: &Rc<Self>) -> Result<(), RemoteError> {
        let request = Request(AbortController::new().map_err(|error| lost(&error))?);
        let signal = request.0.signal();
        let settings = &self.settings;
        let asked = self.remote.follow(&settings.tables, &settings.principal, &signal);
        let response = in_time(asked, BEGIN_MS).await??;
        let Some(body) = response.body() else { return Ok(()) };
        let reader: Object = body.get_reader();
        let reader: Reader = reader.unchecked_into();
        let mut parser = Parser::default();
        loop {
            let piece = in_time(JsFuture::from(reader.read()), SILENCE_MS).await?;
            let piece: Piece = piece.map_err(|error| lost(&error))?.unchecked_into();
            if piece.done() {
                return Ok(());
            }
            let bytes = piece.value().map(|bytes| bytes.to_vec()).unwrap_or_default();
            let events = parser.handle_chunk(&bytes);
            for event in events.map_err(|_| RemoteError::Foreign("an event without an end".to_owned()))? {
                let Some(news) = News::read(&event) else { continue };
                // What another device did, or what was missed before this stream.
                let is_behind = match &news {
                    News::Hello(_) => true,
                    News::Change(change) => !self.is_own(change),
                    News::Lock(_) => false,
                };
                self.knows.set(self.knows.get() || matches!(news, News::Hello(_)));
                self.relay.tell(&Word::Event(event));
                self.handle(news);
                if is_behind {
                    (self.notice)(Notice::Behind);
                }
            }
        }
    }
}

async fn in_time<T>(work: impl Future<Output = T>, limit_ms: u32) -> Result<T, RemoteError> {
    match select(pin!(work), TimeoutFuture::new(limit_ms)).await {
        Either::Left((done, _)) => Ok(done),
        Either::Right(_) => Err(RemoteError::Timeout),
    }
}

async fn sleep(ms: u64) {
    TimeoutFuture::new(u32::try_from(ms).unwrap_or(u32::MAX)).await;
}

fn lost(error: &JsValue) -> RemoteError {
    RemoteError::Network(crate::remote::message_of(error))
}
