//! The user that rini runs as.

use super::prctl::prctl;
use libc::{c_int, c_long};
use nix::errno::Errno;

/// The number of a user or of a group.
pub type Id = u32;

/// The ids of a process.
#[derive(Debug, PartialEq, Eq)]
pub struct Ids {
    /// The user.
    pub user: Id,
    /// The group.
    pub group: Id,
    /// The supplementary groups.
    pub others: &'static [Id],
}

#[cfg(not(any(target_arch = "arm", target_arch = "x86")))]
use libc::{SYS_setgroups as SETGROUPS, SYS_setresgid as SETRESGID, SYS_setresuid as SETRESUID};
/// The calls for ids of 32 bits. On these machines the other calls have ids of 16 bits.
#[cfg(any(target_arch = "arm", target_arch = "x86"))]
use libc::{SYS_setgroups32 as SETGROUPS, SYS_setresgid32 as SETRESGID, SYS_setresuid32 as SETRESUID};

/// rini's real user and group.
pub fn own_ids() -> (Id, Id) {
    // SAFETY: getuid takes no arguments, and cannot fail.
    let user = unsafe { libc::getuid() };
    // SAFETY: getgid takes no arguments, and cannot fail.
    (user, unsafe { libc::getgid() })
}

/// Becomes this user, for good: the real, the effective and the saved ids are the same, and any other user than root has no
/// capability.
///
/// After an error rini may have a part of the ids, and must not start anything.
///
/// The C library's functions would change the ids of all threads, with a signal for each. rini has one thread.
pub fn become_user(ids: &Ids) -> Result<(), Errno> {
    // SAFETY: setgroups wants as many ids as it is told: the slice has that length.
    Errno::result(unsafe { libc::syscall(SETGROUPS, ids.others.len(), ids.others.as_ptr()) })?;
    set_all_three(SETRESGID, ids.group)?;
    set_all_three(SETRESUID, ids.user)?;
    if ids.user != 0 {
        drop_capabilities()?;
    }
    // The kernel gives /proc/self to root when the ids change, and so rini could not read all of it any more (proc(5)).
    let _ = prctl(libc::PR_SET_DUMPABLE, 1);
    Ok(())
}

/// Sets the real, the effective and the saved id.
fn set_all_three(call: c_long, id: Id) -> Result<(), Errno> {
    // SAFETY: setresuid and setresgid take numbers and no pointer.
    Errno::result(unsafe { libc::syscall(call, id, id, id) }).map(drop)
}

/// Drops the permitted, the effective and the inheritable capabilities. The kernel has done that for the first two, unless a
/// security bit forbids it (SECBIT_NO_SETUID_FIXUP, capabilities(7)): then rini could become root again.
fn drop_capabilities() -> Result<(), Errno> {
    // The version of the layout, and a pid: 0 is this process. A kernel that does not know the version writes another one.
    let mut header: [c_int; 2] = [0x2008_0522, 0];
    let mut none = [0_u32; 6];
    // SAFETY: capset wants a header to read and to write, and the two times three words that its version has.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, header.as_mut_ptr(), none.as_mut_ptr()) }).map(drop)
}
