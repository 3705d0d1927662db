//! Room: what users write, and what is pulled, ends before the store is full.
//!
//! At quota a browser refuses every write, also the one that takes a mutation off the outbox because the server has it; and
//! what a deletion frees comes back late. A device that is full would never get rid of what it has to send. So a reserve
//! is held back, which only what empties the outbox may use ([`Command::may_use_reserve`]), and compactions. To mark a
//! mutation and to take its answer is to write it about two and a half times: an outbox of up to 2 MB drains through 5.
//!
//! The store is asked how much room there is before the first write, after a good part of that was written, and whenever
//! something is about to be refused; so nobody pays for it who writes where there is room. Where the platform cannot say,
//! nothing is held back.
//!
//! [`Command::may_use_reserve`]: crate::decide::Command::may_use_reserve

use super::{Engine, compact::Purpose, load::Watch};
use crate::{
    body::Body,
    log::compaction,
    ports::{Log, Packed, Ports, Room},
};

/// How much is held back, in bytes,
const RESERVE_MAX: u64 = 5_000_000;
/// or this part of the quota, if that is less.
const RESERVE_PART: u64 = 10;
/// Where less than this is left, an entry is weighed before it is appended. It costs as much as packing it.
const NEAR: u64 = 64_000_000;
/// The store is asked again when this part of what was left has been written.
const ASK_PART: u64 = 8;
/// A compaction is worth its while when this part of the reserve has been written since the last.
const COMPACT_PART: u64 = 16;
/// A batch is marked where its entry and the answer to it would fit so often: a compaction must find room too.
const SEND_TIMES: u64 = 4;
/// What the answer to one mutation takes besides its fields: a mapping, and what the record and the mutation become.
const ANSWER_BYTES: u64 = 500;

/// What the answer to one mutation leaves for good, where that is a create: the mapping of its id, and what the server says of the record. It is kept
/// free for each that is queued, or a device that was full would be so for ever.
const MAPPING_BYTES: u64 = 200;

/// What is known of the room, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Space {
    /// What was free when the store was asked, and how much of that is the reserve. `None`: nobody knows.
    known: Option<(u64, u64)>,
    is_asked: bool,
    /// What was written here since.
    written: u64,
    /// What was written since the last compaction that was made for want of room; `None`: none ever was.
    uncompacted: Option<u64>,
}

impl Space {
    fn asked(self, room: Option<Room>) -> Self {
        let known = room.map(|Room { quota, usage }| {
            (quota.saturating_sub(usage), RESERVE_MAX.min(quota / RESERVE_PART))
        });
        Self { known, is_asked: true, written: 0, ..self }
    }

    fn wrote(self, bytes: u64) -> Self {
        Self {
            written: self.written + bytes,
            uncompacted: self.uncompacted.map(|before| before + bytes),
            ..self
        }
    }

    /// What is left of all.
    fn free(self) -> Option<u64> {
        self.known.map(|(free, _)| free.saturating_sub(self.written))
    }

    /// What is left of that beside the reserve.
    fn spare(self) -> Option<u64> {
        self.known.and_then(|(_, reserve)| Some(self.free()?.saturating_sub(reserve)))
    }

    /// Whether nobody has asked yet, or what is known is too old to go by.
    fn is_stale(self) -> bool {
        !self.is_asked
            || self
                .known
                .is_some_and(|(free, reserve)| self.written >= free.saturating_sub(reserve) / ASK_PART)
    }

    /// Whether even the reserve is half gone.
    fn is_low(self) -> bool {
        self.known.is_some_and(|(_, reserve)| self.free().is_some_and(|free| free < reserve / 2))
    }

    /// `promised`: what is not to be taken of the spare.
    fn fits(self, share: Share, promised: u64, weight: impl FnOnce() -> u64) -> bool {
        let left = match share {
            Share::Spare => self.spare().map(|spare| spare.saturating_sub(promised)),
            Share::Sparing => self.free().map(|free| free / SEND_TIMES),
            Share::Free => None,
        };
        left.is_none_or(|left| left >= NEAR || weight() <= left)
    }

    fn is_worth_compacting(self) -> bool {
        let reserve = self.known.map_or(RESERVE_MAX, |(_, reserve)| reserve);
        self.uncompacted.is_none_or(|bytes| bytes > reserve / COMPACT_PART)
    }
}

/// What an entry may take of the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// What is left beside the reserve.
    Spare,
    /// Of the reserve too, but so that what follows from it finds room.
    Sparing,
    /// All.
    Free,
}

/// About what it takes in the store, in bytes.
pub(super) fn weight<B: Body>(packed: &Packed<B>) -> u64 {
    let bodies: usize = packed.bodies.iter().map(|body| body.to_json().len()).sum();
    (packed.head.len() + bodies) as u64
}

impl<P: Ports> Engine<P> {
    pub(super) fn wrote(&self, bytes: u64) {
        self.space.set(self.space.get().wrote(bytes));
    }

    /// Asks the store. One that fails to answer knows nothing. The first write asks, if nobody has before: a start need not wait for it.
    pub async fn ask_for_room(&self) {
        let room = self.ports.log().room().await.unwrap_or(None);
        self.space.set(self.space.get().asked(room));
    }

    /// Asks again if what is known is old, and compacts while there is still room to.
    pub(super) async fn look_for_room(&self) {
        if self.space.get().is_stale() {
            self.ask_for_room().await;
            if self.space.get().is_low() {
                self.make_room().await;
            }
        }
    }

    /// Whether an entry finds its share of room. The store is asked before it is said not to.
    pub(super) async fn fits(&self, packed: &Packed<P::Body>, changes: usize, share: Share) -> bool {
        let answers = if share == Share::Sparing { changes as u64 * ANSWER_BYTES } else { 0 };
        let promised = self.state().outbox.len() as u64 * MAPPING_BYTES;
        let fits = || self.space.get().fits(share, promised, || weight(packed) + answers);
        if fits() {
            return true;
        }
        self.ask_for_room().await;
        fits()
    }

    /// Compacts because there is no room, if that promises any. Called with the gate held; whether it did anything.
    ///
    /// A compaction adds segments before the entries in them go, and leaves those for one compaction longer: so they
    /// are taken out at once. Readers that lag load anew. It may fail for want of room itself, and what it frees comes
    /// back late: then the write is refused, and the next one finds more.
    pub(super) async fn make_room(&self) -> bool {
        let space = self.space.get();
        let may_write = self.check_writing().is_ok() && self.state().requires.covers(self.standing.asks);
        if !may_write || !space.is_worth_compacting() {
            return false;
        }
        self.space.set(Space { uncompacted: Some(0), ..space });
        let compacted = match self.catch_up_gated(Watch::None).await {
            Ok(_) => self.compact_for(Purpose::Room).await,
            Err(_) => return false,
        };
        let dropped = self.drop_compacted().await;
        self.ask_for_room().await;
        compacted == Ok(true) || dropped
    }

    /// Takes out of the log what is in the segments, but for the last valid entry: writers name it as `prev`.
    async fn drop_compacted(&self) -> bool {
        let log = self.ports.log();
        let Ok(snapshot) = log.load(&[], u64::MAX).await else { return false };
        let Ok(manifest) = self.read_manifest(&snapshot) else { return false };
        match compaction::drop_compacted(&manifest) {
            Ok(Some(swap)) => log.swap(swap).await == Ok(true),
            Ok(None) | Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(quota: u64, usage: u64) -> Space {
        Space::default().asked(Some(Room { quota, usage }))
    }

    #[test]
    fn the_reserve_is_five_megabytes_or_a_tenth() {
        assert_eq!(space(1_000_000_000, 0).spare(), Some(995_000_000));
        assert_eq!(space(1_000_000, 0).spare(), Some(900_000));
        assert_eq!(space(1_000_000, 899_999).spare(), Some(1));
        assert_eq!(space(1_000_000, 899_999).wrote(1).spare(), Some(0));
        assert_eq!(space(1_000_000, 950_000).spare(), Some(0));
        // As a browser may say after its quota was lowered.
        assert_eq!(space(1_000_000, 2_000_000).spare(), Some(0));
    }

    #[test]
    fn it_is_asked_for_again_when_a_part_of_it_was_written_and_never_where_nobody_knows() {
        let space = space(1_000_000, 100_000);
        assert!(!space.is_stale());
        assert!(!space.wrote(99_999).is_stale());
        assert!(space.wrote(100_000).is_stale());
        let unknown = Space::default().asked(None);
        assert!(!unknown.wrote(u64::MAX).is_stale());
        assert_eq!(unknown.spare(), None);
    }
}
