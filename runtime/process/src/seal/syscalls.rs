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
    /// The flags of `mmap` ask for memory that the limits of `profile.rs` count: neither shared, which the system counts for nobody, nor
    /// growing downwards, which it counts as stack.
    Counted,
}

use Arguments::{Any, Counted, First};

/// What a call does: speak on descriptor 0, hold memory (that of the component, which it was handed as 1, too), catch the faults of a guest, end.
pub const CAGE: &[Allowed] = &[
    (libc::SYS_read, First(&[0])),
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

/// What a model does: speak on descriptor 0, read its bytes from 1, say on 2, which leads nowhere, why it panics; hold memory, have threads
/// and wait for them, end.
pub const MIND: &[Allowed] = &[
    (libc::SYS_read, First(&[0, 1])),
    (libc::SYS_write, First(&[0, 2])),
    (libc::SYS_brk, Any),
    (libc::SYS_madvise, Any),
    (libc::SYS_mmap, Any),
    (libc::SYS_mprotect, Any),
    (libc::SYS_mremap, Any),
    (libc::SYS_munmap, Any),
    (libc::SYS_clone, First(&[THREAD])),
    (libc::SYS_gettid, Any),
    (libc::SYS_rt_sigaction, First(&[SIGCANCEL, SIGSETXID])), // of the C library, before its first thread
    (libc::SYS_set_robust_list, Any),
    (libc::SYS_rseq, Any),
    (libc::SYS_prctl, First(&[PR_SET_NAME])),
    (libc::SYS_sched_getaffinity, Any), // glibc asks for it when a thread wants to know its stack
    (libc::SYS_sched_yield, Any),
    (libc::SYS_futex, Any),
    (libc::SYS_rt_sigprocmask, Any),
    (libc::SYS_rt_sigreturn, Any),
    (libc::SYS_sigaltstack, Any),
    (libc::SYS_clock_gettime, Any),
    (libc::SYS_getrandom, Any),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_arch_prctl, First(&[ARCH_REQ_XCOMP_PERM])), // Intel's AMX
    (libc::SYS_exit, Any),
    (libc::SYS_exit_group, Any),
];

/// What a model's libraries try and do without: said not to be there, where another call would end the process. What the newer call for threads
/// is to do lies in memory, where no filter looks, and the C library then takes the older one; candle would look up the sizes of caches.
pub const REFUSED: &[Allowed] = &[(libc::SYS_clone3, Any), (libc::SYS_openat, Any)];

/// What is left for the process that waits for the one inside.
pub const WAITING: &[Allowed] = &[
    (libc::SYS_wait4, Any),
    (libc::SYS_waitid, Any),
    (libc::SYS_close, Any),
    (libc::SYS_munmap, Any),
    (libc::SYS_sigaltstack, Any),
    (libc::SYS_exit_group, Any),
];

/// The C library's own signals among its threads.
const SIGCANCEL: u64 = 32;
const SIGSETXID: u64 = 33;
const PR_SET_NAME: u64 = libc::PR_SET_NAME as u64;
const PR_SET_NO_NEW_PRIVS: u64 = libc::PR_SET_NO_NEW_PRIVS as u64;
const SECCOMP_SET_MODE_FILTER: u64 = libc::SECCOMP_SET_MODE_FILTER as u64;
const PROT_EXEC: u64 = libc::PROT_EXEC as u64;
#[cfg(target_arch = "x86_64")]
const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;

/// What `pthread_create` asks for, to the bit: a thread of the same memory, files and signals. No other process comes of it.
const THREAD: u64 = (libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SIGHAND
    | libc::CLONE_THREAD
    | libc::CLONE_SYSVSEM
    | libc::CLONE_SETTLS
    | libc::CLONE_PARENT_SETTID
    | libc::CLONE_CHILD_CLEARTID) as u64;

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

/// Rules by call; one without rules is meant whatever its arguments are.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Allow what is on the list, and nothing else from here on.
///
/// # Errors
/// What the kernel says; without this filter nothing may run.
pub fn allow(list: &[Allowed]) -> io::Result<()> {
    filter(
        rules(list),
        SeccompAction::KillProcess,
        SeccompAction::Allow,
    )
}

/// The same for a model, whose memory never becomes code.
pub(super) fn allow_model() -> io::Result<()> {
    let absent = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    filter(code(), SeccompAction::Allow, SeccompAction::KillProcess)?;
    filter(rules(REFUSED), SeccompAction::Allow, absent)?;
    // Of several filters the strictest answer counts, and to end the process is stricter than to refuse.
    let both = rules(MIND).chain(rules(REFUSED));
    filter(both, SeccompAction::KillProcess, SeccompAction::Allow)
}

fn rules(list: &[Allowed]) -> impl Iterator<Item = Result<(i64, Vec<SeccompRule>), BackendError>> {
    list.iter()
        .map(|(call, arguments)| Ok((*call, arguments.rules()?)))
}

/// Once a component is loaded: no memory becomes code, and no filter is added.
///
/// # Errors
/// As [`allow`].
pub fn no_more_code() -> io::Result<()> {
    let no_filter = [libc::SYS_prctl, libc::SYS_seccomp].map(|call| Ok((call, Vec::new())));
    let rules = code().into_iter().chain(no_filter);
    filter(rules, SeccompAction::Allow, SeccompAction::KillProcess)
}

fn code() -> [Result<(i64, Vec<SeccompRule>), BackendError>; 2] {
    [libc::SYS_mmap, libc::SYS_mprotect].map(|call| {
        let executable = argument(2, SeccompCmpOp::MaskedEq(PROT_EXEC), PROT_EXEC)?;
        Ok((call, vec![executable]))
    })
}

fn argument(number: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    let condition = SeccompCondition::new(number, SeccompCmpArgLen::Dword, operator, value)?;
    SeccompRule::new(vec![condition])
}

fn filter(
    rules: impl IntoIterator<Item = Result<(i64, Vec<SeccompRule>), BackendError>>,
    otherwise: SeccompAction,
    listed: SeccompAction,
) -> io::Result<()> {
    let rules: Rules = rules
        .into_iter()
        .collect::<Result<_, BackendError>>()
        .map_err(io::Error::other)?;
    let here = TargetArch::try_from(std::env::consts::ARCH).map_err(io::Error::other)?;
    let filter = SeccompFilter::new(rules, otherwise, listed, here);
    let program: BpfProgram = filter
        .and_then(BpfProgram::try_from)
        .map_err(io::Error::other)?;
    apply_filter(&program).map_err(io::Error::other)
}
