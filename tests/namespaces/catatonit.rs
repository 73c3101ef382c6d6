//! rini under the names `catatonit` and `podman-init`, as podman and catatonit's users expect it.
//!
//! Debian's catatonit runs beside it with the same arguments, and both must print the same. Version, licence and pids
//! differ.

use crate::support::{
    Output, Start, blocked_in, called, children_of, namespaces, probe, status_field, tools, until, without_reasons,
    zombies_of,
};

const CATATONIT: &str = "/usr/bin/catatonit";

/// The exit code, and the output without pids.
fn strip_pids(output: &Output) -> (Option<i32>, Vec<String>, Vec<String>) {
    let line = |line: &String| match line.split_once(" (catatonit:") {
        Some((level, rest)) => {
            format!("{level} (catatonit:PID{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        None => line.clone(),
    };
    (output.status.code(), output.out.iter().map(line).collect(), output.err.iter().map(line).collect())
}

#[test]
fn every_command_line_gives_what_catatonit_gives() {
    if !tools(&["catatonit"]) {
        return;
    }
    let commands: &[&[&str]] = &[
        &[],
        &["--"],
        &["-g"],
        &["-x", "true"],
        &["-gx", "true"],
        &["-l"],
        &["-s", "true"],
        &["--foo", "true"],
        &["true"],
        &["-g", "true"],
        &["--", "sh", "-c", "exit 3"],
        &["-g", "--", "sh", "-c", "exit 3"],
        &["--", "sh", "-c", "kill -TERM $$"],
        &["--", "bash", "-c", "kill -35 $$"],
        &["no-such-program"],
        &["/no/such/program"],
        &["/etc"],
        &["/etc/passwd"],
        &["--", "sh", "-c", "echo out; echo err >&2", "-x", "--", "y"],
    ];
    for words in commands {
        for (name, value) in [("X", ""), ("CATATONIT_LOG", "info"), ("CATATONIT_LOG", "")] {
            let same = |start: Start| start.args(*words).env("POSIXLY_CORRECT", "1").env(name, value).run();
            let (mine, theirs) = (same(called(CATATONIT)), same(Start::of(CATATONIT)));
            let (mine, theirs) = (strip_pids(&mine), strip_pids(&theirs));
            let mine = (mine.0, mine.1, without_reasons(&mine.2, &theirs.2));
            assert_eq!(mine, theirs, "{words:?} with {name}={value}");
        }
    }
    // The texts are rini's own, and appear on the same streams.
    for word in ["-h", "-L", "-V", "--version"] {
        let (mine, theirs) = (called(CATATONIT).args([word]).run(), Start::of(CATATONIT).args([word]).run());
        let shape = |output: &Output| (output.status.code(), output.out.is_empty(), output.err.is_empty());
        assert_eq!(shape(&mine), shape(&theirs), "{word}");
    }
    let help = |start: Start| start.args(["-h"]).run().err;
    assert_eq!(help(called(CATATONIT))[..8], help(Start::of(CATATONIT))[..8]);
    assert!(called("catatonit").args(["-V"]).run().out[0].starts_with("tini version "));
}

/// podman only ever calls `/run/podman-init -- PROGRAM`.
#[test]
fn as_pid_1_it_forwards_and_reaps() {
    if !namespaces() {
        return;
    }
    for name in ["/run/podman-init", "catatonit"] {
        let mut run = called(name).args(["--"]).args([probe()]).args(["orphans", "50"]).in_namespace().spawn();
        run.expect("made 50");
        until("all are reaped", || children_of(run.pid()).len() == 1);
        assert_eq!(zombies_of(run.pid()), 0);
        run.signal(libc::SIGTERM);
        let output = run.finish();
        assert_eq!((output.code(), output.err), (143, vec![]));
    }
}

/// catatonit swallows SIGTSTP.
#[test]
fn every_signal_comes_through_and_none_is_left_blocked() {
    let mut run = called("catatonit").args([probe()]).args(["signals", "15"]).spawn();
    assert!(run.line().starts_with("ready "));
    for signal in [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU, 34, 64, libc::SIGTERM] {
        run.signal(signal);
        assert!(run.line().starts_with(&format!("signal {signal} ")));
    }
    assert_eq!(run.finish().code(), 0);
    let output = called("catatonit").args([probe()]).args(["state"]).run();
    assert!(output.out.contains(&"SigBlk 0000000000000000".to_owned()), "{output:?}");
}

/// podman's rootless pause process, and the infra container of a pod. Neither has a program, the arguments do not
/// matter, and the process has this name.
#[test]
fn in_pause_mode_it_stays_until_a_stop_signal() {
    let ignored = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGPIPE, libc::SIGALRM];
    for words in [&["-P"][..], &["-P", "foo"]] {
        for end in [libc::SIGTERM, libc::SIGINT] {
            // podman ignores these signals, SIGINT too, before it executes catatonit.
            let ignored = ignored.into_iter().map(crate::support::bit).sum();
            let run = called("catatonit").args(words).ignored(ignored).spawn();
            until("it waits without a limit", || blocked_in(run.pid())[3] == "0x0");
            assert!(status_field(run.pid(), "Name").starts_with("rini"));
            for signal in [libc::SIGHUP, libc::SIGQUIT, libc::SIGUSR1] {
                run.signal(signal);
            }
            run.signal(end);
            let output = run.finish();
            assert_eq!((output.code(), output.out, output.err), (0, vec![], vec![]));
        }
    }
}

#[test]
fn catatonit_debug_shows_what_it_does_and_rini_s_environment_works() {
    let output = called("catatonit").args(["true"]).env("CATATONIT_DEBUG", "").run();
    assert!(output.err.iter().any(|line| line.starts_with("DEBUG (catatonit:")), "{output:?}");
    assert!(output.err.iter().all(|line| line.contains(" (catatonit:")), "{output:?}");
    // catatonit does not know TINI_*.
    let output = called("catatonit").args(["true"]).env("TINI_VERBOSITY", "4").run();
    assert_eq!(output.err, [""; 0]);
    let mut run = called("podman-init").args(["--"]).args([probe()]).args(["signals"]);
    run = run.env("RINI_GRACE_PERIOD", "200ms");
    let mut run = run.spawn();
    assert!(run.line().starts_with("ready "));
    run.signal(libc::SIGTERM);
    let output = run.finish();
    assert_eq!((output.code(), output.err.len()), (137, 1));
    assert!(output.err[0].starts_with("WARN (catatonit:") && output.err[0].contains("): killed pid "), "{output:?}");
}
