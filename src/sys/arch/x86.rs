//! x86 with 32 bits: the assembly of `entry` and `vfork`, with a comment on each instruction.

// Besides the stack, libc reads edx: a function for atexit, or 0. No instruction can use an address relative to itself,
// but a call pushes its own address, into unused memory below the stack. The system call overwrites only eax.
macro_rules! entry {
    ($make:ident) => {
        $make! {
            block [
                "movl %edx, %edi"                      // Keep libc's function for atexit.
                "call 2f"                              // Push the address of the next instruction,
                "2: popl %edx"                         // and take it.
                "leal {all} - 2b(%edx), %ecx"          // set = every signal.
                "leal {inherited} - 2b(%edx), %edx"    // oldset = the variable for the inherited mask.
                "xorl %ebx, %ebx"                      // how = SIG_BLOCK, which is 0.
                "movl $8, %esi"                        // The size of a set.
                "movl ${rt_sigprocmask}, %eax"         // The number of the system call.
                "int $0x80"                            // There is no error with these arguments.
                "movl %edi, %edx"                      // Restore libc's function for atexit.
            ]
            jump ["jmp _start"]                        // libc's own entry point.
            ; att_syntax
        }
    };
}
pub(super) use entry;

// The arguments are on the stack. The child's function finds its argument there, as this function did. The caller uses
// ebx.
macro_rules! clone_and_run {
    ($make:ident) => {
        $make! {
            "movl %ebx, %edx"                          // Keep the caller's ebx.
            "movl 12(%esp), %ebx"                      // The flags: the third argument.
            "xorl %ecx, %ecx"                          // 0: the child uses the same stack.
            "movl ${clone}, %eax"                      // The number of the system call.
            "int $0x80"                                // eax: 0 in the child, in the parent its pid or an error.
            "movl %edx, %ebx"                          // Restore the caller's register.
            "testl %eax, %eax"                         // Which of the two is this?
            "jnz 2f"                                   // The parent returns.
            "jmpl *8(%esp)"                            // The child goes on in the function: the second argument.
            "2: retl"                                  // The result is in eax.
            ; att_syntax
        }
    };
}
pub(super) use clone_and_run;
