//! What a service worker does on a sync event: the passes that the core's [`Delivery`](schedule::Delivery) asks for.

use std::rc::Rc;

use landfall_core::error::Error;
use landfall_core::schedule::{self, Step};

use super::instance::Instance;
use super::shapes::Delivery;
use crate::signals::Signal;

impl Instance {
    pub(super) async fn deliver(self: &Rc<Self>) -> Result<Delivery, Error> {
        // First of all: a page whose write comes too late for this pass must know that it needs another event.
        self.engine.ports().channel.tell(Signal::SyncBegan);
        let mut delivery = schedule::Delivery::default();
        loop {
            let report = self.until_stopped(self.engine.pass()).await?;
            if report.is_none() {
                self.engine.catch_up().await?;
            }
            match delivery.handle_pass_ended(report.as_ref(), self.engine.outlook()) {
                Step::PassIn(ms) => self.pause(ms).await?,
                Step::End => break,
            }
        }
        Ok(Delivery::new(self.engine.deliverable(), self.engine.status()))
    }
}
