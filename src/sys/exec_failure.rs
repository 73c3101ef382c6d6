//! A failed exec, as plain data: the path, the errno, and the beginning of the file. src/messages makes sentences of
//! it.
#![forbid(unsafe_code)]

use super::capabilities::Capabilities;
use crate::ground::bytes;

/// A failed exec.
pub struct ExecFailure {
    /// The errno of execve(2).
    pub errno: i32,
    /// The errno of executing /bin/sh for a script without `#!`, or 0 if rini did not try that.
    pub shell_errno: i32,
    /// The file's mode (inode(7)), or 0 if there is no such file.
    pub mode: u32,
    /// The path that could not be executed.
    pub path: &'static [u8],
    /// The first bytes of the file. It is empty if rini could not read the file.
    pub head: &'static [u8],
    /// The machine that a binary is for (`e_machine`), or 0.
    pub machine: u16,
    /// The other path that matters: the interpreter of a script; the loader of a binary; the directory that the user may
    /// not search; or PATH, if the program is not there.
    pub other: &'static [u8],
    /// The capabilities of the file, or of its interpreter, that no program in this container can have.
    pub missing: Capabilities,
    /// What denies the execution, if errno is EACCES. If it is ENOENT, ENOTDIR or ELOOP, this is the interpreter if it is
    /// there: its own interpreter or loader is missing or wrong.
    pub denial: Denial,
    /// This is no failure: /bin/sh is about to run the file, which has nothing in it, or a byte order mark before its first line.
    pub is_odd_script: bool,
}

/// What denies the execution of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// A directory of its path, which the user may not search.
    Directory,
    /// The file system, which is mounted noexec.
    Mount,
    /// The file's mode, which does not let this user execute it.
    Mode,
    /// The interpreter or the loader, which this user cannot execute.
    Interpreter,
    /// rini does not know it: a security module, for example.
    Unknown,
}

impl ExecFailure {
    /// The length of `head`: enough for the ELF header, the table of segments and the name of the loader.
    pub const HEAD: usize = 2048;

    /// A failure of this path with this errno, without any knowledge of the file.
    pub fn of(errno: i32, path: &'static [u8]) -> ExecFailure {
        ExecFailure {
            errno,
            shell_errno: 0,
            mode: 0,
            path,
            head: b"",
            machine: 0,
            other: b"",
            missing: Capabilities(0),
            denial: Denial::Unknown,
            is_odd_script: false,
        }
    }

    /// Sets the first bytes of the file, and what they say. Without memory for them, the failure is that there is no memory.
    pub fn set_head(&mut self, head: &[u8]) {
        let Some(head) = bytes::keep(&[head]) else {
            self.errno = libc::ENOMEM;
            return;
        };
        (self.machine, self.other) = match Format::of(head) {
            Format::Script(path) => (0, path),
            Format::Elf { machine, loader } => (machine, loader),
            Format::Other => (0, &[][..]),
        };
        self.head = head;
    }

    /// Whether the file is a script that names an interpreter.
    pub fn is_script(&self) -> bool {
        self.head.starts_with(b"#!")
    }

    /// Whether there is such a file.
    pub fn exists(&self) -> bool {
        self.mode != 0
    }
}

/// The format of a file, by its first bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Format<'a> {
    /// A script, and the interpreter that its `#!` names.
    Script(&'a [u8]),
    /// An ELF binary.
    Elf {
        /// `e_machine`.
        machine: u16,
        /// The path of the loader. It is empty if there is none, or if rini has not read so far into the file.
        loader: &'a [u8],
    },
    /// Anything else.
    Other,
}

impl Format<'_> {
    /// Recognises the format of a file that begins with these bytes.
    pub fn of(head: &[u8]) -> Format<'_> {
        if let Some(line) = head.strip_prefix(b"#!".as_slice()) {
            // The kernel skips blanks and tabs. A carriage return is a part of the name, and a common mistake.
            let blanks = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            return Format::Script(first_part(line.get(blanks..).unwrap_or_default(), b" \t\n\0"));
        }
        let [b'\x7f', b'E', b'L', b'F', class @ (1 | 2), data @ (1 | 2), ..] = head else { return Format::Other };
        Format::elf(head, *class == 2, *data == 2)
    }

    /// Reads an ELF header (elf(5)). The loader is in the segment of type PT_INTERP, as a path that ends with a null.
    fn elf(head: &[u8], wide: bool, big: bool) -> Format<'_> {
        const PT_INTERP: usize = 3;
        // A number that is outside of `head`, or too large, becomes an offset beyond the end of every file.
        let number = |at: usize, length: usize| {
            let Some(bytes) = head.get(at..at.saturating_add(length)) else { return usize::MAX };
            let step = |sum: usize, byte: &u8| sum.saturating_mul(256).saturating_add(usize::from(*byte));
            if big { bytes.iter().fold(0, step) } else { bytes.iter().rev().fold(0, step) }
        };
        // The length of an address; in the header, the offsets of the table of segments, of the size of its entries and
        // of their count; in an entry, the offsets of the segment's offset and length.
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

/// The part of a text before the first of these bytes.
fn first_part<'a>(text: &'a [u8], ends: &[u8]) -> &'a [u8] {
    text.split(|byte| ends.iter().any(|end| end == byte)).next().unwrap_or_default()
}

/// Whether a file that begins with these bytes looks like a script for /bin/sh. It has no format that the kernel
/// executes, and no null byte in its first line, which is also bash's test. An empty file is an empty script. (glibc's
/// execvp(3), and so tini, would also run a Python script by /bin/sh if its interpreter is for another architecture.)
pub fn is_text(head: &[u8]) -> bool {
    const LINE: usize = 80;
    let line = head.iter().take(LINE).take_while(|byte| **byte != b'\n');
    !head.starts_with(b"\x7fELF")
        && !matches!(Format::of(head), Format::Script([_, ..]))
        && line.copied().all(|byte| byte != 0)
}

/// What an editor on Windows may put before the first line of a file. The kernel then sees no `#!`.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Whether a file that begins with these bytes has nothing in it, an empty `#!` line alone, or a byte order mark. A copy that was cut
/// short often looks like the first two.
pub fn is_odd_script(head: &[u8]) -> bool {
    matches!(head.strip_prefix(b"#!".as_slice()).unwrap_or(head), b"" | b"\n") || head.starts_with(BYTE_ORDER_MARK)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    #[test]
    fn a_script_without_any_command_or_with_a_byte_order_mark_is_odd() {
        for odd in [&b""[..], b"\n", b"#!", b"#!\n", b"\xef\xbb\xbf#!/bin/sh\n", b"\xef\xbb\xbf"] {
            assert!(is_odd_script(odd), "{odd:?}");
        }
        for usual in [&b"#"[..], b"#!/", b"#!\nexit 3", b"exit", b"##!", b"\0", b"\xef\xbb", b"#\xef\xbb\xbf"] {
            assert!(!is_odd_script(usual), "{usual:?}");
        }
    }

    /// An ELF header of 64 bits (`wide`) or 32, big-endian or not. Its second segment is of type PT_INTERP.
    pub fn elf(wide: bool, big: bool, machine: u16) -> Vec<u8> {
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
}
