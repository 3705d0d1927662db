//! From the store to the state: opening, loading a table, catching up.
//!
//! All of these run with the gate held, so the state only ever moves forward along the log.

use super::{Engine, commit::keyspaces};
use crate::{
    error::Error,
    live::LiveQueries,
    log::{
        chain::{Chain, Verdict},
        codec::{CodecError, Outside, mark_of, outside_of, unpack_entry, unpack_segment},
        compaction::latest,
        conflict::Conflict,
        entry::{Change, Entry, Id, Mapping, Mark, Position, Record},
        keyspace,
        manifest::Manifest,
        release::{Outdated, Standing},
    },
    ports::{Event, Log, Ports, Snapshot, Stored},
    sorted::{SortedMap, sort},
    state::{Observer, State},
};

/// The rows of stored segments: by keyspace, a list for each run, oldest first.
type Runs<B> = SortedMap<String, Vec<Vec<Change<B>>>>;

/// The latest row of each key, and only that: rows of one run lie in the order of their keys and not of time, so one that is gone may
/// have had the place in the order of writing that another has now.
fn present<B>(mut runs: Vec<Vec<Change<B>>>) -> Vec<Change<B>> {
    let rows = match runs.len() {
        // Most often: a run has each key once.
        1 => runs.remove(0),
        _ => latest(runs.into_iter().flatten()).into_values().flat_map(SortedMap::into_values).collect(),
    };
    rows.into_iter().filter(|row| !row.is_removal()).collect()
}

/// An entry to look out for while catching up.
#[derive(Clone, Copy)]
pub(super) enum Watch<'m> {
    None,
    For(&'m Mark),
}

impl Watch<'_> {
    fn sees(self, mark: &Mark) -> bool {
        match self {
            Self::None => false,
            Self::For(wanted) => wanted == mark,
        }
    }
}

/// The valid entries of a stored run of the log, after a position that is known to be valid.
pub(super) struct Valid<B> {
    pub(super) entries: Vec<(Position, Entry<B>)>,
    /// Something between two of them is missing.
    pub(super) gap: bool,
    /// After them comes one that this context may not read.
    pub(super) outdated: Option<Outdated>,
}

/// Judges stored entries by the chain, up to the first that `reader` may not read. Those up to `after` are passed over.
pub(super) fn valid_after<B: crate::body::Body>(
    after: &Position,
    stored: &[Stored<B>],
    reader: Standing,
) -> Result<Valid<B>, Error> {
    let mut chain = Chain::after(after.clone());
    let mut valid = Valid { entries: Vec::new(), gap: false, outdated: None };
    for stored in stored.iter().filter(|stored| stored.key > after.key) {
        let read = unpack_entry(&stored.packed);
        // Whether it counts shows from outside, also where it cannot be read: a void one hinders nobody.
        let Outside { requires, mark, prev } = match &read {
            Ok(entry) => {
                let Entry { requires, mark, prev, .. } = entry;
                Outside { requires: *requires, mark: mark.clone(), prev: prev.clone() }
            }
            Err(_) => outside_of(&stored.packed)?,
        };
        let here = Position { key: stored.key, mark };
        match chain.judge(here.clone(), &prev) {
            Verdict::Valid => {}
            Verdict::Void => continue,
            Verdict::Gap => {
                valid.gap = true;
                break;
            }
        }
        let may_read = requires.map_or(Ok(()), |required| reader.check_reading(required));
        match may_read.map_err(CodecError::Newer).and(read) {
            Ok(entry) => valid.entries.push((here, entry)),
            Err(CodecError::Newer(outdated)) => {
                valid.outdated = Some(outdated);
                break;
            }
            Err(damaged) => return Err(damaged.into()),
        }
    }
    Ok(valid)
}

/// Whether a position lies in this run of the log.
fn holds<B: crate::body::Body>(stored: &[Stored<B>], position: &Position) -> Result<bool, Error> {
    match stored.iter().find(|stored| stored.key == position.key) {
        None => Ok(false),
        Some(stored) => Ok(mark_of(&stored.packed)? == position.mark),
    }
}

/// Notes what a fold changes.
struct Notes<'e, P: Ports> {
    engine: &'e Engine<P>,
    live: &'e mut LiveQueries,
    touched: &'e mut SortedMap<Id, Vec<Id>>,
}

impl<P: Ports> Observer<P::Body> for Notes<'_, P> {
    fn record_changed(
        &mut self,
        table: &Id,
        id: &Id,
        before: Option<&Record<P::Body>>,
        after: Option<&Record<P::Body>>,
    ) {
        match self.touched.get_mut(table) {
            Some(ids) => ids.push(id.clone()),
            None => {
                self.touched.insert(table.clone(), vec![id.clone()]);
            }
        }
        self.live.record_changed(table, id, before, after);
    }

    fn id_exchanged(&mut self, mapping: &Mapping) {
        let server_id = |id: &str| (*id == *mapping.temporary).then(|| mapping.server.clone());
        self.live.ids_exchanged(&self.engine.schema, server_id);
    }
}

impl<P: Ports> Engine<P> {
    /// Folds one valid entry and tells what changed.
    pub(super) fn fold(&self, position: Position, entry: Entry<P::Body>) {
        let Entry { requires, changes, .. } = entry;
        self.grow(changes.len());
        let mut state = self.state.borrow_mut();
        for change in &changes {
            match change {
                Change::Mutation { id, row: Some(mutation) }
                    if mutation.state.is_parked()
                        && !state.outbox.get(id).is_some_and(|before| before.state.is_parked()) =>
                {
                    self.event(Event::Parked(id.clone()));
                }
                Change::Conflict { id, row: Some(row) } => {
                    let stands = |row: &Conflict<P::Body>| {
                        row.settled.as_ref().map(|settled| settled.undone.is_some())
                    };
                    if state.conflicts.get(id).map(|before| stands(before)) != Some(stands(row)) {
                        self.event(Event::Conflict(id.clone()));
                    }
                }
                _ => {}
            }
        }
        self.vitals.borrow_mut().observe(&state, &changes, self.now());
        let live = &mut self.live.borrow_mut();
        let touched = &mut self.touched.borrow_mut();
        state.apply(changes, &mut Notes { engine: self, live, touched });
        state.advance(position, requires);
        drop(state);
        self.event(Event::Folded);
        if requires.is_some() {
            self.event(Event::Status);
        }
    }

    /// Folds what other contexts have appended since.
    pub async fn catch_up(&self) -> Result<(), Error> {
        self.check_running()?;
        let gate = self.gate.lock().await;
        let caught_up = self.catch_up_gated(Watch::None).await;
        drop(gate);
        caught_up.map(|_| ())
    }

    /// Whether the watched entry was among what was folded.
    pub(super) async fn catch_up_gated(&self, watch: Watch<'_>) -> Result<bool, Error> {
        let head = self.state().head.clone();
        let stored = self.ports.log().read(head.key).await?;
        if !holds(&stored, &head).map_err(|error| self.stop(error))? {
            return self.reload_all(watch).await;
        }
        let valid = valid_after(&head, &stored, self.standing).map_err(|error| self.stop(error))?;
        if valid.gap {
            return self.reload_all(watch).await;
        }
        let seen = self.fold_valid(valid.entries, watch);
        self.stop_reading(valid.outdated);
        self.was_seen(seen)
    }

    /// Stops this context where the log goes on with what it may not read.
    fn stop_reading(&self, outdated: Option<Outdated>) {
        if let Some(outdated) = outdated {
            self.stop(outdated.into());
            self.event(Event::Status);
        }
    }

    /// What is known to be written is not taken back by what came after it; otherwise a stop is the answer.
    fn was_seen(&self, seen: bool) -> Result<bool, Error> {
        if seen { Ok(true) } else { self.check_running().map(|()| false) }
    }

    fn fold_valid(&self, entries: Vec<(Position, Entry<P::Body>)>, watch: Watch<'_>) -> bool {
        let mut seen = false;
        for (position, entry) in entries {
            seen |= watch.sees(&entry.mark);
            self.fold(position, entry);
        }
        seen
    }

    /// Loads tables that are not in memory yet.
    pub async fn load_tables(&self, tables: &[Id]) -> Result<(), Error> {
        if tables.iter().all(|table| self.state().is_loaded(table)) {
            return Ok(());
        }
        self.check_running()?;
        let gate = self.gate.lock().await;
        let loaded = self.load_tables_gated(tables).await;
        drop(gate);
        loaded
    }

    async fn load_tables_gated(&self, tables: &[Id]) -> Result<(), Error> {
        let missing: Vec<Id> = {
            let state = self.state();
            let known = tables.iter().filter(|table| self.schema.table(table).is_some());
            known.filter(|table| !state.is_loaded(table)).cloned().collect()
        };
        if missing.is_empty() {
            return Ok(());
        }
        let from = self.through() + 1;
        let snapshot = self.ports.log().load(&keyspaces(&missing, false), from).await?;
        let manifest = self.read_manifest(&snapshot)?;
        let head = self.state().head.clone();
        // The segments are of a later entry than our state, so the state goes there first; that needs the entries between.
        if head.key < manifest.through.key {
            let behind =
                head.key < from || holds(&snapshot.entries, &head).map_err(|error| self.stop(error))?;
            let valid =
                valid_after(&head, &snapshot.entries, self.standing).map_err(|error| self.stop(error))?;
            if !behind || valid.gap {
                return self.reload(&missing).await.map(|_| ());
            }
            self.fold_valid(valid.entries, Watch::None);
        }
        let head = self.state().head.clone();
        let valid = valid_after(&manifest.through, &snapshot.entries, self.standing)
            .map_err(|error| self.stop(error))?;
        let reached = head == manifest.through || valid.entries.iter().any(|(position, _)| *position == head);
        if valid.gap || !reached {
            return self.reload(&missing).await.map(|_| ());
        }
        let mut runs = self.runs(&manifest, snapshot)?;
        let mut state = self.state.borrow_mut();
        for table in &missing {
            state.hold_table(table, runs.remove(&keyspace::of_table(table)).unwrap_or_default());
        }
        let (folded, ahead): (Vec<_>, Vec<_>) =
            valid.entries.into_iter().partition(|(position, _)| position.key <= head.key);
        for (_, entry) in folded {
            let of_missing = |change: &Change<P::Body>| matches!(change, Change::Record { table, .. } if missing.contains(table));
            state.apply(entry.changes.into_iter().filter(of_missing).collect(), &mut ());
        }
        for table in &missing {
            state.keep_peeked(table);
        }
        drop(state);
        self.fold_valid(ahead, Watch::None);
        self.stop_reading(valid.outdated);
        Ok(())
    }

    /// The rows of a snapshot's segments: by keyspace, a list for each run, oldest first.
    fn runs(&self, manifest: &Manifest, snapshot: Snapshot<P::Body>) -> Result<Runs<P::Body>, Error> {
        let mut by_run: SortedMap<(String, u64), Vec<Change<P::Body>>> = SortedMap::new();
        for (key, packed) in snapshot.segments {
            let listed = manifest
                .segments
                .iter()
                .find(|segment| segment.keyspace == key.keyspace && segment.number == key.number);
            let Some(segment) = listed else { continue };
            let rows = unpack_segment(&packed).map_err(|error| self.stop(error.into()))?;
            by_run.entry((key.keyspace, segment.run)).or_default().extend(rows);
        }
        let mut runs: Runs<P::Body> = SortedMap::new();
        for ((keyspace, _), rows) in by_run {
            runs.entry(keyspace).or_default().push(rows);
        }
        Ok(runs)
    }

    /// After a reload nobody knows which records changed: all that are held may have.
    fn tell_reloaded(&self, before: &State<P::Body>) {
        let state = self.state();
        let mut live = self.live.borrow_mut();
        live.ids_exchanged(&self.schema, |id| state.ids.server_id(id).cloned());
        live.all_reset();
        drop(live);
        if before.head.key > 0 {
            let mut touched = self.touched.borrow_mut();
            for name in state.loaded() {
                let ids = state.table(name).into_iter().flat_map(crate::table::Table::iter);
                touched.entry(name.clone()).or_default().extend(ids.map(|(id, _)| id.clone()));
            }
            for mutation in state.outbox.iter().filter(|mutation| mutation.state.is_parked()) {
                if !before.outbox.get(&mutation.id).is_some_and(|known| known.state.is_parked()) {
                    self.event(Event::Parked(mutation.id.clone()));
                }
            }
            for (id, _) in state.conflicts.open().filter(|(id, _)| before.conflicts.get(id).is_none()) {
                self.event(Event::Conflict(id.clone()));
            }
        }
        self.event(Event::Folded);
    }

    /// The key after which the log goes on, by the manifest that was read last.
    pub(super) fn through(&self) -> u64 {
        self.contents.borrow().through.key
    }

    /// The manifest of a snapshot. Where the log goes on after it is where the next load begins to read.
    pub(super) fn read_manifest(&self, snapshot: &Snapshot<P::Body>) -> Result<Manifest, Error> {
        let manifest = Manifest::parse(snapshot.manifest.as_deref(), self.standing).map_err(|error| {
            self.event(Event::Status);
            self.stop(error.into())
        })?;
        self.contents.replace(std::rc::Rc::new(manifest.clone()));
        Ok(manifest)
    }

    async fn reload_all(&self, watch: Watch<'_>) -> Result<bool, Error> {
        let entries = self.reload(&[]).await?;
        self.was_seen(entries.iter().any(|mark| watch.sees(mark)))
    }

    /// Builds the state anew from the store, with the tables it had and `more`; the marks of the entries it folded.
    pub(super) async fn reload(&self, more: &[Id]) -> Result<Vec<Mark>, Error> {
        let mut tables: Vec<Id> = self.state().loaded().cloned().collect();
        tables.extend(more.iter().filter(|table| self.schema.table(table).is_some()).cloned());
        sort(&mut tables);
        tables.dedup();
        // The manifest alone first: entries that are in the segments stay in the log for one compaction longer, and to
        // read them too could cost as much as all the rest.
        let log = self.ports.log();
        let mut manifest = self.read_manifest(&log.load(&[], u64::MAX).await?)?;
        // Each keyspace costs two requests, and most have no segments. A compaction that comes between may make some.
        let snapshot = loop {
            let has_segments =
                |keyspace: &String| manifest.segments.iter().any(|known| known.keyspace == *keyspace);
            let wanted: Vec<String> = keyspaces(&tables, true).into_iter().filter(has_segments).collect();
            let snapshot = log.load(&wanted, self.through() + 1).await?;
            let generation = manifest.generation;
            manifest = self.read_manifest(&snapshot)?;
            if manifest.generation == generation {
                break snapshot;
            }
        };
        let valid = valid_after(&manifest.through, &snapshot.entries, self.standing)
            .map_err(|error| self.stop(error))?;
        if valid.gap {
            return Err(self.stop(Error::Corrupt("entries are missing from the log".to_owned())));
        }
        let mut runs = self.runs(&manifest, snapshot)?;
        let mut state = State::new(std::rc::Rc::clone(&self.schema));
        for own in keyspace::OWN {
            state.apply(present(runs.remove(own).unwrap_or_default()), &mut ());
        }
        for table in self.schema.tables.keys() {
            let keyspace = keyspace::of_table(table);
            let wanted = tables.iter().any(|wanted| **wanted == **table);
            // A table without segments is all in the entries that are read in any case.
            if wanted || !manifest.segments.iter().any(|segment| segment.keyspace == keyspace) {
                state.hold_table(table, runs.remove(&keyspace).unwrap_or_default());
            }
        }
        state.advance(manifest.through, Some(manifest.requires));
        let rows = valid.entries.iter().map(|(_, entry)| entry.changes.len()).sum();
        self.reset_grown(valid.entries.len(), rows);
        let mut marks = Vec::with_capacity(valid.entries.len());
        for (position, entry) in valid.entries {
            state.apply(entry.changes, &mut ());
            marks.push(position.mark.clone());
            state.advance(position, entry.requires);
        }
        // A place that was compacted away lies before where the log goes on. One that lies after its end was lost with it.
        if state.head.key < self.state().head.key {
            let lost = "entries that were read before are gone from its end".to_owned();
            return Err(self.stop(Error::Corrupt(lost)));
        }
        let before = self.state.replace(state);
        self.vitals.borrow_mut().rebuild(&before, &self.state(), self.now());
        self.tell_reloaded(&before);
        self.stop_reading(valid.outdated);
        Ok(marks)
    }
}
