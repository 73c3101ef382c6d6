//! tini 0.19, by its source and by Debian's package.
#![forbid(unsafe_code)]

use super::{Grammar, Means, Personality, Stream, TINI_SWITCHES, option};
use crate::diagnosis::{ExecFailure, Plain};
use crate::exit::{self, ExecCodes, Remap};
use crate::signal::Signal;
use crate::supervisor::AfterExit;
use crate::sys::process::Pid;
use crate::voice::{self, Complaint, Notice, Own, Voice, getopt, log};
use log::Level;
use std::ffi::OsStr;
use std::fmt;

/// tini.
pub static TINI: Personality = Personality {
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
    cuts_words: false,
    help: HELP,
    help_to: Stream::Out,
    usage: HELP,
    version: concat!(env!("RINI_TINI_VERSION"), "\n"),
    version_to: Stream::Out,
    license: include_str!("tini-license"),
    grammar: Grammar::VersionAlone,
    switches: TINI_SWITCHES,
    verbosity: Some("TINI_VERBOSITY"),
    refuses: None,
    adopts: false,
    session: false,
    after_exit: AfterExit::Kill,
    stops_itself: false,
    exec_codes: ExecCodes { not_found: exit::NOT_FOUND, not_permitted: exit::NOT_EXECUTABLE, other: 1 },
    voice: &Tini,
};

const HELP: &str = concat!(
    "@ (",
    env!("RINI_TINI_VERSION"),
    ")
Usage: @ [OPTIONS] PROGRAM -- [ARGS] | --version

Execute a program under the supervision of a valid init process (@)

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
            Some(_) => Complaint::Message(format!("Not a valid option for {source}: {}", Plain(value))),
            // A variable of rini's.
            None => Own.bad_value(source, value, right),
        }
    }

    fn no_value(&self, called: &OsStr, option: &str, typed: &str, _: &str) -> Complaint {
        getopt::no_value(called, option, typed)
    }

    /// getopt(3) takes a word of two dashes for a cluster of letters.
    fn no_option(&self, called: &OsStr, typed: &str) -> Complaint {
        getopt::no_letter(called, typed)
    }

    fn unwanted_value(&self, called: &OsStr, option: &str) -> Complaint {
        getopt::unwanted_value(called, option)
    }

    fn no_program(&self, _: &OsStr) -> Complaint {
        Complaint::Nothing
    }

    fn say(&self, notice: &Notice) {
        match notice {
            Notice::ChildrenChanged => log(Level::Debug, format_args!("Received SIGCHLD")),
            Notice::Reaped { pid, warn, .. } => {
                log(voice::level_of_reaping(*warn), format_args!("Reaped zombie process with pid={pid}"));
            }
            _ => voice::say(notice),
        }
    }

    /// In the child's name, which is who says it in tini.
    fn exec_failed(&self, child: Pid, program: &OsStr, failure: &ExecFailure) -> Complaint {
        let text = format_args!("exec {} failed: {}", Plain(program), failure.reason());
        self.line_of(child, &text)
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

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(remap.apply(code), 0, "{text:?}");
        }
        for text in ["256", "abc", "1 ", "-1", "+", "-", " ", "1:2", "0x1", "99999999999999999999"] {
            assert!(!tini_remap(&mut Remap::default(), text), "{text:?}");
        }
    }
}
