//! Files as a whole: list, compare, move, rename, put into an archive. Reaches nothing but the handles it is given.

mod archive;
mod duplicates;

mod bindings {
    #![allow(
        unsafe_code,
        missing_docs,
        unreachable_pub,
        clippy::all,
        clippy::restriction,
        reason = "generated from the WIT"
    )]
    wit_bindgen::generate!({ path: ["../../wit", "wit"], world: "cloister:files/tool", generate_all });
    #[cfg(target_family = "wasm")]
    export!(Tool with_types_in self);
    #[cfg(target_family = "wasm")]
    use super::Tool;
}

use bindings::cloister::tool::handles::{Fault as HandleFault, Input, Movable, Output, Place};
use bindings::exports::cloister::files::files::{Archive, Duplicate, Entry, Failure, Fault, Guest};

values::source!(Input);
values::target!(Output);

/// The component.
#[derive(Debug)]
pub struct Tool;

impl Guest for Tool {
    fn list(files: Vec<Input>) -> Result<Vec<Entry>, Failure> {
        Ok(files
            .iter()
            .map(|input| Entry {
                file: input.name(),
                size: input.size(),
            })
            .collect())
    }

    fn duplicates(files: Vec<Input>) -> Result<Vec<Duplicate>, Failure> {
        duplicates::duplicates(&named(files))
    }

    fn zip(files: Vec<Input>, save: Output) -> Result<Archive, Failure> {
        archive::pack(&named(files), &save)
    }

    fn move_(file: Movable, to: Place) -> Result<(), Failure> {
        ask(file, to)
    }

    fn rename(file: Movable, to: Place) -> Result<(), Failure> {
        ask(file, to)
    }
}

fn named(files: Vec<Input>) -> Vec<(String, Input)> {
    files.into_iter().map(|file| (file.name(), file)).collect()
}

/// Moving and renaming are one request; that they are two functions lets a policy and a person tell them apart.
fn ask(file: Movable, to: Place) -> Result<(), Failure> {
    let (from, target) = (file.name(), to.name());
    file.move_to(to)
        .map_err(|fault| refused(from, &target, fault))
}

fn refused(from: String, target: &str, fault: HandleFault) -> Failure {
    let why = match fault {
        HandleFault::Limit => "a limit of the cage was reached",
        HandleFault::Io => "the system failed",
    };
    Failure {
        fault: Fault::NotMoved,
        detail: format!("`{from}` could not be moved to `{target}`: {why}"),
        file: from,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_move_names_both_ends() {
        let failure = refused("a.txt".into(), "b/a.txt", HandleFault::Limit);
        assert_eq!(failure.file, "a.txt");
        assert_eq!(
            failure.detail,
            "`a.txt` could not be moved to `b/a.txt`: a limit of the cage was reached"
        );
    }
}
