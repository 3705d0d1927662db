//! One open database in this context: the engine, and everything that keeps it going.
//!
//! It acts in tasks of its own and never in the middle of the engine's work. What the engine notes ([`Inbox`]) wakes it;
//! it then [tells](super::telling) the app what is new. What other contexts announce makes it catch up, one catch-up at a
//! time however many announcements come. A timer begins passes and compactions ([`super::schedule`]).

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_util::future::{AbortHandle, Abortable};
use gloo_timers::future::TimeoutFuture;
use js_sys::encode_uri_component;
use landfall_core::body::Body;
use landfall_core::engine::{Engine, Identity};
use landfall_core::error::Error;
use landfall_core::json;
use landfall_core::schedule::Occasion;
use landfall_core::schema::{Schema, SchemaError};
use wasm_bindgen_futures::spawn_local;

use super::conflicts::AppFunctions;
use super::live::Liveness;
use super::options::Options;
use super::ports::{BrowserPorts, Inbox};
use super::schedule::Clockwork;
use super::telling::{Observer, Told};
use crate::background::Background;
use crate::body::JsBody;
use crate::connectivity::{Connectivity, Turn};
use crate::lease::WebLease;
use crate::log::IdbLog;
use crate::remote::HttpRemote;
use crate::signals::{Channel, Signal};

/// So long after it was opened the store is asked how much room there is.
const ROOM_MS: u32 = 1_000;
/// What a Background Sync tag begins with; the database's name follows.
const SYNC_TAG: &str = "landfall-sync:";

pub(super) struct Instance {
    pub(super) engine: Engine<BrowserPorts>,
    pub(super) inbox: Rc<Inbox>,
    pub(super) observer: Observer,
    pub(super) told: Told,
    pub(super) background: Background,
    /// What the service worker's event will carry.
    pub(super) sync_tag: String,
    pub(super) clockwork: Clockwork,
    pub(super) liveness: Liveness,
    /// There is a server to send to.
    pub(super) has_remote: bool,
    /// Passes and upkeep happen by themselves. Not so in a service worker's event, which does one thing and ends.
    pub(super) is_self_driven: bool,
    connectivity: RefCell<Option<Connectivity>>,
    woken: Cell<bool>,
    behind: Cell<bool>,
    catching_up: Cell<bool>,
    /// Nothing new begins by itself.
    ending: Cell<bool>,
    closed: Cell<bool>,
    /// What ends with the instance, however long it would still take.
    interruptible: RefCell<Vec<AbortHandle>>,
}

/// The name of a database: in IndexedDB, of its lock and of its channel.
fn database_name(name: &str, tenant: &str, principal: &str) -> String {
    let [name, tenant, principal] =
        [name, tenant, principal].map(|part| String::from(encode_uri_component(part)));
    format!("landfall:{name}:{tenant}:{principal}")
}

fn parse_schema(document: &wasm_bindgen::JsValue) -> Result<Schema, Error> {
    let refuse = |path: String, message: String| Error::InvalidSchema(SchemaError { path, message });
    let copied = JsBody::copy_in(document).map_err(|refused| {
        let path = if refused.path.is_empty() { "schema".to_owned() } else { refused.path };
        refuse(path, format!("is {}: a schema is JSON", refused.what))
    })?;
    let document = json::from_str(&copied.body.to_json())
        .map_err(|error| refuse("schema".to_owned(), error.to_string()))?;
    Ok(Schema::parse(&document)?)
}

impl Instance {
    pub(super) async fn open(options: &Options, observer: Observer) -> Result<Rc<Self>, Error> {
        let schema = Rc::new(parse_schema(&options.schema())?);
        let (tenant, principal) = (options.tenant(), options.principal());
        let name = database_name(&options.name(), &tenant, &principal);
        let sync_tag = format!("{SYNC_TAG}{name}");
        let url = options.url();
        let has_remote = url.is_some();
        let inbox = Rc::new(Inbox::default());
        let ports = BrowserPorts {
            log: IdbLog::new(name.as_str()).with_early(options.early()),
            // Without a server no pass is ever begun, and this one never asked.
            remote: HttpRemote::new(&url.unwrap_or_default(), options.token()),
            lease: WebLease::new(&name),
            channel: Channel::open(&name, {
                let inbox = Rc::clone(&inbox);
                move |signal| inbox.hear(signal)
            }),
            inbox: Rc::clone(&inbox),
            functions: Rc::new(AppFunctions(options.functions())),
        };
        let identity = Identity { tenant: tenant.as_str().into(), principal: principal.as_str().into() };
        let engine = Engine::open(ports, schema, identity).await?;
        engine.set_pull_scope(options.scope().as_deref())?;
        let instance = Rc::new(Self {
            engine,
            inbox,
            observer,
            told: Told::default(),
            background: Background::new(sync_tag.as_str()),
            sync_tag,
            clockwork: Clockwork::default(),
            liveness: Liveness::default(),
            has_remote,
            is_self_driven: options.self_driven(),
            connectivity: RefCell::default(),
            woken: Cell::default(),
            behind: Cell::default(),
            catching_up: Cell::default(),
            ending: Cell::default(),
            closed: Cell::default(),
            interruptible: RefCell::default(),
        });
        instance.inbox.belong_to(&instance);
        instance.watch();
        instance.wake();
        instance.occasion(Occasion::Opened);
        spawn_local({
            let this = Rc::downgrade(&instance);
            // So that the first write need not, and what is shown first need not wait for it.
            async move {
                TimeoutFuture::new(ROOM_MS).await;
                let Some(this) = this.upgrade().filter(|this| !this.is_ending()) else { return };
                this.engine.ask_for_room().await;
            }
        });
        instance.begin_live(options, name);
        Ok(instance)
    }

    fn watch(self: &Rc<Self>) {
        let this = Rc::downgrade(self);
        let watch = Connectivity::watch(move |turn| {
            let Some(this) = this.upgrade() else { return };
            this.wake();
            match turn {
                Turn::Online => {
                    this.engine.network_returned();
                    this.occasion(Occasion::NetworkReturned);
                }
                // A page that was frozen may have missed announcements.
                Turn::Visible => {
                    this.catch_up_soon();
                    this.occasion(Occasion::LookedAt);
                }
                Turn::Offline => {}
            }
        });
        self.connectivity.replace(Some(watch));
    }

    /// Whether it takes no more calls.
    pub(super) fn check_open(&self) -> Result<(), Error> {
        if self.closed.get() { Err(Error::Closed) } else { Ok(()) }
    }

    pub(super) fn is_ending(&self) -> bool {
        self.ending.get()
    }

    /// Begins nothing more by itself. What was begun goes on.
    pub(super) fn wind_down(&self) {
        self.ending.set(true);
        self.connectivity.take();
        self.clockwork.stop();
        self.liveness.stop();
    }

    /// Ends passes and compactions, however long they would still take.
    pub(super) fn interrupt(&self) {
        self.wind_down();
        for handle in self.interruptible.take() {
            handle.abort();
        }
    }

    /// Gives the store back.
    pub(super) fn close(&self) {
        self.interrupt();
        self.closed.set(true);
        self.engine.ports().log.close();
    }

    /// Work that ends with the instance.
    pub(super) async fn until_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        if self.is_ending() {
            return Err(Error::Closed);
        }
        let (handle, registration) = AbortHandle::new_pair();
        self.interruptible.borrow_mut().push(handle.clone());
        let outcome = Abortable::new(work, registration).await.map_err(|_| Error::Closed);
        // Every finished one, so that the list holds what is under way and nothing else.
        handle.abort();
        self.interruptible.borrow_mut().retain(|other| !other.is_aborted());
        outcome
    }

    /// Something is new: it will be told in a task of its own, once for all that is new by then.
    pub(super) fn wake(self: &Rc<Self>) {
        self.told.state_is_stale();
        if self.closed.get() || self.woken.replace(true) {
            return;
        }
        let this = Rc::clone(self);
        spawn_local(async move {
            this.woken.set(false);
            if !this.closed.get() {
                this.tell();
                this.tidy_soon();
            }
        });
    }

    /// Another context says something.
    pub(super) fn hear(self: &Rc<Self>, signal: Signal) {
        match signal {
            Signal::Head(key) if key <= self.engine.state().head.key => {}
            Signal::Head(_) => self.catch_up_soon(),
            Signal::SyncBegan => {
                self.background.disarm();
                self.rearm_later();
            }
        }
    }

    fn catch_up_soon(self: &Rc<Self>) {
        self.behind.set(true);
        if self.is_ending() || self.catching_up.replace(true) {
            return;
        }
        let this = Rc::clone(self);
        spawn_local(async move {
            while this.behind.replace(false) && !this.is_ending() {
                // What cannot be read now is read by the next call, which then says why it could not.
                if this.engine.catch_up().await.is_err() {
                    break;
                }
            }
            this.catching_up.set(false);
            this.occasion(Occasion::WroteElsewhere);
        });
    }
}
