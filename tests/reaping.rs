//! Zombies, and whose they are.

use crate::support::{Start, beside, children_of, namespaces, pid1, probe, probing, state, until, zombies_of};
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

/// Not PID 1: rini becomes a subreaper by itself, and says nothing about it.
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
    // The negative control: by default the orphans go elsewhere, and nobody here hears of them.
    let mut run = Start::of(&probe).args(["orphans", "50"]).spawn();
    run.expect("made 50");
    assert_eq!(children_of(run.pid()), []);
}

/// What has ended before rini's exec, when the kernel had nobody to tell of it: no signal does so any more.
#[test]
fn a_zombie_from_before_the_exec_is_reaped() {
    let leave_one = || {
        // SAFETY: in a forked child: a system call without arguments.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: a number.
            unsafe { libc::_exit(0) }
        }
        // Without reaping it.
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        waitid(Id::Pid(Pid::from_raw(child)), flags).map(drop).map_err(Into::into)
    };
    // SAFETY: the closure makes system calls only.
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

#[test]
fn without_warn_on_reap_nothing_is_said() {
    let mut run = beside(probing(&[], &["orphans", "50"])).spawn();
    run.expect("made 50");
    until("no zombie is left", || children_of(run.pid()).len() == 1);
    drop(run.stdin.take());
    let output = run.finish();
    assert_eq!((output.code(), output.err), (0, vec![]));
}

/// catatonit and pid1-rs once hung: one SIGCHLD stands for many children, and the main one is among them.
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

/// dumb-init once waited for a child that had gone before it waited.
#[test]
fn a_child_that_is_gone_at_once_is_not_missed() {
    for _ in 0..1000 {
        let output = beside(["/nonexistent"]).run();
        assert_eq!(output.code(), 127);
        assert_eq!(output.err, [r#"rini: ERROR cannot run "/nonexistent": there is no such file"#]);
    }
}

/// Children that were there before: `sh -c 'something & exec rini …'`.
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

/// Zombies that come faster than they can be reaped must not keep a signal waiting.
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

/// An orphan that lives is none of rini's business, until it ends.
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
