/* The program that the inits run. It has no libc, so that its own start and end weigh little and are the same for all.
 *
 * Its standard input is the page that it shares with the benches (struct page), or anything else where a command does not
 * use that. Its standard output is for 8-byte times of CLOCK_MONOTONIC, in nanoseconds.
 *
 *   exit        writes the time of its first instruction and that of its end, and exits with 0
 *   idle        writes the time of its first instruction, and does nothing; each signal has its default action
 *   signals     writes the time of its first instruction, then one for each signal
 *   stream N    at `go` makes N orphans, one after the other, and does nothing more
 *   burst N     makes N orphans that wait; at `go` all of them exit at once
 *   heirs N     at `go` leaves N children that have exited, or are about to, to the init, all at once
 *
 * The last three write a time when they are ready for `go`, and `heirs` another one when it has left them.
 */
#include "kernel.h"

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define PROT_READ 1
#define PROT_WRITE 2
#define MAP_SHARED 1

struct page {
    int go;   /* A futex: 1 to begin. */
    int made; /* How many orphans have been made. */
    int gone; /* How many of them are about to exit; a futex, woken at the last. */
};

static struct page *page;
static int count;

static __s64 now(void) {
    struct __kernel_timespec time;
    call(__NR_clock_gettime, CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000 + time.tv_nsec;
}

static void tell(__s64 first, __s64 second, long size) {
    __s64 times[2] = {first, second};
    call(__NR_write, 1, times, size);
}

__attribute__((noreturn)) static void idle(void) {
    for (;;)
        call(__NR_ppoll);
}

static void await_go(void) {
    while (!__atomic_load_n(&page->go, __ATOMIC_ACQUIRE))
        call(__NR_futex, &page->go, FUTEX_WAIT);
}

__attribute__((noinline, noreturn)) static void vanish(void) {
    if (__atomic_add_fetch(&page->gone, 1, __ATOMIC_ACQ_REL) == count)
        call(__NR_futex, &page->gone, FUTEX_WAKE, 1);
    leave(0);
}

static long fork_here(void) { return call(__NR_clone, SIGCHLD); }

static void reap(long child) {
    while (call(__NR_wait4, child) != child)
        ;
}

__attribute__((noinline, noreturn)) static void make_one(void) {
    long orphan = vfork_here();
    if (orphan == 0)
        vanish();
    leave(0);
}

__attribute__((noreturn)) static void stream(__s64 first) {
    tell(first, 0, 8);
    await_go();
    for (int made = 0; made < count; made++) {
        __atomic_add_fetch(&page->made, 1, __ATOMIC_ACQ_REL);
        long parent = vfork_here();
        if (parent == 0)
            make_one();
        reap(parent);
    }
    idle();
}

__attribute__((noreturn)) static void burst(__s64 first) {
    long parent = fork_here();
    if (parent == 0) {
        for (int made = 0; made < count; made++) {
            if (fork_here() == 0) {
                await_go();
                vanish();
            }
            __atomic_add_fetch(&page->made, 1, __ATOMIC_ACQ_REL);
        }
        leave(0);
    }
    reap(parent);
    tell(first, 0, 8);
    idle();
}

__attribute__((noreturn)) static void heirs(__s64 first) {
    tell(first, 0, 8);
    await_go();
    long parent = fork_here();
    if (parent == 0) {
        for (int made = 0; made < count; made++) {
            if (fork_here() == 0)
                vanish();
            __atomic_add_fetch(&page->made, 1, __ATOMIC_ACQ_REL);
        }
        leave(0);
    }
    reap(parent);
    tell(now(), 0, 8);
    idle();
}

static int number(const char *text) {
    int value = 0;
    for (; *text; text++)
        value = value * 10 + (*text - '0');
    return value;
}

void start(long *stack) {
    __s64 first = now();
    char **argv = (char **)(stack + 1);
    char command = stack[0] > 1 ? argv[1][0] : 'e';
    if (command == 'e') {
        tell(first, now(), 16);
        leave(0);
    }
    if (command == 'i') {
        tell(first, 0, 8);
        idle();
    }
    if (command == 's' && argv[1][1] == 'i') {
        static const unsigned long all = ~0UL;
        call(__NR_rt_sigprocmask, SIG_SETMASK, &all, 0, 8);
        tell(first, 0, 8);
        for (;;) {
            if (call(__NR_rt_sigtimedwait, &all, 0, 0, 8) > 0)
                tell(now(), 0, 8);
        }
    }
    count = stack[0] > 2 ? number(argv[2]) : 0;
    page = (struct page *)call(__NR_mmap, 0, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, 0, 0);
    if (command == 'h')
        heirs(first);
    if (command == 'b')
        burst(first);
    stream(first);
}
