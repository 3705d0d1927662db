//! The three-way merge as the server has it: sometimes nobody says what a change began from.

use std::collections::BTreeSet;

use landfall_core::merge::{self, Arbiter, Choice, Contest, Means, Merge, Path, Sides, Written};
use landfall_core::schema::rules::Rules;
use landfall_core::sorted::SortedMap;
use serde_json::{Map, Value};

use super::port::Fields;

/// What a change began from.
#[derive(Clone, Copy)]
pub(super) enum Began<'a> {
    /// This record.
    From(&'a Fields),
    /// It does not say. It met this record, and is contested wherever it would have made another one of it.
    Unknown { met: &'a Fields },
    /// Nothing: both created the record.
    Nothing,
}

/// Merges, without the app's functions: a rule that names one leaves its field to a person.
pub(super) fn three_way(
    began: Began<'_>,
    ours: Written<'_>,
    theirs: Written<'_>,
    rules: &Rules,
    choices: &SortedMap<Path, Choice>,
) -> Merge {
    let merge = |base: Option<&Fields>| {
        merge::merge(Sides { base, ours, theirs }, Means { rules, choices, functions: &() })
    };
    match began {
        Began::From(base) => merge(Some(base)),
        Began::Nothing => merge(None),
        Began::Unknown { met } => {
            let (base, unknown) = stand_in(met, ours.fields, theirs.fields);
            let mut merged = merge(Some(&base));
            for contest in &mut merged.contests {
                if let [name] = contest.contested.path.0.as_slice()
                    && unknown.contains(name.as_str())
                {
                    contest.contested.base = None;
                }
            }
            merged
        }
    }
}

/// A base in which every field that ours would change is unlike both sides, and the names of these fields. Where one side has
/// nothing, a base that has nothing would be like it: so there stands a value that the other side does not have. No way of merging looks at
/// it, since all that use a base want a value on both sides.
fn stand_in<'a>(met: &'a Fields, ours: &'a Fields, theirs: &Fields) -> (Fields, BTreeSet<&'a str>) {
    let mut base = met.clone();
    let mut unknown = BTreeSet::new();
    for name in ours.keys().chain(met.keys()) {
        if is_same(ours.get(name), met.get(name)) {
            continue;
        }
        unknown.insert(name.as_str());
        match (ours.get(name), theirs.get(name)) {
            (Some(value), None) | (None, Some(value)) => {
                let other = if value.is_null() { Value::Bool(false) } else { Value::Null };
                base.insert(name.clone(), other);
            }
            (Some(_), Some(_)) | (None, None) => {
                base.remove(name);
            }
        }
    }
    (base, unknown)
}

fn is_same(one: Option<&Value>, other: Option<&Value>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => merge::same(one, other),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// A contest as the audit keeps it, so that what lost can be found: a version in which the value was not there has no member.
pub(super) fn told(contest: &Contest) -> Value {
    let mut line = Map::new();
    line.insert("path".to_owned(), contest.contested.path.0.clone().into());
    let settled = contest.settled.as_ref();
    let values = [
        ("base", contest.contested.base.as_ref()),
        ("ours", contest.contested.ours.as_ref()),
        ("theirs", contest.contested.theirs.as_ref()),
        ("value", settled.and_then(|settled| settled.value.as_ref())),
    ];
    for (name, value) in values {
        line.extend(value.map(|value| (name.to_owned(), value.clone())));
    }
    if let Some(settled) = settled {
        let by = match &settled.by {
            Arbiter::Person => "person",
            Arbiter::Rule(way) => way.name(),
        };
        line.insert("by".to_owned(), by.into());
    }
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    use landfall_core::schema::rules::Strategy;
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Fields {
        let Value::Object(fields) = value else { panic!("fields are an object") };
        fields
    }

    fn merged(began: Began<'_>, ours: &Fields, theirs: &Fields, strategy: Strategy) -> Merge {
        let (ours, theirs) = (Written { fields: ours, at: 2 }, Written { fields: theirs, at: 1 });
        three_way(began, ours, theirs, &Rules::of(strategy), &SortedMap::new())
    }

    #[test]
    fn without_a_base_whatever_differs_is_contested() {
        let met = fields(json!({ "set": 1, "gone": 1, "null": null, "alone": 1, "alike": 1 }));
        let ours = fields(json!({ "set": 2, "new": 3, "alone": 1, "alike": 1 }));
        let merge = merged(Began::Unknown { met: &met }, &ours, &met, Strategy::Manual);
        let paths: Vec<String> = merge.open().map(|contested| contested.path.to_string()).collect();
        assert_eq!(paths, ["gone", "new", "null", "set"]);
        assert!(merge.open().all(|contested| contested.base.is_none()), "the stand-in must not be seen");
        assert_eq!(merge.merged, met);
        let merge = merged(Began::Unknown { met: &met }, &ours, &met, Strategy::ClientWins);
        assert_eq!((merge.is_settled(), &merge.merged), (true, &ours));
    }

    #[test]
    fn without_a_base_what_others_changed_since_is_theirs() {
        let met = fields(json!({ "a": 1, "b": 1, "c": 1 }));
        let ours = fields(json!({ "a": 2, "b": 1, "c": 1 }));
        let now = fields(json!({ "a": 1, "b": 5 }));
        let merge = merged(Began::Unknown { met: &met }, &ours, &now, Strategy::ClientWins);
        assert_eq!(Value::Object(merge.merged), json!({ "a": 2, "b": 5 }));
    }

    #[test]
    fn who_created_a_record_takes_nothing_away_from_it() {
        let merge =
            merged(Began::Nothing, &fields(json!({ "a": 1 })), &fields(json!({ "b": 2 })), Strategy::Manual);
        assert_eq!(Value::Object(merge.merged), json!({ "a": 1, "b": 2 }));
    }

    #[test]
    fn the_audit_tells_absent_from_null() {
        let met = fields(json!({ "a": null }));
        let merge = merged(Began::Unknown { met: &met }, &Fields::new(), &met, Strategy::ServerWins);
        assert_eq!(
            told(&merge.contests[0]),
            json!({ "path": ["a"], "theirs": null, "value": null, "by": "server" })
        );
    }
}
