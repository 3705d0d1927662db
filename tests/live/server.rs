//! A server of the test's own, in place of `fetch`, and a listener that keeps what it was told.

use std::cell::RefCell;
use std::rc::Rc;

use gloo_timers::future::TimeoutFuture;
use js_sys::{Function, Promise};
use landfall::live::{Live, Notice, Settings};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// `server.streams`: each with its `request`, and `say`, `end` and `ended`. `server.posts`: what was sent to `/locks`.
/// `answerStream` and `answerLock` are the test's.
const SERVER: &str = "
  const { fetch } = globalThis
  const headers = { 'Landfall-Protocol': '1' }
  const server = {
    streams: [], posts: [], pulls: 0,
    answerStream: undefined,
    answerLock: body => ({ granted: true, lock: { ...body, until: 1000000 + body.ttlMs }, serverTime: 1000000 }),
    page: { entities: [], deletions: [], cursor: 'c', hasMore: false, epoch: 'e', horizon: 0, serverTime: 1000000 },
  }
  globalThis.server = server
  const stream = request => {
    const made = { request, ended: false }
    const body = new ReadableStream({
      start(controller) {
        const encoder = new TextEncoder()
        made.say = (name, data) =>
          controller.enqueue(encoder.encode(`event: ${name}\\ndata: ${JSON.stringify(data)}\\n\\n`))
        made.end = () => { made.ended = true; controller.close() }
        request.signal.addEventListener('abort', () => { made.ended = true; controller.error(request.signal.reason) })
      },
    })
    server.streams.push(made)
    return new Response(body, { headers: { ...headers, 'Content-Type': 'text/event-stream; charset=utf-8' } })
  }
  globalThis.fetch = async (input, options) => {
    const request = new Request(input, options)
    const { pathname } = new URL(request.url)
    if (pathname.endsWith('/stream')) return server.answerStream?.(request, stream) ?? stream(request)
    if (pathname.endsWith('/locks')) {
      const body = JSON.parse(await request.text())
      server.posts.push({ ...body, authorization: request.headers.get('Authorization') })
      const answer = server.answerLock(body)
      return answer instanceof Response ? answer : new Response(JSON.stringify({ protocol: 1, ...answer }), { headers })
    }
    if (pathname.endsWith('/download')) {
      server.pulls += 1
      return new Response(JSON.stringify(server.page), { headers })
    }
    return new Response('', { status: 503, headers })
  }
  return () => { globalThis.fetch = fetch }
";

pub(super) struct Server {
    undo: Function,
    this: JsValue,
}

impl Server {
    pub(super) fn start() -> Self {
        let undo = Function::new_no_args(SERVER).call0(&JsValue::NULL).unwrap();
        Self { undo: undo.unchecked_into(), this: js("server") }
    }

    fn of(&self, expression: &str) -> JsValue {
        let body = format!("return ({expression})");
        Function::new_with_args("server", &body).call1(&JsValue::NULL, &self.this).unwrap()
    }

    /// The streams that were begun, and still go on.
    pub(super) fn streams(&self) -> (u32, u32) {
        (
            whole(&self.of("server.streams.length")),
            whole(&self.of("server.streams.filter(made => !made.ended).length")),
        )
    }

    pub(super) fn say(&self, name: &str, data: &str) {
        self.of(&format!("server.streams.at(-1).say('{name}', {data})"));
    }

    /// What was asked of locks, in order: `take 7`.
    pub(super) fn posts(&self) -> String {
        self.of("server.posts.map(post => `${post.action} ${post.recordId}`).join()").as_string().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.undo.call0(&JsValue::NULL).unwrap();
    }
}

pub(super) fn js(expression: &str) -> JsValue {
    Function::new_no_args(&format!("return ({expression})")).call0(&JsValue::NULL).unwrap()
}

pub(super) fn text(expression: &str) -> String {
    js(expression).as_string().unwrap()
}

pub(super) fn number(expression: &str) -> u32 {
    whole(&js(expression))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
fn whole(number: &JsValue) -> u32 {
    number.as_f64().map(|number| number as u32).unwrap()
}

pub(super) async fn resolved(expression: &str) -> JsValue {
    JsFuture::from(Promise::resolve(&js(expression))).await.unwrap()
}

pub(super) async fn pause(ms: u32) {
    TimeoutFuture::new(ms).await;
}

/// Waits until it holds; a test that waits in vain fails.
pub(super) async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        pause(10).await;
    }
    panic!("waited 6 s in vain until {what}");
}

pub(super) fn unused() -> String {
    format!("landfall:test:live:{}", uuid::Uuid::new_v4())
}

/// A page's live notice.
pub(super) struct Page {
    pub(super) live: Live,
    pub(super) told: Rc<RefCell<Vec<Notice>>>,
}

impl Page {
    pub(super) fn open(database: &str) -> Self {
        Self::open_with(database, None)
    }

    pub(super) fn open_with(database: &str, token: Option<Function>) -> Self {
        let told: Rc<RefCell<Vec<Notice>>> = Rc::default();
        let settings = Settings {
            url: "/api/sync".into(),
            token,
            database: database.into(),
            tables: vec!["steps".into(), "tasks".into()],
            principal: "u7/ü".into(),
            device_id: "ours".into(),
        };
        let live = Live::begin(settings, {
            let told = Rc::clone(&told);
            move |notice| told.borrow_mut().push(notice)
        });
        Self { live, told }
    }

    /// Closes it while its server is still there to hear of that.
    pub(super) async fn close(self) {
        drop(self);
        pause(20).await;
    }

    pub(super) fn take_told(&self) -> Vec<Notice> {
        self.told.take()
    }

    /// The records that others are known to edit, each with its holder.
    pub(super) fn held(&self) -> String {
        let (_, locks) = self.live.locks();
        let words: Vec<String> =
            locks.iter().map(|lock| format!("{} {}", lock.record_id, lock.principal)).collect();
        words.join(",")
    }
}
