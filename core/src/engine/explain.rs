//! The story of one record: what the server has, what waits and why, what happened, and what happens next (issue 3, point 9).

use rustc_hash::FxHashSet;
use serde::Serialize;

use super::Engine;
use crate::{
    activity::{Activity, Failure, Held, What},
    body::{Body, SyncReason, SyncStatus},
    decide::check,
    error::Error,
    log::entry::{Id, Mutation, MutationState, Operation, Refusal},
    outbox::{BACKOFF_MS_MAX, Wanted, next_batch},
    ports::Ports,
    state::State,
};

/// Everything that is known of one record. Times are milliseconds since the Unix epoch by this device's clock, but for
/// `server_updated_at`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Story {
    pub table: Id,
    /// The id that it has now.
    pub id: Id,
    /// Those that it had before.
    pub former_ids: Vec<Id>,
    pub presence: Presence,
    pub status: SyncStatus,
    pub reason: Option<SyncReason>,
    /// The server's version that all of this builds on.
    pub base_version: Option<u64>,
    /// A newer one that came since.
    pub theirs: Option<TheirVersion>,
    pub server_updated_at: Option<u64>,
    /// What is not settled, in the order of writing.
    pub mutations: Vec<Outstanding>,
    /// What sync noted about it, oldest first.
    pub activity: Vec<Told>,
    pub next: Next,
    /// `next`, for people.
    pub sentence: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    Here,
    /// It is deleted, here or on the server, and still remembered.
    Deleted,
    /// Nothing of it is held any more; only what happened to it is known.
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TheirVersion {
    pub version: u64,
    pub deleted: bool,
}

/// A mutation that is not settled.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outstanding {
    pub id: Id,
    pub operation: Operation,
    /// The names of the fields that it sets, and of those that it removes.
    pub fields: Vec<String>,
    pub unset: Vec<String>,
    pub base_version: Option<u64>,
    pub written_at: u64,
    pub state: MutationState,
    /// It was given up: the server is asked to forget it.
    pub withdrawing: bool,
    pub waits: Waiting,
    /// Definite answers that named it.
    pub attempts: u32,
    pub last_attempt_at: Option<u64>,
    pub error: Option<Refusal>,
}

/// What a mutation waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "for", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Waiting {
    /// Somebody's decision: it is parked.
    Decision,
    /// Somebody's decision about another one, which it needs.
    Blocked { by: Id, table: Id, record_id: Id },
    /// The sign-in of the one who wrote it.
    Author { principal: Id },
    /// The server's answer: a request may have carried it, and it is asked for with each one.
    Answer,
    /// The answer to the one before it of the same record.
    Earlier { mutation: Id },
    /// Another one, which must be applied before it.
    Dependency { mutation: Id, table: Id, record_id: Id },
    /// A sign-in.
    SignIn { why: Held },
    /// A time: the server asked for it, or it failed a moment ago.
    Time { at: u64 },
    /// The end of a pause between requests.
    Pause { until: u64 },
    /// Its turn, after so many others.
    Turn { ahead: usize },
}

/// A line of the activity log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    #[serde(flatten)]
    pub line: Activity,
    pub sentence: String,
}

/// What happens next with a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Next {
    /// Nothing: the server has it as it is here.
    Nothing,
    /// Somebody retries, edits or discards this change, of this record or of one that it needs.
    Decide { mutation: Id, table: Id, record_id: Id, code: String, message: String },
    /// Somebody signs in.
    SignIn { why: Held },
    /// The one who wrote it signs in.
    AuthorSignsIn { principal: Id },
    /// The app is loaded anew: this context sends nothing any more.
    Restart { code: String },
    /// It is sent when there is a connection.
    Connect,
    /// It is sent at this time.
    SendAt { at: u64 },
    /// It is sent after the change that it needs.
    SendAfter { mutation: Id, table: Id, record_id: Id },
    /// It is sent with the next requests; so many go before it.
    Send { ahead: usize },
    /// The server is asked again for the answer that is missing.
    AskAgain,
    /// It was given up, and the server is asked to forget it.
    Withdraw,
}

impl Next {
    /// For people. The one place where it is worded.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Nothing => "Nothing is left to do: the server has it as it is here.".to_owned(),
            Self::Decide { table, record_id, code, message, .. } => format!(
                "Needs your decision about {record_id} in {table}: {message} ({code}). Retry, edit or discard it."
            ),
            Self::SignIn { why: Held::Unauthenticated } => {
                "Will be sent when somebody signs in again.".to_owned()
            }
            Self::SignIn { why: Held::PrincipalMismatch } => {
                "Will be sent when the one who wrote it is signed in; somebody else is now.".to_owned()
            }
            Self::SignIn { why: Held::ProtocolUnsupported } => {
                "Will be sent when the app is updated: the server speaks another protocol.".to_owned()
            }
            Self::AuthorSignsIn { principal } => format!("Will be sent when {principal} is signed in."),
            Self::Restart { code } => format!("Is sent after the app is loaded anew ({code})."),
            Self::Connect => "Will be sent when the connection is back.".to_owned(),
            Self::SendAt { .. } => "Will be sent after a pause.".to_owned(),
            Self::SendAfter { table, record_id, .. } => {
                format!("Will be sent after the change to {record_id} in {table} that it needs.")
            }
            Self::Send { ahead: 0 } => "Will be sent next.".to_owned(),
            Self::Send { ahead } => format!("Will be sent after {ahead} other changes."),
            Self::Withdraw => {
                "Was given up; the server is asked to forget it, in case it has it already.".to_owned()
            }
            Self::AskAgain => {
                "Was sent; the server's answer is missing, and it is asked for again.".to_owned()
            }
        }
    }
}

impl<P: Ports> Engine<P> {
    /// The story of a record, under any id that it ever had here.
    ///
    /// # Errors
    /// `unknown-table`; `record-not-found` for an id of which nothing is known, not even that it was deleted.
    pub async fn explain(&self, table: &Id, id: &Id) -> Result<Story, Error> {
        check::table(&self.schema, table)?;
        self.load_tables(std::slice::from_ref(table)).await?;
        self.catch_up().await?;
        let state = self.state();
        let id = state.resolve(id);
        let record = state.record(table, &id);
        let about = |of: &crate::activity::Subject| of.table == *table && of.record == id;
        let mut activity: Vec<Told> = state
            .activity
            .iter()
            .filter(|line| line.what.subject().is_some_and(about))
            .map(|line| Told { sentence: line.sentence(), line: line.clone() })
            .collect();
        activity.reverse();
        let mutations: Vec<Outstanding> =
            state.outbox.of_record(table, &id).map(|mutation| self.outstanding(&state, mutation)).collect();
        if record.is_none() && mutations.is_empty() && activity.is_empty() {
            return Err(Error::RecordNotFound { table: table.to_string(), id: id.to_string() });
        }
        let base = state.base(table, &id);
        let copy = base.and_then(|base| base.base.as_ref());
        let next = self.next(&state, &mutations);
        let former = state.ids.sorted().into_iter().filter(|mapping| mapping.server == id);
        Ok(Story {
            former_ids: former
                .filter(|mapping| mapping.table == *table)
                .map(|mapping| mapping.temporary.clone())
                .collect(),
            presence: match record {
                Some(record) if record.deleted => Presence::Deleted,
                Some(_) => Presence::Here,
                None => Presence::Gone,
            },
            status: record.map(|record| record.status).unwrap_or_default(),
            reason: self.sync_reason(table, &id),
            base_version: copy
                .map(|copy| copy.version)
                .or_else(|| record.filter(|_| base.is_none()).and_then(|record| record.version)),
            theirs: base
                .and_then(|base| base.theirs.as_ref())
                .map(|copy| TheirVersion { version: copy.version, deleted: copy.deleted }),
            server_updated_at: record.and_then(|record| record.server_updated_at),
            table: table.clone(),
            id,
            mutations,
            activity,
            sentence: next.sentence(),
            next,
        })
    }

    /// In short, why a record does not get to the server; `None` for one that does, or has. A lookup. Records as readers
    /// get them say it too (`_syncReason`), but for [`SyncReason::Held`], which is the state of all that is outstanding.
    #[must_use]
    pub fn sync_reason(&self, table: &Id, id: &Id) -> Option<SyncReason> {
        let state = self.state();
        let id = state.resolve(id);
        state.reason(table, &id).or_else(|| {
            let is_outstanding = state.outbox.of_record(table, &id).next().is_some();
            self.held().filter(|_| is_outstanding).map(|_| SyncReason::Held)
        })
    }

    fn outstanding(&self, state: &State<P::Body>, mutation: &Mutation<P::Body>) -> Outstanding {
        Outstanding {
            id: mutation.id.clone(),
            operation: mutation.operation,
            fields: mutation.data.fields(),
            unset: mutation.unset.clone(),
            base_version: mutation.base_version,
            written_at: mutation.timestamp,
            state: mutation.state,
            withdrawing: mutation.withdrawing,
            waits: self.waits_for(state, mutation),
            attempts: mutation.attempts,
            last_attempt_at: mutation.last_attempt_at,
            error: mutation.error.clone(),
        }
    }

    fn waits_for(&self, state: &State<P::Body>, mutation: &Mutation<P::Body>) -> Waiting {
        if mutation.state.is_parked() {
            return Waiting::Decision;
        }
        if let Some(parked) = blocker(state, mutation) {
            let (table, record_id) = (parked.table.clone(), parked.record_id.clone());
            return Waiting::Blocked { by: parked.id.clone(), table, record_id };
        }
        if mutation.principal != self.writer.principal {
            return Waiting::Author { principal: mutation.principal.clone() };
        }
        if let Some(why) = self.held() {
            return Waiting::SignIn { why };
        }
        if mutation.state == MutationState::Sending {
            return Waiting::Answer;
        }
        if let Some(earlier) = before(state, mutation) {
            return Waiting::Earlier { mutation: earlier.id.clone() };
        }
        if let Some(needed) = needed_by(state, mutation).next() {
            let (table, record_id) = (needed.table.clone(), needed.record_id.clone());
            return Waiting::Dependency { mutation: needed.id.clone(), table, record_id };
        }
        let now = self.ports.clock().now_ms();
        // As the order of sending has it: a time further off is a clock that was set back.
        let is_ahead = |at: &u64| *at > now && *at - now <= BACKOFF_MS_MAX;
        if let Some(at) = mutation.next_attempt_at.filter(is_ahead) {
            return Waiting::Time { at };
        }
        if let Some(until) = self.status.borrow().next_attempt_at.filter(|at| *at > now) {
            return Waiting::Pause { until };
        }
        let principal = &*self.writer.principal;
        let schema = Some(&*self.schema);
        let wanted = Wanted { principal, now_ms: now, limit: usize::MAX, one_table: false, schema };
        let order = next_batch(&state.outbox, &wanted).mutations;
        Waiting::Turn { ahead: order.iter().take_while(|id| **id != mutation.id).count() }
    }

    fn next(&self, state: &State<P::Body>, mutations: &[Outstanding]) -> Next {
        let decide = |id: &Id| {
            let parked = state.outbox.get(id)?;
            let (code, message) = match &parked.error {
                Some(refusal) => (refusal.code.clone(), refusal.message.clone()),
                None => (String::new(), String::new()),
            };
            let (table, record_id) = (parked.table.clone(), parked.record_id.clone());
            Some(Next::Decide { mutation: id.clone(), table, record_id, code, message })
        };
        let parked = mutations.iter().find(|mutation| mutation.state.is_parked());
        if let Some(next) = parked.and_then(|parked| decide(&parked.id)) {
            return next;
        }
        // What is written first goes first.
        let Some(first) = mutations.first() else { return Next::Nothing };
        if let Waiting::Blocked { by, .. } = &first.waits
            && let Some(next) = decide(by)
        {
            return next;
        }
        if let Err(error) = self.check_writing() {
            return Next::Restart { code: error.code().to_owned() };
        }
        match &first.waits {
            Waiting::Author { principal } => Next::AuthorSignsIn { principal: principal.clone() },
            Waiting::SignIn { why } => Next::SignIn { why: *why },
            _ if self.is_unreachable(state) => Next::Connect,
            Waiting::Dependency { mutation, table, record_id } => Next::SendAfter {
                mutation: mutation.clone(),
                table: table.clone(),
                record_id: record_id.clone(),
            },
            Waiting::Time { at } | Waiting::Pause { until: at } => Next::SendAt { at: *at },
            Waiting::Turn { ahead } => Next::Send { ahead: *ahead },
            Waiting::Answer if first.withdrawing => Next::Withdraw,
            Waiting::Answer => Next::AskAgain,
            // The first of a record waits for none before it, and what needs a decision is told above.
            Waiting::Earlier { .. } | Waiting::Decision | Waiting::Blocked { .. } => Next::Send { ahead: 0 },
        }
    }

    /// Why nothing is sent, as this context or any other heard it from the server.
    pub(super) fn held(&self) -> Option<Held> {
        self.status.borrow().held.or_else(|| match self.state().activity.troubles().next()?.what {
            What::Held { why } => Some(why),
            _ => None,
        })
    }

    fn is_unreachable(&self, state: &State<P::Body>) -> bool {
        let is_network = |code: &str| code == Failure::NETWORK || code == Failure::TIMEOUT;
        let newest = state.activity.troubles().next().map(|line| &line.what);
        self.status.borrow().unreachable
            || matches!(newest, Some(What::Failed { failure, .. }) if is_network(&failure.code))
    }
}

/// The one before it of the same record.
fn before<'s, B: Body>(state: &'s State<B>, mutation: &Mutation<B>) -> Option<&'s Mutation<B>> {
    let earlier = state.outbox.of_record(&mutation.table, &mutation.record_id);
    earlier.take_while(|other| other.sequence < mutation.sequence).last().map(|other| &**other)
}

/// What it depends on. What is to be forgotten depends on nothing any more.
fn needed_by<'s, B: Body>(
    state: &'s State<B>,
    mutation: &'s Mutation<B>,
) -> impl Iterator<Item = &'s Mutation<B>> {
    let named = mutation.dependencies.iter().filter(|_| !mutation.withdrawing);
    named.filter_map(|id| state.outbox.get(id)).map(|needed| &**needed)
}

/// The parked one that it needs, directly or by others. It looks at what the mutation needs, and at nothing else.
fn blocker<'s, B: Body>(state: &'s State<B>, mutation: &'s Mutation<B>) -> Option<&'s Mutation<B>> {
    let mut seen: FxHashSet<&str> = FxHashSet::default();
    let mut needed = vec![mutation];
    while let Some(at) = needed.pop() {
        for next in needed_by(state, at).chain(before(state, at)) {
            if next.state.is_parked() {
                return Some(next);
            }
            if seen.insert(&next.id) {
                needed.push(next);
            }
        }
    }
    None
}
