//! A checked query, as a run of positions in one index.

use super::key::{AFTER, encode};
use super::{Order, Query, QueryError};
use crate::{body::Scalar, log::entry::Id};

/// A query that a table with the same indexes can run without failing: everything from `lower` up to, not
/// including, `upper`. Live queries hold one, and ask it whether a changed record concerns them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The fields of the index; none for the whole table by id.
    pub(super) fields: Vec<String>,
    lower: Box<[u8]>,
    upper: Box<[u8]>,
    pub(super) order: Order,
    pub(super) offset: usize,
    pub(super) limit: Option<usize>,
    /// What was asked.
    query: Query,
}

impl Plan {
    /// Checks a query against a table's indexes.
    pub fn new(query: &Query, indexes: &[Vec<String>]) -> Result<Self, QueryError> {
        let range = &query.range;
        let Some(fields) = &query.index else {
            if query.equals.is_some() || !range.is_empty() {
                return Err(QueryError::invalid("index", "`equals` and `range` need an index"));
            }
            return Ok(Self::over(Vec::new(), Vec::new(), vec![AFTER], query));
        };
        if !indexes.contains(fields) {
            return Err(QueryError::UnknownIndex { index: fields.clone(), declared: indexes.to_vec() });
        }
        if query.equals.is_some() && !range.is_empty() {
            return Err(QueryError::invalid("range", "`equals` and `range` exclude each other"));
        }
        let bytes = |path: &str, key: &[Scalar]| prefix(path, key, fields);
        if let Some(key) = &query.equals {
            let lower = bytes("equals", key)?;
            let upper = after(lower.clone());
            return Ok(Self::over(fields.clone(), lower, upper, query));
        }
        let lower = match (&range.gt, &range.gte) {
            (Some(_), Some(_)) => {
                return Err(QueryError::invalid("range", "`gt` and `gte` exclude each other"));
            }
            (Some(key), None) => after(bytes("range.gt", key)?),
            (None, Some(key)) => bytes("range.gte", key)?,
            (None, None) => Vec::new(),
        };
        let upper = match (&range.lt, &range.lte) {
            (Some(_), Some(_)) => {
                return Err(QueryError::invalid("range", "`lt` and `lte` exclude each other"));
            }
            (Some(key), None) => bytes("range.lt", key)?,
            (None, Some(key)) => after(bytes("range.lte", key)?),
            (None, None) => vec![AFTER],
        };
        Ok(Self::over(fields.clone(), lower, upper, query))
    }

    fn over(fields: Vec<String>, lower: Vec<u8>, upper: Vec<u8>, query: &Query) -> Self {
        let Query { order, offset, limit, .. } = *query;
        Self { fields, lower: lower.into(), upper: upper.into(), order, offset, limit, query: query.clone() }
    }

    /// The plan of the same query after records got their server ids; `None` if it is the same plan.
    pub(crate) fn after_exchange(
        &self,
        is_reference: impl Fn(&str) -> bool,
        server_id: impl Fn(&str) -> Option<Id>,
    ) -> Option<Self> {
        let query = self.query.exchanged(is_reference, server_id)?;
        Self::new(&query, std::slice::from_ref(&self.fields)).ok()
    }

    /// Every record whose `field` holds `text`, by id.
    pub(super) fn equal_to(field: &str, text: &str) -> Self {
        let mut lower = Vec::new();
        encode(&Scalar::String(text.into()), &mut lower);
        let upper = after(lower.clone());
        Self::over(vec![field.to_owned()], lower, upper, &Query::default())
    }

    /// The fields of its index; none for the whole table by id.
    pub(crate) fn fields(&self) -> &[String] {
        &self.fields
    }

    /// Whether a record at this position is in range, wherever the window of offset and limit lies.
    pub(crate) fn holds(&self, position: &[u8]) -> bool {
        *self.lower <= *position && *position < *self.upper
    }

    /// The bounds, or `None` if nothing lies between them: a range may be written the wrong way round, and is
    /// then empty and not an error.
    pub(super) fn bounds(&self) -> Option<(&[u8], &[u8])> {
        (self.lower < self.upper).then_some((&*self.lower, &*self.upper))
    }

    /// Whether a change at `position` lies behind the window, of which `last` is the last record: what comes
    /// after a full window neither enters it nor moves it.
    pub(crate) fn is_behind(&self, position: &[u8], last: &[u8]) -> bool {
        match self.order {
            Order::Ascending => position > last,
            Order::Descending => position < last,
        }
    }

    /// Whether a result of `len` records leaves no room for another.
    pub(crate) fn is_full(&self, len: usize) -> bool {
        self.limit.is_some_and(|limit| len >= limit)
    }
}

fn prefix(path: &str, key: &[Scalar], fields: &[String]) -> Result<Vec<u8>, QueryError> {
    if key.is_empty() {
        return Err(QueryError::invalid(path, "a key has at least one part"));
    }
    if key.len() > fields.len() {
        let reason = format!("a key of {} parts, and the index has {}", key.len(), fields.len());
        return Err(QueryError::invalid(path, reason));
    }
    let mut bytes = Vec::new();
    for part in key {
        encode(part, &mut bytes);
    }
    Ok(bytes)
}

/// The first place after everything that begins with the prefix.
fn after(mut prefix: Vec<u8>) -> Vec<u8> {
    prefix.push(AFTER);
    prefix
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_contradicts_itself_is_refused_with_its_path() {
        let indexes = [vec!["status".to_owned()], vec!["assignee".to_owned(), "due_date".to_owned()]];
        let cases = [
            (json!({ "equals": 1 }), "invalid-query", "index"),
            (json!({ "range": { "gt": 1 } }), "invalid-query", "index"),
            (json!({ "index": "title" }), "unknown-index", "index"),
            // A compound index does not answer for its first field alone: the declared index is named whole.
            (json!({ "index": "assignee" }), "unknown-index", "index"),
            (json!({ "index": ["due_date", "assignee"] }), "unknown-index", "index"),
            (json!({ "index": "status", "equals": 1, "range": { "gt": 1 } }), "invalid-query", "range"),
            (json!({ "index": "status", "range": { "gt": 1, "gte": 1 } }), "invalid-query", "range"),
            (json!({ "index": "status", "range": { "lt": 1, "lte": 1 } }), "invalid-query", "range"),
            (json!({ "index": "status", "equals": [1, 2] }), "invalid-query", "equals"),
            (json!({ "index": "status", "equals": [] }), "invalid-query", "equals"),
            (
                json!({ "index": ["assignee", "due_date"], "range": { "lte": [1, 2, 3] } }),
                "invalid-query",
                "range.lte",
            ),
        ];
        for (value, code, path) in cases {
            let error = Plan::new(&Query::from_json(&value).unwrap(), &indexes).unwrap_err();
            assert_eq!((error.code(), error.path()), (code, path), "{value}");
        }
    }

    #[test]
    fn an_empty_range_bounds_nothing() {
        let indexes = [vec!["status".to_owned()]];
        let plan = |value| Plan::new(&Query::from_json(&value).unwrap(), &indexes).unwrap();
        assert_eq!(plan(json!({ "index": "status", "range": {} })), plan(json!({ "index": "status" })));
    }
}
