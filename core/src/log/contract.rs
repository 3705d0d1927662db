//! The contract of [`Log`], for any implementation of it: natively over [`MemoryLog`](super::memory::MemoryLog), and in browsers over
//! IndexedDB, from this one source.
//!
//! What each case is about:
//! - `it_opens_once`: the first `open` makes the store with its genesis as entry 1; a later one changes nothing.
//! - `entries_are_read_in_key_order`: `read` is inclusive, in order, and gives back equal values.
//! - `an_append_tells_what_lay_before_it`: from the asked key on, without its own.
//! - `two_connections_append_in_one_order`: each `before` is exactly the smaller keys, whoever wrote them; none is lost.
//! - `a_swap_is_seen_whole`: segments, manifest and the shorter log come together, for the asked keyspaces only.
//! - `segments_are_read_by_name`: those that are asked for and are there, with the manifest of the same moment.
//! - `a_taken_generation_changes_nothing`: not one of the things that the swap held.
//! - `of_two_swaps_one_wins`: when both are issued at once.
//! - `no_key_is_used_twice`: not after the log was emptied, nor on another connection.
//! - `a_snapshot_is_one_moment`: no load sees half of a swap.
//! - `what_is_not_awaited_is_whole_or_absent`: a future that was dropped on its way.
//! - `any_text_survives`: line separators, quotes, NUL, text outside the basic plane; in names as in values.
//! - `ten_thousand_bodies_are_one_entry`: and come back in order.
//! - `a_swap_may_only_take_away`: what is left of the log is read as before, and appends go on.
//! - `an_append_tells_what_it_takes`: about so many bytes as it has characters.
//! - `the_room_is_known_or_it_is_not`: no more is asked of it than that.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test that cannot go on fails")]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use crate::body::Body;
use crate::ports::{Durability, Log, Packed, SegmentKey, Snapshot, Stored, Swap};
use futures_util::future::{join, join_all};

/// An implementation under test. Logs of one name are connections to one store.
pub trait Subject {
    type Body: Body;
    type Log: Log<Self::Body>;

    /// A connection to the store of this name, not yet opened. The store is absent the first time.
    fn connect(&self, name: &str) -> Self::Log;
    /// A body from a JSON object's text.
    fn body(&self, json: &str) -> Self::Body;
}

fn packed<S: Subject>(subject: &S, head: &str, bodies: &[&str]) -> Packed<S::Body> {
    Packed { head: head.into(), bodies: bodies.iter().map(|json| subject.body(json)).collect() }
}

async fn opened<S: Subject>(subject: &S, name: &str) -> S::Log {
    let log = subject.connect(name);
    log.open(packed(subject, "\"genesis\"", &[])).await.unwrap();
    log
}

async fn add<S: Subject>(subject: &S, log: &S::Log, head: &str) -> u64 {
    log.append(0, packed(subject, head, &[]), Durability::Relaxed).await.unwrap().key
}

fn segment(keyspace: &str, number: u64) -> SegmentKey {
    SegmentKey { keyspace: keyspace.into(), number }
}

/// What can be compared: heads, and bodies as JSON.
fn shown<B: Body>(packed: &Packed<B>) -> (String, Vec<String>) {
    (packed.head.clone(), packed.bodies.iter().map(Body::to_json).collect())
}

fn keys<B>(entries: &[Stored<B>]) -> Vec<u64> {
    entries.iter().map(|entry| entry.key).collect()
}

fn heads<B: Body>(snapshot: &Snapshot<B>) -> Vec<(String, u64, String)> {
    let segments = snapshot.segments.iter();
    segments.map(|(key, packed)| (key.keyspace.clone(), key.number, packed.head.clone())).collect()
}

pub async fn it_opens_once<S: Subject>(subject: &S, name: &str) {
    let first = subject.connect(name);
    first.open(packed(subject, "\"first\"", &[r#"{"a":1}"#])).await.unwrap();
    let second = subject.connect(name);
    second.open(packed(subject, "\"second\"", &[])).await.unwrap();

    for log in [&first, &second] {
        let entries = log.read(0).await.unwrap();
        assert_eq!(keys(&entries), [1]);
        assert_eq!(shown(&entries[0].packed), ("\"first\"".into(), vec![r#"{"a":1}"#.into()]));
    }
}

pub async fn entries_are_read_in_key_order<S: Subject>(subject: &S, name: &str) {
    let log = opened(subject, name).await;
    let mut last = 1;
    for number in 0..12 {
        let entry = packed(subject, &number.to_string(), &[&format!(r#"{{"n":{number}}}"#)]);
        let durability = if number % 2 == 0 { Durability::Strict } else { Durability::Relaxed };
        let key = log.append(last, entry, durability).await.unwrap().key;
        assert!(key > last, "{key} after {last}");
        last = key;
    }
    let all = log.read(0).await.unwrap();
    assert!(keys(&all).is_sorted());
    let texts: Vec<_> = all.iter().skip(1).map(|entry| shown(&entry.packed)).collect();
    let expected: Vec<_> = (0..12).map(|n| (n.to_string(), vec![format!(r#"{{"n":{n}}}"#)])).collect();
    assert_eq!(texts, expected);

    assert_eq!(keys(&log.read(last).await.unwrap()), [last]);
    assert!(log.read(last + 1).await.unwrap().is_empty());
    assert_eq!(keys(&log.load(&[], 0).await.unwrap().entries), keys(&all));
}

pub async fn an_append_tells_what_lay_before_it<S: Subject>(subject: &S, name: &str) {
    let log = opened(subject, name).await;
    let second = add(subject, &log, "2").await;
    let third = add(subject, &log, "3").await;
    let append = |from| log.append(from, packed(subject, "4", &[]), Durability::Relaxed);

    let fourth = append(second).await.unwrap();
    assert_eq!(fourth.before, [second, third]);
    let fifth = append(fourth.key).await.unwrap();
    assert_eq!(fifth.before, [fourth.key]);
    let sixth = append(fifth.key + 1).await.unwrap();
    assert!(sixth.before.is_empty());
}

pub async fn two_connections_append_in_one_order<S: Subject>(subject: &S, name: &str) {
    const EACH: usize = 150;
    let (one, two) = join(opened(subject, name), opened(subject, name)).await;
    let appends = |log, who: &'static str| async move {
        let mut done = Vec::new();
        for turn in 0..EACH / 5 {
            let burst = (0..5).map(|i| {
                let head = format!("\"{who}{}\"", turn * 5 + i);
                async move {
                    (
                        head.clone(),
                        S::Log::append(log, 1, packed(subject, &head, &[]), Durability::Relaxed).await,
                    )
                }
            });
            done.extend(join_all(burst).await);
        }
        done
    };
    let (mut all, others) = join(appends(&one, "a"), appends(&two, "b")).await;
    all.extend(others);

    let entries = one.read(1).await.unwrap();
    assert_eq!(entries.len(), 1 + 2 * EACH);
    let order = keys(&entries);
    for (head, appended) in all {
        let appended = appended.unwrap();
        let place = order.binary_search(&appended.key).unwrap();
        assert_eq!(entries[place].packed.head, head);
        assert_eq!(appended.before, order[..place]);
    }
    assert_eq!(keys(&two.read(1).await.unwrap()), order);
}

pub async fn a_swap_is_seen_whole<S: Subject>(subject: &S, name: &str) {
    let log = opened(subject, name).await;
    let second = add(subject, &log, "2").await;
    let third = add(subject, &log, "3").await;
    let before = log.load(&["tasks".into()], 0).await.unwrap();
    assert_eq!((before.manifest, before.segments.len()), (None, 0));

    let first = Swap {
        generation: 1,
        manifest: "\"one\"".into(),
        put: vec![
            (segment("tasks", 10), packed(subject, "10", &[r#"{"t":10}"#])),
            (segment("tasks", 2), packed(subject, "2", &[])),
            (segment("task", 1), packed(subject, "\"of another\"", &[])),
            (segment("tasks2", 1), packed(subject, "\"of a third\"", &[])),
        ],
        delete: vec![],
        delete_log_through: Some(second),
    };
    assert!(log.swap(first).await.unwrap());
    let seen = log.load(&["tasks".into()], 0).await.unwrap();
    assert_eq!(seen.manifest.as_deref(), Some("\"one\""));
    assert_eq!(keys(&seen.entries), [third]);
    assert_eq!(heads(&seen), [("tasks".into(), 2, "2".into()), ("tasks".into(), 10, "10".into())]);
    assert_eq!(seen.segments[1].1.bodies[0].to_json(), r#"{"t":10}"#);

    let second = Swap {
        generation: 2,
        manifest: "\"two\"".into(),
        put: vec![(segment("tasks", 11), packed(subject, "11", &[]))],
        delete: vec![segment("tasks", 2), segment("tasks", 10)],
        delete_log_through: None,
    };
    assert!(log.swap(second).await.unwrap());
    let seen =
        opened(subject, name).await.load(&["tasks".into(), "task".into(), "none".into()], 0).await.unwrap();
    assert_eq!(seen.manifest.as_deref(), Some("\"two\""));
    assert_eq!(keys(&seen.entries), [third]);
    assert_eq!(
        heads(&seen),
        [("tasks".into(), 11, "11".into()), ("task".into(), 1, "\"of another\"".into())]
    );
}

fn small_swap<S: Subject>(subject: &S, generation: u64, manifest: &str, through: u64) -> Swap<S::Body> {
    Swap {
        generation,
        manifest: manifest.into(),
        put: vec![(segment("t", generation), packed(subject, manifest, &[]))],
        delete: vec![segment("t", generation - 1)],
        delete_log_through: Some(through),
    }
}

pub async fn segments_are_read_by_name<S: Subject>(subject: &S, name: &str) {
    let log = opened(subject, name).await;
    assert_eq!(log.segments(&[segment("t", 1)]).await.unwrap().manifest, None);
    let swap = Swap {
        put: (1..4)
            .map(|n| (segment("t", n), packed(subject, &n.to_string(), &[&format!(r#"{{"n":{n}}}"#)])))
            .collect(),
        ..small_swap(subject, 1, "\"one\"", 1)
    };
    assert!(log.swap(swap).await.unwrap());
    let seen = log.segments(&[segment("t", 3), segment("t", 9), segment("t", 1)]).await.unwrap();
    assert_eq!((seen.manifest.as_deref(), seen.entries.len()), (Some("\"one\""), 0));
    assert_eq!(heads(&seen), [("t".into(), 3, "3".into()), ("t".into(), 1, "1".into())]);
    assert_eq!(seen.segments[0].1.bodies[0].to_json(), r#"{"n":3}"#);
    assert!(log.segments(&[]).await.unwrap().segments.is_empty());
}

pub async fn a_taken_generation_changes_nothing<S: Subject>(subject: &S, name: &str) {
    let log = opened(subject, name).await;
    let last = add(subject, &log, "2").await;
    assert!(log.swap(small_swap(subject, 1, "\"a\"", 1)).await.unwrap());
    assert!(log.swap(small_swap(subject, 2, "\"b\"", 1)).await.unwrap());

    let stale = Swap {
        delete: vec![segment("t", 2)],
        put: vec![(segment("t", 9), packed(subject, "9", &[]))],
        ..small_swap(subject, 1, "\"stale\"", last)
    };
    assert!(!opened(subject, name).await.swap(stale).await.unwrap());

    let seen = log.load(&["t".into()], 0).await.unwrap();
    assert_eq!(seen.manifest.as_deref(), Some("\"b\""));
    assert_eq!(heads(&seen), [("t".into(), 2, "\"b\"".into())]);
    assert_eq!(keys(&seen.entries), [last]);
    add(subject, &log, "3").await;
}

pub async fn of_two_swaps_one_wins<S: Subject>(subject: &S, name: &str) {
    let (one, two) = join(opened(subject, name), opened(subject, name)).await;
    let (first, second) = (small_swap(subject, 1, "\"a\"", 0), small_swap(subject, 1, "\"b\"", 0));
    let (a, b) = join(one.swap(first), two.swap(second)).await;
    let (a, b) = (a.unwrap(), b.unwrap());
    assert!(a != b, "{a} {b}");
    let seen = two.load(&["t".into()], 0).await.unwrap();
    let winner = if a { "\"a\"" } else { "\"b\"" };
    assert_eq!(seen.manifest.as_deref(), Some(winner));
    assert_eq!(heads(&seen), [("t".into(), 1, winner.into())]);
}

pub async fn no_key_is_used_twice<S: Subject>(subject: &S, name: &str) {
    let log = opened(subject, name).await;
    let mut last = add(subject, &log, "2").await;
    for generation in 1..4 {
        assert!(log.swap(small_swap(subject, generation, "{}", last)).await.unwrap());
        assert!(log.read(0).await.unwrap().is_empty());
        let key = add(subject, &opened(subject, name).await, "3").await;
        assert!(key > last, "{key} after {last}");
        last = key;
    }
}

pub async fn a_snapshot_is_one_moment<S: Subject>(subject: &S, name: &str) {
    let (writer, reader) = join(opened(subject, name), opened(subject, name)).await;
    let write = async {
        for generation in 1..=40 {
            let key = add(subject, &writer, &generation.to_string()).await;
            assert!(
                writer.swap(small_swap(subject, generation, &generation.to_string(), key)).await.unwrap()
            );
        }
    };
    let read = async {
        for _ in 0..60 {
            let seen = reader.load(&["t".into()], 0).await.unwrap();
            match seen.manifest.clone() {
                None => assert!(seen.segments.is_empty() && !seen.entries.is_empty()),
                Some(generation) => {
                    let number = generation.parse().unwrap();
                    assert_eq!(heads(&seen), [("t".into(), number, generation)]);
                    // At most the entry that the next swap will take.
                    let heads: Vec<_> = seen.entries.iter().map(|entry| entry.packed.head.clone()).collect();
                    assert!(heads.is_empty() || heads == [(number + 1).to_string()], "{number}: {heads:?}");
                }
            }
        }
    };
    join(write, read).await;
}

pub async fn what_is_not_awaited_is_whole_or_absent<S: Subject>(subject: &S, name: &str) {
    let log = opened(subject, name).await;
    {
        let append =
            pin!(log.append(1, packed(subject, "\"dropped\"", &[r#"{"a":1}"#]), Durability::Relaxed));
        let swap = pin!(log.swap(small_swap(subject, 1, "\"dropped\"", 1)));
        let mut context = Context::from_waker(Waker::noop());
        let _ = append.poll(&mut context);
        let _ = swap.poll(&mut context);
    }
    let after = add(subject, &log, "\"after\"").await;
    let seen = log.load(&["t".into()], 0).await.unwrap();
    assert_eq!(keys(&seen.entries).last(), Some(&after));
    for entry in &seen.entries {
        if entry.packed.head == "\"dropped\"" {
            assert_eq!(entry.packed.bodies[0].to_json(), r#"{"a":1}"#);
        }
    }
    let swapped = seen.manifest.is_some();
    assert_eq!(seen.segments.len(), usize::from(swapped));
    assert_eq!(keys(&seen.entries)[0] == 1, !swapped);
}

pub async fn any_text_survives<S: Subject>(subject: &S, name: &str) {
    let log = opened(subject, name).await;
    let texts = [
        "",
        "\n",
        "a\nb\r\n",
        "\u{2028}\u{2029}",
        "\"\\/",
        "\0\u{1}\u{7f}",
        "Ærøskøbing 日本",
        "👷🏽\u{200d}♀️",
        "\u{fffd}\u{feff}",
    ];
    for text in texts {
        let head = serde_json::to_string(text).unwrap();
        let json =
            serde_json::json!({ text: text, "list": [text, { text: [text] }], "n": 1.5e300, "m": -0.25 });
        let key = log
            .append(0, packed(subject, &head, &[&json.to_string()]), Durability::Relaxed)
            .await
            .unwrap()
            .key;
        let read = log.read(key).await.unwrap();
        assert_eq!(read[0].packed.head, head);
        let body: serde_json::Value = serde_json::from_str(&read[0].packed.bodies[0].to_json()).unwrap();
        assert_eq!(body, json);
        assert_eq!(read[0].packed.bodies[0].text(text).as_deref(), Some(text));
    }
}

pub async fn ten_thousand_bodies_are_one_entry<S: Subject>(subject: &S, name: &str) {
    let log = opened(subject, name).await;
    let bodies: Vec<_> = (0..10_000)
        .map(|n| subject.body(&format!(r#"{{"title":"Splice {n}","n":{n},"notes":"{}"}}"#, "x".repeat(200))))
        .collect();
    let entry = Packed { head: "{}".into(), bodies };
    let key = log.append(1, entry, Durability::Relaxed).await.unwrap().key;
    let entries = opened(subject, name).await.read(key).await.unwrap();
    let bodies = &entries[0].packed.bodies;
    assert_eq!(bodies.len(), 10_000);
    for (n, body) in bodies.iter().enumerate() {
        assert_eq!(body.text("title").as_deref(), Some(format!("Splice {n}").as_str()));
    }
}

pub async fn a_swap_may_only_take_away<S: Subject>(subject: &S, name: &str) {
    let log = opened(subject, name).await;
    let second = add(subject, &log, "2").await;
    let third = add(subject, &log, "3").await;
    assert!(log.swap(small_swap(subject, 1, "\"kept\"", 0)).await.unwrap());
    let away = Swap {
        generation: 2,
        manifest: "\"fewer\"".into(),
        put: Vec::new(),
        delete: Vec::new(),
        delete_log_through: Some(second),
    };
    assert!(log.swap(away).await.unwrap());
    let seen = opened(subject, name).await.load(&["t".into()], 0).await.unwrap();
    assert_eq!(seen.manifest.as_deref(), Some("\"fewer\""));
    assert_eq!(heads(&seen), [("t".into(), 1, "\"kept\"".into())]);
    assert_eq!(keys(&seen.entries), [third]);
    let fourth = log.append(third, packed(subject, "4", &[]), Durability::Relaxed).await.unwrap();
    assert_eq!(fourth.before, [third]);
}

pub async fn an_append_tells_what_it_takes<S: Subject>(subject: &S, name: &str) {
    let log = opened(subject, name).await;
    let body = format!(r#"{{"title":"{}"}}"#, "x".repeat(10_000));
    let one = log.append(1, packed(subject, "{}", &[&body]), Durability::Relaxed).await.unwrap();
    let two = log.append(1, packed(subject, "{}", &[&body, &body]), Durability::Relaxed).await.unwrap();
    assert!((10_000..40_000).contains(&one.bytes), "{}", one.bytes);
    assert!((20_000..80_000).contains(&two.bytes), "{}", two.bytes);
}

pub async fn the_room_is_known_or_it_is_not<S: Subject>(subject: &S, name: &str) {
    let log = opened(subject, name).await;
    let room = log.room().await.unwrap();
    assert!(room.is_none_or(|room| room.quota > 0), "{room:?}");
}

/// Calls a macro with the names of all cases, so that it makes a test of each.
#[macro_export]
macro_rules! log_contract {
    ($each:ident) => {
        $each!(
            it_opens_once,
            entries_are_read_in_key_order,
            an_append_tells_what_lay_before_it,
            two_connections_append_in_one_order,
            a_swap_is_seen_whole,
            segments_are_read_by_name,
            a_taken_generation_changes_nothing,
            of_two_swaps_one_wins,
            no_key_is_used_twice,
            a_snapshot_is_one_moment,
            what_is_not_awaited_is_whole_or_absent,
            any_text_survives,
            ten_thousand_bodies_are_one_entry,
            a_swap_may_only_take_away,
            an_append_tells_what_it_takes,
            the_room_is_known_or_it_is_not
        );
    };
}

#[cfg(test)]
mod tests {
    use std::{
        cell::{Cell, RefCell},
        collections::BTreeMap,
        rc::Rc,
    };

    use futures_executor::block_on;
    use serde_json::Value;

    use super::Subject;
    use crate::log::memory::{MemoryLog, Yields};

    /// Lets others run now more, now less often.
    #[derive(Debug, Default)]
    struct Uneven(Cell<u32>);

    impl Yields for Uneven {
        fn turns(&self) -> u32 {
            self.0.set(self.0.get().wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
            (self.0.get() >> 16) % 4
        }
    }

    #[derive(Default)]
    struct InMemory(RefCell<BTreeMap<String, MemoryLog<Value>>>);

    impl Subject for InMemory {
        type Body = Value;
        type Log = MemoryLog<Value>;

        fn connect(&self, name: &str) -> MemoryLog<Value> {
            let new = || MemoryLog::new(Rc::new(Uneven::default()));
            self.0.borrow_mut().entry(name.to_owned()).or_insert_with(new).clone()
        }

        fn body(&self, json: &str) -> Value {
            serde_json::from_str(json).unwrap()
        }
    }

    macro_rules! in_memory {
        ($($case:ident),+) => {
            $(#[test]
            fn $case() {
                block_on(super::$case(&InMemory::default(), stringify!($case)));
            })+
        };
    }

    log_contract!(in_memory);
}
