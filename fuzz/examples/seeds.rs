//! Writes `seeds/`, one well-formed input or a few for each target: `cargo run --release --example seeds` from this folder.
//! The keys are those of attest's tests, so what is signed here is sound for its test data and for nothing else.

#[path = "../../models/tests/malformed/draft.rs"]
#[allow(dead_code, reason = "the tests lie with the rest")]
mod draft;
#[path = "../../attest/tests/all/kit.rs"]
#[allow(dead_code, reason = "attest's tests use the rest")]
mod kit;
#[path = "../../models/tests/malformed/sound.rs"]
#[allow(dead_code, reason = "the tests lie with the rest")]
mod sound;

use std::path::Path;
use std::{fs, io};

use cloister_attest::{Digest, Evidence, LedgerHead, Purpose, SessionEvidence, Statement, seal};

const CALL: &str = r#"{"id":"$1","tool":"sheet.rows","args":[{"name":"files","value":["a.xlsx"],"label":{"integrity":"person","sources":[]}}],"resources":[{"op":"read","path":"a.xlsx","parameter":"files"}]}"#;
const MOVE: &str = r#"{"tool":"files.move","args":[{"name":"file","value":"inbox/a.txt","label":{"integrity":"tool","sources":["files.list"]}},{"name":"to","alias":"file-name","value":"inbox/b.txt","label":{"integrity":"data","sources":["a.xlsx"]}}],"resources":[{"op":"move","path":"inbox/a.txt","parameter":"file"},{"op":"move","path":"inbox/b.txt","parameter":"to"}]}"#;
/// A bundle with a file of rules for each version of Rego: `bundle.toml`, `settings.json`, then rules with their cases.
const BUNDLE: [&str; 6] = [
    "name = \"t\"\nversion = 1\nrego_v0 = [\"agent.rego\"]\n",
    r#"{"undo": {"days": 7}}"#,
    "package cloister.call\nverdict contains {\"decision\": \"permit\", \"rule\": \"r\", \"reason\": \"a reason\"} if {\n\tcount(input.call.resources) > 0\n}\n",
    "[base]\nrequest = { type = \"call\" }\n[[case]]\nname = \"one\"\ninput = { call = { resources = [1] } }\nexpect = { decision = \"permit\", rule = \"r\" }\n",
    "package agent.policy\ndefault allow = false\nallow {\n  input.request.type == \"network\"\n  some cap\n  input.manifest.capabilities[cap].name == \"network:outbound\"\n}\n",
    "[[case]]\nname = \"none\"\ninput = { request = { type = \"network\", host = \"h\" }, manifest = { capabilities = [] } }\nexpect = { decision = \"forbid\", rule = \"agent.policy.allow\" }\n",
];
const ARGS: &str = r#"{"files":["a.xlsx","b/c.csv"],"worksheet":null,"conditions":[{"column":"Date","comparison":"within","literal":"2025-Q4"}],"group-by":[{"column":"Region","grain":"value"}],"measures":[{"operation":"count","column":null}],"limit":5,"chart":"bar","save":"reports/q4.xlsx"}"#;

fn main() -> io::Result<()> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let data = above.join("attest/testdata");
    let ledger = data.join("ok_three_sessions/ledger");
    let entries = fs::read(ledger.join("entries.jsonl"))?;
    let checkpoint = fs::read(ledger.join("checkpoint"))?;
    let torn = "torn-548d7f3984ed23b017c8bca47126831592662e58f03f3dc856d89adfa0932530.bin";
    let torn = fs::read(ledger.join(torn))?;
    write(
        "ledger",
        "written",
        &[&entries[..], &checkpoint, &torn].join(&0),
    )?;
    for (n, line) in entries.split(|b| *b == b'\n').take(9).enumerate() {
        write("entry", &format!("line-{n}"), line)?;
    }
    write(
        "tiles",
        "grown",
        &tiles(&data.join("ok_tiles_grown/ledger"))?,
    )?;
    let (evidence, quote, public) = evidence();
    write("evidence", "written", &evidence)?;
    write("quote", "attest", &quote)?;
    write("quote", "public", &public)?;
    write("roots", "written", &fs::read(data.join("roots.json"))?)?;
    let sealed = seal(&lock(), Purpose::ModelsLock, &kit::admin());
    write("sealed", "written", sealed.as_bytes())?;
    write("lock", "pinned", lock().as_bytes())?;
    write("gguf", "two-tensors", &gguf())?;
    for arch in sound::ARCHITECTURES {
        write("gguf", arch, &sound::draft(arch).bytes())?;
    }
    write("gguf", "sentencepiece", &sound::sentencepiece().bytes())?;
    write(
        "manifest",
        "invoices",
        &fs::read(above.join("examples/invoices/manifest.json"))?,
    )?;
    write("bundle", "both-regos", BUNDLE.join("\0").as_bytes())?;
    for target in ["call", "judge"] {
        write(target, "rows", CALL.as_bytes())?;
        write(target, "move", MOVE.as_bytes())?;
    }
    write("args", "summarize", ARGS.as_bytes())?;
    for tool in ["files", "sheet", "text"] {
        let wit = above.join(format!("tools/guests/{tool}/wit/{tool}.wit"));
        write("wit", tool, &fs::read(wit)?)?;
    }
    Ok(())
}

fn write(target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}

/// A folder of tiles without what only a longer ledger has, as the target takes it.
fn tiles(folder: &Path) -> io::Result<Vec<u8>> {
    let mut parts = vec![fs::read(folder.join("checkpoint"))?];
    for path in ["tile/0/000.p/20", "tile/entries/000.p/20"] {
        parts.push(path.as_bytes().to_vec());
        parts.push(fs::read(folder.join(path))?);
    }
    Ok(parts.join(&[0xFF; 4][..]))
}

fn evidence() -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let (tpm, key) = (kit::FakeTpm::new(5), kit::session_key(1));
    let head = LedgerHead {
        head: Digest::ZERO,
        size: 0,
    };
    let statement = Statement::new(key.public(), head, kit::binding(None));
    let forge = tpm.forge(&statement.qualifying().unwrap(), &[0, 2, 4, 7]);
    let quote = tpm.sign_raw(&forge, forge.attest());
    let file = SessionEvidence::write(statement, Evidence::Tpm2Hardware { quote }, &key).unwrap();
    (file, forge.attest(), tpm.public())
}

fn lock() -> String {
    let digest = Digest::of("weights").hex();
    format!("[[model]]\nname = \"small\"\nsha256 = \"{digest}\"\nbytes = 7\n")
}

/// GGUF version 3: four values of different kinds and two small tensors.
fn gguf() -> Vec<u8> {
    let text = |out: &mut Vec<u8>, text: &str| {
        out.extend((text.len() as u64).to_le_bytes());
        out.extend(text.as_bytes());
    };
    let mut out = b"GGUF\x03\0\0\0".to_vec();
    out.extend(2_u64.to_le_bytes());
    out.extend(3_u64.to_le_bytes());
    text(&mut out, "general.architecture");
    out.extend(8_u32.to_le_bytes());
    text(&mut out, "llama");
    text(&mut out, "llama.block_count");
    out.extend(4_u32.to_le_bytes());
    out.extend(1_u32.to_le_bytes());
    text(&mut out, "tokenizer.ggml.tokens");
    out.extend(9_u32.to_le_bytes());
    out.extend(8_u32.to_le_bytes());
    out.extend(2_u64.to_le_bytes());
    text(&mut out, "a");
    text(&mut out, "b");
    for (name, kind, offset) in [("a.weight", 0_u32, 0_u64), ("b.weight", 1, 128)] {
        text(&mut out, name);
        out.extend(2_u32.to_le_bytes());
        out.extend([8_u64, 4].map(u64::to_le_bytes).concat());
        out.extend(kind.to_le_bytes());
        out.extend(offset.to_le_bytes());
    }
    out.resize(out.len().next_multiple_of(32) + 192, 0);
    out
}
