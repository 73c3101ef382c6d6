//! The one program that rini runs in the tests: it does one thing, and prints lines about it.
//!
//! It is a `no_main` program. Rust's own start would ignore SIGPIPE, and a test could take that for something that rini did.
//!
//! | command | what it does |
//! | --- | --- |
//! | `signals [LAST]` | prints `ready PID`, then a line for each signal; exits with 0 at LAST |
//! | `headless [LAST]` | does the same in a second thread, after the first one has ended |
//! | `alive [first\|all]` | prints `ready`, then `alive` for each SIGUSR1 and each signal 64, and leaves every other signal to its default action; first: its first thread blocks all of them, and a second thread none; all: both threads block them |
//! | `traced MODE N CODE` | makes its parent its tracer (PTRACE_TRACEME), sends itself signal N, prints `got N` if its handler ran, and exits with CODE; MODE: see `traced` |
//! | `silent` | leaves a deaf process in another session behind, which does not exit, and exits with 3; that process has a child that exits at the end of standard input and is reaped, and below it one that does the same as `signals 15` |
//! | `state` | prints the process state that it found at its start |
//! | `exit N` | exits with N |
//! | `die N` | lets signal N act on it by default |
//! | `orphans N` | makes N orphans that exit at once, prints `made N`, exits with 0 at the end of its standard input |
//! | `storm [MAKERS]` | makes orphans for ever, in this many processes; prints `made 1000` once the first process has made 1000 |
//! | `batches` | for each line `N` on its standard input makes N orphans and prints `made N`; exits with 3 at the end of its standard input |
//! | `many N [deaf]` | leaves N processes in sessions of their own, which exit at SIGTERM; prints `made N`; exits with 3 at the end of its standard input; deaf: they block every signal |
//! | `forker N` | makes N processes in sessions of their own, and one that forks another every 200 µs; prints `ready` when there are 100. SIGTERM ends all: the forking one prints `born COUNT`, and each of its children `asked` |
//! | `keeper PROGRAM ...` | runs PROGRAM and reaps as its init, but keeps a note of each orphan and a descriptor for every tenth |
//! | `queue PID FIRST COUNT` | queues COUNT real-time signals with the values from FIRST on, and tries again if the queue is full; prints `sent COUNT pid OWN refused N` |
//! | `bomb N` | a fork bomb; prints `made N refused M` when it has made N processes and some forks were refused; SIGTERM ends the first process |
//! | `brief MICROS CODE [deaf]` | prints `going`, runs for this long, exits with CODE; deaf: it blocks every signal |
//! | `send PID N VALUE` | prints `sending PID UID`, queues signal N with VALUE, waits for the end of its standard input |
//! | `leave N` | joins another process group, leaves N processes behind in its own, and does the same as `signals 15` |
//! | `dead-job` | gives the terminal to a job, and kills the job; prints `ready`, reads a line and prints `got LINE` |
//! | `exec PROGRAM ...` | executes PROGRAM at once |
//! | `eat MIB [N]` | uses this much memory, and exits with 0 if the kernel does not kill it; N: prints `ready PID` first, and waits for signal N |
//! | `churn N` | twice: makes N orphans that are killed, sends N SIGUSR1 to its parent, waits until the parent has reaped all, and prints the parent's number of descriptors, its resident memory and its data in KiB; exits with 7 |
//! | `inject ...` | runs a program and makes one of its system calls fail (inject.rs) |
//! | `off` | waits until a serial line has sent all output, and powers the machine off |
//! | `count BYTES` | prints the number of its arguments and their total length |
#![no_main]
#![allow(unsafe_code, missing_docs)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::exit,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::multiple_unsafe_ops_per_block,
    clippy::panic,
    clippy::print_stdout,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used
)]

#[cfg(target_arch = "x86_64")]
mod inject;

use libc::{c_char, c_int, siginfo_t};
use std::ffi::CStr;
use std::fs;
use std::io::{Read, Write, stdin};
use std::mem::zeroed;
use std::process::exit;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[unsafe(no_mangle)]
extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    let words: Vec<&CStr> = (0..argc as usize).map(|i| unsafe { CStr::from_ptr(*argv.add(i)) }).collect();
    let text = |i: usize| words.get(i).map(|word| word.to_str().unwrap());
    let number = |i: usize| text(i).map(|word| word.parse::<i32>().unwrap());
    match text(1) {
        Some("signals") => signals(number(2)),
        Some("headless") => {
            mask(ALL);
            let last = number(2);
            std::thread::spawn(move || {
                signals(last);
                exit(0);
            });
            // The raw call ends this thread alone, and does not unwind.
            unsafe { libc::syscall(libc::SYS_exit, 0) };
        }
        Some("alive") => alive(text(2).unwrap_or_default()),
        Some("traced") => traced(text(2).unwrap(), number(3).unwrap(), number(4).unwrap(), unsafe { *argv }),
        Some("silent") => silent(),
        Some("state") => state(),
        Some("exit") => return number(2).unwrap(),
        Some("die") => die(number(2).unwrap()),
        Some("orphans") => orphans(number(2).unwrap()),
        Some("storm") => storm(number(2).unwrap_or(1)),
        Some("batches") => {
            for line in stdin().lines() {
                let count: u64 = line.unwrap().parse().unwrap();
                for _ in 0..count {
                    orphan();
                }
                println!("made {count}");
            }
            return 3;
        }
        Some("many") => {
            let count = number(2).unwrap();
            if text(3) == Some("deaf") {
                mask(ALL);
            }
            for _ in 0..count {
                in_a_session(|| ());
            }
            println!("made {count}");
            let _ = stdin().read_to_end(&mut Vec::new());
            return 3;
        }
        Some("forker") => forker(number(2).unwrap()),
        Some("keeper") => return keeper(unsafe { argv.add(2) }),
        Some("queue") => queue(number(2).unwrap(), number(3).unwrap() as usize, number(4).unwrap() as usize),
        Some("bomb") => bomb(number(2).unwrap() as u64),
        Some("brief") => {
            if text(4) == Some("deaf") {
                mask(ALL);
            }
            println!("going");
            let (began, lasts) = (Instant::now(), Duration::from_micros(number(2).unwrap() as u64));
            while began.elapsed() < lasts {
                std::hint::spin_loop();
            }
            return number(3).unwrap();
        }
        Some("send") => send(number(2).unwrap(), number(3).unwrap(), number(4).unwrap() as usize),
        Some("leave") => unsafe {
            let other = idle();
            libc::setpgid(other, other);
            let mut others: Vec<_> = (0..number(2).unwrap()).map(|_| idle()).collect();
            assert_eq!(libc::setpgid(0, other), 0);
            signals(Some(libc::SIGTERM));
            others.push(other);
            for other in others {
                libc::kill(other, libc::SIGKILL);
            }
        },
        Some("dead-job") => unsafe {
            libc::signal(libc::SIGTTOU, libc::SIG_IGN);
            let job = idle();
            assert_eq!((libc::setpgid(job, job), libc::tcsetpgrp(0, job), libc::kill(job, libc::SIGKILL)), (0, 0, 0));
            assert_eq!(libc::waitpid(job, std::ptr::null_mut(), 0), job);
            println!("ready");
            let mut line = String::new();
            match stdin().read_line(&mut line) {
                Ok(_) => println!("got {}", line.trim_end()),
                Err(error) => println!("{error}"),
            }
        },
        Some("exec") => unsafe {
            libc::execv(*argv.add(2), argv.add(2));
            return 1;
        },
        Some("off") => unsafe {
            libc::tcdrain(1);
            libc::reboot(libc::RB_POWER_OFF);
        },
        Some("churn") => churn(number(2).unwrap()),
        #[cfg(target_arch = "x86_64")]
        Some("inject") => inject::inject(&(2..words.len()).map(|i| text(i).unwrap()).collect::<Vec<_>>()),
        Some("eat") => {
            if number(3).is_some() {
                signals(number(3));
            }
            let mut eaten: Vec<Vec<u8>> = Vec::new();
            for n in 0..number(2).unwrap() {
                // Every page must be written to.
                eaten.push(vec![n as u8 | 1; 1 << 20]);
            }
            assert!(std::hint::black_box(&eaten).iter().all(|part| part[0] != 0));
        }
        Some("count") => {
            println!("{} {}", words.len() - 2, words[2..].iter().map(|word| word.count_bytes()).sum::<usize>());
            for word in &words[2..] {
                if word.count_bytes() < 1000 {
                    println!("{}", word.to_bytes().escape_ascii());
                }
            }
        }
        other => panic!("no such command: {other:?}"),
    }
    0
}

/// Forks a child that blocks all signals and does nothing.
fn idle() -> i32 {
    let child = unsafe { libc::fork() };
    if child == 0 {
        mask(ALL);
        loop {
            unsafe { libc::pause() };
        }
    }
    child
}

/// Forks a child that calls `act` in a session of its own, and then does nothing. Returns once it has the session.
fn in_a_session(act: fn()) {
    let child = unsafe { libc::fork() };
    if child == 0 {
        unsafe { libc::setsid() };
        act();
        loop {
            unsafe { libc::pause() };
        }
    }
    while unsafe { libc::getsid(child) } != child {
        std::thread::yield_now();
    }
}

/// The pid of the process that forks, and the number of its children.
static FORKER: AtomicU64 = AtomicU64::new(0);
static BORN: AtomicU64 = AtomicU64::new(0);

/// Handles SIGTERM in the process that forks and in its children. It may not allocate, because it may interrupt a fork.
extern "C" fn end_of_forker(_: c_int) {
    let mut room = [0_u8; 32];
    let mut rest = &mut room[..];
    if FORKER.load(Ordering::Relaxed) == u64::from(std::process::id()) {
        writeln!(rest, "born {}", BORN.load(Ordering::Relaxed)).unwrap();
    } else {
        writeln!(rest, "asked").unwrap();
    }
    let length = 32 - rest.len();
    unsafe {
        libc::write(1, room.as_ptr().cast(), length);
        libc::_exit(0)
    }
}

fn forker(idle: i32) {
    for _ in 0..idle {
        in_a_session(|| ());
    }
    in_a_session(|| {
        unsafe {
            libc::signal(libc::SIGCHLD, libc::SIG_IGN);
            FORKER.store(libc::getpid() as u64, Ordering::Relaxed);
            libc::signal(libc::SIGTERM, end_of_forker as *const () as usize);
        }
        for _ in 0..3000 {
            if unsafe { libc::fork() } == 0 {
                return;
            }
            if BORN.fetch_add(1, Ordering::Relaxed) == 99 {
                println!("ready");
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    });
    loop {
        unsafe { libc::pause() };
    }
}

const ALL: u64 = u64::MAX;

fn mask(set: u64) -> u64 {
    let mut before = 0_u64;
    unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const set, &raw mut before, 8);
    }
    before
}

/// Uses the raw calls, because the C libraries hide signals 32 to 34.
fn signals(last: Option<i32>) {
    mask(ALL);
    println!("ready {}", std::process::id());
    loop {
        let mut info: siginfo_t = unsafe { zeroed() };
        let (set, forever) = (ALL, std::ptr::null::<libc::timespec>());
        let signal =
            unsafe { libc::syscall(libc::SYS_rt_sigtimedwait, &raw const set, &raw mut info, forever, 8) } as i32;
        if signal < 0 {
            continue;
        }
        let (pid, uid, value) = unsafe { (info.si_pid(), info.si_uid(), info.si_value().sival_ptr as usize) };
        println!("signal {signal} code {} pid {pid} uid {uid} value {value}", info.si_code);
        if last == Some(signal) {
            return;
        }
    }
}

fn alive(blocks: &str) {
    let set = 1_u64 << (libc::SIGUSR1 - 1) | 1 << 63;
    mask(if blocks.is_empty() { set } else { ALL });
    if !blocks.is_empty() {
        let (own, (begun, begins)) = (if blocks == "first" { set } else { ALL }, std::sync::mpsc::channel());
        std::thread::spawn(move || {
            mask(own);
            begun.send(()).unwrap();
            loop {
                unsafe { libc::pause() };
            }
        });
        begins.recv().unwrap();
    }
    println!("ready");
    loop {
        let (nothing, forever) = (std::ptr::null::<siginfo_t>(), std::ptr::null::<libc::timespec>());
        if unsafe { libc::syscall(libc::SYS_rt_sigtimedwait, &raw const set, nothing, forever, 8) } > 0 {
            println!("alive");
        }
    }
}

static HANDLED: AtomicU64 = AtomicU64::new(0);

extern "C" fn handle(signal: c_int) {
    HANDLED.store(signal as u64, Ordering::Relaxed);
}

/// MODE is one of these:
///
/// - `child`: the started process is traced.
/// - `orphan`: an orphan of it is traced. The started process exits with CODE at the end of its standard input.
/// - `leftover`: likewise, but the started process exits at once.
/// - `exec`: the traced process executes this program again, which exits with CODE.
/// - `default`: the traced process has no handler.
fn traced(mode: &str, signal: i32, code: i32, program: *const c_char) {
    let init = unsafe { libc::getppid() };
    if ["orphan", "leftover"].contains(&mode) {
        if unsafe { libc::fork() } > 0 {
            unsafe { libc::wait(std::ptr::null_mut()) };
            if mode == "orphan" {
                let _ = stdin().read_to_end(&mut Vec::new());
            }
            exit(code);
        }
        if unsafe { libc::fork() } > 0 {
            exit(0);
        }
        while unsafe { libc::getppid() } != init {
            std::thread::yield_now();
        }
    }
    unsafe {
        if mode != "default" {
            libc::signal(signal, handle as *const () as libc::sighandler_t);
        }
        assert_eq!(libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0), 0);
        if mode == "exec" {
            let code = std::ffi::CString::new(code.to_string()).unwrap();
            libc::execl(program, program, c"exit".as_ptr(), code.as_ptr(), std::ptr::null::<c_char>());
        }
        libc::kill(libc::getpid(), signal);
    }
    println!("got {}", HANDLED.load(Ordering::Relaxed));
    exit(code)
}

fn silent() {
    mask(ALL);
    unsafe {
        if libc::fork() > 0 {
            exit(3);
        }
        libc::setsid();
        if libc::fork() > 0 {
            libc::wait(std::ptr::null_mut());
            loop {
                libc::pause();
            }
        }
        if libc::fork() > 0 {
            let _ = stdin().read_to_end(&mut Vec::new());
            exit(0);
        }
    }
    signals(Some(libc::SIGTERM));
}

fn state() {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status.lines().filter(|line| line.starts_with("Sig") && !line.starts_with("SigQ")) {
        println!("{}", line.replace(":\t", " "));
    }
    let (pid, ppid, group, session) = unsafe { (libc::getpid(), libc::getppid(), libc::getpgrp(), libc::getsid(0)) };
    println!("pid {pid}\nppid {ppid}\ngroup {group}\nsession {session}");
    println!("cwd {}", std::env::current_dir().unwrap().display());
    // read_dir's own descriptor is one of those that it lists.
    let own = fs::read_dir("/proc/self/fd").map(|entries| {
        let mut fds: Vec<i32> = entries.map(|e| e.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect();
        fds.retain(|fd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } != -1);
        fds.sort_unstable();
        fds
    });
    println!("fds {:?}", own.unwrap_or_default());
    for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_PIDFDID", "WATCHDOG_PID"] {
        println!("{name} {}", std::env::var(name).unwrap_or_default());
    }
}

fn die(signal: i32) {
    // glibc and musl refuse a sigaction for their own signals. Those have their default action here anyway.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
        libc::kill(libc::getpid(), signal);
    }
    mask(0);
}

/// Forks a child that makes a child and exits, so that the grandchild becomes an orphan.
fn orphan() {
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::fork();
            libc::_exit(0);
        }
        libc::waitpid(child, std::ptr::null_mut(), 0);
    }
}

fn orphans(count: i32) {
    for _ in 0..count {
        orphan();
    }
    println!("made {count}");
    let _ = stdin().read_to_end(&mut Vec::new());
    exit(0)
}

fn churn(count: i32) {
    unsafe { libc::signal(libc::SIGUSR1, libc::SIG_IGN) };
    let (own, parent) = (std::process::id().to_string(), unsafe { libc::getppid() });
    let read = |file: &str| fs::read_to_string(format!("/proc/{parent}/{file}")).unwrap();
    for _ in 0..2 {
        for _ in 0..count {
            unsafe {
                let child = libc::fork();
                if child == 0 {
                    if libc::fork() == 0 {
                        libc::kill(libc::getpid(), libc::SIGKILL);
                    }
                    libc::_exit(0);
                }
                libc::waitpid(child, std::ptr::null_mut(), 0);
                libc::kill(parent, libc::SIGUSR1);
            }
        }
        // This process is the parent's only child, and the parent sleeps, so the parent has reaped all and forwarded all.
        while read(&format!("task/{parent}/children")).split_whitespace().any(|pid| pid != own)
            || !read("status").contains("State:\tS")
        {
            std::thread::yield_now();
        }
        let status = read("status");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().to_owned()
        };
        let descriptors = fs::read_dir(format!("/proc/{parent}/fd")).unwrap().count();
        println!("{descriptors} {} {}", field("VmRSS:"), field("VmData:"));
    }
    exit(7)
}

fn storm(makers: i32) {
    for _ in 1..makers {
        if unsafe { libc::fork() } == 0 {
            loop {
                orphan();
            }
        }
    }
    for count in 1_u64.. {
        orphan();
        if count == 1000 {
            println!("made 1000");
        }
    }
}

fn send(pid: i32, signal: i32, value: usize) {
    println!("sending {} {}", std::process::id(), unsafe { libc::getuid() });
    let value = libc::sigval { sival_ptr: value as *mut libc::c_void };
    assert_eq!(unsafe { libc::sigqueue(pid, signal, value) }, 0);
    let _ = stdin().read_to_end(&mut Vec::new());
}

/// An init with two mistakes that the tests must notice: its memory and its descriptors grow with each orphan.
fn keeper(program: *const *const c_char) -> c_int {
    let child = unsafe { libc::fork() };
    if child == 0 {
        unsafe {
            libc::execv(*program, program);
            libc::_exit(127);
        }
    }
    let mut kept: Vec<(siginfo_t, Option<fs::File>)> = Vec::new();
    loop {
        let mut info: siginfo_t = unsafe { zeroed() };
        assert_eq!(unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, libc::WEXITED) }, 0);
        if unsafe { info.si_pid() } == child {
            return unsafe { info.si_status() };
        }
        let file = kept.len().is_multiple_of(10).then(|| fs::File::open("/dev/null").unwrap());
        kept.push((info, file));
        std::hint::black_box(&kept);
    }
}

/// Uses the raw call, for signals 32 and 33. The value determines the signal: 32 + value % 33.
fn queue(pid: i32, first: usize, count: usize) {
    let mut refused = 0;
    for value in first..first + count {
        let signal = 32 + (value % 33) as c_int;
        // The kernel's layout: number, errno, code, then on 64 bits a hole, the sender's pid and uid, and the value.
        let mut info = [0_u64; 16];
        info[0] = signal as u64;
        info[1] = u64::from(libc::SI_QUEUE as u32);
        info[2] = u64::from(std::process::id()) | u64::from(unsafe { libc::getuid() }) << 32;
        info[3] = value as u64;
        while unsafe { libc::syscall(libc::SYS_rt_sigqueueinfo, pid, signal, info.as_ptr()) } < 0 {
            assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::EAGAIN));
            refused += 1;
            unsafe { libc::sched_yield() };
        }
    }
    println!("sent {count} pid {} refused {refused}", std::process::id());
}

/// Every process forks others, and half of them exit then, so their children become orphans.
fn bomb(wanted: u64) {
    let size = 2 * size_of::<AtomicU64>();
    let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    let page = unsafe { libc::mmap(std::ptr::null_mut(), size, access, flags, -1, 0) };
    assert_ne!(page, libc::MAP_FAILED);
    let [made, refused] = unsafe { &*page.cast::<[AtomicU64; 2]>() };
    let (mut first, mut has_printed) = (true, false);
    loop {
        let count = made.load(Ordering::Relaxed);
        match unsafe { libc::fork() } {
            -1 => {
                let refused = refused.fetch_add(1, Ordering::Relaxed);
                // Only some exit, so that others go on.
                if !first && refused.is_multiple_of(8) {
                    unsafe { libc::_exit(0) }
                }
                unsafe { libc::sched_yield() };
            }
            0 => {
                first = false;
                made.fetch_add(1, Ordering::Relaxed);
            }
            _ if !first && count.is_multiple_of(2) => unsafe { libc::_exit(0) },
            _ => (),
        }
        if first {
            // The first process reaps its own zombies, which would fill the limit otherwise.
            while unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } > 0 {}
            let refused = refused.load(Ordering::Relaxed);
            if !has_printed && count >= wanted && refused > 0 {
                has_printed = true;
                println!("made {count} refused {refused}");
            }
        }
    }
}
