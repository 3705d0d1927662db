//! Healing: faults stop, and in bounded time everything arrives that can, people decide about the rest, and all agree.

use std::{rc::Rc, sync::Arc};

use super::acts::Worker;
use crate::{
    dice::{Dice, mix},
    journal::Violation,
    promises::{agreement, number},
    schedule::Schedule,
    world::{
        OBSERVER, World,
        device::{CONTEXTS, Device, USERS},
        schema::Release,
    },
};

/// Long enough for every copy of a request to have arrived, and every pause to have ended.
const CALM_MS: u64 = 20 * 60_000;
/// Between two rounds of passes.
const ROUND_MS: u64 = 10_000;
/// PROTOCOL, "Limits": nothing waits longer for its next attempt.
const BACKOFF_MS_MAX: u64 = 5 * 60_000;
/// No pass takes longer than this, with all that it waits for.
const PASS_MS_MAX: u64 = 20 * 60_000;
const ROUNDS_TO_DELIVER: usize = 60;
const ROUNDS_TO_AGREE: usize = 60;
/// After so many rounds nothing is tried again any more.
const ROUNDS_OF_HOPE: usize = 6;
const HEALING: u64 = 0xCA1A;

impl World {
    pub(super) fn heal(self: &Rc<Self>, schedule: &Schedule) -> Result<(), Violation> {
        let commons = &self.commons;
        commons.journal.note(|| ("schedule", "* faults stop".to_owned()));
        commons.dice.reseed(mix(schedule.seed, HEALING));
        let dice = Dice::new(mix(schedule.seed, HEALING + 1));
        commons.weather.heal();
        commons.executor.put_out_fuses();
        for device in &self.devices {
            device.condition.is_offline.set(false);
            device.condition.is_refused.set(false);
            device.set_room(None);
            // One context of each device goes on as it is, beside those that heal.
            (0..USERS).for_each(|slot| device.end(slot));
        }
        commons.executor.run_for_ms(CALM_MS);
        self.settle()?;
        for _ in 0..ROUNDS_TO_DELIVER {
            if !self.everybody(&dice, None)? {
                break;
            }
        }
        agreement::everything_else_got_through(self);
        commons.journal.check()?;
        for round in 0..ROUNDS_TO_AGREE {
            let has_moved = self.everybody(&dice, Some(round >= ROUNDS_OF_HOPE))?;
            if !has_moved && agreement::disagreement(self).is_none() {
                for device in &self.devices {
                    agreement::compare_contexts(self, device);
                }
                commons.journal.check()?;
                return self.open_once_more();
            }
        }
        let what =
            agreement::disagreement(self).unwrap_or_else(|| ("it never comes to rest".into(), Vec::new()));
        let subjects: Vec<&str> = what.1.iter().map(String::as_str).collect();
        commons.journal.broken(number::CONVERGENT, format!("after healing: {}", what.0), &subjects);
        commons.journal.check()
    }

    /// What is stored is what was seen as it was stored: a context that opens now, and reads all of it, is held against the shadow.
    fn open_once_more(self: &Rc<Self>) -> Result<(), Violation> {
        for device in &self.devices {
            (0..CONTEXTS).for_each(|slot| device.end(slot));
            for user in 0..USERS {
                if device.databases[user].shadow.borrow().seen_key() == 0 {
                    continue;
                }
                let owned = Rc::clone(device);
                let opened = self.commons.executor.finish(OBSERVER, PASS_MS_MAX, async move {
                    let context = owned.open(user, user, Release::New).await?;
                    context.load_all().await?;
                    Ok::<_, landfall_core::error::Error>(context)
                });
                match opened {
                    Some(Ok(context)) => agreement::compare_whole(self, &context),
                    Some(Err(error)) => {
                        let what = format!(
                            "database {} does not open any more: {error}",
                            device.databases[user].number
                        );
                        self.commons.journal.broken(number::DURABLE, what, &[]);
                    }
                    None => {
                        self.commons.journal.broken(number::DURABLE, "a database never opens".into(), &[]);
                    }
                }
            }
        }
        self.commons.journal.check()
    }

    fn settle(&self) -> Result<(), Violation> {
        self.bury_the_dead();
        self.observe();
        self.commons.journal.check()
    }

    /// Every principal on every device runs a pass, after deciding about what is parked if they are to. Whether any log
    /// has grown.
    fn everybody(self: &Rc<Self>, dice: &Arc<Dice>, decide: Option<bool>) -> Result<bool, Violation> {
        let heads = |world: &World| -> Vec<u64> {
            let databases = world.devices.iter().flat_map(|device| &device.databases);
            databases.map(|database| database.shadow.borrow().seen_key()).collect()
        };
        let before = heads(self);
        for device in &self.devices {
            for user in 0..USERS {
                if device.databases[user].shadow.borrow().seen_key() > 0 {
                    self.one_pass(device, user, dice, decide)?;
                }
            }
        }
        self.settle()?;
        let has_moved = heads(self) != before;
        // Where everything waits for its time, that time comes.
        self.commons.executor.run_for_ms(if has_moved { ROUND_MS } else { BACKOFF_MS_MAX });
        Ok(has_moved || self.has_waiting())
    }

    /// Whether anything has an attempt before it.
    fn has_waiting(&self) -> bool {
        let mut databases = self.devices.iter().flat_map(|device| &device.databases);
        databases.any(|database| {
            let shadow = database.shadow.borrow();
            shadow.state.outbox.iter().any(|m| !m.state.is_parked() && m.next_attempt_at.is_some())
        })
    }

    fn one_pass(
        self: &Rc<Self>,
        device: &Rc<Device>,
        user: usize,
        dice: &Arc<Dice>,
        decide: Option<bool>,
    ) -> Result<(), Violation> {
        device.condition.user.set(user);
        let (world, owned, dice) = (Rc::clone(self), Rc::clone(device), Arc::clone(dice));
        let done = self.commons.executor.finish(OBSERVER, PASS_MS_MAX, async move {
            // A context for each of them, which stays until the end.
            let context = match owned.context(user) {
                Some(context) => context,
                None => owned.open(user, user, Release::New).await?,
            };
            owned.contexts.borrow_mut()[user] = Some(context.clone());
            let engine = Rc::clone(&context.engine);
            if let Some(is_final) = decide {
                let worker = Worker { world, context, dice, text: "".into() };
                worker.decide_everything(is_final).await?;
            }
            engine.pass_now().await;
            Ok::<(), landfall_core::error::Error>(())
        });
        let broken = match done {
            None => Some(format!("a pass of {} never ended", device.databases[user].principal)),
            Some(Err(error)) => Some(format!(
                "with nothing in its way, a context of database {} says: {error}",
                device.databases[user].number
            )),
            Some(Ok(())) => None,
        };
        if let Some(what) = broken {
            self.commons.journal.broken(number::CONVERGENT, what, &[]);
        }
        self.settle()
    }
}
