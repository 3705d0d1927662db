//! Errors as JavaScript gets them: plain objects, which the facade makes into its classes.

use landfall_core::error::Error;
use serde::Serialize;
use wasm_bindgen::JsValue;

use super::shapes::plain;
use crate::body::InvalidValue;

#[derive(Serialize)]
struct Failure<'e> {
    code: &'static str,
    message: String,
    field: Option<&'e str>,
    retryable: bool,
}

/// An error as the plain object that crosses.
pub(super) fn thrown(error: &Error) -> JsValue {
    plain(&Failure {
        code: error.code(),
        message: error.to_string(),
        field: error.field(),
        retryable: error.is_retryable(),
    })
}

/// A value that JSON cannot say. `at` is where it was passed in: `[3]` of a list, or the argument's name, which stands
/// for the value itself.
pub(super) fn unsayable(refused: InvalidValue, at: &str) -> Error {
    let inside = refused.path;
    let path = match (at.starts_with('['), inside.is_empty()) {
        (_, true) => at.to_owned(),
        (true, false) if inside.starts_with('[') => format!("{at}{inside}"),
        (true, false) => format!("{at}.{inside}"),
        (false, false) => inside,
    };
    Error::InvalidValue {
        path,
        problem: format!("is {}, which cannot be stored and sent unchanged", refused.what),
    }
}
