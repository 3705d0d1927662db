//! Requests that are otherwise than those of a pass: an answer that does not end, and a last word.

use gloo_net::http::{RequestBuilder, Response};
use js_sys::{Array, Object, encode_uri_component};
use landfall_core::ports::RemoteError;
use landfall_core::protocol::{PROTOCOL, PROTOCOL_HEADER};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use web_sys::{AbortSignal, RequestCache, RequestRedirect};

use super::{HttpRemote, exchange};
use crate::body::json_of;
use crate::scope::scope;

const STREAM: &str = "text/event-stream";

impl HttpRemote {
    /// Asks for the server's events about these tables. Returns with the head of an answer that is our server's and is a
    /// stream. `principal` is for a server that trusts whoever asks: it is named only where there is no token.
    pub(crate) async fn follow(
        &self,
        tables: &[String],
        principal: &str,
        signal: &AbortSignal,
    ) -> Result<Response, RemoteError> {
        let token = self.bearer().await?;
        let tables = String::from(encode_uri_component(&tables.join(",")));
        let mut url = format!("{}/stream?entityTypes={tables}", self.url);
        if token.is_none() {
            url.push_str("&principal=");
            url.push_str(&String::from(encode_uri_component(principal)));
        }
        let mut request = RequestBuilder::new(&url)
            .header("Accept", STREAM)
            .header(PROTOCOL_HEADER, &PROTOCOL.to_string())
            .cache(RequestCache::NoStore)
            // As in a pass: the token goes nowhere else.
            .redirect(RequestRedirect::Manual)
            .abort_signal(Some(signal));
        if let Some(token) = token {
            request = request.header("Authorization", &format!("Bearer {token}"));
        }
        let response = request.send().await.map_err(|error| exchange::lost(&error))?;
        // Whoever answers so has no stream, be it an older server of ours or the web server before it.
        if !matches!(response.status(), 404 | 405 | 501) {
            exchange::check(&response)?;
        }
        let headers = response.headers();
        if !response.ok() {
            let text = response.text().await.map_err(|error| exchange::lost(&error))?;
            return Err(exchange::refused(response.status(), &text, &headers));
        }
        if headers.get("Content-Type").is_some_and(|kind| kind.starts_with(STREAM)) {
            Ok(response)
        } else {
            Err(RemoteError::Foreign("an answer that is no stream of events".into()))
        }
    }

    /// Posts something that may be the last that this page does: the browser sends it even when the page is gone by then
    /// (`keepalive`; elsewhere, Firefox before 133, it may be lost). Nobody hears whether it arrived.
    pub(crate) async fn post_last(&self, path: &str, message: &impl Serialize) {
        let message = json_of(message);
        let Ok(token) = self.bearer().await else { return };
        let mut headers =
            vec![("Content-Type", "application/json".to_owned()), (PROTOCOL_HEADER, PROTOCOL.to_string())];
        headers.extend(token.map(|token| ("Authorization", format!("Bearer {token}"))));
        let headers = headers.into_iter().map(|(name, value)| (name, JsValue::from(value)));
        let options = object([
            ("method", "POST".into()),
            ("headers", object(headers)),
            ("body", message.into()),
            ("keepalive", true.into()),
            ("redirect", "manual".into()),
        ]);
        let _ = scope().fetch(&format!("{}/{path}", self.url), &options).await;
    }
}

fn object(entries: impl IntoIterator<Item = (&'static str, JsValue)>) -> JsValue {
    let entries: Array = entries.into_iter().map(|(name, value)| Array::of2(&name.into(), &value)).collect();
    // Pairs of a name and a value are what it takes.
    Object::from_entries(&entries).map(JsValue::from).unwrap_or_default()
}
