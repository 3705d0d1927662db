//! Formats, encodings and sizes of bodies.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::*;
use crate::http::body::{BODY_BYTES_MAX, ENVELOPE_NESTING, NESTING_MAX};

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn cbor<T: serde::Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

async fn upload_raw(server: &Server, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    let mut request = Request::post("/api/sync/upload").header(PROTOCOL_HEADER, "1");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.send(request.body(Body::from(body)).unwrap()).await
}

const JSON: (&str, &str) = ("content-type", "application/json");
const CBOR: (&str, &str) = ("content-type", "application/cbor");
const GZIP: (&str, &str) = ("content-encoding", "gzip");

/// A note whose data nests to this level: the object of fields is the first.
fn nested(levels: usize) -> Value {
    let extra = (1..levels).fold(json!(null), |inner, _| json!([inner]));
    let mut operation = note(1, "x");
    operation["data"]["extra"] = extra;
    upload_of("ana", json!([operation]))
}

#[tokio::test]
async fn what_is_not_json() {
    let server = Server::open().await;
    let whole = upload_of("ana", json!([note(1, "x")])).to_string();
    let mut no_id = upload_of("ana", json!([note(1, "x")]));
    no_id["operations"][0].as_object_mut().unwrap().remove("id");
    let mut negative = upload_of("ana", json!([note(1, "x")]));
    negative["operations"][0]["timestamp"] = json!(-1);
    let bodies: [&[u8]; 10] = [
        b"",
        b"null",
        b"not json",
        b"{\"protocol\": 1}",
        &whole.as_bytes()[..whole.len() - 1],
        b"{\"protocol\": 1} trailing",
        b"\xff\xfe",
        b"[\"\\ud800\"]",
        no_id.to_string().leak().as_bytes(),
        negative.to_string().leak().as_bytes(),
    ];
    for body in bodies {
        let answer = upload_raw(&server, &[JSON], body.to_vec()).await;
        assert_eq!(answer.problem(), (400, "malformed-body".to_owned()), "{}", String::from_utf8_lossy(body));
    }
    assert_eq!(server.store.position().await.unwrap().last_seq, 0);
}

#[tokio::test]
async fn clocks_that_lie() {
    let server = Server::open().await;
    let mut body = upload_of("ana", json!([note(1, "x")]));
    body["sentAt"] = json!(u64::MAX);
    body["operations"][0]["timestamp"] = json!(u64::MAX);
    body["operations"][0]["firstSentAt"] = json!(u64::MAX);
    let answer: UploadAnswer<Value> = server.post("/api/sync/upload", &body).await.json();
    assert_eq!(answer.results[0].code, None);
    let mut body = download_of();
    body["lastSync"] = json!(u64::MAX);
    let page: Page<Value> = server.post("/api/sync/download", &body).await.json();
    assert_eq!(page.entities, []);
}

#[tokio::test]
async fn content_types() {
    let server = Server::open().await;
    let body = upload_of("ana", json!([])).to_string().into_bytes();
    for wrong in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""] {
        let answer = upload_raw(&server, &[("content-type", wrong)], body.clone()).await;
        assert_eq!(answer.problem(), (415, "unsupported-media-type".to_owned()), "{wrong}");
    }
    assert_eq!(upload_raw(&server, &[], body.clone()).await.problem().0, 415);
    for right in ["application/json; charset=utf-8", "Application/JSON"] {
        assert_eq!(upload_raw(&server, &[("content-type", right)], body.clone()).await.status, 200);
    }
}

#[tokio::test]
async fn cbor_both_ways() {
    let server = Server::open().await;
    let mut body = upload_of("ana", json!([note(1, "Grüße")]));
    body["operations"][0]["data"]["extra"] = json!({ "list": [1, -2, 0.1, true, null, "t"] });
    body["operations"][0]["data"]["number"] = json!(1_760_000_000_000_u64);
    let answer = upload_raw(&server, &[CBOR, ("accept", "application/cbor")], cbor(&body)).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/cbor"));
    let answer: UploadAnswer<Value> = ciborium::from_reader(answer.body.as_slice()).unwrap();
    assert_eq!(answer.results[0].record_id.as_deref(), Some("1"));
    assert_eq!(server.pull().await.entities[0].data, body["operations"][0]["data"]);
    // In one format and out in the other; a problem is JSON always.
    let answer = upload_raw(&server, &[CBOR], cbor(&body)).await;
    assert_eq!(answer.json::<UploadAnswer<Value>>().results.len(), 1);
    let request = request("/api/sync/download").header("accept", "application/cbor, application/json;q=0.5");
    let page = server.send(request.body(Body::from(download_of().to_string())).unwrap()).await;
    let page: Page<Value> = ciborium::from_reader(page.body.as_slice()).unwrap();
    assert_eq!(page.entities[0].data, body["operations"][0]["data"]);
    let problem = upload_raw(&server, &[CBOR, ("accept", "application/cbor")], b"\xff".to_vec()).await;
    assert_eq!(problem.problem(), (400, "malformed-body".to_owned()));
}

fn member<'a>(value: &'a mut ciborium::Value, name: &str) -> &'a mut ciborium::Value {
    let entries = value.as_map_mut().unwrap();
    &mut entries.iter_mut().find(|(key, _)| key.as_text() == Some(name)).unwrap().1
}

#[tokio::test]
async fn cbor_that_is_not_json() {
    let server = Server::open().await;
    let whole = cbor(&upload_of("ana", json!([note(1, "x")])));
    let mut trailing = whole.clone();
    trailing.push(0);
    let with_extra = |extra: ciborium::Value| {
        let mut body: ciborium::Value = ciborium::from_reader(whole.as_slice()).unwrap();
        let operation = &mut member(&mut body, "operations").as_array_mut().unwrap()[0];
        let data = member(operation, "data");
        data.as_map_mut().unwrap().push((ciborium::Value::Text("extra".into()), extra));
        cbor(&body)
    };
    let bodies = [
        Vec::new(),
        whole[..whole.len() - 1].to_vec(),
        trailing,
        with_extra(ciborium::Value::Float(f64::NAN)),
        with_extra(ciborium::Value::Bytes(vec![1])),
        with_extra(ciborium::Value::Tag(0, Box::new(ciborium::Value::Text("2026".into())))),
        with_extra(ciborium::Value::Map(vec![(ciborium::Value::Integer(1.into()), ciborium::Value::Null)])),
    ];
    for body in bodies {
        let answer = upload_raw(&server, &[CBOR], body.clone()).await;
        assert_eq!(answer.problem(), (400, "malformed-body".to_owned()), "{body:x?}");
    }
    assert_eq!(server.store.position().await.unwrap().last_seq, 0);
}

#[tokio::test]
async fn nesting() {
    let server = Server::open().await;
    for (deep, status) in [(NESTING_MAX + 1, 400), (2_000, 400), (NESTING_MAX, 200)] {
        // Built as text: so deep a value could not be dropped without overflowing the stack.
        let (before, after) = ("[".repeat(deep - 1), "]".repeat(deep - 1));
        let json = upload_of("ana", json!([note(1, "x")])).to_string();
        let json = json.replace("\"text\":\"x\"", &format!("\"text\":\"x\",\"extra\":{before}null{after}"));
        let answer = upload_raw(&server, &[JSON], json.into_bytes()).await;
        assert_eq!(answer.status.as_u16(), status, "{}", String::from_utf8_lossy(&answer.body));
        if status == 400 {
            assert_eq!(answer.problem().1, "nesting-too-deep");
        }
    }
    for (deep, status) in [(NESTING_MAX + 1, 400), (NESTING_MAX, 200)] {
        let answer = upload_raw(&server, &[CBOR], cbor(&nested(deep))).await;
        assert_eq!(answer.status.as_u16(), status, "{deep}: {}", String::from_utf8_lossy(&answer.body));
        if status == 400 {
            assert_eq!(answer.problem().1, "nesting-too-deep");
        }
    }
    let bomb = [vec![0x81; 100_000], vec![0xf6]].concat();
    assert_eq!(upload_raw(&server, &[CBOR], bomb).await.problem().1, "nesting-too-deep");
    // Brackets in text nest nothing.
    let text = format!("{}\\\"{}", "[".repeat(100), "{".repeat(NESTING_MAX + ENVELOPE_NESTING));
    let answer = server.upload(json!([note(2, &text)])).await;
    assert_eq!(answer.json::<UploadAnswer<Value>>().results[0].code, None);
}

#[tokio::test]
async fn sizes() {
    let server = Server::open().await;
    let frame = upload_of("ana", json!([note(1, "")])).to_string().len();
    let sized = |bytes: usize| {
        upload_of("ana", json!([note(1, &"x".repeat(bytes - frame))])).to_string().into_bytes()
    };
    let (fits, too_large) = (sized(BODY_BYTES_MAX), sized(BODY_BYTES_MAX + 1));
    assert_eq!(fits.len(), BODY_BYTES_MAX);
    let answer = upload_raw(&server, &[JSON], too_large.clone()).await;
    assert_eq!(answer.problem(), (413, "body-too-large".to_owned()));
    let answer = upload_raw(&server, &[JSON, GZIP], gzipped(&too_large)).await;
    assert_eq!(answer.problem(), (413, "body-too-large".to_owned()));
    let bomb = gzipped(&vec![b' '; 10 * BODY_BYTES_MAX]);
    assert!(bomb.len() < 100_000);
    assert_eq!(upload_raw(&server, &[JSON, GZIP], bomb).await.problem().1, "body-too-large");
    assert_eq!(server.store.position().await.unwrap().last_seq, 0);
    assert_eq!(upload_raw(&server, &[JSON, GZIP], gzipped(&fits)).await.status, 200);
}

#[tokio::test]
async fn encodings() {
    let server = Server::open().await;
    let body = upload_of("ana", json!([note(1, "x")])).to_string().into_bytes();
    for wrong in ["br", "deflate", "gzip, gzip"] {
        let answer = upload_raw(&server, &[JSON, ("content-encoding", wrong)], body.clone()).await;
        assert_eq!(answer.problem(), (415, "unsupported-encoding".to_owned()), "{wrong}");
    }
    let whole = gzipped(&body);
    for broken in [body.clone(), whole[..whole.len() / 2].to_vec(), Vec::new()] {
        let answer = upload_raw(&server, &[JSON, GZIP], broken).await;
        assert_eq!(answer.problem(), (400, "malformed-body".to_owned()));
    }
    assert_eq!(upload_raw(&server, &[JSON, GZIP], whole).await.status, 200);
    assert_eq!(upload_raw(&server, &[JSON, ("content-encoding", "identity")], body).await.status, 200);
}

#[tokio::test]
async fn long_answers_are_gzipped_for_those_who_take_it() {
    let server = Server::open().await;
    let ask = async |encoding: &str| {
        let request = request("/api/sync/download").header("accept-encoding", encoding);
        server.send(request.body(Body::from(download_of().to_string())).unwrap()).await
    };
    assert_eq!(ask("gzip").await.header("content-encoding"), "", "a short answer");
    server.upload(notes(50)).await;
    let zipped = ask("gzip, br").await;
    assert_eq!(zipped.header("content-encoding"), "gzip");
    let mut inflated = Vec::new();
    GzDecoder::new(zipped.body.as_slice()).read_to_end(&mut inflated).unwrap();
    let plain = ask("identity").await;
    assert_eq!(plain.header("content-encoding"), "");
    assert_eq!(inflated, plain.body);
    assert!(zipped.body.len() < plain.body.len() / 2);
}
