//! riscv64: the assembly of `entry` and `vfork`, with a comment on each instruction.

// Besides the stack, libc reads a0: a function for atexit, or 0. The system call overwrites only a0.
macro_rules! entry {
    ($make:ident) => {
        $make! {
            block [
                ".option push"                         // In these instructions,
                ".option norelax"                      // no address is relative to gp, which libc sets.
                "mv t0, a0"                            // Keep libc's function for atexit.
                "li a0, 0"                             // how = SIG_BLOCK, which is 0.
                "lla a1, {all}"                        // set = every signal.
                "lla a2, {inherited}"                  // oldset = the variable for the inherited mask.
                "li a3, 8"                             // The size of a set.
                "li a7, {rt_sigprocmask}"              // The number of the system call.
                "ecall"                                // There is no error with these arguments.
                "mv a0, t0"                            // Restore libc's function for atexit.
                ".option pop"
            ]
            jump ["tail _start"]                       // libc's own entry point.
        }
    };
}
pub(super) use entry;

// The system call overwrites only a0.
macro_rules! clone_and_run {
    ($make:ident) => {
        $make! {
            "mv a3, a1"                                // Keep the function.
            "mv a4, a0"                                // The argument, for a moment.
            "mv a0, a2"                                // The flags.
            "mv a2, a4"                                // Keep the argument.
            "li a1, 0"                                 // 0: the child uses the same stack.
            "li a7, {clone}"                           // The number of the system call.
            "ecall"                                    // a0: 0 in the child, in the parent its pid or an error.
            "bnez a0, 2f"                              // The parent returns.
            "mv a0, a2"                                // The child calls the function with the argument,
            "jr a3"                                    // which does not return.
            "2: ret"                                   // The result is in a0.
        }
    };
}
pub(super) use clone_and_run;
