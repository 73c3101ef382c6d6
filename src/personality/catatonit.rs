//! catatonit, by its source and by Debian's package of 0.1.7. podman calls it podman-init.
#![forbid(unsafe_code)]

use super::tini::TINI;
use super::{Grammar, Means, Personality, RINI, Stream, Switch, option, present};
use crate::diagnosis::ExecFailure;
use crate::exit::ExecCodes;
use crate::supervisor::AfterExit;
use crate::sys::process::Pid;
use crate::voice::{Complaint, Voice, getopt};
use log::Level;
use std::ffi::OsStr;
use std::fmt;

/// catatonit.
pub static CATATONIT: Personality = Personality {
    names: &["catatonit", "podman-init"],
    options: &[
        option(Some('g'), None, Means::ProcessGroup),
        option(Some('h'), None, Means::Help),
        option(Some('L'), None, Means::License),
        option(Some('P'), None, Means::Pause),
        option(Some('V'), Some("version"), Means::Version),
    ],
    cuts_words: false,
    help: "\
usage: @ [-ghLPV] [--] <progname> [<arguments>...]

options:
  -g              Forward signals to pid1's process group.
  -h              Print this help page.
  -L              Print license information.
  -P              Run in pause mode (no program is run and quit on SIGINT).
  -V, --version   Print version information.

This is rini. RINI_GRACE_PERIOD and its other variables work here too.
",
    help_to: Stream::Err,
    usage: "usage: @ [-ghLPV] [--] <progname> [<arguments>...]\n",
    version: TINI.version,
    version_to: Stream::Out,
    license: RINI.license,
    grammar: Grammar::PauseIgnoresWords,
    switches: &[present("CATATONIT_DEBUG", Switch::Debug)],
    verbosity: None,
    refuses: Some(("CATATONIT_LOG", "CATATONIT_LOG is reserved for future use")),
    adopts: true,
    session: false,
    after_exit: AfterExit::Kill,
    stops_itself: false,
    exec_codes: ExecCodes { not_found: 1, not_permitted: 1, other: 1 },
    voice: &Catatonit,
};

/// catatonit's voice.
struct Catatonit;

impl Voice for Catatonit {
    fn line(&self, level: Level, pid: u32, text: &fmt::Arguments<'_>) -> String {
        format!("{level} (catatonit:{pid}): {text}")
    }

    fn no_option(&self, called: &OsStr, typed: &str) -> Complaint {
        getopt::no_option(called, typed)
    }

    fn unwanted_value(&self, called: &OsStr, option: &str) -> Complaint {
        getopt::unwanted_value(called, option)
    }

    fn no_program(&self, _: &OsStr) -> Complaint {
        Complaint::Message("missing program name".to_owned())
    }

    fn exec_failed(&self, child: Pid, _: &OsStr, failure: &ExecFailure) -> Complaint {
        let text = format_args!("failed to exec pid1: {}", failure.reason());
        self.line_of(child, &text)
    }
}
