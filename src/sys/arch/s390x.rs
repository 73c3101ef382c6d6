//! s390x: the assembly of `entry` and `vfork`, with a comment on each instruction.

// libc reads r14, which is a function for atexit or 0, and the stack pointer in r15. The system call overwrites only
// r2.
macro_rules! entry {
    ($make:ident) => {
        $make! {
            block [
                "lghi %r2, 0"                          // how = SIG_BLOCK, which is 0.
                "larl %r3, {all}"                      // set = every signal.
                "larl %r4, {inherited}"                // oldset = the variable for the inherited mask.
                "lghi %r5, 8"                          // The size of a set.
                "svc {rt_sigprocmask}"                 // There is no error with these arguments.
            ]
            jump ["jg _start"]                         // libc's own entry point.
        }
    };
}
pub(super) use entry;

// On s390x, clone(2) takes the stack before the flags. The system call overwrites only r2.
macro_rules! clone_and_run {
    ($make:ident) => {
        $make! {
            "lgr %r5, %r3"                             // Keep the function.
            "lgr %r3, %r4"                             // The flags.
            "lgr %r4, %r2"                             // Keep the argument.
            "lghi %r2, 0"                              // 0: the child uses the same stack.
            "svc {clone}"                              // r2: 0 in the child, in the parent its pid or an error.
            "ltgr %r2, %r2"                            // Which of the two is this?
            "bnzr %r14"                                // The parent returns, with the result in r2.
            "lgr %r2, %r4"                             // The child calls the function with the argument,
            "br %r5"                                   // which does not return.
        }
    };
}
pub(super) use clone_and_run;
