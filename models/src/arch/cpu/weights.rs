//! The file's tensors as the kernels' matrices and vectors. Reads the file's bytes only.

use candle_core::quantized::GgmlDType;
use cloister_kernels::{Format, Linear, Matrix, Norm};

use crate::arch::Part;
use crate::arch::shelf::{Fused, Shelf, finite};
use crate::watch::Watch;
use crate::{Gguf, ModelError, TensorInfo};

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

/// Packs each tensor as it is taken.
pub(super) struct Weights<'g, 'w> {
    shelf: Shelf<'g, 'w>,
}

impl<'g, 'w> Weights<'g, 'w> {
    pub(super) fn new(gguf: &'g Gguf<'g>, watch: &'w mut dyn Watch) -> Self {
        Self {
            shelf: Shelf::new(gguf, watch),
        }
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
        let matrix = self
            .shelf
            .take(name, &[len], |info, data| pack(info, 1, len, data))?;
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
        let weight = format!("{name}.weight");
        let matrix = self.shelf.take(&weight, &[outputs, inputs], |info, data| {
            pack(info, outputs, inputs, data)
        })?;
        let bias = match bias {
            Part::Present => Some(self.vector(&format!("{name}.bias"), outputs)?),
            Part::Absent => None,
        };
        Ok(Linear { matrix, bias })
    }

    /// `NAME.weight` to be taken apart with [`part`].
    pub(super) fn fused(
        &mut self,
        name: &str,
        outputs: usize,
        inputs: usize,
    ) -> Result<Fused<'g>, ModelError> {
        self.shelf
            .fused(&format!("{name}.weight"), [outputs, inputs])
    }

    /// As [`Shelf::finish`].
    pub(super) fn finish(self) -> Result<(), ModelError> {
        self.shelf.finish()
    }
}

/// The next `outputs` rows.
pub(super) fn part(fused: &mut Fused<'_>, outputs: usize) -> Result<Linear, ModelError> {
    let (info, inputs, data) = fused.next(outputs);
    let matrix = pack(info, outputs, inputs, data)?;
    Ok(Linear { matrix, bias: None })
}

fn pack(
    info: &TensorInfo<'_>,
    rows: usize,
    columns: usize,
    data: &[u8],
) -> Result<Matrix, ModelError> {
    let fault = |fault: String| ModelError::Tensor {
        name: info.name().to_owned(),
        fault,
    };
    let format = format(info.dtype())
        .ok_or_else(|| fault(format!("the kernels do not know {:?}", info.dtype())))?;
    Matrix::pack(format, rows, columns, data).map_err(|error| fault(error.to_string()))
}
