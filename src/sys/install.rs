//! Copies rini's own file to another place, for `--install`.

use crate::ground::bytes::{self, Decimal};
use crate::sys::{PathBuffer, c_string, clock, files};
use libc::{c_int, c_long, c_uint};
use nix::errno::Errno;
use std::ffi::CStr;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

/// Copies the file of this process to `target`, or into it if it is a folder. `own_name` is `argv[0]`.
///
/// The copy is made beside the target, and then renamed. So a target that runs is replaced and not changed, and the target is
/// never half a file.
///
/// Returns whether the target is on a file system that is mounted noexec.
pub fn install(own_name: Option<&CStr>, target: &[u8]) -> Result<bool, Errno> {
    // The process ends behind this, so nothing is freed (size: 27).
    let own = ManuallyDrop::new(open_own_file(own_name)?);
    let path = |into: &[u8], suffix: &[u8]| {
        bytes::keep(&[target, into, suffix, b"\0"]).and_then(c_string).ok_or(Errno::EINVAL)
    };
    let into: &[u8] = match files::read_mode(path(b"", b"")?) & libc::S_IFMT {
        libc::S_IFDIR => b"/rini",
        0 | libc::S_IFREG => b"",
        // A device or a socket must stay one.
        _ => return Err(Errno::EINVAL),
    };
    let target = path(into, b"")?;
    // If the kernel refuses statx, rini cannot see what is there, and replaces nothing.
    let flags = if files::read_mode(c"/") == 0 { libc::RENAME_NOREPLACE } else { 0 };
    // A part of a copy that a crash left must not stand in the way, so the name is new.
    let mut room = PathBuffer::new();
    let suffix = room.format(format_args!(".{}", Decimal(clock::nanoseconds()))).unwrap_or_default();
    let beside = path(into, suffix.to_bytes())?;
    let copy = files::open(beside, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL)?;
    let done = copy_all(&own, &copy).and_then(|()| rename(beside, target, flags));
    // If standard error was closed, the copy may have its number, and a message would go into it.
    drop(copy);
    if done.is_err() {
        remove(beside);
    }
    done.map(|()| files::is_mounted_noexec(target))
}

/// Opens the file of this process. Without /proc, `argv[0]` names it if it is a path.
fn open_own_file(own_name: Option<&CStr>) -> Result<OwnedFd, Errno> {
    files::open(c"/proc/self/exe", libc::O_RDONLY).or_else(|errno| {
        let path = own_name.filter(|name| name.to_bytes().contains(&b'/')).ok_or(errno)?;
        files::open(path, libc::O_RDONLY)
    })
}

/// Copies the bytes, makes the copy a program for everybody, and waits until the disk has it.
fn copy_all(from: &OwnedFd, to: &OwnedFd) -> Result<(), Errno> {
    let (from, to) = (c_long::from(from.as_raw_fd()), c_long::from(to.as_raw_fd()));
    // The umask takes bits away from a mode that open(2) gets.
    const MODE: c_long = 0o755;
    const MOST: c_long = 1 << 20;
    loop {
        // SAFETY: sendfile wants an offset or null: it is null, so the file's own offset counts.
        let copied = unsafe { libc::syscall(libc::SYS_sendfile, to, from, ptr::null::<c_long>(), MOST) };
        if Errno::result(copied)? == 0 {
            break;
        }
    }
    // SAFETY: fchmod has no memory argument.
    Errno::result(unsafe { libc::syscall(libc::SYS_fchmod, to, MODE) })?;
    // SAFETY: fsync has no memory argument.
    Errno::result(unsafe { libc::syscall(libc::SYS_fsync, to) }).map(drop)
}

fn rename(from: &CStr, to: &CStr, flags: c_uint) -> Result<(), Errno> {
    // SAFETY: renameat2 wants two paths.
    let done = unsafe {
        libc::syscall(libc::SYS_renameat2, libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), flags)
    };
    Errno::result(done).map(drop)
}

fn remove(path: &CStr) {
    const NO_FLAGS: c_int = 0;
    // SAFETY: unlinkat wants a path.
    unsafe { libc::syscall(libc::SYS_unlinkat, libc::AT_FDCWD, path.as_ptr(), NO_FLAGS) };
}
