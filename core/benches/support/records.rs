//! The app of the benchmarks: steps, and tasks that refer to them.

use std::rc::Rc;

use landfall_core::{
    log::entry::{Change, Mutation, MutationState, Operation, Record},
    protocol::{EntityRow, Page},
    schema::{Priority, Schema},
    state::State,
};
use serde_json::json;

use super::body::Handle;

pub(crate) fn schema() -> Rc<Schema> {
    let document = json!({ "version": 1, "tables": {
        "steps": { "fields": { "name": "string" } },
        "tasks": {
            "fields": { "step_id": "string", "title": "string", "status": "string", "assignee": "string", "due_date": "string",
                "notes": "string", "location": "string", "progress": "number", "minutes": "number", "urgent": "boolean" },
            "references": { "step_id": { "table": "steps", "onDelete": "cascade" } },
            "indexes": ["step_id"],
            "priority": { "default": "low", "fields": { "status": "high" } } } } });
    Rc::new(Schema::parse(&document).expect("the schema of the benchmarks"))
}

/// About 300 bytes in 10 fields.
pub(crate) fn task(number: u64, step: &str) -> Handle {
    Handle::new(json!({
        "step_id": step, "title": format!("Splice and test cabinet {number}"), "status": "in_progress",
        "assignee": format!("technician-{}", number % 37), "due_date": "2026-12-01",
        "notes": "Call half an hour before arrival; the gate code is on the job card, the key with the caretaker.",
        "location": format!("Section {}, pole {number}", number % 211), "progress": number % 101, "minutes": number % 240,
        "urgent": number.is_multiple_of(10),
    }))
}

/// A page of a pull that brings `count` tasks, the first of them with number `from`.
pub(crate) fn page(from: u64, count: u64) -> Page<Handle> {
    let row = |number: u64| EntityRow {
        table: "tasks".to_owned(),
        id: number.to_string(),
        version: 1,
        updated_at: 1_760_000_000_000,
        created_as: None,
        data: task(number, "41"),
    };
    Page {
        entities: (from..from + count).map(row).collect(),
        deletions: Vec::new(),
        cursor: format!("after {}", from + count),
        has_more: false,
        epoch: "e".to_owned(),
        horizon: 0,
        server_time: 1_760_000_000_000,
    }
}

const PRIORITIES: [Priority; 4] = [Priority::Low, Priority::Medium, Priority::High, Priority::Critical];

fn mutation_id(sequence: u64) -> String {
    format!("0199c82c-c000-7000-8000-{sequence:012}")
}

/// The create of a task, which depends on these.
fn mutation(sequence: u64, dependencies: &[u64]) -> Mutation<Handle> {
    let at = usize::try_from(sequence * 7 % 4).unwrap_or_default();
    Mutation {
        id: mutation_id(sequence).into(),
        sequence,
        table: "tasks".into(),
        record_id: format!("temp_1760000000000_{sequence:013}_tasks").into(),
        operation: Operation::Create,
        data: task(sequence, "41"),
        unset: Vec::new(),
        base_version: None,
        timestamp: 1_760_000_000_000,
        priority: PRIORITIES[at],
        state: MutationState::Pending,
        attempts: 0,
        first_sent_at: None,
        last_attempt_at: None,
        next_attempt_at: None,
        error: None,
        dependencies: dependencies.iter().map(|other| mutation_id(*other).into()).collect(),
        principal: "u7".into(),
        schema_version: 1,
        withdrawing: false,
        dating: None,
        merges: 0,
    }
}

/// What so many creates of tasks change, each by itself. A create depends on one of the hundred before it, in nine of ten cases.
pub(crate) fn creates(count: u64) -> Vec<Vec<Change<Handle>>> {
    let create = |sequence: u64| {
        let parent = sequence - 1 - sequence.wrapping_mul(31) % 100 % sequence;
        let needs = (parent > 0 && !sequence.is_multiple_of(10)).then_some(parent);
        let mutation = mutation(sequence, needs.as_slice());
        let record = Change::Record {
            table: mutation.table.clone(),
            id: mutation.record_id.clone(),
            row: Some(Record::born_of(&mutation)),
        };
        vec![record, Change::Mutation { id: mutation.id.clone(), row: Some(Rc::new(mutation)) }]
    };
    (1..=count).map(create).collect()
}

/// The outbox after so many creates; their records are not in memory.
pub(crate) fn queued(count: u64) -> State<Handle> {
    let mut state = State::new(schema());
    state.apply(creates(count).into_iter().flatten().collect(), &mut ());
    state
}

/// A state with the table of tasks in memory, and nothing in it.
pub(crate) fn state_of_tasks() -> State<Handle> {
    let mut state = State::new(schema());
    state.hold_table("tasks", Vec::new());
    state
}
