//! The activity log in the fold.

use crate::{
    activity::{Activity, LINES_MAX, What},
    log::entry::Mapping,
    sorted::SortedMap,
};

/// The latest lines of the activity log.
#[derive(Clone, Debug, Default)]
pub struct ActivityLog {
    by_slot: SortedMap<u64, Activity>,
    next_number: u64,
}

impl ActivityLog {
    /// In any order: a store gives its rows in the order of their places, not of their numbers.
    pub(crate) fn put(&mut self, line: Activity) {
        self.next_number = self.next_number.max(line.number + 1);
        self.by_slot.insert(line.slot(), line);
    }

    /// Newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Activity> {
        let oldest = self.next_number.saturating_sub(LINES_MAX);
        (oldest..self.next_number).rev().filter_map(|number| self.by_slot.get(&(number % LINES_MAX)))
    }

    /// Lines about a record name it by the id that it has now.
    pub(crate) fn exchange(&mut self, mapping: &Mapping) {
        for of in self.by_slot.values_mut().filter_map(|line| line.what.subject_mut()) {
            if of.record == mapping.temporary && of.table == mapping.table {
                of.record = mapping.server.clone();
            }
        }
    }

    #[must_use]
    pub fn newest(&self) -> Option<&Activity> {
        self.iter().next()
    }

    /// The number of the next new line.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.next_number
    }

    /// What passes have failed by since one last succeeded, newest first.
    pub fn troubles(&self) -> impl Iterator<Item = &Activity> {
        self.iter()
            .filter(|line| line.what.is_trouble().is_some())
            .take_while(|line| !matches!(line.what, What::Resumed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(log: &mut ActivityLog, number: u64, what: What) {
        log.put(Activity { number, at: number, what });
    }

    #[test]
    fn the_latest_lines_are_kept_whatever_the_order_they_come_in() {
        let mut log = ActivityLog::default();
        // As a store gives them: by their places.
        let mut numbers: Vec<u64> = (700..700 + LINES_MAX).collect();
        numbers.sort_by_key(|number| number % LINES_MAX);
        for number in numbers {
            put(&mut log, number, What::Resumed);
        }
        let kept: Vec<u64> = log.iter().map(|line| line.number).collect();
        assert_eq!(kept, (700..700 + LINES_MAX).rev().collect::<Vec<_>>());
        assert_eq!(log.next_number(), 700 + LINES_MAX);
    }

    #[test]
    fn troubles_are_those_since_it_last_went_well() {
        let mut log = ActivityLog::default();
        put(&mut log, 0, What::Hung { silent_ms: 1 });
        put(&mut log, 1, What::Resumed);
        put(&mut log, 2, What::Hung { silent_ms: 2 });
        put(&mut log, 3, What::Pulled { rows: SortedMap::new() });
        assert_eq!(log.troubles().map(|line| line.number).collect::<Vec<_>>(), [2]);
        put(&mut log, 4, What::Resumed);
        assert_eq!(log.troubles().count(), 0);
    }
}
