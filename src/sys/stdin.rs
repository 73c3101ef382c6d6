//! The hang-up of standard input (`--stop-on-stdin-close`).
//!
//! ```text
//!           begin                wait: a hang-up, or an error
//!   ● ─────────────────▶ watched ─────────────────────────────▶ not watched
//!   └──────────────────────────────────────────────────────────────▲
//!           can_hang_up: no; begin: an error
//! ```
//!
//! rini asks [`can_hang_up`] before it starts the child, so a hang-up during the start counts. The watch begins after the start.
//! While it lasts, rini blocks in ppoll(2) and not in rt_sigtimedwait(2). It polls descriptor 0 for a hang-up alone. Data wakes nobody,
//! and rini reads no byte of it: it is for the child. rini also polls a signalfd(2) for all signals, and reads nothing there:
//! rt_sigtimedwait takes the signal, as it does without a watch.
//!
//! If descriptor 0 has hung up before rini starts, that says nothing about a client. A file or a memory device such as
//! /dev/null never hangs up. rini does not watch these.

use super::output;
use super::signals::{Mask, Timeout};
use libc::{c_int, c_long};
use nix::errno::Errno;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

/// A watch of standard input. It owns the signalfd.
pub struct StdinWatch(OwnedFd);

impl StdinWatch {
    /// Begins the watch.
    pub fn begin() -> Result<StdinWatch, Errno> {
        let (new, set, size) = (c_long::from(-1), Mask::ALL, size_of::<Mask>());
        // SAFETY: signalfd4 wants a set of this size to read, which outlives the call.
        let fd = unsafe { libc::syscall(libc::SYS_signalfd4, new, &raw const set, size, libc::SFD_CLOEXEC) };
        let fd = c_int::try_from(Errno::result(fd)?).map_err(|_| Errno::EBADF)?;
        // SAFETY: from_raw_fd wants a descriptor that has no other owner: it is new.
        Ok(StdinWatch(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Waits for a signal, and takes none. Returns true if standard input has hung up: its writer is gone, or has shut down a
    /// socket for writing.
    ///
    /// `Ok(false)`: a signal is pending, the timeout expired, or the wait was interrupted. Any error would come again. EIO is an
    /// error of standard input itself, such as a socket's (POLLERR): it says nothing about the writer.
    pub fn wait(&self, timeout: Timeout) -> Result<bool, Errno> {
        wait(self.0.as_raw_fd(), timeout)
    }
}

/// Whether standard input can still hang up. If the kernel refuses to say so, the watch will tell.
pub fn can_hang_up() -> bool {
    // poll(2) passes over a negative descriptor.
    !output::is_file(0) && wait(-1, Timeout::Now) != Ok(true)
}

/// Waits as [`StdinWatch::wait`]. A standard input that is not open counts as hung up.
fn wait(signals: c_int, timeout: Timeout) -> Result<bool, Errno> {
    let poll = |fd, events| libc::pollfd { fd, events, revents: 0 };
    // A pipe and a terminal report POLLHUP without being asked (poll(2)).
    let mut files = [poll(0, libc::POLLRDHUP), poll(signals, libc::POLLIN)];
    let mut span = timeout.span();
    let span = span.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
    // SAFETY: ppoll wants an array of two pollfds and a timespec or null to read and write, which outlive the call, and no
    // signal mask. `Timespec` has the layout that the call takes on every machine.
    let ready = unsafe { libc::syscall(libc::SYS_ppoll, files.as_mut_ptr(), files.len(), span, ptr::null::<u64>(), 0) };
    let [stdin, _] = files;
    match Errno::result(ready) {
        Err(errno) if errno != Errno::EINTR => Err(errno),
        _ if stdin.revents & (libc::POLLHUP | libc::POLLRDHUP | libc::POLLNVAL) != 0 => Ok(true),
        _ if stdin.revents != 0 => Err(Errno::EIO),
        _ => Ok(false),
    }
}
