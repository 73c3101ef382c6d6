//! The names that rini answers to, and what each stands for.
//!
//! By the last part of `argv[0]`, so that a link is all that it takes to put rini in another init's place:
//!
//! | name | stands for |
//! | --- | --- |
//! | `tini`, `tini-static`, `docker-init` | tini 0.19 |
//! | `catatonit`, `podman-init` | catatonit 0.2 |
//! | `pause` | Kubernetes' pause 3 |
//! | any other | rini itself |
//!
//! A [`Personality`] is data: its options, its texts, its exit codes, and a [`Voice`] for the messages that somebody may
//! look for. What rini then does is the same under every name, and so is the `RINI_*` environment, which is the only way
//! to say anything to a `docker run --init`.
#![forbid(unsafe_code)]

use crate::cli;
use crate::diagnosis::ExecFailure;
use crate::exit::{self, ExecCodes, Remap, Status};
use crate::signal::Signal;
use crate::sys::process::Pid;
use log::Level;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

/// What a name stands for.
pub struct Personality {
    names: &'static [&'static str],
    /// Its options.
    pub options: &'static [Opt],
    /// What `--help` prints; `NAME` stands for the name that it was called by.
    pub help: &'static str,
    /// Where it prints that.
    pub help_to: Stream,
    /// What follows on standard error what is wrong with the command line itself; likewise.
    pub usage: &'static str,
    /// What `--version` prints.
    pub version: &'static str,
    /// What `--license` prints.
    pub license: &'static str,
    /// How the command line is to be read.
    pub grammar: Grammar,
    /// The variables that count by being there, even empty.
    pub switches: &'static [(&'static str, Switch)],
    /// The variable that holds a verbosity as tini counts.
    pub verbosity: Option<&'static str>,
    /// A variable that must not be there, and what is said if it is.
    pub refuses: Option<(&'static str, &'static str)>,
    /// Whether it adopts orphans where it is not PID 1 and nobody asked for that.
    pub adopts: bool,
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

/// What a variable stands for that counts by being there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Forward signals to the child's process group.
    ProcessGroup,
    /// Become a subreaper, or do not start.
    Subreaper,
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
    /// Exit with another code; by a rule that this reads.
    RemapExit(fn(&mut Remap, &str) -> bool),
    /// Forward another signal.
    Rewrite,
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

/// What is said of a bad command line or of an exec that failed.
#[derive(Debug, PartialEq, Eq)]
pub enum Complaint {
    /// An error message, in the form of all messages.
    Message(String),
    /// A warning, likewise.
    Warning(&'static str),
    /// A line of its own form.
    Line(String),
    /// Nothing.
    Nothing,
}

/// How a personality speaks, where anybody may depend on that. Everything else is said in rini's words, in the form of
/// this personality's lines.
pub trait Voice: Sync {
    /// A message as a whole line, without its end.
    fn line(&self, level: Level, _: u32, text: &fmt::Arguments<'_>) -> String {
        format!("rini: {level} {text}")
    }

    /// A value that an option or a variable cannot have.
    fn bad_value(&self, source: &str, value: &OsStr, right: &str) -> Complaint {
        Complaint::Message(format!("{source}: {value:?} is not {right}"))
    }

    /// An option without its value; `option` is a letter or a word, with its dashes.
    fn no_value(&self, _: &OsStr, option: &str, right: &str) -> Complaint {
        Complaint::Message(format!("{option}: the value is missing; it takes {right}"))
    }

    /// An option that there is not.
    fn no_option(&self, _: &OsStr, option: &str) -> Complaint {
        Complaint::Message(format!(
            "there is no option {option:?}; rini --help lists them, and PROGRAM's own go behind it"
        ))
    }

    /// A value for an option that takes none; `error` is the parser's.
    fn unwanted_value(&self, _: &OsStr, error: &str) -> Complaint {
        Complaint::Message(error.to_owned())
    }

    /// No program.
    fn no_program(&self) -> Complaint {
        let text =
            "no PROGRAM was given; usage: rini [OPTIONS] [--] PROGRAM [ARG...], and rini --help lists the options";
        Complaint::Message(text.to_owned())
    }

    /// Children have ended, stopped or been continued.
    fn children_changed(&self) -> (Level, &'static str) {
        (Level::Trace, "children have changed")
    }

    /// An orphan has been reaped.
    fn reaped(&self, pid: Pid, status: Status) -> String {
        format!("reaped orphan pid {pid}, which {status}")
    }

    /// The program could not be executed.
    fn exec_failed(&self, _: Pid, _: &OsStr, failure: &ExecFailure) -> Complaint {
        Complaint::Message(failure.to_string())
    }

    /// It is not PID 1 and nobody asked it to adopt orphans.
    fn not_pid1(&self) -> Complaint {
        Complaint::Nothing
    }

    /// This stop signal has ended the pause.
    fn pause_ended(&self, _: Signal) -> Complaint {
        Complaint::Nothing
    }
}

impl Personality {
    /// What the program that was called so is.
    pub fn called(argv0: &OsStr) -> &'static Personality {
        let name = base_name(argv0);
        let others = [&TINI, &CATATONIT, &PAUSE];
        others.into_iter().find(|one| one.names.iter().any(|known| known.as_bytes() == name)).unwrap_or(&RINI)
    }

    /// One of its texts, where it was called so.
    pub fn text(&self, text: &str, called: &OsStr) -> String {
        text.replace("NAME", &String::from_utf8_lossy(base_name(called)))
    }
}

fn base_name(path: &OsStr) -> &[u8] {
    path.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

const fn option(short: Option<char>, long: Option<&'static str>, means: Means) -> Opt {
    Opt { short, long, means }
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
        option(Some('r'), Some("rewrite"), Means::Rewrite),
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
    help: cli::HELP,
    help_to: Stream::Out,
    usage: "",
    version: concat!("rini ", env!("CARGO_PKG_VERSION"), "\n"),
    license: "\
rini is licensed under either of the Apache License, Version 2.0, or the MIT license, at your option.
The crates linked in (nix, signal-hook, libc, log, env_logger, lexopt) are under the MIT license or the same two.
",
    grammar: Grammar::Options,
    switches: TINI_SWITCHES,
    verbosity: Some("TINI_VERBOSITY"),
    refuses: None,
    adopts: true,
    exec_codes: ExecCodes {
        not_found: exit::NOT_FOUND,
        not_permitted: exit::NOT_EXECUTABLE,
        other: exit::NOT_EXECUTABLE,
    },
    voice: &Own,
};

const TINI_SWITCHES: &[(&str, Switch)] =
    &[("TINI_SUBREAPER", Switch::Subreaper), ("TINI_KILL_PROCESS_GROUP", Switch::ProcessGroup)];

/// rini's own voice.
struct Own;

impl Voice for Own {}

/// tini 0.19, by its source and by Debian's package.
static TINI: Personality = Personality {
    names: &["tini", "tini-static", "docker-init"],
    options: &[
        option(Some('p'), None, Means::ParentDeathSignal(tini_signal)),
        option(Some('h'), None, Means::Help),
        option(Some('v'), None, Means::Verbose),
        option(Some('w'), None, Means::WarnOnReap),
        option(Some('g'), None, Means::ProcessGroup),
        option(Some('l'), None, Means::License),
        option(Some('e'), None, Means::RemapExit(tini_remap)),
        option(Some('s'), None, Means::Subreaper),
    ],
    help: TINI_HELP,
    help_to: Stream::Out,
    usage: TINI_HELP,
    version: concat!(env!("RINI_TINI_VERSION"), "\n"),
    license: include_str!("personality/tini-license"),
    grammar: Grammar::VersionAlone,
    switches: TINI_SWITCHES,
    verbosity: Some("TINI_VERBOSITY"),
    refuses: None,
    adopts: false,
    exec_codes: ExecCodes { not_found: exit::NOT_FOUND, not_permitted: exit::NOT_EXECUTABLE, other: 1 },
    voice: &Tini,
};

const TINI_HELP: &str = concat!(
    "NAME (",
    env!("RINI_TINI_VERSION"),
    ")
Usage: NAME [OPTIONS] PROGRAM -- [ARGS] | --version

Execute a program under the supervision of a valid init process (NAME)

Command line options:

  --version: Show version and exit.
  -h: Show this help message and exit.
  -s: Register as a process subreaper (requires Linux >= 3.4).
  -p SIGNAL: Trigger SIGNAL when parent dies, e.g. \"-p SIGKILL\".
  -v: Generate more verbose output. Repeat up to 3 times.
  -w: Print a warning when processes are getting reaped.
  -g: Send signals to the child's process group.
  -e EXIT_CODE: Remap EXIT_CODE (from 0 to 255) to 0.
  -l: Show license and exit.

Environment variables:

  TINI_SUBREAPER: Register as a process subreaper (requires Linux >= 3.4).
  TINI_VERBOSITY: Set the verbosity level (default: 1).
  TINI_KILL_PROCESS_GROUP: Send signals to the child's process group.

"
);

/// tini's voice.
struct Tini;

impl Voice for Tini {
    fn line(&self, level: Level, pid: u32, text: &fmt::Arguments<'_>) -> String {
        let level = if level == Level::Error { "FATAL" } else { level.as_str() };
        format!("[{level:<5} tini ({pid})] {text}")
    }

    fn bad_value(&self, source: &str, value: &OsStr, right: &str) -> Complaint {
        match source.strip_prefix('-') {
            Some(_) => Complaint::Message(format!("Not a valid option for {source}: {}", value.display())),
            // A variable of rini's.
            None => Own.bad_value(source, value, right),
        }
    }

    fn no_value(&self, called: &OsStr, option: &str, _: &str) -> Complaint {
        let letter = option.trim_start_matches('-');
        Complaint::Line(format!("{}: option requires an argument -- '{letter}'", called.display()))
    }

    /// getopt(3) takes a word of two dashes for a cluster of letters.
    fn no_option(&self, called: &OsStr, option: &str) -> Complaint {
        let letter = option.chars().nth(1).unwrap_or('-');
        Complaint::Line(format!("{}: invalid option -- '{letter}'", called.display()))
    }

    fn unwanted_value(&self, called: &OsStr, _: &str) -> Complaint {
        self.no_option(called, "-=")
    }

    fn no_program(&self) -> Complaint {
        Complaint::Nothing
    }

    fn children_changed(&self) -> (Level, &'static str) {
        (Level::Debug, "Received SIGCHLD")
    }

    fn reaped(&self, pid: Pid, _: Status) -> String {
        format!("Reaped zombie process with pid={pid}")
    }

    /// In the child's name, which is who says it in tini.
    fn exec_failed(&self, child: Pid, program: &OsStr, failure: &ExecFailure) -> Complaint {
        let text = format_args!("exec {} failed: {}", program.display(), failure.reason());
        Complaint::Line(self.line(Level::Error, child.as_raw().unsigned_abs(), &text))
    }

    fn not_pid1(&self) -> Complaint {
        Complaint::Warning(
            "Tini is not running as PID 1 and isn't registered as a child subreaper.
Zombie processes will not be re-parented to Tini, so zombie reaping won't work.
To fix the problem, use the -s option or set the environment variable TINI_SUBREAPER to register Tini as a child \
         subreaper, or run Tini as PID 1.",
        )
    }
}

/// The signals that tini's -p knows: 28, by their whole names.
fn tini_signal(name: &str) -> Option<Signal> {
    let known = name.strip_prefix("SIG")?;
    let plain = known.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let unknown = ["PWR", "IO", "POLL", "STKFLT", "IOT", "CLD", "RTMIN", "RTMAX"];
    if plain && !unknown.contains(&known) { Signal::parse(name) } else { None }
}

/// tini's -e: a number as strtol(3) reads it, which takes blanks and a sign before it, and nothing at all for 0.
fn tini_remap(remap: &mut Remap, text: &str) -> bool {
    let number = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || (digits.is_empty() && !text.is_empty()) {
        return false;
    }
    let digits = digits.trim_start_matches('0');
    let digits = if digits.is_empty() { "0" } else { digits };
    // Minus nothing is nothing.
    (!number.starts_with('-') || digits == "0") && remap.add(digits)
}

/// catatonit, by its source and by Debian's package of 0.1.7. podman calls it podman-init.
static CATATONIT: Personality = Personality {
    names: &["catatonit", "podman-init"],
    options: &[
        option(Some('g'), None, Means::ProcessGroup),
        option(Some('h'), None, Means::Help),
        option(Some('L'), None, Means::License),
        option(Some('P'), None, Means::Pause),
        option(Some('V'), Some("version"), Means::Version),
    ],
    help: "\
usage: NAME [-ghLPV] [--] <progname> [<arguments>...]

options:
  -g              Forward signals to pid1's process group.
  -h              Print this help page.
  -L              Print license information.
  -P              Run in pause mode (no program is run and quit on SIGINT).
  -V, --version   Print version information.

This is rini. RINI_GRACE_PERIOD and its other variables work here too.
",
    help_to: Stream::Err,
    usage: "usage: NAME [-ghLPV] [--] <progname> [<arguments>...]\n",
    version: TINI.version,
    license: RINI.license,
    grammar: Grammar::PauseIgnoresWords,
    switches: &[("CATATONIT_DEBUG", Switch::Debug)],
    verbosity: None,
    refuses: Some(("CATATONIT_LOG", "CATATONIT_LOG is reserved for future use")),
    adopts: true,
    exec_codes: ExecCodes { not_found: 1, not_permitted: 1, other: 1 },
    voice: &Catatonit,
};

/// catatonit's voice.
struct Catatonit;

impl Voice for Catatonit {
    fn line(&self, level: Level, pid: u32, text: &fmt::Arguments<'_>) -> String {
        format!("{level} (catatonit:{pid}): {text}")
    }

    /// getopt_long(3).
    fn no_option(&self, called: &OsStr, option: &str) -> Complaint {
        match option.strip_prefix("--") {
            Some(_) => Complaint::Line(format!("{}: unrecognized option '{option}'", called.display())),
            None => Tini.no_option(called, option),
        }
    }

    fn unwanted_value(&self, called: &OsStr, _: &str) -> Complaint {
        Complaint::Line(format!("{}: option '--version' doesn't allow an argument", called.display()))
    }

    fn no_program(&self) -> Complaint {
        Complaint::Message("missing program name".to_owned())
    }

    fn exec_failed(&self, child: Pid, _: &OsStr, failure: &ExecFailure) -> Complaint {
        let text = format_args!("failed to exec pid1: {}", failure.reason());
        Complaint::Line(self.line(Level::Error, child.as_raw().unsigned_abs(), &text))
    }
}

/// The first container of a Kubernetes pod, by the source of pause 3.10.
static PAUSE: Personality = Personality {
    names: &["pause"],
    options: &[],
    help: "",
    help_to: Stream::Out,
    usage: "",
    version: concat!("pause.c ", env!("CARGO_PKG_VERSION"), "_rini\n"),
    license: RINI.license,
    grammar: Grammar::Pause,
    switches: &[],
    verbosity: None,
    refuses: None,
    adopts: true,
    exec_codes: RINI.exec_codes,
    voice: &Pause,
};

/// pause's voice.
struct Pause;

impl Voice for Pause {
    fn not_pid1(&self) -> Complaint {
        Complaint::Line("Warning: pause should be the first process".to_owned())
    }

    /// psignal(3).
    fn pause_ended(&self, signal: Signal) -> Complaint {
        let name = match signal {
            Signal::TERM => "Terminated".to_owned(),
            Signal::INT => "Interrupt".to_owned(),
            other => other.to_string(),
        };
        Complaint::Line(format!("Shutting down, got signal: {name}"))
    }
}

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
        assert!(!help.contains("NAME"), "{help}");
    }

    #[test]
    fn tini_knows_28_signals() {
        let known: Vec<i32> =
            (1..=64).filter(|n| tini_signal(&Signal::from_number(*n).unwrap().to_string()).is_some()).collect();
        assert_eq!(known, (1..=31).filter(|n| ![16, 29, 30].contains(n)).collect::<Vec<_>>());
        for text in ["TERM", "sigterm", "SIGterm", "15", "SIG", "SIGRTMIN", "SIG15", "SIGPOLL", "SIGIOT", "SIGCLD", ""]
        {
            assert_eq!(tini_signal(text), None, "{text}");
        }
    }

    #[test]
    fn tini_reads_exit_codes_as_strtol_does() {
        for (text, code) in [("143", 143), ("", 0), (" 1", 1), ("+1", 1), ("007", 7), ("0", 0), ("-0", 0), ("255", 255)]
        {
            let mut remap = Remap::default();
            assert!(tini_remap(&mut remap, text), "{text:?}");
            assert_eq!((remap.apply(code), remap.is_empty()), (0, false), "{text:?}");
        }
        for text in ["256", "abc", "1 ", "-1", "+", "-", " ", "1:2", "0x1", "99999999999999999999"] {
            assert!(!tini_remap(&mut Remap::default(), text), "{text:?}");
        }
    }
}
