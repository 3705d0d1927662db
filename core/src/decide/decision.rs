//! How a person settles a conflict, and how an app says so.

use serde_json::{Map, Value};

use crate::{
    error::Error,
    merge::{Choice, Path},
    schema::rules::Strategy,
    sorted::SortedMap,
};

/// How a person settles a conflict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// Instead of the table's rules: one way for all that is contested, and for a deletion that met a change.
    pub strategy: Option<Strategy>,
    /// What was chosen for contested values, or for all that lies below them. Comes before anything else.
    pub choices: SortedMap<Path, Choice>,
}

impl Decision {
    /// Reads a decision: a strategy's word, or `{ strategy, choices }`. Choices are an object by dotted path, or a list in which
    /// each has its `path` as a list of steps, for names with dots in them. A choice is `ours`, `theirs`, or an object with a
    /// `value`; without one, nothing is to be there.
    pub fn from_json(value: &Value) -> Result<Self, Error> {
        let strategy = |word: &Value, path: &str| {
            Strategy::parse(word, path).map_err(|wrong| refused(&wrong.path, wrong.message))
        };
        match value {
            Value::String(_) => {
                Ok(Self { strategy: Some(strategy(value, "decision")?), choices: SortedMap::new() })
            }
            Value::Object(map) => {
                if let Some(key) = map.keys().find(|key| !["strategy", "choices"].contains(&key.as_str())) {
                    let path = format!("decision.{key}");
                    return Err(refused(&path, "is no part of a decision; known are `strategy`, `choices`"));
                }
                let strategy =
                    map.get("strategy").map(|word| strategy(word, "decision.strategy")).transpose()?;
                let choices = map.get("choices").map_or(Ok(SortedMap::new()), choices)?;
                Ok(Self { strategy, choices })
            }
            _ => Err(refused("decision", "must be a strategy or an object with `strategy` or `choices`")),
        }
    }
}

fn choices(value: &Value) -> Result<SortedMap<Path, Choice>, Error> {
    match value {
        Value::Object(by_path) => by_path
            .iter()
            .map(|(path, value)| {
                let steps = path.split('.').map(str::to_owned).collect();
                Ok((Path(steps), choice(value, &format!("decision.choices.{path}"))?))
            })
            .collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(at, entry)| {
                let place = format!("decision.choices[{at}]");
                let steps = entry.get("path").and_then(Value::as_array).filter(|steps| !steps.is_empty());
                let steps = steps.and_then(|steps| {
                    steps.iter().map(|step| step.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
                });
                let Some(steps) = steps else {
                    return Err(refused(&format!("{place}.path"), "must be a list of at least one text"));
                };
                let chosen = entry.get("choose").unwrap_or(entry);
                Ok((Path(steps), choice(chosen, &place)?))
            })
            .collect(),
        _ => Err(refused("decision.choices", "must be an object by path, or a list")),
    }
}

fn choice(value: &Value, path: &str) -> Result<Choice, Error> {
    let is_value = |map: &Map<String, Value>| map.keys().all(|key| key == "value" || key == "path");
    match value {
        Value::String(word) if word == "ours" => Ok(Choice::Ours),
        Value::String(word) if word == "theirs" => Ok(Choice::Theirs),
        Value::Object(map) if is_value(map) => Ok(Choice::Value(map.get("value").cloned())),
        _ => Err(refused(path, "must be `ours`, `theirs`, or an object with a `value`")),
    }
}

fn refused(path: &str, problem: impl Into<String>) -> Error {
    Error::InvalidValue { path: path.to_owned(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(steps: &[&str]) -> Path {
        Path(steps.iter().map(|step| (*step).to_owned()).collect())
    }

    #[test]
    fn a_decision_is_a_word_or_choices_by_path() {
        let read = |value: Value| Decision::from_json(&value).unwrap();
        let strategy = Some(Strategy::ServerWins);
        assert_eq!(read(json!("server-wins")), Decision { strategy, ..Decision::default() });
        assert_eq!(read(json!({})), Decision::default());
        let by_object = read(json!({ "strategy": "server-wins", "choices": {
            "title": "ours", "address.city": "theirs", "due": { "value": null }, "notes": {} } }));
        let by_list = read(json!({ "strategy": "server-wins", "choices": [
            { "path": ["title"], "choose": "ours" }, { "path": ["address", "city"], "choose": "theirs" },
            { "path": ["due"], "value": null }, { "path": ["notes"] } ] }));
        assert_eq!(by_object, by_list);
        assert_eq!(by_object.choices[&path(&["address", "city"])], Choice::Theirs);
        assert_eq!(by_object.choices[&path(&["due"])], Choice::Value(Some(Value::Null)));
        assert_eq!(by_object.choices[&path(&["notes"])], Choice::Value(None));
    }

    #[test]
    fn what_is_no_decision_is_refused_with_its_place() {
        for (value, at) in [
            (json!("mine"), "decision"),
            (json!(7), "decision"),
            (json!({ "strategy": "mine" }), "decision.strategy"),
            (json!({ "choose": "ours" }), "decision.choose"),
            (json!({ "choices": "ours" }), "decision.choices"),
            (json!({ "choices": { "title": "mine" } }), "decision.choices.title"),
            (json!({ "choices": { "title": { "values": 1 } } }), "decision.choices.title"),
            (json!({ "choices": [{ "choose": "ours" }] }), "decision.choices[0].path"),
            (json!({ "choices": [{ "path": [] }] }), "decision.choices[0].path"),
        ] {
            let error = Decision::from_json(&value).unwrap_err();
            assert_eq!((error.code(), error.field()), ("invalid-value", Some(at)), "{value}");
        }
    }
}
