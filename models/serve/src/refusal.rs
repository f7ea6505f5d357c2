//! Why a request was not served, in the form that OpenAI's clients read: status, type, code, the parameter at fault, and what to do.

use cloister_models::ModelError;
use serde_json::{Value, json};

/// An error of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    param: Option<String>,
    message: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            param: None,
            message: message.into(),
        }
    }

    /// The request is wrong at `param`.
    pub(crate) fn at(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            param: Some(param.into()),
            ..Self::new(400, "invalid_value", message)
        }
    }

    /// The request asks for something that this server does not do.
    pub(crate) fn unsupported(param: &str, message: impl Into<String>) -> Self {
        Self {
            code: "unsupported_parameter",
            ..Self::at(param, message)
        }
    }

    pub(crate) fn busy(waiting: usize) -> Self {
        let message = format!("{waiting} requests wait already; try again in a few seconds");
        Self::new(429, "queue_full", message)
    }

    pub(crate) fn stopped() -> Self {
        Self::new(
            503,
            "engine_stopped",
            "the engine has stopped; start the server again",
        )
    }

    pub(crate) fn body(&self) -> Value {
        let kind = match self.status {
            429 => "rate_limit_error",
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        json!({"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}})
    }
}

impl From<ModelError> for Refusal {
    fn from(error: ModelError) -> Self {
        match &error {
            ModelError::ContextFull { .. } => Self::new(
                400,
                "context_length_exceeded",
                format!("{error}; send fewer or shorter messages"),
            ),
            ModelError::Grammar { .. } => Self::new(
                400,
                "invalid_schema",
                format!("{error}; leave out what cannot be enforced while decoding"),
            ),
            ModelError::Template { .. } => Self::new(
                400,
                "no_chat_template",
                format!("{error}; use /v1/completions, or serve an instruction-tuned model"),
            ),
            ModelError::Interrupted => Self::new(499, "client_left", "the client left"),
            _ => Self::new(500, "inference_failed", error.to_string()),
        }
    }
}
