//! From a seed to a schedule.
//!
//! Each schedule has its own weather: some kinds of fault are absent, some frequent. Where everything happens all the time, much never
//! gets far enough to go wrong in an interesting way.

use landfall_core::ports::Random;

use super::{Act, Schedule, Step};
use crate::{
    dice::{Dice, mix},
    faults::{Fault, Rates},
    world::device::CONTEXTS,
};

const STEPS_MIN: u64 = 200;
const STEPS_SPREAD: u64 = 80;
/// About as many as two writes take.
const POLLS_MAX: u64 = 24;

/// What people and timers do: present in every schedule, in these proportions.
const WORK: &[(Act, u64)] = &[
    (Act::CreateFolder, 4),
    (Act::CreateNote, 6),
    (Act::CreatePhoto, 3),
    (Act::CreateTask, 6),
    (Act::CreateMany, 2),
    (Act::Update, 22),
    (Act::Count, 5),
    (Act::Log, 5),
    (Act::Unset, 2),
    (Act::Move, 4),
    (Act::Delete, 6),
    (Act::Decide, 4),
    (Act::Pass, 26),
    (Act::PassNow, 6),
    (Act::NetworkReturned, 1),
    (Act::CatchUp, 4),
    (Act::Compact, 5),
    (Act::Open, 3),
    (Act::Wait, 4),
];

/// What happens to them: each only in some schedules.
const TROUBLE: &[(Act, u64)] = &[
    (Act::Poison, 2),
    (Act::OpenOld, 3),
    (Act::Restore, 1),
    (Act::Purge, 2),
    (Act::RequestPoison, 1),
    (Act::Crash, 9),
    (Act::DeviceCrash, 2),
    (Act::ServerCrash, 2),
    (Act::Offline, 3),
    (Act::ClockJump, 3),
    (Act::Full, 2),
    (Act::SwitchUser, 3),
    (Act::RefuseToken, 2),
];

/// What ends a trouble comes more often than the trouble itself.
fn end_of(trouble: Act) -> Option<(Act, u64)> {
    match trouble {
        Act::Offline => Some((Act::Online, 6)),
        Act::Full => Some((Act::Room, 6)),
        Act::RefuseToken => Some((Act::AcceptToken, 4)),
        _ => None,
    }
}

/// The schedule of a seed.
#[must_use]
pub fn generate(seed: u64) -> Schedule {
    let dice = Dice::new(mix(seed, 0));
    let faults = rates(&dice);
    let mut acts: Vec<(Act, u64)> = WORK.to_vec();
    for &(trouble, weight) in TROUBLE {
        if dice.one_in(2) {
            acts.push((trouble, weight * (1 + dice.roll(2))));
            acts.extend(end_of(trouble));
        }
    }
    let total: u64 = acts.iter().map(|(_, weight)| weight).sum();
    let devices = 2 + dice.index(2);
    let mut beside: Option<Step> = None;
    let step = |number: u64| {
        let mut at = dice.roll(total);
        let act = acts.iter().find(|(_, weight)| {
            let is_it = at < *weight;
            at = at.saturating_sub(*weight);
            is_it
        });
        // No two steps have the same: what somebody writes in one is nobody else's text.
        let seed = u32::try_from(((dice.bits() >> 32) & !0x1FF) | number).unwrap_or_default();
        // What begins beside another is often on the same device, and now and then the same.
        let device =
            beside.filter(|_| dice.one_in(2)).map_or_else(|| dice.index(devices), |other| other.on.0);
        let act = beside
            .filter(|_| dice.one_in(4))
            .map_or(act.map_or(Act::Wait, |(act, _)| *act), |other| other.act);
        let step = Step { act, on: (device, dice.index(CONTEXTS)), seed, wait_ms: 0, polls: None };
        let step = if dice.one_in(4) {
            // Few polls: two that begin at once. Many: the second begins in the middle of what the first does.
            Step { polls: u32::try_from(dice.roll(POLLS_MAX)).ok(), ..step }
        } else {
            Step { wait_ms: wait_ms(&dice), ..step }
        };
        beside = Some(step).filter(|step| step.polls.is_some());
        step
    };
    Schedule {
        broke: None,
        seed,
        devices,
        batch_max: if dice.one_in(4) { 2 + dice.index(6) } else { 1_000 },
        page_rows_max: if dice.one_in(4) { u32::try_from(1 + dice.roll(6)).unwrap_or(1) } else { 1_000 },
        has_barrier: dice.one_in(3),
        faults,
        steps: (0..STEPS_MIN + dice.roll(STEPS_SPREAD)).map(step).collect(),
    }
}

fn rates(dice: &Dice) -> Rates {
    let mut rates = Rates::new();
    // One schedule in eight has nothing but the order of things against it.
    let is_calm = dice.one_in(8);
    for fault in Fault::ALL {
        let usual = fault.usual_per_mille();
        let rate = match dice.roll(6) {
            0 | 1 => 0,
            2 => usual * 3,
            _ => usual,
        };
        if rate > 0 && !is_calm {
            rates.insert(*fault, rate);
        }
    }
    rates
}

/// Mostly moments, so that things meet; now and then long enough for anything to run out.
fn wait_ms(dice: &Dice) -> u64 {
    match dice.roll(100) {
        0..60 => dice.roll(120),
        60..92 => dice.roll(4_000),
        92..99 => dice.roll(120_000),
        _ => dice.roll(43_200_000),
    }
}
