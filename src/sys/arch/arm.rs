//! arm with 32 bits: the assembly of `entry` and `vfork`, with a comment on each instruction.

// Besides the stack, libc reads r0: a function for atexit, or 0. The system call overwrites only r0. An instruction
// reads the pc as 8 bytes after its own address. libc's `_start` may be in the other instruction set, Thumb. The linker
// then makes the jump change to it.
macro_rules! entry {
    ($make:ident) => {
        $make! {
            block [
                ".arm"                                 // The instruction set of what follows.
                "mov r4, r0"                           // Keep libc's function for atexit.
                "mov r0, #0"                           // how = SIG_BLOCK, which is 0.
                "ldr r1, 4f"                           // set = every signal: its distance,
                "2: add r1, pc, r1"                    // from here.
                "ldr r2, 5f"                           // oldset = the variable for the inherited mask: its distance,
                "3: add r2, pc, r2"                    // from here.
                "mov r3, #8"                           // The size of a set.
                "mov r7, #{rt_sigprocmask}"            // The number of the system call.
                "svc #0"                               // There is no error with these arguments.
                "mov r0, r4"                           // Restore libc's function for atexit.
            ]
            jump ["b _start"]                          // libc's own entry point.
            "4: .word {all} - (2b + 8)"                // The two distances, which do not fit into an instruction.
            "5: .word {inherited} - (3b + 8)"
        }
    };
}
pub(super) use entry;

// The caller uses r7. The system call overwrites only r0.
macro_rules! clone_and_run {
    ($make:ident) => {
        $make! {
            ".arm"                                     // The instruction set of what follows.
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
            "bxne lr"                                  // The parent returns, with the result in r0.
            "mov r0, r2"                               // The child calls the function with the argument,
            "bx r3"                                    // which does not return.
        }
    };
}
pub(super) use clone_and_run;
