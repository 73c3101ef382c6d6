//! rini on real kernels, each in a virtual machine (machine.rs). The cases of [`cases`] run inside.

mod cases;
mod machine;

use crate::support::{for_each, is_long, write_proof};
use machine::{Kernel, Machine, boot, kernels};
use std::sync::Mutex;

/// Debian's suites: Linux 6.1 and 6.12, and in the long form 5.10 and the newest kernel too.
fn suites() -> &'static [&'static str] {
    let all = &["bookworm", "bookworm-backports", "bullseye", "trixie-backports"];
    if is_long() { all } else { &all[..2] }
}

/// The tests that run inside, and the least number of them that has to pass: the cases, and tests of other modules that need
/// nothing but root. One of these needs strace. Tests that start many processes are left out: a machine is too slow for their
/// limits.
fn tests_inside() -> Vec<(&'static str, usize)> {
    let cases = include_str!("cases.rs").matches("\n#[test]\n").count();
    let short =
        "--include-ignored kernels::cases:: each_signal_from_1_to_64_is_forwarded_by_pid_1 signals::queued_signals";
    let long = "reaping:: standard_error::a_line_arrives standard_error::no_line --skip is_gone_at_once --skip among_many --skip a_trace";
    let mut all = vec![(short, cases + 2)];
    if is_long() {
        all.push((long, 11));
    }
    all
}

/// Runs tests of this program inside. Returns the kernel's version, and the line with the result.
fn run_inside(kernel: &Kernel, words: &str) -> [String; 2] {
    let lines = boot(kernel, "/rini", &format!("/run --test-threads=4 {words}")).finish();
    ["Linux ", "test result: "].map(|begin| {
        let line = lines.iter().find_map(|line| line.strip_prefix(begin));
        line.unwrap_or_else(|| panic!("{}: no line with {begin:?}", kernel.suite)).to_owned()
    })
}

#[test]
fn all_cases_hold_on_each_kernel() {
    let rows = Mutex::new(vec![]);
    for (words, least) in tests_inside() {
        for_each(2, kernels(suites()), |kernel| {
            let [version, result] = run_inside(&kernel, words);
            let passed: usize =
                result.strip_prefix("ok. ").and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap_or(0);
            assert!(passed >= least, "Linux {version}: {words}: {result}");
            rows.lock().unwrap().push(format!("| Linux {version} | `{words}` | {passed} |"));
        });
    }
    let mut rows = rows.into_inner().unwrap();
    rows.sort_unstable();
    if !rows.is_empty() {
        let rows = rows.join("\n");
        let head = "These tests held inside virtual machines, as root, with version 2 of the cgroups:\n\n| Kernel | Tests | Passed |\n|---|---|---:|";
        write_proof("kernels", "Real kernels", &format!("\n{head}\n{rows}\n"));
    }
}

/// Boots with the script `alone`, presses Ctrl-Alt-Del once its program is ready, and another key that the kernel answers.
fn press_ctrl_alt_del(kernel: &Kernel, init: &str, arguments: &str) -> (Machine, Vec<String>) {
    let mut machine = boot(kernel, init, arguments);
    let lines = machine.read_until(&["ready "]);
    machine.monitor("sendkey ctrl-alt-delete");
    (machine, lines)
}

/// rini is started by the kernel, without /proc and with nothing but the console in /dev.
#[test]
fn rini_is_the_init_of_each_kernel() {
    let has = |lines: &[String], parts: &[&str]| lines.iter().any(|line| parts.iter().all(|part| line.contains(part)));
    for_each(2, kernels(suites()), |kernel| {
        let (machine, mut lines) = press_ctrl_alt_del(&kernel, "/rini", "-v -w -e 0:7 /alone one two=2");
        lines.extend(machine.finish());
        // The kernel's command line.
        assert!(has(&lines, &["arguments: one two=2"]), "{}", kernel.suite);
        // The orphan of a program that the kernel started. Another process may write to the console at the same time, and
        // rini drops a line then, so either line will do.
        let is_reaped = has(&lines, &["rini: WARN reaped orphan pid ", "exited with 0"]) || has(&lines, &["reaped: 1"]);
        assert!(is_reaped, "{}", kernel.suite);
        // Ctrl-Alt-Del.
        assert!(has(&lines, &["signal 2 "]), "{}", kernel.suite);
        let is_other =
            |line: &String| line.contains("SIGINT from ") && !line.contains("SIGINT from the kernel, forwarded");
        assert!(!lines.iter().any(is_other), "{}", kernel.suite);
        // rini's exit code, as wait(2) has it.
        assert!(has(&lines, &["Attempted to kill init! exitcode=0x00000700"]), "{}", kernel.suite);
    });
    // The negative control: a shell gets no SIGINT as PID 1, and its program none.
    for kernel in kernels(&suites()[..1]) {
        let (mut machine, mut lines) = press_ctrl_alt_del(&kernel, "/bin/sh", "-c \"/alone one; exit 7\"");
        machine.monitor("sendkey alt-sysrq-h");
        lines.extend(machine.read_until(&["sysrq: HELP"]));
        assert!(has(&lines, &["arguments: one"]) && !has(&lines, &["signal 2 "]), "{lines:?}");
    }
}
