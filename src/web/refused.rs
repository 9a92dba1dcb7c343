//! Answers that are no.

use crate::wires::NoAnswer;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::time::Duration;

/// A status with one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub status: StatusCode,
    pub text: String,
    /// When it is worth another try.
    pub retry: Option<Duration>,
}

impl Refused {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), retry: None }
    }

    pub(crate) fn forbidden(text: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, text)
    }

    pub(crate) fn wrong(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "error": self.text }))).into_response();
        if let Some(retry) = self.retry {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry.as_secs().max(1)));
        }
        response
    }
}

impl From<NoAnswer> for Refused {
    fn from(no: NoAnswer) -> Self {
        match no {
            NoAnswer::Wrong(text) => Self::wrong(text),
            NoAnswer::NotFound(text) => Self::new(StatusCode::NOT_FOUND, text),
            NoAnswer::NotKept(text) => Self::new(StatusCode::NOT_IMPLEMENTED, text),
            NoAnswer::Failed(text) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, text),
        }
    }
}
