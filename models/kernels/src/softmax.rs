//! Softmax in parts: the weights of some positions, and how parts become one. Touches the memory given.

use std::mem::MaybeUninit;

use crate::attention::WIDEST;
use crate::simd::{LANES, Simd, exp};

/// A row of a head for each query of a block. Made without being written, since most heads are far narrower than [`WIDEST`].
pub(crate) struct Rows<const Q: usize>([MaybeUninit<[f32; WIDEST]>; Q]);

impl<const Q: usize> Rows<Q> {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; Q])
    }

    #[inline(always)]
    pub(crate) fn at(&self, q: usize) -> *const f32 {
        self.0[q].as_ptr().cast()
    }

    #[inline(always)]
    pub(crate) fn at_mut(&mut self, q: usize) -> *mut f32 {
        self.0[q].as_mut_ptr().cast()
    }

    /// Zeros in the first `head` values of each row.
    #[inline(always)]
    pub(crate) fn clear(&mut self, head: usize) {
        for q in 0..Q {
            assert!(head <= WIDEST, "a head of {head}");
            // SAFETY: a row has so many.
            unsafe { self.at_mut(q).write_bytes(0, head) }
        }
    }
}

/// The softmax of some chunks, unfinished: largest score, sum of exponentials, weighted values.
pub(crate) struct Running<const Q: usize> {
    pub(crate) most: [f32; Q],
    pub(crate) sum: [f32; Q],
    pub(crate) mixed: Rows<Q>,
}

impl<const Q: usize> Running<Q> {
    /// `mixed` is not written yet.
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self {
            most: [f32::NEG_INFINITY; Q],
            sum: [0.0; Q],
            mixed: Rows::new(),
        }
    }
}

/// How much of a chunk a query sees.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Whole,
    Part,
}

/// Scores to weights: e^(score - most). Gives `most` and the sum of weights; minus infinity and 0 where nothing is seen.
#[inline(always)]
pub(crate) unsafe fn soften<S: Simd>(scores: *mut f32, tiles: usize, view: View) -> (f32, f32) {
    // SAFETY: as many tiles of scores are written, at most CHUNK / 16.
    unsafe {
        let mut most = S::splat(f32::NEG_INFINITY);
        for tile in 0..tiles {
            most = S::max(most, S::floats(scores.add(tile * LANES)));
        }
        let most = S::largest(most);
        if most == f32::NEG_INFINITY {
            scores.write_bytes(0, tiles * LANES);
            return (most, 0.0);
        }
        let mut sum = S::splat(0.0);
        for tile in 0..tiles {
            let at = scores.add(tile * LANES);
            let score = S::floats(at);
            let mut weight = exp::<S>(S::sub(score, S::splat(most)));
            if view == View::Part {
                // What is not seen has e^-87, the smallest that `exp` gives; it is taken away so that it is exactly nothing.
                weight = S::mul(weight, seen::<S>(score));
            }
            S::store(at, weight);
            sum = S::add(sum, weight);
        }
        (most, S::sum(sum))
    }
}

/// 1 where a score is finite, 0 where it is minus infinity.
#[inline(always)]
unsafe fn seen<S: Simd>(score: S::Floats) -> S::Floats {
    // SAFETY: lane-wise operations only. Finite scores are far above -1e30, and clamping minus infinity gives exactly -1e30.
    unsafe {
        const NONE: f32 = -1e30;
        let shifted = S::sub(S::max(score, S::splat(NONE)), S::splat(NONE));
        S::min(shifted, S::splat(1.0))
    }
}

/// Joins a later chunk to what is there.
#[inline(always)]
pub(crate) unsafe fn merge<S: Simd>(
    most: &mut f32,
    sum: &mut f32,
    mixed: *mut f32,
    (next, next_sum, next_mixed): (f32, f32, *const f32),
    head: usize,
) {
    if next == f32::NEG_INFINITY {
        return;
    }
    let largest = most.max(next);
    // SAFETY: both have `head` values. Before the first chunk `most` is minus infinity and everything is 0.
    unsafe {
        let factor = |from: f32| {
            if from == f32::NEG_INFINITY {
                0.0
            } else {
                (from - largest).exp()
            }
        };
        let (old, new) = (factor(*most), factor(next));
        for at in (0..head).step_by(LANES) {
            let kept = S::mul(S::floats(mixed.add(at)), S::splat(old));
            S::store(
                mixed.add(at),
                S::fma(S::floats(next_mixed.add(at)), S::splat(new), kept),
            );
        }
        *sum = *sum * old + next_sum * new;
        *most = largest;
    }
}

#[inline(always)]
pub(crate) unsafe fn finish<S: Simd>(sum: f32, mixed: *const f32, to: *mut f32, head: usize) {
    // SAFETY: both have `head` values.
    unsafe {
        let scale = S::splat(1.0 / sum);
        for at in (0..head).step_by(LANES) {
            S::store(to.add(at), S::mul(S::floats(mixed.add(at)), scale));
        }
    }
}
