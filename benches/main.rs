//! rini beside the other inits, measured in one run: `cargo bench`.
//!
//! # What is compared
//!
//! - rini: the small build of `packaging/build-static`, or the binary that `RINI_BINARY` names
//! - the peers on PATH: tini, tini-static, dumb-init, catatonit; and every other init that `--with NAME=COMMAND` names, such
//!   as those that `benches/musl-peers` builds
//! - `floor`: floor.c, an init without options, messages and a libc. It does about the least work that an init can do.
//! - `none`: the program itself as PID 1, in the rows in which that has a meaning
//!
//! All inits run the same program, probe.c. The probe has no libc either, so its own start is short and always the same.
//! Each run has a PID namespace of its own, with a fresh /proc ([`container`]).
//!
//! # What is measured
//!
//! | module | measures |
//! | --- | --- |
//! | [`size`] | the size of the file |
//! | [`start`] | the time from the exec of the init to its program's first instruction, the time from the program's end to the init's end, and the whole |
//! | [`window`] | the time after the exec in which a signal is lost |
//! | [`forward`] | the time that a signal takes from its sender to the program |
//! | [`storms`] | orphans in a stream, and thousands that exit at once: the rate, the processor time, the number of zombies |
//! | [`idle`] | memory, of one init and of many copies, and the number of wake-ups |
//! | [`scale`] | a thousand containers at the same time: memory, the time to start and to stop, and how these grow |
//! | [`leftovers`] | the end of an init whose program leaves 1, 100 or 10,000 processes |
//! | [`user`] | the start of a program as another user |
//! | [`calls`] | system calls, counted by strace |
//! | [`instructions`] | instructions, counted by valgrind's callgrind |
//!
//! # How
//!
//! Each round measures each init once, and there are many rounds. A machine that is busy or becomes slower is then so for
//! all inits. Short times are taken with real-time priority ([`priority`]). The table shows the median with the quartiles,
//! and the ratio to the floor's median. The benches assert no figure, because another machine has other figures. Nothing
//! sleeps: the benches wait for an event, with a time limit.
//!
//! # The results
//!
//! target/bench gets `table.md`, `results.json` with everything that is known of the run, and the plots, `plot.svg` and
//! `scale.svg`. `--docs` also puts the table into docs/benchmarks.md between its two markers, and the plots beside this
//! file. [`peers`] draws docs/pictures/peers.svg from that table, and `--peers` does only that.
//!
//! # The layers
//!
//! A module imports only from lines above its own:
//!
//! | modules | hold |
//! | --- | --- |
//! | [`clock`], [`effort`], [`figures`], [`inits`] | times, numbers of repetitions, statistics, the inits |
//! | [`results`], [`container`] | the rows and curves; a running init |
//! | [`priority`] | real-time priority, with a note in the results if it is refused |
//! | the measures above ([`window`], [`leftovers`] and [`user`] use [`start`], [`scale`] uses [`idle`], [`leftovers`] uses [`scale`]) | one measure each |
//! | [`drawing`], then [`plot`] and [`curves`], then [`report`] | the output; [`peers`] stands alone |
#![allow(missing_docs)]
// A bench may panic, print, and calculate with small numbers. The rule for unsafe code holds here too: one call a block,
// with its reason.
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
mod drawing;
mod effort;
mod figures;
mod forward;
mod idle;
mod inits;
mod instructions;
mod leftovers;
mod peers;
mod plot;
mod priority;
mod report;
mod results;
mod scale;
mod size;
mod start;
mod storms;
mod user;
mod window;

use effort::Effort;
use inits::Init;
use lexopt::prelude::*;
use results::Results;

const USAGE: &str = "\
usage: cargo bench -- [--quick] [--only NAME]... [--with NAME=COMMAND]... [--docs]
       cargo bench -- --peers

  --quick              fewer repetitions: a minute, for a first look
  --only NAME          only this measure, or only this init (and rini, and the floor); may be repeated
  --with NAME=COMMAND  another init: COMMAND, words divided by spaces, with the program to run put behind it
  --docs               put the table and the plots into docs/benchmarks.md, and draw docs/pictures/peers.svg
  --peers              measure nothing: draw docs/pictures/peers.svg from the table in docs/benchmarks.md
";

/// A measure takes the inits, and adds its rows to the results.
type Measure = fn(&[Init], Effort, &mut Results);

const MEASURES: [(&str, Measure); 11] = [
    ("size", size::measure),
    ("start", start::measure),
    ("window", window::measure),
    ("forward", forward::measure),
    ("storms", storms::measure),
    ("idle", idle::measure),
    ("scale", scale::measure),
    ("leftovers", leftovers::measure),
    ("user", user::measure),
    ("calls", calls::measure),
    ("instructions", instructions::measure),
];

fn main() {
    let (mut effort, mut only, mut with, mut docs) = (Effort { quick: false }, Vec::new(), Vec::new(), false);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next().unwrap_or_else(|error| refuse(&error.to_string())) {
        let Long(name) = argument else { refuse(&argument.unexpected().to_string()) };
        let name = name.to_owned();
        let mut value = || {
            let value = arguments.value().ok().and_then(|value| value.into_string().ok());
            value.unwrap_or_else(|| refuse(&format!("--{name} wants a value")))
        };
        match &*name {
            // Cargo passes this option itself.
            "bench" => (),
            "quick" => effort.quick = true,
            "only" => only.push(value()),
            "with" => with.push(value()),
            "docs" => docs = true,
            "peers" => return peers::write(),
            "help" => return print!("{USAGE}"),
            _ => refuse(&format!("there is no option --{name}")),
        }
    }
    let programs = inits::Programs::build();
    let all = inits::find(&programs, &with).unwrap_or_else(|reason| refuse(&reason));
    for name in &only {
        if !all.iter().any(|init| init.name == *name) && !MEASURES.iter().any(|(known, _)| known == name) {
            let inits = all.iter().map(|init| &*init.name);
            let known: Vec<&str> = MEASURES.iter().map(|(known, _)| *known).chain(inits).collect();
            refuse(&format!("--only {name}: there is {}", known.join(", ")));
        }
    }
    let is_named = |name: &str| only.iter().any(|wanted| wanted == name);
    let some_init = all.iter().any(|init| is_named(&init.name));
    let some_measure = MEASURES.iter().any(|(name, _)| is_named(name));
    let inits: Vec<Init> =
        all.into_iter().filter(|init| !some_init || init.is_always_measured() || is_named(&init.name)).collect();

    let (mut results, run) = (Results::new(&inits), report::Run::read());
    for (name, measure) in MEASURES.iter().filter(|(name, _)| !some_measure || is_named(name)) {
        eprintln!("{name} …");
        measure(&inits, effort, &mut results);
    }
    report::write(&inits, &results, &run, docs);
    // After a run of some measures or inits, the table can lack the figures that the picture shows.
    if docs && only.is_empty() {
        peers::write();
    }
}

/// Prints the reason and the usage, and exits.
fn refuse(reason: &str) -> ! {
    eprint!("{reason}\n{USAGE}");
    std::process::exit(1)
}
