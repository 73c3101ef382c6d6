//! Forwarding.

use crate::support::{
    Running, Start, beside, bit, blocked_in, children_of, comes_through, first_pid, injecting, namespaces, pid1, probe,
    probing, state, status_field, tools, until,
};
use std::ffi::OsString;
use std::hint::black_box;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;

/// All that can be caught, but SIGCHLD, and SIGTERM, which ends the recorder.
fn others() -> impl Iterator<Item = i32> {
    let kept = [libc::SIGKILL, libc::SIGTERM, libc::SIGCHLD, libc::SIGSTOP];
    (1..=64).filter(move |signal| comes_through(*signal) && !kept.contains(signal))
}

#[test]
fn each_signal_from_1_to_64_is_forwarded_by_pid_1() {
    if !namespaces() {
        return;
    }
    let mut run = pid1(probing(&[], &["signals", "15"])).spawn();
    run.expect_ready();
    for signal in others() {
        run.signal(signal);
        run.expect(&format!("signal {signal} code -1 pid 0 uid 0 value 0"));
    }
    // SIGCHLD is rini's own; that the next line is SIGTERM's shows that it did not come.
    run.signal(libc::SIGCHLD);
    run.signal(libc::SIGTERM);
    run.expect("signal 15 code -1 pid 0 uid 0 value 0");
    let output = run.finish();
    assert_eq!((output.code(), output.out, output.err), (0, vec![], vec![]));
}

#[test]
fn each_signal_from_1_to_64_is_forwarded_by_a_subreaper() {
    let mut run = beside(probing(&[], &["signals", "15"])).spawn();
    assert!(run.line().starts_with("ready "));
    let (pid, uid) = (std::process::id(), nix::unistd::getuid());
    for signal in others() {
        run.signal(signal);
        run.expect(&format!("signal {signal} code -1 pid {pid} uid {uid} value 0"));
    }
    run.signal(libc::SIGCHLD);
    run.signal(libc::SIGTERM);
    run.expect(&format!("signal 15 code -1 pid {pid} uid {uid} value 0"));
    assert_eq!(run.finish().code(), 0);
}

#[test]
fn each_signal_from_1_to_64_is_forwarded_to_a_group() {
    if !namespaces() {
        return;
    }
    for option in ["-g", "--process-group"] {
        let mut run = pid1(probing(&[option], &["signals", "15"])).spawn();
        run.expect_ready();
        for signal in others() {
            run.signal(signal);
            // By kill(2), which rini calls: PID 1.
            run.expect(&format!("signal {signal} code 0 pid 1 uid 0 value 0"));
        }
        run.signal(libc::SIGTERM);
        run.expect("signal 15 code 0 pid 1 uid 0 value 0");
        assert_eq!(run.finish().code(), 0);
    }
}

/// peers: every one loses the value, and what it says of the sender is itself.
#[test]
fn queued_signals_keep_order_number_and_value() {
    if !namespaces() {
        return;
    }
    let mut run = pid1(probing(&[], &["signals", "15"])).spawn();
    run.expect_ready();
    for value in 1..=500 {
        run.queue(40, value);
    }
    for value in 1..=500 {
        run.expect(&format!("signal 40 code -1 pid 0 uid 0 value {value}"));
    }
    // A standard signal carries one too; and the largest.
    run.queue(libc::SIGUSR1, usize::MAX);
    run.expect(&format!("signal 10 code -1 pid 0 uid 0 value {}", usize::MAX));
    run.signal(15);
    assert_eq!(run.finish().out.len(), 1);
}

#[test]
fn the_sender_and_the_value_are_passed_on() {
    if !namespaces() || !tools(&["nsenter"]) {
        return;
    }
    let child = first_pid();
    for (options, wanted) in
        [(&["-v"][..], "code -1 pid SENDER uid 0 value 42"), (&["-v", "-g"], "code 0 pid 1 uid 0 value 0")]
    {
        let mut run = pid1(probing(options, &["signals", "15"])).spawn();
        run.expect_ready();
        let mut sender = run.inside(&["send", "1", "12", "42"]);
        let line = sender.line();
        let pid = line.split(' ').nth(1).unwrap();
        run.expect(&format!("signal 12 {}", wanted.replace("SENDER", pid)));
        let line = run.err_line_with("SIGUSR2");
        assert_eq!(line, format!("rini: INFO SIGUSR2 from pid {pid} (probe), forwarded to pid {child}"));
        run.signal(15);
        assert_eq!(run.err_line(), format!("rini: INFO SIGTERM from outside the container, forwarded to pid {child}"));
        assert_eq!(run.finish().code(), 0);
    }
}

#[test]
fn a_sender_that_is_gone_or_without_proc_is_named_by_its_pid() {
    if !namespaces() || !tools(&["nsenter"]) {
        return;
    }
    let mut run = pid1(probing(&["-v"], &["signals", "15"])).hide(c"/proc").spawn();
    run.expect_ready();
    let mut sender = run.inside(&["send", "1", "12", "42"]);
    let line = sender.line();
    let pid = line.split(' ').nth(1).unwrap();
    assert_eq!(run.err_line(), format!("rini: INFO SIGUSR2 from pid {pid}, forwarded to pid {}", first_pid()));
    run.signal(15);
    assert_eq!(run.finish().code(), 0);
}

/// With --process-group the whole group gets it; without, the child alone.
#[test]
fn a_group_is_reached_as_a_whole() {
    if !namespaces() {
        return;
    }
    let script = r#""$0" signals 15 & exec "$0" signals 15"#;
    let start = |options: &[&str]| {
        let words = options.iter().map(OsString::from).chain(["sh", "-c", script].map(OsString::from));
        let mut run = pid1(words.chain([probe().into()])).spawn();
        assert!(run.line().starts_with("ready "));
        assert!(run.line().starts_with("ready "));
        run
    };
    let mut run = start(&["-g"]);
    run.signal(10);
    run.expect("signal 10 code 0 pid 1 uid 0 value 0");
    run.expect("signal 10 code 0 pid 1 uid 0 value 0");
    run.signal(15);
    assert_eq!(run.finish().code(), 0);
    // The negative control: the second line is the next signal's.
    let mut run = start(&[]);
    run.signal(10);
    run.expect("signal 10 code -1 pid 0 uid 0 value 0");
    run.signal(12);
    run.expect("signal 12 code -1 pid 0 uid 0 value 0");
    run.signal(15);
    assert_eq!(run.finish().code(), 0);
}

/// The group that rini made for it is then empty, and a signal to it would go nowhere.
#[test]
fn a_child_that_left_its_group_is_still_reached() {
    if !namespaces() {
        return;
    }
    for others in ["0", "1"] {
        let mut run = pid1(probing(&["-g"], &["leave", others])).spawn();
        run.expect_ready();
        run.signal(10);
        // The other, which has stayed in the group, dies of it, and of that the child hears, before it or after.
        let mut line = run.line();
        if line.starts_with("signal 17 ") {
            line = run.line();
        }
        assert_eq!(line, "signal 10 code -1 pid 0 uid 0 value 0");
        run.signal(15);
        assert_eq!(run.finish().code(), 0);
    }
}

#[test]
fn a_signal_to_one_thread_keeps_its_sender() {
    let mut run = beside(probing(&[], &["signals", "15"])).spawn();
    assert!(run.line().starts_with("ready "));
    let (to, own, uid) = (run.pid().as_raw(), std::process::id(), nix::unistd::getuid());
    for signal in [10, 40, 15] {
        // SAFETY: a system call on numbers.
        assert_eq!(unsafe { libc::syscall(libc::SYS_tgkill, to, to, signal) }, 0);
        run.expect(&format!("signal {signal} code -1 pid {own} uid {uid} value 0"));
    }
    assert_eq!(run.finish().code(), 0);
}

/// setrlimit(2), RLIMIT_SIGPENDING: a real-time signal that cannot be queued is still sent, without what came with it.
#[test]
fn a_full_queue_loses_no_signal() {
    let no_queue = || {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: a limit that outlives the call.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_SIGPENDING, &raw const none) }, 0);
        Ok(())
    };
    let start = beside(probing(&[], &["signals", "15"]));
    // SAFETY: the closure makes system calls only.
    let mut run = start.with(|command| unsafe { command.pre_exec(no_queue) }).spawn();
    assert!(run.line().starts_with("ready "));
    for signal in [40, 64, 10, 34, 15] {
        run.signal(signal);
        assert!(run.line().starts_with(&format!("signal {signal} code 0 ")));
    }
    assert_eq!(run.finish().code(), 0);
}

/// With -g tini loses 8 of 60 (kill(-pid) before the child's setpgid), catatonit 5, dumb-init 13.
///
/// From the moment at which rini has blocked the signals, SIGTERM is sent after ever more turns of a loop, through the
/// fork, the child's set-up and its exec, until it has long started. It kills the child, or ends the recorder.
#[test]
fn a_signal_at_any_moment_of_the_start_reaches_the_child() {
    if !namespaces() {
        return;
    }
    let (mut killed, mut recorded) = (0, 0);
    for run in 0..240_u64 {
        let options: &[&str] = if run % 2 == 0 { &["-g"] } else { &[] };
        let running = pid1(probing(options, &["signals", "15"])).spawn();
        // While it waits for them the kernel shows them as not blocked; but then there is a child.
        let blocked = || status_field(running.pid(), "SigBlk") == "fffffffffffbfeff";
        until("the signals are blocked", || blocked() || !children_of(running.pid()).is_empty());
        for turn in 0..run * 400 {
            black_box(turn);
        }
        running.signal(15);
        match running.finish().code() {
            143 => killed += 1,
            0 => recorded += 1,
            other => panic!("exit code {other}"),
        }
    }
    // The sweep began before the recorder could record, and went on until it did; or it would show nothing.
    assert!(killed > 0 && recorded > 0, "{killed} {recorded}");
}

/// Every peer fails this. A PID 1 is stopped before its tenth instruction, a SIGTERM is sent, and it goes on: the
/// child gets it. Stopped before the first instruction, which no program can do anything about, it loses the signal.
#[test]
#[cfg(target_arch = "x86_64")]
fn pid_1_keeps_a_signal_that_comes_before_its_tenth_instruction() {
    use nix::sys::ptrace;
    use nix::sys::wait::waitpid;
    use nix::unistd::Pid;

    if !namespaces() {
        return;
    }
    // The child waits for the signal, or for the end of its input.
    let exit_code = |instructions: usize, is_lost: bool| {
        // In a thread of its own, whose children are in the new namespace: the first of them is its PID 1.
        let run = move || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWPID).unwrap();
            let mut command = Command::new(crate::support::rini());
            command.args(["--", "sh", "-c", "read x; exit 7"]).stdin(std::process::Stdio::piped());
            // SAFETY: a system call in the forked child.
            unsafe { command.pre_exec(|| ptrace::traceme().map_err(Into::into)) };
            let mut child = command.spawn().unwrap();
            let pid = Pid::from_raw(child.id() as i32);
            waitpid(pid, None).unwrap();
            for _ in 0..instructions {
                ptrace::step(pid, None).unwrap();
                waitpid(pid, None).unwrap();
            }
            ptrace::detach(pid, nix::sys::signal::SIGSTOP).unwrap();
            until("it is stopped", || state(pid) == Some('T'));
            nix::sys::signal::kill(pid, nix::sys::signal::SIGTERM).unwrap();
            nix::sys::signal::kill(pid, nix::sys::signal::SIGCONT).unwrap();
            let input = child.stdin.take().filter(|_| !is_lost);
            let code = crate::support::wait(&mut child).code();
            drop(input);
            code
        };
        std::thread::spawn(run).join().unwrap()
    };
    assert_eq!(exit_code(10, false), Some(143));
    assert_eq!(exit_code(0, true), Some(7));
}

/// tini drops the signals of a fault even where somebody sent them (`docker kill -s ABRT`); a fault of rini's own is
/// something else: it is not passed on, and it ends rini.
#[test]
#[cfg(target_arch = "x86_64")]
fn a_fault_of_its_own_kills_rini_and_is_not_forwarded() {
    use nix::sys::ptrace;
    use nix::sys::wait::waitpid;
    let mut run = beside(probing(&[], &["signals", "15"])).spawn();
    assert!(run.line().starts_with("ready "));
    run.signal(libc::SIGSEGV);
    assert!(run.line().starts_with("signal 11 "), "one that was sent is forwarded");
    // The next instruction is at address 0: the kernel's own SIGSEGV.
    let (pid, child) = (run.pid(), run.only_child());
    ptrace::seize(pid, ptrace::Options::empty()).unwrap();
    ptrace::interrupt(pid).unwrap();
    waitpid(pid, None).unwrap();
    let mut registers = ptrace::getregs(pid).unwrap();
    (registers.rip, registers.orig_rax) = (0, u64::MAX);
    ptrace::setregs(pid, registers).unwrap();
    ptrace::detach(pid, None).unwrap();
    until("rini is dead", || state(pid) == Some('Z'));
    nix::sys::signal::kill(child, nix::sys::signal::SIGUSR1).unwrap();
    assert!(run.line().starts_with("signal 10 "), "nothing was forwarded before it");
    nix::sys::signal::kill(child, nix::sys::signal::SIGTERM).unwrap();
    let output = run.finish();
    assert_eq!(output.status.signal(), Some(libc::SIGSEGV));
}

/// A line on a broken standard error makes the kernel send SIGPIPE to rini itself. Left pending, it would wake rini,
/// which would say so, which would bring the next one: with -vvv each look is a line.
#[test]
fn a_sigpipe_of_rini_s_own_making_is_not_forwarded() {
    if !namespaces() {
        return;
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut run = pid1(probing(&["-vvv"], &["signals", "15"])).with(|command| command.stderr(writer)).spawn();
    run.expect_ready();
    for signal in [10, 12, 13, 14] {
        run.signal(signal);
        run.expect(&format!("signal {signal} code -1 pid 0 uid 0 value 0"));
    }
    run.signal(15);
    run.expect("signal 15 code -1 pid 0 uid 0 value 0");
    let output = run.finish();
    assert_eq!((output.code(), output.out), (0, vec![]));
}

/// A file at the limit of its size (RLIMIT_FSIZE) does the same with SIGXFSZ. And one that somebody
/// sends is still forwarded.
#[test]
fn a_sigxfsz_of_rini_s_own_making_is_not_forwarded() {
    if !namespaces() {
        return;
    }
    let file = tempfile::tempfile().unwrap();
    let limit = |command: &mut std::process::Command| {
        use std::os::unix::process::CommandExt;
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the closure runs in a forked child and makes one system call.
        unsafe {
            command.pre_exec(move || {
                nix::errno::Errno::result(libc::setrlimit(libc::RLIMIT_FSIZE, &raw const none))
                    .map(drop)
                    .map_err(Into::into)
            })
        };
    };
    let mut run = pid1(probing(&["-vvv"], &["signals", "15"]))
        .with(|command| {
            limit(command);
            command.stderr(file.try_clone().unwrap())
        })
        .spawn();
    run.expect_ready();
    // The third is the same signal, from outside.
    for signal in [10, 12, 25, 15] {
        run.signal(signal);
        run.expect(&format!("signal {signal} code -1 pid 0 uid 0 value 0"));
    }
    let output = run.finish();
    assert_eq!((output.code(), output.out, file.metadata().unwrap().len()), (0, vec![], 0));
}

/// One that is inherited as ignored is still rini's to forward; the child decides.
#[test]
fn an_ignored_signal_is_forwarded_too() {
    if !namespaces() {
        return;
    }
    let ignored = bit(1) | bit(10) | bit(34);
    let mut run = pid1(probing(&[], &["signals", "15"])).ignored(ignored).blocked(bit(15)).spawn();
    run.expect_ready();
    for signal in [1, 10, 34, 15] {
        run.signal(signal);
        run.expect(&format!("signal {signal} code -1 pid 0 uid 0 value 0"));
    }
    assert_eq!(run.finish().code(), 0);
}

#[test]
fn stop_and_continue_pass_through_pid_1() {
    if !namespaces() {
        return;
    }
    let run = pid1(["sleep", "1000"]).spawn();
    until("the child runs", || children_of(run.pid()).len() == 1);
    let child = run.only_child();
    until("it has become sleep", || status_field(child, "Name") == "sleep");
    for signal in [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
        run.signal(signal);
        until("the child is stopped", || state(child) == Some('T'));
        run.signal(libc::SIGCONT);
        until("the child is continued", || state(child) == Some('S'));
    }
    run.signal(15);
    assert_eq!(run.finish().code(), 143);
}

/// --parent-death-signal: what rini gets when its parent dies goes to the child like any other.
#[test]
fn the_parent_s_death_reaches_the_child() {
    for (option, number) in [("USR1", 10), ("sigusr2", 12), ("RTMIN+3", 37), ("33", 33)] {
        if !comes_through(number) {
            continue;
        }
        let script = format!(r#""$0" -p {option} -- "$1" signals {number} & read x"#);
        let mut run = Start::of("sh").args(["-c", &script]).args([crate::support::rini(), probe()]).spawn();
        assert!(run.line().starts_with("ready "));
        drop(run.stdin.take());
        // By the kernel, which calls the dying parent the sender (prctl(2)).
        assert!(run.line().starts_with(&format!("signal {number} ")));
        run.finish();
    }
}

/// The negative control of the one above.
#[test]
fn without_the_option_the_parent_s_death_changes_nothing() {
    let script = r#""$0" -v -- "$1" signals 15 & echo "$!"; read x"#;
    let mut run = Start::of("sh").args(["-c", script]).args([crate::support::rini(), probe()]).spawn();
    let lines = [run.line(), run.line()];
    let rini = lines.iter().find_map(|line| line.parse::<i32>().ok()).unwrap();
    drop(run.stdin.take());
    let rini = nix::unistd::Pid::from_raw(rini);
    until("the parent is gone", || status_field(rini, "PPid") != run.pid().to_string());
    nix::sys::signal::kill(rini, nix::sys::signal::SIGTERM).unwrap();
    assert!(run.line().starts_with("signal 15 "));
    run.finish();
}

/// The parent may die before the kernel knows that its death matters: between rini's start and its prctl(2). rini then
/// finds that it has another parent, and acts itself.
#[test]
#[cfg(target_arch = "x86_64")]
fn a_parent_that_dies_before_it_is_watched_is_not_missed() {
    use nix::sys::ptrace;
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::Pid;
    use std::io::Read;
    use std::os::fd::AsRawFd;

    let (mut pids, to_pids) = std::io::pipe().unwrap();
    let to_pids_fd = to_pids.as_raw_fd();
    let mut command = Command::new(crate::support::rini());
    command.args(["-p", "USR1", "--"]).args(probing(&[], &["signals", "10"])).stdout(std::process::Stdio::piped());
    // A process in between is the parent; rini's own is stopped until it is traced.
    let fork = move || {
        // SAFETY: system calls on numbers and locals, in a forked child.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                // Blocked, and so for the recorder too: what comes before it is ready does not kill it.
                let blocked = bit(libc::SIGUSR1);
                libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const blocked, 0, 8);
                libc::raise(libc::SIGSTOP);
                return Ok(());
            }
            let both = [libc::getpid(), child];
            libc::write(to_pids_fd, both.as_ptr().cast(), size_of_val(&both));
            libc::syscall(libc::SYS_close_range, 0, i32::MAX, 0);
            loop {
                libc::pause();
            }
        }
    };
    // SAFETY: as above.
    unsafe { command.pre_exec(fork) };
    // spawn returns when rini has been executed, which is only while it is traced.
    let spawned = std::thread::spawn(move || command.spawn());
    let mut both = [0; 8];
    pids.read_exact(&mut both).unwrap();
    let pid = |bytes: &[u8]| Pid::from_raw(i32::from_ne_bytes(bytes.try_into().unwrap()));
    let (parent, rini) = (pid(&both[..4]), pid(&both[4..]));
    until("it is stopped", || state(rini) == Some('T'));
    ptrace::seize(rini, ptrace::Options::PTRACE_O_TRACESYSGOOD).unwrap();
    nix::sys::signal::kill(rini, nix::sys::signal::SIGCONT).unwrap();
    loop {
        match waitpid(rini, None).unwrap() {
            WaitStatus::PtraceSyscall(_) => {
                let registers = ptrace::getregs(rini).unwrap();
                let (call, option) = (registers.orig_rax as i64, registers.rdi as i32);
                if (call, option) == (libc::SYS_prctl, libc::PR_SET_PDEATHSIG) {
                    break;
                }
            }
            WaitStatus::Stopped(..) | WaitStatus::PtraceEvent(..) => (),
            other => panic!("{other:?}"),
        }
        ptrace::syscall(rini, None).unwrap();
    }
    nix::sys::signal::kill(parent, nix::sys::signal::SIGKILL).unwrap();
    until("it has another parent", || status_field(rini, "PPid") != parent.to_string());
    ptrace::detach(rini, None).unwrap();
    let mut run = Running::watch(spawned.join().unwrap().unwrap(), Some(rini));
    assert!(run.line().starts_with("ready "));
    assert!(run.line().starts_with("signal 10 "));
}

/// With -g a child that has left the group gets the signal by itself; where nobody says whether it has (seccomp), it is not sent
/// twice.
#[test]
fn a_group_s_signal_comes_once_where_getpgid_is_refused() {
    if !tools(&["strace"]) {
        return;
    }
    // These queue, where others would merge. The lowest comes first.
    let real_time = libc::SIGRTMIN();
    let start = injecting("getpgid:error=EPERM").args(probing(&["-g"], &["signals", "64"]));
    let mut strace = start.spawn();
    assert!(strace.line().starts_with("ready "));
    let rini = strace.only_child();
    for signal in [real_time, real_time, real_time, 64] {
        // SAFETY: a system call on numbers; strace has not reaped it.
        assert_eq!(unsafe { libc::kill(rini.as_raw(), signal) }, 0);
    }
    let output = strace.finish();
    let count = |signal: i32| output.out.iter().filter(|line| line.starts_with(&format!("signal {signal} "))).count();
    assert_eq!((output.code(), count(real_time), count(64)), (0, 3, 1), "{output:?}");
}

/// Forwarding costs the wait and the send, and no more. (SIGTERM, which ends this, begins a shutdown and costs a look at the
/// children.)
#[test]
fn a_forwarded_signal_takes_two_system_calls() {
    if !tools(&["strace"]) {
        return;
    }
    let mut run = beside(probing(&[], &["signals", "15"])).spawn();
    assert!(run.line().starts_with("ready "));
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut strace = Command::new("strace");
    strace.args(["-qq", "-o"]).arg(log.path()).args(["-p", &run.pid().to_string()]);
    let mut strace = strace.stderr(std::process::Stdio::null()).spawn().unwrap();
    until("strace is attached", || status_field(run.pid(), "TracerPid") == strace.id().to_string());
    for _ in 0..10 {
        run.signal(10);
        assert!(run.line().starts_with("signal 10 "));
    }
    let calls = || {
        let text = std::fs::read_to_string(log.path()).unwrap();
        text.lines().map(|line| line.split('(').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // The wait after the last signal is written when it begins.
    let is_logged = |calls: &[String]| {
        let sent = calls.iter().filter(|call| *call == "rt_sigqueueinfo").count();
        sent == 10 && calls.last().is_some_and(|call| call == "rt_sigtimedwait")
    };
    until("all is logged", || is_logged(&calls()));
    run.signal(15);
    assert_eq!(run.finish().code(), 0);
    let _ = strace.wait();
    let calls = calls();
    let rounds: Vec<_> = calls.split(|call| call == "rt_sigqueueinfo").collect();
    assert_eq!(rounds.len(), 12, "eleven signals were forwarded: {calls:?}");
    for round in &rounds[1..10] {
        assert_eq!(round, &["rt_sigtimedwait"], "{calls:?}");
    }
}

/// tini's wait ends every second. The third argument is the time limit.
#[test]
#[cfg(target_arch = "x86_64")]
fn an_idle_rini_waits_without_a_time_limit() {
    let waits_in = |run: &Running| {
        let call = blocked_in(run.pid());
        (call[0].parse::<i64>().unwrap(), call[3].clone())
    };
    let mut run = beside(probing(&[], &["signals", "15"])).spawn();
    assert!(run.line().starts_with("ready "));
    assert_eq!(waits_in(&run), (libc::SYS_rt_sigtimedwait, "0x0".to_owned()));
    // The negative control, where there is a tini.
    if std::path::Path::new("/usr/bin/tini").exists() {
        let mut run = Start::of("/usr/bin/tini").args(["-s", "--"]).args(probing(&[], &["signals", "15"])).spawn();
        assert!(run.line().starts_with("ready "));
        let (call, limit) = waits_in(&run);
        assert!(call == libc::SYS_rt_sigtimedwait && limit != "0x0", "{call} {limit}");
    }
}
