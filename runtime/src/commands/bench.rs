//! `cloister bench`: tokens per second as llama-bench measures and prints them, and perplexity as llama-perplexity does. Reads the model and
//! the text that are named; writes nothing but the logits that were asked for. Needs no home where a model file is named.

mod counts;
mod machine;
mod measure;
mod model;
mod perplexity;
mod rows;
mod sweep;

use std::ops::ControlFlow;
use std::path::Path;

use cloister_models::{Progress, Watch};
use serde_json::{Value, json};

use super::{Desk, Output, print};
use crate::cli::{self, Format};
use crate::failure::{Failure, Kind};
use crate::home::Home;
use crate::interrupt::Interrupt;
pub(crate) use counts::Counts;
use measure::Test;
use model::Model;
use rows::Row;
use sweep::Sweep;

pub(crate) fn run(options: &cli::Bench, home: &Home, desk: &Desk) -> Result<(), Failure> {
    let tests = Test::of(&options.n_prompt, &options.n_gen, &options.n_depth);
    if options.ppl.is_none() && tests.is_empty() {
        return Err(Failure::new(
            Kind::Usage,
            "-p and -n leave nothing to measure",
        ));
    }
    let format = match desk.output {
        Output::Json => Format::Json,
        Output::Text => options.output,
    };
    let model = model::load(options, home, desk)?;
    match &options.ppl {
        Some(text) => perplexity_of(&model, text, options, format, desk),
        None => speed_of(&model, tests, options, format, desk),
    }
}

fn perplexity_of(
    model: &Model,
    text: &Path,
    options: &cli::Bench,
    format: Format,
    desk: &Desk,
) -> Result<(), Failure> {
    let found = perplexity::measure(&model.engine, text, options, desk)?;
    desk.screen.say(
        "scored",
        format!(
            "{} positions in {} windows; PPL +/- {:.5}",
            found.positions, found.windows, found.error
        ),
    );
    match format {
        Format::Md => print(&format!("PPL = {:.4}", found.ppl)),
        Format::Json => print(&pretty(&json!({
            "ppl": found.ppl,
            "ppl_stddev": found.error,
            "n_ctx": options.ctx_size,
            "n_chunks": found.windows,
            "n_scored": found.positions,
            "model_sha256": model.engine.sha256().to_string(),
        }))),
    }
    Ok(())
}

/// Each depth with every prompt, then every generation, as llama-bench orders them.
fn speed_of(
    model: &Model,
    tests: Vec<Test>,
    options: &cli::Bench,
    format: Format,
    desk: &Desk,
) -> Result<(), Failure> {
    fits(model, &tests)?;
    let (engine, threads) = model.backend();
    let mut sweep = options
        .sweep
        .then(|| Sweep::new(model.engine.facts().token_bytes, threads));
    if format == Format::Md {
        print(&rows::header(sweep.as_ref()));
    }
    let mut all = Vec::new();
    for test in tests {
        let samples = measure::run(
            &model.engine,
            test,
            options.repetitions,
            sweep.as_mut(),
            &desk.screen,
        )?;
        let row = Row::new(model, test, &samples);
        match format {
            Format::Md => print(&row.line()),
            Format::Json => all.push(row.fields()?),
        }
    }
    match format {
        Format::Md => print(&rows::footer(&engine)),
        Format::Json => print(&pretty(&Value::Array(all))),
    }
    Ok(())
}

/// Said before anything is measured: a test at depth may come after an hour of others.
fn fits(model: &Model, tests: &[Test]) -> Result<(), Failure> {
    let most = model.engine.context();
    let needs = |test: &Test| test.tokens().saturating_add(test.depth());
    match tests.iter().find(|test| needs(test) > most) {
        Some(test) => Err(Failure::failed(format!(
            "`{test}` needs {} positions, this model has {most}",
            needs(test)
        ))),
        None => Ok(()),
    }
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

/// Stops at ^C, and shows nothing: a bar would be timed too.
struct Stoppable<'i>(&'i Interrupt);

impl Watch for Stoppable<'_> {
    fn on(&mut self, _: Progress) -> ControlFlow<()> {
        if self.0.raised() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}
