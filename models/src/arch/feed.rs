//! The tensors' bytes as they come from the reader, in the order of the file. What is read is not kept.

use std::io::Read;

use crate::error::no_memory_for;
use crate::watch::{Progress, Watch, tell};
use crate::{ModelError, TensorInfo};

/// A file being read: what was read with its header, then the reader.
pub(crate) struct Feed<'f> {
    front: &'f [u8],
    reader: &'f mut dyn Read,
    watch: &'f mut dyn Watch,
    at: usize,
    total: usize,
}

impl<'f> Feed<'f> {
    /// A file of `total` bytes, of which `front` was read.
    pub(crate) fn new(
        front: &'f [u8],
        reader: &'f mut dyn Read,
        watch: &'f mut dyn Watch,
        total: usize,
    ) -> Self {
        Self {
            front,
            reader,
            watch,
            at: 0,
            total,
        }
    }

    /// Goes on to a place in the file; what lies before it is padding.
    pub(super) fn skip_to(&mut self, start: usize) -> Result<(), ModelError> {
        let mut padding = [0; 4096]; // the largest alignment
        while self.at < start {
            let count = start.saturating_sub(self.at).min(padding.len());
            self.read(padding.get_mut(..count).unwrap_or_default())?;
        }
        Ok(())
    }

    /// Fills `into` with the next bytes, and tells the watcher.
    pub(super) fn fill(&mut self, into: &mut [u8]) -> Result<(), ModelError> {
        self.read(into)?;
        let (done, total) = (self.at as u64, self.total as u64);
        tell(self.watch, Progress::Load { done, total })
    }

    /// The bytes of one tensor.
    pub(super) fn tensor(&mut self, info: &TensorInfo<'_>) -> Result<Vec<u8>, ModelError> {
        /// Bytes between two looks at the watcher. 4 MiB: some milliseconds.
        const STEP: usize = 4 << 20;
        let range = info.range();
        self.skip_to(range.start)?;
        let mut bytes = Vec::new();
        let room = bytes.try_reserve_exact(range.len());
        room.map_err(|_| no_memory_for(info))?;
        bytes.resize(range.len(), 0);
        for step in bytes.chunks_mut(STEP) {
            self.fill(step)?;
        }
        Ok(bytes)
    }

    fn read(&mut self, into: &mut [u8]) -> Result<(), ModelError> {
        let known = self.front.get(self.at..).unwrap_or_default();
        let (from_front, rest) = into.split_at_mut(known.len().min(into.len()));
        from_front.copy_from_slice(known.get(..from_front.len()).unwrap_or_default());
        let done = self.reader.read_exact(rest);
        done.map_err(|source| ModelError::Read { source })?;
        self.at = self.at.saturating_add(into.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Gguf, Unwatched, testing};

    #[test]
    fn a_tensor_that_no_memory_holds_is_named() {
        let large = testing::claimed("large", 1 << 48);
        let gguf = Gguf::parse_front(&large.front, large.len).unwrap();
        let (mut zeros, mut unwatched) = (std::io::repeat(0), Unwatched);
        let mut feed = Feed::new(&large.front, &mut zeros, &mut unwatched, large.len);
        let refused = feed.tensor(gguf.tensor("large").unwrap()).unwrap_err();
        assert!(
            matches!(refused, ModelError::TensorMemory { .. }),
            "{refused}"
        );
        assert!(refused.hint().is_some());
    }
}
