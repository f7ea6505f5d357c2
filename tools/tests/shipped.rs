//! The shipped guests, real Rust components, in the cage: they compile, fit their WIT, and run. Skipped where they are not built.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests, where a failure is the test's"
)]

use std::path::Path;
use std::sync::LazyLock;
use std::time::Instant;

use cloister_cage::{
    Arg, Component, Ended, HOST_BYTES, Input, Limits, Moment, Nobody, Output, Program, Run, Sink,
    Source, Terms, Value, run,
};
use cloister_tools::{Catalog, lock_text, pin};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| Program::load().unwrap());

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
    println!("{tool}: compiled in {:?}", begun.elapsed());
    let done = once(&component, function, name, content.into_bytes(), more);
    println!("{tool}: {function}: {:?}", done.used);
    Some(done)
}

fn once(
    component: &Component,
    function: &str,
    name: &str,
    content: Vec<u8>,
    more: Vec<Arg>,
) -> Run {
    let input = Input {
        name: name.into(),
        source: Box::new(Bytes(content)),
    };
    let mut args = vec![Arg::List(vec![Arg::Input(input)])];
    args.extend(more);
    let interface = component.functions()[0].interface.clone();
    let moment = Moment {
        unix_millis: 0,
        seed: 1,
    };
    let terms = Terms {
        limits: &Limits::STANDARD,
        moment,
        stop: &|| false,
        mind: &mut Nobody,
    };
    run(&PROGRAM, component, &interface, function, args, terms)
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
    for tool in ["sheet", "text", "files", "document", "report", "model"] {
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
    assert_eq!(catalog.packages().count(), 6);
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

#[test]
fn a_document_is_read_in_the_component_and_not_only_natively() {
    let letter = "{\\rtf1\\ansi Dear all,\\par Due date: 25 March 2025\\page Bye}".to_owned();
    let what = vec![Arg::Value(Value::Enum("date".into()))];
    let Some(run) = call_with("document", "extract", "a.rtf", letter, what) else {
        return;
    };
    let found = format!("{:?}", ok(&run));
    assert!(
        found.contains("2025-03-25") && found.contains("a.rtf"),
        "{found}"
    );
}

#[test]
fn what_is_no_document_is_a_failure_that_names_the_file() {
    let words = vec![Arg::Value(Value::Text("x".into()))];
    let Some(run) = call_with("document", "find", "a.pdf", "plain".into(), words) else {
        return;
    };
    let Ended::Returned(Some(Value::Result(Err(Some(failure))))) = &run.ended else {
        panic!("{:?}", run.ended)
    };
    assert!(
        format!("{failure:?}").contains("`a.pdf` is no pdf"),
        "{failure:?}"
    );
}

/// Keeps nothing of what is written.
struct Nowhere;
impl Sink for Nowhere {
    fn write(&mut self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
}

/// The arguments of `report.compose` behind its files.
fn into(name: &str) -> Vec<Arg> {
    let none = || Arg::Value(Value::Option(None));
    let output = Output {
        name: name.into(),
        sink: Box::new(Nowhere),
    };
    vec![none(), none(), Arg::Output(output)]
}

#[test]
fn a_report_is_written_in_the_component_and_not_only_natively() {
    for name in ["a.docx", "a.html", "a.md"] {
        let table = "Town,Paid\nUlm,1.5\nBonn,2\n".to_owned();
        let Some(run) = call_with("report", "compose", "a.csv", table, into(name)) else {
            return;
        };
        let told = format!("{:?}", ok(&run));
        assert!(told.contains(name), "{told}");
        assert!(run.used.written_bytes > 50, "{:?}", run.used);
    }
}

/// Every workbook of the corpus becomes a document, or what is wrong is said of its file, or of the document that it would make too large.
#[test]
fn every_workbook_of_the_corpus_becomes_a_document_or_is_named() {
    let Some(folder) = std::env::var_os("CLOISTER_CORPORA") else {
        eprintln!("skipped: CLOISTER_CORPORA names no folder of other people's workbooks");
        return;
    };
    let Some(wasm) = guest("report") else { return };
    let component = Component::compile(&wasm, &Limits::STANDARD).unwrap();
    let (mut written, mut named, mut stopped) = (0, 0, 0);
    for (name, bytes) in workbooks(&Path::new(&folder).join("spreadsheets")) {
        let run = once(&component, "compose", &name, bytes, into("all.docx"));
        match &run.ended {
            Ended::Returned(Some(Value::Result(Ok(_)))) => written += 1,
            Ended::Returned(Some(Value::Result(Err(Some(failure))))) => {
                let told = format!("{failure:?}");
                let of = |file: &str| told.contains(&format!("`{file}` "));
                assert!(of(&name) || of("all.docx"), "{told}");
                named += 1;
            }
            Ended::Returned(other) => panic!("{name}: {other:?}"),
            ended => {
                println!("{name}: {ended:?}");
                stopped += 1;
            }
        }
    }
    println!("{written} documents, {named} named, {stopped} stopped");
    assert!(written > 0 && named > 0);
}

/// Mutated workbooks of the corpus.
const MUTATED: usize = 500;

/// Every workbook of the corpus, then mutated ones: bytes changed, cut out or cut off, at places drawn from a fixed seed.
#[test]
fn no_workbook_harms_the_host_and_what_is_unreadable_is_named() {
    let Some(folder) = std::env::var_os("CLOISTER_CORPORA") else {
        eprintln!("skipped: CLOISTER_CORPORA names no folder of other people's workbooks");
        return;
    };
    let Some(wasm) = guest("sheet") else { return };
    let component = Component::compile(&wasm, &Limits::STANDARD).unwrap();
    let files = workbooks(&Path::new(&folder).join("spreadsheets"));
    assert!(!files.is_empty(), "the corpus is empty");
    let mut told = Told::default();
    for (name, bytes) in &files {
        told.judge(
            name,
            &once(&component, "describe", name, bytes.clone(), Vec::new()),
        );
    }
    let mut dice = Dice(1);
    for turn in 0..MUTATED {
        let (name, bytes) = &files[turn % files.len()];
        let bytes = mutated(bytes.clone(), &mut dice);
        told.judge(name, &once(&component, "describe", name, bytes, Vec::new()));
    }
    println!("{} files, {MUTATED} mutated: {told:?}", files.len());
    assert_eq!(
        told.tables + told.failures + told.stopped,
        files.len() + MUTATED
    );
    assert!(told.tables > 0 && told.failures > 0, "{told:?}");
}

fn workbooks(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let paths = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// How the calls ended.
#[derive(Debug, Default)]
struct Told {
    tables: usize,
    failures: usize,
    /// By a limit or a trap of the component: an outcome to the host like any other.
    stopped: usize,
    most_memory: u64,
    most_process: u64,
}

impl Told {
    fn judge(&mut self, name: &str, run: &Run) {
        self.most_memory = self.most_memory.max(run.used.memory_bytes);
        let most = Limits::STANDARD.memory_bytes;
        assert!(run.used.memory_bytes <= most as u64, "{name}");
        let process = run.used.process_bytes.unwrap_or_default();
        assert!(process <= (most + HOST_BYTES) as u64, "{name}");
        self.most_process = self.most_process.max(process);
        match &run.ended {
            Ended::Returned(Some(Value::Result(Ok(_)))) => self.tables += 1,
            Ended::Returned(Some(Value::Result(Err(Some(failure))))) => {
                assert!(
                    format!("{failure:?}").contains(&format!("`{name}` ")),
                    "{failure:?}"
                );
                self.failures += 1;
            }
            Ended::Returned(other) => panic!("{name}: {other:?}"),
            stopped => {
                println!("{name}: {stopped:?}");
                self.stopped += 1;
            }
        }
    }
}

/// Numbers that look drawn and are the same each time: splitmix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound.max(1) as u64).unwrap()
    }
}

fn mutated(mut bytes: Vec<u8>, dice: &mut Dice) -> Vec<u8> {
    let length = bytes.len();
    match dice.below(4) {
        0 => bytes.truncate(dice.below(length)),
        1 => {
            let from = dice.below(length);
            let to = length.min(from + dice.below(256));
            bytes.drain(from..to);
        }
        _ => {
            for _ in 0..=dice.below(16) {
                let at = dice.below(length);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = u8::try_from(dice.below(256)).unwrap();
                }
            }
        }
    }
    bytes
}
