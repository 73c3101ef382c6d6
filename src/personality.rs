//! The names that rini answers to, and what each stands for.
//!
//! By the last part of `argv[0]`, so that a link is all that it takes to put rini in another init's place:
//!
//! | name | stands for |
//! | --- | --- |
//! | `tini`, `tini-static`, `docker-init` | [tini 0.19](tini) |
//! | `dumb-init` | [dumb-init 1.2](dumb_init) |
//! | `catatonit`, `podman-init` | [catatonit 0.2](catatonit) |
//! | `pause` | [Kubernetes' pause 3](pause) |
//! | any other | rini itself |
//!
//! A [`Personality`] is data: its options, its texts, its exit codes, and a [`Voice`] for the messages that somebody may
//! look for. What rini then does is the same under every name, and so is the `RINI_*` environment, which is the only way
//! to say anything to a `docker run --init`.
#![forbid(unsafe_code)]

use crate::cli;
use crate::diagnosis::Plain;
use crate::exit::{self, ExecCodes, Remap};
use crate::signal::{Rewrite, Signal};
use crate::supervisor::AfterExit;
use crate::voice::{self, Voice};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

mod catatonit;
mod dumb_init;
mod pause;
mod tini;

/// What a name stands for.
pub struct Personality {
    names: &'static [&'static str],
    /// Its options.
    pub options: &'static [Opt],
    /// Whether an option's word may be cut short.
    pub cuts_words: bool,
    /// What `--help` prints; `~` stands for what it was called by, and `@` for the last part of that.
    pub help: &'static str,
    /// Where it prints that.
    pub help_to: Stream,
    /// What follows on standard error what is wrong with the command line itself; likewise.
    pub usage: &'static str,
    /// What `--version` prints.
    pub version: &'static str,
    /// Where it prints that.
    pub version_to: Stream,
    /// What `--license` prints.
    pub license: &'static str,
    /// How the command line is to be read.
    pub grammar: Grammar,
    /// Its variables that are on or off.
    pub switches: &'static [Variable],
    /// The variable that holds a verbosity as tini counts.
    pub verbosity: Option<&'static str>,
    /// A variable that must not be there, and what is said if it is.
    pub refuses: Option<(&'static str, &'static str)>,
    /// Whether it adopts orphans where it is not PID 1 and nobody asked for that.
    pub adopts: bool,
    /// Whether the child gets a session of its own, and the terminal, and signals go to its process group.
    pub session: bool,
    /// What becomes of the other processes where nobody says.
    pub after_exit: AfterExit,
    /// Whether rini stops after a child that a terminal's signal stops.
    pub stops_itself: bool,
    /// The child's exit codes where its program could not be executed.
    pub exec_codes: ExecCodes,
    /// How it speaks.
    pub voice: &'static dyn Voice,
}

/// Where something is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// How a command line is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// Options, then the program.
    Options,
    /// The same; and `--version` is no option, but something that can be asked alone.
    VersionAlone,
    /// The same as options; and the words behind `--pause` do not matter.
    PauseIgnoresWords,
    /// A pause, whatever the words are, where none of them asks for the version by `-v`.
    Pause,
}

/// A variable that is on or off.
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// The one value by which it counts; None: any, even an empty one.
    pub value: Option<&'static str>,
    /// What it stands for.
    pub means: Switch,
    /// What is said where it counts.
    pub notice: Option<&'static str>,
}

/// What such a variable stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Forward signals to the child's process group.
    ProcessGroup,
    /// Become a subreaper, or do not start.
    Subreaper,
    /// No session for the child, and signals go to it alone.
    SingleChild,
    /// Say all down to the level `debug`.
    Debug,
}

/// An option, and what it means.
pub struct Opt {
    /// Its letter.
    pub short: Option<char>,
    /// Its word.
    pub long: Option<&'static str>,
    /// What it means.
    pub means: Means,
}

/// What an option means.
#[derive(Clone, Copy)]
pub enum Means {
    /// Forward signals to the child's process group.
    ProcessGroup,
    /// Become a subreaper, or do not start.
    Subreaper,
    /// Warn of each orphan reaped.
    WarnOnReap,
    /// Say more.
    Verbose,
    /// Say all down to the level `debug`.
    Debug,
    /// Say what a filter lets through; as a variable only.
    Log,
    /// No session for the child, and signals go to it alone.
    SingleChild,
    /// Exit with another code; by a rule that this reads.
    RemapExit(fn(&mut Remap, &str) -> bool),
    /// Forward another signal; by a rule that this reads.
    Rewrite(fn(&mut Rewrite, &str) -> bool),
    /// The grace period.
    GracePeriod,
    /// The shutdown delay.
    StopDelay,
    /// The shutdown signals.
    StopSignals,
    /// What becomes of what is left.
    AfterExit,
    /// A signal for when the parent dies; by a name that this reads.
    ParentDeathSignal(fn(&str) -> Option<Signal>),
    /// No program.
    Pause,
    /// Print the help.
    Help,
    /// Print the license.
    License,
    /// Print the version.
    Version,
}

impl Personality {
    /// What the program that was called so is.
    pub fn called(argv0: &OsStr) -> &'static Personality {
        let name = base_name(argv0);
        let others = [&tini::TINI, &dumb_init::DUMB_INIT, &catatonit::CATATONIT, &pause::PAUSE];
        others.into_iter().find(|one| one.names.iter().any(|known| known.as_bytes() == name)).unwrap_or(&RINI)
    }

    /// One of its texts, where it was called so.
    pub fn text(&self, text: &str, called: &OsStr) -> String {
        let mut filled = String::new();
        for c in text.chars() {
            match c {
                '@' => filled.push_str(&Plain(OsStr::from_bytes(base_name(called))).to_string()),
                '~' => filled.push_str(&Plain(called).to_string()),
                c => filled.push(c),
            }
        }
        filled
    }
}

fn base_name(path: &OsStr) -> &[u8] {
    path.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

const fn option(short: Option<char>, long: Option<&'static str>, means: Means) -> Opt {
    Opt { short, long, means }
}

/// A variable that counts by being there.
const fn present(name: &'static str, means: Switch) -> Variable {
    Variable { name, value: None, means, notice: None }
}

/// rini itself.
pub static RINI: Personality = Personality {
    names: &["rini"],
    options: &[
        option(Some('g'), Some("process-group"), Means::ProcessGroup),
        option(Some('s'), Some("subreaper"), Means::Subreaper),
        option(Some('w'), Some("warn-on-reap"), Means::WarnOnReap),
        option(Some('v'), Some("verbose"), Means::Verbose),
        option(Some('e'), Some("remap-exit"), Means::RemapExit(Remap::add)),
        option(Some('r'), Some("rewrite"), Means::Rewrite(Rewrite::add)),
        option(Some('t'), Some("grace-period"), Means::GracePeriod),
        option(None, Some("stop-delay"), Means::StopDelay),
        option(None, Some("stop-signals"), Means::StopSignals),
        option(None, Some("after-exit"), Means::AfterExit),
        option(Some('p'), Some("parent-death-signal"), Means::ParentDeathSignal(Signal::parse)),
        option(Some('P'), Some("pause"), Means::Pause),
        option(Some('h'), Some("help"), Means::Help),
        option(Some('V'), Some("version"), Means::Version),
        option(Some('l'), Some("license"), Means::License),
    ],
    cuts_words: false,
    help: cli::HELP,
    help_to: Stream::Out,
    usage: "",
    version: concat!(env!("RINI_VERSION"), "\n"),
    version_to: Stream::Out,
    license: "\
rini is licensed under either of the Apache License, Version 2.0, or the MIT license, at your option.
The crates linked in (nix, signal-hook, libc, log, env_logger, lexopt) are under the MIT license or the same two.
",
    grammar: Grammar::Options,
    switches: TINI_SWITCHES,
    verbosity: Some("TINI_VERBOSITY"),
    refuses: None,
    adopts: true,
    session: false,
    after_exit: AfterExit::Kill,
    stops_itself: false,
    exec_codes: ExecCodes {
        not_found: exit::NOT_FOUND,
        not_permitted: exit::NOT_EXECUTABLE,
        other: exit::NOT_EXECUTABLE,
    },
    voice: &voice::Own,
};

/// tini's variables, which are rini's own too.
const TINI_SWITCHES: &[Variable] =
    &[present("TINI_SUBREAPER", Switch::Subreaper), present("TINI_KILL_PROCESS_GROUP", Switch::ProcessGroup)];

#[cfg(test)]
mod tests {
    use super::tini::TINI;
    use super::*;

    #[test]
    fn the_last_part_of_argv0_is_the_name() {
        for (argv0, name) in [
            ("tini", "tini"),
            ("/sbin/docker-init", "tini"),
            ("./tini-static", "tini"),
            ("/catatonit", "catatonit"),
            ("/run/podman-init", "catatonit"),
            ("/pause", "pause"),
            ("/usr/bin/dumb-init", "dumb-init"),
            ("rini", "rini"),
            ("/sbin/init", "rini"),
            ("tini/", "rini"),
            ("Tini", "rini"),
            ("tini2", "rini"),
            ("", "rini"),
        ] {
            assert_eq!(Personality::called(OsStr::new(argv0)).names.first(), Some(&name), "{argv0}");
        }
    }

    #[test]
    fn the_help_calls_it_as_it_was_called() {
        let help = TINI.text(TINI.help, OsStr::new("/sbin/docker-init"));
        assert!(help.starts_with("docker-init (tini version "), "{help}");
        assert!(help.contains("\nUsage: docker-init [OPTIONS] PROGRAM -- [ARGS] | --version\n"), "{help}");
        assert!(!help.contains('@'), "{help}");
    }
}
