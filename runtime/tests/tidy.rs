//! House rules that no lint knows, over every Rust file of the workspace and of the guests. Each rule is shown a file that breaks it.

#[path = "tidy/scan.rs"]
mod scan;

use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs, io};

/// Lines of a file: what a reader holds in mind at once.
const FILE_LINES: usize = 600;
/// Lines of a function, from `fn` to its closing brace: one screen.
const FUNCTION_LINES: usize = 70;

/// One file of the checkout: its path from the root, its text, and its code without comments and texts.
struct Source {
    path: String,
    text: String,
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        let code = if path.ends_with(".rs") {
            scan::code(text)
        } else {
            toml_without_comments(text)
        };
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
        }
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether it lies in a `tests/` folder and is never part of a program.
    fn is_outer_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests")
    }

    fn names(&self, word: &str) -> bool {
        scan::words(&self.code).any(|w| w == word)
    }

    /// The path of a module that this file declares.
    fn child(&self, name: &str) -> String {
        let stem = self.path.trim_end_matches(".rs");
        let root = ["/lib", "/main"]
            .iter()
            .find_map(|root| stem.strip_suffix(root));
        format!("{}/{name}.rs", root.unwrap_or(stem))
    }
}

fn toml_without_comments(text: &str) -> String {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// All Rust files and `Cargo.toml`s of the checkout, in order of their paths.
fn checkout() -> io::Result<Vec<Source>> {
    let runtime = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let root = Path::new(&runtime)
        .parent()
        .ok_or_else(|| io::Error::other("no folder above runtime"))?;
    let mut found = Vec::new();
    walk(root, "", &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(
        found
            .iter()
            .any(|f| f.path == "tools/guests/sheet/src/lib.rs"),
        "the walk missed the guests"
    );
    Ok(found)
}

fn walk(folder: &Path, below: &str, found: &mut Vec<Source>) -> io::Result<()> {
    for item in fs::read_dir(folder)? {
        let item = item?;
        let name = item.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() {
            name.clone()
        } else {
            format!("{below}/{name}")
        };
        if item.file_type()?.is_dir() {
            if name != "target" && !name.starts_with('.') {
                walk(&item.path(), &path, found)?;
            }
        } else if name.ends_with(".rs") || name == "Cargo.toml" {
            found.push(Source::new(&path, &fs::read_to_string(item.path())?));
        }
    }
    Ok(())
}

/// A rule notices each file made to break it, and finds nothing in the checkout.
fn holds(rule: fn(&[Source]) -> Vec<String>, broken: &[(&str, &str)]) -> io::Result<()> {
    for (path, text) in broken {
        assert_eq!(
            rule(&[Source::new(path, text)]).len(),
            1,
            "the rule did not notice `{text}` in {path}"
        );
    }
    assert_eq!(rule(&checkout()?), Vec::<String>::new());
    Ok(())
}

fn paths<'a>(sources: impl Iterator<Item = &'a Source>) -> Vec<String> {
    sources.map(|s| s.path.clone()).collect()
}

fn without_an_opening_line(sources: &[Source]) -> Vec<String> {
    paths(
        sources
            .iter()
            .filter(|s| s.is_rust() && !s.is_outer_test() && !s.text.starts_with("//! ")),
    )
}

#[test]
fn every_file_says_first_what_it_is_for() -> io::Result<()> {
    holds(
        without_an_opening_line,
        &[
            ("a/src/b.rs", "use std::fmt;\n"),
            ("a/src/b.rs", ""),
            ("a/src/b.rs", "\n//! Late.\n"),
        ],
    )
}

fn long_files(sources: &[Source]) -> Vec<String> {
    let long = sources
        .iter()
        .filter(|s| s.is_rust() && s.text.lines().count() > FILE_LINES);
    long.map(|s| format!("{}: {} lines", s.path, s.text.lines().count()))
        .collect()
}

#[test]
fn files_are_short() -> io::Result<()> {
    assert_eq!(
        long_files(&[Source::new("a.rs", &"\n".repeat(FILE_LINES))]).len(),
        0
    );
    holds(long_files, &[("a.rs", &"\n".repeat(FILE_LINES + 1))])
}

fn long_functions(sources: &[Source]) -> Vec<String> {
    let of = |s: &Source| {
        scan::functions(&s.code)
            .into_iter()
            .map(|(name, lines)| (s.path.clone(), name, lines))
            .collect::<Vec<_>>()
    };
    let all = sources.iter().filter(|s| s.is_rust()).flat_map(of);
    all.filter(|(_, _, lines)| *lines > FUNCTION_LINES)
        .map(|(path, name, lines)| format!("{path}: `{name}` has {lines} lines"))
        .collect()
}

#[test]
fn functions_are_short() -> io::Result<()> {
    let of = |lines: usize| format!("fn a() {{{}}}", "\n".repeat(lines.saturating_sub(1)));
    assert_eq!(
        long_functions(&[Source::new("a.rs", &of(FUNCTION_LINES))]).len(),
        0
    );
    holds(long_functions, &[("a.rs", &of(FUNCTION_LINES + 1))])
}

/// The yes may be spelled in full only, so that no alias hides it.
fn says_yes(source: &Source) -> bool {
    let dense = scan::dense(&scan::shipped(&source.code));
    let after = |at: usize| {
        dense.get(at..).is_some_and(|rest| {
            ["Answer::Allow", "Answer::{", "Answer::*", "Answer as "]
                .iter()
                .any(|spelling| rest.starts_with(spelling))
        })
    };
    let mut whole = dense.match_indices("Answer").filter(|(at, _)| {
        dense
            .get(..*at)
            .is_some_and(|before| !before.ends_with(scan::is_word))
    });
    whole.any(|(at, _)| after(at))
}

fn yes_outside_consent(sources: &[Source]) -> Vec<String> {
    let runtime = sources
        .iter()
        .filter(|s| s.path.starts_with("runtime/src/") && s.path != "runtime/src/consent.rs");
    paths(runtime.filter(|s| says_yes(s)))
}

#[test]
fn only_consent_says_yes() -> io::Result<()> {
    let consent = |s: &&Source| s.path == "runtime/src/consent.rs";
    assert!(
        checkout()?.iter().find(consent).is_some_and(says_yes),
        "the yes is spelled otherwise than this test believes"
    );
    assert_eq!(
        yes_outside_consent(&[Source::new(
            "runtime/src/a.rs",
            "ConsentAnswer::Allow; Answer::Decline"
        )])
        .len(),
        0
    );
    holds(
        yes_outside_consent,
        &[
            ("runtime/src/a.rs", "f(Answer :: Allow)"),
            ("runtime/src/a.rs", "use Answer::*;"),
            ("runtime/src/a.rs", "use p::Answer as A;"),
        ],
    )
}

/// Files that name a crate outside the room that may use it, and outside the list of versions.
fn outside(sources: &[Source], word: &str, rooms: &[&str]) -> Vec<String> {
    let strangers = sources
        .iter()
        .filter(|s| s.path != "Cargo.toml" && !rooms.iter().any(|room| s.path.starts_with(room)));
    paths(strangers.filter(|s| s.names(word)))
}

fn wasmtime_elsewhere(sources: &[Source]) -> Vec<String> {
    outside(sources, "wasmtime", &["tools/cage/"])
}

fn regorus_elsewhere(sources: &[Source]) -> Vec<String> {
    outside(
        sources,
        "regorus",
        &["policies/src/rego.rs", "policies/Cargo.toml"],
    )
}

#[test]
fn only_the_cage_runs_components() -> io::Result<()> {
    holds(
        wasmtime_elsewhere,
        &[
            ("tools/src/a.rs", "use wasmtime::Engine;"),
            ("tools/Cargo.toml", "wasmtime.workspace = true"),
        ],
    )
}

#[test]
fn only_one_file_evaluates_rego() -> io::Result<()> {
    holds(
        regorus_elsewhere,
        &[
            ("policies/src/judge.rs", "let e = regorus::Engine::new();"),
            ("runtime/Cargo.toml", "regorus = \"0.14\""),
        ],
    )
}

/// The kernels, the line that loads compiled components, and the test program that tries system calls by their numbers.
const UNSAFE: [&str; 3] = [
    "models/kernels/",
    "tools/cage/src/inside/load.rs",
    "tools/cage/src/standin/raw.rs",
];

fn unsafe_code(sources: &[Source]) -> Vec<String> {
    let outside = sources
        .iter()
        .filter(|s| s.is_rust() && !UNSAFE.iter().any(|room| s.path.starts_with(room)));
    paths(outside.filter(|s| s.names("unsafe")))
}

fn uses_of_unsafe(source: &Source) -> usize {
    scan::words(&source.code).filter(|w| *w == "unsafe").count()
}

#[test]
fn unsafe_code_stands_where_it_may() -> io::Result<()> {
    let allowed = Source::new("models/kernels/src/a.rs", "let x = unsafe { y };");
    assert_eq!(unsafe_code(&[allowed]).len(), 0);
    let loading = |s: &&Source| s.path == UNSAFE[1];
    assert_eq!(
        checkout()?.iter().find(loading).map(uses_of_unsafe),
        Some(3)
    );
    holds(
        unsafe_code,
        &[
            ("a.rs", "let x = unsafe { y };"),
            ("models/src/kernels/a.rs", "let x = unsafe { y };"),
        ],
    )
}

/// The marks are spelled in two halves here, since this file is read too.
fn unfinished(sources: &[Source]) -> Vec<String> {
    let marked = |s: &Source| {
        [concat!("TO", "DO"), concat!("FIX", "ME")]
            .iter()
            .any(|mark| s.text.contains(mark))
    };
    let empty = |s: &Source| {
        ["unimplemented!", "todo!"]
            .iter()
            .any(|call| s.code.contains(call))
    };
    paths(
        sources
            .iter()
            .filter(|s| s.is_rust() && (marked(s) || empty(s))),
    )
}

#[test]
fn nothing_is_left_for_later() -> io::Result<()> {
    holds(
        unfinished,
        &[
            ("a.rs", concat!("// TO", "DO: later")),
            ("a.rs", concat!("// FIX", "ME")),
            ("a.rs", "fn a() { todo!() }"),
            ("a.rs", "unimplemented!()"),
        ],
    )
}

fn ignored(sources: &[Source]) -> Vec<String> {
    paths(
        sources
            .iter()
            .filter(|s| s.is_rust() && scan::dense(&s.code).contains("#[ignore")),
    )
}

#[test]
fn no_test_is_switched_off() -> io::Result<()> {
    holds(
        ignored,
        &[
            ("a.rs", "#[test]\n#[ignore = \"slow\"]\nfn a() {}"),
            ("a.rs", "#[ ignore ]\nfn a() {}"),
        ],
    )
}

fn worldly(sources: &[Source]) -> Vec<String> {
    let pure = [
        "policies/src/",
        "attest/src/",
        "attest/enrol/src/",
        "models/src/",
    ];
    let of_tests: BTreeSet<String> = sources
        .iter()
        .flat_map(|s| scan::test_modules(&s.code).into_iter().map(|m| s.child(&m)))
        .collect();
    let shipped = sources.iter().filter(|s| {
        pure.iter().any(|room| s.path.starts_with(room)) && !of_tests.contains(&s.path)
    });
    let world = [
        "std::fs",
        "std::net",
        "std::process",
        "std::{fs",
        "SystemTime::now",
    ];
    paths(shipped.filter(|s| {
        world
            .iter()
            .any(|way| scan::dense(&scan::shipped(&s.code)).contains(way))
    }))
}

#[test]
fn pure_rooms_touch_no_file_and_no_clock() -> io::Result<()> {
    let seen_by_tests_only = [
        Source::new("attest/src/a.rs", "#[cfg(test)]\nmod b;"),
        Source::new("attest/src/a/b.rs", "use std::fs;"),
    ];
    assert_eq!(worldly(&seen_by_tests_only).len(), 0);
    holds(
        worldly,
        &[
            ("policies/src/a.rs", "use std::fs;"),
            ("models/src/a.rs", "std::time::SystemTime::now()"),
            ("attest/src/a.rs", "use std::{fs, io};"),
        ],
    )
}

/// Parsers of documents in a lock file.
fn parsers(lock: &str) -> Vec<&str> {
    let names = lock.lines().filter_map(|line| line.strip_prefix("name = "));
    names
        .map(|n| n.trim_matches('"'))
        .filter(|n| {
            [
                "calamine",
                "html5ever",
                "lopdf",
                "mail-parser",
                "quick-xml",
                "rust_xlsxwriter",
            ]
            .contains(n)
        })
        .collect()
}

#[test]
fn the_host_holds_no_parser_of_documents() -> io::Result<()> {
    let runtime = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let lock = |path: &str| fs::read_to_string(Path::new(&runtime).join("..").join(path));
    assert_eq!(parsers(&lock("Cargo.lock")?), Vec::<&str>::new());
    // The guests hold them, so the same look finds what it looks for.
    assert_eq!(
        parsers(&lock("tools/guests/Cargo.lock")?).first(),
        Some(&"calamine")
    );
    Ok(())
}
