//! The way to the server and back: it delays, drops, cuts, duplicates and reorders, in both directions.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use landfall_core::{
    ports::{Remote, RemoteError},
    protocol::{Download, Page, Upload, UploadAnswer},
    schema::Schema,
};
use landfall_server::{
    decisions::{Caller, Refusal, Role, Rules, download, upload},
    store::memory::MemoryStore,
};
use serde_json::Value;

use crate::{
    dice::Dice,
    executor::{Executor, Owner},
};

/// The owner of what happens at the server: no crash of a client ends it.
pub const SERVER: Owner = usize::MAX;

/// How often each kind of fault happened.
pub type Faults = Rc<RefCell<BTreeMap<&'static str, u64>>>;

pub struct Server {
    pub store: MemoryStore,
    rules: Rules,
}

impl Server {
    #[must_use]
    pub fn new(schema: Schema) -> Rc<Self> {
        Rc::new(Self { store: MemoryStore::new("epoch-1"), rules: Rules::new(Some(schema)) })
    }
}

/// One device's connection.
#[derive(Clone)]
pub struct Network {
    pub server: Rc<Server>,
    pub executor: Rc<Executor>,
    pub dice: Rc<Dice>,
    pub faults: Faults,
    /// No request gets out.
    pub offline: Rc<Cell<bool>>,
    /// Nothing goes wrong any more.
    pub healed: Rc<Cell<bool>>,
    pub principal: Rc<str>,
}

/// What happens to one request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Delivered,
    LostOnTheWay,
    AnswerLost,
    DeliveredTwice,
    Refused,
}

impl Network {
    pub fn count(&self, fault: &'static str) {
        *self.faults.borrow_mut().entry(fault).or_default() += 1;
    }

    fn fate(&self) -> Fate {
        if self.healed.get() {
            return Fate::Delivered;
        }
        match self.dice.roll(20) {
            0 | 1 => self.fated("request lost", Fate::LostOnTheWay),
            2..=4 => self.fated("answer lost", Fate::AnswerLost),
            5 | 6 => self.fated("request delivered twice", Fate::DeliveredTwice),
            7 => self.fated("server busy", Fate::Refused),
            _ => Fate::Delivered,
        }
    }

    fn fated(&self, fault: &'static str, fate: Fate) -> Fate {
        self.count(fault);
        fate
    }

    async fn latency(&self) {
        let slow = !self.healed.get() && self.dice.one_in(10);
        if slow {
            self.count("slow network");
        }
        self.executor.time.sleep_ms(self.dice.roll(if slow { 40_000 } else { 200 })).await;
    }

    fn caller(&self) -> Caller {
        Caller { principal: self.principal.to_string(), tenant: "acme".into(), role: Role::Editor }
    }

    async fn upload(&self, request: Upload<Value>) -> Result<UploadAnswer<Value>, Refusal> {
        let now = self.executor.time.now_ms();
        upload(&self.server.store, &self.server.rules, &self.caller(), now, request).await
    }

    /// A request's way there: `None`, it is lost.
    async fn out(&self) -> Result<Fate, RemoteError> {
        self.latency().await;
        if self.offline.get() {
            return Err(RemoteError::Network("offline".into()));
        }
        match self.fate() {
            Fate::LostOnTheWay => {
                self.executor.time.sleep_ms(self.dice.roll(30_000)).await;
                Err(RemoteError::Timeout)
            }
            Fate::Refused => Err(RemoteError::Refused {
                status: 503,
                code: "unavailable".into(),
                message: String::new(),
                retry_after_ms: self.dice.one_in(2).then(|| self.dice.roll(5_000)),
            }),
            fate => Ok(fate),
        }
    }

    /// An answer's way back.
    async fn back<T>(&self, fate: Fate, answer: Result<T, Refusal>) -> Result<T, RemoteError> {
        self.latency().await;
        if fate == Fate::AnswerLost || self.offline.get() {
            return Err(RemoteError::Network("cut off".into()));
        }
        answer.map_err(|refusal| {
            let code = refusal.code();
            let status = code.http_status().unwrap_or(500);
            RemoteError::Refused {
                status,
                code: code.name().to_owned(),
                message: refusal.to_string(),
                retry_after_ms: None,
            }
        })
    }
}

impl Remote<Value> for Network {
    async fn push(&self, request: &Upload<Value>) -> Result<UploadAnswer<Value>, RemoteError> {
        let fate = self.out().await?;
        if fate == Fate::DeliveredTwice {
            // The copy arrives whenever it likes, also after later requests.
            let (copy, network) = (request.clone(), self.clone());
            let delay = self.dice.roll(20_000);
            self.executor.spawn(SERVER, async move {
                network.executor.time.sleep_ms(delay).await;
                let _ = network.upload(copy).await;
            });
        }
        let answer = self.upload(request.clone()).await;
        self.back(fate, answer).await
    }

    async fn pull(&self, request: &Download) -> Result<Page<Value>, RemoteError> {
        let fate = self.out().await?;
        let now = self.executor.time.now_ms();
        let answer =
            download(&self.server.store, &self.server.rules, &self.caller(), now, request.clone()).await;
        self.back(fate, answer).await
    }
}
