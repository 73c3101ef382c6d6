//! The controlling terminal and its foreground process group (credentials(7), termios(3)).

use super::files;
use super::process::{self, Pid};
use crate::ground::foreground::Foreground;
use libc::c_int;
use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::null_mut;

/// How rini gave up its terminal for the child's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandOff {
    /// As the leader of its session: no session has the terminal now.
    BySessionLeader,
    /// As a member of its session: the leader and the other members keep the terminal.
    Alone,
}

/// Gives up the terminal on standard input, if that is the controlling terminal (ioctl_tty(2), TIOCNOTTY), so that the
/// child's session can take it.
///
/// If rini leads the session, the kernel sends SIGHUP and SIGCONT to the foreground process group, and so to rini too.
pub fn hand_off() -> Result<HandOff, Errno> {
    ioctl(libc::STDIN_FILENO, libc::TIOCNOTTY, null_mut())?;
    let leads = nix::unistd::getsid(None) == Ok(process::own_pid());
    Ok(if leads { HandOff::BySessionLeader } else { HandOff::Alone })
}

/// As the leader of a session, makes the terminal on standard input the controlling terminal, with the caller's group
/// in the foreground. It fails if another session has the terminal (ioctl_tty(2), TIOCSCTTY).
pub fn take_over() -> Result<(), Errno> {
    // TIOCSCTTY takes a number: 0 takes the terminal from no other session.
    ioctl(libc::STDIN_FILENO, libc::TIOCSCTTY, null_mut())
}

/// Whether this descriptor is a terminal. A terminal has a window size, by which musl's isatty(3) recognises it too.
pub fn is_terminal(fd: c_int) -> bool {
    let mut size = Room::default();
    ioctl(fd, libc::TIOCGWINSZ, &raw mut size).is_ok()
}

/// The foreground process group (tcgetpgrp(3)). This succeeds only for the caller's controlling terminal.
pub fn foreground_group(fd: c_int) -> Result<Pid, Errno> {
    let mut group = Room::default();
    ioctl(fd, libc::TIOCGPGRP, &raw mut group)?;
    Ok(Pid::from_raw(group.0[0]))
}

/// Room for what an ioctl of a terminal reads or writes: a pid, or a window size, which is as long as two pids.
#[derive(Default)]
#[repr(C)]
struct Room([libc::pid_t; 2]);

/// Calls ioctl(2) by the system call (size: 25).
fn ioctl(fd: c_int, request: libc::Ioctl, room: *mut Room) -> Result<(), Errno> {
    // SAFETY: the requests of the callers want at most a window size to read or write, or no memory: `room` outlives the call,
    // or is null.
    Errno::result(unsafe { libc::syscall(libc::SYS_ioctl, fd, request, room) }).map(drop)
}

/// The controlling terminal. rini opens it for each use, because it keeps no descriptor of the container.
pub enum Terminal {
    /// A descriptor that rini opened.
    Own(OwnedFd),
    /// One of the standard streams.
    Stream(BorrowedFd<'static>),
}

impl Terminal {
    /// Opens the controlling terminal, if there is one.
    ///
    /// rini opens /dev/tty and does not use standard input, which may be redirected. (tini uses it, so a program under
    /// tini that reads /dev/tty is then stopped by SIGTTIN.) An image without /dev may still have a terminal on a
    /// standard stream.
    pub fn open() -> Option<Terminal> {
        match files::open(c"/dev/tty", libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK) {
            Ok(file) => Some(Terminal::Own(file)),
            Err(Errno::ENXIO) => None,
            Err(_) => [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO]
                .into_iter()
                // SAFETY: borrow_raw wants a descriptor that stays open: nothing in rini closes 0 to 2. If one was
                // closed from the start, the calls below fail (EBADF).
                .map(|fd| unsafe { BorrowedFd::borrow_raw(fd) })
                .find(|stream| foreground_group(stream.as_raw_fd()).is_ok())
                .map(Terminal::Stream),
        }
    }

    /// Makes the terminal on standard input the controlling terminal, if rini leads a session without one and no other
    /// session has the terminal (ioctl_tty(2), TIOCSCTTY with 0). `lxc-start -F` gives such a terminal to process 1 of
    /// a container. Without this call its ^C would reach no process.
    ///
    /// rini claims only standard input. A terminal that is used for output alone, such as a service's console, sends no
    /// ^C.
    pub fn claim() -> Option<Terminal> {
        take_over().ok()?;
        // SAFETY: borrow_raw wants a descriptor that stays open: it is open, and nothing in rini closes 0 to 2.
        Some(Terminal::Stream(unsafe { BorrowedFd::borrow_raw(libc::STDIN_FILENO) }))
    }

    fn descriptor(&self) -> c_int {
        match self {
            Terminal::Own(file) => file.as_raw_fd(),
            Terminal::Stream(stream) => stream.as_raw_fd(),
        }
    }

    /// Says which process group is the foreground group.
    pub fn foreground(&self, child: Pid) -> Foreground {
        match foreground_group(self.descriptor()) {
            Ok(group) if group == child => Foreground::Child,
            Ok(group) if group == nix::unistd::getpgrp() && self.may_read(group) => Foreground::Own,
            // Each group outside the PID namespace has number 0 here, so `is_group_gone` cannot check it.
            Ok(group) if process::is_group_gone(group) => Foreground::Nobody,
            _ => Foreground::Other,
        }
    }

    /// Whether rini's own group is the foreground group.
    pub fn has_own_foreground(&self) -> bool {
        // There is no child yet, so no group can be the child's.
        self.foreground(Pid::from_raw(-1)) == Foreground::Own
    }

    /// Whether rini may read from the terminal. That decides if the foreground group and rini's own group are both 0,
    /// as all groups outside rini's PID namespace are (`unshare --pid`): then the numbers are equal without being the
    /// same group.
    ///
    /// A background process may not read from its terminal. With SIGTTIN blocked it gets EIO, even for no byte
    /// (termios(3)). EAGAIN says that rini may read, and that another process of the foreground is reading just now.
    /// Without O_NONBLOCK, rini would wait for that process's line, so it opens a standard stream again for this.
    fn may_read(&self, group: Pid) -> bool {
        let reads = |file: &OwnedFd| matches!(files::read_piece(file, &mut []), Ok(_) | Err(Errno::EAGAIN));
        group.as_raw() != 0
            || match self {
                Terminal::Own(file) => reads(file),
                Terminal::Stream(stream) => {
                    let paths = [c"/proc/self/fd/0", c"/proc/self/fd/1", c"/proc/self/fd/2"];
                    let path = usize::try_from(stream.as_raw_fd()).ok().and_then(|fd| paths.get(fd));
                    path.and_then(|path| files::open(path, libc::O_RDONLY | libc::O_NOCTTY | libc::O_NONBLOCK).ok())
                        .is_some_and(|file| reads(&file))
                }
            }
    }

    /// Makes a group of this session the foreground group. A background process may do this because SIGTTOU is blocked.
    pub fn give_to(&self, group: Pid) {
        let mut group = Room([group.as_raw(), 0]);
        // The error is ignored: a terminal that hung up has no foreground.
        let _ = ioctl(self.descriptor(), libc::TIOCSPGRP, &raw mut group);
    }

    /// Makes rini's own group the foreground group.
    pub fn take_back(&self) {
        self.give_to(nix::unistd::getpgrp());
    }
}
