//! The first instructions: block every signal, then let libc start.
//!
//! The kernel drops every signal for PID 1 that is neither handled nor blocked. A `docker stop` between the exec and
//! the mask is lost, and the container runs on until the engine kills it ten seconds later. Other inits set their mask
//! in `main` or later, when libc's start code has made a dozen system calls and touched most of its pages.
//!
//! Four points were measured, statically linked with glibc on x86-64, from the vfork of the launcher to the system call
//! after the mask. Each is the median of 3,000 runs in alternation on one processor:
//!
//! | the mask is set in | µs |
//! | --- | --- |
//! | the ELF entry point, before `_start` | 183 |
//! | an `.init_array` entry | 700 |
//! | the C `main` of a `no_main` program | 715 |
//! | a Rust `main` | 794 |
//!
//! The vfork and the exec themselves take as long as the first figure. So the entry point closes the window, and each
//! later point leaves it open for half a millisecond.
//!
//! The entry point has about ten instructions on each architecture, in arch/. On an architecture without them, rini
//! sets its mask in `main`, the earliest point that needs no assembly. build/entry_point.rs lists the architectures
//! that have them (`cfg(rini_assembly)`), and gives `--entry` to the linker.

#[cfg(rini_assembly)]
use super::arch;
use super::signals::{self, Mask};
use super::{Start, Strings};
use std::ffi::{c_char, c_int};
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};

/// The mask that rini was started with, as the kernel's set. `rini_entry` writes it, once.
static INHERITED: AtomicU64 = AtomicU64::new(0);

/// The set that blocks every signal.
#[cfg(not(test))]
static ALL: u64 = u64::MAX;

/// Makes `rini_entry` of an architecture's pieces: rt_sigprocmask(SIG_BLOCK, &ALL, &INHERITED, 8), and a jump to libc's
/// entry point. The stack, and the registers that libc reads, are as the kernel left them. No address is absolute,
/// because the program may have to relocate itself, and has not done so yet.
///
/// Cargo also gives `--entry` to the program of the unit tests, which has a Rust `main` and needs its signals. There
/// the entry point is only the jump.
#[cfg(rini_assembly)]
macro_rules! make_entry {
    ($([$($before:literal)*])? block [$($block:literal)*] jump [$($jump:literal)*] $($data:literal)* $(; $option:ident)?) => {
        // SAFETY: naked wants assembly that is the whole function and that does not return, as the type says: it ends
        // with a jump, and there is no caller to return to.
        #[cfg(not(test))]
        #[unsafe(naked)]
        // SAFETY: no_mangle wants a unique name: this one begins with the program's.
        #[unsafe(no_mangle)]
        extern "C" fn rini_entry() -> ! {
            std::arch::naked_asm!(
                $($($before,)*)?
                $($block,)*
                $($jump,)*
                $($data,)*
                rt_sigprocmask = const libc::SYS_rt_sigprocmask,
                all = sym ALL,
                inherited = sym INHERITED,
                $(options($option),)?
            )
        }

        // SAFETY: naked wants assembly that is the whole function and that does not return: it is a jump.
        #[cfg(test)]
        #[unsafe(naked)]
        // SAFETY: no_mangle wants a unique name: this one begins with the program's.
        #[unsafe(no_mangle)]
        extern "C" fn rini_entry() -> ! {
            std::arch::naked_asm!($($($before,)*)? $($jump,)*)
        }
    };
}

#[cfg(rini_assembly)]
arch::entry!(make_entry);

/// Makes the C `main`, which calls the given function with the command line, the environment and the mask, and returns
/// its exit code.
///
/// Rust's own start code does not run (`no_main`). It would ignore SIGPIPE, which the program would inherit through the
/// exec, and open closed standard streams. This is a macro because main.rs, which is above this file, names the
/// function.
macro_rules! main {
    ($run:path) => {
        const _: () = {
            // SAFETY: no_mangle wants a unique name: C's start code calls this one, and there is no other main
            // (`no_main`). The program of the tests has another main, so there this function does not have the name.
            #[cfg_attr(not(test), unsafe(no_mangle))]
            #[allow(unsafe_code)]
            extern "C" fn main(
                argc: std::ffi::c_int,
                argv: *mut *mut std::ffi::c_char,
                environment: *mut *mut std::ffi::c_char,
            ) -> std::ffi::c_int {
                $run($crate::sys::entry::start(argc, argv, environment)).into()
            }
        };
    };
}
pub(crate) use main;

/// Makes safe types of the arguments of C's `main`.
pub fn start(argc: c_int, argv: *mut *mut c_char, environment: *mut *mut c_char) -> Start {
    let mask =
        if cfg!(rini_assembly) { Mask::from_bits(INHERITED.load(Ordering::Relaxed)) } else { signals::block_all() };
    let argv = strings(argv, usize::try_from(argc).unwrap_or(0));
    let mut count = 0_usize;
    // SAFETY: the read wants a slot of the array: the array ends with a null (environ(7)), and the count stops there.
    while !unsafe { *environment.wrapping_add(count) }.is_null() {
        count = count.saturating_add(1);
    }
    let environment = strings(environment, count);
    Start { argv, environment, mask }
}

fn strings(first: *mut *mut c_char, count: usize) -> Strings {
    // SAFETY: from_raw_parts_mut wants `count` + 1 writable slots without another user: argv and the environment are on
    // the initial stack, which is writable, each with its null (execve(2)). libc's `environ` points to the same slots,
    // but nothing in rini calls getenv and its like: rini reads variables through this slice.
    Strings(unsafe { slice::from_raw_parts_mut(first, count.saturating_add(1)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;

    /// The slots are laid out as the kernel does it. Miri checks each byte that is read and each slot.
    #[test]
    fn strings_are_found_replaced_and_passed_on_by_their_slots() {
        let words =
            ["A=1", "", "PATH=/bin:/", "AB=2", "A=3", "LISTEN_PID", "\u{e9}="].map(|word| CString::new(word).unwrap());
        let mut slots: Vec<*mut c_char> = words.iter().map(|word| word.as_ptr().cast_mut()).collect();
        slots.push(std::ptr::null_mut());
        let mut strings = strings(slots.as_mut_ptr(), words.len());
        assert!(strings.iter().eq(words.iter().map(CString::as_c_str)));
        assert_eq!((strings.get(words.len()), strings.get(99)), (None, None));
        let value =
            |strings: &Strings, name: &[u8]| strings.variable(name).map(|(slot, value)| (slot, value.to_owned()));
        assert_eq!(value(&strings, b"A"), Some((0, c"1".to_owned())));
        assert_eq!(value(&strings, b"AB"), Some((3, c"2".to_owned())));
        assert_eq!(value(&strings, b"PATH"), Some((2, c"/bin:/".to_owned())));
        assert_eq!(value(&strings, "\u{e9}".as_bytes()), Some((6, c"".to_owned())));
        assert_eq!(
            (value(&strings, b"LISTEN_PID"), value(&strings, b"P"), value(&strings, b"PATHS")),
            (None, None, None)
        );
        strings.replace(0, c"A=4");
        strings.replace(99, c"A=5");
        assert_eq!(value(&strings, b"A"), Some((0, c"4".to_owned())));
        for first in [0, 3, words.len()] {
            let slots = strings.slots(first);
            assert_eq!(slots.first().map(|slot| slot.is_null()), Some(first == words.len()));
            assert!(slots.last().is_some_and(|slot| slot.is_null()));
        }
        // A variable is set once, whether there are two of them or none.
        assert_eq!(strings.set(b"A", b"6"), Some(()));
        assert_eq!(strings.set(b"new", b""), Some(()));
        assert_eq!(strings.set(b"PATH", b"with\0null"), None);
        let left = [c"new=", c"A=6", c"", c"PATH=/bin:/", c"AB=2", c"LISTEN_PID", c"\u{e9}="];
        assert!(strings.iter().eq(left));
        assert!(strings.slots(0).last().is_some_and(|slot| slot.is_null()));
    }
}
