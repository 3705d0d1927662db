//! Reading and writing.

use std::rc::Rc;

use futures_util::future::join;
use landfall_core::body::{Body, SyncMetadata};
use landfall_core::decide::{Command, Done, check};
use landfall_core::error::Error;
use landfall_core::log::entry::Id;
use landfall_core::ports::Durability;
use landfall_core::schedule::Occasion;

use super::instance::Instance;
use crate::body::JsBody;

impl Instance {
    /// Commits a command of the app's: see [`submit`](Self::submit).
    pub(super) async fn write(
        self: &Rc<Self>,
        command: Command<JsBody>,
        durability: Durability,
    ) -> Result<Done, Error> {
        self.submit(vec![(command, durability)]).await?.pop().unwrap_or(Err(Error::Closed))
    }

    /// Commits commands of the app's. Returns when they are durable and, where the browser can do that, when it has
    /// promised to start the service worker for them.
    pub(super) async fn submit(
        self: &Rc<Self>,
        commands: Vec<(Command<JsBody>, Durability)>,
    ) -> Result<Vec<Result<Done, Error>>, Error> {
        self.check_open()?;
        self.clockwork.note_use();
        let written = self.engine.submit_all(commands);
        if !self.has_remote {
            return written.await;
        }
        // Without the promise the change is as safe as with it, and is sent by the next context that runs.
        let (written, _) = join(written, self.background.arm()).await;
        if written.as_ref().is_ok_and(|written| written.iter().any(Result::is_ok)) {
            self.occasion(Occasion::WroteHere);
            // Used up while this was being written: the worker may have read the log before.
            if !self.background.is_armed() {
                self.background.arm().await;
            }
        }
        written
    }

    /// Records that were just written, as readers get them; `None` where one of them is gone already.
    pub(super) fn views(&self, table: &str, ids: &[Id]) -> Option<Vec<JsBody>> {
        let views = self.engine.state().table(table).map(|table| table.views(ids)).unwrap_or_default();
        (views.len() == ids.len()).then_some(views)
    }

    /// A command of the same entry may have deleted it again; it was written all the same.
    pub(super) fn as_written(&self, table: &str, id: &Id) -> Result<JsBody, Error> {
        let state = self.engine.state();
        if let Some(view) = state.table(table).and_then(|table| table.view(id)) {
            return Ok(view);
        }
        let gone = || Error::RecordNotFound { table: table.to_owned(), id: id.to_string() };
        let record = state.record(table, id).ok_or_else(gone)?;
        let metadata = SyncMetadata {
            status: record.status,
            local_updated_at: record.local_updated_at,
            server_updated_at: record.server_updated_at,
            sync_id: record.sync_id.clone(),
            deleted: record.deleted,
            version: record.version,
        };
        Ok(record.data.record(id, &metadata))
    }

    /// Brings a table into memory, if it is not there yet.
    pub(super) async fn load(&self, table: &Id) -> Result<(), Error> {
        self.check_open()?;
        check::table(self.engine.schema(), table)?;
        self.engine.load_tables(std::slice::from_ref(table)).await
    }

    /// A record under any id that it ever had here.
    pub(super) fn view(&self, table: &Id, id: &Id) -> Option<JsBody> {
        let state = self.engine.state();
        state.table(table)?.view(&state.resolve(id))
    }

    /// The same of a table that may not be in memory.
    pub(super) async fn view_stored(&self, table: &Id, id: &Id) -> Result<Option<JsBody>, Error> {
        self.check_open()?;
        check::table(self.engine.schema(), table)?;
        self.engine.view(table, id).await
    }

    /// Everything that this context knows, as text.
    pub(super) async fn fold(&self) -> Result<String, Error> {
        let tables: Vec<Id> = self.engine.schema().tables.keys().map(|name| name.as_str().into()).collect();
        self.engine.load_tables(&tables).await?;
        self.engine.catch_up().await?;
        Ok(self.engine.state().export())
    }
}
