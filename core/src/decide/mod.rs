//! Decisions: a state and a command in, the changes of one entry out.
//!
//! A command that cannot be done is answered with its error and leaves no change. The order of a mutation's life through
//! these files: [`write`] and [`delete`] make it, [`send`] freezes it before a request carries it, [`answer`] settles it by what the
//! server said, [`pull`] brings what the server has besides, and [`park`] is what a person decides about it. Where it met a change by
//! somebody else, [`meet`] says what rules make of both, [`resolve`] what a person does, and [`conclude`] carries that out. [`settle`]
//! says what the record is after each of these.

mod answer;
pub mod check;
mod conclude;
mod cycle;
mod decision;
mod delete;
pub mod draft;
mod forgotten;
mod meet;
pub mod mint;
mod note;
mod park;
mod pull;
mod resolve;
mod restored;
mod send;
mod settle;
mod write;

#[cfg(test)]
mod tests;

pub(crate) use self::forgotten::is_expired;
pub use self::{
    decision::Decision,
    resolve::{Preview, preview},
};
use self::{draft::Draft, mint::Mint};
use crate::{
    activity::What,
    body::{Body, Outline},
    error::Error,
    hierarchy::{
        orphans::{self, Strategy as OrphanStrategy},
        rollups,
    },
    log::entry::{Cursor, Id, Mutation, MutationState, Operation, Refusal},
    merge::Functions,
    protocol::{OperationResult, Page},
    pull::Set,
    schema::Priority,
    state::Meta,
};
use std::rc::Rc;

/// Something to be decided and committed.
#[derive(Clone, Debug)]
pub enum Command<B> {
    /// Creates records of one table, all or none. `is_list`: an error says which of them it is about.
    Create {
        table: Id,
        records: Vec<B>,
        is_list: bool,
        options: WriteOptions,
    },
    Update {
        table: Id,
        id: Id,
        changes: B,
        unset: Vec<String>,
        options: WriteOptions,
    },
    Delete {
        table: Id,
        id: Id,
        options: WriteOptions,
    },
    /// Lets a queued mutation that was never sent wait for others.
    Depend {
        mutation: Id,
        on: Vec<Id>,
    },
    /// Marks mutations as possibly sent, before any request carries them.
    Send {
        mutations: Vec<Id>,
    },
    /// Settles mutations by the server's answer.
    Answer {
        answer: Answer<B>,
    },
    /// Takes a page in, and its cursor with it.
    Pull {
        set: Set,
        /// The set's cursor when the page was asked for, and what [`State::heard`] said then.
        from: Option<Cursor>,
        heard: u64,
        page: Page<B>,
    },
    /// Begins to pull a set from the beginning, because the server refused to go on (`code`). What is here stays until the pull
    /// is over.
    BeginFullPull {
        set: Id,
        code: String,
    },
    /// Takes up the sets that this release pulls, in place of those of another one.
    Regroup {
        sets: Vec<Set>,
    },
    /// Keeps a measurement of the server's clock, and what time it was there.
    KeepClock {
        offset_ms: i64,
        server_time: u64,
    },
    /// Notes what came of a request that held this mutation alone: one that is refused for good is parked, one that
    /// may go later waits for `wait_ms`. `spends`: others got through meanwhile, so the fault is its own.
    Fail {
        mutation: Id,
        refusal: Refusal,
        wait_ms: u64,
        spends: bool,
    },
    /// Gives up a mutation: its record falls back to its base and what else is pending. `cascade`: what builds on it
    /// goes too.
    Discard {
        mutation: Id,
        cascade: bool,
    },
    /// Sends a parked mutation again as a new one, on the newest version known; with other fields, if there are any.
    Retry {
        mutation: Id,
        changes: Option<B>,
        unset: Vec<String>,
    },
    /// Settles conflicts, all or none, as a person decides.
    Resolve {
        conflicts: Vec<Id>,
        decision: Decision,
    },
    /// Takes the settlement of a conflict back, by a new mutation.
    Undo {
        conflict: Id,
    },
    /// Forgets conflicts that were settled before this time, by this device's clock.
    ForgetConflicts {
        before: u64,
    },
    /// Notes how passes go: what is told already is not told again.
    Note {
        what: What,
    },
    /// Derives the roll-ups of all records, if another release of the app wrote without them.
    DeriveRollups,
    /// Does something about records that refer to a parent that is not here; about all of them if none is named.
    ResolveOrphans {
        strategy: OrphanStrategy,
        /// Table and id. What is no orphan any more is passed over.
        orphans: Option<Vec<(Id, Id)>>,
        priority: Option<Priority>,
    },
}

impl<B> Command<B> {
    /// Whether a person or the app wants it, so that what follows from it is sent like any other change. What the server
    /// says is not written back to it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Create { .. }
            | Self::Update { .. }
            | Self::Delete { .. }
            | Self::Discard { .. }
            | Self::Retry { .. }
            | Self::Resolve { .. }
            | Self::Undo { .. }
            | Self::ResolveOrphans { .. } => true,
            Self::Depend { .. }
            | Self::Send { .. }
            | Self::Answer { .. }
            | Self::Fail { .. }
            | Self::Pull { .. }
            | Self::BeginFullPull { .. }
            | Self::Regroup { .. }
            | Self::KeepClock { .. }
            | Self::ForgetConflicts { .. }
            | Self::Note { .. }
            | Self::DeriveRollups => false,
        }
    }
}

impl<B> Command<B> {
    /// Whether it is decided also where only the reserve is left (see [`crate::engine`]): it empties the outbox, or leads there.
    /// What would fill the store is refused then.
    #[must_use]
    pub fn may_use_reserve(&self) -> bool {
        match self {
            Self::Send { .. }
            | Self::Answer { .. }
            | Self::Fail { .. }
            | Self::KeepClock { .. }
            | Self::Discard { .. }
            | Self::Retry { .. }
            | Self::Resolve { .. }
            | Self::ForgetConflicts { .. } => true,
            Self::Create { .. }
            | Self::Update { .. }
            | Self::Delete { .. }
            | Self::Depend { .. }
            | Self::Pull { .. }
            | Self::BeginFullPull { .. }
            | Self::Regroup { .. }
            | Self::Undo { .. }
            | Self::Note { .. }
            | Self::DeriveRollups
            | Self::ResolveOrphans { .. } => false,
        }
    }
}

/// How one write is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Instead of what the schema says.
    pub priority: Option<Priority>,
    /// Mutations that the server has to apply before this one, by the ids that the outbox's list and a record's
    /// `_syncId` give. One that has left the outbox needs no wait.
    pub depends_on: Vec<Id>,
}

/// What the server said to an upload.
#[derive(Clone, Debug)]
pub struct Answer<B> {
    pub epoch: String,
    pub server_time: u64,
    /// In any order.
    pub results: Vec<OperationResult<B>>,
    /// What [`State::beginnings`] said when the server was asked.
    pub beginnings: u64,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// The ids of the records that were written, in the order in which they were given.
    Written(Vec<Id>),
    /// Mutations that are now marked, of those that were asked for.
    Marked(Vec<Id>),
    /// How the mutations of an answer ended.
    Answered(Tally),
    /// How many rows of a page were news. `None`: it was not the next page any more.
    Pulled(Option<usize>),
    /// A parked mutation goes again, under this id.
    Queued(Id),
    /// What left the outbox, and what the server is asked to forget because it may have been sent.
    Discarded {
        discarded: Vec<Id>,
        withdrawing: Vec<Id>,
    },
    /// How many conflicts are settled or forgotten now.
    Settled(usize),
    /// A settlement was taken back by this mutation; by none if nothing had to be changed for it.
    Undone(Option<Id>),
    /// How many references of orphans are resolved now.
    Resolved(usize),
    Nothing,
}

/// How many mutations of an answer ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub applied: usize,
    /// Met a change by somebody else, and were settled by rules.
    pub merged: usize,
    /// Met one that a person has to decide about.
    pub conflicts: usize,
    pub rejected: usize,
    pub deferred: usize,
}

/// Who writes, under which schema.
#[derive(Clone, Debug)]
pub struct Writer {
    pub principal: Id,
    pub schema_version: u32,
    /// The app's, for rules that name one.
    pub functions: Rc<dyn Functions>,
}

/// One command's writing: its ids and its time.
struct Writing<'w> {
    writer: &'w Writer,
    mint: Mint,
    mutations: u64,
    records: u64,
}

impl Writing<'_> {
    fn now_ms(&self) -> u64 {
        self.mint.now_ms
    }

    fn temporary_id(&mut self, table: &str) -> Id {
        self.records += 1;
        self.mint.temporary_id(self.records, table)
    }

    fn record_uuid(&mut self) -> Id {
        self.records += 1;
        self.mint.record_uuid(self.records)
    }

    fn mutation_id(&mut self) -> Id {
        self.mutations += 1;
        self.mint.mutation_id(self.mutations)
    }

    /// A new mutation at the end of the outbox, with neither base nor dependencies.
    fn mutation<B: Body>(
        &mut self,
        draft: &Draft<'_, B>,
        table: &Id,
        record_id: &Id,
        operation: Operation,
        data: B,
        priority: Priority,
    ) -> Mutation<B> {
        Mutation {
            id: self.mutation_id(),
            sequence: draft.next_sequence(),
            table: table.clone(),
            record_id: record_id.clone(),
            operation,
            data,
            unset: Vec::new(),
            base_version: None,
            timestamp: self.now_ms(),
            priority,
            state: MutationState::Pending,
            attempts: 0,
            first_sent_at: None,
            last_attempt_at: None,
            next_attempt_at: None,
            error: None,
            dependencies: Vec::new(),
            principal: self.writer.principal.clone(),
            schema_version: self.writer.schema_version,
            withdrawing: false,
            dating: Some(self.mint.dating()),
            merges: 0,
        }
    }
}

/// Decides one command on top of a draft. On an error the draft is as it was.
pub fn decide<B: Body>(
    draft: &mut Draft<'_, B>,
    command: &Command<B>,
    mint: Mint,
    writer: &Writer,
) -> Result<Done, Error> {
    let outlines = check::outlines(draft.schema(), std::iter::once(command)).pop().unwrap_or_default();
    decide_outlined(draft, command, outlines, mint, writer)
}

/// The same, where [`check::outlines`] has looked at what is written together with what others write.
pub fn decide_outlined<B: Body>(
    draft: &mut Draft<'_, B>,
    command: &Command<B>,
    outlines: Vec<Outline>,
    mint: Mint,
    writer: &Writer,
) -> Result<Done, Error> {
    let mark = draft.mark();
    let mut writing = Writing { writer, mint, mutations: 0, records: 0 };
    let done = decide_on(draft, command, outlines, &mut writing);
    if done.is_err() {
        draft.rewind(&mark);
    }
    done
}

fn decide_on<B: Body>(
    draft: &mut Draft<'_, B>,
    command: &Command<B>,
    mut outlines: Vec<Outline>,
    writing: &mut Writing<'_>,
) -> Result<Done, Error> {
    match command {
        Command::Create { table, records, is_list, options } => {
            let options = write::checked(draft, options)?;
            write::create_all(draft, writing, table, records, outlines, *is_list, &options).map(Done::Written)
        }
        Command::Update { table, id, changes, unset, options } => {
            let options = write::checked(draft, options)?;
            let outline = outlines.pop().unwrap_or_default();
            write::update(draft, writing, table, id, (changes, outline), unset, &options)
                .map(|id| Done::Written(vec![id]))
        }
        Command::Delete { table, id, options } => {
            let options = write::checked(draft, options)?;
            delete::delete(draft, writing, table, id, &options).map(|()| Done::Nothing)
        }
        Command::Depend { mutation, on } => park::depend(draft, mutation, on).map(|()| Done::Nothing),
        Command::Send { mutations } => Ok(Done::Marked(send::mark(draft, writing, mutations))),
        Command::Answer { answer } => Ok(Done::Answered(answer::settle_all(draft, writing, answer))),
        Command::Pull { set, from, heard, page } => {
            Ok(Done::Pulled(pull::take(draft, writing, set, from.as_ref(), *heard, page)))
        }
        Command::BeginFullPull { set, code } => {
            pull::begin_anew(draft, writing, set, code);
            Ok(Done::Nothing)
        }
        Command::Regroup { sets } => {
            pull::regroup(draft, writing, sets);
            Ok(Done::Nothing)
        }
        Command::KeepClock { offset_ms, server_time } => {
            draft.put_meta(Meta::CLOCK_OFFSET, offset_ms.to_string());
            draft.put_meta(Meta::SERVER_TIME, server_time.to_string());
            Ok(Done::Nothing)
        }
        Command::Fail { mutation, refusal, wait_ms, spends } => {
            answer::fail(draft, writing, mutation, refusal, *wait_ms, *spends);
            Ok(Done::Nothing)
        }
        Command::Discard { mutation, cascade } => park::discard(draft, writing, mutation, *cascade),
        Command::Retry { mutation, changes, unset } => {
            park::retry(draft, writing, mutation, changes.as_ref(), unset)
        }
        Command::Resolve { conflicts, decision } => {
            resolve::resolve(draft, writing, conflicts, decision).map(Done::Settled)
        }
        Command::Undo { conflict } => resolve::undo(draft, writing, conflict).map(Done::Undone),
        Command::ForgetConflicts { before } => Ok(Done::Settled(resolve::forget(draft, *before))),
        Command::Note { what } => {
            note::how_it_goes(draft, writing.now_ms(), what);
            Ok(Done::Nothing)
        }
        // That is the last step of every entry.
        Command::DeriveRollups => Ok(Done::Nothing),
        Command::ResolveOrphans { strategy, orphans, priority } => {
            let resolved = orphans::resolve(draft, *strategy, orphans.as_deref(), |draft, orphan| {
                let options = WriteOptions { priority: *priority, ..WriteOptions::default() };
                delete::delete(draft, writing, &orphan.table, &orphan.id, &options)
            });
            resolved.map(Done::Resolved)
        }
    }
}

/// The mutations that send roll-ups are numbered from here on, so that they share no id with those of the command.
const ROLLUP_MUTATIONS: u64 = 1 << 31;

/// What an entry's commands were, besides what they changed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Causes {
    /// The mint of one that was made here: roll-ups that are to be sent are sent with it.
    local: Option<Mint>,
    /// Whether all roll-ups may be derived in it, should they be out of date: what uses the reserve stays small.
    may_derive_all: bool,
}

impl Causes {
    /// Adds a command that was decided.
    pub fn add<B>(&mut self, command: &Command<B>, mint: Mint) {
        if command.is_local() {
            self.local = Some(mint);
        }
        self.may_derive_all |=
            (command.is_local() && !command.may_use_reserve()) || matches!(command, Command::DeriveRollups);
    }
}

/// The last step of an entry, when all its commands are decided: what follows from their changes.
pub fn finish<B: Body>(draft: &mut Draft<'_, B>, causes: Causes, writer: &Writer) {
    let sent = rollups::derive(draft, causes.may_derive_all);
    orphans::forget_settled(draft);
    let Some(mint) = causes.local else { return };
    let mut writing = Writing { writer, mint, mutations: ROLLUP_MUTATIONS, records: 0 };
    for ((table, id), values) in sent {
        write::send_rollups(draft, &mut writing, &table, &id, &values);
    }
}
