//! The edges that a page and its service worker have both. Included by one test crate for each.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::cell::RefCell;
use std::rc::Rc;

use futures_util::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use js_sys::Function;
use landfall::clock::{CryptoRandom, DeviceClock};
use landfall::connectivity::{Connectivity, Turn, online};
use landfall::lease::WebLease;
use landfall::signals::{Channel, Signal};
use landfall_core::ports::{Clock, Lease, Random, Signals};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

fn unused(what: &str) -> String {
    format!("test/{what}/{}", uuid::Uuid::new_v4())
}

fn run(body: &str) -> JsValue {
    Function::new_no_args(body).call0(&JsValue::NULL).unwrap()
}

/// Waits until it holds; a test that waits in vain fails.
async fn until(holds: impl Fn() -> bool) {
    for _ in 0..200 {
        if holds() {
            return;
        }
        TimeoutFuture::new(10).await;
    }
    panic!("it did not come to hold within 2 s");
}

/// One holder at a time, whichever way the leases are had.
async fn a_lease_has_one_holder() {
    let name = unused("lease");
    let (one, two) = (WebLease::new(&name), WebLease::new(&name));
    let held = one.try_acquire().await.unwrap();
    assert!(two.try_acquire().await.is_none());
    assert!(one.try_acquire().await.is_none());
    assert!(WebLease::new(&unused("lease")).try_acquire().await.is_some());

    let waiting = Box::pin(two.acquire());
    let Either::Right(((), waiting)) = select(waiting, TimeoutFuture::new(50)).await else {
        panic!("two holders");
    };
    drop(held);
    let Either::Left((second, _)) = select(waiting, TimeoutFuture::new(2_000)).await else {
        panic!("it was given back and not given out");
    };
    assert!(one.try_acquire().await.is_none());
    drop(second);
    let third = one.acquire().await;
    assert!(two.try_acquire().await.is_none());
    drop(third);
}

#[wasm_bindgen_test]
async fn a_lock_has_one_holder() {
    a_lease_has_one_holder().await;
}

#[wasm_bindgen_test]
async fn a_waiter_that_gave_up_holds_nothing() {
    let name = unused("lease");
    let (one, two) = (WebLease::new(&name), WebLease::new(&name));
    let held = one.try_acquire().await.unwrap();
    let waiting = Box::pin(two.acquire());
    // It gives up while its request is queued.
    let Either::Right(((), waiting)) = select(waiting, TimeoutFuture::new(20)).await else {
        panic!("two holders")
    };
    drop(waiting);
    drop(held);
    TimeoutFuture::new(50).await;
    assert!(one.try_acquire().await.is_some());
}

#[wasm_bindgen_test]
async fn without_web_locks_there_is_one_holder_in_this_context() {
    let undo = run(
        "const locks = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(navigator), 'locks')
         Object.defineProperty(Object.getPrototypeOf(navigator), 'locks', { configurable: true, get: () => undefined })
         return () => Object.defineProperty(Object.getPrototypeOf(navigator), 'locks', locks)",
    );
    a_lease_has_one_holder().await;
    undo.unchecked_into::<Function>().call0(&JsValue::NULL).unwrap();
}

#[wasm_bindgen_test]
async fn signals_reach_the_others_of_their_name() {
    let name = unused("signals");
    let heard = Rc::new(RefCell::new(Vec::new()));
    let listen = |who: &'static str| {
        let heard = heard.clone();
        move |signal| heard.borrow_mut().push((who, signal))
    };
    let one = Channel::open(&name, listen("one"));
    let two = Channel::open(&name, listen("two"));
    let _elsewhere = Channel::open(&unused("signals"), listen("elsewhere"));

    one.announce(7);
    until(|| heard.borrow().len() == 1).await;
    two.tell(Signal::SyncBegan);
    until(|| heard.borrow().len() == 2).await;
    // What a newer release may say.
    run(&format!(
        "const channel = new BroadcastChannel('{name}'); channel.postMessage({{ kind: 'news' }}); channel.postMessage('news'); channel.postMessage(-1)"
    ));
    one.announce(9_007_199_254_740_991);
    until(|| heard.borrow().len() >= 3).await;
    drop(two);
    one.announce(9);
    TimeoutFuture::new(50).await;
    assert_eq!(
        *heard.borrow(),
        [("two", Signal::Head(7)), ("one", Signal::SyncBegan), ("two", Signal::Head(9_007_199_254_740_991))]
    );
}

#[wasm_bindgen_test]
fn time_and_chance_come_from_the_browser() {
    assert!(DeviceClock.now_ms() > 1_700_000_000_000);
    let draws: Vec<u64> = (0..64).map(|_| CryptoRandom.bits()).collect();
    // Each bit is seen set and clear: wrong once in 2^57.
    assert_eq!(draws.iter().fold(0, |all, bits| all | bits), u64::MAX);
    assert_eq!(draws.iter().fold(u64::MAX, |all, bits| all & bits), 0);
}

#[wasm_bindgen_test]
fn turns_of_the_network_are_noticed_until_nobody_cares() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let watch = Connectivity::watch({
        let seen = seen.clone();
        move |turn| seen.borrow_mut().push(turn)
    });
    assert!(online());
    for event in ["offline", "online"] {
        run(&format!("dispatchEvent(new Event('{event}'))"));
    }
    drop(watch);
    run("dispatchEvent(new Event('offline'))");
    assert_eq!(*seen.borrow(), [Turn::Offline, Turn::Online]);
}
