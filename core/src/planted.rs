//! Bugs on purpose, to prove that the simulator would find them.
//!
//! Each is a named switch in the line that it breaks: `if planted!("edited-in-flight") { … }`. Without the feature
//! `planted` the switch is `false` when it is compiled and nothing of it is left; with it, [`plant`] chooses one at run time.
//! [`BUGS`] says which promise each breaks, and which trap it stands for.

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bug {
    pub name: &'static str,
    /// What it does wrong, as the trap is known in the field.
    pub trap: &'static str,
    /// The number of the promise that it breaks (DESIGN, "The promises"), as the simulator's violation names it. 0 is the
    /// fold: the same log, the same state.
    pub promise: u8,
}

const fn bug(promise: u8, name: &'static str, trap: &'static str) -> Bug {
    Bug { name, trap, promise }
}

/// All of them.
pub const BUGS: &[Bug] = &[
    // The log.
    bug(
        1,
        "keys-before-unread",
        "two tabs and a worker on one queue: who appends does not look at who was first",
    ),
    bug(1, "acknowledged-though-void", "two tabs on one queue: the loser of a race says that it has written"),
    bug(1, "void-entry-counts", "two tabs on one queue: a reader folds what lost the race"),
    bug(3, "doubt-is-a-new-write", "a write whose outcome is unknown is done again under new ids"),
    bug(2, "older-release-writes", "an old tab goes on writing under a new schema"),
    bug(
        0,
        "stale-compactor-wins",
        "two tabs compact at once, and the second takes away what the first has written",
    ),
    bug(1, "log-cut-too-far", "a compaction deletes what was appended while it ran"),
    bug(
        0,
        "removal-compacted-away",
        "a compaction forgets deletions while older runs still hold what was deleted",
    ),
    bug(0, "oldest-row-kept", "a compaction keeps the first row of a key and not the last"),
    // The outbox.
    bug(2, "edited-in-flight", "an edit after the send is coalesced with what is in flight"),
    bug(6, "marked-after-the-request", "a mutation is frozen when its answer comes, and edited before that"),
    bug(2, "deleted-with-its-create", "a deletion while the create is in flight makes both vanish"),
    bug(10, "unset-forgotten", "coalescing loses that a field was removed"),
    bug(
        3,
        "sent-undated",
        "what is sent before the server was heard is not dated: a late copy passes for a first one",
    ),
    bug(3, "sent-again-as-another", "commit, then the answer is lost: it goes again under a new id"),
    bug(4, "rejected-parent-ignored", "a dependency is rejected, and its dependents are sent all the same"),
    bug(5, "one-parked-stops-all", "a dependency is rejected, and everything behind it waits"),
    bug(4, "priority-before-order", "a high update overtakes the low create of its record"),
    bug(4, "departures-not-awaited", "a parent's deletion does not wait for that of its children"),
    bug(5, "far-time-believed", "a backoff is waited out by a clock that was set back a year"),
    bug(5, "unauthenticated-parks", "an expired token parks what was sent with it"),
    bug(5, "offline-costs-attempts", "being offline spends the attempts of mutations"),
    bug(2, "discard-takes-later", "to discard a change discards the later ones of its record"),
    bug(10, "rollback-forgotten", "a discarded change leaves the queue and stays on the screen"),
    bug(2, "given-up-at-once", "what is given up is forgotten, while the server may still be applying it"),
    // Answers.
    bug(2, "answers-by-position", "half a batch is answered, and the answers are told apart by their places"),
    bug(5, "one-rejected-parks-its-batch", "one rejected mutation takes with it all that travelled with it"),
    bug(6, "late-answer-overwrites", "a pull racing a push: an answer overwrites what was newer"),
    bug(5, "old-base-kept", "the next change of a record conflicts with the one before it"),
    // Merges.
    bug(11, "losses-not-kept", "a merge decides, and keeps nothing of what lost"),
    bug(11, "edits-of-the-deleted-forgotten", "a deletion wins, and the edits that it met are gone"),
    bug(
        11,
        "discarded-with-its-values",
        "a conflict is given up, and nobody can see any more what was in it",
    ),
    bug(11, "open-taken-for-settled", "what no rule settles is taken from the server, and nobody is asked"),
    bug(11, "one-side-taken-whole", "one field is contested, and all the others are taken from one side"),
    bug(
        11,
        "base-left-out",
        "a merge of two versions: whether a value was changed or was always so, nobody can tell",
    ),
    bug(11, "counter-overwrites", "two devices count, and one of them wins"),
    bug(11, "union-drops-theirs", "two devices add to a list, and one of them wins"),
    bug(
        11,
        "later-changes-left-out",
        "a change is merged, and the one after it overwrites what nobody had seen",
    ),
    bug(11, "merged-on-the-old-base", "a merge is sent on the version that was overtaken"),
    bug(10, "undo-keeps-the-winner", "a settlement is taken back, and nothing comes back"),
    bug(10, "unset-lost-in-the-merge", "a merge forgets that a field was removed"),
    bug(2, "merged-under-the-same-id", "a merge changes what was sent, and sends it under the same id"),
    // Ids.
    bug(
        9,
        "update-left-at-temporary-id",
        "an update while the create is in flight stays with the temporary id",
    ),
    bug(9, "queued-reference-left", "a queued mutation names its parent by an id that is mapped"),
    bug(9, "stored-reference-left", "a stored record names its parent by an id that is mapped"),
    bug(9, "loaded-reference-left", "a table that is loaded later names parents by ids that are mapped"),
    // The pull.
    bug(
        8,
        "older-row-overwrites",
        "a pull racing a push: an older row overwrites a newer one, and the deleted lives again",
    ),
    bug(10, "pending-overwritten", "a pulled row overwrites what is pending"),
    bug(
        8,
        "deletion-without-its-old-name",
        "the answer to a create is lost, and its deletion by another is not recognised",
    ),
    bug(7, "cursor-before-its-page", "the cursor is stored before the rows that it has passed"),
    bug(10, "unsent-swept", "a full pull sweeps away what was never sent"),
    bug(
        6,
        "earlier-pages-forgotten",
        "a full pull that was interrupted sweeps away what its first pages brought",
    ),
    bug(6, "epoch-ignored", "a server restored from a backup is behind, and its rows are taken for old"),
    // Health.
    bug(13, "stuck-told-as-well", "sync is stuck, and is told as well"),
    bug(6, "hung-pass-kept", "a request that is never answered keeps the lease for ever"),
    // The server.
    bug(12, "sent-as-somebody-else", "a user switch with work pending: it is applied as the new user's"),
    bug(3, "key-forgotten", "an idempotency key is forgotten by the server too early"),
    bug(2, "withdrawal-forgotten", "a withdrawal is answered and not remembered, and a late copy is applied"),
    bug(6, "purge-unnoticed", "tombstones are purged that a device has not seen, and it is not told"),
    bug(7, "page-end-passed", "the cursor of a full page stands behind the rows that did not fit"),
    bug(
        2,
        "batch-half-undone",
        "half a batch is applied: one rejection undoes those before it, which are answered as applied",
    ),
    bug(7, "later-commit-passed", "a sequence cursor passes a row that commits later"),
    bug(7, "cursor-by-time", "an `updated_at` cursor passes a row that commits later in the same moment"),
];

/// The place of a bug in the list.
///
/// # Panics
///
/// On a name that is not in it: where [`planted!`](crate::planted!) asks, that does not compile.
#[must_use]
pub const fn place_of(name: &str) -> usize {
    let mut place = 0;
    while place < BUGS.len() {
        if is_same(BUGS[place].name.as_bytes(), name.as_bytes()) {
            return place;
        }
        place += 1;
    }
    panic!("it is not in the list of bugs")
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// Whether this bug is planted: `false` in everything that ships.
#[macro_export]
macro_rules! planted {
    ($name:literal) => {
        cfg!(feature = "planted") && $crate::planted::is_planted(const { $crate::planted::place_of($name) })
    };
}

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<usize>> = const { std::cell::Cell::new(None) };
}

/// Plants one bug in this thread, or none.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<&Bug>) {
    PLANTED.set(bug.map(|bug| place_of(bug.name)));
}

/// See [`planted!`](crate::planted!).
#[cfg(feature = "planted")]
#[must_use]
pub fn is_planted(place: usize) -> bool {
    PLANTED.get() == Some(place)
}

/// Nothing is ever planted in what ships.
#[cfg(not(feature = "planted"))]
#[must_use]
pub const fn is_planted(_: usize) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_name_of_its_own() {
        for (place, bug) in BUGS.iter().enumerate() {
            assert_eq!(place_of(bug.name), place, "{}", bug.name);
        }
    }
}
