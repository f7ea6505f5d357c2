//! `cloister run` and `cloister plan`: a session, and its report however it ends.

use cloister_models::DeviceChoice;
use cloister_policies::Mode;
use serde_json::json;

use super::Desk;
use crate::cli;
use crate::failure::Failure;
use crate::home::Home;
use crate::report::Report;
use crate::session::{self, Job, Until};

pub(crate) fn run(options: &cli::Run, home: &Home, desk: &Desk) -> Result<u8, Failure> {
    let mode = if options.unattended {
        Mode::Unattended
    } else {
        Mode::Attended
    };
    finish(&options.ask, mode, Until::Released, home, desk)
}

pub(crate) fn plan(options: &cli::Ask, home: &Home, desk: &Desk) -> Result<u8, Failure> {
    finish(options, Mode::Attended, Until::Judged, home, desk)
}

fn finish(
    ask: &cli::Ask,
    mode: Mode,
    until: Until,
    home: &Home,
    desk: &Desk,
) -> Result<u8, Failure> {
    let started = std::time::Instant::now();
    let mut report = Report::begun();
    let job = Job {
        manifest: &ask.manifest,
        model: ask.model.as_deref(),
        device: device(ask.device),
        prompt: &ask.prompt,
        mode,
        until,
    };
    let ended = session::run(&job, home, desk, &mut report);
    report.timing_ms.total = session::millis(started);
    report.failed_or_done(&ended);
    desk.document(&json!(report));
    if let Some(answer) = report.answer.as_ref().filter(|_| ended.is_ok()) {
        desk.answer(answer);
    }
    if until == Until::Judged {
        for decision in &report.decisions {
            desk.answer(format!(
                "{} {}: {} ({})",
                decision.step, decision.decision, decision.reason, decision.rule
            ));
        }
    }
    for line in report.account().lines() {
        desk.screen.say("", line);
    }
    ended.map(|()| 0)
}

/// A card that this build does not know is refused by the engine, with the feature that would bring it.
fn device(device: cli::Device) -> DeviceChoice {
    match device {
        cli::Device::Cpu => DeviceChoice::Cpu,
        cli::Device::Cuda => DeviceChoice::Cuda,
        cli::Device::Metal => DeviceChoice::Metal,
    }
}
