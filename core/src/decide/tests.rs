//! Whatever is folded together, sent, lost and sent again: in the end the server has what it would have if each write had
//! been sent by itself, in the order of writing.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

use super::{Answer, Command, Done, WriteOptions, Writer, decide, draft::Draft, mint::Mint};
use crate::{
    error::Error,
    ids::is_temporary,
    log::entry::{Id, Operation},
    outbox::{Wanted, next_batch},
    protocol::{Applied, OperationResult, Outcome},
    schema::{OnDelete, Schema},
    state::State,
};

const TABLES: [&str; 3] = ["projects", "steps", "tasks"];

fn schema() -> Rc<Schema> {
    let document = json!({ "version": 1, "tables": {
        "projects": { "fields": { "name": "string", "notes": "string?" } },
        "steps": { "fields": { "parent": "string", "name": "string", "notes": "string?" },
                   "references": { "parent": { "table": "projects", "onDelete": "refuse" } } },
        "tasks": { "fields": { "parent": "string", "name": "string", "notes": "string?" },
                   "references": { "parent": { "table": "steps", "onDelete": "cascade" } },
                   "priority": { "default": "low", "fields": { "notes": "high" } } } } });
    Rc::new(Schema::parse(&document).unwrap())
}

fn parent_table(table: &str) -> Option<&'static str> {
    match table {
        "steps" => Some("projects"),
        "tasks" => Some("steps"),
        _ => None,
    }
}

/// One device: the decisions and the fold, and nothing else.
struct Device {
    state: State<Value>,
    commands: u64,
}

impl Device {
    fn new() -> Self {
        let mut state = State::new(schema());
        for table in TABLES {
            state.hold_table(table, Vec::new());
        }
        Self { state, commands: 0 }
    }

    fn submit(&mut self, command: &Command<Value>) -> Result<Done, Error> {
        self.commands += 1;
        let mint = Mint {
            now_ms: 1_760_000_000_000 + self.commands,
            seed: [7, self.commands],
            session: 0,
            offset: None,
            first: 0,
        };
        let writer = Writer { principal: "u".into(), schema_version: 1, functions: std::rc::Rc::new(()) };
        let mut draft = Draft::new(&self.state);
        let done = decide(&mut draft, command, mint, &writer)?;
        let changes = draft.into_changes();
        self.state.apply(changes, &mut ());
        Ok(done)
    }

    /// Its living records, by the id that each has now.
    fn records(&self) -> Records {
        let tables = TABLES.iter().flat_map(|table| {
            let rows = self.state.table(table).unwrap().iter().filter(|(_, record)| !record.deleted);
            rows.map(|(id, record)| (((*table).to_owned(), id.to_string()), record.data.clone()))
        });
        tables.collect()
    }
}

type Records = BTreeMap<(String, String), Value>;

/// Sets and removes fields.
fn patch(data: &mut Value, changes: &Value, unset: &[String]) {
    let fields = data.as_object_mut().unwrap();
    fields.extend(changes.as_object().unwrap().clone());
    fields.retain(|field, _| !unset.contains(field));
}

/// A server that does what it is asked, in order and once, and finds fault with what a server would refuse.
#[derive(Default)]
struct Server {
    records: BTreeMap<(String, String), (u64, Value)>,
    ids: BTreeMap<String, String>,
    answers: BTreeMap<String, Applied<Value>>,
}

impl Server {
    fn resolve(&self, id: &str) -> String {
        self.ids.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }

    fn apply(&mut self, operation: &crate::log::entry::Mutation<Value>) -> Applied<Value> {
        if let Some(answer) = self.answers.get(&*operation.id) {
            return answer.clone();
        }
        let table = operation.table.to_string();
        let mut data = operation.data.clone();
        if let Some(parent) = data.get("parent").and_then(Value::as_str).map(|id| self.resolve(id)) {
            let at = (parent_table(&table).unwrap().to_owned(), parent.clone());
            assert!(
                self.records.contains_key(&at),
                "{operation:?} comes before its parent, or after its end"
            );
            data["parent"] = parent.into();
        }
        let (id, version) = match operation.operation {
            Operation::Create => {
                let id = (self.ids.len() + 1).to_string();
                self.ids.insert(operation.record_id.to_string(), id.clone());
                self.records.insert((table, id.clone()), (1, data));
                (id, 1)
            }
            Operation::Update => {
                let id = self.resolve(&operation.record_id);
                let (version, record) = self.records.get_mut(&(table, id.clone())).unwrap();
                let base = operation.base_version.unwrap_or(1);
                assert_eq!(base, *version, "{operation:?} builds on another version");
                *version += 1;
                patch(record, &data, &operation.unset);
                (id, *version)
            }
            Operation::Delete => {
                let id = self.resolve(&operation.record_id);
                let children = |(of, record): (&(String, String), &(u64, Value))| {
                    parent_table(&of.0) == Some(&table) && record.1["parent"] == *id
                };
                assert!(!self.records.iter().any(children), "{operation:?} leaves children behind");
                let (version, _) = self.records.remove(&(table, id.clone())).unwrap();
                assert_eq!(operation.base_version.unwrap_or(1), version, "{operation:?}");
                (id, version + 1)
            }
        };
        let applied = Applied { record_id: id, version, updated_at: 5, record: None };
        self.answers.insert(operation.id.to_string(), applied.clone());
        applied
    }
}

/// What each write does by itself.
#[derive(Default)]
struct Plain {
    /// By the id of birth.
    records: Records,
}

impl Plain {
    fn children(&self, table: &str, id: &str) -> Vec<(String, String)> {
        let is_child = |(of, record): &(&(String, String), &Value)| {
            parent_table(&of.0) == Some(table) && record["parent"] == *id
        };
        self.records.iter().filter(is_child).map(|(key, _)| key.clone()).collect()
    }

    /// Deletes a record and its children; `false`, and nothing is done, where one of them refuses.
    fn delete(&mut self, table: &str, id: &str) -> bool {
        let schema = schema();
        let rules: BTreeMap<&str, OnDelete> =
            schema.children_of(table).map(|(child, _, on_delete)| (child, on_delete)).collect();
        let children = self.children(table, id);
        if children.iter().any(|(child, _)| rules[child.as_str()] == OnDelete::Refuse) {
            return false;
        }
        for (table, id) in children {
            self.delete(&table, &id);
        }
        self.records.remove(&(table.to_owned(), id.to_owned()));
        true
    }

    /// With every id as the device has it now.
    fn seen_by(&self, device: &Device) -> Records {
        let now = |id: &str| device.state.resolve(&id.into()).to_string();
        let seen = self.records.iter().map(|((table, id), data)| {
            let mut data = data.clone();
            if let Some(parent) = data.get("parent").and_then(Value::as_str).map(now) {
                data["parent"] = parent.into();
            }
            ((table.clone(), now(id)), data)
        });
        seen.collect()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Create {
        table: usize,
        parent: Index,
        name: u8,
    },
    Change {
        which: Index,
        name: Option<u8>,
        notes: Option<u8>,
        unset: bool,
    },
    Move {
        which: Index,
        parent: Index,
    },
    Delete {
        which: Index,
    },
    /// A request: how much of the answer comes back.
    Send {
        limit: usize,
        heard: u8,
    },
    /// A person gives up a mutation that was never sent, if that is all there is of its record.
    After {
        which: Index,
        on: Index,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let create = (0..3_usize, any::<Index>(), any::<u8>()).prop_map(|(table, parent, name)| Step::Create {
        table,
        parent,
        name,
    });
    let change = (any::<Index>(), any::<Option<u8>>(), any::<Option<u8>>(), any::<bool>())
        .prop_map(|(which, name, notes, unset)| Step::Change { which, name, notes, unset });
    let moves = (any::<Index>(), any::<Index>()).prop_map(|(which, parent)| Step::Move { which, parent });
    let delete = any::<Index>().prop_map(|which| Step::Delete { which });
    let send = (1..6_usize, any::<u8>()).prop_map(|(limit, heard)| Step::Send { limit, heard });
    let after = (any::<Index>(), any::<Index>()).prop_map(|(which, on)| Step::After { which, on });
    let step = prop_oneof![5 => create, 6 => change, 2 => moves, 2 => delete, 4 => send, 1 => after];
    prop::collection::vec(step, 0..50)
}

struct Run {
    device: Device,
    server: Server,
    plain: Plain,
}

impl Run {
    /// One of the living records of a table, or of any, by its id of birth.
    fn pick(&self, table: Option<&str>, which: Index) -> Option<(String, String)> {
        let all = self.plain.records.keys().filter(|key| table.is_none_or(|table| key.0 == table));
        let all: Vec<_> = all.cloned().collect();
        (!all.is_empty()).then(|| all[which.index(all.len())].clone())
    }

    fn step(&mut self, step: &Step) {
        let options = WriteOptions::default();
        match *step {
            Step::Create { table, parent, name } => {
                let table = TABLES[table];
                let mut data = json!({ "name": format!("n{name}") });
                if let Some(of) = parent_table(table) {
                    let Some((_, parent)) = self.pick(Some(of), parent) else { return };
                    data["parent"] = parent.into();
                }
                let records = vec![data.clone()];
                let command = Command::Create { table: table.into(), records, is_list: false, options };
                let Ok(Done::Written(ids)) = self.device.submit(&command) else {
                    panic!("{data} was refused")
                };
                self.plain.records.insert((table.to_owned(), ids[0].to_string()), data);
            }
            Step::Change { which, name, notes, unset } => {
                let Some((table, id)) = self.pick(None, which) else { return };
                let mut changes = json!({});
                if let Some(name) = name {
                    changes["name"] = format!("n{name}").into();
                }
                match notes {
                    Some(notes) if !unset => changes["notes"] = format!("n{notes}").into(),
                    _ => {}
                }
                let unset = if unset { vec!["notes".to_owned()] } else { Vec::new() };
                self.update(&table, &id, &changes, &unset, options);
            }
            Step::Move { which, parent } => {
                let Some((table, id)) = self.pick(None, which) else { return };
                let Some((_, parent)) = parent_table(&table).and_then(|of| self.pick(Some(of), parent))
                else {
                    return;
                };
                self.update(&table, &id, &json!({ "parent": parent }), &[], options);
            }
            Step::Delete { which } => {
                let Some((table, id)) = self.pick(None, which) else { return };
                let command =
                    Command::Delete { table: table.as_str().into(), id: id.as_str().into(), options };
                let done = self.device.submit(&command);
                assert_eq!(done.is_ok(), self.plain.delete(&table, &id), "{done:?}");
            }
            Step::Send { limit, heard } => {
                self.send(limit, |at| heard >> at & 1 == 1);
            }
            Step::After { which, on } => {
                let queued: Vec<Id> = self.device.state.outbox.iter().map(|m| m.id.clone()).collect();
                if queued.is_empty() {
                    return;
                }
                let (mutation, on) = (&queued[which.index(queued.len())], &queued[on.index(queued.len())]);
                // Refused where it was sent already, or would close a circle.
                let command = Command::Depend { mutation: mutation.clone(), on: vec![on.clone()] };
                let _ = self.device.submit(&command);
            }
        }
        assert_eq!(self.device.records(), self.plain.seen_by(&self.device), "what the device shows");
    }

    fn update(&mut self, table: &str, id: &str, changes: &Value, unset: &[String], options: WriteOptions) {
        let command = Command::Update {
            table: table.into(),
            id: id.into(),
            changes: changes.clone(),
            unset: unset.to_owned(),
            options,
        };
        self.device.submit(&command).unwrap();
        patch(self.plain.records.get_mut(&(table.to_owned(), id.to_owned())).unwrap(), changes, unset);
    }

    /// A request, and that part of its answer which is heard; whether there was anything to send.
    fn send(&mut self, limit: usize, heard: impl Fn(usize) -> bool) -> bool {
        let wanted =
            Wanted { principal: "u", now_ms: 2_000_000_000_000, limit, one_table: false, schema: None };
        let batch = next_batch(&self.device.state.outbox, &wanted).mutations;
        if batch.is_empty() {
            return false;
        }
        let Ok(Done::Marked(marked)) = self.device.submit(&Command::Send { mutations: batch }) else {
            panic!("nothing is marked")
        };
        let records: BTreeSet<_> =
            marked.iter().map(|id| self.device.state.outbox.get(id).unwrap().record_id.clone()).collect();
        assert_eq!(records.len(), marked.len(), "one unanswered mutation for a record");
        let mut results = Vec::new();
        for (at, id) in marked.iter().enumerate() {
            let applied = self.server.apply(self.device.state.outbox.get(id).unwrap());
            if heard(at) {
                results.push(OperationResult::new(id.to_string(), Outcome::Applied(applied)));
            }
        }
        // In any order.
        results.reverse();
        let answer = Answer { epoch: "e".to_owned(), server_time: 9, results, beginnings: 0 };
        self.device.submit(&Command::Answer { answer }).unwrap();
        true
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_server_ends_with_what_each_write_by_itself_would_have_made(steps in steps()) {
        let mut run = Run { device: Device::new(), server: Server::default(), plain: Plain::default() };
        for step in &steps {
            run.step(step);
        }
        while run.send(50, |_| true) {}
        assert!(run.device.state.outbox.is_empty(), "{:?}", run.device.state.outbox);
        let expected = run.plain.seen_by(&run.device);
        let server: Records = run.server.records.iter().map(|(key, (_, data))| (key.clone(), data.clone())).collect();
        assert_eq!(server, expected);
        assert_eq!(run.device.records(), expected);
        for ((_, id), data) in &expected {
            assert!(!is_temporary(id) && !data["parent"].as_str().is_some_and(is_temporary), "{id} {data}");
        }
        assert_eq!(run.device.state.export().lines().filter(|line| line.starts_with("base ")).count(), 0);
    }
}
