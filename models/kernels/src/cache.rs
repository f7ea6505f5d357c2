//! Keys and values of one conversation. Owns its memory.

use crate::attention::{Attention, CHUNK};
use crate::lines::zeros;
use crate::simd::LANES;

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
    /// Room for `positions`. `None` when that is more than memory can be asked for, or than the system gives.
    #[must_use]
    pub fn new(layers: usize, kv_heads: usize, head: usize, positions: usize) -> Option<Self> {
        let capacity = positions.checked_next_multiple_of(CHUNK)?;
        let size = layers
            .checked_mul(kv_heads)?
            .checked_mul(head)?
            .checked_mul(capacity)?;
        Some(Self {
            layers,
            kv_heads,
            head,
            capacity,
            keys: zeros(size)?,
            values: zeros(size)?,
        })
    }

    /// Positions there is room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes of `positions` as [`KvCache::save`] writes them.
    #[must_use]
    pub fn saved_len(&self, positions: usize) -> usize {
        let values = positions.next_multiple_of(LANES) + positions;
        self.layers * self.kv_heads * self.head * values * 2
    }

    /// Appends the keys and values of the first `positions`, little-endian. Of what is held beyond them nothing is told.
    ///
    /// # Panics
    /// When there is no room for so many.
    pub fn save(&self, positions: usize, into: &mut Vec<u8>) {
        assert!(positions <= self.capacity, "{positions} positions");
        let (head, stride) = (self.head, self.capacity * self.head);
        let (keys, values) = (
            self.keys.chunks_exact(stride),
            self.values.chunks_exact(stride),
        );
        for (keys, values) in keys.zip(values) {
            for (index, keys) in keys.chunks_exact(LANES).enumerate() {
                // Sixteen positions side by side: those beyond are left out of each group.
                let held = positions.saturating_sub(index / head * LANES).min(LANES);
                if held == 0 {
                    break;
                }
                append(&keys[..held], into);
                append(&[0; LANES][held..], into);
            }
            append(&values[..positions * head], into);
        }
    }

    /// Takes up what [`KvCache::save`] gave for `positions` of a cache of this shape.
    ///
    /// # Panics
    /// When the bytes are not [`KvCache::saved_len`] or there is no room for so many.
    pub fn load(&mut self, positions: usize, bytes: &[u8]) {
        let fits = positions <= self.capacity && bytes.len() == self.saved_len(positions);
        assert!(fits, "{} bytes for {positions} positions", bytes.len());
        if positions == 0 {
            return;
        }
        let (head, stride) = (self.head, self.capacity * self.head);
        let keys_len = positions.next_multiple_of(LANES) * head;
        let (keys, values) = (
            self.keys.chunks_exact_mut(stride),
            self.values.chunks_exact_mut(stride),
        );
        let saved = bytes.chunks_exact((keys_len + positions * head) * 2);
        for ((keys, values), saved) in keys.zip(values).zip(saved) {
            let (saved_keys, saved_values) = saved.split_at(keys_len * 2);
            take(saved_keys, &mut keys[..keys_len]);
            take(saved_values, &mut values[..positions * head]);
        }
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

fn append(numbers: &[u16], into: &mut Vec<u8>) {
    let start = into.len();
    into.resize(start + numbers.len() * 2, 0);
    for (bytes, number) in into[start..].chunks_exact_mut(2).zip(numbers) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
}

fn take(bytes: &[u8], numbers: &mut [u16]) {
    for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(2)) {
        *number = u16::from_le_bytes([bytes[0], bytes[1]]);
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
