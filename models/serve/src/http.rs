//! The HTTP side: routes, bodies within their limits, and streams that end the work when their reader is gone.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN, RETRY_AFTER};
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Sender, UnboundedReceiver};

use crate::answer::{Answer, Asked, Delivery, Served, Voice};
use crate::job::{Event, Job, Task};
use crate::limits::LIMITS;
use crate::listen::{Connection, Listener};
use crate::metrics::Metrics;
use crate::refusal::Refusal;
use crate::{chat, completions, responses};

type Sent = BoxBody<Bytes, Infallible>;

/// What every connection shares.
pub(crate) struct Shared {
    pub(crate) jobs: Sender<Job>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) served: Served,
}

/// Accepts connections as long as the program runs.
pub(crate) async fn serve(listener: Listener, shared: Arc<Shared>) {
    let room = Arc::new(Semaphore::new(LIMITS.connections));
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        let connection = match listener.accept().await {
            Ok(connection) => connection,
            Err(error) => {
                eprintln!("error: cannot accept a connection: {error}");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await; // out of descriptors: let some be freed
                continue;
            }
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            match connection {
                Connection::Unix(stream) => converse(TokioIo::new(stream), shared).await,
                Connection::Tcp(stream) => converse(TokioIo::new(stream), shared).await,
            }
            drop(place);
        });
    }
}

async fn converse(io: impl Read + Write + Unpin, shared: Arc<Shared>) {
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(respond(request, &shared).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(LIMITS.receive)
        .serve_connection(io, service);
    let _ = served.await; // a connection that breaks concerns nobody but its client, who knows
}

/// What a path is for.
#[derive(Clone, Copy)]
enum Route {
    Health,
    Metrics,
    Models,
    Model,
    Ask(fn(&[u8], &Served) -> Result<Asked, Refusal>),
}

/// The route of a path, its name for the metrics, and its method.
fn route(path: &str) -> Option<(Route, &'static str, Method)> {
    Some(match path {
        "/health" => (Route::Health, "/health", Method::GET),
        "/metrics" => (Route::Metrics, "/metrics", Method::GET),
        "/v1/models" => (Route::Models, "/v1/models", Method::GET),
        "/v1/chat/completions" => (Route::Ask(chat::ask), "/v1/chat/completions", Method::POST),
        "/v1/completions" => (
            Route::Ask(completions::ask),
            "/v1/completions",
            Method::POST,
        ),
        "/v1/responses" => (Route::Ask(responses::ask), "/v1/responses", Method::POST),
        _ if path.starts_with("/v1/models/") => (Route::Model, "/v1/models/", Method::GET),
        _ => return None,
    })
}

async fn respond(request: Request<Incoming>, shared: &Shared) -> Response<Sent> {
    let found = route(request.uri().path());
    let name = found.as_ref().map_or("other", |(_, name, _)| *name);
    let response = match found {
        _ if is_foreign(&request) => Err(Refusal::new(
            403,
            "foreign_origin",
            "web pages are not served: the request names an `Origin`, or a `Host` that is not this machine",
        )),
        None => Err(Refusal::new(
            404,
            "unknown_path",
            "there is nothing at this path; see /v1/models",
        )),
        Some((_, _, method)) if method != request.method() => Err(Refusal::new(
            405,
            "wrong_method",
            format!("this path takes {method}"),
        )),
        Some((route, _, _)) => handle(route, request, shared).await,
    };
    let response = response.unwrap_or_else(|refusal| refuse(&refusal));
    shared.metrics.responded(name, response.status().as_u16());
    response
}

/// Whether a web page may be behind the request: loopback is reached from every page that a browser on this machine shows.
fn is_foreign(request: &Request<Incoming>) -> bool {
    let host = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok());
    let name = host.map(|host| match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    });
    let ours = |name: &str| {
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        name.is_empty()
            || name.eq_ignore_ascii_case("localhost")
            || bare
                .parse::<std::net::IpAddr>()
                .is_ok_and(|ip| ip.is_loopback())
    };
    request.headers().contains_key(ORIGIN) || !name.is_none_or(ours)
}

async fn handle(
    route: Route,
    request: Request<Incoming>,
    shared: &Shared,
) -> Result<Response<Sent>, Refusal> {
    match route {
        Route::Health if shared.jobs.is_closed() => Err(Refusal::stopped()),
        Route::Health => Ok(document(StatusCode::OK, &json!({"status": "ok"}))),
        Route::Metrics => Ok(text(
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            shared.metrics.page(),
        )),
        Route::Models => Ok(document(
            StatusCode::OK,
            &json!({"object": "list", "data": [model(&shared.served)]}),
        )),
        Route::Model => {
            let asked = request.uri().path().trim_start_matches("/v1/models/");
            crate::ask::check_model(Some(asked), &shared.served)?;
            Ok(document(StatusCode::OK, &model(&shared.served)))
        }
        Route::Ask(ask) => {
            let body = receive(request).await?;
            let Asked {
                task,
                voice,
                delivery,
            } = ask(&body, &shared.served)?;
            answer(queue(task, shared)?, voice, delivery).await
        }
    }
}

fn model(served: &Served) -> Value {
    json!({"id": served.name, "object": "model", "created": served.since, "owned_by": "cloister"})
}

async fn receive(request: Request<Incoming>) -> Result<Bytes, Refusal> {
    let too_large = || {
        let message = format!("the body is longer than {} bytes; send less", LIMITS.body);
        Refusal::new(413, "body_too_large", message)
    };
    if request.size_hint().lower() > LIMITS.body as u64 {
        return Err(too_large());
    }
    let body = Limited::new(request.into_body(), LIMITS.body).collect();
    match tokio::time::timeout(LIMITS.receive, body).await {
        Err(_) => Err(Refusal::new(
            408,
            "body_too_slow",
            "the body did not come in time",
        )),
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(Refusal::new(
            400,
            "body_broken",
            format!("the body broke off: {error}"),
        )),
    }
}

fn queue(task: Task, shared: &Shared) -> Result<UnboundedReceiver<Event>, Refusal> {
    let (events, heard) = mpsc::unbounded_channel();
    let job = Job {
        task,
        asked: Instant::now(),
        events,
    };
    match shared.jobs.try_reserve() {
        Ok(place) => {
            shared.metrics.queued(); // before the engine can take it out again
            place.send(job);
            Ok(heard)
        }
        Err(TrySendError::Full(())) => Err(Refusal::busy(LIMITS.queue)),
        Err(TrySendError::Closed(())) => Err(Refusal::stopped()),
    }
}

/// Waits until the engine has read the prompt, so that a refusal still has a status of its own.
async fn answer(
    mut heard: UnboundedReceiver<Event>,
    mut voice: Box<dyn Voice>,
    delivery: Delivery,
) -> Result<Response<Sent>, Refusal> {
    let started = match heard.recv().await {
        Some(Event::Started(started)) => started,
        Some(Event::Refused(refusal)) => return Err(refusal),
        _ => return Err(Refusal::stopped()),
    };
    if delivery == Delivery::Streamed {
        let begun = voice.begin(started);
        let stream = Told {
            heard,
            voice,
            begun: Some(begun),
        };
        return Ok(head(StatusCode::OK, "text/event-stream", stream.boxed()));
    }
    let mut answer = Answer::new(started);
    loop {
        match heard.recv().await {
            Some(Event::Piece(piece)) => answer.take(piece),
            Some(Event::Done(done)) => {
                answer.done = done;
                return Ok(document(StatusCode::OK, &voice.whole(answer)));
            }
            Some(Event::Refused(refusal)) => return Err(refusal),
            Some(Event::Started(_)) => {}
            None => return Err(Refusal::stopped()),
        }
    }
}

/// An answer as server-sent events. Dropped by hyper when the client is gone, and `heard` with it, which the engine notices.
struct Told {
    heard: UnboundedReceiver<Event>,
    voice: Box<dyn Voice>,
    begun: Option<String>,
}

impl Body for Told {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            let text = match self.begun.take() {
                Some(text) => text,
                None => match std::task::ready!(self.heard.poll_recv(cx)) {
                    None => return Poll::Ready(None),
                    Some(Event::Started(_)) => String::new(),
                    Some(Event::Piece(piece)) => self.voice.piece(piece),
                    Some(Event::Done(done)) => self.voice.end(done),
                    Some(Event::Refused(refusal)) => self.voice.broken(&refusal),
                },
            };
            if !text.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from(text)))));
            }
        }
    }
}

fn refuse(refusal: &Refusal) -> Response<Sent> {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = document(status, &refusal.body());
    if refusal.status == 429 {
        let soon = hyper::header::HeaderValue::from_static("2");
        response.headers_mut().insert(RETRY_AFTER, soon);
    }
    response
}

fn document(status: StatusCode, value: &Value) -> Response<Sent> {
    let body = Full::new(Bytes::from(value.to_string()));
    head(status, "application/json", body.boxed())
}

fn text(kind: &'static str, text: String) -> Response<Sent> {
    head(StatusCode::OK, kind, Full::new(Bytes::from(text)).boxed())
}

fn head(status: StatusCode, kind: &'static str, body: Sent) -> Response<Sent> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    headers.insert(
        CACHE_CONTROL,
        hyper::header::HeaderValue::from_static("no-store"),
    );
    response
}
