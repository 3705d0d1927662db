//! What the server decides, over a store port: no HTTP, no SQL, no clock. The simulator runs this same code.
//!
//! What happens to an upload, in order ([`upload()`]):
//!
//! 1. Whether it is taken at all: protocol, principal, epoch, number of operations. A [`Refusal`] says nothing of any
//!    operation.
//! 2. One transaction is begun. Every operation then has its own savepoint inside it.
//! 3. The answers remembered under the operation's key, for this principal, come first: what was answered definitely is
//!    answered again, whatever the body says now. Only then may it be `expired`, deferred behind a failed dependency, or
//!    decided ([`apply`]).
//!    Whether a record is still what an operation was made on is told by its version, its time or its content, as the
//!    schema says for the table.
//! 4. A definite answer is remembered, each operation leaves a line in the audit, and the transaction commits. If it
//!    does not, nothing of the batch has happened.
//!
//! What happens to a download ([`download()`]): the cursor is read and must be of this epoch, tenant, scope and set of tables, and
//! younger than the last purge. The page is one snapshot of the store, in the order of the change sequence; of a scope it shows what is
//! in it, and what left it ([`scope`]). Since that sequence is assigned inside the only write transaction there is at a time, it is the order of commits, and nothing
//! that commits later can appear before a cursor.

mod apply;
pub mod codes;
mod conflicts;
mod cursor;
mod delete;
mod download;
mod holding;
mod identity;
pub mod port;
mod scope;
mod three_way;
mod upload;
mod values;

#[cfg(test)]
mod tests;

use landfall_core::protocol::PROTOCOL;
use landfall_core::schema::Schema;

pub use codes::Code;
pub use conflicts::{conflicts, place_of, resolve};
pub use download::download;
pub use upload::{upload, upload_and_tell};
#[cfg(test)]
pub(crate) use values::check_record;

use apply::Reason;
use port::StoreError;

/// Who asks, by the token and never by the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The signed-in user.
    pub principal: String,
    /// The isolated set of data the user works in.
    pub tenant: String,
    /// What the user may do there.
    pub role: Role,
}

/// What a principal may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// Read and write.
    #[default]
    Editor,
    /// Read only: every operation is rejected.
    Reader,
}

/// What the server was started with.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Without a schema every JSON object is taken, and references are nobody's business.
    pub schema: Option<Schema>,
    /// Operations to an upload, at most.
    pub operations_max: usize,
    /// Rows to a page, at most, and where the request does not say.
    pub page_rows_max: u32,
}

impl Rules {
    /// The documented limits.
    #[must_use]
    pub fn new(schema: Option<Schema>) -> Self {
        Self { schema, operations_max: 1_000, page_rows_max: 1_000 }
    }
}

/// How long tombstones and answers are kept, at least.
pub const RETENTION_MS: u64 = 90 * 24 * 60 * 60 * 1_000;

/// Why a whole request was refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The request speaks another version of the protocol.
    #[error("this server speaks protocol {PROTOCOL}, the request says {0}")]
    ProtocolUnsupported(u32),
    /// The body names another principal than the token.
    #[error("the token is not that of principal `{0}`")]
    PrincipalMismatch(String),
    /// The server was restored from a backup since the device last heard of it.
    #[error("the server's epoch is now `{0}`: pull in full, then send again")]
    EpochChanged(String),
    /// The cursor no longer leads anywhere.
    #[error("pull in full: {0}")]
    CursorExpired(&'static str),
    /// More operations than the server takes at once.
    #[error("{0} operations; at most {1} are taken at once")]
    BatchTooLarge(usize, usize),
    /// A download of a table that the schema does not have.
    #[error("the schema has no table `{0}`")]
    UnknownTable(String),
    /// A download of a scope that the schema does not have.
    #[error("the schema has no scope `{0}`")]
    UnknownScope(String),
    /// A download of nothing.
    #[error("`entityTypes` must name at least one table")]
    NothingAsked,
    /// A decision by somebody who only reads.
    #[error("this role only reads")]
    Forbidden,
    /// A decision about a conflict that the tenant does not have.
    #[error("no conflict `{0}` is held")]
    ConflictNotFound(String),
    /// A decision about a conflict that somebody has decided.
    #[error("principal `{0}` has decided already")]
    ConflictResolved(String),
    /// A decision that leaves something open.
    #[error("still open: {0}")]
    ConflictOpen(String),
    /// A decision that would make a record that must not be.
    #[error("{message}")]
    Rejected {
        /// Why not.
        code: Code,
        /// For people.
        message: String,
    },
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refusal {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::ProtocolUnsupported(_) => Code::ProtocolUnsupported,
            Self::PrincipalMismatch(_) => Code::PrincipalMismatch,
            Self::EpochChanged(_) => Code::EpochChanged,
            Self::CursorExpired(_) => Code::CursorExpired,
            Self::BatchTooLarge(..) => Code::BatchTooLarge,
            Self::UnknownTable(_) => Code::UnknownTable,
            Self::UnknownScope(_) => Code::UnknownScope,
            Self::NothingAsked => Code::MalformedBody,
            Self::Forbidden => Code::Forbidden,
            Self::ConflictNotFound(_) => Code::ConflictNotFound,
            Self::ConflictResolved(_) => Code::ConflictResolved,
            Self::ConflictOpen(_) => Code::ConflictOpen,
            Self::Rejected { code, .. } => *code,
            Self::Store(StoreError::Busy) => Code::Unavailable,
            Self::Store(StoreError::Failed(_)) => Code::Internal,
        }
    }
}

/// An operation is answered by name; a decision is refused.
impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        let taken_by = |record: port::Record| Self::Rejected {
            code: Code::KeyTaken,
            message: format!("`{}` `{}` has the natural key", record.table, record.id),
        };
        match reason {
            Reason::Rejected { code, message, .. } => Self::Rejected { code, message },
            Reason::Conflict(record) => taken_by(*record),
            Reason::Open(open) => taken_by(open.theirs),
            // It waits for something of its own batch, and a decision has none.
            Reason::Deferred => StoreError::Busy.into(),
            Reason::Store(error) => error.into(),
        }
    }
}
