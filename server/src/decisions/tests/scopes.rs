//! Scopes: what is in them, what enters and what leaves.

use std::collections::BTreeMap;

use landfall_core::protocol::{DeletionReason, Download, Page};
use landfall_core::schema::Schema;
use serde_json::{Value, json};

use super::{World, create, delete, over_every_store, temp, update};
use crate::decisions::port::Store;
use crate::decisions::{Code, Refusal, Rules, download};

over_every_store![
    what_enters_and_leaves_takes_its_children_along,
    a_change_that_decides_nothing_touches_nothing,
    a_first_pull_reports_nothing_as_gone,
    what_leaves_during_a_first_pull_is_reported,
    what_left_and_moved_on_between_two_pages_is_reported,
    by_time_everything_outside_is_reported,
    a_scope_is_bound_into_the_cursor,
    a_page_looks_through_what_is_not_in_the_scope,
    any_history_in_any_pages,
];

const TABLES: [&str; 5] = ["projects", "phases", "tasks", "notes", "tools"];

/// Two scopes: the projects of the one who asks that are under way, and phases by kind. Notes may hang on a task and on a
/// project; tools on nothing.
fn schema() -> Schema {
    let document = json!({ "version": 1,
        "scopes": {
            "mine": { "projects": { "owner": "$principal", "status": ["active", "planned"] } },
            "digging": { "phases": { "kind": "dig" } } },
        "tables": {
            "projects": { "fields": { "owner": "string", "status": "string", "title": "string?" } },
            "phases": { "fields": { "project_id": "string", "kind": "string?" },
                "references": { "project_id": { "table": "projects", "onDelete": "cascade" } } },
            "tasks": { "fields": { "phase_id": "string", "parent": "string?", "title": "string?" },
                "references": { "phase_id": { "table": "phases", "onDelete": "cascade" },
                    "parent": { "table": "tasks", "onDelete": "cascade" } } },
            "notes": { "fields": { "task_id": "string?", "project_id": "string?" },
                "references": { "task_id": { "table": "tasks", "onDelete": "cascade" },
                    "project_id": { "table": "projects", "onDelete": "cascade" } } },
            "tools": { "fields": { "name": "string" } } } });
    Schema::parse(&document).unwrap()
}

/// What a client holds that takes pages as PROTOCOL says: version and data, by table and id.
#[derive(Clone, Default)]
struct Client {
    cursor: Option<String>,
    held: BTreeMap<(String, String), (u64, Value)>,
}

impl Client {
    fn take(&mut self, page: Page<Value>) {
        for row in page.entities {
            self.held.insert((row.table, row.id), (row.version, row.data));
        }
        for row in page.deletions {
            self.held.remove(&(row.table, row.id));
        }
        self.cursor = Some(page.cursor);
    }

    fn ids(&self) -> Vec<(&str, &str)> {
        self.held.keys().map(|(table, id)| (table.as_str(), id.as_str())).collect()
    }
}

struct Scoped<S> {
    world: World<S>,
    keys: u64,
}

impl<S: Store> Scoped<S> {
    fn new(store: S) -> Self {
        let mut world = World::new(store);
        world.rules = Rules::new(Some(schema()));
        Self { world, keys: 0 }
    }

    fn key(&mut self) -> String {
        self.keys += 1;
        format!("k{}", self.keys)
    }

    async fn make(&mut self, table: &str, data: Value) -> String {
        let key = self.key();
        let id = temp(self.keys, table);
        self.world.made(create(&key, table, &id, data)).await
    }

    /// Changes a record, whatever version it has.
    async fn change(&mut self, table: &str, id: &str, data: Value) {
        let key = self.key();
        let version = self.version(table, id).await;
        self.world.made(update(&key, table, id, version, data)).await;
    }

    async fn remove(&mut self, table: &str, id: &str) {
        let key = self.key();
        let version = self.version(table, id).await;
        self.world.made(delete(&key, table, id, version)).await;
    }

    async fn version(&self, table: &str, id: &str) -> u64 {
        self.whole().await[&(table.to_owned(), id.to_owned())].0
    }

    async fn ask(&self, request: Download) -> Result<Page<Value>, Refusal> {
        download(&self.world.store, &self.world.rules, &self.world.caller, self.world.now, request).await
    }

    fn request(scope: Option<&str>, cursor: Option<String>, limit: u32) -> Download {
        Download {
            protocol: 1,
            principal: None,
            cursor,
            entity_types: TABLES.map(str::to_owned).to_vec(),
            scope: scope.map(str::to_owned),
            limit: Some(limit),
            last_sync: None,
        }
    }

    async fn page(&self, client: &Client, scope: &str, limit: u32) -> Page<Value> {
        self.ask(Self::request(Some(scope), client.cursor.clone(), limit)).await.unwrap()
    }

    /// Brings a client up to date.
    async fn pull(&self, client: &mut Client, scope: &str, limit: u32) {
        loop {
            let page = self.page(client, scope, limit).await;
            assert!(page.entities.len() + page.deletions.len() <= limit as usize);
            let has_more = page.has_more;
            client.take(page);
            if !has_more {
                return;
            }
        }
    }

    /// Everything that lives.
    async fn whole(&self) -> BTreeMap<(String, String), (u64, Value)> {
        let mut client = Client::default();
        client.take(self.ask(Self::request(None, None, 1_000)).await.unwrap());
        client.held
    }

    /// The scope's definition, read as slowly as it can be.
    async fn model(&self, scope: &str) -> BTreeMap<(String, String), (u64, Value)> {
        let whole = self.whole().await;
        let me = &self.world.caller.principal;
        let inside = |key: &(String, String)| {
            let mut reached = vec![key.clone()];
            let mut next = 0;
            while let Some((table, id)) = reached.get(next).cloned() {
                let Some((_, data)) = whole.get(&(table.clone(), id)) else { return false };
                let parents: &[(&str, &str)] = match (scope, table.as_str()) {
                    ("mine", "projects") if data["owner"] != **me || data["status"] == "done" => {
                        return false;
                    }
                    ("mine", "phases") => &[("project_id", "projects")],
                    ("mine", "notes") => &[("task_id", "tasks"), ("project_id", "projects")],
                    ("digging", "phases") if data["kind"] != "dig" => return false,
                    ("digging", "notes") => &[("task_id", "tasks")],
                    (_, "tasks") => &[("phase_id", "phases"), ("parent", "tasks")],
                    _ => &[],
                };
                for (field, table) in parents {
                    let parent = data[field].as_str().map(|id| ((*table).to_owned(), id.to_owned()));
                    reached.extend(parent.filter(|parent| !reached.contains(parent)));
                }
                next += 1;
            }
            true
        };
        whole.clone().into_iter().filter(|(key, _)| inside(key)).collect()
    }

    /// A project of this owner with a phase, two tasks (one under the other) and a note at the lower one.
    async fn project(&mut self, owner: &str) -> [String; 5] {
        let project = self.make("projects", json!({ "owner": owner, "status": "active" })).await;
        let phase = self.make("phases", json!({ "project_id": project })).await;
        let upper = self.make("tasks", json!({ "phase_id": phase })).await;
        let lower = self.make("tasks", json!({ "phase_id": phase, "parent": upper })).await;
        let note = self.make("notes", json!({ "task_id": lower })).await;
        [project, phase, upper, lower, note]
    }
}

async fn what_enters_and_leaves_takes_its_children_along<S: Store>(store: S) {
    let mut scoped = Scoped::new(store);
    let theirs = scoped.project("ben").await;
    let mine = scoped.project("ana").await;
    scoped.make("tools", json!({ "name": "spade" })).await;
    let mut clients: Vec<(u32, Client)> =
        [1, 2, 3, 4, 5, 7, 100].map(|limit| (limit, Client::default())).into();
    for (step, expected) in [6, 11, 6, 9, 6, 3, 1].into_iter().enumerate() {
        match step {
            0 => {}
            // The project enters, leaves, comes back by its phase alone, which goes again to where it was.
            1 => scoped.change("projects", &theirs[0], json!({ "owner": "ana" })).await,
            2 => scoped.change("projects", &theirs[0], json!({ "status": "done" })).await,
            3 => {
                // A note of the project itself stays out with it: the phase's branch comes, without that project.
                scoped.change("phases", &theirs[1], json!({ "project_id": mine[0] })).await;
                scoped.change("notes", &theirs[4], json!({ "project_id": theirs[0] })).await;
            }
            4 => scoped.change("phases", &theirs[1], json!({ "project_id": theirs[0] })).await,
            5 => scoped.remove("tasks", &mine[2]).await,
            _ => scoped.change("projects", &mine[0], json!({ "status": "done" })).await,
        }
        let model = scoped.model("mine").await;
        assert_eq!(model.len(), expected, "step {step}");
        for (limit, client) in &mut clients {
            scoped.pull(client, "mine", *limit).await;
            assert_eq!(client.held, model, "step {step}, pages of {limit}");
        }
    }
}

async fn a_change_that_decides_nothing_touches_nothing<S: Store>(store: S) {
    let mut scoped = Scoped::new(store);
    let mine = scoped.project("ana").await;
    let mut client = Client::default();
    scoped.pull(&mut client, "mine", 100).await;
    scoped.change("projects", &mine[0], json!({ "title": "t", "status": "planned" })).await;
    scoped.change("tasks", &mine[2], json!({ "title": "t" })).await;
    let page = scoped.page(&client, "mine", 100).await;
    let ids: Vec<_> = page.entities.iter().map(|row| row.id.as_str()).collect();
    assert_eq!((ids, page.deletions.len()), (vec![mine[0].as_str(), &mine[2]], 0));
    // What is touched comes as it was: the same version.
    scoped.change("projects", &mine[0], json!({ "owner": "ben" })).await;
    let left = scoped.page(&client, "mine", 100).await.deletions;
    assert!(left.iter().all(|row| row.reason == DeletionReason::LeftScope));
    let versions: Vec<_> = left.iter().map(|row| (row.id.as_str(), row.version)).collect();
    assert_eq!(versions.len(), 5);
    assert!(versions.contains(&(mine[1].as_str(), 1)) && versions.contains(&(mine[2].as_str(), 2)));
}

async fn a_first_pull_reports_nothing_as_gone<S: Store>(store: S) {
    let mut scoped = Scoped::new(store);
    let mine = scoped.project("ana").await;
    scoped.project("ben").await;
    scoped.change("projects", &mine[0], json!({ "status": "done" })).await;
    let page = scoped.page(&Client::default(), "mine", 100).await;
    assert_eq!((page.entities.len(), page.deletions.len(), page.has_more), (0, 0, false));
}

async fn what_leaves_during_a_first_pull_is_reported<S: Store>(store: S) {
    let mut scoped = Scoped::new(store);
    let first = scoped.project("ana").await;
    scoped.project("ana").await;
    let mut client = Client::default();
    client.take(scoped.page(&client, "mine", 4).await);
    assert!(client.ids().contains(&("projects", &first[0])));
    scoped.change("projects", &first[0], json!({ "owner": "ben" })).await;
    scoped.pull(&mut client, "mine", 4).await;
    assert_eq!(client.held, scoped.model("mine").await);
    assert_eq!(client.held.len(), 5);
}

async fn what_left_and_moved_on_between_two_pages_is_reported<S: Store>(store: S) {
    let mut scoped = Scoped::new(store);
    let mine = scoped.project("ana").await;
    let mut client = Client::default();
    scoped.pull(&mut client, "mine", 100).await;
    scoped.change("projects", &mine[0], json!({ "owner": "ben" })).await;
    scoped.change("tasks", &mine[2], json!({ "title": "last" })).await;
    // The page ends behind the place where the task left, and before the one where it is now.
    client.take(scoped.page(&client, "mine", 3).await);
    assert_eq!(client.ids(), [("notes", mine[4].as_str()), ("tasks", &mine[2])]);
    scoped.pull(&mut client, "mine", 3).await;
    assert!(client.held.is_empty(), "{:?}", client.ids());
}

async fn by_time_everything_outside_is_reported<S: Store>(store: S) {
    let mut scoped = Scoped::new(store);
    let mine = scoped.project("ana").await;
    let mut client = Client::default();
    scoped.pull(&mut client, "mine", 100).await;
    scoped.world.now += 3_600_000;
    let time = scoped.world.now;
    scoped.change("projects", &mine[0], json!({ "owner": "ben" })).await;
    let mut request = Scoped::<S>::request(Some("mine"), None, 100);
    request.last_sync = Some(time);
    client.take(scoped.ask(request).await.unwrap());
    assert!(client.held.is_empty(), "{:?}", client.ids());
}

async fn a_scope_is_bound_into_the_cursor<S: Store>(store: S) {
    let mut scoped = Scoped::new(store);
    scoped.project("ana").await;
    let unknown = scoped.ask(Scoped::<S>::request(Some("yours"), None, 9)).await.unwrap_err();
    assert_eq!((unknown.code(), unknown.code().http_status()), (Code::UnknownScope, Some(404)));
    let cursor = scoped.page(&Client::default(), "mine", 9).await.cursor;
    let expired = async |scoped: &Scoped<S>, scope| {
        let request = Scoped::<S>::request(scope, Some(cursor.clone()), 9);
        scoped.ask(request).await.is_err_and(|refusal| refusal.code() == Code::CursorExpired)
    };
    assert!(!expired(&scoped, Some("mine")).await);
    assert!(expired(&scoped, None).await && expired(&scoped, Some("digging")).await);
    scoped.world.caller.principal = "ben".into();
    assert!(expired(&scoped, Some("mine")).await, "it means somebody else now");
    scoped.world.caller.principal = "ana".into();
    let schema = scoped.world.rules.schema.as_mut().unwrap();
    let other = schema.scopes["digging"].clone();
    schema.scopes.insert("mine".into(), other);
    assert!(expired(&scoped, Some("mine")).await, "it means something else now");
    scoped.world.rules.schema = None;
    let unknown = scoped.ask(Scoped::<S>::request(Some("mine"), None, 9)).await.unwrap_err();
    assert_eq!(unknown.code(), Code::UnknownScope);
}

async fn a_page_looks_through_what_is_not_in_the_scope<S: Store>(store: S) {
    let mut scoped = Scoped::new(store);
    for _ in 0..6 {
        scoped.project("ben").await;
    }
    let mine = scoped.project("ana").await;
    let page = scoped.page(&Client::default(), "mine", 2).await;
    let ids: Vec<_> = page.entities.iter().map(|row| row.id.as_str()).collect();
    assert_eq!((ids, page.has_more), (vec![mine[0].as_str(), &mine[1]], true));
}

/// A small generator that is the same everywhere (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())].clone()
    }
}

async fn any_history_in_any_pages<S: Store>(store: S) {
    let mut scoped = Scoped::new(store);
    let mut dice = Dice(17);
    let mut clients: Vec<(&str, Client)> =
        vec![("mine", Client::default()), ("digging", Client::default()), ("mine", Client::default())];
    let mut rows: BTreeMap<&str, Vec<String>> = TABLES.map(|table| (table, Vec::new())).into();
    for step in 0..260_usize {
        let table = TABLES.get(step).copied().unwrap_or_else(|| dice.pick(&TABLES));
        let mut fields = serde_json::Map::new();
        let mut parent = |dice: &mut Dice, field: &str, table, always: bool| {
            if always || dice.roll(2) == 0 {
                let id = Some(&rows[table]).filter(|ids| !ids.is_empty()).map(|ids| dice.pick(ids));
                fields.insert(field.into(), json!(id));
            }
        };
        match table {
            "phases" => parent(&mut dice, "project_id", "projects", true),
            "tasks" => {
                parent(&mut dice, "phase_id", "phases", true);
                parent(&mut dice, "parent", "tasks", false);
            }
            "notes" => {
                parent(&mut dice, "task_id", "tasks", false);
                parent(&mut dice, "project_id", "projects", false);
            }
            _ => {}
        }
        for (field, values) in [
            ("owner", ["ana", "ben"]),
            ("status", ["active", "done"]),
            ("kind", ["dig", "lay"]),
            ("name", ["a", "b"]),
        ] {
            let has = scoped.world.rules.schema.as_ref().unwrap().tables[table].field(field).is_some();
            if has {
                fields.insert(field.into(), json!(dice.pick(&values)));
            }
        }
        let data = Value::Object(fields);
        let ids = rows.get_mut(table).unwrap();
        match dice.roll(10) {
            _ if ids.len() < 2 => ids.push(scoped.make(table, data).await),
            0..=3 => ids.push(scoped.make(table, data).await),
            4 => scoped.remove(table, &dice.pick(ids)).await,
            _ => scoped.change(table, &dice.pick(ids), data).await,
        }
        // Whatever the cascade took is no parent any more.
        let whole = scoped.whole().await;
        for (table, ids) in &mut rows {
            ids.retain(|id| whole.contains_key(&((*table).to_owned(), id.clone())));
        }
        // Somebody pulls a page, and perhaps crashes before it is kept; somebody begins anew; now and then all come up to date.
        let at = dice.roll(clients.len());
        let limit = 1 + u32::try_from(dice.roll(9)).unwrap();
        let (scope, client) = &mut clients[at];
        match dice.roll(12) {
            0 => *client = Client::default(),
            1..=6 => {
                let page = scoped.page(client, scope, limit).await;
                if dice.roll(4) > 0 {
                    client.take(page);
                }
            }
            7 => {
                for (scope, client) in &mut clients {
                    scoped.pull(client, scope, limit).await;
                    assert_eq!(client.held, scoped.model(scope).await, "`{scope}` after step {step}");
                }
            }
            _ => {}
        }
    }
}
