//! Other people's worst workbooks: each is a table or a failure, none is a panic. Skipped where `CLOISTER_CORPORA` names no folder.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use crate::describe::describe;
use tables::book::{Budget, parsed};

fn files() -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("CLOISTER_CORPORA") else {
        return Vec::new();
    };
    let entries = std::fs::read_dir(PathBuf::from(folder).join("spreadsheets")).unwrap();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some())
        .collect();
    files.sort();
    files
}

#[test]
fn no_workbook_of_the_corpus_panics() {
    let mut panicked = Vec::new();
    let (mut tables, mut failures) = (0, 0);
    for path in files() {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let bytes = std::fs::read(&path).unwrap();
        let described = catch_unwind(AssertUnwindSafe(|| {
            let book = parsed(&name, bytes, &mut Budget::whole())?;
            describe(vec![book])
        }));
        match described {
            Ok(Ok(_)) => tables += 1,
            Ok(Err(failure)) => {
                assert!(
                    failure.detail.starts_with(&format!("`{name}` ")),
                    "{}",
                    failure.detail
                );
                println!("{:?}: {}", failure.fault, failure.detail);
                failures += 1;
            }
            Err(_) => panicked.push(name),
        }
    }
    println!("{tables} with tables, {failures} failures");
    assert!(panicked.is_empty(), "{panicked:?}");
}
