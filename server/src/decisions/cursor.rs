//! Cursors: opaque to clients, and bound to what they were given for.
//!
//! A cursor is `1.<epoch>.<what>.<floor>.<seq>`, its numbers in hexadecimal. `what` is a digest of tenant, scope and the
//! sorted set of tables. `floor` is where the store stood when this client was last up to date, or began its full pull: of what came
//! before it is owed nothing. A tombstone at or below it may be purged (what a full pull does not find is dropped at its
//! end), and what was outside a scope then is known to be. Between two pages the client is not up to date: a record may have left the
//! scope and moved on to a place behind the cursor since.

use super::port::Position;
use landfall_core::planted;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) floor: u64,
    pub(super) seq: u64,
}

/// What a cursor is bound to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound<'a> {
    pub(super) tenant: &'a str,
    pub(super) scope: Option<&'a str>,
    /// Sorted, each once.
    pub(super) tables: &'a [String],
}

impl Cursor {
    pub(super) fn encode(&self, epoch: &str, bound: Bound<'_>) -> String {
        format!("1.{epoch}.{:x}.{:x}.{:x}", bound.digest(), self.floor, self.seq)
    }

    /// Reads a cursor, or says why only a full pull helps. One that cannot be read at all gets the same answer: it is
    /// the answer that lets a client go on.
    pub(super) fn decode(text: &str, bound: Bound<'_>, position: &Position) -> Result<Self, &'static str> {
        const UNREADABLE: &str = "the cursor cannot be read";
        let parts: Vec<&str> = text.split('.').collect();
        let ["1", epoch, what, floor, seq] = parts[..] else { return Err(UNREADABLE) };
        let number = |part: &str| u64::from_str_radix(part, 16).map_err(|_| UNREADABLE);
        let (what, floor, seq) = (number(what)?, number(floor)?, number(seq)?);
        if epoch != position.epoch {
            return Err("the cursor is of another epoch");
        }
        if what != bound.digest() {
            return Err("the cursor is of another set of tables, scope or tenant");
        }
        if seq > position.last_seq || floor > position.last_seq {
            return Err("the cursor lies ahead of the server, which must have been restored from a backup");
        }
        if position.purged_seq > seq.max(floor) && !planted!("purge-unnoticed") {
            return Err("deletions behind the cursor were purged");
        }
        Ok(Self { floor, seq })
    }
}

impl Bound<'_> {
    /// FNV-1a, 64 bits, each part led by its length. It guards against mistakes, not against forgery: whoever could
    /// forge a cursor may ask for everything anyway.
    fn digest(self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut feed = |bytes: &[u8]| {
            for byte in (bytes.len() as u64).to_le_bytes().iter().chain(bytes) {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        };
        feed(self.tenant.as_bytes());
        feed(self.scope.map_or("", |_| "scope").as_bytes());
        feed(self.scope.unwrap_or_default().as_bytes());
        for table in self.tables {
            feed(table.as_bytes());
        }
        hash
    }
}
