//! The block types of GGUF files, their sizes there and in our tiles. Touches nothing.
//!
//! A unit is the least run of inputs that a tile holds for its sixteen rows in whole cache lines. Layouts, in order, for one unit
//! (f16 unless said; `[16]` is one for each row):
//!
//! | format | inputs | bytes | layout |
//! |---|---|---|---|
//! | Q4_0 | 64 | 576 | d `[2][16]`, 2 × nibbles 256 |
//! | Q4_1 | 64 | 640 | d `[2][16]`, m `[2][16]`, 2 × nibbles 256 |
//! | Q5_0 | 64 | 704 | d `[2][16]`, 2 × (nibbles 256, fifth bits 64) |
//! | Q5_1 | 64 | 768 | d `[2][16]`, m `[2][16]`, 2 × (nibbles 256, fifth bits 64) |
//! | Q8_0 | 64 | 1088 | d `[2][16]`, 2 × i8 `[8][16][4]` |
//! | Q4_K | 256 | 2368 | d `[16]`, dmin `[16]`, scales u8 `[8][16]`, mins u8 `[4][16][2]`, 8 × nibbles 256 |
//! | Q5_K | 256 | 2880 | the same with 8 × (nibbles 256, fifth bits 64) |
//! | Q6_K | 256 | 3392 | d f32 `[16]`, scales i8 `[16][16]`, 16 × (low four bits 128, high two bits 64) |
//! | F16, BF16, F32 | 2 | 64, 64, 128 | `[2][16]` |
//!
//! "Nibbles 256" are four lines; line j holds inputs 4j to 4j + 3 of each row in its low and 16 + 4j to 19 + 4j in its high four bits.
//! "Fifth bits 64" are eight u64, one for each four inputs, bit `4 × row + input`. In Q6_K a block of 16 inputs is two lines of nibbles (inputs 0 to 3 low, 4 to 7
//! high; 8 to 11 low, 12 to 15 high) and one line with two bits of each of the four groups. Missing rows and inputs are zero.

use thiserror::Error;

/// A block type that the kernels multiply with. Sizes are those of `ggml-common.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named as in the GGUF specification")]
#[expect(non_camel_case_types, reason = "named as in the GGUF specification")]
pub enum Format {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q4_K,
    Q5_K,
    Q6_K,
}

/// How activations are rounded to meet a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// Not at all.
    None,
    /// i8 with a scale for each 32 (Q8_0, Q8_1).
    By32,
    /// i8 with a scale for each 256 (Q8_K).
    By256,
}

/// Why bytes are not a matrix.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FormatError {
    /// The rows are not whole blocks.
    #[error("its rows of {columns} are not whole blocks of {block}")]
    Columns {
        /// Inputs of a row.
        columns: usize,
        /// Inputs of a block.
        block: usize,
    },
    /// The system gives no memory for it.
    #[error("there is no memory for its {bytes} packed bytes")]
    Memory {
        /// Bytes of its tiles.
        bytes: usize,
    },
    /// The bytes are too few or too many.
    #[error("it has {found} bytes, its shape needs {needed}")]
    Length {
        /// Bytes given.
        found: usize,
        /// Bytes of the shape.
        needed: usize,
    },
}

impl Format {
    /// Inputs and bytes of one block in a file.
    #[must_use]
    pub const fn block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::BF16 => (1, 2),
            Self::Q4_0 => (32, 18),
            Self::Q4_1 => (32, 20),
            Self::Q5_0 => (32, 22),
            Self::Q5_1 => (32, 24),
            Self::Q8_0 => (32, 34),
            Self::Q4_K => (256, 144),
            Self::Q5_K => (256, 176),
            Self::Q6_K => (256, 210),
        }
    }

    /// Inputs and bytes of one unit of a tile.
    pub(crate) const fn unit(self) -> (usize, usize) {
        match self {
            Self::F32 => (2, 128),
            Self::F16 | Self::BF16 => (2, 64),
            Self::Q4_0 => (64, 576),
            Self::Q4_1 => (64, 640),
            Self::Q5_0 => (64, 704),
            Self::Q5_1 => (64, 768),
            Self::Q8_0 => (64, 1088),
            Self::Q4_K => (256, 2368),
            Self::Q5_K => (256, 2880),
            Self::Q6_K => (256, 3392),
        }
    }

    pub(crate) const fn rounding(self) -> Rounding {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => Rounding::None,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => Rounding::By32,
            Self::Q4_K | Self::Q5_K | Self::Q6_K => Rounding::By256,
        }
    }
}
