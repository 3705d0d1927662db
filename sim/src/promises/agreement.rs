//! What is seen from outside: contexts that fold one log to one state, and, when all is healed, devices that agree with their server.

use std::collections::{BTreeMap, BTreeSet};

use landfall_core::{
    body::Body,
    engine::QUIET_MS_MAX,
    log::entry::{Id, Operation},
    state::references,
    table::Table,
};
use serde_json::Value;

use super::{number, shadow::Shadow};
use crate::{
    body::Shared,
    journal::FOLD,
    world::{
        World,
        context::Context,
        device::Device,
        schema::{Release, TABLES},
    },
};

/// Holds every context of a device that lives against the shadow of its database.
pub fn compare_contexts(world: &World, device: &Device) {
    for context in device.contexts.borrow().iter().flatten() {
        compare(world, context);
        told_truly(world, context);
    }
}

/// Longer than this nothing stands still without being told: twice what the engine allows itself, and what a server asks for.
const STILL_MS_MAX: u64 = 2 * QUIET_MS_MAX + 10 * 60_000;

/// Promise 13: a context that has read everything counts what there is, and is not well while somebody has to decide. Where there
/// is something to send and nothing has moved for long, one that has seen it all the time says so.
fn told_truly(world: &World, context: &Context) {
    let (shadow, now_ms) = (context.database.shadow.borrow(), world.commons.executor.time.elapsed_ms());
    let key = context.engine.state().head.key;
    if key == shadow.state.head.key {
        let (health, counts) = (context.engine.health(), shadow.state.outbox.counts());
        if health.counts != counts || (health.healthy && counts.parked > 0) {
            let what = format!(
                "a context of database {} says {health:?}, and there are {counts:?}",
                context.database.number
            );
            world.commons.journal.broken(number::TRUTHFUL_STATUS, what, &[]);
        }
    }
    let (seen_key, since_ms) = context.seen.get();
    if seen_key != key {
        return context.seen.set((key, now_ms));
    }
    // An older release sends only what it knows.
    let is_still = now_ms - since_ms > STILL_MS_MAX && key == shadow.state.head.key;
    let is_stuck = is_still && context.release == Release::New && shadow.has_something_to_send();
    if is_stuck && context.engine.health().healthy {
        let what = format!(
            "a context of database {} calls itself healthy, and nothing has moved for {} s",
            context.database.number,
            (now_ms - since_ms) / 1_000
        );
        world.commons.journal.broken(number::TRUTHFUL_STATUS, what, &[]);
    }
}

/// The same of one that has just read everything, which must have come to where the shadow is: what was valid once is there.
pub fn compare_whole(world: &World, context: &Context) {
    context.database.observe();
    let (read, written) = (context.engine.state().head.key, context.database.shadow.borrow().state.head.key);
    if read != written {
        let what = format!(
            "database {} has entries up to {written}, and what is left of them leads to {read}",
            context.database.number
        );
        world.commons.journal.broken(number::DURABLE, what, &[]);
    }
    compare(world, context);
}

/// A context that has read as far as the shadow has the same state, whatever way it took to get there.
pub fn compare(world: &World, context: &Context) {
    context.database.observe();
    let shadow = context.database.shadow.borrow();
    let state = context.engine.state();
    let is_whole = context.engine.schema().tables.keys().all(|table| state.is_loaded(table));
    if state.head != shadow.state.head || !is_whole {
        return;
    }
    if state.holds_the_same(&shadow.state) {
        return;
    }
    let (held, expected) = (state.export(), shadow.state.export());
    let is_named_anew = |name: &Id, table: &Table<Shared>| {
        let data = |data: &Shared| references::exchange(state.schema(), &state.ids, name, data).is_some();
        table.iter().any(|(_, record)| data(&record.data))
    };
    if let Some(name) =
        state.loaded().find(|name| state.table(name).is_some_and(|table| is_named_anew(name, table)))
    {
        let what = format!("a record of {name} names another by a temporary id that is mapped");
        return world.commons.journal.broken(number::NO_DANGLING_IDS, what, &[]);
    }
    // An older release does not hold the records of a table that it does not know, and does not know which of their fields are
    // foreign keys.
    let is_known = |line: &&str| {
        let is_of_record = ["record", "base", "conflict"].iter().any(|kind| line.starts_with(kind));
        context.release == Release::New || !(is_of_record && line.contains("\"t\":\"photos\""))
    };
    let lines = |text| -> BTreeSet<&str> { str::lines(text).filter(is_known).collect() };
    let (known, had) = (lines(&expected), lines(&held));
    if known == had {
        return;
    }
    let lacks: Vec<_> = known.difference(&had).collect();
    let invents: Vec<_> = had.difference(&known).collect();
    let what = format!(
        "a context of database {} and another fold of its log differ at {}: it lacks {lacks:#?} and has {invents:#?}",
        context.database.number, state.head.key
    );
    world.commons.journal.broken(FOLD, what, &[]);
}

/// Looks at a few records, each by itself while their tables may not be in memory, and then at the tables: one alone reads as it does
/// among all others. Which they are is left to chance.
pub async fn compare_alone(world: &World, context: &Context, chances: &[usize]) {
    let known: Vec<(Id, Id)> = {
        context.database.observe();
        let state = &context.database.shadow.borrow().state;
        let tables = state.loaded().filter_map(|name| Some((name, state.table(name)?)));
        let records = tables.flat_map(|(name, table)| table.iter().map(|(id, _)| (name.clone(), id.clone())));
        let old_names = state.ids.sorted().into_iter();
        records.chain(old_names.map(|known| (known.table.clone(), known.temporary.clone()))).collect()
    };
    let engine = &context.engine;
    let mut alone = Vec::new();
    for (table, id) in chances.iter().filter_map(|chance| known.get(chance % known.len().max(1))) {
        if engine.schema().table(table).is_some()
            && let Ok(view) = engine.view(table, id).await
        {
            alone.push((table, id, view, engine.state().head.clone()));
        }
    }
    if context.load_all().await.is_err() {
        return;
    }
    let state = engine.state();
    for (table, id, view, _) in alone.iter().filter(|(_, _, _, head)| *head == state.head) {
        let among = state.table(table).and_then(|held| held.view(&state.resolve(id)));
        if among != *view {
            let what = format!(
                "a context of database {} reads {table}/{id} alone as {view:?} and among others as {among:?}",
                context.database.number
            );
            return world.commons.journal.broken(FOLD, what, &[id]);
        }
    }
}

/// Promise 5: what is still in an outbox waits for something that is parked.
pub fn everything_else_got_through(world: &World) {
    for device in &world.devices {
        for database in &device.databases {
            let shadow = database.shadow.borrow();
            if let Some(id) = waits_for_nothing(&shadow) {
                let mutation = shadow.state.outbox.get(&id);
                let what = format!(
                    "database {}: {id} waits, and nothing that it depends on is parked: {mutation:?}",
                    database.number
                );
                world.commons.journal.broken(number::ISOLATED_FAILURE, what, &[&id]);
            }
        }
    }
}

fn waits_for_nothing(shadow: &Shadow) -> Option<Id> {
    let outbox = &shadow.state.outbox;
    let mut excused: BTreeSet<Id> = BTreeSet::new();
    let names_in = |data: &Shared| -> BTreeSet<String> {
        data.fields().iter().filter_map(|field| data.text(field)).map(|text| text.to_string()).collect()
    };
    loop {
        let before = excused.len();
        for mutation in outbox.iter() {
            let waits_in_record = outbox
                .of_record(&mutation.table, &mutation.record_id)
                .any(|other| other.sequence < mutation.sequence && excused.contains(&other.id));
            let waits_for_another = mutation.dependencies.iter().any(|id| excused.contains(id));
            let names = names_in(&mutation.data);
            let waits_for_parent = outbox.iter().any(|other| {
                other.operation == Operation::Create
                    && excused.contains(&other.id)
                    && names.contains(&*other.record_id)
            });
            if mutation.state.is_parked() || waits_in_record || waits_for_another || waits_for_parent {
                excused.insert(mutation.id.clone());
            }
        }
        if excused.len() == before {
            break;
        }
    }
    outbox.iter().find(|mutation| !excused.contains(&mutation.id)).map(|mutation| mutation.id.clone())
}

type Live = BTreeMap<(String, String), Value>;

/// Promise 6: in what a database and the server do not agree, and which records that is about.
#[must_use]
pub fn disagreement(world: &World) -> Option<(String, Vec<String>)> {
    let truth: Live = world
        .commons
        .server
        .store
        .records()
        .iter()
        .filter(|record| !record.deleted)
        .map(|record| ((record.table.clone(), record.id.clone()), Value::Object(record.data.clone())))
        .collect();
    for device in &world.devices {
        for database in &device.databases {
            let shadow = database.shadow.borrow();
            if shadow.seen_key() == 0 {
                continue;
            }
            if let Some(mutation) = shadow.state.outbox.iter().next() {
                let what = format!("database {}: still in the outbox: {mutation:?}", database.number);
                return Some((what, vec![mutation.id.to_string(), mutation.record_id.to_string()]));
            }
            if let Some((id, row)) = shadow.state.conflicts.open().next() {
                let what = format!("database {}: conflict {id} is open still: {row:?}", database.number);
                return Some((what, vec![id.to_string(), row.record_id.to_string()]));
            }
            let held = held(&shadow);
            let differs = |key: &&(String, String)| held.get(*key) != truth.get(*key);
            if let Some(key) = truth.keys().chain(held.keys()).find(differs) {
                let what = format!(
                    "database {} has {}/{} as {:?}, and the server as {:?}",
                    database.number,
                    key.0,
                    key.1,
                    held.get(key),
                    truth.get(key)
                );
                return Some((what, vec![format!("{}/{}", key.0, key.1), key.1.clone()]));
            }
        }
    }
    None
}

fn held(shadow: &Shadow) -> Live {
    let mut held = Live::new();
    for table in TABLES {
        for (id, record) in shadow.state.table(table).into_iter().flat_map(Table::iter) {
            if !record.deleted {
                held.insert((table.to_owned(), id.to_string()), (*record.data.0).clone());
            }
        }
    }
    held
}
