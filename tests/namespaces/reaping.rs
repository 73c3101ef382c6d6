//! Zombies, and the processes that have to reap them.

use crate::support::{
    Running, Start, beside, children_of, namespaces, pid1, probe, probing, rini, state, status_field, tools, until,
    zombies_of,
};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use std::os::unix::process::CommandExt;

#[test]
fn orphans_are_reaped_and_without_an_init_they_are_not() {
    if !namespaces() {
        return;
    }
    let probe = probe();
    let mut run = pid1(probing(&["-w"], &["orphans", "50"])).spawn();
    run.expect("made 50");
    for _ in 0..50 {
        assert!(run.err_line().starts_with("rini: WARN reaped orphan pid "));
    }
    assert_eq!(children_of(run.pid()), [run.only_child()]);
    drop(run.stdin.take());
    assert_eq!(run.finish().code(), 0);

    // The negative control: the probe itself as PID 1.
    let mut run = Start::of(&probe).args(["orphans", "50"]).in_namespace().spawn();
    run.expect("made 50");
    until("50 zombies", || zombies_of(run.pid()) == 50);
    drop(run.stdin.take());
    assert_eq!(run.finish().code(), 0);
}

/// Beside other processes, rini becomes a subreaper by itself and prints nothing about it.
#[test]
fn orphans_are_adopted_and_reaped_by_a_rini_that_is_not_pid_1() {
    let probe = probe();
    for options in [&["-w"][..], &["-w", "-s"], &["-w", "--subreaper"]] {
        let mut run = beside(probing(options, &["orphans", "50"])).spawn();
        run.expect("made 50");
        for _ in 0..50 {
            let line = run.err_line();
            assert!(
                line.starts_with("rini: WARN reaped orphan pid ") && line.ends_with(", which exited with 0"),
                "{line}"
            );
        }
        drop(run.stdin.take());
        let output = run.finish();
        assert_eq!((output.code(), output.err), (0, vec![]));
    }
    // The negative control: by default the orphans go to another init, and nobody here learns of them.
    let mut run = Start::of(&probe).args(["orphans", "50"]).spawn();
    run.expect("made 50");
    assert_eq!(children_of(run.pid()), []);
}

/// The child has exited before rini's exec, when its parent did not wait. No signal announces it any more.
#[test]
fn a_zombie_from_before_the_exec_is_reaped() {
    let leave_one = || {
        // SAFETY: The system call has no arguments. This runs in a forked child.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: The call takes a number only.
            unsafe { libc::_exit(0) }
        }
        // The flag leaves the zombie unreaped.
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        waitid(Id::Pid(Pid::from_raw(child)), flags).map(drop).map_err(Into::into)
    };
    // SAFETY: The closure makes system calls only.
    let with_one = |start: Start| start.with(|command| unsafe { command.pre_exec(leave_one) }).spawn();
    let mut run = with_one(beside(probing(&["-w"], &["signals", "15"])));
    assert!(run.line().starts_with("ready "));
    assert!(run.err_line().starts_with("rini: WARN reaped orphan pid "));
    run.signal(libc::SIGTERM);
    assert_eq!(run.finish().code(), 0);
    // The negative control: the probe itself does not reap it.
    let mut run = with_one(Start::of(probe()).args(["signals", "15"]));
    assert!(run.line().starts_with("ready "));
    assert_eq!(zombies_of(run.pid()), 1);
    run.signal(libc::SIGTERM);
    assert_eq!(run.finish().code(), 0);
}

/// Before rini's exec, makes a child that has another exit signal than SIGCHLD, or none (clone(2)). The child exits
/// only after the exec, because its signal would end the process that is about to become rini.
fn with_clone(start: Start, exit_signal: i32, lives: bool) -> Running {
    let none: libc::c_long = 0;
    let make_one = move || {
        let mut pipe = [0; 2];
        // SAFETY: The call gets room for two descriptors, which outlives it.
        unsafe { libc::pipe2(pipe.as_mut_ptr(), libc::O_CLOEXEC) };
        // SAFETY: The call takes numbers only. Without a stack it works as a fork, in a forked child.
        let child = unsafe { libc::syscall(libc::SYS_clone, libc::c_long::from(exit_signal), none, none, none, none) };
        if child == 0 {
            let (mut byte, no_signal) = (0_u8, 0_u64);
            // SAFETY: The system calls get numbers and locals. The descriptors that they close include the one on which
            // Command waits.
            unsafe {
                libc::dup2(pipe[0], 0);
                libc::syscall(libc::SYS_close_range, 1, i32::MAX, 0);
                libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const no_signal, 0, 8);
                libc::read(0, (&raw mut byte).cast(), 1);
                if lives {
                    libc::pause();
                }
                libc::_exit(5)
            }
        }
        Ok(())
    };
    // SAFETY: The closure makes system calls only.
    start.with(|command| unsafe { command.pre_exec(make_one) }).spawn()
}

#[test]
fn a_child_with_another_exit_signal_is_reaped_and_waited_for() {
    for exit_signal in [0, libc::SIGUSR1, libc::SIGCHLD] {
        let mut run = with_clone(beside(probing(&["-w"], &["signals", "15"])), exit_signal, false);
        assert!(run.line().starts_with("ready "));
        let line = run.err_line();
        assert!(line.starts_with("rini: WARN reaped orphan pid ") && line.ends_with(" exited with 5"), "{line}");
        run.signal(libc::SIGTERM);
        assert_eq!(run.finish().code(), 0);
        for (mode, ends) in [("wait", Signal::SIGKILL), ("terminate", Signal::SIGTERM)] {
            let mut run =
                with_clone(beside(["-w", "--after-exit", mode, "sh", "-c", "read x; exit 3"]), exit_signal, true);
            until("there are two", || children_of(run.pid()).len() == 2);
            let other = children_of(run.pid())[0];
            drop(run.stdin.take());
            if mode == "wait" {
                until("the program has ended", || children_of(run.pid()) == [other]);
                kill(other, ends).unwrap();
            }
            let output = run.finish();
            assert_eq!(output.code(), 3);
            assert_eq!(output.err, [format!("rini: WARN reaped orphan pid {other}, which was killed by {ends}")]);
        }
    }
}

#[test]
fn without_warn_on_reap_nothing_is_printed() {
    let mut run = beside(probing(&[], &["orphans", "50"])).spawn();
    run.expect("made 50");
    until("no zombie is left", || children_of(run.pid()).len() == 1);
    drop(run.stdin.take());
    let output = run.finish();
    assert_eq!((output.code(), output.err), (0, vec![]));
}

/// catatonit and pid1-rs once hung here: one SIGCHLD stands for many children, and the program is among them.
#[test]
fn the_child_s_end_among_many_orphans_ends_is_not_missed() {
    if !namespaces() {
        return;
    }
    let script = "i=0; while [ $i -lt 40 ]; do (: &) ; i=$((i+1)); done; exit 7";
    for _ in 0..60 {
        assert_eq!(pid1(["sh", "-c", script]).run().code(), 7);
    }
}

/// dumb-init once waited for a child that had exited before the wait.
#[test]
fn a_child_that_is_gone_at_once_is_not_missed() {
    for _ in 0..1000 {
        let output = beside(["/nonexistent"]).run();
        assert_eq!(output.code(), 127);
        assert_eq!(output.err, [r#"rini: ERROR cannot run "/nonexistent": there is no such file"#]);
    }
}

/// Children that existed before rini: `sh -c 'something & exec rini …'`.
#[test]
fn children_from_before_the_exec_are_reaped() {
    let script = r#"sh -c 'exit 3' & exec "$0" -w -- "$1" signals 15"#;
    let probe = probe();
    let mut run = Start::of("sh").args(["-c", script]).args([crate::support::rini(), probe]).spawn();
    assert!(run.line().starts_with("ready "));
    assert!(run.err_line().ends_with(", which exited with 3"));
    run.signal(15);
    assert_eq!(run.finish().code(), 0);
}

/// Zombies that come faster than rini can reap them must not hold up a signal.
#[test]
fn a_storm_of_orphans_holds_up_no_signal() {
    if !namespaces() {
        return;
    }
    let mut run = pid1(probing(&[], &["storm"])).spawn();
    run.expect("made 1000");
    run.signal(15);
    assert_eq!(run.finish().code(), 143);
}

/// rini leaves a living orphan alone until it exits.
#[test]
fn a_living_orphan_is_left_alone() {
    if !namespaces() {
        return;
    }
    let script = r#"("$0" signals 10 &); read x"#;
    let mut run = pid1(["sh".as_ref(), "-c".as_ref(), script.as_ref(), probe().as_os_str()]).spawn();
    assert!(run.line().starts_with("ready "));
    until("the orphan is rini's", || children_of(run.pid()).len() == 2);
    let main = children_of(run.pid())[0];
    let orphan = children_of(run.pid())[1];
    until("the orphan waits for signals", || state(orphan) == Some('S'));
    nix::sys::signal::kill(orphan, nix::sys::signal::SIGUSR1).unwrap();
    assert!(run.line().starts_with("signal 10 "));
    until("the orphan is reaped", || children_of(run.pid()) == [main]);
    drop(run.stdin.take());
    assert_eq!(run.finish().code(), 1, "read's status at the end of its input");
}

/// PTRACE_TRACEME makes the parent the tracer, which is rini here. waitid then reports each stop without being asked,
/// and the SIGTRAP of an exec. None of them is an exit (golang/go#35811, openpmix/prrte#2461).
#[test]
fn a_stop_of_a_process_that_made_rini_its_tracer_is_no_end() {
    let started = |mode: &str, signal: i32| {
        let words = probing(&["-v", "--after-exit", "wait"], &["traced", mode, &signal.to_string(), "7"]);
        let mut starts = vec![beside(&words)];
        if namespaces() {
            starts.push(pid1(&words));
        }
        starts
    };
    let wanted = "asked rini to trace it (PTRACE_TRACEME); it goes on without a tracer";
    // Signals with a handler: of any kind, a stop, and a trap that is not from an exec.
    for (signal, mode) in [libc::SIGALRM, libc::SIGTSTP, libc::SIGCONT, libc::SIGTTIN, 64]
        .into_iter()
        .flat_map(|signal| ["child", "orphan", "leftover"].map(|mode| (signal, mode)))
    {
        for start in started(mode, signal) {
            let mut run = start.spawn();
            run.expect(&format!("got {signal}"));
            drop(run.stdin.take());
            let output = run.finish();
            assert_eq!(output.code(), 7, "{mode} {signal}: {output:?}");
            assert!(output.err.iter().any(|line| line.ends_with(wanted)), "{mode} {signal}: {output:?}");
        }
    }
    // The child executes another program, which gives the tracer a SIGTRAP.
    for start in started("exec", libc::SIGALRM) {
        let output = start.run();
        assert_eq!(output.code(), 7, "{output:?}");
        assert!(output.err.iter().any(|line| line.ends_with(wanted)), "{output:?}");
    }
    // Real exits: by a signal without a handler, and by SIGKILL, which a tracer does not see.
    for signal in [libc::SIGTERM, libc::SIGUSR2, 64, libc::SIGKILL] {
        for start in started("default", signal) {
            assert_eq!(start.run().code(), 128 + signal);
        }
    }
    // A real stop lasts until somebody continues the process.
    let mut run = beside(probing(&[], &["traced", "default", "19", "7"])).spawn();
    until("there is a child", || children_of(run.pid()).len() == 1);
    let child = run.only_child();
    until("it is stopped, and not for a tracer", || state(child) == Some('T'));
    assert_eq!(status_field(child, "TracerPid"), "0");
    run.signal(libc::SIGCONT);
    run.expect("got 0");
    assert_eq!(run.finish().code(), 7);
}

/// A seccomp profile may forbid ptrace to rini alone.
#[test]
fn a_trace_that_rini_cannot_end_is_reported_and_is_no_end_either() {
    if !tools(&["strace"]) {
        return;
    }
    // Without -f strace traces rini alone. A traced process cannot choose another tracer.
    let start = Start::of("strace").args(["-o", "/dev/null", "-e", "inject=ptrace:error=EPERM"]).args([rini()]);
    let mut run = start.args(probing(&[], &["traced", "child", "14", "7"])).spawn();
    let line = run.err_line_with("PTRACE_TRACEME");
    assert!(line.ends_with("is stopped now; rini cannot end the trace: Operation not permitted"), "{line}");
    let rini = run.only_child();
    assert_eq!(state(children_of(rini)[0]), Some('t'));
    // When its tracer exits, the child goes on.
    kill(rini, Signal::SIGKILL).unwrap();
    assert!(run.line().starts_with("got "));
}
