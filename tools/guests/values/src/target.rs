//! Writing to a handle, in pieces.

/// Bytes of one write; the handle takes any length, but each piece is copied.
const PIECE: usize = 1 << 20;

/// Something to write to: a handle of the cage, or memory in a test.
pub trait Target {
    /// The name that the file will have.
    fn name(&self) -> String;
    /// Append; `None` when the host fails.
    fn write(&self, bytes: &[u8]) -> Option<()>;
}

/// Has the `output` that a guest's WIT made be a target.
#[macro_export]
macro_rules! target {
    ($output:ty) => {
        impl $crate::target::Target for $output {
            fn name(&self) -> String {
                <$output>::name(self)
            }

            fn write(&self, bytes: &[u8]) -> Option<()> {
                <$output>::write(self, bytes).ok()
            }
        }
    };
}

/// Write all of `bytes`; `None` when the host fails.
pub fn write_all(target: &impl Target, bytes: &[u8]) -> Option<()> {
    bytes
        .chunks(PIECE)
        .try_for_each(|piece| target.write(piece))
}
