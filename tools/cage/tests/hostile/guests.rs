//! What the hostile components are made of, and how they are run.

use std::io;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use cloister_cage::{
    Arg, Component, Input, Limits, Moment, Nobody, Output, Program, Run, Sink, Source, Terms,
};

pub(crate) const INTERFACE: &str = "test:hostile/hostile@0.1.0";
pub(crate) const MOMENT: Moment = Moment {
    unix_millis: 1_700_000_000_123,
    seed: 7,
};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| Program::load().unwrap());

/// Each run is a process of its own.
pub(crate) fn run(
    component: &Component,
    interface: &str,
    function: &str,
    args: Vec<Arg>,
    limits: &Limits,
    moment: Moment,
) -> Run {
    let terms = Terms {
        limits,
        moment,
        stop: &|| false,
        mind: &mut Nobody,
    };
    run_under(terms, component, interface, function, args)
}

/// The same under other terms.
pub(crate) fn run_under(
    terms: Terms<'_>,
    component: &Component,
    interface: &str,
    function: &str,
    args: Vec<Arg>,
) -> Run {
    cloister_cage::run(&PROGRAM, component, interface, function, args, terms)
}

/// A component with `run(in: own<input>, out: own<output>)` around `body`, and whatever else `module` defines.
pub(crate) fn with_handles(body: &str, module: &str) -> Vec<u8> {
    with_room("i32.const 65536", body, module)
}

/// The same, which makes `room` for what the host hands it.
pub(crate) fn with_room(room: &str, body: &str, module: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
  (import "cloister:tool/handles@0.1.0" (instance $h
    (export "input" (type $i (sub resource)))
    (export "output" (type $o (sub resource)))
    (type $f0 (enum "limit" "io"))
    (export "fault" (type $f (eq $f0)))
    (type $bytes (list u8))
    (type $rr (result $bytes (error $f)))
    (type $wr (result (error $f)))
    (export "[method]input.read" (func (param "self" (borrow $i)) (param "offset" u64) (param "length" u32) (result $rr)))
    (export "[method]output.write" (func (param "self" (borrow $o)) (param "bytes" $bytes) (result $wr)))))
  (alias export $h "input" (type $input))
  (alias export $h "output" (type $output))
  (core module $libc (memory (export "memory") 128) (func (export "realloc") (param i32 i32 i32 i32) (result i32) {room}))
  (core instance $libc (instantiate $libc))
  (core func $read (canon lower (func $h "[method]input.read") (memory $libc "memory") (realloc (func $libc "realloc"))))
  (core func $write (canon lower (func $h "[method]output.write") (memory $libc "memory")))
  (core module $m
    (import "libc" "memory" (memory 128))
    (import "h" "read" (func $read (param i32 i64 i32 i32)))
    (import "h" "write" (func $write (param i32 i32 i32 i32)))
    {module}
    (func (export "run") (param $in i32) (param $out i32) (local $n i32) {body}))
  (core instance $m (instantiate $m (with "libc" (instance $libc))
    (with "h" (instance (export "read" (func $read)) (export "write" (func $write))))))
  (func $run (param "in" (own $input)) (param "out" (own $output)) (canon lift (core func $m "run")))
  (instance $e (export "run" (func $run)))
  (export "{INTERFACE}" (instance $e)))"#
    );
    wat::parse_str(text).unwrap()
}

/// A component with `run() -> result` around `body`; memory 0 has 128 pages.
pub(crate) fn giving(result: &str, core: &str, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
  (core module $m (memory (export "memory") 128) (func (export "run") (result {core}) {body}))
  (core instance $m (instantiate $m))
  (func $run (result {result}) (canon lift (core func $m "run") (memory $m "memory")))
  (instance $e (export "run" (func $run)))
  (export "{INTERFACE}" (instance $e)))"#
    );
    wat::parse_str(text).unwrap()
}

struct Bytes(Vec<u8>);
impl Source for Bytes {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

#[derive(Clone, Default)]
pub(crate) struct Counter(pub(crate) Arc<Mutex<u64>>);
impl Sink for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        *self.0.lock().unwrap() += bytes.len() as u64;
        Ok(())
    }
}

pub(crate) fn handles(sink: Counter) -> Vec<Arg> {
    let input = Input {
        name: "in".into(),
        source: Box::new(Bytes(vec![1; 2 << 20])),
    };
    vec![
        Arg::Input(input),
        Arg::Output(Output {
            name: "out".into(),
            sink: Box::new(sink),
        }),
    ]
}

pub(crate) fn start(bytes: &[u8], limits: &Limits) -> Run {
    let component = Component::compile(bytes, limits).unwrap();
    let args = if component.functions()[0].params.is_empty() {
        Vec::new()
    } else {
        handles(Counter::default())
    };
    run(&component, INTERFACE, "run", args, limits, MOMENT)
}

pub(crate) fn quick() -> Limits {
    Limits {
        wall: Duration::from_millis(200),
        ..Limits::STANDARD
    }
}

pub(crate) const LOOP: &str = "(loop $l (br $l))";
