//! `--pause`: rini has no program. It reaps the orphans that it adopts until a stop signal comes.

use crate::support::{
    Running, Start, beside, blocked_in, called, can_enter, children_of, injecting, namespaces, pid1, probe, rini,
    state, status_field, tools, until, zombies_of,
};
use std::os::unix::process::CommandExt;

/// Waits until rini waits for signals, so that its start is over.
fn start_paused(start: Start) -> Running {
    let run = start.spawn();
    until("it waits for signals", || blocked_in(run.pid())[0] == libc::SYS_rt_sigtimedwait.to_string());
    run
}

#[test]
fn a_stop_signal_ends_it_with_0_and_others_do_not() {
    for option in ["-P", "--pause"] {
        for end in [libc::SIGTERM, libc::SIGINT] {
            let mut starts = vec![beside([option])];
            if namespaces() {
                starts.push(pid1([option]));
            }
            for start in starts {
                let mut run = start_paused(start.env("RINI_LOG", "info"));
                assert_eq!(run.err_line(), format!("rini: INFO options in force: {option}"));
                if status_field(run.pid(), "NSpid").split_whitespace().last() != Some("1") {
                    assert!(run.err_line().starts_with("rini: INFO rini is not PID 1, and "));
                }
                assert_eq!(children_of(run.pid()), []);
                run.signal(libc::SIGCHLD);
                for signal in [libc::SIGHUP, libc::SIGUSR1, libc::SIGCONT, 64] {
                    run.signal(signal);
                    assert!(run.err_line().ends_with(", not forwarded: --pause runs no program"));
                }
                until("all have been taken", || status_field(run.pid(), "ShdPnd") == "0000000000000000");
                assert_eq!(blocked_in(run.pid())[3], "0x0");
                run.signal(end);
                let line = run.err_line();
                assert!(line.starts_with("rini: INFO rini ran for "), "{line}");
                assert!(line.ends_with("; signals forwarded: 0, orphans reaped: 0"), "{line}");
                let output = run.finish();
                assert_eq!((output.code(), output.out, output.err), (0, vec![], vec![]));
            }
        }
    }
}

#[test]
fn what_ends_it_can_be_set_and_delayed() {
    if !namespaces() {
        return;
    }
    let mut run = start_paused(pid1(["-P", "-v", "--stop-signals", "USR1", "--stop-delay", "1h"]));
    run.signal(libc::SIGTERM);
    run.signal(libc::SIGUSR1);
    // Both signals can be pending, and the kernel hands out the lower number first.
    let line = run.err_line_with("SIGUSR1");
    assert_eq!(line, "rini: INFO SIGUSR1 from outside the container, held back for 3600s");
    run.signal(libc::SIGUSR1);
    assert_eq!(run.finish().code(), 0);
}

#[test]
fn it_reaps_the_orphans_of_its_namespace() {
    if !can_enter() {
        return;
    }
    let mut run = start_paused(pid1(["--pause", "-w"]));
    let mut guest = run.inside(&["orphans", "50"]);
    guest.expect("made 50");
    for _ in 0..50 {
        assert!(run.err_line().starts_with("rini: WARN reaped orphan pid "));
    }
    assert_eq!(children_of(run.pid()), []);
    // No process remains, and rini stays.
    assert_eq!(blocked_in(run.pid())[3], "0x0");
    drop(guest.stdin.take());
    assert_eq!(guest.finish().code(), 0);
    run.signal(libc::SIGTERM);
    assert_eq!(run.finish().code(), 0);

    // The negative control: a PID 1 that does nothing.
    let mut run = Start::of(probe()).args(["signals", "15"]).in_namespace().spawn();
    run.expect("ready 1");
    let mut guest = run.inside(&["orphans", "50"]);
    guest.expect("made 50");
    until("50 zombies", || zombies_of(run.pid()) == 50);
    drop(guest.stdin.take());
    guest.finish();
}

/// With --after-exit, the end of the pause sends SIGTERM to all processes in the namespace.
#[test]
fn leftover_processes_are_treated_as_after_a_program() {
    if !can_enter() {
        return;
    }
    for (mode, wanted) in [("terminate", 15), ("wait", 2)] {
        let mut run = start_paused(pid1(["-P", "-v", "--after-exit", mode, "-t", "1h"]));
        // Their parent came from outside and exits at once.
        let script = format!(r#"setsid "$0" signals {wanted} & "$0" signals {wanted} &"#);
        let mut guest = run.enter().args(["sh", "-c", &script]).args([probe()]).spawn();
        for _ in 0..2 {
            assert!(guest.line().starts_with("ready "));
        }
        until("rini has adopted them", || children_of(run.pid()).len() == 2);
        run.signal(libc::SIGINT);
        let line = run.err_line_with("leftover processes");
        assert!(
            line.starts_with("rini: INFO waiting for leftover processes: pid ") && line.matches("(probe)").count() == 2,
            "{line}"
        );
        for _ in 0..2 {
            let line = guest.line();
            assert!(line.starts_with(&format!("signal {wanted} code 0 pid 1 ")), "{line}");
        }
        let output = run.finish();
        let again = output.err.iter().any(|line| line.contains("waiting for leftover processes"));
        assert_eq!((output.code(), again), (0, false), "{output:?}");
    }
    // By default rini ends at once and sends them nothing. It names them, as after a program: these only at info, because
    // they are not its children.
    for (name, level, is_named) in
        [("rini", "info", true), ("rini", "warn", false), ("pause", "warn", false), ("catatonit", "warn", false)]
    {
        for has_guest in [true, false] {
            let start = pid1(["-P"]).with(move |command| command.arg0(name)).env("RINI_LOG", level);
            let run = start_paused(start);
            let guest = has_guest.then(|| run.inside(&["signals"])).map(|mut guest| {
                let pid = guest.line().strip_prefix("ready ").unwrap().to_owned();
                (guest, pid)
            });
            run.signal(libc::SIGINT);
            let output = run.finish();
            assert_eq!(output.code(), 0);
            let line = guest.as_ref().filter(|_| is_named).map(|(_, pid)| {
                format!(
                    "rini: WARN leftover processes get SIGKILL, as the container ends: pid {pid} (probe); --after-exit \
                     terminate gives them SIGTERM and the rest of the grace period"
                )
            });
            let said = output.err.iter().filter(|line| line.contains("leftover")).collect::<Vec<_>>();
            assert_eq!(said, line.iter().collect::<Vec<_>>(), "{name} {output:?}");
            if let Some((guest, _)) = guest {
                assert_eq!(guest.finish().out, [""; 0], "the kernel kills it, and rini sends it nothing");
            }
        }
    }
}

/// Without a program, the signal of the parent's death ends the pause. `--after-exit wait` then waits as usual.
#[test]
fn a_parent_s_death_ends_the_pause() {
    // They run in a namespace, so that nothing stays behind.
    for (script, left) in [
        (r#"sh -c '"$0" -p USR1 --pause -v & read x' "$0"; exec sleep 1000"#, 0),
        (r#"sh -c '"$0" -p USR1 --after-exit wait -v sh -c "sleep 1000 & exit 3" & read x' "$0"; exec sleep 1000"#, 1),
    ] {
        if !namespaces() {
            return;
        }
        let mut run = Start::of("sh").args(["-c", script]).args([rini()]).in_namespace().spawn();
        let name = |pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let find = || {
            let parent = *children_of(run.pid()).first()?;
            let rini = *children_of(parent).first()?;
            name(rini).starts_with("rini").then_some(rini)
        };
        until("rini runs", || find().is_some());
        let rini = find().unwrap();
        // Its child is a shell until that has exited.
        until("only what it was left with is there", || {
            let children = children_of(rini);
            children.len() == left && children.iter().all(|child| name(*child) == "sleep\n")
        });
        until("it waits for signals", || blocked_in(rini)[0] == libc::SYS_rt_sigtimedwait.to_string());
        drop(run.stdin.take());
        // The closing line.
        run.err_line_with("; signals forwarded: ");
    }
}

/// The messages are those of Kubernetes' pause.
#[test]
fn under_the_name_of_pause_it_is_pause() {
    for (end, name) in [(libc::SIGTERM, "Terminated"), (libc::SIGINT, "Interrupt")] {
        let first = "Warning: pause should be the first process".to_owned();
        let last = format!("Shutting down, got signal: {name}");
        for words in [&[][..], &["whatever", "--it", "-is"]] {
            let run = start_paused(called("/pause").args(words));
            run.signal(libc::SIGUSR1);
            run.signal(end);
            let output = run.finish();
            assert_eq!((output.code(), output.out, output.err), (0, vec![], vec![first.clone(), last.clone()]));
            if namespaces() {
                let run = start_paused(called("pause").args(words).in_namespace().user(65535));
                run.signal(end);
                let output = run.finish();
                assert_eq!((output.code(), output.out, output.err), (0, vec![], vec![last.clone()]));
            }
        }
    }
    for words in [&["-v"][..], &["-V"], &["x", "-v"]] {
        let output = called("pause").args(words).run();
        let version = concat!("pause.c ", env!("CARGO_PKG_VERSION"), "_rini").to_owned();
        assert_eq!((output.code(), output.out, output.err), (0, vec![version], vec![]));
    }
}

#[test]
fn a_program_is_refused() {
    for words in [&["-P", "sh", "-c", "echo started"][..], &["--pause", "--", "true"], &["-vP", "true"]] {
        let output = beside(words).run();
        assert_eq!((output.code(), output.out), (1, vec![]));
        assert_eq!(output.err, ["rini: ERROR --pause takes no PROGRAM; leave out one of the two"]);
    }
}

/// A pause that no signal can end would last for ever.
#[test]
fn where_signals_cannot_be_waited_for_it_ends_with_a_line() {
    if !tools(&["strace"]) {
        return;
    }
    let output = injecting("rt_sigtimedwait:error=EPERM").args(["--pause"]).run();
    assert_eq!(output.code(), 1);
    let line = output.err.iter().find(|line| line.starts_with("rini: ERROR ")).unwrap();
    assert!(line.contains("cannot wait for signals"), "{line}");
}

/// Beside other processes, rini reaps children from before its exec, and sends them SIGTERM at the end.
#[test]
fn beside_other_processes_it_reaps_the_children_from_before_its_exec() {
    let script = r#""$0" exit 3 & "$0" signals 15 & exec "$1" --pause --after-exit terminate -w"#;
    let mut run = Start::of("sh").args(["-c", script]).args([probe(), rini()]).spawn();
    assert!(run.line().starts_with("ready "));
    let line = run.err_line();
    assert!(line.starts_with("rini: WARN reaped orphan pid ") && line.ends_with(", which exited with 3"), "{line}");
    let worker = run.only_child();
    run.signal(libc::SIGTERM);
    assert!(run.line().starts_with("signal 15 code 0 "));
    let output = run.finish();
    assert_eq!((output.code(), state(worker)), (0, None));
}
