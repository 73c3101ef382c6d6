//! Files of the kernel's: /proc, the cgroup's, the terminal's.
//!
//! Not by std's `fs`, which is made for any file: with its buffers, its paths and its errors it and what it takes of the C
//! library are a tenth of the small static build.

use libc::{c_int, c_long};
use nix::errno::Errno;
use std::ffi::CStr;
use std::mem::{self, offset_of};
use std::ops::ControlFlow;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Opens a file. No descriptor of rini's is for its child.
pub fn open(path: &CStr, flags: c_int) -> Result<OwnedFd, Errno> {
    let fd = raw_open(path, flags)?;
    // SAFETY: from_raw_fd wants a descriptor that is nobody else's: it is a new one.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// By the system call: musl's open(3) makes a second one, for kernels that do not know O_CLOEXEC.
pub fn raw_open(path: &CStr, flags: c_int) -> Result<c_int, Errno> {
    // SAFETY: openat wants a path.
    let fd = unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags | libc::O_CLOEXEC, 0) };
    c_int::try_from(Errno::result(fd)?).map_err(|_| Errno::EBADF)
}

/// The mode of a file (inode(7)), or 0 where there is none, or the kernel does not tell.
pub fn mode(path: &CStr) -> u32 {
    statx_mode(libc::AT_FDCWD, path, 0)
}

/// The same of one that is open.
pub fn mode_of(fd: c_int) -> u32 {
    statx_mode(fd, c"", libc::AT_EMPTY_PATH)
}

/// By statx(2): it has one layout on every machine, and what musl makes of the others' in its stat(3) is half a kilobyte.
fn statx_mode(folder: c_int, path: &CStr, flags: c_int) -> u32 {
    // SAFETY: statx is plain data of the kernel's, for which all zeros is a value.
    let mut stat: libc::statx = unsafe { mem::zeroed() };
    // SAFETY: statx wants a path and room for its answer: both outlive the call.
    unsafe {
        libc::syscall(libc::SYS_statx, folder, path.as_ptr(), flags, libc::STATX_TYPE | libc::STATX_MODE, &raw mut stat)
    };
    stat.stx_mode.into()
}

/// Not to wait: where no file system of the kernel's is mounted, what has such a path may be a pipe that nobody writes to.
const TO_READ: c_int = libc::O_RDONLY | libc::O_NONBLOCK;

/// The beginning of a file, as much as there is room for. The kernel gives what it makes up in one piece.
pub fn read<'a>(path: &CStr, room: &'a mut [u8]) -> Option<&'a [u8]> {
    let file = open(path, TO_READ).ok()?;
    let length = nix::unistd::read(&file, room).ok()?;
    room.get(..length)
}

/// Every byte of a file, in order, until that breaks.
pub fn bytes(path: &CStr, mut f: impl FnMut(u8) -> ControlFlow<()>) {
    let Ok(file) = open(path, TO_READ) else { return };
    let mut room = [0; 256];
    while let Ok(length @ 1..) = nix::unistd::read(&file, &mut room) {
        if room.iter().take(length).try_for_each(|byte| f(*byte)).is_break() {
            return;
        }
    }
}

/// Where a symbolic link points to, as much of it as there is room for.
pub fn link<'a>(path: &CStr, room: &'a mut [u8]) -> Option<&'a [u8]> {
    // SAFETY: readlinkat wants a path, and room for as many bytes as it is told: `room` is that.
    let length =
        unsafe { libc::syscall(libc::SYS_readlinkat, libc::AT_FDCWD, path.as_ptr(), room.as_mut_ptr(), room.len()) };
    room.get(..usize::try_from(length).ok()?)
}

/// The names in a folder.
pub fn names(folder: &CStr, mut f: impl FnMut(&[u8])) {
    const LENGTH: usize = offset_of!(libc::dirent64, d_reclen);
    const NAME: usize = offset_of!(libc::dirent64, d_name);
    let Ok(folder) = open(folder, libc::O_RDONLY | libc::O_DIRECTORY) else { return };
    let mut room = [0_u8; 2048];
    loop {
        // SAFETY: getdents64 wants room for as many bytes as it is told: `room` is that. Its entries begin at multiples
        // of eight of that room's beginning, and are read as bytes.
        let filled = unsafe {
            libc::syscall(libc::SYS_getdents64, c_long::from(folder.as_raw_fd()), room.as_mut_ptr(), room.len())
        };
        let Some(mut entries) = usize::try_from(filled).ok().and_then(|filled| room.get(..filled)) else { return };
        if entries.is_empty() {
            return;
        }
        while let Some([low, high]) = entries.get(LENGTH..).and_then(|bytes| bytes.first_chunk()) {
            let Some((entry, rest)) = entries.split_at_checked(u16::from_ne_bytes([*low, *high]).into()) else {
                return;
            };
            f(entry.get(NAME..).unwrap_or(&[]).split(|byte| *byte == 0).next().unwrap_or(&[]));
            if entry.is_empty() {
                return;
            }
            entries = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Text;
    use std::collections::BTreeSet;
    use std::fs;

    #[test]
    fn a_folder_s_names_are_those_that_std_sees() {
        let folder = std::env::temp_dir().join(format!("rini-names-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        // More than one call's worth, of all lengths.
        for number in 0..300_usize {
            fs::write(folder.join(format!("{number}-{}", "x".repeat(number % 200))), "").unwrap();
        }
        let mut seen = BTreeSet::new();
        names(Text::new().path(format_args!("{}", folder.display())).unwrap(), |name| {
            assert!(seen.insert(String::from_utf8(name.to_vec()).unwrap()));
        });
        let entries = fs::read_dir(&folder).unwrap();
        let mut wanted: BTreeSet<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        wanted.extend([".".to_owned(), "..".to_owned()]);
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!((seen.len(), seen), (302, wanted));
        names(c"/no/such/folder", |name| panic!("{name:?}"));
    }

    #[test]
    fn a_file_is_read_whole_or_as_far_as_there_is_room() {
        let file = std::env::temp_dir().join(format!("rini-file-{}", std::process::id()));
        // More than is read at a time.
        let bytes: Vec<u8> = (0..5000_u16).map(|number| number.to_le_bytes()[0]).collect();
        fs::write(&file, &bytes).unwrap();
        let mut text = Text::new();
        let path = text.path(format_args!("{}", file.display())).unwrap();
        let mut room = [0; 10];
        let all = || {
            let mut all = Vec::new();
            super::bytes(path, |byte| {
                all.push(byte);
                ControlFlow::Continue(())
            });
            all
        };
        assert_eq!(all(), bytes);
        assert_eq!(read(path, &mut room), bytes.get(..10));
        fs::remove_file(&file).unwrap();
        assert_eq!((all(), read(path, &mut room)), (vec![], None));
        assert_eq!(link(c"/proc/self", &mut room).unwrap(), std::process::id().to_string().as_bytes());
        assert_eq!(Text::new().path(format_args!("/{}", "x".repeat(5000))), None);
        assert_eq!(Text::new().path(format_args!("/etc\0/x")), None);
    }
}
