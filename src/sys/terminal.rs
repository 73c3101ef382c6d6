//! The controlling terminal and its foreground process group (credentials(7), termios(3)).

use super::files;
use super::process::{self, Pid};
use crate::supervisor::Foreground;
use libc::c_int;
use nix::errno::Errno;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// How a terminal was left to a session of the child's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandOff {
    /// By the leader of its session: nobody has it now.
    BySessionLeader,
    /// By a member of its session: its leader and the others keep it.
    Alone,
}

/// Gives the terminal on standard input up, where that is the controlling terminal (ioctl_tty(2), TIOCNOTTY), so that
/// the child's session can have it.
///
/// If rini leads the session, the kernel sends SIGHUP and SIGCONT to the foreground process group: to rini too.
pub fn hand_off() -> Result<HandOff, Errno> {
    // SAFETY: this ioctl takes no argument.
    Errno::result(unsafe { libc::ioctl(libc::STDIN_FILENO, libc::TIOCNOTTY) })?;
    let leads = nix::unistd::getsid(None) == Ok(process::own_pid());
    Ok(if leads { HandOff::BySessionLeader } else { HandOff::Alone })
}

/// In the child, as the leader of a session: makes the terminal on standard input the controlling terminal, with the
/// child's group in the foreground, if it is no other session's (ioctl_tty(2), TIOCSCTTY).
pub fn take_over() -> Result<(), Errno> {
    // SAFETY: this ioctl takes a number.
    Errno::result(unsafe { libc::ioctl(libc::STDIN_FILENO, libc::TIOCSCTTY, 0) }).map(drop)
}

/// Whether this descriptor is of a terminal: whether it has a size, as musl's isatty(3) asks.
pub fn is_one(fd: c_int) -> bool {
    // SAFETY: winsize is plain data of the kernel's, for which all zeros is a value.
    let mut size: libc::winsize = unsafe { mem::zeroed() };
    // SAFETY: this ioctl wants room for a winsize, which outlives the call.
    unsafe { libc::ioctl(fd, libc::TIOCGWINSZ, &raw mut size) == 0 }
}

/// The controlling terminal. Opened anew for each use: rini keeps no descriptor of the container's.
pub enum Terminal {
    /// A descriptor of its own.
    Own(OwnedFd),
    /// One of the standard streams.
    Stream(BorrowedFd<'static>),
}

impl Terminal {
    /// The controlling terminal, where there is one.
    ///
    /// It is asked of /dev/tty and not of standard input: with that redirected, a program under tini that reads
    /// /dev/tty is stopped by SIGTTIN. An image without /dev may still have a terminal on one of the standard streams.
    pub fn open() -> Option<Terminal> {
        match files::open(c"/dev/tty", libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK) {
            Ok(file) => Some(Terminal::Own(file)),
            Err(Errno::ENXIO) => None,
            Err(_) => [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO]
                .into_iter()
                // SAFETY: borrow_raw wants a descriptor that stays open: nothing in rini closes 0 to 2. Where one was
                // closed from the start, the calls below say so (EBADF).
                .map(|fd| unsafe { BorrowedFd::borrow_raw(fd) })
                // tcgetpgrp(3) answers for the caller's controlling terminal only.
                .find(|stream| nix::unistd::tcgetpgrp(stream).is_ok())
                .map(Terminal::Stream),
        }
    }

    /// For tcsetpgrp in the child.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Terminal::Own(file) => file.as_fd(),
            Terminal::Stream(stream) => *stream,
        }
    }

    /// Whose group the terminal's foreground group is.
    pub fn foreground(&self, child: Pid) -> Foreground {
        match nix::unistd::tcgetpgrp(self.descriptor()) {
            Ok(group) if group == child => Foreground::Child,
            Ok(group) if group == nix::unistd::getpgrp() && self.may_read(group) => Foreground::Own,
            _ => Foreground::Other,
        }
    }

    /// Whether rini's own group is the foreground group.
    pub fn is_ours(&self) -> bool {
        // No child of rini's has its own group before it has been started.
        self.foreground(Pid::from_raw(-1)) == Foreground::Own
    }

    /// Groups outside rini's PID namespace all read as 0 (`unshare --pid`), and then two zeros say nothing. A
    /// background process cannot read from its terminal: with SIGTTIN blocked it gets EIO, even for no byte at all
    /// (termios(3)). Somebody else of the foreground may be reading just now, and reads are one at a time: EAGAIN says so, to
    /// whom it may, and without O_NONBLOCK this would wait for that other one's line. A stream is opened once more for that.
    fn may_read(&self, group: Pid) -> bool {
        let reads = |fd: BorrowedFd<'_>| matches!(nix::unistd::read(fd, &mut []), Ok(_) | Err(Errno::EAGAIN));
        group.as_raw() != 0
            || match self {
                Terminal::Own(file) => reads(file.as_fd()),
                Terminal::Stream(stream) => {
                    let paths = [c"/proc/self/fd/0", c"/proc/self/fd/1", c"/proc/self/fd/2"];
                    let path = usize::try_from(stream.as_raw_fd()).ok().and_then(|fd| paths.get(fd));
                    path.and_then(|path| files::open(path, libc::O_RDONLY | libc::O_NOCTTY | libc::O_NONBLOCK).ok())
                        .is_some_and(|file| reads(file.as_fd()))
                }
            }
    }

    /// Makes a group of this session the foreground group. SIGTTOU is blocked, so the background may do this too.
    pub fn give_to(&self, group: Pid) {
        // No error of this is a reason to stop anything: a hung-up terminal has no foreground.
        let _ = nix::unistd::tcsetpgrp(self.descriptor(), group);
    }

    /// Makes rini's own group the foreground group.
    pub fn take_back(&self) {
        self.give_to(nix::unistd::getpgrp());
    }
}
