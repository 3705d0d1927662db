//! Lists that both sides changed: as sets of entries with names, or place by place.

use std::cmp::Ordering;

use serde_json::Value;

use super::{Arbiter, Made, Merging, Path, Versions, same};
use crate::{
    canonical,
    schema::rules::{Union, Way},
    sorted::SortedMap,
};

/// The entries of one list.
#[derive(Default)]
struct Entries<'v> {
    /// Their names, in the list's order.
    order: Vec<String>,
    by_name: SortedMap<String, &'v Value>,
}

impl<'v> Entries<'v> {
    /// `None`: it is no list, or two of its entries have one name, or one has none.
    fn of(list: &'v Value, by: Option<&str>) -> Option<Self> {
        let mut entries = Self::default();
        for entry in list.as_array()? {
            let name = name_of(entry, by)?;
            if entries.by_name.insert(name.clone(), entry).is_some() {
                return None;
            }
            entries.order.push(name);
        }
        Some(entries)
    }

    /// Whether it has the entry as it is.
    fn has(&self, span: &Span<'_>) -> bool {
        self.by_name.get(span.name).is_some_and(|held| same(held, span.entry))
    }
}

/// What an entry is called: a text or a number under its key, or all that it is.
fn name_of(entry: &Value, by: Option<&str>) -> Option<String> {
    let named = match by {
        None => return Some(canonical::text(entry)),
        Some(key) => entry.as_object()?.get(key)?,
    };
    match named {
        Value::String(name) => Some(name.clone()),
        Value::Number(_) => Some(canonical::text(named)),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

impl Merging<'_> {
    /// All entries of both lists: first theirs in their order, then what ours has besides. An entry that one side removed goes if
    /// the other left it alone; if that changed it, it stays.
    pub(super) fn union(&mut self, union: &Union, path: &Path, versions: Versions<'_>) -> Option<Made> {
        let by = union.by.as_deref();
        let base = match versions.base {
            None | Some(Value::Null) => Entries::default(),
            Some(base) => Entries::of(base, by)?,
        };
        let (ours, theirs) = (Entries::of(versions.ours?, by)?, Entries::of(versions.theirs?, by)?);
        let added = ours.order.iter().filter(|name| !theirs.by_name.contains_key(*name));
        let mut merged: Vec<(&str, Value)> = Vec::new();
        for name in theirs.order.iter().chain(added) {
            let entry = Versions {
                base: base.by_name.get(name).copied(),
                ours: ours.by_name.get(name).copied(),
                theirs: theirs.by_name.get(name).copied(),
            };
            merged.extend(self.entry(union, &path.then(name), entry).map(|value| (name.as_str(), value)));
        }
        let overlaps = match &union.overlap {
            None => Vec::new(),
            Some(keys) => overlaps(&merged, keys, |one, other| {
                [&ours, &theirs].iter().any(|side| side.has(one) && side.has(other))
            }),
        };
        let list = merged.into_iter().map(|(_, value)| value).collect();
        Some(Made { value: Some(Value::Array(list)), overlaps })
    }

    fn entry(&mut self, union: &Union, path: &Path, versions: Versions<'_>) -> Option<Value> {
        let Versions { base: Some(base), ours, theirs } = versions else { return self.value(path, versions) };
        match (ours, theirs) {
            (Some(kept), None) | (None, Some(kept)) if !same(kept, base) => {
                let made = Made::of(Some(kept.clone()));
                self.settle(path, versions, Some((Arbiter::Rule(Way::Union(union.clone())), made, false)))
            }
            _ => self.value(path, versions),
        }
    }

    /// Each place as a field of its own. `None`: a place in the middle would be left without a value.
    pub(super) fn positions(&mut self, path: &Path, versions: Versions<'_>) -> Option<Value> {
        let empty = Vec::new();
        let base = match versions.base {
            None | Some(Value::Null) => &empty,
            Some(base) => base.as_array()?,
        };
        let (ours, theirs) = (versions.ours?.as_array()?, versions.theirs?.as_array()?);
        let mut merged = Vec::new();
        for at in 0..ours.len().max(theirs.len()) {
            let place = Versions { base: base.get(at), ours: ours.get(at), theirs: theirs.get(at) };
            match self.value(&path.then(&at.to_string()), place) {
                Some(value) if merged.len() == at => merged.push(value),
                Some(_) => return None,
                None => {}
            }
        }
        Some(Value::Array(merged))
    }
}

/// A moment, as an app writes it: a number, or a text that sorts by time (RFC 3339, all in one zone).
#[derive(Clone, Copy)]
enum Moment<'v> {
    Number(f64),
    Text(&'v str),
}

impl<'v> Moment<'v> {
    fn of(value: &'v Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_f64().map(Self::Number),
            Value::String(text) => Some(Self::Text(text)),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// `None`: one is a number and the other a text.
    fn order(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => one.partial_cmp(&other),
            (Self::Text(one), Self::Text(other)) => Some(one.cmp(other)),
            (Self::Number(_), Self::Text(_)) | (Self::Text(_), Self::Number(_)) => None,
        }
    }
}

/// When an entry begins, and when it ends; without an end it goes on.
struct Span<'v> {
    name: &'v str,
    entry: &'v Value,
    from: Moment<'v>,
    to: Option<Moment<'v>>,
}

impl<'v> Span<'v> {
    /// `None`: it has no start.
    fn of(name: &'v str, entry: &'v Value, start: &str, end: &str) -> Option<Self> {
        let from = Moment::of(entry.get(start)?)?;
        Some(Self { name, entry, from, to: entry.get(end).and_then(Moment::of) })
    }

    fn overlaps(&self, other: &Self) -> bool {
        let ends_after =
            |span: &Self, from: Moment<'_>| span.to.is_none_or(|to| from.order(to) == Some(Ordering::Less));
        let are_alike = self.from.order(other.from).is_some();
        are_alike && ends_after(self, other.from) && ends_after(other, self.from)
    }
}

/// The entries that overlap, two by two, but those that `is_known` of.
fn overlaps(
    entries: &[(&str, Value)],
    [start, end]: &[String; 2],
    is_known: impl Fn(&Span<'_>, &Span<'_>) -> bool,
) -> Vec<[String; 2]> {
    let spans = entries.iter().filter_map(|(name, entry)| Span::of(name, entry, start, end));
    let spans: Vec<Span<'_>> = spans.collect();
    let mut found = Vec::new();
    for (at, one) in spans.iter().enumerate() {
        let met = spans[at + 1..].iter().filter(|other| one.overlaps(other) && !is_known(one, other));
        found.extend(met.map(|other| [one.name.to_owned(), other.name.to_owned()]));
    }
    found
}
