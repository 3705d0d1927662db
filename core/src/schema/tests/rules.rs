//! What may be said of merging, and what is refused.

use serde_json::{Value, json};

use crate::schema::{
    Field, FieldKind, Schema, SchemaError,
    rules::{Detect, Rule, Rules, Strategy, Union, Way},
};
use crate::sorted::SortedMap;

fn parse(rules: &Value) -> Result<Rules, SchemaError> {
    let fields = [
        ("status", FieldKind::String),
        ("progress", FieldKind::Number),
        ("done", FieldKind::Boolean),
        ("logs", FieldKind::Json),
    ];
    let field = |(name, kind): (&str, FieldKind)| (name.to_owned(), Field { kind, optional: true });
    Rules::parse(Some(rules), Strategy::default(), "rules", &fields.into_iter().map(field).collect())
}

fn path(dotted: &str) -> Vec<String> {
    dotted.split('.').map(str::to_owned).collect()
}

#[test]
fn every_way_has_its_word() {
    let texts = vec!["open".to_owned(), "done".to_owned()];
    let union = |by: Option<&str>, overlap: Option<[&str; 2]>| {
        Way::Union(Union { by: by.map(Into::into), overlap: overlap.map(|keys| keys.map(Into::into)) })
    };
    let table = [
        ("status", json!("server"), Way::Server),
        ("status", json!("client"), Way::Client),
        ("done", json!("latest"), Way::Latest),
        ("progress", json!("highest"), Way::Highest),
        ("progress", json!("lowest"), Way::Lowest),
        ("progress", json!("counter"), Way::Counter),
        ("status", json!("text"), Way::Text),
        ("done", json!("manual"), Way::Manual),
        ("logs", json!("positions"), Way::Positions),
        ("logs", json!("union"), union(None, None)),
        ("logs", json!({ "union": true }), union(None, None)),
        ("logs", json!({ "union": { "by": "id" } }), union(Some("id"), None)),
        (
            "logs",
            json!({ "union": { "by": "id", "overlap": ["start", "end"] } }),
            union(Some("id"), Some(["start", "end"])),
        ),
        ("status", json!({ "progression": ["open", "done"] }), Way::Progression(texts)),
        ("done", json!({ "function": "ours" }), Way::Function("ours".to_owned())),
    ];
    for (field, value, way) in table {
        let rules = parse(&json!({ field: value })).unwrap();
        assert_eq!(rules.declared(&path(field)), Some(&Rule { way: way.clone(), notify: false }));
        let word = value.as_str().or_else(|| value.as_object()?.keys().next().map(String::as_str));
        assert_eq!(word, Some(way.name()));
    }
    let told = parse(&json!({ "done": { "latest": true, "notify": true } })).unwrap();
    assert_eq!(told.declared(&path("done")), Some(&Rule { way: Way::Latest, notify: true }));
}

#[test]
fn what_names_more_of_a_path_counts() {
    let rules = json!({ "logs": "union", "logs.*.a": "lowest", "logs.x.*": "highest", "logs.x.a": "counter", "logs.*.*": "text" });
    let rules = parse(&rules).unwrap();
    let way = |at: &str| rules.declared(&path(at)).map(|rule| rule.way.name());
    assert_eq!(way("logs.x.a"), Some("counter"));
    assert_eq!(way("logs.x.b"), Some("highest"));
    assert_eq!(way("logs.y.a"), Some("lowest"));
    assert_eq!(way("logs.y.b"), Some("text"));
    assert_eq!((way("logs.y"), way("logs.y.b.c"), way("status")), (None, None, None));
}

#[test]
fn strategies_say_what_holds_where_there_is_no_rule() {
    let table = [
        ("server-wins", Strategy::ServerWins, Way::Server),
        ("client-wins", Strategy::ClientWins, Way::Client),
        ("last-write-wins", Strategy::LastWriteWins, Way::Latest),
        ("merge", Strategy::Merge, Way::Manual),
        ("manual", Strategy::Manual, Way::Manual),
    ];
    for (word, strategy, way) in table {
        assert_eq!(Strategy::parse(&json!(word), "conflict.strategy"), Ok(strategy));
        let rules = Rules::parse(Some(&json!({})), strategy, "rules", &SortedMap::new()).unwrap();
        assert_eq!((rules.strategy.name(), rules.strategy.way()), (word, way));
        assert_eq!(rules, Rules::of(strategy));
    }
    assert_eq!(Rules::default(), Rules::of(Strategy::Merge));
    let error = Strategy::parse(&json!("theirs"), "conflict.strategy").unwrap_err();
    assert_eq!(error.path, "conflict.strategy");
    assert!(error.message.contains("`last-write-wins`"), "{}", error.message);
}

#[test]
fn a_table_says_how_conflicts_are_found_and_the_schema_what_is_usual() {
    let table = json!({ "fields": { "title": "string" } });
    let mut document = json!({
        "version": 1,
        "conflict": { "detect": "hash", "strategy": "server-wins" },
        "tables": { "usual": table, "own": table },
    });
    document["tables"]["own"]["conflict"] = json!({ "detect": "timestamp" });
    document["tables"]["own"]["alike"] = json!([["title"]]);
    let schema = Schema::parse(&document).unwrap();
    let told = |name: &str| (schema.tables[name].detect, schema.tables[name].rules.strategy);
    assert_eq!(told("usual"), (Detect::Hash, Strategy::ServerWins));
    assert_eq!(told("own"), (Detect::Timestamp, Strategy::ServerWins));
    // What is looked up has an index.
    assert_eq!(schema.tables["own"].indexes, [["title"]]);

    let refused = |conflict: Value| {
        let mut document = document.clone();
        document["tables"]["own"]["conflict"] = conflict;
        Schema::parse(&document).unwrap_err().path
    };
    assert_eq!(refused(json!({ "detect": "smell" })), "tables.own.conflict.detect");
    assert_eq!(refused(json!({ "strategy": 1 })), "tables.own.conflict.strategy");
    assert_eq!(refused(json!({ "rules": {} })), "tables.own.conflict.rules");
    assert_eq!(refused(json!("merge")), "tables.own.conflict");
}

#[test]
fn a_mistake_is_told_with_its_place() {
    let table = [
        (json!([]), "rules", "must be an object"),
        (json!({ "boat": "latest" }), "rules.boat", "`boat` is no field of this table"),
        (json!({ "*": "latest" }), "rules.*", "must begin with a field's name"),
        (json!({ "status.a": "latest" }), "rules.status.a", "`status` is a string and has no parts"),
        (json!({ "status": "highest" }), "rules.status", "`highest` is not for a string"),
        (json!({ "progress": "text" }), "rules.progress", "`text` is not for a number"),
        (json!({ "status": "union" }), "rules.status", "`union` is not for a string"),
        (json!({ "status": "newest" }), "rules.status", "`newest` is no way to merge"),
        (json!({ "status": { "newest": true } }), "rules.status.newest", "`newest` is no way to merge"),
        (json!({ "status": 3 }), "rules.status", "must be an object"),
        (json!({ "status": {} }), "rules.status", "must name one way to merge"),
        (json!({ "status": { "notify": true } }), "rules.status", "must name one way to merge"),
        (
            json!({ "status": { "latest": true, "server": true } }),
            "rules.status",
            "must name one way to merge",
        ),
        (
            json!({ "status": { "latest": true, "notify": 1 } }),
            "rules.status.notify",
            "must be `true` or `false`",
        ),
        (json!({ "status": { "latest": 1 } }), "rules.status.latest", "must be `true`"),
        (
            json!({ "status": "progression" }),
            "rules.status",
            "must be a list of texts, the furthest one last",
        ),
        (json!({ "status": { "progression": ["a"] } }), "rules.status.progression", "at least two texts"),
        (json!({ "status": { "progression": ["a", 1] } }), "rules.status.progression", "at least two texts"),
        (
            json!({ "status": { "progression": ["a", "b", "a"] } }),
            "rules.status.progression",
            "names `a` twice",
        ),
        (json!({ "status": "function" }), "rules.status", "must be the name of a function"),
        (json!({ "status": { "function": "" } }), "rules.status.function", "must be the name of a function"),
        (json!({ "logs": { "union": false } }), "rules.logs.union", "must be `true`"),
        (
            json!({ "logs": { "union": { "key": "id" } } }),
            "rules.logs.union.key",
            "is not a key of the schema",
        ),
        (json!({ "logs": { "union": { "by": 1 } } }), "rules.logs.union.by", "must be the name of a key"),
        (json!({ "logs": { "union": { "overlap": ["a"] } } }), "rules.logs.union.overlap", "`[start, end]`"),
        (json!({ "logs": { "union": { "overlap": "a" } } }), "rules.logs.union.overlap", "`[start, end]`"),
    ];
    for (rules, path, message) in table {
        let error = parse(&rules).expect_err(&rules.to_string());
        assert_eq!(error.path, path, "{rules}");
        assert!(error.message.contains(message), "{rules}: {}", error.message);
    }
}
