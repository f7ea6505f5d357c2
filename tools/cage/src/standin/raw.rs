//! System calls by their numbers, as code that took the process over would do them.

use nix::libc::{self, c_long};

/// Six arguments, zeros where a call takes fewer.
pub(crate) type Arguments = [c_long; 6];

/// Do it, and give what the kernel gave: a negative number is an error's.
pub(crate) fn call(number: c_long, arguments: Arguments) -> i64 {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: none; this process exists to be stopped. It holds nothing but itself, and what it does is the test.
    #[expect(unsafe_code, reason = "the attack that the layers stop")]
    let gave = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    match gave {
        -1 => -i64::from(nix::errno::Errno::last_raw()),
        gave => gave,
    }
}
