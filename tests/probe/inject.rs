//! `inject` runs a program under ptrace and makes one of its system calls fail, as strace's `--inject` does. It works
//! where strace cannot: in a child between its clone and its exec only (for strace that is one traced process among
//! others); in PID 1 of a namespace; and from the second exec on. It can also make a call that has its effect seem to
//! fail (a close that gives EINTR has closed), and cut a write short. tests/proof/faults.rs compares it with strace.
//!
//! `inject` is PID 1 of a namespace itself. It prints the names of the calls, the number of injected faults, the exit
//! code, and the number of processes that remained after the program had ended:
//!
//! `inject [--pid1] [--child] [--execs N] [--limit SECONDS] [--stderr FILE|pipe|tty] [--tty] [--fault CALL:WHAT:WHEN] PROGRAM ...`
//!
//! WHAT is `error=E`, `after=E`, `retval=N` or `short`, with numbers. WHEN is `N`, `N+` or `N..M`, as in strace.

use libc::{c_int, c_long, c_void, pid_t};
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::process::exit;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

/// The calls with a name: all that rini makes.
const NAMES: &[(&str, c_long)] = &[
    ("access", libc::SYS_access),
    ("arch_prctl", libc::SYS_arch_prctl),
    ("brk", libc::SYS_brk),
    ("capset", libc::SYS_capset),
    ("chdir", libc::SYS_chdir),
    ("clock_gettime", libc::SYS_clock_gettime),
    ("clone", libc::SYS_clone),
    ("close", libc::SYS_close),
    ("close_range", libc::SYS_close_range),
    ("execve", libc::SYS_execve),
    ("exit_group", libc::SYS_exit_group),
    ("faccessat", libc::SYS_faccessat),
    ("fchmod", libc::SYS_fchmod),
    ("fcntl", libc::SYS_fcntl),
    ("fsync", libc::SYS_fsync),
    ("getdents64", libc::SYS_getdents64),
    ("geteuid", libc::SYS_geteuid),
    ("getgid", libc::SYS_getgid),
    ("getpgid", libc::SYS_getpgid),
    ("getpgrp", libc::SYS_getpgrp),
    ("getpid", libc::SYS_getpid),
    ("getppid", libc::SYS_getppid),
    ("getrandom", libc::SYS_getrandom),
    ("getsid", libc::SYS_getsid),
    ("getuid", libc::SYS_getuid),
    ("getxattr", libc::SYS_getxattr),
    ("gettid", libc::SYS_gettid),
    ("ioctl", libc::SYS_ioctl),
    ("kill", libc::SYS_kill),
    ("mmap", libc::SYS_mmap),
    ("mprotect", libc::SYS_mprotect),
    ("munmap", libc::SYS_munmap),
    ("openat", libc::SYS_openat),
    ("poll", libc::SYS_poll),
    ("prctl", libc::SYS_prctl),
    ("ppoll", libc::SYS_ppoll),
    ("prlimit64", libc::SYS_prlimit64),
    ("pwritev2", libc::SYS_pwritev2),
    ("read", libc::SYS_read),
    ("readlink", libc::SYS_readlink),
    ("readlinkat", libc::SYS_readlinkat),
    ("renameat2", libc::SYS_renameat2),
    ("rseq", libc::SYS_rseq),
    ("rt_sigaction", libc::SYS_rt_sigaction),
    ("rt_sigpending", libc::SYS_rt_sigpending),
    ("rt_sigprocmask", libc::SYS_rt_sigprocmask),
    ("rt_sigqueueinfo", libc::SYS_rt_sigqueueinfo),
    ("rt_sigtimedwait", libc::SYS_rt_sigtimedwait),
    ("sendfile", libc::SYS_sendfile),
    ("signalfd4", libc::SYS_signalfd4),
    ("set_robust_list", libc::SYS_set_robust_list),
    ("set_tid_address", libc::SYS_set_tid_address),
    ("setgroups", libc::SYS_setgroups),
    ("setpgid", libc::SYS_setpgid),
    ("setresgid", libc::SYS_setresgid),
    ("setresuid", libc::SYS_setresuid),
    ("setsid", libc::SYS_setsid),
    ("statfs", libc::SYS_statfs),
    ("statx", libc::SYS_statx),
    ("unlinkat", libc::SYS_unlinkat),
    ("wait4", libc::SYS_wait4),
    ("waitid", libc::SYS_waitid),
    ("write", libc::SYS_write),
];

#[derive(Clone, Copy)]
enum What {
    /// The call is not made, and returns this error.
    Error(i64),
    /// The call is made, and seems to have failed.
    After(i64),
    /// The call is not made, and seems to have returned this.
    Retval(i64),
    /// The call is made for one byte.
    Short,
}

struct Fault {
    call: c_long,
    what: What,
    first: u32,
    last: u32,
}

impl Fault {
    fn parse(text: &str) -> Fault {
        let [name, what, when] = text.split(':').collect::<Vec<_>>().try_into().unwrap();
        let call = NAMES.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no call {name}")).1;
        let (kind, value) = what.split_once('=').unwrap_or((what, "0"));
        let value = value.parse().unwrap();
        let what = match kind {
            "error" => What::Error(value),
            "after" => What::After(value),
            "retval" => What::Retval(value),
            "short" => What::Short,
            _ => panic!("no such fault: {what}"),
        };
        let number = |word: &str| word.parse().unwrap();
        let (first, last) = match (when.strip_suffix('+'), when.split_once("..")) {
            (Some(first), _) => (number(first), u32::MAX),
            (None, Some((first, last))) => (number(first), number(last)),
            (None, None) => (number(when), number(when)),
        };
        Fault { call, what, first, last }
    }
}

#[derive(Default)]
struct Options {
    pid1: bool,
    child: bool,
    execs: u32,
    limit: u32,
    stderr: String,
    tty: bool,
    fault: Option<Fault>,
}

/// The change to a call that has begun.
enum Begun {
    Nothing,
    Gives(i64),
    /// The length of its one iovec must be restored.
    Restore(u64, u64),
}

struct Tracer {
    options: Options,
    main: pid_t,
    /// True once the traced process is the program that is meant.
    begun: bool,
    call: Begun,
    seen: u32,
    injected: u32,
    names: Vec<String>,
}

fn check(result: c_long) -> c_long {
    assert!(result >= 0, "{}", std::io::Error::last_os_error());
    result
}

fn trace(request: libc::c_uint, pid: pid_t, address: u64, data: u64) -> c_long {
    // ESRCH is no error: somebody may have killed the process.
    unsafe { libc::ptrace(request, pid, address as *mut c_void, data as *mut c_void) }
}

/// The offset of a register in the kernel's `struct user`.
macro_rules! register {
    ($name:ident) => {
        std::mem::offset_of!(libc::user_regs_struct, $name) as u64
    };
}

fn peek(pid: pid_t, address: u64) -> u64 {
    trace(libc::PTRACE_PEEKDATA, pid, address, 0) as u64
}

fn get(pid: pid_t, register: u64) -> u64 {
    trace(libc::PTRACE_PEEKUSER, pid, register, 0) as u64
}

fn set(pid: pid_t, register: u64, value: i64) {
    trace(libc::PTRACE_POKEUSER, pid, register, value as u64);
}

impl Tracer {
    fn traces(&self, pid: pid_t) -> bool {
        self.begun && (pid == self.main) != self.options.child
    }

    fn go_on(&self, pid: pid_t, signal: c_int) {
        let how = if self.traces(pid) { libc::PTRACE_SYSCALL } else { libc::PTRACE_CONT };
        trace(how, pid, 0, signal as u64);
    }

    /// A system call begins or ends.
    fn syscall(&mut self, pid: pid_t) {
        // The first byte of ptrace_syscall_info (ptrace(2)) is 1 if a call begins, and 2 if it ends.
        let mut info = [0_u64; 11];
        if trace(0x420e, pid, size_of_val(&info) as u64, info.as_mut_ptr() as u64) < 0 {
            return;
        }
        match info[0] & 0xff {
            1 => self.enter(pid),
            2 => match std::mem::replace(&mut self.call, Begun::Nothing) {
                Begun::Nothing => (),
                Begun::Gives(value) => set(pid, register!(rax), value),
                Begun::Restore(address, value) => {
                    trace(libc::PTRACE_POKEDATA, pid, address, value);
                }
            },
            _ => (),
        }
    }

    fn enter(&mut self, pid: pid_t) {
        let mut number = get(pid, register!(orig_rax)) as c_long;
        // musl makes getpgid(2) of getpgrp(2), which cannot fail.
        if number == libc::SYS_getpgid && get(pid, register!(rdi)) as pid_t == 0 {
            number = libc::SYS_getpgrp;
        }
        let name = NAMES.iter().find(|(_, known)| *known == number);
        self.names.push(name.map_or(format!("call_{number}"), |(name, _)| (*name).to_owned()));
        let Some(fault) = self.options.fault.as_ref().filter(|fault| fault.call == number) else { return };
        self.seen += 1;
        if !(fault.first..=fault.last).contains(&self.seen) {
            return;
        }
        self.injected += 1;
        let skip = || set(pid, register!(orig_rax), -1);
        self.call = match fault.what {
            What::Error(errno) => {
                skip();
                Begun::Gives(-errno)
            }
            What::Retval(value) => {
                skip();
                Begun::Gives(value)
            }
            What::After(errno) => Begun::Gives(-errno),
            What::Short if number == libc::SYS_pwritev2 => {
                let length = get(pid, register!(rsi)) + 8;
                let before = peek(pid, length);
                trace(libc::PTRACE_POKEDATA, pid, length, before.min(1));
                Begun::Restore(length, before)
            }
            What::Short if number == libc::SYS_sendfile => {
                set(pid, register!(r10), get(pid, register!(r10)).min(1) as i64);
                Begun::Nothing
            }
            What::Short => {
                set(pid, register!(rdx), get(pid, register!(rdx)).min(1) as i64);
                Begun::Nothing
            }
        }
    }

    /// Runs until the program has ended. Returns the code that a shell would give, or None if the time is over.
    fn run(&mut self) -> Option<c_int> {
        loop {
            let mut status = 0;
            let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL) };
            if OVER.load(Ordering::Relaxed) != 0 {
                return None;
            }
            if !libc::WIFSTOPPED(status) {
                match (libc::WIFEXITED(status), pid == self.main) {
                    // An orphan, or the traced child.
                    (_, false) => continue,
                    (true, true) => return Some(libc::WEXITSTATUS(status)),
                    (false, true) => return Some(128 + libc::WTERMSIG(status)),
                }
            }
            let (signal, event) = (libc::WSTOPSIG(status), status >> 16);
            match event {
                // The kernel lets a fault of PID 1 kill it, but not while somebody traces it.
                0 if signal == libc::SIGSEGV && self.options.pid1 && pid == self.main => {
                    trace(libc::PTRACE_DETACH, pid, 0, signal as u64);
                }
                libc::PTRACE_EVENT_EXEC if pid != self.main => {
                    trace(libc::PTRACE_DETACH, pid, 0, 0);
                    continue;
                }
                libc::PTRACE_EVENT_EXEC => {
                    // After one more exec, it is a program that the meant one has become.
                    self.begun = self.options.execs == 1;
                    self.options.execs = self.options.execs.saturating_sub(1);
                    if self.begun && self.options.child {
                        let fork = libc::PTRACE_O_TRACEFORK | libc::PTRACE_O_TRACEVFORK | libc::PTRACE_O_TRACECLONE;
                        trace(libc::PTRACE_SETOPTIONS, pid, 0, (OPTIONS | fork) as u64);
                    }
                    self.go_on(pid, 0);
                }
                libc::PTRACE_EVENT_STOP
                    if [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU].contains(&signal) =>
                {
                    trace(libc::PTRACE_LISTEN, pid, 0, 0);
                }
                0 if signal == libc::SIGTRAP | 0x80 => {
                    self.syscall(pid);
                    // No fault is left to inject, so the program may run at full speed.
                    let done = self.options.fault.as_ref().is_some_and(|fault| self.seen >= fault.last);
                    self.begun &= !done || !matches!(self.call, Begun::Nothing);
                    self.go_on(pid, 0);
                }
                0 => self.go_on(pid, signal),
                _ => self.go_on(pid, 0),
            }
        }
    }
}

const OPTIONS: c_int = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACEEXEC | libc::PTRACE_O_EXITKILL;

static OVER: AtomicI32 = AtomicI32::new(0);

extern "C" fn over(_: c_int) {
    OVER.store(1, Ordering::Relaxed);
}

/// The number of processes without zombies: 0 as soon as there are none, or else their number after three seconds.
fn count_processes() -> usize {
    let end = Instant::now() + Duration::from_secs(3);
    loop {
        while unsafe { libc::waitpid(-1, null_mut(), libc::WNOHANG | libc::__WALL) } > 0 {}
        let folders = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
        let lives = |text: String| {
            let (pid, rest) = (text.split(' ').next() != Some("1"), text.rsplit(") ").next().unwrap_or_default());
            pid && !rest.starts_with(['Z', 'X'])
        };
        let count = folders.filter(|path| fs::read_to_string(path.join("stat")).is_ok_and(lives)).count();
        if count == 0 || Instant::now() > end {
            return count;
        }
        std::thread::yield_now();
    }
}

/// Runs in the child, and becomes the program.
fn start(options: &Options, words: &[CString], gate: c_int, slave: c_int, err: c_int) -> ! {
    unsafe {
        if options.pid1 {
            let none = std::ptr::null();
            check(libc::unshare(libc::CLONE_NEWNS).into());
            check(libc::mount(none, c"/".as_ptr(), none, libc::MS_REC | libc::MS_PRIVATE, none.cast()).into());
            check(libc::mount(c"proc".as_ptr(), c"/proc".as_ptr(), c"proc".as_ptr(), 0, none.cast()).into());
        }
        // The program must not have the test's terminal.
        check(libc::setsid().into());
        if slave >= 0 {
            check(libc::ioctl(slave, libc::TIOCSCTTY, 0).into());
        }
        let null = File::open("/dev/null").unwrap();
        check(libc::dup2(if slave >= 0 { slave } else { null.as_raw_fd() }, 0).into());
        check(libc::dup2(File::create("out").unwrap().as_raw_fd(), 1).into());
        check(libc::dup2(err, 2).into());
        // Wait until the tracer is there.
        let mut byte = 0_u8;
        libc::read(gate, (&raw mut byte).cast(), 1);
        check(libc::syscall(libc::SYS_close_range, 3, c_int::MAX, 0));
        let mut argv: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
        argv.push(std::ptr::null());
        libc::execvp(argv[0], argv.as_ptr());
        exit(99)
    }
}

/// Writes the available output to a file.
fn drain(fd: c_int, file: &str) {
    unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) };
    let (mut file, mut room) = (File::create(file).unwrap(), [0; 65536]);
    let mut from = std::mem::ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
    while let Ok(length @ 1..) = from.read(&mut room) {
        file.write_all(&room[..length]).unwrap();
    }
}

pub fn inject(words: &[&str]) {
    let mut options = Options { execs: 1, limit: 10, stderr: "err".to_owned(), ..Options::default() };
    let mut words = words.iter();
    let words: Vec<CString> = loop {
        let word = *words.next().unwrap();
        let mut value = || *words.next().unwrap();
        match word {
            "--pid1" => options.pid1 = true,
            "--child" => options.child = true,
            "--tty" => options.tty = true,
            "--execs" => options.execs = value().parse().unwrap(),
            "--limit" => options.limit = value().parse().unwrap(),
            "--stderr" => options.stderr = value().to_owned(),
            "--fault" => options.fault = Some(Fault::parse(value())),
            _ => break std::iter::once(word).chain(words.copied()).map(|word| CString::new(word).unwrap()).collect(),
        }
    };
    unsafe {
        let (mut gate, mut pipe, mut master, mut slave) = ([0; 2], [-1; 2], -1, -1);
        check(libc::pipe(gate.as_mut_ptr()).into());
        if options.tty {
            check(libc::openpty(&raw mut master, &raw mut slave, null_mut(), null_mut(), null_mut()).into());
            let mut modes: libc::termios = std::mem::zeroed();
            check(libc::tcgetattr(slave, &raw mut modes).into());
            modes.c_lflag &= !libc::ECHO;
            check(libc::tcsetattr(slave, libc::TCSANOW, &raw const modes).into());
            check(libc::write(master, c"x\n".as_ptr().cast(), 2) as c_long);
        }
        let err = match options.stderr.as_str() {
            "tty" => slave,
            "pipe" => {
                check(libc::pipe(pipe.as_mut_ptr()).into());
                pipe[1]
            }
            // Two processes may write to the file, and O_APPEND keeps the output of both.
            file => check(
                libc::open(
                    CString::new(file).unwrap().as_ptr(),
                    libc::O_CREAT | libc::O_WRONLY | libc::O_APPEND,
                    0o644,
                )
                .into(),
            ) as c_int,
        };
        if options.pid1 {
            check(libc::unshare(libc::CLONE_NEWPID).into());
        }
        let main = check(libc::fork().into()) as pid_t;
        if main == 0 {
            start(&options, &words, gate[0], slave, err);
        }
        check(trace(libc::PTRACE_SEIZE, main, 0, OPTIONS as u64));
        check(libc::write(gate[1], c"x".as_ptr().cast(), 1) as c_long);
        // Without SA_RESTART the signal interrupts the wait.
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = over as *const () as usize;
        libc::sigaction(libc::SIGALRM, &raw const action, null_mut());
        libc::alarm(options.limit);
        let mut tracer =
            Tracer { options, main, begun: false, call: Begun::Nothing, seen: 0, injected: 0, names: vec![] };
        let code = tracer.run();
        libc::alarm(0);
        let count = if code.is_some() { count_processes() } else { 0 };
        match tracer.options.stderr.as_str() {
            "tty" => drain(master, "err"),
            "pipe" => drain(pipe[0], "err"),
            _ => (),
        }
        println!("{}", tracer.names.join(" "));
        println!("{} {} {count}", tracer.injected, code.map_or("-".to_owned(), |code| code.to_string()));
    }
    // PID 1 exits, and the kernel kills the remaining processes.
    exit(0)
}
