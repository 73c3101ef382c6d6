//! rini beside the other inits, measured in one run: `cargo bench`.
//!
//! # What is compared
//!
//! - rini, the small build of `packaging/build-static`, or the one that `RINI_BINARY` names
//! - the peers that are found on PATH: tini, tini-static, dumb-init, catatonit; and any other by `--with NAME=COMMAND`, such
//!   as those that `benches/musl-peers` builds
//! - `floor`: floor.c, an init without options, messages and a libc: about the least that the work takes
//! - `none`: the program itself as PID 1, where that has a meaning
//!
//! All of them run the same program, probe.c, which has no libc either, so that its own start is small and always the same.
//! Each run is in a PID namespace of its own, with a fresh /proc ([`container`]).
//!
//! # What is measured
//!
//! | module | |
//! | --- | --- |
//! | [`inits`] | the size of the file |
//! | [`start`] | from the exec of the init to its program's first instruction, from the program's end to the init's, and the whole |
//! | [`window`] | for how long after the exec a signal is lost |
//! | [`forward`] | how long a signal takes from the sender to the program |
//! | [`storms`] | orphans in a stream, and thousands that end at once: how fast they go, what that costs, how many zombies there are |
//! | [`idle`] | memory, alone and with many copies, and how often it wakes |
//! | [`scale`] | a thousand containers at the same time: memory, how long they take to start and to stop, and how that grows |
//! | [`calls`] | system calls, counted by strace |
//! | [`instructions`] | instructions, counted by valgrind's callgrind |
//!
//! # How
//!
//! In alternation: a round measures each init once, and there are many rounds. So a machine that is busy, or becomes slower,
//! is so for all of them; short times are taken with real-time priority ([`priority`]). What is shown is the median, with the quartiles, and the ratio to the floor's median. Nothing is
//! asserted: the figures are another machine's tomorrow. Nothing sleeps: an event is waited for, with a limit of time.
//!
//! # What comes of it
//!
//! In target/bench: `table.md`, `results.json` with all that is known of the run, and the plots, `plot.svg` and `scale.svg`.
//! `--readme` puts the table into README.md between its two markers, and the plots beside this file.
#![allow(missing_docs)]
// A bench may fail, print, and count with small numbers. Unsafe code is as it is everywhere: a call each, with its reason.
#![allow(
    unsafe_code,
    clippy::arithmetic_side_effects,
    clippy::exit,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used
)]

mod calls;
mod clock;
mod container;
mod curves;
mod forward;
mod idle;
mod inits;
mod instructions;
mod plot;
mod priority;
mod report;
mod results;
mod scale;
mod start;
mod storms;
mod window;

use inits::Init;
use lexopt::prelude::*;
use results::Results;

const USAGE: &str = "\
usage: cargo bench -- [--quick] [--only NAME]... [--with NAME=COMMAND]... [--readme]

  --quick              fewer repetitions: a minute, for a first look
  --only NAME          only this measure, or only this init (and rini, and the floor); may be repeated
  --with NAME=COMMAND  another init: COMMAND, words divided by spaces, with the program to run put behind it
  --readme             put the table and the plots into README.md
";

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Effort {
    /// Whether it is the small one, for a first look.
    pub quick: bool,
}

impl Effort {
    /// A number of repetitions: the full one, or the quick one.
    pub fn of(self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }
}

/// A measure: takes the inits, and adds rows.
type Measure = fn(&[Init], Effort, &mut Results);

const MEASURES: [(&str, Measure); 9] = [
    ("size", inits::sizes),
    ("start", start::measure),
    ("window", window::measure),
    ("forward", forward::measure),
    ("storms", storms::measure),
    ("idle", idle::measure),
    ("scale", scale::measure),
    ("calls", calls::measure),
    ("instructions", instructions::measure),
];

fn main() {
    let (mut effort, mut only, mut with, mut readme) = (Effort { quick: false }, Vec::new(), Vec::new(), false);
    let mut words = lexopt::Parser::from_env();
    while let Some(word) = words.next().unwrap_or_else(|error| refuse(&error.to_string())) {
        let Long(name) = word else { refuse(&word.unexpected().to_string()) };
        let name = name.to_owned();
        let mut value = || {
            let value = words.value().ok().and_then(|value| value.into_string().ok());
            value.unwrap_or_else(|| refuse(&format!("--{name} wants a value")))
        };
        match &*name {
            // Cargo's own.
            "bench" => (),
            "quick" => effort.quick = true,
            "only" => only.push(value()),
            "with" => with.push(value()),
            "readme" => readme = true,
            "help" => return print!("{USAGE}"),
            _ => refuse(&format!("there is no option --{name}")),
        }
    }
    let programs = inits::Programs::build();
    let all = inits::find(&programs, &with);
    for name in &only {
        if !all.iter().any(|init| init.name == *name) && !MEASURES.iter().any(|(known, _)| known == name) {
            let inits = all.iter().map(|init| &*init.name);
            let known: Vec<&str> = MEASURES.iter().map(|(known, _)| *known).chain(inits).collect();
            refuse(&format!("--only {name}: there is {}", known.join(", ")));
        }
    }
    let named = |name: &str| only.iter().any(|wanted| wanted == name);
    let some_init = all.iter().any(|init| named(&init.name));
    let some_measure = MEASURES.iter().any(|(name, _)| named(name));
    let inits: Vec<Init> =
        all.into_iter().filter(|init| !some_init || init.is_reference() || named(&init.name)).collect();

    let (mut results, run) = (Results::new(&inits), report::Run::new());
    for (name, measure) in MEASURES.iter().filter(|(name, _)| !some_measure || named(name)) {
        eprintln!("{name} …");
        measure(&inits, effort, &mut results);
    }
    report::write(&inits, &results, &run, readme);
}

fn refuse(what: &str) -> ! {
    eprint!("{what}\n{USAGE}");
    std::process::exit(1)
}
