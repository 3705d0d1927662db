//! Who asks: bearer tokens, or anybody on a server that was started open.

use std::collections::HashMap;

use axum::http::{HeaderMap, header};
use serde::Deserialize;

use super::problem::ProblemResponse;
use crate::decisions::{Caller, Code, Role};

/// The tenant of those who come without a token.
const OPEN_TENANT: &str = "default";

/// Who may ask.
#[derive(Debug)]
pub struct Access {
    tokens: HashMap<String, Caller>,
    open: bool,
}

/// Why a file of tokens cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the file of tokens cannot be read: {0}")]
pub struct AccessError(#[from] serde_json::Error);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenEntry {
    principal: String,
    tenant: String,
    #[serde(default)]
    role: RoleWord,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum RoleWord {
    #[default]
    Editor,
    Reader,
}

/// Somebody whose token was looked at.
#[derive(Debug)]
pub(super) enum Visitor {
    Known(Caller),
    /// Without a token, on an open server.
    Anybody,
}

impl Visitor {
    /// The caller. Only who needs no token is who the request says.
    pub(super) fn named(self, principal: &str) -> Caller {
        match self {
            Self::Known(caller) => caller,
            Self::Anybody => {
                Caller { principal: principal.to_owned(), tenant: OPEN_TENANT.to_owned(), role: Role::Editor }
            }
        }
    }
}

impl Access {
    /// Anybody may ask, as whom the request says. For development.
    #[must_use]
    pub fn open() -> Self {
        Self { tokens: HashMap::new(), open: true }
    }

    /// Those who hold one of the tokens: `{ "<token>": { "principal", "tenant", "role" } }`, where the role is `editor`
    /// (the default) or `reader`. With `open`, those without a token too.
    pub fn tokens(document: &str, open: bool) -> Result<Self, AccessError> {
        let entries: HashMap<String, TokenEntry> = serde_json::from_str(document)?;
        let tokens = entries
            .into_iter()
            .map(|(token, TokenEntry { principal, tenant, role })| {
                let role = match role {
                    RoleWord::Editor => Role::Editor,
                    RoleWord::Reader => Role::Reader,
                };
                (token, Caller { principal, tenant, role })
            })
            .collect();
        Ok(Self { tokens, open })
    }

    /// A wrong token is refused on an open server too: who sends one means to be somebody.
    pub(super) fn visitor(&self, headers: &HeaderMap) -> Result<Visitor, ProblemResponse> {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return if self.open {
                Ok(Visitor::Anybody)
            } else {
                Err(ProblemResponse::because(Code::Unauthenticated, "send `Authorization: Bearer …`"))
            };
        };
        let token = value.to_str().ok().and_then(|value| value.split_once(' '));
        let known = match token {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => self.tokens.get(token.trim()),
            _ => None,
        };
        known.cloned().map(Visitor::Known).ok_or_else(|| ProblemResponse::new(Code::Unauthenticated))
    }
}
