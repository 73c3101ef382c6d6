//! x86-64: the assembly of `entry` and `vfork`, with a comment on each instruction.

// Besides the stack, libc reads rdx: a function for atexit, or 0. The system call overwrites rax, rcx and r11.
macro_rules! entry {
    ($make:ident) => {
        $make! {
            block [
                "mov r8, rdx"                      // Keep libc's function for atexit.
                "mov eax, {rt_sigprocmask}"        // The number of the system call.
                "xor edi, edi"                     // how = SIG_BLOCK, which is 0.
                "lea rsi, [rip + {all}]"           // set = every signal.
                "lea rdx, [rip + {inherited}]"     // oldset = the variable for the inherited mask.
                "mov r10d, 8"                      // The size of a set.
                "syscall"                          // There is no error with these arguments.
                "mov rdx, r8"                      // Restore libc's function for atexit.
            ]
            jump ["jmp _start"]                    // libc's own entry point.
        }
    };
}
pub(super) use entry;

// The system call overwrites rax, rcx and r11.
macro_rules! clone_and_run {
    ($make:ident) => {
        $make! {
            "mov r8, rdi"                          // Keep the argument.
            "mov r9, rsi"                          // Keep the function.
            "mov edi, edx"                         // The flags.
            "xor esi, esi"                         // 0: the child uses the same stack.
            "mov eax, {clone}"                     // The number of the system call.
            "syscall"                              // eax: 0 in the child, in the parent its pid or an error.
            "test eax, eax"                        // Which of the two is this?
            "jnz 2f"                               // The parent returns.
            "mov rdi, r8"                          // The child calls the function with the argument,
            "jmp r9"                               // which does not return.
            "2: ret"                               // The result is in rax.
        }
    };
}
pub(super) use clone_and_run;
