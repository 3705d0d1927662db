//! What sync did and why: a bounded log for people, for support, and for [`explain`](crate::engine::Engine::explain).
//!
//! Its lines are written in the entries that do what they tell, so they cost no entry of their own and are exactly as durable.
//! Only what changes nothing else (a pass that failed for a new reason, one that was given up) is an entry by
//! itself. A line has a number, and its place is that number modulo [`LINES_MAX`]: the log is a ring, in memory as
//! in the store.
//!
//! These shapes are stored and are handed out as they are, so their serde names are the format.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::log::{
    conflict::How,
    entry::{Id, Operation, Refusal},
};
use crate::sorted::SortedMap;

/// How many lines are kept. Never to be changed: two releases that count differently would keep different lines.
pub const LINES_MAX: u64 = 500;

/// What follows of the same kind within this time is told in one line.
const SAME_LINE_MS: u64 = 60_000;

/// Why a full pull began: another release of the app groups its tables otherwise, or pulls another part of them.
pub const SETS_CHANGED: &str = "sets-changed";

/// How many, by table.
pub type ByTable = SortedMap<Id, u64>;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Counts up, over all contexts of the database.
    pub number: u64,
    /// Milliseconds since the Unix epoch, by this device's clock.
    pub at: u64,
    pub what: What,
}

/// Which change a line is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    pub mutation: Id,
    pub operation: Operation,
    pub table: Id,
    /// The id that the record has now, also where it had another one then.
    pub record: Id,
}

/// Why nothing is sent although something waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// The server asks for a sign-in.
    Unauthenticated,
    /// The token is another principal's.
    PrincipalMismatch,
    /// The server speaks another protocol than this release: the app has to be updated.
    ProtocolUnsupported,
}

impl Held {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::PrincipalMismatch => "principal-mismatch",
            Self::ProtocolUnsupported => "protocol-unsupported",
        }
    }

    /// What has to happen, for people.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::Unauthenticated => "nothing is sent until somebody signs in",
            Self::PrincipalMismatch => "nothing is sent until the one who wrote it signs in",
            Self::ProtocolUnsupported => {
                "nothing is sent until the app is updated: the server speaks another protocol"
            }
        }
    }
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Kebab-case, and stable.
    pub code: String,
    pub message: String,
}

impl Failure {
    /// No whole answer came.
    pub const NETWORK: &'static str = "network";
    /// None came in time.
    pub const TIMEOUT: &'static str = "timeout";
    /// Nothing happened in the pass.
    pub const HUNG: &'static str = "hung";

    #[must_use]
    pub fn held(why: Held) -> Self {
        let message = why.message().to_owned();
        Self { code: why.as_str().to_owned(), message }
    }

    #[must_use]
    pub fn hung() -> Self {
        let message = "nothing happened for too long in the middle of syncing; it is begun again".to_owned();
        Self { code: Self::HUNG.to_owned(), message }
    }

    /// An answer that says nothing of what was asked.
    #[must_use]
    pub fn beside_the_point() -> Self {
        let message = "the server's answer names none of the changes that were sent".to_owned();
        Self { code: "foreign-answer".to_owned(), message }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase", try_from = "Members")]
pub enum What {
    /// The server applied these many changes.
    Pushed { applied: ByTable },
    /// A change waits for somebody's decision. `conflict`: somebody else changed the record first.
    Parked { of: Subject, conflict: bool, reason: Refusal },
    /// Rows that were news came from the server.
    Pulled { rows: ByTable },
    /// The server no longer knows where we were: everything is pulled again. `code` is its refusal's.
    FullPullBegan { set: Id, code: String },
    /// That is done, and what the server no longer has was dropped.
    FullPullEnded { dropped: ByTable },
    /// The server is another one than before: restored from a backup, or replaced.
    EpochChanged { before: String, after: String },
    /// A person gave a change up.
    Discarded { of: Subject },
    /// The server gave a change up because it was asked to: it will never be applied.
    Withdrawn { of: Subject },
    /// What met in a record was settled: by rules, or by a person. `kept`: the conflict that has what lost.
    Settled { of: Subject, how: How, contested: usize, kept: Option<Id> },
    /// A settlement was taken back.
    Undone { of: Subject },
    /// A record came, or was created, that has a key in common with one that was written here: perhaps it is there twice.
    Alike { of: Subject, other: Id },
    /// A person had a parked change sent again, under a new id.
    Retried { of: Subject, successor: Id },
    /// A pass failed for a reason that it had not failed for since it last succeeded. `wait_ms`: the server asked for that pause.
    Failed { failure: Failure, wait_ms: Option<u64> },
    /// Nothing is sent until somebody signs in.
    Held { why: Held },
    /// A pass in which nothing happened for `silent_ms` was given up, to be begun again.
    Hung { silent_ms: u64 },
    /// A pass succeeded after some that had not.
    Resumed,
}

/// What any line may have, as it is read. Serde would buffer a line until it knows its kind, with code for each of them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    kind: String,
    applied: Option<ByTable>,
    rows: Option<ByTable>,
    dropped: Option<ByTable>,
    of: Option<Subject>,
    conflict: Option<bool>,
    reason: Option<Refusal>,
    set: Option<Id>,
    code: Option<String>,
    before: Option<String>,
    after: Option<String>,
    how: Option<How>,
    contested: Option<usize>,
    kept: Option<Id>,
    other: Option<Id>,
    successor: Option<Id>,
    failure: Option<Failure>,
    wait_ms: Option<u64>,
    why: Option<Held>,
    silent_ms: Option<u64>,
}

impl TryFrom<Members> for What {
    type Error = String;

    fn try_from(line: Members) -> Result<Self, String> {
        // What is missing makes it no line of its kind.
        let Members { kind, of, .. } = line;
        let what = match kind.as_str() {
            "pushed" => line.applied.map(|applied| Self::Pushed { applied }),
            "parked" => of.zip(line.conflict).zip(line.reason).map(|((of, conflict), reason)| Self::Parked {
                of,
                conflict,
                reason,
            }),
            "pulled" => line.rows.map(|rows| Self::Pulled { rows }),
            "full-pull-began" => line.set.zip(line.code).map(|(set, code)| Self::FullPullBegan { set, code }),
            "full-pull-ended" => line.dropped.map(|dropped| Self::FullPullEnded { dropped }),
            "epoch-changed" => {
                line.before.zip(line.after).map(|(before, after)| Self::EpochChanged { before, after })
            }
            "discarded" => of.map(|of| Self::Discarded { of }),
            "withdrawn" => of.map(|of| Self::Withdrawn { of }),
            "settled" => of.zip(line.how).zip(line.contested).map(|((of, how), contested)| Self::Settled {
                of,
                how,
                contested,
                kept: line.kept,
            }),
            "undone" => of.map(|of| Self::Undone { of }),
            "alike" => of.zip(line.other).map(|(of, other)| Self::Alike { of, other }),
            "retried" => of.zip(line.successor).map(|(of, successor)| Self::Retried { of, successor }),
            "failed" => line.failure.map(|failure| Self::Failed { failure, wait_ms: line.wait_ms }),
            "held" => line.why.map(|why| Self::Held { why }),
            "hung" => line.silent_ms.map(|silent_ms| Self::Hung { silent_ms }),
            "resumed" => Some(Self::Resumed),
            _ => return Err(format!("`{kind}` is no kind of line")),
        };
        what.ok_or_else(|| format!("a line of the kind `{kind}` lacks something"))
    }
}

impl What {
    /// The change that it is about, where it is about one.
    #[must_use]
    pub fn subject(&self) -> Option<&Subject> {
        match self {
            Self::Parked { of, .. }
            | Self::Discarded { of }
            | Self::Withdrawn { of }
            | Self::Settled { of, .. }
            | Self::Undone { of }
            | Self::Alike { of, .. }
            | Self::Retried { of, .. } => Some(of),
            Self::Pushed { .. }
            | Self::Pulled { .. }
            | Self::FullPullBegan { .. }
            | Self::FullPullEnded { .. }
            | Self::EpochChanged { .. }
            | Self::Failed { .. }
            | Self::Held { .. }
            | Self::Hung { .. }
            | Self::Resumed => None,
        }
    }

    pub(crate) fn subject_mut(&mut self) -> Option<&mut Subject> {
        match self {
            Self::Parked { of, .. }
            | Self::Discarded { of }
            | Self::Withdrawn { of }
            | Self::Settled { of, .. }
            | Self::Undone { of }
            | Self::Alike { of, .. }
            | Self::Retried { of, .. } => Some(of),
            Self::Pushed { .. }
            | Self::Pulled { .. }
            | Self::FullPullBegan { .. }
            | Self::FullPullEnded { .. }
            | Self::EpochChanged { .. }
            | Self::Failed { .. }
            | Self::Held { .. }
            | Self::Hung { .. }
            | Self::Resumed => None,
        }
    }

    /// Whether it says how passes go: `Some(true)`, badly; `Some(false)`, well again.
    #[must_use]
    pub fn is_trouble(&self) -> Option<bool> {
        match self {
            Self::Failed { .. } | Self::Held { .. } | Self::Hung { .. } => Some(true),
            Self::Resumed => Some(false),
            Self::Pushed { .. }
            | Self::Parked { .. }
            | Self::Pulled { .. }
            | Self::FullPullBegan { .. }
            | Self::FullPullEnded { .. }
            | Self::EpochChanged { .. }
            | Self::Discarded { .. }
            | Self::Withdrawn { .. }
            | Self::Settled { .. }
            | Self::Undone { .. }
            | Self::Alike { .. }
            | Self::Retried { .. } => None,
        }
    }

    /// The same trouble, so that it need not be told twice.
    #[must_use]
    pub fn is_same_trouble(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Failed { failure, wait_ms: _ }, Self::Failed { failure: other, wait_ms: _ }) => {
                failure.code == other.code
            }
            (Self::Held { why }, Self::Held { why: other }) => why == other,
            (Self::Hung { .. }, Self::Hung { .. }) => true,
            _ => false,
        }
    }
}

impl Activity {
    /// Its place in the ring.
    #[must_use]
    pub fn slot(&self) -> u64 {
        self.number % LINES_MAX
    }

    /// This line with what happened next told in it too, if both are of a kind that is only counted.
    #[must_use]
    pub fn joined(&self, at: u64, next: &What) -> Option<Self> {
        let (mut all, more, pushed) = match (&self.what, next) {
            (What::Pushed { applied }, What::Pushed { applied: more }) => (applied.clone(), more, true),
            (What::Pulled { rows }, What::Pulled { rows: more }) => (rows.clone(), more, false),
            _ => return None,
        };
        if self.at.abs_diff(at) > SAME_LINE_MS {
            return None;
        }
        for (table, count) in more {
            *all.entry(table.clone()).or_default() += count;
        }
        let what = if pushed { What::Pushed { applied: all } } else { What::Pulled { rows: all } };
        Some(Self { number: self.number, at: self.at, what })
    }

    /// The line for people. The one place where such lines are worded.
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.what {
            What::Pushed { applied } => format!("The server applied {}.", counted(applied, "change")),
            What::Parked { of, conflict: true, reason } => {
                format!("The {} waits for your decision: {} ({}).", named(of), reason.message, reason.code)
            }
            What::Parked { of, conflict: false, reason } => {
                format!("The server refused the {}: {} ({}).", named(of), reason.message, reason.code)
            }
            What::Pulled { rows } => format!("Received {}.", counted(rows, "row")),
            What::FullPullBegan { code, .. } if code == SETS_CHANGED => {
                "Everything is pulled again, because the app pulls other parts of its data than before."
                    .to_owned()
            }
            What::FullPullBegan { code, .. } => {
                format!("Everything is pulled again, because the server said `{code}`.")
            }
            What::FullPullEnded { dropped } if dropped.is_empty() => {
                "Everything was pulled again; nothing here was gone on the server.".to_owned()
            }
            What::FullPullEnded { dropped } => format!(
                "Everything was pulled again; dropped {} that the server no longer has.",
                counted(dropped, "record")
            ),
            What::EpochChanged { .. } => {
                "The server was restored from a backup or replaced; what it has is compared anew.".to_owned()
            }
            What::Discarded { of } => format!("The {} was discarded by a person.", named(of)),
            What::Withdrawn { of } => format!("The {} was withdrawn; it will never be applied.", named(of)),
            What::Retried { of, .. } => format!("The {} is sent again.", named(of)),
            What::Settled { of, how: How::Rules, contested: 0, kept: None } => {
                format!("The {} was merged with what somebody else changed meanwhile.", named(of))
            }
            What::Settled { of, how: How::Rules, .. } => {
                format!("The {} met a change by somebody else; rules settled it, and what lost is kept.", named(of))
            }
            What::Settled { of, .. } => format!("A person settled the conflict of the {}.", named(of)),
            What::Undone { of } => format!("The settlement of the {} was taken back.", named(of)),
            What::Alike { of, other } => {
                format!("{} in {} looks like {other}: perhaps it is there twice.", of.record, of.table)
            }
            What::Failed { failure, wait_ms: None } => {
                format!("Sync failed: {} ({}). It is tried again.", failure.message, failure.code)
            }
            What::Failed { failure, wait_ms: Some(ms) } => format!(
                "Sync failed: {} ({}). The server asks to wait {} s.",
                failure.message,
                failure.code,
                ms.div_ceil(1_000)
            ),
            What::Held { why: Held::Unauthenticated } => {
                "The server asks for a sign-in; nothing is sent until then, and nothing is lost.".to_owned()
            }
            What::Held { why: Held::ProtocolUnsupported } => {
                "The server speaks another protocol; nothing is sent until the app is updated, and nothing is lost.".to_owned()
            }
            What::Held { why: Held::PrincipalMismatch } => {
                "Somebody else is signed in; what waits here is sent when its own author is.".to_owned()
            }
            What::Hung { silent_ms } => format!(
                "Nothing happened for {} s in the middle of syncing; it was stopped and is begun again.",
                silent_ms / 1_000
            ),
            What::Resumed => "Sync works again.".to_owned(),
        }
    }
}

/// `update of 77 in tasks`.
fn named(of: &Subject) -> String {
    let operation = match of.operation {
        Operation::Create => "creation",
        Operation::Update => "update",
        Operation::Delete => "deletion",
    };
    format!("{operation} of {} in {}", of.record, of.table)
}

/// `3 changes in steps, 1 change in tasks`.
fn counted(tables: &ByTable, noun: &str) -> String {
    let mut text = String::new();
    for (table, count) in tables {
        let comma = if text.is_empty() { "" } else { ", " };
        let plural = if *count == 1 { "" } else { "s" };
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{comma}{count} {noun}{plural} in {table}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::Class;

    fn line(number: u64, at: u64, what: What) -> Activity {
        Activity { number, at, what }
    }

    fn pushed(tables: &[(&str, u64)]) -> What {
        What::Pushed { applied: tables.iter().map(|(table, count)| ((*table).into(), *count)).collect() }
    }

    #[test]
    fn what_is_only_counted_is_told_in_one_line_for_a_while() {
        let first = line(7, 1_000, pushed(&[("tasks", 2)]));
        let joined = first.joined(50_000, &pushed(&[("steps", 1), ("tasks", 3)])).unwrap();
        assert_eq!(joined, line(7, 1_000, pushed(&[("steps", 1), ("tasks", 5)])));
        assert_eq!(first.joined(61_001, &pushed(&[("tasks", 3)])), None);
        assert_eq!(first.joined(1_000, &What::Pulled { rows: ByTable::new() }), None);
        assert_eq!(line(8, 1_000, What::Resumed).joined(1_000, &What::Resumed), None);
    }

    #[test]
    fn lines_are_sentences() {
        let sentence = |what| line(1, 0, what).sentence();
        assert_eq!(
            sentence(pushed(&[("steps", 1), ("tasks", 5)])),
            "The server applied 1 change in steps, 5 changes in tasks."
        );
        let of = Subject {
            mutation: "m1".into(),
            operation: Operation::Update,
            table: "tasks".into(),
            record: "77".into(),
        };
        let reason = Refusal {
            code: "forbidden".into(),
            message: "editors only".into(),
            field: None,
            class: Class::Validation,
            ..Refusal::default()
        };
        assert_eq!(
            sentence(What::Parked { of, conflict: false, reason }),
            "The server refused the update of 77 in tasks: editors only (forbidden)."
        );
    }

    #[test]
    fn stored_lines_keep_their_shape() {
        let of = Subject {
            mutation: "m1".into(),
            operation: Operation::Delete,
            table: "tasks".into(),
            record: "77".into(),
        };
        let stored = [
            (pushed(&[("tasks", 2)]), r#"{"kind":"pushed","applied":{"tasks":2}}"#),
            (
                What::Retried { of, successor: "m2".into() },
                r#"{"kind":"retried","of":{"mutation":"m1","operation":"delete","table":"tasks","record":"77"},"successor":"m2"}"#,
            ),
            (
                What::Failed {
                    failure: Failure { code: "network".into(), message: "gone".into() },
                    wait_ms: Some(5),
                },
                r#"{"kind":"failed","failure":{"code":"network","message":"gone"},"waitMs":5}"#,
            ),
            (What::Held { why: Held::Unauthenticated }, r#"{"kind":"held","why":"unauthenticated"}"#),
            (What::Resumed, r#"{"kind":"resumed"}"#),
        ];
        for (what, text) in stored {
            assert_eq!(serde_json::to_string(&what).unwrap(), text);
            assert_eq!(serde_json::from_str::<What>(text).unwrap(), what);
        }
    }
}
