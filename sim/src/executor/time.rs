//! Virtual time, shared by all tasks of a world.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// Where every world's time begins: milliseconds since the Unix epoch, in October 2025.
pub const BEGINNING_MS: u64 = 1_760_000_000_000;

/// When, and the how-manieth timer that was set: two at one moment ring in the order in which they were set.
type Moment = (u64, u64);

#[derive(Default)]
struct Timers {
    elapsed_ms: u64,
    set: u64,
    /// Those that have not rung.
    due: BTreeMap<Moment, Option<Waker>>,
}

/// One thread runs a world; the lock is there because the server's store port asks for `Send`.
#[derive(Clone, Default)]
pub struct Time(Arc<Mutex<Timers>>);

impl Time {
    fn timers(&self) -> MutexGuard<'_, Timers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since the world began.
    #[must_use]
    pub fn elapsed_ms(&self) -> u64 {
        self.timers().elapsed_ms
    }

    /// What a right clock shows.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        BEGINNING_MS + self.elapsed_ms()
    }

    /// Ready once that much time has passed.
    #[must_use]
    pub fn sleep_ms(&self, ms: u64) -> Sleep {
        let mut timers = self.timers();
        timers.set += 1;
        let moment = (timers.elapsed_ms.saturating_add(ms), timers.set);
        timers.due.insert(moment, None);
        drop(timers);
        Sleep { time: self.clone(), moment }
    }

    /// Moves to the next timer, if there is one no later than `until_ms`; without one, to `until_ms` itself.
    pub(super) fn advance(&self, until_ms: u64) -> bool {
        let mut timers = self.timers();
        match timers.due.first_key_value() {
            Some(((at, _), _)) if *at <= until_ms => {
                let Some(((at, _), waker)) = timers.due.pop_first() else { return false };
                timers.elapsed_ms = timers.elapsed_ms.max(at);
                drop(timers);
                if let Some(waker) = waker {
                    waker.wake();
                }
                true
            }
            _ => {
                if until_ms != u64::MAX {
                    timers.elapsed_ms = timers.elapsed_ms.max(until_ms);
                }
                false
            }
        }
    }
}

/// See [`Time::sleep_ms`].
pub struct Sleep {
    time: Time,
    moment: Moment,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match self.time.timers().due.get_mut(&self.moment) {
            None => Poll::Ready(()),
            Some(waker) => {
                *waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.time.timers().due.remove(&self.moment);
    }
}
