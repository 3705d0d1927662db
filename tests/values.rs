//! Bodies: what an app may pass in, what is made of it, and what readers get.

#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use js_sys::{Array, Function, Object, Reflect};
use landfall::body::{InvalidValue, JsBody};
use landfall_core::body::{Body, Kind, Scalar, SyncMetadata, SyncStatus};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

/// The value of a JavaScript expression.
fn js(expression: &str) -> JsValue {
    Function::new_no_args(&format!("return ({expression})")).call0(&JsValue::NULL).unwrap()
}

fn body(expression: &str) -> JsBody {
    JsBody::copy_in(&js(expression)).unwrap().body
}

#[wasm_bindgen_test]
fn what_json_can_say_is_copied_exactly() {
    for (expression, json) in [
        ("({})", "{}"),
        (
            "({ s: 'a\\u2028\"\\n👷', n: 1.5e300, z: 0, t: true, f: false, nil: null })",
            "{\"s\":\"a\u{2028}\\\"\\n👷\",\"n\":1.5e+300,\"z\":0,\"t\":true,\"f\":false,\"nil\":null}",
        ),
        (
            "({ list: [1, [2, { a: [] }], {}], deep: { er: { '': 0 } } })",
            r#"{"list":[1,[2,{"a":[]}],{}],"deep":{"er":{"":0}}}"#,
        ),
        (
            "({ big: 9007199254740993, small: 5e-324, 7: 'first' })",
            r#"{"7":"first","big":9007199254740992,"small":5e-324}"#,
        ),
        ("({ negative: -0, in: [-0] })", r#"{"negative":0,"in":[0]}"#),
        ("Object.assign(Object.create(null), { a: 1 })", r#"{"a":1}"#),
        ("({ get a() { return [1] } })", r#"{"a":[1]}"#),
        ("new Proxy({ a: { b: 1 } }, {})", r#"{"a":{"b":1}}"#),
        (
            "(() => { const twice = { x: 1 }; return { a: twice, b: twice } })()",
            r#"{"a":{"x":1},"b":{"x":1}}"#,
        ),
        (
            "({ toString: 'own', constructor: 1, hasOwnProperty: null })",
            r#"{"toString":"own","constructor":1,"hasOwnProperty":null}"#,
        ),
    ] {
        let value = js(expression);
        let copied = JsBody::copy_in(&value).unwrap_or_else(|error| panic!("{expression}: {error}"));
        assert!(copied.absent.is_empty());
        assert_eq!(copied.body.to_json(), json, "{expression}");
    }
    let frame = "(() => { const f = document.body.appendChild(document.createElement('iframe'))
                   const value = f.contentWindow.eval('({ a: [{ b: 1 }] })'); f.remove(); return value })()";
    assert_eq!(body(frame).to_json(), r#"{"a":[{"b":1}]}"#);
}

#[wasm_bindgen_test]
fn anything_else_is_refused_with_its_path() {
    for (expression, path, what) in [
        ("({ a: () => 1 })", "a", "a function"),
        ("({ a: { b: [0, function () {}] } })", "a.b[1]", "a function"),
        ("({ a: Symbol('s') })", "a", "a symbol"),
        ("({ a: { b: undefined } })", "a.b", "undefined"),
        ("({ a: [undefined] })", "a[0]", "undefined"),
        ("({ a: NaN })", "a", "NaN"),
        ("({ a: [-Infinity] })", "a[0]", "-Infinity"),
        ("({ a: 1n })", "a", "a BigInt"),
        ("({ 'due date': new Date(0) })", "[\"due date\"]", "an instance of Date"),
        ("({ a: new Map() })", "a", "an instance of Map"),
        ("({ a: new (class Task {})() })", "a", "an instance of Task"),
        ("({ a: new (class extends Array {})() })", "a", "an object with a prototype of its own"),
        ("({ a: new Uint8Array(1) })", "a", "an instance of Uint8Array"),
        ("({ a: Object(1) })", "a", "an instance of Number"),
        ("({ a: Promise.resolve() })", "a", "an instance of Promise"),
        ("({ a: Object.create({ inherited: 1 }) })", "a", "an object with a prototype of its own"),
        ("({ a: [1, , 3] })", "a[1]", "a hole in an array"),
        ("({ a: 'x'.match(/x/) })", "a.index", "a named field of an array"),
        ("({ a: '\\ud800' })", "a", "text with half of a surrogate pair"),
        ("({ a: { '\\udc00x': 1 } })", "a[\"\\udc00x\"]", "a field name with half of a surrogate pair"),
        ("JSON.parse('{\"a\":{\"__proto__\":{}}}')", "a.__proto__", "a field named __proto__"),
        ("JSON.parse('{\"__proto__\":1}')", "__proto__", "a field named __proto__"),
        ("({ [Symbol('s')]: 1 })", "[Symbol(s)]", "a field named by a symbol"),
        (
            "(() => { const a = { b: [] }; a.b.push(a); return a })()",
            "b[0]",
            "a reference to an object that it is in",
        ),
        (
            "(() => { const a = []; a.push(a); return { a } })()",
            "a[0]",
            "a reference to an object that it is in",
        ),
        ("({ get a() { throw new Error('boom') } })", "", "unreadable: boom"),
        ("({ a: new Proxy({}, { ownKeys() { throw null } }) })", "a", "unreadable: null"),
        ("null", "", "not an object with fields"),
        ("[]", "", "not an object with fields"),
        ("'text'", "", "not an object with fields"),
        ("new Date(0)", "", "an instance of Date"),
    ] {
        let refusal = InvalidValue { path: path.into(), what: what.into() };
        assert_eq!(JsBody::copy_in(&js(expression)), Err(refusal), "{expression}");
    }
}

#[wasm_bindgen_test]
fn nesting_ends_at_32() {
    // A field that holds `levels` arrays, one in the other.
    let nested = |levels: usize| js(&format!("({{ a: {}{} }})", "[".repeat(levels), "]".repeat(levels)));
    assert!(JsBody::copy_in(&nested(31)).is_ok());
    let refusal = JsBody::copy_in(&nested(32)).unwrap_err();
    assert_eq!(refusal.what, "nested more than 32 deep");
    assert_eq!(refusal.path, format!("a{}", "[0]".repeat(31)));
}

#[wasm_bindgen_test]
fn undefined_fields_are_named_and_left_out() {
    let copied = JsBody::copy_in(&js("({ a: undefined, b: 1, c: undefined })")).unwrap();
    assert_eq!(copied.absent, ["a", "c"]);
    assert_eq!(copied.body.to_json(), r#"{"b":1}"#);
    assert_eq!(copied.body.fields(), ["b"]);
}

#[wasm_bindgen_test]
fn the_copy_shares_nothing_with_the_callers_object() {
    let value = js("({ list: [{ a: 1 }], o: { p: 1 } })");
    let copy = JsBody::copy_in(&value).unwrap().body;
    Function::new_with_args("value", "value.list[0].a = 2; value.list.push(3); value.o.p = 2; value.new = 1")
        .call1(&JsValue::NULL, &value)
        .unwrap();
    assert_eq!(copy.to_json(), r#"{"list":[{"a":1}],"o":{"p":1}}"#);
}

#[wasm_bindgen_test]
fn a_polluted_prototype_changes_nothing() {
    let pollute = js("() => {
        const hit = { count: 0 }
        for (const name of ['a', 'id', '_version', 'added'])
          Object.defineProperty(Object.prototype, name, { configurable: true, get: () => 'polluted', set() { hit.count++ } })
        Object.prototype.toJSON = () => 'polluted'
        Array.prototype.toJSON = () => 'polluted'
        return () => {
          for (const name of ['a', 'id', '_version', 'added', 'toJSON']) delete Object.prototype[name]
          delete Array.prototype.toJSON
          return hit.count
        }
      }");
    let value = js("({ b: [{ c: [1] }], a: { d: -0 } })");
    let empty = js("({})");
    let undo = pollute.unchecked_into::<Function>().call0(&JsValue::NULL).unwrap();
    let copied = JsBody::copy_in(&value).map(|copied| copied.body.to_json());
    let nothing = JsBody::copy_in(&empty).map(|copied| copied.body).unwrap();
    let (kind, scalar) = (nothing.kind("a"), nothing.scalar("a"));
    let patched = nothing.patched(&nothing.with_text("added", "x"), &[]).to_json();
    let unset = nothing.with_text("added", "x").patched(&nothing, &["added".into()]).to_json();
    let record = nothing.record("7", &SyncMetadata::default()).text("id");
    let hits = undo.unchecked_into::<Function>().call0(&JsValue::NULL).unwrap();

    assert_eq!(copied.unwrap(), r#"{"b":[{"c":[1]}],"a":{"d":0}}"#);
    assert_eq!(kind, None);
    assert!(matches!(scalar, Some(Scalar::Null)), "{scalar:?}");
    assert_eq!((patched.as_str(), unset.as_str()), (r#"{"added":"x"}"#, "{}"));
    assert_eq!(record.as_deref(), Some("7"));
    assert_eq!(hits.as_f64(), Some(0.0));
}

#[wasm_bindgen_test]
fn fields_are_read_by_kind() {
    let body = body("({ nil: null, t: true, n: -1.5, s: 'é', list: [1], o: {} })");
    let kinds = ["nil", "t", "n", "s", "list", "o", "absent", "toString"].map(|field| body.kind(field));
    assert_eq!(
        kinds,
        [
            Some(Kind::Null),
            Some(Kind::Boolean),
            Some(Kind::Number),
            Some(Kind::String),
            Some(Kind::Array),
            Some(Kind::Object),
            None,
            None
        ]
    );
    assert!(matches!(body.scalar("nil"), Some(Scalar::Null)));
    assert!(matches!(body.scalar("toString"), Some(Scalar::Null)));
    assert!(matches!(body.scalar("t"), Some(Scalar::Boolean(true))));
    assert!(matches!(body.scalar("n"), Some(Scalar::Number(-1.5))));
    assert!(matches!(body.scalar("s"), Some(Scalar::String(s)) if &*s == "é"));
    assert!(body.scalar("list").is_none() && body.scalar("o").is_none());
    assert_eq!(body.text("s").as_deref(), Some("é"));
    assert_eq!(body.text("n"), None);
}

#[wasm_bindgen_test]
fn a_body_is_never_changed_in_place() {
    let first = body("({ a: 1, b: 'x', c: [1] })");
    let changes = body("({ b: 'y', d: null })");
    assert_eq!(first.patched(&changes, &[]).to_json(), r#"{"a":1,"b":"y","c":[1],"d":null}"#);
    assert_eq!(
        first.patched(&changes, &["a".into(), "d".into(), "none".into()]).to_json(),
        r#"{"b":"y","c":[1]}"#
    );
    assert_eq!(first.with_text("b", "z").to_json(), r#"{"a":1,"b":"z","c":[1]}"#);
    assert_eq!(first.to_json(), r#"{"a":1,"b":"x","c":[1]}"#);
    assert!(first.same(&first.clone()) && !first.same(&first.with_text("b", "x")));
    assert_eq!(JsBody::empty().to_json(), "{}");
}

fn is_frozen(value: &JsValue) -> bool {
    Object::is_frozen(value.unchecked_ref::<Object>())
}

#[wasm_bindgen_test]
fn a_record_is_frozen_and_shares_its_nested_values() {
    let fields = body("({ title: 'Splice', logs: [{ from: 1 }] })");
    let metadata = SyncMetadata {
        status: SyncStatus::PendingUpload,
        local_updated_at: Some(1_760_000_000_000),
        server_updated_at: None,
        sync_id: Some("0199".into()),
        deleted: false,
        version: Some(3),
    };
    let record = fields.record("temp_1", &metadata);
    assert_eq!(
        record.to_json(),
        r#"{"title":"Splice","logs":[{"from":1}],"id":"temp_1","_syncStatus":"pending_upload","_localUpdatedAt":1760000000000,"_serverUpdatedAt":null,"_syncId":"0199","_isDeleted":false,"_version":3}"#
    );
    let value = &record.object();
    let logs = Reflect::get(value, &"logs".into()).unwrap();
    assert!(is_frozen(value) && is_frozen(&logs) && is_frozen(&Array::from(&logs).get(0)));
    let again = fields.record("temp_1", &SyncMetadata::default());
    assert_eq!(Reflect::get(&again.object(), &"logs".into()).unwrap(), logs);
    // Every status has the word that the core has for it.
    for status in [SyncStatus::Synced, SyncStatus::Modified, SyncStatus::PendingUpload, SyncStatus::Conflict]
    {
        let record = fields.record("1", &SyncMetadata { status, ..SyncMetadata::default() });
        assert_eq!(record.text("_syncStatus").as_deref(), Some(status.as_str()));
    }
    let shared = fields.shared();
    assert!(is_frozen(&shared) && shared == fields.object());
}

#[wasm_bindgen_test]
fn records_are_as_the_core_has_them() {
    let text = r#"{"title":"Splice","n":1.5,"list":[null,{"a":true}]}"#;
    let metadata = SyncMetadata { status: SyncStatus::Modified, version: Some(2), ..SyncMetadata::default() };
    let ours: serde_json::Value =
        serde_json::from_str(&body(&format!("({text})")).record("7", &metadata).to_json()).unwrap();
    let theirs = serde_json::from_str::<serde_json::Value>(text).unwrap().record("7", &metadata);
    assert_eq!(ours, theirs);
}
