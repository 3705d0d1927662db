//! What a step does.

use std::{rc::Rc, sync::Arc};

use landfall_core::error::Error;

use crate::{
    dice::{Dice, mix},
    faults::Fault,
    journal::FOLD,
    promises::agreement,
    schedule::{Act, Step},
    world::{
        SERVER, World,
        context::Context,
        device::{CONTEXTS, Device, USERS},
        schema::Release,
    },
};

/// Who opens a database looks at so many records before it reads all.
const LOOKS: usize = 3;
/// A fuse burns for at most so many polls.
const FUSE_MAX: u64 = 60;
/// A device that is nearly full has at most so many bytes left.
const ROOM_MAX: u64 = 8_000;
/// How far a clock may be off.
const SKEW_MS_MAX: i64 = 400 * 24 * 3_600_000;
/// The largest number of commits that a backup lacks.
const COMMITS_LOST_MAX: usize = 6;
/// The server forgets what is older than this, at most.
const KEPT_MS_MAX: u64 = 3_600_000;

/// Somebody at work in one context.
#[derive(Clone)]
pub(super) struct Worker {
    pub(super) world: Rc<World>,
    pub(super) context: Context,
    pub(super) dice: Arc<Dice>,
    /// What nobody else writes.
    pub(super) text: Rc<str>,
}

impl World {
    /// Begins what a step does; it goes on beside the steps that follow.
    pub(super) fn begin(self: &Rc<Self>, step: &Step, seed: u64) {
        let dice = Dice::new(mix(mix(seed, u64::from(step.seed)), 99));
        let commons = &self.commons;
        let (number, slot) = step.on;
        let Some(device) = self.devices.get(number) else { return };
        let weather = &commons.weather;
        match step.act {
            Act::Open => self.open(device, slot, Release::New, &dice),
            Act::OpenOld => {
                weather.count(Fault::OldRelease);
                self.open(device, slot, Release::Old, &dice);
            }
            Act::Crash => {
                weather.count(Fault::Crash);
                self.light_fuse(device, &[slot], &dice);
            }
            Act::DeviceCrash => {
                weather.count(Fault::DeviceCrash);
                self.light_fuse(device, &(0..CONTEXTS).collect::<Vec<_>>(), &dice);
            }
            Act::ServerCrash => {
                weather.count(Fault::ServerCrash);
                commons.executor.kill_after(vec![SERVER], fuse(&dice));
            }
            Act::Offline => {
                weather.count(Fault::Offline);
                device.condition.is_offline.set(true);
            }
            Act::Online => device.condition.is_offline.set(false),
            Act::ClockJump => {
                weather.count(Fault::ClockJump);
                device.set_skew_ms(dice.one_in(2).then_some(slot), skew_ms(&dice));
            }
            Act::Full => device.set_room(Some(if dice.one_in(2) { 0 } else { 1 + dice.roll(ROOM_MAX) })),
            Act::Room => device.set_room(None),
            Act::SwitchUser => {
                weather.count(Fault::UserSwitch);
                device.condition.user.set((device.condition.user.get() + 1) % USERS);
                device.condition.is_refused.set(false);
            }
            Act::RefuseToken => device.condition.is_refused.set(true),
            Act::AcceptToken => device.condition.is_refused.set(false),
            Act::Restore => {
                weather.count(Fault::Restore);
                commons.server.store.restore(1 + dice.index(COMMITS_LOST_MAX));
            }
            Act::Purge => {
                weather.count(Fault::Purge);
                let now_ms = commons.executor.time.now_ms();
                commons.server.store.purge(now_ms.saturating_sub(dice.wait_ms(KEPT_MS_MAX)));
            }
            Act::Wait => {}
            _ => self.work(step.act, device, slot, dice, step.seed),
        }
    }

    /// A context does something; where there is none, one starts.
    fn work(self: &Rc<Self>, act: Act, device: &Rc<Device>, slot: usize, dice: Arc<Dice>, seed: u32) {
        let Some(context) = device.context(slot) else {
            return self.open(device, slot, Release::New, &dice);
        };
        let worker = Worker { world: Rc::clone(self), context, dice, text: format!("text{seed}").into() };
        self.commons.executor.spawn(device.owner(slot), async move {
            if let Err(error) = worker.act(act).await {
                worker.note_error(act, &error);
            }
        });
    }

    fn open(self: &Rc<Self>, device: &Rc<Device>, slot: usize, release: Release, dice: &Dice) {
        device.end(slot);
        let (world, device, user) = (Rc::clone(self), Rc::clone(device), device.condition.user.get());
        let is_compared = dice.one_in(3);
        let looks: Vec<usize> = (0..LOOKS).map(|_| dice.index(usize::MAX)).collect();
        self.commons.executor.spawn(device.owner(slot), async move {
            let place = format!("context {}/{slot}", device.number);
            match device.open(slot, user, release).await {
                Ok(context) => {
                    world.commons.journal.note(|| {
                        (place, format!("* opened as {release:?} on database {}", context.database.number))
                    });
                    device.contexts.borrow_mut()[slot] = Some(context.clone());
                    if is_compared {
                        agreement::compare_alone(&world, &context, &looks).await;
                        agreement::compare(&world, &context);
                    }
                }
                Err(error) => {
                    world.commons.journal.note(|| (place, format!("* could not open: {error}")));
                    judge_error(&world, &error);
                }
            }
        });
    }

    /// These contexts die: at once where nothing goes on in them, or in the middle of what does.
    fn light_fuse(&self, device: &Device, slots: &[usize], dice: &Dice) {
        let owners: Vec<_> = slots.iter().map(|slot| device.owner(*slot)).collect();
        if dice.one_in(2) {
            for slot in slots {
                device.end(*slot);
            }
        } else {
            self.commons.executor.kill_after(owners, fuse(dice));
        }
    }

    /// Empties the places of those whose fuse has burnt down.
    pub(super) fn bury_the_dead(&self) {
        for owner in self.commons.executor.take_dead() {
            self.commons.journal.note(|| ("schedule", format!("* died in the middle of something: {owner}")));
            for device in &self.devices {
                for slot in 0..CONTEXTS {
                    if device.owner(slot) == owner {
                        device.end(slot);
                    }
                }
            }
        }
    }

    /// Ends everything, so that nothing keeps itself alive.
    pub(super) fn end(&self) {
        self.commons.executor.kill_all();
        for device in &self.devices {
            (0..CONTEXTS).for_each(|slot| device.end(slot));
        }
    }
}

fn fuse(dice: &Dice) -> u32 {
    u32::try_from(1 + dice.wait_ms(FUSE_MAX)).unwrap_or(1)
}

fn skew_ms(dice: &Dice) -> i64 {
    let ms = i64::try_from(dice.wait_ms(SKEW_MS_MAX.unsigned_abs())).unwrap_or_default();
    if dice.one_in(2) { ms } else { -ms }
}

/// What an engine may say: anything but that its log is damaged, for nobody damaged it.
fn judge_error(world: &World, error: &Error) {
    if matches!(error, Error::Corrupt(_)) {
        world.commons.journal.broken(FOLD, format!("a context says: {error}"), &[]);
    }
}

impl Worker {
    fn note_error(&self, act: Act, error: &Error) {
        self.world.commons.journal.note(|| {
            (format!("database {}", self.context.database.number), format!("{act:?} was refused: {error}"))
        });
        judge_error(&self.world, error);
    }

    async fn act(&self, act: Act) -> Result<(), Error> {
        let engine = &self.context.engine;
        match act {
            Act::Decide => self.decide_something().await,
            Act::Pass => {
                engine.pass().await;
                Ok(())
            }
            Act::PassNow => {
                engine.pass_now().await;
                Ok(())
            }
            Act::NetworkReturned => {
                engine.network_returned();
                engine.pass().await;
                Ok(())
            }
            Act::CatchUp => engine.catch_up().await,
            Act::Compact => engine.compact().await.map(|_| ()),
            _ => self.write(act).await,
        }
    }
}
