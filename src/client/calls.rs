//! Reading and writing.

use std::rc::Rc;

use futures_util::future::join;
use landfall_core::body::{Body, SyncMetadata};
use landfall_core::decide::{Command, Done, WriteOptions, check};
use landfall_core::error::Error;
use landfall_core::log::entry::Id;
use landfall_core::ports::Durability;
use landfall_core::schedule::Occasion;
use js_sys::Array;
use wasm_bindgen::JsValue;

use super::failure::unsayable;
use super::instance::Instance;
use crate::body::JsBody;

/// What an app's records are called in an error: a list's by their place, a single one by the argument.
fn place(at: usize, single: bool) -> String {
    if single { "fields".to_owned() } else { format!("[{at}]") }
}

/// The command that creates these records. They are copied now: what the app does to its objects afterwards is its own.
pub(super) fn creation(
    table: &str,
    records: &Array,
    single: bool,
    options: WriteOptions,
) -> Result<Command<JsBody>, Error> {
    let refused = |(at, refused)| unsayable(refused, &place(at, single));
    Ok(Command::Create {
        table: table.into(),
        records: JsBody::copy_all_in(records).map_err(refused)?,
        is_list: !single,
        options,
    })
}

/// The command that changes these fields, and removes those that are `undefined`.
pub(super) fn change(
    table: &str,
    id: &str,
    changes: &JsValue,
    options: WriteOptions,
) -> Result<Command<JsBody>, Error> {
    let copied = JsBody::copy_in(changes).map_err(|refused| unsayable(refused, "changes"))?;
    Ok(Command::Update {
        table: table.into(),
        id: id.into(),
        changes: copied.body,
        unset: copied.absent,
        options,
    })
}

impl Instance {
    /// Commits a command of the app's. Returns when it is durable and, where the browser can do that, when it has
    /// promised to start the service worker for it.
    pub(super) async fn write(
        self: &Rc<Self>,
        command: Command<JsBody>,
        durability: Durability,
    ) -> Result<Done, Error> {
        self.check_open()?;
        let written = self.engine.submit(command, durability);
        if !self.has_remote {
            return written.await;
        }
        // Without the promise the change is as safe as with it, and is sent by the next context that runs.
        let (written, _) = join(written, self.background.arm()).await;
        if written.is_ok() {
            self.occasion(Occasion::WroteHere);
            // Used up while this was being written: the worker may have read the log before.
            if !self.background.is_armed() {
                self.background.arm().await;
            }
        }
        written
    }

    /// Records that were just written, as readers get them.
    pub(super) fn written(&self, table: &str, done: Done) -> Result<Vec<JsBody>, Error> {
        let Done::Written(ids) = done else { return Ok(Vec::new()) };
        let views = self.engine.state().table(table).map(|table| table.views(&ids)).unwrap_or_default();
        if views.len() == ids.len() {
            return Ok(views);
        }
        ids.iter().map(|id| self.as_written(table, id)).collect()
    }

    /// A command of the same entry may have deleted it again; it was written all the same.
    fn as_written(&self, table: &str, id: &Id) -> Result<JsBody, Error> {
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

    /// Everything that this context knows, as text.
    pub(super) async fn fold(&self) -> Result<String, Error> {
        let tables: Vec<Id> = self.engine.schema().tables.keys().map(|name| name.as_str().into()).collect();
        self.engine.load_tables(&tables).await?;
        self.engine.catch_up().await?;
        Ok(self.engine.state().export())
    }
}
