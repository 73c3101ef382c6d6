//! A child that uses this process's memory until its exec or its end, while this process waits.
//!
//! A fork copies the page tables, and later each page that either side writes to. That takes 50 µs of some 230 from
//! rini's exec to the program's first instruction. With CLONE_VM and CLONE_VFORK (clone(2)), the kernel copies nothing.
//! posix_spawn(3) does the same, but cannot do what rini's child has to do before its exec.
//!
//! vfork(2) returns twice, the second time into stack frames that the child may have overwritten, so only compilers
//! that special-case it handle it correctly. rini's child does not return. It goes on in another function, on the same
//! stack, below the frame of the caller, as if the caller had called that function. When the child is gone, the
//! caller's call returns, once. To a compiler this is a call of an unknown function. (size: 31)
//!
//! The wait ends at the child's exec or end. Every signal is blocked before and after the call, and a signal that comes
//! in between stays pending. A SIGKILL from outside ends the wait.
//!
//! **A stopped child.** A child that is stopped before its exec holds this process in the wait until another process
//! continues it. A key of the terminal must not do that. So rini makes a child that gets a terminal by a plain fork
//! ([`FORK`]), after which it does not wait: a ^Z then stops only the child, as any job. Without a terminal, only a
//! SIGSTOP to the pid before the exec can hold rini, as in posix_spawn(3). These would prevent that too. They were
//! measured against the vfork, from rini's exec to the program's first instruction:
//!
//! - The plain fork takes 11 % more time.
//! - CLONE_VM without CLONE_VFORK, with a wait for CLONE_CHILD_CLEARTID that has a time limit and then sends SIGCONT, takes 2 %
//!   more. But gVisor clears that word at the end of a process and not at its exec, so rini would wait there for ever.
//!   qemu-user refuses the call.
//!
//! An emulator of another architecture (qemu-user) makes a fork of a vfork. So nothing may depend on shared memory; see
//! [`super::spawn`]. On an architecture without assembly (arch/) it is a fork too.

#[cfg(rini_assembly)]
use super::arch;
use libc::{c_int, c_long, c_void};
use nix::errno::Errno;

/// The function that the child runs. It does not return.
pub type ChildFunction = extern "C" fn(*mut c_void) -> !;

/// The flags of clone(2) for a child that uses this memory while this process waits.
pub const VFORK: c_int = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
/// The flags for a child with a copy of this memory, while this process goes on.
pub const FORK: c_int = libc::SIGCHLD;

/// Makes a child that calls `run` with this argument, and returns the pid. With [`VFORK`] it returns after the child's
/// exec or end.
///
/// `run` may make system calls, and may write only to the argument or to memory that the parent does not use after the
/// call.
pub fn clone_child<T>(argument: &mut T, run: ChildFunction, flags: c_int) -> Result<c_int, Errno> {
    let argument = (&raw mut *argument).cast();
    // SAFETY: no other thread may use this memory in the meantime, no signal handler may run in the child, and `run`
    // may not return: rini has one thread and no handler, and the type of `run` says that it does not return.
    let pid = unsafe { clone_and_run(argument, run, flags) };
    // The kernel returns an error as its negative number.
    let pid = c_int::try_from(pid).unwrap_or(-1);
    if pid < 0 { Err(Errno::from_raw(pid.saturating_neg())) } else { Ok(pid) }
}

/// Makes the function `clone_and_run` of an architecture's instructions: the system call, and in the child a jump to
/// `run` with the stack unchanged. Registers that the kernel preserves hold what is needed after the system call.
#[cfg(rini_assembly)]
macro_rules! make_clone_and_run {
    ($($line:literal)* $(; $option:ident)?) => {
        // SAFETY: naked wants assembly that is the whole function and follows C's calling convention: in the parent it
        // returns with the stack and the caller's registers unchanged, and in the child it jumps to a function that
        // does not return.
        #[unsafe(naked)]
        // `clone_child` states the obligations of a caller.
        unsafe extern "C" fn clone_and_run(argument: *mut c_void, run: ChildFunction, flags: c_int) -> c_long {
            std::arch::naked_asm!(
                $($line,)*
                clone = const libc::SYS_clone,
                $(options($option),)?
            )
        }
    };
}

#[cfg(rini_assembly)]
arch::clone_and_run!(make_clone_and_run);

/// Without assembly, forks.
#[cfg(not(rini_assembly))]
unsafe fn clone_and_run(argument: *mut c_void, run: ChildFunction, _flags: c_int) -> c_long {
    // libc's fork, because on some architectures another register than the result says which process is the child
    // (sparc).
    // SAFETY: after a fork with several threads, the child may call only functions that are safe in a signal handler.
    // rini has one thread.
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
        // SAFETY: the argument is that of the test below.
        let (code, seen) = unsafe { &mut *argument.cast::<(c_int, bool)>() };
        *seen = true;
        // SAFETY: _exit takes a number.
        unsafe { libc::_exit(*code) }
    }

    #[test]
    fn the_child_runs_in_this_memory_or_in_a_copy_and_this_process_goes_on_afterwards() {
        for (flags, shared) in [(VFORK, cfg!(rini_assembly)), (FORK, false)] {
            for code in [0, 7, 255] {
                let mut argument = (code, false);
                let pid = Pid::from_raw(clone_child(&mut argument, run, flags).unwrap());
                assert_eq!(waitpid(pid, None), Ok(WaitStatus::Exited(pid, code)));
                assert_eq!(argument, (code, shared));
            }
        }
    }
}
