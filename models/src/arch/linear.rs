//! One weight matrix and the two ways to multiply by it. Touches the processor's threads (rayon) or the device.
//!
//! candle multiplies quantised weights row by row of the input, which suits one row. For many rows it is faster to turn a block of the
//! matrix into f32 that fits the second-level cache and use the dense product on it; both agree within the rounding of the input to 8 bits.

use std::sync::Arc;

use candle_core::quantized::QTensor;
use candle_core::{Device, Tensor};
use rayon::prelude::*;

use crate::ModelError;

/// Rows of input from which the dense product is faster. Measured on Qwen2.5 0.5B Q4_K_M with two threads.
const DENSE_FROM: usize = 16;
/// Elements of a dequantised block: 256 Ki f32 = 1 MiB, the second-level cache of a core.
const BLOCK: usize = 1 << 18;

/// `y = x Wᵀ + b`, W as stored: `[outputs, inputs]`.
#[derive(Debug, Clone)]
pub(super) struct Linear {
    weight: Arc<QTensor>,
    bias: Option<Tensor>,
    outputs: usize,
    inputs: usize,
}

impl Linear {
    pub(super) fn new(weight: Arc<QTensor>, bias: Option<Tensor>) -> Result<Self, ModelError> {
        let (outputs, inputs) = weight.shape().dims2()?;
        Ok(Self {
            weight,
            bias,
            outputs,
            inputs,
        })
    }

    /// `[rows, inputs]` to `[rows, outputs]`.
    pub(super) fn forward(&self, xs: &Tensor) -> Result<Tensor, ModelError> {
        let dense = xs.dim(0)? >= DENSE_FROM && matches!(xs.device(), Device::Cpu);
        let ys = if dense {
            self.by_blocks(xs)?
        } else {
            self.by_rows(xs)?
        };
        match &self.bias {
            Some(bias) => Ok(ys.broadcast_add(bias)?),
            None => Ok(ys),
        }
    }

    fn by_rows(&self, xs: &Tensor) -> Result<Tensor, ModelError> {
        Ok(xs.contiguous()?.apply_op1_no_bwd(self.weight.as_ref())?)
    }

    fn by_blocks(&self, xs: &Tensor) -> Result<Tensor, ModelError> {
        let step = (BLOCK / self.inputs.max(1)).max(1);
        let starts: Vec<usize> = (0..self.outputs).step_by(step).collect();
        let parts = starts.into_par_iter().map(|start| {
            let end = start.saturating_add(step).min(self.outputs);
            self.block(xs, start, end)
        });
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        Ok(Tensor::cat(&parts, 1)?)
    }

    /// Outputs `start..end`. The embedding look-up is candle's way to dequantise some rows only.
    fn block(&self, xs: &Tensor, start: usize, end: usize) -> candle_core::Result<Tensor> {
        let rows = Tensor::arange(u32::try_from(start)?, u32::try_from(end)?, xs.device())?;
        xs.matmul(&self.weight.embedding(&rows)?.t()?)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::quantized::GgmlDType;

    use super::*;

    #[test]
    fn rows_and_blocks_agree_within_eight_bits() {
        let waves = |rows: usize, step: f32| {
            let values = (0..rows * 512)
                .map(|index| (index as f32 * step).sin())
                .collect::<Vec<_>>();
            Tensor::from_vec(values, (rows, 512), &Device::Cpu).unwrap()
        };
        for dtype in [
            GgmlDType::Q8_0,
            GgmlDType::Q4K,
            GgmlDType::Q6K,
            GgmlDType::Q4_1,
            GgmlDType::F16,
        ] {
            let weight = QTensor::quantize(&waves(700, 0.37), dtype).unwrap();
            let linear = Linear::new(Arc::new(weight), None).unwrap();
            let xs = waves(20, 0.11);
            let rows = linear
                .by_rows(&xs)
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1::<f32>()
                .unwrap();
            let blocks = linear
                .by_blocks(&xs)
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1::<f32>()
                .unwrap();
            let worst = rows
                .iter()
                .zip(&blocks)
                .map(|(left, right)| (left - right).abs())
                .fold(0.0, f32::max);
            // Rounding to 8 bits errs by 1/127/√12, times a weight of 0.7, over √512 terms: 0.036, and the worst of 14 000 is
            // 4.5 times that. Outputs go up to 3.
            assert!(worst < 0.16, "{dtype:?}: {worst}");
        }
    }
}
