/* The program that the inits run. It has no libc, so its own start and end are short, and the same for all inits.
 *
 * Standard input is the page that the probe shares with the benches (struct page), or anything else if a command does not
 * use the page. Standard output gets times: 8 bytes each, the nanoseconds of CLOCK_MONOTONIC.
 *
 *   exit        writes the times of its first instruction and of its end, and exits with 0
 *   leave N     makes N processes that do nothing, writes the same times, and exits with 0
 *   idle        writes the time of its first instruction, and does nothing more; every signal has its default action
 *   signals     writes the time of its first instruction, then one time for each signal
 *   stream N    at `go` makes N orphans, one after the other, and does nothing more
 *   burst N     makes N orphans that wait; at `go` all of them exit at once
 *   heirs N     at `go` makes N children and ends their parent; the init adopts them all at once, and they have exited or
 *               are about to
 *
 * The last three write a time when they are ready for `go`. `heirs` writes another one when the parent has ended.
 */
#include "kernel.h"

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define PROT_READ 1
#define PROT_WRITE 2
#define MAP_SHARED 1

struct page {
    int go;   /* A futex: 1 lets the probe begin. */
    int made; /* The number of orphans so far. */
    int gone; /* The number of orphans that are about to exit. A futex: the last orphan wakes it. */
};

static struct page *page;
static int count;

static __s64 now(void) {
    struct __kernel_timespec time;
    call(__NR_clock_gettime, CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000 + time.tv_nsec;
}

static void write_times(__s64 first, __s64 second, long size) {
    __s64 times[2] = {first, second};
    call(__NR_write, 1, times, size);
}

__attribute__((noreturn)) static void stay_idle(void) {
    for (;;)
        call(__NR_ppoll);
}

static void await_go(void) {
    while (!__atomic_load_n(&page->go, __ATOMIC_ACQUIRE))
        call(__NR_futex, &page->go, FUTEX_WAIT);
}

__attribute__((noinline, noreturn)) static void count_and_exit(void) {
    if (__atomic_add_fetch(&page->gone, 1, __ATOMIC_ACQ_REL) == count)
        call(__NR_futex, &page->gone, FUTEX_WAKE, 1);
    exit_with(0);
}

static long fork_here(void) { return call(__NR_clone, SIGCHLD); }

static void reap(long child) {
    while (call(__NR_wait4, child) != child)
        ;
}

__attribute__((noinline, noreturn)) static void make_orphan(void) {
    long orphan = vfork_here();
    if (orphan == 0)
        count_and_exit();
    exit_with(0);
}

__attribute__((noreturn)) static void make_stream(__s64 first) {
    write_times(first, 0, 8);
    await_go();
    for (int made = 0; made < count; made++) {
        __atomic_add_fetch(&page->made, 1, __ATOMIC_ACQ_REL);
        long parent = vfork_here();
        if (parent == 0)
            make_orphan();
        reap(parent);
    }
    stay_idle();
}

__attribute__((noreturn)) static void make_burst(__s64 first) {
    long parent = fork_here();
    if (parent == 0) {
        for (int made = 0; made < count; made++) {
            if (fork_here() == 0) {
                await_go();
                count_and_exit();
            }
            __atomic_add_fetch(&page->made, 1, __ATOMIC_ACQ_REL);
        }
        exit_with(0);
    }
    reap(parent);
    write_times(first, 0, 8);
    stay_idle();
}

__attribute__((noreturn)) static void make_heirs(__s64 first) {
    write_times(first, 0, 8);
    await_go();
    long parent = fork_here();
    if (parent == 0) {
        for (int made = 0; made < count; made++) {
            if (fork_here() == 0)
                count_and_exit();
            __atomic_add_fetch(&page->made, 1, __ATOMIC_ACQ_REL);
        }
        exit_with(0);
    }
    reap(parent);
    write_times(now(), 0, 8);
    stay_idle();
}

static int parse_number(const char *text) {
    int value = 0;
    for (; *text; text++)
        value = value * 10 + (*text - '0');
    return value;
}

__attribute__((noreturn)) static void leave_processes(__s64 first) {
    for (int made = 0; made < count; made++) {
        if (fork_here() == 0)
            stay_idle();
    }
    write_times(first, now(), 16);
    exit_with(0);
}

void start(long *stack) {
    __s64 first = now();
    char **argv = (char **)(stack + 1);
    char command = stack[0] > 1 ? argv[1][0] : 'e';
    if (command == 'e') {
        write_times(first, now(), 16);
        exit_with(0);
    }
    if (command == 'i') {
        write_times(first, 0, 8);
        stay_idle();
    }
    if (command == 's' && argv[1][1] == 'i') {
        static const unsigned long all = ~0UL;
        call(__NR_rt_sigprocmask, SIG_SETMASK, &all, 0, 8);
        write_times(first, 0, 8);
        for (;;) {
            if (call(__NR_rt_sigtimedwait, &all, 0, 0, 8) > 0)
                write_times(now(), 0, 8);
        }
    }
    count = stack[0] > 2 ? parse_number(argv[2]) : 0;
    if (command == 'l')
        leave_processes(first);
    page = (struct page *)call(__NR_mmap, 0, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, 0, 0);
    if (command == 'h')
        make_heirs(first);
    if (command == 'b')
        make_burst(first);
    make_stream(first);
}
