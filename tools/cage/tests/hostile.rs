//! Hostile components. Each ends as a value with the host unharmed; each is run again with its limit lifted, to show that the limit did it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests, where a failure is the test's"
)]

#[path = "hostile/exhaustion.rs"]
mod exhaustion;
#[path = "hostile/guests.rs"]
mod guests;
#[path = "hostile/minds.rs"]
mod minds;

use std::time::{Duration, Instant};

use cloister_cage::{
    Arg, CageError, Component, Ended, Fault, Limit, Limits, Moment, Nobody, Terms, Value,
};
use guests::{
    Counter, INTERFACE, LOOP, MOMENT, giving, handles, quick, run, run_under, start, with_handles,
};

#[test]
fn an_endless_loop_runs_out_of_fuel_and_without_fuel_out_of_time() {
    let guest = with_handles(LOOP, "");
    let few = Limits {
        fuel: 1_000_000,
        ..Limits::STANDARD
    };
    assert_eq!(start(&guest, &few).ended, Ended::StoppedBy(Limit::Fuel));
    let lifted = Limits {
        fuel: u64::MAX,
        ..quick()
    };
    assert_eq!(start(&guest, &lifted).ended, Ended::StoppedBy(Limit::Wall));
}

#[test]
fn a_call_that_is_called_off_ends_while_it_runs() {
    let limits = Limits {
        fuel: u64::MAX,
        ..Limits::STANDARD
    };
    let component = Component::compile(&with_handles(LOOP, ""), &limits).unwrap();
    let begun = Instant::now();
    let terms = Terms {
        limits: &limits,
        moment: MOMENT,
        stop: &|| begun.elapsed() > Duration::from_millis(300),
        mind: &mut Nobody,
    };
    let args = handles(Counter::default());
    let run = run_under(terms, &component, INTERFACE, "run", args);
    assert_eq!(run.ended, Ended::CalledOff);
    assert!(run.used.wall < limits.wall, "{:?}", run.used.wall);
}

#[test]
fn two_calls_of_one_component_do_not_stop_each_other() {
    let component = Component::compile(&with_handles(LOOP, ""), &Limits::STANDARD).unwrap();
    let short = Limits {
        fuel: u64::MAX,
        wall: Duration::from_millis(50),
        ..Limits::STANDARD
    };
    let long = Limits {
        wall: Duration::from_millis(400),
        ..short.clone()
    };
    let took = |limits: &Limits| {
        run(
            &component,
            INTERFACE,
            "run",
            handles(Counter::default()),
            limits,
            MOMENT,
        )
        .used
        .wall
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| took(&long));
        took(&short);
        assert!(first.join().unwrap() >= Duration::from_millis(400));
    });
}

#[test]
fn a_memory_grab_stops_and_fits_when_allowed() {
    let guest = with_handles("(drop (memory.grow (i32.const 16384)))", "");
    assert_eq!(
        start(&guest, &Limits::STANDARD).ended,
        Ended::StoppedBy(Limit::Memory)
    );
    let lifted = Limits {
        memory_bytes: 2 << 30,
        ..Limits::STANDARD
    };
    assert_eq!(start(&guest, &lifted).ended, Ended::Returned(None));
}

#[test]
fn a_large_initial_memory_stops_before_the_first_instruction() {
    let limits = Limits {
        memory_bytes: 4 << 20,
        ..Limits::STANDARD
    };
    assert_eq!(
        start(&with_handles("", ""), &limits).ended,
        Ended::StoppedBy(Limit::Memory)
    );
    assert_eq!(
        start(&with_handles("", ""), &Limits::STANDARD).ended,
        Ended::Returned(None)
    );
}

#[test]
fn a_table_grab_stops_and_fits_when_allowed() {
    let guest = with_handles("", "(table 100000 funcref)");
    assert_eq!(
        start(&guest, &Limits::STANDARD).ended,
        Ended::StoppedBy(Limit::Table)
    );
    let lifted = Limits {
        table_elements: 200_000,
        ..Limits::STANDARD
    };
    assert_eq!(start(&guest, &lifted).ended, Ended::Returned(None));
}

#[test]
fn too_many_instances_tables_and_memories_stop() {
    let guest = with_handles("", "(table 1 funcref)");
    for (limits, limit) in [
        (
            Limits {
                instances: 1,
                ..Limits::STANDARD
            },
            Limit::Instances,
        ),
        (
            Limits {
                memories: 0,
                ..Limits::STANDARD
            },
            Limit::Memory,
        ),
        (
            Limits {
                tables: 0,
                ..Limits::STANDARD
            },
            Limit::Table,
        ),
    ] {
        assert_eq!(start(&guest, &limits).ended, Ended::StoppedBy(limit));
    }
    assert_eq!(
        start(&guest, &Limits::STANDARD).ended,
        Ended::Returned(None)
    );
}

const WRITE_300_MIB: &str = "(loop $l (call $write (local.get $out) (i32.const 0) (i32.const 1048576) (i32.const 64))
    (local.set $n (i32.add (local.get $n) (i32.const 1))) (br_if $l (i32.lt_u (local.get $n) (i32.const 300))))";

#[test]
fn an_output_flood_stops_at_the_limit_and_not_after() {
    let slow = Limits {
        wall: Duration::from_secs(20),
        ..Limits::STANDARD
    };
    let component = Component::compile(&with_handles(WRITE_300_MIB, ""), &slow).unwrap();
    let counter = Counter::default();
    let stopped = run(
        &component,
        INTERFACE,
        "run",
        handles(counter.clone()),
        &slow,
        MOMENT,
    );
    assert_eq!(stopped.ended, Ended::StoppedBy(Limit::Write));
    assert_eq!(*counter.0.lock().unwrap(), slow.write_bytes);
    let lifted = Limits {
        write_bytes: u64::MAX,
        ..slow
    };
    assert_eq!(
        run(
            &component,
            INTERFACE,
            "run",
            handles(counter),
            &lifted,
            MOMENT
        )
        .ended,
        Ended::Returned(None)
    );
}

const READ_FOREVER: &str = "(loop $l (call $read (local.get $in) (i64.const 0) (i32.const 1048576) (i32.const 64)) (br $l))";

#[test]
fn a_read_flood_stops_and_runs_into_the_clock_when_allowed() {
    let limits = Limits {
        read_bytes: 8 << 20,
        fuel: u64::MAX,
        ..Limits::STANDARD
    };
    let stopped = start(&with_handles(READ_FOREVER, ""), &limits);
    assert_eq!(stopped.ended, Ended::StoppedBy(Limit::Read));
    assert_eq!(stopped.used.read_bytes, 9 << 20);
    let lifted = Limits {
        read_bytes: u64::MAX,
        fuel: u64::MAX,
        ..quick()
    };
    assert_eq!(
        start(&with_handles(READ_FOREVER, ""), &lifted).ended,
        Ended::StoppedBy(Limit::Wall)
    );
}

#[test]
fn a_read_beyond_one_mebibyte_is_a_fault_and_one_at_the_end_is_empty() {
    // The result lies at 64: discriminant, then for `ok` pointer and length, for `err` the enum.
    let check = |offset: u64, length: u32, then: &str| {
        let body = format!(
            "(call $read (local.get $in) (i64.const {offset}) (i32.const {length}) (i32.const 64)) (if {then} (then unreachable))"
        );
        start(&with_handles(&body, ""), &Limits::STANDARD).ended
    };
    let is_ok = "(i32.eqz (i32.load8_u (i32.const 64)))";
    assert_eq!(check(0, (1 << 20) + 1, is_ok), Ended::Returned(None));
    assert!(matches!(
        check(0, 1 << 20, is_ok),
        Ended::Trapped(Fault::GaveUp, _)
    ));
    let some = "(i32.ne (i32.load (i32.const 72)) (i32.const 0))";
    for offset in [2 << 20, u64::MAX >> 1] {
        assert_eq!(check(offset, 9, some), Ended::Returned(None), "{offset}");
    }
}

#[test]
fn deep_recursion_stops() {
    let module =
        "(func $r (param i32) (result i32) (i32.add (call $r (local.get 0)) (i32.const 1)))";
    let guest = with_handles("(drop (call $r (i32.const 0)))", module);
    assert_eq!(
        start(&guest, &Limits::STANDARD).ended,
        Ended::StoppedBy(Limit::Stack)
    );
}

#[test]
fn traps_are_values() {
    let fault = |body: &str| match start(&with_handles(body, ""), &Limits::STANDARD).ended {
        Ended::Trapped(fault, _) => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!(fault("unreachable"), Fault::GaveUp);
    assert_eq!(
        fault("(drop (i32.load (i32.const -1)))"),
        Fault::OutOfBounds
    );
    assert_eq!(
        fault("(drop (i32.div_u (i32.const 1) (i32.const 0)))"),
        Fault::Arithmetic
    );
    // A handle that was never given.
    assert_eq!(
        fault("(call $write (i32.const 77) (i32.const 0) (i32.const 1) (i32.const 64))"),
        Fault::Other
    );
    // The input where the output belongs.
    assert_eq!(
        fault("(call $write (local.get $in) (i32.const 0) (i32.const 1) (i32.const 64))"),
        Fault::Other
    );
    // Bytes outside its memory.
    assert!(matches!(
        fault("(call $write (local.get $out) (i32.const -8) (i32.const 64) (i32.const 64))"),
        Fault::OutOfBounds | Fault::Other
    ));
}

#[test]
fn a_large_result_stops_and_fits_when_allowed() {
    // A list<u8> costs the host 40 bytes a byte, which is what both limits are for.
    let at = "(i32.store (i32.const 8) (i32.const 64)) (i32.store (i32.const 12) (i32.const 300000)) (i32.const 8)";
    let guest = giving("(list u8)", "i32", at);
    assert_eq!(
        start(&guest, &Limits::STANDARD).ended,
        Ended::StoppedBy(Limit::Result)
    );
    let lifted = Limits {
        result_bytes: 1 << 30,
        ..Limits::STANDARD
    };
    assert!(
        matches!(start(&guest, &lifted).ended, Ended::Returned(Some(Value::List(items))) if items.len() == 300_000)
    );
    let hostcall = Limits {
        hostcall_bytes: 1000,
        ..lifted
    };
    assert_eq!(
        start(&guest, &hostcall).ended,
        Ended::StoppedBy(Limit::Hostcall)
    );
}

#[test]
fn text_that_is_not_utf8_is_a_trap() {
    let at = "(i32.store8 (i32.const 64) (i32.const 255)) (i32.store (i32.const 8) (i32.const 64)) (i32.store (i32.const 12) (i32.const 1)) (i32.const 8)";
    assert!(matches!(
        start(&giving("string", "i32", at), &Limits::STANDARD).ended,
        Ended::Trapped(..)
    ));
}

#[test]
fn arguments_that_do_not_fit_never_start_the_component() {
    let component =
        Component::compile(&with_handles("unreachable", ""), &Limits::STANDARD).unwrap();
    for (function, args) in [
        ("run", Vec::new()),
        ("walk", Vec::new()),
        (
            "run",
            vec![Arg::Value(Value::Bool(true)), Arg::Value(Value::Bool(true))],
        ),
    ] {
        let ended = run(
            &component,
            INTERFACE,
            function,
            args,
            &Limits::STANDARD,
            MOMENT,
        )
        .ended;
        assert!(matches!(ended, Ended::NotStarted(_)), "{ended:?}");
    }
}

fn importing(name: &str) -> Result<Component, CageError> {
    let text = format!(r#"(component (import "{name}" (instance (export "f" (func)))))"#);
    Component::compile(&wat::parse_str(text).unwrap(), &Limits::STANDARD)
}

#[test]
fn imports_outside_the_list_are_refused_by_name() {
    for name in [
        "wasi:sockets/tcp@0.2.0",
        "wasi:sockets/network@0.2.6",
        "wasi:http/outgoing-handler@0.2.0",
        "wasi:filesystem/preopens@0.2.0",
        "wasi:filesystem/types@0.2.0",
        "wasi:cli/environment@0.3.0",
        "wasi:cli/environmenx@0.2.0",
        "cloister:tool/handles@0.2.0",
        "cloister:mind/tasks@0.2.0",
        "cloister:mind/planner@0.1.0",
        "evil:api/world@1.0.0",
    ] {
        assert!(
            matches!(importing(name), Err(CageError::Import { import }) if import == name),
            "{name}"
        );
    }
    // The twin: the very same component under an allowed name is taken.
    assert!(importing("wasi:cli/environment@0.2.0").is_ok());
}

#[test]
fn a_bare_function_import_is_refused_even_under_an_allowed_name() {
    let text = r#"(component (import "run" (func)))"#;
    assert!(matches!(
        Component::compile(&wat::parse_str(text).unwrap(), &Limits::STANDARD),
        Err(CageError::Import { .. })
    ));
}

#[test]
fn features_that_no_tool_needs_are_left_out() {
    for module in [
        "(memory i64 1)",
        "(memory 1 1 shared)",
        "(func (result v128) (v128.const i64x2 0 0))",
        "(func $f (return_call $f))",
        "(type (struct (field i32)))",
        "(tag)",
    ] {
        let text = format!("(component (core module {module}))");
        let bytes = wat::parse_str(&text).unwrap();
        assert!(
            matches!(
                Component::compile(&bytes, &Limits::STANDARD),
                Err(CageError::NotAComponent(_))
            ),
            "{module}"
        );
    }
    assert!(
        Component::compile(
            &wat::parse_str("(component (core module (memory 1)))").unwrap(),
            &Limits::STANDARD
        )
        .is_ok()
    );
}

#[test]
fn a_core_module_or_rubbish_or_too_much_is_refused() {
    assert!(matches!(
        Component::compile(b"\0asm\x01\0\0\0", &Limits::STANDARD),
        Err(CageError::NotAComponent(_))
    ));
    assert!(matches!(
        Component::compile(b"rubbish", &Limits::STANDARD),
        Err(CageError::NotAComponent(_))
    ));
    let small = Limits {
        component_bytes: 6,
        ..Limits::STANDARD
    };
    assert!(matches!(
        Component::compile(b"rubbish", &small),
        Err(CageError::Limit(_))
    ));
}

fn chance(function: &str, interface: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
  (import "{interface}" (instance $r (export "{function}" (func (result u64)))))
  (core func $f (canon lower (func $r "{function}")))
  (core module $m (import "r" "f" (func $f (result i64))) (func (export "run") (result i64) (call $f)))
  (core instance $m (instantiate $m (with "r" (instance (export "f" (func $f))))))
  (func $run (result u64) (canon lift (core func $m "run")))
  (instance $e (export "run" (func $run)))
  (export "{INTERFACE}" (instance $e)))"#
    );
    wat::parse_str(text).unwrap()
}

#[test]
fn chance_and_time_repeat_with_the_same_moment() {
    let component = Component::compile(
        &chance("get-random-u64", "wasi:random/random@0.2.0"),
        &Limits::STANDARD,
    )
    .unwrap();
    let draw = |seed| {
        run(
            &component,
            INTERFACE,
            "run",
            Vec::new(),
            &Limits::STANDARD,
            Moment { seed, ..MOMENT },
        )
        .ended
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    let clock = chance("now", "wasi:clocks/monotonic-clock@0.2.0");
    assert_eq!(
        start(&clock, &Limits::STANDARD).ended,
        start(&clock, &Limits::STANDARD).ended
    );
}

#[test]
fn what_the_cage_leaves_undefined_traps_when_called() {
    let ended = start(
        &chance("resolution", "wasi:clocks/monotonic-clock@0.2.0"),
        &Limits::STANDARD,
    )
    .ended;
    assert!(
        matches!(ended, Ended::Trapped(Fault::Undefined, _)),
        "{ended:?}"
    );
}
