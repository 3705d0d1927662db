#![expect(
    clippy::needless_pass_by_value,
    reason = "a `json!` at the call reads better than a reference to one"
)]

mod model;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    schema::{Field, FieldKind, rules},
    sorted::SortedMap,
};

/// A table with a field of any kind for each rule, all of them `json`.
fn rules(document: &Value) -> Rules {
    let strategy = document
        .get("strategy")
        .map_or_else(rules::Strategy::default, |word| rules::Strategy::parse(word, "strategy").unwrap());
    let mut declared = document.clone();
    declared.as_object_mut().unwrap().remove("strategy");
    let field = |name: &String| {
        (name.split('.').next().unwrap().to_owned(), Field { kind: FieldKind::Json, optional: true })
    };
    let fields = declared.as_object().unwrap().keys().map(field).collect();
    Rules::parse(Some(&declared), strategy, "rules", &fields).unwrap()
}

fn fields(value: &Value) -> Fields {
    value.as_object().unwrap().clone()
}

fn path(dotted: &str) -> Path {
    Path(dotted.split('.').map(str::to_owned).collect())
}

struct Case {
    rules: Rules,
    choices: SortedMap<Path, Choice>,
    base: Option<Value>,
    ours_at: u64,
}

impl Case {
    fn new(declared: &Value, base: Value) -> Self {
        Self { rules: rules(declared), choices: SortedMap::new(), base: Some(base), ours_at: 1 }
    }

    fn merge(&self, ours: &Value, theirs: &Value) -> Merge {
        let base = self.base.as_ref().map(fields);
        let (ours, theirs) = (fields(ours), fields(theirs));
        let sides = Sides {
            base: base.as_ref(),
            ours: Written { fields: &ours, at: self.ours_at },
            theirs: Written { fields: &theirs, at: 5 },
        };
        merge(sides, Means { rules: &self.rules, choices: &self.choices, functions: &Doubler })
    }
}

/// Registered: `both`, which puts the versions side by side.
struct Doubler;

impl Functions for Doubler {
    fn call(&self, name: &str, contested: &Contested) -> Option<Value> {
        (name == "both").then(|| json!([contested.ours, contested.theirs]))
    }
}

fn merged(merge: &Merge) -> Value {
    Value::Object(merge.merged.clone())
}

fn open(merge: &Merge) -> Vec<String> {
    merge.open().map(|contested| contested.path.to_string()).collect()
}

#[test]
fn what_one_side_changed_is_that_sides_and_what_both_changed_alike_is_settled() {
    let case = Case::new(&json!({}), json!({ "a": 1, "b": 1, "c": 1, "d": 1 }));
    let merge =
        case.merge(&json!({ "a": 2, "b": 1, "c": 3.0, "e": 5 }), &json!({ "a": 1, "b": 2, "c": 3, "d": 1 }));
    assert_eq!(merged(&merge), json!({ "a": 2, "b": 2, "c": 3, "e": 5 }));
    assert_eq!(merge.contests, []);
    let theirs = fields(&json!({ "a": 1, "b": 2, "c": 3, "d": 1 }));
    assert_eq!(merge.changes_of(&theirs), (fields(&json!({ "a": 2, "e": 5 })), vec!["d".to_owned()]));
}

#[test]
fn without_a_rule_a_person_decides_and_sees_all_three_versions() {
    let mut case = Case::new(&json!({}), json!({ "title": "a" }));
    let (ours, theirs) = (json!({ "title": "b" }), json!({ "title": "c" }));
    let merge = case.merge(&ours, &theirs);
    assert_eq!((open(&merge), merge.is_settled()), (vec!["title".to_owned()], false));
    assert_eq!(merged(&merge), theirs, "until then theirs stands");
    let contested = merge.open().next().unwrap().clone();
    assert_eq!(
        (contested.base, contested.ours, contested.theirs),
        (Some(json!("a")), Some(json!("b")), Some(json!("c")))
    );
    let choices = [
        (Choice::Ours, json!({ "title": "b" })),
        (Choice::Theirs, json!({ "title": "c" })),
        (Choice::Value(Some(json!("d"))), json!({ "title": "d" })),
        (Choice::Value(None), json!({})),
    ];
    for (choice, expected) in choices {
        case.choices = SortedMap::from([(path("title"), choice)]);
        let merge = case.merge(&ours, &theirs);
        assert_eq!((merged(&merge), merge.is_settled()), (expected, true));
        assert_eq!(merge.contests[0].settled.as_ref().unwrap().by, Arbiter::Person);
    }
}

#[test]
fn objects_are_merged_by_their_keys_and_a_declared_rule_takes_them_whole() {
    let base = json!({ "address": { "city": "Ulm", "street": "A", "geo": { "x": 1 } } });
    let ours = json!({ "address": { "city": "Bonn", "street": "A", "geo": { "x": 2 } } });
    let theirs = json!({ "address": { "city": "Ulm", "street": "B", "geo": { "x": 3 } } });
    let merge = Case::new(&json!({}), base.clone()).merge(&ours, &theirs);
    assert_eq!(open(&merge), ["address.geo.x"]);
    let both = json!({ "address": { "city": "Bonn", "street": "B", "geo": { "x": 3 } } });
    assert_eq!(merged(&merge), both);
    let merge = Case::new(&json!({ "address.geo.x": "lowest" }), base.clone()).merge(&ours, &theirs);
    assert_eq!(merged(&merge)["address"]["geo"]["x"], 2);
    let merge = Case::new(&json!({ "address.*.x": "lowest", "address.geo.*": "highest" }), base.clone())
        .merge(&ours, &theirs);
    assert_eq!(merged(&merge)["address"]["geo"]["x"], 3, "what names more from the left counts");
    let merge = Case::new(&json!({ "address": "manual" }), base).merge(&ours, &theirs);
    assert_eq!(open(&merge), ["address"]);
    let created = Case { base: None, ..Case::new(&json!({}), json!({})) }.merge(&ours, &theirs);
    assert_eq!(open(&created), ["address.city", "address.geo.x", "address.street"]);
}

#[test]
fn a_choice_counts_before_rules_and_for_all_that_lies_below() {
    let mut case = Case::new(&json!({ "address.city": "client" }), json!({}));
    case.choices = SortedMap::from([(path("address"), Choice::Theirs)]);
    let merge =
        case.merge(&json!({ "address": { "city": "a", "zip": 1 } }), &json!({ "address": { "city": "b" } }));
    assert_eq!(merged(&merge), json!({ "address": { "city": "b" } }));
    assert_eq!(merge.contests.len(), 1);
    case.choices = SortedMap::from([(path("address.city"), Choice::Theirs)]);
    let merge =
        case.merge(&json!({ "address": { "city": "a", "zip": 1 } }), &json!({ "address": { "city": "b" } }));
    assert_eq!(merged(&merge), json!({ "address": { "city": "b", "zip": 1 } }));
}

#[test]
fn an_app_function_settles_what_it_can() {
    let case = Case::new(&json!({ "a": { "function": "both" }, "b": { "function": "absent" } }), json!({}));
    let merge = case.merge(&json!({ "a": 1, "b": 1 }), &json!({ "a": 2, "b": 2 }));
    assert_eq!(merged(&merge), json!({ "a": [1, 2], "b": 2 }));
    assert_eq!(open(&merge), ["b"]);
    // Where no function is registered at all.
    let (ours, theirs) = (fields(&json!({ "a": 1 })), fields(&json!({ "a": 2 })));
    let sides = Sides {
        base: None,
        ours: Written { fields: &ours, at: 1 },
        theirs: Written { fields: &theirs, at: 5 },
    };
    let means = Means { rules: &case.rules, choices: &case.choices, functions: &() };
    assert!(!super::merge(sides, means).is_settled());
}

#[test]
fn a_rule_may_tell_the_user() {
    let case = Case::new(&json!({ "a": { "latest": true, "notify": true }, "b": "latest" }), json!({}));
    let merge = case.merge(&json!({ "a": 1, "b": 1 }), &json!({ "a": 2, "b": 2 }));
    let told: Vec<bool> =
        merge.contests.iter().map(|contest| contest.settled.as_ref().unwrap().notify).collect();
    assert_eq!(told, [true, false]);
}

#[test]
fn a_strategy_settles_what_no_rule_does() {
    let (ours, theirs) = (json!({ "a": 1, "o": { "k": 1 } }), json!({ "a": 2, "o": { "k": 2 } }));
    let table = [
        ("server-wins", 1, 2, true),
        ("client-wins", 1, 1, true),
        ("last-write-wins", 9, 1, true),
        ("last-write-wins", 1, 2, true),
        ("last-write-wins", 5, 2, true),
        ("merge", 9, 2, false),
        ("manual", 9, 2, false),
    ];
    for (strategy, ours_at, expected, settled) in table {
        let case = Case { ours_at, ..Case::new(&json!({ "strategy": strategy }), json!({})) };
        let merge = case.merge(&ours, &theirs);
        assert_eq!(merged(&merge), json!({ "a": expected, "o": { "k": expected } }), "{strategy}");
        assert_eq!(merge.is_settled(), settled, "{strategy}");
    }
}

fn logs(case: &Case, ours: Value, theirs: Value) -> (Value, Merge) {
    let merge = case.merge(&json!({ "logs": ours }), &json!({ "logs": theirs }));
    (merged(&merge)["logs"].clone(), merge)
}

#[test]
fn time_logs_are_united_and_new_overlaps_are_flagged() {
    let log = |id: &str, start: u32, end: u32| json!({ "id": id, "start": start, "end": end });
    let rule = json!({ "logs": { "union": { "by": "id", "overlap": ["start", "end"] } } });
    let case = Case::new(&rule, json!({ "logs": [log("a", 0, 10), log("b", 5, 20), log("c", 30, 40)] }));
    // Ours removes c and adds d; theirs moves a and adds e.
    let ours = json!([log("a", 0, 10), log("b", 5, 20), log("d", 20, 28)]);
    let theirs = json!([log("e", 27, 29), log("a", 1, 10), log("b", 5, 20), log("c", 30, 40)]);
    let (list, merge) = logs(&case, ours.clone(), theirs.clone());
    assert_eq!(list, json!([log("e", 27, 29), log("a", 1, 10), log("b", 5, 20), log("d", 20, 28)]));
    let [contest] = &merge.contests[..] else { panic!("{merge:?}") };
    let overlaps = &contest.settled.as_ref().unwrap().overlaps;
    assert_eq!(*overlaps, [["e".to_owned(), "d".to_owned()]], "a and b overlapped before");
    assert!(merge.is_settled());
    // What runs on has no end, and moments may be texts.
    let case = Case { base: None, ..Case::new(&rule, json!({})) };
    let running = json!([{ "id": "f", "start": "2026-01-01T08:00:00Z", "end": null }]);
    let later = json!([{ "id": "g", "start": "2026-01-02T08:00:00Z", "end": "2026-01-02T09:00:00Z" }, { "id": "h", "start": 3 }, { "id": "i" }]);
    let (_, merge) = logs(&case, running, later);
    assert_eq!(merge.contests[0].settled.as_ref().unwrap().overlaps, [["g".to_owned(), "f".to_owned()]]);
    let touching = logs(&case, json!([log("a", 0, 5)]), json!([log("b", 5, 9)])).1;
    assert_eq!(touching.contests[0].settled.as_ref().unwrap().overlaps, [] as [[String; 2]; 0]);
}

#[test]
fn an_entry_that_both_changed_is_merged_by_its_keys() {
    let rule = json!({ "logs": { "union": { "by": "id" } }, "logs.*.hours": "highest" });
    let case = Case::new(&rule, json!({ "logs": [{ "id": 1, "hours": 1, "note": "n" }] }));
    let (list, merge) = logs(
        &case,
        json!([{ "id": 1, "hours": 3, "note": "o" }]),
        json!([{ "id": 1.0, "hours": 2, "note": "n" }]),
    );
    assert_eq!((list, open(&merge).len()), (json!([{ "id": 1.0, "hours": 3, "note": "o" }]), 0));
    let paths: Vec<String> =
        merge.contests.iter().map(|contest| contest.contested.path.to_string()).collect();
    assert_eq!(paths, ["logs", "logs.1.hours"]);
    let (list, merge) = logs(
        &case,
        json!([{ "id": 1, "hours": 1, "note": "o" }]),
        json!([{ "id": 1, "hours": 1, "note": "t" }]),
    );
    assert_eq!(
        (list, open(&merge)),
        (json!([{ "id": 1, "hours": 1, "note": "t" }]), vec!["logs.1.note".to_owned()])
    );
}

#[test]
fn an_entry_that_one_side_changed_and_the_other_removed_stays_and_is_told_of() {
    let case = Case::new(
        &json!({ "logs": { "union": { "by": "id" } } }),
        json!({ "logs": [{ "id": "a" }, { "id": "b" }] }),
    );
    let changed = json!({ "id": "a", "note": "n" });
    for (ours, theirs) in [(json!([changed]), json!([])), (json!([]), json!([changed]))] {
        let (list, merge) = logs(&case, ours, theirs);
        assert_eq!(list, json!([changed]), "b was removed by both");
        let paths: Vec<String> =
            merge.contests.iter().map(|contest| contest.contested.path.to_string()).collect();
        assert_eq!((paths, merge.is_settled()), (vec!["logs".to_owned(), "logs.a".to_owned()], true));
    }
}

#[test]
fn entries_without_names_of_their_own_are_for_a_person() {
    let case = Case::new(&json!({ "logs": { "union": { "by": "id" } } }), json!({ "logs": [] }));
    let good = json!([{ "id": "z" }]);
    let bad = [
        json!([{}]),
        json!([{ "id": null }]),
        json!([{ "id": "a" }, { "id": "a" }]),
        json!([3]),
        json!("x"),
        json!(null),
    ];
    for bad in bad {
        assert_eq!(open(&logs(&case, bad.clone(), good.clone()).1), ["logs"], "{bad}");
        assert_eq!(open(&logs(&case, good.clone(), bad.clone()).1), ["logs"], "{bad}");
        let based = Case::new(&json!({ "logs": { "union": { "by": "id" } } }), json!({ "logs": bad }));
        let open = open(&logs(&based, good.clone(), json!([{ "id": "y" }])).1);
        assert_eq!(open.len(), usize::from(!bad.is_null()), "{bad}");
    }
}

#[test]
fn a_set_is_united_by_what_its_entries_are() {
    let case =
        Case::new(&json!({ "logs": "union" }), json!({ "logs": ["a", 1, { "k": [1], "l": 2 }, null] }));
    let (list, _) = logs(
        &case,
        json!(["a", 1.0, { "l": 2.0, "k": [1] }, null, "o"]),
        json!([1, { "k": [1], "l": 2 }, null, "1"]),
    );
    assert_eq!(list, json!([1, { "k": [1], "l": 2 }, null, "1", "o"]));
}

#[test]
fn lists_by_position_are_merged_place_by_place() {
    let case = Case::new(
        &json!({ "logs": "positions", "logs.*.n": "counter" }),
        json!({ "logs": [{ "n": 1 }, "b", "c"] }),
    );
    let (list, merge) = logs(&case, json!([{ "n": 3 }, "o", "c"]), json!([{ "n": 2 }, "b", "t", "d"]));
    assert_eq!((list, merge.is_settled()), (json!([{ "n": 4 }, "o", "t", "d"]), true));
    let (list, merge) = logs(&case, json!([{ "n": 1 }, "o", "c"]), json!([{ "n": 1 }, "t"]));
    assert_eq!((list, open(&merge)), (json!([{ "n": 1 }, "t"]), vec!["logs.1".to_owned()]));
    // Ours drops the last place, theirs adds one behind it: nothing would stand between.
    let (_, merge) = logs(&case, json!([{ "n": 5 }, "b"]), json!([{ "n": 2 }, "b", "c", "d"]));
    assert_eq!((open(&merge), merge.contests.len()), (vec!["logs".to_owned()], 1));
    let created = Case { base: None, ..Case::new(&json!({ "logs": "positions" }), json!({})) };
    assert_eq!(open(&logs(&created, json!(["a"]), json!(["b", "c"])).1), ["logs.0"]);
}

#[test]
fn texts_are_merged_line_by_line() {
    let table = [
        ("a\nb\nc", "A\nb\nc", "a\nb\nC", Some("A\nb\nC")),
        ("a\nb", "a\nb\nc", "x\nb", Some("x\nb\nc")),
        ("a\nb\nc", "b\nc", "a\nb", Some("b")),
        ("a\nb\nc\nd", "a\nX\nc\nd", "a\nX\nc", Some("a\nX\nc")),
        ("a\n\nb\n", "a\n\nb\nnew\n", "first\na\n\nb\n", Some("first\na\n\nb\nnew\n")),
        ("a\nb\nc", "a\nc", "a\nb\nc\nd", Some("a\nc\nd")),
        ("a\nb\nc\nd\ne", "a\nB\nc\nd\ne", "a\nb\nc\nD\ne", Some("a\nB\nc\nD\ne")),
        ("a", "b", "c", None),
        ("a\nb", "A\nb", "a\nB", None),
        ("a\nb\nc", "a\nb\nc\no", "a\nb\nc\nt", None),
        ("", "o", "t", None),
    ];
    for (base, ours, theirs, expected) in table {
        let case = Case::new(&json!({ "t": "text" }), json!({ "t": base }));
        for (ours, theirs) in [(ours, theirs), (theirs, ours)] {
            let merge = case.merge(&json!({ "t": ours }), &json!({ "t": theirs }));
            assert_eq!(merge.is_settled(), expected.is_some(), "{base:?} {ours:?} {theirs:?}");
            if let Some(expected) = expected {
                assert_eq!(merged(&merge), json!({ "t": expected }), "{base:?} {ours:?} {theirs:?}");
            }
        }
    }
    let case = Case::new(&json!({ "t": "text" }), json!({ "t": null }));
    assert_eq!(open(&case.merge(&json!({ "t": "o" }), &json!({ "t": "t" }))), ["t"]);
    assert_eq!(open(&case.merge(&json!({ "t": "o" }), &json!({ "t": 1 }))), ["t"]);
}

fn any_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..4).prop_map(Value::from),
        prop_oneof![Just(0.5), Just(1.0)].prop_map(Value::from),
        "[ab\n]{0,3}".prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::btree_map("[kl]", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_record() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[abcde]", any_value(), 0..5)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}

/// Rules that treat both sides alike, and none for `e`.
fn even_handed() -> Value {
    json!({ "a": "highest", "b": "counter", "c": "text", "d": "positions" })
}

proptest! {
    #[test]
    fn equal_sides_change_nothing(base in any_record(), side in any_record()) {
        let merge = Case::new(&even_handed(), base).merge(&side, &side);
        prop_assert_eq!((merged(&merge), merge.contests), (side, vec![]));
    }

    #[test]
    fn who_changed_nothing_has_nothing_to_say(base in any_record(), side in any_record()) {
        let case = Case::new(&even_handed(), base.clone());
        for merge in [case.merge(&side, &base), case.merge(&base, &side)] {
            prop_assert!(same(&merged(&merge), &side));
            prop_assert_eq!(merge.contests, vec![]);
        }
    }

    #[test]
    fn both_sides_come_to_the_same_where_the_rules_treat_them_alike(base in any_record(), ours in any_record(), theirs in any_record()) {
        let case = Case::new(&even_handed(), base);
        let (here, there) = (case.merge(&ours, &theirs), case.merge(&theirs, &ours));
        prop_assert_eq!(open(&here), open(&there));
        if here.is_settled() {
            prop_assert!(same(&merged(&here), &merged(&there)), "{:?} {:?}", here, there);
        }
    }

    /// What a side changed is in the merged record, or the contest of its field has it.
    #[test]
    fn nothing_is_dropped_in_silence(base in any_record(), ours in any_record(), theirs in any_record()) {
        let merge = Case::new(&even_handed(), base.clone()).merge(&ours, &theirs);
        let whole = merged(&merge);
        for (side, name) in [&ours, &theirs].into_iter().flat_map(|side| "abcde".split("").map(move |name| (side, name))) {
            let changed = !are_same(side.get(name), base.get(name));
            let is_told = merge.contests.iter().any(|contest| contest.contested.path.0[0] == name);
            let one_sided = are_same(ours.get(name), base.get(name)) || are_same(theirs.get(name), base.get(name));
            let kept_in_parts = side.get(name).is_some_and(Value::is_object);
            prop_assert!(!changed || is_told || kept_in_parts || are_same(side.get(name), whole.get(name)), "{name}");
            prop_assert!(!(one_sided && is_told), "{name} was changed on one side only");
        }
    }

    /// Once it is sent and is theirs, there is nothing left to merge.
    #[test]
    fn what_was_merged_is_merged(base in any_record(), ours in any_record(), theirs in any_record()) {
        let case = Case { base: Some(theirs.clone()), ..Case::new(&even_handed(), base.clone()) };
        let first = Case::new(&even_handed(), base).merge(&ours, &theirs);
        let again = case.merge(&merged(&first), &theirs);
        prop_assert_eq!(merged(&again), merged(&first));
        let (set, unset) = first.changes_of(&fields(&theirs));
        let mut sent = fields(&theirs);
        sent.extend(set);
        sent.retain(|name, _| !unset.contains(name));
        prop_assert!(same(&Value::Object(sent), &merged(&first)));
    }
}
