//! A conflict as it is stored: found when the server answers, settled by rules or by a person, and kept with all that lost.
//!
//! It is known by the id of the mutation that met it. While it is open, its three versions are where they always are: the server's
//! copies in the base, ours in the outbox. When it is settled they are kept here, so that what lost can be shown and taken back.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::entry::{Id, ServerCopy};
use crate::{
    merge::{Arbiter, Contest},
    schema::rules::Strategy,
};

/// What met what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Both sides changed a record.
    UpdateUpdate,
    /// We changed what the server's side deleted.
    UpdateDelete,
    /// We deleted what the server's side changed.
    DeleteUpdate,
    /// Both created a record with one natural key, or one id.
    CreateCreate,
}

/// One conflict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "B: Serialize", deserialize = "B: Deserialize<'de>"))]
pub struct Conflict<B> {
    #[serde(rename = "t")]
    pub table: Id,
    /// The record's id now; where it took the place of another one, that one's.
    #[serde(rename = "r")]
    pub record_id: Id,
    #[serde(rename = "k")]
    pub kind: Kind,
    /// When it was found, by this device's clock.
    #[serde(rename = "w")]
    pub at: u64,
    /// Who wrote ours.
    #[serde(rename = "u")]
    pub principal: Id,
    /// The other record, where one has the natural key.
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder<B>>,
    /// `None`: it is open.
    #[serde(rename = "s", default = "none", skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settlement<B>>,
}

fn none<T>() -> Option<T> {
    None
}

/// The record that has the natural key of one that was to be created.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Holder<B> {
    #[serde(rename = "i")]
    pub id: Id,
    #[serde(rename = "c")]
    pub copy: ServerCopy<B>,
    /// In which epoch the server said so: one that was restored since may not have it.
    #[serde(rename = "e")]
    pub epoch: Id,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "B: Serialize", deserialize = "B: Deserialize<'de>"))]
pub struct Settlement<B> {
    /// The three versions. `None`: there was none, or it was deleted.
    #[serde(rename = "b", default = "none", skip_serializing_if = "Option::is_none")]
    pub base: Option<B>,
    #[serde(rename = "o", default = "none", skip_serializing_if = "Option::is_none")]
    pub ours: Option<B>,
    #[serde(rename = "t", default = "none", skip_serializing_if = "Option::is_none")]
    pub theirs: Option<B>,
    /// What came of it. `None`: the record is deleted.
    #[serde(rename = "m", default = "none", skip_serializing_if = "Option::is_none")]
    pub merged: Option<B>,
    #[serde(rename = "c", default, skip_serializing_if = "Vec::is_empty")]
    pub rulings: Vec<Ruling>,
    #[serde(rename = "h")]
    pub how: How,
    /// Who settled it: a person; by rules, the one who wrote ours.
    #[serde(rename = "u")]
    pub by: Id,
    /// When, by this device's clock.
    #[serde(rename = "w")]
    pub at: u64,
    /// The mutation that carries the outcome to the server. `None`: the server has it.
    #[serde(rename = "y", default, skip_serializing_if = "Option::is_none")]
    pub mutation: Option<Id>,
    /// The record that was created in place of the deleted one.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Id>,
    #[serde(rename = "z", default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<Undone>,
}

/// By what it was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// The schema's rules, with nobody asked.
    Rules,
    ServerWins,
    ClientWins,
    LastWriteWins,
    /// The rules, because a person said so.
    Merge,
    /// Values that a person chose.
    Manual,
    /// The change was given up.
    Discarded,
}

impl How {
    #[must_use]
    pub fn by_strategy(strategy: Strategy) -> Self {
        match strategy {
            Strategy::ServerWins => Self::ServerWins,
            Strategy::ClientWins => Self::ClientWins,
            Strategy::LastWriteWins => Self::LastWriteWins,
            Strategy::Merge => Self::Merge,
            Strategy::Manual => Self::Manual,
        }
    }
}

/// A settlement that was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Undone {
    pub by: Id,
    /// By this device's clock.
    pub at: u64,
}

/// One contested value: its three versions, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ruling {
    /// Where it lies in the record.
    pub path: Vec<String>,
    /// Absent: it was not there.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub base: Option<Value>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub ours: Option<Value>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub theirs: Option<Value>,
    /// `person`, or the rule's word. Absent: it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What it is now, once it is settled. Absent: it is not there any more.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The user is to be told.
    #[serde(default, skip_serializing_if = "is_false")]
    pub notify: bool,
    /// Names of entries that overlap since, two by two.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overlaps: Vec<[String; 2]>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// What is there is a value, also where it is `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl From<Contest> for Ruling {
    fn from(contest: Contest) -> Self {
        let Contest { contested, settled } = contest;
        let (by, value, notify, overlaps) = match settled {
            None => (None, None, false, Vec::new()),
            Some(settled) => {
                let by = match settled.by {
                    Arbiter::Person => "person".to_owned(),
                    Arbiter::Rule(way) => way.name().to_owned(),
                };
                (Some(by), settled.value, settled.notify, settled.overlaps)
            }
        };
        Self {
            path: contested.path.0,
            base: contested.base,
            ours: contested.ours,
            theirs: contested.theirs,
            by,
            value,
            notify,
            overlaps,
        }
    }
}

impl<B> Conflict<B> {
    /// The bodies that it holds, each to be put in its place again.
    pub(super) fn map<C>(&self, f: &mut impl FnMut(&B) -> C) -> Conflict<C> {
        Conflict {
            table: self.table.clone(),
            record_id: self.record_id.clone(),
            kind: self.kind,
            at: self.at,
            principal: self.principal.clone(),
            holder: self.holder.as_ref().map(|holder| Holder {
                id: holder.id.clone(),
                copy: holder.copy.map(f),
                epoch: holder.epoch.clone(),
            }),
            settled: self.settled.as_ref().map(|settled| Settlement {
                base: settled.base.as_ref().map(&mut *f),
                ours: settled.ours.as_ref().map(&mut *f),
                theirs: settled.theirs.as_ref().map(&mut *f),
                merged: settled.merged.as_ref().map(&mut *f),
                rulings: settled.rulings.clone(),
                how: settled.how,
                by: settled.by.clone(),
                at: settled.at,
                mutation: settled.mutation.clone(),
                created: settled.created.clone(),
                undone: settled.undone.clone(),
            }),
        }
    }
}
