//! A database's log, folded once more by the simulator, entry by entry.

use std::{cell::RefCell, rc::Rc};

use landfall_core::{
    log::{
        codec::unpack_entry,
        entry::{Change, Entry, Id, Position},
    },
    ports::Stored,
    schema::Schema,
    state::State,
};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{books::Books, merges, outbox, pulled, records};
use crate::{
    body::Shared,
    journal::{FOLD, Journal},
};

/// What the checks of one entry look at.
pub(super) struct Judging<'s> {
    pub(super) shadow: &'s mut Shadow,
    pub(super) books: &'s mut Books,
    pub(super) journal: &'s Journal,
}

/// The simulator's own fold of one database.
pub struct Shadow {
    /// The database's number.
    pub number: usize,
    pub principal: String,
    pub state: State<Shared>,
    journal: Journal,
    books: Rc<RefCell<Books>>,
    seen_key: u64,
    /// Every text that a valid entry's mutation ever held: what was acknowledged must be among them.
    pub texts: FxHashSet<Rc<str>>,
    /// By text: the mutation that created the record with it.
    pub(super) births: FxHashMap<Rc<str>, Id>,
    /// The next place in the order of writing.
    pub(super) next_order: u64,
    /// Mutations that a person gave up, or asked to be tried again.
    pub given_up: FxHashSet<Id>,
    pub retried: FxHashSet<Id>,
    /// Records that a person deleted, by the ids that they had then.
    pub deleted: FxHashSet<Id>,
    /// Records whose server copy is a tombstone, by the epoch in which it was seen.
    pub(super) tombstones: FxHashMap<(Id, Id), String>,
}

impl Shadow {
    #[must_use]
    pub fn new(
        number: usize,
        principal: &str,
        schema: &Rc<Schema>,
        journal: Journal,
        books: Rc<RefCell<Books>>,
    ) -> Self {
        let mut state = State::new(Rc::clone(schema));
        for table in schema.tables.keys() {
            state.hold_table(table, Vec::new());
        }
        Self {
            number,
            principal: principal.to_owned(),
            state,
            journal,
            books,
            seen_key: 0,
            texts: FxHashSet::default(),
            births: FxHashMap::default(),
            next_order: 1,
            given_up: FxHashSet::default(),
            retried: FxHashSet::default(),
            deleted: FxHashSet::default(),
            tombstones: FxHashMap::default(),
        }
    }

    /// The key after which the next entry lies.
    #[must_use]
    pub fn seen_key(&self) -> u64 {
        self.seen_key
    }

    /// Folds what was appended since, and judges it.
    pub fn observe(&mut self, appended: Vec<Stored<Shared>>) {
        for stored in appended {
            self.seen_key = stored.key;
            let entry = match unpack_entry(&stored.packed) {
                Ok(entry) => entry,
                Err(error) => {
                    let what = format!("entry {} cannot be read: {error}", stored.key);
                    return self.journal.broken(FOLD, what, &[]);
                }
            };
            // The rule of validity, said once more: an entry counts if it follows the last that counts.
            if entry.prev == self.state.head {
                self.fold(stored.key, entry);
            } else {
                let (number, key) = (self.number, stored.key);
                self.journal.note(|| (format!("database {number}"), format!("entry {key} is void")));
            }
        }
    }

    fn fold(&mut self, key: u64, entry: Entry<Shared>) {
        let position = Position { key, mark: entry.mark };
        let books = Rc::clone(&self.books);
        let journal = self.journal.clone();
        let mut judging = Judging { shadow: self, books: &mut books.borrow_mut(), journal: &journal };
        judging.tell(key, &entry.changes);
        judging.note_texts(&entry.changes);
        let transitions = outbox::transitions(&judging.shadow.state, &entry.changes);
        let settled = merges::settled(&judging.shadow.state, &entry.changes);
        let touched = records::touched(&entry.changes);
        let cursors = pulled::cursors(&entry.changes);
        let mapped: Vec<_> = entry
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::Mapping(mapping) => Some(mapping.clone()),
                _ => None,
            })
            .collect();
        judging.shadow.state.apply(entry.changes, &mut ());
        judging.shadow.state.advance(position, entry.requires);
        judging.judge_outbox(&transitions);
        judging.judge_settled(&settled);
        judging.judge_mappings(&mapped);
        judging.judge_records(&touched);
        judging.judge_cursors(&cursors);
    }

    /// Whether there is something to send that waits for nothing else.
    #[must_use]
    pub fn has_something_to_send(&self) -> bool {
        let outbox = &self.state.outbox;
        outbox.iter().any(|mutation| {
            let first = outbox.of_record(&mutation.table, &mutation.record_id).next();
            first.is_some_and(|first| first.id == mutation.id)
                && !mutation.state.is_parked()
                && !mutation.dependencies.iter().any(|id| outbox.get(id).is_some())
        })
    }

    /// The record's server version, as far as this database knows.
    #[must_use]
    pub fn known_version(&self, table: &Id, id: &Id) -> Option<u64> {
        let record = self.state.record(table, id).and_then(|record| record.version);
        let base = self.state.base(table, id).and_then(|base| base.newest()).map(|copy| copy.version);
        record.max(base)
    }
}

impl Judging<'_> {
    pub(super) fn place(&self) -> String {
        format!("database {}", self.shadow.number)
    }

    fn tell(&self, key: u64, changes: &[Change<Shared>]) {
        self.journal.note(|| (self.place(), format!("entry {key} holds {} rows", changes.len())));
        for change in changes {
            match change {
                Change::Record { table, id, row } => self.journal.note(|| {
                    let what = match row {
                        None => "gone".to_owned(),
                        Some(row) => format!(
                            "{:?} version {:?}{} {}",
                            row.status,
                            row.version,
                            if row.deleted { " deleted" } else { "" },
                            row.data.0
                        ),
                    };
                    (self.place(), format!("entry {key}: {table}/{id} {what}"))
                }),
                Change::Base { table, id, row } => self.journal.note(|| {
                    let copy = |copy: &Option<landfall_core::log::entry::ServerCopy<Shared>>| {
                        copy.as_ref().map(|copy| (copy.version, copy.deleted))
                    };
                    let what = row.as_ref().map(|base| (copy(&base.base), copy(&base.theirs)));
                    (self.place(), format!("entry {key}: {table}/{id} base and theirs {what:?}"))
                }),
                Change::Mapping(mapping) => self.journal.note(|| {
                    let table = &mapping.table;
                    (
                        self.place(),
                        format!(
                            "mapped {table}/{} to {table}/{}, that is {}",
                            mapping.temporary, mapping.server, mapping.temporary
                        ),
                    )
                }),
                Change::Cursor { set, row } => self.journal.note(|| {
                    let cursor = row.as_ref().map(|row| row.cursor.as_str());
                    (self.place(), format!("entry {key}: cursor of {set} {cursor:?}"))
                }),
                _ => {}
            }
        }
    }
}
