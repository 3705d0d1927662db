//! What is pulled together: each table by exactly one set, which has one cursor and goes in one request.
//!
//! Tables with the same interval, scope and priority form a set. Sets that refer to no table of another one are pulled side by side,
//! those that do after what they refer to: a child's row then finds its parent here. Of those that could be pulled next, the ones of
//! the highest priority are; whatever they refer to has theirs. A circle of sets is entered at its first name, and what is missing
//! then comes right after.

use crate::sorted::{SortedMap, SortedSet};
use crate::{
    body::Body,
    log::entry::Id,
    schema::{Priority, Schema},
    state::State,
    table::Table,
};

/// Tables that are pulled with one cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Names its cursor: the same tables of the same scope have the same key in every release.
    pub key: Id,
    /// In the order of their names.
    pub tables: Vec<Id>,
    /// The part of them that is pulled; `None`: all of it.
    pub scope: Option<Id>,
    /// Not again before this long after the last time, unless somebody asks.
    pub every_ms: u64,
}

/// All sets of a schema, in the order of pulling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Those of one level are pulled side by side, in the order of their keys.
    pub levels: Vec<Vec<Set>>,
}

impl Plan {
    /// The sets of a schema. `scope`: of all tables, whatever the schema says.
    #[must_use]
    pub fn new(schema: &Schema, scope: Option<&str>) -> Self {
        let mut groups: SortedMap<(u64, Option<&str>, Priority), Vec<Id>> = SortedMap::new();
        for (name, table) in &schema.tables {
            let scope = scope.or(table.pull.scope.as_deref());
            let rule = (table.pull.every_ms, scope, table.pull.priority);
            groups.entry(rule).or_default().push(name.as_str().into());
        }
        let mut priorities: SortedMap<Id, Priority> = SortedMap::new();
        let mut waiting: SortedMap<Id, Set> = SortedMap::new();
        for ((every_ms, scope, priority), tables) in groups {
            // Neither a comma nor an `@` occurs in a name.
            let suffix = scope.map(|scope| format!("@{scope}")).unwrap_or_default();
            let key: Id = format!("{}{suffix}", tables.join(",")).into();
            priorities.insert(key.clone(), priority);
            waiting.insert(key.clone(), Set { key, tables, scope: scope.map(Id::from), every_ms });
        }
        let parents: SortedMap<Id, SortedSet<Id>> =
            waiting.values().map(|set| (set.key.clone(), parents_of(schema, set, &waiting))).collect();
        lend(&mut priorities, &parents);
        let mut levels = Vec::new();
        while let Some(first) = waiting.keys().next().cloned() {
            let is_ready = |key: &&Id| !parents[*key].iter().any(|parent| waiting.contains_key(parent));
            let ready: Vec<Id> = waiting.keys().filter(is_ready).cloned().collect();
            let highest = ready.iter().map(|key| priorities[key]).max();
            let mut level: Vec<Id> =
                ready.into_iter().filter(|key| Some(priorities[key]) == highest).collect();
            if level.is_empty() {
                level.push(first);
            }
            levels.push(level.iter().filter_map(|key| waiting.remove(key)).collect());
        }
        Self { levels }
    }

    /// All of them.
    pub fn sets(&self) -> impl Iterator<Item = &Set> {
        self.levels.iter().flatten()
    }

    /// The one that brings a table.
    #[must_use]
    pub fn set_of(&self, table: &str) -> Option<&Set> {
        self.sets().find(|set| set.tables.iter().any(|name| **name == *table))
    }
}

/// The other sets that a set refers to.
fn parents_of(schema: &Schema, set: &Set, sets: &SortedMap<Id, Set>) -> SortedSet<Id> {
    let references = set.tables.iter().flat_map(|table| schema.tables[&**table].references.values());
    let tables: SortedSet<Id> = references.map(|reference| reference.table.as_str().into()).collect();
    let is_parent = |other: &&Set| {
        other.key != set.key && other.tables.iter().any(|table| tables.iter().any(|known| known == table))
    };
    sets.values().filter(is_parent).map(|parent| parent.key.clone()).collect()
}

/// What a set refers to is as urgent as the set.
fn lend(priorities: &mut SortedMap<Id, Priority>, parents: &SortedMap<Id, SortedSet<Id>>) {
    loop {
        let mut lent = Vec::new();
        for (key, parents) in parents {
            let urgent = |parent: &&Id| priorities[*parent] < priorities[key];
            lent.extend(parents.iter().filter(urgent).map(|parent| (parent.clone(), priorities[key])));
        }
        if lent.is_empty() {
            return;
        }
        for (parent, priority) in lent {
            let own = priorities.entry(parent).or_insert(priority);
            *own = (*own).max(priority);
        }
    }
}

/// The tables of the set of that key.
pub fn tables_of(key: &str) -> impl Iterator<Item = &str> {
    key.split('@').next().into_iter().flat_map(|tables| tables.split(','))
}

/// Whether a table is in the set of that key.
#[must_use]
pub fn is_in(table: &str, key: &str) -> bool {
    tables_of(key).any(|name| name == table)
}

impl Set {
    /// Whether it is time to pull it again. `reached_at` is by the device's clock, which is a hint: one that went back makes
    /// it due now.
    #[must_use]
    pub fn is_due(&self, reached_at: Option<u64>, now_ms: u64) -> bool {
        let since = reached_at.and_then(|at| now_ms.checked_sub(at));
        since.is_none_or(|since| since >= self.every_ms)
    }

    /// Whether anything is here of its tables that the server has. They are all loaded.
    #[must_use]
    pub fn is_held<B: Body>(&self, state: &State<B>) -> bool {
        let tables = self.tables.iter().filter_map(|table| state.table(table));
        tables.flat_map(Table::iter).any(|(_, record)| record.version.is_some())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn table(parents: &[&str], pull: &Value) -> Value {
        let fields: SortedMap<String, &str> =
            parents.iter().map(|parent| (format!("{parent}_id"), "string?")).collect();
        let references: SortedMap<String, Value> =
            parents.iter().map(|parent| (format!("{parent}_id"), json!({ "table": parent }))).collect();
        let mut table = json!({ "fields": fields, "references": references, "pull": pull });
        table["fields"]["name"] = json!("string");
        table
    }

    fn schema(tables: &Value) -> Schema {
        let scopes = json!({ "mine": { "a": { "name": "$principal" } } });
        Schema::parse(&json!({ "version": 1, "scopes": scopes, "tables": tables })).unwrap()
    }

    fn keys(plan: &Plan) -> Vec<Vec<&str>> {
        plan.levels.iter().map(|level| level.iter().map(|set| &*set.key).collect()).collect()
    }

    #[test]
    fn without_a_word_about_it_there_is_one_set_under_the_key_that_it_always_had() {
        let schema = schema(&json!({ "b": table(&["a"], &json!({})), "a": table(&[], &json!({})) }));
        let plan = Plan::new(&schema, None);
        assert_eq!(keys(&plan), [["a,b"]]);
        assert_eq!((plan.sets().next().unwrap().every_ms, plan.set_of("c")), (0, None));
        assert_eq!(keys(&Plan::new(&schema, Some("mine"))), [["a,b@mine"]]);
    }

    #[test]
    fn sets_come_after_what_they_refer_to_and_beside_what_they_do_not() {
        let hourly = json!({ "everyMs": 3_600_000 });
        let daily = json!({ "everyMs": 86_400_000 });
        let schema = schema(&json!({
            "a": table(&["a"], &json!({ "scope": "mine" })),
            "b": table(&["a", "d"], &json!({})),
            "c": table(&[], &json!({})),
            "d": table(&[], &hourly),
            "e": table(&[], &daily),
            "f": table(&["b"], &daily) }));
        let plan = Plan::new(&schema, None);
        assert_eq!(keys(&plan), [vec!["a@mine", "d"], vec!["b,c"], vec!["e,f"]]);
        assert_eq!(plan.set_of("f").unwrap().every_ms, 86_400_000);
        let flat = Plan::new(&schema, Some("mine"));
        assert_eq!(keys(&flat), [vec!["d@mine"], vec!["a,b,c@mine"], vec!["e,f@mine"]]);
    }

    #[test]
    fn what_is_urgent_comes_first_with_what_it_refers_to() {
        let of = |priority: &str| json!({ "priority": priority });
        let schema = schema(&json!({
            "a": table(&[], &of("low")),
            "notes": table(&["tasks"], &of("medium")),
            "projects": table(&[], &of("low")),
            "tasks": table(&["projects"], &of("critical")),
            "tools": table(&[], &of("high")),
            "words": table(&[], &json!({})) }));
        let expected = [vec!["a,projects"], vec!["tasks"], vec!["tools"], vec!["notes,words"]];
        assert_eq!(keys(&Plan::new(&schema, None)), expected);
    }

    #[test]
    fn a_circle_is_entered_at_its_first_name() {
        let every = |ms: u64| json!({ "everyMs": ms });
        let schema = schema(
            &json!({ "a": table(&[], &every(9)), "c": table(&["b"], &every(1)), "b": table(&["c"], &every(2)),
            "d": table(&["c"], &every(3)) }),
        );
        assert_eq!(keys(&Plan::new(&schema, None)), [vec!["a"], vec!["b"], vec!["c"], vec!["d"]]);
    }

    #[test]
    fn a_set_is_due_when_its_time_has_passed_or_the_clock_went_back() {
        let schema = schema(&json!({ "a": table(&[], &json!({ "everyMs": 1_000 })) }));
        let set = Plan::new(&schema, None).levels[0][0].clone();
        let due = |reached_at, now| set.is_due(reached_at, now);
        assert!(due(None, 5) && due(Some(5), 1_005) && due(Some(5), 4));
        assert!(!due(Some(5), 5) && !due(Some(5), 1_004));
        assert!(Set { every_ms: 0, ..set.clone() }.is_due(Some(5), 5));
    }
}
