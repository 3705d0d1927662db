//! What a reader asks of a table, and why it can be refused.

use std::fmt::Write as _;

use serde_json::Value;

use crate::{body::Scalar, log::entry::Id};

/// Which records, in which order. The default is all of them, by id. Deleted records are never among them.
///
/// A key is a list of scalars, one for each field of the index or for its first few (a prefix). Keys order as
/// [`Scalar`] does, part by part; records with equal keys order by id. `desc` is the exact reverse of `asc`, ids included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The fields of a declared index. `None`: the whole table, by id; `equals` and `range` need an index.
    pub index: Option<Vec<String>>,
    /// Records whose key begins with this. Not together with `range`.
    pub equals: Option<Vec<Scalar>>,
    /// Records whose key lies within these bounds.
    pub range: Range,
    /// From the lowest key or from the highest.
    pub order: Order,
    /// How many of the records in range are passed over first.
    pub offset: usize,
    /// How many records at most. `None`: all.
    pub limit: Option<usize>,
}

/// Bounds of the key. A bound that is a prefix stands for all keys that begin with it: `gte` and `lte` include
/// all of these, `gt` and `lt` none.
///
/// The bounds follow the order of scalars and nothing else: since null comes first, `lt` and `lte` alone also
/// find records without the field, and numbers below a string. `gt: [null]` keeps those without it out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// After everything that begins with this.
    pub gt: Option<Vec<Scalar>>,
    /// From the first that begins with this.
    pub gte: Option<Vec<Scalar>>,
    /// Before everything that begins with this.
    pub lt: Option<Vec<Scalar>>,
    /// To the last that begins with this.
    pub lte: Option<Vec<Scalar>>,
}

impl Query {
    /// The query with other ids in the parts of its key that are foreign keys, where `server_id` has one for them: whoever
    /// still asks by a temporary id finds what it asks for (V3). `None`: there is none to exchange.
    #[must_use]
    pub fn exchanged(
        &self,
        is_reference: impl Fn(&str) -> bool,
        server_id: impl Fn(&str) -> Option<Id>,
    ) -> Option<Self> {
        let fields = self.index.as_ref()?;
        let mut exchanged = self.clone();
        let mut is_other = false;
        let Range { gt, gte, lt, lte } = &mut exchanged.range;
        for key in [&mut exchanged.equals, gt, gte, lt, lte].into_iter().flatten() {
            for (part, field) in key.iter_mut().zip(fields) {
                let Scalar::String(text) = part else { continue };
                if let Some(id) = server_id(text).filter(|_| is_reference(field)) {
                    *text = id;
                    is_other = true;
                }
            }
        }
        is_other.then_some(exchanged)
    }
}

impl Range {
    /// Whether it bounds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gt.is_none() && self.gte.is_none() && self.lt.is_none() && self.lte.is_none()
    }
}

/// In which direction a query reads its index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The lowest key first.
    #[default]
    Ascending,
    /// The highest key first.
    Descending,
}

/// Why a query cannot be run. Nothing was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The table declares no index over exactly these fields, in this order.
    #[error("there is no index {}; the table has {}", names(.index), list(.declared))]
    UnknownIndex {
        /// The fields asked for.
        index: Vec<String>,
        /// The fields of each index that there is.
        declared: Vec<Vec<String>>,
    },
    /// The query contradicts itself or has the wrong shape.
    #[error("invalid query{}: {reason}", at(.path))]
    Invalid {
        /// Leads to the part, as in `range.gt[1]`; empty for the query as a whole.
        path: String,
        /// What would be right there.
        reason: String,
    },
}

impl QueryError {
    /// The stable code of the error at the package's boundary.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownIndex { .. } => "unknown-index",
            Self::Invalid { .. } => "invalid-query",
        }
    }

    /// The part of the query that is at fault.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::UnknownIndex { .. } => "index",
            Self::Invalid { path, .. } => path,
        }
    }

    pub(super) fn invalid(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { path: path.into(), reason: reason.into() }
    }
}

fn names(index: &[String]) -> String {
    format!("[{}]", index.join(", "))
}

fn list(indexes: &[Vec<String>]) -> String {
    let mut text = String::new();
    for index in indexes {
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(text, "{comma}{}", names(index));
    }
    if text.is_empty() { "none".into() } else { text }
}

fn at(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" at {path}") }
}

impl Query {
    /// Reads the package's shape of a query: an index is a name or a list of names, a key a scalar or a list of
    /// scalars. `equals: null` asks for the records without the field, so only what is left out is absent. A part
    /// that is not known is refused: a misspelt `limit` would otherwise answer with a whole table.
    ///
    /// ```
    /// use landfall_core::table::Query;
    /// let query = Query::from_json(&serde_json::json!({ "index": "status", "equals": "completed", "limit": 20 }));
    /// assert_eq!(query.unwrap().limit, Some(20));
    /// let misspelt = Query::from_json(&serde_json::json!({ "limt": 20 })).unwrap_err();
    /// assert_eq!((misspelt.code(), misspelt.path()), ("invalid-query", "limt"));
    /// ```
    pub fn from_json(value: &Value) -> Result<Self, QueryError> {
        let parts = value.as_object().ok_or_else(|| QueryError::invalid("", "a query is an object"))?;
        let mut query = Self::default();
        for (name, part) in parts {
            match name.as_str() {
                "index" => query.index = Some(index(part)?),
                "equals" => query.equals = Some(key(name, part)?),
                "range" => query.range = range(part)?,
                "order" => query.order = order(part)?,
                "offset" => query.offset = size(name, part)?,
                "limit" => query.limit = Some(size(name, part)?),
                _ => {
                    return Err(QueryError::invalid(
                        name,
                        "a query has index, equals, range, order, offset and limit",
                    ));
                }
            }
        }
        Ok(query)
    }
}

fn index(part: &Value) -> Result<Vec<String>, QueryError> {
    let name = |value: &Value| value.as_str().map(str::to_owned);
    match part {
        Value::Array(names) => names.iter().map(name).collect::<Option<Vec<_>>>(),
        single => name(single).map(|name| vec![name]),
    }
    .ok_or_else(|| QueryError::invalid("index", "an index is a field's name or a list of them"))
}

fn key(path: &str, part: &Value) -> Result<Vec<Scalar>, QueryError> {
    let refuse =
        |path: String| QueryError::invalid(path, "a key's part is null, a boolean, a number or a string");
    match part {
        Value::Array(parts) => parts
            .iter()
            .enumerate()
            .map(|(at, part)| Scalar::of_json(part).ok_or_else(|| refuse(format!("{path}[{at}]"))))
            .collect(),
        single => Ok(vec![Scalar::of_json(single).ok_or_else(|| refuse(path.to_owned()))?]),
    }
}

fn range(part: &Value) -> Result<Range, QueryError> {
    let bounds = part.as_object().ok_or_else(|| QueryError::invalid("range", "a range is an object"))?;
    let mut range = Range::default();
    for (name, bound) in bounds {
        let path = format!("range.{name}");
        let place = match name.as_str() {
            "gt" => &mut range.gt,
            "gte" => &mut range.gte,
            "lt" => &mut range.lt,
            "lte" => &mut range.lte,
            _ => return Err(QueryError::invalid(path, "a range has gt, gte, lt and lte")),
        };
        *place = Some(key(&path, bound)?);
    }
    Ok(range)
}

fn order(part: &Value) -> Result<Order, QueryError> {
    match part.as_str() {
        Some("asc") => Ok(Order::Ascending),
        Some("desc") => Ok(Order::Descending),
        _ => Err(QueryError::invalid("order", "an order is `asc` or `desc`")),
    }
}

fn size(path: &str, part: &Value) -> Result<usize, QueryError> {
    // JavaScript has one kind of number: 20.0 is 20 to whoever wrote it.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, not negative, and a cast saturates"
    )]
    let whole = |value: f64| (value >= 0.0 && value.fract() == 0.0).then_some(value as usize);
    part.as_f64().and_then(whole).ok_or_else(|| QueryError::invalid(path, "a whole number, 0 or more"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(value: &str) -> Scalar {
        Scalar::String(value.into())
    }

    #[test]
    fn the_package_shape_is_read_whole() {
        let value = json!({
            "index": ["assignee", "due_date"],
            "range": { "gte": ["u1"], "lt": ["u1", "2026-02"] },
            "order": "desc", "offset": 5, "limit": 20.0
        });
        let expected = Query {
            index: Some(vec!["assignee".into(), "due_date".into()]),
            equals: None,
            range: Range {
                gte: Some(vec![text("u1")]),
                lt: Some(vec![text("u1"), text("2026-02")]),
                ..Range::default()
            },
            order: Order::Descending,
            offset: 5,
            limit: Some(20),
        };
        assert_eq!(Query::from_json(&value), Ok(expected));
    }

    #[test]
    fn null_is_a_key_and_not_an_absent_one() {
        let query = Query::from_json(&json!({ "index": "due_date", "equals": null })).unwrap();
        assert_eq!(query.equals, Some(vec![Scalar::Null]));
    }

    #[test]
    fn what_has_the_wrong_shape_is_refused_with_its_path() {
        let cases = [
            (json!([]), ""),
            (json!({ "where": 1 }), "where"),
            (json!({ "index": ["a", 1] }), "index"),
            (json!({ "index": null }), "index"),
            (json!({ "equals": ["a", {}] }), "equals[1]"),
            (json!({ "equals": { "a": 1 } }), "equals"),
            (json!({ "range": 5 }), "range"),
            (json!({ "range": { "above": 5 } }), "range.above"),
            (json!({ "range": { "lte": [1, []] } }), "range.lte[1]"),
            (json!({ "order": "up" }), "order"),
            (json!({ "offset": -1 }), "offset"),
            (json!({ "limit": 1.5 }), "limit"),
            (json!({ "limit": "20" }), "limit"),
        ];
        for (value, path) in cases {
            let error = Query::from_json(&value).unwrap_err();
            assert_eq!((error.code(), error.path()), ("invalid-query", path), "{value}");
        }
    }

    #[test]
    fn an_unknown_index_names_the_declared_ones() {
        let declared = vec![vec!["status".to_owned()], vec!["assignee".to_owned(), "due_date".to_owned()]];
        let error = QueryError::UnknownIndex { index: vec!["titel".into()], declared };
        assert_eq!(
            error.to_string(),
            "there is no index [titel]; the table has [status], [assignee, due_date]"
        );
    }
}
