//! The kernel's files: /proc, the cgroup's, the terminal.
//!
//! They are read by system calls and not by std's `fs` (size: 20).

use libc::{c_int, c_long, c_ulong};
use nix::errno::Errno;
use std::ffi::CStr;
use std::mem::{self, offset_of};
use std::ops::ControlFlow;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Opens a file, or creates it for its owner alone. The descriptor is closed at the exec, because the program must not inherit it.
pub fn open(path: &CStr, flags: c_int) -> Result<OwnedFd, Errno> {
    let fd = raw_open(path, flags)?;
    // SAFETY: from_raw_fd wants a descriptor that has no other owner: it is new.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Opens a file by the system call: musl's open(3) makes a second call, for kernels that ignore O_CLOEXEC.
fn raw_open(path: &CStr, flags: c_int) -> Result<c_int, Errno> {
    // SAFETY: openat wants a path.
    let fd = unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags | libc::O_CLOEXEC, 0o600) };
    c_int::try_from(Errno::result(fd)?).map_err(|_| Errno::EBADF)
}

/// Reads the mode of a file (inode(7)). It is 0 if there is no such file, or if the kernel refuses the call.
pub fn read_mode(path: &CStr) -> u32 {
    statx(libc::AT_FDCWD, path, 0).stx_mode.into()
}

/// Reads the type and the device of an open file. All fields are 0 if the kernel refuses the call.
pub fn read_status(fd: c_int) -> libc::statx {
    statx(fd, c"", libc::AT_EMPTY_PATH)
}

/// Calls statx(2) and not stat(2) (size: 23).
fn statx(folder: c_int, path: &CStr, flags: c_int) -> libc::statx {
    // SAFETY: statx is plain data of the kernel, for which all zeros is a value.
    let mut stat: libc::statx = unsafe { mem::zeroed() };
    // SAFETY: statx wants a path and room for its answer: both outlive the call.
    unsafe {
        libc::syscall(libc::SYS_statx, folder, path.as_ptr(), flags, libc::STATX_TYPE | libc::STATX_MODE, &raw mut stat)
    };
    stat
}

/// The answer of statfs(2), of which rini needs the beginning. The layout is the machine's own.
#[repr(C)]
struct FileSystem {
    kind: FileSystemKind,
    rest: [c_ulong; 31],
}

#[cfg(not(target_arch = "s390x"))]
type FileSystemKind = c_ulong;
#[cfg(target_arch = "s390x")]
type FileSystemKind = u32;

impl FileSystem {
    /// The file system of a path.
    fn of(path: &CStr) -> Result<FileSystem, Errno> {
        let mut system = FileSystem { kind: 0, rest: [0; 31] };
        // SAFETY: statfs wants a path, and room for its answer, which has at most 120 bytes: both outlive the call.
        let asked = unsafe { libc::syscall(libc::SYS_statfs, path.as_ptr(), &raw mut system) };
        Errno::result(asked).map(|_| system)
    }

    /// The flags of the mount. The fields before them are words, but the id has 8 bytes, and those of s390x have 4 bytes
    /// from the length of a name on.
    fn flags(&self) -> c_ulong {
        if cfg!(target_arch = "s390x") {
            self.rest[7].rotate_left(32)
        } else if cfg!(target_pointer_width = "32") {
            self.rest[10]
        } else {
            self.rest[9]
        }
    }
}

/// Whether a file is on a file system that is mounted noexec.
pub fn is_mounted_noexec(path: &CStr) -> bool {
    FileSystem::of(path).is_ok_and(|system| system.flags() & libc::ST_NOEXEC != 0)
}

/// Whether the kernel denies this user the execution of a file, or the search of a directory. A denial by the mount
/// counts too, and one by a security module often does not.
pub fn is_denied(path: &CStr) -> bool {
    // SAFETY: faccessat wants a path.
    let asked = unsafe { libc::syscall(libc::SYS_faccessat, libc::AT_FDCWD, path.as_ptr(), libc::X_OK) };
    Errno::result(asked) == Err(Errno::EACCES)
}

/// Whether the kernel's file system of processes is mounted at /proc. An image may have anything there instead: a file
/// without an end, or a copy of the files of another machine.
///
/// If a seccomp profile refuses statfs(2), the answer is yes. That is safe, because each read here has a limit.
pub fn is_proc_mounted() -> bool {
    const PROC_SUPER_MAGIC: FileSystemKind = 0x9fa0;
    match FileSystem::of(c"/proc") {
        Ok(system) => system.kind == PROC_SUPER_MAGIC,
        Err(errno) => matches!(errno, Errno::EPERM | Errno::ENOSYS),
    }
}

/// The flags for reading. If the kernel's file system is not mounted, a path may lead to a pipe that no process writes
/// to, and rini must not wait for it. A terminal there must not become rini's controlling terminal.
const READ_FLAGS: c_int = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY;

/// Reads bytes of an open file by one system call (size: 25). The result is their number.
pub fn read_piece(file: &OwnedFd, room: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: read wants room for the given number of bytes: `room` has that length.
    let length = unsafe { libc::syscall(libc::SYS_read, file.as_raw_fd(), room.as_mut_ptr(), room.len()) };
    Errno::result(length).map(|length| usize::try_from(length).unwrap_or(0))
}

/// Reads the beginning of a file, as much as fits into `room`. One read is enough, because the kernel gives its files
/// whole.
pub fn read<'a>(path: &CStr, room: &'a mut [u8]) -> Option<&'a [u8]> {
    let file = open(path, READ_FLAGS).ok()?;
    let length = read_piece(&file, room).ok()?;
    room.get(..length)
}

/// Calls `f` with each byte of a file until it breaks. It reads in pieces, and stops after the piece that reaches
/// `limit`. That is the error EFBIG.
pub fn for_each_byte(path: &CStr, limit: usize, f: &mut dyn FnMut(u8) -> ControlFlow<()>) -> Result<(), Errno> {
    let file = open(path, READ_FLAGS)?;
    let (mut room, mut total) = ([0; 256], 0_usize);
    while total < limit {
        let length = read_piece(&file, &mut room)?;
        if length == 0 || room.iter().take(length).try_for_each(|byte| f(*byte)).is_break() {
            return Ok(());
        }
        total = total.saturating_add(length);
    }
    Err(Errno::EFBIG)
}

/// Reads the target of a symbolic link, as much as fits into `room`.
pub fn read_link<'a>(path: &CStr, room: &'a mut [u8]) -> Option<&'a [u8]> {
    // SAFETY: readlinkat wants a path, and room for the given number of bytes: `room` has that length.
    let length =
        unsafe { libc::syscall(libc::SYS_readlinkat, libc::AT_FDCWD, path.as_ptr(), room.as_mut_ptr(), room.len()) };
    room.get(..usize::try_from(length).ok()?)
}

/// Calls `f` with each name in a folder until it breaks. Returns false if the folder cannot be read so far.
pub fn for_each_name(folder: &CStr, f: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> bool {
    const LENGTH: usize = offset_of!(libc::dirent64, d_reclen);
    const NAME: usize = offset_of!(libc::dirent64, d_name);
    let Ok(folder) = open(folder, libc::O_RDONLY | libc::O_DIRECTORY) else { return false };
    let mut room = [0_u8; 2048];
    loop {
        // SAFETY: getdents64 wants room for the given number of bytes: `room` has that length. Its entries are read as
        // bytes, so they need no alignment.
        let filled = unsafe {
            libc::syscall(libc::SYS_getdents64, c_long::from(folder.as_raw_fd()), room.as_mut_ptr(), room.len())
        };
        let Some(mut entries) = usize::try_from(filled).ok().and_then(|filled| room.get(..filled)) else {
            return false;
        };
        if entries.is_empty() {
            return true;
        }
        while let Some([low, high]) = entries.get(LENGTH..).and_then(|bytes| bytes.first_chunk()) {
            let Some((entry, rest)) = entries.split_at_checked(u16::from_ne_bytes([*low, *high]).into()) else {
                return false;
            };
            if f(entry.get(NAME..).unwrap_or(&[]).split(|byte| *byte == 0).next().unwrap_or(&[])).is_break() {
                return true;
            }
            if entry.is_empty() {
                return false;
            }
            entries = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::PathBuffer;
    use std::collections::BTreeSet;
    use std::fs;

    #[test]
    fn a_folder_s_names_are_those_that_std_sees() {
        let folder = std::env::temp_dir().join(format!("rini-names-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        // More names than one call returns, of all lengths.
        for number in 0..300_usize {
            fs::write(folder.join(format!("{number}-{}", "x".repeat(number % 200))), "").unwrap();
        }
        let mut seen = BTreeSet::new();
        assert!(for_each_name(PathBuffer::new().format(format_args!("{}", folder.display())).unwrap(), &mut |name| {
            assert!(seen.insert(String::from_utf8(name.to_vec()).unwrap()));
            ControlFlow::Continue(())
        }));
        let mut first = 0;
        let path = folder.display().to_string();
        assert!(for_each_name(PathBuffer::new().format(format_args!("{path}")).unwrap(), &mut |_| {
            first += 1;
            ControlFlow::Break(())
        }));
        assert_eq!(first, 1, "a break ends it");
        let entries = fs::read_dir(&folder).unwrap();
        let mut wanted: BTreeSet<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        wanted.extend([".".to_owned(), "..".to_owned()]);
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!((seen.len(), seen), (302, wanted));
        assert!(!for_each_name(c"/no/such/folder", &mut |name| panic!("{name:?}")));
    }

    #[test]
    fn a_file_is_read_whole_or_as_far_as_there_is_room() {
        let file = std::env::temp_dir().join(format!("rini-file-{}", std::process::id()));
        // More bytes than one read returns.
        let bytes: Vec<u8> = (0..5000_u16).map(|number| number.to_le_bytes()[0]).collect();
        fs::write(&file, &bytes).unwrap();
        let mut buffer = PathBuffer::new();
        let path = buffer.format(format_args!("{}", file.display())).unwrap();
        let mut room = [0; 10];
        let up_to = |limit| {
            let mut all = Vec::new();
            let done = for_each_byte(path, limit, &mut |byte| {
                all.push(byte);
                ControlFlow::Continue(())
            });
            (done, all)
        };
        let all = || up_to(usize::MAX);
        assert_eq!(all(), (Ok(()), bytes.clone()));
        for (limit, length) in [(0, 0), (1, 256), (256, 256), (257, 512)] {
            let (done, all) = up_to(limit);
            assert_eq!((done, all.len()), (Err(Errno::EFBIG), length));
        }
        assert_eq!(read(path, &mut room), bytes.get(..10));
        fs::remove_file(&file).unwrap();
        assert_eq!((all(), read(path, &mut room)), ((Err(Errno::ENOENT), vec![]), None));
        // A file without an end, and a folder, which opens and cannot be read.
        let mut count = 0;
        let mut f = |_| {
            count += 1;
            ControlFlow::Continue(())
        };
        assert_eq!(for_each_byte(c"/dev/zero", 1000, &mut f), Err(Errno::EFBIG));
        assert_eq!(for_each_byte(c"/", 1000, &mut f), Err(Errno::EISDIR));
        assert_eq!(count, 1024);
        assert!(is_proc_mounted());
        assert_eq!(read_link(c"/proc/self", &mut room).unwrap(), std::process::id().to_string().as_bytes());
        assert_eq!(PathBuffer::new().format(format_args!("/{}", "x".repeat(5000))), None);
        assert_eq!(PathBuffer::new().format(format_args!("/etc\0/x")), None);
    }
}
