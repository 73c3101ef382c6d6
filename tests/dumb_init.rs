//! Under the name `dumb-init`: what its users rely on, its session, and its debugging log.
//!
//! Debian's dumb-init is run beside it with the same words, and says the same; what pids it had apart. Where rini means to
//! differ, the README's list of deviations has a number for it, and a test here says so.

use crate::support::{
    BROKEN_BINARY, Output, Running, Start, bit, called, children_of, comes_through, executable, namespaces, probe,
    rini, skip, state, status_field, tools, until, zombies_of,
};
use crate::terminal::{CTRL_C, CTRL_Z, Session};
use nix::unistd::{Pid, getpgid, getsid};
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;

const DUMB_INIT: &str = "/usr/bin/dumb-init";

/// `with PID 123` without the number.
fn without_pid(line: &str) -> String {
    match line.split_once(" with PID ") {
        Some((before, rest)) => {
            format!("{before} with PID N{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        None => line.to_owned(),
    }
}

/// Whether the child writes this line, before its exec or as the program.
fn is_of_child(line: &impl AsRef<str>) -> bool {
    let of_session = ["setsid complete", "Unable to attach"];
    let of_exec = [": No such file", ": Not a directory", ": Permission denied", ": Exec format", ": Too many levels"];
    let line = line.as_ref();
    !line.starts_with("[dumb-init] ") || of_session.iter().chain(&of_exec).any(|text| line.contains(text))
}

/// The exit code and what was printed, without pids; the child's lines are at no fixed place among the others, and come
/// last.
fn essence(output: &Output) -> (Option<i32>, Vec<String>, Vec<String>, Vec<String>) {
    let (child, parent) = output.err.iter().map(|line| without_pid(line)).partition(is_of_child);
    (output.status.code(), output.out.clone(), parent, child)
}

/// Whether dumb-init is here to be compared with.
fn is_here() -> bool {
    tools(&["dumb-init"])
}

/// rini as dumb-init, with the probe's `signals`, which has said that it is ready.
fn signals(options: &[&str], last: &str) -> Running {
    let mut run = called("dumb-init").args(options).args([probe()]).args(["signals", last]).spawn();
    assert!(run.line().starts_with("ready "));
    run
}

#[test]
fn every_command_line_gives_what_dumb_init_gives() {
    if !is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = executable(folder.path(), "script", "exit 7\n").to_str().unwrap().to_owned();
    let looping = folder.path().join("looping").to_str().unwrap().to_owned();
    symlink(&looping, &looping).unwrap();
    let below_a_file = format!("{script}/x");
    let commands: &[&[&str]] = &[
        &[],
        &["--"],
        &["-h"],
        &["--help"],
        &["--help", "true"],
        &["-V"],
        &["--version"],
        &["-vV"],
        &["-x", "true"],
        &["-vx", "true"],
        &["--yolo"],
        &["--yolo", "true"],
        &["--yolo=1", "true"],
        &["-v"],
        &["-c"],
        &["-r"],
        &["-cr"],
        &["--rewrite"],
        &["-r", "15:3"],
        &["-r", "", "true"],
        &["-r", "derp", "true"],
        &["-r", "15", "true"],
        &["-r", "15:", "true"],
        &["-r", "15:32", "true"],
        &["-r", "0:3", "true"],
        &["-r", "32:3", "true"],
        &["-r", "-1:3", "true"],
        &["-r", "TERM:QUIT", "true"],
        &["--rewrite=x", "true"],
        &["--rewrite=15:0", "true"],
        &["--rewrite", "15:0", "true"],
        &["-r15:3", "true"],
        &["-r", " 15: 3junk", "true"],
        &["-r", "9:19", "true"],
        &["-vr", "17:0", "sh", "-c", "exit 3"],
        &["-vr", "15:15", "sh", "-c", "exit 3"],
        &["-r", "15:3", "-r", "15:0", "true"],
        // Words cut short.
        &["--single", "sh", "-c", "exit 3"],
        &["--s", "sh", "-c", "exit 3"],
        &["--rew=15:0", "true"],
        &["--verb", "true"],
        &["--vers"],
        &["--hel"],
        &["--ver"],
        &["--v", "true"],
        &["--verbose=1", "true"],
        &["--verb=1", "true"],
        &["--version=1"],
        &["--single-child=", "true"],
        &["--rewri"],
        &["true"],
        &["--", "true"],
        &["-v", "true"],
        &["-vc", "true"],
        &["--verbose", "--single-child", "--", "sh", "-c", "exit 3"],
        &["-c", "--", "sh", "-c", "exit 3"],
        &["sh", "-c", "exit 3"],
        &["sh", "-c", "kill -TERM $$"],
        &["bash", "-c", "kill -35 $$"],
        &["-v", "sh", "-c", "kill -KILL $$"],
        &["no-such-program"],
        &["-v", "/no/such/program"],
        &["/etc/passwd"],
        &["/etc"],
        &[&script],
        &[&below_a_file],
        &[&looping],
        &[""],
        &["sh", "-c", "echo out; echo err >&2", "-x", "--", "y"],
        &["echo", "-c", "-h", "--", "-v"],
        &["-"],
    ];
    let environments: [&[(&str, &str)]; 5] = [
        &[],
        &[("DUMB_INIT_DEBUG", "1")],
        &[("DUMB_INIT_DEBUG", "1"), ("DUMB_INIT_SETSID", "0")],
        &[("DUMB_INIT_DEBUG", "true"), ("DUMB_INIT_SETSID", "1")],
        &[("DUMB_INIT_DEBUG", ""), ("DUMB_INIT_SETSID", "")],
    ];
    for words in commands {
        for variables in environments {
            let same = |start: Start| {
                let start = start.args(*words);
                variables.iter().fold(start, |start, (name, value)| start.env(name, value)).run()
            };
            // rini has more to say of a SIGKILL that is not its own, and says it here too.
            let more = |line: &String| line.contains("which rini did not send");
            let mut mine = essence(&same(called(DUMB_INIT)));
            mine.2.retain(|line| !more(line));
            assert_eq!(mine, essence(&same(Start::of(DUMB_INIT))), "{words:?} with {variables:?}");
        }
    }
    // Called by a path, by a name, by a link.
    for name in ["dumb-init", "./dumb-init", "/x/y/dumb-init"] {
        let output = called(name).run();
        assert_eq!(output.err[0], format!("Usage: {name} [option] program [args]"));
    }
    assert_eq!(called("dumb-init").args(["--yolo"]).run().err, ["dumb-init: unrecognized option '--yolo'"]);
}

/// A control character of an argument does not reach the log as such.
#[test]
fn what_is_said_of_an_option_is_a_line() {
    let output = called("dumb-init").args(["--yo\x1blo\n"]).run();
    assert_eq!((output.code(), output.err), (1, vec!["dumb-init: unrecognized option '--yo?lo?'".to_owned()]));
}

/// What happens to a signal, word for word and in order.
#[test]
fn the_debugging_log_of_signals_is_dumb_init_s() {
    if !is_here() {
        return;
    }
    for options in [&["-v"][..], &["-vc"], &["-v", "-r", "10:12", "-r", "1:0", "-r", "15:2"]] {
        let run = |start: Start| {
            let mut run = start.args(options).args([probe()]).args(["signals", "3"]).spawn();
            assert!(run.line().starts_with("ready "));
            let mut heard = vec![];
            for signal in [libc::SIGUSR1, libc::SIGHUP, libc::SIGWINCH, libc::SIGTERM, libc::SIGQUIT] {
                run.signal(signal);
                run.err_line_with(&format!("Received signal {signal}."));
                // The lowest is taken first, so one at a time.
                if run.err_line_with("orward").contains("Forwarded") {
                    heard.push(run.line());
                }
            }
            (heard, run.finish())
        };
        // The lines that were waited for are gone; what came in between and after is left.
        let ((my_lines, mine), (their_lines, theirs)) = (run(called(DUMB_INIT)), run(Start::of(DUMB_INIT)));
        assert_eq!(essence(&mine), essence(&theirs), "{options:?}");
        // Who sent it is passed on by rini only.
        let numbers = |lines: &[String]| -> Vec<String> {
            lines.iter().map(|line| line.split_once(" code").unwrap().0.to_owned()).collect()
        };
        assert_eq!(numbers(&my_lines), numbers(&their_lines), "{options:?}");
        assert!(my_lines.len() >= 4, "{my_lines:?}");
    }
}

/// The same with nothing taken out, against the text itself: a run of a dumb-init that is not here cannot be compared.
#[test]
fn the_debugging_log_is_this() {
    let mut run = called("dumb-init").args(["-v", "-r", "10:12", "-r", "1:0"]).args([probe()]);
    run = run.args(["signals", "15"]);
    let mut run = run.spawn();
    assert!(run.line().starts_with("ready "));
    let mut lines = vec![];
    for signal in [libc::SIGUSR1, libc::SIGHUP, libc::SIGTSTP, libc::SIGCONT, libc::SIGTERM] {
        run.signal(signal);
        let last = if signal == libc::SIGTSTP { "Suspending self" } else { "orward" };
        loop {
            let line = run.err_line();
            let is_last = line.contains(last);
            lines.push(line);
            if is_last {
                break;
            }
        }
        if signal == libc::SIGTSTP {
            until("it has stopped", || state(run.pid()) == Some('T'));
        }
    }
    let output = run.finish();
    lines.extend(output.err.iter().cloned());
    let (child, parent): (Vec<_>, Vec<_>) = lines.iter().map(|line| without_pid(line)).partition(is_of_child);
    let text = |lines: &[&str]| -> Vec<String> { lines.iter().map(|line| format!("[dumb-init] {line}")).collect() };
    assert_eq!(
        child,
        text(&["Unable to attach to controlling tty (errno=25 Inappropriate ioctl for device).", "setsid complete."])
    );
    // The child's stop and its continuation come by SIGCHLD, at no fixed place.
    let parent: Vec<String> = parent.into_iter().filter(|line| !line.ends_with("Received signal 17.")).collect();
    assert_eq!(
        parent,
        text(&[
            "Unable to detach from controlling tty (errno=25 Inappropriate ioctl for device).",
            "Child spawned with PID N.",
            "Received signal 10.",
            "Translating signal 10 to 12.",
            "Forwarded signal 12 to children.",
            "Received signal 1.",
            "Translating signal 1 to 0.",
            "Not forwarding signal 0 to children (ignored).",
            "Received signal 20.",
            "Translating signal 20 to 19.",
            "Forwarded signal 19 to children.",
            "Suspending self due to TTY signal.",
            "Received signal 18.",
            "Forwarded signal 18 to children.",
            "Received signal 15.",
            "Forwarded signal 15 to children.",
            "A child with PID N exited with exit status 0.",
            "Forwarded signal 15 to children.",
            "Child exited with status 0. Goodbye.",
        ])
    );
    assert_eq!(output.status.code(), Some(0));
}

/// A shell and a background job of it, which says what it gets.
const FAMILY: &str = r#""$0" signals 15 & echo child $$ job $!; wait; wait; wait"#;

/// rini as dumb-init, with that family, and the pids of the shell and of its job.
fn family(start: Start) -> (Running, Pid, Pid) {
    let mut run = start.args(["bash", "-c", FAMILY]).args([probe()]).spawn();
    let lines = [run.line(), run.line()];
    let line = lines.iter().find_map(|line| line.strip_prefix("child ")).unwrap();
    let (child, job) = line.split_once(" job ").unwrap();
    let pid = |text: &str| Pid::from_raw(text.parse().unwrap());
    (run, pid(child), pid(job))
}

/// What the job heard: the numbers.
fn heard(output: &Output) -> Vec<&str> {
    output.out.iter().map(|line| line.strip_prefix("signal ").unwrap().split_once(' ').unwrap().0).collect()
}

fn terminate(pid: Pid) {
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
}

#[test]
fn the_child_has_a_session_and_signals_go_to_its_group() {
    let (run, child, job) = family(called("dumb-init"));
    assert_eq!((getsid(Some(child)), getpgid(Some(child))), (Ok(child), Ok(child)));
    assert_eq!((getsid(Some(job)), getpgid(Some(job))), (Ok(child), Ok(child)));
    assert_ne!(getsid(Some(run.pid())), Ok(child));
    run.signal(libc::SIGUSR1);
    let output = run.finish();
    // The shell dies of it, and the last SIGTERM is for the job.
    assert_eq!((output.code(), heard(&output)), (128 + libc::SIGUSR1, vec!["10", "15"]));
}

/// -c, and the negative control of the one before: the job is in the group and hears nothing.
#[test]
fn with_a_single_child_there_is_no_session_and_signals_go_to_the_child_alone() {
    for (options, variable) in [(&["-c"][..], None), (&["--single-child"], None), (&[], Some("0"))] {
        let start = called("dumb-init").args(options);
        let start = variable.into_iter().fold(start, |start, value| start.env("DUMB_INIT_SETSID", value));
        let (run, child, job) = family(start);
        assert_eq!((getsid(Some(child)), getpgid(Some(job))), (getsid(Some(run.pid())), Ok(child)));
        run.signal(libc::SIGUSR1);
        until("the child has died of it", || state(child).is_none());
        // A witness that it heard nothing before this one.
        terminate(job);
        let output = run.finish();
        assert_eq!((output.code(), heard(&output)), (128 + libc::SIGUSR1, vec!["15"]));
    }
}

/// A shell that leaves a job behind which says what it gets, and exits with 5.
const LEAVING: &str = r#""$0" signals 15 & read x; exit 5"#;

/// rini as dumb-init with that shell, and its job.
fn leaving(start: Start) -> (Running, Pid) {
    let mut run = start.args(["bash", "-c", LEAVING]).args([probe()]).spawn();
    let job = Pid::from_raw(run.line().strip_prefix("ready ").unwrap().parse().unwrap());
    (run, job)
}

/// Lets that shell go on to its end.
fn let_go(run: &mut Running) {
    writeln!(run.stdin.as_mut().unwrap(), "go").unwrap();
}

#[test]
fn what_the_child_leaves_of_its_group_gets_a_last_sigterm() {
    for (options, wanted) in [(&[][..], &["15"][..]), (&["-r", "15:2"], &["2", "15"]), (&["-r", "15:0"], &["15"])] {
        let (mut run, job) = leaving(called("dumb-init").args(options));
        let_go(&mut run);
        until("rini has ended, and does not wait", || matches!(state(run.pid()), None | Some('Z')));
        if !options.is_empty() {
            // Where that was not the SIGTERM at which the job ends, it is still there, and this one is its first.
            terminate(job);
        }
        let output = run.finish();
        assert_eq!((output.code(), heard(&output)), (5, wanted.to_vec()), "{options:?}");
    }
}

/// -c: the last SIGTERM would go to the child, which is gone. Its log says it all the same, as dumb-init's.
#[test]
fn with_a_single_child_what_is_left_is_left_alone() {
    let (mut run, job) = leaving(called("dumb-init").args(["-vc"]));
    let_go(&mut run);
    run.err_line_with("Forwarded signal 15 to children.");
    run.err_line_with("Child exited with status 5. Goodbye.");
    until("rini has ended", || matches!(state(run.pid()), None | Some('Z')));
    // It fails if the job has ended.
    terminate(job);
    let output = run.finish();
    assert_eq!((output.code(), heard(&output)), (5, vec!["15"]), "one, which was not rini's");
}

/// Waits for rini's stop, and continues it with its child, which says so.
fn continue_stopped(run: &mut Running) {
    until("rini has stopped", || state(run.pid()) == Some('T'));
    run.signal(libc::SIGCONT);
    assert!(run.line().starts_with("signal 18 "));
}

/// As dumb-init's own tests: each stop reaches the child, as SIGSTOP where it has a session, and rini stops too.
#[test]
fn it_stops_with_its_child_and_goes_on_with_it() {
    for signal in [libc::SIGTSTP, libc::SIGTTOU, libc::SIGTTIN] {
        let run = signals(&[], "15");
        let child = run.only_child();
        run.signal(signal);
        until("the child has stopped, and rini", || state(child) == Some('T') && state(run.pid()) == Some('T'));
        run.signal(libc::SIGCONT);
        until("both go on", || state(child) == Some('S') && state(run.pid()) == Some('S'));
        run.signal(libc::SIGTERM);
        assert_eq!(run.finish().code(), 0);

        let mut run = signals(&["-c"], "15");
        run.signal(signal);
        assert!(run.line().starts_with(&format!("signal {signal} ")));
        continue_stopped(&mut run);
        until("rini goes on", || state(run.pid()) == Some('S'));
        run.signal(libc::SIGTERM);
        assert_eq!(run.finish().code(), 0);

        // A rule of the user's own is stronger, and rini stops all the same.
        let mut run = signals(&["-r", &format!("{signal}:12")], "15");
        run.signal(signal);
        assert!(run.line().starts_with("signal 12 "));
        continue_stopped(&mut run);
        run.signal(libc::SIGTERM);
        assert_eq!(run.finish().code(), 0);
    }
}

/// The kernel spares PID 1 a SIGSTOP from inside: the child alone stops, and rini still forwards and reaps.
#[test]
fn as_pid_1_it_does_not_stop() {
    if !namespaces() {
        return;
    }
    let start = called("dumb-init").args([probe()]).args(["signals", "15"]).in_namespace();
    let mut run = start.spawn();
    assert!(run.line().starts_with("ready "));
    let child = run.only_child();
    run.signal(libc::SIGTSTP);
    until("the child has stopped", || state(child) == Some('T'));
    // Continued by rini, which is therefore running.
    run.signal(libc::SIGCONT);
    assert!(run.line().starts_with("signal 18 "));
    run.signal(libc::SIGTERM);
    assert_eq!(run.finish().code(), 0);

    let mut run = called("dumb-init").args([probe()]).args(["orphans", "50"]).in_namespace().spawn();
    run.expect("made 50");
    until("all are reaped", || children_of(run.pid()).len() == 1);
    assert_eq!(zombies_of(run.pid()), 0);
    drop(run.stdin.take());
    let output = run.finish();
    assert_eq!((output.code(), output.err), (0, vec![]));
}

/// A session leader's terminal goes to the child, and what the kernel sends rini for that goes to nobody.
#[test]
fn the_terminal_is_handed_over() {
    // It would die of the SIGHUP.
    let script = r#"trap 'echo hung up' HUP; trap 'echo continued' CONT; echo ready; read x </dev/tty; echo got $x"#;
    for options in [&[][..], &["-v"]] {
        let start = called("dumb-init").args(options).args(["bash", "-c", script]);
        let mut session = Session::of(start);
        let mut lines = vec![];
        let mut read = |session: &mut Session, last: &str| loop {
            let line = session.next();
            if line == last {
                break;
            }
            lines.push(line);
        };
        read(&mut session, "ready");
        session.keys("hello\n");
        read(&mut session, "got hello");
        assert_eq!(session.code(), 0);
        assert!(!lines.iter().any(|line| line.contains("hung up") || line.contains("continued")), "{lines:?}");
        assert_eq!(lines.is_empty(), options.is_empty(), "{lines:?}");
    }
    // ^C is for the child's group, and ^Z for nobody: the kernel spares an orphaned group.
    let mut session = Session::of(called("dumb-init").args(["bash", "-c", "echo ready; read x; echo got $x; read y"]));
    session.expect_with("ready");
    session.keys(CTRL_Z);
    session.keys("hello\n");
    session.expect_with("got hello");
    session.keys(CTRL_C);
    assert_eq!(session.code(), 130);
}

/// What it says of the terminal, which dumb-init says too.
#[test]
fn what_is_said_of_the_terminal_is_dumb_init_s() {
    if !is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("dumb-init");
    symlink(rini(), &link).unwrap();
    let log_of = |program: &Path, leader: bool| {
        // Into a file: of two who write to a terminal at one time rini does not wait for the other.
        let log = folder.path().join("log");
        let _ = fs::remove_file(&log);
        let script = if leader { r#"exec "$@" 2>>"$0""# } else { r#""$@" 2>>"$0"; exit $?"# };
        let start = Start::of("bash").args(["-c", script]).args([&log]).args([program]);
        // Who ends before the init has looked hides what it would have said.
        let child = r"until grep -q '^ShdPnd:.0*$' /proc/$PPID/status; do :; done; exit 3";
        assert_eq!(Session::of(start.args(["-v", "sh", "-c", child])).code(), 3);
        let text = fs::read_to_string(&log).unwrap();
        // When each signal is taken is the scheduler's affair.
        let of_signals = |line: &String| line.contains("Received signal") || line.contains("hand-off");
        let (of_signals, rest): (Vec<_>, Vec<_>) = text.lines().map(without_pid).partition(of_signals);
        let (of_child, rest): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_of_child);
        let handed_off = of_signals.iter().any(|line| line.contains("Ignoring tty hand-off signal 1."));
        (of_child, rest, handed_off)
    };
    for leader in [true, false] {
        let mine = log_of(&link, leader);
        assert_eq!(mine, log_of(Path::new(DUMB_INIT), leader), "session leader: {leader}");
        assert_eq!(mine.2, leader);
    }
}

/// Deviation 5: the mask and the ignored signals that it was started with are the child's, not cleared.
#[test]
fn the_child_inherits_mask_and_dispositions() {
    let start = || {
        let start = called("dumb-init").blocked(bit(libc::SIGUSR1)).ignored(bit(libc::SIGHUP));
        start.args([probe()]).args(["state"])
    };
    let output = start().run();
    assert!(output.out.contains(&"SigBlk 0000000000000200".to_owned()), "{output:?}");
    assert!(output.out.contains(&"SigIgn 0000000000000001".to_owned()), "{output:?}");
    if !Path::new(DUMB_INIT).exists() {
        return skip("dumb-init is not installed; tests/setup installs it");
    }
    // The negative control.
    let theirs = Start::of(DUMB_INIT).blocked(bit(libc::SIGUSR1)).ignored(bit(libc::SIGHUP));
    let output = theirs.args([probe()]).args(["state"]).run();
    assert!(output.out.contains(&"SigBlk 0000000000000000".to_owned()), "{output:?}");
    assert!(output.out.contains(&"SigIgn 0000000000000000".to_owned()), "{output:?}");
}

/// Deviation 6: a SIGHUP that somebody sends a session leader first is the child's.
#[test]
fn a_first_hangup_that_somebody_sends_comes_through() {
    let script = r#"trap 'echo hung up; exit 4' HUP; echo ready; while :; do read x; done"#;
    let mut session = Session::of(called("dumb-init").args(["bash", "-c", script]));
    session.expect_with("ready");
    // What the kernel sent for the terminal may still wait for rini, and a second one of its kind would be one with it.
    until("rini has nothing to take", || status_field(session.leader, "ShdPnd") == "0".repeat(16));
    nix::sys::signal::kill(session.leader, nix::sys::signal::Signal::SIGHUP).unwrap();
    session.expect_with("hung up");
    assert_eq!(session.code(), 4);
}

/// Deviation 7: -c gives the child a process group of its own, and so ^Z stops both, and `fg` continues both.
#[test]
fn a_single_child_has_a_group_of_its_own() {
    let run = signals(&["-c"], "15");
    let child = run.only_child();
    assert_eq!(getpgid(Some(child)), Ok(child));
    assert_ne!(getpgid(Some(run.pid())), Ok(child));
    run.signal(libc::SIGTERM);
    assert_eq!(run.finish().code(), 0);
}

/// Deviation 8: not PID 1 it adopts orphans, and keeps neither descriptors nor, as dumb-init too, a working directory.
#[test]
fn beside_others_it_adopts_orphans() {
    let mut run = called("dumb-init").args([probe()]).args(["orphans", "20"]).spawn();
    run.expect("made 20");
    until("all are reaped", || children_of(run.pid()).len() == 1);
    assert_eq!(fs::read_link(format!("/proc/{}/cwd", run.pid())).unwrap(), Path::new("/"));
    drop(run.stdin.take());
    assert_eq!(run.finish().code(), 0);
}

/// Deviation 3: a broken binary is refused, and not read as commands by /bin/sh.
#[test]
fn a_broken_binary_is_not_given_to_the_shell() {
    let folder = tempfile::tempdir().unwrap();
    let path = executable(folder.path(), "broken", BROKEN_BINARY);
    let output = called("dumb-init").args([&path]).run();
    assert_eq!((output.code(), output.out), (2, vec![]));
    assert_eq!(output.err, [format!("[dumb-init] {}: Exec format error", path.display())]);
    if !Path::new(DUMB_INIT).exists() {
        return skip("dumb-init is not installed; tests/setup installs it");
    }
    assert_eq!(Start::of(DUMB_INIT).args([&path]).run().out, ["a command"]);
}

/// Deviation 9: what rini says of an end that nobody seems to have wanted, it says in the form of dumb-init's lines.
#[test]
fn rini_s_warnings_are_said_in_dumb_init_s_form() {
    let run = |start: Start, script: &str| start.args(["sh", "-c", script]).run();
    for (script, code, said) in [
        ("exit 127", 127, "a shell says by this that it did not find a command"),
        ("kill -9 $$", 137, "was killed by SIGKILL, which rini did not send"),
    ] {
        let output = run(called("dumb-init"), script);
        assert_eq!((output.code(), output.err.len()), (code, 1), "{output:?}");
        assert!(output.err[0].starts_with("[dumb-init] pid ") && output.err[0].ends_with(said), "{output:?}");
        if Path::new(DUMB_INIT).exists() {
            assert_eq!(run(Start::of(DUMB_INIT), script).err, [""; 0]);
        } else {
            skip("dumb-init is not installed; tests/setup installs it");
        }
    }
}

/// All 61, real-time signals too; dumb-init's three are rewritten in its session.
#[test]
fn every_signal_comes_through() {
    let mut run = signals(&["-r", "20:20", "-r", "21:21", "-r", "22:22"], "15");
    let not_forwarded = [libc::SIGKILL, libc::SIGSTOP, libc::SIGCHLD, libc::SIGTERM];
    for signal in (1..=64).filter(|n| comes_through(*n) && !not_forwarded.contains(n)) {
        run.signal(signal);
        assert!(run.line().starts_with(&format!("signal {signal} ")));
        if [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU].contains(&signal) {
            continue_stopped(&mut run);
        }
    }
    run.signal(libc::SIGTERM);
    assert_eq!(run.finish().code(), 0);
}

/// A signal right after the fork, before the child has made its session: dumb-init loses it, its group not being there.
/// strace holds the child's setsid(2) up so that there is such a moment each time.
#[test]
fn a_signal_before_the_session_is_made_is_not_lost() {
    if !tools(&["strace"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("dumb-init");
    symlink(rini(), &link).unwrap();
    let delay = "inject=setsid:delay_enter=5000000";
    let start = Start::of("strace").args(["-f", "-o", "/dev/null", "-e", delay]).args([&link]);
    // Blocked, as the program is not ready for it at once.
    let run = start.args(["-v"]).args([probe()]).args(["signals", "15"]).blocked(bit(libc::SIGTERM)).spawn();
    let rini = || children_of(run.pid()).first().copied();
    until("rini runs, and has forked", || rini().is_some_and(|rini| !children_of(rini).is_empty()));
    let child = children_of(rini().unwrap())[0];
    assert_ne!(getsid(Some(child)), Ok(child), "it has no session yet");
    // SAFETY: a system call on numbers.
    unsafe { libc::kill(rini().unwrap().as_raw(), libc::SIGTERM) };
    let output = run.finish();
    assert_eq!(output.code(), 0, "{output:?}");
    assert!(output.out[1].starts_with("signal 15 "), "{output:?}");
}

/// Who starts a `docker run --init` can pass nothing but the environment.
#[test]
fn rini_s_environment_works_under_dumb_init_s_name() {
    let start = called("dumb-init").args([probe()]).args(["signals", "12"]);
    let mut run = start.env("RINI_GRACE_PERIOD", "200ms").env("RINI_REWRITE", "TERM:QUIT").spawn();
    assert!(run.line().starts_with("ready "));
    run.signal(libc::SIGTERM);
    assert!(run.line().starts_with("signal 3 "));
    let output = run.finish();
    assert_eq!((output.code(), output.err.len()), (137, 1));
    assert!(output.err[0].starts_with("[dumb-init] killed pid "), "{output:?}");
    assert!(output.err[0].contains(" after SIGTERM from pid "), "{output:?}");

    // What is left after the child: waited for, and not just told.
    let (mut run, job) = leaving(called("dumb-init").env("RINI_AFTER_EXIT", "wait"));
    let_go(&mut run);
    until("the job is all that is left", || children_of(run.pid()) == [job]);
    run.signal(libc::SIGTERM);
    let output = run.finish();
    assert_eq!((output.code(), heard(&output)), (5, vec!["15"]));

    let output = called("dumb-init").args(["true"]).env("RINI_GRACE_PERIOD", "soon").run();
    assert_eq!((output.code(), output.out, output.err.len()), (1, vec![], 1));
    assert!(output.err[0].starts_with(r#"[dumb-init] RINI_GRACE_PERIOD: "soon" is not a time "#));
    // tini's variables are not dumb-init's.
    assert_eq!(called("dumb-init").args(["true"]).env("TINI_VERBOSITY", "4").run().err, [""; 0]);
}
