//! Guests that want to use up the machine. Each is stopped within what a call may have, as a value that the agent records, and the next call
//! finds everything as it was.
//!
//! `cargo test --release --workspace --test hostile exhaust -- --nocapture` prints what each used.

use std::time::Duration;

use cloister_cage::{CageError, Component, Ended, Fault, HOST_BYTES, Limit, Limits, Run};

use crate::guests::{INTERFACE, LOOP, giving, start, with_handles, with_room};

/// Bytes of memory that each guest may have: small, so that one that gets more is seen.
const MEMORY: usize = 64 << 20;
/// How long a guest may go on after its time on the wall. 50 ms are plenty on a quiet machine; other tests share this one's processors.
const OVERSHOOT: Duration = Duration::from_secs(2);

struct Guest {
    name: &'static str,
    component: Vec<u8>,
    limits: Limits,
    ends: &'static str,
}

fn guest(name: &'static str, component: Vec<u8>, limits: Limits, ends: &'static str) -> Guest {
    Guest {
        name,
        component,
        limits,
        ends,
    }
}

/// With time to spare, so that another limit ends it.
fn tight() -> Limits {
    Limits {
        memory_bytes: MEMORY,
        read_bytes: 8 << 20,
        write_bytes: 32 << 20,
        fuel: 200_000_000,
        wall: Duration::from_secs(30),
        ..Limits::STANDARD
    }
}

/// With nothing but a short time.
fn timed() -> Limits {
    Limits {
        fuel: u64::MAX,
        wall: Duration::from_millis(300),
        ..tight()
    }
}

/// A component whose `run()` is `body`, with these parts before it.
fn plain(parts: &str, module: &str, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(component $C {parts}
  (core module $m {module} (func (export "run") (local $n i32) {body}))
  (core instance $m (instantiate $m {with}))
  (func $run (canon lift (core func $m "run")))
  (instance $e (export "run" (func $run)))
  (export "{INTERFACE}" (instance $e)))"#,
        with = if parts.contains("$given") {
            r#"(with "given" (instance $given))"#
        } else {
            ""
        }
    );
    wat::parse_str(text).unwrap()
}

fn that_run_for_ever() -> Vec<Guest> {
    let start = "(func $s (loop $l (br $l))) (start $s)";
    let filling = "(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 8388608)) (br $l))";
    let room = "(loop $l (br $l)) unreachable";
    let read = "(call $read (local.get $in) (i64.const 0) (i32.const 64) (i32.const 64))";
    vec![
        guest("a loop", with_handles(LOOP, ""), tight(), "fuel"),
        guest(
            "a loop, fuel enough",
            with_handles(LOOP, ""),
            timed(),
            "wall",
        ),
        guest(
            "a loop at the start",
            with_handles("", start),
            tight(),
            "fuel",
        ),
        guest(
            "a loop at the start, fuel enough",
            with_handles("", start),
            timed(),
            "wall",
        ),
        guest(
            "memory filled again and again",
            with_handles(filling, ""),
            timed(),
            "wall",
        ),
        guest(
            "room for an answer never found",
            with_room(room, read, ""),
            tight(),
            "fuel",
        ),
        guest(
            "a loop after the result",
            after("(loop $l (br $l))"),
            tight(),
            "fuel",
        ),
        guest(
            "a loop in a drop",
            dropping("(loop $l (br $l))", DROPPED),
            tight(),
            "fuel",
        ),
    ]
}

fn that_nest() -> Vec<Guest> {
    let calls =
        "(func $r (param i32) (result i32) (i32.add (call $r (local.get 0)) (i32.const 1)))";
    let tables = "(type $t (func)) (table 1 funcref) (elem (i32.const 0) $r)
        (func $r (call_indirect (type $t) (i32.const 0)) (call_indirect (type $t) (i32.const 0)))";
    let wide = format!(
        "(func $r (local {}) (call $r) (call $r))",
        "i64 ".repeat(1000)
    );
    let deep = "(drop (call $r (i32.const 0)))";
    vec![
        guest("recursion", with_handles(deep, calls), tight(), "stack"),
        guest(
            "recursion through a table",
            with_handles("(call $r)", tables),
            tight(),
            "stack",
        ),
        guest(
            "recursion in wide frames",
            with_handles("(call $r)", &wide),
            tight(),
            "stack",
        ),
        guest(
            "lists in lists in lists, all the same",
            laughs(),
            tight(),
            "hostcall",
        ),
        guest(
            "as deep as a type may be, thrice at each level",
            depths(),
            tight(),
            "hostcall",
        ),
    ]
}

fn that_take_memory() -> Vec<Guest> {
    let grown = "(drop (memory.grow (i32.const 65000)))";
    let memories = "(core module $x (memory 1)) (core instance (instantiate $x)) (core instance (instantiate $x)) (core instance (instantiate $x))";
    let tables = "(core module $x (table 1 funcref))".to_owned()
        + &"(core instance (instantiate $x))".repeat(9);
    let instances = "(core module $x)".to_owned() + &"(core instance (instantiate $x))".repeat(17);
    let elements = "(table $t 1 funcref)";
    let more = "(loop $l (drop (table.grow $t (ref.null func) (i32.const 100))) (br $l))";
    vec![
        guest("memory at once", with_handles(grown, ""), tight(), "memory"),
        guest(
            "memory page by page, each used",
            with_handles(ALL, ""),
            tight(),
            "memory",
        ),
        guest(
            "memory from the start",
            plain("", "(memory 1025)", ""),
            tight(),
            "memory",
        ),
        guest("memories", plain(memories, "", ""), tight(), "memory"),
        guest(
            "a table",
            plain("", "(table 10000000 funcref)", ""),
            tight(),
            "table",
        ),
        guest(
            "a table that grows",
            plain("", elements, more),
            tight(),
            "table",
        ),
        guest("tables", plain(&tables, "", ""), tight(), "table"),
        guest("instances", plain(&instances, "", ""), tight(), "instances"),
        guest(
            "handles of its own",
            dropping("nop", "(loop $l (drop (call $new (i32.const 1))) (br $l))"),
            tight(),
            "handles",
        ),
        guest(
            "handles of ours",
            saying("(loop $l (drop (call $get)) (br $l))"),
            tight(),
            "handles",
        ),
        guest("chance", chance(), tight(), "random"),
    ]
}

/// Take all memory there is and use it.
const ALL: &str = "(memory.fill (i32.const 0) (i32.const 1) (i32.const 8388608))
    (loop $l (memory.fill (i32.mul (memory.grow (i32.const 1)) (i32.const 65536)) (i32.const 1) (i32.const 65536)) (br $l))";

fn that_flood_the_output() -> Vec<Guest> {
    let write = |bytes: u32| {
        format!(
            "(loop $l (call $write (local.get $out) (i32.const 0) (i32.const {bytes}) (i32.const 64)) (br $l))"
        )
    };
    let grown = "(drop (memory.grow (i32.const 800)))";
    let huge = format!("{grown} {}", write(48 << 20));
    let most = format!(
        "(drop (memory.grow (i32.const 896))) (memory.fill (i32.const 0) (i32.const 1) (i32.const {MEMORY})) {}",
        write(12 << 20)
    );
    let words = "(local.set $n (call $get))
        (loop $l (call $say (local.get $n) (i32.const 0) (i32.const 65536) (i32.const 64)) (br $l))";
    let handled = |body: &str| with_handles(body, "");
    vec![
        guest("output", handled(&write(1 << 20)), tight(), "write"),
        guest("output, byte by byte", handled(&write(1)), timed(), "wall"),
        guest("output of nothing", handled(&write(0)), timed(), "wall"),
        guest("one huge output", handled(&huge), tight(), "hostcall"),
        guest(
            "the largest outputs out of full memory",
            handled(&most),
            tight(),
            "write",
        ),
        guest("words", saying(words), timed(), "wall"),
    ]
}

fn that_flood_the_input() -> Vec<Guest> {
    let read = |offset: u64, bytes: u32| {
        let body = format!(
            "(loop $l (call $read (local.get $in) (i64.const {offset}) (i32.const {bytes}) (i32.const 64)) (br $l))"
        );
        with_handles(&body, "")
    };
    let few = Limits {
        read_bytes: 1 << 16,
        ..tight()
    };
    vec![
        guest("input", read(0, 1 << 20), tight(), "read"),
        guest("input, byte by byte", read(0, 1), timed(), "wall"),
        guest("input past the end", read(u64::MAX >> 1, 1), few, "read"),
    ]
}

/// The result is a text or a list of so many bytes at a place of the memory.
fn result_of(at: i32, length: u32) -> String {
    format!(
        "(memory.fill (i32.const 0) (i32.const 97) (i32.const 8388608)) (i32.store (i32.const 8) (i32.const {at})) (i32.store (i32.const 12) (i32.const {length})) (i32.const 8)"
    )
}

fn that_answer_too_much_or_nonsense() -> Vec<Guest> {
    let garbled = "(memory.fill (i32.const 64) (i32.const 255) (i32.const 4194304)) (i32.store (i32.const 8) (i32.const 64)) (i32.store (i32.const 12) (i32.const 4194304)) (i32.const 8)";
    let text = |body: &str| giving("string", "i32", body);
    let (large, outside) = (
        text(&result_of(64, (8 << 20) - 64)),
        text(&result_of(-64, 4096)),
    );
    let list = giving("(list u8)", "i32", &result_of(64, 400_000));
    let beyond = text(&result_of(64, u32::MAX));
    vec![
        guest("a text of 8 MiB", large, tight(), "result"),
        guest("a list of 400,000", list, tight(), "result"),
        guest(
            "a text that is none, 4 MiB",
            text(garbled),
            tight(),
            "a trap",
        ),
        guest("a text outside its memory", outside, tight(), "a trap"),
        guest("a text beyond all memory", beyond, tight(), "a trap"),
    ]
}

fn that_end_badly() -> Vec<Guest> {
    let read = "(call $read (local.get $in) (i64.const 0) (i32.const 64) (i32.const 64))";
    let twice = "(local.set $n (call $new (i32.const 1))) (call $drop (local.get $n)) (call $drop (local.get $n))";
    vec![
        guest(
            "room that is not there",
            with_room("i32.const -8", read, ""),
            tight(),
            "a trap",
        ),
        guest(
            "a trap after the result",
            after("unreachable"),
            tight(),
            "a trap",
        ),
        guest(
            "a trap in a drop",
            dropping("unreachable", DROPPED),
            tight(),
            "a trap",
        ),
        guest(
            "a handle dropped twice",
            dropping("nop", twice),
            tight(),
            "a trap",
        ),
    ]
}

/// `run() -> u32` that does `then` once its result was taken.
fn after(then: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
  (core module $m (func (export "run") (result i32) (i32.const 1)) (func (export "after") (param i32) {then}))
  (core instance $m (instantiate $m))
  (func $run (result u32) (canon lift (core func $m "run") (post-return (func $m "after"))))
  (instance $e (export "run" (func $run)))
  (export "{INTERFACE}" (instance $e)))"#
    );
    wat::parse_str(text).unwrap()
}

const DROPPED: &str = "(call $drop (call $new (i32.const 1)))";

/// `run()` that does `body` with a resource of its own, whose end is `dropped`.
fn dropping(dropped: &str, body: &str) -> Vec<u8> {
    let parts = format!(
        r#"(core module $d (func (export "drop") (param i32) {dropped}))
  (core instance $d (instantiate $d))
  (type $r (resource (rep i32) (dtor (func $d "drop"))))
  (core func $new (canon resource.new $r))
  (core func $drop (canon resource.drop $r))
  (core instance $given (export "new" (func $new)) (export "drop" (func $drop)))"#
    );
    let imports = r#"(import "given" "new" (func $new (param i32) (result i32))) (import "given" "drop" (func $drop (param i32)))"#;
    plain(&parts, imports, body)
}

/// `run()` that does `body` with standard output.
fn saying(body: &str) -> Vec<u8> {
    let parts = r#"
  (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
  (alias export $error "error" (type $error))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (alias outer $C $error (type $e0)) (export "error" (type $e (eq $e0)))
    (export "output-stream" (type $s (sub resource)))
    (type $f0 (variant (case "last-operation-failed" (own $e)) (case "closed")))
    (export "stream-error" (type $f (eq $f0)))
    (type $bytes (list u8))
    (type $said (result (error $f)))
    (export "[method]output-stream.blocking-write-and-flush" (func (param "self" (borrow $s)) (param "contents" $bytes) (result $said)))))
  (alias export $streams "output-stream" (type $stream))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer $C $stream (type $s0)) (export "output-stream" (type $s (eq $s0)))
    (export "get-stdout" (func (result (own $s))))))
  (core module $libc (memory (export "memory") 2))
  (core instance $libc (instantiate $libc))
  (core func $get (canon lower (func $stdout "get-stdout")))
  (core func $say (canon lower (func $streams "[method]output-stream.blocking-write-and-flush") (memory $libc "memory")))
  (core instance $given (export "get" (func $get)) (export "say" (func $say)))"#;
    let imports = r#"(import "given" "get" (func $get (result i32))) (import "given" "say" (func $say (param i32 i32 i32 i32)))"#;
    plain(parts, imports, body)
}

/// `run()` that asks for a tebibyte of random bytes.
fn chance() -> Vec<u8> {
    let parts = r#"
  (import "wasi:random/random@0.2.0" (instance $random (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
  (core module $libc (memory (export "memory") 1) (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 64))
  (core instance $libc (instantiate $libc))
  (core func $bytes (canon lower (func $random "get-random-bytes") (memory $libc "memory") (realloc (func $libc "realloc"))))
  (core instance $given (export "bytes" (func $bytes)))"#;
    let imports = r#"(import "given" "bytes" (func $bytes (param i64 i32)))"#;
    plain(
        parts,
        imports,
        "(call $bytes (i64.const 1099511627776) (i32.const 8))",
    )
}

/// A thousand lists of a thousand lists of a thousand bytes, in 20 kB.
fn laughs() -> Vec<u8> {
    let body = "(local $n i32) (i32.store (i32.const 8) (i32.const 64)) (i32.store (i32.const 12) (i32.const 1000))
    (loop $l
      (i32.store (i32.add (i32.const 64) (local.get $n)) (i32.const 16384)) (i32.store (i32.add (i32.const 68) (local.get $n)) (i32.const 1000))
      (i32.store (i32.add (i32.const 16384) (local.get $n)) (i32.const 32768)) (i32.store (i32.add (i32.const 16388) (local.get $n)) (i32.const 1000))
      (local.set $n (i32.add (local.get $n) (i32.const 8))) (br_if $l (i32.lt_u (local.get $n) (i32.const 8000))))
    (i32.const 8)";
    giving("(list (list (list u8)))", "i32", body)
}

/// The type of a list that is nested this often.
fn nested(levels: usize) -> String {
    format!("{}u8{}", "(list ".repeat(levels), ")".repeat(levels))
}

/// Each of its levels holds the next one three times.
fn depths() -> Vec<u8> {
    let body = "(local $n i32) (i32.store (i32.const 8) (i32.const 1024)) (i32.store (i32.const 12) (i32.const 3))
    (loop $l
      (local.set $n (i32.add (local.get $n) (i32.const 1024)))
      (i32.store (local.get $n) (i32.add (local.get $n) (i32.const 1024))) (i32.store offset=4 (local.get $n) (i32.const 3))
      (i32.store offset=8 (local.get $n) (i32.add (local.get $n) (i32.const 1024))) (i32.store offset=12 (local.get $n) (i32.const 3))
      (i32.store offset=16 (local.get $n) (i32.add (local.get $n) (i32.const 1024))) (i32.store offset=20 (local.get $n) (i32.const 3))
      (br_if $l (i32.lt_u (local.get $n) (i32.const 20480))))
    (i32.const 8)";
    giving(&nested(Limits::STANDARD.nesting - 1), "i32", body)
}

fn code(run: &Run) -> &'static str {
    match &run.ended {
        Ended::StoppedBy(limit) => limit.code(),
        Ended::Trapped(Fault::Died, _) => "died",
        Ended::Trapped(..) => "a trap",
        Ended::Returned(_) => "returned",
        Ended::NotStarted(_) => "not started",
        Ended::CalledOff => "called off",
    }
}

#[test]
fn guests_that_would_exhaust_the_machine_are_stopped_and_the_next_call_is_unharmed() {
    let harmless = with_handles("", "");
    let mut guests = that_run_for_ever();
    guests.extend(that_nest());
    guests.extend(that_take_memory());
    guests.extend(that_flood_the_output());
    guests.extend(that_flood_the_input());
    guests.extend(that_answer_too_much_or_nonsense());
    guests.extend(that_end_badly());
    assert!(guests.len() >= 25);
    for guest in guests {
        let Guest {
            name,
            component,
            limits,
            ends,
        } = guest;
        let run = start(&component, &limits);
        let (code, used) = (code(&run), run.used);
        println!("{name}: {code}, {used:?}");
        assert_eq!(code, ends, "{name}: {:?}", run.ended);
        assert!(used.wall <= limits.wall + OVERSHOOT, "{name}: {used:?}");
        assert!(
            used.memory_bytes <= limits.memory_bytes as u64,
            "{name}: {used:?}"
        );
        assert!(used.written_bytes <= limits.write_bytes, "{name}: {used:?}");
        let most = used.process_bytes;
        assert!(most.is_some(), "{name}: {used:?}");
        assert!(
            most <= Some((MEMORY + HOST_BYTES) as u64),
            "{name}: {used:?}"
        );
        assert!(run.diagnostics.len() <= limits.diagnostics_bytes, "{name}");
        assert_eq!(
            start(&harmless, &tight()).ended,
            Ended::Returned(None),
            "after {name}"
        );
    }
}

#[test]
fn the_memory_of_a_process_is_counted_by_the_system() {
    let limits = tight();
    let least = start(&with_handles("", ""), &limits)
        .used
        .process_bytes
        .unwrap();
    let most = start(&with_handles(ALL, ""), &limits)
        .used
        .process_bytes
        .unwrap();
    assert!(least < 32 << 20, "{least}");
    assert!(most >= MEMORY as u64, "{most}");
}

#[test]
fn a_type_that_nests_too_deep_is_refused() {
    let limits = Limits::STANDARD;
    let compiled = |levels| {
        let bytes = giving(&nested(levels), "i32", "(i32.const 8)");
        Component::compile(&bytes, &limits)
    };
    assert!(compiled(limits.nesting - 1).is_ok());
    assert!(matches!(
        compiled(limits.nesting),
        Err(CageError::Limit(Limit::Nesting))
    ));
}
