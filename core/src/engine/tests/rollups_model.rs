//! Roll-ups against the plainest model: whatever happens, after every entry and in every context, each equals what
//! counting its children by hand gives.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    passes::{answer, page},
    *,
};
use crate::{
    engine::load::valid_after,
    hierarchy::integrity,
    log::entry::{Id, Record},
    ports::Log,
    protocol::{
        Applied, DeletionReason, DeletionRow, EntityRow, OperationKind, OperationResult, Outcome, Rejection,
        Theirs,
    },
    schema::RollupKind,
    sorted::SortedMap,
    state::State,
};

const TABLES: [&str; 3] = ["phases", "steps", "tasks"];

fn forest() -> Rc<Schema> {
    let mut document = super::rollups::document();
    let tables = &mut document["tables"];
    tables["phases"]["fields"]["total"] = json!("number?");
    tables["phases"]["rollups"]["total"]["write"] = json!(true);
    // Steps follow each other too: a table that counts its own.
    tables["steps"]["fields"]["before"] = json!("string?");
    tables["steps"]["references"]["before"] = json!({ "table": "steps", "onDelete": "cascade" });
    tables["steps"]["rollups"]["later"] = json!({ "count": "steps", "by": "before" });
    Rc::new(Schema::parse(&document).unwrap())
}

type Place = (String, String);

/// What a server has and how it answers, by the dice.
struct Server {
    dice: Rc<Dice>,
    records: BTreeMap<Place, EntityRow<Value>>,
    deleted: BTreeMap<Place, DeletionRow>,
    changes: Vec<Place>,
    created_as: BTreeMap<String, String>,
    answered: BTreeMap<String, OperationResult<Value>>,
    full_pulls: u64,
    /// No other device writes, and no tombstone is purged: what happens, this device did.
    alone: bool,
}

impl Server {
    fn put(&mut self, table: &str, id: &str, created_as: Option<String>, data: Value) -> u64 {
        let place = (table.to_owned(), id.to_owned());
        let version = self.records.get(&place).map_or(1, |row| row.version + 1);
        let created_as =
            created_as.or_else(|| self.records.get(&place).and_then(|row| row.created_as.clone()));
        let row =
            EntityRow { table: table.into(), id: id.into(), version, updated_at: version, created_as, data };
        self.records.insert(place.clone(), row);
        self.changes.push(place);
        version
    }

    fn delete(&mut self, table: &str, id: &str) -> Option<u64> {
        let row = self.records.remove(&(table.to_owned(), id.to_owned()))?;
        for (child, field, _) in forest().children_of(table) {
            let refers = |row: &&EntityRow<Value>| row.table == child && row.data[field] == id;
            let children: Vec<String> =
                self.records.values().filter(refers).map(|row| row.id.clone()).collect();
            for id in children {
                self.delete(child, &id);
            }
        }
        let place = (table.to_owned(), id.to_owned());
        let deletion = DeletionRow {
            table: row.table,
            id: row.id,
            version: row.version + 1,
            deleted_at: row.version + 1,
            created_as: row.created_as,
            reason: DeletionReason::Deleted,
        };
        self.deleted.insert(place.clone(), deletion);
        self.changes.push(place);
        Some(row.version + 1)
    }

    fn apply(&mut self, operation: &crate::protocol::Operation<Value>) -> Outcome<Value> {
        let id = self.created_as.get(&operation.record_id).unwrap_or(&operation.record_id).clone();
        let mut data = operation.data.clone().unwrap_or_else(|| json!({}));
        let rejected =
            || Outcome::Rejected(Rejection { code: "no".into(), message: "no".into(), field: None });
        for (field, reference) in &forest().tables[&operation.table].references {
            let Some(parent) = data[field].as_str() else { continue };
            let parent = self.created_as.get(parent).cloned().unwrap_or_else(|| parent.to_owned());
            if !self.records.contains_key(&(reference.table.clone(), parent.clone())) {
                return rejected();
            }
            data[field] = json!(parent);
        }
        let (record_id, version) = match operation.operation {
            _ if self.dice.roll(12) == 0 => return rejected(),
            OperationKind::Create => {
                let id = format!("{}", 1_000 + self.changes.len());
                self.created_as.insert(operation.record_id.clone(), id.clone());
                let version = self.put(&operation.table, &id, Some(operation.record_id.clone()), data);
                (id, version)
            }
            OperationKind::Update | OperationKind::Delete => {
                let place = (operation.table.clone(), id.clone());
                if let Some(gone) = self.deleted.get(&place) {
                    return Outcome::Conflict(Theirs::Deletion(gone.clone()));
                }
                let Some(row) = self.records.get(&place).cloned() else { return rejected() };
                if operation.base_version != Some(row.version) {
                    return Outcome::Conflict(Theirs::Record(row));
                }
                let patched = crate::body::Body::patched(&row.data, &data, &operation.unset);
                let version = match operation.operation {
                    OperationKind::Delete => self.delete(&operation.table, &id).unwrap_or_default(),
                    _ => self.put(&operation.table, &id, None, patched),
                };
                (id, version)
            }
            OperationKind::Withdraw => return rejected(),
        };
        Outcome::Applied(Applied { record_id, version, updated_at: version, record: None })
    }

    fn push(&mut self, upload: &Upload<Value>) -> Result<UploadAnswer<Value>, RemoteError> {
        if self.dice.roll(8) == 0 {
            return Err(RemoteError::Network("lost on the way".into()));
        }
        let mut results = Vec::new();
        for operation in &upload.operations {
            let result = match self.answered.get(&operation.id) {
                Some(known) => known.clone(),
                None => OperationResult::new(operation.id.clone(), self.apply(operation)),
            };
            self.answered.insert(operation.id.clone(), result.clone());
            results.push(result);
        }
        if self.dice.roll(6) == 0 {
            return Err(RemoteError::Network("lost on the way back".into()));
        }
        Ok(answer(results))
    }

    fn pull(&mut self, download: &Download) -> Result<Page<Value>, RemoteError> {
        let from = download.cursor.as_ref().map_or(0, |cursor| cursor.parse().unwrap());
        if from > 0 && !self.alone && self.dice.roll(10) == 0 {
            // Its tombstones are purged, and some records are none of this device's business any more.
            self.full_pulls += 1;
            self.deleted.clear();
            return Err(RemoteError::Refused {
                status: 410,
                code: "cursor-expired".into(),
                message: "pull in full".into(),
                retry_after_ms: None,
            });
        }
        let to = (from + 1 + usize::try_from(self.dice.roll(20)).unwrap()).min(self.changes.len());
        let changed: BTreeSet<&Place> = self.changes[from..to].iter().collect();
        let entities = changed.iter().filter_map(|place| self.records.get(place)).cloned().collect();
        let deletions = changed.iter().filter_map(|place| self.deleted.get(place)).cloned().collect();
        let mut page = page(entities, deletions, &to.to_string());
        page.has_more = to < self.changes.len();
        Ok(page)
    }

    /// Somebody else's device at work.
    fn others(&mut self) {
        if self.alone {
            return;
        }
        let dice = Rc::clone(&self.dice);
        let any =
            |rows: Vec<&EntityRow<Value>>| pick(&dice, &rows).map(|row| (row.id.clone(), row.data.clone()));
        let id = format!("{}", 1_000 + self.changes.len());
        let of = |server: &Self, table: &str| {
            any(server.records.values().filter(|row| row.table == table).collect())
        };
        match dice.roll(6) {
            0 => drop(self.put("phases", &id, None, json!({ "name": "theirs", "total": dice.roll(9) }))),
            1 => {
                let Some((phase, _)) = of(self, "phases") else { return };
                // What a server keeps of a roll-up itself is overridden.
                let data =
                    json!({ "name": "theirs", "phase_id": phase, "task_count": 77, "progress": "much" });
                self.put("steps", &id, None, data);
            }
            2 | 3 => {
                let Some((step, _)) = of(self, "steps") else { return };
                let old = of(self, "tasks").filter(|_| dice.roll(2) == 0);
                let (id, _) = old.unwrap_or((id, json!({})));
                self.put("tasks", &id, None, task(&dice, &step));
            }
            4 => {
                let Some((id, _)) = of(self, "tasks") else { return };
                self.delete("tasks", &id);
            }
            _ => {
                let table = TABLES[usize::try_from(dice.roll(2)).unwrap()];
                let Some((id, _)) = of(self, table).filter(|_| dice.roll(3) == 0) else { return };
                self.delete(table, &id);
            }
        }
    }
}

fn pick<'a, T>(dice: &Dice, list: &'a [T]) -> Option<&'a T> {
    (!list.is_empty()).then(|| &list[usize::try_from(dice.roll(list.len() as u64)).unwrap()])
}

fn task(dice: &Dice, step: &str) -> Value {
    let status =
        ["not_started", "in_progress", "completed", "completed"][usize::try_from(dice.roll(4)).unwrap()];
    // Thirds and sevenths do not add up the same in every order.
    let progress = [json!(null), json!(1.0 / 3.0), json!(100.0 / 7.0), json!(1e17)];
    let due = ["2026-01-01", "2026-02-02"][usize::try_from(dice.roll(2)).unwrap()];
    json!({ "step_id": step, "title": "t", "status": status, "due": due, "progress": progress[usize::try_from(dice.roll(4)).unwrap()] })
}

/// A roll-up by hand, from the children in the order of their ids.
fn by_hand(kind: &RollupKind, only: &SortedMap<String, Vec<Value>>, children: &[&Value]) -> Value {
    let meets = |child: &Value| {
        only.iter().all(|(field, values)| values.contains(child.get(field).unwrap_or(&Value::Null)))
    };
    let met: Vec<&&Value> = children.iter().filter(|child| meets(child)).collect();
    let numbers = |of: &str| met.iter().filter_map(|child| child[of].as_f64()).collect::<Vec<f64>>();
    let texts =
        |of: &str| met.iter().filter_map(|child| child[of].as_str()).map(str::to_owned).collect::<Vec<_>>();
    let count = |length: usize| f64::from(u32::try_from(length).unwrap());
    match kind {
        RollupKind::Count => json!(count(met.len())),
        RollupKind::All => json!(!children.is_empty() && met.len() == children.len()),
        RollupKind::Sum { of } => json!(numbers(of).iter().fold(0.0, |sum, n| sum + n)),
        RollupKind::Average { of } if numbers(of).is_empty() => Value::Null,
        RollupKind::Average { of } => {
            json!(numbers(of).iter().fold(0.0, |sum, n| sum + n) / count(numbers(of).len()))
        }
        RollupKind::Min { of } => json!(texts(of).iter().min()),
        RollupKind::Max { of } => json!(texts(of).iter().max()),
    }
}

/// Says which roll-up of a state is not what counting by hand gives.
fn check(state: &State<Value>, when: &str) {
    let live = |table: &str| -> Vec<(Id, Record<Value>)> {
        let rows = state.table(table).unwrap().iter().filter(|(_, record)| !record.deleted);
        rows.map(|(id, record)| (id.clone(), record.clone())).collect()
    };
    for (name, table) in &state.schema().tables {
        for (id, record) in live(name) {
            for (rollup, derived) in &table.rollups {
                let children = live(&derived.child);
                let children: Vec<&Value> = children
                    .iter()
                    .filter(|(_, child)| child.data[&derived.by] == json!(&*id))
                    .map(|(_, child)| &child.data)
                    .collect();
                let expected = by_hand(&derived.kind, &derived.only, &children);
                let held = record.data.get(rollup);
                let same = match held.and_then(Value::as_f64) {
                    Some(number) => Some(number) == expected.as_f64(),
                    None => held == Some(&expected),
                };
                assert!(same, "{when}: {name} {id}: {rollup} is {held:?} and should be {expected}");
            }
        }
    }
    for mutation in state.outbox.iter().filter(|mutation| &*mutation.table == "steps") {
        let known = ["name", "phase_id", "before"];
        let fields = crate::body::Body::fields(&mutation.data);
        assert!(fields.iter().all(|field| known.contains(&field.as_str())), "{when}: {fields:?} is sent");
    }
    for (name, id) in
        TABLES.iter().flat_map(|name| live(name).into_iter().map(|(id, _)| (Id::from(*name), id)))
    {
        let Some(base) = state.base(&name, &id) else { continue };
        for copy in [&base.base, &base.theirs].into_iter().flatten() {
            let derived = &state.schema().tables[&*name].rollups;
            assert!(
                derived.keys().all(|rollup| copy.data.get(rollup).is_none()),
                "{when}: a base holds {copy:?}"
            );
        }
    }
}

async fn load_all(engine: &Engine<World>) {
    engine.load_tables(&TABLES.map(Id::from)).await.unwrap();
}

/// A context that folds one entry at a time, and looks after each.
async fn follow(watcher: &Engine<World>, log: &MemoryLog<Value>, when: &str, alone: bool) -> usize {
    let check = |state: &State<Value>, when: &str| {
        check(state, when);
        let orphans = if alone { integrity::check(state).orphans } else { Vec::new() };
        assert!(orphans.is_empty(), "{when}: a write made here left {orphans:?}");
    };
    let head = watcher.state().head.clone();
    let stored = log.read(head.key).await.unwrap();
    let valid = valid_after(&head, &stored, watcher.standing).unwrap();
    if valid.gap || stored.first().is_none_or(|first| first.key != head.key) {
        watcher.catch_up().await.unwrap();
        check(&watcher.state(), when);
        return 1;
    }
    let count = valid.entries.len();
    for (position, entry) in valid.entries {
        let when = format!("{when}, entry {}", position.key);
        watcher.fold(position, entry);
        check(&watcher.state(), &when);
    }
    count
}

/// One thing that a user does, in a context that may be behind. What is refused is refused.
async fn write(engine: &Engine<World>, dice: &Dice) -> Result<(), Error> {
    let ids = |table: &str| -> Vec<String> {
        let state = engine.state();
        let rows = state.table(table).into_iter().flat_map(crate::table::Table::iter);
        rows.filter(|(_, record)| !record.deleted).map(|(id, _)| id.to_string()).collect()
    };
    let any = |table: &str| pick(dice, &ids(table)).cloned().unwrap_or_default();
    match dice.roll(14) {
        0 => create(engine, "phases", json!({ "name": "p" })).await.map(drop),
        1 => create(engine, "steps", json!({ "phase_id": any("phases"), "name": "s" })).await.map(drop),
        2 => {
            let step = json!({ "phase_id": any("phases"), "before": any("steps"), "name": "s" });
            create(engine, "steps", step).await.map(drop)
        }
        3..=5 => create(engine, "tasks", task(dice, &any("steps"))).await.map(drop),
        6 => {
            let records = (0..3).map(|_| task(dice, &any("steps"))).collect();
            let command = Command::Create {
                table: "tasks".into(),
                records,
                is_list: true,
                options: WriteOptions::default(),
            };
            engine.submit(command, Durability::Relaxed).await.map(drop)
        }
        7 | 8 => update(engine, "tasks", &any("tasks"), task(dice, &any("steps"))).await,
        9 => {
            update(engine, "steps", &any("steps"), json!({ "phase_id": any("phases"), "name": "moved" }))
                .await
        }
        10 => delete(engine, "tasks", &any("tasks")).await,
        11 => {
            let table = TABLES[usize::try_from(dice.roll(2)).unwrap()];
            if dice.roll(3) == 0 { delete(engine, table, &any(table)).await } else { Ok(()) }
        }
        _ => {
            let ids: Vec<Id> = engine.state().outbox.iter().map(|mutation| mutation.id.clone()).collect();
            let Some(mutation) = pick(dice, &ids).cloned() else { return Ok(()) };
            let command = match dice.roll(3) {
                0 => Command::Discard { mutation, cascade: dice.roll(2) == 0 },
                1 => Command::Retry { mutation, changes: None, unset: Vec::new() },
                _ => Command::Retry { mutation, changes: Some(task(dice, &any("steps"))), unset: Vec::new() },
            };
            engine.submit(command, Durability::Relaxed).await.map(drop)
        }
    }
}

#[test]
fn after_every_entry_each_equals_counting_by_hand_and_no_write_leaves_an_orphan() {
    let (mut entries, mut full_pulls) = (0, 0);
    for seed in 0..20 {
        run(async {
            let (dice, log, script) = (Dice::new(seed), MemoryLog::default(), Rc::<Script>::default());
            let server = Rc::new(RefCell::new(Server {
                dice: Rc::clone(&dice),
                records: BTreeMap::new(),
                deleted: BTreeMap::new(),
                changes: Vec::new(),
                created_as: BTreeMap::new(),
                answered: BTreeMap::new(),
                full_pulls: 0,
                alone: seed % 4 == 0,
            }));
            let open = || open_with(forest(), &log, &script, &dice);
            let mut contexts = [open().await, open().await];
            let watcher = open().await;
            load_all(&watcher).await;
            for step in 0..120 {
                let when = format!("seed {seed}, step {step}");
                let engine = Rc::clone(pick(&dice, &contexts).unwrap());
                match dice.roll(16) {
                    0..=2 => server.borrow_mut().others(),
                    3 | 4 => {
                        for _ in 0..200 {
                            let (push, pull) = (Rc::clone(&server), Rc::clone(&server));
                            let push = move |upload: Upload<Value>| push.borrow_mut().push(&upload);
                            script.pushes.borrow_mut().push_back(Box::new(push));
                            let pull = move |download: Download| pull.borrow_mut().pull(&download);
                            script.pulls.borrow_mut().push_back(Box::new(pull));
                        }
                        engine.pass_now().await;
                        script.pushes.borrow_mut().clear();
                        script.pulls.borrow_mut().clear();
                    }
                    5 if dice.roll(3) == 0 => {
                        entries += follow(&watcher, &log, &when, seed % 4 == 0).await;
                        engine.compact().await.unwrap();
                    }
                    6 if dice.roll(3) == 0 => {
                        let place = usize::try_from(dice.roll(2)).unwrap();
                        contexts[place] = open().await;
                    }
                    _ => drop(write(&engine, &dice).await),
                }
                entries += follow(&watcher, &log, &when, seed % 4 == 0).await;
                for engine in &contexts {
                    if dice.roll(4) == 0 {
                        load_all(engine).await;
                        check(&engine.state(), &format!("{when}, behind"));
                        engine.catch_up().await.unwrap();
                        check(&engine.state(), &when);
                    }
                }
            }
            let fresh = open().await;
            load_all(&fresh).await;
            for engine in contexts.iter().chain([&watcher]) {
                load_all(engine).await;
                engine.catch_up().await.unwrap();
                assert_eq!(engine.state().export(), fresh.state().export(), "seed {seed}");
            }
            full_pulls += server.borrow().full_pulls;
        });
    }
    assert!(entries > 1_000 && full_pulls > 10, "{entries} entries, {full_pulls} full pulls");
}
