//! The merge against a table of what the rules say, written from their descriptions and sharing nothing with the code: every way with
//! every three of these values.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Case, merged};

/// Everything that a field may hold, and nothing at all.
fn values() -> Vec<Option<Value>> {
    let held = [
        json!(null),
        json!(true),
        json!(0),
        json!(3),
        json!(-2),
        json!(2.5),
        json!(""),
        json!("a"),
        json!("b"),
        json!("c"),
        json!([]),
        json!(["a"]),
        json!(["a", "b"]),
        json!(["b", "a"]),
        json!(["c", "a"]),
        json!([1, 1]),
        json!([null, 3]),
        json!([{ "id": 1, "n": 1 }]),
        json!([{ "id": 1, "n": 2 }]),
        json!([{ "id": 2, "n": 1 }, { "id": 1, "n": 3 }]),
        json!({ "k": 1 }),
        json!({ "k": 2 }),
        json!({ "k": 1, "l": 1 }),
        json!({ "l": 2 }),
    ];
    held.into_iter().map(Some).chain([None]).collect()
}

/// What is to come of it.
#[derive(Debug, PartialEq)]
enum Expected {
    /// This value, and nothing for a person to decide.
    Settled(Option<Value>),
    /// Something in it is for a person, and until then it looks like this.
    Open(Option<Value>),
}

use Expected::{Open, Settled};

impl Expected {
    fn into_value(self) -> Option<Value> {
        match self {
            Settled(value) | Open(value) => value,
        }
    }
}

type Held<'v> = &'v Option<Value>;

fn expected(way: &str, is_later: bool, base: Held<'_>, ours: Held<'_>, theirs: Held<'_>) -> Expected {
    if ours == base {
        return Settled(theirs.clone());
    }
    if theirs == base || ours == theirs {
        return Settled(ours.clone());
    }
    let for_a_person = || Open(theirs.clone());
    let numbers = ours.as_ref().and_then(Value::as_f64).zip(theirs.as_ref().and_then(Value::as_f64));
    let lists = ours.as_ref().and_then(Value::as_array).zip(theirs.as_ref().and_then(Value::as_array));
    let old_list = match base {
        None | Some(Value::Null) => Some(&[][..]),
        Some(base) => base.as_array().map(Vec::as_slice),
    };
    match way {
        "server" => Settled(theirs.clone()),
        "client" => Settled(ours.clone()),
        "latest" => Settled(if is_later { ours } else { theirs }.clone()),
        "highest" => numbers.map_or_else(for_a_person, |(ours, theirs)| number(ours.max(theirs))),
        "lowest" => numbers.map_or_else(for_a_person, |(ours, theirs)| number(ours.min(theirs))),
        "counter" => {
            let began = match base {
                None | Some(Value::Null) => Some(0.0),
                Some(base) => base.as_f64(),
            };
            let all = numbers.zip(began);
            all.map_or_else(for_a_person, |((ours, theirs), began)| number(ours + theirs - began))
        }
        // a, then b; c is none of them.
        "progression" => {
            match (ours.as_ref().and_then(Value::as_str), theirs.as_ref().and_then(Value::as_str)) {
                (Some("a" | "b"), Some("a" | "b")) => Settled(Some(json!("b"))),
                _ => for_a_person(),
            }
        }
        // One line each: what both wrote meets, unless one of them left the empty text that it began with.
        "text" => {
            let began = base.as_ref().filter(|base| !base.is_null());
            let from_nothing = began.is_none_or(|base| *base == json!(""));
            let is_text = began.is_none_or(Value::is_string);
            match (ours.as_ref().and_then(Value::as_str), theirs.as_ref().and_then(Value::as_str)) {
                (Some(""), Some(text)) | (Some(text), Some("")) if from_nothing && is_text => {
                    Settled(Some(json!(text)))
                }
                _ => for_a_person(),
            }
        }
        "union" => lists
            .zip(old_list)
            .and_then(|((ours, theirs), old)| sets(old, ours, theirs))
            .unwrap_or_else(for_a_person),
        "named" => lists
            .zip(old_list)
            .and_then(|((ours, theirs), old)| named(old, ours, theirs))
            .unwrap_or_else(for_a_person),
        "positions" => lists
            .zip(old_list)
            .and_then(|((ours, theirs), old)| places(old, ours, theirs))
            .unwrap_or_else(for_a_person),
        "none" => match (ours, theirs) {
            (Some(Value::Object(_)), Some(Value::Object(_))) => keys(base, ours, theirs),
            _ => for_a_person(),
        },
        "manual" => for_a_person(),
        _ => unreachable!("{way}"),
    }
}

fn number(value: f64) -> Expected {
    let is_whole = value.fract() == 0.0;
    #[expect(clippy::cast_possible_truncation, reason = "small and whole")]
    Settled(Some(if is_whole { json!(value as i64) } else { json!(value) }))
}

fn has(list: &[Value], value: &Value) -> bool {
    list.contains(value)
}

fn is_set(list: &[Value]) -> bool {
    list.iter().enumerate().all(|(at, value)| !has(&list[..at], value))
}

fn sets(old: &[Value], ours: &[Value], theirs: &[Value]) -> Option<Expected> {
    if ![old, ours, theirs].iter().all(|list| is_set(list)) {
        return None;
    }
    let stays = |value: &&Value| !has(old, value) || (has(ours, value) && has(theirs, value));
    let kept = theirs.iter().filter(stays);
    let added = ours.iter().filter(|value| !has(theirs, value)).filter(stays);
    Some(Settled(Some(Value::Array(kept.chain(added).cloned().collect()))))
}

/// The number under the id.
fn find(list: &[Value], id: i64) -> Option<Value> {
    list.iter().find(|entry| entry["id"] == id).cloned()
}

fn named(old: &[Value], ours: &[Value], theirs: &[Value]) -> Option<Expected> {
    if ![old, ours, theirs].iter().all(|list| list.iter().all(|entry| entry.get("id").is_some())) {
        return None;
    }
    let ids = |list: &[Value]| -> Vec<i64> { list.iter().filter_map(|entry| entry["id"].as_i64()).collect() };
    let (theirs_first, ours_then) = (ids(theirs), ids(ours));
    let order = theirs_first.iter().chain(ours_then.iter().filter(|id| !theirs_first.contains(id)));
    let (mut list, mut is_open) = (Vec::new(), false);
    for id in order {
        let (b, o, t) = (find(old, *id), find(ours, *id), find(theirs, *id));
        list.extend(match (&b, &o, &t) {
            (_, Some(_), Some(_)) => {
                let whole = keys(&b, &o, &t);
                is_open |= matches!(whole, Open(_));
                whole.into_value()
            }
            // One removed it: it goes, unless the other changed it.
            (Some(b), Some(kept), None) | (Some(b), None, Some(kept)) => (b != kept).then(|| kept.clone()),
            (None, one, other) => one.clone().or_else(|| other.clone()),
            (Some(_), None, None) => None,
        });
    }
    let list = Some(Value::Array(list));
    Some(if is_open { Open(list) } else { Settled(list) })
}

fn places(old: &[Value], ours: &[Value], theirs: &[Value]) -> Option<Expected> {
    let each = (0..ours.len().max(theirs.len())).map(|at| {
        let (b, o, t) = (old.get(at).cloned(), ours.get(at).cloned(), theirs.get(at).cloned());
        expected("none", false, &b, &o, &t)
    });
    let each: Vec<Expected> = each.collect();
    let is_open = each.iter().any(|place| matches!(place, Open(_)));
    let list: Vec<Option<Value>> = each.into_iter().map(Expected::into_value).collect();
    let length = list.iter().take_while(|place| place.is_some()).count();
    if list[length..].iter().any(Option::is_some) {
        return None;
    }
    let list = Some(Value::Array(list.into_iter().flatten().collect()));
    Some(if is_open { Open(list) } else { Settled(list) })
}

fn keys(base: Held<'_>, ours: Held<'_>, theirs: Held<'_>) -> Expected {
    let held = |whole: Held<'_>, key: &str| whole.as_ref().and_then(|whole| whole.get(key)).cloned();
    let names =
        [ours, theirs].into_iter().flatten().filter_map(Value::as_object).flat_map(|map| map.keys().cloned());
    let (mut whole, mut is_open) = (serde_json::Map::new(), false);
    for name in names.collect::<BTreeSet<String>>() {
        let part = expected("none", false, &held(base, &name), &held(ours, &name), &held(theirs, &name));
        is_open |= matches!(part, Open(_));
        whole.extend(part.into_value().map(|value| (name, value)));
    }
    let whole = Some(Value::Object(whole));
    if is_open { Open(whole) } else { Settled(whole) }
}

#[test]
fn every_way_does_with_every_three_values_what_its_description_says() {
    let ways = [
        ("none", json!({})),
        ("manual", json!({ "f": "manual" })),
        ("server", json!({ "f": "server" })),
        ("server", json!({ "strategy": "client-wins", "f": "server" })),
        ("client", json!({ "f": "client" })),
        ("latest", json!({ "f": "latest" })),
        ("highest", json!({ "f": "highest" })),
        ("lowest", json!({ "f": "lowest" })),
        ("counter", json!({ "f": "counter" })),
        ("progression", json!({ "f": { "progression": ["a", "b"] } })),
        ("text", json!({ "f": "text" })),
        ("union", json!({ "f": "union" })),
        ("named", json!({ "f": { "union": { "by": "id" } } })),
        ("positions", json!({ "f": "positions" })),
    ];
    let values = values();
    let record = |value: Held<'_>| value.as_ref().map_or_else(|| json!({}), |value| json!({ "f": value }));
    let mut cases = 0;
    for (way, rules) in ways {
        for is_later in if way == "latest" { &[true, false][..] } else { &[true] } {
            let mut case = Case::new(&rules, json!({}));
            case.ours_at = if *is_later { 9 } else { 1 };
            for base in &values {
                case.base = Some(record(base));
                for (ours, theirs) in
                    values.iter().flat_map(|ours| values.iter().map(move |theirs| (ours, theirs)))
                {
                    let merge = case.merge(&record(ours), &record(theirs));
                    let value = merged(&merge).get("f").cloned();
                    let found = if merge.is_settled() { Settled(value) } else { Open(value) };
                    let expected = expected(way, *is_later, base, ours, theirs);
                    assert_eq!(found, expected, "{way} of {base:?}, ours {ours:?}, theirs {theirs:?}");
                    cases += 1;
                }
            }
        }
    }
    assert_eq!(cases, 15 * 25 * 25 * 25);
}
