//! The table of others' locks.

use landfall::live::{Hello, Lock, LockTable};
use wasm_bindgen_test::wasm_bindgen_test;

/// The server's clock is this far ahead.
const AHEAD_MS: u64 = 1_000_000;

fn lock(id: &str, device: &str, until: Option<u64>) -> Lock {
    Lock {
        table: "tasks".into(),
        record_id: id.into(),
        principal: format!("of {device}"),
        device_id: device.into(),
        until: until.map(|until| AHEAD_MS + until),
    }
}

fn hello(now_ms: u64, locks: Vec<Lock>) -> Hello {
    Hello { server_time: AHEAD_MS + now_ms, locks }
}

fn table() -> LockTable {
    let mut table = LockTable::new("ours");
    assert_eq!(table.handle_hello(hello(0, vec![]), 0), []);
    table
}

#[wasm_bindgen_test]
fn a_lock_begins_goes_on_and_ends() {
    let mut table = table();
    let taken = lock("7", "a", Some(100));
    assert_eq!(table.handle_lock(taken.clone(), 10), Some(taken));
    let before = table.revision();
    assert_eq!(table.handle_lock(lock("7", "a", Some(200)), 50), None, "a renewal is no news");
    assert_ne!(table.revision(), before, "but it lasts longer");
    assert_eq!(table.expire(150), []);
    assert_eq!(table.handle_lock(lock("7", "a", None), 160), Some(lock("7", "a", None)));
    assert_eq!(table.handle_lock(lock("7", "a", None), 170), None);
    assert_eq!(table.list(), []);
}

#[wasm_bindgen_test]
fn our_own_is_never_somebody_elses() {
    let mut table = table();
    assert_eq!(table.handle_lock(lock("7", "ours", Some(100)), 0), None);
    assert_eq!(table.handle_hello(hello(0, vec![lock("7", "ours", Some(100))]), 0), []);
    assert_eq!(table.list(), []);
    // What is ours is not another's any more, whether or not their end was heard of.
    table.handle_lock(lock("7", "a", Some(100)), 0);
    assert_eq!(table.handle_lock(lock("7", "ours", None), 0), None);
    assert_eq!(table.handle_lock(lock("7", "ours", Some(100)), 0), Some(lock("7", "a", None)));
    assert_eq!(table.list(), []);
}

#[wasm_bindgen_test]
fn a_late_word_of_a_former_holder_ends_nothing() {
    let mut table = table();
    table.handle_lock(lock("7", "a", Some(100)), 0);
    let next = lock("7", "b", Some(100));
    assert_eq!(table.handle_lock(next.clone(), 0), Some(next.clone()), "another one has it now");
    assert_eq!(table.handle_lock(lock("7", "a", None), 0), None);
    assert_eq!(table.list(), [next]);
}

#[wasm_bindgen_test]
fn what_is_not_renewed_lapses_by_the_servers_clock() {
    let mut table = table();
    table.handle_lock(lock("7", "a", Some(100)), 0);
    table.handle_lock(lock("8", "b", Some(300)), 0);
    assert_eq!(table.poll_timeout(), Some(100));
    assert_eq!(table.expire(99), []);
    let before = table.revision();
    assert_eq!(table.expire(100), [lock("7", "a", None)]);
    assert_ne!(table.revision(), before);
    assert_eq!(table.poll_timeout(), Some(300));
    assert_eq!(table.handle_lock(lock("9", "c", Some(90)), 100), None, "it came too late to matter");
}

#[wasm_bindgen_test]
fn an_answer_is_a_little_old_so_the_latest_time_counts() {
    let mut table = LockTable::new("ours");
    assert_eq!(table.server_now(5), None);
    table.handle_lock(lock("7", "a", Some(1)), 900);
    assert_eq!(
        (table.poll_timeout(), table.expire(u64::MAX / 2)),
        (None, vec![]),
        "nobody knows what time it is"
    );
    // 40 ms on its way, then 10, then 70.
    table.handle_hello(hello(0, vec![]), 40);
    assert_eq!(table.server_now(100), Some(AHEAD_MS + 60));
    table.handle_time(AHEAD_MS + 100, 110);
    table.handle_time(AHEAD_MS + 200, 270);
    assert_eq!(table.server_now(300), Some(AHEAD_MS + 290));
    // A new stream may be of a server whose clock was set back.
    table.handle_hello(hello(0, vec![]), 300);
    assert_eq!(table.server_now(300), Some(AHEAD_MS));
}

#[wasm_bindgen_test]
fn a_new_stream_says_all_that_is_held() {
    let mut table = table();
    for lock in [lock("1", "a", Some(100)), lock("2", "a", Some(100)), lock("3", "a", Some(100))] {
        table.handle_lock(lock, 0);
    }
    let (goes_on, other, new) =
        (lock("2", "a", Some(500)), lock("3", "b", Some(500)), lock("4", "b", Some(500)));
    let news = table.handle_hello(hello(50, vec![goes_on.clone(), other.clone(), new.clone()]), 50);
    assert_eq!(news, [lock("1", "a", None), other.clone(), new.clone()]);
    assert_eq!(table.list(), [goes_on, other, new]);
}
