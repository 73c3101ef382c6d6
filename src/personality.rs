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
//! A [`Personality`] is data: its options, its variables, its exit codes, and a [`Voice`] with its texts and the messages
//! that somebody may look for. What rini then does is the same under every name, and so is the `RINI_*` environment, which
//! is the only way to say anything to a `docker run --init`.
#![forbid(unsafe_code)]

use crate::exit::{self, ExecCodes};
use crate::supervisor::AfterExit;
use crate::text::Parts;
use crate::voice::{Message, Voice};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

mod catatonit;
pub mod dumb_init;
mod pause;
pub mod tini;

/// What a name stands for.
pub struct Personality {
    /// With a blank between two.
    names: &'static str,
    /// Its options.
    pub options: OptionTable,
    /// Whether an option's word may be cut short.
    pub cuts_words: bool,
    /// How the command line is to be read.
    pub grammar: Grammar,
    /// Its variables that are on or off.
    pub switches: &'static [Variable],
    /// Whether `TINI_VERBOSITY` counts.
    pub tini_verbosity: bool,
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
    pub voice: Voice,
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
#[derive(Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// The one letter that it counts by; 0: anything, even nothing.
    pub value: u8,
    /// What it stands for.
    pub means: Switch,
    /// What is said where it counts, if this personality has words for it.
    pub notice: Message,
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
    /// Nothing: it must not be there.
    Reserved,
}

/// Options: of each its letter, or 0, and what it means; and their words in the same order, each with a blank behind it.
#[derive(Clone, Copy)]
pub struct OptionTable {
    pub letters: &'static [(u8, Means)],
    pub words: &'static str,
}

/// An [`OptionTable`], a line each.
macro_rules! options {
    ($($letter:literal $word:literal $means:ident,)*) => {
        OptionTable { letters: &[$(($letter, Means::$means)),*], words: concat!($($word, " "),*) }
    };
}
pub(crate) use options;

impl OptionTable {
    /// The options.
    #[inline(never)]
    pub fn iter(&self) -> Opts {
        Opts { letters: self.letters, words: Parts::of(self.words.as_bytes(), b' ') }
    }
}

/// The options of a table, one after the other.
pub struct Opts {
    letters: &'static [(u8, Means)],
    words: Parts<'static>,
}

impl Iterator for Opts {
    type Item = Opt;

    #[inline(never)]
    fn next(&mut self) -> Option<Opt> {
        let [(letter, means), rest @ ..] = self.letters else { return None };
        self.letters = rest;
        Some(Opt { letter: *letter, word: self.words.next()?, means: *means })
    }
}

/// An option, and what it means.
#[derive(Clone, Copy)]
pub struct Opt {
    /// Its letter, or 0.
    pub letter: u8,
    /// Its word, with the dashes; or nothing.
    pub word: &'static [u8],
    /// What it means.
    pub means: Means,
}

/// What an option means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Exit with another code.
    RemapExit,
    /// The same, by a rule as tini reads it.
    RemapExitOfTini,
    /// Forward another signal.
    Rewrite,
    /// The same, by a rule as dumb-init reads it.
    RewriteOfDumbInit,
    /// The grace period.
    GracePeriod,
    /// The shutdown delay.
    StopDelay,
    /// The shutdown signals.
    StopSignals,
    /// What becomes of what is left.
    AfterExit,
    /// A signal for when the parent dies.
    ParentDeathSignal,
    /// The same, by a name as tini reads it.
    ParentDeathSignalOfTini,
    /// No program.
    Pause,
    /// Print the help.
    Help,
    /// Print the license.
    License,
    /// Print the version.
    Version,
}

impl Opt {
    /// What its word has more than what was typed, with a value or without; or None where that is another word.
    #[inline(never)]
    pub fn rest(&self, typed: &[u8]) -> Option<&'static [u8]> {
        self.word.strip_prefix(Parts::of(typed, b'=').next()?)
    }
}

/// All but rini itself.
const OTHERS: &[&Personality] = &[&tini::TINI, &dumb_init::DUMB_INIT, &catatonit::CATATONIT, &pause::PAUSE];

impl Personality {
    /// What the program that was called so is.
    pub fn called(argv0: &OsStr) -> &'static Personality {
        let name = base_name(argv0).as_bytes();
        for one in OTHERS {
            if Parts::of(one.names.as_bytes(), b' ').any(|known| known == name) {
                return one;
            }
        }
        &RINI
    }
}

/// The last part of a path.
pub fn base_name(path: &OsStr) -> &OsStr {
    OsStr::from_bytes(path.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default())
}

/// A variable that counts by being there.
const fn present(name: &'static str, means: Switch) -> Variable {
    Variable { name, value: 0, means, notice: Message::Nothing }
}

/// rini itself.
pub static RINI: Personality = Personality {
    names: "rini",
    options: options! {
        b'g' "--process-group" ProcessGroup,
        b's' "--subreaper" Subreaper,
        b'w' "--warn-on-reap" WarnOnReap,
        b'v' "--verbose" Verbose,
        b'e' "--remap-exit" RemapExit,
        b'r' "--rewrite" Rewrite,
        b't' "--grace-period" GracePeriod,
        0 "--stop-delay" StopDelay,
        0 "--stop-signals" StopSignals,
        0 "--after-exit" AfterExit,
        b'p' "--parent-death-signal" ParentDeathSignal,
        b'P' "--pause" Pause,
        b'h' "--help" Help,
        b'V' "--version" Version,
        b'l' "--license" License,
    },
    cuts_words: false,
    grammar: Grammar::Options,
    switches: &[present("TINI_SUBREAPER", Switch::Subreaper), present("TINI_KILL_PROCESS_GROUP", Switch::ProcessGroup)],
    tini_verbosity: true,
    adopts: true,
    session: false,
    after_exit: AfterExit::Kill,
    stops_itself: false,
    exec_codes: ExecCodes {
        not_found: exit::NOT_FOUND,
        not_permitted: exit::NOT_EXECUTABLE,
        other: exit::NOT_EXECUTABLE,
    },
    voice: Voice::RINI,
};

#[cfg(test)]
mod tests {
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
            assert_eq!(
                Parts::of(Personality::called(OsStr::new(argv0)).names.as_bytes(), b' ').next(),
                Some(name.as_bytes()),
                "{argv0}"
            );
        }
    }

    /// A line of `options!` is one.
    #[test]
    fn every_option_has_its_word() {
        let of = |letter: u8| RINI.options.iter().find(|option| option.letter == letter).unwrap();
        assert_eq!((of(b'g').word, of(b'g').means), (&b"--process-group"[..], Means::ProcessGroup));
        assert_eq!((of(b'l').word, of(b'l').means), (&b"--license"[..], Means::License));
        assert_eq!(RINI.options.iter().count(), RINI.options.letters.len());
        assert!(tini::TINI.options.iter().all(|option| option.word.is_empty()));
        let version = catatonit::CATATONIT.options.iter().last().unwrap();
        assert_eq!((version.letter, version.word), (b'V', &b"--version"[..]));
    }
}
