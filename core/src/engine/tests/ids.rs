//! Temporary ids and what becomes of them: whoever loads which table when, and in whatever order the answers come.

use std::collections::BTreeMap;

use proptest::{prelude::*, sample::Index};

use super::{
    passes::{Fixture, answer, applied, apply_all},
    *,
};
use crate::{
    log::entry::{Id, Operation},
    outbox::{Wanted, next_batch},
    table::Query,
};

const TABLES: [&str; 3] = ["a", "b", "c"];
const KEYS: [(&str, usize); 3] = [("x", 0), ("y", 1), ("z", 2)];

/// Every table refers to every table.
fn everything_refers_to_everything() -> Rc<Schema> {
    let references = json!({ "x": { "table": "a", "onDelete": "cascade" },
                             "y": { "table": "b", "onDelete": "cascade" },
                             "z": { "table": "c", "onDelete": "cascade" } });
    let fields = json!({ "name": "string", "x": "string?", "y": "string?", "z": "string?" });
    let table = json!({ "fields": fields, "references": references });
    let document = json!({ "version": 1, "tables": { "a": table, "b": table, "c": table } });
    Rc::new(Schema::parse(&document).unwrap())
}

#[derive(Clone, Debug)]
enum Step {
    Create {
        context: Index,
        table: usize,
        refers: [Option<Index>; 3],
    },
    Change {
        context: Index,
        which: Index,
        refers: [Option<Index>; 3],
        name: u8,
    },
    Send,
    /// The answers to what was sent, some of them, from the last to the first or the other way.
    Answer {
        heard: u16,
        backwards: bool,
    },
    Compact {
        context: Index,
    },
    Open,
    Load {
        context: Index,
        table: usize,
    },
    CatchUp {
        context: Index,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let context = any::<Index>;
    let refers = any::<[Option<Index>; 3]>;
    let create = (context(), 0..3_usize, refers()).prop_map(|(context, table, refers)| Step::Create {
        context,
        table,
        refers,
    });
    let change = (context(), any::<Index>(), refers(), any::<u8>())
        .prop_map(|(context, which, refers, name)| Step::Change { context, which, refers, name });
    let heard =
        (any::<u16>(), any::<bool>()).prop_map(|(heard, backwards)| Step::Answer { heard, backwards });
    let compact = context().prop_map(|context| Step::Compact { context });
    let load = (context(), 0..3_usize).prop_map(|(context, table)| Step::Load { context, table });
    let catch_up = context().prop_map(|context| Step::CatchUp { context });
    let step = prop_oneof![
        6 => create, 4 => change, 4 => Just(Step::Send), 4 => heard, 1 => compact, 1 => Just(Step::Open), 2 => load,
        2 => catch_up
    ];
    prop::collection::vec(step, 0..40)
}

/// A record as it was written: its table, and its fields with the ids of birth.
type Plain = BTreeMap<String, (usize, Value)>;

struct Run {
    log: MemoryLog<Value>,
    dice: Rc<Dice>,
    contexts: Vec<Rc<Engine<World>>>,
    plain: Plain,
    /// The server's ids and versions, by the id of birth.
    server: BTreeMap<String, (String, u64)>,
    births: BTreeMap<String, String>,
}

impl Run {
    async fn open(&mut self) {
        let engine =
            open_with(everything_refers_to_everything(), &self.log, &Rc::default(), &self.dice).await;
        self.contexts.push(engine);
    }

    fn context(&self, which: Index) -> Rc<Engine<World>> {
        Rc::clone(&self.contexts[which.index(self.contexts.len())])
    }

    fn fields(&self, refers: [Option<Index>; 3], name: &str) -> Value {
        let mut data = json!({ "name": name });
        for ((field, table), which) in KEYS.iter().zip(refers) {
            let there: Vec<&String> =
                self.plain.iter().filter(|(_, (of, _))| of == table).map(|(id, _)| id).collect();
            if let Some(which) = which.filter(|_| !there.is_empty()) {
                data[*field] = there[which.index(there.len())].as_str().into();
            }
        }
        data
    }

    async fn step(&mut self, step: &Step) {
        match *step {
            Step::Create { context, table, refers } => {
                let data = self.fields(refers, &format!("n{}", self.plain.len()));
                let id = create(&self.context(context), TABLES[table], data.clone()).await.unwrap();
                self.plain.insert(id, (table, data));
            }
            Step::Change { context, which, refers, name } => {
                if self.plain.is_empty() {
                    return;
                }
                let changes = self.fields(refers, &format!("c{name}"));
                let id = self.plain.keys().nth(which.index(self.plain.len())).unwrap().clone();
                let (table, data) = self.plain.get_mut(&id).unwrap();
                data.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
                let table = TABLES[*table];
                // By the id of birth, whatever the record is called by now.
                update(&self.context(context), table, &id, changes).await.unwrap();
            }
            Step::Send => {
                let engine = &self.contexts[0];
                engine.catch_up().await.unwrap();
                let wanted =
                    Wanted { principal: "u7", now_ms: u64::MAX, limit: 9, one_table: false, schema: None };
                let mutations = next_batch(&engine.state().outbox, &wanted).mutations;
                if !mutations.is_empty() {
                    engine.submit(Command::Send { mutations }, Durability::Strict).await.unwrap();
                }
            }
            Step::Answer { heard, backwards } => {
                self.answer(|at| heard >> (at % 16) & 1 == 1, backwards).await;
            }
            Step::Compact { context } => {
                self.context(context).compact().await.unwrap();
            }
            Step::Open => {
                if self.contexts.len() < 4 {
                    self.open().await;
                }
            }
            Step::Load { context, table } => {
                self.context(context).load_tables(&[TABLES[table].into()]).await.unwrap();
            }
            Step::CatchUp { context } => self.context(context).catch_up().await.unwrap(),
        }
    }

    async fn answer(&mut self, heard: impl Fn(usize) -> bool, backwards: bool) {
        let engine = Rc::clone(&self.contexts[0]);
        engine.catch_up().await.unwrap();
        let sent: Vec<_> =
            engine.state().outbox.iter().filter(|m| m.first_sent_at.is_some()).cloned().collect();
        let mut results = Vec::new();
        for (at, mutation) in sent.iter().enumerate() {
            if !heard(at) {
                continue;
            }
            let birth = match mutation.operation {
                Operation::Create => mutation.record_id.to_string(),
                _ => self.births[&*mutation.record_id].clone(),
            };
            let next = self.server.len() + 1;
            let (id, version) = self.server.entry(birth.clone()).or_insert_with(|| (format!("s{next}"), 0));
            *version += 1;
            self.births.insert(id.clone(), birth);
            results.push(applied(&mutation.id, id, *version));
        }
        if backwards {
            results.reverse();
        }
        let answer = answer(results);
        let answer = crate::decide::Answer {
            epoch: answer.epoch,
            server_time: answer.server_time,
            results: answer.results,
            beginnings: engine.state().beginnings(),
        };
        engine.submit(Command::Answer { answer }, Durability::Relaxed).await.unwrap();
    }

    /// What a context holds is what was written, under the ids that it knows; and none that it knows better.
    fn check(&self, engine: &Engine<World>) {
        let state = engine.state();
        let now = |id: &str| state.resolve(&Id::from(id)).to_string();
        for (birth, (table, data)) in &self.plain {
            let id = now(birth);
            let record = view(engine, TABLES[*table], &id).unwrap_or_else(|| panic!("{birth} is not found"));
            assert_eq!(record["name"], data["name"]);
            for (field, _) in KEYS {
                let expected = data.get(field).and_then(Value::as_str).map(now);
                assert_eq!(
                    record.get(field).and_then(Value::as_str),
                    expected.as_deref(),
                    "{field} of {birth}"
                );
            }
        }
        let text = state.export();
        for birth in self.server.keys() {
            for line in text.lines().filter(|line| !line.starts_with("mapping")) {
                assert!(!line.contains(birth.as_str()), "{birth} is {}: {line}", now(birth));
            }
        }
    }
}

async fn check(steps: Vec<Step>) {
    let mut run = Run {
        log: MemoryLog::default(),
        dice: Dice::new(11),
        contexts: Vec::new(),
        plain: Plain::new(),
        server: BTreeMap::new(),
        births: BTreeMap::new(),
    };
    run.open().await;
    for step in &steps {
        run.step(step).await;
    }
    let all: Vec<Id> = TABLES.iter().map(|&table| table.into()).collect();
    run.open().await;
    for engine in &run.contexts {
        engine.load_tables(&all).await.unwrap();
        engine.catch_up().await.unwrap();
        run.check(engine);
    }
    // Until everything is answered, and two compactions have rewritten what was written before.
    while !run.contexts[0].state().outbox.is_empty() {
        run.step(&Step::Send).await;
        run.answer(|_| true, true).await;
    }
    for _ in 0..2 {
        run.contexts[0].compact().await.unwrap();
        // So that there is something to compact again.
        let data = json!({ "name": "later" });
        let id = create(&run.contexts[0], "a", data.clone()).await.unwrap();
        run.plain.insert(id, (0, data));
    }
    run.open().await;
    let fresh = run.contexts.last().unwrap();
    fresh.load_tables(&all).await.unwrap();
    run.check(fresh);
    let text = run.log.text();
    for birth in run.server.keys() {
        assert!(!text.contains(birth.as_str()), "{birth} is still in the store");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn references_follow_in_loaded_and_unloaded_tables_and_an_old_id_finds_its_record(steps in steps()) {
        run(check(steps));
    }
}

/// What a live query would deliver now, if anything: the titles.
fn delivered(engine: &Engine<World>, watched: crate::live::SubscriptionId) -> Option<Vec<String>> {
    let state = engine.state();
    let mut live = engine.live.borrow_mut();
    live.take_dirty();
    let rows = live.refresh(watched, state.table("tasks")?)?;
    Some(rows.iter().filter_map(|row| row["title"].as_str()).map(ToOwned::to_owned).collect())
}

fn count(engine: &Engine<World>, query: &Query) -> usize {
    let state = engine.state();
    state.table("tasks").unwrap().count(&state.resolved("tasks", query)).unwrap()
}

#[test]
fn who_asks_by_an_old_parent_id_finds_the_children() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let project = create(engine, "projects", json!({ "name": "p" })).await.unwrap();
        let step = create(engine, "steps", json!({ "project_id": project, "name": "s" })).await.unwrap();
        create(engine, "tasks", json!({ "step_id": step, "title": "first" })).await.unwrap();
        let query = Query::from_json(&json!({ "index": "step_id", "equals": step })).unwrap();
        let watch = |engine: &Engine<World>| {
            let state = engine.state();
            let plan = state.table("tasks").unwrap().plan(&state.resolved("tasks", &query)).unwrap();
            engine.live.borrow_mut().subscribe("tasks".into(), plan)
        };
        let lagging = open(&fixture.log, &fixture.script, &fixture.dice).await;
        lagging.load_tables(&["tasks".into()]).await.unwrap();
        let (here, there) = (watch(engine), watch(&lagging));
        assert_eq!(delivered(engine, here).unwrap(), ["first"]);
        assert_eq!(delivered(&lagging, there).unwrap(), ["first"]);

        fixture.push(apply_all(41));
        fixture.empty_pull();
        assert_eq!(engine.pass_now().await.error, None);
        assert_ne!(*engine.state().resolve(&Id::from(&*step)), *step, "it has its server id now");
        create(engine, "tasks", json!({ "step_id": step, "title": "second" })).await.unwrap();
        assert_eq!(delivered(engine, here).unwrap().len(), 2);
        assert_eq!(count(engine, &query), 2);

        // Two compactions take the position of the other context away: it builds its state anew.
        engine.compact().await.unwrap();
        create(engine, "projects", json!({ "name": "q" })).await.unwrap();
        engine.compact().await.unwrap();
        lagging.catch_up().await.unwrap();
        assert_eq!(delivered(&lagging, there).unwrap().len(), 2);
    });
}
