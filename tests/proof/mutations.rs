//! The state machine (src/supervise/supervisor.rs) is broken in one place at a time, and its own tests have to notice. So is the reading of
//! the command line, and the test by any words (src/cli/any_words.rs) has to.
//!
//! A test that no mistake can fail proves nothing. These are mistakes that would each cost somebody a container: a
//! signal too many, a kill too early or never, an exit code that lies.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// What is wrong with it, the text that is there once, and the text in its place.
const MUTATIONS: [(&str, &str, &str); 59] = [
    (
        "a child stopped by SIGTTIN, as a dead job has the terminal, stays so",
        "            (Signal::TTIN | Signal::TTOU, Foreground::Nobody | Foreground::Child) => Signal::TSTP,\n",
        "",
    ),
    (
        "the rest's period is counted from some other time",
        "Event::ChildEnded(_) => self.policy.after_exit.stays(),",
        "Event::ChildEnded(_) => false,",
    ),
    (
        "a period is counted from some other time",
        "Event::Signal(signal) => self.begins_stop(signal),\n            Event",
        "Event::Signal(_) => false,\n            Event",
    ),
    ("the time is not looked at when it is over", "begins_period || self.deadline().is_some()", "begins_period"),
    ("killed one tick too late", "now < deadline", "now <= deadline"),
    ("killed before the time", "now < deadline", "now < deadline && self.deadline().is_none()"),
    (
        "killed again and again",
        "self.stop = Stop::Escalated { give_up_at: now.later_by(TIME_TO_DIE) };\n                actions",
        "actions",
    ),
    (
        "a second stop signal moves the deadline",
        "(Stop::Requested { .. } | Stop::Escalated { .. }, _) => self.forward_stop(signal, actions),",
        "(Stop::Requested { .. } | Stop::Escalated { .. }, _) => self.request_stop(signal, now, actions),",
    ),
    (
        "a delayed signal is never sent",
        "(_, Stop::Delayed { until, .. }) => Some(until),",
        "(_, Stop::Delayed { .. }) => None,",
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
    ("a dead child is signalled", "self.state = State::Leftovers { status };\n", ""),
    (
        "`wait` signals unasked",
        "(Stop::NotBegun | Stop::Delayed { .. }, _) => (),",
        "_ => self.terminate_leftovers(now, actions),",
    ),
    (
        "a stop ends with the child, and the rest hangs",
        "(Stop::Requested { by, .. }, _) => self.forward(by, actions),",
        "(Stop::Requested { .. }, _) => (),",
    ),
    (
        "leftover processes get a second grace period",
        "if !matches!(self.stop, Stop::Requested { kill_at: Some(_), .. }) {",
        "if true {",
    ),
    (
        "leftover processes have no deadline after a stop without one",
        "if !matches!(self.stop, Stop::Requested { kill_at: Some(_), .. }) {",
        "if !matches!(self.stop, Stop::Requested { .. }) {",
    ),
    (
        "the deadline moves with the program's end",
        "(Stop::Requested { by, .. }, _) => self.forward(by, actions),",
        "(Stop::Requested { by, .. }, _) => self.request_stop(by, now, actions),",
    ),
    (
        "leftover processes of a killed program survive",
        "(Stop::Escalated { .. }, _) => actions.push(Action::Kill(Target::Leftovers)),",
        "(Stop::Escalated { .. }, _) => (),",
    ),
    (
        "leftover processes of a killed program get a period",
        "(Stop::Escalated { .. }, _) => actions.push(Action::Kill(Target::Leftovers)),",
        "(Stop::Escalated { .. }, _) => self.terminate_leftovers(now, actions),",
    ),
    (
        "a process that cannot be killed is waited for for ever",
        "(_, Stop::Escalated { give_up_at }) => Some(give_up_at),",
        "(_, Stop::Escalated { .. }) => None,",
    ),
    ("a killed process has no time to end", "give_up_at: now.later_by(TIME_TO_DIE)", "give_up_at: now"),
    ("rini gives up without a line", "actions.push(Action::GiveUp);", ""),
    (
        "a program that cannot be killed is said to have ended well",
        "_ => Status::Killed(Signal::KILL),",
        "_ => Status::Exited(0),",
    ),
    (
        "`terminate` has no end",
        "Some(now.later_by(self.policy.grace.unwrap_or(DEFAULT_GRACE)))",
        "self.policy.grace.map(|grace| now.later_by(grace))",
    ),
    (
        "an ordinary signal goes to what remains",
        "Event::Signal(signal) => actions.push(Action::Discard(signal)),",
        "Event::Signal(signal) => self.forward(signal, actions),",
    ),
    (
        "a signal ends here without a word",
        "Event::Signal(signal) => actions.push(Action::Discard(signal)),",
        "Event::Signal(_) => (),",
    ),
    ("a late deadline is never put off", "now.since(kill_at) > LATE =>", "now.since(kill_at) > LATE && false =>"),
    (
        "a deadline is put off that is not late",
        "now.since(kill_at) > LATE =>",
        "now.since(kill_at) >= Duration::default() =>",
    ),
    ("a deadline is put off again and again", "put_off: false } if now.since", "put_off: _ } if now.since"),
    (
        "a deadline is put off by more than a period",
        "now.since(kill_at).min(self.policy.grace.unwrap_or(DEFAULT_GRACE))",
        "now.since(kill_at)",
    ),
    ("a stop that is seen after the signal stays", "would_miss_the_deadline ||", "false && would_miss_the_deadline ||"),
    ("a stop that was meant is undone", "&& !self.stop_requested && (by", "&& (by"),
    (
        "a stop from before the signal counts as meant",
        "self.stop_requested = false;\n        self.forward_stop(signal, actions);",
        "self.forward_stop(signal, actions);",
    ),
    (
        "a SIGTTIN without a terminal stops the child",
        "|| by.is_background_stop() && !terminal",
        "|| false && !terminal",
    ),
    (
        "a SIGTTIN counts as a stop that was meant",
        "rewritten.has_stop_action() && !rewritten.is_background_stop()",
        "rewritten.has_stop_action()",
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
        "(Stop::Escalated { .. }, _) if self.target() == Target::Leftovers => {\n                actions.push(Action::Discard(signal));\n            }",
        "",
    ),
    ("a parent's death is passed over", "orphaned || self.policy.stop_signals", "self.policy.stop_signals"),
    (
        "`terminate` asks twice",
        "(Stop::Requested { .. }, _) if !self.forwards() => actions.push(Action::Discard(signal)),",
        "",
    ),
    (
        "after the child ^Z does nothing",
        "Event::Signal(signal) if signal.has_stop_action() && self.policy.terminal => {",
        "Event::Signal(signal) if false => {",
    ),
    (
        "the grace period never runs",
        "(_, Stop::Requested { kill_at, .. }) => kill_at,",
        "(_, Stop::Requested { .. }) => None,",
    ),
    (
        "a stop that is still to come is undone by the word of a SIGCONT before",
        "self.stop_requested &= !self.stop_seen;",
        "self.stop_requested = false;",
    ),
    (
        "a later stop signal leaves a stopped child stopped",
        "(Stop::Requested { .. } | Stop::Escalated { .. }, _) => self.forward_stop(signal, actions),",
        "(Stop::Requested { .. } | Stop::Escalated { .. }, _) => self.forward(signal, actions),",
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

/// The same for the reading of the command line and the environment: the file first.
const MISREADINGS: [(&str, &str, &str, &str); 17] = [
    (
        "no grace period at all is taken",
        "cli/options.rs",
        "Some(values::read_duration(value, 1_000_000)",
        "Some(values::read_duration(value, 0)",
    ),
    ("a minute is six seconds", "cli/values.rs", "3 => 60_000,", "3 => 6_000,"),
    ("a seventh decimal counts ten times", "cli/values.rs", "missing.checked_sub(1)?;", "missing.saturating_sub(1);"),
    (
        "an option's rules are added to the variable's",
        "cli/options.rs",
        "if !mem::replace(&mut repeated.has_remap, true) {",
        "if false {",
    ),
    ("tini's variable beats RINI_LOG", "cli/command_line.rs", "tini_sets_level &= option.kind != OptionKind::Log;", ""),
    (
        "-v beats tini's variable",
        "cli/command_line.rs",
        "if line.repeated.verbose > 0 && !tini_sets_level {",
        "if line.repeated.verbose > 0 {",
    ),
    (
        "an empty variable counts",
        "cli/command_line.rs",
        "variable(option.variable).filter(|value| !value.is_empty())",
        "variable(option.variable)",
    ),
    ("a reserved variable is passed over", "cli/options.rs", "return Err(Answer::Reserved)", "()"),
    (
        "the program begins a word late",
        "cli/command_line.rs",
        "(Some(line.next), name),",
        "(Some(line.next.saturating_add(1)), name),",
    ),
    ("a letter's value is read as letters too", "cli/command_line.rs", "self.letters = &[];", "self.letters = rest;"),
    (
        "a session's rules beat the user's",
        "cli/command_line.rs",
        "insert_default(*signal, Signal::STOP)",
        "insert(*signal, Some(Signal::STOP))",
    ),
    (
        "SIGCHLD can be a stop signal",
        "ground/signal.rs",
        "Signal::KILL | Signal::STOP | Signal::CHLD)",
        "Signal::KILL | Signal::STOP)",
    ),
    ("RTMIN-1 is RTMIN+1", "ground/signal.rs", "Some((first, digits)) if *first == sign =>", "Some((_, digits)) =>"),
    ("the first rule for a code wins", "ground/exit.rs", "self.0.iter().rev()", "self.0.iter()"),
    (
        "a value is shown without quotes",
        "messages/catalog.rs",
        "if quoted.is_some() { write!(f, \"{:#}\", *value) } else { value.fmt(f) }",
        "value.fmt(f)",
    ),
    (
        "a bad variable is not named",
        "messages/texts/rini.txt",
        "== Answer::BadVariable error\n{option}: {value:?} is not {expected}",
        "== Answer::BadVariable error\n{value:?} is not {expected}",
    ),
    (
        "an option without a variable is read from a variable without a name",
        "cli/command_line.rs",
        ".filter(|option| !option.variable.is_empty())",
        "",
    ),
];

/// The machine and what it is made of, as a package of its own: it compiles in a second.
pub fn make_package(folder: &Path) {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::create_dir_all(folder.join("src/supervise")).unwrap();
    link_kept(folder);
    let mut copy = Command::new("cp");
    copy.arg("-r")
        .args(["ground", "supervise/supervisor", "supervise/supervisor.rs"].map(|path| own.join("src").join(path)));
    assert!(copy.arg(folder.join("src/supervise")).status().unwrap().success());
    fs::rename(folder.join("src/supervise/ground"), folder.join("src/ground")).unwrap();
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
        "#![allow(warnings)]\nmod ground;\nmod supervise {\n    pub mod supervisor;\n}\n",
    )
    .unwrap();
}

/// What fuzzing has found to be worth keeping.
fn link_kept(folder: &Path) {
    fs::create_dir_all(folder.join("tests/proof")).unwrap();
    symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proof/fuzz"), folder.join("tests/proof/fuzz")).unwrap();
}

/// All of rini, as a package of its own.
pub fn make_whole_package(folder: &Path) {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    link_kept(folder);
    let mut copy = Command::new("cp");
    copy.arg("-r").args(["src", "build", "build.rs", "Cargo.lock"].map(|path| own.join(path)));
    assert!(copy.arg(folder).status().unwrap().success());
    let manifest = fs::read_to_string(own.join("Cargo.toml")).unwrap();
    // Without the dependencies and targets that are for the tests and benches.
    let (begin, rest) = manifest.split_once("[dev-dependencies]").unwrap();
    let (_, lints) = rest.split_once("[lints.rust]").unwrap();
    let manifest = format!("{begin}[profile.test]\ndebug = false\n[lints.rust]{lints}");
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
}

/// How to run its tests.
pub fn package_tests(folder: &Path) -> Command {
    tests_of(folder, &["--lib", "supervisor"])
}

fn tests_of(folder: &Path, which: &[&str]) -> Command {
    // One's tests are not another's: what Cargo says of its own must not come in between.
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--quiet", "--offline"]).args(which).current_dir(folder);
    for variable in ["RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_ENCODED_RUSTFLAGS", "RINI_PROOF"] {
        cargo.env_remove(variable);
    }
    cargo
}

/// Breaks the code in one place at a time, and lists the tests that fail. `which` selects the tests, all of them in `module`.
/// In the short form the tests of `slow` run only for a mistake that no other test has noticed.
fn break_each<'a>(
    folder: &Path,
    which: &[&str],
    module: &str,
    slow: &[&str],
    mistakes: impl Iterator<Item = (&'a str, &'a str, &'a str, &'a str)>,
) -> Vec<(&'a str, Vec<String>)> {
    let run_without = |skipped: &[&str]| {
        let mut cargo = tests_of(folder, which);
        cargo.arg("--").args(skipped.iter().flat_map(|test| ["--skip", test]));
        cargo.output().unwrap()
    };
    let run = || {
        if !slow.is_empty() && !crate::support::is_long() {
            let output = run_without(slow);
            // A mistake that does not compile is looked at by the caller.
            if !output.status.success() {
                return output;
            }
        }
        run_without(&[])
    };
    // The negative control: unbroken, they pass.
    let output = run();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("test result: ok. "), "{output:?}");
    assert!(!text.contains("test result: ok. 0 passed"), "{output:?}");

    let mut report = vec![];
    for (what, file, from, to) in mistakes {
        let file = folder.join("src").join(file);
        let right = fs::read_to_string(&file).unwrap();
        assert_eq!(right.matches(from).count(), 1, "{what}: this stands there once: {from}");
        fs::write(&file, right.replacen(from, to, 1)).unwrap();
        let output = run();
        fs::write(&file, right).unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("test result: "), "{what}: it compiles: {output:?}");
        let failed: BTreeSet<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("    ")?.strip_prefix(module))
            .map(str::to_owned)
            .collect();
        assert_eq!(output.status.success(), failed.is_empty(), "{what}: {output:?}");
        report.push((what, failed.into_iter().collect()));
    }
    report
}

/// A table of who has seen what, for the reader of the log and as a part of the proof.
fn write_report(part: &str, title: &str, report: &[(&str, Vec<String>)]) {
    let mut text = format!("## {title}\n\n| Mistake | Tests that fail |\n| --- | --- |\n");
    for (what, failed) in report {
        let failed = if failed.is_empty() { "**MISSED**".to_owned() } else { failed.join(", ") };
        writeln!(text, "| {what} | {failed} |").unwrap();
    }
    let mut of_each = BTreeMap::new();
    report.iter().flat_map(|(_, failed)| failed).for_each(|test| *of_each.entry(test).or_insert(0) += 1);
    writeln!(text, "\n| Test | Mistakes of {} that it sees by itself |\n| --- | ---: |", report.len()).unwrap();
    of_each.iter().for_each(|(test, count)| writeln!(text, "| {test} | {count} |").unwrap());
    // Past the harness, which swallows what a test prints that passes.
    let _ = io::stderr().write_all(text.as_bytes());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/proof");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(part).with_extension("md"), &text).unwrap();
    assert!(!text.contains("MISSED"), "{text}");
}

#[test]
fn each_mistake_in_the_machine_fails_its_tests() {
    let folder = tempfile::tempdir().unwrap();
    make_package(folder.path());
    let mistakes = MUTATIONS.iter().map(|(what, from, to)| (*what, "supervise/supervisor.rs", *from, *to));
    let report = break_each(
        folder.path(),
        &["--lib", "supervisor"],
        "supervise::supervisor::tests::",
        &["every_history_"],
        mistakes,
    );
    write_report("mutations-machine", "Mistakes in the state machine, and the tests that see them", &report);
}

#[test]
fn each_misreading_fails_the_test_by_any_words() {
    let folder = tempfile::tempdir().unwrap();
    make_whole_package(folder.path());
    let which = ["--bin", "rini", "any_words"];
    // Each is a build of its own: every fourth is enough to see that the test can fail.
    let each = if crate::support::is_long() { 1 } else { 4 };
    let mistakes = MISREADINGS.into_iter().step_by(each);
    let report = break_each(folder.path(), &which, "cli::any_words::tests::", &[], mistakes);
    write_report("mutations-command-line", "Mistakes in reading a command line, and the tests that see them", &report);
}
