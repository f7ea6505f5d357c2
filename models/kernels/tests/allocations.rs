//! A decoded token allocates nothing once everything has run once: the steps of a layer under an allocator that counts.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use cloister_kernels::{
    Attention, Format, Gate, Isa, KvCache, Linear, Matrix, Norm, Pairs, Rope, Team,
};

/// The system's allocator, counted.
struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are the same.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const HIDDEN: usize = 128;
const HEAD: usize = 32;
const WIDE: usize = 192;

fn linear(rows: usize, columns: usize) -> Linear {
    let data = vec![0x31; rows * columns / 32 * 34];
    let matrix = Matrix::pack(Format::Q8_0, rows, columns, &data).unwrap();
    Linear { matrix, bias: None }
}

/// One layer of a decoder and everything that it computes in.
struct Layer {
    team: Team,
    cache: KvCache,
    rope: Rope,
    norm: Norm,
    narrow: [Linear; 4],
    wide: [Linear; 2],
    down: Linear,
    stream: Vec<f32>,
    four: [Vec<f32>; 4],
    gated: Vec<f32>,
}

impl Layer {
    fn new() -> Self {
        Self {
            team: Team::new(2, Isa::detect()),
            cache: KvCache::new(1, 4, HEAD, 512).unwrap(),
            rope: Rope::new(vec![0.1; HEAD / 2], Pairs::Halves, 512).unwrap(),
            norm: Norm::new(vec![1.0; HIDDEN], 1e-6),
            narrow: std::array::from_fn(|_| linear(HIDDEN, HIDDEN)),
            wide: std::array::from_fn(|_| linear(WIDE, HIDDEN)),
            down: linear(HIDDEN, WIDE),
            stream: vec![0.5; HIDDEN],
            four: std::array::from_fn(|_| vec![0.0; HIDDEN]),
            gated: vec![0.0; WIDE],
        }
    }

    fn token(&mut self, position: usize) {
        self.rope.cover(position + 1);
        let [query, key, value, output] = &self.narrow;
        let [q, k, v, mixed] = &mut self.four;
        self.team.project(
            &self.stream,
            Some(&self.norm),
            [(query, q), (key, k), (value, v)],
        );
        let attention = Attention {
            layer: 0,
            heads: 4,
            kv_heads: 4,
            head: HEAD,
            from: position,
            window: None,
            scale: 0.2,
            rope: &self.rope,
            norms: None,
        };
        self.team
            .attend(&attention, &mut self.cache, [q, k], v, mixed);
        self.team.project_onto(mixed, output, &mut self.stream);
        let [gate, up] = &self.wide;
        self.team.gate(
            &self.stream,
            &self.norm,
            [gate, up],
            Gate::Silu,
            &mut self.gated,
        );
        self.team
            .project_onto(&self.gated, &self.down, &mut self.stream);
    }
}

#[test]
fn a_decoded_token_allocates_nothing_after_the_first() {
    let mut layer = Layer::new();
    layer.token(0);
    let before = COUNT.load(Ordering::Relaxed);
    for position in 1..100 {
        layer.token(position);
    }
    assert_eq!(COUNT.load(Ordering::Relaxed) - before, 0);
    drop(std::hint::black_box(Box::new(1_u8)));
    assert_eq!(
        COUNT.load(Ordering::Relaxed) - before,
        1,
        "the counter counts"
    );
}
