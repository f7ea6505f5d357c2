//! The shipped guests, real Rust components, in the cage: they compile, fit their WIT, and run. Skipped where they are not built.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests, where a failure is the test's"
)]

use std::path::Path;
use std::time::Instant;

use cloister_cage::{
    Arg, Component, Ended, Input, Limits, Moment, Program, Run, Source, Value, run,
};
use cloister_tools::{Catalog, lock_text, pin};

struct Bytes(Vec<u8>);
impl Source for Bytes {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

fn guest(tool: &str) -> Option<Vec<u8>> {
    // Where `make build` puts them: one target folder below the host's.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let path = target.join(format!("guests/wasm32-wasip2/release/{tool}.wasm"));
    let bytes = std::fs::read(&path).ok();
    if bytes.is_none() {
        eprintln!("skipped: {tool} is not built");
    }
    bytes
}

fn call(tool: &str, function: &str, name: &str, content: String) -> Option<Run> {
    call_with(tool, function, name, content, Vec::new())
}

fn call_with(
    tool: &str,
    function: &str,
    name: &str,
    content: String,
    more: Vec<Arg>,
) -> Option<Run> {
    let begun = Instant::now();
    let component = Component::compile(&guest(tool)?, &Limits::STANDARD).unwrap();
    let compiled = begun.elapsed();
    let input = Input {
        name: name.into(),
        source: Box::new(Bytes(content.into_bytes())),
    };
    let mut args = vec![Arg::List(vec![Arg::Input(input)])];
    args.extend(more);
    let interface = component.functions()[0].interface.clone();
    let done = run(
        &Program::load().unwrap(),
        &component,
        &interface,
        function,
        args,
        &Limits::STANDARD,
        Moment {
            unix_millis: 0,
            seed: 1,
        },
    );
    println!(
        "{tool}: compiled in {compiled:?}; {function}: {:?}",
        done.used
    );
    Some(done)
}

fn ok(run: &Run) -> &Value {
    match &run.ended {
        Ended::Returned(Some(Value::Result(Ok(Some(value))))) => value,
        other => panic!("{other:?} {}", String::from_utf8_lossy(&run.diagnostics)),
    }
}

#[test]
fn every_shipped_package_fits_its_wit_and_can_be_pinned() {
    let temp = tempfile::tempdir().unwrap();
    let mut pins = Vec::new();
    for tool in ["sheet", "text", "files"] {
        let Some(wasm) = guest(tool) else { return };
        let from = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("guests")
            .join(tool);
        let to = temp.path().join(tool);
        std::fs::create_dir(&to).unwrap();
        std::fs::write(to.join("tool.wasm"), wasm).unwrap();
        std::fs::copy(
            from.join(format!("wit/{tool}.wit")),
            to.join(format!("{tool}.wit")),
        )
        .unwrap();
        std::fs::copy(from.join("tool.toml"), to.join("tool.toml")).unwrap();
        pins.push(pin(&to).unwrap_or_else(|e| panic!("{e}")));
    }
    let catalog = Catalog::open(temp.path(), &lock_text(&pins)).unwrap();
    assert_eq!(catalog.packages().count(), 3);
    assert!(catalog.packages().all(|p| !p.examples().is_empty()));
}

#[test]
fn a_listing_reads_nothing() {
    let Some(run) = call("files", "list", "a.pdf", "1234567890".into()) else {
        return;
    };
    assert!(matches!(ok(&run), Value::List(entries) if entries.len() == 1));
    assert_eq!(run.used.read_bytes, 0);
}

#[test]
fn a_count_of_words() {
    let Some(run) = call(
        "text",
        "count",
        "a.txt",
        "one two three\nfour\n".repeat(50_000),
    ) else {
        return;
    };
    let Value::List(counts) = ok(&run) else {
        panic!()
    };
    let Value::Record(fields) = &counts[0] else {
        panic!()
    };
    assert!(
        fields.contains(&("words".into(), Value::Unsigned(200_000))),
        "{fields:?}"
    );
}

#[test]
fn a_table_of_a_hundred_thousand_rows_is_described_twice_alike() {
    let mut csv = String::from("Region,Month,Amount\n");
    for row in 0..100_000 {
        csv.push_str(&format!("R{},2025-{:02}-01,{row}\n", row % 7, row % 12 + 1));
    }
    let Some(first) = call("sheet", "describe", "a.csv", csv.clone()) else {
        return;
    };
    let second = call("sheet", "describe", "a.csv", csv).unwrap();
    assert_eq!(ok(&first), ok(&second));
    assert_eq!(first.used.fuel, second.used.fuel);
}

/// The pattern for dates needs tables that only the tests' own dependencies brought along: in the component it silently matched nothing.
#[test]
fn dates_are_found_in_the_component_and_not_only_natively() {
    let what = vec![Arg::Value(Value::Enum("date".into()))];
    let letter = "Dear all,\nDue date: 25 March 2025\n".to_owned();
    let Some(run) = call_with("text", "extract", "a.txt", letter, what) else {
        return;
    };
    let Value::List(found) = ok(&run) else {
        panic!()
    };
    assert!(format!("{found:?}").contains("2025-03-25"), "{found:?}");
}
