/* The floor: about the least that an init can do. It forwards signals, reaps, and exits with the status of its child. It has
 * no options, no messages and no libc, and does not handle terminals, groups and failures.
 *
 *   floor PROGRAM [ARG...]
 */
#include "kernel.h"

#define WNOHANG 1

static unsigned long inherited_mask;
static char **program, **environment;

__attribute__((noinline, noreturn)) static void become_program(void) {
    call(__NR_setpgid);
    call(__NR_rt_sigprocmask, SIG_SETMASK, &inherited_mask, 0, 8);
    call(__NR_execve, program[0], program, environment);
    exit_with(127);
}

void start(long *stack) {
    static const unsigned long all = ~0UL;
    call(__NR_rt_sigprocmask, SIG_SETMASK, &all, &inherited_mask, 8);
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
                exit_with(status & 127 ? 128 + (status & 127) : status >> 8 & 255);
            if (ended <= 0)
                break;
        }
    }
}
