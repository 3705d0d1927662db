//! What went wrong with a transaction, as far as the log's callers tell it apart.

use indexed_db_futures::error::Error;
use indexed_db_futures::internals::SystemRepr;
use indexed_db_futures::transaction::Transaction;
use wasm_bindgen::prelude::*;
use web_sys::DomException;

/// Why a transaction did not do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It could not be begun: nothing was asked of the store.
    NotBegun(String),
    /// The store is full; nothing was written.
    Quota,
    /// A key that was to be added was there already; nothing was written.
    Taken,
    /// It ended without saying how, or the connection went.
    Lost(String),
    /// What was read is not what was once written.
    Damaged(String),
}

impl Failure {
    /// From an error before `commit()` was called: the transaction is dropped with it, and aborts.
    pub(super) fn not_begun(error: Error) -> Self {
        match Self::of(error) {
            Self::Lost(why) => Self::NotBegun(why),
            known => known,
        }
    }

    pub(super) fn of(error: Error) -> Self {
        match error {
            Error::DomException(exception) => Self::of_exception(exception.as_sys()),
            other => Self::Lost(said(&other)),
        }
    }

    fn of_exception(exception: &DomException) -> Self {
        match exception.name().as_str() {
            // A class of its own in newer engines, but still a DOMException by this name.
            "QuotaExceededError" => Self::Quota,
            "ConstraintError" => Self::Taken,
            name => Self::Lost(format!("{name}: {}", exception.message())),
        }
    }
}

/// What an error says. Of a value that is of another kind than was stored, not which: the words for that would bring in how a double is
/// written.
pub(super) fn said(error: &Error) -> String {
    match error {
        Error::DomException(exception) => {
            let exception = exception.as_sys();
            format!("{}: {}", exception.name(), exception.message())
        }
        Error::Serialisation(_) => "a value is of another kind than was stored".to_owned(),
        Error::MissingData(missing) => missing.to_string(),
        Error::Unknown(error) => error.to_string(),
    }
}

/// Calls `commit()`, in the turn in which it is first polled, and waits for `complete`.
pub(super) async fn commit(transaction: Transaction<'_>) -> Result<(), Failure> {
    // `commit` consumes the transaction and says of an abort only that it was one. The reason is on the transaction.
    let system = transaction.as_sys().clone();
    let Err(error) = transaction.commit().await else { return Ok(()) };
    match Failure::of(error) {
        Failure::Lost(why) => Err(match system.unchecked_ref::<web_sys::IdbTransaction>().error() {
            Some(exception) => Failure::of_exception(&exception),
            None => Failure::Lost(why),
        }),
        known => Err(known),
    }
}
