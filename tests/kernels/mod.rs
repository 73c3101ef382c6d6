//! rini on real kernels, each in a virtual machine (machine.rs). The cases of [`cases`] run inside.

mod cases;
pub mod machine;

use crate::support::{for_each, is_long, write_proof};
use crate::terminal::{CTRL_BACKSLASH, CTRL_C, CTRL_Z};
use machine::{Kernel, Machine, OTHERS, boot, kernels, other_kernel};
use std::sync::Mutex;

/// Debian's suites: Linux 6.1 and 6.12, and in the long form 5.10 and the newest kernel too.
fn suites() -> &'static [&'static str] {
    let all = &["bookworm", "bookworm-backports", "bullseye", "trixie-backports"];
    if is_long() { all } else { &all[..2] }
}

/// A run of tests inside.
struct Plan {
    suites: &'static [&'static str],
    /// The version of the cgroups, for the script `run`.
    cgroups: &'static str,
    /// The words that choose the tests.
    words: &'static str,
    /// The least number of tests that has to pass.
    least: usize,
}

/// The cases, and tests of other modules that need nothing but root.
const WORDS: &str =
    "--include-ignored kernels::cases:: each_signal_from_1_to_64_is_forwarded_by_pid_1 signals::queued_signals";

/// The number of the cases.
fn cases() -> usize {
    include_str!("cases.rs").matches("\n#[test]\n").count()
}

/// The tests that run inside. One of those in the long form needs strace. Tests that start many processes are left out: a machine
/// is too slow for their limits.
fn plans() -> Vec<Plan> {
    let mut all = vec![Plan { suites: suites(), cgroups: "2", words: WORDS, least: cases() + 2 }];
    // Debian's later kernels have no memory controller of version 1.
    let suites = if is_long() { &["bookworm", "bullseye"] } else { &["bookworm"][..] };
    let words = "--include-ignored kernels::cases::";
    all.extend(["1", "hybrid"].map(|cgroups| Plan { suites, cgroups, words, least: cases() }));
    if is_long() {
        let words = "reaping:: standard_error::a_line_arrives standard_error::no_line --skip is_gone_at_once --skip among_many --skip a_trace";
        all.push(Plan { suites: self::suites(), cgroups: "2", words, least: 11 });
    }
    all
}

/// Runs tests of this program inside, and returns a row of the report.
fn run_inside(kernel: &Kernel, cgroups: &str, words: &str, least: usize) -> String {
    let lines = boot(kernel, "/rini", &format!("/run {cgroups} --test-threads=4 {words}")).finish();
    // The first line can stand behind the end of a boot message.
    let [version, result] = ["kernel: ", "test result: "].map(|begin| {
        let line = lines.iter().find_map(|line| line.split_once(begin));
        line.unwrap_or_else(|| panic!("{kernel}: no line with {begin:?}")).1
    });
    let passed: usize = result.strip_prefix("ok. ").and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap_or(0);
    assert!(passed >= least, "{version}, cgroups {cgroups}: {words}: {result}");
    format!("| {version} | {} | {cgroups} | `{words}` | {passed} |", kernel.architecture.name)
}

/// Writes the rows to the report.
fn write_rows(part: &str, title: &str, rows: Mutex<Vec<String>>) {
    let mut rows = rows.into_inner().unwrap();
    rows.sort_unstable();
    if !rows.is_empty() {
        let rows = rows.join("\n");
        let head = "These tests held inside virtual machines, as root. In a hybrid tree, version 1 of the cgroups has the controllers:\n\n| Kernel | ARCH | Cgroups | Tests | Passed |\n|---|---|---|---|---:|";
        write_proof(part, title, &format!("\n{head}\n{rows}\n"));
    }
}

#[test]
fn all_cases_hold_on_each_kernel() {
    let (plans, kernels, rows) = (plans(), kernels(suites()), Mutex::new(vec![]));
    let runs = plans.iter().flat_map(|plan| {
        let kernels = kernels.iter().filter(|kernel| plan.suites.contains(&kernel.suite));
        kernels.map(move |kernel| (kernel, plan))
    });
    for_each(2, runs, |(kernel, plan)| {
        let row = run_inside(kernel, plan.cgroups, plan.words, plan.least);
        rows.lock().unwrap().push(row);
    });
    write_rows("kernels", "Real kernels", rows);
}

/// True if a line has all these parts.
fn has(lines: &[String], parts: &[&str]) -> bool {
    lines.iter().any(|line| parts.iter().all(|part| line.contains(part)))
}

/// Boots with the script `alone`, and presses Ctrl-Alt-Del once its program is ready. If the machine has no such key, a process in
/// the machine sends SIGINT to PID 1.
fn press_ctrl_alt_del(kernel: &Kernel, init: &str, arguments: &str) -> (Machine, Vec<String>) {
    let mut machine = boot(kernel, init, arguments);
    let lines = machine.read_until(&["ready "]);
    match kernel.architecture.ctrl_alt_del {
        Some(command) => machine.monitor(command),
        None => machine.type_on_line("\n"),
    }
    (machine, lines)
}

/// rini is started by the kernel, without /proc and with nothing but the console in /dev.
fn check_init(kernel: &Kernel) {
    let (machine, mut lines) = press_ctrl_alt_del(kernel, "/rini", "-v -w -e 0:7 /alone one two=2");
    lines.extend(machine.finish());
    // The kernel's command line.
    assert!(has(&lines, &["arguments: one two=2"]), "{kernel}");
    // The orphan of a program that the kernel started. Another process may write to the console at the same time, and
    // rini drops a line then, so either line will do.
    let is_reaped = has(&lines, &["rini: WARN reaped orphan pid ", "exited with 0"]) || has(&lines, &["reaped: 1"]);
    assert!(is_reaped, "{kernel}");
    assert!(has(&lines, &["signal 2 "]), "{kernel}");
    // Without /proc rini cannot tell the kernel's threads from leftover processes, so it names neither. `type_keys` has the positive
    // control.
    assert!(!has(&lines, &["leftover"]), "{kernel}");
    let by_kernel = "SIGINT from the kernel, forwarded";
    let is_other = |line: &&String| line.contains("SIGINT from ") && !line.contains(by_kernel);
    let other = lines.iter().find(is_other);
    assert!(kernel.architecture.ctrl_alt_del.is_none() || other.is_none(), "{kernel}: {other:?}");
    // rini's exit code, as wait(2) has it.
    assert!(has(&lines, &["Attempted to kill init! exitcode=0x00000700"]), "{kernel}");
}

#[test]
fn rini_is_the_init_of_each_kernel() {
    for_each(2, kernels(suites()), |kernel| check_init(&kernel));
    // The negative control: a shell gets no SIGINT as PID 1, and its program none.
    for kernel in kernels(&suites()[..1]) {
        let (mut machine, mut lines) = press_ctrl_alt_del(&kernel, "/bin/sh", "-c \"/alone one; exit 7\"");
        machine.monitor("sendkey alt-sysrq-h");
        lines.extend(machine.read_until(&["sysrq: HELP"]));
        assert!(has(&lines, &["arguments: one"]) && !has(&lines, &["signal 2 "]), "{lines:?}");
    }
}

/// The terminal on rini's standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Controlling {
    /// No process has it as its controlling terminal.
    Nobody,
    SerialLine,
    /// The first virtual console, with a keyboard.
    Screen,
}

/// A way in which rini, as the kernel's PID 1, comes to its terminal.
#[derive(Clone, Copy, Debug)]
struct Terminal {
    /// The init, and the words before rini's options on the kernel's command line.
    init: [&'static str; 2],
    controlling: Controlling,
}

/// rini takes the terminal on standard input, which is /dev/console.
const TAKEN_BY_RINI: Terminal = Terminal { init: ["/bin/setsid", "/rini"], controlling: Controlling::SerialLine };

const TERMINALS: [Terminal; 5] = [
    // The kernel starts PID 1 in no session, so no process has the console as its controlling terminal.
    Terminal { init: ["/rini", ""], controlling: Controlling::Nobody },
    TAKEN_BY_RINI,
    // setsid takes it.
    Terminal { init: ["/bin/setsid", "-c /rini"], controlling: Controlling::SerialLine },
    // The shell takes the one that it opens.
    Terminal {
        init: ["/bin/setsid", "sh -c \"mount -t devtmpfs dev /dev; exec $0 $@ </dev/ttyS0\" /rini"],
        controlling: Controlling::SerialLine,
    },
    Terminal {
        init: ["/bin/setsid", "sh -c \"mount -t devtmpfs dev /dev; exec $0 $@ </dev/tty1\" /rini"],
        controlling: Controlling::Screen,
    },
];

/// Types keys on rini's terminal, and checks that the program gets them and rini gets no signal.
fn type_keys(kernel: &Kernel, Terminal { init: [init, words], controlling }: Terminal) {
    let mut machine = boot(kernel, init, &format!("{words} -vvv -e 0:7 /keys"));
    let mut lines = machine.read_until(&["ready"]);
    let number = match controlling {
        Controlling::Nobody => 0,
        Controlling::SerialLine => kernel.architecture.serial_line.1,
        Controlling::Screen => 4 << 8 | 1,
    };
    let is_controlling = controlling != Controlling::Nobody;
    let state = format!("terminal {number}, session {0}, in the foreground: {0}", u8::from(is_controlling));
    assert!(has(&lines, &[&state]), "{kernel}: {state}");
    // Types, and reads up to a line with this.
    let mut act = |machine: &mut Machine, keys: &str, until: &str| {
        if controlling == Controlling::Screen {
            machine.type_on_keyboard(keys)
        } else {
            machine.type_on_line(keys)
        }
        lines.extend(machine.read_until(&[until]));
    };
    let got_signal =
        |lines: &[String]| ["SIGINT", "SIGTSTP", "SIGQUIT"].iter().any(|name| has(lines, &["rini: ", name]));
    if !is_controlling {
        // The negative control: the keys make no signals.
        act(&mut machine, &format!("{CTRL_C}{CTRL_BACKSLASH}{CTRL_Z}hello\n"), "got hello");
        act(&mut machine, "", "can't access tty; job control turned off");
        assert!(!got_signal(&lines), "{kernel}");
        return;
    }
    // The children of the kernel's PID 1 are an orphaned process group, so Ctrl-Z does not stop one that has no handler.
    act(&mut machine, &format!("{CTRL_Z}hello\n"), "got hello");
    // The shell's job is in a group that is not orphaned.
    act(&mut machine, "/keys line\n", "ready");
    act(&mut machine, CTRL_Z, "Stopped");
    act(&mut machine, "fg\nhello\n", "got hello");
    act(&mut machine, "exit\n", "ready ");
    for (key, signal) in [(CTRL_C, libc::SIGINT), (CTRL_Z, libc::SIGTSTP), (CTRL_BACKSLASH, libc::SIGQUIT)] {
        act(&mut machine, key, &format!("signal {signal} code {} pid 0 ", libc::SI_KERNEL));
    }
    lines.extend(machine.finish());
    assert!(!got_signal(&lines), "{kernel}");
    // The positive control: rini logs the SIGCHLD that it gets.
    assert!(has(&lines, &["rini: TRACE SIGCHLD"]), "{kernel}");
    // With /proc, rini tells a leftover process from the kernel's threads.
    assert!(has(&lines, &["leftover processes get SIGKILL", ": pid ", " (busybox);"]), "{kernel}");
    assert!(has(&lines, &["Attempted to kill init! exitcode=0x00000700"]), "{kernel}");
}

#[test]
fn the_keys_of_a_console_reach_the_program() {
    let kernels = kernels(if is_long() { suites() } else { &suites()[..1] });
    let all = kernels.iter().flat_map(|kernel| TERMINALS.map(|terminal| (kernel, terminal)));
    for_each(2, all, |(kernel, terminal)| type_keys(kernel, terminal));
}

/// The init, the keys and the cases on the kernels of other architectures. The short form has only the tests above.
#[test]
fn the_kernels_of_other_architectures() {
    if !is_long() {
        return;
    }
    let rows = Mutex::new(vec![]);
    for_each(2, &OTHERS, |other| {
        let Some(kernel) = other_kernel(other) else {
            return rows
                .lock()
                .unwrap()
                .push(format!("| none | {} | | not run: something is missing | |", other.0.name));
        };
        check_init(&kernel);
        type_keys(&kernel, TAKEN_BY_RINI);
        // The values in that test have 64 bits, and a 32-bit rini forwards 32 of them.
        let is_32 = ["armv7", "i686"].contains(&kernel.architecture.name);
        let words = if is_32 { WORDS.strip_suffix(" signals::queued_signals").unwrap() } else { WORDS };
        let row = run_inside(&kernel, "2", words, cases() + 2 - usize::from(is_32));
        rows.lock().unwrap().push(row);
    });
    write_rows("kernels-others", "Kernels of other architectures", rows);
}
