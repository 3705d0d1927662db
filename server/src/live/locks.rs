//! Advisory locks: who edits which record, until when.
//!
//! A lock is a device's. It ends when its time comes, without a message: everybody was told when that would be.

use std::collections::HashMap;

use landfall_core::protocol::PROTOCOL;
use landfall_core::protocol::live::{Lock, LockAction, LockAnswer, LockRequest};

use super::{Full, Live, Message};
use crate::decisions::Caller;

/// How long a lock holds where the request does not say.
const TTL_MS: u64 = 30_000;

/// How long it holds at most.
const TTL_MS_MAX: u64 = 300_000;

/// The locks of one tenant, by table and record.
#[derive(Debug, Default)]
pub(super) struct Locks(HashMap<(String, String), Held>);

#[derive(Debug)]
struct Held {
    principal: String,
    device_id: String,
    until: u64,
}

impl Held {
    fn as_lock(&self, (table, record_id): &(String, String)) -> Lock {
        Lock {
            table: table.clone(),
            record_id: record_id.clone(),
            principal: self.principal.clone(),
            device_id: self.device_id.clone(),
            until: Some(self.until),
        }
    }
}

impl Locks {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn drop_expired(&mut self, now: u64) {
        self.0.retain(|_, held| held.until > now);
    }

    /// Those that hold, by table and record.
    pub(super) fn all(&mut self, now: u64) -> Vec<Lock> {
        self.drop_expired(now);
        let mut locks: Vec<Lock> = self.0.iter().map(|(key, held)| held.as_lock(key)).collect();
        locks.sort_unstable_by(|one, other| {
            (&one.table, &one.record_id).cmp(&(&other.table, &other.record_id))
        });
        locks
    }
}

impl Live {
    /// Takes, renews or gives up a lock, and tells the tenant's streams.
    pub fn lock(&self, caller: &Caller, request: LockRequest, now: u64) -> Result<LockAnswer, Full> {
        let LockRequest { device_id, table, record_id, action, ttl_ms, .. } = request;
        let mut state = self.state();
        if state.is_stopping {
            return Err(Full::Stopping);
        }
        let tenant = state.tenants.entry(caller.tenant.clone()).or_default();
        let key = (table, record_id);
        let held = tenant.locks.0.get(&key).filter(|held| held.until > now);
        let is_ours = held.map(|held| held.principal == caller.principal && held.device_id == device_id);
        let (granted, lock) = match (action, is_ours) {
            (_, Some(false)) => (false, held.map(|held| held.as_lock(&key))),
            (LockAction::Release, None) => (false, None),
            (LockAction::Release, Some(true)) => {
                if let Some(held) = tenant.locks.0.remove(&key) {
                    tenant.tell(Message::of_lock(&Lock { until: None, ..held.as_lock(&key) }));
                }
                (true, None)
            }
            (LockAction::Take | LockAction::Renew, None | Some(true)) => {
                if tenant.locks.0.len() >= self.locks_max {
                    tenant.locks.drop_expired(now);
                }
                if tenant.locks.0.len() >= self.locks_max && !tenant.locks.0.contains_key(&key) {
                    return Err(Full::Locks);
                }
                let until = now.saturating_add(ttl_ms.unwrap_or(TTL_MS).clamp(1, TTL_MS_MAX));
                let held = Held { principal: caller.principal.clone(), device_id, until };
                let lock = held.as_lock(&key);
                tenant.locks.0.insert(key, held);
                tenant.tell(Message::of_lock(&lock));
                (true, Some(lock))
            }
        };
        if tenant.streams == 0 {
            tenant.locks.drop_expired(now);
            if tenant.locks.is_empty() {
                state.tenants.remove(&caller.tenant);
            }
        }
        Ok(LockAnswer { protocol: PROTOCOL, granted, lock, server_time: now })
    }
}
