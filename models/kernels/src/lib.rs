//! Matrix products, attention and their threads on the processor: the one home of `unsafe` in inference. Touches threads and memory only.
//!
//! Weights keep the numbers of the GGUF blocks, repacked into tiles of sixteen rows ([`Matrix`]). Activations are rounded to 8 bits per block
//! as llama.cpp rounds them (Q8_0 beside the 32-blocks, Q8_K beside the 256-blocks), products are summed in integers, and each block's scales
//! are applied in f32, in one order whatever the number of columns or threads: so a token read alone and a token read among others give the
//! same bits. Everything outside this crate calls safe functions of [`Team`].

#[cfg(target_arch = "x86_64")]
mod amx;
mod attention;
mod cache;
mod dispatch;
mod dot;
mod format;
#[cfg(target_arch = "aarch64")]
mod i8mm;
mod isa;
mod lines;
mod matrix;
mod norm;
mod pack;
mod panel;
mod pool;
#[cfg(target_arch = "x86_64")]
mod quads;
mod rope;
mod simd;
mod softmax;
mod team;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod wide;

pub use attention::{Attention, WIDEST as WIDEST_HEAD};
pub use cache::KvCache;
pub use format::{Format, FormatError};
pub use isa::Isa;
pub use matrix::{Matrix, Part};
pub use norm::Norm;
pub use pool::processors;
pub use rope::{Pairs, Rope};
pub use simd::LANES;
pub use team::{Gate, Linear, Team};

#[cfg(test)]
mod tests;
