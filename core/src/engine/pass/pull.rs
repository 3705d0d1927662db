//! Fetching what others changed: set by set, page by page.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use futures_util::future::{join, join_all};

use super::{
    Report,
    pacing::{Remedy, failure, remedy},
};
use crate::{
    body::Body,
    clock::{self, Sample},
    decide::{Command, Done},
    engine::Engine,
    error::Error,
    log::entry::{Cursor, Id, MutationState},
    planted,
    ports::{Durability, Event, Phase, Ports, Remote, RemoteError},
    protocol::{Download, EPOCH_CHANGED, PROTOCOL, Page},
    pull::{Plan, Set, is_in},
    sorted::{SortedMap, SortedSet},
    state::{Meta, State},
};

/// The most rows of a page,
const PAGE_ROWS_MAX: u32 = 1_000;
/// the fewest, however slow the device is,
const PAGE_ROWS_MIN: u32 = 125;
/// and those of the first one that there ever is: it comes soon, and somebody waits to see anything at all.
const PAGE_ROWS_FIRST: u32 = 250;
/// A page that takes longer than this stops a device for as long as a person notices: the next has half as many rows.
const PAGE_MS_MAX: u64 = 50;
/// How often a set is begun anew in one pull. More often than that, a server does not know which one it is.
const BEGINNINGS_MAX: u32 = 3;

/// Which sets a pull is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// All of them: somebody asked, or the server is another one than before.
    All,
    /// Those whose interval has passed, and those that a full pull is not done with.
    Timely,
    /// Those, or any one, to learn which server it is and what time it is there.
    One,
}

/// What there is to pull in this context, and how far it has come.
#[derive(Debug)]
pub(in crate::engine) struct Pulling {
    plan: RefCell<Rc<Plan>>,
    /// When each set was last reached, by the device's clock. A pull that brings nothing is not stored.
    reached: RefCell<SortedMap<Id, u64>>,
    /// As many rows as the next page is to have.
    page_rows: Cell<u32>,
}

impl Pulling {
    pub(in crate::engine) fn new(plan: Plan) -> Self {
        Self {
            plan: RefCell::new(Rc::new(plan)),
            reached: RefCell::default(),
            page_rows: Cell::new(PAGE_ROWS_MAX),
        }
    }

    /// A page was stored in that time.
    fn pace(&self, ms: u64) {
        let rows = self.page_rows.get();
        let next = if ms > PAGE_MS_MAX {
            rows / 2
        } else if ms <= PAGE_MS_MAX / 2 {
            rows * 2
        } else {
            rows
        };
        self.page_rows.set(next.clamp(PAGE_ROWS_MIN, PAGE_ROWS_MAX));
    }
}

/// What a pull has done so far.
#[derive(Default)]
struct Progress {
    rows: Cell<usize>,
    /// The sets that were pulled, or tried.
    pulled: RefCell<SortedSet<Id>>,
    /// Sets that were not, and that hold a parent of what came and is not here.
    missed: RefCell<SortedSet<Id>>,
}

impl<P: Ports> Engine<P> {
    /// Pulls all tables of this scope from the next pull on, whatever the schema says; `None`: as the schema says.
    pub fn set_pull_scope(&self, scope: Option<&str>) -> Result<(), Error> {
        if let Some(unknown) = scope.filter(|scope| !self.schema.scopes.contains_key(*scope)) {
            let known: Vec<String> = self.schema.scopes.keys().map(|known| format!("`{known}`")).collect();
            return Err(Error::UnknownScope { scope: unknown.to_owned(), known: known.join(", ") });
        }
        *self.pulling.plan.borrow_mut() = Rc::new(Plan::new(&self.schema, scope));
        Ok(())
    }

    /// By how much the server's clock is ahead of the device's, in milliseconds, as far as answers tell.
    #[must_use]
    pub fn clock_offset_ms(&self) -> Option<i64> {
        let measured = self.clock_session().best.map(|sample| sample.offset_ms);
        measured.or_else(|| stored_offset(&self.state()))
    }

    /// Takes the server's time from an answer. `sent_at`: by the clock that nobody sets.
    pub(super) async fn hear(&self, sent_at: u64, server_time: u64) {
        let clock = self.ports.clock();
        let round_trip_ms = clock.elapsed_ms().saturating_sub(sent_at);
        let Some(sample) = Sample::of(round_trip_ms, clock.now_ms(), server_time) else { return };
        let session = self.clock_session().measured(sample);
        self.session.set(session);
        let offset_ms = session.best.map_or(sample.offset_ms, |best| best.offset_ms);
        let is_worth_storing = {
            let state = self.state();
            let is_recent =
                stored_server_time(&state).is_some_and(|known| clock::is_recent(known, 0, server_time));
            !is_recent || clock::is_worth_storing(stored_offset(&state), offset_ms)
        };
        if is_worth_storing {
            let command = Command::KeepClock { offset_ms, server_time };
            // What the answer says is worth more than its time.
            let _ = self.submit(command, Durability::Relaxed).await;
        }
    }

    /// Whether the server was restored, and what was pulled of it is not yet all of now.
    pub(super) fn is_between_epochs(&self) -> bool {
        let state = self.state();
        let Some(epoch) = state.meta(Meta::EPOCH) else { return false };
        let unfinished =
            |cursor: &Cursor| cursor.is_of_another(epoch) || cursor.full.is_some_and(|full| full.forced);
        // Another release has sets of its own. What we have pulled since in one of ours is of now, however far theirs are.
        let plan = Rc::clone(&self.pulling.plan.borrow());
        let concerns = |key: &Id, set: &Set| {
            set.key == *key
                || (state.cursor(&set.key).is_none() && set.tables.iter().any(|table| is_in(table, key)))
        };
        state.cursors().any(|(key, cursor)| unfinished(cursor) && plan.sets().any(|set| concerns(key, set)))
    }

    /// Whether something is to be sent for the first time, and nothing says which server this is or what time it is there. Sent with
    /// a time of months ago it would be refused as something whose answer may be forgotten.
    pub(super) fn lacks_bearings(&self) -> bool {
        let state = self.state();
        let server_time = stored_server_time(&state);
        let now = self.ports.clock().now_ms();
        let is_recent = match (server_time, self.clock_offset_ms()) {
            (Some(server_time), Some(offset_ms)) => clock::is_recent(server_time, offset_ms, now),
            (None, _) | (_, None) => false,
        };
        let is_new = |state: MutationState, first_sent_at: Option<u64>| {
            state == MutationState::Pending && first_sent_at.is_none()
        };
        let knows_bearings = is_recent && state.meta(Meta::EPOCH).is_some();
        !knows_bearings
            && !planted!("sent-undated")
            && state.outbox.iter().any(|mutation| is_new(mutation.state, mutation.first_sent_at))
    }

    /// Pulls what is due, until there is nothing more or a request fails.
    pub(super) async fn pull(&self, due: Due, report: &mut Report) -> Result<Result<(), Remedy>, Error> {
        let plan = Rc::clone(&self.pulling.plan.borrow());
        self.set_status(|status| status.phase = Phase::Pulling);
        self.take_up(&plan).await?;
        let progress = Progress { rows: Cell::new(report.pulled), ..Progress::default() };
        let mut failed = None;
        for level in &plan.levels {
            let sets: Vec<&Set> = level.iter().filter(|set| self.is_due(set, due)).collect();
            failed = failed.or(self.pull_sets(&sets, &progress).await?);
            if failed.as_ref().is_some_and(stops_the_rest) {
                break;
            }
        }
        if let (Due::One, Some(first)) = (due, plan.sets().next())
            && progress.pulled.borrow().is_empty()
        {
            failed = self.pull_sets(&[first], &progress).await?;
        }
        // A row whose parent is missing: the parent's set is due at once, and then perhaps another one.
        while failed.is_none() {
            let missed = progress.missed.take();
            let pulled = progress.pulled.borrow().clone();
            let sets: Vec<&Set> =
                plan.sets().filter(|set| missed.contains(&set.key) && !pulled.contains(&set.key)).collect();
            if sets.is_empty() {
                break;
            }
            failed = self.pull_sets(&sets, &progress).await?;
        }
        report.pulled = progress.rows.get();
        Ok(match failed {
            None => Ok(()),
            Some(error) => {
                self.note_failure(&error, report);
                Err(remedy(&error))
            }
        })
    }

    /// Sees to it that the cursors are those of this release's sets.
    async fn take_up(&self, plan: &Plan) -> Result<(), Error> {
        let is_new = {
            let state = self.state();
            let gone = state.cursors().any(|(key, _)| plan.sets().all(|set| set.key != *key));
            gone || plan.sets().any(|set| state.cursor(&set.key).is_none() && set.is_held(&state))
        };
        if is_new {
            let command = Command::Regroup { sets: plan.sets().cloned().collect() };
            self.submit(command, Durability::Relaxed).await?;
        }
        Ok(())
    }

    fn is_due(&self, set: &Set, due: Due) -> bool {
        let state = self.state();
        let cursor = state.cursor(&set.key);
        let epoch = state.meta(Meta::EPOCH);
        let unfinished = cursor.is_none_or(|cursor| {
            cursor.full.is_some() || epoch.is_some_and(|epoch| cursor.is_of_another(epoch))
        });
        let here = self.pulling.reached.borrow().get(&set.key).copied();
        let reached_at = here.max(cursor.map(|cursor| cursor.at));
        due == Due::All || unfinished || set.is_due(reached_at, self.ports.clock().now_ms())
    }

    /// Pulls sets side by side; the first failure, if any.
    async fn pull_sets(&self, sets: &[&Set], progress: &Progress) -> Result<Option<RemoteError>, Error> {
        progress.pulled.borrow_mut().extend(sets.iter().map(|set| set.key.clone()));
        let outcomes = join_all(sets.iter().map(|set| self.pull_set(set, progress))).await;
        let mut failed = None;
        for outcome in outcomes {
            failed = failed.or(outcome?.err());
        }
        Ok(failed)
    }

    /// Pulls one set, page by page. Where the cursor is too old or of another epoch everything is pulled again, and only at its
    /// end is dropped what the server no longer has.
    async fn pull_set(&self, set: &Set, progress: &Progress) -> Result<Result<(), RemoteError>, Error> {
        let mut beginnings = 0;
        let mut ahead: Option<Asked<P::Body>> = None;
        loop {
            let cursor = self.state().cursor(&set.key).cloned();
            let from = cursor.as_ref().and_then(Cursor::place).map(ToOwned::to_owned);
            let asked = match ahead.take() {
                Some(asked) if asked.from == from => asked,
                _ => self.ask(set, from.clone()).await,
            };
            let Asked { heard, sent_at, .. } = asked;
            let page = match asked.answer {
                Ok(page) => page,
                Err(error) if matches!(remedy(&error), Remedy::PullInFull) && beginnings < BEGINNINGS_MAX => {
                    beginnings += 1;
                    self.begin_anew(set, failure(&error).code).await?;
                    continue;
                }
                Err(error) => return Ok(Err(error)),
            };
            self.set_status(|status| status.unreachable = false);
            self.hear(sent_at, page.server_time).await;
            // Not every remote notices a cursor of another epoch.
            if from.is_some() && cursor.as_ref().is_some_and(|cursor| cursor.is_of_another(&page.epoch)) {
                if beginnings == BEGINNINGS_MAX {
                    let message = "its epoch is another one each time";
                    return Ok(Err(RemoteError::Foreign(message.to_owned())));
                }
                beginnings += 1;
                self.begin_anew(set, EPOCH_CHANGED.to_owned()).await?;
                continue;
            }
            let (has_more, rows) = (page.has_more, page.entities.len() + page.deletions.len());
            let parents = self.parents_elsewhere(set, &page, progress);
            if planted!("cursor-before-its-page") {
                let page = Page { entities: Vec::new(), deletions: Vec::new(), ..page.clone() };
                let command = Command::Pull { set: set.clone(), from: cursor.clone(), heard, page };
                self.submit(command, Durability::Relaxed).await?;
            }
            // The next page comes while this one is stored. Not where pages are weighed by what else was heard meanwhile.
            let is_plain = cursor.as_ref().is_none_or(|cursor| cursor.full.is_none());
            let next = (has_more && is_plain).then(|| page.cursor.clone());
            let command = Command::Pull { set: set.clone(), from: cursor, heard, page };
            let stored = async {
                let clock = self.ports.clock();
                let since = clock.elapsed_ms();
                let stored = self.submit(command, Durability::Relaxed).await;
                self.pulling.pace(clock.elapsed_ms().saturating_sub(since));
                stored
            };
            let stored = match next {
                None => stored.await?,
                Some(next) => {
                    let (stored, next) = join(stored, self.ask(set, Some(next))).await;
                    ahead = Some(next);
                    stored?
                }
            };
            let Done::Pulled(Some(_)) = stored else { continue };
            self.note_missed(parents, progress);
            progress.rows.set(progress.rows.get() + rows);
            self.event(Event::Progress { phase: Phase::Pulling, done: progress.rows.get(), total: None });
            if !has_more {
                self.pulling.reached.borrow_mut().insert(set.key.clone(), self.ports.clock().now_ms());
                return Ok(Ok(()));
            }
        }
    }

    async fn ask(&self, set: &Set, from: Option<String>) -> Asked<P::Body> {
        let download = Download {
            protocol: PROTOCOL,
            principal: Some(self.writer.principal.to_string()),
            cursor: from.clone(),
            entity_types: set.tables.iter().map(ToString::to_string).collect(),
            scope: set.scope.as_deref().map(ToOwned::to_owned),
            limit: Some(self.page_rows(from.as_deref())),
            last_sync: None,
        };
        let heard = self.state().heard(&set.tables);
        let sent_at = self.ports.clock().elapsed_ms();
        Asked { from, heard, sent_at, answer: self.ports.remote().pull(&download).await }
    }

    /// How many rows to ask for, after that place.
    fn page_rows(&self, from: Option<&str>) -> u32 {
        let rows = self.pulling.page_rows.get();
        if from.is_none() { rows.min(PAGE_ROWS_FIRST) } else { rows }
    }

    async fn begin_anew(&self, set: &Set, code: String) -> Result<(), Error> {
        let command = Command::BeginFullPull { set: set.key.clone(), code };
        self.submit(command, Durability::Relaxed).await.map(|_| ())
    }

    /// What a page refers to in tables of sets that were not pulled yet: table and id.
    fn parents_elsewhere(&self, set: &Set, page: &Page<P::Body>, progress: &Progress) -> SortedSet<(Id, Id)> {
        let plan = Rc::clone(&self.pulling.plan.borrow());
        let pulled = progress.pulled.borrow();
        let mut parents = SortedSet::new();
        for table in &set.tables {
            for (field, reference) in &self.schema.tables[&**table].references {
                if plan.set_of(&reference.table).is_none_or(|other| pulled.contains(&other.key)) {
                    continue;
                }
                let rows = page.entities.iter().filter(|row| *row.table == **table);
                let ids = rows.filter_map(|row| row.data.text(field));
                parents.extend(ids.map(|id| (Id::from(reference.table.as_str()), id)));
            }
        }
        parents
    }

    fn note_missed(&self, parents: SortedSet<(Id, Id)>, progress: &Progress) {
        let plan = Rc::clone(&self.pulling.plan.borrow());
        let state = self.state();
        let missing = parents.into_iter().filter(|(table, id)| state.record(table, id).is_none());
        let sets = missing.filter_map(|(table, _)| plan.set_of(&table).map(|set| set.key.clone()));
        progress.missed.borrow_mut().extend(sets);
    }
}

/// A page that was asked for.
struct Asked<B> {
    from: Option<String>,
    /// What was heard of the set's tables until then.
    heard: u64,
    sent_at: u64,
    answer: Result<Page<B>, RemoteError>,
}

/// Whether a failed request makes it pointless to ask for other sets: it got no answer, or nobody gets one.
fn stops_the_rest(error: &RemoteError) -> bool {
    match remedy(error) {
        Remedy::BackOff { .. } | Remedy::Hold(_) | Remedy::PullInFull => true,
        Remedy::Halve { .. } => false,
    }
}

fn stored_server_time<B: Body>(state: &State<B>) -> Option<u64> {
    state.meta(Meta::SERVER_TIME)?.parse().ok()
}

fn stored_offset<B: Body>(state: &State<B>) -> Option<i64> {
    state.meta(Meta::CLOCK_OFFSET)?.parse().ok()
}
