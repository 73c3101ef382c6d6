//! Processes: rini's own pid and rights, its children, its descriptors.

use super::prctl::prctl;
use super::{capabilities, files};
use crate::ground::bytes::Decimal;
use crate::ground::exit::Status;
use crate::ground::signal::Signal;
use libc::{c_int, c_long};
use nix::errno::Errno;
pub use nix::unistd::Pid;
use std::ffi::{CStr, c_char};
use std::{mem, ptr};

impl From<Pid> for Decimal {
    fn from(pid: Pid) -> Decimal {
        Decimal::from(pid.as_raw())
    }
}

/// rini's own pid.
pub fn own_pid() -> Pid {
    nix::unistd::getpid()
}

/// rini's effective user id.
pub fn own_user() -> u32 {
    // SAFETY: geteuid takes no arguments, and cannot fail.
    unsafe { libc::geteuid() }
}

/// The parent's pid, or 0 if the parent is outside rini's PID namespace.
pub fn parent_pid() -> Pid {
    nix::unistd::getppid()
}

/// The process group of a process.
pub fn group_of(pid: Pid) -> Result<Pid, Errno> {
    nix::unistd::getpgid(Some(pid))
}

/// Whether rini may see the kernel's threads, as the init of a machine does, which is in no container. Their parent, kthreadd, is
/// process 2, in group 0. A group from outside rini's PID namespace has that number too.
pub fn sees_kernel_threads() -> bool {
    group_of(Pid::from_raw(2)) == Ok(Pid::from_raw(0))
}

/// Whether rini's process group is from outside its PID namespace. Such a group has no number here (getpgrp(2): 0).
pub fn own_group_is_outside() -> bool {
    nix::unistd::getpgrp().as_raw() == 0
}

/// Whether this group has no process any more.
pub fn is_group_gone(group: Pid) -> bool {
    group.as_raw() > 1 && raw_kill_number(group.as_raw().saturating_neg(), 0) == Err(Errno::ESRCH)
}

/// Whether rini may not signal a process: it is another user's.
pub fn is_forbidden(pid: Pid) -> bool {
    raw_kill_number(pid.as_raw(), 0) == Err(Errno::EPERM)
}

/// Whether rini's own file gives rights to every user that runs it: it is setuid or setgid, or has file capabilities.
///
/// AT_SECURE (getauxval(3)) alone is no proof. SELinux sets it for a process 1 that enters the domain of its container,
/// and the kernel sets it for any program that a setuid program runs.
pub fn is_file_privileged() -> bool {
    // SAFETY: getauxval takes a number.
    let value = |which| unsafe { libc::getauxval(which) };
    if value(libc::AT_SECURE) == 0 {
        return false;
    }
    let mut file = c"/proc/self/exe";
    let mut mode = files::read_mode(file);
    if mode == 0 {
        // SAFETY: from_ptr wants a string that does not change: it is the path that the kernel stored at the start
        // (getauxval(3)).
        file = unsafe { CStr::from_ptr(value(libc::AT_EXECFN) as *const c_char) };
        mode = files::read_mode(file);
    }
    let is_set_id = mode & (libc::S_ISUID | libc::S_ISGID) != 0;
    let has_other_id = value(libc::AT_UID) != value(libc::AT_EUID) || value(libc::AT_GID) != value(libc::AT_EGID);
    capabilities::has_capabilities(file) || is_set_id && has_other_id
}

/// Makes rini a subreaper: the kernel gives it the orphans among its descendants (prctl(2), PR_SET_CHILD_SUBREAPER).
pub fn become_subreaper() -> Result<(), Errno> {
    prctl(libc::PR_SET_CHILD_SUBREAPER, 1).map(drop)
}

/// Whether rini is a subreaper already. The attribute survives an exec, and a fork does not inherit it.
pub fn is_subreaper() -> bool {
    let mut is_subreaper = 0_i32;
    // SAFETY: this prctl wants room for an int, which outlives the call.
    unsafe { libc::syscall(libc::SYS_prctl, libc::PR_GET_CHILD_SUBREAPER, &raw mut is_subreaper) };
    is_subreaper == 1
}

/// Asks the kernel for `signal` when the parent dies (prctl(2), PR_SET_PDEATHSIG).
pub fn set_parent_death_signal(signal: Signal) -> Result<(), Errno> {
    prctl(libc::PR_SET_PDEATHSIG, signal.number().into()).map(drop)
}

/// The proof that this process is process 1 of its PID namespace. [`Pid1::kill_everything`] needs it, because elsewhere
/// "everything" would be the user's whole session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pid1(());

impl Pid1 {
    /// Returns the proof if this process is process 1.
    pub fn of_this_process() -> Option<Pid1> {
        (own_pid().as_raw() == 1).then_some(Pid1(()))
    }

    /// Sends a signal to every process of the namespace except rini (kill(2), pid -1), at one moment: the kernel lets
    /// no fork slip through. It passes over another user's processes without an error if rini may not signal them.
    pub fn kill_everything(self, signal: Signal) -> Result<(), Errno> {
        raw_kill(-1, signal)
    }

    /// Whether the namespace has any other process or zombie. A process that `docker exec` starts is not a child of rini.
    pub fn has_company(self) -> bool {
        raw_kill_number(-1, 0).is_ok()
    }
}

/// Whether rini has a child or a zombie in this process group. While it has one, the number cannot be another group's.
pub fn has_child_in(group: Pid) -> bool {
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    wait_for_change(libc::P_PGID, group.as_raw().unsigned_abs(), flags).err() != Some(Errno::ECHILD)
}

/// Whether rini has a child that has not ended. Without WEXITED the kernel passes over zombies.
pub fn has_living_child() -> bool {
    wait_for_change(libc::P_ALL, 0, libc::WSTOPPED | libc::WNOHANG | libc::WNOWAIT).is_ok()
}

/// Sends a signal to one process. It refuses the pids 0 and -1, by which kill(2) signals many processes.
pub fn kill(pid: Pid, signal: Signal) -> Result<(), Errno> {
    match pid.as_raw() {
        raw @ 1.. => raw_kill(raw, signal),
        _ => Err(Errno::ESRCH),
    }
}

/// Stops rini alone, if it is not PID 1. The kernel never stops PID 1 from inside its namespace, but would still
/// discard a pending SIGCONT that was sent for the program.
pub fn stop_itself() {
    if Pid1::of_this_process().is_none() {
        let _ = kill(own_pid(), Signal::STOP);
    }
}

/// Sends a signal to a process group, and for 0 to rini's own.
pub fn kill_group(group: Pid, signal: Signal) -> Result<(), Errno> {
    match group.as_raw() {
        0 => raw_kill(0, signal),
        // Group 1 is refused: its negative, -1, is every process. A child that rini started is never process 1.
        raw @ 2.. => raw_kill(raw.saturating_neg(), signal),
        _ => Err(Errno::ESRCH),
    }
}

fn raw_kill(target: c_int, signal: Signal) -> Result<(), Errno> {
    raw_kill_number(target, signal.number().into())
}

/// Signal 0 only checks whether a signal could be sent.
fn raw_kill_number(target: c_int, signal: c_int) -> Result<(), Errno> {
    // SAFETY: kill takes numbers and no pointer. (nix's kill has no real-time signals.)
    Errno::result(unsafe { libc::kill(target, signal) }).map(drop)
}

/// The answer of [`reap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaped {
    /// This child ended, and rini has reaped it. From now on its pid may belong to another process.
    Ended(Pid, Status),
    /// This child made rini its tracer, and stopped for a signal.
    Traced(Pid, Option<Signal>),
    /// rini has children, and none of them is a zombie.
    Nothing,
    /// rini has no children (ECHILD), or the kernel refuses the call.
    Failed(Errno),
}

/// Reaps a zombie. With `block` it waits for one, which rini does only if it cannot wait for signals.
///
/// [`take_run_change`] asks for stops in a separate call. With WUNTRACED the kernel would inspect every living child
/// here, which is slow if thousands of them precede the zombie.
pub fn reap(block: bool) -> Reaped {
    let flags = libc::WEXITED | if block { 0 } else { libc::WNOHANG };
    let info = loop {
        match wait_for_change(libc::P_ALL, 0, flags) {
            Ok(info) => break info,
            // rini tries again: EINTR says nothing about the children, and their SIGCHLD will not come again.
            Err(Errno::EINTR) => (),
            Err(errno) => return Reaped::Failed(errno),
        }
    };
    let (pid, status) = pid_and_status(&info);
    match (info.si_code, Signal::from_number(status)) {
        _ if pid.as_raw() == 0 => Reaped::Nothing,
        (libc::CLD_KILLED | libc::CLD_DUMPED, Some(signal)) => Reaped::Ended(pid, Status::Killed(signal)),
        // The kernel keeps the low eight bits of the exit code (exit(3)).
        (libc::CLD_EXITED, _) => Reaped::Ended(pid, Status::Exited(status.to_le_bytes()[0])),
        // The kernel reports each stop to a tracer, even if the tracer does not ask for stops (ptrace(2)).
        (_, signal) => Reaped::Traced(pid, signal),
    }
}

/// A change of a living child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunChange {
    /// This signal stopped the child.
    Stopped(Signal),
    /// SIGCONT continued the child.
    Continued,
    /// The child made rini its tracer, and stopped for a signal.
    Traced(Option<Signal>),
}

/// Takes the last change of a living child, if the kernel has not reported it yet.
pub fn take_run_change(child: Pid) -> Option<RunChange> {
    let flags = libc::WSTOPPED | libc::WCONTINUED | libc::WNOHANG;
    let info = wait_for_change(libc::P_PID, child.as_raw().unsigned_abs(), flags).ok()?;
    match (info.si_code, Signal::from_number(pid_and_status(&info).1)) {
        (libc::CLD_STOPPED, Some(signal)) => Some(RunChange::Stopped(signal)),
        (libc::CLD_TRAPPED, signal) => Some(RunChange::Traced(signal)),
        (libc::CLD_CONTINUED, _) => Some(RunChange::Continued),
        _ => None,
    }
}

/// Ends the trace of a process that made rini its tracer (PTRACE_TRACEME), which some programs do to keep debuggers
/// away.
///
/// The process goes on with the signal that it stopped for, except for the SIGTRAP of an exec. That signal is for the
/// tracer alone, and would kill the process (ptrace(2)).
pub fn detach_tracee(pid: Pid, signal: Option<Signal>) -> Result<(), Errno> {
    // These numbers are the same on every architecture.
    const PTRACE_DETACH: c_long = 17;
    const PTRACE_GETSIGINFO: c_long = 0x4202;
    let (pid, none) = (c_long::from(pid.as_raw()), c_long::from(0));
    let mut signal = signal.map_or(0, Signal::number);
    if signal == Signal::TRAP.number() {
        // SAFETY: siginfo_t is plain data of the kernel, for which all zeros is a value.
        let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
        // SAFETY: PTRACE_GETSIGINFO wants room for a siginfo, which outlives the call.
        unsafe { libc::syscall(libc::SYS_ptrace, PTRACE_GETSIGINFO, pid, none, &raw mut info) };
        // The kernel sends the SIGTRAP of an exec in the name of the process itself. A breakpoint has another code.
        if info.si_code == libc::SI_USER && c_long::from(pid_and_status(&info).0.as_raw()) == pid {
            signal = 0;
        }
    }
    // SAFETY: PTRACE_DETACH takes numbers and no pointer.
    Errno::result(unsafe { libc::syscall(libc::SYS_ptrace, PTRACE_DETACH, pid, none, c_long::from(signal)) }).map(drop)
}

/// Calls waitid(2). nix's waitpid cannot report a real-time signal: it reaps a child that was killed by one, and then
/// fails to decode the answer.
///
/// `__WALL` covers children from before rini's exec, which may have another exit signal than SIGCHLD, or none
/// (clone(2)). The kernel sends SIGCHLD for these too, because their parent has become another program.
fn wait_for_change(which: libc::idtype_t, id: libc::id_t, flags: c_int) -> Result<libc::siginfo_t, Errno> {
    // SAFETY: siginfo_t is plain data of the kernel, for which all zeros is a value. Without a change it stays all
    // zeros.
    let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
    let (flags, no_usage) = (flags | libc::__WALL, ptr::null_mut::<libc::rusage>());
    // SAFETY: waitid wants room for a siginfo, which outlives the call, and for a rusage or null; P_ALL ignores the id.
    Errno::result(unsafe { libc::syscall(libc::SYS_waitid, which, id, &raw mut info, flags, no_usage) }).map(|_| info)
}

/// The pid in an answer of waitid(2), and the exit code or the signal.
fn pid_and_status(info: &libc::siginfo_t) -> (Pid, c_int) {
    // SAFETY: si_pid reads a union field, which must be in use: waitid fills it in, or leaves all zeros.
    let pid = unsafe { info.si_pid() };
    // SAFETY: si_status reads the same union: waitid fills it in together with si_pid.
    let status = unsafe { info.si_status() };
    (Pid::from_raw(pid), status)
}

/// Changes the working directory to `/`, so that rini keeps no other directory in use.
pub fn leave_working_directory() {
    // SAFETY: chdir wants a path.
    unsafe { libc::chdir(c"/".as_ptr()) };
}

/// Closes every descriptor from 3 on.
pub fn close_descriptors_from_3() {
    // SAFETY: close_range takes numbers and no pointer. No `OwnedFd` may exist at this point, and none does: rini uses
    // no descriptor above 2.
    let closed =
        unsafe { libc::syscall(libc::SYS_close_range, c_long::from(3), c_long::from(c_int::MAX), c_long::from(0)) };
    if closed == 0 {
        return;
    }
    // Linux before 5.9, or an older seccomp profile, refuses close_range. The limit of descriptors may be a billion, so
    // rini closes only as many as are worth the time.
    for fd in 3..=65_535 {
        // SAFETY: close takes a number. As above, nothing uses the descriptor.
        unsafe { libc::close(fd) };
    }
}
