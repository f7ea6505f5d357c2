//! The file's tensors by name, each taken once and checked against the shape that the graph expects. Reads the file's bytes only.

use std::collections::HashSet;

use crate::watch::{Progress, Watch, tell};
use crate::{Gguf, ModelError, TensorInfo};

/// Hands out each tensor and remembers which were taken.
pub(super) struct Shelf<'g, 'w> {
    gguf: &'g Gguf<'g>,
    watch: &'w mut dyn Watch,
    taken: HashSet<&'g str>,
    done: u64,
    total: u64,
}

impl<'g, 'w> Shelf<'g, 'w> {
    pub(super) fn new(gguf: &'g Gguf<'g>, watch: &'w mut dyn Watch) -> Self {
        let total = gguf
            .tensors()
            .map(|tensor| tensor.range().len() as u64)
            .sum();
        Self {
            gguf,
            watch,
            taken: HashSet::new(),
            done: 0,
            total,
        }
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

    /// Makes something of a tensor of this shape.
    pub(super) fn take<T>(
        &mut self,
        name: &str,
        shape: &[usize],
        make: impl FnOnce(&TensorInfo<'g>, &'g [u8]) -> Result<T, ModelError>,
    ) -> Result<T, ModelError> {
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
        let made = make(info, data)?;
        self.taken.insert(info.name());
        self.done = self.done.saturating_add(data.len() as u64);
        let (done, total) = (self.done, self.total);
        tell(self.watch, Progress::Load { done, total })?;
        Ok(made)
    }

    /// A tensor of this shape whose rows are several matrices.
    pub(super) fn fused(&mut self, name: &str, shape: [usize; 2]) -> Result<Fused<'g>, ModelError> {
        self.take(name, &shape, |info, data| Ok(Fused::new(info, shape, data)))
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

/// One tensor that is several matrices, one below the other. They are handed out from the top.
pub(super) struct Fused<'g> {
    info: TensorInfo<'g>,
    columns: usize,
    row_bytes: usize,
    rest: &'g [u8],
}

impl<'g> Fused<'g> {
    fn new(info: &TensorInfo<'g>, [rows, columns]: [usize; 2], data: &'g [u8]) -> Self {
        Self {
            info: info.clone(),
            columns,
            row_bytes: data.len().checked_div(rows).unwrap_or_default(),
            rest: data,
        }
    }

    /// The next `rows` rows, with their width; fewer where there are not so many.
    pub(super) fn next(&mut self, rows: usize) -> (&TensorInfo<'g>, usize, &'g [u8]) {
        let bytes = self.row_bytes.saturating_mul(rows).min(self.rest.len());
        let (next, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        (&self.info, self.columns, next)
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
