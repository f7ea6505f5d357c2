//! What `/metrics` tells: counts, times and the queue, in the text form that Prometheus reads.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use cloister_models::Tally;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::refusal::Refusal;

/// Upper bounds of what is waited for, seconds: from a warm short prompt to a long one on a small machine.
const SECONDS: [f64; 10] = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0];

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Outcome {
    /// Answered.
    Done,
    /// The client left before the end.
    Left,
    /// The request could not be served.
    Refused,
    /// The fault was ours.
    Failed,
}

impl Outcome {
    pub(crate) fn of(refusal: &Refusal) -> Self {
        match refusal.status {
            499 => Self::Left,
            500.. => Self::Failed,
            _ => Self::Refused,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Response {
    path: &'static str,
    status: u16,
}

type Seconds = Counter<f64, AtomicU64>;

pub(crate) struct Metrics {
    registry: Registry,
    responses: Family<Response, Counter>,
    jobs: Family<Ended, Counter>,
    waiting: Gauge,
    prompt: Counter,
    cached: Counter,
    forced: Counter,
    sampled: Counter,
    hits: Counter,
    restored: Counter,
    drafted: Counter,
    accepted: Counter,
    prefill: Seconds,
    decode: Seconds,
    queued: Histogram,
    first: Histogram,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut all = Self {
            registry: Registry::with_prefix("cloister_serve"),
            responses: Family::default(),
            jobs: Family::default(),
            waiting: Gauge::default(),
            prompt: Counter::default(),
            cached: Counter::default(),
            forced: Counter::default(),
            sampled: Counter::default(),
            hits: Counter::default(),
            restored: Counter::default(),
            drafted: Counter::default(),
            accepted: Counter::default(),
            prefill: Counter::default(),
            decode: Counter::default(),
            queued: Histogram::new(SECONDS),
            first: Histogram::new(SECONDS),
        };
        all.register();
        all
    }

    /// Gives each its name and its line of help.
    fn register(&mut self) {
        let Self {
            registry: page,
            responses,
            jobs,
            waiting,
            prompt,
            cached,
            forced,
            sampled,
            hits,
            restored,
            drafted,
            accepted,
            prefill,
            decode,
            queued,
            first,
        } = self;
        page.register("responses", "HTTP responses", responses.clone());
        let help = "Requests that the engine took up, by how they ended";
        page.register("jobs", help, jobs.clone());
        let help = "Requests that wait for the engine";
        page.register("queue_depth", help, waiting.clone());
        let counters = [
            ("prompt_tokens", "Prompt tokens computed", prompt),
            (
                "cached_tokens",
                "Prompt tokens that were in the cache",
                cached,
            ),
            (
                "restored_tokens",
                "Prompt tokens that were kept on disk",
                restored,
            ),
            (
                "forced_tokens",
                "Tokens that a grammar left no choice about",
                forced,
            ),
            ("sampled_tokens", "Tokens that the model chose", sampled),
            (
                "drafted_tokens",
                "Tokens tried before the model had chosen them",
                drafted,
            ),
            ("accepted_tokens", "Tokens tried and then chosen", accepted),
            (
                "cache_hits",
                "Requests whose beginning was in the cache",
                hits,
            ),
        ];
        for (name, help, counter) in counters {
            page.register(name, help, counter.clone());
        }
        let help = "Time spent reading prompts";
        page.register("prefill_seconds", help, prefill.clone());
        page.register("decode_seconds", "Time spent writing", decode.clone());
        let help = "Time from a request to its turn";
        page.register("queue_seconds", help, queued.clone());
        let help = "Time from a request to its first token";
        page.register("first_token_seconds", help, first.clone());
    }

    /// The page, or nothing if it cannot be written.
    pub(crate) fn page(&self) -> String {
        let mut page = String::new();
        match text::encode(&mut page, &self.registry) {
            Ok(()) => page,
            Err(_) => String::new(), // a String takes everything
        }
    }

    pub(crate) fn responded(&self, path: &'static str, status: u16) {
        self.responses
            .get_or_create(&Response { path, status })
            .inc();
    }

    /// A request joined the queue.
    pub(crate) fn queued(&self) {
        self.waiting.inc();
    }

    /// A request's turn came.
    pub(crate) fn waited(&self, time: Duration) {
        self.waiting.dec();
        self.queued.observe(time.as_secs_f64());
    }

    pub(crate) fn ended(&self, outcome: Outcome) {
        self.jobs.get_or_create(&Ended { outcome }).inc();
    }

    /// What a session counted since `before`.
    pub(crate) fn counted(&self, before: Tally, after: Tally) {
        let add = |counter: &Counter, before: usize, after: usize| {
            counter.inc_by(after.saturating_sub(before) as u64);
        };
        add(&self.prompt, before.prompt, after.prompt);
        add(&self.cached, before.reused, after.reused);
        add(&self.forced, before.forced, after.forced);
        add(&self.sampled, before.sampled, after.sampled);
        add(&self.restored, before.restored, after.restored);
        add(&self.drafted, before.drafted, after.drafted);
        add(&self.accepted, before.accepted, after.accepted);
        if after.reused > before.reused {
            self.hits.inc();
        }
    }

    pub(crate) fn prefilled(&self, time: Duration) {
        self.prefill.inc_by(time.as_secs_f64());
    }

    pub(crate) fn decoded(&self, time: Duration) {
        self.decode.inc_by(time.as_secs_f64());
    }

    pub(crate) fn first_token(&self, time: Duration) {
        self.first.observe(time.as_secs_f64());
    }
}
