//! The state machine (src/supervisor.rs) is broken in one place at a time, and its own tests have to notice.
//!
//! A test that no mistake can fail proves nothing. These are mistakes that would each cost somebody a container: a
//! signal too many, a kill too early or never, an exit code that lies.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Output};

/// What is wrong with it, the text that is there once, and the text in its place.
const MUTATIONS: [(&str, &str, &str); 37] = [
    (
        "the rest's period is counted from some other time",
        "Event::ChildEnded(_) => self.policy.after_exit.stays(),",
        "Event::ChildEnded(_) => false,",
    ),
    (
        "a period is counted from some other time",
        "Event::Signal(signal) => self.begins_shutdown(signal),\n            Event",
        "Event::Signal(_) => false,\n            Event",
    ),
    ("the time is not looked at when it is over", "begins_period || self.deadline().is_some()", "begins_period"),
    ("killed one tick too late", "now < deadline", "now <= deadline"),
    ("killed before the time", "now < deadline", "now < deadline && self.deadline().is_none()"),
    (
        "killed again and again",
        "self.shutdown = Shutdown::Escalated { by };\n                actions",
        "let _ = by;\n                actions",
    ),
    (
        "a second stop signal moves the deadline",
        "(Shutdown::Asked { .. } | Shutdown::Escalated { .. }, _) => self.forward(signal, actions),",
        "(Shutdown::Asked { .. } | Shutdown::Escalated { .. }, _) => self.ask(signal, now, actions),",
    ),
    (
        "a delayed signal is never sent",
        "(_, Shutdown::Delayed { until, .. }) => Some(until),",
        "(_, Shutdown::Delayed { .. }) => None,",
    ),
    ("the first of two stop signals is lost", "if signal != first && self.forwards()", "if false && signal != first"),
    ("the same stop signal is doubled", "if signal != first && self.forwards()", "if self.forwards()"),
    (
        "a running child is continued",
        "if self.stopped && self.target() == Target::Child",
        "if self.target() == Target::Child",
    ),
    ("a stopped child is not continued", "self.stopped = true;", ""),
    ("a continued child is taken for stopped", "self.stopped = false;\n", ""),
    (
        "signals after the end",
        "State::Ended => return actions,",
        "State::Ended => self.handle_child(event, now, &mut actions),",
    ),
    ("the end is forgotten", "self.state = State::Ended;", ""),
    (
        "a lost child is waited for",
        "(_, Event::NoChildren | Event::Helpless) => self.finish(None, actions),",
        "(_, Event::NoChildren | Event::Helpless) => (),",
    ),
    ("a dead child is signalled", "self.state = State::Remaining { status };\n", ""),
    (
        "`wait` signals unasked",
        "(_, Shutdown::Not | Shutdown::Delayed { .. }) => (),",
        "_ => self.terminate(now, actions),",
    ),
    (
        "a stop ends with the child, and the rest hangs",
        "(_, Shutdown::Asked { by, .. } | Shutdown::Escalated { by }) => self.ask(by, now, actions),",
        "(_, Shutdown::Asked { .. } | Shutdown::Escalated { .. }) => (),",
    ),
    (
        "`terminate` has no end",
        "Some(now.later_by(self.policy.grace.unwrap_or(DEFAULT_GRACE)))",
        "self.policy.grace.map(|grace| now.later_by(grace))",
    ),
    (
        "an ordinary signal goes to what remains",
        "Event::Signal(_) | Event::Tick => (),",
        "Event::Tick => (),\n            Event::Signal(signal) => self.forward(signal, actions),",
    ),
    (
        "the status is lost",
        "Event::NoChildren | Event::Helpless => self.finish(Some(status), actions),",
        "Event::NoChildren | Event::Helpless => self.finish(None, actions),",
    ),
    ("a pause ends with its first orphan", "Event::NoChildren if self.may_pause() => (),", ""),
    ("a pause does not end", "self.policy.pause && matches!", "self.policy.pause || matches!"),
    (
        "who is being killed hears of it again",
        "(Shutdown::Escalated { .. }, _) if self.target() == Target::Remaining => (),",
        "",
    ),
    ("a parent's death is passed over", "orphaned || self.policy.shutdown_signals", "self.policy.shutdown_signals"),
    ("`terminate` asks twice", "(Shutdown::Asked { .. }, _) if !self.forwards() => (),", ""),
    (
        "after the child ^Z does nothing",
        "Event::Signal(signal) if signal.stops() && self.policy.terminal => {",
        "Event::Signal(signal) if false => {",
    ),
    (
        "the grace period never runs",
        "(_, Shutdown::Asked { kill_at, .. }) => kill_at,",
        "(_, Shutdown::Asked { .. }) => None,",
    ),
    ("a meant stop is undone", "if !self.stop_requested =>", "=>"),
    (
        "a refused ^Z stays",
        "Event::SuspendRefused) if !self.stop_requested => {\n                self.resume(actions);",
        "Event::SuspendRefused) if !self.stop_requested => {",
    ),
    ("rini stops for any signal", "self.policy.stops_itself && signal.is_terminal_stop()", "self.policy.stops_itself"),
    ("rini stops unasked", "self.policy.stops_itself && signal.is_terminal_stop()", "signal.is_terminal_stop()"),
    ("rini never stops itself", "actions.push(Action::StopItself);", ""),
    (
        "the group is not asked at the end",
        "actions.push(Action::TerminateGroup(self.policy.rewrite.apply(Signal::TERM)));",
        "",
    ),
    (
        "what the group is asked by is not rewritten",
        "Action::TerminateGroup(self.policy.rewrite.apply(Signal::TERM))",
        "Action::TerminateGroup(Some(Signal::TERM))",
    ),
    (
        "a dropped signal is passed on",
        "return actions.push(Action::Drop(signal)) };",
        "return actions.push(Action::Forward { signal, rewritten: signal, to: self.target() }) };",
    ),
];

/// The machine and what it is made of, as a package of its own: it compiles in a second.
pub fn make_package(folder: &Path) {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::create_dir_all(folder.join("src/supervisor/tests")).unwrap();
    let tests = ["supervisor/tests.rs", "supervisor/tests/model.rs"];
    for file in ["exit.rs", "signal.rs", "supervisor.rs", "text.rs", "time.rs"].into_iter().chain(tests) {
        fs::copy(own.join("src").join(file), folder.join("src").join(file)).unwrap();
    }
    fs::copy(own.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let mut manifest =
        "[package]\nname = \"machine\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n".to_owned();
    manifest += "[profile.test]\nopt-level = 1\ndebug = false\n[dependencies]\n";
    let text = fs::read_to_string(own.join("Cargo.toml")).unwrap();
    for name in ["libc", "signal-hook"] {
        let line = text.lines().find(|line| line.starts_with(&format!("{name} = "))).unwrap();
        writeln!(manifest, "{line}").unwrap();
    }
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::write(
        folder.join("src/lib.rs"),
        "#![allow(warnings)]\nmod exit;\nmod signal;\nmod supervisor;\nmod text;\nmod time;\n",
    )
    .unwrap();
}

/// How to run its tests.
pub fn package_tests(folder: &Path) -> Command {
    // One's tests are not another's: what Cargo says of its own must not come in between.
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--quiet", "--offline", "--lib", "supervisor"]).current_dir(folder);
    for variable in ["RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_ENCODED_RUSTFLAGS"] {
        cargo.env_remove(variable);
    }
    cargo
}

/// Its tests' output: that they ran at all is for the caller to see.
fn run_tests(folder: &Path) -> Output {
    package_tests(folder).output().unwrap()
}

#[test]
fn each_mistake_in_the_machine_fails_its_tests() {
    let folder = tempfile::tempdir().unwrap();
    make_package(folder.path());
    // The negative control: unbroken, they pass.
    let output = run_tests(folder.path());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("test result: ok. 6 passed"), "{output:?}");

    let file = folder.path().join("src/supervisor.rs");
    let machine = fs::read_to_string(&file).unwrap();
    let mut report = String::new();
    for (what, from, to) in MUTATIONS {
        assert_eq!(machine.matches(from).count(), 1, "{what}: this stands there once: {from}");
        fs::write(&file, machine.replacen(from, to, 1)).unwrap();
        let output = run_tests(folder.path());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("test result: "), "{what}: it compiles: {output:?}");
        let failed: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("    supervisor::tests::"))
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect();
        let caught = !output.status.success() && !failed.is_empty();
        writeln!(report, "{} {what}: {}", if caught { "caught" } else { "MISSED" }, failed.join(", ")).unwrap();
    }
    // Past the harness, which swallows what a test prints that passes: this list is for the reader of the log.
    let _ = io::stderr().write_all(report.as_bytes());
    assert!(!report.contains("MISSED"), "{report}");
}
