//! The demo's data: a contractor's fibre and building jobs, the same for the same seed.
//!
//! 12 projects in 4 phases each, with 3 steps to a phase and 7 to 9 tasks to a step, in the shape of `www/schema.json`.
//! Progress runs through a project the way work does: what lies before its front is completed, what lies behind it is
//! not started, and the blocked and half-done tasks are at the front. Due dates count from the day of the filling, so
//! that the demo never looks abandoned.

mod calendar;
mod texts;

use landfall_core::schema::Schema;
use serde_json::{Value, json};

use crate::decisions::port::{Fields, Record, Store, StoreError, Transaction};
use texts::{ASSIGNEES, BLOCKED_NOTES, NOTES, PROJECTS, PhaseText};

/// Any number would do; it is fixed so that every demo is the same.
const SEED: u64 = 0x1A2D_FA11_0000_0002;

/// The data belongs to whoever comes without a token.
const TENANT: &str = "default";

/// Whose records these are.
const AUTHOR: &str = "demo";

const TABLES: [&str; 4] = ["projects", "phases", "steps", "tasks"];

/// Fills an empty database, or leaves one with data alone. Gives the number of records.
pub async fn fill<S: Store>(store: &S, schema: &Schema, now: u64) -> Result<usize, StoreError> {
    if let Some(missing) = TABLES.iter().find(|table| schema.table(table).is_none()) {
        return Err(StoreError::Failed(format!(
            "--demo needs the demo's schema, which has a table `{missing}`"
        )));
    }
    let mut transaction = store.begin().await?;
    if transaction.position().await?.last_seq > 0 {
        return Ok(0);
    }
    let mut writer = Writer { transaction, now, chance: Chance(SEED), count: 0 };
    for (index, _) in PROJECTS.iter().enumerate() {
        writer.project(index).await?;
    }
    let Writer { transaction, count, .. } = writer;
    transaction.commit().await?;
    Ok(count)
}

/// `SplitMix64` (Steele, Lea and Flood, 2014): small, and good enough to vary texts.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `bound`, which is not zero.
    fn below(&mut self, bound: usize) -> usize {
        // What is below a usize is one.
        usize::try_from(self.next() % bound as u64).unwrap_or(0)
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

struct Writer<T> {
    transaction: T,
    now: u64,
    chance: Chance,
    count: usize,
}

/// One task before it has an id.
struct TaskPlan {
    step: usize,
    title: String,
}

impl<T: Transaction> Writer<T> {
    async fn put(&mut self, table: &str, data: Value) -> Result<String, StoreError> {
        let Value::Object(data) = data else { return Err(StoreError::Failed("not a record".to_owned())) };
        // `null` stands for a field that this record does not have.
        let data: Fields = data.into_iter().filter(|(_, value)| !value.is_null()).collect();
        let seq = self.transaction.next_seq().await?;
        let record = Record {
            tenant: TENANT.to_owned(),
            table: table.to_owned(),
            id: self.transaction.next_id().await?,
            version: 1,
            updated_at: self.now,
            deleted: false,
            created_as: None,
            created_by: AUTHOR.to_owned(),
            seq,
            scope_seq: seq,
            data,
        };
        self.transaction.put(&record).await?;
        self.count += 1;
        Ok(record.id)
    }

    async fn project(&mut self, index: usize) -> Result<(), StoreError> {
        let text = &PROJECTS[index];
        let plans: Vec<Vec<Vec<TaskPlan>>> =
            text.kind.phases().iter().map(|phase| self.plan(phase, text.places)).collect();
        let total: usize = plans.iter().flatten().map(Vec::len).sum();
        let front = total * text.progress / 100;
        let status = match text.progress {
            0 => "not_started",
            100 => "completed",
            _ => "in_progress",
        };
        let project = json!({ "name": text.name, "customer": text.customer, "address": text.address,
            "status": status, "progress": text.progress });
        let project = self.put("projects", project).await?;
        let mut place = 0;
        for (position, (phase, steps)) in text.kind.phases().iter().zip(plans).enumerate() {
            let row = json!({ "project_id": project, "name": phase.name, "position": position + 1 });
            let phase_id = self.put("phases", row).await?;
            for (position, (step, tasks)) in phase.steps.iter().zip(steps).enumerate() {
                let row = json!({ "phase_id": phase_id, "name": step.name, "position": position + 1 });
                let step_id = self.put("steps", row).await?;
                for task in tasks {
                    let row = self.task(&step_id, &task, place, front);
                    self.put("tasks", row).await?;
                    place += 1;
                }
            }
        }
        Ok(())
    }

    fn plan(&mut self, phase: &PhaseText, places: &[&str]) -> Vec<Vec<TaskPlan>> {
        let mut steps = Vec::with_capacity(phase.steps.len());
        for (step, text) in phase.steps.iter().enumerate() {
            let count = 7 + self.chance.below(3);
            let tasks = text.tasks.iter().cycle().take(count).enumerate().map(|(number, task)| {
                // Work that comes twice in a step comes at another place.
                let place = places[(step + number + number / text.tasks.len()) % places.len()];
                TaskPlan { step, title: task.replace("{}", place) }
            });
            steps.push(tasks.collect());
        }
        steps
    }

    fn task(&mut self, step_id: &str, plan: &TaskPlan, place: usize, front: usize) -> Value {
        // A step is mostly one crew's.
        let assignee = ASSIGNEES[(plan.step + self.chance.below(3)) % ASSIGNEES.len()];
        let at_front = front > 0 && (front..front + 12).contains(&place);
        let (status, progress) = if place < front {
            ("completed", 100)
        } else if at_front && self.chance.one_in(5) {
            ("blocked", 10 * self.chance.below(6))
        } else if at_front && !self.chance.one_in(3) {
            ("in_progress", 10 + 10 * self.chance.below(9))
        } else {
            ("not_started", 0)
        };
        let notes = match status {
            "blocked" => Some(self.chance.pick(BLOCKED_NOTES)),
            "not_started" => self.chance.one_in(12).then(|| self.chance.pick(NOTES)),
            _ => self.chance.one_in(4).then(|| self.chance.pick(NOTES)),
        };
        let given = status != "not_started" || place < front + 40;
        json!({
            "step_id": step_id,
            "title": plan.title,
            "status": status,
            "progress_percentage": progress,
            "notes": notes,
            "assignee": given.then_some(assignee),
            "due_date": calendar::working_day(self.now, days_from_front(place, front)),
        })
    }
}

/// Five tasks to two days, the front being today.
fn days_from_front(place: usize, front: usize) -> i64 {
    let days = |tasks: usize| i64::try_from(tasks * 2 / 5).unwrap_or(0);
    if place < front { -days(front - place) } else { days(place - front) }
}

#[cfg(test)]
mod tests;
