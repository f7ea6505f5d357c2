//! The file's tensors as candle's, on its device. Touches the device.

use std::borrow::Cow;
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{Device, Tensor};

use super::feed::Feed;
use super::linear::Linear;
use super::shelf::{Shelf, finite};
use super::{Blueprint, Part};
use crate::{Gguf, ModelError, TensorInfo};

/// Tensors of the file as candle's, on one device.
pub(super) struct Loader<'d> {
    shelf: Shelf<QTensor>,
    device: &'d Device,
}

impl<'d> Loader<'d> {
    /// Reads every tensor of the file, and makes one after the other candle's.
    pub(super) fn read(
        gguf: &Gguf<'_>,
        plan: &Blueprint,
        device: &'d Device,
        feed: &mut Feed<'_>,
    ) -> Result<Self, ModelError> {
        let mut made = Vec::new();
        for info in gguf.in_order() {
            let data = feed.tensor(info)?;
            made.push((info, parts(plan, info, &data, device)?));
        }
        let shelf = Shelf::new(made);
        Ok(Self { shelf, device })
    }

    pub(super) fn device(&self) -> &'d Device {
        self.device
    }

    /// As [`Shelf::rows`].
    pub(super) fn rows(&self, name: &str) -> Result<usize, ModelError> {
        self.shelf.rows(name)
    }

    /// As [`Shelf::has`].
    pub(super) fn has(&self, name: &str) -> bool {
        self.shelf.has(name)
    }

    /// A tensor kept in its block type.
    pub(super) fn quantized(
        &mut self,
        name: &str,
        shape: &[usize],
    ) -> Result<Arc<QTensor>, ModelError> {
        self.shelf.take(name, shape).map(Arc::new)
    }

    /// A vector in f32: a norm or a bias.
    pub(super) fn vector(&mut self, name: &str, len: usize) -> Result<Tensor, ModelError> {
        let vector = self.quantized(name, &[len])?.dequantize(self.device)?;
        finite(name, &vector.to_vec1::<f32>()?)?;
        Ok(vector)
    }

    /// `NAME.weight`, and `NAME.bias` where the architecture has it.
    pub(super) fn linear(
        &mut self,
        name: &str,
        outputs: usize,
        inputs: usize,
        bias: Part,
    ) -> Result<Linear, ModelError> {
        let weight = self.quantized(&format!("{name}.weight"), &[outputs, inputs])?;
        let bias = match bias {
            Part::Present => Some(self.vector(&format!("{name}.bias"), outputs)?),
            Part::Absent => None,
        };
        Linear::new(weight, bias)
    }

    /// `NAME.weight`, which is several matrices with these outputs.
    pub(super) fn fused<const N: usize>(
        &mut self,
        name: &str,
        outputs: [usize; N],
        inputs: usize,
    ) -> Result<[Arc<QTensor>; N], ModelError> {
        let tensors = self
            .shelf
            .fused(&format!("{name}.weight"), outputs, inputs)?;
        Ok(tensors.map(Arc::new))
    }

    /// As [`Shelf::finish`].
    pub(super) fn finish(self) -> Result<(), ModelError> {
        self.shelf.finish()
    }
}

/// Each matrix that a tensor holds.
fn parts(
    plan: &Blueprint,
    info: &TensorInfo<'_>,
    data: &[u8],
    device: &Device,
) -> Result<Vec<QTensor>, ModelError> {
    let cuts = plan.cuts(info);
    let Some((columns, [_])) = info.dims().split_last() else {
        return Ok(vec![build(info, info.dims(), data, device)?]);
    };
    let all: usize = cuts.iter().sum();
    let row_bytes = data.len().checked_div(all).unwrap_or_default();
    let mut rest = data;
    let mut next = |rows: &usize| {
        let (now, after) = rest.split_at(row_bytes.saturating_mul(*rows).min(rest.len()));
        rest = after;
        build(info, &[*rows, *columns], now, device)
    };
    cuts.iter().map(&mut next).collect()
}

fn build(
    info: &TensorInfo<'_>,
    shape: &[usize],
    data: &[u8],
    device: &Device,
) -> Result<QTensor, ModelError> {
    let (data, dtype) = match info.dtype() {
        // Exactly the same numbers (a 5-bit value fits 8 bits under the same scale), and candle has SIMD for Q8_0 only.
        GgmlDType::Q5_0 if device.is_cpu() => (Cow::Owned(q5_0_as_q8_0(data)), GgmlDType::Q8_0),
        other => (Cow::Borrowed(data), other),
    };
    let storage = with_alignment(&data, |aligned| {
        QStorage::from_data(Cow::Borrowed(aligned), device, dtype)
    })?;
    Ok(QTensor::new(storage, shape)?)
}

/// candle reads blocks in place and asserts their alignment, 4 bytes at most; the file's buffer promises none.
fn with_alignment<T>(data: &[u8], read: impl FnOnce(&[u8]) -> T) -> T {
    const ALIGNMENT: usize = 4;
    if data.as_ptr().align_offset(ALIGNMENT) == 0 {
        return read(data);
    }
    let mut copy = vec![0; data.len().saturating_add(ALIGNMENT)];
    let start = copy.as_ptr().align_offset(ALIGNMENT);
    match copy.get_mut(start..start.saturating_add(data.len())) {
        Some(aligned) => {
            aligned.copy_from_slice(data);
            read(aligned)
        }
        None => read(data),
    }
}

/// Block layouts: `block_q5_0` (scale f16, 32 high bits, 32 low nibbles) and `block_q8_0` (scale f16, 32 i8) of ggml-common.h.
fn q5_0_as_q8_0(data: &[u8]) -> Vec<u8> {
    let (blocks, _) = data.as_chunks::<22>();
    let mut out = Vec::with_capacity(blocks.len().saturating_mul(34));
    for [d0, d1, h0, h1, h2, h3, nibbles @ ..] in blocks {
        out.extend([*d0, *d1]);
        let high = u32::from_le_bytes([*h0, *h1, *h2, *h3]);
        let low = nibbles
            .iter()
            .map(|pair| pair & 15)
            .chain(nibbles.iter().map(|pair| pair >> 4));
        out.extend(low.zip(0..).map(|(low, bit)| {
            let fifth = if high >> bit & 1 == 1 { 16 } else { 0 };
            (low | fifth).wrapping_sub(16)
        }));
    }
    out
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;

    #[test]
    fn q5_0_read_as_q8_0_holds_the_same_numbers() {
        let ramp = Tensor::arange(0_f32, 256.0, &Device::Cpu).unwrap();
        let values = ((ramp * 0.7).unwrap().sin().unwrap() * 3.0)
            .unwrap()
            .reshape((2, 128))
            .unwrap();
        let five = QTensor::quantize(&values, GgmlDType::Q5_0).unwrap();
        let eight = q5_0_as_q8_0(&five.data().unwrap());
        let storage =
            QStorage::from_data(Cow::Owned(eight), &Device::Cpu, GgmlDType::Q8_0).unwrap();
        let eight = QTensor::new(storage, (2, 128))
            .unwrap()
            .dequantize(&Device::Cpu)
            .unwrap();
        let five = five.dequantize(&Device::Cpu).unwrap();
        assert_eq!(five.dtype(), DType::F32);
        assert_eq!(
            five.to_vec2::<f32>().unwrap(),
            eight.to_vec2::<f32>().unwrap()
        );
    }

    #[test]
    fn misaligned_bytes_are_read_from_an_aligned_copy() {
        let bytes: Vec<u8> = (0..64).collect();
        for start in 0..8 {
            let data = &bytes[start..start + 40];
            with_alignment(data, |aligned| {
                assert_eq!(aligned, data);
                assert_eq!(aligned.as_ptr().align_offset(4), 0);
            });
        }
    }
}
