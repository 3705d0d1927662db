//! The stored shapes, as texts that never change: what a release once wrote, every later one reads.
//!
//! What is added to a shape is absent from these texts and has a value for that, so reading format 1 needs no step of
//! its own. A change that breaks one of them needs one, and a text of the new format beside it.

use serde_json::{Value, json};

use super::{
    codec::{pack_entry, pack_segment, unpack_entry, unpack_segment},
    conflict::{How, Kind},
    entry::{
        Base, Change, Cursor, Dating, Entry, FORMAT, Mapping, Mark, Mutation, MutationState, Operation,
        Position, Record, Refusal, ServerCopy,
    },
    manifest::{Manifest, SegmentInfo},
    release::{Release, Requirement, Standing},
};
use crate::{
    body::SyncStatus,
    outbox::Class,
    ports::Packed,
    schema::{Priority, Schema},
};

/// An entry with a row of each kind that format 1 had, as format 1 wrote it.
const ENTRY_1: &str = r#"{"v":1,"m":"00c0ffee00c0ffee","p":{"k":4,"m":"beef"},"r":{"c":[{"m":{"i":"m1","r":{"q":1,"t":"tasks","r":"temp_1760000000000_k3j9x2_tasks","o":"create","d":1,"w":1760000000000,"p":"medium","s":"pending","u":"u7","h":3}}},{"r":{"t":"tasks","i":"8","r":null}},{"r":{"t":"tasks","i":"9","r":{"d":2,"v":4,"s":5,"l":6,"m":"m2","u":"modified","x":true}}},{"b":{"t":"tasks","i":"9","r":{"b":{"d":3,"v":4,"s":5},"t":{"d":4,"v":6,"s":7,"x":true}}}},{"m":{"i":"m2","r":{"q":2,"t":"tasks","r":"9","o":"update","d":5,"z":["due"],"b":4,"w":1760000000009,"p":"high","s":"rejected","a":2,"f":5000,"l":1760000000010,"n":1760000000020,"e":{"code":"invalid-value","message":"no","field":"title"},"y":["m1"],"u":"u7","h":3}}},{"m":{"i":"m3","r":null}},{"i":{"i":"temp_1760000000000_a1b2c3_steps","r":"41","t":"steps","w":1760000000011}},{"c":{"s":"steps,tasks","r":{"c":"c1","w":1760000000012}}},{"c":{"s":"steps","r":null}},{"x":{"k":"epoch","v":"e1"}},{"x":{"k":"gone","v":null}}],"n":[0],"k":[{"a":0,"t":"tasks","d":0,"i":["7"],"v":[4],"s":[5]}]}}"#;

/// Its create, as a change; that it is one; and as format 4 writes it.
const CREATE_1: &str = r#"{"m":{"i":"m1","r":{"q":1,"t":"tasks","r":"temp_1760000000000_k3j9x2_tasks","o":"create","d":1,"w":1760000000000,"p":"medium","s":"pending","u":"u7","h":3}}},"#;
const BIRTH_1: &str = r#""n":[0]"#;
const CREATE_4: &str = r#""f":[{"a":0,"b":1,"o":"b","t":"tasks","d":1,"i":"temp_1760000000000_k3j9x2_tasks","m":"m1","w":"1760000000000","e":{"q":"1","p":"medium","u":"u7","h":3}}]"#;

const BODIES: [&str; 6] = [
    r#"{"title":"as the server has it"}"#,
    r#"{"title":"born here"}"#,
    "{}",
    r#"{"title":"base"}"#,
    "{}",
    r#"{"title":"ours"}"#,
];

const SEGMENT_1: &str = r#"{"v":1,"r":{"c":[],"k":[{"a":0,"t":"tasks","d":0,"i":["7"],"v":[4],"s":[5]}]}}"#;

const MANIFEST_1: &str = r#"{"v":1,"generation":3,"through":{"k":9,"m":"beef"},"next_segment":5,"segments":[{"keyspace":"table:tasks","number":4,"run":3,"rows":1,"temporary":false}]}"#;

fn standing() -> Standing {
    let schema = json!({ "version": 1, "tables": { "tasks": { "fields": { "title": "string" } } } });
    Standing::new(Release::default(), &Schema::parse(&schema).unwrap())
}

fn packed(head: &str, bodies: &[&str]) -> Packed<Value> {
    let bodies = bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    Packed { head: head.to_owned(), bodies }
}

/// What the entry says, whichever format it is written in.
fn check_entry(head: &str) -> Entry<Value> {
    let entry = unpack_entry(&packed(head, &BODIES)).unwrap();
    assert_eq!(
        (entry.mark.0.as_ref(), entry.prev.key, entry.prev.mark.0.as_ref()),
        ("00c0ffee00c0ffee", 4, "beef")
    );
    let title = |title: &str| json!({ "title": title });
    let table = || "tasks".into();
    let record = |id: &str, row| Change::Record { table: table(), id: id.into(), row };
    let [born, changed] = mutations(&entry);
    let expected: Vec<Change<Value>> = vec![
        record(
            "7",
            Some(Record {
                data: title("as the server has it"),
                version: Some(4),
                server_updated_at: Some(5),
                local_updated_at: None,
                sync_id: None,
                status: SyncStatus::Synced,
                deleted: false,
            }),
        ),
        record("temp_1760000000000_k3j9x2_tasks", Some(Record::born_of(&born))),
        Change::Mutation { id: "m1".into(), row: Some(born.into()) },
        record("8", None),
        record(
            "9",
            Some(Record {
                data: json!({}),
                version: Some(4),
                server_updated_at: Some(5),
                local_updated_at: Some(6),
                sync_id: Some("m2".into()),
                status: SyncStatus::Modified,
                deleted: true,
            }),
        ),
        Change::Base {
            table: table(),
            id: "9".into(),
            row: Some(Base {
                left: false,
                base: Some(ServerCopy { data: title("base"), version: 4, updated_at: 5, deleted: false }),
                theirs: Some(ServerCopy { data: json!({}), version: 6, updated_at: 7, deleted: true }),
            }),
        },
        Change::Mutation { id: "m2".into(), row: Some(changed.into()) },
        Change::Mutation { id: "m3".into(), row: None },
        Change::Mapping(Mapping {
            temporary: "temp_1760000000000_a1b2c3_steps".into(),
            server: "41".into(),
            table: "steps".into(),
            at: 1_760_000_000_011,
        }),
        Change::Cursor {
            set: "steps,tasks".into(),
            row: Some(Cursor { cursor: "c1".into(), at: 1_760_000_000_012, epoch: None, full: None }),
        },
        Change::Cursor { set: "steps".into(), row: None },
        Change::Meta { key: "epoch".into(), value: Some("e1".into()) },
        Change::Meta { key: "gone".into(), value: None },
    ];
    assert_eq!(entry.changes, expected);
    entry
}

/// The two mutations of the entry, after a look at what they say.
fn mutations(entry: &Entry<Value>) -> [Mutation<Value>; 2] {
    let found: Vec<_> = entry
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::Mutation { row: Some(mutation), .. } => Some((**mutation).clone()),
            _ => None,
        })
        .collect();
    let [born, changed] = <[_; 2]>::try_from(found).unwrap();
    assert_eq!(
        (born.operation, born.state, born.priority),
        (Operation::Create, MutationState::Pending, Priority::Medium)
    );
    assert_eq!(
        (born.attempts, born.first_sent_at, born.base_version, born.schema_version),
        (0, None, None, 3)
    );
    assert_eq!(
        (changed.operation, changed.state, changed.priority),
        (Operation::Update, MutationState::Rejected, Priority::High)
    );
    assert_eq!((changed.sequence, changed.attempts, changed.base_version), (2, 2, Some(4)));
    assert_eq!((changed.first_sent_at, changed.last_attempt_at), (Some(5_000), Some(1_760_000_000_010)));
    assert_eq!(changed.next_attempt_at, Some(1_760_000_000_020));
    assert_eq!(
        (&changed.unset[..], &changed.dependencies[..]),
        (&["due".to_owned()][..], &["m1".into()][..])
    );
    let refusal = Refusal {
        code: "invalid-value".into(),
        message: "no".into(),
        field: Some("title".into()),
        class: Class::Validation,
        ..Refusal::default()
    };
    assert_eq!(changed.error, Some(refusal));
    [born, changed]
}

#[test]
fn format_1_is_read_and_its_rows_are_written_as_they_were() {
    let entry = check_entry(ENTRY_1);
    assert_eq!((entry.format, entry.requires), (1, None));
    assert_eq!(unpack_segment(&packed(SEGMENT_1, &BODIES[..1])).unwrap(), entry.changes[..1]);
    let manifest = Manifest::parse(Some(MANIFEST_1), standing()).unwrap();
    assert_eq!(
        (manifest.generation, manifest.requires, manifest.rewrite_due),
        (3, Requirement::default(), false)
    );
    assert_eq!((manifest.through.key, manifest.next_segment, manifest.segments.len()), (9, 5, 1));
    // Format 4 says the same of them, but for its number, the class of a refusal, a create that is a column, and columns that are texts.
    let class = r#""field":"title","class":"validation""#;
    let now = |text: &str| {
        let text = text.replacen(r#""v":1"#, r#""v":4"#, 1).replace(r#""field":"title""#, class);
        let columns = text.replace(r#""i":["7"],"v":[4],"s":[5]"#, r#""i":"7","v":"4","s":"5""#);
        columns.replace(CREATE_1, "").replace(BIRTH_1, CREATE_4)
    };
    let written = pack_entry(&Entry { format: FORMAT, ..entry.clone() }).unwrap();
    assert_eq!(written.head, now(ENTRY_1));
    let bodies: Vec<String> = written.bodies.iter().map(Value::to_string).collect();
    assert_eq!(bodies, BODIES);
    assert_eq!(pack_segment(&entry.changes[..1]).unwrap().head, now(SEGMENT_1));
}

/// What an entry of format 2 has besides.
const ENTRY_2: &str = r#"{"v":2,"q":{"r":2,"w":2,"sw":4},"m":"f00d","p":{"k":0,"m":""},"r":{"c":[{"x":{"k":"tenant","v":"acme"}}]}}"#;

const MANIFEST_2: &str = r#"{"v":2,"q":{"r":2,"w":2},"generation":3,"through":{"k":9,"m":"beef"},"due":true,"next_segment":5,"segments":[{"keyspace":"table:tasks","number":4,"run":3,"rows":1,"temporary":true}]}"#;

#[test]
fn format_2_says_what_it_requires() {
    let requires = Requirement { engine_reader: 2, engine_writer: 2, ..Requirement::default() };
    let entry = Entry {
        format: FORMAT,
        requires: Some(Requirement { schema_writer: 4, ..requires }),
        mark: Mark("f00d".into()),
        prev: Position::default(),
        changes: vec![Change::<Value>::Meta { key: "tenant".into(), value: Some("acme".into()) }],
    };
    let written = pack_entry(&entry).unwrap();
    assert_eq!(written.head, ENTRY_2.replacen(r#""v":2"#, r#""v":4"#, 1));
    let entry = Entry { format: 2, ..entry };
    let written = pack_entry(&entry).unwrap();
    assert_eq!(written.head, ENTRY_2);
    assert_eq!(unpack_entry(&written).unwrap(), entry);

    let manifest = Manifest {
        format: 2,
        requires,
        generation: 3,
        through: Position { key: 9, mark: Mark("beef".into()) },
        rewrite_due: true,
        next_segment: 5,
        segments: vec![SegmentInfo {
            keyspace: "table:tasks".into(),
            number: 4,
            run: 3,
            rows: 1,
            temporary: true,
            first: None,
        }],
    };
    assert_eq!(serde_json::to_string(&manifest).unwrap(), MANIFEST_2);
    assert_eq!(Manifest::parse(Some(MANIFEST_2), standing()).unwrap(), manifest);
}

/// What an entry of format 3 has besides: an open conflict about a natural key, a settled one, a mutation that came of a merge.
const ENTRY_3: &str = r#"{"v":3,"m":"f00d","p":{"k":0,"m":""},"r":{"c":[{"k":{"i":"m1","r":{"t":"tasks","r":"temp_1760000000000_k3j9x2_tasks","k":"create-create","w":5,"u":"u7","h":{"i":"9","c":{"d":0,"v":4,"s":3},"e":"e1"}}}},{"k":{"i":"m2","r":{"t":"tasks","r":"9","k":"update-update","w":6,"u":"u7","s":{"b":1,"o":2,"t":3,"m":3,"c":[{"path":["title"],"base":"a","ours":"b","theirs":null,"by":"server","value":null,"notify":true,"overlaps":[["1","2"]]}],"h":"rules","u":"u7","w":7,"y":"m4","n":"10","z":{"by":"u8","at":9}}}}},{"k":{"i":"m3","r":null}},{"m":{"i":"m4","r":{"q":2,"t":"tasks","r":"9","o":"update","d":4,"b":4,"w":8,"p":"medium","s":"pending","u":"u7","h":3,"c":-1500,"j":1}}},{"m":{"i":"m5","r":{"q":3,"t":"tasks","r":"9","o":"delete","d":5,"w":8,"p":"medium","s":"pending","u":"u7","h":3,"c":"0000beef"}}},{"s":{"t":"tasks","r":{"p":1,"g":0,"c":2,"m":1,"x":0,"d":0,"b":0}}}]}}"#;

const BODIES_3: [&str; 6] = [
    r#"{"code":"k"}"#,
    r#"{"title":"a"}"#,
    r#"{"title":"b"}"#,
    r#"{"title":null}"#,
    r#"{"title":"c"}"#,
    "{}",
];

#[test]
fn format_3_keeps_conflicts_and_what_lost_in_them() {
    let entry = unpack_entry(&packed(ENTRY_3, &BODIES_3)).unwrap();
    let Change::Conflict { row: Some(open), .. } = &entry.changes[0] else { panic!("{entry:?}") };
    assert_eq!((open.kind, open.settled.is_none()), (Kind::CreateCreate, true));
    assert_eq!(open.holder.as_ref().map(|holder| (&*holder.id, holder.copy.version)), Some(("9", 4)));
    let Change::Conflict { row: Some(kept), .. } = &entry.changes[1] else { panic!("{entry:?}") };
    let settled = kept.settled.as_ref().unwrap();
    assert_eq!(
        (settled.how, settled.mutation.as_deref(), settled.created.as_deref()),
        (How::Rules, Some("m4"), Some("10"))
    );
    assert_eq!(settled.rulings[0].theirs, Some(Value::Null), "null is a value, and not the lack of one");
    assert_eq!(settled.ours, Some(json!({ "title": "b" })));
    let Change::Mutation { row: Some(mutation), .. } = &entry.changes[3] else { panic!("{entry:?}") };
    assert_eq!((mutation.merges, &mutation.dating), (1, &Some(Dating::Offset(-1500))));
    let Change::Mutation { row: Some(mutation), .. } = &entry.changes[4] else { panic!("{entry:?}") };
    assert_eq!(mutation.dating, Some(Dating::Session("0000beef".into())));
    assert_eq!(pack_entry(&entry).unwrap().head, ENTRY_3);
    let written = pack_entry(&Entry { format: FORMAT, ..entry }).unwrap();
    assert_eq!(written.head, ENTRY_3.replacen(r#""v":3"#, r#""v":4"#, 1));
    let bodies: Vec<String> = written.bodies.iter().map(Value::to_string).collect();
    assert_eq!(bodies, BODIES_3);
}
