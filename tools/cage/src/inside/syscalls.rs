//! Which system calls are left. What is on no list ends the process at once.

use std::collections::BTreeMap;
use std::io;

use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

/// A system call, and with which arguments.
pub type Allowed = (libc::c_long, Arguments);

/// What a filter asks of a call's arguments.
#[derive(Debug, Clone, Copy)]
pub enum Arguments {
    /// Nothing.
    Any,
    /// The first is one of these.
    First(&'static [u64]),
    /// The flags of `mmap` ask for memory that the limits of `seal.rs` count: neither shared, which the system counts for nobody, nor
    /// growing downwards, which it counts as stack.
    Counted,
}

use Arguments::{Any, Counted, First};

/// What a call does: speak on descriptor 0, read the component from 1, hold memory, catch the faults of a guest, end.
pub const SEALED: &[Allowed] = &[
    (libc::SYS_read, First(&[0, 1])),
    (libc::SYS_write, First(&[0])),
    (libc::SYS_brk, Any),
    (libc::SYS_madvise, Any),
    (libc::SYS_mmap, Counted),
    (libc::SYS_mprotect, Any),
    (libc::SYS_mremap, Any),
    (libc::SYS_munmap, Any),
    (libc::SYS_rt_sigaction, Any),
    (libc::SYS_rt_sigprocmask, Any),
    (libc::SYS_rt_sigreturn, Any),
    (libc::SYS_sigaltstack, Any),
    (libc::SYS_clock_gettime, Any),
    (libc::SYS_getrandom, Any),
    (libc::SYS_futex, Any),
    (libc::SYS_exit_group, Any),
    // For `no_more_code`, which takes them away.
    (libc::SYS_prctl, First(&[PR_SET_NO_NEW_PRIVS])),
    (libc::SYS_seccomp, First(&[SECCOMP_SET_MODE_FILTER])),
];

/// What is left for the process that waits for the one inside.
pub const WAITING: &[Allowed] = &[
    (libc::SYS_wait4, Any),
    (libc::SYS_waitid, Any),
    (libc::SYS_close, Any),
    (libc::SYS_munmap, Any),
    (libc::SYS_sigaltstack, Any),
    (libc::SYS_exit_group, Any),
];

const PR_SET_NO_NEW_PRIVS: u64 = libc::PR_SET_NO_NEW_PRIVS as u64;
const SECCOMP_SET_MODE_FILTER: u64 = libc::SECCOMP_SET_MODE_FILTER as u64;
const PROT_EXEC: u64 = libc::PROT_EXEC as u64;
const UNCOUNTED: u64 = (libc::MAP_SHARED | libc::MAP_GROWSDOWN) as u64;

impl Arguments {
    fn rules(self) -> Result<Vec<SeccompRule>, BackendError> {
        match self {
            Any => Ok(Vec::new()),
            First(choices) => choices
                .iter()
                .map(|value| argument(0, SeccompCmpOp::Eq, *value))
                .collect(),
            Counted => Ok(vec![argument(3, SeccompCmpOp::MaskedEq(UNCOUNTED), 0)?]),
        }
    }
}

/// Allow what is on the list, and nothing else from here on.
///
/// # Errors
/// What the kernel says; without this filter nothing may run.
pub fn allow(list: &[Allowed]) -> io::Result<()> {
    let rules = list
        .iter()
        .map(|(call, arguments)| Ok((*call, arguments.rules()?)))
        .collect::<Result<BTreeMap<_, _>, BackendError>>()
        .map_err(io::Error::other)?;
    filter(rules, SeccompAction::KillProcess, SeccompAction::Allow)
}

/// Once the component is loaded: no memory becomes code, and no filter is added.
pub(super) fn no_more_code() -> io::Result<()> {
    let executable = || argument(2, SeccompCmpOp::MaskedEq(PROT_EXEC), PROT_EXEC);
    let rules = [
        (libc::SYS_mmap, vec![executable()]),
        (libc::SYS_mprotect, vec![executable()]),
        (libc::SYS_prctl, Vec::new()),
        (libc::SYS_seccomp, Vec::new()),
    ];
    let rules = rules
        .into_iter()
        .map(|(call, rules)| Ok((call, rules.into_iter().collect::<Result<Vec<_>, _>>()?)))
        .collect::<Result<BTreeMap<_, _>, BackendError>>()
        .map_err(io::Error::other)?;
    filter(rules, SeccompAction::Allow, SeccompAction::KillProcess)
}

fn argument(number: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    let condition = SeccompCondition::new(number, SeccompCmpArgLen::Dword, operator, value)?;
    SeccompRule::new(vec![condition])
}

fn filter(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    listed: SeccompAction,
) -> io::Result<()> {
    let here = TargetArch::try_from(std::env::consts::ARCH).map_err(io::Error::other)?;
    let filter = SeccompFilter::new(rules, otherwise, listed, here);
    let program: BpfProgram = filter
        .and_then(BpfProgram::try_from)
        .map_err(io::Error::other)?;
    apply_filter(&program).map_err(io::Error::other)
}
