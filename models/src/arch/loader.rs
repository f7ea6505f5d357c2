//! Byte ranges of the file to tensors on the device, each checked against the shape the graph expects. Reads the file's bytes only.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{Device, Tensor};

use super::Part;
use super::linear::Linear;
use crate::watch::{Progress, Watch, tell};
use crate::{Gguf, ModelError, TensorInfo};

/// Hands out each tensor and remembers which were taken.
pub(super) struct Loader<'g, 'w> {
    gguf: &'g Gguf<'g>,
    device: &'g Device,
    watch: &'w mut dyn Watch,
    taken: HashSet<&'g str>,
    done: u64,
    total: u64,
}

impl<'g, 'w> Loader<'g, 'w> {
    pub(super) fn new(gguf: &'g Gguf<'g>, device: &'g Device, watch: &'w mut dyn Watch) -> Self {
        let total = gguf
            .tensors()
            .map(|tensor| tensor.range().len() as u64)
            .sum();
        Self {
            gguf,
            device,
            watch,
            taken: HashSet::new(),
            done: 0,
            total,
        }
    }

    pub(super) fn device(&self) -> &'g Device {
        self.device
    }

    /// Rows of a two-dimensional tensor, before it is taken.
    pub(super) fn rows(&self, name: &str) -> Result<usize, ModelError> {
        self.gguf
            .tensor(name)
            .and_then(|info| info.dims().first().copied())
            .ok_or_else(|| missing(name))
    }

    /// Whether the file has this tensor.
    pub(super) fn has(&self, name: &str) -> bool {
        self.gguf.tensor(name).is_some()
    }

    /// A tensor kept in its block type.
    pub(super) fn quantized(
        &mut self,
        name: &str,
        shape: &[usize],
    ) -> Result<Arc<QTensor>, ModelError> {
        let info = self.gguf.tensor(name).ok_or_else(|| missing(name))?;
        if info.dims() != shape {
            let fault = format!(
                "its shape is {:?}, the metadata says {shape:?}",
                info.dims()
            );
            return Err(ModelError::Tensor {
                name: name.to_owned(),
                fault,
            });
        }
        let data = self.gguf.data(info);
        let tensor = build(info, data, self.device)?;
        self.taken.insert(info.name());
        self.done = self.done.saturating_add(data.len() as u64);
        tell(
            self.watch,
            Progress::Load {
                done: self.done,
                total: self.total,
            },
        )?;
        Ok(Arc::new(tensor))
    }

    /// A vector in f32: a norm or a bias.
    pub(super) fn vector(&mut self, name: &str, len: usize) -> Result<Tensor, ModelError> {
        Ok(self.quantized(name, &[len])?.dequantize(self.device)?)
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

    /// All done. A tensor left over means that the graph is not this model's.
    pub(super) fn finish(self) -> Result<(), ModelError> {
        let mut left: Vec<&str> = self
            .gguf
            .tensors()
            .map(TensorInfo::name)
            .filter(|name| !self.taken.contains(name))
            .collect();
        left.sort_unstable();
        match left.first() {
            None => Ok(()),
            Some(name) => Err(ModelError::Tensor {
                name: (*name).to_owned(),
                fault: "the graph of this architecture does not use it".to_owned(),
            }),
        }
    }
}

fn missing(name: &str) -> ModelError {
    ModelError::TensorMissing {
        name: name.to_owned(),
    }
}

fn build(info: &TensorInfo<'_>, data: &[u8], device: &Device) -> Result<QTensor, ModelError> {
    let (data, dtype) = match info.dtype() {
        // Exactly the same numbers (a 5-bit value fits 8 bits under the same scale), and candle has SIMD for Q8_0 only.
        GgmlDType::Q5_0 if device.is_cpu() => (Cow::Owned(q5_0_as_q8_0(data)), GgmlDType::Q8_0),
        other => (Cow::Borrowed(data), other),
    };
    let storage = with_alignment(&data, |aligned| {
        QStorage::from_data(Cow::Borrowed(aligned), device, dtype)
    })?;
    Ok(QTensor::new(storage, info.dims())?)
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
