//! `--stop-on-stdin-close`: the end of standard input starts a stop, and rini takes no byte of it.
//!
//! tests/terminal has the terminal that hangs up, and tests/engines the client of `docker run -i`.

use crate::support::{
    Running, Start, beside, blocked_in, children_of, first_pid, injecting, namespaces, pid1, probe, probing, rini,
    status_field, tools, until,
};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::Stdio;

const OPTION: &str = "--stop-on-stdin-close";

const CLOSED: &str = "rini: INFO standard input was closed, which starts a stop";

const NEVER: &str = "rini: INFO --stop-on-stdin-close does nothing: standard input is a file, /dev/null or closed already; \
    docker run needs -i";

/// Waits until rini watches standard input, or until it waits for signals alone.
fn until_it_waits(run: &Running, watches: bool) {
    let call = if watches { libc::SYS_ppoll } else { libc::SYS_rt_sigtimedwait };
    until("it waits", || blocked_in(run.pid())[0] == call.to_string());
}

/// The address of the timeout of the ppoll in which rini waits.
fn poll_timeout(run: &Running) -> String {
    let call = blocked_in(run.pid());
    assert_eq!(call[0], libc::SYS_ppoll.to_string());
    call[3].clone()
}

/// The probe under rini as PID 1. It records signals and exits at SIGTERM. rini watches its standard input.
fn watched(options: &[&str]) -> Running {
    let options = [&["-v", OPTION], options].concat();
    let mut run = pid1(probing(&options, &["signals", "15"])).spawn();
    run.expect_ready();
    until_it_waits(&run, true);
    run
}

/// The next line about this signal, from rini itself.
fn expect_own(run: &mut Running, signal: i32) {
    run.expect(&format!("signal {signal} code -1 pid 1 uid 0 value 0"));
}

#[test]
fn its_end_starts_a_stop_under_every_name_and_data_does_not() {
    if !namespaces() {
        return;
    }
    for name in ["rini", "tini", "dumb-init", "catatonit"] {
        for is_on in [true, false] {
            let start = pid1(probing(&[], &["signals", "12"])).with(|command| command.arg0(name));
            let start = start.env("RINI_STOP_ON_STDIN_CLOSE", if is_on { "yes" } else { "no" });
            let mut run = start.env("RINI_STOP_SIGNALS", "QUIT").env("RINI_REWRITE", "TERM:USR1").spawn();
            run.expect_ready();
            until_it_waits(&run, is_on);
            let mut stdin = run.stdin.take().unwrap();
            stdin.write_all(b"data that nobody reads").unwrap();
            run.signal(28);
            assert!(run.line().starts_with("signal 28 "));
            drop(stdin);
            if is_on {
                // Rewritten, although SIGTERM is no stop signal of the user's.
                assert!(run.line().starts_with("signal 10 "));
            }
            // Without the option the next signal is the one from here.
            run.signal(12);
            assert!(run.line().starts_with("signal 12 "));
            assert_eq!(run.finish().code(), 0);
        }
    }
}

#[test]
fn it_is_a_sigterm_of_rini_and_the_log_says_so() {
    if !namespaces() {
        return;
    }
    for options in [&[][..], &["-g"]] {
        let mut run = watched(options);
        drop(run.stdin.take());
        let output = run.finish();
        assert_eq!(output.code(), 0);
        let forwarded = format!("rini: INFO SIGTERM from pid 1 (rini), forwarded to pid {}", first_pid());
        assert!(output.err[0].starts_with("rini: INFO options in force: "), "{output:?}");
        assert_eq!(output.err[1..3], [CLOSED, &forwarded], "{output:?}");
        assert_eq!(output.out.len(), 1, "{output:?}");
        assert!(output.out[0].starts_with("signal 15 "), "{output:?}");
    }
    // An absence: without the option rini does not even look.
    let mut run = pid1(probing(&["-v"], &["signals", "15"])).spawn();
    run.expect_ready();
    drop(run.stdin.take());
    run.signal(28);
    assert!(run.line().starts_with("signal 28 "));
    until_it_waits(&run, false);
    run.signal(15);
    let output = run.finish();
    assert!(!output.err.iter().any(|line| line.contains("standard input")), "{output:?}");
}

#[test]
fn not_one_byte_is_taken_and_data_does_not_wake_rini() {
    let script = r#"
        trap 'wc -c; exit 7' TERM
        while read -r line && [ "$line" != last ]; do echo "$line"; done
        echo waiting
        while :; do sleep 0.1; done"#;
    let mut run = beside([OPTION, "--", "sh", "-c", script]).spawn();
    let mut stdin = run.stdin.take().unwrap();
    let mut say = |line: &str| stdin.write_all(line.as_bytes()).unwrap();
    say("first\n");
    run.expect("first");
    until_it_waits(&run, true);
    let wakes = |run: &Running| status_field(run.pid(), "voluntary_ctxt_switches").parse::<u64>().unwrap();
    let before = wakes(&run);
    for number in 0..200 {
        say(&format!("{number}\n"));
        run.expect(&number.to_string());
    }
    assert_eq!(wakes(&run), before, "data wakes nobody");
    // Nothing else does: the wait has no timeout. `in_a_stop_it_changes_nothing` sees one.
    assert_eq!(poll_timeout(&run), "0x0");
    // The negative control: a signal does.
    run.signal(libc::SIGCHLD);
    until("rini has woken", || wakes(&run) > before);
    say("last\n");
    run.expect("waiting");
    say(&"x".repeat(1000));
    drop(stdin);
    run.expect("1000");
    assert_eq!(run.finish().code(), 7);
}

#[test]
fn a_socket_ends_when_its_other_side_closes_or_shuts_it_down() {
    for shuts_down in [true, false] {
        let (mut own, other) = UnixStream::pair().unwrap();
        let start = beside(probing(&["-v", OPTION], &["signals", "15"]));
        let mut run = start.with(|command| command.stdin(OwnedFd::from(other))).spawn();
        assert!(run.line().starts_with("ready "));
        until_it_waits(&run, true);
        own.write_all(b"data").unwrap();
        // The other direction has no meaning here: rini asks who writes what the program reads.
        if !shuts_down {
            own.shutdown(Shutdown::Read).unwrap();
        }
        run.signal(28);
        assert!(run.line().starts_with("signal 28 "));
        until_it_waits(&run, true);
        if shuts_down {
            own.shutdown(Shutdown::Write).unwrap();
        } else {
            drop(own);
        }
        assert!(run.line().starts_with("signal 15 "));
        let output = run.finish();
        assert_eq!(output.code(), 0);
        assert!(output.err.iter().any(|line| line == CLOSED), "{output:?}");
    }
}

#[test]
fn an_input_that_cannot_close_starts_no_stop_and_that_is_said() {
    let start = || beside(probing(&["-v", OPTION], &["signals", "15"]));
    let file = tempfile::tempfile().unwrap();
    let inputs: [(&str, Start); 5] = [
        ("/dev/null", start().with(|command| command.stdin(Stdio::null()))),
        ("a file", start().with(|command| command.stdin(file))),
        ("a folder", start().with(|command| command.stdin(File::open("/").unwrap()))),
        ("/dev/zero", start().with(|command| command.stdin(File::open("/dev/zero").unwrap()))),
        ("closed", start().close([0])),
    ];
    for (what, start) in inputs {
        let mut run = start.spawn();
        assert!(run.line().starts_with("ready "));
        assert_eq!(run.err_line_with("does nothing"), NEVER, "{what}");
        until_it_waits(&run, false);
        run.signal(28);
        assert!(run.line().starts_with("signal 28 "), "{what}");
        run.signal(15);
        let output = run.finish();
        assert_eq!(output.code(), 0, "{what}");
        assert!(!output.err.iter().any(|line| line == CLOSED), "{what}: {output:?}");
    }
}

/// `read` returns when the pipe's writer is gone, so that rini starts afterwards.
#[test]
fn a_pipe_that_is_closed_before_the_start_starts_no_stop() {
    let script = r#": | { read -r x; exec "$0" -v --stop-on-stdin-close -- sh -c 'kill -USR1 $$'; }"#;
    let output = Start::of("sh").args(["-c".as_ref(), OsStr::new(script), rini().as_os_str()]).run();
    assert_eq!(output.code(), 128 + libc::SIGUSR1, "{output:?}");
    assert!(output.err.iter().any(|line| line == NEVER), "{output:?}");
}

/// The client may exit while rini starts. Its pipe was open when rini began, so that counts.
#[test]
fn a_pipe_that_is_closed_during_the_start_starts_a_stop() {
    if !tools(&["strace"]) {
        return;
    }
    // rini makes the signalfd after the start of the program.
    let words = probing(&["-v", OPTION], &["signals", "15"]);
    let mut run = injecting("signalfd4:delay_enter=1000000").args(words).spawn();
    assert!(run.line().starts_with("ready "));
    drop(run.stdin.take());
    assert_eq!(run.err_line_with("standard input"), CLOSED);
    assert!(run.line().starts_with("signal 15 "));
    assert_eq!(run.finish().code(), 0);
}

#[test]
fn the_delay_and_the_grace_period_apply() {
    if !namespaces() {
        return;
    }
    let mut run = pid1(probing(&["-v", OPTION, "--stop-delay", "10ms", "-t", "100ms"], &["signals", "12"])).spawn();
    run.expect_ready();
    until_it_waits(&run, true);
    drop(run.stdin.take());
    assert_eq!(run.err_line_with("standard input"), CLOSED);
    assert_eq!(run.err_line(), "rini: INFO SIGTERM from pid 1 (rini), held back for 10ms");
    expect_own(&mut run, 15);
    let line = run.err_line_with("killed");
    assert!(line.contains(" after SIGTERM from pid 1 (rini)"), "{line}");
    assert_eq!(run.finish().code(), 137);
}

#[test]
fn in_a_stop_it_changes_nothing() {
    if !namespaces() {
        return;
    }
    // In the stop delay, which a second stop signal would end; and after the forwarding.
    let mut run = watched(&["--stop-delay", "1h"]);
    run.signal(15);
    run.err_line_with(", held back for 3600s");
    until_it_waits(&run, true);
    // The negative control of `not_one_byte_is_taken_and_data_does_not_wake_rini`: the end of the delay is a timeout.
    assert_ne!(poll_timeout(&run), "0x0");
    drop(run.stdin.take());
    until_it_waits(&run, false);
    run.signal(10);
    assert!(run.line().starts_with("signal 10 "), "the delay goes on");
    run.signal(15);
    assert!(run.line().starts_with("signal 15 "));
    let output = run.finish();
    assert!(!output.err.iter().any(|line| line == CLOSED), "{output:?}");

    let mut run = pid1(probing(&["-v", OPTION], &["signals", "12"])).spawn();
    run.expect_ready();
    run.signal(15);
    assert!(run.line().starts_with("signal 15 "));
    until_it_waits(&run, true);
    drop(run.stdin.take());
    until_it_waits(&run, false);
    run.signal(12);
    assert!(run.line().starts_with("signal 12 "), "no second SIGTERM");
    assert_eq!(run.finish().code(), 0);
}

#[test]
fn it_ends_the_wait_for_leftover_processes_and_a_pause() {
    if !namespaces() {
        return;
    }
    let script = r#""$0" signals 15 & exit 3"#;
    let mut words =
        vec!["-v".into(), OPTION.into(), "--after-exit".into(), "wait".into(), "sh".into(), "-c".into(), script.into()];
    words.extend(probing(&[], &[]));
    let mut run = pid1(words).spawn();
    assert!(run.line().starts_with("ready "));
    run.err_line_with("waiting for leftover processes");
    until_it_waits(&run, true);
    drop(run.stdin.take());
    assert_eq!(run.err_line_with("standard input"), CLOSED);
    assert!(run.line().starts_with("signal 15 "));
    assert_eq!(run.finish().code(), 3);

    for options in [&[][..], &["--stop-signals", "QUIT"]] {
        let mut run = pid1([&["-v", "-P", OPTION], options].concat()).spawn();
        until_it_waits(&run, true);
        drop(run.stdin.take());
        assert_eq!(run.err_line_with("standard input"), CLOSED);
        assert_eq!(run.finish().code(), 0);
    }
}

/// The program has a leftover process and an orphan, so that each option has its effect.
#[test]
fn it_goes_with_each_other_option() {
    if !namespaces() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("passwd"), "app:x:1000:1000::/home/app:/bin/sh\n").unwrap();
    std::fs::write(folder.path().join("group"), "").unwrap();
    let script = r#"(: &) ; trap "$1 exit 9" TERM; "$0" signals 15 & wait"#;
    // The options, and what is so with them alone: the leftover process gets SIGTERM; the exit code; a part of a line.
    let warned = "rini: WARN reaped orphan pid ";
    let held = "rini: INFO SIGTERM from pid 1 (rini), held back for 10ms";
    let rows: [(&[&str], bool, i32, Option<&str>); 11] = [
        (&[], false, 9, None),
        (&["--after-exit", "terminate"], true, 9, None),
        (&["--after-exit", "terminate", "-t", "1h"], true, 9, None),
        (&["-s"], false, 9, None),
        (&["-p", "USR1"], false, 9, None),
        (&["-e", "9:7"], false, 7, None),
        (&["-w"], false, 9, Some(warned)),
        (&["-u", "app"], false, 9, None),
        (&["-g"], true, 9, None),
        (&["--stop-delay", "10ms"], false, 9, Some(held)),
        (&["-g", "-u", "app", "-e", "9", "--stop-delay", "10ms"], true, 0, Some(held)),
    ];
    for (options, is_told, code, wanted) in rows {
        let mut words: Vec<_> = [&["-v", OPTION], options, &["sh", "-c", script]].concat();
        let probe = probe();
        // rini would kill the leftover process before that prints what it got through the group.
        words.extend([probe.to_str().unwrap(), if options.contains(&"-g") { "wait;" } else { "" }]);
        let mut run = pid1(words).accounts(folder.path()).spawn();
        assert!(run.line().starts_with("ready "));
        // The orphan has been reaped.
        until("there is one child", || children_of(run.pid()).len() == 1);
        until_it_waits(&run, true);
        let uid = status_field(run.pid(), "Uid");
        assert_eq!(uid.starts_with("1000\t"), options.contains(&"app"), "{options:?}");
        drop(run.stdin.take());
        let output = run.finish();
        assert_eq!(output.code(), code, "{options:?}: {output:?}");
        assert!(output.err.iter().any(|line| line == CLOSED), "{options:?}: {output:?}");
        let told = output.out.iter().any(|line| line.starts_with("signal 15 "));
        assert_eq!(told, is_told, "{options:?}: {output:?}");
        for part in [warned, held] {
            let is_there = output.err.iter().any(|line| line.contains(part));
            assert_eq!(is_there, wanted == Some(part), "{options:?}: {output:?}");
        }
    }
}

/// The parent's death and the end of standard input are two signals for the program.
#[test]
fn the_parent_s_death_does_not_end_the_watch() {
    if !namespaces() {
        return;
    }
    // A shell gives its jobs in the background another standard input.
    let inner = r#"exec 3<&0; "$0" "$@" <&3 3<&- & wait"#;
    let outer = r#"sh -c "$0" "$@"; exec sleep 1000"#;
    let start = Start::of("sh").args(["-c", outer, inner]).args([rini()]);
    let mut run = start.args(probing(&[OPTION, "-p", "USR1"], &["signals", "15"])).in_namespace().spawn();
    assert!(run.line().starts_with("ready "));
    let parent = run.only_child();
    let [own] = children_of(parent)[..] else { panic!("rini is its only child") };
    until("it waits", || blocked_in(own)[0] == libc::SYS_ppoll.to_string());
    nix::sys::signal::kill(parent, nix::sys::signal::Signal::SIGKILL).unwrap();
    assert!(run.line().starts_with("signal 10 "));
    until("it waits", || blocked_in(own)[0] == libc::SYS_ppoll.to_string());
    drop(run.stdin.take());
    assert!(run.line().starts_with("signal 15 "));
}

/// An error of a socket is no end of it: another datagram may come.
#[test]
fn an_error_of_a_socket_starts_no_stop_and_ends_the_watch() {
    let (own, other) = UnixDatagram::pair().unwrap();
    own.send(b"never read").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = folder.path().join("socket");
    let _third = UnixDatagram::bind(&elsewhere).unwrap();
    let start = beside(probing(&["-v", OPTION], &["signals", "15"]));
    let mut run = start.with(|command| command.stdin(OwnedFd::from(own))).spawn();
    assert!(run.line().starts_with("ready "));
    until_it_waits(&run, true);
    // If a socket turns to another one with a message unread, its pair gets ECONNRESET (unix_dgram_disconnected in
    // net/unix/af_unix.c).
    other.connect(&elsewhere).unwrap();
    assert_eq!(run.err_line_with("does nothing"), "rini: WARN --stop-on-stdin-close does nothing: Input/output error");
    until_it_waits(&run, false);
    run.signal(28);
    assert!(run.line().starts_with("signal 28 "));
    run.signal(15);
    let output = run.finish();
    assert_eq!(output.code(), 0);
    assert!(!output.err.iter().any(|line| line == CLOSED), "{output:?}");
}

#[test]
fn if_rini_cannot_watch_it_one_line_says_so_and_signals_arrive() {
    // The real error: there is room for three descriptors, and the probe needs no other.
    let script = r#"ulimit -n 3; exec "$0" "$@""#;
    let mut words = vec!["-c".into(), script.into(), rini().into_os_string()];
    words.extend(probing(&[OPTION], &["signals", "15"]));
    let mut run = Start::of("sh").args(words).spawn();
    assert!(run.line().starts_with("ready "));
    assert_eq!(run.err_line(), "rini: WARN --stop-on-stdin-close does nothing: Too many open files");
    until_it_waits(&run, false);
    drop(run.stdin.take());
    run.signal(15);
    assert!(run.line().starts_with("signal 15 "));
    let output = run.finish();
    assert_eq!((output.code(), output.err), (0, vec![]));

    if !tools(&["strace"]) {
        return;
    }
    for (fault, reason) in [
        ("signalfd4:error=ENOSYS", "Function not implemented"),
        ("ppoll:error=EPERM", "Operation not permitted"),
        ("ppoll:error=ENOSYS:when=2+", "Function not implemented"),
    ] {
        let mut run = injecting(fault).args([OPTION]).args(probing(&[], &["signals", "15"])).spawn();
        assert!(run.line().starts_with("ready "));
        assert_eq!(run.err_line(), format!("rini: WARN --stop-on-stdin-close does nothing: {reason}"), "{fault}");
        let pid = run.only_child();
        drop(run.stdin.take());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert!(run.line().starts_with("signal 15 "));
        let output = run.finish();
        assert_eq!((output.code(), output.err), (0, vec![]), "{fault}");
    }
    // An interruption is none.
    let mut run =
        injecting("ppoll:error=EINTR:when=1..20").args(["-v", OPTION]).args(probing(&[], &["signals", "15"])).spawn();
    assert!(run.line().starts_with("ready "));
    drop(run.stdin.take());
    assert_eq!(run.err_line_with("standard input"), CLOSED);
    assert_eq!(run.finish().code(), 0);
}
