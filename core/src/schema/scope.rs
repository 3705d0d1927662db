//! Scopes: named parts of the data, which the server cuts out and clients pull instead of the whole.
//!
//! A scope filters some tables by conditions on their fields. A record of a filtered table is in the scope if all its
//! conditions hold. A record of another table is in it if every foreign key of it that is set and leads, directly or up
//! the chain, to a filtered table leads to a record that is in the scope; so children come and go with their parents. A table
//! from which no way leads to a filtered one is wholly in it.

use serde_json::Value;

use super::Table;
use crate::sorted::{SortedMap, SortedSet};

/// A named part of the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// By filtered table and field: what the field may hold. Never empty, and no list of terms is.
    pub filters: SortedMap<String, SortedMap<String, Vec<Term>>>,
    /// By table that is not filtered: its foreign keys that lead to a filtered one. Tables without any are left out.
    pub ways: SortedMap<String, SortedSet<String>>,
}

/// Something that a filtered field may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// The one who asks.
    Principal,
    /// A string, number or boolean; `null` is a field that is absent or `null`.
    Value(Value),
}

/// For whom a record of a filtered table is in a scope, as far as that record alone decides.
#[derive(Debug, Clone, PartialEq)]
pub enum Audience<'r> {
    Nobody,
    /// For those principals for whom each of these fields holds what it may.
    Where(Vec<&'r Value>),
}

impl Scope {
    pub(super) fn new(
        filters: SortedMap<String, SortedMap<String, Vec<Term>>>,
        tables: &SortedMap<String, Table>,
    ) -> Self {
        let mut ways: SortedMap<String, SortedSet<String>> = SortedMap::new();
        // A way may lead through tables that are found to have one only later: until nothing new is found.
        loop {
            let mut found = false;
            for (name, table) in tables.iter().filter(|(name, _)| !filters.contains_key(*name)) {
                for (field, reference) in &table.references {
                    let leads = filters.contains_key(&reference.table) || ways.contains_key(&reference.table);
                    if leads && !ways.get(name).is_some_and(|known| known.contains(field)) {
                        ways.entry(name.clone()).or_default().insert(field.clone());
                        found = true;
                    }
                }
            }
            if !found {
                return Self { filters, ways };
            }
        }
    }

    /// Whether the conditions on a record's own fields hold for this principal. `None`: its table is not filtered, and its
    /// foreign keys decide.
    #[must_use]
    pub fn admits<'r>(
        &self,
        table: &str,
        field: impl Fn(&str) -> Option<&'r Value>,
        principal: &str,
    ) -> Option<bool> {
        let conditions = self.filters.get(table)?;
        Some(conditions.iter().all(|(name, terms)| {
            let held = field(name).unwrap_or(&Value::Null);
            terms.iter().any(|term| match term {
                Term::Principal => held.as_str() == Some(principal),
                Term::Value(value) => same(held, value),
            })
        }))
    }

    /// For whom a record of a filtered table is in the scope: as long as this stays the same, nobody's view of it or of
    /// what hangs on it changes. `None`: its table is not filtered.
    #[must_use]
    pub fn audience<'r>(
        &self,
        table: &str,
        field: impl Fn(&str) -> Option<&'r Value>,
    ) -> Option<Audience<'r>> {
        let mut decisive = Vec::new();
        for (name, terms) in self.filters.get(table)? {
            let held = field(name).unwrap_or(&Value::Null);
            let certain = terms.iter().any(|term| matches!(term, Term::Value(value) if same(held, value)));
            if certain {
                continue;
            }
            if !terms.contains(&Term::Principal) {
                return Some(Audience::Nobody);
            }
            decisive.push(held);
        }
        Some(Audience::Where(decisive))
    }

    /// Whether the membership of a child hangs on the parent that this foreign key leads to.
    #[must_use]
    pub fn hangs_on(&self, child: &str, field: &str) -> bool {
        self.ways.get(child).is_some_and(|fields| fields.contains(field))
    }

    /// All that decides who is in it, as text: equal texts, equal scopes.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{:?} {:?}", self.filters, self.ways)
    }
}

/// As JSON means it: `1` and `1.0` are one number.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        _ => left == right,
    }
}
