//! Promise 7: what a cursor has passed is here.

use landfall_core::log::entry::{Change, Cursor, Id};

use super::{number, shadow::Judging};
use crate::body::Shared;

/// The cursors that an entry moves.
pub(super) fn cursors(changes: &[Change<Shared>]) -> Vec<(Id, Option<Cursor>)> {
    let cursors = changes.iter().filter_map(|change| match change {
        Change::Cursor { set, row } => Some((set.clone(), row.clone())),
        _ => None,
    });
    cursors.collect()
}

/// The epoch and the place that a cursor of our server names: `1.<epoch>.<what>.<floor>.<place>`.
fn read(cursor: &str) -> Option<(String, u64)> {
    let parts: Vec<&str> = cursor.split('.').collect();
    let ["1", epoch, _, _, place] = parts[..] else { return None };
    Some((epoch.to_owned(), u64::from_str_radix(place, 16).ok()?))
}

impl Judging<'_> {
    pub(super) fn judge_cursors(&mut self, cursors: &[(Id, Option<Cursor>)]) {
        for (set, cursor) in cursors {
            let key = (self.shadow.number, set.to_string());
            let Some(place) = cursor.as_ref().and_then(Cursor::place) else {
                self.books.told.remove(&key);
                continue;
            };
            let (Some((epoch, place)), Some(tables)) = (read(place), self.books.served.get(place).cloned())
            else {
                let what = format!("database {} holds a cursor that no server gave: {place}", key.0);
                self.journal.broken(number::NOTHING_SKIPPED, what, &[]);
                continue;
            };
            let before = self.books.told.get(&key).filter(|(of, _, _)| *of == epoch).map_or(0, |told| told.1);
            if epoch == self.books.epoch {
                self.judge_rows(before, place, &tables);
            }
            self.books.told.insert(key, (epoch, place, tables));
        }
    }

    /// Everything that changed between two places, as far as it has not changed again, is here in that version.
    fn judge_rows(&self, after: u64, up_to: u64, tables: &[String]) {
        if after >= up_to {
            return;
        }
        for (place, (table, id, version)) in self.books.by_seq.range(after + 1..=up_to) {
            if !tables.contains(table) {
                continue;
            }
            let (table, id): (Id, Id) = (table.as_str().into(), id.as_str().into());
            let known = self.shadow.known_version(&table, &id);
            let is_dead = self.books.rows.get(&(table.to_string(), id.to_string())).and_then(|row| row.now());
            let may_be_absent = is_dead.is_some_and(|record| record.deleted);
            let is_here = match known {
                Some(known) => known >= *version,
                None => may_be_absent,
            };
            if !is_here {
                let name = format!("{table}/{id}");
                let what = format!(
                    "the cursor is at {up_to}, and {name}, changed at {place} to version {version}, is here at {known:?}"
                );
                self.journal.broken(number::NOTHING_SKIPPED, what, &[&name]);
            }
        }
    }
}
