//! Namespaces of its own, and an empty root in them. A system may forbid both to ordinary users; then they are missing, and said to be.

use std::fs;
use std::io;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chdir, pivot_root};
use rustix::process::{getgid, getuid};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

/// Make them. The next process that is started is number 1 in them; to mount, it is their root until [`empty_root`] is done.
pub(super) fn enter() -> io::Result<()> {
    let (user, group) = (getuid().as_raw(), getgid().as_raw());
    unshare(CloneFlags::CLONE_NEWUSER)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
    // Last: who has left for other processes' namespace can have no thread any more, and a system may let users be made and refuse their map.
    Ok(unshare(
        CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWCGROUP,
    )?)
}

/// Leave every file behind: the root becomes an empty folder that cannot be written to, and what is left of root's rights goes.
pub(super) fn empty_root() -> io::Result<()> {
    let nothing = None::<&str>;
    mount(
        nothing,
        "/",
        nothing,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        nothing,
    )?;
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    // Mounted over any folder that is surely there; it is the root a moment later.
    mount(Some("none"), "/proc", Some("tmpfs"), flags, nothing)?;
    chdir("/proc")?;
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    chdir("/")?;
    Ok(())
}

/// Hold no capability, not even in the namespaces.
pub(super) fn no_capabilities() -> io::Result<()> {
    let none = CapabilitySet::empty();
    let sets = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    Ok(set_capabilities(None, sets)?)
}
