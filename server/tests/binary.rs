//! The program itself, on a real socket: it starts, says where, serves, survives being killed, and refuses bad starts.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_landfall-server");
const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../www/schema.json");

struct Running {
    child: Child,
    address: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        // SIGKILL: whatever was answered must be on the disk already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(data: &Path, more: &[&str]) -> Running {
    let mut child = Command::new(PROGRAM)
        .args(["--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0", "--open", "--schema", SCHEMA])
        .args(more)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.strip_prefix("landfall-server listening on http://").unwrap().trim_end().to_owned();
    Running { child, address }
}

impl Running {
    fn post(&self, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "POST /api/sync/{path} HTTP/1.1\r\nHost: {}\r\nLandfall-Protocol: 1\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(head.to_lowercase().contains("landfall-protocol: 1"), "{head}");
        serde_json::from_str(body).unwrap()
    }

    fn upload(&self, device: usize, operations: &Value) -> Value {
        let body = json!({ "protocol": 1, "principal": format!("u{device}"), "deviceId": format!("d{device}"),
            "schemaVersion": 1, "sentAt": 1, "operations": operations });
        self.post("upload", &body)
    }

    fn pull(&self) -> Vec<Value> {
        let tables = ["projects", "phases", "steps", "tasks"];
        let (mut rows, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let mut page = self.post(
                "download",
                &json!({ "protocol": 1, "cursor": cursor, "entityTypes": tables, "limit": 500 }),
            );
            rows.extend(page["entities"].as_array().unwrap().iter().cloned());
            cursor = page["cursor"].take();
            if page["hasMore"] == false {
                return rows;
            }
        }
    }
}

fn project(device: usize, number: usize) -> Value {
    json!({ "id": format!("key-{number}"), "table": "projects", "recordId": format!("temp_{number}_{device:06}_projects"),
        "operation": "create", "timestamp": number,
        "data": { "name": format!("{device}-{number}"), "customer": "c", "address": "a", "status": "in_progress" } })
}

#[test]
fn what_was_answered_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data.sqlite");
    let first = start(&data, &[]);
    let answer = first.upload(1, &json!([project(1, 1)]));
    assert_eq!(answer["results"][0]["status"], "applied");
    drop(first);
    let second = start(&data, &[]);
    assert_eq!(second.upload(1, &json!([project(1, 1)]))["results"][0]["status"], "duplicate");
    let rows = second.pull();
    assert_eq!((rows.len(), &rows[0]["data"]["name"]), (1, &json!("1-1")));
}

#[test]
fn many_devices_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory.path().join("data.sqlite"), &[]);
    std::thread::scope(|scope| {
        for device in 0..8 {
            let server = &server;
            scope.spawn(move || {
                for round in 0..5 {
                    let batch: Value = (0..10).map(|n| project(device, round * 10 + n)).collect();
                    // Each batch twice, as after a lost answer.
                    for status in ["applied", "duplicate"] {
                        for result in server.upload(device, &batch)["results"].as_array().unwrap() {
                            assert_eq!(result["status"], status);
                        }
                    }
                }
            });
        }
    });
    let rows = server.pull();
    let names: std::collections::BTreeSet<_> =
        rows.iter().map(|row| row["data"]["name"].to_string()).collect();
    assert_eq!((rows.len(), names.len()), (400, 400));
}

#[test]
fn the_demo_is_filled_once() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data.sqlite");
    let server = start(&data, &["--demo"]);
    let rows = server.pull();
    assert!(rows.iter().filter(|row| row["table"] == "tasks").count() > 1_000);
    server.upload(1, &json!([project(1, 1)]));
    drop(server);
    let server = start(&data, &["--demo"]);
    assert_eq!(server.pull().len(), rows.len() + 1);
}

#[test]
fn a_new_epoch_turns_old_cursors_away() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data.sqlite");
    let epoch = |more: &[&str]| {
        let body = json!({ "protocol": 1, "cursor": null, "entityTypes": ["tasks"] });
        start(&data, more).post("download", &body)["epoch"].clone()
    };
    let first = epoch(&[]);
    assert_eq!(epoch(&[]), first);
    assert_ne!(epoch(&["--new-epoch"]), first);
}

/// A stream never ends by itself, and a server that is asked to stop waits for what is under way.
#[test]
#[cfg(unix)]
fn a_stream_does_not_keep_the_server_from_stopping() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = start(&directory.path().join("data.sqlite"), &[]);
    let mut stream = TcpStream::connect(&server.address).unwrap();
    write!(
        stream,
        "GET /api/sync/stream?entityTypes=tasks HTTP/1.1\r\nHost: {}\r\nLandfall-Protocol: 1\r\n\r\n",
        server.address
    )
    .unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "event: hello"), "no hello came");
    let signal = Command::new("kill").args(["-TERM", &server.child.id().to_string()]).status().unwrap();
    assert!(signal.success());
    // The stream ends, then the process: were it not to, the test would not either.
    assert_eq!(lines.filter(|line| line.starts_with("event:")).count(), 0);
    assert!(server.child.wait().unwrap().success());
}

fn refused(arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = Command::new(PROGRAM).args(arguments).output().unwrap();
    assert!(!status.success());
    assert!(stdout.is_empty());
    String::from_utf8(stderr).unwrap()
}

#[test]
fn bad_starts_say_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (data, schema, tokens) = (path("data.sqlite"), path("schema.json"), path("tokens.json"));
    std::fs::write(&schema, r#"{ "version": 1, "tables": { "a": { "fields": { "b": "string" }, "references": { "b": { "table": "c" } } } } }"#).unwrap();
    std::fs::write(&tokens, "[]").unwrap();
    assert!(refused(&["--data", &data]).contains("--tokens"));
    let message = refused(&["--data", &data, "--open", "--schema", &schema]);
    assert!(message.contains("tables.a.references.b.table") && message.contains("`c`"), "{message}");
    assert!(refused(&["--data", &data, "--open", "--schema", &path("absent.json")]).contains("absent.json"));
    assert!(refused(&["--data", &data, "--tokens", &tokens]).contains("tokens"));
    assert!(refused(&["--data", &path("no/such/folder/data.sqlite"), "--open"]).contains("no/such/folder"));
    assert!(refused(&["--data", &data, "--open", "--static", &path("absent")]).contains("no directory"));
    assert!(refused(&["--data", &data, "--open", "--demo"]).contains("--schema"));
    std::fs::write(&schema, r#"{ "version": 1, "tables": { "a": { "fields": { "b": "string" } } } }"#)
        .unwrap();
    assert!(refused(&["--data", &data, "--open", "--demo", "--schema", &schema]).contains("projects"));
    assert!(refused(&["--data", &data, "--open", "--listen", "192.0.2.1:1"]).contains("192.0.2.1"));
}
