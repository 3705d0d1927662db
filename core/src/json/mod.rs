//! JSON text read into shapes and written of them, with little code for each.
//!
//! `serde_json` reads an object into a struct, and an array as well; the second, which nothing here is ever written as, doubles the code
//! of every shape. This reads objects alone.

mod float;
mod read;
mod write;

use std::fmt;

use serde::de::{Expected, Unexpected};

pub use self::read::from_str;
pub use self::write::{HELD, MARK, to_string};

/// What is no JSON, or not the JSON that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    /// Without the value: serde's own words would bring in how a double is written, in several ways.
    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self(format!("expected {wanted}, found {}", kind_of(found)))
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::invalid_type(found, wanted)
    }
}

fn kind_of(value: Unexpected<'_>) -> &'static str {
    match value {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Str(_) | Unexpected::Char(_) => "a text",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "an array",
        Unexpected::Map => "an object",
        _ => "something else",
    }
}

impl serde::ser::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Where the first byte is that stands for itself in no text of JSON: a quote, a backslash or a control character. Eight are looked at
/// together, for most of what is read and written is text without any.
fn special(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    // Sets the high bit of the lowest byte that is less than `limit`, and of none below it; those above may err.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGH;
    let is_special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let equal = |to: u8| below(word ^ (ONES * u64::from(to)), 1);
        let found = below(word, 0x20) | equal(b'"') | equal(b'\\');
        if found != 0 {
            return Some(at * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(is_special).map(|at| words.len() * 8 + at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    pub(super) fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".{0,4}", inner, 0..6).prop_map(|members| json!(members)),
            ]
        })
    }

    #[test]
    fn what_stands_for_itself_in_no_text_is_found_wherever_it_is() {
        for byte in 0..=u8::MAX {
            for at in 0..20 {
                // Before it what is nearly special, after it what would be found too.
                let mut bytes = vec![0x21; 24];
                bytes[..at].copy_from_slice(
                    &[0x20, 0x23, 0x5b, 0x5d, 0x7f, 0x80, 0xa2, 0xdc, 0xff, 0x9f].repeat(2)[..at],
                );
                bytes[at] = byte;
                let is_special = byte < 0x20 || byte == b'"' || byte == b'\\';
                assert_eq!(special(&bytes), is_special.then_some(at), "{byte} at {at}");
                bytes[23] = b'"';
                assert_eq!(special(&bytes), Some(if is_special { at } else { 23 }), "{byte} at {at}");
            }
        }
    }
}
