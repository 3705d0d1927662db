//! The server: the decisions that ship, over a store that is hard on them.

use landfall_core::protocol::{Download, Page, Upload, UploadAnswer};
use landfall_server::decisions::{Caller, Refusal, Role, Rules, download, upload};
use serde_json::Value;

use super::{device::TENANT, schema::server_schema, store::SimStore};

pub struct Server {
    pub store: SimStore,
    rules: Rules,
}

impl Server {
    #[must_use]
    pub fn new(store: SimStore, batch_max: usize, page_rows_max: u32) -> Self {
        let rules = Rules { operations_max: batch_max, page_rows_max, ..Rules::new(Some(server_schema())) };
        Self { store, rules }
    }

    fn caller(principal: &str) -> Caller {
        Caller { principal: principal.to_owned(), tenant: TENANT.to_owned(), role: Role::Editor }
    }

    /// Answers what the bearer of this principal's token uploads.
    pub async fn upload(
        &self,
        token: &str,
        now_ms: u64,
        request: Upload<Value>,
    ) -> Result<UploadAnswer<Value>, Refusal> {
        upload(&self.store, &self.rules, &Self::caller(token), now_ms, request).await
    }

    /// Answers what the bearer of this principal's token asks for.
    pub async fn download(
        &self,
        token: &str,
        now_ms: u64,
        request: Download,
    ) -> Result<Page<Value>, Refusal> {
        download(&self.store, &self.rules, &Self::caller(token), now_ms, request).await
    }
}
