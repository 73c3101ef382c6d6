//! Stands in for rini of another architecture: it becomes the emulator that runs rini. `tests/emulated` builds this
//! program with the paths of both in it, and the tests run it in the place of rini.
//!
//! So the tests start rini as always: from a shell, under another name, as PID 1, or through a copy.
#![no_main]
#![allow(unsafe_code, missing_docs)]
#![allow(clippy::multiple_unsafe_ops_per_block, clippy::undocumented_unsafe_blocks)]

use libc::{c_char, c_int};
use std::ffi::CString;
use std::ptr::null;

#[unsafe(no_mangle)]
extern "C" fn main(_: c_int, argv: *const *const c_char) -> c_int {
    let (Some(emulator), Some(rini)) = (option_env!("EMULATOR_OF_RINI"), option_env!("EMULATED_RINI")) else {
        return 1;
    };
    let (Ok(emulator), Ok(rini)) = (CString::new(emulator), CString::new(rini)) else { return 1 };
    unsafe {
        // The real-time signals keep their numbers, except 32 and 33, which libc uses, and two that qemu needs.
        let mut words = vec![emulator.as_ptr(), c"-t".as_ptr(), c"34 34 29".as_ptr()];
        // rini gets the name and the arguments with which this program was called.
        words.extend([c"-0".as_ptr(), *argv, rini.as_ptr()]);
        words.extend((1..).map(|word| *argv.wrapping_add(word)).take_while(|word| !word.is_null()));
        words.push(null());
        libc::execv(emulator.as_ptr(), words.as_ptr());
    }
    1
}
