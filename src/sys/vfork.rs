//! A child that borrows this process's memory until its exec or its end, while this process waits.
//!
//! A fork copies the page tables, and the first write to each page behind it, on either side, copies that too: 50 µs of
//! some 230 from rini's exec to the program's first instruction. With CLONE_VM and CLONE_VFORK (clone(2)) nothing is copied.
//! It is what posix_spawn(3) does; that has no place for what rini's child has to do.
//!
//! C's vfork(2) returns twice, the second time into frames that the child may have overwritten, so no compiler but one
//! that knows it by name can be trusted with it. Here the child does not return: it goes on in another function, on the same
//! stack, below the frame of the one that has called, as if that had called it. When the child is gone, that one returns, once. To
//! a compiler it is a call of an unknown function. (A stack of the child's own would be a page or two more that is dirty
//! for ever, or two system calls to have it and to give it back.)
//!
//! The wait ends when the exec has found what it can load, or with the child. Every signal is blocked before it and behind it, and
//! what comes in between is pending; a SIGKILL from outside ends the wait. (A stop that somebody sends to the child in this
//! moment, before anybody but the kernel can have told him its pid, would last as long for this process, as in posix_spawn.)
//!
//! An emulator that runs a foreign architecture's programs (qemu-user) makes a fork of it. So nothing may depend on
//! memory being shared; see [`super::spawn`]. For an architecture that has no assembly here it is a fork too.

use libc::{c_int, c_long, c_void};
use nix::errno::Errno;

/// What the child does. It does not return.
pub type Run = extern "C" fn(*mut c_void) -> !;

/// Makes the child, which calls `run` with this argument. Returns its pid, when it has called exec or is gone.
///
/// `run` is to make system calls and to write to nothing that somebody else uses behind the call, but by the argument.
pub fn spawn<T>(argument: &mut T, run: Run) -> Result<c_int, Errno> {
    let argument = (&raw mut *argument).cast();
    // SAFETY: it wants that no other thread uses this memory in the meantime, that no signal handler runs in the child, and
    // that `run` does not return: rini has one thread and no handler, and the type of `run` says so.
    let pid = unsafe { clone_and_run(argument, run) };
    // The kernel's own answer, an error being its number below 0.
    let pid = c_int::try_from(pid).unwrap_or(-1);
    if pid < 0 { Err(Errno::from_raw(pid.saturating_neg())) } else { Ok(pid) }
}

#[cfg(rini_assembly)]
const FLAGS: c_int = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;

/// The system call, and in the child a jump to `run`, with the stack as it is. What has to outlive the system call is kept in
/// registers that the kernel leaves alone.
#[cfg(rini_assembly)]
macro_rules! clone_and_run {
    ($($line:literal)* $(; $option:ident)?) => {
        // SAFETY: naked wants assembly that is the whole function, and keeps to C's calling convention: in the parent it returns
        // with the stack and the caller's registers as they were, in the child it jumps to what does not return.
        #[unsafe(naked)]
        // It wants of its callers what `spawn` says there.
        unsafe extern "C" fn clone_and_run(argument: *mut c_void, run: Run) -> c_long {
            std::arch::naked_asm!(
                $($line,)*
                flags = const FLAGS,
                clone = const libc::SYS_clone,
                $(options($option),)?
            )
        }
    };
}

// The kernel takes rcx and r11.
#[cfg(target_arch = "x86_64")]
clone_and_run! {
    "mov r8, rdi"
    "mov r9, rsi"
    "mov edi, {flags}"
    "xor esi, esi"
    "mov eax, {clone}"
    "syscall"
    "test eax, eax"
    "jnz 2f"
    "mov rdi, r8"
    "jmp r9"
    "2: ret"
}

// The argument is where `run` looks for its own. ebx is the caller's.
#[cfg(target_arch = "x86")]
clone_and_run! {
    "movl %ebx, %edx"
    "movl ${flags}, %ebx"
    "xorl %ecx, %ecx"
    "movl ${clone}, %eax"
    "int $0x80"
    "movl %edx, %ebx"
    "testl %eax, %eax"
    "jnz 2f"
    "jmpl *8(%esp)"
    "2: retl"
    ; att_syntax
}

#[cfg(target_arch = "aarch64")]
clone_and_run! {
    "mov x9, x0"
    "mov x10, x1"
    "mov x0, #{flags}"
    "mov x1, #0"
    "mov x8, #{clone}"
    "svc #0"
    "cbnz x0, 2f"
    "mov x0, x9"
    "br x10"
    "2: ret"
}

// r7 is the caller's.
#[cfg(target_arch = "arm")]
clone_and_run! {
    ".arm"
    "mov r12, r7"
    "mov r2, r0"
    "mov r3, r1"
    "movw r0, #{flags}"
    "mov r1, #0"
    "mov r7, #{clone}"
    "svc #0"
    "mov r7, r12"
    "cmp r0, #0"
    "bxne lr"
    "mov r0, r2"
    "bx r3"
}

// The kernel may take every register that is not the caller's. Below the stack there are 288 bytes that only a function
// without a frame uses, as this one. An error is told by a bit of a condition register, with its number above 0. A function
// that is jumped to finds its data by r12, its own address, and has room in its caller's frame for the link register, which is not
// looked for there behind the call.
#[cfg(all(target_arch = "powerpc64", target_endian = "little"))]
clone_and_run! {
    "std 3, -16(1)"
    "std 4, -8(1)"
    "li 3, {flags}"
    "li 4, 0"
    "li 0, {clone}"
    "sc"
    "bns+ 2f"
    "neg 3, 3"
    "2: cmpdi 3, 0"
    "bnelr"
    "ld 3, -16(1)"
    "ld 12, -8(1)"
    "mtctr 12"
    "bctr"
}

// The stack comes before the flags here.
#[cfg(target_arch = "s390x")]
clone_and_run! {
    "lgr %r4, %r2"
    "lgr %r5, %r3"
    "lghi %r2, 0"
    "lghi %r3, {flags}"
    "svc {clone}"
    "ltgr %r2, %r2"
    "bnzr %r14"
    "lgr %r2, %r4"
    "br %r5"
}

#[cfg(target_arch = "riscv64")]
clone_and_run! {
    "mv a2, a0"
    "mv a3, a1"
    "li a0, {flags}"
    "li a1, 0"
    "li a7, {clone}"
    "ecall"
    "bnez a0, 2f"
    "mv a0, a2"
    "jr a3"
    "2: ret"
}

/// The same by a fork.
#[cfg(not(rini_assembly))]
unsafe fn clone_and_run(argument: *mut c_void, run: Run) -> c_long {
    // libc's, as a kernel may tell the child from the parent by another register than that of the result (sparc).
    // SAFETY: the child of a process with threads may call only what is safe in a signal handler: there is one thread.
    match Errno::result(unsafe { libc::fork() }) {
        Ok(0) => run(argument),
        Ok(pid) => c_long::from(pid),
        Err(errno) => c_long::from(errno as i32).saturating_neg(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::Pid;

    extern "C" fn run(argument: *mut c_void) -> ! {
        // SAFETY: the test's own, below.
        let (code, seen) = unsafe { &mut *argument.cast::<(c_int, bool)>() };
        *seen = true;
        // SAFETY: _exit takes a number.
        unsafe { libc::_exit(*code) }
    }

    #[test]
    fn the_child_runs_in_this_memory_and_this_process_goes_on_behind_its_end() {
        for code in [0, 7, 255] {
            let mut argument = (code, false);
            let pid = Pid::from_raw(spawn(&mut argument, run).unwrap());
            assert_eq!(argument, (code, cfg!(rini_assembly)));
            assert_eq!(waitpid(pid, None), Ok(WaitStatus::Exited(pid, code)));
        }
    }
}
