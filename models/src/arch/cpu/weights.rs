//! The packed tensors as the parts of the graph. Touches nothing.

use candle_core::quantized::GgmlDType;
use cloister_kernels::{Format, Linear, Matrix, Norm};

use crate::ModelError;
use crate::arch::Part;
use crate::arch::shelf::{Shelf, finite};

/// The kernels' name of a block type, if they know it.
pub(in crate::arch) fn format(dtype: GgmlDType) -> Option<Format> {
    Some(match dtype {
        GgmlDType::F32 => Format::F32,
        GgmlDType::F16 => Format::F16,
        GgmlDType::BF16 => Format::BF16,
        GgmlDType::Q4_0 => Format::Q4_0,
        GgmlDType::Q4_1 => Format::Q4_1,
        GgmlDType::Q5_0 => Format::Q5_0,
        GgmlDType::Q5_1 => Format::Q5_1,
        GgmlDType::Q8_0 => Format::Q8_0,
        GgmlDType::Q4K => Format::Q4_K,
        GgmlDType::Q5K => Format::Q5_K,
        GgmlDType::Q6K => Format::Q6_K,
        _ => return None,
    })
}

/// The packed tensors of a file, by name.
pub(super) struct Weights {
    shelf: Shelf<Matrix>,
}

impl Weights {
    pub(super) fn new(shelf: Shelf<Matrix>) -> Self {
        Self { shelf }
    }

    /// As [`Shelf::rows`].
    pub(super) fn rows(&self, name: &str) -> Result<usize, ModelError> {
        self.shelf.rows(name)
    }

    /// As [`Shelf::has`].
    pub(super) fn has(&self, name: &str) -> bool {
        self.shelf.has(name)
    }

    /// A vector in f32: a norm or a bias.
    pub(super) fn vector(&mut self, name: &str, len: usize) -> Result<Vec<f32>, ModelError> {
        let matrix = self.shelf.take(name, &[len])?;
        let mut values = vec![0.0; len];
        matrix.row(0, &mut values);
        finite(name, &values)?;
        Ok(values)
    }

    /// `NAME.weight` as a norm.
    pub(super) fn norm(
        &mut self,
        name: &str,
        len: usize,
        epsilon: f32,
    ) -> Result<Norm, ModelError> {
        Ok(Norm::new(
            self.vector(&format!("{name}.weight"), len)?,
            epsilon,
        ))
    }

    /// `NAME.weight`, and `NAME.bias` where the architecture has it.
    pub(super) fn linear(
        &mut self,
        name: &str,
        outputs: usize,
        inputs: usize,
        bias: Part,
    ) -> Result<Linear, ModelError> {
        let matrix = self
            .shelf
            .take(&format!("{name}.weight"), &[outputs, inputs])?;
        let bias = match bias {
            Part::Present => Some(self.vector(&format!("{name}.bias"), outputs)?),
            Part::Absent => None,
        };
        Ok(Linear { matrix, bias })
    }

    /// `NAME.weight`, which is several matrices with these outputs.
    pub(super) fn fused<const N: usize>(
        &mut self,
        name: &str,
        outputs: [usize; N],
        inputs: usize,
    ) -> Result<[Linear; N], ModelError> {
        let name = format!("{name}.weight");
        let matrices = self.shelf.fused(&name, outputs, inputs)?;
        Ok(matrices.map(|matrix| Linear { matrix, bias: None }))
    }

    /// As [`Shelf::finish`].
    pub(super) fn finish(self) -> Result<(), ModelError> {
        self.shelf.finish()
    }
}
