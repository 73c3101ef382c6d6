//! Processes: who rini is, its children, its descriptors.

use super::{files, signals, terminal};
use crate::exit::Status;
use crate::signal::Signal;
use crate::text::Decimal;
use libc::{c_int, c_long};
use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag};
pub use nix::unistd::Pid;
use std::mem;

impl From<Pid> for Decimal {
    fn from(pid: Pid) -> Decimal {
        Decimal::from(pid.as_raw())
    }
}

/// rini's own pid.
pub fn own_pid() -> Pid {
    nix::unistd::getpid()
}

/// The parent's pid; 0 where the parent is outside rini's PID namespace.
pub fn parent() -> Pid {
    nix::unistd::getppid()
}

/// The process group of a process.
pub fn group_of(pid: Pid) -> Result<Pid, Errno> {
    nix::unistd::getpgid(Some(pid))
}

/// Whether rini's process group was made outside its PID namespace, where it has no number (getpgrp(2): 0).
pub fn own_group_is_outside() -> bool {
    nix::unistd::getpgrp().as_raw() == 0
}

/// Makes rini the process that its descendants' orphans are given to (prctl(2), PR_SET_CHILD_SUBREAPER).
pub fn become_subreaper() -> Result<(), Errno> {
    nix::sys::prctl::set_child_subreaper(true)
}

/// Whether rini is such a process already. (It survives an exec, and a fork does not inherit it.)
pub fn is_subreaper() -> bool {
    nix::sys::prctl::get_child_subreaper() == Ok(true)
}

/// Asks for `signal` when the parent dies (prctl(2), PR_SET_PDEATHSIG).
pub fn set_parent_death_signal(signal: Signal) -> Result<(), Errno> {
    // SAFETY: this prctl takes a number and no pointer.
    let set = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::c_ulong::from(signal.number())) };
    Errno::result(set).map(drop)
}

/// That this process is process 1 of its PID namespace. Only so can [`Pid1::kill_everything`] be had: anywhere else
/// "everything" would be the user's whole session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pid1(());

impl Pid1 {
    /// Where it is so.
    pub fn of_this_process() -> Option<Pid1> {
        (own_pid().as_raw() == 1).then_some(Pid1(()))
    }

    /// Sends a signal to every process of the namespace but rini (kill(2), pid -1), at one moment: the kernel lets no
    /// fork slip through. Those that rini may not signal, being another user's, are passed over without a word.
    pub fn kill_everything(self, signal: Signal) -> Result<(), Errno> {
        raw_kill(-1, signal)
    }
}

/// Whether rini has a child, a zombie too, in this process group; so that its number cannot be another group's.
pub fn has_child_in(group: Pid) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    // Any answer but ECHILD; the others may be a change that nix cannot read, and with WNOWAIT it is not lost.
    nix::sys::wait::waitid(Id::PGid(group), flags) != Err(Errno::ECHILD)
}

/// Sends a signal to a process.
///
/// No caller has a broadcast in mind: pid 0 and -1 mean many processes to kill(2), and are refused.
pub fn kill(pid: Pid, signal: Signal) -> Result<(), Errno> {
    match pid.as_raw() {
        raw @ 1.. => raw_kill(raw, signal),
        _ => Err(Errno::ESRCH),
    }
}

/// Stops rini alone. Not as PID 1: the kernel spares it a stop from inside its namespace, but would still take away a
/// SIGCONT that has come for the program and is pending.
pub fn stop_itself() {
    if Pid1::of_this_process().is_none() {
        let _ = kill(own_pid(), Signal::STOP);
    }
}

/// Sends a signal to a process group; 0 is rini's own.
pub fn kill_group(group: Pid, signal: Signal) -> Result<(), Errno> {
    match group.as_raw() {
        0 => raw_kill(0, signal),
        // -1 would be everything, not group 1. A child that rini started in a PID namespace is never process 1.
        raw @ 2.. => raw_kill(raw.saturating_neg(), signal),
        _ => Err(Errno::ESRCH),
    }
}

fn raw_kill(target: c_int, signal: Signal) -> Result<(), Errno> {
    // SAFETY: kill takes numbers and no pointer; `nix`'s knows no real-time signals.
    Errno::result(unsafe { libc::kill(target, c_int::from(signal.number())) }).map(drop)
}

/// The answer of [`reap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Children {
    /// This one ended so, and has been reaped: from now on its pid may be another's.
    Ended(Pid, Status),
    /// There are children, and no zombie among them.
    Living,
    /// There are none (ECHILD), or the kernel does not let rini ask.
    Unknown(Errno),
}

/// Reaps a zombie. With `block` it waits for one; that is only for when rini cannot wait for signals.
///
/// Stops are asked for apart ([`stop_of`]): for those the kernel would look closer at each child that is alive, and to look at
/// thousands of them is what it takes to find the zombie behind.
pub fn reap(block: bool) -> Children {
    let flags = libc::WEXITED | if block { 0 } else { libc::WNOHANG };
    let info = loop {
        match wait(libc::P_ALL, 0, flags) {
            Ok(info) => break info,
            // It says nothing about the children, and no signal would tell of them once more.
            Err(Errno::EINTR) => (),
            Err(errno) => return Children::Unknown(errno),
        }
    };
    let (pid, status) = who(&info);
    match (info.si_code, Signal::from_number(status)) {
        _ if pid.as_raw() == 0 => Children::Living,
        (libc::CLD_KILLED | libc::CLD_DUMPED, Some(signal)) => Children::Ended(pid, Status::Killed(signal)),
        // CLD_EXITED: the kernel keeps the low eight bits of what the child gave to exit (exit(3)).
        _ => Children::Ended(pid, Status::Exited(status.to_le_bytes()[0])),
    }
}

/// Whether a child stopped or was continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It was stopped by this signal.
    Stopped(Signal),
    /// It was continued.
    Continued,
}

/// What came last of that for this child, if it has not been told yet.
pub fn stop_of(child: Pid) -> Option<Stop> {
    let flags = libc::WSTOPPED | libc::WCONTINUED | libc::WNOHANG;
    let info = wait(libc::P_PID, child.as_raw().unsigned_abs(), flags).ok()?;
    match (info.si_code, Signal::from_number(who(&info).1)) {
        (libc::CLD_STOPPED | libc::CLD_TRAPPED, Some(signal)) => Some(Stop::Stopped(signal)),
        (libc::CLD_CONTINUED, _) => Some(Stop::Continued),
        _ => None,
    }
}

/// waitid(2). Its answer has a place for a real-time signal: `nix`'s waitpid reaps a child killed by one and then fails to
/// decode it.
fn wait(which: libc::idtype_t, id: libc::id_t, flags: c_int) -> Result<libc::siginfo_t, Errno> {
    // SAFETY: siginfo_t is plain data of the kernel's, for which all zeros is a value; where nothing has changed it is left so.
    let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
    // SAFETY: waitid wants room for a siginfo, which outlives the call; P_ALL ignores the id.
    Errno::result(unsafe { libc::waitid(which, id, &raw mut info, flags) }).map(|_| info)
}

/// Whom such an answer is about, and the code or the signal.
fn who(info: &libc::siginfo_t) -> (Pid, c_int) {
    // SAFETY: si_pid reads a union field, which wants that field to be in use: waitid fills it in, or leaves all zero.
    let pid = unsafe { info.si_pid() };
    // SAFETY: si_status likewise: waitid fills it in together with si_pid.
    let status = unsafe { info.si_status() };
    (Pid::from_raw(pid), status)
}

/// Goes to the folder `/`, so that no other is in use by rini.
pub fn leave_folder() {
    // SAFETY: chdir wants a path.
    unsafe { libc::chdir(c"/".as_ptr()) };
}

/// Closes every descriptor from 3 on.
pub fn close_from_3() {
    // SAFETY: close_range takes numbers and no pointer; nothing of rini's uses a descriptor above 2 at this point, so
    // none is closed under anybody's feet.
    let closed =
        unsafe { libc::syscall(libc::SYS_close_range, c_long::from(3), c_long::from(c_int::MAX), c_long::from(0)) };
    if closed == 0 {
        return;
    }
    // Linux before 5.9, or a seccomp profile older than the call: one by one, as many as are worth the time (the limit
    // may be a billion).
    for fd in 3..=65_535 {
        // SAFETY: close takes a number; as above, nothing uses it.
        unsafe { libc::close(fd) };
    }
}

/// Writes a line to standard error without ever blocking on it: what does not fit now is dropped.
///
/// Standard error is shared with the program, so it must not be made non-blocking for both (open(2): the flag belongs
/// to the open file). `RWF_NOWAIT` is for this write alone. Terminals do not know it, nor do pipes before Linux 6.4:
/// these are opened once more, for this line, without blocking. What cannot be (a pipe without /proc, or of another user)
/// is polled first; a pipe that is ready has room for `PIPE_BUF` bytes (pipe(7)), so such a write could block only if
/// another writer came in between. A file of a disk never blocks in that sense.
pub fn write_to_stderr(line: &[u8]) {
    const FD: c_int = libc::STDERR_FILENO;
    let chunk = libc::iovec { iov_base: line.as_ptr().cast_mut().cast(), iov_len: line.len() };
    let here: c_long = -1;
    // SAFETY: pwritev2 wants an array of one iovec whose bytes can be read: `chunk` names `line`, which outlives the
    // call.
    let written = unsafe {
        // As a whole word each: the last one is on the stack, and the C library's function reads a word there.
        let flags = c_long::from(libc::RWF_NOWAIT);
        libc::syscall(libc::SYS_pwritev2, FD, &raw const chunk, c_long::from(1), here, here, flags)
    };
    match Errno::result(written) {
        Ok(_) | Err(Errno::EBADF) => return,
        Err(errno) if came_with_a_signal(errno) => return,
        Err(errno) => {
            let kind = files::mode_of(FD) & libc::S_IFMT;
            let terminal = terminal::is_one(FD);
            let open = |path| files::open(path, libc::O_WRONLY | libc::O_NONBLOCK | libc::O_NOCTTY);
            // Not a file of a disk: that one would begin at its beginning.
            let again = if terminal || kind == libc::S_IFIFO { open(c"/proc/self/fd/2") } else { Err(errno) };
            let again = if terminal { again.or_else(|_| open(c"/dev/tty")) } else { again };
            if let Ok(again) = &again
                && let Err(errno) = nix::unistd::write(again, line)
            {
                came_with_a_signal(errno);
            }
            if terminal || again.is_ok() {
                return;
            }
            // Full. But some file systems give it for a file that a write would not have to wait for.
            if errno == Errno::EAGAIN && ![libc::S_IFREG, 0].contains(&kind) {
                return;
            }
        }
    }
    let mut poll = libc::pollfd { fd: FD, events: libc::POLLOUT, revents: 0 };
    // SAFETY: poll wants an array of one pollfd to read and write, which outlives the call; it does not wait.
    let ready = unsafe { libc::poll(&raw mut poll, 1, 0) };
    if ready == 1 && poll.revents & libc::POLLOUT != 0 {
        // SAFETY: write wants bytes that can be read: they are a slice, of which it is given no more than there is.
        let written = unsafe { libc::write(FD, line.as_ptr().cast(), line.len().min(libc::PIPE_BUF)) };
        if written < 0 {
            came_with_a_signal(Errno::last());
        }
    }
}

/// Whether a write fails so with a signal to rini: a broken pipe, or a file at the limit of its size (RLIMIT_FSIZE). That is then
/// taken.
///
/// A file at the largest size that its file system has gives EFBIG too, without the signal (the kernel's
/// generic_write_check_limits). Then there is nothing of rini's own to take, and a SIGXFSZ that somebody sent just before would
/// be taken in its place: no one sends that to an init, and a full file system is ENOSPC long before.
fn came_with_a_signal(errno: Errno) -> bool {
    let signal = match errno {
        Errno::EPIPE => Signal::PIPE,
        Errno::EFBIG => Signal::XFSZ,
        _ => return false,
    };
    signals::take_own(signal);
    true
}

/// Writes all of `bytes` to standard output, blocking if need be: for `--help` and its like, before anything is
/// started.
pub fn print(mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        // SAFETY: write wants bytes that can be read: they are a slice.
        let written = unsafe { libc::write(libc::STDOUT_FILENO, bytes.as_ptr().cast(), bytes.len()) };
        match Errno::result(written) {
            Err(Errno::EINTR) => (),
            // Nothing of it is written: the next one would tell the same.
            Ok(0) => return Err(Errno::EIO),
            written => bytes = bytes.get(usize::try_from(written?).unwrap_or(0)..).unwrap_or(&[]),
        }
    }
    Ok(())
}
