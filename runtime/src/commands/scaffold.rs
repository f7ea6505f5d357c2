//! `cloister tools new NAME`: a folder with a tool that works, to be changed into another. What is copied is `examples/hello-tool`.

use std::fs;
use std::path::Path;

use super::Desk;
use crate::disk;
use crate::failure::{Failure, Kind};

/// What the tool that is copied is called, in WIT and in Rust.
const MODEL: [&str; 2] = ["hello-tool", "hello_tool"];
/// Letters of a name; the catalogue takes no longer one.
const LONGEST: usize = 64;
const FILES: [(&str, &str); 5] = [
    (
        "Cargo.toml",
        include_str!("../../../examples/hello-tool/Cargo.toml"),
    ),
    (
        "src/lib.rs",
        include_str!("../../../examples/hello-tool/src/lib.rs"),
    ),
    (
        "hello-tool.wit",
        include_str!("../../../examples/hello-tool/hello-tool.wit"),
    ),
    (
        "handles/handles.wit",
        include_str!("../../../examples/hello-tool/handles/handles.wit"),
    ),
    (
        "tool.toml",
        include_str!("../../../examples/hello-tool/tool.toml"),
    ),
];

/// Make the folder `name` here. Nothing that is there already is touched.
pub(crate) fn new(name: &str, desk: &Desk) -> Result<(), Failure> {
    if !is_name(name) {
        return Err(Failure::new(
            Kind::Failed,
            format!("`{}` is no name for a tool", name.escape_debug()),
        )
        .hint(
            "lower-case letters and digits, parts joined by `-`, each beginning with a letter"
                .to_owned(),
        ));
    }
    let folder = Path::new(name);
    if folder.exists() {
        return Err(
            Failure::new(Kind::Failed, format!("`{name}` is there already"))
                .hint("choose another name, or go to another folder".to_owned()),
        );
    }
    for (file, text) in FILES {
        let path = folder.join(renamed(file, name));
        if let Some(above) = path.parent() {
            fs::create_dir_all(above).map_err(|e| disk::failed("make", above, &e))?;
        }
        fs::write(&path, renamed(text, name)).map_err(|e| disk::failed("write", &path, &e))?;
    }
    desk.document(&serde_json::json!({"made": name}));
    desk.screen.say("made", name);
    desk.screen.say(
        "next",
        format!("cd {name}; cargo test; cargo build --release --target wasm32-wasip2"),
    );
    Ok(())
}

/// A name that WIT takes, since the tool's interface is called so.
fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    name.len() <= LONGEST && name.split('-').all(part)
}

fn renamed(text: &str, name: &str) -> String {
    let [in_wit, in_rust] = MODEL;
    text.replace(in_wit, name)
        .replace(in_rust, &name.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_wit_takes() {
        for name in ["a", "word-count", "v2"] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "",
            "A",
            "-a",
            "a-",
            "a--b",
            "2a",
            "a-2",
            "a_b",
            "../a",
            "a/b",
            &"a".repeat(65),
        ] {
            assert!(!is_name(name), "{name}");
        }
    }

    /// A tool that was made from an older contract would not fit this host.
    #[test]
    fn the_handles_are_the_hosts() {
        let handles = include_str!("../../../tools/wit/handles.wit");
        let copied = FILES
            .iter()
            .find(|(file, _)| *file == "handles/handles.wit");
        assert_eq!(copied.map(|(_, text)| *text), Some(handles));
    }

    #[test]
    fn what_is_made_has_a_signature_under_its_new_name() {
        let wit = FILES
            .iter()
            .find(|(file, _)| *file == "hello-tool.wit")
            .unwrap()
            .1;
        let signatures =
            cloister_tools::Signature::parse("word-count", &renamed(wit, "word-count")).unwrap();
        assert_eq!(signatures[0].name(), "word-count.longest");
    }
}
