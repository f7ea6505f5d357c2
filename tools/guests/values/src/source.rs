//! Reading a handle to its end, in pieces and up to a limit.

/// Bytes asked for in one read; the host hands out at most this much a call.
const PIECE: u32 = 1 << 20;

/// Something with bytes: a handle of the cage, or a slice in a test.
pub trait Source {
    /// Size in bytes as the host tells it.
    fn size(&self) -> u64;
    /// Up to `length` bytes from `offset`, empty at the end, `None` when the host fails.
    fn read(&self, offset: u64, length: u32) -> Option<Vec<u8>>;
}

/// Has the `input` that a guest's WIT made be a source.
#[macro_export]
macro_rules! source {
    ($input:ty) => {
        impl $crate::source::Source for $input {
            fn size(&self) -> u64 {
                <$input>::size(self)
            }

            fn read(&self, offset: u64, length: u32) -> Option<Vec<u8>> {
                <$input>::read(self, offset, length).ok()
            }
        }
    };
}

/// Why a source was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It holds more bytes than the limit.
    TooLarge,
    /// The host failed to read.
    Failed,
}

/// All bytes of `source`, if they are at most `limit` many. The told size is not believed: reading stops at the limit.
pub fn read_all(source: &impl Source, limit: u64) -> Result<Vec<u8>, Unread> {
    if source.size() > limit {
        return Err(Unread::TooLarge);
    }
    let mut bytes = Vec::new();
    loop {
        let read = u64::try_from(bytes.len()).map_err(|_| Unread::TooLarge)?;
        if read > limit {
            return Err(Unread::TooLarge);
        }
        let piece = source.read(read, PIECE).ok_or(Unread::Failed)?;
        if piece.is_empty() {
            return Ok(bytes);
        }
        bytes.extend(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Told(u64, Vec<u8>);

    impl Source for Told {
        fn size(&self) -> u64 {
            self.0
        }
        fn read(&self, offset: u64, length: u32) -> Option<Vec<u8>> {
            let rest = self.1.get(usize::try_from(offset).ok()?..)?;
            Some(rest.iter().copied().take(length as usize).collect())
        }
    }

    #[test]
    fn reads_to_the_end_in_pieces() {
        let bytes = vec![7; 2_500_000];
        assert_eq!(
            read_all(&Told(2_500_000, bytes.clone()), 3_000_000),
            Ok(bytes)
        );
    }

    #[test]
    fn a_size_that_lies_does_not_pass_the_limit() {
        assert_eq!(
            read_all(&Told(1, vec![7; 3_000_000]), 2_000_000),
            Err(Unread::TooLarge)
        );
        assert_eq!(read_all(&Told(9, vec![7; 9]), 8), Err(Unread::TooLarge));
    }

    #[test]
    fn a_failing_host_is_told_from_the_end() {
        assert_eq!(read_all(&Told(0, Vec::new()), 8), Ok(Vec::new()));
        struct Broken;
        impl Source for Broken {
            fn size(&self) -> u64 {
                1
            }
            fn read(&self, _: u64, _: u32) -> Option<Vec<u8>> {
                None
            }
        }
        assert_eq!(read_all(&Broken, 8), Err(Unread::Failed));
    }
}
