//! Keys and values already computed, one pair of tensors a layer, grown by doubling. Touches the device's memory only.

use candle_core::{DType, Device, Tensor};

use crate::ModelError;

/// Positions in the first allocation; doubled when full. 256: one system prompt.
const FIRST: usize = 256;

/// The cache of one session. The length is kept once, for all layers, so that rewinding is one number.
#[derive(Debug)]
pub(crate) struct Cache {
    layers: Vec<Option<Pair>>,
    shape: Shape,
    capacity: usize,
    len: usize,
    /// Hidden states of the last positions, `[positions, hidden]`, and how many they are.
    last: Option<(Tensor, usize)>,
}

#[derive(Debug, Clone)]
struct Shape {
    kv_heads: usize,
    head: usize,
    limit: usize,
    device: Device,
}

/// Both `[kv_heads, capacity, head]`, f32.
#[derive(Debug)]
struct Pair {
    keys: Tensor,
    values: Tensor,
}

impl Cache {
    /// An empty cache that will hold at most `limit` positions.
    pub(super) fn new(
        layers: usize,
        kv_heads: usize,
        head: usize,
        limit: usize,
        device: &Device,
    ) -> Self {
        let shape = Shape {
            kv_heads,
            head,
            limit,
            device: device.clone(),
        };
        Self {
            layers: (0..layers).map(|_| None).collect(),
            shape,
            capacity: 0,
            len: 0,
            last: None,
        }
    }

    /// Positions held.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The most positions that can be held.
    pub(crate) fn limit(&self) -> usize {
        self.shape.limit
    }

    /// Forgets all but the first `len` positions.
    pub(crate) fn rewind(&mut self, len: usize) {
        if len < self.len {
            self.len = len;
            self.last = None;
        }
    }

    /// How many of the last positions the head can be computed for.
    pub(crate) fn fresh(&self) -> usize {
        self.last.as_ref().map_or(0, |(_, count)| *count)
    }

    /// Keeps the hidden states of the last `count` positions.
    pub(super) fn keep(&mut self, hidden: Tensor, count: usize) {
        self.last = Some((hidden, count));
    }

    /// Hidden states of the last `rows` positions.
    ///
    /// # Errors
    /// [`ModelError::NothingRead`] when fewer are kept.
    pub(super) fn last(&self, rows: usize) -> Result<Tensor, ModelError> {
        let (hidden, count) = self.last.as_ref().ok_or(ModelError::NothingRead)?;
        let from = count.checked_sub(rows).ok_or(ModelError::NothingRead)?;
        Ok(hidden.narrow(0, from, rows)?)
    }

    /// Makes room for `more` positions.
    ///
    /// # Errors
    /// [`ModelError::ContextFull`].
    pub(super) fn reserve(&mut self, more: usize) -> Result<(), ModelError> {
        let needed = self.len.saturating_add(more);
        if needed > self.shape.limit {
            return Err(ModelError::ContextFull {
                tokens: needed,
                context: self.shape.limit,
            });
        }
        if needed > self.capacity {
            self.capacity = needed
                .max(FIRST)
                .checked_next_power_of_two()
                .unwrap_or(needed)
                .min(self.shape.limit);
            for layer in &mut self.layers {
                *layer = Some(self.shape.grown(layer.as_ref(), self.len, self.capacity)?);
            }
        }
        Ok(())
    }

    /// Writes `[kv_heads, n, head]` behind the held positions of one layer and gives all of the layer's keys and values.
    /// The length moves only with [`Cache::advance`], after the last layer.
    pub(super) fn append(
        &mut self,
        layer: usize,
        keys: &Tensor,
        values: &Tensor,
    ) -> Result<(Tensor, Tensor), ModelError> {
        let count = keys.dim(1)?;
        let Some(Some(pair)) = self.layers.get(layer) else {
            return Err(ModelError::ContextFull {
                tokens: count,
                context: self.capacity,
            });
        };
        pair.keys.slice_set(keys, 1, self.len)?;
        pair.values.slice_set(values, 1, self.len)?;
        let all = self.len.saturating_add(count);
        Ok((pair.keys.narrow(1, 0, all)?, pair.values.narrow(1, 0, all)?))
    }

    /// Counts `more` positions as held.
    pub(super) fn advance(&mut self, more: usize) {
        self.len = self.len.saturating_add(more);
    }
}

impl Shape {
    fn grown(&self, old: Option<&Pair>, len: usize, capacity: usize) -> Result<Pair, ModelError> {
        let new = || {
            Tensor::zeros(
                (self.kv_heads, capacity, self.head),
                DType::F32,
                &self.device,
            )
        };
        let pair = Pair {
            keys: new()?,
            values: new()?,
        };
        if let (Some(old), true) = (old, len > 0) {
            pair.keys
                .slice_set(&old.keys.narrow(1, 0, len)?.contiguous()?, 1, 0)?;
            pair.values
                .slice_set(&old.values.narrow(1, 0, len)?.contiguous()?, 1, 0)?;
        }
        Ok(pair)
    }
}
