//! What rini says, and how each personality says it.
//!
//! A [`Voice`] holds the words that somebody may depend on: those of the program whose name rini goes by. Everything else
//! is said in rini's own words, in the form of that program's lines. What is said while the child runs is a [`Notice`],
//! what is wrong at the start or with the exec a [`Complaint`].
#![forbid(unsafe_code)]

use crate::diagnosis::{ExecFailure, Origin, Plain, Quoted};
use crate::exit::Status;
use crate::signal::Signal;
use crate::sys::process::Pid;
use crate::sys::terminal::HandOff;
use crate::time::Duration;
use log::Level;
use nix::errno::Errno;
use std::ffi::OsStr;
use std::fmt;

/// The module that messages go by in `RINI_LOG`, once the child has been started: `rini::runtime=debug` is in the README.
pub const TARGET: &str = "rini::runtime";

/// Says a line, if the user wants to hear of that level. (A function, as each `log!` is a hundred bytes of code.)
#[inline(never)]
pub fn log(level: Level, text: fmt::Arguments<'_>) {
    log::log!(target: TARGET, level, "{text}");
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
    /// A text of its own form, of whole lines.
    Text(String),
    /// Nothing.
    Nothing,
}

/// What happened, as far as any personality tells of it.
pub enum Notice {
    /// A variable counts, of which this is to be said.
    Variable(&'static str),
    /// The terminal was left to the child's session, or could not be.
    HandedOff(Result<HandOff, Errno>),
    /// The child was started.
    Started(Pid),
    /// A signal came, which is not SIGCHLD.
    Received(Signal),
    /// It came of handing off the terminal, and ends here.
    OfHandOff(Signal),
    /// A signal was forwarded to the child.
    Forwarded {
        /// By whom it came.
        origin: Origin,
        /// To the child with this pid.
        child: Pid,
        /// As this.
        rewritten: Signal,
        /// By a rule, if only that it stays what it is.
        by_rule: bool,
    },
    /// A signal was not forwarded, by a rule.
    Dropped(Origin),
    /// rini stops after the child.
    StopsItself,
    /// Children have ended, stopped or been continued.
    ChildrenChanged,
    /// An orphan has been reaped.
    Reaped {
        /// Its pid.
        pid: Pid,
        /// How it ended.
        status: Status,
        /// The user wants to be told.
        warn: bool,
    },
    /// The child has been reaped.
    ChildEnded(Pid, Status),
    /// The child's group is asked to end, by what SIGTERM is rewritten to; or is not. And whether there is a rule for that.
    GroupAsked(Option<Signal>, bool),
    /// The end of rini.
    Closing {
        /// The child, where there was one, how it ended, and after how long.
        child: Option<(Pid, Status, Duration)>,
        /// How long rini ran.
        lasted: Duration,
        /// How many signals were forwarded.
        signals: u64,
        /// How many orphans were reaped.
        orphans: u64,
    },
}

/// How a personality speaks.
pub trait Voice: Sync {
    /// A message as a whole line, without its end.
    fn line(&self, level: Level, _: u32, text: &fmt::Arguments<'_>) -> String {
        format!("rini: {level} {text}")
    }

    /// An error message as a whole line in the child's name, which is who says it in most inits.
    fn line_of(&self, child: Pid, text: &fmt::Arguments<'_>) -> Complaint {
        Complaint::Line(self.line(Level::Error, child.as_raw().unsigned_abs(), text))
    }

    /// A value that an option or a variable cannot have.
    fn bad_value(&self, source: &str, value: &OsStr, right: &str) -> Complaint {
        Complaint::Message(format!("{source}: {} is not {right}", Quoted(value)))
    }

    /// An option without its value: the one whose word or letter is `option`, as it was `typed`.
    fn no_value(&self, _: &OsStr, option: &str, _typed: &str, right: &str) -> Complaint {
        Complaint::Message(format!("{option}: the value is missing; it takes {right}"))
    }

    /// An option that there is not.
    fn no_option(&self, _: &OsStr, typed: &str) -> Complaint {
        Complaint::Message(format!(
            "there is no option {}; rini --help lists them, and PROGRAM's own go behind it",
            Quoted(typed.as_ref())
        ))
    }

    /// An option cut short, which could be any of these.
    fn ambiguous(&self, called: &OsStr, typed: &str, _: &[&str]) -> Complaint {
        self.no_option(called, typed)
    }

    /// A value for an option that takes none: its word, or its letter.
    fn unwanted_value(&self, _: &OsStr, option: &str) -> Complaint {
        Complaint::Message(format!("{option} takes no value"))
    }

    /// No program.
    fn no_program(&self, _: &OsStr) -> Complaint {
        let text =
            "no PROGRAM was given; usage: rini [OPTIONS] [--] PROGRAM [ARG...], and rini --help lists the options";
        Complaint::Message(text.to_owned())
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

    /// Says what happened.
    fn say(&self, notice: &Notice) {
        say(notice);
    }

    /// In the child, where no memory may be had: writes what is to be said of its new session, and of whether it got the
    /// terminal, in whole lines. For the level `debug`.
    fn write_session(&self, _terminal: Result<(), Errno>, _: &mut dyn fmt::Write) -> fmt::Result {
        Ok(())
    }
}

/// Says what happened in rini's own words.
pub fn say(notice: &Notice) {
    match notice {
        Notice::Variable(_) | Notice::HandedOff(_) | Notice::Received(_) | Notice::ChildEnded(..) => (),
        Notice::Started(pid) => log(Level::Debug, format_args!("started pid {pid}")),
        Notice::OfHandOff(signal) => log(Level::Debug, format_args!("{signal}, as the terminal is the child's now")),
        Notice::Forwarded { origin, child, rewritten, .. } if *rewritten == origin.signal => {
            log(Level::Info, format_args!("{origin}, forwarded to pid {child}"));
        }
        Notice::Forwarded { origin, child, rewritten, .. } => {
            log(Level::Info, format_args!("{origin}, forwarded to pid {child} as {rewritten}"));
        }
        Notice::Dropped(origin) => log(Level::Info, format_args!("{origin}, not forwarded")),
        Notice::StopsItself => log(Level::Debug, format_args!("stopping after the child")),
        Notice::ChildrenChanged => log(Level::Trace, format_args!("children have changed")),
        Notice::Reaped { pid, status, warn } => {
            log(level_of_reaping(*warn), format_args!("reaped orphan pid {pid}, which {status}"));
        }
        Notice::GroupAsked(Some(signal), _) => {
            log(Level::Debug, format_args!("{signal} to the process group that is left"))
        }
        Notice::GroupAsked(None, _) => (),
        Notice::Closing { child: Some((pid, status, lasted)), signals, orphans, .. } => log(
            Level::Info,
            format_args!("pid {pid} {status} after {lasted}; signals forwarded: {signals}, orphans reaped: {orphans}"),
        ),
        Notice::Closing { child: None, lasted, signals, orphans } => log(
            Level::Info,
            format_args!("stopped after {lasted}; signals forwarded: {signals}, orphans reaped: {orphans}"),
        ),
    }
}

/// How loud to be about an orphan.
pub fn level_of_reaping(warn: bool) -> Level {
    if warn { Level::Warn } else { Level::Debug }
}

/// rini's own voice.
pub struct Own;

impl Voice for Own {}

/// What getopt(3) and getopt_long(3) of glibc say.
pub mod getopt {
    use super::{Complaint, OsStr, Plain};

    fn line(called: &OsStr, text: &str) -> Complaint {
        Complaint::Line(format!("{}: {text}", Plain(called)))
    }

    /// An option without its value.
    pub fn no_value(called: &OsStr, option: &str, typed: &str) -> Complaint {
        match typed.strip_prefix("--") {
            Some(_) => line(called, &format!("option '{option}' requires an argument")),
            None => line(called, &format!("option requires an argument -- '{}'", typed.trim_start_matches('-'))),
        }
    }

    /// A letter, or a word's second dash, that is no option.
    pub fn no_letter(called: &OsStr, typed: &str) -> Complaint {
        line(called, &format!("invalid option -- '{}'", typed.chars().nth(1).unwrap_or('-')))
    }

    /// An option that there is not.
    pub fn no_option(called: &OsStr, typed: &str) -> Complaint {
        match typed.strip_prefix("--") {
            Some(_) => line(called, &format!("unrecognized option '{typed}'")),
            None => no_letter(called, typed),
        }
    }

    /// An option cut short, which could be any of these.
    pub fn ambiguous(called: &OsStr, typed: &str, which: &[&str]) -> Complaint {
        let mut text = format!("option '{typed}' is ambiguous; possibilities:");
        for name in which {
            text.extend([" '--", name, "'"]);
        }
        line(called, &text)
    }

    /// A value for an option that takes none; with a letter it is a cluster of letters, the equals sign among them.
    pub fn unwanted_value(called: &OsStr, option: &str) -> Complaint {
        match option.strip_prefix("--") {
            Some(_) => line(called, &format!("option '{option}' doesn't allow an argument")),
            None => no_letter(called, "-="),
        }
    }
}
