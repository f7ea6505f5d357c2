//! A tool for Cloister: the longest line of each text. It reaches nothing but the handles it is given.

mod bindings {
    #![allow(clippy::all, missing_docs, reason = "generated from the WIT")]
    wit_bindgen::generate!({
        path: ["handles", "hello-tool.wit"],
        world: "example:hello-tool/tool",
        generate_all,
    });
    #[cfg(target_family = "wasm")]
    export!(Tool with_types_in self);
    #[cfg(target_family = "wasm")]
    use super::Tool;
}

use bindings::cloister::tool::handles::Input;
use bindings::exports::example::hello_tool::hello_tool::{Failure, Fault, Guest, LongestLine};

/// Bytes asked for in one read; the host hands out at most this much a call.
const PIECE: u32 = 1 << 20;

/// The component.
#[derive(Debug)]
pub struct Tool;

impl Guest for Tool {
    fn longest(files: Vec<Input>) -> Result<Vec<LongestLine>, Failure> {
        files.iter().map(of_file).collect()
    }
}

fn of_file(file: &Input) -> Result<LongestLine, Failure> {
    let text = read(file).ok_or_else(|| not_text(file.name()))?;
    let (line, characters) = longest(&text);
    Ok(LongestLine {
        file: file.name(),
        line,
        characters,
    })
}

/// The number of the longest line, counted from 1, and its length; the first of several. Plain Rust, so that it can be tested as such.
fn longest(text: &str) -> (u32, u32) {
    let mut best = (1, 0);
    for (line, content) in (1..).zip(text.lines()) {
        let characters = u32::try_from(content.chars().count()).unwrap_or(u32::MAX);
        if characters > best.1 {
            best = (line, characters);
        }
    }
    best
}

/// The whole file, piece by piece; `None` where it cannot be read or is not UTF-8.
fn read(file: &Input) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let offset = u64::try_from(bytes.len()).ok()?;
        let piece = file.read(offset, PIECE).ok()?;
        if piece.is_empty() {
            return String::from_utf8(bytes).ok();
        }
        bytes.extend(piece);
    }
}

fn not_text(file: String) -> Failure {
    Failure {
        fault: Fault::NotText,
        detail: format!("`{file}` is not a text"),
        file,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_longest_lines() {
        assert_eq!(longest("a\nlonger\nbigger\n"), (2, 6));
        assert_eq!(longest(""), (1, 0));
    }
}
