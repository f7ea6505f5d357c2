//! The file's tensors by name, as what was made of them; each is taken once, and checked against the shape that the graph expects. Touches nothing.

use std::collections::HashMap;

use crate::{ModelError, TensorInfo};

/// Hands out each tensor, and knows which were not taken.
pub(super) struct Shelf<T> {
    /// Shape and, from the top, the matrices of each.
    left: HashMap<String, (Vec<usize>, Vec<T>)>,
}

impl<T> Shelf<T> {
    pub(super) fn new<'t>(made: impl IntoIterator<Item = (&'t TensorInfo<'t>, Vec<T>)>) -> Self {
        let item = |(info, made): (&TensorInfo<'_>, Vec<T>)| {
            (info.name().to_owned(), (info.dims().to_vec(), made))
        };
        Self {
            left: made.into_iter().map(item).collect(),
        }
    }

    /// Rows of a two-dimensional tensor, before it is taken.
    pub(super) fn rows(&self, name: &str) -> Result<usize, ModelError> {
        self.left
            .get(name)
            .and_then(|(dims, _)| dims.first().copied())
            .ok_or_else(|| missing(name))
    }

    /// Whether there is this tensor, not taken yet.
    pub(super) fn has(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    /// What was made of a tensor of this shape.
    pub(super) fn take(&mut self, name: &str, shape: &[usize]) -> Result<T, ModelError> {
        let [made] = self.take_all(name, shape)?;
        Ok(made)
    }

    /// The matrices of a tensor whose rows are theirs, one below the other.
    pub(super) fn fused<const N: usize>(
        &mut self,
        name: &str,
        rows: [usize; N],
        columns: usize,
    ) -> Result<[T; N], ModelError> {
        let all = rows.into_iter().fold(0, usize::saturating_add);
        self.take_all(name, &[all, columns])
    }

    fn take_all<const N: usize>(
        &mut self,
        name: &str,
        shape: &[usize],
    ) -> Result<[T; N], ModelError> {
        let (dims, made) = self.left.remove(name).ok_or_else(|| missing(name))?;
        let fault = |fault| ModelError::Tensor {
            name: name.to_owned(),
            fault,
        };
        if dims != shape {
            return Err(fault(format!(
                "its shape is {dims:?}, the metadata says {shape:?}"
            )));
        }
        let found = made.len();
        made.try_into()
            .map_err(|_| fault(format!("it holds {found} matrices, not {N}")))
    }

    /// All done. A tensor left over means that the graph is not this model's.
    pub(super) fn finish(self) -> Result<(), ModelError> {
        match self.left.into_keys().min() {
            None => Ok(()),
            Some(name) => Err(ModelError::Tensor {
                name,
                fault: "the graph of this architecture does not use it".to_owned(),
            }),
        }
    }
}

/// Refuses a vector that would make every token NaN.
pub(super) fn finite(name: &str, values: &[f32]) -> Result<(), ModelError> {
    refuse(name, values, "is not finite", |value| value.is_finite())
}

/// Refuses divisors of angles that would turn nothing or everything.
pub(super) fn divisors(name: &str, values: &[f32]) -> Result<(), ModelError> {
    refuse(name, values, "is not positive", |value| value > 0.0)
}

fn refuse(
    name: &str,
    values: &[f32],
    fault: &str,
    sound: impl Fn(f32) -> bool,
) -> Result<(), ModelError> {
    match values.iter().position(|value| !sound(*value)) {
        None => Ok(()),
        Some(index) => Err(ModelError::Tensor {
            name: name.to_owned(),
            fault: format!("its value {index} {fault}"),
        }),
    }
}

fn missing(name: &str) -> ModelError {
    ModelError::TensorMissing {
        name: name.to_owned(),
    }
}
