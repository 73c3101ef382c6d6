//! Signals by the kernel's own interface: 64-bit masks, real-time signals, senders.
//!
//! rini does not use the C library's functions for masks and waits, because they hide signals: glibc 32 and 33, and
//! musl 32 to
//! 34. For that reason tini and catatonit, if built with musl, do not forward signal 34.

use super::clock::{self, Timespec};
use super::prctl::prctl;
use super::process::{self, Pid};
use crate::ground::signal::Signal;
use crate::ground::time::Instant;
use libc::{c_int, c_ulong, siginfo_t};
use nix::errno::Errno;
use std::mem;
use std::ptr;

/// The size of the kernel's signal sets: 64 signals, a bit each. rini does not support MIPS, which has 128 signals, nor
/// 32-bit big-endian machines, which order the halves of a set differently.
const SET_SIZE: usize = 8;
const _: () = assert!(cfg!(any(target_pointer_width = "64", target_endian = "little")));
const _: () = assert!(!cfg!(any(target_arch = "mips", target_arch = "mips64")));

/// The signals that a process has blocked, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Mask(u64);

impl Mask {
    /// Every signal.
    pub(super) const ALL: Mask = Mask(u64::MAX);

    /// Makes a mask from the kernel's set.
    pub fn from_bits(bits: u64) -> Mask {
        Mask(bits)
    }

    fn without(self, signal: Signal) -> Mask {
        Mask(self.0 & !signal.bit())
    }
}

/// Blocks every signal, and returns the mask from before.
pub fn block_all() -> Mask {
    set_mask(Mask::ALL)
}

/// Replaces the mask, and returns the mask from before.
pub fn set_mask(mask: Mask) -> Mask {
    let mut before = Mask(0);
    // SAFETY: rt_sigprocmask wants a set to read and a set to write, of SET_SIZE bytes each: both are a u64 that
    // outlives the call. It cannot fail with these arguments (sigprocmask(2): EFAULT, EINVAL).
    unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const mask.0, &raw mut before.0, SET_SIZE);
    }
    before
}

/// A replaced disposition, which the child restores. It is the kernel's `struct sigaction`, as the kernel wrote it:
/// handler, flags, restorer and mask. Each is one word, and on 32-bit machines the mask is two.
#[derive(PartialEq, Eq)]
pub struct Disposition([c_ulong; 5]);

/// SIG_DFL is 0, and its other fields are 0 too.
const DEFAULT: Disposition = Disposition([0; 5]);

/// Sets SIGCHLD to its default action, and returns the inherited disposition.
///
/// If SIGCHLD is inherited as ignored, the kernel reaps all children itself. tini, catatonit and tino then wait for
/// ever for an exit status that the kernel did not keep.
pub fn reset_sigchld() -> Result<Disposition, Errno> {
    set_disposition(Signal::CHLD, &DEFAULT)
}

/// Restores the inherited disposition of SIGCHLD, in the child before its exec.
pub fn restore_sigchld(inherited: &Disposition) {
    if *inherited != DEFAULT {
        let _ = set_disposition(Signal::CHLD, inherited);
    }
}

fn set_disposition(signal: Signal, to: &Disposition) -> Result<Disposition, Errno> {
    let mut before = DEFAULT;
    // SAFETY: rt_sigaction wants a struct to read, room to write one, the size of the mask, and a handler that is safe
    // to run. Both arrays are long enough. `to` has no handler: it is the default, or an inherited disposition, and an
    // exec leaves only "default" and "ignored" (execve(2)).
    let set = unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            c_int::from(signal.number()),
            to.0.as_ptr(),
            before.0.as_mut_ptr(),
            SET_SIZE,
        )
    };
    Errno::result(set).map(|_| before)
}

/// Ends rini by the default action of this signal. rini sends the signal to itself, or to its whole process group, and
/// leaves no core file. The function returns only if rini survives.
pub fn die_by(signal: Signal, group: bool) {
    let _ = prctl(libc::PR_SET_DUMPABLE, 0);
    let _ = set_disposition(signal, &DEFAULT);
    let _ =
        if group { process::kill_group(Pid::from_raw(0), signal) } else { process::kill(process::own_pid(), signal) };
    set_mask(Mask::ALL.without(signal));
}

/// The sender of a signal, as the kernel reports it (`si_code` and `si_pid`, sigaction(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The kernel itself: the terminal's line discipline, an alarm, a descriptor.
    Kernel,
    /// A process that has no pid in this namespace.
    Outside,
    /// A process in this namespace.
    Process(Pid),
}

/// A received signal with its sender and value.
///
/// A signal that came by kill(2) or tgkill(2) becomes a queued signal without a value, so that rini can forward it with
/// its sender.
#[derive(Clone, Copy)]
pub struct Received(siginfo_t);

impl Received {
    /// A value for [`wait`] to fill in.
    pub fn empty() -> Received {
        // SAFETY: siginfo_t is plain data of the kernel's, for which all zeros is a value.
        Received(unsafe { mem::zeroed() })
    }

    /// The signal, or None if nothing was received yet.
    pub fn signal(&self) -> Option<Signal> {
        Signal::from_number(self.0.si_signo)
    }

    /// The sender.
    pub fn sender(&self) -> Sender {
        if !matches!(self.0.si_code, libc::SI_QUEUE | libc::SI_MESGQ) {
            return Sender::Kernel;
        }
        // SAFETY: si_pid reads a union field, which must be in use: with these codes, and the codes that `take`
        // replaces, the kernel has filled in si_pid (sigaction(2)).
        match unsafe { self.0.si_pid() } {
            0 => Sender::Outside,
            pid => Sender::Process(Pid::from_raw(pid)),
        }
    }

    /// Forwards it to a process, as `signal`, with the sender and the value that it came with.
    ///
    /// rt_sigqueueinfo(2) accepts a siginfo with a negative `si_code`, so the program sees the sender and not rini. The
    /// kernel's own signals cannot be imitated, so rini sends these by kill(2). It does the same if the queue is full
    /// or the call is forbidden.
    pub fn forward_to(&self, pid: Pid, signal: Signal) -> Result<(), Errno> {
        if self.0.si_code >= 0 {
            return process::kill(pid, signal);
        }
        // SAFETY: rt_sigqueueinfo wants a siginfo to read: this is a complete one, filled in by the kernel.
        let sent = unsafe {
            libc::syscall(libc::SYS_rt_sigqueueinfo, pid.as_raw(), c_int::from(signal.number()), &raw const self.0)
        };
        match Errno::result(sent) {
            Ok(_) => Ok(()),
            Err(Errno::ESRCH) => Err(Errno::ESRCH),
            Err(_) => process::kill(pid, signal),
        }
    }
}

/// Lowers rini's limit of queued signals (getrlimit(2), RLIMIT_SIGPENDING) below the child's, which was set at the
/// fork.
///
/// The kernel counts the queued signals of all processes of a user together, and compares the sum with the receiver's
/// limit. With equal limits, a sender can take the slot in the queue that rini has just freed. Then there is no slot to
/// forward the signal, and it would lose its value. With a lower limit for rini, the kernel refuses the sender instead,
/// which then knows it. (This cannot help a child of another user, whose queue rini does not see.)
pub fn lower_queue_limit() {
    // The soft and the hard limit, of 64 bits each on every machine. They stay 0 if the kernel refuses the call.
    let mut limit = [0_u64; 2];
    let none = ptr::null_mut::<u64>();
    // SAFETY: prlimit64 wants room for two limits, which outlives the call. Pid 0 is this process. (size: 24)
    unsafe { libc::syscall(libc::SYS_prlimit64, 0, libc::RLIMIT_SIGPENDING, none, limit.as_mut_ptr()) };
    let [soft, _] = &mut limit;
    // From 1 the limit would fall to 0, and rini would receive no queued signal.
    if *soft > 1 {
        // Lowered by more than one slot, because other processes of this user may queue signals too.
        *soft = soft.saturating_sub((*soft / 8).max(1));
        // SAFETY: prlimit64 wants two limits to read, which outlive the call.
        unsafe { libc::syscall(libc::SYS_prlimit64, 0, libc::RLIMIT_SIGPENDING, limit.as_ptr(), none) };
    }
}

/// When a wait for a signal ends without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// At once: take only a pending signal.
    Now,
    /// At this time.
    At(Instant),
    /// Never: wait until a signal comes.
    Never,
}

impl Timeout {
    /// The time until then, for the kernel. None is no limit.
    pub(super) fn span(self) -> Option<Timespec> {
        match self {
            Timeout::Now => Some(Timespec::default()),
            Timeout::At(time) => Some(time.since(clock::now()).into()),
            Timeout::Never => None,
        }
    }
}

/// Waits for the next signal, and takes it. Unless rini watches standard input ([`stdin`](super::stdin)), this is the only call in
/// which it blocks.
///
/// `Ok(false)`: the timeout expired, or the wait was interrupted. Any error would come again.
pub fn wait(timeout: Timeout, received: &mut Received) -> Result<bool, Errno> {
    take(Mask::ALL, timeout, received)
}

/// Whether this may be the number of the system call that waits for signals, in /proc/PID/syscall
/// (proc_pid_syscall(5)).
///
/// It accepts the numbers of all architectures that rini is built for, because a program may have another one than rini
/// (32 bits, or in an emulator). A thread does not stay in any other call with one of these numbers.
pub fn is_wait(number: u64) -> bool {
    // By number: x86-64; aarch64 and riscv64; ppc64; s390x, i386 and arm; all 32-bit ones, with 64-bit times.
    matches!(number, 128 | 137 | 176 | 177 | 421)
}

/// Takes a pending signal that is neither SIGTTIN nor SIGTTOU, if there is one.
pub fn take_other_than_background_stops(received: &mut Received) -> Result<bool, Errno> {
    take(Mask::ALL.without(Signal::TTIN).without(Signal::TTOU), Timeout::Now, received)
}

/// Takes the SIGPIPE or SIGXFSZ that the kernel has just sent to rini for a write of its own, and discards it.
///
/// The signal is not for the program, so rini must not forward it. It must not stay pending either: it would wake rini,
/// and the message about it would cause the next one. The kernel sends it to rini's thread, so rini takes it before one
/// that another process sent.
pub fn discard_own(signal: Signal) {
    let _ = take(Mask(signal.bit()), Timeout::Now, &mut Received::empty());
}

fn take(set: Mask, timeout: Timeout, Received(info): &mut Received) -> Result<bool, Errno> {
    let span = timeout.span();
    let span = span.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: rt_sigtimedwait wants a set of SET_SIZE bytes, room for a siginfo, and a timespec or null: all three
    // outlive the call, and `Timespec` has the layout that the call takes on every machine.
    let taken = unsafe { libc::syscall(libc::SYS_rt_sigtimedwait, &raw const set.0, &raw mut *info, span, SET_SIZE) };
    match Errno::result(taken) {
        Ok(_) => {
            if matches!(info.si_code, libc::SI_USER | libc::SI_TKILL) {
                info.si_code = libc::SI_QUEUE;
            }
            Ok(true)
        }
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Stops rini's own process group, rini included, by SIGTSTP or its like. Returns true if rini was stopped and then
/// continued.
///
/// The kernel ignores the signal if no process could continue the group: for an orphaned process group, and for PID 1.
pub fn stop_own_group(signal: Signal) -> bool {
    // A stop discards a pending SIGCONT, and this SIGCONT was sent to undo the stop that rini is about to repeat. (A
    // SIGCONT between this check and the kill is lost, as in every program that stops itself because another process
    // stopped.)
    if read_pending() & Signal::CONT.bit() != 0 {
        return true;
    }
    set_mask(Mask::ALL.without(signal));
    // The signal is unblocked, so it acts before kill(2) returns: rini stops inside this call.
    let sent = process::kill_group(Pid::from_raw(0), signal);
    set_mask(Mask::ALL);
    // Only SIGCONT ends a stop. It is blocked, so it is still pending then, and the stop had discarded any older one
    // (signal(7)).
    sent.is_ok() && read_pending() & Signal::CONT.bit() != 0
}

fn read_pending() -> u64 {
    let mut set = 0_u64;
    // SAFETY: rt_sigpending wants room for SET_SIZE bytes: a u64 that outlives the call.
    unsafe { libc::syscall(libc::SYS_rt_sigpending, &raw mut set, SET_SIZE) };
    set
}
