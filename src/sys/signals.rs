//! Signals by the kernel's own interface: 64-bit masks, real-time signals, who sent what.
//!
//! The C libraries' wrappers are not used for masks and waits: with musl, sigfillset leaves out 32 to 34 and the calls
//! hide them; glibc does so with 32 and 33. tini and catatonit built with musl do not forward signal 34 for that.

use super::clock::{self, Timespec};
use super::process::{self, Pid};
use crate::signal::Signal;
use crate::time::Instant;
use libc::{c_int, c_ulong, siginfo_t};
use nix::errno::Errno;
use std::mem;
use std::ptr;

/// What the kernel takes for the size of a signal set: 64 signals. (MIPS has 128 of them; 32-bit big-endian machines
/// order the halves of a set differently. rini is for neither.)
const SET_SIZE: usize = 8;
const _: () = assert!(cfg!(any(target_pointer_width = "64", target_endian = "little")));
const _: () = assert!(!cfg!(any(target_arch = "mips", target_arch = "mips64")));

/// The signals that a process has blocked, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask(u64);

impl Mask {
    const ALL: Mask = Mask(u64::MAX);

    /// From the kernel's form.
    pub fn from_bits(bits: u64) -> Mask {
        Mask(bits)
    }

    fn without(self, signal: Signal) -> Mask {
        Mask(self.0 & !signal.bit())
    }
}

/// Blocks every signal and gives back the mask that was in force.
pub fn block_all() -> Mask {
    set_mask(Mask::ALL)
}

/// Replaces the mask and gives back the one before.
pub fn set_mask(mask: Mask) -> Mask {
    let mut before = Mask(0);
    // SAFETY: rt_sigprocmask wants a set to read and one to write, of SET_SIZE bytes each: both are a u64 that outlives
    // the call. It cannot fail with these arguments (sigprocmask(2): EFAULT, EINVAL).
    unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const mask.0, &raw mut before.0, SET_SIZE);
    }
    before
}

/// A disposition that was replaced, to be put back in the child: the kernel's `struct sigaction` for this machine, of at
/// most four words (handler, flags, restorer, mask; on 32-bit machines the mask is two), as it wrote it.
pub struct Disposition([c_ulong; 5]);

/// Sets SIGCHLD to its default and gives back what was inherited.
///
/// Inherited as ignored, it makes the kernel reap the children itself, and tini, catatonit and tino wait for ever for a
/// status that nobody kept.
pub fn default_sigchld() -> Result<Disposition, Errno> {
    // SIG_DFL is 0, and so is every field's least.
    let (default, mut before) = (Disposition([0; 5]), Disposition([0; 5]));
    // SAFETY: rt_sigaction wants a handler that is safe to run as one, a struct to read and room to write one, and the
    // size of the mask in it: the default action is no function of ours, and both arrays are at least as long.
    let set = unsafe {
        libc::syscall(libc::SYS_rt_sigaction, libc::SIGCHLD, default.0.as_ptr(), before.0.as_mut_ptr(), SET_SIZE)
    };
    Errno::result(set).map(|_| before)
}

/// Puts the inherited disposition of SIGCHLD back. For the child, before its exec.
pub fn restore_sigchld(inherited: &Disposition) {
    // SAFETY: rt_sigaction wants a handler that is safe to run as one, and a struct to read: the kernel has written this
    // one, and an exec leaves only the default and "ignored" (execve(2)), so what was inherited is no function.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            libc::SIGCHLD,
            inherited.0.as_ptr(),
            ptr::null_mut::<c_ulong>(),
            SET_SIZE,
        );
    }
}

/// Who sent a signal, as the kernel tells (`si_code` and `si_pid`, sigaction(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The kernel itself: the terminal's line discipline, an alarm, a descriptor.
    Kernel,
    /// A process that has no pid in this namespace.
    Outside,
    /// A process in this namespace.
    Process(Pid),
}

/// A signal as it was received, with all that came with it.
///
/// One that came by kill(2) or tgkill(2) is made a queued signal without a value: so it can be sent on with its sender.
#[derive(Clone, Copy)]
pub struct Received(siginfo_t);

impl Received {
    /// Room for one.
    pub fn none() -> Received {
        // SAFETY: siginfo_t is plain data of the kernel's, for which all zeros is a value.
        Received(unsafe { mem::zeroed() })
    }

    /// Which one.
    pub fn signal(&self) -> Option<Signal> {
        Signal::from_number(self.0.si_signo)
    }

    /// Who sent it.
    pub fn sender(&self) -> Sender {
        if !matches!(self.0.si_code, libc::SI_QUEUE | libc::SI_MESGQ) {
            return Sender::Kernel;
        }
        // SAFETY: si_pid reads a union field, which wants that field to be the one in use: with these codes, and those that
        // `take` replaces, the kernel filled in si_pid (sigaction(2)).
        match unsafe { self.0.si_pid() } {
            0 => Sender::Outside,
            pid => Sender::Process(Pid::from_raw(pid)),
        }
    }

    /// Sends it on to a process, as `signal`, with the sender and the value that it came with.
    ///
    /// rt_sigqueueinfo(2) passes on what bears a negative `si_code`, so the program sees who sent the signal, and not only that
    /// it came through rini. The kernel's own signals cannot be imitated, and are sent by kill; so is a signal where the
    /// queue is full or the call forbidden.
    pub fn forward_to(&self, pid: Pid, signal: Signal) -> Result<(), Errno> {
        if self.0.si_code >= 0 {
            return process::kill(pid, signal);
        }
        // SAFETY: rt_sigqueueinfo wants a siginfo to read: this is a whole one, filled in by the kernel.
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

/// Lowers how many signals may be queued to rini (getrlimit(2), RLIMIT_SIGPENDING) below that of the child, which has its own by now.
///
/// The kernel counts what is queued to all processes of a user together, and asks the receiver's limit. With the same limit for
/// both, a sender takes the place of the signal that rini has just taken, and then there is none to send it on: it would go
/// without its value, and be merged with another that has none. So it is the sender that is refused, and knows it. (A child of
/// another user has a queue that rini cannot see the end of.)
pub fn leave_room_for_forwarding() {
    // The soft limit and the hard one, on every machine of 64 bits each; where they cannot be read it stays 0.
    let mut limit = [0_u64; 2];
    let none = ptr::null_mut::<u64>();
    // SAFETY: prlimit64 wants room for two limits, which outlives the call; pid 0 is this process. (musl's setrlimit is made for
    // threads, and large.)
    unsafe { libc::syscall(libc::SYS_prlimit64, 0, libc::RLIMIT_SIGPENDING, none, limit.as_mut_ptr()) };
    let [soft, _] = &mut limit;
    // With 1 there would be none for rini, and nothing would come through.
    if *soft > 1 {
        // Some more than the one, as there may be others of this user.
        *soft = soft.saturating_sub((*soft / 8).max(1));
        // SAFETY: prlimit64 wants two limits to read, which outlive the call.
        unsafe { libc::syscall(libc::SYS_prlimit64, 0, libc::RLIMIT_SIGPENDING, limit.as_ptr(), none) };
    }
}

/// Whether to wait for a signal or only to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Only take what is pending.
    None,
    /// Block until something comes, or until then.
    Until(Instant),
    /// Block until something comes.
    Endless,
}

/// Takes the next pending signal; this is the one call that rini blocks in.
///
/// `Ok(false)`: nothing was pending, or the wait was interrupted. Anything else is an error that would come again.
pub fn wait(patience: Patience, received: &mut Received) -> Result<bool, Errno> {
    take(Mask::ALL, patience, received)
}

/// Takes the SIGPIPE or SIGXFSZ that the kernel has just sent to rini for a write of its own.
///
/// It is nobody else's, so it must not be forwarded. Nor may it wait to be taken: it would wake rini, and a line about
/// that would bring the next one. It is taken before one that somebody sent, as it was sent to rini's thread.
pub fn take_own(signal: Signal) {
    let _ = take(Mask(signal.bit()), Patience::None, &mut Received::none());
}

fn take(set: Mask, patience: Patience, Received(info): &mut Received) -> Result<bool, Errno> {
    let timeout = match patience {
        Patience::None | Patience::Endless => Timespec::default(),
        Patience::Until(deadline) => deadline.since(clock::now()).into(),
    };
    let timeout: *const Timespec = if patience == Patience::Endless { ptr::null() } else { &raw const timeout };
    // SAFETY: rt_sigtimedwait wants a set of SET_SIZE bytes, room for a siginfo, and a timespec or null: all three
    // outlive the call, and `Timespec` has the layout that the call takes on every machine.
    let taken =
        unsafe { libc::syscall(libc::SYS_rt_sigtimedwait, &raw const set.0, &raw mut *info, timeout, SET_SIZE) };
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

/// Sends a stop signal to rini's own process group and lets it act on rini itself. Returns whether rini was stopped, in
/// which case it has been continued since.
///
/// The kernel ignores the signal where nobody could continue the group: an orphaned process group, or PID 1.
pub fn stop_own_group(signal: Signal) -> bool {
    // A stop takes a pending SIGCONT away, and here is one that came to undo the very stop that is to be passed on.
    // (One that comes between this look and the kill is lost, as in every program that stops itself for another's
    // stop.)
    if pending() & Signal::CONT.bit() != 0 {
        return true;
    }
    set_mask(Mask::ALL.without(signal));
    // With the signal unblocked, kill(2) does not return before it has acted: rini stops in here.
    let sent = process::kill_group(Pid::from_raw(0), signal);
    set_mask(Mask::ALL);
    // Only SIGCONT ends a stop, and being blocked it is then still pending; a stop had removed any older one
    // (signal(7)).
    sent.is_ok() && pending() & Signal::CONT.bit() != 0
}

fn pending() -> u64 {
    let mut set = 0_u64;
    // SAFETY: rt_sigpending wants room for SET_SIZE bytes: a u64 that outlives the call.
    unsafe { libc::syscall(libc::SYS_rt_sigpending, &raw mut set, SET_SIZE) };
    set
}
