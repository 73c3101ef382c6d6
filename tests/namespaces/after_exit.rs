//! `--after-exit`: what becomes of the other processes when the child has ended.

use crate::support::{
    Output, Running, Start, beside, blocked_in, called, can_enter, children_of, copy_executable, injecting, namespaces,
    pid1, probe, probing, rini, seconds_before_kill, state, status_field, tools, until,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getsid};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Waits until a shell is in its `read`. A signal right before the system call would run the shell's trap behind it.
fn until_it_reads(shell: Pid) {
    until("the shell reads", || blocked_in(shell).first() == Some(&libc::SYS_read.to_string()));
}

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

/// The kernel kills leftover processes with PID 1. rini waits for none of them, but names them.
#[test]
fn by_default_leftover_processes_are_left_to_the_kernel_and_named() {
    if !namespaces() {
        return;
    }
    for (options, variable) in [(&[][..], ""), (&["--after-exit", "kill"], "wait"), (&["--after-exit=kill"], "")] {
        let words = script(options, r#""$0" signals & read x; exit 3"#);
        let mut run = pid1(words).env("RINI_AFTER_EXIT", variable).spawn();
        let pid = run.line().strip_prefix("ready ").unwrap().to_owned();
        end_child(&mut run);
        let Output { status, out, err } = run.finish();
        let line = format!(
            "rini: WARN leftover processes get SIGKILL, as the container ends: pid {pid} (probe); --after-exit terminate \
             gives them SIGTERM and the rest of the grace period"
        );
        assert_eq!((status.code(), out, err), (Some(3), vec![], vec![line]), "nobody was asked, and nobody waited for");
    }
    // A process that `docker exec` starts is not a child of rini. It ends with PID 1 too, and alone it is named only at info.
    for level in ["warn", "info"] {
        if !can_enter() {
            return;
        }
        let mut run = pid1(script(&[], "echo ready; read x; exit 3")).env("RINI_LOG", level).spawn();
        run.expect("ready");
        let mut guest = run.inside(&["signals"]);
        let pid = guest.line().strip_prefix("ready ").unwrap().to_owned();
        end_child(&mut run);
        let output = run.finish();
        let named = format!("as the container ends: pid {pid} (probe); ");
        assert_eq!((output.code(), lines_with(&output.err, &named)), (3, usize::from(level == "info")), "{output:?}");
        assert!(level == "info" || output.err.is_empty(), "{output:?}");
    }
    // Beside a child of rini it is named too.
    let mut run = pid1(script(&[], r#""$0" signals & read x; exit 3"#)).spawn();
    let child = run.line().strip_prefix("ready ").unwrap().to_owned();
    let mut guest = run.inside(&["signals"]);
    let pid = guest.line().strip_prefix("ready ").unwrap().to_owned();
    end_child(&mut run);
    let output = run.finish();
    let named = format!("as the container ends: pid {child} (probe), pid {pid} (probe); ");
    assert_eq!((output.code(), lines_with(&output.err, &named)), (3, 1), "{output:?}");
    // The negative controls: nobody is left, or only a zombie, or the level is too low.
    assert_eq!(pid1(script(&[], "exit 3")).run().err, [""; 0]);
    let mut run = pid1(script(&[], r#"(exit 0) & exec "$0" signals 15"#)).spawn();
    ready(&mut run, 1);
    until("there is a zombie", || children_of(run.only_child()).iter().any(|child| state(*child) == Some('Z')));
    run.signal(libc::SIGTERM);
    assert_eq!(run.finish().err, [""; 0]);
    let words = script(&[], r#""$0" signals & read x; exit 3"#);
    let mut run = pid1(words).env("RINI_LOG", "error").spawn();
    ready(&mut run, 1);
    end_child(&mut run);
    assert_eq!(run.finish().err, [""; 0]);
}

/// Users of other inits are used to silence here.
#[test]
fn under_another_name_leftover_processes_are_named_at_info() {
    if !namespaces() {
        return;
    }
    for name in ["tini", "docker-init", "dumb-init", "catatonit"] {
        for level in ["", "info"] {
            let words = script(&["--"], r#""$0" signals & read x; exit 3"#);
            let start = called(name).in_namespace().args(words);
            let mut run = start.env("RINI_LOG", level).spawn();
            let pid = run.line().strip_prefix("ready ").unwrap().to_owned();
            end_child(&mut run);
            let output = run.finish();
            let list =
                format!("leftover processes get SIGKILL, as the container ends: pid {pid} (probe); RINI_AFTER_EXIT=");
            let count = if level == "info" { 1 } else { 0 };
            assert_eq!((output.code(), lines_with(&output.err, &list)), (3, count), "{name}: {output:?}");
            assert!(count == 1 || output.err.is_empty(), "{name}: {output:?}");
        }
    }
}

/// A rini that is not PID 1 kills nobody by its exit.
#[test]
fn beside_other_processes_leftover_processes_are_said_to_keep_running() {
    for (options, count) in [(&["-v"][..], 1), (&[], 0)] {
        let mut run = beside(script(options, r#""$0" signals & read x; exit 3"#)).spawn();
        let pid = run.line().strip_prefix("ready ").unwrap().to_owned();
        let leftover = Pid::from_raw(pid.parse().unwrap());
        end_child(&mut run);
        // The leftover process holds the pipes, so their ends do not come yet.
        until("rini has exited", || state(run.pid()) == Some('Z'));
        assert!(!matches!(state(leftover), None | Some('Z')), "it keeps running");
        kill(leftover, Signal::SIGKILL).unwrap();
        let output = run.finish();
        let list = format!("rini: INFO leftover processes keep running: pid {pid} (probe); RINI_AFTER_EXIT=");
        assert_eq!((output.code(), lines_with(&output.err, &list)), (3, count), "{output:?}");
        assert!(count == 1 || output.err.is_empty(), "{output:?}");
    }
    // The negative control: nobody is left.
    let output = beside(script(&["-v"], "exit 3")).run();
    assert_eq!(lines_with(&output.err, "leftover"), 0, "{output:?}");
}

/// The list of leftover processes in rini's messages.
fn list_in(output: &Output) -> &str {
    let line = output.err.iter().find(|line| line.contains("leftover processes get SIGKILL")).unwrap();
    line.split_once("ends").unwrap().1.rsplit_once(';').unwrap().0
}

#[test]
fn of_many_leftover_processes_eight_are_named() {
    if !namespaces() {
        return;
    }
    // rini looks at no more than a thousand.
    let cases = [
        (8, ""),
        (9, " and at least 1 more"),
        (50, " and at least 42 more"),
        (300, " and at least 292 more"),
        (1200, " and at least 992 more"),
    ];
    for (count, more) in cases {
        let mut run = pid1(probing(&[], &["many", &count.to_string()])).spawn();
        run.expect(&format!("made {count}"));
        end_child(&mut run);
        let output = run.finish();
        let list = list_in(&output);
        let (names, rest) = list.split_at(list.rfind(')').unwrap() + 1);
        assert_eq!(names.split(", ").filter(|name| name.ends_with(" (probe)")).count(), 8, "{list}");
        assert_eq!(rest, more, "{list}");
    }
}

#[test]
fn the_name_of_a_leftover_process_stays_on_its_line() {
    if !namespaces() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let odd = folder.path().join("a\n\u{1b}[2Jb");
    copy_executable(&probe(), &odd);
    let words = ["sh", "-c", r#""$0" signals & read x; exit 3"#].map(OsString::from);
    let mut run = pid1(words.into_iter().chain([odd.into_os_string()])).spawn();
    ready(&mut run, 1);
    end_child(&mut run);
    let output = run.finish();
    assert_eq!(output.err.len(), 1, "{output:?}");
    assert!(list_in(&output).ends_with(r" (a\n\x1B[2Jb)"), "{output:?}");
}

/// Without the numbers of its own namespace, rini names nobody. It says all the same that leftover processes are killed.
#[test]
fn without_its_own_proc_rini_names_no_leftover_process() {
    if !namespaces() || !tools(&["unshare"]) {
        return;
    }
    let words = script(&[], r#""$0" signals & read x; exit 3"#);
    let outside = Start::of("unshare").args(["--pid", "--fork", "--kill-child"]).args([rini()]).args(&words);
    for start in [pid1(&words).hide(c"/proc"), outside] {
        let mut run = start.spawn();
        ready(&mut run, 1);
        end_child(&mut run);
        let output = run.finish();
        assert_eq!((output.err.len(), list_in(&output)), (1, ""), "{output:?}");
    }
}

/// In another role than PID 1, rini counts its own children only. So process 2 may look like a thread of the kernel, which is in group 0
/// too.
#[test]
fn beside_another_pid_1_leftover_processes_are_reported_without_proc() {
    if !namespaces() || !tools(&["unshare"]) {
        return;
    }
    let said = |left: &str| {
        let words = format!(r#"sleep 1000 & "$0" -v sh -c "{left}"; exit 5"#);
        let start = Start::of("unshare").args(["--pid", "--fork", "--kill-child", "sh", "-c", &words]).args([rini()]);
        let output = start.run();
        assert_eq!(output.code(), 5, "{output:?}");
        lines_with(&output.err, "leftover processes keep running; RINI_AFTER_EXIT=terminate")
    };
    assert_eq!(said("sleep 1000 & exit 0"), 1);
    // The negative control: nobody is left.
    assert_eq!(said("exit 0"), 0);
}

/// The kernel passes over zombies in this look, so one system call tells that there is nobody.
#[test]
fn if_nobody_is_left_rini_makes_one_system_call_to_know_it() {
    if !tools(&["strace"]) {
        return;
    }
    let calls = |program: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        let strace = Start::of("strace").args(["-qq", "-o"]).args([file.path()]).args([rini()]);
        strace.args(["-v", "sh", "-c", program]).run();
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let reaped = lines.iter().rposition(|line| line.contains("si_code=CLD_EXITED") && line.starts_with("waitid("));
        lines[reaped.unwrap() + 1..].to_vec()
    };
    let is_of_proc = |line: &String| line.contains("\"/proc");
    let nobody = calls("exit 0");
    let looks = nobody.iter().filter(|line| line.starts_with("waitid(")).collect::<Vec<_>>();
    assert!(looks.len() == 1 && looks[0].contains("ECHILD"), "{nobody:?}");
    assert!(!nobody.iter().any(is_of_proc), "{nobody:?}");
    // The negative control: somebody is left.
    let somebody = calls("sleep 2 >/dev/null 2>&1 & exit 0");
    assert!(somebody.iter().any(is_of_proc), "{somebody:?}");
}

/// `terminate` and `wait` name the processes for which rini stays.
#[test]
fn at_info_rini_names_the_processes_for_which_it_stays() {
    for mode in ["terminate", "wait"] {
        for (level, count) in [("info", 1), ("warn", 0)] {
            let words = script(&["--after-exit", mode], r#"setsid "$0" signals 15 & read x; exit 3"#);
            for start in both(&words) {
                let mut run = start.env("RINI_LOG", level).spawn();
                let pid = run.line().strip_prefix("ready ").unwrap().to_owned();
                let child = children_of(run.pid())[0];
                end_child(&mut run);
                until("the child is reaped", || state(child).is_none());
                if mode == "wait" {
                    run.signal(libc::SIGTERM);
                }
                let output = run.finish();
                let list = format!("rini: INFO waiting for leftover processes: pid {pid} (probe)");
                let listed = output.err.iter().filter(|line| **line == list).count();
                assert_eq!((output.code(), listed), (3, count), "{mode} {level}: {output:?}");
                assert_eq!(lines_with(&output.err, "still waiting"), 0, "{output:?}");
            }
        }
        // The negative control: nobody is left.
        let output = beside(script(&["-v", "--after-exit", mode], "exit 3")).run();
        assert_eq!(lines_with(&output.err, "waiting"), 0, "{output:?}");
    }
}

/// A container that does not end, because one of its processes does not.
#[test]
fn after_10_seconds_rini_says_once_for_which_processes_it_waits() {
    let words = script(&["-v", "--after-exit", "wait"], r#""$0" signals & "$0" signals & read x; exit 3"#);
    let mut runs: Vec<_> = both(&words).into_iter().map(Start::spawn).collect();
    let pids: Vec<Vec<_>> = runs
        .iter_mut()
        .map(|run| (0..2).map(|_| run.line().strip_prefix("ready ").unwrap().to_owned()).collect())
        .collect();
    let begin = Instant::now();
    runs.iter_mut().for_each(end_child);
    for (run, pids) in runs.iter_mut().zip(&pids) {
        let line = run.err_line_with("still waiting");
        assert!(begin.elapsed() >= Duration::from_secs(10), "never early");
        assert!(line.starts_with("rini: INFO still waiting for leftover processes after 10s: "), "{line}");
        assert!(pids.iter().all(|pid| line.contains(&format!("pid {pid} (probe)"))), "{line}");
    }
    for run in runs {
        // The next wake-up comes with the end of the first process.
        let children = children_of(run.pid());
        children.iter().for_each(|child| kill(*child, Signal::SIGKILL).unwrap());
        let output = run.finish();
        assert_eq!((output.code(), lines_with(&output.err, "waiting")), (3, 0), "once: {output:?}");
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

/// Without a grace period it is ten seconds. `wait` has none.
#[test]
fn terminate_has_a_grace_period_of_its_own() {
    if !namespaces() {
        return;
    }
    let start = |mode| {
        let mut run = pid1(script(&["--after-exit", mode], r#""$0" signals 12 & read x; exit 3"#)).spawn();
        ready(&mut run, 1);
        let child = children_of(run.pid())[0];
        end_child(&mut run);
        until("the child is reaped", || state(child).is_none());
        run
    };
    let waiting = start("wait");
    let begin = Instant::now();
    let mut run = start("terminate");
    assert!(run.line().starts_with("signal 15 "));
    let output = run.finish();
    assert!(begin.elapsed() >= Duration::from_secs(10), "never early");
    assert_eq!((output.code(), output.err.len()), (3, 1), "{output:?}");
    kill(waiting.only_child(), Signal::SIGUSR2).unwrap();
    let output = waiting.finish();
    assert_eq!((output.code(), output.out.len(), output.err), (3, 1, vec![]));
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
    let late = r#"trap '"$0" signals 15 & read x; exit 3' TERM; "$0" signals 10 & read y; exit 9"#;
    for start in both(&script(&["-g", "--after-exit=terminate", "-t", "1h"], late)) {
        let mut run = start.spawn();
        ready(&mut run, 1);
        until_the_next_tick();
        let child = children_of(run.pid())[0];
        let early = children_of(child)[0];
        until_it_reads(child);
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

/// PID 1 cannot ask everybody at one moment where the group has been asked already.
#[test]
fn terminate_misses_nobody_who_is_forked_meanwhile() {
    if !namespaces() {
        return;
    }
    for options in [&["--after-exit=terminate", "-t", "10s"][..], &["-g", "--after-exit=terminate", "-t", "10s"]] {
        let mut run = pid1(probing(options, &["forker", "300"])).spawn();
        run.expect("ready");
        run.signal(libc::SIGTERM);
        let output = run.finish();
        let born: usize = output.out.iter().find_map(|line| line.strip_prefix("born ")).unwrap().parse().unwrap();
        let asked = lines_with(&output.out, "asked");
        // One may have been born and not counted.
        assert!((born..=born + 1).contains(&asked), "{options:?}: {asked} of {born} were asked");
        // The program itself has no handler.
        assert_eq!((output.code(), output.err), (143, vec![]), "{options:?}");
    }
}

/// The negative control of looking again: a process that was forked by one that had been asked may be what that one needs to end.
#[test]
fn terminate_does_not_ask_what_a_process_starts_in_order_to_end() {
    if !namespaces() {
        return;
    }
    let leftover = r#"trap '"$0" signals 10; exit' TERM; echo waits; while :; do sleep 1000 & wait; done"#;
    let words = script(
        &["-g", "--after-exit=terminate", "-t", "1h"],
        r#"setsid sh -c "$LEFTOVER" "$0" & exec "$0" signals 15"#,
    );
    let mut run = pid1(words).env("LEFTOVER", leftover).spawn();
    let mut first = [run.line(), run.line()];
    first.sort_unstable();
    assert!(first[0].starts_with("ready ") && first[1] == "waits", "{first:?}");
    let child = children_of(run.pid())[0];
    let leftover = children_of(child)[0];
    // A child of the shell that has not become `sleep` yet would still have the shell's trap.
    until("its sleep runs", || children_of(leftover).iter().any(|sleep| status_field(*sleep, "Name") == "sleep"));
    run.signal(libc::SIGTERM);
    let mut lines = [run.line(), run.line()];
    lines.sort_unstable();
    assert!(lines[0].starts_with("ready ") && lines[1].starts_with("signal 15 "), "{lines:?}");
    until("rini has asked, and waits", || children_of(run.pid()) == [leftover] && state(run.pid()) == Some('S'));
    let helper = *children_of(leftover).last().unwrap();
    kill(helper, Signal::SIGUSR1).unwrap();
    let output = run.finish();
    assert_eq!((output.code(), output.out.len()), (0, 1), "SIGUSR1, and nothing before it: {output:?}");
}

/// Who is forked between the stop of the group and rini's next step is not taken for one that was there.
#[test]
fn the_time_of_the_group_s_stop_is_taken_before_it() {
    if !tools(&["strace"]) {
        return;
    }
    let late = r#"trap '"$0" signals 15 & read x; exit 3' TERM; echo waits; read y; exit 9"#;
    let words = script(&["-g", "--after-exit=terminate", "-t", "1h"], late);
    let mut run = injecting("clock_gettime:delay_enter=300000").args(words).spawn();
    run.expect("waits");
    let rini = run.only_child();
    kill(rini, Signal::SIGTERM).unwrap();
    ready(&mut run, 1);
    end_child(&mut run);
    assert!(run.line().starts_with("signal 15 "));
    assert_eq!(run.finish().code(), 3);
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
    if !can_enter() {
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
    let is_told = |begin| output.err[0].starts_with(begin) && output.err[0].contains("(probe), and the grace period");
    assert!(is_told("rini: ERROR cannot kill pid "), "{output:?}");
    assert_eq!(guest.finish().out, [""; 0], "it was not asked, and is gone");
}

/// With `hidepid`, /proc shows a user no process of another user. The list is shorter then, and never wrong.
#[test]
fn leftover_processes_that_proc_hides_are_not_named() {
    if !can_enter() {
        return;
    }
    for hides in [true, false] {
        for has_own in [true, false] {
            let program = if has_own { r#""$0" signals & read x; exit 3"# } else { "read x; exit 3" };
            let mut run = pid1(script(&[], program)).user(65534).spawn();
            let own = has_own.then(|| run.line().strip_prefix("ready ").unwrap().to_owned());
            if hides {
                assert_eq!(run.enter().args(["mount", "-o", "remount,hidepid=2", "/proc"]).run().code(), 0);
            }
            let mut guest = run.enter().args(["sh", "-c", r#""$0" signals &"#]).args([probe()]).spawn();
            let other = guest.line().strip_prefix("ready ").unwrap().to_owned();
            until("rini has adopted it", || children_of(run.pid()).len() == 2);
            end_child(&mut run);
            let output = run.finish();
            let own = own.map(|pid| format!("pid {pid} (probe)"));
            let other = (!hides).then(|| format!("pid {other} (probe) of another user"));
            let shown = own.into_iter().chain(other).collect::<Vec<_>>().join(", ");
            let line = format!("rini: WARN leftover processes get SIGKILL, as the container ends: {shown}; ");
            assert_eq!(output.code(), 3);
            match &output.err[..] {
                [] => assert!(shown.is_empty(), "{line}"),
                [only] => assert!(only.starts_with(&line) && !shown.is_empty(), "{only}, and not {line}"),
                _ => panic!("{output:?}"),
            }
            assert_eq!(guest.finish().out, [""; 0], "it is gone, whether it was named or not");
        }
    }
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

/// All threads of a process: their pids.
fn threads_of(pid: Pid) -> Vec<Pid> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    entries.map(|entry| Pid::from_raw(entry.unwrap().file_name().to_str().unwrap().parse().unwrap())).collect()
}

#[test]
fn a_process_without_its_first_thread_is_continued_and_named_too() {
    for (last, options) in
        [("15", &["--after-exit=terminate", "-t", "1h"]), ("", &["--after-exit=terminate", "-t", "1s"])]
    {
        let words = script(options, &format!(r#"setsid "$0" headless {last} & read x; exit 3"#));
        for start in both(&words) {
            let mut run = start.spawn();
            ready(&mut run, 1);
            let other = children_of(children_of(run.pid())[0])[0];
            until("its first thread has ended", || state(other) == Some('Z'));
            kill(other, Signal::SIGSTOP).unwrap();
            until("the other is stopped", || threads_of(other).into_iter().any(|thread| state(thread) == Some('T')));
            end_child(&mut run);
            let output = run.finish();
            assert_eq!((output.code(), lines_with(&output.out, "signal 15 ")), (3, 1), "{output:?}");
            let killed = lines_with(&output.err, " (probe), which was still there ");
            assert_eq!(killed, usize::from(last.is_empty()), "{output:?}");
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
}

/// The processes that rini says that it killed, in order of their pids.
fn killed(output: &Output) -> Vec<String> {
    let named = |line: &String| Some(line.strip_prefix("rini: WARN killed pid ")?.split_once(' ')?.0.to_owned());
    let mut killed: Vec<_> = output.err.iter().filter_map(named).collect();
    killed.sort_unstable();
    killed
}

/// A stop has one deadline. At the deadline rini kills the program and all leftover processes, and names each.
#[test]
fn at_the_deadline_the_program_and_all_leftover_processes_are_killed_and_named() {
    let program = r#""$0" signals & setsid "$0" signals & (setsid "$0" signals &); exec "$0" signals"#;
    for mode in ["terminate", "wait"] {
        for options in [&["-t", "500ms"][..], &["-g", "-t", "500ms"]] {
            let words = script(&[&["--after-exit", mode], options].concat(), program);
            for start in both(&words) {
                let mut run = start.spawn();
                let mut pids: Vec<_> = (0..4).map(|_| run.line().strip_prefix("ready ").unwrap().to_owned()).collect();
                pids.sort_unstable();
                let asked = Instant::now();
                run.signal(libc::SIGTERM);
                let output = run.finish();
                assert!(asked.elapsed() >= Duration::from_millis(500), "never early");
                assert_eq!((output.code(), killed(&output)), (137, pids), "{mode} {options:?}: {output:?}");
                // There was no time left in which leftover processes could have acted on a signal.
                let heard = if options[0] == "-g" { 2 } else { 1 };
                assert!(lines_with(&output.out, "signal 15 ") <= heard, "{output:?}");
            }
        }
    }
    // The negative control: `kill` leaves leftover processes to the kernel, and rini names them in one line. No option would
    // give them more time, so none is named.
    for options in [&["-t", "200ms"][..], &["-g", "-t", "200ms"]] {
        if !namespaces() {
            return;
        }
        let mut run = pid1(script(options, program)).spawn();
        ready(&mut run, 4);
        run.signal(libc::SIGTERM);
        let output = run.finish();
        assert_eq!((output.code(), output.err.len(), killed(&output).len()), (137, 2, 1), "{output:?}");
        let line = &output.err[1];
        assert!(line.starts_with("rini: WARN leftover processes get SIGKILL, as the container ends: pid "), "{line}");
        assert!(line.matches("(probe)").count() == 3 && line.ends_with("(probe)"), "{line}");
    }
}

/// When the program ends, its leftover processes get the rest of the grace period, and no second one.
#[test]
fn leftover_processes_share_the_deadline_of_the_stop() {
    let grace = Duration::from_secs(4);
    let starts = ["terminate", "wait"].into_iter().flat_map(|mode| {
        both(&script(&["--after-exit", mode, "-t", "4s"], r#"setsid "$0" signals & exec "$0" signals 12"#))
    });
    let mut runs: Vec<_> = starts.map(|start| start.spawn()).collect();
    for run in &mut runs {
        ready(run, 2);
    }
    let children: Vec<_> = runs.iter().map(|run| children_of(run.pid())[0]).collect();
    let asked = Instant::now();
    runs.iter().for_each(|run| run.signal(libc::SIGTERM));
    until("half of the period is over", || asked.elapsed() > grace / 2);
    children.iter().for_each(|child| kill(*child, Signal::SIGUSR2).unwrap());
    let outputs: Vec<_> = runs.into_iter().map(Running::finish).collect();
    assert!(asked.elapsed() >= grace, "never early");
    for output in outputs {
        // The worker got SIGTERM when the program had ended.
        assert_eq!(lines_with(&output.out, "signal 15 "), 2, "{output:?}");
        assert_eq!((output.code(), output.err.len()), (0, 1), "{output:?}");
        // The line has the time since the stop signal: the grace period, and not half a period more.
        assert!((3.5..6.0).contains(&seconds_before_kill(&output.err[0])), "{output:?}");
        assert!(output.err[0].contains(" (probe), which was still there "), "{output:?}");
        assert!(output.err[0].contains("s after SIGTERM from "), "{output:?}");
    }
}

/// A process in an uninterruptible system call ends later, or never. strace makes rini believe that it has sent SIGKILL.
#[test]
fn rini_does_not_wait_for_ever_for_a_process_that_cannot_be_killed() {
    if !tools(&["strace"]) {
        return;
    }
    let still_there = "rini: ERROR a process is still there 1s after the grace period; rini exits without it";
    // The program; a leftover process, which here gets no SIGTERM either; and a program that rini may not kill.
    for (fault, words, code) in [
        ("kill:retval=0", probing(&["-t", "200ms"], &["signals"]), 137),
        ("kill:retval=0", script(&["--after-exit=terminate", "-t", "200ms"], r#"setsid "$0" signals & exit 3"#), 3),
        ("kill:error=EPERM", probing(&["-t", "200ms"], &["signals"]), 137),
    ] {
        let mut run = injecting(fault).args(&words).spawn();
        let survivor = Pid::from_raw(run.line().strip_prefix("ready ").unwrap().parse().unwrap());
        let begin = Instant::now();
        if code == 137 {
            kill(run.only_child(), Signal::SIGTERM).unwrap();
        }
        let first = if fault.ends_with("EPERM") { "cannot kill pid " } else { "killed pid " };
        run.err_line_with(&format!("{first}{survivor} (probe)"));
        assert_eq!(run.err_line_with("rini: "), still_there);
        assert!(code == 3 || begin.elapsed() >= Duration::from_millis(1200), "never early");
        assert!(state(survivor).is_some(), "it lives on");
        kill(survivor, Signal::SIGKILL).unwrap();
        assert_eq!(run.finish().code(), code);
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
    if !can_enter() {
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

/// Nobody can say then who is stopped.
#[test]
fn without_proc_those_that_are_stopped_are_continued_too() {
    if !namespaces() {
        return;
    }
    let words = script(&["--after-exit=terminate", "-t", "1h"], r#"setsid "$0" signals 15 & read x; exit 3"#);
    let mut run = pid1(words).hide(c"/proc").spawn();
    ready(&mut run, 1);
    let other = children_of(children_of(run.pid())[0])[0];
    kill(other, Signal::SIGSTOP).unwrap();
    until("it is stopped", || state(other) == Some('T'));
    end_child(&mut run);
    let output = run.finish();
    assert_eq!((output.code(), lines_with(&output.out, "signal 15 ")), (3, 1), "{output:?}");
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
    assert_eq!(output.err, ["rini: WARN leftover processes cannot be killed: /proc does not show rini its children"]);
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
    assert_eq!(run.err_line_with("rini: "), "rini: WARN leftover processes cannot be killed: Operation not permitted");
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
        let words = script(&["--after-exit", mode], "read go; exec 3<&0; cat <&3 >/dev/null 2>&1 & exit 3");
        let mut run = injecting("rt_sigtimedwait:error=EPERM").args(words).spawn();
        let line = run.err_line_with("rini: ");
        assert!(line.contains("cannot wait for signals"), "{line}");
        // The script may end only now, because rini does not wait if its child has ended already.
        run.write_line("go");
        // Standard input stays open, and `cat` with it: rini does not wait for that.
        until("strace's child has ended", || children_of(run.pid()).is_empty());
        drop(run.stdin.take());
        assert_eq!(run.finish().code(), 3);
    }
}

/// Where the whole group gets the stop signal, its processes know of the stop, and the line would only be noise.
#[test]
fn leftover_processes_of_a_group_that_got_the_signal_are_named_at_info() {
    if !namespaces() {
        return;
    }
    let said = |options: &[&str]| {
        // A worker that outlives the script: it needs no time to end, but it ignores the signal.
        let script = "trap 'exit 3' TERM; (trap '' TERM; exec sleep 1000) & echo ready; while :; do wait; done";
        let mut run = pid1(options.iter().chain(&["bash", "-c", script])).spawn();
        run.expect("ready");
        // By then it ignores the signal.
        let is_sleep = |worker: Option<&Pid>| worker.is_some_and(|worker| status_field(*worker, "Name") == "sleep");
        until("the worker sleeps", || is_sleep(children_of(run.only_child()).first()));
        run.signal(libc::SIGTERM);
        let output = run.finish();
        assert_eq!(output.code(), 3, "{output:?}");
        output.err.into_iter().filter(|line| line.contains("leftover processes")).collect::<Vec<_>>()
    };
    assert_eq!(said(&["-g"]), [""; 0]);
    let lines = said(&["-g", "-v"]);
    assert!(lines.len() == 1 && lines[0].starts_with("rini: INFO leftover processes get SIGKILL, as"), "{lines:?}");
    // The negative control: without the group, it is a warning.
    let lines = said(&[]);
    assert!(lines.len() == 1 && lines[0].starts_with("rini: WARN leftover processes get SIGKILL, as"), "{lines:?}");
}

#[test]
fn a_bad_value_is_refused() {
    for (options, variable, wanted) in [
        (&["--after-exit", "stop"][..], "", r#"--after-exit: "stop" is not kill, terminate or wait"#),
        (&["--after-exit=Kills"], "", r#"--after-exit: "Kills" is not kill, terminate or wait"#),
        (&[], "yes", r#"RINI_AFTER_EXIT: "yes" is not kill, terminate or wait"#),
        (&["--after-exit"], "", "--after-exit: the value is missing; it takes kill, terminate or wait"),
    ] {
        let words = if options == ["--after-exit"] { vec![] } else { vec!["sh", "-c", "echo started"] };
        let output = beside(options.iter().copied().chain(words)).env("RINI_AFTER_EXIT", variable).run();
        assert_eq!((output.code(), output.out, output.err), (1, vec![], vec![format!("rini: ERROR {wanted}")]));
    }
}

/// As where the machine has no memory left (vm.overcommit_memory=2), from one moment on.
#[test]
fn without_memory_everybody_is_asked_all_the_same() {
    for mode in
        [&["--after-exit=terminate"][..], &["-g", "--after-exit=terminate"], &["-vvv", "--after-exit=terminate"]]
    {
        let words = probing(&[mode, &["-t", "1h"]].concat(), &["many", "300"]);
        for start in [beside(&words)].into_iter().chain(namespaces().then(|| pid1(&words))) {
            let mut run = start.spawn();
            run.expect("made 300");
            let size = status_field(run.pid(), "VmSize");
            let bytes = size.strip_suffix(" kB").unwrap().parse::<libc::rlim_t>().unwrap() * 1024;
            let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
            // SAFETY: a system call on numbers, and a limit that outlives it.
            let set =
                unsafe { libc::prlimit(run.pid().as_raw(), libc::RLIMIT_AS, &raw const limit, std::ptr::null_mut()) };
            assert_eq!(set, 0);
            let signalled = mode.contains(&"-g");
            if signalled {
                run.signal(libc::SIGTERM);
            } else {
                end_child(&mut run);
            }
            assert_eq!(run.finish().code(), if signalled { 143 } else { 3 }, "{mode:?}");
        }
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

/// Nobody is left for whom they would change anything; whoever looks for the reason finds it.
#[test]
fn a_signal_that_is_not_forwarded_leaves_a_line() {
    if !namespaces() {
        return;
    }
    let not_forwarded =
        |name: &str, why: &str| format!("rini: INFO {name} from outside the container, not forwarded: {why}");
    let start = |what: &str| {
        let mut run = pid1(script(&["-v", "--after-exit", what], r#""$0" signals 10 & read x; exit 3"#)).spawn();
        ready(&mut run, 1);
        end_child(&mut run);
        run.err_line_with("waiting for leftover processes");
        run
    };
    // The reload of a program that has left its successor behind and ended.
    let mut run = start("wait");
    for (signal, name) in [(libc::SIGHUP, "SIGHUP"), (libc::SIGUSR2, "SIGUSR2"), (40, "SIGRTMIN+6"), (18, "SIGCONT")] {
        run.signal(signal);
        assert_eq!(run.err_line(), not_forwarded(name, "the program has exited"));
    }
    // The stop goes to the leftover processes, and counts as forwarded.
    run.signal(libc::SIGTERM);
    assert!(run.line().starts_with("signal 15 "));
    assert_eq!(run.err_line(), "rini: INFO SIGTERM from outside the container, forwarded to the leftover processes");
    for probe in children_of(run.pid()) {
        kill(probe, Signal::SIGUSR1).unwrap();
    }
    let output = run.finish();
    let end = output.err.last().unwrap();
    assert!(end.contains("signals forwarded: 1,"), "{output:?}");

    // rini has asked them itself.
    let mut run = start("terminate");
    assert_eq!(run.err_line(), "rini: INFO SIGTERM sent to the leftover processes");
    run.signal(libc::SIGTERM);
    assert_eq!(run.err_line(), not_forwarded("SIGTERM", "the leftover processes have got a stop signal already"));
    run.signal(libc::SIGHUP);
    assert_eq!(run.err_line(), not_forwarded("SIGHUP", "the program has exited"));

    let mut run = pid1(["-vv", "--pause"]).spawn();
    run.err_line_with("paused");
    run.signal(libc::SIGHUP);
    assert_eq!(run.err_line(), not_forwarded("SIGHUP", "--pause runs no program"));
    // The negative control: what is forwarded says so.
    let mut run = pid1(script(&["-v"], r#"exec "$0" signals"#)).spawn();
    ready(&mut run, 1);
    run.signal(libc::SIGHUP);
    assert!(run.err_line().contains("SIGHUP from outside the container, forwarded to pid "));
}

/// An orphan comes to a subreaper without a signal where its parent was reaped by somebody who lives on; and a child that was made
/// with CLONE_AUTOREAP (Linux 7.1) ends without one. While rini waits for leftover processes it looks again after 10 s.
#[test]
fn while_it_waits_for_leftover_processes_rini_looks_again_by_itself() {
    let mut run = beside(probing(&["-v", "--after-exit", "terminate", "-t", "1h"], &["silent"])).spawn();
    ready(&mut run, 1);
    run.err_line_with("SIGTERM sent to the leftover processes");
    until("rini waits for a limited time", || {
        let call = blocked_in(run.pid());
        call.first().is_some_and(|number| *number == libc::SYS_rt_sigtimedwait.to_string()) && call[3] != "0x0"
    });
    // Its parent ends, and is reaped; only a look tells rini that it has a child more.
    end_child(&mut run);
    assert!(run.line().starts_with("signal 15 "));
    // The negative control is an_idle_rini_waits_without_a_time_limit: with a program that runs it wakes up for nothing.
}

/// The block of docs/stopping.md about CI jobs, word by word. Another test checks its exit code; this one, that nothing runs on.
#[test]
fn what_a_ci_job_leaves_running_is_gone_when_rini_exits() {
    if !namespaces() {
        return;
    }
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/stopping.md")).unwrap();
    let (_, block) = page.split_once("**CI jobs.**").unwrap();
    let block = block.split_once("```sh\n").and_then(|(_, block)| block.split_once("```")).unwrap().0;
    let recipe = "rini --after-exit terminate -t 5s -- sh test.sh";
    assert!(block.contains(recipe) && block.contains("sleep 1000 &"), "{block}");
    // The negative controls: without the option, and without rini.
    for (script, is_gone) in [
        (block.to_owned(), true),
        (block.replace(recipe, "rini -t 5s -- sh test.sh"), false),
        (block.replace(recipe, "sh test.sh"), false),
    ] {
        // The recipe needs no root.
        for user in [None, Some(65534)] {
            let folder = tempfile::tempdir().unwrap();
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
            let bin = tempfile::tempdir().unwrap();
            fs::set_permissions(bin.path(), fs::Permissions::from_mode(0o755)).unwrap();
            symlink(rini(), bin.path().join("rini")).unwrap();
            let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").unwrap());
            // The shell is PID 1, and so outlives rini. It starts no process for this.
            let script = format!(
                "{script}\necho code $?; for process in /proc/[0-9]*; do \
                 line=; read -r line <$process/stat && echo \"${{line%%)*}}\"; done"
            );
            let start = Start::of("sh").args(["-c", &script]).env("PATH", path).in_namespace();
            let start = user.into_iter().fold(start, Start::user);
            // Nobody may keep the streams open, for which the test would wait.
            let output = start.with(|command| command.current_dir(&folder).stderr(Stdio::null())).run();
            assert_eq!(output.out[0], "code 2", "{script}: {output:?}");
            // It is still a shell if it has not called exec yet.
            let (own, others) = output.out[1..].split_first().unwrap();
            assert_eq!((own.as_str(), others.is_empty()), ("1 (sh", is_gone), "{user:?} {script}: {output:?}");
            assert!(others.iter().all(|line| line.ends_with(" (sleep") || line.ends_with(" (sh")), "{output:?}");
        }
    }
}
