//! Saying what happened, so that nobody has to guess: why a program could not be executed, who sent a signal, what
//! killed the child.
#![forbid(unsafe_code)]

use crate::exit::{self, Status};
use crate::proc;
use crate::signal::Signal;
use crate::sys::process::Pid;
use crate::sys::signals::Sender;
use crate::voice::{Message, Voice};
use nix::errno::Errno;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

/// What an errno means, in glibc's words: somebody may look for them. Those that rini's calls are known to give, by their
/// man pages; of others, the number. (`nix` has words for all 133, in 6 KB.)
#[derive(Clone, Copy)]
pub struct Reason(pub Errno);

/// By their number; each fits (errno(3)).
const REASONS: [(u8, Message); 27] = [
    (Errno::EPERM as u8, Message::Eperm),
    (Errno::ENOENT as u8, Message::Enoent),
    (Errno::ESRCH as u8, Message::Esrch),
    (Errno::EIO as u8, Message::Eio),
    (Errno::ENXIO as u8, Message::Enxio),
    (Errno::E2BIG as u8, Message::E2big),
    (Errno::ENOEXEC as u8, Message::Enoexec),
    (Errno::EBADF as u8, Message::Ebadf),
    (Errno::ECHILD as u8, Message::Echild),
    (Errno::EAGAIN as u8, Message::Eagain),
    (Errno::ENOMEM as u8, Message::Enomem),
    (Errno::EACCES as u8, Message::Eacces),
    (Errno::EFAULT as u8, Message::Efault),
    (Errno::ENOTDIR as u8, Message::Enotdir),
    (Errno::EISDIR as u8, Message::Eisdir),
    (Errno::EINVAL as u8, Message::Einval),
    (Errno::ENFILE as u8, Message::Enfile),
    (Errno::EMFILE as u8, Message::Emfile),
    (Errno::ENOTTY as u8, Message::Enotty),
    (Errno::ETXTBSY as u8, Message::Etxtbsy),
    (Errno::EFBIG as u8, Message::Efbig),
    (Errno::ENOSPC as u8, Message::Enospc),
    (Errno::EPIPE as u8, Message::Epipe),
    (Errno::ENAMETOOLONG as u8, Message::Enametoolong),
    (Errno::ENOSYS as u8, Message::Enosys),
    (Errno::ELOOP as u8, Message::Eloop),
    (Errno::ELIBBAD as u8, Message::Elibbad),
];

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0 as i32;
        match REASONS.iter().find(|(known, _)| i32::from(*known) == number) {
            Some((_, words)) => Voice::RINI.write_text(*words, f),
            None => write!(f, "error {number}"),
        }
    }
}

/// A word or a path in quotes. What is no printable text in it is shown as `\\xNN`: it may hold anything.
pub struct Quoted<'a>(pub &'a OsStr);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        write_readably(self.0.as_bytes(), f)?;
        f.write_str("\"")
    }
}

fn write_readably(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                _ if c.is_control() => write!(f, "\\x{:02X}", u32::from(c))?,
                _ => fmt::Write::write_char(f, c)?,
            }
        }
        for byte in chunk.invalid() {
            write!(f, "\\x{byte:02X}")?;
        }
    }
    Ok(())
}

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

    /// What the kernel said.
    pub fn reason(&self) -> Reason {
        Reason(Errno::from_raw(self.errno))
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
        write!(f, "cannot run {}: ", Quoted(self.path()))?;
        let error = self.reason();
        let interpreter = |f: &mut fmt::Formatter<'_>, what: &str| match Format::of(self.head()) {
            Format::Script(path) => write!(f, "its interpreter {} {what}", Quoted(OsStr::from_bytes(path))),
            Format::Elf { loader: Some(path), .. } => {
                write!(f, "its loader {} {what}", Quoted(OsStr::from_bytes(path)))
            }
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
            libc::EACCES if self.exists() => {
                write!(
                    f,
                    "permission denied, by a no-exec mount, a folder above it, or its interpreter or loader ({error})"
                )
            }
            libc::ENOEXEC => match Format::of(self.head()) {
                Format::Elf { machine, .. } if machine != THIS_MACHINE && THIS_MACHINE != 0 => {
                    write!(f, "it is a binary for {}, and this is ", machine_name(machine))?;
                    f.write_str(&machine_name(THIS_MACHINE))
                }
                _ if self.shell_errno != 0 => {
                    let shell = Reason(Errno::from_raw(self.shell_errno));
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
            // The kernel knows blanks and tabs; a carriage return is a part of the name, and the usual mistake.
            let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
            return Format::Script(words.next().unwrap_or(&[]));
        }
        Format::elf(head).unwrap_or(Format::Other)
    }

    /// elf(5). The loader is the segment of type PT_INTERP, a path that ends with a null.
    fn elf(head: &[u8]) -> Option<Format<'_>> {
        const PT_INTERP: usize = 3;
        let [wide, big] = match head.strip_prefix(b"\x7fELF")? {
            [class @ (1 | 2), data @ (1 | 2), ..] => [*class == 2, *data == 2],
            _ => return None,
        };
        // Each number is at one place in a file of 64 bits, and at another, or of another length, in one of 32.
        let number = |wide_at: usize, wide_length: usize, at: usize, length: usize| -> Option<usize> {
            let (at, length) = if wide { (wide_at, wide_length) } else { (at, length) };
            let bytes = head.get(at..at.checked_add(length)?)?;
            let step = |sum: usize, index: usize| {
                let byte = bytes.get(if big { index } else { length.checked_sub(index)?.checked_sub(1)? })?;
                sum.checked_mul(256)?.checked_add(usize::from(*byte))
            };
            (0..length).try_fold(0, step)
        };
        let loader = || {
            let (mut entry, size) = (number(32, 8, 28, 4)?, number(54, 2, 42, 2)?);
            for _ in 0..number(56, 2, 44, 2)? {
                let at = |offset: usize| entry.checked_add(offset);
                if number(entry, 4, entry, 4)? == PT_INTERP {
                    let start = number(at(8)?, 8, at(4)?, 4)?;
                    let end = start.checked_add(number(at(32)?, 8, at(16)?, 4)?)?;
                    return head.get(start..end)?.split(|byte| *byte == 0).next();
                }
                entry = at(size)?;
            }
            None
        };
        Some(Format::Elf { machine: u16::try_from(number(18, 2, 18, 2)?).ok()?, loader: loader() })
    }
}

/// Whether the beginning of a file reads as a script: no null byte in its first line, which is how bash tells, and none
/// of the formats that the kernel knows. An empty file is an empty script.
pub fn is_text(head: &[u8]) -> bool {
    const LINE: usize = 80;
    let line = head.iter().take(LINE).take_while(|byte| **byte != b'\n');
    !head.starts_with(b"\x7fELF") && line.copied().all(|byte| byte != 0)
}

/// `e_machine` of the machines that rini was built for (elf.h), or 0.
const THIS_MACHINE: u16 = if cfg!(target_arch = "x86") {
    3
} else if cfg!(target_arch = "powerpc64") {
    21
} else if cfg!(target_arch = "s390x") {
    22
} else if cfg!(target_arch = "arm") {
    40
} else if cfg!(target_arch = "x86_64") {
    62
} else if cfg!(target_arch = "aarch64") {
    183
} else if cfg!(target_arch = "riscv64") {
    243
} else {
    0
};

/// As the engines and `uname -m` call it.
fn machine_name(machine: u16) -> Cow<'static, str> {
    Cow::Borrowed(match machine {
        3 => "i386",
        8 => "mips",
        20 => "ppc",
        21 => "ppc64",
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
#[derive(Clone, Copy)]
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
        // A process can set it to anything: it is shown escaped.
        let mut room = [0; 16];
        let Some(name) = proc::name(self.0, &mut room) else { return Ok(()) };
        f.write_str(" (")?;
        write_readably(name, f)?;
        f.write_str(")")
    }
}

/// A time that has passed, to the millisecond.
#[derive(Clone, Copy)]
pub struct Elapsed(pub Duration);

impl Elapsed {
    /// Since then.
    pub fn since(then: Instant) -> Elapsed {
        Elapsed(then.elapsed())
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, milliseconds) = (self.0.as_secs(), self.0.subsec_millis());
        match (seconds, milliseconds) {
            (0, 0) => f.write_str("less than 1ms"),
            (0, _) => write!(f, "{milliseconds}ms"),
            (_, 0) => write!(f, "{seconds}s"),
            (_, _) => {
                // Without the zeros at the end.
                let (mut decimals, mut width) = (milliseconds, 3_usize);
                while decimals.is_multiple_of(10) {
                    decimals = decimals.checked_div(10).unwrap_or(1);
                    width = width.saturating_sub(1);
                }
                write!(f, "{seconds}.{decimals:0width$}s")
            }
        }
    }
}

/// Why the child may have ended as it did, where rini has nothing to do with that and its user may not see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// It was killed by a SIGKILL of somebody else's.
    Killed,
    /// The kernel killed it: there was no memory left.
    OutOfMemory,
    /// The kernel killed so many of the container's processes for memory, and the child's exit code is that of a shell
    /// whose command was killed.
    CommandOutOfMemory(u64),
    /// It exited with the code of a shell that did not find its command.
    CommandNotFound(Duration),
    /// It exited with the code of a shell that could not execute its command.
    CommandNotExecutable(Duration),
}

impl Suspicion {
    /// A program that fails later than this was not started wrongly.
    const AT_ONCE: Duration = Duration::from_secs(10);

    /// What there is to say of a child that ended so: whether rini had sent it a SIGKILL, how long it lasted, and how
    /// many processes the kernel killed for memory in that time, where it tells.
    pub fn of(
        status: Status,
        killed: bool,
        lasted: Duration,
        out_of_memory: impl FnOnce() -> Option<u64>,
    ) -> Option<Suspicion> {
        let at_once = lasted < Suspicion::AT_ONCE;
        match status {
            Status::Killed(Signal::KILL) if !killed => {
                Some(out_of_memory().map_or(Suspicion::Killed, |_| Suspicion::OutOfMemory))
            }
            Status::Exited(code) if code == Status::Killed(Signal::KILL).code() => {
                out_of_memory().map(Suspicion::CommandOutOfMemory)
            }
            Status::Exited(exit::NOT_FOUND) if at_once => Some(Suspicion::CommandNotFound(lasted)),
            Status::Exited(exit::NOT_EXECUTABLE) if at_once => Some(Suspicion::CommandNotExecutable(lasted)),
            _ => None,
        }
    }

    /// One line, to be put behind who ended: what happened, and why. `limit` is asked for the memory limit in bytes.
    pub fn with_limit(self, limit: impl FnOnce() -> Option<u64>) -> String {
        let memory = || {
            let limit = limit().map_or_else(String::new, |limit| format!(", limit {}", Bytes(limit)));
            format!("out of memory{limit}")
        };
        match self {
            Suspicion::Killed => "was killed by SIGKILL, which rini did not send".to_owned(),
            Suspicion::OutOfMemory => format!("was killed by the kernel: {}", memory()),
            Suspicion::CommandOutOfMemory(count) => {
                format!("exited with 137; processes here that the kernel killed meanwhile: {count}, {}", memory())
            }
            Suspicion::CommandNotFound(lasted) => {
                format!("exited with 127 after {}: it ran, but did not find a command of its own", Elapsed(lasted))
            }
            Suspicion::CommandNotExecutable(lasted) => {
                format!("exited with 126 after {}: it ran, but could not execute a command of its own", Elapsed(lasted))
            }
        }
    }
}

/// `64 MiB`, in the largest unit in which it is a whole number.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = [(30, "GiB"), (20, "MiB"), (10, "KiB")].into_iter().find_map(|(shift, unit)| {
            let count = self.0.checked_shr(shift).filter(|count| *count > 0)?;
            (count.checked_shl(shift) == Some(self.0)).then_some((count, unit))
        });
        let (count, unit) = whole.unwrap_or((self.0, "bytes"));
        write!(f, "{count} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_one_readable_line() {
        for (bytes, quoted) in [
            (&b""[..], r#""""#),
            (b"plain text, 'so'", r#""plain text, 'so'""#),
            ("na\u{ef}ve".as_bytes(), "\"na\u{ef}ve\""),
            (br#"a"b\c"#, r#""a\"b\\c""#),
            (b"\0\r\n\t\x1b[31m\x7f", r#""\x00\r\n\t\x1B[31m\x7F""#),
            (b"\xff\xc3(\xe2\x82", r#""\xFF\xC3(\xE2\x82""#),
            ("\u{85}".as_bytes(), r#""\x85""#),
        ] {
            assert_eq!(Quoted(OsStr::from_bytes(bytes)).to_string(), quoted);
        }
    }

    #[test]
    fn every_errno_has_a_reason() {
        for number in 1..=133 {
            let text = Reason(Errno::from_raw(number)).to_string();
            assert!(!text.is_empty() && text.lines().count() == 1, "{number}: {text}");
        }
        assert_eq!(Reason(Errno::EACCES).to_string(), "Permission denied");
        assert_eq!(Reason(Errno::EUCLEAN).to_string(), "error 117");
    }

    #[test]
    fn a_time_is_to_the_millisecond_without_zeros() {
        for (milliseconds, text) in [
            (0, "less than 1ms"),
            (1, "1ms"),
            (999, "999ms"),
            (1000, "1s"),
            (1500, "1.5s"),
            (1050, "1.05s"),
            (1005, "1.005s"),
            (61_230, "61.23s"),
            (3_600_000, "3600s"),
        ] {
            assert_eq!(Elapsed(Duration::from_millis(milliseconds)).to_string(), text);
        }
        assert_eq!(Elapsed(Duration::from_micros(999)).to_string(), "less than 1ms");
    }

    fn failure(errno: i32, mode: u32, head: &[u8]) -> ExecFailure {
        let mut failure = ExecFailure::new(errno, b"/a/b");
        failure.mode = mode;
        failure.head_room().get_mut(..head.len()).unwrap().copy_from_slice(head);
        failure.set_head_length(head.len());
        failure
    }

    /// An ELF header with one PT_INTERP entry behind another; wide or not, big-endian or not.
    fn elf(wide: bool, big: bool, machine: u16) -> Vec<u8> {
        let mut bytes = b"\x7fELF".to_vec();
        bytes.extend([if wide { 2 } else { 1 }, if big { 2 } else { 1 }, 1]);
        bytes.resize(256, 0);
        let mut put = |at: usize, value: u64, length: usize| {
            let all = if big { value.to_be_bytes() } else { value.to_le_bytes() };
            let part = if big { all.get(8 - length..) } else { all.get(..length) };
            bytes.get_mut(at..at + length).unwrap().copy_from_slice(part.unwrap());
        };
        let (word, table, size, count) = if wide { (8, 32, 54, 56) } else { (4, 28, 42, 44) };
        put(18, machine.into(), 2);
        put(table, 64, word);
        put(size, 56, 2);
        put(count, 2, 2);
        put(64, 6, 4);
        put(64 + 56, 3, 4);
        put(64 + 56 + word, 200, word);
        put(64 + 56 + 4 * word, 12, word);
        bytes.get_mut(200..212).unwrap().copy_from_slice(b"/lib/ld.so.1");
        bytes.extend(b"\0more");
        bytes
    }

    #[test]
    fn a_binary_s_machine_and_loader_are_read_in_every_word_size_and_byte_order() {
        for (wide, big) in [(true, false), (true, true), (false, false), (false, true)] {
            let bytes = elf(wide, big, 243);
            assert_eq!(Format::of(&bytes), Format::Elf { machine: 243, loader: Some(b"/lib/ld.so.1") });
        }
    }

    /// The file is the user's: however it is cut or filled, reading it ends, and finds no more than there is.
    #[test]
    fn no_file_is_too_broken_to_be_looked_at() {
        for (wide, big) in [(true, false), (true, true), (false, false), (false, true)] {
            let bytes = elf(wide, big, 62);
            for end in 0..bytes.len() {
                let _ = Format::of(bytes.get(..end).unwrap());
            }
            for at in 0..bytes.len() {
                for value in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut broken = bytes.clone();
                    *broken.get_mut(at).unwrap() = value;
                    let _ = failure(libc::ENOENT, 0o100_755, &broken).to_string();
                    broken.truncate(at);
                    broken.resize(256, 0xff);
                    let _ = failure(libc::ENOEXEC, 0o100_755, &broken).to_string();
                }
            }
        }
        for head in [&b"#!"[..], b"#!\n", b"#! \t\n", b"", b"\x7fELF", b"\x7fELF\x02\x01"] {
            let _ = failure(libc::ENOENT, 0o100_755, head).to_string();
        }
    }

    #[test]
    fn scripts_and_binaries_are_told_apart_as_bash_does() {
        for text in [&b""[..], b"echo hi\n", b"exit 3", b"# \xc3\xa4\n\0", b"a\tb"] {
            assert!(is_text(text), "{text:?}");
        }
        for binary in [&b"\x7fELF\x02\x01"[..], b"\0", b"MZ\0\0", b"abc\0def\n", &elf(true, false, 62)] {
            assert!(!is_text(binary), "{binary:?}");
        }
        assert!(is_text(&[b'x'; 300]));
    }

    #[test]
    fn the_reason_is_said_in_one_line() {
        let exists = 0o100_755;
        let this = elf(true, false, THIS_MACHINE);
        for (failure, wanted) in [
            (failure(libc::ENOENT, 0, b""), "there is no such file"),
            (failure(libc::ENOENT, exists, b"#!/x y\n"), "its interpreter \"/x\" is not in this image"),
            (failure(libc::ENOENT, exists, &this), "its loader \"/lib/ld.so.1\" is not in this image"),
            (failure(libc::ENOENT, 0o100_111, b""), "its interpreter or loader is not in this image"),
            (failure(libc::EACCES, 0o040_755, b""), "it is a directory"),
            (failure(libc::EACCES, 0o100_644, b""), "it has no execute permission (chmod +x)"),
            (failure(libc::EACCES, exists, b""), "permission denied, by a no-exec mount"),
            (failure(libc::EACCES, 0, b""), "Permission denied"),
            (failure(libc::ENOEXEC, exists, &elf(false, true, 22)), "it is a binary for s390x, and this is "),
            (failure(libc::ENOEXEC, exists, &elf(false, false, 999)), "it is a binary for ELF machine 999"),
            (failure(libc::ENOEXEC, exists, &this), "neither a binary that this kernel can run nor a script"),
            (failure(libc::E2BIG, exists, b""), "its arguments and environment are too long"),
            (failure(libc::ELOOP, 0, b""), "Too many levels of symbolic links"),
        ] {
            let line = failure.to_string();
            assert!(line.starts_with("cannot run \"/a/b\": ") && line.contains(wanted), "{line}");
            assert_eq!(line.lines().count(), 1);
        }
        let mut odd = ExecFailure::new(libc::ENOENT, b"/a\nb\xff");
        assert!(odd.to_string().starts_with(r#"cannot run "/a\nb\xFF": "#), "{odd}");
        odd.keep_first(failure(libc::EACCES, exists, b""));
        odd.keep_first(failure(libc::ELOOP, exists, b""));
        assert_eq!(odd.errno, libc::EACCES, "the first that is about a file");
    }

    #[test]
    fn only_an_end_that_nobody_wanted_is_suspect() {
        let second = Duration::from_secs(1);
        let (short, long) = (Suspicion::AT_ONCE - second, Suspicion::AT_ONCE);
        let killed = Status::Killed(Signal::KILL);
        let of = |status, by_rini, lasted, count| Suspicion::of(status, by_rini, lasted, || count);
        for (suspicion, wanted) in [
            (of(killed, false, long, None), Some(Suspicion::Killed)),
            (of(killed, false, short, Some(1)), Some(Suspicion::OutOfMemory)),
            (of(killed, true, long, Some(1)), None),
            (of(Status::Exited(137), false, long, Some(2)), Some(Suspicion::CommandOutOfMemory(2))),
            (of(Status::Exited(137), false, short, None), None),
            (of(Status::Exited(127), false, short, Some(1)), Some(Suspicion::CommandNotFound(short))),
            (of(Status::Exited(126), false, short, None), Some(Suspicion::CommandNotExecutable(short))),
            (of(Status::Exited(127), false, long, None), None),
            (of(Status::Exited(126), false, long, None), None),
            (of(Status::Exited(0), false, short, Some(1)), None),
            (of(Status::Killed(Signal::TERM), false, short, Some(1)), None),
        ] {
            assert_eq!(suspicion, wanted);
        }
    }

    #[test]
    fn a_limit_is_said_in_the_largest_whole_unit() {
        for (bytes, text) in [
            (64 << 20, "64 MiB"),
            (2 << 30, "2 GiB"),
            (1536 << 20, "1536 MiB"),
            (4096, "4 KiB"),
            (1000, "1000 bytes"),
            ((64 << 20) + 1, "67108865 bytes"),
            (0, "0 bytes"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text);
            let line = Suspicion::OutOfMemory.with_limit(|| Some(bytes));
            assert_eq!(line, format!("was killed by the kernel: out of memory, limit {text}"));
        }
        assert_eq!(Suspicion::OutOfMemory.with_limit(|| None), "was killed by the kernel: out of memory");
    }

    #[test]
    fn a_time_is_said_to_the_millisecond() {
        for (micros, text) in [(0, "less than 1ms"), (1_999, "1ms"), (2_300_000, "2.3s"), (61_000_000, "61s")] {
            assert_eq!(Elapsed(Duration::from_micros(micros)).to_string(), text);
        }
    }
}
