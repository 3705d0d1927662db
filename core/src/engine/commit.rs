//! From a command to a valid entry.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    rc::Rc,
};

use futures_channel::oneshot;
use futures_util::future::{Either, select};

use super::{Engine, load::Watch, room::Share};
use crate::{
    body::Outline,
    decide::{Causes, Command, Done, check, decide_outlined, draft::Draft, finish, mint::Mint},
    error::Error,
    hierarchy::rollups,
    log::{
        codec::pack_entry,
        entry::{Change, Entry, Id, Position},
        keyspace,
    },
    planted,
    ports::{Durability, Log, Ports, StoreError},
    sorted::sort,
};

/// After this many lost races the next try waits, so that writers in many contexts do not keep each other from it.
const MISSES_BEFORE_WAITING: u32 = 2;
/// The longest such wait. An append costs about 0.25 ms.
const WAIT_MS_MAX: u64 = 16;
/// How often an append whose outcome is unknown is looked into and tried again.
const UNKNOWN_OUTCOMES_MAX: u32 = 3;

/// A command that waits to be committed, and its caller.
pub(super) struct Waiting<B> {
    command: Command<B>,
    mint: Mint,
    durability: Durability,
    caller: Rc<Caller>,
    /// Which of the caller's it is.
    at: usize,
}

/// What a caller gets.
type Answer = Result<Done, Error>;

/// Who waits for the answers to some commands.
struct Caller {
    answers: RefCell<Vec<Option<Answer>>>,
    left: Cell<usize>,
    done: Cell<Option<oneshot::Sender<()>>>,
}

impl Caller {
    fn answer(&self, at: usize, answer: Answer) {
        self.answers.borrow_mut()[at] = Some(answer);
        self.left.set(self.left.get() - 1);
        if self.left.get() == 0
            && let Some(done) = self.done.take()
        {
            // A caller that is gone does not want to know.
            let _ = done.send(());
        }
    }
}

enum Append {
    Valid,
    /// Another context was first; this one has caught up with it.
    Void,
    /// It failed, and is not in the log.
    Unknown(String),
    /// Nothing was written: it would have come out of the reserve, or there is not even that.
    NoRoom,
}

impl<P: Ports> Engine<P> {
    /// Decides a command and commits it. Resolves when the entry is durable and valid, or with the reason why nothing of it
    /// was written.
    ///
    /// Commands that arrive while an append is under way gather and are committed together by the next one.
    pub async fn submit(&self, command: Command<P::Body>, durability: Durability) -> Result<Done, Error> {
        let answers = self.submit_all(vec![(command, durability)]).await?;
        answers.into_iter().next().unwrap_or(Err(Error::Closed))
    }

    /// The same of several commands, in this order and each for itself: one that is refused hinders no other. They are committed
    /// together. An error is all of theirs.
    pub async fn submit_all(
        &self,
        commands: Vec<(Command<P::Body>, Durability)>,
    ) -> Result<Vec<Result<Done, Error>>, Error> {
        self.check_writing()?;
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let mut needed = Vec::new();
        let closures: Vec<Result<(), Error>> =
            commands.iter().map(|(command, _)| self.add_closure(command, &mut needed)).collect();
        self.load_tables(&needed).await?;
        let (done, is_done) = oneshot::channel();
        let caller = Rc::new(Caller {
            answers: RefCell::new(commands.iter().map(|_| None).collect()),
            left: Cell::new(commands.len()),
            done: Cell::new(Some(done)),
        });
        let mint = self.mint();
        for (at, ((command, durability), closure)) in commands.into_iter().zip(closures).enumerate() {
            match closure {
                Ok(()) => {
                    let (mint, caller) = (mint.of(at), Rc::clone(&caller));
                    self.queue.borrow_mut().push_back(Waiting { command, mint, durability, caller, at });
                }
                Err(error) => caller.answer(at, Err(error)),
            }
        }
        // Whoever gets the gate first commits for all that wait.
        match select(is_done, self.gate.lock()).await {
            Either::Left(_) => {}
            Either::Right((gate, is_done)) => {
                self.commit_waiting().await;
                drop(gate);
                let _ = is_done.await;
            }
        }
        let answers = caller.answers.take();
        Ok(answers.into_iter().map(|answer| answer.unwrap_or(Err(Error::Closed))).collect())
    }

    /// Adds the tables that must be in memory to decide a command.
    fn add_closure(&self, command: &Command<P::Body>, tables: &mut Vec<Id>) -> Result<(), Error> {
        for table in self.closure(command)? {
            if !tables.contains(&table) {
                tables.push(table);
            }
        }
        Ok(())
    }

    /// The tables that must be in memory to decide a command.
    fn closure(&self, command: &Command<P::Body>) -> Result<Vec<Id>, Error> {
        let mut tables: Vec<Id> = Vec::new();
        match command {
            Command::Create { table, .. } | Command::Update { table, .. } => {
                let definition = check::table(&self.schema, table)?;
                tables.push(table.clone());
                tables.extend(definition.references.values().map(|parent| Id::from(parent.table.as_str())));
            }
            Command::Delete { table, .. } => {
                check::table(&self.schema, table)?;
                tables.push(table.clone());
                self.add_children(&mut tables);
            }
            // What it is about may be deleted, created anew, or become another record.
            Command::Resolve { conflicts, .. } => {
                tables.extend(self.tables_of_conflicts(conflicts)?);
                self.add_children(&mut tables);
                self.add_parents(&mut tables);
            }
            Command::Undo { conflict } => {
                tables.extend(self.tables_of_conflicts(std::slice::from_ref(conflict))?);
                self.add_children(&mut tables);
                self.add_parents(&mut tables);
            }
            Command::Answer { answer } => {
                let ids: Vec<Id> = answer.results.iter().map(|result| result.id.as_str().into()).collect();
                tables.extend(self.tables_of(&ids));
            }
            Command::Pull { set, .. } => tables.extend(set.tables.iter().cloned()),
            Command::Regroup { sets } => {
                tables.extend(sets.iter().flat_map(|set| set.tables.iter().cloned()));
            }
            Command::Send { .. }
            | Command::Depend { .. }
            | Command::BeginFullPull { .. }
            | Command::KeepClock { .. }
            | Command::ForgetConflicts { .. }
            | Command::Note { .. }
            | Command::DeriveRollups => {}
            // What refers to whom is not known before they are all there.
            Command::ResolveOrphans { .. } => {
                tables.extend(self.schema.tables.keys().map(|table| Id::from(table.as_str())));
            }
            Command::Fail { mutation, .. } => {
                tables.extend(self.tables_of(std::slice::from_ref(mutation)));
            }
            Command::Discard { mutation, .. } => tables.extend(self.known(&self.building_on(mutation))?),
            // With the parents that it may refer to, and with what hangs on it where it is a deletion.
            Command::Retry { mutation, .. } => {
                tables.extend(self.known(std::slice::from_ref(mutation))?);
                self.add_children(&mut tables);
                self.add_parents(&mut tables);
            }
        }
        if rollups::are_current(&self.state()) {
            rollups::close(&self.schema, &mut tables);
        } else {
            tables.extend(rollups::tables(&self.schema));
        }
        sort(&mut tables);
        tables.dedup();
        Ok(tables)
    }

    /// Adds the tables that refer to these, and those that refer to them.
    fn add_children(&self, tables: &mut Vec<Id>) {
        let mut at = 0;
        while let Some(parent) = tables.get(at).cloned() {
            for (child, _, _) in self.schema.children_of(&parent) {
                if !tables.iter().any(|known| **known == *child) {
                    tables.push(child.into());
                }
            }
            at += 1;
        }
    }

    /// Adds the tables that these refer to.
    fn add_parents(&self, tables: &mut Vec<Id>) {
        let definitions = tables.iter().filter_map(|table| self.schema.table(table));
        let parents = definitions.flat_map(|definition| definition.references.values());
        tables.extend(parents.map(|parent| Id::from(parent.table.as_str())).collect::<Vec<_>>());
    }

    fn tables_of_conflicts(&self, conflicts: &[Id]) -> Result<Vec<Id>, Error> {
        let state = self.state();
        let rows = conflicts.iter().filter_map(|id| state.conflicts.get(id));
        rows.map(|row| check::table(&self.schema, &row.table).map(|_| row.table.clone())).collect()
    }

    /// A mutation and all that may have to go with it.
    fn building_on(&self, mutation: &Id) -> Vec<Id> {
        let state = self.state();
        let mut found = vec![mutation.clone()];
        let mut seen: HashSet<Id> = found.iter().cloned().collect();
        let mut at = 0;
        while let Some(mutation) = found.get(at).and_then(|id| state.outbox.get(id)) {
            let of_record = state.outbox.of_record(&mutation.table, &mutation.record_id);
            for next in state.outbox.dependents(&mutation.id).chain(of_record) {
                if seen.insert(next.id.clone()) {
                    found.push(next.id.clone());
                }
            }
            at += 1;
        }
        found
    }

    fn tables_of(&self, mutations: &[Id]) -> Vec<Id> {
        let state = self.state();
        mutations
            .iter()
            .filter_map(|id| state.outbox.get(id))
            .map(|mutation| mutation.table.clone())
            .collect()
    }

    /// Their tables. What is of a table of a newer schema is decided by who knows that.
    fn known(&self, mutations: &[Id]) -> Result<Vec<Id>, Error> {
        let tables = self.tables_of(mutations);
        tables.iter().try_for_each(|table| check::table(&self.schema, table).map(|_| ()))?;
        Ok(tables)
    }

    /// Commits everything that waits, as one entry wherever it can be one. Called with the gate held.
    async fn commit_waiting(&self) {
        let mut left = self.queue.borrow().len();
        while left > 0 {
            let waiting = self.take_waiting();
            left = left.saturating_sub(waiting.len());
            self.commit_together(waiting).await;
        }
    }

    async fn commit_together(&self, mut waiting: Vec<Waiting<P::Body>>) {
        let durability = waiting.iter().map(|waiting| waiting.durability).max().unwrap_or_default();
        let mut misses = 0;
        let mut unknown = 0;
        let mut caught_up = false;
        let mut reserve_only = waiting.iter().all(|waiting| waiting.command.may_use_reserve());
        let mut made_room = false;
        self.look_for_room().await;
        let failure = loop {
            let (changes, answers) = self.decide_all(&waiting, reserve_only);
            // What is refused may only be unseen: another context may have written it a moment ago.
            if !caught_up && answers.iter().any(Result::is_err) {
                caught_up = true;
                match self.catch_up_gated(Watch::None).await {
                    Ok(_) => continue,
                    Err(error) => break error,
                }
            }
            if changes.is_empty() {
                return answer_all(waiting, answers);
            }
            let share = if !reserve_only {
                Share::Spare
            } else if waiting.iter().any(|waiting| matches!(waiting.command, Command::Send { .. })) {
                Share::Sparing
            } else {
                Share::Free
            };
            match self.append(changes, durability, share).await {
                Ok(Append::Valid) => return answer_all(waiting, answers),
                Ok(Append::Void) if planted!("acknowledged-though-void") => {
                    return answer_all(waiting, answers);
                }
                Ok(Append::NoRoom) if !std::mem::replace(&mut made_room, true) && self.make_room().await => {}
                // What may use the reserve is not refused with what may not.
                Ok(Append::NoRoom) if !std::mem::replace(&mut reserve_only, true) => {}
                Ok(Append::NoRoom) if waiting.iter_mut().any(|waiting| send_less(&mut waiting.command)) => {}
                Ok(Append::NoRoom) => break Error::QuotaExceeded,
                Ok(Append::Void) => {
                    caught_up = true;
                    misses += 1;
                    if misses > MISSES_BEFORE_WAITING {
                        let ceiling = (1 << (misses - MISSES_BEFORE_WAITING).min(10)).min(WAIT_MS_MAX);
                        self.ports.sleep_ms(self.ports.random().bits() % (ceiling + 1)).await;
                    }
                }
                Ok(Append::Unknown(reason)) => {
                    if planted!("doubt-is-a-new-write") {
                        for waiting in &mut waiting {
                            waiting.mint = self.mint();
                        }
                    }
                    unknown += 1;
                    if unknown >= UNKNOWN_OUTCOMES_MAX {
                        break Error::StorageUnavailable(reason);
                    }
                }
                Err(error) => break error,
            }
        };
        for waiting in waiting {
            waiting.caller.answer(waiting.at, Err(failure.clone()));
        }
    }

    /// Raises what the log requires to what this release asks of others, if that is more. Called with the gate held.
    ///
    /// What cannot be appended now comes with the next entry that can: this one is only the earliest.
    pub(super) async fn announce_release(&self) {
        for _ in 0..MISSES_BEFORE_WAITING {
            if self.state().requires.covers(self.standing.asks) || self.check_writing().is_err() {
                return;
            }
            if !matches!(self.append(Vec::new(), Durability::Relaxed, Share::Free).await, Ok(Append::Void)) {
                return;
            }
        }
    }

    /// What is committed together: all that waits. Where roll-ups are sent, what is written here and what the server said
    /// are entries of their own, so that it is known what a roll-up changed with.
    fn take_waiting(&self) -> Vec<Waiting<P::Body>> {
        let mut queue = self.queue.borrow_mut();
        let mut together = queue.len();
        if self.schema.sends_rollups() {
            let first = queue.front().map(|waiting| waiting.command.is_local());
            let alike = |waiting: &&Waiting<_>| Some(waiting.command.is_local()) == first;
            together = queue.iter().take_while(alike).count();
        }
        queue.drain(..together).collect()
    }

    fn decide_all(
        &self,
        waiting: &[Waiting<P::Body>],
        reserve_only: bool,
    ) -> (Vec<Change<P::Body>>, Vec<Answer>) {
        let state = self.state();
        let mut draft = Draft::new(&state);
        let mut causes = Causes::default();
        let outlines = check::outlines(&self.schema, waiting.iter().map(|waiting| &waiting.command));
        let decide = |(waiting, outlines): (&Waiting<P::Body>, Vec<Outline>)| {
            if reserve_only && !waiting.command.may_use_reserve() {
                return Err(Error::QuotaExceeded);
            }
            let done = decide_outlined(&mut draft, &waiting.command, outlines, waiting.mint, &self.writer);
            if done.is_ok() {
                causes.add(&waiting.command, waiting.mint);
            }
            done
        };
        let answers = waiting.iter().zip(outlines).map(decide).collect();
        finish(&mut draft, causes, &self.writer);
        (draft.into_changes(), answers)
    }

    async fn append(
        &self,
        changes: Vec<Change<P::Body>>,
        durability: Durability,
        share: Share,
    ) -> Result<Append, Error> {
        self.check_writing()?;
        let (prev, known) = {
            let state = self.state();
            (state.head.clone(), state.requires)
        };
        // Nothing of this release is in the log before what it asks of others.
        let asks = self.standing.asks;
        let requires = (!known.covers(asks)).then(|| known.raised_to(asks));
        let entry = Entry { format: self.release.format, requires, mark: self.mark(), prev, changes };
        let packed = pack_entry(&entry)?;
        if !self.fits(&packed, entry.changes.len(), share).await {
            return Ok(Append::NoRoom);
        }
        let appended = self.ports.log().append(entry.prev.key, packed, durability).await;
        if let Ok(appended) = &appended {
            self.wrote(appended.bytes);
        }
        match appended {
            Ok(appended) if appended.before == [entry.prev.key] || planted!("keys-before-unread") => {
                self.fold(Position { key: appended.key, mark: entry.mark.clone() }, entry);
                self.ports.signals().announce(appended.key);
                Ok(Append::Valid)
            }
            // Others lie between, or our position is compacted away: the log says whether ours counts.
            Ok(appended) => {
                let valid = self.catch_up_gated(Watch::For(&entry.mark)).await?;
                if valid {
                    self.ports.signals().announce(appended.key);
                }
                Ok(if valid { Append::Valid } else { Append::Void })
            }
            Err(StoreError::Unknown(reason)) => {
                let valid = self.catch_up_gated(Watch::For(&entry.mark)).await?;
                let valid = valid && !planted!("doubt-is-a-new-write");
                Ok(if valid { Append::Valid } else { Append::Unknown(reason) })
            }
            Err(StoreError::Quota) => {
                // Other than was thought: what is left is not what was asked for last.
                self.ask_for_room().await;
                Ok(Append::NoRoom)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Halves a batch that is to be marked; `false` where there is nothing to halve. What is not marked is not sent now.
fn send_less<B>(command: &mut Command<B>) -> bool {
    let Command::Send { mutations } = command else { return false };
    let less = mutations.len().div_ceil(2);
    let is_less = less < mutations.len();
    mutations.truncate(less);
    is_less
}

fn answer_all<B>(waiting: Vec<Waiting<B>>, answers: Vec<Answer>) {
    for (waiting, answer) in waiting.into_iter().zip(answers) {
        waiting.caller.answer(waiting.at, answer);
    }
}

/// All the keyspaces of these tables, and the engine's own if asked for.
pub(super) fn keyspaces(tables: &[Id], own: bool) -> Vec<String> {
    let own = if own { &keyspace::OWN[..] } else { &[] };
    own.iter()
        .map(|&name| name.to_owned())
        .chain(tables.iter().map(|table| keyspace::of_table(table)))
        .collect()
}
