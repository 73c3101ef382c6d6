//! The first instructions: block every signal, then let libc start.
//!
//! To a PID 1 the kernel drops every signal that is neither handled nor blocked: a `docker stop` that comes between the
//! exec and the mask is lost, and the container runs on for ten seconds until it is killed. Every peer installs its
//! mask in `main` or later; by then libc's start code has made a dozen system calls and touched most of its pages.
//!
//! Three places were measured, statically linked with glibc on x86-64, from the vfork of the launcher to the system
//! call behind the mask, median of 3,000 runs in alternation on one processor:
//!
//! | the mask is set in | µs |
//! | --- | --- |
//! | the ELF entry point, before `_start` | 183 |
//! | an `.init_array` entry | 700 |
//! | the C `main` of a `no_main` program | 715 |
//! | a Rust `main` | 794 |
//!
//! The first figure is what the vfork and the exec themselves take; so the entry point closes the window, and the
//! others leave it half a millisecond wide. It is seven instructions for each architecture. An architecture that has
//! none here gets its mask in `main`, the earliest place that needs no assembly; then `--entry` is not given either
//! (build.rs).

use super::signals::{self, Mask};
use super::{Start, Strings};
use std::ffi::{c_char, c_int};
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};

/// The mask that rini was started with, in the kernel's form; written once, by `rini_entry`.
static INHERITED: AtomicU64 = AtomicU64::new(0);

/// rt_sigprocmask(SIG_BLOCK, &u64::MAX, &INHERITED, 8), then libc's own entry point with its registers and stack as the
/// kernel left them (rdx: a function for atexit, or 0; rsp: argc, argv and the environment).
#[cfg(all(target_arch = "x86_64", not(test)))]
#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn rini_entry() -> ! {
    static ALL: u64 = u64::MAX;
    std::arch::naked_asm!(
        "mov r8, rdx",
        "mov eax, {rt_sigprocmask}",
        "xor edi, edi",
        "lea rsi, [rip + {all}]",
        "lea rdx, [rip + {inherited}]",
        "mov r10d, 8",
        "syscall",
        "mov rdx, r8",
        "jmp _start",
        rt_sigprocmask = const libc::SYS_rt_sigprocmask,
        all = sym ALL,
        inherited = sym INHERITED,
    )
}

/// Cargo gives `--entry` to the unit tests' program too, which has a Rust `main` and wants its signals.
#[cfg(all(target_arch = "x86_64", test))]
#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn rini_entry() -> ! {
    std::arch::naked_asm!("jmp _start")
}

/// The C `main`: Rust's own start code sets SIGPIPE to ignored, which an exec would pass on to the program, and
/// re-opens closed descriptors; so it does not run (`no_main`).
#[cfg_attr(not(test), unsafe(no_mangle))]
extern "C" fn main(argc: c_int, argv: *mut *mut c_char, environment: *mut *mut c_char) -> c_int {
    let mask = if cfg!(target_arch = "x86_64") {
        Mask::from_bits(INHERITED.load(Ordering::Relaxed))
    } else {
        signals::block_all()
    };
    let argv = strings(argv, usize::try_from(argc).unwrap_or(0));
    let mut count = 0_usize;
    // SAFETY: the read wants a slot of the array: it ends with a null (environ(7)), and the count stops there.
    while !unsafe { *environment.wrapping_add(count) }.is_null() {
        count = count.saturating_add(1);
    }
    let environment = strings(environment, count);
    c_int::from(crate::run(Start { argv, environment, mask }))
}

fn strings(first: *mut *mut c_char, count: usize) -> Strings {
    // SAFETY: from_raw_parts_mut wants `count` + 1 writable slots that nobody else uses: argv and the environment are
    // on the initial stack, which is writable, each with its null (execve(2)). libc's `environ` names the same slots,
    // but nothing in rini calls getenv or its kin: variables are read through this slice.
    Strings(unsafe { slice::from_raw_parts_mut(first, count.saturating_add(1)) })
}
