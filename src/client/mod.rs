//! The client: what the package's facade calls.
//!
//! The surface is plain and small: every method takes `&self`, holds no borrow over an await, and answers with a promise or
//! at once. What can be wrong with a call is found in it: values are checked and copied before it returns, so nothing that
//! the app does to its objects afterwards reaches the store. Errors are plain objects (`{ code, message, field,
//! retryable }`); the facade makes classes of them.

mod calls;
mod conflicts;
mod deciding;
mod delivery;
mod failure;
mod hierarchy;
mod instance;
mod live;
mod options;
mod panic;
mod ports;
mod reports;
mod schedule;
mod shapes;
mod telling;
mod writes;

use std::pin::Pin;
use std::rc::Rc;

use js_sys::{Array, Function, Promise};
use landfall_core::error::Error;
use landfall_core::log::entry::Id;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{future_to_promise, spawn_local};

pub use self::options::{Options, WriteOptions};
pub use self::panic::on_panic;
pub use self::telling::Observer;
use self::{
    failure::thrown,
    instance::Instance,
    shapes::{SyncResult, plain},
};
use crate::body::{JsBody, array_of};

/// One open database in this context.
#[wasm_bindgen]
pub struct Client {
    instance: Rc<Instance>,
}

fn promise(work: impl Future<Output = Result<JsValue, Error>> + 'static) -> Promise {
    // Boxed: otherwise each call has code of its own for what a promise is made of.
    let work: Pin<Box<dyn Future<Output = Result<JsValue, Error>>>> = Box::pin(work);
    future_to_promise(async move { work.await.map_err(|error| thrown(&error)) })
}

#[wasm_bindgen]
impl Client {
    /// Opens the database, and makes it if there is none.
    pub async fn open(options: Options) -> Result<Client, JsValue> {
        let observer = options.observer();
        let instance = Instance::open(&options, observer).await.map_err(|error| thrown(&error))?;
        Ok(Client { instance })
    }

    /// A record, also under a temporary id that it once had; `undefined` if there is none.
    #[wasm_bindgen(unchecked_return_type = "Promise<unknown>")]
    pub fn get(&self, table: &str, id: &str) -> Promise {
        let (table, id): (Id, Id) = (table.into(), id.into());
        let object = |view: Option<JsBody>| view.map(|view| view.object()).unwrap_or_default();
        if self.instance.engine.state().is_loaded(&table) {
            return self.read(table.clone(), move |this| Ok(object(this.view(&table, &id))));
        }
        let this = Rc::clone(&self.instance);
        promise(async move { Ok(object(this.view_stored(&table, &id).await?)) })
    }

    /// The records that a query asks for.
    #[wasm_bindgen(unchecked_return_type = "Promise<unknown[]>")]
    pub fn query(&self, table: &str, query: &JsValue) -> Promise {
        let query = options::query(query);
        let name: Id = table.into();
        self.read(name.clone(), move |this| {
            let state = this.engine.state();
            let query = query?;
            let query = state.resolved(&name, &query);
            let records = state.table(&name).map(|table| table.select(&query)).transpose()?;
            Ok(array_of(&records.unwrap_or_default()).into())
        })
    }

    /// How many records a query asks for.
    #[wasm_bindgen(unchecked_return_type = "Promise<number>")]
    pub fn count(&self, table: &str, query: &JsValue) -> Promise {
        let query = options::query(query);
        let name: Id = table.into();
        self.read(name.clone(), move |this| {
            let state = this.engine.state();
            let query = query?;
            let query = state.resolved(&name, &query);
            let count = state.table(&name).map(|table| table.count(&query)).transpose()?;
            Ok(JsValue::from(count.unwrap_or_default()))
        })
    }

    /// Calls `changed` with the records that a query asks for, now and whenever they change; names it for
    /// [`unsubscribe`](Self::unsubscribe). `failed` is called instead if it cannot be done.
    #[must_use]
    pub fn subscribe(&self, table: &str, query: &JsValue, changed: Function, failed: Function) -> u32 {
        let query = options::query(query);
        let this = Rc::clone(&self.instance);
        let subscriber = this.subscribe(changed);
        let table: Id = table.into();
        spawn_local(async move {
            let begun = match query {
                Ok(query) => Rc::clone(&this).begin(subscriber, table, query).await,
                Err(error) => Err(error),
            };
            if let Err(error) = begun {
                this.unsubscribe(subscriber);
                // Its own errors are the facade's affair.
                let _ = failed.call1(&JsValue::UNDEFINED, &thrown(&error));
            }
        });
        subscriber
    }

    /// Ends what [`subscribe`](Self::subscribe) began. Afterwards nothing of it is called any more.
    pub fn unsubscribe(&self, subscriber: u32) {
        self.instance.unsubscribe(subscriber);
    }

    /// Whether the observer wants to hear which records changed. Naming them costs something.
    #[wasm_bindgen(js_name = tellChanges)]
    pub fn tell_changes(&self, wanted: bool) {
        self.instance.told.wants_changes.set(wanted);
    }

    /// A pass now; what it did.
    #[wasm_bindgen(unchecked_return_type = "Promise<unknown>")]
    pub fn sync(&self) -> Promise {
        let this = Rc::clone(&self.instance);
        promise(async move { Ok(plain(&SyncResult::from(this.sync().await?))) })
    }

    /// How sync stands: the same object until it stands differently.
    #[must_use]
    pub fn state(&self) -> JsValue {
        self.instance.state()
    }

    /// The mutations that are not settled, in the order of writing.
    #[must_use]
    #[wasm_bindgen(unchecked_return_type = "unknown[]")]
    pub fn outbox(&self) -> Array {
        self.instance.mutations()
    }

    /// Everything that is stored, as text: equal text, equal state.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn fold(&self) -> Promise {
        let this = Rc::clone(&self.instance);
        promise(async move { Ok(this.fold().await?.into()) })
    }

    /// What a service worker does on a sync event; what it left undelivered.
    #[wasm_bindgen(unchecked_return_type = "Promise<unknown>")]
    pub fn deliver(&self) -> Promise {
        let this = Rc::clone(&self.instance);
        promise(async move { Ok(plain(&this.deliver().await?)) })
    }

    /// The Background Sync tag of this database.
    #[must_use]
    #[wasm_bindgen(js_name = syncTag)]
    pub fn sync_tag(&self) -> String {
        self.instance.sync_tag.clone()
    }

    /// Begins nothing more by itself. Writes that were begun go on.
    #[wasm_bindgen(js_name = windDown)]
    pub fn wind_down(&self) {
        self.instance.wind_down();
    }

    /// Ends a pass that is under way; `sync` then rejects with `closed`.
    pub fn interrupt(&self) {
        self.instance.interrupt();
    }

    /// Closes the database. To be called when everything that was begun has ended.
    pub fn close(&self) {
        self.instance.close();
    }
}

impl Client {
    /// Reads from a table: at once if it is in memory.
    fn read(&self, table: Id, read: impl FnOnce(&Instance) -> Result<JsValue, Error> + 'static) -> Promise {
        let this = Rc::clone(&self.instance);
        this.clockwork.note_use();
        if this.engine.state().is_loaded(&table) && this.check_open().is_ok() {
            return match read(&this) {
                Ok(value) => Promise::resolve(&value),
                Err(error) => Promise::reject(&thrown(&error)),
            };
        }
        promise(async move {
            this.load(&table).await?;
            read(&this)
        })
    }
}
