//! Root mean square norm and the gates of the feed-forward part. Touches the slices given.

use crate::simd::{LANES, Simd, exp};

/// The weights of a norm and what is added to the mean square (Zhang and Sennrich 2019, arXiv:1910.07467).
pub struct Norm {
    pub(crate) weights: Vec<f32>,
    pub(crate) epsilon: f32,
}

impl Norm {
    /// `weights` as the file has them; none is added to.
    #[must_use]
    pub fn new(weights: Vec<f32>, epsilon: f32) -> Self {
        Self { weights, epsilon }
    }

    /// Values of one vector.
    #[must_use]
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether it norms nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }
}

/// `to = from ÷ √(mean(from²) + ε) × weights`. `to` may be `from`.
///
/// # Safety
/// Both are valid for as many f32 as the norm has weights, a multiple of 16; the instruction set is there.
#[inline(always)]
pub(crate) unsafe fn rms<S: Simd>(norm: &Norm, from: *const f32, to: *mut f32) {
    let len = norm.weights.len();
    let weights = norm.weights.as_ptr();
    // SAFETY: as promised by the caller; `weights` has `len` elements.
    unsafe {
        let mut squares = S::splat(0.0);
        for at in (0..len).step_by(LANES) {
            let x = S::floats(from.add(at));
            squares = S::fma(x, x, squares);
        }
        let scale = S::splat(1.0 / (S::sum(squares) / len as f32 + norm.epsilon).sqrt());
        for at in (0..len).step_by(LANES) {
            let x = S::mul(S::floats(from.add(at)), scale);
            S::store(to.add(at), S::mul(x, S::floats(weights.add(at))));
        }
    }
}

/// `x ÷ (1 + e^-x)` (Elfwing and others 2017, arXiv:1702.03118).
///
/// # Safety
/// The instruction set is there.
#[inline(always)]
pub(crate) unsafe fn silu<S: Simd>(x: S::Floats) -> S::Floats {
    // SAFETY: lane-wise operations only.
    unsafe { S::div(x, S::add(S::splat(1.0), exp::<S>(S::sub(S::splat(0.0), x)))) }
}

/// The tanh approximation of GELU (Hendrycks and Gimpel 2016, arXiv:1606.08415), written with the exponential: `x ÷ (1 + e^-2u)`.
///
/// # Safety
/// The instruction set is there.
#[inline(always)]
pub(crate) unsafe fn gelu<S: Simd>(x: S::Floats) -> S::Floats {
    const ROOT: f32 = 0.797_884_6; // √(2 ÷ π)
    const CUBE: f32 = 0.044_715;
    // SAFETY: lane-wise operations only.
    unsafe {
        let inner = S::fma(S::mul(S::mul(x, x), x), S::splat(CUBE), x);
        let minus_2u = S::mul(inner, S::splat(-2.0 * ROOT));
        S::div(x, S::add(S::splat(1.0), exp::<S>(minus_2u)))
    }
}
