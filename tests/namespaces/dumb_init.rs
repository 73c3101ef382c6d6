//! rini under the name `dumb-init`: what its users rely on, its session, and its debugging log.
//!
//! Debian's dumb-init runs beside it with the same arguments, and both must print the same, except for pids. If rini
//! differs on purpose, docs/drop-in.md has a number for the difference, and a test here has that number.

use crate::support::{
    BROKEN_BINARY, NO_REASON, Output, Running, Start, bit, called, children_of, comes_through, executable, namespaces,
    probe, rini, skip, state, status_field, tools, until, without_reasons, zombies_of,
};
use crate::terminal::{CTRL_C, CTRL_Z, Session};
use nix::unistd::{Pid, getpgid, getsid};
use std::fs;
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

/// True if the child writes this line, before its exec or as the program.
fn is_of_child(line: &impl AsRef<str>) -> bool {
    let of_session = ["setsid complete", "Unable to attach"];
    let of_exec = [": No such file", ": Not a directory", ": Permission denied", ": Exec format", ": Too many levels"];
    let line = line.as_ref();
    !line.starts_with("[dumb-init] ") || of_session.iter().chain(&of_exec).any(|text| line.contains(text))
}

/// The exit code and the output, without pids. The child's lines have no fixed place among the others, so they come
/// last.
fn strip_pids(output: &Output) -> (Option<i32>, Vec<String>, Vec<String>, Vec<String>) {
    let (child, parent) = output.err.iter().map(|line| without_pid(line)).partition(is_of_child);
    (output.status.code(), output.out.clone(), parent, child)
}

/// True if dumb-init is installed.
fn is_here() -> bool {
    tools(&["dumb-init"])
}

/// rini as dumb-init with the probe's `signals`, once that has printed that it is ready.
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
        // Abbreviated options.
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
            // About a SIGKILL from elsewhere rini prints one more line, under this name too.
            let more = |line: &String| line.contains("which rini did not send");
            let mut mine = strip_pids(&same(called(DUMB_INIT)));
            mine.2.retain(|line| !more(line));
            let theirs = strip_pids(&same(Start::of(DUMB_INIT)));
            mine.3 = without_reasons(&mine.3, &theirs.3);
            assert_eq!(mine, theirs, "{words:?} with {variables:?}");
        }
    }
    // rini is called by a path, by a name, and through a link.
    for name in ["dumb-init", "./dumb-init", "/x/y/dumb-init"] {
        let output = called(name).run();
        assert_eq!(output.err[0], format!("Usage: {name} [option] program [args]"));
    }
    assert_eq!(called("dumb-init").args(["--yolo"]).run().err, ["dumb-init: unrecognized option '--yolo'"]);
}

/// A control character of an argument does not reach the log as it is.
#[test]
fn a_message_about_an_option_is_one_line() {
    let output = called("dumb-init").args(["--yo\x1blo\n"]).run();
    assert_eq!((output.code(), output.err), (1, vec!["dumb-init: unrecognized option '--yo?lo?'".to_owned()]));
}

/// The lines about signals are the same, word for word and in order.
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
                // The kernel delivers the lowest signal first, so the test sends one at a time.
                if run.err_line_with("orward").contains("Forwarded") {
                    heard.push(run.line());
                }
            }
            (heard, run.finish())
        };
        // The loop above has read the lines that it waited for. The others are compared here.
        let ((my_lines, mine), (their_lines, theirs)) = (run(called(DUMB_INIT)), run(Start::of(DUMB_INIT)));
        assert_eq!(strip_pids(&mine), strip_pids(&theirs), "{options:?}");
        // Only rini passes on the sender.
        let numbers = |lines: &[String]| -> Vec<String> {
            lines.iter().map(|line| line.split_once(" code").unwrap().0.to_owned()).collect()
        };
        assert_eq!(numbers(&my_lines), numbers(&their_lines), "{options:?}");
        assert!(my_lines.len() >= 4, "{my_lines:?}");
    }
}

/// The whole log beside the expected text. Even on a machine without dumb-init this compares all of it.
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
    // The child's stop and continuation come by SIGCHLD, at no fixed place in the log.
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

/// A shell and its background job, both of which print the signals that they get.
const FAMILY: &str = r#""$0" signals 15 & echo child $$ job $!; wait; wait; wait"#;

/// Starts rini as dumb-init with that family. Returns the pids of the shell and of its job.
fn start_family(start: Start) -> (Running, Pid, Pid) {
    let mut run = start.args(["bash", "-c", FAMILY]).args([probe()]).spawn();
    let lines = [run.line(), run.line()];
    let line = lines.iter().find_map(|line| line.strip_prefix("child ")).unwrap();
    let (child, job) = line.split_once(" job ").unwrap();
    let pid = |text: &str| Pid::from_raw(text.parse().unwrap());
    (run, pid(child), pid(job))
}

/// The numbers of the signals that the job got.
fn received_by_job(output: &Output) -> Vec<&str> {
    output.out.iter().map(|line| line.strip_prefix("signal ").unwrap().split_once(' ').unwrap().0).collect()
}

fn terminate(pid: Pid) {
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
}

#[test]
fn the_child_has_a_session_and_signals_go_to_its_group() {
    let (run, child, job) = start_family(called("dumb-init"));
    assert_eq!((getsid(Some(child)), getpgid(Some(child))), (Ok(child), Ok(child)));
    assert_eq!((getsid(Some(job)), getpgid(Some(job))), (Ok(child), Ok(child)));
    assert_ne!(getsid(Some(run.pid())), Ok(child));
    run.signal(libc::SIGUSR1);
    let output = run.finish();
    // The shell dies of the signal, and the last SIGTERM goes to the job.
    assert_eq!((output.code(), received_by_job(&output)), (128 + libc::SIGUSR1, vec!["10", "15"]));
}

/// With -c, and as the negative control of the test before: the job is in the group and gets nothing.
#[test]
fn with_a_single_child_there_is_no_session_and_signals_go_to_the_child_alone() {
    for (options, variable) in [(&["-c"][..], None), (&["--single-child"], None), (&[], Some("0"))] {
        let start = called("dumb-init").args(options);
        let start = variable.into_iter().fold(start, |start, value| start.env("DUMB_INIT_SETSID", value));
        let (run, child, job) = start_family(start);
        assert_eq!((getsid(Some(child)), getpgid(Some(job))), (getsid(Some(run.pid())), Ok(child)));
        run.signal(libc::SIGUSR1);
        until("the child has died of it", || state(child).is_none());
        // The test sends this one itself. It shows that the job got nothing before.
        terminate(job);
        let output = run.finish();
        assert_eq!((output.code(), received_by_job(&output)), (128 + libc::SIGUSR1, vec!["15"]));
    }
}

/// A shell that leaves behind a job that prints its signals, and exits with 5.
const LEAVING: &str = r#""$0" signals 15 & read x; exit 5"#;

/// Starts rini as dumb-init with that shell, and returns the pid of its job.
fn start_leaving_shell(start: Start) -> (Running, Pid) {
    let mut run = start.args(["bash", "-c", LEAVING]).args([probe()]).spawn();
    let job = Pid::from_raw(run.line().strip_prefix("ready ").unwrap().parse().unwrap());
    (run, job)
}

/// Lets that shell go on to its end.
fn let_go(run: &mut Running) {
    run.write_line("go");
}

#[test]
fn leftover_processes_of_the_group_get_a_last_sigterm() {
    for (options, wanted) in [(&[][..], &["15"][..]), (&["-r", "15:2"], &["2", "15"]), (&["-r", "15:0"], &["15"])] {
        let (mut run, job) = start_leaving_shell(called("dumb-init").args(options));
        let_go(&mut run);
        until("rini has ended, and does not wait", || matches!(state(run.pid()), None | Some('Z')));
        if !options.is_empty() {
            // If rini's signal was not the SIGTERM that ends the job, the job still runs, and this SIGTERM is its
            // first.
            terminate(job);
        }
        let output = run.finish();
        assert_eq!((output.code(), received_by_job(&output)), (5, wanted.to_vec()), "{options:?}");
    }
}

/// With -c the last SIGTERM would go to the child, which is gone. rini logs it all the same, as dumb-init does.
#[test]
fn with_a_single_child_leftover_processes_get_no_signal() {
    let (mut run, job) = start_leaving_shell(called("dumb-init").args(["-vc"]));
    let_go(&mut run);
    run.err_line_with("Forwarded signal 15 to children.");
    run.err_line_with("Child exited with status 5. Goodbye.");
    until("rini has ended", || matches!(state(run.pid()), None | Some('Z')));
    // This fails if the job has ended.
    terminate(job);
    let output = run.finish();
    assert_eq!((output.code(), received_by_job(&output)), (5, vec!["15"]), "one, which was not rini's");
}

/// Waits until rini has stopped, and continues rini and its child, which prints that.
fn continue_stopped(run: &mut Running) {
    until("rini has stopped", || state(run.pid()) == Some('T'));
    run.signal(libc::SIGCONT);
    assert!(run.line().starts_with("signal 18 "));
}

/// As in dumb-init's own tests, each stop reaches the child, as SIGSTOP if the child has a session, and rini stops too.
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

        // A rule of the user is stronger, and rini stops all the same.
        let mut run = signals(&["-r", &format!("{signal}:12")], "15");
        run.signal(signal);
        assert!(run.line().starts_with("signal 12 "));
        continue_stopped(&mut run);
        run.signal(libc::SIGTERM);
        assert_eq!(run.finish().code(), 0);
    }
}

/// The kernel spares PID 1 a SIGSTOP from inside. The child alone stops, and rini still forwards and reaps.
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
    // rini continues the child, so rini is running.
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

/// If rini leads the session, the child gets the terminal. rini forwards none of the signals that the kernel sends it
/// for that.
#[test]
fn the_terminal_is_handed_over() {
    // The shell would die of the SIGHUP.
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
    // ^C goes to the child's group. ^Z reaches nobody, because the kernel spares an orphaned group.
    let mut session = Session::of(called("dumb-init").args(["bash", "-c", "echo ready; read x; echo got $x; read y"]));
    session.expect_with("ready");
    session.keys(CTRL_Z);
    session.keys("hello\n");
    session.expect_with("got hello");
    session.keys(CTRL_C);
    assert_eq!(session.code(), 130);
}

/// rini and dumb-init log the same about the terminal.
#[test]
fn messages_about_the_terminal_are_dumb_init_s() {
    if !is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("dumb-init");
    symlink(rini(), &link).unwrap();
    let log_of = |program: &Path, leader: bool| {
        // The log goes to a file. If two processes write to a terminal at once, rini does not wait for the other.
        let log = folder.path().join("log");
        let _ = fs::remove_file(&log);
        let script = if leader { r#"exec "$@" 2>>"$0""# } else { r#""$@" 2>>"$0"; exit $?"# };
        let start = Start::of("bash").args(["-c", script]).args([&log]).args([program]);
        // A child that exits before the init has looked would hide some of the lines.
        let child = r"until grep -q '^ShdPnd:.0*$' /proc/$PPID/status; do :; done; exit 3";
        assert_eq!(Session::of(start.args(["-v", "sh", "-c", child])).code(), 3);
        let text = fs::read_to_string(&log).unwrap();
        // The order in which signals are taken depends on the scheduler.
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

/// Difference 5: the child inherits the signal mask and the ignored signals. dumb-init clears them.
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
    // The negative control: dumb-init.
    let theirs = Start::of(DUMB_INIT).blocked(bit(libc::SIGUSR1)).ignored(bit(libc::SIGHUP));
    let output = theirs.args([probe()]).args(["state"]).run();
    assert!(output.out.contains(&"SigBlk 0000000000000000".to_owned()), "{output:?}");
    assert!(output.out.contains(&"SigIgn 0000000000000000".to_owned()), "{output:?}");
}

/// Difference 6: the child of a session leader gets a SIGHUP that somebody sends first.
#[test]
fn a_first_hangup_that_somebody_sends_comes_through() {
    let script = r#"trap 'echo hung up; exit 4' HUP; echo ready; while :; do read x; done"#;
    let mut session = Session::of(called("dumb-init").args(["bash", "-c", script]));
    session.expect_with("ready");
    // The SIGHUP that the kernel sent for the terminal may still be pending, and a second one would merge with it.
    until("rini has nothing to take", || status_field(session.leader, "ShdPnd") == "0".repeat(16));
    nix::sys::signal::kill(session.leader, nix::sys::signal::Signal::SIGHUP).unwrap();
    session.expect_with("hung up");
    assert_eq!(session.code(), 4);
}

/// Difference 7: with -c the child has a process group of its own. So ^Z stops rini and the child, and `fg` continues
/// both.
#[test]
fn a_single_child_has_a_group_of_its_own() {
    let run = signals(&["-c"], "15");
    let child = run.only_child();
    assert_eq!(getpgid(Some(child)), Ok(child));
    assert_ne!(getpgid(Some(run.pid())), Ok(child));
    run.signal(libc::SIGTERM);
    assert_eq!(run.finish().code(), 0);
}

/// Difference 8: beside other processes rini adopts orphans and keeps no descriptors. Like dumb-init it keeps no
/// working directory.
#[test]
fn beside_others_it_adopts_orphans() {
    let mut run = called("dumb-init").args([probe()]).args(["orphans", "20"]).spawn();
    run.expect("made 20");
    until("all are reaped", || children_of(run.pid()).len() == 1);
    assert_eq!(fs::read_link(format!("/proc/{}/cwd", run.pid())).unwrap(), Path::new("/"));
    drop(run.stdin.take());
    assert_eq!(run.finish().code(), 0);
}

/// Difference 3: rini refuses a broken binary. /bin/sh does not read it as commands.
#[test]
fn a_broken_binary_is_not_given_to_the_shell() {
    let folder = tempfile::tempdir().unwrap();
    let path = executable(folder.path(), "broken", BROKEN_BINARY);
    let output = called("dumb-init").args([&path]).run();
    assert_eq!((output.code(), output.out), (2, vec![]));
    let theirs = format!("[dumb-init] {}: Exec format error", path.display());
    assert_eq!(output.err, [format!("{theirs} (it is neither a binary that this kernel can run nor a script)")]);
    if !Path::new(DUMB_INIT).exists() {
        return skip("dumb-init is not installed; tests/setup installs it");
    }
    assert_eq!(Start::of(DUMB_INIT).args([&path]).run().out, ["a command"]);
}

/// Difference 9: rini's messages about an exit that nobody seems to have wanted have the form of dumb-init's lines.
#[test]
fn rini_s_warnings_have_dumb_init_s_form() {
    let run = |start: Start, script: &str| start.args(["sh", "-c", script]).run();
    for (script, code, said) in [
        ("exit 127", 127, "it may be a shell that did not find a command and said so above"),
        ("kill -9 $$", 137, NO_REASON),
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

/// All 61 signals arrive, real-time signals too. The three rules undo the rewrites that dumb-init makes in a session.
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

/// The signal comes right after the fork, before the child has made its session. dumb-init loses it, because the group
/// does not exist yet. strace holds up the child's setsid(2), so that this moment exists each time.
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
    // The signal is blocked, because the program is not ready for it at once.
    let run = start.args(["-v"]).args([probe()]).args(["signals", "15"]).blocked(bit(libc::SIGTERM)).spawn();
    let rini = || children_of(run.pid()).first().copied();
    until("rini runs, and has forked", || rini().is_some_and(|rini| !children_of(rini).is_empty()));
    let child = children_of(rini().unwrap())[0];
    assert_ne!(getsid(Some(child)), Ok(child), "it has no session yet");
    // SAFETY: The system call takes numbers only.
    unsafe { libc::kill(rini().unwrap().as_raw(), libc::SIGTERM) };
    let output = run.finish();
    assert_eq!(output.code(), 0, "{output:?}");
    assert!(output.out[1].starts_with("signal 15 "), "{output:?}");
}

/// `docker run --init` can pass nothing but the environment.
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

    // With `wait`, rini waits for the leftover job, and does not only send it a signal.
    let (mut run, job) = start_leaving_shell(called("dumb-init").env("RINI_AFTER_EXIT", "wait"));
    let_go(&mut run);
    until("the job is all that is left", || children_of(run.pid()) == [job]);
    run.signal(libc::SIGTERM);
    let output = run.finish();
    assert_eq!((output.code(), received_by_job(&output)), (5, vec!["15"]));

    let output = called("dumb-init").args(["true"]).env("RINI_GRACE_PERIOD", "soon").run();
    assert_eq!((output.code(), output.out, output.err.len()), (1, vec![], 1));
    assert!(output.err[0].starts_with(r#"[dumb-init] RINI_GRACE_PERIOD: "soon" is not a time "#));
    // tini's variables have no effect under dumb-init's name.
    assert_eq!(called("dumb-init").args(["true"]).env("TINI_VERBOSITY", "4").run().err, [""; 0]);
}
