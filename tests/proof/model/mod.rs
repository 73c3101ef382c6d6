//! The stop in a model checker, spin, which is not of this project's making: tests/proof/model/stop.pml is the kernel, rini's
//! loop as src/supervise/runtime.rs has it, and somebody who does to them whatever can be done; tests/proof/model/supervisor.pml is what rini
//! decides, written by hand from the documentation.
//!
//! - spin looks at every state, and finds none in which a promise is broken, nor a way to go on for ever that breaks
//!   one.
//! - It does find one where the model has a mistake on purpose ([`WRONG_DECISIONS`], [`WRONG_LOOPS`]): each
//!   promise can be broken.
//! - The model's decisions are the machine's, and the other way round: spin lists every step of the model, and a test
//!   of the machine (src/supervise/supervisor/tests/model.rs) takes it. A mistake in the model's decisions shows there too.
//!
//! The assertions are checked in 2,218,212 and 4,811,188 states. `RINI_PROOF=long` makes the model larger (see [`claims`]), and
//! needs more than 2 GB of memory. The figures are written to target/proof/model.md.

use crate::mutations::{make_package, package_tests};
use crate::support::{for_each, is_long, processors, tools, write_proof};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

/// How much the adversary can do: signals below SIGCHLD that it sends, processes beside the child, times that it stops the
/// child; and how many children rini reaps before it looks at signals again.
#[derive(Clone, Copy, Debug)]
struct Size {
    low: u32,
    world: u32,
    stops: u32,
    batch: u32,
}

/// Two stop signals, so that there is a second one.
const SIGNALS: Size = Size { low: 2, world: 0, stops: 1, batch: 1 };
/// Two orphans, so that one may come when the other has been told.
const PROCESSES: Size = Size { low: 1, world: 2, stops: 1, batch: 2 };
/// For what has to end: it takes more time for each state.
const SMALL: Size = Size { low: 1, world: 1, stops: 1, batch: 1 };
const LARGE: Size = Size { low: 2, world: 2, stops: 2, batch: 2 };
const LARGE_FOR_AN_END: Size = Size { low: 2, world: 1, stops: 1, batch: 1 };

/// What is asked of the model.
#[derive(Clone, Copy, Debug)]
enum Claim {
    /// No assertion fails.
    Safety,
    /// This formula holds, where everybody who can go on does so at some time.
    Always(&'static str),
}
use Claim::{Always, Safety};

const STOP_ENDS: Claim = Always("every_stop_ends");
const END_IS_THE_END: Claim = Always("every_end_is_the_end");
const DEADLINE_IS_THE_END: Claim = Always("every_deadline_is_the_end");

/// What is to hold, in which sizes.
fn claims() -> Vec<(Claim, Size)> {
    if is_long() {
        let ends = [STOP_ENDS, END_IS_THE_END, DEADLINE_IS_THE_END].map(|claim| (claim, LARGE_FOR_AN_END));
        return [&[(Safety, LARGE)][..], &ends].concat();
    }
    let ends = [STOP_ENDS, END_IS_THE_END, DEADLINE_IS_THE_END].map(|claim| (claim, SMALL));
    [&[(Safety, SIGNALS), (Safety, PROCESSES)][..], &ends].concat()
}

/// Mistakes in what the model decides, and a claim that is broken by each. They are the `#ifdef`s of supervisor.pml.
const WRONG_DECISIONS: [(&str, Claim, Size); 15] = [
    ("KILL_EARLY", Safety, SMALL),
    ("DEADLINE_MOVES", Safety, SIGNALS),
    ("SECOND_PERIOD", Safety, SMALL),
    ("DEADLINE_STARTS_AGAIN", Safety, SMALL),
    ("REST_SURVIVES", Safety, SMALL),
    ("SIGNAL_AFTER_REAP", Safety, SMALL),
    ("FIRST_IS_LOST", Safety, SIGNALS),
    ("NO_CONT", Safety, SMALL),
    ("REST_NOT_ASKED", Safety, SMALL),
    ("LATE_STOP_STAYS", STOP_ENDS, SMALL),
    ("PUT_OFF_AGAIN", STOP_ENDS, SMALL),
    ("NEVER_KILLED", STOP_ENDS, SMALL),
    ("TIME_AT_TICKS_ONLY", STOP_ENDS, SMALL),
    ("REST_HAS_FOR_EVER", END_IS_THE_END, SMALL),
    ("WAITS_FOR_EVER", DEADLINE_IS_THE_END, SMALL),
];

/// Mistakes in the loop: those of stop.pml.
const WRONG_LOOPS: [(&str, Claim, Size); 12] = [
    ("ONE_PER_SIGCHLD", Safety, SMALL),
    ("MORE_IS_FORGOTTEN", Safety, SMALL),
    ("NO_FIRST_LOOK", Safety, SMALL),
    ("NO_LOOK_BEFORE_STOP", Safety, SMALL),
    ("NO_LOOK_IN_DELAY", Safety, SMALL),
    ("NO_LOOK_BEFORE_KILL", Safety, SMALL),
    ("NO_LOOK_FOR_LATE_STOPS", STOP_ENDS, SMALL),
    ("NO_CATCH_UP", Safety, PROCESSES),
    ("STATUS_IS_LOST", Safety, SMALL),
    ("NO_BATCH", STOP_ENDS, SMALL),
    ("ANSWER_IS_CUT_OFF", DEADLINE_IS_THE_END, SMALL),
    // No mistake of rini's, but what the model has to leave out for a stop to end.
    ("FLOOD", STOP_ENDS, SMALL),
];

/// The files, in a folder where spin can make others.
fn copy_model(folder: &Path) {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proof/model");
    for file in ["supervisor.pml", "stop.pml", "steps.pml"] {
        fs::copy(model.join(file), folder.join(file)).unwrap();
    }
}

/// Runs this, and gives back what it prints.
fn run(folder: &Path, command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{command} {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether the claim holds in the model with these definitions, and what spin says of it.
fn check(definitions: &[&str], claim: Claim, size: Size) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    copy_model(folder);
    let (large, sound) = (is_long(), definitions.is_empty());
    let Size { low, world, stops, batch } = size;
    let size = [("LOW", low), ("WORLD", world), ("STOPS", stops), ("BATCH", batch)];
    let size = size.map(|(name, value)| format!("-D{name}={value}"));
    let definitions: Vec<_> = definitions.iter().map(|name| format!("-D{name}")).chain(size).collect();
    let definitions: Vec<_> = definitions.iter().map(String::as_str).collect();
    run(folder, "spin", &[&definitions[..], &["-a", "stop.pml"]].concat());
    let kind = if let Safety = claim { &["-DSAFETY", "-DNOCLAIM"][..] } else { &[] };
    // What is found at once is not worth an optimisation, and memory not the time that it takes to save it.
    let effort = match (large, sound) {
        (_, false) => &["-O0"][..],
        (false, true) => &["-O1"],
        (true, true) => &["-O2", "-DCOLLAPSE"],
    };
    run(folder, "gcc", &[&["-w", "-o", "pan", "pan.c"], kind, effort].concat());
    let fair = match claim {
        Safety => vec![],
        Always(formula) => vec!["-a", "-f", "-N", formula],
    };
    let text = run(folder, "./pan", &[&["-m1000000", "-w24"], &fair[..]].concat());
    assert!(!text.contains("max search depth too small") && text.contains("states, stored"), "{text}");
    let holds = text.contains("errors: 0\n");
    if holds {
        return (true, text);
    }
    // Every step of it, as far as a reader may want to go back.
    let trail = run(folder, "spin", &[&definitions[..], &["-t", "-p", "-g", "stop.pml"]].concat());
    let last = trail.lines().count().saturating_sub(300);
    (false, trail.lines().skip(last).fold(text, |text, line| text + "\n" + line))
}

/// What the three tests have found, each in its place: they may end in any order, and only some may be run.
static FOUND: Mutex<[String; 3]> = Mutex::new([const { String::new() }; 3]);

/// Past the harness, which swallows what a test prints that passes: this is for the reader of the log.
fn report(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Puts one test's part into the report.
fn write_report(place: usize, text: String) {
    let mut found = FOUND.lock().unwrap();
    found[place] = text;
    write_proof("model", "The stop in a model checker", &format!("{METHOD}{}", found.concat()));
}

const METHOD: &str = "
tests/proof/model/stop.pml is the kernel, rini's loop, and an adversary who sends signals, stops the child and makes
processes; spin looks at every state of it. Its decisions (tests/proof/model/supervisor.pml) are tied to the code: each step that
spin lists is taken by the state machine of src/supervise/supervisor.rs, and it knows no others. The negative controls are the planted
mistakes: spin has to refute each, and the state machine has to differ from each mistaken model.
";

/// What spin tells of a search: what is before this, as a number.
fn figure(text: &str, what: &str) -> String {
    let line = text.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("no {what}: {text}"));
    line.split_whitespace().next().unwrap().to_owned()
}

/// As the reader of a table wants it.
fn told((claim, size): (Claim, Size)) -> String {
    let claim = match claim {
        Safety => "no assertion fails",
        Always(formula) => formula,
    };
    let Size { low, world, stops, batch } = size;
    format!("{claim} | {low} signals, {world} processes, {stops} stops, batch {batch}")
}

#[test]
fn the_model_keeps_its_promises() {
    if !tools(&["spin", "gcc"]) {
        return;
    }
    let rows = Mutex::new(BTreeMap::new());
    for_each(processors(), claims().into_iter().enumerate(), |(number, (claim, size))| {
        let begin = Instant::now();
        let (holds, text) = check(&[], claim, size);
        assert!(holds, "{claim:?}, {size:?}: {text}");
        let (states, memory) = (figure(&text, "states, stored"), figure(&text, "total actual memory usage"));
        let (transitions, seconds) = (figure(&text, "transitions (="), begin.elapsed().as_secs_f64());
        report(&format!("{claim:?}, {size:?}: {states} states, {seconds:.1} s"));
        let claim = told((claim, size));
        let row = format!("| {claim} | {states} | {transitions} | {memory} | {seconds:.0} | holds |\n");
        rows.lock().unwrap().insert(number, row);
    });
    let rows = rows.into_inner().unwrap();
    let head = "| claim | size | states | transitions | MB | s | |\n|---|---|---:|---:|---:|---:|---|\n";
    let rows: String = rows.into_values().collect();
    write_report(0, format!("\n### What holds in every state\n\n{head}{rows}"));
}

#[test]
fn each_mistake_in_the_model_breaks_a_promise() {
    if !tools(&["spin", "gcc"]) {
        return;
    }
    let rows = Mutex::new(BTreeMap::new());
    for_each(
        processors(),
        WRONG_DECISIONS.into_iter().chain(WRONG_LOOPS).enumerate(),
        |(number, (mistake, claim, size))| {
            let (holds, text) = check(&[mistake], claim, size);
            assert!(!holds, "{mistake} is not noticed by {claim:?}: {text}");
            let how = text.lines().find(|line| line.starts_with("pan:1: ")).unwrap_or_default();
            let how = how.trim_start_matches("pan:1: ");
            report(&format!("{mistake}: {how}"));
            let how = how.split(" (at depth").next().unwrap().replace('|', "\\|");
            let row = format!("| {mistake} | {} | `{how}` |\n", told((claim, size)));
            rows.lock().unwrap().insert(number, row);
        },
    );
    let rows = rows.into_inner().unwrap();
    let count = rows.len();
    let head = "| mistake | refuted by | size | how |\n|---|---|---|---|\n";
    let rows: String = rows.into_values().collect();
    write_report(1, format!("\n### {count} mistakes, all refuted\n\n{head}{rows}"));
}

/// The steps of the model's decisions, a line each.
fn steps(definitions: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    copy_model(folder);
    let definitions: Vec<_> = definitions.iter().map(|name| format!("-D{name}")).collect();
    let definitions: Vec<_> = definitions.iter().map(String::as_str).collect();
    // -o2: what is printed belongs to a state, even if nothing else depends on it.
    run(folder, "spin", &[&definitions[..], &["-o2", "-a", "steps.pml"]].concat());
    run(folder, "gcc", &["-O0", "-w", "-DSAFETY", "-DPRINTF", "-o", "pan", "pan.c"]);
    run(folder, "./pan", &[])
}

#[test]
fn the_model_decides_as_the_machine_does() {
    if !tools(&["spin", "gcc"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    make_package(folder);
    let list = folder.join("steps");
    let mut replay = package_tests(folder);
    replay.args(["--", "--ignored"]).env("RINI_MODEL_STEPS", &list);
    let mut rows = String::new();
    let mut takes = |definitions: &[&str]| {
        let steps = steps(definitions);
        let count = steps.lines().filter(|line| line.starts_with("STEP ")).count();
        fs::write(&list, steps).unwrap();
        let output = replay.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("1 passed; 0 failed") || text.contains("0 passed; 1 failed"), "{output:?}");
        report(&format!("{count} steps, {definitions:?}: {}", output.status));
        let same = output.status.success();
        let name = definitions.first().unwrap_or(&"the model as it is");
        let _ = writeln!(rows, "| {name} | {count} | {} |", if same { "takes all, and no others" } else { "differs" });
        (same, text)
    };
    let (same, text) = takes(&[]);
    assert!(same, "{text}");
    for (mistake, ..) in WRONG_DECISIONS {
        let (same, _) = takes(&[mistake]);
        assert!(!same, "{mistake}: the machine is said to do the same");
    }
    let head = "| model | steps | the machine |\n|---|---:|---|\n";
    write_report(2, format!("\n### The model's steps, taken by the state machine\n\n{head}{rows}"));
}
