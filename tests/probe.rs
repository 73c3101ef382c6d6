//! The one program that the signal tests talk to: it does a thing, and prints a line.
//!
//! It is a `no_main` program, so that Rust's own start (SIGPIPE ignored) is not taken for something that rini did.
//!
//! | command | what it does |
//! | --- | --- |
//! | `signals [LAST]` | prints `ready PID`, then a line for each signal; exits with 0 at LAST |
//! | `headless [LAST]` | as `signals`, in a second thread, and the first one has ended |
//! | `alive` | prints `ready`, then `alive` for each SIGUSR1, and leaves every other signal to its default action |
//! | `state` | prints what it found at its start |
//! | `exit N` | exits with N |
//! | `die N` | lets signal N act on it by default |
//! | `orphans N` | makes N orphans that exit at once, prints `made N`, exits with 0 at the end of its standard input |
//! | `storm [MAKERS]` | makes orphans for ever, in so many processes; prints `made 1000` once the first has made as many |
//! | `batches` | for each line `N` on its standard input makes N orphans and prints `made N`; exits with 3 at the end of that |
//! | `keeper PROGRAM ...` | runs PROGRAM, and as its init reaps, but keeps a note of each orphan and a descriptor for every tenth |
//! | `queue PID FIRST COUNT` | queues COUNT real-time signals with the values FIRST and up, again where the queue is full; prints `sent COUNT pid OWN refused N` |
//! | `bomb N` | a fork bomb; prints `made N refused M` when it has made as many processes and some were refused; SIGTERM ends the first |
//! | `brief MICROS CODE [deaf]` | prints `going`, runs so long, exits with CODE; deaf: with every signal blocked |
//! | `send PID N VALUE` | prints `sending PID UID`, queues signal N with VALUE, waits for the end of its standard input |
//! | `leave N` | joins another process group, leaves N processes behind in its own, and does as `signals 15` |
//! | `exec PROGRAM ...` | becomes PROGRAM, with nothing in between |
//! | `eat MIB` | uses so much memory, and exits with 0 if nobody minds |
//! | `churn N` | twice: makes N orphans that are killed, sends as many SIGUSR1 to its parent, waits until that has reaped all, and prints how many descriptors that has, its resident memory and its data in KiB; exits with 7 |
//! | `inject ...` | runs a program and makes a system call of it fail: probe/inject.rs |
//! | `count BYTES` | prints how many arguments it got and their length together |
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
#[path = "probe/inject.rs"]
mod inject;

use libc::{c_char, c_int, siginfo_t};
use std::ffi::CStr;
use std::fs;
use std::io::{Read, stdin};
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
            // Of this thread alone; by the raw call, which unwinds nothing.
            unsafe { libc::syscall(libc::SYS_exit, 0) };
        }
        Some("alive") => alive(),
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
        Some("exec") => unsafe {
            libc::execv(*argv.add(2), argv.add(2));
            return 1;
        },
        Some("churn") => churn(number(2).unwrap()),
        #[cfg(target_arch = "x86_64")]
        Some("inject") => inject::inject(&(2..words.len()).map(|i| text(i).unwrap()).collect::<Vec<_>>()),
        Some("eat") => {
            let mut eaten: Vec<Vec<u8>> = Vec::new();
            for n in 0..number(2).unwrap() {
                // Each page holds something.
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

/// A child that does nothing, whatever comes.
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

const ALL: u64 = u64::MAX;

fn mask(set: u64) -> u64 {
    let mut before = 0_u64;
    unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const set, &raw mut before, 8);
    }
    before
}

/// By the raw calls: the C libraries hide signals 32 to 34.
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

fn alive() {
    let set = 1_u64 << (libc::SIGUSR1 - 1);
    mask(set);
    println!("ready");
    loop {
        let (nothing, forever) = (std::ptr::null::<siginfo_t>(), std::ptr::null::<libc::timespec>());
        if unsafe { libc::syscall(libc::SYS_rt_sigtimedwait, &raw const set, nothing, forever, 8) } > 0 {
            println!("alive");
        }
    }
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
    for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_PIDFDID"] {
        println!("{name} {}", std::env::var(name).unwrap_or_default());
    }
}

fn die(signal: i32) {
    // glibc and musl refuse a sigaction for their own signals; those are at their default here anyway.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
        libc::kill(libc::getpid(), signal);
    }
    mask(0);
}

/// A child that makes a child and exits: the kernel looks for a new parent for the latter.
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
        // Only this one is left, and its parent sleeps: there is nothing that it has not dealt with.
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

/// An init that is wrong in two ways, for the tests to notice: what it keeps grows with each orphan.
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

/// By the raw call, for 32 and 33. A value has its signal: 32 + value % 33.
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

/// Every process makes others, and half of them end behind that: what those leave is the init's.
fn bomb(wanted: u64) {
    let size = 2 * size_of::<AtomicU64>();
    let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    let page = unsafe { libc::mmap(std::ptr::null_mut(), size, access, flags, -1, 0) };
    assert_ne!(page, libc::MAP_FAILED);
    let [made, refused] = unsafe { &*page.cast::<[AtomicU64; 2]>() };
    let (mut first, mut told) = (true, false);
    loop {
        let count = made.load(Ordering::Relaxed);
        match unsafe { libc::fork() } {
            -1 => {
                let refused = refused.fetch_add(1, Ordering::Relaxed);
                // Not all at once, or nobody is left to go on.
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
            // The zombies of the first are its own, and would be all that the limit has room for.
            while unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } > 0 {}
            let refused = refused.load(Ordering::Relaxed);
            if !told && count >= wanted && refused > 0 {
                told = true;
                println!("made {count} refused {refused}");
            }
        }
    }
}
