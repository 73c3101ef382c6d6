//! The system calls: all of rini's unsafe code, one call to a block, behind safe types.
//!
//! Nothing here decides anything. rini calls `nix` if nix reports what the kernel reports, and `libc` otherwise: nix's
//! `Signal`, masks and `waitid` have no real-time signals (nix reaps a child that was killed by one, and then loses
//! it), and the C library's masks leave out the signals that the library uses itself.
#![allow(unsafe_code)]

/// The assembly for the architecture that rini is built for. build/entry_point.rs lists the architectures that have it.
#[cfg(rini_assembly)]
#[cfg_attr(target_arch = "aarch64", path = "arch/aarch64.rs")]
#[cfg_attr(target_arch = "arm", path = "arch/arm.rs")]
#[cfg_attr(target_arch = "powerpc64", path = "arch/powerpc64le.rs")]
#[cfg_attr(target_arch = "riscv64", path = "arch/riscv64.rs")]
#[cfg_attr(target_arch = "s390x", path = "arch/s390x.rs")]
#[cfg_attr(target_arch = "x86", path = "arch/x86.rs")]
#[cfg_attr(target_arch = "x86_64", path = "arch/x86_64.rs")]
mod arch;
pub mod capabilities;
pub mod clock;
pub mod entry;
pub mod exec_failure;
pub mod files;
pub mod heap;
pub mod install;
pub mod output;
mod prctl;
pub mod process;
pub mod signals;
pub mod spawn;
pub mod stdin;
pub mod terminal;
pub mod texts;
pub mod user;
mod vfork;

use crate::ground::bytes;
use signals::Mask;
use std::ffi::{CStr, c_char};
use std::fmt::{self, Write};

/// The command line, the environment and the signal mask that the kernel gave to rini.
pub struct Start {
    /// The command line. Word 0 is rini's own name.
    pub argv: Strings,
    /// The environment.
    pub environment: Strings,
    /// The signal mask that rini was started with.
    pub mask: Mask,
}

/// argv or the environment as the kernel stored it: a C string in each slot, then a null.
///
/// rini never copies the strings. The program gets the slots, whatever bytes they hold and however many they are.
pub struct Strings(&'static mut [*mut c_char]);

impl Strings {
    /// The strings, without the null at the end.
    pub fn iter(&self) -> impl Iterator<Item = &'static CStr> {
        (0..).map_while(|slot| self.get(slot))
    }

    /// The string in this slot. It is None from the null on.
    pub fn get(&self, slot: usize) -> Option<&'static CStr> {
        let string = self.0.get(slot).filter(|string| !string.is_null())?;
        // SAFETY: from_ptr wants a null-terminated string that does not change: each slot before the null has one, from
        // the kernel (execve(2)) or from `replace`, and nothing writes into the strings.
        Some(unsafe { CStr::from_ptr(*string) })
    }

    /// In an environment, finds the variable with this name: its slot and its value. If there are two, it is the first,
    /// as for getenv(3).
    pub fn variable(&self, name: &[u8]) -> Option<(usize, &'static CStr)> {
        self.iter().enumerate().find_map(|(slot, variable)| Some((slot, value_of(variable, name)?)))
    }

    /// In an environment, sets a variable, and removes others with this name: a shell would take the last one. Returns None if the
    /// value contains a null.
    pub fn set(&mut self, name: &[u8], value: &[u8]) -> Option<()> {
        // The kernel's slots have no room behind them. The new ones are for the program, and never freed.
        let mut slots = vec![make_variable(name, value)?.as_ptr().cast_mut()];
        for (slot, string) in self.0.iter().enumerate() {
            if self.get(slot).and_then(|variable| value_of(variable, name)).is_none() {
                slots.push(*string);
            }
        }
        self.0 = slots.leak();
        Some(())
    }

    /// Replaces the string in a slot.
    fn replace(&mut self, slot: usize, with: &'static CStr) {
        if let Some(slot) = self.0.get_mut(slot) {
            *slot = with.as_ptr().cast_mut();
        }
    }

    /// The slots from `first` on, with the null at the end, as execve(2) takes them.
    fn slots(&self, first: usize) -> &[*mut c_char] {
        self.0.get(first..).unwrap_or(&[])
    }
}

/// The value of a variable of an environment, if this is its name.
fn value_of(variable: &'static CStr, name: &[u8]) -> Option<&'static CStr> {
    c_string(variable.to_bytes_with_nul().strip_prefix(name)?.strip_prefix(b"=".as_slice())?)
}

/// Makes a variable of an environment, which is never freed. Returns None if the value contains a null, or if there is no memory.
fn make_variable(name: &[u8], value: &[u8]) -> Option<&'static CStr> {
    c_string(bytes::keep(&[name, b"=", value, b"\0"])?)
}

/// Returns these bytes as a C string, if the last byte is a null, and no other is.
pub fn c_string(bytes: &[u8]) -> Option<&CStr> {
    CStr::from_bytes_with_nul(bytes).ok()
}

/// The path of a file in /proc, which is formatted without an allocation.
pub struct PathBuffer {
    bytes: [u8; LONGEST_PATH],
}

/// The paths that rini formats have a few dozen bytes.
const LONGEST_PATH: usize = 128;

impl PathBuffer {
    /// An empty buffer.
    pub fn new() -> PathBuffer {
        PathBuffer { bytes: [0; LONGEST_PATH] }
    }

    /// Formats a path. Returns None if it is too long or contains a null.
    pub fn format(&mut self, path: fmt::Arguments<'_>) -> Option<&CStr> {
        let mut length = 0;
        let mut writer = BufferWriter { bytes: &mut self.bytes, length: &mut length };
        writer.write_fmt(path).and_then(|()| writer.write_str("\0")).ok()?;
        c_string(self.bytes.get(..length)?)
    }
}

/// Writes text into a buffer of a fixed length. Text that does not fit is an error.
pub struct BufferWriter<'a> {
    /// The buffer.
    pub bytes: &'a mut [u8],
    /// The number of bytes that have been written.
    pub length: &'a mut usize,
}

impl Write for BufferWriter<'_> {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let end = self.length.saturating_add(more.len());
        self.bytes.get_mut(*self.length..end).ok_or(fmt::Error)?.copy_from_slice(more.as_bytes());
        *self.length = end;
        Ok(())
    }
}
