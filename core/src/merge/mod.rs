//! Three versions in, one out, and what a person must decide.
//!
//! What one side alone changed is that side's; what both changed alike is settled. The rest is *contested*, and goes, in this order:
//! to the choice of a person, to the rule that the schema declares for its path, to its parts, if both sides have an object
//! there, or to the table's strategy. What a rule cannot settle stays open. Nothing is dropped in silence: every
//! contested value is in the outcome with all three versions and with what became of it, so what lost can be shown and taken back.
//!
//! The outcome does not depend on the order of fields, and nothing here reads a clock: when a side was written is an input.

pub mod detect;
mod lines;
mod lists;
mod numbers;
mod same;
mod text;

#[cfg(test)]
mod tests;

use std::{cmp::Ordering, fmt};

use serde_json::{Map, Value};

pub use self::same::same;
use crate::{
    planted,
    schema::rules::{Rule, Rules, Way},
    sorted::SortedMap,
};

/// A record's own fields.
pub type Fields = Map<String, Value>;

/// The three versions of a record.
#[derive(Clone, Copy, Debug)]
pub struct Sides<'a> {
    /// What both began from. `None`: both created it.
    pub base: Option<&'a Fields>,
    pub ours: Written<'a>,
    pub theirs: Written<'a>,
}

/// What one side made of a record, and when: by the server's clock, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    pub fields: &'a Fields,
    pub at: u64,
}

/// Where a value lies in a record: the field, then the keys of objects, the places of lists, the names of entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(pub Vec<String>);

impl Path {
    fn then(&self, step: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(step.to_owned());
        Self(steps)
    }
}

/// As the schema writes it.
impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("."))
    }
}

/// What a person chose for a contested value, or for all that lies below it.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    Ours,
    Theirs,
    /// A value of their own. `None`: none at all.
    Value(Option<Value>),
}

/// The app's functions, by the names that rules call them by.
pub trait Functions {
    /// What it makes of a contested value; `None`: a person has to decide. A function that is not there, or fails, says so too.
    fn call(&self, name: &str, contested: &Contested) -> Option<Value>;
}

impl fmt::Debug for dyn Functions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Functions")
    }
}

/// Without functions every rule that names one leaves its field to a person.
impl Functions for () {
    fn call(&self, _: &str, _: &Contested) -> Option<Value> {
        None
    }
}

/// By what contested values are settled.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    pub rules: &'a Rules,
    pub choices: &'a SortedMap<Path, Choice>,
    pub functions: &'a dyn Functions,
}

/// A value that both sides changed, each otherwise. `None` as a version: it was not there.
#[derive(Clone, Debug, PartialEq)]
pub struct Contested {
    pub path: Path,
    pub base: Option<Value>,
    pub ours: Option<Value>,
    pub theirs: Option<Value>,
}

/// What became of a contested value.
#[derive(Clone, Debug, PartialEq)]
pub struct Contest {
    pub contested: Contested,
    /// `None`: it is open, and theirs stands in the merged record until a person decides.
    pub settled: Option<Settled>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    pub by: Arbiter,
    /// `None`: it is not there any more.
    pub value: Option<Value>,
    /// The user is to be told.
    pub notify: bool,
    /// The names of entries that overlap now and did on neither side, two by two.
    pub overlaps: Vec<[String; 2]>,
}

/// Who settled it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arbiter {
    Person,
    /// A declared rule, or the table's strategy, by this way.
    Rule(Way),
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Merge {
    pub merged: Fields,
    /// In the order of their paths; what lies below another one comes after it.
    pub contests: Vec<Contest>,
}

impl Merge {
    /// Whether nothing is left to a person.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.open().next().is_none()
    }

    /// What a person has to decide.
    pub fn open(&self) -> impl Iterator<Item = &Contested> {
        self.contests.iter().filter(|contest| contest.settled.is_none()).map(|contest| &contest.contested)
    }

    /// What turns theirs into the merged record: the fields to set, and those to remove.
    #[must_use]
    pub fn changes_of(&self, theirs: &Fields) -> (Fields, Vec<String>) {
        let differs =
            |(name, value): &(&String, &Value)| !theirs.get(*name).is_some_and(|held| same(held, value));
        let set = self.merged.iter().filter(differs).map(|(name, value)| (name.clone(), value.clone()));
        let unset = theirs.keys().filter(|name| !self.merged.contains_key(*name)).cloned();
        (set.collect(), unset.collect())
    }
}

/// Merges two versions of a record that began from one.
#[must_use]
pub fn merge(sides: Sides<'_>, means: Means<'_>) -> Merge {
    let mut merging =
        Merging { means, ours_at: sides.ours.at, theirs_at: sides.theirs.at, contests: Vec::new() };
    let (ours, theirs) = (sides.ours.fields, sides.theirs.fields);
    let mut merged = merging.fields(&Path::default(), sides.base, ours, theirs);
    let mut contests = merging.contests;
    if planted!("one-side-taken-whole") && !contests.is_empty() {
        merged.clone_from(ours);
    }
    contests.sort_by(|one, other| one.contested.path.cmp(&other.contested.path));
    Merge { merged, contests }
}

/// One value in three versions.
#[derive(Clone, Copy)]
struct Versions<'v> {
    base: Option<&'v Value>,
    ours: Option<&'v Value>,
    theirs: Option<&'v Value>,
}

/// What a way made of two values.
struct Made {
    value: Option<Value>,
    overlaps: Vec<[String; 2]>,
}

impl Made {
    fn of(value: Option<Value>) -> Self {
        Self { value, overlaps: Vec::new() }
    }
}

struct Merging<'a> {
    means: Means<'a>,
    ours_at: u64,
    theirs_at: u64,
    contests: Vec<Contest>,
}

impl Merging<'_> {
    fn fields(&mut self, path: &Path, base: Option<&Fields>, ours: &Fields, theirs: &Fields) -> Fields {
        let added = ours.keys().filter(|name| !theirs.contains_key(*name));
        let mut merged = Fields::new();
        for name in theirs.keys().chain(added) {
            let versions = Versions {
                base: base.and_then(|base| base.get(name)),
                ours: ours.get(name),
                theirs: theirs.get(name),
            };
            if let Some(value) = self.value(&path.then(name), versions) {
                merged.insert(name.clone(), value);
            }
        }
        merged
    }

    fn value(&mut self, path: &Path, versions: Versions<'_>) -> Option<Value> {
        let Versions { base, ours, theirs } = versions;
        if are_same(ours, theirs) || are_same(ours, base) {
            return theirs.cloned();
        }
        if are_same(theirs, base) {
            return ours.cloned();
        }
        self.contest(path, versions)
    }

    fn contest(&mut self, path: &Path, versions: Versions<'_>) -> Option<Value> {
        let Means { rules, choices, .. } = self.means;
        if let Some(choice) = choices.get(path) {
            let value = match choice {
                Choice::Ours => versions.ours.cloned(),
                Choice::Theirs => versions.theirs.cloned(),
                Choice::Value(value) => value.clone(),
            };
            return self.settle(path, versions, Some((Arbiter::Person, Made::of(value), false)));
        }
        let declared = rules.declared(&path.0);
        if let (None, Some(Value::Object(ours)), Some(Value::Object(theirs))) =
            (declared, versions.ours, versions.theirs)
        {
            let base = versions.base.and_then(Value::as_object);
            return Some(Value::Object(self.fields(path, base, ours, theirs)));
        }
        let Rule { way, notify } =
            declared.cloned().unwrap_or_else(|| Rule { way: rules.strategy.way(), notify: false });
        let mark = self.contests.len();
        let made = self.make(&way, path, versions);
        if made.is_none() {
            // What a way has looked into before it gave up is contested as a whole.
            self.contests.truncate(mark);
        }
        self.settle(path, versions, made.map(|made| (Arbiter::Rule(way), made, notify)))
    }

    /// What a way makes of a contested value; `None`: it does not fit what is there.
    fn make(&mut self, way: &Way, path: &Path, versions: Versions<'_>) -> Option<Made> {
        let Versions { base, ours, theirs } = versions;
        let later = if self.ours_at > self.theirs_at { ours } else { theirs };
        Some(Made::of(match way {
            Way::Server => theirs.cloned(),
            Way::Client => ours.cloned(),
            Way::Latest => later.cloned(),
            Way::Highest => Some(numbers::outermost(ours?, theirs?, Ordering::Greater)?),
            Way::Lowest => Some(numbers::outermost(ours?, theirs?, Ordering::Less)?),
            Way::Progression(steps) => Some(furthest(steps, ours?, theirs?)?),
            Way::Counter if planted!("counter-overwrites") => ours.cloned(),
            Way::Counter => Some(numbers::added_up(base, ours?, theirs?)?),
            Way::Text => Some(text::merge(base, ours?, theirs?)?),
            Way::Union(_) if planted!("union-drops-theirs") => ours.cloned(),
            Way::Union(union) => return self.union(union, path, versions),
            Way::Positions => Some(self.positions(path, versions)?),
            Way::Function(name) => Some(self.means.functions.call(name, &contested(path, versions))?),
            Way::Manual => return None,
        }))
    }

    /// Notes a contested value, and what became of it.
    fn settle(
        &mut self,
        path: &Path,
        versions: Versions<'_>,
        settled: Option<(Arbiter, Made, bool)>,
    ) -> Option<Value> {
        let settled =
            settled.map(|(by, Made { value, overlaps }, notify)| Settled { by, value, notify, overlaps });
        let value = match &settled {
            Some(settled) => settled.value.clone(),
            None => versions.theirs.cloned(),
        };
        self.contests.push(Contest { contested: contested(path, versions), settled });
        value
    }
}

fn contested(path: &Path, versions: Versions<'_>) -> Contested {
    let Versions { base, ours, theirs } = versions;
    Contested { path: path.clone(), base: base.cloned(), ours: ours.cloned(), theirs: theirs.cloned() }
}

fn are_same(one: Option<&Value>, other: Option<&Value>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => same(one, other),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Of two texts the one that stands further on.
fn furthest(steps: &[String], ours: &Value, theirs: &Value) -> Option<Value> {
    let place = |value: &Value| steps.iter().position(|step| value.as_str() == Some(step));
    Some(if place(ours)? > place(theirs)? { ours.clone() } else { theirs.clone() })
}
