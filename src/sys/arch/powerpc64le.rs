//! powerpc64, little-endian: the assembly of `entry` and `vfork`, with a comment on each instruction.

// r12 is the address of the called function. The function computes r2 from it, through which it finds data, and musl
// finds a word beside its `_start` through r12. The system call overwrites r12 (not in qemu's user mode), and keeps r1
// and r2.
macro_rules! entry {
    ($make:ident) => {
        $make! {
            [
                "addis 2, 12, .TOC.-rini_entry@ha"     // r2 = the table of contents: the upper half of its distance from here,
                "addi 2, 2, .TOC.-rini_entry@l"        // and the lower half.
            ]
            block [
                "li 3, 0"                              // how = SIG_BLOCK, which is 0.
                "addis 4, 2, {all}@toc@ha"             // set = every signal: the upper half of its distance from r2,
                "addi 4, 4, {all}@toc@l"               // and the lower half.
                "addis 5, 2, {inherited}@toc@ha"       // oldset = the variable for the inherited mask: the upper half,
                "addi 5, 5, {inherited}@toc@l"         // and the lower half.
                "li 6, 8"                              // The size of a set.
                "li 0, {rt_sigprocmask}"               // The number of the system call.
                "sc"                                   // There is no error with these arguments.
            ]
            jump [
                "addis 12, 2, _start@toc@ha"           // libc's own entry point: the upper half of its distance from r2,
                "addi 12, 12, _start@toc@l"            // and the lower half.
                "mtctr 12"                             // An indirect jump takes its address from the count register.
                "bctr"                                 // Jump.
            ]
        }
    };
}
pub(super) use entry;

// The kernel may overwrite every register that a called function may overwrite. The 288 bytes below the stack belong to
// a function without a frame, such as this one. The kernel reports an error by a bit of a condition register, with a
// positive number. The child's function finds its data through r12, its own address. It may store the link register in
// its caller's frame, which this function does not read after the call.
macro_rules! clone_and_run {
    ($make:ident) => {
        $make! {
            "std 3, -16(1)"                            // Keep the argument.
            "std 4, -8(1)"                             // Keep the function.
            "mr 3, 5"                                  // The flags.
            "li 4, 0"                                  // 0: the child uses the same stack.
            "li 0, {clone}"                            // The number of the system call.
            "sc"                                       // r3: 0 in the child, in the parent its pid or an error.
            "bns+ 2f"                                  // Without an error go on below.
            "neg 3, 3"                                 // An error is a number below 0 for `spawn`.
            "2: cmpdi 3, 0"                            // Which of the two is this?
            "bnelr"                                    // The parent returns, with the result in r3.
            "ld 3, -16(1)"                             // The child calls the function with the argument,
            "ld 12, -8(1)"                             // whose address has to be in r12,
            "mtctr 12"                                 // and which does not return.
            "bctr"                                     // Jump.
        }
    };
}
pub(super) use clone_and_run;
