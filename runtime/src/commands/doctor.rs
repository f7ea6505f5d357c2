//! `cloister doctor`: what protects this machine now, what does not, and the command that would. The probes are the ones that `run` uses.

use cloister_models::{Isa, Unwatched, processors};
use cloister_policies::Confinement;
use serde_json::json;

use super::Desk;
use crate::clock;
use crate::confine;
use crate::disk;
use crate::failure::Failure;
use crate::home::Home;
use crate::trust::Trust;

/// 2024-01-01, unix milliseconds: a clock before it was never set.
const CLOCK_FLOOR: u64 = 1_704_067_200_000;

/// One thing looked at.
struct Check {
    id: &'static str,
    status: &'static str,
    summary: String,
    remedy: Option<String>,
}

fn ok(id: &'static str, summary: impl Into<String>) -> Check {
    Check {
        id,
        status: "ok",
        summary: summary.into(),
        remedy: None,
    }
}

fn bad(
    id: &'static str,
    status: &'static str,
    summary: impl Into<String>,
    remedy: impl Into<String>,
) -> Check {
    Check {
        id,
        status,
        summary: summary.into(),
        remedy: Some(remedy.into()),
    }
}

/// Look at everything; fails (exit 1) where something that a run needs is missing.
pub(crate) fn run(home: &Home, desk: &Desk) -> Result<u8, Failure> {
    let checks = [
        cpu(),
        memory(),
        model(home),
        policy(home),
        tools(home),
        tpm(home, desk),
        sandbox(),
        network(),
        time(),
    ];
    let document = checks
        .iter()
        .map(|c| {
            (
                c.id.to_owned(),
                json!({"status": c.status, "summary": c.summary, "remediation": c.remedy}),
            )
        })
        .collect::<serde_json::Map<_, _>>();
    desk.document(&json!({"schema": 1, "checks": document}));
    for check in &checks {
        desk.answer(format!(
            "{:<9}{:<9}{}",
            check.status, check.id, check.summary
        ));
        if let Some(remedy) = &check.remedy {
            desk.answer(format!("         hint:    {remedy}"));
        }
    }
    Ok(u8::from(checks.iter().any(|c| c.status == "missing")))
}

fn cpu() -> Check {
    let threads = processors();
    let here: Vec<&str> = Isa::all().map(Isa::name).collect();
    let uses = Isa::detect().name();
    let detail = format!(
        "kernels use {uses} (here: {}); {threads} threads",
        here.join(", ")
    );
    if Isa::detect() == Isa::Scalar {
        let advice = "computing works but is slow: run on a processor with AVX2 or AVX-512";
        return bad("cpu", "slow", &detail, advice);
    }
    ok("cpu", detail)
}

fn memory() -> Check {
    match disk::available_memory() {
        Some(bytes) => ok(
            "memory",
            format!(
                "{} MiB available; a model needs little more than its file",
                bytes >> 20
            ),
        ),
        None => bad(
            "memory",
            "unknown",
            "the system does not say how much memory is free",
            "look at your system's own monitor",
        ),
    }
}

fn model(home: &Home) -> Check {
    let pin = home.roots().and_then(|roots| home.pin(None, roots.admin()));
    match pin {
        Err(failure) => bad(
            "model",
            "missing",
            failure.message(),
            failure
                .advice()
                .unwrap_or("cloister models import FILE --name NAME"),
        ),
        Ok(pin) => match home.verify(&pin, &mut Unwatched) {
            Ok(_) => ok(
                "model",
                format!(
                    "{} is the pinned file, sha256 {}",
                    pin.name().as_str(),
                    pin.sha256()
                ),
            ),
            Err(failure) => bad(
                "model",
                "missing",
                failure.message(),
                failure.advice().unwrap_or("cloister models verify"),
            ),
        },
    }
}

fn policy(home: &Home) -> Check {
    match home.roots().and_then(|roots| home.bundle(roots.admin())) {
        Ok((bundle, digest)) => ok(
            "policy",
            format!(
                "`{}` signed, cases passed: {}, {digest}",
                bundle.name(),
                bundle.test().len()
            ),
        ),
        Err(failure) => bad(
            "policy",
            "missing",
            failure.message(),
            failure
                .advice()
                .unwrap_or("cloister policy check HOME/policies"),
        ),
    }
}

fn tools(home: &Home) -> Check {
    match home.roots().and_then(|roots| home.catalog(roots.admin())) {
        Ok((catalog, digest)) => ok(
            "tools",
            format!(
                "{} pinned, {digest}",
                catalog
                    .packages()
                    .map(|p| p.name().to_owned())
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        ),
        Err(failure) => bad(
            "tools",
            "missing",
            failure.message(),
            failure.advice().unwrap_or("cloister tools verify"),
        ),
    }
}

fn tpm(home: &Home, desk: &Desk) -> Check {
    let Ok(roots) = home.roots() else {
        return bad(
            "tpm",
            "unknown",
            "there is no home to be enrolled in",
            "cloister init",
        );
    };
    match Trust::find(desk.tcti.as_deref(), &roots) {
        Trust::None(reason) => bad(
            "tpm",
            "absent",
            reason,
            "sessions say `none`; with a TPM: cloister attest enroll",
        ),
        found @ Trust::Tpm { .. } => ok("tpm", format!("{}, enrolled", found.attestation())),
    }
}

fn sandbox() -> Check {
    let found = confine::cage().and_then(|cage| Ok((cage, confine::mind()?)));
    let (cage, mind) = match found {
        Ok(found) => found,
        Err(failure) => {
            let advice = failure.advice().unwrap_or("see ARCHITECTURE.md, Processes");
            return bad("sandbox", "missing", failure.message(), advice);
        }
    };
    let held = "wasmtime in a process of its own for each call: memory, fuel, time and output limited; the model in one that holds nothing";
    let confinement = confine::found(&cage, Some(mind));
    let summary = format!("{held}; {}", confine::told(&confinement));
    if let Confinement::Full = confinement {
        return ok("sandbox", summary);
    }
    let lacking = cage.layers().missing().chain(mind.missing());
    let remedies: std::collections::BTreeSet<_> = lacking.map(confine::remedy).collect();
    let remedy = remedies.into_iter().collect::<Vec<_>>().join("; ");
    bad("sandbox", "partial", summary, remedy)
}

fn network() -> Check {
    ok(
        "network",
        "built without network code (a property of the build, not probed): `cargo tree -p cloister` and strace show it",
    )
}

fn time() -> Check {
    let now = clock::millis();
    let shown = i64::try_from(now)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .map(|t| t.to_string())
        .unwrap_or_default();
    if now < CLOCK_FLOOR {
        bad(
            "clock",
            "missing",
            format!("the clock says {shown}"),
            "set the clock: grants end by it",
        )
    } else {
        ok("clock", shown)
    }
}
