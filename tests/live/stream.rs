//! Who reads the stream, and what is made of it.

use js_sys::Function;
use landfall::live::Notice;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

use super::server::{Page, Server, js, pause, resolved, text, until, unused};

const HELLO: &str = "{ protocol: 1, epoch: 'e', serverTime: 1000000, locks: [] }";

fn lock(id: &str, device: &str, until: &str) -> String {
    format!(
        "{{ table: 'tasks', recordId: '{id}', principal: 'of {device}', deviceId: '{device}', until: {until} }}"
    )
}

fn hello(locks: &[String]) -> String {
    format!("{{ protocol: 1, epoch: 'e', serverTime: 1000000, locks: [{}] }}", locks.join(","))
}

fn change(device: &str) -> String {
    format!(
        "{{ tables: ['tasks'], records: [{{ table: 'tasks', id: '7', version: 2 }}], principal: 'u8', deviceId: '{device}', serverTime: 1000500 }}"
    )
}

#[wasm_bindgen_test]
async fn the_stream_is_asked_for_as_it_is_specified() {
    let server = Server::start();
    let _page = Page::open(&unused());
    until("it is asked for", || server.streams() == (1, 1)).await;
    let request = |expression: &str| text(&format!("String(server.streams[0].request.{expression})"));
    assert_eq!(request("method"), "GET");
    assert!(request("url").ends_with("/api/sync/stream?entityTypes=steps%2Ctasks&principal=u7%2F%C3%BC"));
    assert_eq!(request("headers.get('Landfall-Protocol')"), "1");
    assert_eq!(request("headers.has('Authorization')"), "false");
}

#[wasm_bindgen_test]
async fn with_a_token_nobody_says_who_they_are_and_it_is_asked_for_each_time() {
    let server = Server::start();
    js("server.answerStream = () => server.streams.length === 0 && !server.was401 ? (server.was401 = true,
        new Response('', { status: 401, headers: { 'Landfall-Protocol': '1' } })) : undefined");
    let token =
        Function::new_no_args("globalThis.tokens = (globalThis.tokens ?? 0) + 1; return 't' + tokens");
    let _page = Page::open_with(&unused(), Some(token));
    until("it is asked for again", || server.streams() == (1, 1)).await;
    assert_eq!(text("server.streams[0].request.headers.get('Authorization')"), "Bearer t2");
    assert!(text("server.streams[0].request.url").ends_with("/stream?entityTypes=steps%2Ctasks"));
}

#[wasm_bindgen_test]
async fn what_others_do_is_told_and_what_this_device_does_is_not() {
    let server = Server::start();
    let page = Page::open(&unused());
    until("it is asked for", || server.streams().0 == 1).await;
    server.say("hello", &hello(&[lock("1", "a", "1060000"), lock("2", "ours", "1060000")]));
    until("the page knows", || page.held() == "1 of a").await;
    // Something may have happened before the stream began.
    assert!(matches!(&page.take_told()[..], [Notice::Lock(lock), Notice::Behind] if lock.record_id == "1"));

    server.say("change", &change("ours"));
    server.say("change", &change("b"));
    until("it is told", || page.told.borrow().len() == 2).await;
    assert!(
        matches!(&page.take_told()[..], [Notice::Change(change), Notice::Behind] if change.principal == "u8")
    );
    server.say("lock", &lock("1", "a", "null"));
    until("it ends", || page.held().is_empty()).await;
    assert!(matches!(&page.take_told()[..], [Notice::Lock(lock)] if lock.until.is_none()));
    // It lapses by itself, in half a second of the server's time.
    server.say("lock", &lock("9", "b", "1001000"));
    until("it is known", || page.held() == "9 of b").await;
    until("it lapses and that is told", || page.told.borrow().len() == 2).await;
    assert_eq!(page.held(), "");
    assert!(matches!(&page.take_told()[..], [_, Notice::Lock(lock)] if lock.until.is_none()));
}

#[wasm_bindgen_test]
async fn one_page_reads_for_all_and_another_goes_on_when_it_closes() {
    let server = Server::start();
    let database = unused();
    let first = Page::open(&database);
    until("it is asked for", || server.streams().0 == 1).await;
    server.say("hello", &hello(&[lock("1", "a", "1060000")]));
    until("the first knows", || first.held() == "1 of a").await;

    let second = Page::open(&database);
    until("the second is told what is known", || second.held() == "1 of a").await;
    server.say("lock", &lock("2", "b", "1060000"));
    until("both hear it", || first.held() == second.held() && first.held() == "1 of a,2 of b").await;
    second.take_told();
    server.say("change", &change("b"));
    until("the second hears of the change", || !second.told.borrow().is_empty()).await;
    assert!(matches!(&second.take_told()[..], [Notice::Change(_)]), "the one that reads sees to the pass");
    assert_eq!(server.streams(), (1, 1));

    drop(first);
    until("the second reads", || server.streams() == (2, 1)).await;
    server.say("hello", HELLO);
    until("what ended meanwhile has ended", || second.held().is_empty()).await;
    assert!(second.take_told().contains(&Notice::Behind));
    drop(second);
    until("nobody reads", || server.streams() == (2, 0)).await;
    pause(1_200).await;
    assert_eq!(server.streams(), (2, 0), "and nobody begins again");
}

#[wasm_bindgen_test]
async fn a_stream_that_ends_is_begun_anew() {
    let server = Server::start();
    let page = Page::open(&unused());
    for count in 1..=3 {
        until("it is asked for", || server.streams().0 == count).await;
        server.say("hello", HELLO);
        until("a pass is due, since something may have been missed", || {
            page.take_told().contains(&Notice::Behind)
        })
        .await;
        js("server.streams.at(-1).end()");
    }
}

#[wasm_bindgen_test]
async fn what_is_no_stream_of_our_servers_is_not_read() {
    let text = "'event: hello\\ndata: {\"serverTime\":1}\\n\\n'";
    for answer in [
        format!("new Response({text}, {{ headers: {{ 'Landfall-Protocol': '1' }} }})"),
        format!("new Response({text}, {{ headers: {{ 'Content-Type': 'text/event-stream' }} }})"),
        "new Response('<html>')".to_owned(),
    ] {
        let server = Server::start();
        js(&format!("server.answerStream = () => {{ server.answerStream = undefined; return {answer} }}"));
        let page = Page::open(&unused());
        until("it is asked for again", || server.streams().0 == 1).await;
        assert!(js("server.answerStream").is_undefined());
        assert_eq!(page.take_told(), [], "{answer}");
    }
}

#[wasm_bindgen_test]
async fn a_server_without_a_stream_is_asked_once() {
    for status in [404, 501] {
        let server = Server::start();
        js(&format!(
            "server.answerStream = () => {{ server.pulls += 1; return new Response('', {{ status: {status} }}) }}"
        ));
        let database = unused();
        let page = Page::open(&database);
        until("it is asked", || js("server.pulls") == 1).await;
        pause(1_500).await;
        assert_eq!(js("server.pulls"), 1, "{status}");
        let taking = page.live.take("tasks", "7").await;
        assert_eq!(taking, landfall::live::Taking::Unsupported);
        // Another page learns it from this one.
        let other = Page::open(&database);
        pause(100).await;
        drop(page);
        pause(300).await;
        assert_eq!(js("server.pulls"), 1, "{status}");
        drop(other);
        drop(server);
    }
}

/// Lets the document say that it is hidden, or visible again.
fn show(visibility: &str) {
    let body = format!(
        "Object.defineProperty(document, 'visibilityState', {{ configurable: true, get: () => '{visibility}' }})
         document.dispatchEvent(new Event('visibilitychange'))"
    );
    Function::new_no_args(&body).call0(&JsValue::NULL).unwrap();
}

#[wasm_bindgen_test]
async fn a_hidden_page_reads_on_until_another_is_looked_at() {
    let server = Server::start();
    let database = unused();
    let page = Page::open(&database);
    until("it is asked for", || server.streams().0 == 1).await;
    show("hidden");
    // A page that is opened in the background waits until somebody looks.
    let behind = Page::open(&unused());
    pause(200).await;
    assert_eq!(server.streams(), (1, 1), "nobody else wants to read, and a minute is not over");
    js(&format!("new BroadcastChannel('{database}:live').postMessage('waiting')"));
    until("it hands over", || server.streams() == (1, 0)).await;
    show("visible");
    until("both read", || server.streams() == (3, 2)).await;
    drop((page, behind));
    js("delete document.visibilityState");
}

#[wasm_bindgen_test]
async fn a_page_that_is_looked_at_and_waits_says_so_when_the_reading_one_is_hidden() {
    let server = Server::start();
    let database = unused();
    let _page = Page::open(&database);
    until("it is asked for", || server.streams().0 == 1).await;
    let heard = resolved(&format!(
        "new Promise(resolve => {{
           const channel = new BroadcastChannel('{database}:live')
           channel.onmessage = ({{ data }}) => {{ if (data === 'waiting') resolve(data) }}
           channel.postMessage('hidden')
         }})"
    ))
    .await;
    assert_eq!(heard, "waiting");
}

#[wasm_bindgen_test]
async fn without_a_network_nothing_is_asked() {
    let server = Server::start();
    js("Object.defineProperty(navigator, 'onLine', { configurable: true, get: () => false })");
    let page = Page::open(&unused());
    pause(200).await;
    assert_eq!(server.streams(), (0, 0));
    assert_eq!(page.live.take("tasks", "7").await, landfall::live::Taking::Offline);
    assert_eq!(server.posts(), "");
    js("delete navigator.onLine");
    js("dispatchEvent(new Event('online'))");
    until("it is asked for", || server.streams() == (1, 1)).await;
    js("Object.defineProperty(navigator, 'onLine', { configurable: true, get: () => false })");
    js("dispatchEvent(new Event('offline'))");
    until("it is given up", || server.streams() == (1, 0)).await;
    js("delete navigator.onLine");
}
