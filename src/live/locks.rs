//! The edit locks of others, as far as this context knows them.
//!
//! Plain data: what happens comes in by `handle_*`, [`LockTable::poll_timeout`] says when to look for lapsed ones. What changed comes
//! back as locks that began, or ended (`until` is `None`); a renewal is no news. `now_ms` is any clock that only goes
//! forward. The server's time is taken from what it says: each answer is a little old when it arrives, so of several the
//! latest time counts.

use super::wire::{Hello, Lock};

/// The locks of other devices.
#[derive(Clone, Debug)]
pub struct LockTable {
    device_id: String,
    /// Never one of this device, never one without an end. In the order in which they were heard of.
    locks: Vec<Lock>,
    /// The server's clock less ours. Far below zero until the server has said what time it is: nothing lapses then.
    ahead_ms: Option<i64>,
    revision: u32,
}

fn same_record(lock: &Lock, other: &Lock) -> bool {
    lock.table == other.table && lock.record_id == other.record_id
}

fn same_holder(lock: &Lock, other: &Lock) -> bool {
    lock.device_id == other.device_id && lock.principal == other.principal
}

fn ended(lock: Lock) -> Lock {
    Lock { until: None, ..lock }
}

#[expect(clippy::cast_possible_wrap, reason = "milliseconds since 1970")]
fn signed(ms: u64) -> i64 {
    ms as i64
}

impl LockTable {
    /// Nothing is known yet. `device_id`: whose locks are not somebody else's.
    #[must_use]
    pub fn new(device_id: impl Into<String>) -> Self {
        Self { device_id: device_id.into(), locks: Vec::new(), ahead_ms: None, revision: 0 }
    }

    /// A stream began: it says everything that is held, and what time it is.
    pub fn handle_hello(&mut self, hello: Hello, now_ms: u64) -> Vec<Lock> {
        // The server's clock may have been set back meanwhile.
        self.ahead_ms = None;
        self.handle_time(hello.server_time, now_ms);
        let before = std::mem::take(&mut self.locks);
        let begun: Vec<Lock> =
            hello.locks.into_iter().filter_map(|lock| self.handle_lock(lock, now_ms)).collect();
        self.revision += 1;
        let is_known =
            |lock: &Lock| before.iter().any(|old| same_record(old, lock) && same_holder(old, lock));
        let is_over = |lock: &Lock| !self.locks.iter().any(|new| same_record(new, lock));
        let over = before.iter().filter(|lock| is_over(lock)).cloned().map(ended);
        over.chain(begun.into_iter().filter(|lock| !is_known(lock))).collect()
    }

    /// The server said what time it is there.
    pub fn handle_time(&mut self, server_time: u64, now_ms: u64) {
        let ahead_ms = signed(server_time) - signed(now_ms);
        self.ahead_ms = Some(self.ahead_ms.map_or(ahead_ms, |known| known.max(ahead_ms)));
    }

    /// Somebody took, renewed or released a lock; what is new about it, if anything.
    pub fn handle_lock(&mut self, lock: Lock, now_ms: u64) -> Option<Lock> {
        let at = self.locks.iter().position(|known| same_record(known, &lock));
        if lock.device_id == self.device_id {
            // It is ours now, so it is nobody else's any more. Of one that we released, the next word says more.
            let at = at.filter(|_| lock.until.is_some())?;
            self.revision += 1;
            return Some(ended(self.locks.remove(at)));
        }
        let holds = lock.until.is_some_and(|until| !self.has_passed(until, now_ms));
        match at {
            // A late word about somebody who holds it no more.
            Some(at) if !holds && !same_holder(&self.locks[at], &lock) => None,
            Some(at) if !holds => {
                self.revision += 1;
                Some(ended(self.locks.remove(at)))
            }
            None if !holds => None,
            Some(at) => {
                self.revision += 1;
                let before = std::mem::replace(&mut self.locks[at], lock);
                (!same_holder(&before, &self.locks[at])).then(|| self.locks[at].clone())
            }
            None => {
                self.revision += 1;
                self.locks.push(lock.clone());
                Some(lock)
            }
        }
    }

    /// Drops what has lapsed, and gives it back.
    pub fn expire(&mut self, now_ms: u64) -> Vec<Lock> {
        let all = std::mem::take(&mut self.locks);
        let (over, kept): (Vec<Lock>, Vec<Lock>) =
            all.into_iter().partition(|lock| lock.until.is_none_or(|until| self.has_passed(until, now_ms)));
        self.locks = kept;
        self.revision += u32::from(!over.is_empty());
        over.into_iter().map(ended).collect()
    }

    /// When to [`expire`](Self::expire) next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        let ahead_ms = self.ahead_ms?;
        let first = self.locks.iter().filter_map(|lock| lock.until).min()?;
        Some(u64::try_from(signed(first) - ahead_ms).unwrap_or_default())
    }

    /// All of them. Expire first.
    #[must_use]
    pub fn list(&self) -> &[Lock] {
        &self.locks
    }

    /// Changes with every change to [`list`](Self::list).
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// What time it is at the server, as far as is known.
    #[must_use]
    pub fn server_now(&self, now_ms: u64) -> Option<u64> {
        u64::try_from(signed(now_ms) + self.ahead_ms?).ok()
    }

    fn has_passed(&self, until: u64, now_ms: u64) -> bool {
        self.server_now(now_ms).is_some_and(|now| until <= now)
    }
}
