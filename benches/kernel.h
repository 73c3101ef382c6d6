/* The parts of a libc that the two programs of the benches need: system calls, an entry point, and types. */
#include <asm/unistd.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/time.h>
#include <linux/types.h>

#if defined(__x86_64__)
__attribute__((always_inline)) static inline long call_with(long number, long a, long b, long c, long d, long e, long f) {
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call start\n");
#elif defined(__aarch64__)
__attribute__((always_inline)) static inline long call_with(long number, long a, long b, long c, long d, long e, long f) {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}
__asm__(".globl _start\n_start: mov x0, sp\n bl start\n");
#else
#error "no entry point for this architecture here"
#endif

/* Makes a system call. Missing arguments are zero. */
#define call(...) CALL(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define CALL(n, a, b, c, d, e, f, ...) call_with(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* The first C function. The kernel puts argc, argv, NULL, the environment and NULL on the stack. */
__attribute__((used, noreturn)) void start(long *stack);

__attribute__((noreturn)) static void exit_with(int code) {
    for (;;)
        call(__NR_exit_group, code);
}

/* Starts a process that runs in our memory and on our stack, while we wait for its exec or its end. It returns 0 in that
 * process, which may then only call a function that never returns: that function's frame is below ours. This function and
 * the system call must be inlined, because a return would free a frame that the waiting process still needs. */
__attribute__((always_inline)) static inline long vfork_here(void) {
    return call(__NR_clone, CLONE_VM | CLONE_VFORK | SIGCHLD);
}
