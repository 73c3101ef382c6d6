//! Saying what happened, so that nobody has to guess: why a program could not be executed, who sent a signal.
#![forbid(unsafe_code)]

use crate::signal::Signal;
use crate::sys::process::Pid;
use crate::sys::signals::Sender;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

/// A failed exec as the child saw it: plain data, which goes through memory shared with the parent. All zeros: none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ExecFailure {
    /// The errno of execve(2).
    pub errno: i32,
    /// The errno of running a script without `#!` by /bin/sh, where that was tried; or 0.
    pub shell_errno: i32,
    /// The file's mode (stat(2)), or 0 where there is no such file.
    pub mode: u32,
    path_length: u16,
    head_length: u16,
    path: [u8; libc::PATH_MAX as usize],
    head: [u8; HEAD],
}

/// How much of a file is looked at: the ELF header and what follows it, the name of the loader included.
const HEAD: usize = 2048;

impl ExecFailure {
    /// A failure of this file with this errno; nothing is known about the file yet.
    pub fn new(errno: i32, path: &[u8]) -> ExecFailure {
        let mut failure = ExecFailure {
            errno,
            shell_errno: 0,
            mode: 0,
            path_length: 0,
            head_length: 0,
            path: [0; libc::PATH_MAX as usize],
            head: [0; HEAD],
        };
        let length = path.len().min(failure.path.len());
        if let (Some(room), Some(path)) = (failure.path.get_mut(..length), path.get(..length)) {
            room.copy_from_slice(path);
            failure.path_length = u16::try_from(length).unwrap_or(0);
        }
        failure
    }

    /// Whether the file is there.
    pub fn exists(&self) -> bool {
        self.mode != 0
    }

    /// Takes `other` in place of this one where this one is about no file and `other` is.
    pub fn keep_first(&mut self, other: ExecFailure) {
        if !self.exists() && other.exists() {
            *self = other;
        }
    }

    /// The first bytes of the file, where it could be read.
    pub fn head(&self) -> &[u8] {
        self.head.get(..usize::from(self.head_length)).unwrap_or(&[])
    }

    /// Room for the first bytes of the file.
    pub fn head_room(&mut self) -> &mut [u8] {
        &mut self.head
    }

    /// How much of that room was filled.
    pub fn set_head_length(&mut self, length: usize) {
        self.head_length = u16::try_from(length.min(HEAD)).unwrap_or(0);
    }

    fn path(&self) -> &OsStr {
        OsStr::from_bytes(self.path.get(..usize::from(self.path_length)).unwrap_or(&[]))
    }
}

/// One line: what could not be executed, and why.
impl fmt::Display for ExecFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot run {:?}: ", self.path())?;
        let error = io::Error::from_raw_os_error(self.errno);
        let interpreter = |f: &mut fmt::Formatter<'_>, what: &str| match Format::of(self.head()) {
            Format::Script(path) => write!(f, "its interpreter {:?} {what}", OsStr::from_bytes(path)),
            Format::Elf { loader: Some(path), .. } => write!(f, "its loader {:?} {what}", OsStr::from_bytes(path)),
            _ => write!(f, "its interpreter or loader {what}"),
        };
        match self.errno {
            libc::ENOENT if self.exists() => interpreter(f, "is not in this image"),
            libc::ENOENT if self.path().as_bytes().contains(&b'/') => f.write_str("there is no such file"),
            libc::ENOENT => f.write_str("there is no such program in the folders of PATH"),
            libc::EACCES if self.mode & libc::S_IFMT == libc::S_IFDIR => f.write_str("it is a directory"),
            libc::EACCES if self.exists() && self.mode & 0o111 == 0 => {
                f.write_str("it has no execute permission (chmod +x)")
            }
            libc::EACCES if self.exists() && self.mode & 0o001 != 0 => {
                write!(
                    f,
                    "permission denied, by a no-exec mount, a folder above it, or its interpreter or loader ({error})"
                )
            }
            libc::ENOEXEC => match Format::of(self.head()) {
                Format::Elf { machine, .. } if machine != this_machine() => {
                    write!(
                        f,
                        "it is a binary for {}, and this is {}",
                        machine_name(machine),
                        machine_name(this_machine())
                    )
                }
                _ if self.shell_errno != 0 => {
                    let shell = io::Error::from_raw_os_error(self.shell_errno);
                    write!(f, "it is a script without a #! line, and /bin/sh cannot run it: {shell}")
                }
                _ => f.write_str("it is neither a binary that this kernel can run nor a script"),
            },
            libc::E2BIG => write!(f, "its arguments and environment are too long ({error})"),
            _ => write!(f, "{error}"),
        }
    }
}

/// What a file is, from its first bytes.
#[derive(Debug, PartialEq, Eq)]
enum Format<'a> {
    /// A script, and the interpreter that its `#!` names.
    Script(&'a [u8]),
    /// An ELF binary.
    Elf { machine: u16, loader: Option<&'a [u8]> },
    /// Anything else.
    Other,
}

impl Format<'_> {
    fn of(head: &[u8]) -> Format<'_> {
        if let Some(line) = head.strip_prefix(b"#!") {
            let line = line.split(|byte| *byte == b'\n').next().unwrap_or(&[]);
            let mut words = line.split(|byte| matches!(byte, b' ' | b'\t' | b'\r')).filter(|word| !word.is_empty());
            return Format::Script(words.next().unwrap_or(&[]));
        }
        Format::elf(head).unwrap_or(Format::Other)
    }

    /// elf(5). The loader is the segment of type PT_INTERP, a path that ends with a null.
    fn elf(head: &[u8]) -> Option<Format<'_>> {
        const PT_INTERP: u64 = 3;
        let [wide, big] = match head.strip_prefix(b"\x7fELF")? {
            [class @ (1 | 2), data @ (1 | 2), ..] => [*class == 2, *data == 2],
            _ => return None,
        };
        let number = |at: usize, length: usize| -> Option<u64> {
            let bytes = head.get(at..at.checked_add(length)?)?;
            let shift = |sum: u64, byte: &u8| (sum << 8) | u64::from(*byte);
            Some(if big { bytes.iter().fold(0, shift) } else { bytes.iter().rev().fold(0, shift) })
        };
        let position = |at: usize| usize::try_from(number(at, if wide { 8 } else { 4 })?).ok();
        let machine = u16::try_from(number(18, 2)?).ok()?;
        let loader = || {
            let (table, size, count) = match wide {
                true => (position(32)?, number(54, 2)?, number(56, 2)?),
                false => (position(28)?, number(42, 2)?, number(44, 2)?),
            };
            (0..count).find_map(|index| {
                let entry = table.checked_add(usize::try_from(index.checked_mul(size)?).ok()?)?;
                let (offset, length) = if wide { (8_usize, 32_usize) } else { (4, 16) };
                if number(entry, 4)? != PT_INTERP {
                    return None;
                }
                let start = position(entry.checked_add(offset)?)?;
                let end = start.checked_add(position(entry.checked_add(length)?)?)?;
                head.get(start..end).map(|path| path.split(|byte| *byte == 0).next().unwrap_or(path))
            })
        };
        Some(Format::Elf { machine, loader: loader() })
    }
}

/// Whether the beginning of a file reads as a script: no null byte in its first line, which is how bash tells, and none
/// of the formats that the kernel knows. An empty file is an empty script.
pub fn is_text(head: &[u8]) -> bool {
    const LINE: usize = 80;
    let line = head.iter().take(LINE).take_while(|byte| **byte != b'\n');
    !head.starts_with(b"\x7fELF") && line.copied().all(|byte| byte != 0)
}

/// `e_machine` of the machine that rini was built for (elf.h).
fn this_machine() -> u16 {
    match std::env::consts::ARCH {
        "x86" => 3,
        "powerpc64" => 21,
        "s390x" => 22,
        "arm" => 40,
        "x86_64" => 62,
        "aarch64" => 183,
        "riscv64" => 243,
        _ => 0,
    }
}

/// As the engines and `uname -m` call it.
fn machine_name(machine: u16) -> Cow<'static, str> {
    Cow::Borrowed(match machine {
        3 => "i386",
        8 => "mips",
        20 => "ppc",
        21 => "ppc64le",
        22 => "s390x",
        40 => "arm",
        62 => "x86_64 (amd64)",
        183 => "aarch64 (arm64)",
        243 => "riscv64",
        258 => "loongarch64",
        other => return Cow::Owned(format!("ELF machine {other}")),
    })
}

/// `SIGTERM from outside the container`, `SIGUSR1 from pid 12 (nginx)`.
pub struct Origin {
    /// The signal.
    pub signal: Signal,
    /// Who sent it.
    pub sender: Sender,
    /// Whether rini is PID 1, so that outside its PID namespace is outside the container.
    pub container: bool,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from ", self.signal)?;
        match self.sender {
            Sender::Kernel => f.write_str("the kernel"),
            Sender::Outside if self.container => f.write_str("outside the container"),
            Sender::Outside => f.write_str("outside the PID namespace"),
            Sender::Process(pid) => write!(f, "{}", Named(pid)),
        }
    }
}

/// `pid 12 (nginx)`; without a name where /proc is not there, or the process is gone.
pub struct Named(pub Pid);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {}", self.0)?;
        // At most 15 bytes and a newline (proc_pid_comm(5)). A process can set it to anything: it is shown escaped.
        let mut comm = [0; 16];
        let length =
            File::open(format!("/proc/{}/comm", self.0)).and_then(|mut file| file.read(&mut comm)).unwrap_or(0);
        match comm.get(..length).map(<[u8]>::trim_ascii_end) {
            Some(name @ [_, ..]) => write!(f, " ({})", name.escape_ascii()),
            _ => Ok(()),
        }
    }
}
