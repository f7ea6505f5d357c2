//! The one thread that owns the engine: takes jobs in order, keeps one cache over all of them, tells each token as it comes.

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use cloister_models::{
    Begun, Callable, Constraint, Engine, Matcher, ModelError, Over, Progress, Session, Step,
    Tokenizer, Weight, Writing, Written,
};
use cloister_states::States;
use tokio::sync::mpsc::{Receiver, UnboundedSender};

use crate::dialogue::{self, Laid};
use crate::job::{Choice, Done, Event, Finish, Function, Job, Piece, Prompt, Started, Task, Token};
use crate::limits::LIMITS;
use crate::metrics::{Metrics, Outcome};
use crate::outflow::{CallReader, Outflow};
use crate::refusal::Refusal;

/// How models begin a call. Those that never learnt the mark (Qwen2.5-Coder-0.5B gives it a chance below one in a million) write the same
/// JSON bare or as a block of code; whichever it is, the call itself is then written under the grammar.
const BEGINNINGS: [&str; 6] = [
    Constraint::CALL,
    "{\"name\":",
    "{\n  \"name\":",
    "```json\n{\"name\":",
    "```json\n{\n  \"name\":",
    "```\n{\"name\":",
];

/// A model that may choose calls when all these beginnings together are at least this likely: more likely than not.
const CALLS: f64 = 0.5;

/// Asked apart whether a function serves the request, the model may say "no" this much likelier than "yes" (difference of the natural
/// logarithms) and still call. Small models lean to "no": on cases 30 to 45 of BFCL's `simple_python` and `irrelevance` both tests together
/// let Qwen2.5-Coder-0.5B call 15 or 16 times of 16 and abstain 14 or 15 times of 16; either test alone is worse.
const DOUBT: f64 = 0.25;

/// Serves jobs until nobody can send any more.
///
/// # Errors
/// [`ModelError::Positions`], before the first job.
pub(crate) fn run(
    engine: &Engine,
    mut jobs: Receiver<Job>,
    metrics: &Arc<Metrics>,
    states: Option<&States>,
) -> Result<(), ModelError> {
    let mut session = engine.session()?;
    let mut aside = engine.session()?;
    while let Some(job) = jobs.blocking_recv() {
        metrics.waited(job.asked.elapsed());
        if job.events.is_closed() {
            metrics.ended(Outcome::Left);
            continue;
        }
        let before = session.tally();
        let mut work = Work {
            engine,
            session: &mut session,
            aside: &mut aside,
            task: &job.task,
            events: &job.events,
            metrics,
            states,
            left: 0,
            written: 0,
        };
        let result = work.answer(job.asked);
        metrics.counted(before, session.tally());
        let event = match result {
            Ok(done) => {
                metrics.ended(Outcome::Done);
                Event::Done(done)
            }
            Err(refusal) => {
                metrics.ended(Outcome::of(&refusal));
                Event::Refused(refusal)
            }
        };
        let _ = job.events.send(event); // whoever left is told nothing
    }
    Ok(())
}

/// One job at work.
struct Work<'w, 'e> {
    engine: &'e Engine,
    session: &'w mut Session<'e>,
    /// Where questions are put, so that the conversation's cache stays as it is.
    aside: &'w mut Session<'e>,
    task: &'w Task,
    events: &'w UnboundedSender<Event>,
    metrics: &'w Metrics,
    /// Where the state of system texts and functions is kept, if anywhere.
    states: Option<&'w States>,
    /// Tokens that may still be written.
    left: usize,
    written: usize,
}

/// What a free text ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Met {
    Nothing,
    Stop,
    /// The mark that opens a call.
    Mark,
}

impl Work<'_, '_> {
    fn answer(&mut self, asked: Instant) -> Result<Done, Refusal> {
        let Laid {
            tokens: prompt,
            fixed,
        } = self.prompt()?;
        let fixed = prompt.get(..fixed).unwrap_or_default();
        let room = self.engine.context().saturating_sub(prompt.len());
        if room == 0 {
            return Err(Refusal::from(ModelError::ContextFull {
                tokens: prompt.len().saturating_add(1),
                context: self.engine.context(),
            }));
        }
        self.left = self.task.limit.unwrap_or(LIMITS.answer).min(room);
        // Compiled before anything is computed, so that a schema that cannot be enforced costs nothing.
        let text = self.text_matcher()?;
        let calls = self.call_matcher(Begun::Nothing)?;
        let before = self.session.tally().reused;
        let begun = Instant::now();
        let events = self.events;
        if let Some(states) = self.states {
            states.take_up(self.session, fixed);
        }
        self.session
            .align(&prompt, &mut |_: Progress| open(events))?;
        self.metrics.prefilled(begun.elapsed());
        let _ = self.events.send(Event::Started(Started {
            prompt: prompt.len(),
            cached: self.session.tally().reused.saturating_sub(before),
        })); // should nobody hear, the next token notices
        let begun = Instant::now();
        let finish = self.write(text, calls, asked)?;
        self.metrics.decoded(begun.elapsed());
        self.keep(fixed);
        Ok(Done {
            finish,
            tokens: self.written,
        })
    }

    /// Keeps the state of the system text and the functions for the next start. A full disk is no reason to refuse an answer.
    fn keep(&self, fixed: &[u32]) {
        let kept = self.states.map(|states| states.keep(self.session, fixed));
        if let Some(Err(error)) = kept {
            let said = format!("note: a state could not be kept: {error}");
            let _ = writeln!(std::io::stderr(), "{said}"); // nobody may be reading
        }
    }

    fn prompt(&self) -> Result<Laid, Refusal> {
        match &self.task.prompt {
            Prompt::Dialogue(turns) => {
                let template = self.engine.template()?;
                Ok(dialogue::laid(template, turns, &self.task.tools))
            }
            Prompt::Text(text) => {
                let tokenizer = self.engine.tokenizer();
                let mut tokens: Vec<u32> = tokenizer.bos().into_iter().collect();
                tokens.extend(tokenizer.encode(text));
                Ok(Laid { tokens, fixed: 0 })
            }
        }
    }

    fn text_matcher(&self) -> Result<Option<Matcher>, ModelError> {
        let schema = self.task.format.as_ref();
        let constraint = schema.map(Constraint::json_schema).transpose()?;
        constraint
            .map(|constraint| constraint.start(self.engine.vocabulary()))
            .transpose()
    }

    /// What calls may be written, if any.
    fn call_matcher(&self, begun: Begun) -> Result<Option<Matcher>, ModelError> {
        let tools = &self.task.tools;
        let allowed: Vec<Callable<'_>> = tools
            .offered
            .iter()
            .filter(|function| match &tools.choice {
                Choice::None => false,
                Choice::Auto | Choice::Required => true,
                Choice::One(name) => *name == function.name,
            })
            .map(
                |Function {
                     name, parameters, ..
                 }| Callable { name, parameters },
            )
            .collect();
        if allowed.is_empty() {
            return Ok(None);
        }
        let constraint = Constraint::calls(&allowed, begun, tools.most)?;
        constraint.start(self.engine.vocabulary()).map(Some)
    }

    fn write(
        &mut self,
        text: Option<Matcher>,
        calls: Option<Matcher>,
        asked: Instant,
    ) -> Result<Finish, ModelError> {
        let Some(calls) = calls else {
            let (over, _) = self.write_text(text, None, asked)?;
            return Ok(finish(over));
        };
        if self.task.tools.choice != Choice::Auto || self.wants_to_call()? {
            return self.write_calls(calls, asked);
        }
        let mark = text.is_none().then_some(Constraint::CALL);
        let (over, met) = self.write_text(text, mark, asked)?;
        match (met, self.call_matcher(Begun::Mark)?) {
            (Met::Mark, Some(calls)) => self.write_calls(calls, asked),
            _ => Ok(finish(over)),
        }
    }

    /// Whether the model, at the beginning of its turn, would rather call than speak.
    fn wants_to_call(&mut self) -> Result<bool, ModelError> {
        let events = self.events;
        let beginnings = BEGINNINGS.map(str::to_owned);
        let weights = self
            .session
            .weigh(&beginnings, &mut |_: Progress| open(events))?;
        let likely: f64 = weights.iter().map(|weight| weight.logp.exp()).sum();
        Ok(likely >= CALLS && self.is_served()?)
    }

    /// Whether the model, asked apart, finds a function for the request.
    fn is_served(&mut self) -> Result<bool, ModelError> {
        let Prompt::Dialogue(turns) = &self.task.prompt else {
            return Ok(true);
        };
        let template = self.engine.template()?;
        let Some(question) = dialogue::question(template, turns, &self.task.tools) else {
            return Ok(true);
        };
        let events = self.events;
        let mut watch = |_: Progress| open(events);
        self.aside.align(&question, &mut watch)?;
        let answers = ["Yes", "yes", "No", "no"].map(str::to_owned);
        let weights = self.aside.weigh(&answers, &mut watch)?;
        let sum = |weights: &[Weight]| weights.iter().map(|w| w.logp.exp()).sum::<f64>().ln();
        let (yes, no) = weights.split_at(weights.len() / 2);
        Ok(sum(yes) >= sum(no) - DOUBT)
    }

    fn write_calls(&mut self, mut calls: Matcher, asked: Instant) -> Result<Finish, ModelError> {
        let mut reader = CallReader::default();
        let events = self.events;
        let over = self.run(Some(&mut calls), None, asked, &mut |step| {
            for piece in reader.feed(step.bytes) {
                let _ = events.send(Event::Piece(piece)); // should nobody hear, the next token notices
            }
            ControlFlow::Continue(())
        })?;
        Ok(match over {
            Over::Limit => Finish::Length,
            Over::Model | Over::Constraint | Over::Heard => Finish::Calls,
        })
    }

    fn write_text(
        &mut self,
        mut matcher: Option<Matcher>,
        mark: Option<&str>,
        asked: Instant,
    ) -> Result<(Over, Met), ModelError> {
        let mut stops: Vec<&str> = self.task.stops.iter().map(String::as_str).collect();
        let marked = stops.len();
        stops.extend(mark);
        let mut outflow = Outflow::default();
        let (mut tokens, mut met) = (Vec::new(), Met::Nothing);
        let (events, tokenizer) = (self.events, self.engine.tokenizer());
        let likeliest = self.task.likeliest;
        let mut hear = |step: Step<'_>| {
            outflow.feed(step.bytes);
            tokens.extend(told(&step, tokenizer));
            let taken = outflow.take(&stops);
            met = match taken.stop {
                None => Met::Nothing,
                Some(index) if index == marked => Met::Mark,
                Some(_) => Met::Stop,
            };
            tell(events, taken.text, &mut tokens);
            match met {
                Met::Nothing => ControlFlow::Continue(()),
                Met::Stop | Met::Mark => ControlFlow::Break(()),
            }
        };
        let over = self.run(matcher.as_mut(), likeliest, asked, &mut hear)?;
        if met == Met::Nothing {
            tell(events, outflow.rest(), &mut tokens);
        }
        Ok((over, met))
    }

    fn run(
        &mut self,
        matcher: Option<&mut Matcher>,
        likeliest: Option<usize>,
        asked: Instant,
        hear: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>,
    ) -> Result<Over, ModelError> {
        let writing = Writing {
            sampling: self.task.sampling,
            limit: self.left,
            likeliest,
        };
        let (events, metrics) = (self.events, self.metrics);
        let mut first = (self.written == 0).then_some(asked);
        let mut hear = |step: Step<'_>| {
            if let Some(asked) = first.take() {
                metrics.first_token(asked.elapsed());
            }
            hear(step)
        };
        let written = self
            .session
            .write(matcher, &writing, &mut hear, &mut |_: Progress| {
                open(events)
            })?;
        let Written { tokens, over, .. } = written;
        self.left = self.left.saturating_sub(tokens);
        self.written = self.written.saturating_add(tokens);
        Ok(over)
    }
}

/// Stops the work when nobody waits for it any more.
fn open(events: &UnboundedSender<Event>) -> ControlFlow<()> {
    if events.is_closed() {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

fn tell(events: &UnboundedSender<Event>, text: String, tokens: &mut Vec<Token>) {
    if !text.is_empty() {
        let piece = Piece::Text(text, std::mem::take(tokens));
        let _ = events.send(Event::Piece(piece)); // should nobody hear, the next token notices
    }
}

fn told(step: &Step<'_>, tokenizer: &Tokenizer) -> Option<Token> {
    let likelihood = step.likelihood.as_ref()?;
    let bytes = |token: &u32| tokenizer.token_bytes(*token).to_vec();
    let likeliest = likelihood.likeliest.iter();
    Some(Token {
        bytes: step.bytes.to_vec(),
        logp: likelihood.logp,
        likeliest: likeliest.map(|(t, logp)| (bytes(t), *logp)).collect(),
    })
}

fn finish(over: Over) -> Finish {
    match over {
        Over::Limit => Finish::Length,
        Over::Model | Over::Constraint | Over::Heard => Finish::Stop,
    }
}
