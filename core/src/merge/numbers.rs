//! Numbers that both sides changed.

use std::cmp::Ordering;

use serde_json::Value;

use crate::body::Scalar;

/// Of two numbers the one that lies further out in that direction.
pub(super) fn outermost(ours: &Value, theirs: &Value, direction: Ordering) -> Option<Value> {
    let order = ours.as_f64()?.partial_cmp(&theirs.as_f64()?)?;
    Some(if order == direction { ours.clone() } else { theirs.clone() })
}

/// What both sides added to a number, or took away from it. Where there was none, both began at 0.
pub(super) fn added_up(base: Option<&Value>, ours: &Value, theirs: &Value) -> Option<Value> {
    let base = match base {
        None | Some(Value::Null) => 0.0,
        Some(base) => base.as_f64()?,
    };
    let sum = theirs.as_f64()? + (ours.as_f64()? - base);
    // JSON has no infinity: two numbers at the end of the range are for a person.
    sum.is_finite().then(|| Scalar::Number(sum).to_json())
}
