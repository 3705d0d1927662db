//! What kind of failure it is, and what helps: the one table of it (F9, FAULTS).

use serde::{Deserialize, Serialize};

use crate::{activity::Held, planted, ports::RemoteError, protocol::EPOCH_CHANGED};

/// The four kinds of failure (F9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// It may pass: the same again later. Network, timeout, a server that is busy or broken.
    Transient,
    /// It will never be done as it is: somebody has to change it or give it up.
    #[default]
    Validation,
    /// Somebody else was there first.
    Conflict,
    /// Nothing can be sent at all until somebody acts: signs in, or updates the app.
    Critical,
}

impl Class {
    /// The class of an operation that was rejected with this code (docs/errors.md).
    #[must_use]
    pub fn of_rejection(code: &str) -> Self {
        match code {
            // What the server may have forgotten is compared with what it has now.
            "expired" => Self::Conflict,
            _ => Self::Validation,
        }
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Validation => "validation",
            Self::Conflict => "conflict",
            Self::Critical => "critical",
        }
    }
}

/// What a failed request asks for. None of it spends an attempt of a mutation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Wait, and ask again as before. `splits`: what the request held may be the reason, so that less is sent when it
    /// fails again.
    BackOff { retry_after_ms: Option<u64>, splits: bool },
    /// Nothing is sent until somebody acts.
    Hold(Held),
    /// Something in the batch broke it: send less at once, until it is alone. Alone, it is parked as this class.
    Halve { class: Class },
    /// The server is not the one that we knew, or has forgotten where we were.
    PullInFull,
}

impl Remedy {
    /// The class of the failure.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::BackOff { .. } | Self::PullInFull => Class::Transient,
            Self::Hold(_) => Class::Critical,
            Self::Halve { class } => *class,
        }
    }
}

/// What a request that failed as a whole asks for.
#[must_use]
pub fn remedy(error: &RemoteError) -> Remedy {
    let transient = |splits| Remedy::BackOff { retry_after_ms: None, splits };
    match error {
        // Being offline says nothing of what was sent; a request that takes too long, or that somebody on the way answers
        // in the server's place, may be too large or hold what that somebody will not let pass.
        RemoteError::Network(_) => transient(false),
        RemoteError::Timeout | RemoteError::Foreign(_) => transient(true),
        RemoteError::Refused { status, code, retry_after_ms, .. } => {
            let back_off = |splits| Remedy::BackOff { retry_after_ms: *retry_after_ms, splits };
            match (status, code.as_str()) {
                (_, "protocol-unsupported" | "protocol-missing") | (426, _) => {
                    Remedy::Hold(Held::ProtocolUnsupported)
                }
                (401, _) if planted!("unauthenticated-parks") => Remedy::Halve { class: Class::Critical },
                (401, _) => Remedy::Hold(Held::Unauthenticated),
                (403, "principal-mismatch") => Remedy::Hold(Held::PrincipalMismatch),
                (409, EPOCH_CHANGED) | (410, "cursor-expired") => Remedy::PullInFull,
                (409 | 412, _) => Remedy::Halve { class: Class::Conflict },
                // Of a download: no other set is the worse for it.
                (404, "unknown-scope") => Remedy::Halve { class: Class::Validation },
                // Not for what was sent, but for how much and how soon; or because nobody is there who would read it, which
                // is no reason to park one mutation after the other.
                (404 | 405 | 415 | 425 | 429, _) => back_off(false),
                (408, _) => back_off(true),
                (400..=499, _) => Remedy::Halve { class: Class::Validation },
                _ => back_off(true),
            }
        }
    }
}

/// Whether a request was refused for what it held, so that every copy of it is.
#[must_use]
pub fn is_about_content(error: &RemoteError) -> bool {
    matches!(error, RemoteError::Refused { status: 400 | 409 | 412 | 413 | 414 | 422 | 431, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str) -> Remedy {
        remedy(&RemoteError::Refused {
            status,
            code: code.to_owned(),
            message: String::new(),
            retry_after_ms: Some(7),
        })
    }

    #[test]
    fn every_status_has_its_remedy() {
        let waits = |splits| Remedy::BackOff { retry_after_ms: Some(7), splits };
        let parks = |class| Remedy::Halve { class };
        let table = [
            (400, "malformed-body", parks(Class::Validation)),
            (400, "nesting-too-deep", parks(Class::Validation)),
            (400, "unknown-table", parks(Class::Validation)),
            (404, "unknown-scope", parks(Class::Validation)),
            (400, "protocol-missing", Remedy::Hold(Held::ProtocolUnsupported)),
            (400, "protocol-unsupported", Remedy::Hold(Held::ProtocolUnsupported)),
            (401, "unauthenticated", Remedy::Hold(Held::Unauthenticated)),
            (401, "http-error", Remedy::Hold(Held::Unauthenticated)),
            (403, "principal-mismatch", Remedy::Hold(Held::PrincipalMismatch)),
            (403, "forbidden", parks(Class::Validation)),
            (404, "not-found", waits(false)),
            (405, "method-not-allowed", waits(false)),
            (408, "http-error", waits(true)),
            (409, "epoch-changed", Remedy::PullInFull),
            (409, "http-error", parks(Class::Conflict)),
            (410, "cursor-expired", Remedy::PullInFull),
            (412, "http-error", parks(Class::Conflict)),
            (413, "batch-too-large", parks(Class::Validation)),
            (413, "body-too-large", parks(Class::Validation)),
            (415, "unsupported-media-type", waits(false)),
            (415, "unsupported-encoding", waits(false)),
            (422, "http-error", parks(Class::Validation)),
            (425, "http-error", waits(false)),
            (426, "http-error", Remedy::Hold(Held::ProtocolUnsupported)),
            (429, "http-error", waits(false)),
            (500, "internal", waits(true)),
            (502, "http-error", waits(true)),
            (503, "unavailable", waits(true)),
            (503, "timeout", waits(true)),
            (504, "http-error", waits(true)),
        ];
        for (status, code, expected) in table {
            assert_eq!(refused(status, code), expected, "{status} {code}");
        }
    }

    #[test]
    fn what_got_no_answer_waits_and_only_what_may_be_its_own_fault_is_split() {
        let waits = |splits| Remedy::BackOff { retry_after_ms: None, splits };
        assert_eq!(remedy(&RemoteError::Network("offline".into())), waits(false));
        assert_eq!(remedy(&RemoteError::Timeout), waits(true));
        assert_eq!(remedy(&RemoteError::Foreign("a login page".into())), waits(true));
    }

    #[test]
    fn the_classes_are_those_of_f9() {
        assert_eq!(refused(503, "unavailable").class(), Class::Transient);
        assert_eq!(refused(422, "http-error").class(), Class::Validation);
        assert_eq!(refused(412, "http-error").class(), Class::Conflict);
        assert_eq!(refused(401, "unauthenticated").class(), Class::Critical);
        assert_eq!(refused(426, "http-error").class(), Class::Critical);
        assert_eq!(refused(409, "epoch-changed").class(), Class::Transient);
        for code in ["invalid-value", "forbidden", "reference-missing", "something-newer"] {
            assert_eq!(Class::of_rejection(code), Class::Validation, "{code}");
        }
        assert_eq!(Class::of_rejection("expired"), Class::Conflict);
    }
}
