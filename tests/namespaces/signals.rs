//! The forwarding of signals.

use crate::support::{
    Running, Start, beside, bit, blocked_in, called, can_enter, children_of, comes_through, first_pid, injecting,
    namespaces, pid1, probe, probing, state, status_field, tools, until,
};
use std::ffi::OsString;
use std::hint::black_box;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;

/// The signals that can be caught, except SIGCHLD, and except SIGTERM, which ends the recorder.
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
    // rini keeps SIGCHLD for itself. The next line is that of SIGTERM, so SIGCHLD was not forwarded.
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
            // The signal comes by kill(2), and its sender is rini, which is PID 1.
            run.expect(&format!("signal {signal} code 0 pid 1 uid 0 value 0"));
        }
        run.signal(libc::SIGTERM);
        run.expect("signal 15 code 0 pid 1 uid 0 value 0");
        assert_eq!(run.finish().code(), 0);
    }
}

/// Every peer loses the value, and names itself as the sender.
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
    // A standard signal carries a value too. This is the largest.
    run.queue(libc::SIGUSR1, usize::MAX);
    run.expect(&format!("signal 10 code -1 pid 0 uid 0 value {}", usize::MAX));
    run.signal(15);
    assert_eq!(run.finish().out.len(), 1);
}

#[test]
fn the_sender_and_the_value_are_forwarded() {
    if !can_enter() {
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
    if !can_enter() {
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

/// With --process-group the whole group gets the signal, otherwise the child alone.
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
    // The negative control: the second line is that of the next signal.
    let mut run = start(&[]);
    run.signal(10);
    run.expect("signal 10 code -1 pid 0 uid 0 value 0");
    run.signal(12);
    run.expect("signal 12 code -1 pid 0 uid 0 value 0");
    run.signal(15);
    assert_eq!(run.finish().code(), 0);
}

/// The group that rini made for the child is then empty, and a signal to it would reach nobody.
#[test]
fn a_child_that_left_its_group_is_still_reached() {
    if !namespaces() {
        return;
    }
    for others in ["0", "1"] {
        let mut run = pid1(probing(&["-g"], &["leave", others])).spawn();
        run.expect_ready();
        run.signal(10);
        // The other process has stayed in the group and dies of the signal. The child gets SIGCHLD for that, before the
        // signal or after it.
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
        // SAFETY: The system call takes numbers only.
        assert_eq!(unsafe { libc::syscall(libc::SYS_tgkill, to, to, signal) }, 0);
        run.expect(&format!("signal {signal} code -1 pid {own} uid {uid} value 0"));
    }
    assert_eq!(run.finish().code(), 0);
}

/// A real-time signal that cannot be queued is still sent, without its value (setrlimit(2), RLIMIT_SIGPENDING).
#[test]
fn a_full_queue_loses_no_signal() {
    let no_queue = || {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: The limit outlives the call.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_SIGPENDING, &raw const none) }, 0);
        Ok(())
    };
    let start = beside(probing(&[], &["signals", "15"]));
    // SAFETY: The closure makes system calls only.
    let mut run = start.with(|command| unsafe { command.pre_exec(no_queue) }).spawn();
    assert!(run.line().starts_with("ready "));
    for signal in [40, 64, 10, 34, 15] {
        run.signal(signal);
        assert!(run.line().starts_with(&format!("signal {signal} code 0 ")));
    }
    assert_eq!(run.finish().code(), 0);
}

/// With -g tini loses 8 of 60 signals (its kill(-pid) comes before the child's setpgid), catatonit 5, dumb-init 13.
///
/// Once rini has blocked the signals, the test sends SIGTERM after more and more turns of a loop: during the fork, the
/// child's set-up and its exec, until long after the start. The signal kills the child, or ends the recorder.
#[test]
fn a_signal_at_any_moment_of_the_start_reaches_the_child() {
    if !namespaces() {
        return;
    }
    let (mut killed, mut recorded) = (0, 0);
    for run in 0..240_u64 {
        let options: &[&str] = if run % 2 == 0 { &["-g"] } else { &[] };
        let running = pid1(probing(options, &["signals", "15"])).spawn();
        // While rini waits for them, the kernel shows them as not blocked; but by then a child exists.
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
    // The sweep must begin before the recorder is ready, and end after it. Otherwise it shows nothing.
    assert!(killed > 0 && recorded > 0, "{killed} {recorded}");
}

/// Every peer fails this. The test stops PID 1 before its tenth instruction, sends SIGTERM and continues PID 1: the
/// child gets the signal. If the stop comes before the first instruction, the signal is lost, and no program can change
/// that.
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
        // The thread enters the new namespace with its children, and the first of them is its PID 1.
        let run = move || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWPID).unwrap();
            let mut command = Command::new(crate::support::rini());
            command.args(["--", "sh", "-c", "read x; exit 7"]).stdin(std::process::Stdio::piped());
            // SAFETY: The closure makes one system call, in the forked child.
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

/// tini drops the signals of a fault even if somebody sent them (`docker kill -s ABRT`). A fault of rini itself is
/// different: it ends rini and is not forwarded.
#[test]
#[cfg(target_arch = "x86_64")]
fn a_fault_of_its_own_kills_rini_and_is_not_forwarded() {
    use nix::sys::ptrace;
    use nix::sys::wait::waitpid;
    let mut run = beside(probing(&[], &["signals", "15"])).spawn();
    assert!(run.line().starts_with("ready "));
    run.signal(libc::SIGSEGV);
    assert!(run.line().starts_with("signal 11 "), "one that was sent is forwarded");
    // The next instruction is at address 0, so the kernel sends SIGSEGV.
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

/// If rini writes to a broken standard error, the kernel sends SIGPIPE to rini itself. rini must take it off the queue
/// without a message. Otherwise the message would cause the next SIGPIPE, and with -vvv each wake-up prints a line.
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

/// A file at its size limit (RLIMIT_FSIZE) causes SIGXFSZ in the same way. One that somebody sends is still forwarded.
#[test]
fn a_sigxfsz_of_rini_s_own_making_is_not_forwarded() {
    if !namespaces() {
        return;
    }
    let file = tempfile::tempfile().unwrap();
    let limit = |command: &mut std::process::Command| {
        use std::os::unix::process::CommandExt;
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: The closure runs in a forked child and makes one system call.
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
    // The third is the same signal, sent from outside.
    for signal in [10, 12, 25, 15] {
        run.signal(signal);
        run.expect(&format!("signal {signal} code -1 pid 0 uid 0 value 0"));
    }
    let output = run.finish();
    assert_eq!((output.code(), output.out, file.metadata().unwrap().len()), (0, vec![], 0));
}

/// rini forwards a signal even if it inherited it as ignored. The child decides what to do with it.
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
    for _ in 0..3 {
        run.signal(libc::SIGTSTP);
        until("the child is stopped", || state(child) == Some('T'));
        run.signal(libc::SIGCONT);
        until("the child is continued", || state(child) == Some('S'));
    }
    run.signal(15);
    assert_eq!(run.finish().code(), 143);
}

/// --parent-death-signal: rini forwards the signal that the kernel sends when rini's parent dies.
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
        // The kernel sends it, and names the dying parent as the sender (prctl(2)).
        assert!(run.line().starts_with(&format!("signal {number} ")));
        run.finish();
    }
}

/// The negative control of the test above.
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

/// The parent may die between rini's start and its prctl(2), before the kernel watches it. rini then sees another
/// parent, and sends the signal itself.
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
    // The parent is a process in between. rini's own process stops until it is traced.
    let fork = move || {
        // SAFETY: The system calls get numbers and locals, in a forked child.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                // The recorder inherits the blocked signal, so a signal before it is ready does not kill it.
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
    // SAFETY: See above.
    unsafe { command.pre_exec(fork) };
    // spawn returns after rini's exec, which happens only once it is traced.
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

/// With -g a child that has left the group gets the signal by itself. If seccomp hides the child's group, rini does not
/// send the signal twice.
#[test]
fn a_group_s_signal_comes_once_where_getpgid_is_refused() {
    if !tools(&["strace"]) {
        return;
    }
    // Real-time signals queue, and others would merge. The lowest comes first.
    let real_time = libc::SIGRTMIN();
    let start = injecting("getpgid:error=EPERM").args(probing(&["-g"], &["signals", "64"]));
    let mut strace = start.spawn();
    assert!(strace.line().starts_with("ready "));
    let rini = strace.only_child();
    for signal in [real_time, real_time, real_time, 64] {
        // SAFETY: The system call takes numbers only. strace has not reaped the process.
        assert_eq!(unsafe { libc::kill(rini.as_raw(), signal) }, 0);
    }
    let output = strace.finish();
    let count = |signal: i32| output.out.iter().filter(|line| line.starts_with(&format!("signal {signal} "))).count();
    assert_eq!((output.code(), count(real_time), count(64)), (0, 3, 1), "{output:?}");
}

/// To forward a signal costs one wait and one send. (SIGTERM ends the test, begins a stop and costs one more look at
/// the children.)
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
    // strace writes the line of the last wait when the wait begins.
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
    // The negative control, if tini is installed.
    if std::path::Path::new("/usr/bin/tini").exists() {
        let mut run = Start::of("/usr/bin/tini").args(["-s", "--"]).args(probing(&[], &["signals", "15"])).spawn();
        assert!(run.line().starts_with("ready "));
        let (call, limit) = waits_in(&run);
        assert!(call == libc::SYS_rt_sigtimedwait && limit != "0x0", "{call} {limit}");
    }
}

/// Whether each thread of a process is in a system call (proc_pid_syscall(5)).
fn is_every_thread_blocked(pid: nix::unistd::Pid) -> bool {
    let is_blocked = |thread: std::io::Result<std::fs::DirEntry>| {
        let call = thread.and_then(|thread| std::fs::read_to_string(thread.path().join("syscall")));
        call.is_ok_and(|call| !call.starts_with("running"))
    };
    std::fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|mut threads| threads.all(is_blocked))
}

/// Without an init, the kernel does not stop a program as process 1 by a SIGTTIN that it does not handle. The Docker
/// client sends SIGTTIN again and again if it reads from its terminal in a shell's background (docker/cli#6005).
#[test]
fn a_background_stop_that_somebody_sent_is_for_a_program_that_handles_it() {
    if !namespaces() {
        return;
    }
    let probe = probe().into_os_string().into_string().unwrap();
    let start = |options: &[&str], words: &[&str]| pid1([options, words].concat()).spawn();
    for (signal, name) in [(libc::SIGTTIN, "SIGTTIN"), (libc::SIGTTOU, "SIGTTOU")] {
        let answer = |text: &str, signals: &str| {
            format!("trap 'echo {text}' {signals}; sleep 1000 & echo ready; while :; do wait; done")
        };
        // One program does not handle the signal. In another only the first thread blocks it.
        let (plain, caught) = (answer("alive", "USR1"), answer(&format!("signal {signal} came"), &signal.to_string()));
        for (options, words) in
            [("-v", ["bash", "-c", &plain]), ("-vg", ["bash", "-c", &plain]), ("-v", [&probe, "alive", "first"])]
        {
            let mut run = start(&[options], &words);
            run.expect("ready");
            // While rini runs, it cannot see whether a program waits in sigtimedwait(2).
            let waits = libc::SYS_wait4.to_string();
            until("bash waits", || words[0] != "bash" || blocked_in(run.only_child()).first() == Some(&waits));
            until("no thread runs", || is_every_thread_blocked(run.only_child()));
            run.signal(signal);
            let (pid, program) = (first_pid(), words[0].rsplit('/').next().unwrap());
            let wanted = format!("it would only stop pid {pid} ({program}), which does not handle it");
            let line = run.err_line_with(name);
            assert_eq!(line, format!("rini: INFO {name} from outside the container, not forwarded: {wanted}"));
            run.signal(libc::SIGUSR1);
            run.expect("alive");
            run.signal(libc::SIGTERM);
            assert_eq!(run.finish().code(), 143);
        }
        // A handler; a signal blocked in the only thread; and in the only remaining thread. The last two wait for
        // signals.
        let programs: [&[&str]; 3] =
            [&["bash", "-c", &caught], &[&probe, "signals", "15"], &[&probe, "headless", "15"]];
        for words in programs {
            let mut run = start(&[], words);
            assert!(run.line().starts_with("ready"));
            run.signal(signal);
            let line = run.line();
            assert!(line.starts_with(&format!("signal {signal} ")), "{line}");
        }
        // Both threads block the signal; and one program that may wait for other signals when rini looks. rini spares
        // the program, or undoes its stop, because it cannot see the signals for which the program waits.
        for blocks in ["all", ""] {
            let mut run = start(&["-v"], &[&probe, "alive", blocks]);
            run.expect("ready");
            run.signal(signal);
            assert!(blocks.is_empty() || run.err_line().contains(", forwarded to pid "));
            let child = run.only_child();
            let pending = || u64::from_str_radix(&status_field(child, "ShdPnd"), 16).unwrap() & bit(signal) != 0;
            until("it is pending, or is gone", || pending() || blocks.is_empty());
            run.signal(libc::SIGUSR1);
            run.expect("alive");
        }
    }
}

/// Without /proc rini cannot see whether the program handles the signal. It forwards the signal, and undoes a stop.
#[test]
fn without_proc_a_background_stop_is_undone() {
    if !namespaces() {
        return;
    }
    for signal in [libc::SIGTTIN, libc::SIGTTOU] {
        let mut run = pid1(probing(&[], &["alive"])).hide(c"/proc").spawn();
        run.expect("ready");
        let child = run.only_child();
        for _ in 0..20 {
            run.signal(signal);
            run.signal(libc::SIGUSR1);
            run.expect("alive");
        }
        until("it goes on", || state(child) != Some('T'));
        // The negative controls: a stop that was intended, and dumb-init, which forwards these signals. Both stops
        // last.
        run.signal(libc::SIGTSTP);
        until("it is stopped", || state(child) == Some('T'));
        let start = called("dumb-init").args(["-c"]).args(probing(&[], &["alive"])).in_namespace();
        let mut run = start.hide(c"/proc").spawn();
        run.expect("ready");
        run.signal(signal);
        let child = run.only_child();
        until("it is stopped", || state(child) == Some('T'));
    }
}

/// glibc blocks all signals for a moment in fork(3) and posix_spawn(3). That does not count as handling them.
#[test]
fn a_program_that_forks_is_not_stopped_by_background_stops() {
    if !namespaces() {
        return;
    }
    let script = "i=0; while [ $i -lt 1000 ]; do /bin/true; i=$((i + 1)); done; exit 5";
    let run = pid1(["sh", "-c", script]).spawn();
    let (pid, end) = (run.pid().as_raw(), std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let flooder = {
        let end = end.clone();
        std::thread::spawn(move || {
            while !end.load(std::sync::atomic::Ordering::Relaxed) {
                // SAFETY: The system call takes numbers only. The process is not reaped before the end of this test.
                unsafe { libc::kill(pid, libc::SIGTTIN) };
                std::thread::yield_now();
            }
        })
    };
    until("it has ended", || state(run.pid()).is_none_or(|state| state == 'Z'));
    end.store(true, std::sync::atomic::Ordering::Relaxed);
    flooder.join().unwrap();
    assert_eq!(run.finish().code(), 5);
}

/// The kernel delivers the lowest number first, and these are 21 and 22.
#[test]
fn a_flood_of_background_stops_delays_no_other_signal() {
    if !namespaces() {
        return;
    }
    let mut run = pid1(probing(&[], &["alive"])).spawn();
    run.expect("ready");
    let (pid, end) = (run.pid().as_raw(), std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let flooders = [libc::SIGTTIN, libc::SIGTTOU].map(|signal| {
        let end = end.clone();
        std::thread::spawn(move || {
            while !end.load(std::sync::atomic::Ordering::Relaxed) {
                // SAFETY: The system call takes numbers only. The process is not reaped before the end of this test.
                unsafe { libc::kill(pid, signal) };
            }
        })
    });
    for signal in [libc::SIGUSR1, 64].repeat(200) {
        run.signal(signal);
        run.expect("alive");
    }
    run.signal(libc::SIGTERM);
    until("rini has ended", || state(run.pid()) == Some('Z') || state(run.pid()).is_none());
    end.store(true, std::sync::atomic::Ordering::Relaxed);
    flooders.into_iter().for_each(|flooder| flooder.join().unwrap());
    assert_eq!(run.finish().code(), 143);
}
