//! One schedule: a phase of faults in which devices work, crash and lose their way, with invariants checked; then everything heals, and
//! all must agree within bounded time.

use std::{cell::Cell, collections::BTreeMap, rc::Rc};

use landfall_core::{
    decide::{Command, WriteOptions},
    log::entry::Id,
    ports::Durability,
};
use landfall_server::decisions::port::{After, ChangesQuery, Record, Store};
use serde_json::{Value, json};

use crate::{
    device::{Context, Device, TABLES, schema},
    dice::Dice,
    executor::Executor,
    network::{Faults, Network, SERVER, Server},
};

const STEPS: usize = 250;
const DEVICES: usize = 3;
/// Each step lets this much virtual time pass, at most.
const STEP_MS_MAX: u64 = 3_000;
const ROUNDS_TO_AGREE: usize = 60;

/// What a schedule came to.
pub struct Summary {
    pub virtual_ms: u64,
    pub faults: BTreeMap<&'static str, u64>,
}

struct Run {
    dice: Rc<Dice>,
    executor: Rc<Executor>,
    server: Rc<Server>,
    devices: Vec<Rc<Device>>,
    offline: Vec<Rc<Cell<bool>>>,
    healed: Rc<Cell<bool>>,
    faults: Faults,
    counter: Cell<u64>,
}

/// Runs the schedule of a seed; what went wrong, if anything.
pub fn run(seed: u64) -> Result<Summary, String> {
    let dice = Dice::new(seed);
    let executor = Executor::new(Rc::clone(&dice));
    let server = Server::new(schema());
    let healed = Rc::new(Cell::new(false));
    let faults: Faults = Rc::default();
    let offline: Vec<Rc<Cell<bool>>> = (0..DEVICES).map(|_| Rc::default()).collect();
    let devices = (0..DEVICES)
        .map(|number| {
            let network = Network {
                server: Rc::clone(&server),
                executor: Rc::clone(&executor),
                dice: Rc::clone(&dice),
                faults: Rc::clone(&faults),
                offline: Rc::clone(&offline[number]),
                healed: Rc::clone(&healed),
                principal: format!("u{number}").into(),
            };
            Device::new(number, network)
        })
        .collect();
    let run = Run { dice, executor, server, devices, offline, healed, faults, counter: Cell::new(0) };
    for step in 0..STEPS {
        run.step();
        let until = run.executor.time.now_ms() + run.dice.roll(STEP_MS_MAX);
        run.executor.run_until_ms(until);
        if step % 25 == 24 {
            run.check_folds().map_err(|what| format!("at step {step}: {what}"))?;
        }
    }
    run.heal()?;
    let faults = run.faults.borrow().clone();
    Ok(Summary { virtual_ms: run.executor.time.now_ms(), faults })
}

impl Run {
    fn fault(&self, name: &'static str) {
        *self.faults.borrow_mut().entry(name).or_default() += 1;
    }

    fn fresh_text(&self) -> String {
        self.counter.set(self.counter.get() + 1);
        format!("text {}", self.counter.get())
    }

    fn step(&self) {
        let at = usize::try_from(self.dice.roll(DEVICES as u64)).unwrap_or_default();
        let device = &self.devices[at];
        let slot = usize::try_from(self.dice.roll(2)).unwrap_or_default();
        match self.dice.roll(40) {
            0 | 1 => {
                if device.contexts.borrow()[slot].is_some() {
                    self.fault("crash");
                }
                device.crash(slot);
                device.forget_unfinished(slot);
            }
            2 => {
                self.fault("offline");
                self.offline[at].set(true);
            }
            3..=5 => self.offline[at].set(false),
            6 => {
                self.fault("clock jump");
                device.skew_ms.set(1_600_000_000_000 + self.dice.roll(400_000_000_000));
            }
            7 => device.break_storage(),
            _ => self.work(device, slot),
        }
    }

    /// A context does something; one that is not there starts.
    fn work(&self, device: &Rc<Device>, slot: usize) {
        let context = device.contexts.borrow()[slot].clone();
        let Some(context) = context else {
            let (device, owner) = (Rc::clone(device), device.owner(slot));
            self.executor.spawn(owner, async move {
                // Where another start of the same slot was quicker, this one is a tab that closes at once.
                if let Ok(context) = device.open().await {
                    device.contexts.borrow_mut()[slot].get_or_insert(context);
                }
            });
            return;
        };
        let action = self.dice.roll(16);
        let text = self.fresh_text();
        let (own_device, dice) = (Rc::clone(device), Rc::clone(&self.dice));
        self.executor.spawn(device.owner(slot), async move {
            act(&own_device, &context, slot, action, text, &dice).await;
        });
    }

    /// All contexts of a device fold the same log to the same state.
    fn check_folds(&self) -> Result<(), String> {
        for device in &self.devices {
            let contexts: Vec<Context> = device.contexts.borrow().iter().flatten().cloned().collect();
            let owned = Rc::clone(device);
            let same = self.executor.finish(SERVER, async move {
                let fresh = owned.open().await.map_err(|error| error.to_string())?;
                let tables: Vec<Id> = TABLES.iter().map(|&table| table.into()).collect();
                let mut all = contexts;
                all.push(fresh);
                // Others go on writing meanwhile, so the heads may differ; at the same head all is the same.
                let mut folds: BTreeMap<u64, String> = BTreeMap::new();
                for context in &all {
                    context.load_tables(&tables).await.map_err(|error| error.to_string())?;
                    context.catch_up().await.map_err(|error| error.to_string())?;
                    let state = context.state();
                    let export = state.export();
                    let known = folds.entry(state.head.key).or_insert_with(|| export.clone());
                    if *known != export {
                        return Err(format!("two folds of one log differ: {}", difference(known, &export)));
                    }
                }
                Ok(())
            });
            same.unwrap_or_else(|| Err("a context never caught up".into()))
                .map_err(|what| format!("{}: {what}", device.name))?;
        }
        Ok(())
    }

    /// Faults stop; people decide what is parked; everybody syncs until all agree.
    fn heal(&self) -> Result<(), String> {
        self.healed.set(true);
        self.offline.iter().for_each(|offline| offline.set(false));
        for device in &self.devices {
            for slot in 0..2 {
                device.crash(slot);
                device.forget_unfinished(slot);
            }
            device.log.clear_faults();
        }
        self.executor.run_until_ms(self.executor.time.now_ms() + 60_000);
        let mut last = String::new();
        for _ in 0..ROUNDS_TO_AGREE {
            for device in &self.devices {
                let (device, dice) = (Rc::clone(device), Rc::clone(&self.dice));
                let owner = device.owner(0);
                let synced =
                    self.executor.finish(owner, async move { sync_and_decide(&device, &dice).await });
                synced.unwrap_or_else(|| Err("a pass never ended".into()))?;
            }
            match self.check_agreement() {
                Ok(()) => return self.check_promises(),
                Err(difference) => last = difference,
            }
        }
        Err(format!("after healing they do not agree: {last}"))
    }

    fn server_records(&self) -> Result<Vec<Record>, String> {
        let server = Rc::clone(&self.server);
        let records = self.executor.finish(SERVER, async move {
            let tables = TABLES.iter().map(|&table| table.to_owned()).collect();
            let query =
                ChangesQuery { tenant: "acme".into(), tables, after: After::Seq(0), limit: 1_000_000 };
            server.store.changes(query).await.map(|changes| changes.records)
        });
        records.ok_or("the server did not answer")?.map_err(|error| error.to_string())
    }

    fn check_agreement(&self) -> Result<(), String> {
        let records = self.server_records()?;
        let truth: BTreeMap<(String, String), Value> = records
            .iter()
            .filter(|record| !record.deleted)
            .map(|record| ((record.table.clone(), record.id.clone()), Value::Object(record.data.clone())))
            .collect();
        for device in &self.devices {
            let owned = Rc::clone(device);
            let held = self.executor.finish(device.owner(1), async move {
                let context = owned.open().await.map_err(|error| error.to_string())?;
                let tables: Vec<Id> = TABLES.iter().map(|&table| table.into()).collect();
                context.load_tables(&tables).await.map_err(|error| error.to_string())?;
                let state = context.state();
                if let Some(mutation) = state.outbox.iter().next() {
                    return Err(format!("still in the outbox: {mutation:?}"));
                }
                let mut held = BTreeMap::new();
                for table in TABLES {
                    for (id, record) in
                        state.table(table).into_iter().flat_map(landfall_core::table::Table::iter)
                    {
                        if !record.deleted {
                            held.insert((table.to_owned(), id.to_string()), record.data.clone());
                        }
                    }
                }
                Ok(held)
            });
            let held = held
                .unwrap_or_else(|| Err("a context never opened".into()))
                .map_err(|what| format!("{}: {what}", device.name))?;
            if held != truth {
                let missing: Vec<_> =
                    truth.iter().filter(|(key, data)| held.get(key) != Some(data)).collect();
                let extra: Vec<_> = held.iter().filter(|(key, data)| truth.get(key) != Some(data)).collect();
                return Err(format!("{} differs: server has {missing:?}, it has {extra:?}", device.name));
            }
        }
        Ok(())
    }

    /// What was acknowledged is there, once, with the last acknowledged value.
    fn check_promises(&self) -> Result<(), String> {
        let records = self.server_records()?;
        let mut created: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
        for record in &records {
            if let Some(id) = &record.created_as {
                created.entry(id).or_default().push(record);
            }
        }
        if let Some((id, twice)) = created.iter().find(|(_, records)| records.len() > 1) {
            return Err(format!("{id} was created {} times", twice.len()));
        }
        for device in &self.devices {
            for (id, expected) in device.expected.borrow().iter() {
                let record = created.get(id.as_str()).and_then(|records| records.first());
                let alive = record.filter(|record| !record.deleted);
                let field = if expected.table == "folders" { "name" } else { "text" };
                match alive {
                    Some(_) if expected.deleted => return Err(format!("{id} was deleted and is there")),
                    None if !expected.deleted && !expected.perhaps_deleted => {
                        return Err(format!("{}: {id} was acknowledged and is lost", device.name));
                    }
                    Some(record) => {
                        let text = record.data.get(field).and_then(Value::as_str).unwrap_or_default();
                        if !expected.text.iter().any(|possible| possible == text) {
                            return Err(format!("{id} should say {:?} and says `{text}`", expected.text));
                        }
                    }
                    None => {}
                }
            }
        }
        Ok(())
    }
}

/// The lines that only one of two texts has.
fn difference(one: &str, other: &str) -> String {
    let only = |a: &str, b: &str| -> Vec<String> {
        let known: std::collections::BTreeSet<&str> = b.lines().collect();
        a.lines().filter(|line| !known.contains(line)).map(ToOwned::to_owned).collect()
    };
    format!("\n{}\n---\n{}", only(one, other).join("\n"), only(other, one).join("\n"))
}

/// What a user or a timer does in one context.
async fn act(device: &Device, context: &Context, slot: usize, action: u64, text: String, dice: &Dice) {
    match action {
        0 | 1 => device.create_own(context, "folders", json!({ "name": text }), text).await,
        2..=4 => {
            let Some(folder) = device.pick_own("folders") else { return };
            let data = json!({ "folder_id": folder, "text": text });
            device.create_own(context, "notes", data, text).await;
        }
        5 | 6 => {
            let table = if dice.one_in(3) { "folders" } else { "notes" };
            let Some(id) = device.pick_own(table) else { return };
            device.begin(slot, &id);
            // Refused only where a crash left its deletion in doubt, or there is no room.
            let _ = device.update_own(context, &id, text).await;
            device.end(slot, &id);
        }
        7 => {
            let table = if dice.one_in(3) { "folders" } else { "notes" };
            let Some(id) = device.pick_own(table) else { return };
            device.begin(slot, &id);
            device.delete_own(context, &id).await;
            device.end(slot, &id);
        }
        8 => {
            let records = vec![json!({ "title": text })];
            let command = Command::Create {
                table: "tasks".into(),
                records,
                is_list: false,
                options: WriteOptions::default(),
            };
            let _ = context.submit(command, Durability::Relaxed).await;
        }
        9 | 10 => {
            if context.load_tables(&["tasks".into()]).await.is_err() {
                return;
            }
            let live: Vec<Id> = context
                .state()
                .table("tasks")
                .map(|table| {
                    table.iter().filter(|(_, task)| !task.deleted).map(|(id, _)| id.clone()).collect()
                })
                .unwrap_or_default();
            let Some(id) = dice.pick(&live).cloned() else { return };
            let table: Id = "tasks".into();
            let command = if dice.one_in(6) {
                Command::Delete { table, id, options: WriteOptions::default() }
            } else {
                let changes = json!({ "status": text });
                Command::Update { table, id, changes, unset: Vec::new(), options: WriteOptions::default() }
            };
            let _ = context.submit(command, Durability::Relaxed).await;
        }
        11 => {
            let _ = context.compact().await;
        }
        12 => {
            let _ = context.catch_up().await;
        }
        13 => {
            context.pass_now().await;
        }
        _ => {
            context.pass().await;
        }
    }
}

/// A pass, and a person's decision about everything that is parked.
async fn sync_and_decide(device: &Device, dice: &Dice) -> Result<(), String> {
    let context = device.open().await.map_err(|error| error.to_string())?;
    context.pass_now().await;
    let parked: Vec<Id> = {
        let state = context.state();
        state.outbox.iter().filter(|m| m.state.is_parked()).map(|m| m.id.clone()).collect()
    };
    for mutation in parked {
        let deleted = {
            let state = context.state();
            let found = state.outbox.get(&mutation);
            found.is_some_and(|m| {
                state.base(&m.table, &m.record_id).and_then(|b| b.newest()).is_some_and(|c| c.deleted)
            })
        };
        let command = if deleted || dice.one_in(2) {
            Command::Discard { mutation: mutation.clone(), cascade: false }
        } else {
            Command::Retry { mutation: mutation.clone(), changes: None, unset: Vec::new() }
        };
        // A mutation that others build on is decided after them.
        let _ = context.submit(command, Durability::Relaxed).await;
    }
    if dice.one_in(4) {
        context.compact().await.map_err(|error| error.to_string())?;
    }
    Ok(())
}
