//! Server-sent events from bytes.

use landfall::live::{Event, LENGTH_MAX, News, Parser, TooLong, by_table};
use wasm_bindgen_test::wasm_bindgen_test;

fn events(chunks: &[&[u8]]) -> Vec<(String, String)> {
    let mut parser = Parser::default();
    let all = chunks.iter().flat_map(|chunk| parser.handle_chunk(chunk).unwrap());
    all.map(|Event { name, data }| (name, data)).collect()
}

fn named(name: &str, data: &str) -> (String, String) {
    (name.to_owned(), data.to_owned())
}

#[wasm_bindgen_test]
fn events_are_read_whatever_ends_their_lines() {
    for end in ["\n", "\r\n", "\r"] {
        let text = "\u{feff}: hello\nevent: change\ndata: {\"a\":1}\n\ndata:x\ndata\ndata: é \n\nevent: lost\n\nid: 7\nretry: 5\n\n"
            .replace('\n', end);
        let expected = [named("change", "{\"a\":1}"), named("message", "x\n\né ")];
        assert_eq!(events(&[text.as_bytes()]), expected);
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(events(&bytes), expected, "byte by byte, with {end:?}");
    }
}

#[wasm_bindgen_test]
fn what_has_not_ended_is_no_event() {
    assert_eq!(events(&[b"data: half"]), []);
    assert_eq!(events(&[b"data: half\n"]), []);
    assert_eq!(events(&[b"data: half\n", b"\n"]), [named("message", "half")]);
    assert_eq!(events(&[b": 15 s\n\n\n\n"]), []);
    // Only the stream's first character can be a mark of its encoding.
    assert_eq!(events(&["data: a\n\n\u{feff}data: b\n\n".as_bytes()]), [named("message", "a")]);
}

#[wasm_bindgen_test]
fn what_never_ends_is_given_up() {
    let mut parser = Parser::default();
    let chunk = vec![b'x'; LENGTH_MAX];
    assert_eq!(parser.handle_chunk(&chunk), Ok(vec![]));
    assert_eq!(parser.handle_chunk(b"x"), Err(TooLong));
    let mut parser = Parser::default();
    let line = [b"data: ".as_slice(), &vec![b'x'; LENGTH_MAX / 2], b"\n"].concat();
    assert_eq!(parser.handle_chunk(&line), Ok(vec![]));
    assert_eq!(parser.handle_chunk(&line), Err(TooLong));
}

fn read(name: &str, data: &str) -> Option<News> {
    News::read(&Event { name: name.to_owned(), data: data.to_owned() })
}

#[wasm_bindgen_test]
fn an_event_of_another_release_is_passed_over() {
    let hello = r#"{"protocol":1,"epoch":"e","serverTime":5,"locks":[],"more":{}}"#;
    assert!(matches!(read("hello", hello), Some(News::Hello(hello)) if hello.server_time == 5));
    let lock = r#"{"table":"t","recordId":"7","principal":"u","deviceId":"d","until":null}"#;
    assert!(matches!(read("lock", lock), Some(News::Lock(lock)) if lock.until.is_none()));
    for (name, data) in
        [("weather", "{}"), ("hello", "{}"), ("lock", "[]"), ("change", "{"), ("message", hello)]
    {
        assert_eq!(read(name, data), None, "{name} {data}");
    }
}

#[wasm_bindgen_test]
fn a_change_is_told_table_by_table() {
    let change = r#"{"tables":["steps","tasks"],"records":[{"table":"tasks","id":"7","version":3},{"table":"tasks","id":"8","version":1},
        {"table":"notes","id":"1","version":1}],"principal":"u8","deviceId":"d8","serverTime":9}"#;
    let Some(News::Change(change)) = read("change", change) else { panic!("it was not read") };
    assert_eq!(by_table(&change), [("steps", vec![]), ("tasks", vec!["7", "8"]), ("notes", vec!["1"])]);
    let nobody = r#"{"tables":["steps"],"records":[],"principal":"","deviceId":"","serverTime":9}"#;
    assert!(matches!(read("change", nobody), Some(News::Change(change)) if change.device_id.is_empty()));
}
