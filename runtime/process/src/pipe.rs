//! A pipe for much.

use std::io::{self, PipeReader, PipeWriter};

use nix::fcntl::{FcntlArg, fcntl};

/// Bytes under way. 1 MiB: the most that Linux gives everybody. The other process is woken a sixteenth as often as with what a pipe has by itself.
const BYTES: i32 = 1 << 20;

/// A pipe that holds as much as the system gives, its own measure where that is refused.
///
/// # Errors
/// What the system says.
pub fn wide_pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    #[cfg(target_os = "linux")]
    let _ = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(BYTES)); // only slower then
    Ok((reader, writer))
}
