//! One record of a table that is not in memory, without bringing the table there: what a start shows first is often one record, and that
//! should not cost more where there are a hundred thousand.

use std::rc::Rc;

use super::Engine;
use crate::{
    error::Error,
    log::{
        codec::unpack_segment,
        entry::{Change, Id, Record},
        manifest::{Manifest, SegmentInfo},
    },
    ports::{Log, Ports, SegmentKey},
};

/// Who asks for more records of a table than these is better served with all of them in memory.
const PEEKS_MAX: u32 = 8;

/// What looking for a record came to.
enum Sight<B> {
    /// What it is, or that there is none.
    Seen(Option<Record<B>>),
    /// The store has changed since its contents were read, or does not say where records lie.
    Unclear,
}

impl<P: Ports> Engine<P> {
    /// A record as readers get it, also under an id that it once had; `None` if there is none. Its table is brought into memory only
    /// if many are asked for.
    pub async fn view(&self, table: &Id, id: &Id) -> Result<Option<P::Body>, Error> {
        self.check_running()?;
        let is_loaded = self.state().is_loaded(table);
        if !is_loaded && self.may_peek(table) {
            let id = self.state().resolve(id);
            if let Sight::Seen(record) = self.look_for(table, &id).await? {
                return Ok(self.state.borrow_mut().view_peeked(table, &id, record));
            }
        }
        self.load_tables(std::slice::from_ref(table)).await?;
        let state = self.state();
        Ok(state.table(table).and_then(|held| held.view(&state.resolve(id))))
    }

    fn may_peek(&self, table: &Id) -> bool {
        let mut peeks = self.peeks.borrow_mut();
        let peeks = peeks.entry(table.clone()).or_default();
        *peeks += 1;
        *peeks <= PEEKS_MAX
    }

    async fn look_for(&self, table: &Id, id: &Id) -> Result<Sight<P::Body>, Error> {
        if let Some(written) = self.state().written(table, id) {
            return Ok(Sight::Seen(written.cloned()));
        }
        let contents = Rc::clone(&self.contents.borrow());
        let Some(holding) = contents.holding(table, id) else { return Ok(Sight::Unclear) };
        // What is in the segments may be of later than our state.
        if contents.through.key > self.state().head.key {
            return Ok(Sight::Unclear);
        }
        let key = |info: &&SegmentInfo| SegmentKey { keyspace: info.keyspace.clone(), number: info.number };
        let keys: Vec<SegmentKey> = holding.iter().map(key).collect();
        if keys.is_empty() {
            return Ok(Sight::Seen(None));
        }
        let snapshot = self.ports.log().segments(&keys).await?;
        let now = Manifest::parse(snapshot.manifest.as_deref(), self.standing);
        if !now.is_ok_and(|now| now.generation == contents.generation) {
            return Ok(Sight::Unclear);
        }
        // It may have been written, or all of them been loaded, while the store was read.
        let state = self.state();
        if state.is_loaded(table) {
            return Ok(Sight::Unclear);
        }
        if let Some(written) = state.written(table, id) {
            return Ok(Sight::Seen(written.cloned()));
        }
        drop(state);
        for key in &keys {
            let Some((_, packed)) = snapshot.segments.iter().find(|(found, _)| found == key) else {
                return Ok(Sight::Unclear);
            };
            let rows = unpack_segment(packed).map_err(|error| self.stop(error.into()))?;
            let of = |row: Change<P::Body>| match row {
                Change::Record { id: of, row, .. } if of == *id => Some(row),
                _ => None,
            };
            if let Some(row) = rows.into_iter().find_map(of) {
                return Ok(Sight::Seen(row));
            }
        }
        Ok(Sight::Seen(None))
    }
}
