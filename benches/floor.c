/* The floor: about the least that an init can be. It forwards, reaps, and exits with its child's status; it has no options,
 * no messages and no libc, and does not care for terminals, groups or failures.
 *
 *   floor PROGRAM [ARG...]
 */
#include "kernel.h"

#define WNOHANG 1

static unsigned long inherited;
static char **program, **environment;

__attribute__((noinline, noreturn)) static void become_program(void) {
    call(__NR_setpgid);
    call(__NR_rt_sigprocmask, SIG_SETMASK, &inherited, 0, 8);
    call(__NR_execve, program[0], program, environment);
    leave(127);
}

void start(long *stack) {
    static const unsigned long all = ~0UL;
    call(__NR_rt_sigprocmask, SIG_SETMASK, &all, &inherited, 8);
    program = (char **)(stack + 2);
    environment = (char **)(stack + stack[0] + 2);
    long child = vfork_here();
    if (child == 0)
        become_program();
    for (;;) {
        long signal = call(__NR_rt_sigtimedwait, &all, 0, 0, 8);
        if (signal > 0 && signal != SIGCHLD)
            call(__NR_kill, child, signal);
        for (int status; signal == SIGCHLD;) {
            long ended = call(__NR_wait4, -1, &status, WNOHANG);
            if (ended == child)
                leave(status & 127 ? 128 + (status & 127) : status >> 8 & 255);
            if (ended <= 0)
                break;
        }
    }
}
