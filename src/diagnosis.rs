//! Saying what happened, so that nobody has to guess: why a program could not be executed, who sent a signal, what
//! killed the child.
#![forbid(unsafe_code)]

use crate::exit::{self, Status};
use crate::proc;
use crate::signal::Signal;
use crate::sys::process::Pid;
use crate::sys::signals::Sender;
use crate::text::{self, Decimal};
use crate::time::Duration;
use crate::voice::{Message, Part, words, words_at};
use nix::errno::Errno;
use std::ffi::OsStr;
use std::fmt::{self, Write};
use std::os::unix::ffi::OsStrExt;

/// What an errno means, in glibc's words: somebody may look for them. Those that rini's calls are known to give, by their
/// man pages; of others, the number. (`nix` has words for all 133, in 6 KB.)
#[derive(Clone, Copy)]
pub struct Reason(pub Errno);

/// Those errnos. Their words stand in the same order in personality/rini.txt.
const REASONS: [Errno; 27] = [
    Errno::EPERM,
    Errno::ENOENT,
    Errno::ESRCH,
    Errno::EIO,
    Errno::ENXIO,
    Errno::E2BIG,
    Errno::ENOEXEC,
    Errno::EBADF,
    Errno::ECHILD,
    Errno::EAGAIN,
    Errno::ENOMEM,
    Errno::EACCES,
    Errno::EFAULT,
    Errno::ENOTDIR,
    Errno::EISDIR,
    Errno::EINVAL,
    Errno::ENFILE,
    Errno::EMFILE,
    Errno::ENOTTY,
    Errno::ETXTBSY,
    Errno::EFBIG,
    Errno::ENOSPC,
    Errno::EPIPE,
    Errno::ENAMETOOLONG,
    Errno::ENOSYS,
    Errno::ELOOP,
    Errno::ELIBBAD,
];

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = REASONS.iter().position(|errno| *errno == self.0).unwrap_or(REASONS.len());
        words_at(Message::EPERM, place, &[Part::Number((self.0 as i32).unsigned_abs().into())], f)
    }
}

/// A word or a path in quotes. What is no printable text in it is shown as `\\xNN`: it may hold anything.
pub struct Quoted<'a>(pub &'a OsStr);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        write_word(self.0.as_bytes(), false, f)?;
        f.write_str("\"")
    }
}

/// Writes a word in one line. What is no printable text in it is shown as `\\xNN`, and quotes and backslashes so that they can
/// be told from rini's; or, `plainly`, as other programs do, everything is shown as it is, with `?` for control characters
/// and U+FFFD for what is no text.
pub fn write_word(word: &[u8], plainly: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for chunk in word.utf8_chunks() {
        for c in chunk.valid().chars() {
            let escaped = match c {
                // All of them are below U+00A0.
                _ if c.is_control() && plainly => '?',
                '"' | '\\' if !plainly => c,
                '\n' => 'n',
                '\r' => 'r',
                '\t' => 't',
                _ if c.is_control() => {
                    write_escaped(u8::try_from(c).unwrap_or(0), f)?;
                    continue;
                }
                _ => {
                    f.write_char(c)?;
                    continue;
                }
            };
            if !plainly {
                f.write_char('\\')?;
            }
            f.write_char(escaped)?;
        }
        for (place, byte) in chunk.invalid().iter().enumerate() {
            match plainly {
                false => write_escaped(*byte, f)?,
                true if place == 0 => f.write_char('\u{fffd}')?,
                true => (),
            }
        }
    }
    Ok(())
}

/// `\\x1B`.
fn write_escaped(byte: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0').to_ascii_uppercase();
    f.write_str("\\x")?;
    f.write_char(digit(byte >> 4))?;
    f.write_char(digit(byte & 15))
}

/// A failed exec.
pub struct ExecFailure {
    /// The errno of execve(2).
    pub errno: i32,
    /// The errno of running a script without `#!` by /bin/sh, where that was tried; or 0.
    pub shell_errno: i32,
    /// The file's mode (stat(2)), or 0 where there is no such file.
    pub mode: u32,
    /// What could not be executed.
    pub path: Vec<u8>,
    /// The first bytes of the file, where it could be read.
    pub head: Vec<u8>,
}

impl ExecFailure {
    /// How much of a file is looked at: the ELF header and what follows it, the name of the loader included.
    pub const HEAD: usize = 2048;

    /// Of this, for this reason; nothing is known of a file.
    pub fn of(errno: i32, path: &[u8]) -> ExecFailure {
        ExecFailure { errno, shell_errno: 0, mode: 0, path: path.to_vec(), head: Vec::new() }
    }

    /// Whether the file is there.
    pub fn exists(&self) -> bool {
        self.mode != 0
    }
}

/// One line: what could not be executed, and why.
impl fmt::Display for ExecFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nothing = Part::Number(0);
        let format = Format::of(&self.head);
        let (reason, about) = match (self.errno, &format) {
            (libc::ENOENT, Format::Script(path)) if self.exists() => (Message::NoInterpreter, word(path)),
            (libc::ENOENT, Format::Elf { loader: path @ [_, ..], .. }) if self.exists() => {
                (Message::NoLoader, word(path))
            }
            (libc::ENOENT, _) if self.exists() => (Message::NoInterpreterOrLoader, nothing),
            (libc::ENOENT, _) if text::cut(&self.path, b'/').is_some() => (Message::NoFile, nothing),
            (libc::ENOENT, _) => (Message::NotInPath, nothing),
            (libc::EACCES, _) if self.mode & libc::S_IFMT == libc::S_IFDIR => (Message::Folder, nothing),
            (libc::EACCES, _) if self.exists() && self.mode & 0o111 == 0 => (Message::NoPermission, nothing),
            (libc::EACCES, _) if self.exists() => (Message::MountOrFolder, nothing),
            (libc::ENOEXEC, Format::Elf { machine, .. }) if *machine != THIS_MACHINE && THIS_MACHINE != 0 => {
                (Message::OfAnotherMachine, Part::Machine(*machine))
            }
            (libc::ENOEXEC, Format::Script(path @ [_, ..])) => (Message::BadInterpreter, word(path)),
            (libc::ENOEXEC, _) if self.shell_errno != 0 => {
                (Message::NoShell, Part::Reason(Errno::from_raw(self.shell_errno)))
            }
            (libc::ENOEXEC, _) => (Message::NoFormat, nothing),
            (libc::E2BIG, _) => (Message::TooLong, nothing),
            (errno, _) => (Message::Reason, Part::Reason(Errno::from_raw(errno))),
        };
        let last = match reason {
            Message::OfAnotherMachine => Part::Machine(THIS_MACHINE),
            _ => Part::Reason(Errno::from_raw(self.errno)),
        };
        words(Message::CannotRun, &[word(&self.path), Part::Words(reason, &[about, last])], f)
    }
}

fn word(bytes: &[u8]) -> Part<'_> {
    Part::Word(OsStr::from_bytes(bytes))
}

/// What a file is, from its first bytes.
#[derive(Debug, PartialEq, Eq)]
enum Format<'a> {
    /// A script, and the interpreter that its `#!` names.
    Script(&'a [u8]),
    /// An ELF binary, and its loader; empty where it has none, or that is not in the part that was read.
    Elf { machine: u16, loader: &'a [u8] },
    /// Anything else.
    Other,
}

impl Format<'_> {
    fn of(head: &[u8]) -> Format<'_> {
        if let Some(line) = head.strip_prefix(b"#!") {
            // The kernel knows blanks and tabs; a carriage return is a part of the name, and the usual mistake.
            let blanks = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            return Format::Script(first_part(line.get(blanks..).unwrap_or_default(), b" \t\n"));
        }
        let [b'\x7f', b'E', b'L', b'F', class @ (1 | 2), data @ (1 | 2), ..] = head else { return Format::Other };
        Format::elf(head, *class == 2, *data == 2)
    }

    /// elf(5). The loader is the segment of type PT_INTERP, a path that ends with a null.
    fn elf(head: &[u8], wide: bool, big: bool) -> Format<'_> {
        const PT_INTERP: usize = 3;
        // What is past the end, or does not fit, is past any end.
        let number = |at: usize, length: usize| {
            let Some(bytes) = head.get(at..at.saturating_add(length)) else { return usize::MAX };
            let step = |sum: usize, byte: &u8| sum.saturating_mul(256).saturating_add(usize::from(*byte));
            if big { bytes.iter().fold(0, step) } else { bytes.iter().rev().fold(0, step) }
        };
        // Where the numbers are in a file of 64 bits, and in one of 32: the table of segments, the size of its entries,
        // their count; and in an entry, the offset and the size of the segment.
        let (word, table, size, count, offset, length) =
            if wide { (8, 32, 54, 56, 8, 32) } else { (4, 28, 42, 44, 4, 16) };
        let (mut entry, size) = (number(table, word), number(size, 2));
        let mut loader: &[u8] = &[];
        for _ in 0..number(count, 2).min(ExecFailure::HEAD) {
            if number(entry, 4) == PT_INTERP {
                let start = number(entry.saturating_add(offset), word);
                let end = start.saturating_add(number(entry.saturating_add(length), word));
                loader = first_part(head.get(start..end).unwrap_or_default(), b"\0");
                break;
            }
            entry = entry.saturating_add(size);
        }
        Format::Elf { machine: u16::try_from(number(18, 2)).unwrap_or(0), loader }
    }
}

/// What is before the first of these bytes.
fn first_part<'a>(text: &'a [u8], ends: &[u8]) -> &'a [u8] {
    text.split(|byte| ends.iter().any(|end| end == byte)).next().unwrap_or_default()
}

/// Whether the beginning of a file reads as a script for /bin/sh: no null byte in its first line, which is how bash tells, and
/// none of the formats that the kernel knows. An empty file is an empty script. (glibc's execvp(3), and so tini, gives /bin/sh
/// what names another interpreter, where that is of another architecture: a script of Python, say.)
pub fn is_text(head: &[u8]) -> bool {
    const LINE: usize = 80;
    let line = head.iter().take(LINE).take_while(|byte| **byte != b'\n');
    !head.starts_with(b"\x7fELF")
        && !matches!(Format::of(head), Format::Script([_, ..]))
        && line.copied().all(|byte| byte != 0)
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

/// Each `e_machine` that has a name; the names, as the engines and `uname -m` have them, stand in the same order in
/// personality/rini.txt.
const MACHINES: [u16; 10] = [3, 8, 20, 21, 22, 40, 62, 183, 243, 258];

/// An `e_machine`.
pub struct Machine(pub u16);

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = MACHINES.iter().position(|machine| *machine == self.0).unwrap_or(MACHINES.len());
        words_at(Message::I386, place, &[Part::Number(self.0.into())], f)
    }
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
        let (message, sender) = match self.sender {
            Sender::Kernel => (Message::FromKernel, Part::Number(0)),
            Sender::Outside if self.container => (Message::FromOutside, Part::Number(0)),
            Sender::Outside => (Message::FromOutsideNamespace, Part::Number(0)),
            Sender::Process(pid) => (Message::FromProcess, Part::Process(pid)),
        };
        words(message, &[Part::Signal(self.signal), sender], f)
    }
}

/// `pid 12 (nginx)`; without a name where /proc is not there, or the process is gone.
pub struct Named(pub Pid);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A process can set it to anything: it is shown escaped.
        let mut room = [0; 16];
        match proc::name(self.0, &mut room) {
            Some(name) => words(Message::Named, &[self.0.into(), Part::Escaped(name)], f),
            None => words(Message::Nameless, &[self.0.into()], f),
        }
    }
}

/// What the kernel has done for want of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// How many processes it killed.
    pub kills: u64,
    /// The memory limit in bytes, where there is one.
    pub limit: Option<u64>,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limit {
            Some(limit) => words(Message::OutOfMemoryLimit, &[Part::Bytes(limit)], f),
            None => words(Message::OutOfMemory, &[], f),
        }
    }
}

/// Why the child may have ended as it did, where rini has nothing to do with that and its user may not see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// It was killed by a SIGKILL of somebody else's.
    Killed,
    /// The kernel killed it: there was no memory left.
    OutOfMemory(OutOfMemory),
    /// The kernel killed some of the container's processes for memory, and the child's exit code is that of a shell
    /// whose command was killed.
    CommandOutOfMemory(OutOfMemory),
    /// It exited with this code, that of a shell that did not find its command or could not execute it.
    CommandFailed(u8, Duration),
}

impl Suspicion {
    /// A program that fails later than this was not started wrongly.
    const AT_ONCE: Duration = Duration::from_secs(10);

    /// What there is to say of a child that ended so: whether rini had sent it a SIGKILL, how long it lasted, and what
    /// the kernel did for want of memory in that time, where it tells.
    pub fn of(
        status: Status,
        killed: bool,
        lasted: Duration,
        out_of_memory: impl FnOnce() -> Option<OutOfMemory>,
    ) -> Option<Suspicion> {
        const KILLED: u8 = Status::Killed(Signal::KILL).code();
        match status {
            Status::Killed(Signal::KILL) if killed => None,
            Status::Killed(Signal::KILL) => Some(out_of_memory().map_or(Suspicion::Killed, Suspicion::OutOfMemory)),
            Status::Exited(KILLED) => out_of_memory().map(Suspicion::CommandOutOfMemory),
            Status::Exited(code @ (exit::NOT_FOUND | exit::NOT_EXECUTABLE)) if lasted < Suspicion::AT_ONCE => {
                Some(Suspicion::CommandFailed(code, lasted))
            }
            _ => None,
        }
    }
}

/// One line, to be put behind who ended: what happened, and why.
impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nothing = Part::Number(0);
        let (message, count, about) = match self {
            Suspicion::Killed => (Message::KilledBySomebody, 0, nothing),
            Suspicion::OutOfMemory(memory) => (Message::KilledForMemory, 0, Part::Memory(*memory)),
            Suspicion::CommandOutOfMemory(memory) => {
                (Message::CommandKilledForMemory, memory.kills, Part::Memory(*memory))
            }
            Suspicion::CommandFailed(exit::NOT_FOUND, lasted) => (Message::CommandNotFound, 0, Part::Lasted(*lasted)),
            Suspicion::CommandFailed(_, lasted) => (Message::CommandNotExecutable, 0, Part::Lasted(*lasted)),
        };
        words(message, &[Part::Number(count), about], f)
    }
}

/// `64 MiB`, in the largest unit in which it is a whole number.
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut count, mut unit) = (self.0, "bytes");
        for larger in ["KiB", "MiB", "GiB"] {
            if count == 0 || count % 1024 != 0 {
                break;
            }
            (count, unit) = (count / 1024, larger);
        }
        write!(f, "{} ", Decimal(count))?;
        f.write_str(unit)
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
        for errno in REASONS {
            let known = std::io::Error::from_raw_os_error(errno as i32).to_string();
            assert!(known.starts_with(&format!("{} (os", Reason(errno))), "{errno:?}: {known}");
        }
    }

    fn failure(errno: i32, mode: u32, head: &[u8]) -> ExecFailure {
        ExecFailure { mode, head: head.to_vec(), ..ExecFailure::of(errno, b"/a/b") }
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
            assert_eq!(Format::of(&bytes), Format::Elf { machine: 243, loader: b"/lib/ld.so.1" });
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
        for text in [&b""[..], b"echo hi\n", b"exit 3", b"# \xc3\xa4\n\0", b"a\tb", b"#!\nexit 3"] {
            assert!(is_text(text), "{text:?}");
        }
        let another_s = b"#!/usr/bin/python3\nimport os\n";
        for binary in [&b"\x7fELF\x02\x01"[..], b"\0", b"MZ\0\0", b"abc\0def\n", &elf(true, false, 62), another_s] {
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
            (failure(libc::ENOEXEC, exists, &elf(false, true, 20)), "it is a binary for ppc, and this is "),
            (failure(libc::ENOEXEC, exists, &elf(false, false, 999)), "it is a binary for ELF machine 999"),
            (failure(libc::ENOEXEC, exists, &this), "neither a binary that this kernel can run nor a script"),
            (failure(libc::E2BIG, exists, b""), "its arguments and environment are too long"),
            (failure(libc::ELOOP, 0, b""), "Too many levels of symbolic links"),
        ] {
            let line = failure.to_string();
            assert!(line.starts_with("cannot run \"/a/b\": ") && line.contains(wanted), "{line}");
            assert_eq!(line.lines().count(), 1);
        }
        let odd = ExecFailure::of(libc::ENOENT, b"/a\nb\xff");
        assert!(odd.to_string().starts_with(r#"cannot run "/a\nb\xFF": "#), "{odd}");
    }

    #[test]
    fn only_an_end_that_nobody_wanted_is_suspect() {
        let (short, long) = (Duration::from_secs(9), Suspicion::AT_ONCE);
        let killed = Status::Killed(Signal::KILL);
        let memory = |kills| OutOfMemory { kills, limit: None };
        let of =
            |status, by_rini, lasted, count: Option<u64>| Suspicion::of(status, by_rini, lasted, || count.map(memory));
        for (suspicion, wanted) in [
            (of(killed, false, long, None), Some(Suspicion::Killed)),
            (of(killed, false, short, Some(1)), Some(Suspicion::OutOfMemory(memory(1)))),
            (of(killed, true, long, Some(1)), None),
            (of(Status::Exited(137), false, long, Some(2)), Some(Suspicion::CommandOutOfMemory(memory(2)))),
            (of(Status::Exited(137), false, short, None), None),
            (of(Status::Exited(127), false, short, Some(1)), Some(Suspicion::CommandFailed(127, short))),
            (of(Status::Exited(126), false, short, None), Some(Suspicion::CommandFailed(126, short))),
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
            let line = Suspicion::OutOfMemory(OutOfMemory { kills: 1, limit: Some(bytes) }).to_string();
            assert_eq!(line, format!("was killed by the kernel: out of memory, limit {text}"));
        }
        let line = Suspicion::OutOfMemory(OutOfMemory { kills: 1, limit: None }).to_string();
        assert_eq!(line, "was killed by the kernel: out of memory");
    }
}
