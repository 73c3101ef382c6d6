//! aarch64: the assembly of `entry` and `vfork`, with a comment on each instruction.

// Besides the stack, libc reads x0: a function for atexit, or 0. The system call overwrites only x0.
macro_rules! entry {
    ($make:ident) => {
        $make! {
            block [
                "mov x9, x0"                           // Keep libc's function for atexit.
                "mov x0, #0"                           // how = SIG_BLOCK, which is 0.
                "adrp x1, {all}"                       // set = every signal: its page,
                "add x1, x1, :lo12:{all}"              // and its offset in the page.
                "adrp x2, {inherited}"                 // oldset = the variable for the inherited mask: its page,
                "add x2, x2, :lo12:{inherited}"        // and its offset in the page.
                "mov x3, #8"                           // The size of a set.
                "mov x8, #{rt_sigprocmask}"            // The number of the system call.
                "svc #0"                               // There is no error with these arguments.
                "mov x0, x9"                           // Restore libc's function for atexit.
            ]
            jump ["b _start"]                          // libc's own entry point.
        }
    };
}
pub(super) use entry;

// The system call overwrites only x0.
macro_rules! clone_and_run {
    ($make:ident) => {
        $make! {
            "mov x9, x0"                               // Keep the argument.
            "mov x10, x1"                              // Keep the function.
            "mov w0, w2"                               // The flags.
            "mov x1, #0"                               // 0: the child uses the same stack.
            "mov x8, #{clone}"                         // The number of the system call.
            "svc #0"                                   // x0: 0 in the child, in the parent its pid or an error.
            "cbnz x0, 2f"                              // The parent returns.
            "mov x0, x9"                               // The child calls the function with the argument,
            "br x10"                                   // which does not return.
            "2: ret"                                   // The result is in x0.
        }
    };
}
pub(super) use clone_and_run;
