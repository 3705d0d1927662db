//! What can go wrong, with stable codes.

use crate::{
    log::{codec::CodecError, release::Outdated},
    ports::StoreError,
    schema::SchemaError,
    table::QueryError,
};

/// The one error of the engine. Its [`code`](Error::code) is stable and goes to JavaScript as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the schema is invalid at {}: {}", .0.path, .0.message)]
    InvalidSchema(SchemaError),
    #[error("there is no table `{table}` in the schema; it has {known}")]
    UnknownTable { table: String, known: String },
    #[error("there is no scope `{scope}` in the schema; it has {known}")]
    UnknownScope { scope: String, known: String },
    /// A value that the schema or JSON does not allow. The path leads to it: `title`, `time_logs[2].start`.
    #[error("`{path}` {problem}")]
    InvalidValue { path: String, problem: String },
    #[error(transparent)]
    Query(QueryError),
    #[error("there is no record `{id}` in `{table}`; it was deleted, or never created here")]
    RecordNotFound { table: String, id: String },
    #[error("`{field}` refers to `{id}`, and there is no such record in `{table}`; create it first")]
    ReferenceMissing { field: String, table: String, id: String },
    #[error(
        "`{id}` cannot be deleted: `{child}` `{child_id}` refers to it by `{field}`; delete or move that first"
    )]
    ReferenceInUse { id: String, child: String, child_id: String, field: String },
    #[error("there is no mutation `{id}` in the outbox; it was delivered or discarded")]
    MutationNotFound { id: String },
    #[error("mutation `{id}` may have reached the server; wait for the answer, then decide")]
    MutationInFlight { id: String },
    #[error("mutation `{id}` is not parked; there is nothing to decide")]
    MutationNotParked { id: String },
    #[error(
        "mutation `{id}` cannot be discarded alone: other changes build on it; discard those first, or all of them \
         together: {}", .dependents.join(", ")
    )]
    MutationInUse { id: String, dependents: Vec<String> },
    #[error("there is no conflict `{id}`; it ended otherwise, or was forgotten")]
    ConflictNotFound { id: String },
    #[error("conflict `{id}` is settled; undo that first")]
    ConflictSettled { id: String },
    #[error("conflict `{id}` is not settled; there is nothing to undo")]
    ConflictNotSettled { id: String },
    #[error("the settlement of conflict `{id}` was taken back before")]
    ConflictUndone { id: String },
    #[error(
        "what the server has is not known any more for conflict `{id}`; sync, or retry the change to ask for it"
    )]
    TheirsUnknown { id: String },
    #[error("conflict `{id}` waits for other changes of the record that has its natural key: {}", .on.join(", "))]
    ConflictWaits { id: String, on: Vec<String> },
    #[error("conflict `{id}` is not settled by this: choose a value for {}", listed(paths))]
    ConflictOpen { id: String, paths: Vec<String> },
    #[error("the settlement cannot be taken back: {} changed since; edit the record instead", listed(fields))]
    ConflictOutlived { fields: Vec<String> },
    #[error("these changes would wait for each other and never be sent: {path}")]
    DependencyCycle { field: &'static str, path: String },
    #[error("there is no room left on this device: the change was not saved; free some space and try again")]
    QuotaExceeded,
    #[error("the browser's storage cannot be used: {0}; the change was not saved")]
    StorageUnavailable(String),
    #[error("the stored log is damaged: {0}; nothing more is written to it")]
    Corrupt(String),
    #[error("a newer release of this app has changed this database: {0}; keep the input and reload the app")]
    Outdated(Outdated),
    #[error("the database is closed; open it again")]
    Closed,
}

/// `title`, `notes`; or, where no value is named, the whole.
fn listed(paths: &[String]) -> String {
    if paths.is_empty() {
        return "the record: theirs or ours".to_owned();
    }
    paths.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ")
}

impl Error {
    /// Kebab-case, and never changed once released.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidSchema(_) => "invalid-schema",
            Self::UnknownTable { .. } => "unknown-table",
            Self::UnknownScope { .. } => "unknown-scope",
            Self::InvalidValue { .. } => "invalid-value",
            Self::Query(error) => error.code(),
            Self::RecordNotFound { .. } => "record-not-found",
            Self::ReferenceMissing { .. } => "reference-missing",
            Self::ReferenceInUse { .. } => "reference-in-use",
            Self::MutationNotFound { .. } => "mutation-not-found",
            Self::MutationInFlight { .. } => "mutation-in-flight",
            Self::MutationNotParked { .. } => "mutation-not-parked",
            Self::MutationInUse { .. } => "mutation-in-use",
            Self::ConflictNotFound { .. } => "conflict-not-found",
            Self::ConflictSettled { .. } => "conflict-settled",
            Self::ConflictNotSettled { .. } => "conflict-not-settled",
            Self::ConflictUndone { .. } => "conflict-undone",
            Self::TheirsUnknown { .. } => "theirs-unknown",
            Self::ConflictWaits { .. } => "conflict-waits",
            Self::ConflictOpen { .. } => "conflict-open",
            Self::ConflictOutlived { .. } => "conflict-outlived",
            Self::DependencyCycle { .. } => "dependency-cycle",
            Self::QuotaExceeded => "quota-exceeded",
            Self::StorageUnavailable(_) => "storage-unavailable",
            Self::Corrupt(_) => "corrupt",
            Self::Outdated(_) => "outdated",
            Self::Closed => "closed",
        }
    }

    /// The same error, of one record in a list.
    #[must_use]
    pub(crate) fn at_record(self, at: usize) -> Self {
        match self {
            Self::InvalidValue { path, problem } => {
                Self::InvalidValue { path: format!("[{at}].{path}"), problem }
            }
            Self::ReferenceMissing { field, table, id } => {
                Self::ReferenceMissing { field: format!("[{at}].{field}"), table, id }
            }
            other => other,
        }
    }

    /// The field, path or argument at fault, where there is one.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::InvalidSchema(error) => Some(&error.path),
            Self::InvalidValue { path, .. } => Some(path),
            Self::Query(error) => Some(error.path()),
            Self::ReferenceMissing { field, .. } | Self::ReferenceInUse { field, .. } => Some(field),
            Self::DependencyCycle { field, .. } => Some(field),
            Self::UnknownTable { .. } => Some("table"),
            Self::UnknownScope { .. } => Some("scope"),
            Self::RecordNotFound { .. } => Some("id"),
            Self::ConflictOpen { paths, .. } => paths.first().map(String::as_str),
            Self::ConflictOutlived { fields } => fields.first().map(String::as_str),
            Self::ConflictNotFound { .. }
            | Self::ConflictSettled { .. }
            | Self::ConflictNotSettled { .. }
            | Self::ConflictUndone { .. }
            | Self::TheirsUnknown { .. }
            | Self::ConflictWaits { .. }
            | Self::MutationNotFound { .. }
            | Self::MutationInFlight { .. }
            | Self::MutationNotParked { .. }
            | Self::MutationInUse { .. }
            | Self::QuotaExceeded
            | Self::StorageUnavailable(_)
            | Self::Corrupt(_)
            | Self::Outdated(_)
            | Self::Closed => None,
        }
    }

    /// Whether the same call may succeed later without a change to it.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::QuotaExceeded
            | Self::StorageUnavailable(_)
            | Self::MutationInFlight { .. }
            | Self::TheirsUnknown { .. }
            | Self::ConflictWaits { .. } => true,
            Self::InvalidSchema(_)
            | Self::UnknownTable { .. }
            | Self::UnknownScope { .. }
            | Self::InvalidValue { .. }
            | Self::Query(_)
            | Self::RecordNotFound { .. }
            | Self::ReferenceMissing { .. }
            | Self::ReferenceInUse { .. }
            | Self::MutationNotFound { .. }
            | Self::MutationNotParked { .. }
            | Self::MutationInUse { .. }
            | Self::DependencyCycle { .. }
            | Self::ConflictNotFound { .. }
            | Self::ConflictSettled { .. }
            | Self::ConflictNotSettled { .. }
            | Self::ConflictUndone { .. }
            | Self::ConflictOpen { .. }
            | Self::ConflictOutlived { .. }
            | Self::Corrupt(_)
            | Self::Outdated(_)
            | Self::Closed => false,
        }
    }
}

impl From<SchemaError> for Error {
    fn from(error: SchemaError) -> Self {
        Self::InvalidSchema(error)
    }
}

impl From<QueryError> for Error {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<Outdated> for Error {
    fn from(outdated: Outdated) -> Self {
        Self::Outdated(outdated)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Quota => Self::QuotaExceeded,
            StoreError::Unknown(reason) | StoreError::Unavailable(reason) => Self::StorageUnavailable(reason),
        }
    }
}

impl From<CodecError> for Error {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::Newer(outdated) => Self::Outdated(outdated),
            CodecError::Damaged(what) => Self::Corrupt(what),
        }
    }
}
