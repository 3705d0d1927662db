//! The sync server, over HTTP.

mod exchange;
mod gzip;
mod live;
mod page;
mod retry_after;

use js_sys::{Array, Function, JsString};
use landfall_core::ports::{Remote, RemoteError};
use landfall_core::protocol::{Download, Page, Upload, UploadAnswer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::JsValue;

pub(crate) use self::exchange::message_of;
use crate::body::{self, JsBody, arrived, json_of, outline_of};

/// How long one request may take, its answer's body included.
const TIMEOUT_MS: u32 = 30_000;

/// The server at one URL.
pub struct HttpRemote {
    /// Without a slash at its end.
    url: String,
    /// Asked before every request, so that the app can renew it.
    token: Option<Function>,
    timeout_ms: u32,
}

impl HttpRemote {
    /// `url` is where `/upload` and `/download` are below; a relative one is resolved as `fetch` does here. `token` is
    /// called without arguments and returns the bearer token or a promise of it; nothing, where there is none.
    #[must_use]
    pub fn new(url: &str, token: Option<Function>) -> Self {
        Self { url: url.trim_end_matches('/').to_owned(), token, timeout_ms: TIMEOUT_MS }
    }

    /// With another time limit for a request.
    #[must_use]
    pub fn with_timeout_ms(self, timeout_ms: u32) -> Self {
        Self { timeout_ms, ..self }
    }

    pub(crate) async fn call<A: DeserializeOwned>(
        &self,
        path: &str,
        request: &impl Serialize,
    ) -> Result<A, RemoteError> {
        let text = self.ask(path, request).await?;
        let parts = outline_of(&text).map_err(|error| unreadable(&error))?;
        let bodies = arrived(&parts);
        told(&parts, bodies)
    }

    /// The text of an answer.
    async fn ask(&self, path: &str, request: &impl Serialize) -> Result<JsString, RemoteError> {
        self.exchange(&format!("{}/{path}", self.url), json_of(request)).await
    }
}

fn unreadable(error: &JsValue) -> RemoteError {
    RemoteError::Foreign(exchange::message_of(error))
}

/// What an answer's outline says.
fn told<A: DeserializeOwned>(parts: &Array, bodies: Vec<JsBody>) -> Result<A, RemoteError> {
    body::read(parts, bodies).map_err(|error| RemoteError::Foreign(error.to_string()))
}

impl Remote<JsBody> for HttpRemote {
    async fn push(&self, upload: &Upload<JsBody>) -> Result<UploadAnswer<JsBody>, RemoteError> {
        self.call("upload", upload).await
    }

    async fn pull(&self, download: &Download) -> Result<Page<JsBody>, RemoteError> {
        page::read(&self.ask("download", download).await?)
    }
}
