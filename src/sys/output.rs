//! Writing to standard error and standard output.
//!
//! | when | rini writes |
//! | --- | --- |
//! | until the exec of the program | with waiting: nothing runs yet, and no message is lost that can be written |
//! | afterwards | without waiting: rini drops what standard error cannot take now |
//!
//! rini shares standard error with the program, so it must not make it non-blocking: the flag belongs to the open file,
//! and would change it for both (open(2)). `RWF_NOWAIT` (pwritev2(2)) is for one write alone. Pipes support it since
//! Linux 6.4. If the kernel refuses it, the method depends on the kind of the file:
//!
//! | standard error | how rini writes without waiting |
//! | --- | --- |
//! | a file on a disk, a memory device (/dev/null, /dev/kmsg) | by a plain write, which waits only if the file system is frozen (fsfreeze(8)) or its server hangs (NFS, FUSE) |
//! | a terminal, a pipe | rini opens it again for this line, without blocking |
//! | the same, if rini cannot open it again (another user's, no /proc, no free descriptor); anything else | rini polls it before each piece |
//! | a file that takes no text (an eventfd) | not at all |
//!
//! A pipe that polls writable has room for `PIPE_BUF` bytes (pipe(7)), and no line is longer. A terminal that polls
//! writable has room for a few dozen bytes at least; after ^S it does not poll writable. A write after the poll can
//! block only if another process writes in between.

use super::{files, signals, terminal};
use crate::ground::signal::Signal;
use libc::{c_int, c_long};
use nix::errno::Errno;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// No write may wait.
static MUST_NOT_WAIT: AtomicBool = AtomicBool::new(false);

/// rini could not write the end of the last line.
static IS_LINE_CUT: AtomicBool = AtomicBool::new(false);

/// The lines that rini could not write, or not to their ends, since the last whole line.
static LOST_LINES: AtomicU32 = AtomicU32::new(0);

/// Makes every later write one that does not wait, or one that may. rini's child does not call this: if its exec fails, it logs
/// that before any program runs.
pub fn forbid_waiting(forbid: bool) {
    MUST_NOT_WAIT.store(forbid, Ordering::Relaxed);
}

/// How rini deals with a file that cannot take all bytes now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Wait until the file takes them.
    Wait,
    /// Write all the same, because such a file does not make a writer wait.
    Plain,
    /// Poll, and write only if the file is writable now.
    Poll,
}

/// The kind of a file, by how it treats a writer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A terminal.
    Terminal,
    /// The master side of a pseudo-terminal. An open makes another pseudo-terminal instead (pts(4)).
    Master,
    /// A pipe, with a name or without.
    Pipe,
    /// A file on a disk, a folder or the disk itself.
    Disk,
    /// A memory device (mem(4), null(4), kmsg).
    Memory,
    /// A file that takes no text, such as an eventfd. Its write(2) takes numbers, and waits if their sum becomes too
    /// large.
    NoText,
    /// A socket, another device, or a file whose kind the kernel does not report.
    Other,
}

impl Kind {
    fn of(fd: c_int) -> Kind {
        let file = files::read_status(fd);
        match (u32::from(file.stx_mode) & libc::S_IFMT, file.stx_rdev_major, file.stx_rdev_minor) {
            (libc::S_IFREG | libc::S_IFDIR | libc::S_IFBLK, ..) => Kind::Disk,
            (libc::S_IFIFO, ..) => Kind::Pipe,
            (libc::S_IFCHR, 1, _) => Kind::Memory,
            (libc::S_IFCHR, 5, 2) => Kind::Master,
            (0, ..) if file.stx_mask != 0 => Kind::NoText,
            (0 | libc::S_IFCHR, ..) if terminal::is_terminal(fd) => Kind::Terminal,
            _ => Kind::Other,
        }
    }
}

/// Whether the descriptor is a file on a disk, a folder, a disk, a memory device, or one of the kernel's own such as a signalfd.
/// None of these hangs up.
pub fn is_file(fd: c_int) -> bool {
    matches!(Kind::of(fd), Kind::Disk | Kind::Memory | Kind::NoText)
}

/// Writes a line of at most `PIPE_BUF` bytes to standard error.
pub fn write_to_stderr(line: &[u8]) {
    // If the last line was cut, a newline comes first, so that this one begins a line.
    let is_written = (!IS_LINE_CUT.load(Ordering::Relaxed) || write_all(b"\n")) && write_all(line);
    LOST_LINES.store(if is_written { 0 } else { lost_lines().wrapping_add(1) }, Ordering::Relaxed);
}

/// The number of lines that rini could not write since the last whole line.
pub fn lost_lines() -> u32 {
    LOST_LINES.load(Ordering::Relaxed)
}

/// Writes text to standard error. Returns false if it could not write all of it.
fn write_all(text: &[u8]) -> bool {
    const FD: c_int = libc::STDERR_FILENO;
    let mut rest = text;
    // The error is ignored, because rini has no other stream to report it.
    let _ = if MUST_NOT_WAIT.load(Ordering::Relaxed) { write_now(FD, &mut rest) } else { write_waiting(FD, &mut rest) };
    if rest.len() < text.len() {
        IS_LINE_CUT.store(!rest.is_empty(), Ordering::Relaxed);
    }
    rest.is_empty()
}

/// Writes text to standard output, and waits if necessary. It is for `--help` and its like, before any program runs.
pub fn print(mut text: &[u8]) -> Result<(), Errno> {
    write_waiting(libc::STDOUT_FILENO, &mut text)
}

/// Writes all bytes, and waits if necessary.
fn write_waiting(fd: c_int, rest: &mut &[u8]) -> Result<(), Errno> {
    match Kind::of(fd) {
        Kind::NoText => Err(Errno::EINVAL),
        kind => write_pieces(fd, rest, kind, Mode::Wait),
    }
}

/// Writes as many bytes as the file takes now.
fn write_now(fd: c_int, rest: &mut &[u8]) -> Result<(), Errno> {
    let chunk = libc::iovec { iov_base: rest.as_ptr().cast_mut().cast(), iov_len: rest.len() };
    // Each argument is a whole word: the last one is on the stack, and the C library reads a word there.
    let (one, here, flags): (c_long, c_long, _) = (1, -1, c_long::from(libc::RWF_NOWAIT));
    // SAFETY: pwritev2 wants an array of one iovec whose bytes can be read: `chunk` names `rest`, which outlives the
    // call.
    let written = unsafe { libc::syscall(libc::SYS_pwritev2, fd, &raw const chunk, one, here, here, flags) };
    let done = advance(rest, Errno::result(written).map(|length| usize::try_from(length).unwrap_or(0)));
    if rest.is_empty() || matches!(done, Err(Errno::EBADF | Errno::EPIPE | Errno::EFBIG)) {
        return done;
    }
    match Kind::of(fd) {
        Kind::NoText => Err(Errno::EINVAL),
        // Some file systems return EAGAIN although a plain write does not wait.
        kind @ (Kind::Disk | Kind::Memory) => write_pieces(fd, rest, kind, Mode::Plain),
        kind => match open_again(fd, kind) {
            Some(again) => write_pieces(again.as_raw_fd(), rest, kind, Mode::Plain),
            None => write_pieces(fd, rest, kind, Mode::Poll),
        },
    }
}

/// Opens a terminal or a pipe again, without blocking. For any other kind, the result would be another file.
fn open_again(fd: c_int, kind: Kind) -> Option<OwnedFd> {
    let open = |path| files::open(path, libc::O_WRONLY | libc::O_NONBLOCK | libc::O_NOCTTY).ok();
    let again = if matches!(kind, Kind::Terminal | Kind::Pipe) { open(c"/proc/self/fd/2") } else { None };
    // /dev/tty is the controlling terminal, and only that one has a foreground group for rini.
    if again.is_none() && kind == Kind::Terminal && terminal::foreground_group(fd).is_ok() {
        return open(c"/dev/tty");
    }
    again
}

/// Writes all bytes, in pieces that this kind of file accepts.
fn write_pieces(fd: c_int, rest: &mut &[u8], kind: Kind, mode: Mode) -> Result<(), Errno> {
    let piece = match kind {
        // The kernel's log accepts records of up to 976 bytes.
        Kind::Memory => 900,
        Kind::Terminal | Kind::Master if mode == Mode::Poll => 64,
        _ => usize::MAX,
    };
    // The limit is more than the bytes of a line, so no driver can make this loop endless.
    for _ in 0..libc::PIPE_BUF.saturating_mul(2) {
        if rest.is_empty() {
            return Ok(());
        }
        if mode == Mode::Poll && !is_writable(fd, 0) {
            break;
        }
        // SAFETY: write wants bytes to read: they are a slice, and the given length is not larger.
        let written = unsafe { libc::syscall(libc::SYS_write, fd, rest.as_ptr(), rest.len().min(piece)) };
        match advance(rest, Errno::result(written).map(|length| usize::try_from(length).unwrap_or(0))) {
            Ok(()) | Err(Errno::EINTR) => (),
            Err(Errno::EAGAIN) if mode == Mode::Wait => drop(is_writable(fd, -1)),
            failed => return failed,
        }
    }
    Err(Errno::EAGAIN)
}

/// Whether poll(2) reports within `timeout` milliseconds that the file is writable. With -1 it waits.
fn is_writable(fd: c_int, timeout: c_int) -> bool {
    let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: poll wants an array of one pollfd to read and write, which outlives the call.
    let ready = unsafe { libc::poll(&raw mut poll, 1, timeout) };
    ready == 1 && poll.revents & libc::POLLOUT != 0
}

/// Removes the written bytes from the beginning of `rest`. After an error it discards the signal that the kernel sent
/// to rini for it: for a broken pipe, or for a file at the limit of its size (RLIMIT_FSIZE).
///
/// A file of the largest size that its file system supports gives EFBIG without a signal (the kernel's
/// generic_write_check_limits). A SIGXFSZ that another process sent just before would be discarded then. That is
/// acceptable: no process sends SIGXFSZ to an init, and a file system is full (ENOSPC) long before.
fn advance(rest: &mut &[u8], written: Result<usize, Errno>) -> Result<(), Errno> {
    match written {
        // The file took no byte. The next write would take none either.
        Ok(0) => return Err(Errno::EIO),
        Ok(length) => *rest = rest.get(length..).unwrap_or_default(),
        Err(Errno::EPIPE) => signals::discard_own(Signal::PIPE),
        Err(Errno::EFBIG) => signals::discard_own(Signal::XFSZ),
        Err(_) => (),
    }
    written.map(drop)
}
