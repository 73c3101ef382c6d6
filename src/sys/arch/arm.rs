//! arm with 32 bits: the assembly of `entry` and `vfork`, with a comment on each instruction.

// The instructions are the same in both instruction sets, ARM and Thumb. The compiler names the one that it uses.

// Besides the stack, libc reads r0: a function for atexit, or 0. The system call overwrites only r0. libc's `_start` may be
// in the other instruction set. The linker then makes the jump change to it.
macro_rules! entry {
    ($make:ident) => {
        $make! {
            block [
                "mov r4, r0"                           // Keep libc's function for atexit.
                "adr r3, 2f"                           // The place of the two distances below.
                "ldr r1, [r3]"                         // set = every signal: its distance,
                "add r1, r1, r3"                       // from there.
                "ldr r2, [r3, #4]"                     // oldset = the variable for the inherited mask: its distance,
                "add r2, r2, r3"                       // from there.
                "mov r0, #0"                           // how = SIG_BLOCK, which is 0.
                "mov r3, #8"                           // The size of a set.
                "mov r7, #{rt_sigprocmask}"            // The number of the system call.
                "svc #0"                               // There is no error with these arguments.
                "mov r0, r4"                           // Restore libc's function for atexit.
            ]
            jump ["b _start"]                          // libc's own entry point.
            ".balign 4"                                // Thumb instructions can end in the middle of a word.
            "2: .word {all} - 2b"                      // The distances, which do not fit into an instruction.
            ".word {inherited} - 2b"
        }
    };
}
pub(super) use entry;

// The caller uses r7. The system call overwrites only r0.
macro_rules! clone_and_run {
    ($make:ident) => {
        $make! {
            "mov r12, r7"                              // Keep the caller's r7.
            "mov r3, r1"                               // Keep the function.
            "mov r1, r0"                               // The argument, for a moment.
            "mov r0, r2"                               // The flags.
            "mov r2, r1"                               // Keep the argument.
            "mov r1, #0"                               // 0: the child uses the same stack.
            "mov r7, #{clone}"                         // The number of the system call.
            "svc #0"                                   // r0: 0 in the child, in the parent its pid or an error.
            "mov r7, r12"                              // Restore the caller's register.
            "cmp r0, #0"                               // Which of the two is this?
            "beq 2f"                                   // The child goes on at 2.
            "bx lr"                                    // The parent returns, with the result in r0.
            "2: mov r0, r2"                            // The child calls the function with the argument,
            "bx r3"                                    // which does not return.
        }
    };
}
pub(super) use clone_and_run;
