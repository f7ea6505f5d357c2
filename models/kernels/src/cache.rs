//! Keys and values of one conversation. Owns its memory.

use crate::attention::{Attention, CHUNK};

/// Keys and values of one conversation, f16. Memory is taken as positions are used.
pub struct KvCache {
    layers: usize,
    kv_heads: usize,
    head: usize,
    capacity: usize,
    /// `[layer][head][position / 16][value][position % 16]`: sixteen positions side by side, so that their scores are lanes.
    keys: Vec<u16>,
    /// `[layer][head][position][value]`.
    values: Vec<u16>,
}

impl KvCache {
    /// Room for `positions`. `None` when that is more than memory can be asked for.
    #[must_use]
    pub fn new(layers: usize, kv_heads: usize, head: usize, positions: usize) -> Option<Self> {
        let capacity = positions.checked_next_multiple_of(CHUNK)?;
        let size = layers
            .checked_mul(kv_heads)?
            .checked_mul(head)?
            .checked_mul(capacity)?;
        let zeroed = || vec![0_u16; size];
        Some(Self {
            layers,
            kv_heads,
            head,
            capacity,
            keys: zeroed(),
            values: zeroed(),
        })
    }

    /// Positions there is room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn fits(&self, attention: &Attention<'_>, rows: usize) -> bool {
        attention.layer < self.layers
            && attention.kv_heads == self.kv_heads
            && attention.head == self.head
            && attention
                .from
                .checked_add(rows)
                .is_some_and(|end| end <= self.capacity)
    }

    pub(crate) fn raw(&mut self, layer: usize) -> RawCache {
        let stride = self.capacity * self.head;
        let start = layer * self.kv_heads * stride;
        RawCache {
            keys: self.keys[start..].as_mut_ptr(),
            values: self.values[start..].as_mut_ptr(),
            stride,
        }
    }
}

/// One layer of a cache, shared by the threads of a job.
#[derive(Clone, Copy)]
pub(crate) struct RawCache {
    pub(crate) keys: *mut u16,
    pub(crate) values: *mut u16,
    /// From one head to the next.
    pub(crate) stride: usize,
}
