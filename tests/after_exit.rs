//! `--after-exit`: what becomes of the other processes when the child has ended.

use crate::support::{
    Output, Running, Start, beside, blocked_in, children_of, injecting, namespaces, pid1, probe, rini, state,
    status_field, tools, until,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::getsid;
use std::ffi::OsString;
use std::time::{Duration, Instant};

/// The words of a rini whose child is a shell with this script, in which `$0` is the probe.
fn script(options: &[&str], script: &str) -> Vec<OsString> {
    let words = options.iter().copied().chain(["sh", "-c", script]).map(OsString::from);
    words.chain([probe().into_os_string()]).collect()
}

/// In each role; and as another user, who may not signal everybody.
fn both(words: &[OsString]) -> Vec<Start> {
    let mut starts = vec![beside(words)];
    if namespaces() {
        starts.push(pid1(words));
        starts.push(beside(words).user(65534));
        starts.push(pid1(words).user(65534));
    }
    starts
}

/// Waits until so many probes record signals.
fn ready(run: &mut Running, count: usize) {
    for _ in 0..count {
        assert!(run.line().starts_with("ready "));
    }
}

/// Lets the child's `read` come to its end.
fn end_child(run: &mut Running) {
    drop(run.stdin.take());
}

fn lines_with(output: &[String], part: &str) -> usize {
    output.iter().filter(|line| line.contains(part)).count()
}

#[test]
fn by_default_the_rest_is_left_to_the_kernel() {
    if !namespaces() {
        return;
    }
    for (options, variable) in [(&[][..], ""), (&["--after-exit", "kill"], "wait"), (&["--after-exit=kill"], "")] {
        let words = script(options, r#""$0" signals & read x; exit 3"#);
        let mut run = pid1(words).env("RINI_AFTER_EXIT", variable).spawn();
        ready(&mut run, 1);
        end_child(&mut run);
        let Output { status, out, err } = run.finish();
        assert_eq!((status.code(), out, err), (Some(3), vec![], vec![]), "nobody was asked, and nobody waited for");
    }
}

/// In the background, in a session of its own, forked twice, stopped, and below somebody who does not pass it on.
const ALL_KINDS: &str = r#"
    "$0" signals 15 &
    setsid "$0" signals 15 &
    (setsid "$0" signals 15 &)
    "$0" signals 15 &
    (setsid sh -c '"$0" signals 15; :' "$0" &)
    read x
    exit 3"#;

#[test]
fn terminate_asks_all_that_is_left_and_waits_for_it() {
    for by_variable in [false, true] {
        let options: &[&str] = if by_variable { &[] } else { &["--after-exit", "terminate"] };
        for start in both(&script(options, ALL_KINDS)) {
            let variable = if by_variable { "terminate" } else { "kill" };
            // With an hour to go, the end of this test proves that it is over as soon as nobody is left.
            let start = start.env("RINI_AFTER_EXIT", variable).env("RINI_GRACE_PERIOD", "1h");
            let mut run = start.spawn();
            ready(&mut run, 5);
            let first = children_of(children_of(run.pid())[0])[0];
            kill(first, Signal::SIGSTOP).unwrap();
            until("it is stopped", || state(first) == Some('T'));
            end_child(&mut run);
            let output = run.finish();
            assert_eq!(output.code(), 3);
            assert_eq!(lines_with(&output.out, "signal 15 code 0 pid "), 5, "{output:?}");
            assert_eq!(lines_with(&output.err, "rini: "), 0, "{output:?}");
        }
    }
}

#[test]
fn terminate_kills_what_outlives_the_grace_period_and_names_it() {
    let words = script(
        &["--after-exit=terminate", "-t", "1s"],
        r#""$0" signals & setsid "$0" signals & (setsid "$0" signals &); read x; exit 3"#,
    );
    for start in both(&words) {
        let mut run = start.spawn();
        let rini = run.pid();
        let pids: Vec<_> = (0..3).map(|_| run.line().strip_prefix("ready ").unwrap().to_owned()).collect();
        let asked = Instant::now();
        end_child(&mut run);
        let output = run.finish();
        assert!(asked.elapsed() >= Duration::from_secs(1), "never early");
        assert_eq!(output.code(), 3, "the child's, whatever became of the others");
        // SIGCONT is for those that are stopped.
        assert_eq!(lines_with(&output.out, "signal 15 code 0 pid "), 3, "{output:?}");
        assert_eq!(output.out.len(), 3, "and nothing else: {output:?}");
        for pid in pids {
            let line = format!("rini: WARN killed pid {pid} (probe), which was still there ");
            let line = output.err.iter().find(|err| err.starts_with(&line)).unwrap_or_else(|| panic!("{output:?}"));
            assert!(line.contains(" after SIGTERM from pid ") && line.contains(" (rini"), "{line}");
        }
        assert_eq!(lines_with(&output.err, "killed"), 3, "{output:?}");
        assert!(state(rini).is_none());
    }
}

/// Without a grace period it is ten seconds (the machine's tests count them); here, that there is a limit.
#[test]
fn terminate_has_a_grace_period_of_its_own() {
    if !namespaces() {
        return;
    }
    for (mode, limited) in [("terminate", true), ("wait", false)] {
        let mut run = pid1(script(&["--after-exit", mode], r#""$0" signals 12 & read x; exit 3"#)).spawn();
        ready(&mut run, 1);
        let child = children_of(run.pid())[0];
        end_child(&mut run);
        until("the child is reaped", || state(child).is_none());
        if limited {
            assert!(run.line().starts_with("signal 15 "));
        }
        assert_eq!(blocked_in(run.pid())[3] != "0x0", limited);
        kill(run.only_child(), Signal::SIGUSR2).unwrap();
        assert_eq!(run.finish().code(), 3);
    }
}

/// A second SIGTERM is to many programs "at once, and never mind".
#[test]
fn terminate_asks_once() {
    for start in both(&script(&["--after-exit=terminate", "-t", "1h"], r#"setsid "$0" signals 10 & read x; exit 3"#)) {
        let mut run = start.spawn();
        ready(&mut run, 1);
        let child = children_of(run.pid())[0];
        end_child(&mut run);
        assert!(run.line().starts_with("signal 15 "));
        until("the child is reaped", || state(child).is_none());
        // What the engine sends now was asked for already.
        run.signal(libc::SIGTERM);
        run.signal(libc::SIGINT);
        until("rini has taken both", || status_field(run.pid(), "ShdPnd") == "0000000000000000");
        blocked_in(run.pid());
        kill(run.only_child(), Signal::SIGUSR1).unwrap();
        let output = run.finish();
        assert_eq!((output.code(), output.out.len()), (3, 1), "SIGUSR1, and nothing before it: {output:?}");
    }
    // With -g the group has had the signal that ended the child, and the others have not.
    for (mode, signal) in [("terminate", libc::SIGTERM), ("wait", libc::SIGTERM), ("wait", libc::SIGINT)] {
        let words = script(
            &["-g", "--after-exit", mode, "-t", "1h"],
            &format!(r#""$0" signals 10 & setsid "$0" signals {signal} & exec "$0" signals {signal}"#),
        );
        for start in both(&words) {
            let mut run = start.spawn();
            ready(&mut run, 3);
            until_the_next_tick();
            run.signal(signal);
            for _ in 0..3 {
                assert!(run.line().starts_with(&format!("signal {signal} ")));
            }
            until("one is left", || children_of(run.pid()).len() == 1);
            kill(run.only_child(), Signal::SIGUSR1).unwrap();
            let output = run.finish();
            assert_eq!((output.code(), output.out.len()), (0, 1), "SIGUSR1, and nothing before it: {output:?}");
        }
    }
}

/// The kernel says when a process was forked in ticks of 10 ms, so that those of the present one may be asked again.
fn until_the_next_tick() {
    let ticks = || {
        let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).unwrap();
        now.tv_sec() * 100 + now.tv_nsec() / 10_000_000
    };
    let first = ticks();
    until("the next tick has come", || ticks() > first);
}

/// Who was forked into the group after that had been asked has not been asked: what a trap starts, or a program that lives on.
#[test]
fn terminate_asks_those_that_came_into_the_group_after_it_was_asked() {
    let late = r#""$0" signals 10 & trap '"$0" signals 15 & read x; exit 3' TERM; read y; exit 9"#;
    for start in both(&script(&["-g", "--after-exit=terminate", "-t", "1h"], late)) {
        let mut run = start.spawn();
        ready(&mut run, 1);
        until_the_next_tick();
        let child = children_of(run.pid())[0];
        let early = children_of(child)[0];
        run.signal(libc::SIGTERM);
        let mut lines = [run.line(), run.line()];
        lines.sort_unstable();
        assert!(lines[0].starts_with("ready ") && lines[1].starts_with("signal 15 "), "{lines:?}");
        end_child(&mut run);
        // The late one, which ends by it. Without being asked it would be waited for, an hour.
        assert!(run.line().starts_with("signal 15 "));
        until("the early one is left", || children_of(run.pid()) == [early]);
        kill(early, Signal::SIGUSR1).unwrap();
        let output = run.finish();
        assert_eq!((output.code(), output.out.len()), (3, 1), "SIGUSR1, and nothing before it: {output:?}");
    }
}

/// What comes while the last are being killed changes nothing about that.
#[test]
fn a_stop_signal_does_not_save_those_that_are_being_killed() {
    // Each deaf, and the parent of the next: whoever is not PID 1 hears of them one after the other.
    let chain = r#"trap "" TERM INT; setsid sh -c 'setsid sh -c "setsid sleep 1000 & wait" & wait' & read x; exit 3"#;
    for start in both(&script(&["--after-exit=terminate", "-t", "200ms"], chain)) {
        let mut run = start.spawn();
        let mut last = run.pid();
        for _ in 0..4 {
            until("the chain has grown", || !children_of(last).is_empty());
            last = children_of(last)[0];
        }
        until("the last has become sleep", || status_field(last, "Name") == "sleep");
        end_child(&mut run);
        run.err_line_with("rini: WARN killed pid ");
        // PID 1 may be gone already.
        let _ = kill(run.pid(), Signal::SIGTERM);
        let output = run.finish();
        assert_eq!(output.code(), 3);
        until("the last is gone", || matches!(state(last), None | Some('Z')));
    }
}

/// kill(2) passes over processes of another user, in silence. The end of PID 1 does not.
#[test]
fn as_pid_1_another_user_s_process_does_not_outlive_the_grace_period() {
    if !namespaces() || !tools(&["nsenter"]) {
        return;
    }
    let words = script(&["--after-exit=terminate", "-t", "500ms"], "read x; exit 3");
    let mut run = pid1(words).user(65534).spawn();
    let mut guest = run.enter().args(["sh", "-c", r#""$0" signals &"#]).args([probe()]).spawn();
    assert!(guest.line().starts_with("ready "));
    until("rini has adopted it", || children_of(run.pid()).len() == 2);
    end_child(&mut run);
    let output = run.finish();
    assert_eq!((output.code(), output.err.len()), (3, 1), "{output:?}");
    assert!(output.err[0].contains("(probe), which was still there"), "{output:?}");
    assert_eq!(guest.finish().out, [""; 0], "it was not asked, and is gone");
}

/// A process whose first thread has ended looks like a zombie.
#[test]
fn a_process_without_its_first_thread_is_asked_and_killed_too() {
    for (last, asked) in [("15", true), ("", false)] {
        let words = script(
            &["--after-exit=terminate", "-t", if asked { "1h" } else { "300ms" }],
            &format!(r#"setsid "$0" headless {last} & read x; exit 3"#),
        );
        for start in both(&words) {
            let mut run = start.spawn();
            ready(&mut run, 1);
            let other = children_of(children_of(run.pid())[0])[0];
            until("its first thread has ended", || state(other) == Some('Z'));
            end_child(&mut run);
            let output = run.finish();
            assert_eq!(output.code(), 3);
            until("it is gone", || state(other).is_none());
            assert!(!asked || lines_with(&output.out, "signal 15 ") == 1, "{output:?}");
        }
    }
}

/// Each of those that a dead parent leaves behind is told what its parent was told, once.
#[test]
fn terminate_reaches_whoever_is_adopted_later() {
    // Each link of this chain is in a session of its own and does not pass the signal on.
    let chain = r#"(setsid sh -c 'setsid sh -c "setsid \"\$0\" signals 15 & \"\$0\" signals 15; :" "$0" & "$0" signals 15; :' "$0" &); read x; exit 3"#;
    for start in both(&script(&["--after-exit=terminate", "-t", "1h"], chain)) {
        let mut run = start.spawn();
        ready(&mut run, 3);
        end_child(&mut run);
        let output = run.finish();
        assert_eq!(output.code(), 3);
        assert_eq!(lines_with(&output.out, "signal 15 "), 3, "{output:?}");
        assert_eq!(lines_with(&output.err, "rini: "), 0, "{output:?}");
    }
}

#[test]
fn wait_signals_nobody_until_it_is_asked_to() {
    for start in both(&script(&["--after-exit", "wait"], r#"setsid "$0" signals 12 & read x; exit 4"#)) {
        let mut run = start.spawn();
        ready(&mut run, 1);
        let child = children_of(run.pid())[0];
        end_child(&mut run);
        until("the child is reaped", || state(child).is_none());
        let worker = run.only_child();
        // An ordinary signal was for the child. The worker sees what the test sends it, and nothing before that.
        run.signal(libc::SIGHUP);
        run.signal(libc::SIGTERM);
        let line = run.line();
        assert!(line.starts_with("signal 15 code 0 pid "), "{line}");
        run.signal(libc::SIGINT);
        let line = run.line();
        assert!(line.starts_with("signal 2 code 0 pid "), "{line}");
        kill(worker, Signal::SIGUSR2).unwrap();
        let output = run.finish();
        assert_eq!((output.code(), output.out.len(), output.err), (4, 1, vec![]));
    }
}

#[test]
fn wait_ends_by_itself_when_nothing_is_left() {
    for start in both(&script(&["--after-exit=wait"], "exec 3<&0; (setsid sh -c 'read x; echo late' <&3 &) ; exit 4")) {
        let mut run = start.spawn();
        until("only the other is left", || {
            let others = children_of(run.pid());
            let session = |pid| getsid(Some(pid)).ok();
            others.len() == 1 && session(others[0]).is_some() && session(others[0]) != session(run.pid())
        });
        end_child(&mut run);
        let output = run.finish();
        assert_eq!((output.code(), output.out), (4, vec!["late".to_owned()]));
    }
}

#[test]
fn in_wait_the_grace_period_counts_from_the_stop() {
    let words = script(&["--after-exit=wait", "-t", "300ms"], r#"setsid "$0" signals & read x; exit 4"#);
    for start in both(&words) {
        let mut run = start.spawn();
        ready(&mut run, 1);
        let child = children_of(run.pid())[0];
        end_child(&mut run);
        until("the child is reaped", || state(child).is_none());
        assert_eq!(blocked_in(run.pid())[3], "0x0", "no period runs before a stop");
        let asked = Instant::now();
        run.signal(libc::SIGTERM);
        let output = run.finish();
        assert!(asked.elapsed() >= Duration::from_millis(300), "never early");
        assert_eq!((output.code(), output.out.len(), output.err.len()), (4, 1, 1), "{output:?}");
        assert!(output.err[0].contains(" (probe), which was still there "), "{output:?}");
        assert!(output.err[0].contains(" after SIGTERM from "), "{output:?}");
    }
}

/// A stop is the container's: it does not end with the child that had it first.
#[test]
fn in_wait_a_stop_of_the_child_goes_on_to_the_rest() {
    for (options, signal) in [(&["--after-exit=wait"][..], 15), (&["--after-exit=wait", "-r", "TERM:QUIT"], 3)] {
        let words = script(options, &format!(r#"setsid "$0" signals {signal} & exec "$0" signals {signal}"#));
        for start in both(&words) {
            let mut run = start.spawn();
            ready(&mut run, 2);
            run.signal(libc::SIGTERM);
            let output = run.finish();
            assert_eq!(output.code(), 0);
            // The child's by queue, with its sender; the other's by kill.
            assert_eq!(lines_with(&output.out, &format!("signal {signal} code -1 ")), 1, "{output:?}");
            assert_eq!(lines_with(&output.out, &format!("signal {signal} code 0 ")), 1, "{output:?}");
        }
    }
}

#[test]
fn the_status_is_the_child_s_in_every_case() {
    for mode in ["kill", "terminate", "wait"] {
        // How the child ends, and how rini does. The other ends with 5, or by SIGTERM, later.
        for (end, code) in [("exit 3", 3), ("kill -KILL $$", 137), ("kill -USR1 $$", 138), ("exit 0", 0)] {
            let words = script(
                &["--after-exit", mode],
                &format!("exec 3<&0; (setsid sh -c 'read x; exit 5' <&3 >/dev/null 2>&1 &); {end}"),
            );
            for start in both(&words) {
                assert_eq!(start.run().code(), code, "{mode} {end}");
            }
        }
    }
    // Escalation to the child first, and then to what remains: a whole period for each.
    let words = script(&["--after-exit=terminate", "-t", "200ms"], r#"setsid "$0" signals & exec "$0" signals"#);
    for start in both(&words) {
        let mut run = start.spawn();
        ready(&mut run, 2);
        let asked = Instant::now();
        run.signal(libc::SIGTERM);
        let output = run.finish();
        assert!(asked.elapsed() >= Duration::from_millis(400), "never early");
        assert_eq!((output.code(), output.err.len()), (137, 2), "{output:?}");
    }
}

/// Anywhere but in PID 1, "everything" would be the user's whole session.
#[test]
fn a_stranger_of_the_same_user_is_not_touched() {
    let stranger = |session: bool| {
        let start = Start::of(if session { "setsid".into() } else { probe().into_os_string() });
        let mut run = start.args(session.then(probe)).args(["signals", "12"]).spawn();
        ready(&mut run, 1);
        run
    };
    // One in rini's own process group and session, as the test starts both, and one elsewhere.
    let mut strangers = [stranger(false), stranger(true)];
    for (options, worker) in [
        (&["--after-exit=terminate", "-t", "2s"][..], "signals"),
        (&["--after-exit=terminate"], "signals 15"),
        (&["--after-exit=wait", "-t", "2s"], "signals"),
    ] {
        let words = script(options, &format!(r#""$0" {worker} & setsid "$0" {worker} & read x; exit 3"#));
        let mut run = beside(words).spawn();
        ready(&mut run, 2);
        let child = children_of(run.pid())[0];
        end_child(&mut run);
        until("the child is reaped", || state(child).is_none());
        if options.contains(&"--after-exit=wait") {
            run.signal(libc::SIGTERM);
        }
        // The negative control: the workers did get it.
        let output = run.finish();
        assert_eq!((output.code(), lines_with(&output.out, "signal 15 ")), (3, 2), "{output:?}");
    }
    for stranger in &mut strangers {
        stranger.signal(libc::SIGUSR1);
        assert!(stranger.line().starts_with("signal 10 "), "the first that it hears of");
    }
}

/// Who was put into the container from outside (`docker exec`) is in it: PID 1 reaches it too.
#[test]
fn pid_1_reaches_whoever_came_in_from_outside() {
    if !namespaces() || !tools(&["nsenter"]) {
        return;
    }
    let mut run = pid1(script(&["--after-exit=terminate"], r#""$0" signals 12 & read x; exit 3"#)).spawn();
    ready(&mut run, 1);
    let mut visitor = run.inside(&["signals", "15"]);
    ready(&mut visitor, 1);
    end_child(&mut run);
    let line = visitor.line();
    assert!(line.starts_with("signal 15 code 0 pid 1 "), "{line}");
    assert_eq!(visitor.finish().code(), 0);
    assert!(run.line().starts_with("signal 15 "));
    kill(*children_of(run.pid()).last().unwrap(), Signal::SIGUSR2).unwrap();
    assert_eq!(run.finish().code(), 3);
}

/// Without a /proc, or with another namespace's, nobody is named; PID 1 reaches everybody all the same.
#[test]
fn without_proc_pid_1_still_ends_everything() {
    if !namespaces() {
        return;
    }
    let words =
        script(&["--after-exit=terminate", "-t", "2s"], r#"setsid "$0" signals & "$0" signals 15 & read x; exit 3"#);
    let mut run = pid1(words).hide(c"/proc").spawn();
    ready(&mut run, 2);
    end_child(&mut run);
    let output = run.finish();
    assert_eq!((output.code(), lines_with(&output.out, "signal 15 ")), (3, 2), "{output:?}");
}

/// Not PID 1, and nobody else can be found: the group is asked, and in the end rini says so and goes.
#[test]
fn without_proc_whoever_is_not_pid_1_reaches_the_group_and_ends() {
    if !namespaces() {
        return;
    }
    let inner = r#"setsid "$0" signals & "$0" signals 15 & read x; exit 3"#;
    let outer = r#""$0" --after-exit=terminate -t 2s sh -c "$1" "$2"; echo code $?"#;
    let start = Start::of("sh").args(["-c", outer]).args([rini()]).args([inner]).args([probe()]);
    let mut run = start.in_namespace().hide(c"/proc").spawn();
    ready(&mut run, 2);
    end_child(&mut run);
    let output = run.finish();
    assert_eq!((lines_with(&output.out, "signal 15 "), lines_with(&output.out, "code 3")), (1, 1), "{output:?}");
    assert_eq!(output.err, ["rini: WARN what is left cannot be killed: /proc does not show rini its children"]);
}

/// One who cannot be killed would be waited for for ever.
#[test]
fn where_killing_is_refused_rini_says_so_and_ends() {
    if !tools(&["strace"]) {
        return;
    }
    let words = script(&["--after-exit=terminate", "-t", "100ms"], "exec 3<&0; cat <&3 >/dev/null & exit 3");
    let mut run = injecting("kill:error=EPERM").args(words).spawn();
    // Nobody is said to have been killed.
    assert_eq!(run.err_line_with("rini: "), "rini: WARN what is left cannot be killed: Operation not permitted");
    // Only now may the other end.
    drop(run.stdin.take());
    assert_eq!(run.finish().code(), 3);
}

/// A rini that cannot hear of signals could not be asked to end.
#[test]
fn where_signals_cannot_be_waited_for_nothing_is_waited_for_after_the_child() {
    if !tools(&["strace"]) {
        return;
    }
    for mode in ["terminate", "wait"] {
        let words = script(&["--after-exit", mode], "exec 3<&0; cat <&3 >/dev/null 2>&1 & exit 3");
        let mut run = injecting("rt_sigtimedwait:error=EPERM").args(words).spawn();
        let line = run.err_line_with("rini: ");
        assert!(line.contains("cannot wait for signals"), "{line}");
        // Standard input stays open, and `cat` with it: rini does not wait for that.
        until("strace's child has ended", || children_of(run.pid()).is_empty());
        drop(run.stdin.take());
        assert_eq!(run.finish().code(), 3);
    }
}

#[test]
fn a_bad_value_is_refused() {
    for (options, variable, wanted) in [
        (&["--after-exit", "stop"][..], "", r#"--after-exit: "stop" is not kill, terminate or wait"#),
        (&["--after-exit=Kill"], "", r#"--after-exit: "Kill" is not kill, terminate or wait"#),
        (&[], "yes", r#"RINI_AFTER_EXIT: "yes" is not kill, terminate or wait"#),
        (&["--after-exit"], "", "--after-exit: the value is missing; it takes kill, terminate or wait"),
    ] {
        let words = if options == ["--after-exit"] { vec![] } else { vec!["sh", "-c", "echo started"] };
        let output = beside(options.iter().copied().chain(words)).env("RINI_AFTER_EXIT", variable).run();
        assert_eq!((output.code(), output.out, output.err), (1, vec![], vec![format!("rini: ERROR {wanted}")]));
    }
}

/// Many that are all asked, and all go.
#[test]
fn a_thousand_are_asked_and_reaped() {
    let words = script(
        &["--after-exit=terminate", "-t", "1h"],
        r#"i=0; while [ $i -lt 1000 ]; do setsid sleep 1000 >/dev/null 2>&1 & i=$((i+1)); done; read x; exit 3"#,
    );
    for start in both(&words) {
        let mut run = start.env("RINI_LOG", "info").spawn();
        until("there is a child", || children_of(run.pid()).len() == 1);
        let child = run.only_child();
        until("it has a thousand of its own", || children_of(child).len() == 1000);
        end_child(&mut run);
        let output = run.finish();
        assert_eq!(output.code(), 3);
        let closing = output.err.last().unwrap();
        assert!(closing.ends_with("signals forwarded: 0, orphans reaped: 1000"), "{closing}");
    }
}
