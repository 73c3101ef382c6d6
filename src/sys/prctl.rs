//! The options of prctl(2) that take a number.

use libc::{c_int, c_long, c_ulong};
use nix::errno::Errno;

/// Calls prctl(2) for an option that takes a number and no pointer.
///
/// By the system call (size: 25): the C library's function stores all arguments first.
pub fn prctl(option: c_int, number: c_ulong) -> Result<c_long, Errno> {
    // SAFETY: the options of the callers take a number.
    Errno::result(unsafe { libc::syscall(libc::SYS_prctl, option, number) })
}
