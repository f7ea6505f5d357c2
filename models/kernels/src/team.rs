//! The steps of a decoder on all threads: what the rest of the program calls. Safe; lengths are checked at the door and panic when wrong.
//!
//! A step is one job of the pool. Activations are rounded once for all matrices that read them: by every thread for itself where they are few,
//! which costs less than meeting, else shared out.

mod plan;
mod product;
mod rounded;

use std::sync::atomic::{AtomicUsize, Ordering};

use self::plan::Plan;
use self::product::{Finish, Panel, Set, Spot, Sums, bite_bytes, bite_of};
use self::rounded::Layout;
use crate::attention::{Attention, Streams, WIDEST};
use crate::cache::KvCache;
use crate::dispatch::Kernels;
use crate::isa::Isa;
use crate::lines::Lines;
use crate::matrix::Matrix;
use crate::norm::Norm;
use crate::pool::{Place, Pool};
use crate::simd::LANES;

/// Up to this many rows, where they are no wide group, every thread rounds all activations for itself, and tiles are shared out evenly.
const FEW: usize = 8;
/// `y = W x + b`.
pub struct Linear {
    /// W.
    pub matrix: Matrix,
    /// b, one for each row of W.
    pub bias: Option<Vec<f32>>,
}

impl Linear {
    /// # Panics
    /// When the bias is of another length, before a thread meets it.
    fn parts(&self) -> (&Matrix, Option<&[f32]>) {
        let bias = self.bias.as_deref();
        assert!(
            bias.is_none_or(|bias| bias.len() == self.matrix.rows()),
            "a bias' length"
        );
        (&self.matrix, bias)
    }
}

/// The gate of the feed-forward part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// `x ÷ (1 + e^-x)`.
    Silu,
    /// GELU's tanh approximation.
    GeluTanh,
}

/// Threads, their instruction set and their scratch memory.
pub struct Team {
    pool: Pool,
    isa: Isa,
    kernels: &'static Kernels,
    scratch: Lines,
    parts: Lines,
}

/// A pointer that threads share; what each writes does not overlap.
#[derive(Clone, Copy)]
struct Shared<T>(*mut T);

// SAFETY: every job says why its threads' parts are apart.
unsafe impl<T> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// A method, so that closures take the wrapper and not the pointer inside.
    fn get(&self) -> *mut T {
        self.0
    }
}

impl Team {
    /// `threads` threads on the instruction set `isa`, which must be one of [`Isa::all`].
    ///
    /// # Panics
    /// When the processor does not have it.
    #[must_use]
    pub fn new(threads: usize, isa: Isa) -> Self {
        assert!(Isa::all().any(|here| here == isa), "no {} here", isa.name());
        Self {
            pool: Pool::new(threads),
            isa,
            kernels: Kernels::of(isa),
            scratch: Lines::zeroed(0),
            parts: Lines::zeroed(0),
        }
    }

    /// How many threads there are.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.pool.size()
    }

    /// What they compute with.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// `y = W norm(x) + b` for each matrix; `input` is `[rows][columns]`, each output `[rows][its rows]`.
    ///
    /// # Panics
    /// When lengths do not fit.
    pub fn project<const N: usize>(
        &mut self,
        input: &[f32],
        norm: Option<&Norm>,
        outputs: [(&Linear, &mut [f32]); N],
    ) {
        let Some(columns) = outputs.first().map(|(linear, _)| linear.matrix.columns()) else {
            return;
        };
        let rows = rows_of(input, columns);
        let targets = outputs.map(|(linear, out)| {
            assert_eq!(out.len(), rows * linear.matrix.rows(), "an output's length");
            (linear.parts(), Shared(out.as_mut_ptr()))
        });
        let sets = targets.each_ref().map(|((matrix, _), _)| [*matrix]);
        self.multiply(input, norm, &sets, None, &|spot, [sums]| {
            let (parts, out) = &targets[spot.set];
            // SAFETY: each tile's outputs are written by one thread.
            unsafe { store(*parts, out.get(), &spot, rows, sums, |old, sum| *old = sum) }
        });
    }

    /// As [`Team::project`] of one matrix, but only some of its tiles of sixteen rows: `out` is `[rows][tiles][16]`. What is beyond the matrix'
    /// rows in its last tile is without meaning.
    ///
    /// # Panics
    /// When lengths do not fit, or there is no such tile.
    pub fn project_tiles(
        &mut self,
        input: &[f32],
        norm: Option<&Norm>,
        linear: &Linear,
        tiles: &[u32],
        out: &mut [f32],
    ) {
        let matrix = &linear.matrix;
        let (rows, wide) = (rows_of(input, matrix.columns()), tiles.len() * LANES);
        assert_eq!(out.len(), rows * wide, "an output's length");
        let count = matrix.tile_count();
        assert!(
            tiles.iter().all(|tile| (*tile as usize) < count),
            "a tile beyond {count}"
        );
        let bias = linear.parts().1.unwrap_or_default();
        let out = Shared(out.as_mut_ptr());
        let sets = [[matrix]];
        self.multiply(input, norm, &sets, Some(tiles), &|spot, [sums]| {
            let bias = bias.get(tiles[spot.tile] as usize * LANES..);
            for (row, sums) in (spot.first..rows).zip(sums.iter().take(spot.width)) {
                // SAFETY: sixteen outputs in each row, written by the one thread that has this tile.
                let to = unsafe {
                    let at = out.get().add(row * wide + spot.tile * LANES);
                    std::slice::from_raw_parts_mut(at, LANES)
                };
                to.copy_from_slice(sums);
                let bias = bias.unwrap_or_default();
                to.iter_mut().zip(bias).for_each(|(sum, bias)| *sum += bias);
            }
        });
    }

    /// `stream += W x + b`; `input` is `[rows][columns]`, `stream` `[rows][W's rows]`.
    ///
    /// # Panics
    /// When lengths do not fit.
    pub fn project_onto(&mut self, input: &[f32], linear: &Linear, stream: &mut [f32]) {
        let rows = rows_of(input, linear.matrix.columns());
        assert_eq!(
            stream.len(),
            rows * linear.matrix.rows(),
            "the stream's length"
        );
        let (out, parts) = (Shared(stream.as_mut_ptr()), linear.parts());
        self.multiply(input, None, &[[&linear.matrix]], None, &|spot, [sums]| {
            // SAFETY: as in `project`.
            unsafe { store(parts, out.get(), &spot, rows, sums, |old, sum| *old += sum) }
        });
    }

    /// `out = act(G norm(x)) × (U norm(x))`; `input` is `[rows][columns]`, `out` `[rows][G's rows]`. Biases are not used.
    ///
    /// # Panics
    /// When lengths do not fit.
    pub fn gate(
        &mut self,
        input: &[f32],
        norm: &Norm,
        [gate, up]: [&Linear; 2],
        kind: Gate,
        out: &mut [f32],
    ) {
        let rows = rows_of(input, gate.matrix.columns());
        assert!(
            gate.matrix.rows() == up.matrix.rows() && out.len() == rows * gate.matrix.rows(),
            "the gate's length"
        );
        let out = Shared(out.as_mut_ptr());
        let activate = match kind {
            Gate::Silu => self.kernels.silu,
            Gate::GeluTanh => self.kernels.gelu,
        };
        let sets = [[&gate.matrix, &up.matrix]];
        self.multiply(input, Some(norm), &sets, None, &|spot, [sums, others]| {
            // SAFETY: as in `project`; both are `width` × 16 sums.
            unsafe {
                activate(
                    sums.as_mut_ptr().cast(),
                    others.as_ptr().cast(),
                    spot.width * LANES,
                );
                store(
                    (&gate.matrix, None),
                    out.get(),
                    &spot,
                    rows,
                    sums,
                    |old, sum| *old = sum,
                );
            }
        });
    }

    /// `stream += norm(input)`, row by row.
    ///
    /// # Panics
    /// When lengths do not fit.
    pub fn norm_onto(&mut self, input: &mut [f32], norm: &Norm, stream: &mut [f32]) {
        assert!(
            input.len() == stream.len() && input.len().is_multiple_of(norm.len()),
            "a norm's length"
        );
        assert!(norm.len().is_multiple_of(LANES), "a norm of {}", norm.len());
        for (row, stream) in input
            .chunks_exact_mut(norm.len())
            .zip(stream.chunks_exact_mut(norm.len()))
        {
            let at = row.as_mut_ptr();
            // SAFETY: one row, as long as the norm, a multiple of 16.
            unsafe { (self.kernels.rms)(norm, at, at) };
            for (old, value) in stream.iter_mut().zip(row) {
                *old += *value;
            }
        }
    }

    /// Gives the sums of every tile, or of those `picked`, and group of columns to `finish`, once the activations are rounded.
    fn multiply<const P: usize>(
        &mut self,
        input: &[f32],
        norm: Option<&Norm>,
        sets: &[Set<'_, P>],
        picked: Option<&[u32]>,
        finish: &Finish<'_, P>,
    ) {
        let layout = Layout::new(self.kernels, input.len(), sets.as_flattened());
        assert!(
            norm.is_none_or(|norm| norm.len() == layout.inputs),
            "a norm's length"
        );
        assert!(
            layout.inputs.is_multiple_of(LANES),
            "{} inputs",
            layout.inputs
        );
        let (kernels, size) = (self.kernels, self.pool.size());
        let few = layout.rows <= FEW && kernels.width(layout.rows) <= FEW;
        let tiles = sets.as_flattened().iter().map(|matrix| matrix.tile_count());
        let tiles = picked.map_or(tiles.sum(), <[u32]>::len);
        let bite = bite_of(&layout, kernels, tiles, size);
        let (bytes, room) = (layout.bytes, bite_bytes(&layout, kernels, bite));
        self.scratch.reserve((bytes + room) * size);
        let (scratch, next) = (Shared(self.scratch.as_mut_ptr()), AtomicUsize::new(0));
        let input = Shared(input.as_ptr().cast_mut());
        self.pool.run(&|place: Place<'_>| {
            // SAFETY: `scratch` has one panel for each thread. With few rows each fills its own; with many all fill the first, each other
            // rows, and each has the row of f32 before its own panel to itself. Behind the panels each has its room for a bite.
            unsafe {
                let own = scratch.get().add(bytes * place.index);
                let (at, share) = if few {
                    (own, 0..layout.rows)
                } else {
                    (scratch.get(), place.share(layout.rows))
                };
                layout.fill(kernels, input.get(), norm, share, at, own.cast());
                let own = scratch.get().add(bytes * size + room * place.index);
                let panel = Panel {
                    layout,
                    at,
                    own,
                    kernels,
                    bite,
                    picked,
                };
                if few {
                    for set in sets.iter().enumerate() {
                        panel.tiles(set, place.share(panel.count(set.1)), finish);
                    }
                } else {
                    place.meet();
                    panel.with_tiles(|| panel.bites(&next, sets, finish));
                }
            }
        });
    }

    /// Attention of `[rows]` new positions; see [`Attention`] for shapes. Queries and keys are normed and turned in place, and keys and values are put
    /// into the cache.
    ///
    /// # Panics
    /// When lengths do not fit, the cache is full, or the tables do not cover the positions.
    pub fn attend(
        &mut self,
        attention: &Attention<'_>,
        cache: &mut KvCache,
        [queries, keys]: [&mut [f32]; 2],
        values: &[f32],
        out: &mut [f32],
    ) {
        let Attention {
            layer,
            heads,
            kv_heads,
            head,
            ..
        } = *attention;
        let rows = rows_of(queries, heads * head);
        assert!(
            rows > 0
                && heads.is_multiple_of(kv_heads)
                && head.is_multiple_of(LANES)
                && head <= WIDEST,
            "heads of {head}"
        );
        assert!(
            keys.len() == rows * kv_heads * head
                && values.len() == keys.len()
                && out.len() == queries.len(),
            "lengths of the streams"
        );
        assert!(
            cache.fits(attention, rows) && attention.rope.fits(head, attention.from + rows),
            "a cache or tables of another shape"
        );
        assert!(
            attention
                .norms
                .is_none_or(|(q, k)| q.len() == head && k.len() == head),
            "a head's norm"
        );
        let plan = Plan::new(attention, self.kernels.queries, rows);
        self.parts.reserve(plan.part_bytes(head));
        let mut streams = Streams {
            queries: queries.as_mut_ptr(),
            keys: keys.as_mut_ptr(),
            values: values.as_ptr(),
            out: out.as_mut_ptr(),
            cache: cache.raw(layer),
            parts: self.parts.as_mut_ptr().cast(),
        };
        let streams = Shared(&raw mut streams);
        let (kernels, next) = (self.kernels, AtomicUsize::new(0));
        let units = heads + 2 * kv_heads;
        self.pool.run(&|place: Place<'_>| {
            // SAFETY: the streams have the lengths checked above; each unit, block and part is one thread's, and all units are placed before
            // the first block is read.
            unsafe {
                let streams = *streams.get();
                for unit in place.share(rows * units) {
                    (kernels.place)(attention, streams, unit / units, unit % units);
                }
                place.meet();
                if plan.apart {
                    plan.parts(attention, kernels, streams, place);
                } else {
                    plan.wholes(attention, kernels, streams, &next);
                }
            }
        });
    }

    /// Reads all of `bytes` on all threads, and gives a number that depends on them: what memory can do, to compare a product with.
    pub fn sweep(&mut self, bytes: &[u8]) -> f32 {
        let (kernels, at, len) = (
            self.kernels,
            Shared(bytes.as_ptr().cast_mut()),
            bytes.len() / 256,
        );
        let total = AtomicUsize::new(0);
        self.pool.run(&|place: Place<'_>| {
            let share = place.share(len);
            // SAFETY: each thread reads its share of whole blocks of 256 bytes.
            let sum =
                unsafe { (kernels.sweep)(at.get().add(share.start * 256), share.len() * 256) };
            total.fetch_add(sum as usize, Ordering::Relaxed);
        });
        total.into_inner() as f32
    }
}

fn rows_of(input: &[f32], columns: usize) -> usize {
    assert!(
        columns > 0 && !input.is_empty() && input.len().is_multiple_of(columns),
        "{} values in rows of {columns}",
        input.len()
    );
    input.len() / columns
}

/// Puts sums where they belong, with the bias.
///
/// # Safety
/// `out` is `[rows][the matrix' rows]`, and nobody else has this tile.
unsafe fn store(
    (matrix, bias): (&Matrix, Option<&[f32]>),
    out: *mut f32,
    spot: &Spot,
    rows: usize,
    sums: &Sums,
    put: impl Fn(&mut f32, f32),
) {
    let outputs = matrix.rows();
    let start = spot.tile * LANES;
    let count = LANES.min(outputs - start);
    let bias = bias.map(|bias| &bias[start..start + count]);
    for (row, sums) in (spot.first..rows).zip(sums.iter().take(spot.width)) {
        // SAFETY: `count` values of one row of the output, by the caller's promise.
        let to = unsafe { std::slice::from_raw_parts_mut(out.add(row * outputs + start), count) };
        // A whole tile's length is known to the compiler, which then needs no call to copy it.
        match to.as_mut_array::<LANES>() {
            Some(whole) => put_sums(whole, sums, bias, &put),
            None => put_sums(to, sums, bias, &put),
        }
    }
}

#[inline(always)]
fn put_sums(to: &mut [f32], sums: &[f32], bias: Option<&[f32]>, put: &impl Fn(&mut f32, f32)) {
    match bias {
        None => to
            .iter_mut()
            .zip(sums)
            .for_each(|(old, sum)| put(old, *sum)),
        Some(bias) => to
            .iter_mut()
            .zip(sums)
            .zip(bias)
            .for_each(|((old, sum), bias)| put(old, sum + bias)),
    }
}

#[cfg(test)]
mod tests;
