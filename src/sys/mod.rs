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

use signals::Mask;
use std::ffi::{CStr, c_char};
use std::fmt;

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
fn c_string(bytes: &[u8]) -> Option<&CStr> {
    if bytes.iter().position(|byte| *byte == 0)? != bytes.len().saturating_sub(1) {
        return None;
    }
    // SAFETY: from_bytes_with_nul_unchecked wants one null, at the end: the first is there.
    Some(unsafe { CStr::from_bytes_with_nul_unchecked(bytes) })
}

/// A short text, to write into without an allocation; what does not fit in is an error.
pub struct Text {
    bytes: [u8; LONGEST],
    length: usize,
}

/// The longest are the paths of files in a cgroup.
const LONGEST: usize = 1024;

impl Text {
    /// An empty one.
    pub fn new() -> Text {
        Text { bytes: [0; LONGEST], length: 0 }
    }

    /// Adds a byte, where there is room.
    pub fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length = self.length.saturating_add(1);
        }
    }

    /// What was written.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let end = self.length.saturating_add(more.len());
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(more.as_bytes());
        self.length = end;
        Ok(())
    }
}
