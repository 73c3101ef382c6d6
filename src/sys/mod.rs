//! The system calls: all of rini's unsafe code, a call to a block, and what is typed about it.
//!
//! Nothing here decides anything. `nix` is called where it says what the kernel says; `libc` where nix has a hole:
//! its `Signal`, its masks and its `waitid` know no real-time signals (a child killed by one is reaped and lost in the
//! decoding), and the C libraries' masks leave out the signals that they keep for themselves.
#![allow(unsafe_code)]

pub mod clock;
mod entry;
pub mod files;
mod heap;
pub mod process;
pub mod signals;
pub mod spawn;
pub mod terminal;
pub mod texts;
mod vfork;

use signals::Mask;
use std::ffi::{CStr, c_char};
use std::fmt::{self, Write};

/// What the kernel handed over at the start.
pub struct Start {
    /// The words of the command, rini's own name first.
    pub argv: Strings,
    /// The environment.
    pub environment: Strings,
    /// The signal mask that rini was started with.
    pub mask: Mask,
}

/// argv and the environment as the kernel laid them out: a C string in each slot, then a null.
///
/// They are handed to the program by the slot, never copied: whatever bytes they hold, and however many.
pub struct Strings(&'static mut [*mut c_char]);

impl Strings {
    /// The strings, without the null.
    pub fn iter(&self) -> impl Iterator<Item = &'static CStr> {
        (0..).map_while(|slot| self.get(slot))
    }

    /// The string in this slot, if that is one before the null.
    pub fn get(&self, slot: usize) -> Option<&'static CStr> {
        let string = self.0.get(slot).filter(|string| !string.is_null())?;
        // SAFETY: from_ptr wants a null-terminated string that stays as it is: each slot before the null is one, laid
        // out by the kernel (execve(2)) or put there by `replace`, and nothing writes into the strings.
        Some(unsafe { CStr::from_ptr(*string) })
    }

    /// The slot of the variable with this name, and its value, where this is an environment. The first of two, as getenv(3)
    /// has it. (The names alone are read: there may be many, and long ones.)
    pub fn variable(&self, name: &[u8]) -> Option<(usize, &'static CStr)> {
        let value = |string: *const c_char| {
            for (place, byte) in (0..).zip(name.iter().chain(b"=")) {
                // SAFETY: the read wants a byte of the string: those before this one were none of them its end, a null, as no
                // name holds one.
                if unsafe { *string.wrapping_add(place) }.to_ne_bytes() != [*byte] {
                    return None;
                }
            }
            Some(string.wrapping_add(name.len()).wrapping_add(1))
        };
        let strings = self.0.iter().take_while(|string| !string.is_null());
        let (slot, value) = strings.enumerate().find_map(|(slot, string)| Some((slot, value(*string)?)))?;
        // SAFETY: from_ptr wants a null-terminated string that stays as it is: this is the rest of one, as in `get`.
        Some((slot, unsafe { CStr::from_ptr(value) }))
    }

    /// Puts another string into a slot.
    fn replace(&mut self, slot: usize, with: &'static CStr) {
        if let Some(slot) = self.0.get_mut(slot) {
            *slot = with.as_ptr().cast_mut();
        }
    }

    /// The slots from `first` on, as execve(2) takes them.
    fn slots(&self, first: usize) -> *const *const c_char {
        self.0.get(first..).unwrap_or(&[]).as_ptr().cast()
    }
}

/// These bytes as a C string: the last is a null, and no other.
///
/// As `CStr::from_bytes_with_nul`, which looks for it a word at a time, in 300 bytes of code.
pub fn c_string(bytes: &[u8]) -> Option<&CStr> {
    if bytes.iter().position(|byte| *byte == 0)? != bytes.len().saturating_sub(1) {
        return None;
    }
    // SAFETY: from_bytes_with_nul_unchecked wants one null, at the end: the first is there.
    Some(unsafe { CStr::from_bytes_with_nul_unchecked(bytes) })
}

/// The path of a file in /proc, put together without an allocation; what does not fit in is an error.
pub struct Text {
    bytes: [u8; LONGEST],
    length: usize,
}

/// They are a few dozen bytes long.
const LONGEST: usize = 128;

impl Text {
    /// An empty one.
    pub fn new() -> Text {
        Text { bytes: [0; LONGEST], length: 0 }
    }

    /// This as a C string, where it fits in and holds no null.
    pub fn path(&mut self, text: fmt::Arguments<'_>) -> Option<&CStr> {
        self.write_fmt(text).and_then(|()| self.write_str("\0")).ok()?;
        c_string(self.bytes())
    }

    /// What was written.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }
}

impl Write for Text {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let end = self.length.saturating_add(more.len());
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(more.as_bytes());
        self.length = end;
        Ok(())
    }
}
