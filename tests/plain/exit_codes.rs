//! rini exits with the program's exit code.

use crate::support::{Output, Start, beside, bit, emulation, is_numbered, namespaces, pid1, probe, probing};
use std::os::unix::process::ExitStatusExt;

fn run(options: &[&str], program: &[&str]) -> Output {
    beside(probing(options, program)).run()
}

#[test]
fn all_256_exit_codes_come_through() {
    for code in 0..=255 {
        assert_eq!(run(&[], &["exit", &code.to_string()]).code(), code);
    }
}

#[test]
fn all_256_exit_codes_come_through_as_pid_1() {
    if !namespaces() {
        return;
    }
    for code in 0..=255 {
        assert_eq!(pid1(probing(&[], &["exit", &code.to_string()])).run().code(), code);
    }
}

/// The signals whose default action is to end the process (signal(7)).
fn deadly() -> impl Iterator<Item = i32> {
    (1..=64)
        .filter(|n| is_numbered(*n))
        .filter(|n| ![libc::SIGCHLD, libc::SIGCONT, libc::SIGURG, libc::SIGWINCH].contains(n) && !(19..=22).contains(n))
}

/// If the signal is a real-time one, pid1-rs hangs for ever and tino exits with 1. my_init and initrs exit with 0.
#[test]
fn death_by_each_signal_that_kills_is_128_and_its_number() {
    assert_eq!(deadly().count(), if emulation().is_none() { 56 } else { 52 });
    for signal in deadly() {
        // The negative control: without rini the probe really dies of the signal.
        let alone = Start::of(probe()).args(["die", &signal.to_string()]).run();
        assert_eq!(alone.status.signal(), Some(signal));
        assert_eq!(run(&[], &["die", &signal.to_string()]).code(), 128 + signal, "signal {signal}");
    }
}

#[test]
fn death_by_each_signal_that_kills_is_128_and_its_number_as_pid_1() {
    if !namespaces() {
        return;
    }
    for signal in deadly() {
        assert_eq!(pid1(probing(&[], &["die", &signal.to_string()])).run().code(), 128 + signal, "signal {signal}");
    }
}

#[test]
fn remap_exit_changes_the_codes_that_it_names_and_no_other() {
    for (options, program, code) in [
        (&["-e", "143"][..], &["die", "15"][..], 0),
        (&["-e143"], &["die", "15"], 0),
        (&["--remap-exit=143:5"], &["die", "15"], 5),
        (&["--remap-exit", "0:9"], &["exit", "0"], 9),
        (&["-e", "143"], &["exit", "7"], 7),
        (&["-e", "7", "-e", "8:3", "-e", "255:254"], &["exit", "7"], 0),
        (&["-e", "7", "-e", "8:3", "-e", "255:254"], &["exit", "8"], 3),
        (&["-e", "7", "-e", "8:3", "-e", "255:254"], &["exit", "255"], 254),
        (&["-e", "163:1"], &["die", "35"], 1),
    ] {
        assert_eq!(run(options, program).code(), code, "{options:?} {program:?}");
    }
}

/// As in tini, a failed exec counts as the exit of the program.
#[test]
fn remap_exit_acts_on_a_failed_exec_too() {
    assert_eq!(beside(["-e", "127", "/nonexistent"]).run().code(), 0);
    assert_eq!(beside(["-e", "126:4", "/"]).run().code(), 4);
    assert_eq!(beside(["/nonexistent"]).run().code(), 127);
}

/// tini, catatonit and tino hang for ever here, because the kernel keeps no status then.
#[test]
fn the_code_comes_through_where_sigchld_was_ignored() {
    if !namespaces() {
        return;
    }
    for _ in 0..20 {
        let output = pid1(probing(&[], &["exit", "7"])).ignored(bit(libc::SIGCHLD)).run();
        assert_eq!(output.code(), 7);
        assert_eq!(beside(probing(&[], &["die", "15"])).ignored(bit(libc::SIGCHLD)).run().code(), 143);
    }
}
