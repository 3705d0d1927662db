//! One request and its answer.

use std::pin::pin;

use futures_util::future::{Either, select};
use gloo_net::http::{Headers, Method, RequestBuilder, Response};
use gloo_timers::future::TimeoutFuture;
use js_sys::{JsString, Promise};
use landfall_core::json;
use landfall_core::ports::RemoteError;
use landfall_core::protocol::{PROTOCOL, PROTOCOL_HEADER, Problem};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, AbortSignal, RequestCache, RequestRedirect, ResponseType};

use super::{HttpRemote, gzip, retry_after};

impl HttpRemote {
    /// Posts a JSON text and gives back the text of the server's answer, which is one of 2xx.
    pub(super) async fn exchange(&self, url: &str, body: JsString) -> Result<JsString, RemoteError> {
        let controller = AbortController::new().map_err(|error| network(&error))?;
        let exchange = pin!(self.post(url, body, controller.signal()));
        match select(exchange, TimeoutFuture::new(self.timeout_ms)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => {
                controller.abort();
                Err(RemoteError::Timeout)
            }
        }
    }

    async fn post(&self, url: &str, body: JsString, signal: AbortSignal) -> Result<JsString, RemoteError> {
        let mut request = RequestBuilder::new(url)
            .method(Method::POST)
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, application/problem+json")
            .header(PROTOCOL_HEADER, &PROTOCOL.to_string())
            .cache(RequestCache::NoStore)
            // Our server redirects nothing, a login page or a captive portal does. `error` would make that look like
            // no network, and `follow` would carry the mutations and the token to wherever it points.
            .redirect(RequestRedirect::Manual)
            .abort_signal(Some(&signal));
        if let Some(token) = self.bearer().await? {
            request = request.header("Authorization", &format!("Bearer {token}"));
        }
        let request = match gzip::compressed(&body).await.map_err(|error| network(&error))? {
            Some(buffer) => request.header("Content-Encoding", "gzip").body(buffer),
            None => request.body(body),
        };
        let response = request.map_err(|error| lost(&error))?.send().await.map_err(|error| lost(&error))?;
        read(response).await
    }

    pub(super) async fn bearer(&self) -> Result<Option<String>, RemoteError> {
        let Some(token) = &self.token else { return Ok(None) };
        let answer = match token.call0(&JsValue::UNDEFINED) {
            Ok(answer) => JsFuture::from(Promise::resolve(&answer)).await,
            Err(thrown) => Err(thrown),
        };
        // Most likely it had to be renewed over the network that is not there: nothing was sent, try again later.
        let answer = answer.map_err(|error| {
            RemoteError::Network(format!("there is no token to send: {}", message_of(&error)))
        })?;
        Ok(answer.as_string().filter(|token| !token.is_empty()))
    }
}

/// The text stays in JavaScript, which reads it too.
async fn read(response: Response) -> Result<JsString, RemoteError> {
    check(&response)?;
    let (is_ok, status, headers) = (response.ok(), response.status(), response.headers());
    let text = web_sys::Response::from(response).text().map_err(|error| network(&error))?;
    let text: JsString = JsFuture::from(text).await.map_err(|error| network(&error))?.unchecked_into();
    if is_ok { Ok(text) } else { Err(refused(status, &String::from(text), &headers)) }
}

/// Whether our server answers, and this release is for it.
pub(super) fn check(response: &Response) -> Result<(), RemoteError> {
    if response.type_() == ResponseType::Opaqueredirect {
        return Err(RemoteError::Foreign("a redirection to somewhere else".into()));
    }
    let status = response.status();
    match response.headers().get(PROTOCOL_HEADER) {
        Some(version) if version == PROTOCOL.to_string() => Ok(()),
        // It is a sync server, and this release is not for it: an update helps, and nothing else.
        Some(version) => Err(RemoteError::Refused {
            status,
            code: "protocol-unsupported".into(),
            message: format!("the server speaks protocol {version}"),
            retry_after_ms: None,
        }),
        None => Err(RemoteError::Foreign(format!("status {status} without {PROTOCOL_HEADER}"))),
    }
}

pub(super) fn refused(status: u16, text: &str, headers: &Headers) -> RemoteError {
    let problem = json::from_str::<Problem>(text).ok();
    let code = problem.as_ref().and_then(Problem::code).unwrap_or("http-error").to_owned();
    let message =
        problem.map_or_else(|| format!("status {status}"), |problem| problem.detail.unwrap_or(problem.title));
    let retry_after_ms =
        headers.get("Retry-After").and_then(|value| retry_after::ms(&value, headers.get("Date").as_deref()));
    RemoteError::Refused { status, code, message, retry_after_ms }
}

pub(super) fn lost(error: &gloo_net::Error) -> RemoteError {
    RemoteError::Network(error.to_string())
}

fn network(error: &JsValue) -> RemoteError {
    RemoteError::Network(message_of(error))
}

/// What an exception says.
pub(crate) fn message_of(error: &JsValue) -> String {
    let message = error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
    message.or_else(|| error.as_string()).unwrap_or_else(|| "no reason was given".into())
}
