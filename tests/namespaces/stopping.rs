//! Stopping: the grace period, the delay, what begins a stop, and what signals are passed on as.
//!
//! Time is checked from below only: nothing comes early. How late something may come is the machine's affair.

use crate::support::{
    Running, beside, blocked_in, children_of, first_pid, namespaces, pid1, probe, probing, rini, state, status_field,
    tools, until,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A child that records signals and does not end by them, but for SIGUSR2.
fn stubborn(options: &[&str]) -> Running {
    let mut run = pid1(probing(options, &["signals", "12"])).spawn();
    run.expect_ready();
    run
}

fn received(run: &mut Running, signal: i32) {
    run.expect(&format!("signal {signal} code -1 pid 0 uid 0 value 0"));
}

#[test]
fn a_child_that_outlives_the_grace_period_is_killed_and_that_is_said() {
    if !namespaces() {
        return;
    }
    for (options, variable) in [(&["-t", "300ms"][..], ""), (&["--grace-period=0.3"], "1h"), (&[], "300ms")] {
        let start = pid1(probing(options, &["signals", "12"])).env("RINI_GRACE_PERIOD", variable);
        let mut run = start.spawn();
        run.expect_ready();
        // Before the stop nothing runs out.
        run.signal(10);
        received(&mut run, 10);
        let asked = Instant::now();
        run.signal(15);
        received(&mut run, 15);
        // What comes in the meantime is passed on, and moves nothing.
        for signal in [15, 10, 2] {
            run.signal(signal);
            received(&mut run, signal);
        }
        let output = run.finish();
        assert!(asked.elapsed() >= Duration::from_millis(300), "never early");
        assert_eq!(output.code(), 137);
        assert_eq!(output.err.len(), 1, "{output:?}");
        let line = &output.err[0];
        assert!(
            line.starts_with(&format!("rini: WARN killed pid {} (probe), which was still there ", first_pid())),
            "{line}"
        );
        assert!(
            line.ends_with(" after SIGTERM from outside the container; raise the grace period if it needs longer"),
            "{line}"
        );
    }
}

/// The child, when it has become the program `sleep`.
fn sleeper(run: &Running) -> Pid {
    until("there is a child", || children_of(run.pid()).len() == 1);
    let child = run.only_child();
    until("it has become sleep", || status_field(child, "Name") == "sleep");
    child
}

#[test]
fn a_child_that_ends_in_time_ends_the_grace_period() {
    if !namespaces() {
        return;
    }
    // With an hour to go, the end of this test is the proof.
    let mut run = stubborn(&["-t", "1h"]);
    run.signal(15);
    received(&mut run, 15);
    run.signal(12);
    let output = run.finish();
    assert_eq!((output.code(), output.err), (0, vec![]));
    // Its own death is its own: not rini's doing.
    let run = pid1(["-t", "1h", "sleep", "1000"]).spawn();
    sleeper(&run);
    run.signal(15);
    let output = run.finish();
    assert_eq!((output.code(), output.err), (143, vec![]));
}

#[test]
fn without_a_grace_period_nobody_is_killed() {
    if !namespaces() {
        return;
    }
    let mut run = stubborn(&[]);
    run.signal(15);
    received(&mut run, 15);
    // What rini waits with has no limit: nothing is to come. With a period it has one.
    let limit = |run: &Running| blocked_in(run.pid())[3].clone();
    assert_eq!(limit(&run), "0x0");
    run.signal(12);
    assert_eq!(run.finish().code(), 0);

    let mut run = stubborn(&["-t", "1h"]);
    assert_eq!(limit(&run), "0x0", "not before the stop");
    run.signal(15);
    received(&mut run, 15);
    until("the wait has a limit", || limit(&run) != "0x0");
    let tasks = std::fs::read_dir(format!("/proc/{}/task", run.pid())).unwrap().count();
    assert_eq!(tasks, 1, "no thread does the waiting");
    run.signal(12);
    assert_eq!(run.finish().code(), 0);
}

/// With --process-group the escalation takes the whole group; without it the child.
#[test]
fn with_a_group_the_whole_group_is_killed() {
    let script = r#""$0" signals & exec "$0" signals"#;
    for (options, survives) in [(&["-t", "100ms", "-g"][..], false), (&["-t", "100ms"], true)] {
        let arguments = options.iter().copied().chain(["sh", "-c", script]).map(OsString::from);
        let mut run = beside(arguments.chain([probe().into()])).spawn();
        let pids = [run.line(), run.line()];
        let child = run.only_child();
        let other = pids.iter().map(|line| line.strip_prefix("ready ").unwrap().parse().unwrap()).map(Pid::from_raw);
        let other = other.into_iter().find(|pid| *pid != child).unwrap();
        run.signal(15);
        until("the child is gone", || state(child).is_none());
        if survives {
            // By a signal that it still answers.
            kill(other, Signal::SIGUSR1).unwrap();
            while !run.line().starts_with("signal 10 ") {}
            kill(other, Signal::SIGKILL).unwrap();
        } else {
            until("the other is gone too", || matches!(state(other), None | Some('Z')));
        }
        assert_eq!(run.finish().code(), 137);
    }
}

#[test]
fn a_delayed_stop_signal_comes_after_the_delay_and_the_others_at_once() {
    if !namespaces() {
        return;
    }
    for (options, variable) in [(&["--stop-delay", "300ms"][..], "1h"), (&[], "0.3")] {
        let mut run = pid1(probing(options, &["signals", "12"])).env("RINI_STOP_DELAY", variable).spawn();
        run.expect_ready();
        let asked = Instant::now();
        run.signal(15);
        run.signal(10);
        received(&mut run, 10);
        received(&mut run, 15);
        assert!(asked.elapsed() >= Duration::from_millis(300), "never early");
        run.signal(12);
        assert_eq!(run.finish().code(), 0);
    }
}

#[test]
fn a_second_stop_signal_ends_the_delay() {
    if !namespaces() {
        return;
    }
    let mut run = stubborn(&["-v", "--stop-delay", "1h"]);
    run.queue(2, 42);
    assert_eq!(run.err_line_with("SIGINT"), "rini: INFO SIGINT from outside the container, held back for 3600s");
    run.queue(15, 43);
    // The child may find both pending, and then takes the lower number first.
    run.expect("signal 2 code -1 pid 0 uid 0 value 42");
    run.expect("signal 15 code -1 pid 0 uid 0 value 43");
    run.signal(12);
    assert_eq!(run.finish().code(), 0);
    // Two of a kind are one, as two that are pending are.
    let mut run = stubborn(&["-v", "--stop-delay", "1h"]);
    run.signal(15);
    run.err_line_with("held back");
    run.signal(15);
    received(&mut run, 15);
    run.signal(10);
    received(&mut run, 10);
    run.signal(12);
    assert_eq!(run.finish().code(), 0);
}

#[test]
fn the_grace_period_counts_from_the_forwarding() {
    if !namespaces() {
        return;
    }
    let mut run = stubborn(&["--stop-delay", "200ms", "-t", "300ms"]);
    let asked = Instant::now();
    run.signal(15);
    received(&mut run, 15);
    assert_eq!(run.finish().code(), 137);
    assert!(asked.elapsed() >= Duration::from_millis(500), "never early");
}

#[test]
fn only_a_stop_signal_begins_a_stop() {
    if !namespaces() {
        return;
    }
    for (options, variable) in [(&["--stop-signals", "USR1,RTMIN+3"][..], "TERM"), (&[], "usr1,37")] {
        for stop in [10, 37] {
            let start = pid1(probing(options, &["signals", "12"])).env("RINI_STOP_SIGNALS", variable);
            let mut run = start.env("RINI_STOP_DELAY", "200ms").env("RINI_GRACE_PERIOD", "200ms").spawn();
            run.expect_ready();
            // Not held back, and no period begins: the wait has no limit.
            run.signal(15);
            received(&mut run, 15);
            assert_eq!(blocked_in(run.pid())[3], "0x0");
            run.signal(stop);
            received(&mut run, stop);
            assert_eq!(run.finish().code(), 137);
        }
    }
}

/// An image's STOPSIGNAL that is no stop signal makes the grace period useless, and nobody would notice.
#[test]
fn a_signal_from_outside_that_starts_no_stop_is_pointed_out_once_each() {
    if !namespaces() {
        return;
    }
    let hints = |options: &[&str], signals: &[i32]| {
        let mut run = pid1(probing(options, &["signals", "12"])).env("RINI_LOG", "info").spawn();
        run.expect_ready();
        for signal in signals.iter().chain(&[12]) {
            run.signal(*signal);
            received(&mut run, *signal);
        }
        let err = run.finish().err;
        let hint = |name: &str| {
            format!(
                "rini: INFO {name} starts no stop, and so no grace period; if it should, add it to --stop-signals or RINI_STOP_SIGNALS"
            )
        };
        let count = err.iter().filter(|line| line.contains("starts no stop")).count();
        (count, err.contains(&hint("SIGQUIT")), err.contains(&hint("SIGUSR2")))
    };
    assert_eq!(hints(&["-t", "1h"], &[libc::SIGHUP, libc::SIGQUIT, libc::SIGQUIT]), (3, true, true));
    assert_eq!(hints(&["--stop-delay", "1ms"], &[libc::SIGQUIT]), (2, true, true));
    // The negative controls: there is no grace period; a stop signal; signals of job control, and then a last one.
    assert_eq!(hints(&[], &[libc::SIGQUIT]), (0, false, false));
    let quit = ["-t", "1h", "--stop-signals", "QUIT,USR2"];
    assert_eq!(hints(&quit, &[libc::SIGQUIT]), (0, false, false));
    assert_eq!(hints(&["-t", "1h"], &[libc::SIGCONT, libc::SIGTSTP]), (1, false, true));
    // A signal from inside the container is not the engine's.
    let inside = r#"trap '' USR1; kill -USR1 1; exec "$0" signals 15"#;
    let mut run =
        pid1(["-v", "-t", "1h", "sh", "-c", inside].map(OsString::from).into_iter().chain([probe().into()])).spawn();
    run.err_line_with("SIGUSR1 from pid ");
    run.signal(libc::SIGTERM);
    assert!(!run.finish().err.iter().any(|line| line.contains("starts no stop")));
}

#[test]
fn signals_are_rewritten_or_dropped() {
    if !namespaces() {
        return;
    }
    let rules = ["TERM:QUIT", "15:SIGINT", "USR1:0", "34:RTMAX", "HUP:TERM"];
    let options: Vec<_> = rules.iter().flat_map(|rule| ["--rewrite", rule]).collect();
    for (options, variable) in [(&options[..], "TERM:0"), (&[], "TERM:INT,usr1:0,RTMIN:64,1:15")] {
        let mut run = pid1(probing(options, &["signals", "12"])).env("RINI_REWRITE", variable).spawn();
        run.expect_ready();
        // SIGUSR1 is dropped: what comes next is the next signal's.
        for (sent, wanted) in [(10, None), (15, Some(2)), (1, Some(15)), (3, Some(3)), (10, None), (2, Some(2))] {
            run.signal(sent);
            if let Some(wanted) = wanted {
                received(&mut run, wanted);
            }
        }
        run.queue(34, 42);
        run.expect("signal 64 code -1 pid 0 uid 0 value 42");
        run.signal(12);
        assert_eq!(run.finish().code(), 0);
    }
}

#[test]
fn a_rewritten_stop_signal_still_begins_the_stop() {
    if !namespaces() {
        return;
    }
    let mut run = stubborn(&["-r", "TERM:HUP", "-t", "200ms"]);
    run.signal(15);
    received(&mut run, 1);
    assert_eq!(run.finish().code(), 137);
    // One that is dropped too.
    let run = stubborn(&["-r", "TERM:0", "-t", "200ms"]);
    run.signal(15);
    let output = run.finish();
    assert_eq!((output.code(), output.out, output.err.len()), (137, vec![], 1));
    // SIGKILL and SIGSTOP are good as targets.
    let run = stubborn(&["-v", "-r", "TERM:KILL"]);
    run.signal(15);
    let output = run.finish();
    assert_eq!(output.code(), 137);
    let says = format!("rini: INFO SIGTERM from outside the container, forwarded to pid {} as SIGKILL", first_pid());
    assert_eq!(output.err[1], says);
    let run = stubborn(&["-r", "USR1:STOP"]);
    run.signal(10);
    until("the child is stopped", || state(run.only_child()) == Some('T'));
}

/// A stopped child can do nothing about a signal but SIGKILL and SIGCONT: `docker stop` would wait for its own kill.
#[test]
fn a_stopped_child_is_continued_for_a_stop() {
    if !namespaces() {
        return;
    }
    for stop in [Signal::SIGSTOP, Signal::SIGTSTP] {
        let run = pid1(["sleep", "1000"]).spawn();
        let child = sleeper(&run);
        kill(child, stop).unwrap();
        until("the child is stopped", || state(child) == Some('T'));
        // The negative control: behind any other signal comes no SIGCONT. The child has both before it can be seen.
        run.signal(libc::SIGUSR1);
        until("SIGUSR1 is pending", || status_field(child, "ShdPnd") == "0000000000000200");
        assert_eq!(state(child), Some('T'));
        run.signal(15);
        assert_eq!(run.finish().code(), 138, "the first of both, SIGUSR1");
    }
}

/// Also where it was stopped during the delay: of that no stop signal tells.
/// However often it was asked before.
#[test]
fn a_stopped_child_is_continued_for_a_later_stop_signal_too() {
    // By a signal that is forwarded, as rini undoes any other stop.
    let mut run = beside(probing(&["-r", "USR2:STOP"], &["signals", "15"])).spawn();
    assert!(run.line().starts_with("ready "));
    let received = |run: &mut Running, signal: i32| assert!(run.line().starts_with(&format!("signal {signal} ")));
    run.signal(libc::SIGINT);
    received(&mut run, libc::SIGINT);
    let child = run.only_child();
    run.signal(libc::SIGUSR2);
    until("it is stopped", || state(child) == Some('T'));
    run.signal(libc::SIGTERM);
    received(&mut run, libc::SIGTERM);
    assert_eq!(run.finish().code(), 0);
}

#[test]
fn a_child_that_is_stopped_in_the_delay_is_continued_at_its_end() {
    if !namespaces() {
        return;
    }
    let mut run = pid1(["--stop-delay", "500ms", "-v", "sleep", "1000"]).spawn();
    let child = sleeper(&run);
    run.signal(15);
    run.err_line_with("held back for 500ms");
    kill(child, Signal::SIGSTOP).unwrap();
    until("the child is stopped", || state(child) == Some('T'));
    assert_eq!(run.finish().code(), 143);
}

#[test]
fn a_bad_value_is_refused_before_anything_starts() {
    for (options, variable, value, wanted) in [
        (&["-t", "soon"][..], "X", "", r#"--grace-period: "soon" is not a time from 1ms to 8760h, such as 10s"#),
        (&["-t", "0"], "X", "", r#"--grace-period: "0" is not a time from 1ms to 8760h"#),
        (&["-t9999h"], "X", "", r#"--grace-period: "9999h" is not a time from 1ms to 8760h"#),
        (&["--stop-delay=-1"], "X", "", r#"--stop-delay: "-1" is not a time up to 8760h, such as 10s"#),
        (
            &["--stop-signals", "TERM,KILL"],
            "X",
            "",
            r#"--stop-signals: "KILL" in "TERM,KILL" is not a signal such as TERM, SIGTERM, RTMIN+3 or 15, or several"#,
        ),
        (
            &["--stop-signals="],
            "X",
            "",
            r#"--stop-signals: "" is not a signal such as TERM, SIGTERM, RTMIN+3 or 15, or several"#,
        ),
        (&["-r", "TERM"], "X", "", r#"--rewrite: "TERM" is not two signals as FROM:TO, such as TERM:QUIT or TERM:0"#),
        (&["-r", "TERM:QUIT,HUP"], "X", "", r#"--rewrite: "HUP" in "TERM:QUIT,HUP" is not two signals as FROM:TO"#),
        (&["-r", "KILL:TERM"], "X", "", r#"--rewrite: "KILL:TERM" is not two signals as FROM:TO"#),
        (&[], "RINI_GRACE_PERIOD", "8 s", r#"RINI_GRACE_PERIOD: "8 s" is not a time from 1ms to 8760h"#),
        (&[], "RINI_STOP_DELAY", "1d", r#"RINI_STOP_DELAY: "1d" is not a time up to 8760h"#),
        (
            &[],
            "RINI_STOP_SIGNALS",
            "TERM;INT",
            r#"RINI_STOP_SIGNALS: "TERM;INT" is not a signal such as TERM, SIGTERM, RTMIN+3 or 15, or several"#,
        ),
        (
            &[],
            "RINI_REWRITE",
            "TERM:QUIT,",
            r#"RINI_REWRITE: "" in "TERM:QUIT," is not two signals as FROM:TO, such as TERM:QUIT"#,
        ),
    ] {
        let output = beside(options.iter().chain(&["sh", "-c", "echo started"])).env(variable, value).run();
        assert_eq!((output.code(), output.out, output.err.len()), (1, vec![], 1), "{options:?} {value}");
        assert!(output.err[0].starts_with(&format!("rini: ERROR {wanted}")), "{:?}", output.err);
    }
    for option in ["-t", "--grace-period", "--stop-delay", "--stop-signals", "-r", "--rewrite"] {
        let output = beside([option]).run();
        assert!(output.code() == 1 && output.err[0].contains("the value is missing; it takes "), "{output:?}");
    }
}

/// As a service of a supervisor's, and not PID 1: the same.
#[test]
fn a_subreaper_escalates_too() {
    let mut run = beside(probing(&["-t", "200ms"], &["signals"])).spawn();
    assert!(run.line().starts_with("ready "));
    run.signal(2);
    let output = run.finish();
    assert_eq!(output.code(), 137);
    let own = std::env::current_exe().unwrap();
    let name: String = own.file_name().unwrap().to_str().unwrap().chars().take(15).collect();
    let line = output.err.last().unwrap();
    assert!(line.contains(" after SIGINT from pid ") && line.contains(&name[..4]), "{line}");
    assert!(rini().exists());
}

/// A child that rini may not kill, as a setuid program under a rini that is not root: PID 1 ends, and the kernel kills it with
/// the namespace. (strace attaches to rini alone, and lets its kill fail.)
#[test]
fn a_child_that_cannot_be_killed_goes_down_with_pid_1() {
    if !namespaces() || !tools(&["strace"]) {
        return;
    }
    let mut run = pid1(["-t", "0.1", "sh", "-c", "trap '' TERM; echo ready; exec sleep 1000"]).spawn();
    run.expect("ready");
    let child = run.only_child();
    let mut strace = Command::new("strace");
    strace.args(["-qq", "-o", "/dev/null", "-e", "inject=kill:error=EPERM", "-p", &run.pid().to_string()]);
    let mut strace = strace.spawn().unwrap();
    until("strace is attached", || status_field(run.pid(), "TracerPid") == strace.id().to_string());
    run.signal(libc::SIGTERM);
    let output = run.finish();
    strace.wait().unwrap();
    let line = "rini: ERROR cannot kill pid 2 (sleep), and the grace period is over: Operation not permitted";
    assert_eq!((output.code(), output.err), (137, vec![line.to_owned()]));
    assert_eq!(state(child), None);
}

/// Lets time pass that no event can stand for. Waits for a message that no thread sends, so the processor is free.
pub fn let_pass(time: Duration) {
    let (_sender, nothing) = channel::<()>();
    assert_eq!(nothing.recv_timeout(time), Err(RecvTimeoutError::Timeout));
}

/// rini itself is stopped over the deadline, by somebody outside, and the program ends in that time.
#[test]
fn a_program_that_ended_in_time_is_not_called_killed() {
    let mut run = beside(probing(&["-t", "5s"], &["signals", "12"])).spawn();
    assert!(run.line().starts_with("ready "));
    let child = run.only_child();
    let asked = Instant::now();
    run.signal(libc::SIGTERM);
    assert!(run.line().starts_with("signal 15 "));
    run.signal(libc::SIGSTOP);
    until("rini is stopped", || state(run.pid()) == Some('T'));
    assert!(asked.elapsed() < Duration::from_secs(5), "this machine is too slow for this test");
    kill(child, Signal::SIGUSR2).unwrap();
    until("it has ended", || state(child) == Some('Z'));
    // Late, but not by so much that the deadline is put off.
    let_pass(Duration::from_millis(5200).saturating_sub(asked.elapsed()));
    run.signal(libc::SIGCONT);
    let output = run.finish();
    assert_eq!((output.code(), output.err), (0, vec![]));
}

/// `docker pause` freezes rini with the program. Both are stopped here: one cannot tell the difference from inside.
#[test]
fn a_deadline_that_passed_while_rini_was_frozen_is_put_off_once() {
    // Ends at SIGUSR2; the negative control does not.
    for ends in [true, false] {
        let mut run = beside(probing(&["-t", "2s"], &["signals", "12"])).spawn();
        assert!(run.line().starts_with("ready "));
        let child = run.only_child();
        run.signal(libc::SIGTERM);
        assert!(run.line().starts_with("signal 15 "));
        let pause = |signal| [run.pid(), child].map(|pid| kill(pid, signal).unwrap());
        pause(Signal::SIGSTOP);
        let_pass(Duration::from_millis(3500));
        let thawed = Instant::now();
        pause(Signal::SIGCONT);
        // rini has looked at the time: it forwards what comes behind the deadline.
        run.signal(libc::SIGUSR1);
        while !run.line().starts_with("signal 10 ") {}
        if ends {
            run.signal(libc::SIGUSR2);
            assert_eq!(run.finish().code(), 0);
        } else {
            let output = run.finish();
            assert_eq!((output.code(), output.err.len()), (137, 1), "{output:?}");
            assert!(thawed.elapsed() >= Duration::from_millis(1400), "by as much as it was late");
        }
    }
}

/// The child of a rini that passes SIGURG on is stopped, and is still so when rini has done that; SIGUSR1 ends it.
fn stays_stopped(run: Running, child: Pid) {
    until("it is stopped", || state(child) == Some('T'));
    run.signal(libc::SIGURG);
    until("rini has passed that on", || status_field(child, "ShdPnd") != "0000000000000000");
    assert_eq!(state(child), Some('T'));
    run.signal(libc::SIGCONT);
    run.signal(libc::SIGUSR1);
    assert_eq!(run.finish().code(), 0);
}

/// A stop may be sent right before the stop signal, and be seen right behind it. The program could not act on the signal, and would be
/// killed in the end.
#[test]
fn a_stop_that_is_seen_after_the_stop_signal_is_undone() {
    for terminate in [libc::SIGTERM, libc::SIGINT] {
        let mut run = beside(probing(&["-r", "USR2:STOP"], &["signals", "10"])).spawn();
        assert!(run.line().starts_with("ready "));
        let child = run.only_child();
        run.signal(terminate);
        assert!(run.line().starts_with(&format!("signal {terminate} ")));
        for _ in 0..3 {
            kill(child, Signal::SIGSTOP).unwrap();
            assert!(run.line().starts_with("signal 18 "), "it is continued");
        }
        // The negative control: a stop that somebody sends through rini, during the stop, is meant.
        run.signal(libc::SIGUSR2);
        stays_stopped(run, child);
    }
    // Another: before a stop signal a stop is nobody's affair but of who sent it.
    let mut run = beside(probing(&[], &["signals", "10"])).spawn();
    assert!(run.line().starts_with("ready "));
    let child = run.only_child();
    kill(child, Signal::SIGSTOP).unwrap();
    stays_stopped(run, child);
}
