//! What people decide about what is parked.

use landfall_core::{
    decide::{Command, Decision},
    error::Error,
    log::entry::{Id, MutationState, Operation},
    schema::rules::Strategy,
};
use serde_json::json;

use super::acts::Worker;

impl Worker {
    /// About something parked, if there is anything; now and then somebody gives up something else.
    pub(super) async fn decide_something(&self) -> Result<(), Error> {
        self.context.load_all().await?;
        if self.dice.one_in(4) {
            return self.take_back().await;
        }
        let is_any = self.dice.one_in(4);
        let candidates: Vec<Id> = {
            let state = self.context.engine.state();
            let candidates = state.outbox.iter().filter(|mutation| is_any || mutation.state.is_parked());
            candidates.map(|mutation| mutation.id.clone()).collect()
        };
        let Some(id) = self.dice.pick(&candidates) else { return Ok(()) };
        match self.dice.roll(4) {
            0 => self.give_up(id).await,
            1 => self.retry(id).await,
            _ if self.is_open(id) => self.resolve(id).await,
            _ => self.retry(id).await,
        }
    }

    fn is_open(&self, id: &Id) -> bool {
        let state = self.context.engine.state();
        state.conflicts.get(id).is_some_and(|row| row.settled.is_none())
    }

    /// Settles a conflict by one of the strategies.
    async fn resolve(&self, id: &Id) -> Result<(), Error> {
        let all = [Strategy::ServerWins, Strategy::ClientWins, Strategy::LastWriteWins];
        let strategy = self.dice.pick(&all).copied();
        self.note(format!("a person settles {id} by {strategy:?}"));
        let decision = Decision { strategy, ..Decision::default() };
        let settled = self.submit(Command::Resolve { conflicts: vec![id.clone()], decision }).await;
        self.context.database.observe();
        match settled {
            Err(
                Error::ConflictNotFound { .. }
                | Error::ConflictOpen { .. }
                | Error::TheirsUnknown { .. }
                | Error::ConflictWaits { .. }
                | Error::MutationInUse { .. }
                | Error::ReferenceMissing { .. },
            ) => Ok(()),
            settled => settled.map(|_| ()),
        }
    }

    /// Takes back how some conflict was settled.
    async fn take_back(&self) -> Result<(), Error> {
        let settled: Vec<Id> = {
            let state = self.context.engine.state();
            state
                .conflicts
                .iter()
                .filter(|(_, row)| row.settled.as_ref().is_some_and(|settled| settled.undone.is_none()))
                .map(|(id, _)| id.clone())
                .collect()
        };
        let Some(id) = self.dice.pick(&settled) else { return Ok(()) };
        self.note(format!("a person takes the settlement of {id} back"));
        let undone = self.submit(Command::Undo { conflict: id.clone() }).await;
        self.context.database.observe();
        undone.map(|_| ())
    }

    /// About everything that is parked. `is_final`: what was tried again once is given up.
    pub(super) async fn decide_everything(&self, is_final: bool) -> Result<(), Error> {
        self.context.load_all().await?;
        let parked: Vec<Id> = {
            let state = self.context.engine.state();
            let parked = state.outbox.iter().filter(|mutation| mutation.state.is_parked());
            parked.map(|mutation| mutation.id.clone()).collect()
        };
        for id in parked {
            let is_hopeless = self.is_hopeless(&id);
            // Something decided before it may have taken it along.
            let decided = if self.is_open(&id) && !is_final && self.dice.one_in(2) {
                self.resolve(&id).await
            } else if is_final || is_hopeless || self.dice.one_in(2) {
                self.give_up(&id).await
            } else {
                self.retry(&id).await
            };
            match decided {
                Ok(())
                | Err(
                    Error::MutationNotFound { .. }
                    | Error::MutationNotParked { .. }
                    | Error::MutationInFlight { .. }
                    | Error::ReferenceMissing { .. },
                ) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The server said that it will never take it, or the record is gone.
    fn is_hopeless(&self, id: &Id) -> bool {
        let state = self.context.engine.state();
        state.outbox.get(id).is_some_and(|mutation| {
            let base = state.base(&mutation.table, &mutation.record_id);
            mutation.state == MutationState::Rejected
                || base.and_then(|base| base.newest()).is_some_and(|copy| copy.deleted)
        })
    }

    /// Tries it again; a task's title now and then with another text.
    async fn retry(&self, id: &Id) -> Result<(), Error> {
        let shadow = &self.context.database.shadow;
        shadow.borrow_mut().retried.insert(id.clone());
        let is_task =
            self.context.engine.state().outbox.get(id).is_some_and(|mutation| {
                *mutation.table == *"tasks" && mutation.operation != Operation::Delete
            });
        let is_edited = is_task && !self.text.is_empty() && self.dice.one_in(4);
        let changes = is_edited.then(|| json!({ "title": format!("{} edited", self.text) }).into());
        self.note(format!("a person tries {id} again{}", if is_edited { ", edited" } else { "" }));
        let command = Command::Retry { mutation: id.clone(), changes, unset: Vec::new() };
        let done = self.submit(command).await;
        self.context.database.observe();
        done.map(|_| ())
    }

    /// Gives it up, with everything that builds on it if it must be.
    async fn give_up(&self, id: &Id) -> Result<(), Error> {
        let shadow = &self.context.database.shadow;
        let is_new = shadow.borrow_mut().given_up.insert(id.clone());
        let mut cascade = self.dice.one_in(2);
        loop {
            self.note(format!(
                "a person gives {id} up{}",
                if cascade { ", and what builds on it" } else { "" }
            ));
            let done = self.submit(Command::Discard { mutation: id.clone(), cascade }).await;
            self.context.database.observe();
            match done {
                Err(Error::MutationInUse { .. }) if !cascade => cascade = true,
                Ok(_) => return Ok(()),
                Err(error) => {
                    // Refused for certain, so it is not given up; unless nobody knows what became of it.
                    if is_new && !matches!(error, Error::StorageUnavailable(_) | Error::QuotaExceeded) {
                        shadow.borrow_mut().given_up.remove(id);
                    }
                    return Err(error);
                }
            }
        }
    }

    fn note(&self, what: String) {
        self.world.commons.journal.note(|| (format!("database {}", self.context.database.number), what));
    }
}
