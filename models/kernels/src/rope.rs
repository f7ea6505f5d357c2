//! Rotary positions (Su and others 2021, arXiv:2104.09864): tables of cosines and sines in f32, made as positions come into use. Touches its own memory.
//!
//! f32 tables because a rounded angle at position 1000 is off by a third of a radian in f16. Angles are reduced in f64 and rounded once.

/// How rotary pairs are laid out in a head. GGUF stores Llama's projections permuted, so that its pairs are neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    /// (0, 1), (2, 3), …
    Neighbours,
    /// (0, h/2), (1, h/2 + 1), …
    Halves,
}

/// Positions added to the tables at once. 256 × 64 pairs are some 0.3 ms of sines.
const STEP: usize = 256;

/// The tables of one kind of layer.
pub struct Rope {
    per_position: Vec<f64>,
    amplitude: f32,
    pub(crate) pairs: Pairs,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Rope {
    /// `per_position` are the angles in radians by which each pair turns from one position to the next. `None` when the system gives no memory
    /// for tables of so many `positions`.
    #[must_use]
    pub fn new(per_position: Vec<f64>, pairs: Pairs, positions: usize) -> Option<Self> {
        let positions = positions.checked_next_multiple_of(STEP)?;
        let capacity = per_position.len().checked_mul(positions)?;
        let room = || {
            let mut table = Vec::new();
            table.try_reserve_exact(capacity).ok().map(|()| table)
        };
        Some(Self {
            per_position,
            amplitude: 1.0,
            pairs,
            cos: room()?,
            sin: room()?,
        })
    }

    /// What it turns, it multiplies by `amplitude` too. For tables that cover nothing yet.
    #[must_use]
    pub fn amplified(self, amplitude: f32) -> Self {
        Self { amplitude, ..self }
    }

    /// Whether it turns no more than a `head` of values, and covers positions below `end`.
    pub(crate) fn fits(&self, head: usize, end: usize) -> bool {
        self.width() <= head && self.covered() >= end
    }

    fn covered(&self) -> usize {
        self.cos.len() / self.per_position.len().max(1)
    }

    /// Makes the tables cover positions below `end`.
    pub fn cover(&mut self, end: usize) {
        let have = self.covered();
        if end <= have {
            return;
        }
        for position in have..end.next_multiple_of(STEP) {
            for angle in &self.per_position {
                let (sin, cos) = (position as f64 * angle).sin_cos();
                self.cos.push(self.amplitude * cos as f32);
                self.sin.push(self.amplitude * sin as f32);
            }
        }
    }

    /// Values of a head that are turned.
    fn width(&self) -> usize {
        self.per_position.len() * 2
    }

    /// Turns one head at one position below what is covered.
    pub(crate) fn turn(&self, head: &mut [f32], position: usize) {
        let half = self.per_position.len();
        let (cos, sin) = (
            &self.cos[position * half..][..half],
            &self.sin[position * half..][..half],
        );
        let turned = cos.iter().zip(sin);
        match self.pairs {
            Pairs::Halves => {
                let (first, second) = head[..half * 2].split_at_mut(half);
                for ((cos, sin), (x, y)) in turned.zip(first.iter_mut().zip(second)) {
                    (*x, *y) = (*x * cos - *y * sin, *x * sin + *y * cos);
                }
            }
            Pairs::Neighbours => {
                for ((cos, sin), [x, y]) in turned.zip(head.as_chunks_mut::<2>().0) {
                    (*x, *y) = (*x * cos - *y * sin, *x * sin + *y * cos);
                }
            }
        }
    }
}
