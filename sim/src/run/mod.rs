//! One schedule, run: a phase of faults with every promise watched, then healing, and all must agree.

mod acts;
mod decisions;
mod heal;
mod writes;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use crate::{
    dice::mix,
    faults::Counts,
    journal::{Line, PANIC, Violation},
    promises::agreement,
    schedule::Schedule,
    world::World,
};

/// How often the contexts of one device are held against the shadow of their database.
const STEPS_BETWEEN_COMPARISONS: usize = 16;

/// What a schedule came to.
pub struct Outcome {
    pub result: Result<(), Violation>,
    pub virtual_ms: u64,
    pub faults: Counts,
    /// What happened, if it was to be kept.
    pub lines: Vec<Line>,
}

/// Runs a schedule. `keeps_lines`: with all that happens as text, which takes its time.
#[must_use]
pub fn run(schedule: &Schedule, keeps_lines: bool) -> Outcome {
    let world = Rc::new(World::new(schedule, keeps_lines));
    let result = catch_unwind(AssertUnwindSafe(|| walk(&world, schedule))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word");
        Err(Violation { promise: PANIC, what: text.to_owned(), subjects: Vec::new() })
    });
    let commons = &world.commons;
    let outcome = Outcome {
        result,
        virtual_ms: commons.executor.time.elapsed_ms(),
        faults: commons.weather.counts(),
        lines: commons.journal.take_lines(),
    };
    world.end();
    outcome
}

fn walk(world: &Rc<World>, schedule: &Schedule) -> Result<(), Violation> {
    let commons = &world.commons;
    for (number, step) in schedule.steps.iter().enumerate() {
        commons.dice.reseed(mix(schedule.seed, u64::from(step.seed)));
        commons.journal.note(|| {
            let (device, context) = step.on;
            (
                "schedule",
                match step.polls {
                    None => format!(
                        "* step {number}: {:?} on {device}/{context}, then {} ms",
                        step.act, step.wait_ms
                    ),
                    Some(polls) => {
                        format!("* step {number}: {:?} on {device}/{context}, then {polls} polls", step.act)
                    }
                },
            )
        });
        world.begin(step, schedule.seed);
        match step.polls {
            None => commons.executor.run_for_ms(step.wait_ms),
            Some(polls) => commons.executor.run_for_polls(polls),
        }
        world.bury_the_dead();
        world.observe();
        if number % STEPS_BETWEEN_COMPARISONS == STEPS_BETWEEN_COMPARISONS - 1 {
            let turn = number / STEPS_BETWEEN_COMPARISONS % world.devices.len();
            agreement::compare_contexts(world, &world.devices[turn]);
        }
        commons.journal.check()?;
    }
    for device in &world.devices {
        agreement::compare_contexts(world, device);
    }
    commons.journal.check()?;
    world.heal(schedule)
}
