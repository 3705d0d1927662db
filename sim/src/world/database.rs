//! One principal's database on one device: a log that its contexts share, and the shadow that the simulator keeps of it.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use landfall_core::{log::memory::MemoryLog, ports::Lease};

use super::{Commons, schema::Release};
use crate::{body::Shared, dice::Pauses, faults::Fault, promises::shadow::Shadow};

pub struct Database {
    pub number: usize,
    pub principal: Rc<str>,
    pub log: MemoryLog<Shared>,
    pub shadow: RefCell<Shadow>,
    pub lease: DatabaseLease,
    commons: Rc<Commons>,
}

impl Database {
    #[must_use]
    pub fn new(number: usize, principal: &str, commons: &Rc<Commons>) -> Rc<Self> {
        let pauses = Rc::new(Pauses(Arc::clone(&commons.dice.storage)));
        let shadow = Shadow::new(
            number,
            principal,
            &commons.schema(Release::New),
            commons.journal.clone(),
            Rc::clone(&commons.books),
        );
        Rc::new(Self {
            number,
            principal: principal.into(),
            log: MemoryLog::new(pauses),
            shadow: RefCell::new(shadow),
            lease: DatabaseLease { held: Rc::default(), commons: Rc::clone(commons) },
            commons: Rc::clone(commons),
        })
    }

    /// Folds what was appended since into the shadow, after the books have all that it may follow from.
    pub fn observe(&self) {
        let mut shadow = self.shadow.borrow_mut();
        let appended = self.log.entries_after(shadow.seen_key());
        if appended.is_empty() {
            return;
        }
        self.commons.books.borrow_mut().bring_up_to_date();
        shadow.observe(appended);
    }
}

/// The lease of one database's contexts.
#[derive(Clone)]
pub struct DatabaseLease {
    /// How many hold it: one, unless it was stolen.
    held: Rc<Cell<u32>>,
    commons: Rc<Commons>,
}

/// Given back when it is dropped, also by the death of its context.
pub struct Held(Rc<Cell<u32>>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// How often one that waits for the lease looks again.
const LEASE_POLL_MS: u64 = 50;

impl Lease for DatabaseLease {
    type Held = Held;

    async fn try_acquire(&self) -> Option<Held> {
        let Commons { weather, dice, .. } = &*self.commons;
        let is_free = self.held.get() == 0 || weather.strikes(Fault::LeaseStolen, &dice.network);
        is_free.then(|| {
            self.held.set(self.held.get() + 1);
            Held(Rc::clone(&self.held))
        })
    }

    async fn acquire(&self) -> Held {
        loop {
            if let Some(held) = self.try_acquire().await {
                return held;
            }
            self.commons.executor.time.sleep_ms(LEASE_POLL_MS).await;
        }
    }
}
