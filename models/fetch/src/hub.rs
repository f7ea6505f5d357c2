//! The hub: where a file is, and its bytes from an offset on. `hf-hub` knows addresses and tokens; the transfer is ours, so that it can resume.

use std::io::Read;
use std::time::Duration;

use hf_hub::api::sync::ApiBuilder;
use hf_hub::{Cache, Repo, RepoType};
use ureq::http::{HeaderMap, StatusCode};

use crate::error::FetchError;
use crate::request::{FilePath, Repository};

/// How long the network may keep us waiting. Reaching one counts as a cut connection, and the transfer resumes.
struct Waits {
    /// For a connection. 20 s: a satellite link with a lost packet.
    connect: Duration,
    /// For the first line of an answer. 60 s: a hub that looks a file up.
    answer: Duration,
    /// For one body. Two minutes: a stalled transfer is begun anew from where it is.
    body: Duration,
}

const WAITS: Waits = Waits {
    connect: Duration::from_secs(20),
    answer: Duration::from_secs(60),
    body: Duration::from_secs(120),
};

/// One file on the hub.
pub(crate) struct Remote {
    agent: ureq::Agent,
    url: String,
    token: Option<String>,
    revision: String,
    file: String,
    repository: String,
}

/// What the hub gave.
pub(crate) enum Answer {
    /// Bytes from this offset on; the length of the whole file, if it said so.
    Bytes {
        from: u64,
        total: Option<u64>,
        body: Box<dyn Read>,
    },
    /// There is nothing from that offset on.
    Nothing,
    /// It, or the way to it, is out of order; worth another try.
    Trouble(String),
}

impl Remote {
    pub(crate) fn new(repository: &Repository, file: &FilePath) -> Result<Self, FetchError> {
        let api = ApiBuilder::from_env()
            .with_progress(false)
            .build()
            .map_err(|e| FetchError::Hub { why: e.to_string() })?;
        let repo = Repo::with_revision(
            repository.id.clone(),
            RepoType::Model,
            repository.revision.clone(),
        );
        let url = api.repo(repo).url(file.as_str());
        let token = std::env::var("HF_TOKEN")
            .ok()
            .or_else(|| Cache::from_env().token());
        Ok(Self {
            agent: agent(),
            token: token.filter(|_| url.starts_with("https://")), // never in the clear
            url,
            revision: repository.revision.clone(),
            file: file.as_str().to_owned(),
            repository: repository.id.clone(),
        })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Asks for the bytes from this offset on.
    pub(crate) fn ask(&self, from: u64) -> Result<Answer, FetchError> {
        let mut request = self
            .agent
            .get(&self.url)
            .header("Accept-Encoding", "identity")
            .header("Range", format!("bytes={from}-"));
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let response = match request.call() {
            Ok(response) => response,
            Err(ureq::Error::BadUri(why)) => return Err(FetchError::Hub { why }),
            Err(error) => return Ok(Answer::Trouble(error.to_string())),
        };
        let (head, body) = response.into_parts();
        let read = || Box::new(body.into_reader()) as Box<dyn Read>;
        match head.status {
            StatusCode::OK => Ok(Answer::Bytes {
                from: 0,
                total: length(&head.headers),
                body: read(),
            }),
            StatusCode::PARTIAL_CONTENT => Ok(match range(&head.headers) {
                Some((start, total)) if start == from => Answer::Bytes {
                    from,
                    total,
                    body: read(),
                },
                _ => Answer::Trouble(
                    "the hub sent another part of the file than was asked for".to_owned(),
                ),
            }),
            StatusCode::RANGE_NOT_SATISFIABLE => Ok(Answer::Nothing),
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Ok(Answer::Trouble(format!("the hub answers {status}")))
            }
            status => Err(self.refusal(status, &head.headers)),
        }
    }

    fn refusal(&self, status: StatusCode, headers: &HeaderMap) -> FetchError {
        let (url, number) = (self.url.clone(), status.as_u16());
        let code = headers
            .get("x-error-code")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let what = match code {
            "RevisionNotFound" => {
                format!("the revision `{}` in `{}`", self.revision, self.repository)
            }
            "EntryNotFound" => format!(
                "the file `{}` in `{}` at `{}`",
                self.file, self.repository, self.revision
            ),
            "RepoNotFound" => format!("the repository `{}`", self.repository),
            _ => format!(
                "`{}` in `{}` at `{}`: file, revision or repository is missing",
                self.file, self.repository, self.revision
            ),
        };
        match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => FetchError::Missing {
                what,
                url,
                status: number,
            },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => FetchError::Denied {
                url,
                status: number,
            },
            _ => FetchError::Answer {
                url,
                status: number,
            },
        }
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .redirect_auth_headers(ureq::config::RedirectAuthHeaders::SameHost)
        .timeout_connect(Some(WAITS.connect))
        .timeout_recv_response(Some(WAITS.answer))
        .timeout_recv_body(Some(WAITS.body));
    config.build().into()
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get("content-length")?.to_str().ok()?.parse().ok()
}

/// `bytes 7-99/100`: where the part begins, and how long the whole is (RFC 9110, section 14.4).
fn range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let text = headers
        .get("content-range")?
        .to_str()
        .ok()?
        .strip_prefix("bytes ")?;
    let (span, total) = text.split_once('/')?;
    let (start, _) = span.split_once('-')?;
    Some((start.parse().ok()?, total.parse().ok()))
}
