//! Every error the server names, in one table: code, HTTP status, what it means, what helps.

/// An error's stable name. Matched without a wildcard everywhere, so that a new one cannot pass unmapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The body is not what the content type says, or not of the documented shape.
    MalformedBody,
    /// The body nests too deep.
    NestingTooDeep,
    /// The protocol header is missing.
    ProtocolMissing,
    /// Another version of the protocol.
    ProtocolUnsupported,
    /// No token, or an unknown one.
    Unauthenticated,
    /// The body names another principal than the token.
    PrincipalMismatch,
    /// No such path.
    NotFound,
    /// The path takes another method.
    MethodNotAllowed,
    /// The schema has no such scope.
    UnknownScope,
    /// The parameters of the address are not of the documented form.
    InvalidQuery,
    /// No such conflict is held.
    ConflictNotFound,
    /// Somebody has decided it.
    ConflictResolved,
    /// The decision leaves something open.
    ConflictOpen,
    /// Another record has the natural key.
    KeyTaken,
    /// The server was restored from a backup.
    EpochChanged,
    /// The cursor no longer leads anywhere.
    CursorExpired,
    /// Too many operations.
    BatchTooLarge,
    /// Too many bytes.
    BodyTooLarge,
    /// Neither JSON nor CBOR.
    UnsupportedMediaType,
    /// Neither plain nor gzip.
    UnsupportedEncoding,
    /// The tenant has as many streams as it may.
    TooManyStreams,
    /// The tenant has as many locks as it may.
    TooManyLocks,
    /// It took too long.
    Timeout,
    /// The database is busy.
    Unavailable,
    /// A fault of the server.
    Internal,
    /// The schema has no such table.
    UnknownTable,
    /// A value that the schema does not allow.
    InvalidValue,
    /// No record of this id was ever known, or it is long forgotten.
    RecordNotFound,
    /// A foreign key leads to no living record.
    ReferenceMissing,
    /// Other records refer to it and their rule is `refuse`.
    ReferenceInUse,
    /// The server may have forgotten what it answered.
    Expired,
    /// The device gave it up.
    Withdrawn,
    /// The role does not allow it.
    Forbidden,
}

impl Code {
    /// All of them, in the order of the docs.
    pub const ALL: [Self; 33] = [
        Self::MalformedBody,
        Self::NestingTooDeep,
        Self::ProtocolMissing,
        Self::ProtocolUnsupported,
        Self::Unauthenticated,
        Self::PrincipalMismatch,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::UnknownScope,
        Self::InvalidQuery,
        Self::ConflictNotFound,
        Self::ConflictResolved,
        Self::ConflictOpen,
        Self::KeyTaken,
        Self::EpochChanged,
        Self::CursorExpired,
        Self::BatchTooLarge,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::UnsupportedEncoding,
        Self::TooManyStreams,
        Self::TooManyLocks,
        Self::Timeout,
        Self::Unavailable,
        Self::Internal,
        Self::UnknownTable,
        Self::InvalidValue,
        Self::RecordNotFound,
        Self::ReferenceMissing,
        Self::ReferenceInUse,
        Self::Expired,
        Self::Withdrawn,
        Self::Forbidden,
    ];

    /// As it is on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status of the problem; `None` for what only ever rejects one operation.
    #[must_use]
    pub const fn http_status(self) -> Option<u16> {
        self.row().1
    }

    /// Whether it may reject one operation of an upload.
    #[must_use]
    pub const fn rejects_operations(self) -> bool {
        match self {
            Self::UnknownTable
            | Self::InvalidValue
            | Self::RecordNotFound
            | Self::ReferenceMissing
            | Self::ReferenceInUse
            | Self::Expired
            | Self::Withdrawn
            | Self::Forbidden => true,
            Self::MalformedBody
            | Self::NestingTooDeep
            | Self::ProtocolMissing
            | Self::ProtocolUnsupported
            | Self::Unauthenticated
            | Self::PrincipalMismatch
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::UnknownScope
            | Self::InvalidQuery
            | Self::ConflictNotFound
            | Self::ConflictResolved
            | Self::ConflictOpen
            | Self::KeyTaken
            | Self::EpochChanged
            | Self::CursorExpired
            | Self::BatchTooLarge
            | Self::BodyTooLarge
            | Self::UnsupportedMediaType
            | Self::UnsupportedEncoding
            | Self::TooManyStreams
            | Self::TooManyLocks
            | Self::Timeout
            | Self::Unavailable
            | Self::Internal => false,
        }
    }

    /// Seconds after which the same request may work, for `Retry-After`.
    #[must_use]
    pub const fn retry_after_seconds(self) -> Option<u32> {
        match self.http_status() {
            Some(503) => Some(2),
            _ => None,
        }
    }

    /// What it means, the same every time.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().2
    }

    /// What helps.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        self.row().3
    }

    #[expect(clippy::too_many_lines, reason = "it is the table: a row for each code")]
    const fn row(self) -> (&'static str, Option<u16>, &'static str, &'static str) {
        match self {
            Self::MalformedBody => (
                "malformed-body",
                Some(400),
                "The body cannot be read",
                "Send what PROTOCOL describes, in the content type that the header names.",
            ),
            Self::NestingTooDeep => {
                ("nesting-too-deep", Some(400), "The body nests too deep", "Keep values to 32 levels.")
            }
            Self::ProtocolMissing => (
                "protocol-missing",
                Some(400),
                "The header Landfall-Protocol is missing",
                "Send `Landfall-Protocol: 1`.",
            ),
            Self::ProtocolUnsupported => (
                "protocol-unsupported",
                Some(400),
                "This version of the protocol is not spoken here",
                "Update the older side.",
            ),
            Self::Unauthenticated => (
                "unauthenticated",
                Some(401),
                "The request carries no token that is known here",
                "Sign in again. The client holds what waits and spends no attempt.",
            ),
            Self::PrincipalMismatch => (
                "principal-mismatch",
                Some(403),
                "The token is somebody else's",
                "Sign in as the principal whose changes wait. The client holds them and spends no attempt.",
            ),
            Self::NotFound => ("not-found", Some(404), "There is nothing at this path", "Check the address."),
            Self::MethodNotAllowed => (
                "method-not-allowed",
                Some(405),
                "The path takes another method",
                "Use the method that `Allow` names.",
            ),
            Self::UnknownScope => (
                "unknown-scope",
                Some(404),
                "The schema has no such scope",
                "Give client and server the same schema.",
            ),
            Self::InvalidQuery => (
                "invalid-query",
                Some(400),
                "The parameters of the address cannot be read",
                "`detail` says which and why.",
            ),
            Self::ConflictNotFound => {
                ("conflict-not-found", Some(404), "No such conflict is held", "Ask for those that are.")
            }
            Self::ConflictResolved => (
                "conflict-resolved",
                Some(409),
                "Somebody has decided the conflict",
                "Nothing, or change the record anew.",
            ),
            Self::ConflictOpen => (
                "conflict-open",
                Some(422),
                "The decision leaves something open",
                "`detail` names the paths. Give their fields in `data`, or choose a resolution that settles them.",
            ),
            Self::KeyTaken => (
                "key-taken",
                Some(409),
                "Another record has the natural key",
                "Give other values for it in `data`, or resolve otherwise.",
            ),
            Self::EpochChanged => (
                "epoch-changed",
                Some(409),
                "The server was restored from a backup",
                "Nothing was applied. The client pulls in full, keeps what is pending and sends again.",
            ),
            Self::CursorExpired => (
                "cursor-expired",
                Some(410),
                "The cursor no longer leads anywhere",
                "The client pulls in full.",
            ),
            Self::BatchTooLarge => (
                "batch-too-large",
                Some(413),
                "The upload holds too many operations",
                "Send at most 1,000 at once.",
            ),
            Self::BodyTooLarge => (
                "body-too-large",
                Some(413),
                "The body is too large",
                "Send at most 5 MB, counted after decompression.",
            ),
            Self::UnsupportedMediaType => (
                "unsupported-media-type",
                Some(415),
                "The content type is not spoken here",
                "Send `application/json` or `application/cbor`.",
            ),
            Self::UnsupportedEncoding => (
                "unsupported-encoding",
                Some(415),
                "The content encoding is not spoken here",
                "Send the body plain or as `gzip`.",
            ),
            Self::TooManyStreams => (
                "too-many-streams",
                Some(503),
                "The tenant has as many streams as it may",
                "Pull now and then, and try again after `Retry-After`.",
            ),
            Self::TooManyLocks => (
                "too-many-locks",
                Some(503),
                "The tenant has as many locks as it may",
                "Edit without one: it is advice. Some expire soon.",
            ),
            Self::Timeout => {
                ("timeout", Some(503), "The request took too long", "Send it again: the keys make that safe.")
            }
            Self::Unavailable => {
                ("unavailable", Some(503), "The server is too busy", "Send it again after `Retry-After`.")
            }
            Self::Internal => (
                "internal",
                Some(500),
                "The server failed",
                "Send it again later: the keys make that safe. The server's log says more.",
            ),
            Self::UnknownTable => (
                "unknown-table",
                Some(400),
                "The schema has no such table",
                "Give client and server the same schema.",
            ),
            Self::InvalidValue => (
                "invalid-value",
                Some(422),
                "A value that the schema does not allow",
                "`field` names it. Correct it and write again.",
            ),
            Self::RecordNotFound => (
                "record-not-found",
                None,
                "There is no such record",
                "Discard the change, or create the record anew.",
            ),
            Self::ReferenceMissing => (
                "reference-missing",
                Some(422),
                "The record referred to does not exist",
                "`field` names the reference. Choose another parent or create it first.",
            ),
            Self::ReferenceInUse => (
                "reference-in-use",
                Some(422),
                "Other records refer to it",
                "Delete or move those that refer to it first.",
            ),
            Self::Expired => (
                "expired",
                None,
                "The server may have forgotten its answer",
                "First sent before the horizon. Pull, compare and write again what is still wanted.",
            ),
            Self::Withdrawn => (
                "withdrawn",
                None,
                "The device gave the change up",
                "Nothing: it was not applied and never will be.",
            ),
            Self::Forbidden => {
                ("forbidden", Some(403), "The role does not allow it", "Ask for the right to change this.")
            }
        }
    }
}

/// The table of `docs/errors.md`.
#[must_use]
pub fn markdown() -> String {
    let rows = Code::ALL.map(|code| {
        let status = match (code.http_status(), code.rejects_operations()) {
            (Some(status), false) => status.to_string(),
            (Some(status), true) => format!("{status}, `rejected`"),
            (None, _) => "`rejected`".to_owned(),
        };
        format!("| `{}` | {status} | {} | {} |\n", code.name(), code.title(), code.remedy())
    });
    format!("| code | status | means | what helps |\n|---|---|---|---|\n{}", rows.concat())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_docs_hold_this_table() {
        let docs = include_str!("../../../docs/errors.md");
        assert!(docs.contains(&markdown()), "docs/errors.md must contain:\n{}", markdown());
    }

    #[test]
    fn every_code_is_listed_once_and_goes_somewhere() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.http_status().is_some() || code.rejects_operations(), "{}", code.name());
            assert!(code.name().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
        }
    }
}
