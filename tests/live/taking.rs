//! Our own locks: taken, renewed, lost, released.

use landfall::live::{Notice, Taking};
use wasm_bindgen_test::wasm_bindgen_test;

use super::server::{Page, Server, js, pause, text, until, unused};

#[wasm_bindgen_test]
async fn a_lock_is_asked_for_as_it_is_specified() {
    let server = Server::start();
    let page = Page::open(&unused());
    assert_eq!(page.live.take("tasks", "7").await, Taking::Granted { until: 1_045_000 });
    let posted = text("JSON.stringify(server.posts[0])");
    assert_eq!(
        posted,
        r#"{"protocol":1,"principal":"u7/ü","deviceId":"ours","table":"tasks","recordId":"7","action":"take","ttlMs":45000,"authorization":null}"#
    );
    page.live.release("tasks", "7").await;
    page.live.release("tasks", "7").await;
    assert_eq!(server.posts(), "take 7,release 7");
    page.close().await;
}

#[wasm_bindgen_test]
async fn who_was_first_is_told_and_known_from_then_on() {
    let server = Server::start();
    js("server.answerLock = ({ table, recordId }) => ({ granted: false, serverTime: 1000000,
        lock: { table, recordId, principal: 'u8', deviceId: 'd8', until: 1030000 } })");
    let page = Page::open(&unused());
    let Taking::Held(lock) = page.live.take("tasks", "7").await else { panic!("it was not held") };
    assert_eq!((lock.principal.as_str(), page.held().as_str()), ("u8", "7 u8"));
    assert!(page.told.borrow().iter().any(|notice| matches!(notice, Notice::Lock(_))));
    let left =
        page.live.device_time(1_030_000) - landfall_core::ports::Clock::now_ms(&landfall::clock::DeviceClock);
    assert!((29_000..=30_000).contains(&left), "{left} ms by this device's clock");
    // It was not got, so there is nothing to give back.
    page.live.release("tasks", "7").await;
    assert_eq!(server.posts(), "take 7");
    page.close().await;
}

#[wasm_bindgen_test]
async fn what_is_no_answer_is_an_outcome() {
    let server = Server::start();
    let page = Page::open(&unused());
    let problem = "JSON.stringify({ type: 'urn:landfall:error:unknown-table', title: '', status: 422 })";
    for (answer, expected) in [
        ("new Response('<html>')".to_owned(), Taking::Offline),
        (
            "new Response('', { status: 501, headers: { 'Landfall-Protocol': '1' } })".to_owned(),
            Taking::Unsupported,
        ),
        (
            format!("new Response({problem}, {{ status: 422, headers: {{ 'Landfall-Protocol': '1' }} }})"),
            Taking::Refused("unknown-table".into()),
        ),
    ] {
        js(&format!("server.answerLock = () => {answer}"));
        assert_eq!(page.live.take("tasks", "7").await, expected);
    }
    page.close().await;
    assert_eq!(server.posts(), "take 7,take 7,take 7", "nothing is held, so nothing is released");
}

#[wasm_bindgen_test]
async fn it_is_renewed_at_a_third_of_its_time_until_it_is_released() {
    let server = Server::start();
    // Six seconds: renewed every two.
    js(
        "server.answerLock = body => ({ granted: true, lock: { ...body, until: 1006000 }, serverTime: 1000000 })",
    );
    let page = Page::open(&unused());
    page.live.take("tasks", "7").await;
    pause(1_500).await;
    assert_eq!(server.posts(), "take 7");
    until("it is renewed", || server.posts() == "take 7,renew 7").await;
    page.live.release("tasks", "7").await;
    pause(2_500).await;
    assert_eq!(server.posts(), "take 7,renew 7,release 7");
    page.close().await;
}

#[wasm_bindgen_test]
async fn what_is_held_is_not_lost_by_asking_again_in_vain() {
    let server = Server::start();
    js(
        "server.answerLock = body => ({ granted: true, lock: { ...body, until: 1006000 }, serverTime: 1000000 })",
    );
    let page = Page::open(&unused());
    page.live.take("tasks", "7").await;
    js("server.granting = server.answerLock");
    js("server.answerLock = () => new Response('<html>')");
    assert_eq!(page.live.take("tasks", "7").await, Taking::Offline);
    js("server.answerLock = server.granting");
    page.close().await;
    assert_eq!(server.posts(), "take 7,take 7,release 7", "it is still held, and so it is released");
}

#[wasm_bindgen_test]
async fn one_that_lapsed_is_taken_again_unless_somebody_else_has_it() {
    let server = Server::start();
    js("server.answerLock = body => body.action === 'renew' ? { granted: false, lock: null, serverTime: 1000000 }
        : { granted: true, lock: { ...body, until: 1006000 }, serverTime: 1000000 }");
    let page = Page::open(&unused());
    page.live.take("tasks", "7").await;
    until("it is taken again", || server.posts() == "take 7,renew 7,take 7").await;
    js("server.answerLock = ({ table, recordId }) => ({ granted: false, serverTime: 1000000,
        lock: { table, recordId, principal: 'u8', deviceId: 'd8', until: 1060000 } })");
    until("it is lost, and that is told", || page.held() == "7 u8").await;
    pause(2_500).await;
    assert_eq!(server.posts(), "take 7,renew 7,take 7,renew 7", "what is lost is not asked for again");
    page.close().await;
}

#[wasm_bindgen_test]
async fn calls_reach_the_server_in_their_order() {
    let server = Server::start();
    let page = Page::open(&unused());
    let (first, release, second) =
        (page.live.take("tasks", "7"), page.live.release("tasks", "7"), page.live.take("tasks", "7"));
    let (_, (), taking) = futures_util::future::join3(first, release, second).await;
    assert_eq!(server.posts(), "take 7,release 7,take 7");
    assert!(matches!(taking, Taking::Granted { .. }));
    page.live.release("tasks", "7").await;
    assert_eq!(server.posts(), "take 7,release 7,take 7,release 7");
    page.close().await;
}

#[wasm_bindgen_test]
async fn what_another_tab_of_this_device_released_is_taken_again() {
    let server = Server::start();
    let page = Page::open(&unused());
    until("it is asked for", || server.streams().0 == 1).await;
    page.live.take("tasks", "7").await;
    for id in ["8", "7"] {
        server.say(
            "lock",
            &format!(
                "{{ table: 'tasks', recordId: '{id}', principal: 'u7', deviceId: 'ours', until: null }}"
            ),
        );
    }
    until("it is taken again", || server.posts() == "take 7,renew 7").await;
    page.close().await;
}

#[wasm_bindgen_test]
async fn what_is_held_is_released_when_the_page_goes_and_when_it_closes() {
    let server = Server::start();
    let token = js_sys::Function::new_no_args("return Promise.resolve('t')");
    let page = Page::open_with(&unused(), Some(token));
    page.live.take("tasks", "7").await;
    js("dispatchEvent(new Event('pagehide'))");
    until("it is released", || server.posts() == "take 7,release 7").await;
    assert_eq!(text("server.posts[1].authorization"), "Bearer t");
    page.live.take("tasks", "8").await;
    drop(page);
    until("it is released", || server.posts() == "take 7,release 7,take 8,release 8").await;
}
