//! What tests share: grants from the shipped policy, a folder to grant, a small tool as WAT.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cloister_policies::{
    AttestationKind, Bundle, Ceiling, Confinement, Grants, Manifest, Mode, Session, UnixMillis,
};

/// A temporary folder whose path has no link in it.
pub(crate) fn folder() -> (tempfile::TempDir, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().canonicalize().unwrap();
    (temp, path)
}

pub(crate) fn put(path: &Path, content: impl AsRef<[u8]>) -> PathBuf {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
    path.to_path_buf()
}

/// Far away, so that permits made by these grants are good now.
pub(crate) const NOW: UnixMillis = UnixMillis(32_000_000_000_000);

/// Nobody takes anything back, and it is this late.
pub(crate) struct At(pub(crate) UnixMillis);

impl crate::cage::Watch for At {
    fn now(&self) -> UnixMillis {
        self.0
    }

    fn revoked(&self) -> bool {
        false
    }
}

pub(crate) fn session(reserved: &[PathBuf]) -> Session {
    let (attestation, confinement) = (AttestationKind::None, Confinement::None);
    Session {
        attestation,
        confinement,
        mode: Mode::Attended,
        person: None,
        reserved: reserved.to_vec(),
        device: Ceiling::NONE,
    }
}

/// The grants of a manifest in `folder` with these capabilities, e.g. `[("file:read", "**/*")]`.
pub(crate) fn grants(folder: &Path, capabilities: &[(&str, &str)]) -> Grants {
    let list: Vec<_> = capabilities.iter().map(|(name, path)| serde_json::json!({"name": name, "paths": [path], "description": "test"})).collect();
    let text = serde_json::json!({"agent": "test", "version": "1", "capabilities": list, "ttl_seconds": 3600}).to_string();
    let manifest = Manifest::parse(text.as_bytes(), folder).unwrap();
    let negotiated = bundle().negotiate(&manifest, &session(&[]), NOW);
    assert!(negotiated.refused.is_empty(), "{:?}", negotiated.refused);
    negotiated.grants
}

/// The shipped one, loaded once: its cases take a while.
pub(crate) fn bundle() -> &'static Bundle {
    static BUNDLE: LazyLock<Bundle> =
        LazyLock::new(|| Bundle::load(&cloister_policies::shipped()).unwrap());
    &BUNDLE
}

pub(crate) const WIT: &str = r#"package test:desk@0.1.0;
interface desk {
    use cloister:tool/handles@0.1.0.{input, output, movable, place};
    /// Copy the first mebibyte.
    copy: func(%from: input, to: option<output>) -> result<string, string>;
    /// Write, then give up.
    half: func(to: output) -> result<string, string>;
    /// Write, then trap.
    crash: func(to: output) -> result<string, string>;
    /// Ask for a move.
    move: func(file: movable, to: place) -> result<string, string>;
}
world tool { import cloister:tool/handles@0.1.0; export desk; }
"#;

pub(crate) const TOML: &str = r#"name = "desk"
version = "0.1.0"
description = "For tests."
accepts = ["txt"]
writes = ["txt", "md"]
[[example]]
function = "copy"
request = "Copy it"
call = '{"from": "a.txt", "to": "b.txt"}'
"#;

/// The component behind [`WIT`]; its answers hold a terminal sequence.
pub(crate) fn wasm() -> Vec<u8> {
    let lift = |params: &str| {
        format!(r#"(func {params} (result (result string (error string))) (canon lift"#)
    };
    let text = format!(
        r#"(component
  (import "cloister:tool/handles@0.1.0" (instance $h
    (export "input" (type $i (sub resource)))
    (export "output" (type $o (sub resource)))
    (export "movable" (type $v (sub resource)))
    (export "place" (type $p (sub resource)))
    (type $f0 (enum "limit" "io"))
    (export "fault" (type $f (eq $f0)))
    (type $bytes (list u8))
    (type $rr (result $bytes (error $f)))
    (type $wr (result (error $f)))
    (export "[method]input.read" (func (param "self" (borrow $i)) (param "offset" u64) (param "length" u32) (result $rr)))
    (export "[method]output.write" (func (param "self" (borrow $o)) (param "bytes" $bytes) (result $wr)))
    (export "[method]movable.move-to" (func (param "self" (borrow $v)) (param "target" (own $p)) (result $wr)))))
  (alias export $h "input" (type $input))
  (alias export $h "output" (type $output))
  (alias export $h "movable" (type $movable))
  (alias export $h "place" (type $place))
  (core module $libc
    (memory (export "memory") 32)
    (data (i32.const 128) "done\1b[2J")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 65536))
  (core instance $libc (instantiate $libc))
  (core func $read (canon lower (func $h "[method]input.read") (memory $libc "memory") (realloc (func $libc "realloc"))))
  (core func $write (canon lower (func $h "[method]output.write") (memory $libc "memory")))
  (core func $move (canon lower (func $h "[method]movable.move-to") (memory $libc "memory")))
  (core module $m
    (import "libc" "memory" (memory 32))
    (import "h" "read" (func $read (param i32 i64 i32 i32)))
    (import "h" "write" (func $write (param i32 i32 i32 i32)))
    (import "h" "move" (func $move (param i32 i32 i32)))
    (func $say (param $err i32) (result i32)
      (i32.store8 (i32.const 16) (local.get $err))
      (i32.store (i32.const 20) (i32.const 128)) (i32.store (i32.const 24) (i32.const 8)) (i32.const 16))
    (func (export "copy") (param $in i32) (param $some i32) (param $out i32) (result i32)
      (call $read (local.get $in) (i64.const 0) (i32.const 1048576) (i32.const 64))
      (if (local.get $some) (then (call $write (local.get $out) (i32.load (i32.const 68)) (i32.load (i32.const 72)) (i32.const 96))))
      (call $say (i32.const 0)))
    (func (export "half") (param $out i32) (result i32)
      (call $write (local.get $out) (i32.const 128) (i32.const 8) (i32.const 96)) (call $say (i32.const 1)))
    (func (export "crash") (param $out i32) (result i32)
      (call $write (local.get $out) (i32.const 128) (i32.const 8) (i32.const 96)) unreachable)
    (func (export "move") (param $file i32) (param $to i32) (result i32)
      (call $move (local.get $file) (local.get $to) (i32.const 96)) (call $say (i32.load8_u (i32.const 96)))))
  (core instance $m (instantiate $m (with "libc" (instance $libc))
    (with "h" (instance (export "read" (func $read)) (export "write" (func $write)) (export "move" (func $move))))))
  {copy} (core func $m "copy") (memory $libc "memory")))
  {half} (core func $m "half") (memory $libc "memory")))
  {crash} (core func $m "crash") (memory $libc "memory")))
  {moves} (core func $m "move") (memory $libc "memory")))
  (instance $e (export "copy" (func $copy)) (export "half" (func $half)) (export "crash" (func $crash)) (export "move" (func $moves)))
  (export "test:desk/desk@0.1.0" (instance $e)))"#,
        copy = lift(r#"$copy (param "from" (own $input)) (param "to" (option (own $output)))"#),
        half = lift(r#"$half (param "to" (own $output))"#),
        crash = lift(r#"$crash (param "to" (own $output))"#),
        moves = lift(r#"$moves (param "file" (own $movable)) (param "to" (own $place))"#),
    );
    wat::parse_str(text).unwrap()
}

/// The package `desk` in `tools`.
pub(crate) fn install(tools: &Path) {
    put(&tools.join("desk/tool.wasm"), wasm());
    put(&tools.join("desk/desk.wit"), WIT);
    put(&tools.join("desk/tool.toml"), TOML);
}
