//! Mutations that would wait for each other for ever.
//!
//! A new mutation needs others and nobody needs it yet, so it closes no circle. Only what changes the needs of one that is
//! queued can: a dependency that the app adds later, a retry with another foreign key, and a merge that makes one of several.

use std::fmt::Write;

use rustc_hash::FxHashMap;

use super::draft::Draft;
use crate::{
    body::Body,
    error::Error,
    log::entry::{Id, Mutation, Operation},
};

/// What has to be applied before a mutation: what it depends on, and the one before it of its record.
fn needs<B: Body>(draft: &Draft<'_, B>, mutation: &Mutation<B>) -> Vec<Id> {
    let of_record = draft.mutations_of(&mutation.table, &mutation.record_id);
    let before = of_record.iter().rev().find(|other| other.sequence < mutation.sequence);
    mutation.dependencies.iter().chain(before.map(|before| &before.id)).cloned().collect()
}

/// Refuses a draft in which this mutation waits for itself. `field` is the argument that made it.
pub(super) fn refuse<B: Body>(draft: &Draft<'_, B>, start: &Id, field: &'static str) -> Result<(), Error> {
    // Who needed it first, by what is needed.
    let mut needed_by: FxHashMap<Id, Id> = FxHashMap::default();
    let mut reach = vec![start.clone()];
    while let Some(at) = reach.pop() {
        let Some(mutation) = draft.mutation(&at) else { continue };
        for need in needs(draft, mutation) {
            if !needed_by.contains_key(&need) {
                needed_by.insert(need.clone(), at.clone());
                reach.push(need);
            }
        }
        if needed_by.contains_key(start) {
            return Err(Error::DependencyCycle { field, path: path(draft, start, &needed_by) });
        }
    }
    Ok(())
}

/// The way from a mutation back to itself, in words.
fn path<B: Body>(draft: &Draft<'_, B>, start: &Id, needed_by: &FxHashMap<Id, Id>) -> String {
    let mut backwards = vec![start];
    let mut at = start;
    while let Some(by) = needed_by.get(at) {
        backwards.push(by);
        at = by;
        if at == start {
            break;
        }
    }
    let mut text = String::new();
    for (at, id) in backwards.iter().rev().enumerate() {
        let link = match at {
            0 => "",
            1 => " waits for ",
            _ => ", which waits for ",
        };
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{link}{}", named(draft, id));
    }
    text
}

/// A mutation in words: what it does to which record, and its id.
pub(super) fn named<B: Body>(draft: &Draft<'_, B>, id: &Id) -> String {
    let Some(mutation) = draft.mutation(id) else { return format!("mutation {id}") };
    let does = match mutation.operation {
        Operation::Create => "create",
        Operation::Update => "update",
        Operation::Delete => "delete",
    };
    format!("`{}` `{}` ({does} {id})", mutation.table, mutation.record_id)
}
