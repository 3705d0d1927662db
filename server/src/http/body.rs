//! Bodies: JSON or CBOR, inflated by the layer outside, within the documented limits.

use std::error::Error;

use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use landfall_core::protocol::{PROTOCOL, PROTOCOL_HEADER};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::problem::ProblemResponse;
use crate::decisions::Code;

/// Bytes of a body, inflated.
pub(super) const BODY_BYTES_MAX: usize = 5 * 1024 * 1024;

/// Levels of a record's data, the object that holds the fields being the first.
pub(super) const NESTING_MAX: usize = 32;

/// Levels around a record's data: the request, its list of operations, the operation.
pub(super) const ENVELOPE_NESTING: usize = 3;

const JSON: &str = "application/json";
const CBOR: &str = "application/cbor";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Cbor,
}

/// What the headers ask for in the answer.
#[derive(Debug)]
pub(super) struct Asked {
    format: Format,
}

impl Asked {
    /// Refuses a request of another protocol before anything of it is read.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ProblemResponse> {
        let Some(version) = headers.get(PROTOCOL_HEADER) else {
            return Err(ProblemResponse::new(Code::ProtocolMissing));
        };
        if version.to_str().ok().and_then(|version| version.trim().parse().ok()) != Some(PROTOCOL) {
            let detail = format!("this server speaks protocol {PROTOCOL}");
            return Err(ProblemResponse::because(Code::ProtocolUnsupported, detail));
        }
        // Preferences by weight would be more than two formats need: who names CBOR at all can read it.
        let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let format =
            if accepted.into_iter().any(|value| value.contains(CBOR)) { Format::Cbor } else { Format::Json };
        Ok(Self { format })
    }

    pub(super) fn write<T: Serialize>(&self, answer: &T) -> Result<Response, ProblemResponse> {
        let failed = |error: &dyn Error| {
            eprintln!("landfall-server: an answer cannot be written: {error}");
            ProblemResponse::new(Code::Internal)
        };
        let (content_type, bytes) = match self.format {
            Format::Json => (JSON, serde_json::to_vec(answer).map_err(|error| failed(&error))?),
            Format::Cbor => {
                let mut bytes = Vec::new();
                ciborium::into_writer(answer, &mut bytes).map_err(|error| failed(&error))?;
                (CBOR, bytes)
            }
        };
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
            (header::VARY, HeaderValue::from_static("accept")),
        ];
        Ok((headers, bytes).into_response())
    }
}

/// Reads a request's body.
pub(super) async fn read<T: DeserializeOwned>(request: Request) -> Result<T, ProblemResponse> {
    let format = content_format(request.headers())?;
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(ProblemResponse::new(Code::UnsupportedEncoding));
    }
    let bytes = to_bytes(request.into_body(), BODY_BYTES_MAX).await.map_err(|error| {
        if is_over_limit(&error) {
            ProblemResponse::new(Code::BodyTooLarge)
        } else {
            ProblemResponse::because(Code::MalformedBody, "the body ended early or is not the gzip it says")
        }
    })?;
    match format {
        Format::Json => read_json(&bytes),
        Format::Cbor => read_cbor(&bytes),
    }
}

fn content_format(headers: &HeaderMap) -> Result<Format, ProblemResponse> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(JSON) {
        Ok(Format::Json)
    } else if essence.eq_ignore_ascii_case(CBOR) {
        Ok(Format::Cbor)
    } else {
        Err(ProblemResponse::new(Code::UnsupportedMediaType))
    }
}

fn is_over_limit(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

fn read_json<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, ProblemResponse> {
    // Before parsing: the parser has its own limit, deeper than ours and without a type of error to tell it by.
    if nests_deeper_than(bytes, NESTING_MAX + ENVELOPE_NESTING) {
        return Err(ProblemResponse::new(Code::NestingTooDeep));
    }
    serde_json::from_slice(bytes)
        .map_err(|error| ProblemResponse::because(Code::MalformedBody, error.to_string()))
}

/// Counts brackets outside of strings. On what is not JSON the count means nothing, and the parser says so later.
fn nests_deeper_than(bytes: &[u8], limit: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limit {
            return true;
        }
    }
    false
}

fn read_cbor<T: DeserializeOwned>(mut bytes: &[u8]) -> Result<T, ProblemResponse> {
    use ciborium::de::Error as Fault;
    let limit = NESTING_MAX + ENVELOPE_NESTING;
    let malformed = |detail: &str| ProblemResponse::because(Code::MalformedBody, detail);
    let value: ciborium::Value = match ciborium::de::from_reader_with_recursion_limit(&mut bytes, limit) {
        Ok(value) => value,
        Err(Fault::RecursionLimitExceeded) => return Err(ProblemResponse::new(Code::NestingTooDeep)),
        Err(Fault::Io(_)) => return Err(malformed("the body ends early")),
        Err(Fault::Syntax(at)) => return Err(malformed(&format!("not CBOR at byte {at}"))),
        Err(Fault::Semantic(_, message)) => return Err(malformed(&message)),
    };
    if !bytes.is_empty() {
        return Err(malformed("something follows the first value"));
    }
    if !is_json(&value) {
        return Err(malformed("a value that JSON cannot say"));
    }
    value.deserialized().map_err(|error| malformed(&error.to_string()))
}

/// Whether the value survives as JSON: a NaN would turn into `null` on the way, silently.
fn is_json(value: &ciborium::Value) -> bool {
    use ciborium::Value;
    match value {
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Text(_) => true,
        Value::Float(number) => number.is_finite(),
        Value::Array(items) => items.iter().all(is_json),
        Value::Map(entries) => entries.iter().all(|(key, value)| key.is_text() && is_json(value)),
        _ => false,
    }
}
