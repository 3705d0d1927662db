//! What people write, and what they may expect of it once it is acknowledged.

use landfall_core::{
    decide::{Command, Done, WriteOptions},
    error::Error,
    log::entry::Id,
    ports::Durability,
};
use serde_json::{Value, json};

use super::acts::Worker;
use crate::{
    faults::Fault,
    promises::number,
    schedule::Act,
    world::{network::BREAKING, schema::text_field},
};

impl Worker {
    pub(super) async fn write(&self, act: Act) -> Result<(), Error> {
        self.context.load_all().await?;
        let dice = &self.dice;
        let text = &*self.text;
        match act {
            Act::CreateFolder => {
                let mut folder = json!({ "name": text });
                // Folders lie in folders, never in a circle: they do not move.
                if let Some(parent) = self.pick("folders").filter(|_| dice.one_in(3)) {
                    folder["parent_id"] = json!(&*parent);
                }
                self.create("folders", vec![folder]).await
            }
            Act::CreateNote => self.create_in_folder("notes").await,
            Act::CreatePhoto => self.create_in_folder("photos").await,
            Act::CreateTask => {
                let mut task = json!({ "title": text });
                if dice.one_in(4) {
                    // There are few codes, so that two tasks want the same one.
                    task["code"] = json!(format!("code{}", dice.roll(4)));
                }
                self.create("tasks", vec![task]).await
            }
            Act::CreateMany => {
                let many = 2 + dice.roll(5);
                let tasks = (0..many).map(|n| json!({ "title": format!("{text}of{n}") })).collect();
                self.create("tasks", tasks).await
            }
            Act::Update => self.update_something().await,
            Act::Count => {
                let Some((id, task)) = self.pick_task() else { return Ok(()) };
                let visits = task["visits"].as_i64().unwrap_or_default() + 1;
                self.update("tasks", &id, json!({ "visits": visits }), Vec::new()).await
            }
            Act::Log => {
                let Some((id, task)) = self.pick_task() else { return Ok(()) };
                let mut logs = task["logs"].as_array().cloned().unwrap_or_default();
                logs.push(json!({ "id": text, "minutes": dice.roll(90) }));
                self.update("tasks", &id, json!({ "logs": logs }), Vec::new()).await
            }
            Act::Unset => {
                let Some(id) = self.pick("tasks") else { return Ok(()) };
                let unset = vec!["status".to_owned()];
                self.update("tasks", &id, json!({}), unset).await
            }
            Act::Move => {
                let table = if dice.one_in(3) { "photos" } else { "notes" };
                let (Some(id), Some(folder)) = (self.pick(table), self.pick("folders")) else {
                    return Ok(());
                };
                self.update(table, &id, json!({ "folder_id": &*folder }), Vec::new()).await
            }
            Act::Delete => {
                let table = *dice.pick(&["folders", "notes", "photos", "tasks"]).unwrap_or(&"tasks");
                let Some(id) = self.pick(table) else { return Ok(()) };
                self.delete(table, &id).await
            }
            Act::Poison => {
                self.world.commons.weather.count(Fault::Poison);
                if dice.one_in(3) {
                    self.create("folders", vec![json!({ "name": text, "color": "not a number" })]).await
                } else {
                    self.create("tasks", vec![json!({ "title": text, "effort": "not a number" })]).await
                }
            }
            Act::RequestPoison => {
                self.create("tasks", vec![json!({ "title": text, "status": BREAKING })]).await
            }
            _ => Ok(()),
        }
    }

    /// A record that this context shows; `None` where there is none, or its release does not know the table.
    fn pick(&self, table: &str) -> Option<Id> {
        let state = self.context.engine.state();
        let live: Vec<Id> = state
            .table(table)?
            .iter()
            .filter(|(_, record)| !record.deleted)
            .map(|(id, _)| id.clone())
            .collect();
        let id = self.dice.pick(&live)?;
        // Now and then by the name that it had before.
        let before = self.dice.one_in(8).then(|| {
            state
                .ids
                .sorted()
                .into_iter()
                .find(|known| known.server == *id)
                .map(|known| known.temporary.clone())
        });
        Some(before.flatten().unwrap_or_else(|| id.clone()))
    }

    fn pick_task(&self) -> Option<(Id, Value)> {
        let id = self.pick("tasks")?;
        let state = self.context.engine.state();
        let task = state.record("tasks", &state.resolve(&id))?.data.0.clone();
        Some((id, (*task).clone()))
    }

    async fn create_in_folder(&self, table: &str) -> Result<(), Error> {
        let (Some(folder), true) = (self.pick("folders"), self.context.engine.state().is_loaded(table))
        else {
            return Ok(());
        };
        self.create(table, vec![json!({ "folder_id": &*folder, "text": &*self.text })]).await
    }

    async fn create(&self, table: &str, records: Vec<Value>) -> Result<(), Error> {
        let texts: Vec<String> = records
            .iter()
            .filter_map(|record| record[text_field(table)].as_str().map(str::to_owned))
            .collect();
        let (is_list, records) = (records.len() > 1, records.into_iter().map(Into::into).collect());
        let command =
            Command::Create { table: table.into(), records, is_list, options: WriteOptions::default() };
        let Done::Written(ids) = self.submit(command).await? else { return Ok(()) };
        for (id, text) in ids.iter().zip(&texts) {
            self.expect_in_log(table, id, text);
        }
        Ok(())
    }

    async fn update_something(&self) -> Result<(), Error> {
        let table =
            *self.dice.pick(&["folders", "notes", "photos", "tasks", "tasks", "tasks"]).unwrap_or(&"tasks");
        let Some(id) = self.pick(table) else { return Ok(()) };
        if table == "tasks" && self.dice.one_in(8) {
            // There are few codes: often another task has it.
            let code = format!("code{}", self.dice.roll(4));
            return self.update(table, &id, json!({ "code": code }), Vec::new()).await;
        }
        let field = match table {
            "tasks" if self.dice.one_in(2) => "status",
            table => text_field(table),
        };
        self.update(table, &id, json!({ field: &*self.text }), Vec::new()).await?;
        self.expect_in_log(table, &id, &self.text);
        Ok(())
    }

    async fn update(&self, table: &str, id: &Id, changes: Value, unset: Vec<String>) -> Result<(), Error> {
        let changes = changes.into();
        let command = Command::Update {
            table: table.into(),
            id: id.clone(),
            changes,
            unset,
            options: WriteOptions::default(),
        };
        self.submit(command).await.map(|_| ())
    }

    async fn delete(&self, table: &str, id: &Id) -> Result<(), Error> {
        let command =
            Command::Delete { table: table.into(), id: id.clone(), options: WriteOptions::default() };
        {
            let mut shadow = self.context.database.shadow.borrow_mut();
            let now = shadow.state.resolve(id);
            shadow.deleted.extend([id.clone(), now]);
        }
        self.submit(command).await?;
        let database = &self.context.database;
        database.observe();
        let shadow = database.shadow.borrow();
        let id = shadow.state.resolve(id);
        let is_there = shadow.state.record(table, &id).is_some_and(|record| !record.deleted);
        // A person may have taken it back since.
        if is_there && shadow.given_up.is_empty() {
            let name = format!("{table}/{id}");
            let what = format!("the deletion of {name} was acknowledged, and it is there");
            self.world.commons.journal.broken(number::DURABLE, what, &[&name, &id]);
        }
        Ok(())
    }

    /// What was acknowledged is in an entry that counts.
    fn expect_in_log(&self, table: &str, id: &Id, text: &str) {
        self.context.database.observe();
        if !self.context.database.shadow.borrow().texts.contains(text) {
            let what = format!("`{text}` was acknowledged for {table}/{id} and is in no entry that counts");
            self.world.commons.journal.broken(number::DURABLE, what, &[&format!("{table}/{id}"), id]);
        }
    }

    pub(super) async fn submit(&self, command: Command<crate::body::Shared>) -> Result<Done, Error> {
        let durability = if self.dice.one_in(4) { Durability::Strict } else { Durability::Relaxed };
        self.context.engine.submit(command, durability).await
    }
}
