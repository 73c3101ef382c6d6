//! argv and the environment, read into an [`Invocation`]. Pure: nothing is set up or started here.
//!
//! An option beats its `RINI_*` variable, which beats tini's `TINI_*`. `RINI_*` variables are read as strictly as the
//! options, and an empty one counts as not set, as templates write them. `TINI_*` keep tini's meaning and never stop a start:
//! `TINI_SUBREAPER` and `TINI_KILL_PROCESS_GROUP` count by being there, even empty; `TINI_VERBOSITY` is read as atoi(3)
//! does, and overrides `-v` as it does in tini, where `RINI_LOG` does not say anything.
#![forbid(unsafe_code)]

use crate::exit::Remap;
use crate::signal::Signal;
use lexopt::Arg::{Long, Short, Value};
use log::LevelFilter;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;

/// `--help`.
pub const HELP: &str = "\
rini: the init of a container. Starts PROGRAM, forwards every signal to it,
reaps zombies, and exits with PROGRAM's status.

Usage: rini [OPTIONS] [--] PROGRAM [ARG...]

  -g, --process-group            forward signals to PROGRAM's process group
  -e, --remap-exit CODE[:TO]     exit with TO (0) where the code is CODE; repeat
  -p, --parent-death-signal SIG  forward SIG when rini's parent dies
  -s, --subreaper                adopt orphans; done anyway if not PID 1
  -w, --warn-on-reap             warn of each orphan reaped
  -v, --verbose                  -v info, -vv debug, -vvv trace
  -l, --license, -h, --help, -V, --version

Environment, where no option is given: RINI_PROCESS_GROUP=1 RINI_SUBREAPER=1
RINI_REMAP_EXIT=143,1:0 RINI_LOG=warn; also TINI_KILL_PROCESS_GROUP,
TINI_SUBREAPER and TINI_VERBOSITY, as tini reads them.

Exit codes: PROGRAM's own; 128 + n if signal n killed it; 127 if PROGRAM is not
found; 126 if it cannot be executed; 1 if rini could not start.
";

/// `--license`.
pub const LICENSE: &str = "\
rini is licensed under either of the Apache License, Version 2.0, or the MIT license, at your option.
The crates linked in (nix, signal-hook, libc, log, env_logger, lexopt) are under the MIT license or the same two.
";

/// `--version`.
pub const VERSION: &str = concat!("rini ", env!("CARGO_PKG_VERSION"), "\n");

/// What rini was asked to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Invocation {
    /// Run the program that begins at word `program` of argv.
    Run {
        /// The options.
        options: Options,
        /// The index of PROGRAM in argv: at least 1.
        program: usize,
    },
    /// Print this on standard output and exit with 0.
    Print(&'static str),
}

/// The options.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Forward signals to the child's process group, and not to the child alone.
    pub process_group: bool,
    /// Become a subreaper, or do not start.
    pub subreaper: bool,
    /// Ask for this signal when the parent dies.
    pub parent_death_signal: Option<Signal>,
    /// Warn of each orphan reaped.
    pub warn_on_reap: bool,
    /// What to make of the child's exit code.
    pub remap: Remap,
    /// What to log.
    pub verbosity: Verbosity,
}

/// What to log.
#[derive(Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// Everything up to this level.
    Level(LevelFilter),
    /// What env_logger's filter lets through; it has been checked.
    Filter(String),
}

impl Default for Verbosity {
    fn default() -> Verbosity {
        Verbosity::Level(LevelFilter::Warn)
    }
}

/// What was wrong on the command line or in the environment, and what would be right: one line.
#[derive(Debug, PartialEq, Eq)]
pub struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const CODES: &str = "CODE or CODE:TO, each 0 to 255";
const SIGNALS: &str = "a signal: a name such as TERM, SIGTERM or RTMIN+3, or a number from 1 to 64";
const SWITCH: &str = "1 or 0, yes or no, true or false, on or off";
const FILTER: &str = "off, error, warn, info, debug or trace, or a list such as warn,rini::runtime=debug";

fn refused(source: &str, value: &OsStr, right: &str) -> UsageError {
    UsageError(format!("{source}: {value:?} is not {right}"))
}

/// Reads the command line `argv`, whose first word is rini's own name, and the environment by `variable`.
pub fn parse<'a>(
    argv: impl Iterator<Item = &'a OsStr>,
    variable: impl Fn(&str) -> Option<&'a OsStr>,
) -> Result<Invocation, UsageError> {
    let mut options = from_environment(&variable)?;
    let words = words_of_rini(argv);
    let count = words.len();
    let mut parser = lexopt::Parser::from_iter(words);
    let mut verbose = 0_u8;
    let mut remap = Remap::default();
    let missing = |source: &str, right: &str| UsageError(format!("{source}: the value is missing; it takes {right}"));
    let program = loop {
        // A long option with a value that it does not take, or an option that is none; both are told by what follows.
        let argument = parser.next().map_err(|error| UsageError(one_line(&error.to_string())))?;
        match argument {
            Some(Short('g') | Long("process-group")) => options.process_group = true,
            Some(Short('s') | Long("subreaper")) => options.subreaper = true,
            Some(Short('w') | Long("warn-on-reap")) => options.warn_on_reap = true,
            Some(Short('v') | Long("verbose")) => verbose = verbose.saturating_add(1),
            Some(Short('e') | Long("remap-exit")) => {
                let value = parser.value().map_err(|_| missing("--remap-exit", CODES))?;
                if !value.to_str().is_some_and(|text| remap.add(text)) {
                    return Err(refused("--remap-exit", &value, CODES));
                }
            }
            Some(Short('p') | Long("parent-death-signal")) => {
                let value = parser.value().map_err(|_| missing("--parent-death-signal", SIGNALS))?;
                let signal = value.to_str().and_then(Signal::parse);
                options.parent_death_signal =
                    Some(signal.ok_or_else(|| refused("--parent-death-signal", &value, SIGNALS))?);
            }
            Some(Short('h') | Long("help")) => return Ok(Invocation::Print(HELP)),
            Some(Short('V') | Long("version")) => return Ok(Invocation::Print(VERSION)),
            Some(Short('l') | Long("license")) => return Ok(Invocation::Print(LICENSE)),
            Some(Value(_)) => {
                let left = parser.try_raw_args().map_or(0, |rest| rest.as_slice().len());
                break count.saturating_sub(left).saturating_sub(1);
            }
            Some(option) => {
                let name = match option {
                    Short(letter) => format!("-{letter}"),
                    Long(name) => format!("--{name}"),
                    Value(word) => word.to_string_lossy().into_owned(),
                };
                let text =
                    format!("there is no option {name:?}; rini --help lists them, and PROGRAM's own go behind it");
                return Err(UsageError(text));
            }
            None => {
                let text = "no PROGRAM was given; usage: rini [OPTIONS] [--] PROGRAM [ARG...], and rini --help lists the options";
                return Err(UsageError(text.to_owned()));
            }
        }
    };
    if !remap.is_empty() {
        options.remap = remap;
    }
    let by_tini = variable("TINI_VERBOSITY").filter(|_| set(&variable, "RINI_LOG").is_none());
    if verbose > 0 && by_tini.is_none() {
        options.verbosity = Verbosity::Level(match verbose {
            1 => LevelFilter::Info,
            2 => LevelFilter::Debug,
            _ => LevelFilter::Trace,
        });
    }
    Ok(Invocation::Run { options, program })
}

/// The beginning of argv, as far as it can be rini's own words: lexopt copies all that it is given, and a program's
/// arguments may be megabytes. No option takes more than one value, so of two words in a row that are no options the
/// second is behind PROGRAM at the latest.
fn words_of_rini<'a>(argv: impl Iterator<Item = &'a OsStr>) -> Vec<OsString> {
    let mut words = Vec::new();
    let mut plain = 0_u8;
    for (index, word) in argv.enumerate() {
        words.push(word.to_owned());
        let option = word.as_bytes().starts_with(b"-");
        plain = if option || index == 0 { 0 } else { plain.saturating_add(1) };
        if word == "--" || plain == 2 {
            break;
        }
    }
    words
}

fn one_line(text: &str) -> String {
    text.chars().flat_map(|c| c.escape_debug().filter(move |e| c.is_control() || *e != '\\')).collect()
}

/// A `RINI_*` variable, where it is set to something.
fn set<'a>(variable: &impl Fn(&str) -> Option<&'a OsStr>, name: &str) -> Option<&'a OsStr> {
    variable(name).filter(|value| !value.is_empty())
}

fn from_environment<'a>(variable: &impl Fn(&str) -> Option<&'a OsStr>) -> Result<Options, UsageError> {
    let switch = |rini: &str, tini: &str| match set(variable, rini) {
        None => Ok(variable(tini).is_some()),
        Some(value) => match value.to_str().map(str::to_ascii_lowercase).as_deref() {
            Some("1" | "yes" | "true" | "on") => Ok(true),
            Some("0" | "no" | "false" | "off") => Ok(false),
            _ => Err(refused(rini, value, SWITCH)),
        },
    };
    let mut remap = Remap::default();
    if let Some(value) = set(variable, "RINI_REMAP_EXIT")
        && !value.to_str().is_some_and(|list| list.split(',').all(|rule| remap.add(rule)))
    {
        return Err(refused("RINI_REMAP_EXIT", value, &format!("a list, by commas, of {CODES}")));
    }
    let verbosity = match (set(variable, "RINI_LOG"), variable("TINI_VERBOSITY")) {
        (Some(value), _) => match value.to_str() {
            Some(text) if is_filter(text) => Verbosity::Filter(text.to_owned()),
            _ => return Err(refused("RINI_LOG", value, FILTER)),
        },
        (None, Some(value)) => Verbosity::Level(match atoi(value.as_bytes()) {
            0 => LevelFilter::Error,
            1 => LevelFilter::Warn,
            2 => LevelFilter::Info,
            3 => LevelFilter::Debug,
            // Negative numbers too: tini keeps it unsigned.
            _ => LevelFilter::Trace,
        }),
        (None, None) => Verbosity::default(),
    };
    Ok(Options {
        process_group: switch("RINI_PROCESS_GROUP", "TINI_KILL_PROCESS_GROUP")?,
        subreaper: switch("RINI_SUBREAPER", "TINI_SUBREAPER")?,
        parent_death_signal: None,
        warn_on_reap: false,
        remap,
        verbosity,
    })
}

/// Whether env_logger would take `text` as it was meant. It prints a warning of its own about what it cannot read, and
/// takes any word that is no level for a module's name, which would silence everything else.
fn is_filter(text: &str) -> bool {
    let level = |word: &str| word.parse::<LevelFilter>().is_ok();
    let module = |word: &str| {
        let mut parts = word.split("::");
        parts.next() == Some("rini")
            && parts.all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase()))
    };
    text.split(',').map(str::trim).all(|directive| match directive.split_once('=') {
        Some((name, value)) => module(name) && level(value),
        None => level(directive) || module(directive),
    })
}

/// atoi(3), which takes the number that a text begins with, and 0 where there is none; kept in range.
fn atoi(text: &[u8]) -> i32 {
    let text = text.trim_ascii_start();
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        rest => (1, rest),
    };
    let number = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0_i32, |sum, byte| sum.saturating_mul(10).saturating_add(i32::from(byte.saturating_sub(b'0'))));
    number.saturating_mul(sign)
}
