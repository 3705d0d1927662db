//! The sync server over HTTP: what each kind of answer is taken for. The answers are real `Response`s, given by a
//! `fetch` of the test's own; the real server answers in the end-to-end tests.

#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use js_sys::{Function, Reflect};
use landfall::body::JsBody;
use landfall::remote::HttpRemote;
use landfall_core::body::Body;
use landfall_core::ports::{Remote, RemoteError};
use landfall_core::protocol::{Download, Operation, OperationKind, Page, Status, Upload};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

/// Puts a function of the request in place of `fetch`, for as long as it lives. The requests are kept.
struct Server {
    undo: Function,
}

impl Server {
    fn answering(fetch: &str) -> Self {
        let install = format!(
            "const {{ fetch }} = globalThis
             globalThis.requests = []
             globalThis.fetch = async (request) => {{ globalThis.requests.push(request.clone()); return ({fetch})(request) }}
             return () => {{ globalThis.fetch = fetch }}"
        );
        let undo = Function::new_no_args(&install).call0(&JsValue::NULL).unwrap();
        Self { undo: undo.unchecked_into() }
    }

    /// With a status, headers beside the protocol's, and a text.
    fn with(status: u16, headers: &str, text: &str) -> Self {
        let text = serde_json::to_string(text).unwrap();
        Self::answering(&format!(
            "() => new Response({text}, {{ status: {status}, headers: {{ 'Landfall-Protocol': '1', {headers} }} }})"
        ))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.undo.call0(&JsValue::NULL).unwrap();
    }
}

/// What an expression over the last `request` comes to.
async fn of_request(expression: &str) -> String {
    let body =
        format!("const request = requests.at(-1); return (async () => String(await ({expression})))()");
    let promise = Function::new_no_args(&body).call0(&JsValue::NULL).unwrap();
    JsFuture::from(promise.unchecked_into::<js_sys::Promise>()).await.unwrap().as_string().unwrap()
}

/// The text of the last request, which was compressed.
async fn inflated() -> String {
    let inflated = "new Response(request.clone().body.pipeThrough(new DecompressionStream('gzip'))).text()";
    // Firefox has no `Request.body`; what it sends is a blob.
    let inflated = format!(
        "request.body ? {inflated} : request.clone().blob().then((blob) =>
        new Response(blob.stream().pipeThrough(new DecompressionStream('gzip'))).text())"
    );
    of_request(&inflated).await
}

fn download() -> Download {
    Download {
        protocol: 1,
        principal: None,
        cursor: None,
        entity_types: vec!["tasks".into()],
        scope: None,
        limit: Some(10),
        last_sync: None,
    }
}

async fn pull() -> Result<Page<JsBody>, RemoteError> {
    HttpRemote::new("/api/sync/", None).pull(&download()).await
}

fn upload(notes: &str) -> Upload<JsBody> {
    let data = js_sys::JSON::parse(
        &serde_json::json!({ "title": "Splice", "notes": notes, "list": [1, null] }).to_string(),
    );
    Upload {
        protocol: 1,
        principal: "u7".into(),
        device_id: "device_1".into(),
        schema_version: 3,
        epoch: None,
        sent_at: 1_760_000_001_000,
        merge: false,
        operations: vec![Operation {
            id: "0199".into(),
            table: "tasks".into(),
            record_id: "temp_1".into(),
            operation: OperationKind::Create,
            base_version: None,
            base_updated_at: None,
            base_hash: None,
            base: None,
            data: Some(JsBody::copy_in(&data.unwrap()).unwrap().body),
            unset: vec![],
            timestamp: 1_760_000_000_000,
            first_sent_at: None,
            dependencies: vec![],
        }],
    }
}

const PAGE: &str = r#"{"entities":[{"table":"tasks","id":"7","version":2,"updatedAt":1760000000000,"createdAs":"temp_1",
    "data":{"title":"Splice \u00e9","list":[{"a":null}]}}],
    "deletions":[{"table":"tasks","id":"8","version":5,"deletedAt":1760000000001,"reason":"left-scope"}],
    "cursor":"c1","hasMore":true,"epoch":"e","horizon":1,"serverTime":1760000000002}"#;

#[wasm_bindgen_test]
async fn a_page_is_read_and_its_bodies_are_objects() {
    let _server = Server::with(200, "", PAGE);
    let page = pull().await.unwrap();
    assert_eq!((page.cursor.as_str(), page.has_more, page.server_time), ("c1", true, 1_760_000_000_002));
    assert_eq!(page.entities[0].data.to_json(), r#"{"title":"Splice é","list":[{"a":null}]}"#);
    assert_eq!(page.entities[0].created_as.as_deref(), Some("temp_1"));
    assert_eq!(page.deletions[0].version, 5);
    assert_eq!(
        of_request("request.method + ' ' + new URL(request.url).pathname").await,
        "POST /api/sync/download"
    );
    assert_eq!(of_request("request.headers.get('Landfall-Protocol')").await, "1");
    assert_eq!(of_request("request.headers.has('Authorization')").await, "false");
    let sent: serde_json::Value = serde_json::from_str(&of_request("request.text()").await).unwrap();
    assert_eq!(sent, serde_json::to_value(download()).unwrap());
}

const ANSWER: &str = r#"{"protocol":1,"epoch":"e","serverTime":5,"idMappings":[{"tempId":"temp_1","realId":"9","entityType":"tasks"}],
    "results":[{"id":"0199","status":"conflict","record":{"table":"tasks","id":"9","version":1,"updatedAt":4,"data":{"a":1}}}]}"#;

#[wasm_bindgen_test]
async fn an_upload_is_sent_as_it_is_specified() {
    let _server = Server::with(200, "", ANSWER);
    let upload = upload("line\u{2028}separator, 👷");
    let answer = HttpRemote::new("/api/sync", None).push(&upload).await.unwrap();
    assert_eq!(answer.results[0].status, Status::Conflict);
    assert_eq!(answer.results[0].record.as_ref().unwrap().data.to_json(), r#"{"a":1}"#);
    assert_eq!(answer.id_mappings[0].real_id, "9");
    let sent: serde_json::Value = serde_json::from_str(&of_request("request.text()").await).unwrap();
    let operation = &sent["operations"][0];
    assert_eq!(sent["sentAt"], 1_760_000_001_000_u64);
    assert_eq!((&sent["schemaVersion"], &operation["baseVersion"]), (&3.into(), &serde_json::Value::Null));
    assert_eq!(
        operation["data"],
        serde_json::json!({ "title": "Splice", "notes": "line\u{2028}separator, 👷", "list": [1, null] })
    );
    // The server reads it with the same types.
    serde_json::from_value::<Upload<serde_json::Value>>(sent).unwrap();
}

#[wasm_bindgen_test]
async fn bodies_go_into_a_request_as_they_are() {
    let _server = Server::with(200, "", ANSWER);
    let texts = [
        // What a request is put together with is a character like any other in what the app says.
        r#"{"title":"\u00017\u0001","\u0001":"\u0001","quo\"te\\":"\u2028\u0000\ud83d\ude00"}"#,
        r#"{"a":[0.1,1e+21,5e-324,-7,9007199254740991,true,null,{"b":{}}],"2":"","":[]}"#,
        "{}",
    ];
    let mut upload = upload("");
    let operation = upload.operations[0].clone();
    upload.operations.clear();
    for text in texts {
        let body = |text: &str| Some(JsBody::copy_in(&js_sys::JSON::parse(text).unwrap()).unwrap().body);
        upload.operations.push(Operation {
            id: "\u{1}0\u{1}".into(),
            data: body(text),
            base: body(text),
            ..operation.clone()
        });
    }
    upload.operations.push(Operation { data: None, unset: vec!["\u{1}".into()], ..operation });
    HttpRemote::new("/api/sync", None).push(&upload).await.unwrap();
    // To read it and to write it again changes nothing, so it is what the browser itself would have written.
    let sent = inflated().await;
    let again = js_sys::JSON::stringify(&js_sys::JSON::parse(&sent).unwrap()).unwrap();
    assert_eq!(sent, String::from(again));
    let read: Upload<serde_json::Value> = serde_json::from_str(&sent).unwrap();
    assert_eq!(read.operations[3].unset, ["\u{1}"]);
    for (operation, text) in read.operations.iter().zip(texts) {
        let [value, other] = [&operation.data, &operation.base].map(|body| body.clone().unwrap());
        assert_eq!((operation.id.as_str(), &value), ("\u{1}0\u{1}", &other));
        assert_eq!(value, serde_json::from_str::<serde_json::Value>(text).unwrap());
    }
}

fn answer_of(results: &str) -> String {
    format!(r#"{{"protocol":1,"epoch":"e","serverTime":5,"idMappings":[],"results":{results}}}"#)
}

fn conflict_of(data: &str) -> String {
    format!(
        r#"{{"id":"1","status":"conflict","record":{{"table":"tasks","id":"9","version":1,"updatedAt":4{data}}}}}"#
    )
}

#[wasm_bindgen_test]
async fn each_record_of_an_answer_has_its_own_fields() {
    let fields = [r#"{"data":{"data":1}}"#, "{}", r#"{"a":1e-7,"b":"\ud83d\ude00","c":[9007199254740991]}"#];
    let [first, second, third] = fields.map(|fields| conflict_of(&format!(r#","data":{fields}"#)));
    let settled = r#"{"id":"2","status":"applied","recordId":"7","version":3,"updatedAt":4,"record":null,"new":{"data":5}}"#;
    let _server = Server::with(200, "", &answer_of(&format!("[{first},{settled},{second},{third}]")));
    let answer = HttpRemote::new("/api/sync", None).push(&upload("")).await.unwrap();
    let records = answer.results.iter().filter_map(|result| result.record.as_ref());
    let told: Vec<String> = records.map(|record| record.data.to_json()).collect();
    assert_eq!(told, [fields[0], fields[1], r#"{"a":1e-7,"b":"😀","c":[9007199254740991]}"#]);
    assert_eq!((answer.results[1].status, answer.results[1].version), (Status::Applied, Some(3)));
}

#[wasm_bindgen_test]
async fn an_answer_that_is_not_as_it_should_be_is_a_strangers() {
    let bad = [
        ("null", "expected"),
        (r#"{"results":[]}"#, "missing"),
        (&answer_of("{}"), "expected"),
        (&answer_of("[7]"), "expected"),
        (&answer_of(&format!("[{}]", conflict_of(""))), "missing field `data`"),
        (&answer_of(&format!("[{}]", conflict_of(r#","data":[]"#))), "not an object"),
        (&answer_of(&format!("[{}]", conflict_of(r#","data":null"#))), "not an object"),
        (&answer_of(&format!("[{}]", conflict_of(r#","data":0"#))), "not an object"),
        (&answer_of(r#"[{"id":"1","status":"applied","version":"2"}]"#), "expected a number, found a text"),
        (&answer_of(r#"[{"id":"1","status":"applied","version":1.5}]"#), "expected a natural number"),
        (&answer_of(r#"[{"id":"1","status":"lost"}]"#), "unknown variant `lost`"),
        (&answer_of(r#"[{"id":"\ud800","status":"deferred"}]"#), "surrogate"),
    ];
    for (text, why) in bad {
        let _server = Server::with(200, "", text);
        match HttpRemote::new("/api/sync", None).push(&upload("")).await {
            Err(RemoteError::Foreign(message)) => assert!(message.contains(why), "{text}: {message}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[wasm_bindgen_test]
async fn rows_that_do_not_fit_into_columns_are_read_all_the_same() {
    let _server = Server::with(200, "", &PAGE.replace(r#""id":"7""#, r#""id":"7\n8""#));
    let page = pull().await.unwrap();
    assert_eq!(page.entities[0].id, "7\n8");
    assert_eq!(page.entities[0].data.to_json(), r#"{"title":"Splice é","list":[{"a":null}]}"#);
    for (from, to) in [
        (r#""version":2"#, r#""version":-2"#),
        (r#""version":2"#, r#""version":2.5"#),
        (r#""version":2,"#, ""),
        (r#""table":"tasks","id":"7""#, r#""table":7,"id":"7""#),
        (r#""createdAs":"temp_1""#, r#""createdAs":1"#),
        (r#""entities":["#, r#""entities":[null,"#),
        (r#""hasMore":true"#, r#""hasMore":1"#),
    ] {
        assert!(PAGE.contains(from), "{from}");
        let _server = Server::with(200, "", &PAGE.replace(from, to));
        assert!(matches!(pull().await, Err(RemoteError::Foreign(_))), "{to}");
    }
}

#[wasm_bindgen_test]
async fn a_long_request_is_compressed() {
    let _server = Server::with(200, "", ANSWER);
    let remote = HttpRemote::new("/api/sync", None);
    remote.push(&upload("short")).await.unwrap();
    assert_eq!(of_request("request.headers.has('Content-Encoding')").await, "false");
    remote.push(&upload(&"é".repeat(5_000))).await.unwrap();
    assert_eq!(of_request("request.headers.get('Content-Encoding')").await, "gzip");
    assert_eq!(of_request("request.headers.get('Content-Type')").await, "application/json");
    let sent: Upload<serde_json::Value> = serde_json::from_str(&inflated().await).unwrap();
    assert_eq!(sent.operations[0].data.as_ref().unwrap()["notes"], "é".repeat(5_000));
}

#[wasm_bindgen_test]
async fn the_token_is_asked_for_each_time() {
    let _server = Server::with(200, "", PAGE);
    let token = |body: &str| HttpRemote::new("/api/sync", Some(Function::new_no_args(body)));
    let counting =
        token("globalThis.asked = (globalThis.asked ?? 0) + 1; return Promise.resolve('t' + asked)");
    for expected in ["Bearer t1", "Bearer t2"] {
        counting.pull(&download()).await.unwrap();
        assert_eq!(of_request("request.headers.get('Authorization')").await, expected);
    }
    token("return ''").pull(&download()).await.unwrap();
    assert_eq!(of_request("request.headers.has('Authorization')").await, "false");
    for body in ["throw new Error('signed out')", "return Promise.reject(new Error('signed out'))"] {
        match token(body).pull(&download()).await {
            Err(RemoteError::Network(why)) => assert!(why.contains("signed out"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

#[wasm_bindgen_test]
async fn what_is_not_our_servers_acknowledges_nothing() {
    for fetch in [
        // A captive portal; another service; a proxy's own error.
        "() => new Response('<html>', { status: 200 })".to_owned(),
        format!("() => new Response({}, {{ status: 200 }})", serde_json::to_string(PAGE).unwrap()),
        "() => new Response('bad gateway', { status: 502 })".to_owned(),
    ] {
        let _server = Server::answering(&fetch);
        assert!(matches!(pull().await, Err(RemoteError::Foreign(_))), "{fetch}");
    }
    let bodies = [
        "",
        "<html>",
        "null",
        "{}",
        r#"{"entities":[]"#,
        &PAGE.replace(r#""data":{"title""#, r#""data":[],"x":{"title""#),
        &PAGE.replace("\\u00e9", "\\ud800"),
        &PAGE.replace("title", "__proto__"),
    ];
    for text in bodies {
        let _server = Server::with(200, "", text);
        assert!(matches!(pull().await, Err(RemoteError::Foreign(_))), "{text}");
    }
    // A whole pair in escapes is text like any other.
    let _server = Server::with(200, "", &PAGE.replace("\\u00e9", "\\ud83d\\ude00"));
    assert_eq!(pull().await.unwrap().entities[0].data.text("title").as_deref(), Some("Splice 😀"));
}

#[wasm_bindgen_test]
async fn a_sync_server_of_another_protocol_is_told_from_a_stranger() {
    for status in [200, 400, 503] {
        let _server = Server::answering(&format!(
            "() => new Response('{{}}', {{ status: {status}, headers: {{ 'Landfall-Protocol': '2' }} }})"
        ));
        match pull().await {
            Err(RemoteError::Refused { code, .. }) => assert_eq!(code, "protocol-unsupported"),
            other => panic!("{other:?}"),
        }
    }
}

#[wasm_bindgen_test]
async fn a_redirection_is_not_followed() {
    let _server = Server::answering(
        "(request) => {
           const response = new Response(null, { status: 200, headers: { 'Landfall-Protocol': '1' } })
           Object.defineProperty(response, 'type', { value: request.redirect === 'manual' ? 'opaqueredirect' : 'basic' })
           return response
         }",
    );
    assert!(matches!(pull().await, Err(RemoteError::Foreign(why)) if why.contains("redirection")));
}

#[wasm_bindgen_test]
async fn a_refusal_keeps_its_code_and_its_time() {
    let problem = r#"{"type":"urn:landfall:error:principal-mismatch","title":"Not yours","status":403,"detail":"u7 is not u8"}"#;
    let refused = |status, code: &str, message: &str, retry_after_ms| RemoteError::Refused {
        status,
        code: code.into(),
        message: message.into(),
        retry_after_ms,
    };
    let date = "'Date': 'Fri, 20 Nov 2026 06:00:00 GMT', 'Retry-After': 'Fri, 20 Nov 2026 06:00:30 GMT'";
    for (status, headers, text, expected) in [
        (403, "", problem, refused(403, "principal-mismatch", "u7 is not u8", None)),
        (429, "'Retry-After': '7'", problem, refused(429, "principal-mismatch", "u7 is not u8", Some(7_000))),
        (503, date, "", refused(503, "http-error", "status 503", Some(30_000))),
        (503, "'Retry-After': 'soon'", "<html>", refused(503, "http-error", "status 503", None)),
        (
            500,
            "",
            r#"{"type":"about:blank","title":"Oops","status":500}"#,
            refused(500, "http-error", "Oops", None),
        ),
    ] {
        let _server = Server::with(status, headers, text);
        assert_eq!(pull().await.unwrap_err(), expected);
    }
    // Without the server's clock a date counts by ours; one that has passed means now.
    let _server = Server::with(503, "'Retry-After': 'Fri, 20 Nov 1998 06:00:00 GMT'", "");
    assert_eq!(pull().await.unwrap_err(), refused(503, "http-error", "status 503", Some(0)));
}

#[wasm_bindgen_test]
async fn no_answer_and_half_an_answer_are_the_networks() {
    let torn = "() => new Response(new ReadableStream({
        start(controller) { controller.enqueue(new TextEncoder().encode('{')) },
        pull(controller) { controller.error(new TypeError('connection lost')) },
      }), { headers: { 'Landfall-Protocol': '1' } })";
    for fetch in ["() => { throw new TypeError('Failed to fetch') }", torn] {
        let _server = Server::answering(fetch);
        assert!(matches!(pull().await, Err(RemoteError::Network(_))), "{fetch}");
    }
}

#[wasm_bindgen_test]
async fn time_runs_out_on_the_answers_body_too() {
    let silent = "(request) => new Promise((_, reject) => {
        request.signal.addEventListener('abort', () => { globalThis.aborted = true; reject(request.signal.reason) })
      })";
    let stalled = "(request) => new Response(new ReadableStream({
        start(controller) {
          request.signal.addEventListener('abort', () => { globalThis.aborted = true; controller.error(request.signal.reason) })
        },
      }), { headers: { 'Landfall-Protocol': '1' } })";
    for fetch in [silent, stalled] {
        let _server = Server::answering(fetch);
        Reflect::set(&js_sys::global(), &"aborted".into(), &false.into()).unwrap();
        let remote = HttpRemote::new("/api/sync", None).with_timeout_ms(50);
        assert_eq!(remote.pull(&download()).await.unwrap_err(), RemoteError::Timeout);
        assert_eq!(
            Reflect::get(&js_sys::global(), &"aborted".into()).unwrap(),
            true,
            "the request is given up"
        );
    }
    let _server = Server::with(200, "", PAGE);
    let no_token = Function::new_no_args("return new Promise(() => {})");
    let remote = HttpRemote::new("/api/sync", Some(no_token)).with_timeout_ms(50);
    assert_eq!(remote.pull(&download()).await.unwrap_err(), RemoteError::Timeout);
}
