//! dumb-init 1.2.5, by its source and by Debian's package.
//!
//! Its child is the leader of a session of its own, which takes the terminal over, and signals go to the child's process
//! group; with `-c` neither. What its child leaves of that group is sent a last SIGTERM. SIGTSTP, SIGTTIN and SIGTTOU
//! stop dumb-init too, and reach a child with a session as SIGSTOP: the kernel spares an orphaned process group the
//! others.
#![forbid(unsafe_code)]

use super::{Grammar, Means, Personality, RINI, Stream, Switch, Variable, option};
use crate::diagnosis::{ExecFailure, Plain, Reason};
use crate::exit::{ExecCodes, Status};
use crate::signal::{Rewrite, Signal};
use crate::supervisor::AfterExit;
use crate::sys::process::Pid;
use crate::sys::terminal::HandOff;
use crate::voice::{Complaint, Notice, Own, Voice, getopt, log};
use log::Level;
use nix::errno::Errno;
use std::ffi::OsStr;
use std::fmt;

/// dumb-init.
pub static DUMB_INIT: Personality = Personality {
    names: &["dumb-init"],
    options: &[
        option(Some('h'), Some("help"), Means::Help),
        option(Some('c'), Some("single-child"), Means::SingleChild),
        option(Some('r'), Some("rewrite"), Means::Rewrite(rewrite)),
        option(Some('v'), Some("verbose"), Means::Debug),
        option(Some('V'), Some("version"), Means::Version),
    ],
    cuts_words: true,
    help: "\
dumb-init v1.2.5
Usage: ~ [option] command [[arg] ...]

dumb-init is a simple process supervisor that forwards signals to children.
It is designed to run as PID1 in minimal container environments.

Optional arguments:
   -c, --single-child   Run in single-child mode.
                        In this mode, signals are only proxied to the
                        direct child and not any of its descendants.
   -r, --rewrite s:r    Rewrite received signal s to new signal r before proxying.
                        To ignore (not proxy) a signal, rewrite it to 0.
                        This option can be specified multiple times.
   -v, --verbose        Print debugging information to stderr.
   -h, --help           Print this help message and exit.
   -V, --version        Print the current version and exit.

Full help is available online at https://github.com/Yelp/dumb-init
",
    help_to: Stream::Err,
    usage: "",
    // Its own tests compare the version that their tree has, and so may scripts.
    version: "dumb-init v1.2.5\n",
    version_to: Stream::Err,
    license: RINI.license,
    grammar: Grammar::Options,
    switches: &[
        Variable {
            name: "DUMB_INIT_DEBUG",
            value: Some("1"),
            means: Switch::Debug,
            notice: Some("Running in debug mode."),
        },
        Variable {
            name: "DUMB_INIT_SETSID",
            value: Some("0"),
            means: Switch::SingleChild,
            notice: Some("Not running in setsid mode."),
        },
    ],
    verbosity: None,
    refuses: None,
    adopts: true,
    session: true,
    after_exit: AfterExit::TerminateGroup,
    stops_itself: true,
    exec_codes: ExecCodes { not_found: 2, not_permitted: 2, other: 2 },
    voice: &DumbInit,
};

const REWRITE_USAGE: &str = "\
Usage: -r option takes <signum>:<signum>, where <signum> is between 1 and 31.
This option can be specified multiple times.
Use --help for full usage.
";

/// dumb-init's -r, as sscanf(3) reads "%d:%d": blanks and a sign before each number, and anything behind. The numbers
/// are 1 to 31, and 0 for none.
fn rewrite(rules: &mut Rewrite, text: &str) -> bool {
    fn number(text: &str) -> Option<(i32, &str)> {
        let text = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let rest = digits.trim_start_matches(|c: char| c.is_ascii_digit());
        let end = text.len().checked_sub(rest.len())?;
        Some((text.get(..end)?.parse().ok()?, rest))
    }
    let rule = number(text).and_then(|(from, rest)| Some((from, number(rest.strip_prefix(':')?)?.0)));
    let Some((from @ 1..=31, to @ 0..=31)) = rule else { return false };
    if let Some(from) = Signal::from_number(from) {
        rules.insert(from, Signal::from_number(to));
    }
    true
}

/// dumb-init's voice.
struct DumbInit;

impl Voice for DumbInit {
    fn line(&self, _: Level, _: u32, text: &fmt::Arguments<'_>) -> String {
        format!("[dumb-init] {text}")
    }

    fn bad_value(&self, source: &str, value: &OsStr, right: &str) -> Complaint {
        match source.strip_prefix('-') {
            Some(_) => Complaint::Text(REWRITE_USAGE.to_owned()),
            // A variable of rini's.
            None => Own.bad_value(source, value, right),
        }
    }

    fn no_value(&self, called: &OsStr, option: &str, typed: &str, _: &str) -> Complaint {
        getopt::no_value(called, option, typed)
    }

    fn no_option(&self, called: &OsStr, typed: &str) -> Complaint {
        getopt::no_option(called, typed)
    }

    fn ambiguous(&self, called: &OsStr, typed: &str, which: &[&str]) -> Complaint {
        getopt::ambiguous(called, typed, which)
    }

    fn unwanted_value(&self, called: &OsStr, option: &str) -> Complaint {
        getopt::unwanted_value(called, option)
    }

    fn no_program(&self, called: &OsStr) -> Complaint {
        let name = Plain(called);
        Complaint::Text(format!("Usage: {name} [option] program [args]\nTry {name} --help for full usage.\n"))
    }

    fn exec_failed(&self, child: Pid, program: &OsStr, failure: &ExecFailure) -> Complaint {
        let text = format_args!("{}: {}", Plain(program), failure.reason());
        self.line_of(child, &text)
    }

    fn say(&self, notice: &Notice) {
        let translated = |from: Signal, to: Option<Signal>, by_rule: bool| {
            let to = to.map_or(0, Signal::number);
            if by_rule {
                log(Level::Debug, format_args!("Translating signal {} to {to}.", from.number()));
            }
            match to {
                0 => log(Level::Debug, format_args!("Not forwarding signal 0 to children (ignored).")),
                _ => log(Level::Debug, format_args!("Forwarded signal {to} to children.")),
            }
        };
        match notice {
            Notice::Variable(text) => log(Level::Debug, format_args!("{text}")),
            Notice::HandedOff(Ok(HandOff::BySessionLeader)) => log(
                Level::Debug,
                format_args!("Detached from controlling tty, ignoring the first SIGHUP and SIGCONT we receive."),
            ),
            Notice::HandedOff(Ok(HandOff::Alone)) => {
                log(Level::Debug, format_args!("Detached from controlling tty, but was not session leader."));
            }
            Notice::HandedOff(Err(errno)) => {
                log(Level::Debug, format_args!("Unable to detach from controlling tty ({}).", Numbered(*errno)));
            }
            Notice::Started(pid) => log(Level::Debug, format_args!("Child spawned with PID {pid}.")),
            Notice::Received(signal) => log(Level::Debug, format_args!("Received signal {}.", signal.number())),
            Notice::OfHandOff(signal) => {
                log(Level::Debug, format_args!("Ignoring tty hand-off signal {}.", signal.number()));
            }
            Notice::Forwarded { origin, rewritten, by_rule, .. } => {
                translated(origin.signal, Some(*rewritten), *by_rule)
            }
            Notice::Dropped(origin) => translated(origin.signal, None, true),
            Notice::StopsItself => log(Level::Debug, format_args!("Suspending self due to TTY signal.")),
            Notice::ChildrenChanged => log(Level::Debug, format_args!("Received signal {}.", Signal::CHLD.number())),
            Notice::Reaped { pid, status, .. } | Notice::ChildEnded(pid, status) => match status {
                Status::Exited(code) => {
                    log(Level::Debug, format_args!("A child with PID {pid} exited with exit status {code}."));
                }
                Status::Killed(signal) => log(
                    Level::Debug,
                    format_args!("A child with PID {pid} was terminated by signal {}.", signal.number()),
                ),
            },
            Notice::GroupAsked(rewritten, by_rule) => translated(Signal::TERM, *rewritten, *by_rule),
            Notice::Closing { child: Some((_, status, _)), .. } => {
                log(Level::Debug, format_args!("Child exited with status {}. Goodbye.", status.code()));
            }
            Notice::Closing { child: None, .. } => (),
        }
    }

    fn write_session(&self, terminal: Result<(), Errno>, to: &mut dyn fmt::Write) -> fmt::Result {
        if let Err(errno) = terminal {
            writeln!(to, "[dumb-init] Unable to attach to controlling tty ({}).", Numbered(errno))?;
        }
        to.write_str("[dumb-init] setsid complete.\n")
    }
}

/// `errno=25 Inappropriate ioctl for device`.
struct Numbered(Errno);

impl fmt::Display for Numbered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "errno={} {}", self.0 as i32, Reason(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_sscanf_reads_them() {
        let rule = |text: &str| {
            let mut rules = Rewrite::default();
            rewrite(&mut rules, text).then_some(rules)
        };
        let is = |from, to| {
            let mut rules = Rewrite::default();
            rules.insert(Signal::from_number(from).unwrap(), Signal::from_number(to));
            Some(rules)
        };
        for (text, from, to) in [
            ("15:3", 15, 3),
            ("1:0", 1, 0),
            ("31:31", 31, 31),
            (" 15: 3", 15, 3),
            ("+15:+3", 15, 3),
            ("015:003", 15, 3),
            ("15:3abc", 15, 3),
            ("15:3:4", 15, 3),
            ("9:19", 9, 19),
        ] {
            assert_eq!(rule(text), is(from, to), "{text:?}");
        }
        for text in ["", ":", "15", "15:", ":3", "15 :3", "0:3", "32:3", "15:32", "-1:3", "15:-1", "TERM:QUIT", "0x1:2"]
        {
            assert_eq!(rule(text), None, "{text:?}");
        }
    }
}
