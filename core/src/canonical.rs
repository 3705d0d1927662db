//! One text for one JSON value, and its hash: by these a client and a server that share nothing else tell whether they hold the same.
//!
//! The text is RFC 8785's: keys sorted by their UTF-16 code units, numbers as ECMAScript writes them, nothing between the tokens. So
//! `1.0` and `1` are one value, as they are in JavaScript.

use std::fmt::Write;

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{json, sorted::sort_by};

/// The SHA-256 of a record's own fields, in lower-case hexadecimal digits.
#[must_use]
pub fn content_hash(fields: &Map<String, Value>) -> String {
    let mut text = String::new();
    write_object(fields, &mut text);
    Sha256::digest(text).iter().fold(String::new(), |mut digits, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// The canonical text of a value.
#[must_use]
pub fn text(value: &Value) -> String {
    let mut text = String::new();
    write_value(value, &mut text);
    text
}

fn write_value(value: &Value, text: &mut String) {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(number) => text.push_str(ryu_js::Buffer::new().format(number)),
            // A number that no double holds: there is none without serde_json's own arbitrary precision.
            None => write_plain(value, text),
        },
        Value::Null | Value::Bool(_) | Value::String(_) => write_plain(value, text),
        Value::Array(list) => {
            text.push('[');
            for (at, value) in list.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write_value(value, text);
            }
            text.push(']');
        }
        Value::Object(map) => write_object(map, text),
    }
}

/// What is written alike everywhere.
fn write_plain(value: &impl Serialize, text: &mut String) {
    text.push_str(&json::to_string(value).unwrap_or_default());
}

fn write_object(map: &Map<String, Value>, text: &mut String) {
    let mut members: Vec<(&String, &Value)> = map.iter().collect();
    sort_by(&mut members, |(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
    text.push('{');
    for (at, (key, value)) in members.into_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        write_plain(key, text);
        text.push(':');
        write_value(value, text);
    }
    text.push('}');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The examples of RFC 8785, sections 3.2.2 and 3.2.3.
    #[test]
    fn the_text_is_that_of_the_rfc() {
        let numbers = r"[333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001, -0.0, 1.0]";
        let numbers: Value = serde_json::from_str(numbers).unwrap();
        assert_eq!(text(&numbers), "[333333333.3333333,1e+30,4.5,0.002,1e-27,0,1]");
        assert_eq!(text(&json!([null, true, false])), "[null,true,false]");
        assert_eq!(
            text(&json!("\u{20ac}$\u{f}\nA'B\"\\\\\"/\u{7f}")),
            "\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\u{7f}\""
        );
        let keys = ["\u{20ac}", "\r", "\u{fb33}", "1", "\u{1f600}", "\u{80}", "\u{f6}"];
        let object = Value::Object(keys.iter().map(|key| ((*key).to_owned(), json!(0))).collect());
        let sorted = ["\\r", "1", "\u{80}", "\u{f6}", "\u{20ac}", "\u{1f600}", "\u{fb33}"];
        let members: Vec<String> = sorted.iter().map(|key| format!("\"{key}\":0")).collect();
        assert_eq!(text(&object), format!("{{{}}}", members.join(",")));
        assert_eq!(text(&json!({ "b": [1, { "a": "x" }], "a": {} })), r#"{"a":{},"b":[1,{"a":"x"}]}"#);
        assert_eq!(
            text(&json!([9_007_199_254_740_993_u64, i64::MIN])),
            "[9007199254740992,-9223372036854776000]"
        );
    }

    #[test]
    fn the_hash_is_that_of_the_text() {
        let of = |value: Value| content_hash(value.as_object().unwrap());
        // Of `{}`, as any SHA-256 gives it.
        assert_eq!(of(json!({})), "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
        assert_eq!(of(json!({ "a": 1, "b": "x" })), of(json!({ "b": "x", "a": 1.0 })));
        assert_ne!(of(json!({ "a": 1 })), of(json!({ "a": "1" })));
        assert_ne!(of(json!({ "a": null })), of(json!({})));
    }
}
