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
//! others leave it half a millisecond wide. It is about ten instructions for each architecture. One that has none here gets
//! its mask in `main`, the earliest place that needs no assembly; build.rs says which have one (`cfg(rini_assembly)`), and
//! gives `--entry` to the linker.

use super::signals::{self, Mask};
use super::{Start, Strings};
use std::ffi::{c_char, c_int};
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};

/// The mask that rini was started with, in the kernel's form; written once, by `rini_entry`.
static INHERITED: AtomicU64 = AtomicU64::new(0);

/// The set that blocks every signal.
#[cfg(not(test))]
static ALL: u64 = u64::MAX;

/// Makes `rini_entry` of its pieces: rt_sigprocmask(SIG_BLOCK, &ALL, &INHERITED, 8), and a jump to libc's own entry point
/// with the stack and those registers as the kernel left them that libc reads. No address in it is absolute: nothing has
/// relocated the program yet, where that is to be done.
///
/// Cargo gives `--entry` to the unit tests' program too, which has a Rust `main` and wants its signals: there it is the
/// jump alone.
#[cfg(rini_assembly)]
macro_rules! entry {
    ($([$($before:literal)*])? block [$($block:literal)*] jump [$($jump:literal)*] $($data:literal)* $(; $option:ident)?) => {
        // SAFETY: naked wants assembly that is the whole function, and does not return, as its type has it: the kernel comes here
        // with nothing on the stack that it could return to, and the jump leaves it.
        #[cfg(not(test))]
        #[unsafe(naked)]
        // SAFETY: no_mangle wants a name that is nobody else's: it begins with this program's.
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

        // SAFETY: naked wants assembly that is the whole function: it is the jump.
        #[cfg(test)]
        #[unsafe(naked)]
        // SAFETY: no_mangle wants a name that is nobody else's: it begins with this program's.
        #[unsafe(no_mangle)]
        extern "C" fn rini_entry() -> ! {
            std::arch::naked_asm!($($($before,)*)? $($jump,)*)
        }
    };
}

// What libc reads beside the stack: rdx, a function for atexit, or 0. The system call takes rcx and r11 too.
#[cfg(target_arch = "x86_64")]
entry! {
    block [
        "mov r8, rdx"
        "mov eax, {rt_sigprocmask}"
        "xor edi, edi"
        "lea rsi, [rip + {all}]"
        "lea rdx, [rip + {inherited}]"
        "mov r10d, 8"
        "syscall"
        "mov rdx, r8"
    ]
    jump ["jmp _start"]
}

// edx, a function for atexit, or 0. No address is relative to the instruction here, but for the one that a call pushes,
// into memory below the stack, which is nobody's. The system call leaves every register but eax.
#[cfg(target_arch = "x86")]
entry! {
    block [
        "movl %edx, %edi"
        "call 2f"
        "2: popl %edx"
        "leal {all} - 2b(%edx), %ecx"
        "leal {inherited} - 2b(%edx), %edx"
        "xorl %ebx, %ebx"
        "movl $8, %esi"
        "movl ${rt_sigprocmask}, %eax"
        "int $0x80"
        "movl %edi, %edx"
    ]
    jump ["jmp _start"]
    ; att_syntax
}

// x0, a function for atexit, or 0. The system call leaves every register but x0.
#[cfg(target_arch = "aarch64")]
entry! {
    block [
        "mov x9, x0"
        "mov x0, #0"
        "adrp x1, {all}"
        "add x1, x1, :lo12:{all}"
        "adrp x2, {inherited}"
        "add x2, x2, :lo12:{inherited}"
        "mov x3, #8"
        "mov x8, #{rt_sigprocmask}"
        "svc #0"
        "mov x0, x9"
    ]
    jump ["b _start"]
}

// r0, a function for atexit, or 0. The system call leaves every register but r0. An instruction sees the pc 8 bytes ahead of
// itself. libc's `_start` may be of the other instruction set, Thumb: the linker makes the jump change to it.
#[cfg(target_arch = "arm")]
entry! {
    block [
        ".arm"
        "mov r4, r0"
        "mov r0, #0"
        "ldr r1, 4f"
        "2: add r1, pc, r1"
        "ldr r2, 5f"
        "3: add r2, pc, r2"
        "mov r3, #8"
        "mov r7, #{rt_sigprocmask}"
        "svc #0"
        "mov r0, r4"
    ]
    jump ["b _start"]
    "4: .word {all} - (2b + 8)"
    "5: .word {inherited} - (3b + 8)"
}

// r12, the address of the function that is jumped to: r2 is made from it, the register that data is found by, and musl reads
// a word beside its `_start` by it. The system call takes it (in qemu's user mode it does not), and leaves r1 and r2.
#[cfg(all(target_arch = "powerpc64", target_endian = "little"))]
entry! {
    ["addis 2, 12, .TOC.-rini_entry@ha" "addi 2, 2, .TOC.-rini_entry@l"]
    block [
        "li 3, 0"
        "addis 4, 2, {all}@toc@ha"
        "addi 4, 4, {all}@toc@l"
        "addis 5, 2, {inherited}@toc@ha"
        "addi 5, 5, {inherited}@toc@l"
        "li 6, 8"
        "li 0, {rt_sigprocmask}"
        "sc"
    ]
    jump ["addis 12, 2, _start@toc@ha" "addi 12, 12, _start@toc@l" "mtctr 12" "bctr"]
}

// r14, a function for atexit, or 0, and the stack in r15: the system call leaves both, and every other register but r2.
#[cfg(target_arch = "s390x")]
entry! {
    block [
        "lghi %r2, 0"
        "larl %r3, {all}"
        "larl %r4, {inherited}"
        "lghi %r5, 8"
        "svc {rt_sigprocmask}"
    ]
    jump ["jg _start"]
}

// a0, a function for atexit, or 0. The system call leaves every register but a0. The linker is not to make an address
// relative to gp, which libc sets.
#[cfg(target_arch = "riscv64")]
entry! {
    block [
        ".option push"
        ".option norelax"
        "mv t0, a0"
        "li a0, 0"
        "lla a1, {all}"
        "lla a2, {inherited}"
        "li a3, 8"
        "li a7, {rt_sigprocmask}"
        "ecall"
        "mv a0, t0"
        ".option pop"
    ]
    jump ["tail _start"]
}

/// The C `main`: Rust's own start code sets SIGPIPE to ignored, which an exec would pass on to the program, and
/// re-opens closed descriptors; so it does not run (`no_main`).
// SAFETY: no_mangle wants a name that is nobody else's: it is the one that C's start code calls, and there is no other main
// (`no_main`); in the tests' program there is, and this has no such name.
#[cfg_attr(not(test), unsafe(no_mangle))]
extern "C" fn main(argc: c_int, argv: *mut *mut c_char, environment: *mut *mut c_char) -> c_int {
    let mask =
        if cfg!(rini_assembly) { Mask::from_bits(INHERITED.load(Ordering::Relaxed)) } else { signals::block_all() };
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;

    /// As the kernel lays them out; and what is done with them. (Under Miri, every byte that is read and every slot is watched.)
    #[test]
    fn strings_are_found_replaced_and_handed_on_by_their_slots() {
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
            // SAFETY: the read wants a slot of the array: `first` is one of them, or the null behind the last.
            let slot = unsafe { *strings.slots(first) };
            assert_eq!(slot.is_null(), first == words.len());
        }
    }
}
