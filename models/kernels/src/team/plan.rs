//! How the queries of one step of attention are cut into blocks and shared among threads. Touches the streams that it is given.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::attention::{Attention, Block, MOST, Streams, chunks_of};
use crate::dispatch::Kernels;
use crate::pool::Place;

use super::FEW;

/// How the queries of a step are cut into blocks.
pub(super) struct Plan {
    /// Queries of one kv head.
    pub(super) queries: usize,
    /// Queries of a block.
    pub(super) block: usize,
    pub(super) kv_heads: usize,
    /// Few rows: the chunks of a block are shared out as well.
    pub(super) apart: bool,
    /// Chunks from the first that any query sees to the last.
    pub(super) chunks: std::ops::Range<usize>,
}

impl Plan {
    pub(super) fn new(attention: &Attention<'_>, most: usize, rows: usize) -> Self {
        let queries = attention.heads / attention.kv_heads * rows;
        let block = most.min(MOST);
        let all = chunks_of(
            attention,
            Block {
                kv: 0,
                first: 0,
                count: queries,
            },
        );
        Self {
            queries,
            block,
            kv_heads: attention.kv_heads,
            apart: rows <= FEW,
            chunks: all,
        }
    }

    pub(super) fn part_bytes(&self, head: usize) -> usize {
        if self.apart {
            self.kv_heads * self.queries * self.chunks.len() * (head + 2) * 4
        } else {
            0
        }
    }

    pub(super) fn blocks(&self) -> usize {
        self.queries.div_ceil(self.block)
    }

    pub(super) fn block(&self, index: usize) -> Block {
        let (kv, first) = (index / self.blocks(), index % self.blocks() * self.block);
        Block {
            kv,
            first,
            count: self.block.min(self.queries - first),
        }
    }

    /// # Safety
    /// As [`crate::attention::whole`].
    pub(super) unsafe fn wholes(
        &self,
        attention: &Attention<'_>,
        kernels: &Kernels,
        streams: Streams,
        next: &AtomicUsize,
    ) {
        let count = self.kv_heads * self.blocks();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return;
            }
            // Later rows see more: the longest first, so that the threads finish together.
            let block = self.block(count - 1 - index);
            // SAFETY: as promised by the caller.
            unsafe { kernels.whole(block.count)(attention, streams, block) }
        }
    }

    /// # Safety
    /// As [`crate::attention::part`].
    pub(super) unsafe fn parts(
        &self,
        attention: &Attention<'_>,
        kernels: &Kernels,
        streams: Streams,
        place: Place<'_>,
    ) {
        let (slots, head) = (self.chunks.len(), attention.head);
        let at = |query: usize, slot: usize| ((query * slots) + slot) * (head + 2);
        // A chunk's blocks follow one another on one thread: keys and values come from afar for the first and lie near for the others.
        for unit in place.share(self.kv_heads * slots * self.blocks()) {
            let (chunk, part) = (unit / self.blocks(), unit % self.blocks());
            let (kv, slot) = (chunk / slots, chunk % slots);
            let block = self.block(kv * self.blocks() + part);
            let query = block.kv * self.queries + block.first;
            // SAFETY: as promised by the caller; each unit has its own parts.
            unsafe {
                kernels.part(block.count)(
                    attention,
                    streams,
                    block,
                    self.chunks.start + slot,
                    streams.parts.add(at(query, slot)),
                    slots,
                )
            }
        }
        place.meet();
        let group = attention.heads / attention.kv_heads;
        for query in place.share(self.kv_heads * self.queries) {
            let (kv, of) = (query / self.queries, query % self.queries);
            let (row, head_index) = (of / group, kv * group + of % group);
            // SAFETY: as promised by the caller; all parts are written.
            unsafe {
                let to = streams.out.add((row * attention.heads + head_index) * head);
                (kernels.join)(streams.parts.add(at(query, 0)), slots, to, head);
            }
        }
    }
}
