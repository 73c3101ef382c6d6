//! argv and the environment, read into an [`Invocation`]. Pure: nothing is set up or started here.
//!
//! An option beats its `RINI_*` variable, which beats tini's `TINI_*`. `RINI_*` variables are read as strictly as the
//! options, and an empty one counts as not set, as templates write them. `TINI_*` keep tini's meaning and never stop a
//! start: `TINI_SUBREAPER` and `TINI_KILL_PROCESS_GROUP` count by being there, even empty; `TINI_VERBOSITY` is read as
//! atoi(3) does, and overrides `-v` as it does in tini, where `RINI_LOG` does not say anything.
#![forbid(unsafe_code)]

use crate::diagnosis::Plain;
use crate::exit::Remap;
use crate::personality::{Grammar, Means, Opt, Personality, Stream, Switch, Variable};
use crate::signal::{Rewrite, Signal, SignalSet, TERMINAL_STOPS};
use crate::supervisor::{AfterExit, Policy};
use crate::time::Duration;
use crate::voice::Complaint;
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
  -t, --grace-period DURATION    SIGKILL so long after a stop signal; off
      --stop-signals LIST        what begins a stop; TERM,INT
      --stop-delay DURATION      hold a stop signal back so long; 0
      --after-exit WHAT          kill, terminate or wait for what is left; kill
  -r, --rewrite FROM:TO          forward TO in place of FROM; TO 0 drops; repeat
  -p, --parent-death-signal SIG  forward SIG when rini's parent dies
  -s, --subreaper                adopt orphans; done anyway if not PID 1
  -w, --warn-on-reap             warn of each orphan reaped
  -v, --verbose                  -v info, -vv debug, -vvv trace
  -P, --pause                    no PROGRAM: reap until a stop signal, exit 0
  -l, --license, -h, --help, -V, --version

Environment, where no option is given: RINI_PROCESS_GROUP=1 RINI_SUBREAPER=1
RINI_REMAP_EXIT=143,1:0 RINI_GRACE_PERIOD=8s RINI_STOP_SIGNALS=TERM,QUIT
RINI_STOP_DELAY=5s RINI_AFTER_EXIT=wait RINI_REWRITE=TERM:QUIT,HUP:0
RINI_LOG=warn; and TINI_*.
Exit codes: PROGRAM's own; 128 + n if signal n killed it; 127 if PROGRAM is not
found; 126 if it cannot be executed; 1 if rini could not start.
";

/// What rini was asked to do.
#[derive(Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // There is one, for a moment.
pub enum Invocation {
    /// Run the program that begins at word `program` of argv.
    Run {
        /// The options.
        options: Options,
        /// The index of PROGRAM in argv: at least 1. None with --pause.
        program: Option<usize>,
    },
    /// Print this and exit with 0.
    Print(Stream, String),
}

/// The options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Forward signals to the child's process group, and not to the child alone.
    pub process_group: bool,
    /// The child gets a session of its own, and the terminal.
    pub session: bool,
    /// Become a subreaper, or do not start.
    pub subreaper: bool,
    /// Warn of each orphan reaped.
    pub warn_on_reap: bool,
    /// What to make of the child's exit code.
    pub remap: Remap,
    /// What to do about signals, and about a child that does not end.
    pub policy: Policy,
    /// What to log.
    pub verbosity: Verbosity,
}

/// What to log.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// What was wrong on the command line or in the environment, and what would be right.
#[derive(Debug, PartialEq, Eq)]
pub struct UsageError {
    /// In one line.
    pub complaint: Complaint,
    /// What is to follow that.
    pub usage: String,
}

impl From<Complaint> for UsageError {
    fn from(complaint: Complaint) -> UsageError {
        UsageError { complaint: one_line(complaint), usage: String::new() }
    }
}

const CODES: &str = "CODE or CODE:TO, each 0 to 255";
const SIGNALS: &str = "a signal: a name such as TERM, SIGTERM or RTMIN+3, or a number from 1 to 64";
const LIST: &str = "a list, by commas, of signals such as TERM, SIGTERM, RTMIN+3 or 15, KILL, STOP and CHLD excepted";
const RULES: &str = "FROM:TO, two signals such as TERM:QUIT, or TERM:0; FROM cannot be KILL, STOP or CHLD";
const GRACE: &str = "a time from 1ms to 8760h, such as 10s, 1500ms, 0.5 or 2m; leave it out for no limit";
const DELAY: &str = "a time up to 8760h, such as 10s, 1500ms, 0.5, 2m or 0";
const AFTER_EXIT: &str = "kill, terminate or wait";
const SWITCH: &str = "1 or 0, yes or no, true or false, on or off";
const FILTER: &str = "off, error, warn, info, debug or trace, or a list such as warn,rini::runtime=debug";

/// rini's own variables: their names, whether they are lists by commas, and the options that they stand for.
const VARIABLES: [(&str, bool, Means); 9] = [
    ("RINI_PROCESS_GROUP", false, Means::ProcessGroup),
    ("RINI_SUBREAPER", false, Means::Subreaper),
    ("RINI_REMAP_EXIT", true, Means::RemapExit(Remap::add)),
    ("RINI_LOG", false, Means::Log),
    ("RINI_STOP_SIGNALS", false, Means::StopSignals),
    ("RINI_GRACE_PERIOD", false, Means::GracePeriod),
    ("RINI_STOP_DELAY", false, Means::StopDelay),
    ("RINI_AFTER_EXIT", false, Means::AfterExit),
    ("RINI_REWRITE", true, Means::Rewrite(Rewrite::add)),
];

/// Does what an option or a variable says. Returns false where `value` is not what that takes.
fn apply(means: Means, value: &str, options: &mut Options) -> bool {
    fn put<T>(place: &mut T, value: Option<T>) -> bool {
        value.map(|value| *place = value).is_some()
    }
    let policy = &mut options.policy;
    match means {
        Means::ProcessGroup => put(&mut options.process_group, switch(value)),
        Means::Subreaper => put(&mut options.subreaper, switch(value)),
        Means::WarnOnReap => put(&mut options.warn_on_reap, switch(value)),
        Means::RemapExit(add) => add(&mut options.remap, value),
        Means::Rewrite(add) => add(&mut policy.rewrite, value),
        Means::GracePeriod => put(&mut policy.grace, grace(value).map(Some)),
        Means::StopDelay => put(&mut policy.delay, delay(value)),
        Means::StopSignals => put(&mut policy.shutdown_signals, SignalSet::parse(value)),
        Means::AfterExit => put(&mut policy.after_exit, after_exit(value)),
        Means::ParentDeathSignal(parse) => put(&mut policy.parent_death_signal, parse(value).map(Some)),
        Means::Log => put(&mut options.verbosity, is_filter(value).then(|| Verbosity::Filter(value.to_owned()))),
        Means::Debug => put(&mut options.verbosity, Some(Verbosity::Level(LevelFilter::Debug))),
        Means::Pause => put(&mut policy.pause, Some(true)),
        Means::SingleChild => {
            (options.process_group, options.session) = (false, false);
            true
        }
        // These are not about the options.
        Means::Verbose | Means::Help | Means::License | Means::Version => true,
    }
}

/// Whether an option of this meaning comes without a value: then it is on.
fn is_flag(means: Means) -> bool {
    matches!(takes(means), "" | SWITCH)
}

/// What its value is to be.
fn takes(means: Means) -> &'static str {
    match means {
        Means::RemapExit(_) => CODES,
        Means::Rewrite(_) => RULES,
        Means::GracePeriod => GRACE,
        Means::StopDelay => DELAY,
        Means::StopSignals => LIST,
        Means::AfterExit => AFTER_EXIT,
        Means::ParentDeathSignal(_) => SIGNALS,
        Means::Log => FILTER,
        Means::ProcessGroup | Means::Subreaper | Means::WarnOnReap => SWITCH,
        Means::SingleChild | Means::Verbose | Means::Debug => "",
        Means::Pause | Means::Help | Means::License | Means::Version => "",
    }
}

/// Reads the command line `argv` of a `personality`, and the environment by `variable`.
pub fn parse<'a>(
    personality: &Personality,
    argv: impl Iterator<Item = &'a OsStr>,
    variable: &dyn Fn(&str) -> Option<&'a OsStr>,
) -> Result<Invocation, UsageError> {
    let voice = personality.voice;
    if let Some((_, text)) = personality.refuses.filter(|(name, _)| variable(name).is_some()) {
        return Err(Complaint::Message(text.to_owned()).into());
    }
    let mut options = from_environment(personality, variable)?;
    let version = || Ok(Invocation::Print(personality.version_to, personality.version.to_owned()));
    if personality.grammar == Grammar::Pause {
        options.policy.pause = true;
        let asks = |word: &OsStr| word.eq_ignore_ascii_case("-v");
        return if argv.skip(1).any(asks) { version() } else { Ok(Invocation::Run { options, program: None }) };
    }
    let words = words_of_rini(argv);
    let called = words.first().cloned().unwrap_or_default();
    let wrong =
        |complaint| UsageError { usage: personality.text(personality.usage, &called), ..UsageError::from(complaint) };
    let alone = personality.grammar == Grammar::VersionAlone && words.len() == 2;
    if alone && words.last().is_some_and(|word| word == "--version") {
        return version();
    }
    let count = words.len();
    let mut parser = lexopt::Parser::from_iter(words);
    let mut verbose = 0_u8;
    let mut before = Typed::Letter('-');
    let (mut remapped, mut rewritten) = (false, false);
    let program = loop {
        let (typed, found) = match parser.next() {
            Ok(Some(Short(letter))) => {
                (Typed::Letter(letter), personality.options.iter().find(|option| option.short == Some(letter)))
            }
            Ok(Some(Long(word))) => {
                let (found, typed) = (by_word(personality, word), Typed::Word(word.to_owned()));
                if let Err(candidates) = found {
                    return Err(wrong(voice.ambiguous(&called, &typed.whole(&mut parser), &candidates)));
                }
                (typed, found.unwrap_or_default())
            }
            Ok(Some(Value(_))) => {
                let left = parser.try_raw_args().map_or(0, |rest| rest.as_slice().len());
                break Some(count.saturating_sub(left).saturating_sub(1));
            }
            Ok(None) if options.policy.pause => break None,
            Ok(None) => return Err(wrong(voice.no_program(&called))),
            // The one error is a value for a letter that takes none: -v=x. (For a word that is seen below.)
            Err(_) => return Err(wrong(voice.unwanted_value(&called, &before.to_string()))),
        };
        let Some(option) = found else { return Err(wrong(voice.no_option(&called, &typed.whole(&mut parser)))) };
        // By its word, if it has one, whatever was typed.
        let source = || option.long.map_or_else(|| typed.to_string(), |word| format!("--{word}"));
        let right = takes(option.means);
        let value = match (is_flag(option.means), &typed) {
            (false, _) => parser.value().ok(),
            // Now, as this may be the last option that is looked at. Behind a letter it would be the next letter.
            (true, Typed::Word(_)) if parser.optional_value().is_some() => {
                return Err(wrong(voice.unwanted_value(&called, &source())));
            }
            (true, _) => Some(OsString::from(ON)),
        };
        let Some(value) = value else {
            return Err(wrong(voice.no_value(&called, &source(), &typed.to_string(), right)));
        };
        match option.means {
            Means::Verbose => verbose = verbose.saturating_add(1),
            Means::Help => {
                return Ok(Invocation::Print(personality.help_to, personality.text(personality.help, &called)));
            }
            Means::Version => return version(),
            Means::License => return Ok(Invocation::Print(Stream::Out, personality.license.to_owned())),
            // The first of an option takes the place of what its variable says.
            Means::RemapExit(_) if !take(&mut remapped) => options.remap = Remap::default(),
            Means::Rewrite(_) if !take(&mut rewritten) => options.policy.rewrite = Rewrite::default(),
            _ => (),
        }
        if !value.to_str().is_some_and(|value| apply(option.means, value, &mut options)) {
            return Err(voice.bad_value(&source(), &value, right).into());
        }
        before = typed;
    };
    let program = program.filter(|_| !(options.policy.pause && personality.grammar == Grammar::PauseIgnoresWords));
    if options.policy.pause && program.is_some() {
        let text = "--pause takes no PROGRAM; leave out the one or the other";
        return Err(Complaint::Message(text.to_owned()).into());
    }
    if options.session {
        // The kernel spares an orphaned process group, such as a session leader's, every stop but this one.
        for signal in TERMINAL_STOPS {
            options.policy.rewrite.insert_default(signal, Signal::STOP);
        }
    }
    let by_tini = personality.verbosity.and_then(variable).filter(|_| set(variable, "RINI_LOG").is_none());
    if verbose > 0 && by_tini.is_none() {
        options.verbosity = Verbosity::Level(match verbose {
            1 => LevelFilter::Info,
            2 => LevelFilter::Debug,
            _ => LevelFilter::Trace,
        });
    }
    Ok(Invocation::Run { options, program })
}

/// An option as it was typed.
enum Typed {
    Letter(char),
    Word(String),
}

impl Typed {
    /// With its value, if it has one: that is how getopt_long(3) names what it does not know.
    fn whole(&self, parser: &mut lexopt::Parser) -> String {
        match (self, parser.optional_value()) {
            (Typed::Word(word), Some(value)) => format!("--{word}={}", Plain(&value)),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Typed::Letter(letter) => write!(f, "-{letter}"),
            Typed::Word(word) => write!(f, "--{word}"),
        }
    }
}

/// The option with this word, which may be cut short where the personality takes that; or which it could be.
fn by_word<'a>(personality: &'a Personality, word: &str) -> Result<Option<&'a Opt>, Vec<&'static str>> {
    let named = |option: &&Opt| option.long == Some(word);
    let begun = |option: &&Opt| personality.cuts_words && option.long.is_some_and(|long| long.starts_with(word));
    let exact = personality.options.iter().find(named);
    let mut candidates = personality.options.iter().filter(begun);
    match (exact, candidates.next(), candidates.next()) {
        (None, Some(_), Some(_)) => Err(personality.options.iter().filter(begun).filter_map(|o| o.long).collect()),
        (exact, begun, _) => Ok(exact.or(begun)),
    }
}

/// The beginning of argv, as far as it can be rini's own words: lexopt copies all that it is given, and a program's
/// arguments may be megabytes. No option takes more than one value, so a word that is no option is PROGRAM, or behind
/// it, if the word before is no option either.
fn words_of_rini<'a>(argv: impl Iterator<Item = &'a OsStr>) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    for word in argv {
        let is_option = |word: &OsStr| word.as_bytes().starts_with(b"-");
        // The word before: rini's own name, an option, or what may be an option's value.
        let ends = words.last().is_some_and(|before| before == "--" || !is_option(before) && !is_option(word));
        words.push(word.to_owned());
        if ends {
            break;
        }
    }
    words
}

/// A value or an option may hold anything.
fn one_line(complaint: Complaint) -> Complaint {
    let clean = |text: String| text.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    match complaint {
        Complaint::Message(text) => Complaint::Message(clean(text)),
        Complaint::Line(text) => Complaint::Line(clean(text)),
        other @ (Complaint::Warning(_) | Complaint::Text(_) | Complaint::Nothing) => other,
    }
}

/// A `RINI_*` variable, where it is set to something.
fn set<'a>(variable: &dyn Fn(&str) -> Option<&'a OsStr>, name: &str) -> Option<&'a OsStr> {
    variable(name).filter(|value| !value.is_empty())
}

fn from_environment<'a>(
    personality: &Personality,
    variable: &dyn Fn(&str) -> Option<&'a OsStr>,
) -> Result<Options, UsageError> {
    let is_on = |means| switched_on(personality, variable).any(|switch| switch.means == means);
    let session = personality.session && !is_on(Switch::SingleChild);
    let mut options = Options {
        policy: Policy {
            shutdown_signals: SignalSet::of([Signal::TERM, Signal::INT]),
            after_exit: personality.after_exit,
            stops_itself: personality.stops_itself,
            ..Policy::default()
        },
        process_group: session || is_on(Switch::ProcessGroup),
        session,
        subreaper: is_on(Switch::Subreaper),
        warn_on_reap: false,
        remap: Remap::default(),
        verbosity: match personality.verbosity.and_then(variable).map(|value| atoi(value.as_bytes())) {
            None if is_on(Switch::Debug) => Verbosity::Level(LevelFilter::Debug),
            None => Verbosity::default(),
            Some(0) => Verbosity::Level(LevelFilter::Error),
            Some(1) => Verbosity::Level(LevelFilter::Warn),
            Some(2) => Verbosity::Level(LevelFilter::Info),
            Some(3) => Verbosity::Level(LevelFilter::Debug),
            // Negative numbers too: tini keeps it unsigned.
            Some(_) => Verbosity::Level(LevelFilter::Trace),
        },
    };
    for (name, is_list, means) in VARIABLES {
        let Some(value) = set(variable, name) else { continue };
        let mut take = |text: &str| match is_list {
            true => text.split(',').all(|part| apply(means, part, &mut options)),
            false => apply(means, text, &mut options),
        };
        if !value.to_str().is_some_and(&mut take) {
            let list = if is_list { "a list, by commas, of " } else { "" };
            return Err(personality.voice.bad_value(name, value, &format!("{list}{}", takes(means))).into());
        }
    }
    Ok(options)
}

/// The variables of this personality that count.
pub fn switched_on<'a>(
    personality: &Personality,
    variable: &dyn Fn(&str) -> Option<&'a OsStr>,
) -> impl Iterator<Item = &'static Variable> {
    personality.switches.iter().filter(move |switch| {
        variable(switch.name).is_some_and(|value| switch.value.is_none_or(|wanted| value == wanted))
    })
}

/// A flag is on; the switches of the environment can be off too.
const ON: &str = "1";

fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        ON | "yes" | "true" | "on" => Some(true),
        "0" | "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// Sets a flag, and returns whether it was set.
fn take(flag: &mut bool) -> bool {
    std::mem::replace(flag, true)
}

fn after_exit(text: &str) -> Option<AfterExit> {
    match text {
        "kill" => Some(AfterExit::Kill),
        "terminate" => Some(AfterExit::Terminate),
        "wait" => Some(AfterExit::Wait),
        _ => None,
    }
}

fn grace(text: &str) -> Option<Duration> {
    duration(text).filter(|period| *period >= Duration::from_millis(1))
}

/// No time at all is no delay.
fn delay(text: &str) -> Option<Option<Duration>> {
    duration(text).map(|delay| Some(delay).filter(|delay| *delay > Duration::default()))
}

/// Reads `10s`, `1500ms`, `2m`, `1h`, or a bare number of seconds; with up to six decimals; a year at the most.
fn duration(text: &str) -> Option<Duration> {
    const MOST: Duration = Duration::from_secs(365 * 24 * 3600);
    let (number, nanoseconds) =
        [("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000)]
            .iter()
            .find_map(|(unit, value)| Some((text.strip_suffix(unit)?, *value)))
            .unwrap_or((text, 1_000_000_000_u64));
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 6 {
        return None;
    }
    let mut part = decimals.parse::<u64>().ok()?.checked_mul(nanoseconds)?;
    for _ in 0..decimals.len() {
        part = part.checked_div(10)?;
    }
    let total = whole.parse::<u64>().ok()?.checked_mul(nanoseconds)?.checked_add(part)?;
    Some(Duration::from_nanos(total)).filter(|duration| *duration <= MOST)
}

fn is_filter(text: &str) -> bool {
    text.split(',').all(|part| directive(part).is_some())
}

/// A part of a filter as env_logger reads them: a level for all, a module for every level, or a module's level. (By
/// itself it prints a warning of its own about what it cannot read, and takes any word that is no level for a module's
/// name, which would silence everything else.)
pub fn directive(text: &str) -> Option<(Option<&str>, LevelFilter)> {
    let text = str::from_utf8(text.as_bytes().trim_ascii()).ok()?;
    let is_module = |word: &str| match word.strip_prefix("rini") {
        Some("") => true,
        Some(path) => {
            path.starts_with("::") && !path.ends_with(':') && path.bytes().all(|b| b == b':' || b.is_ascii_lowercase())
        }
        None => false,
    };
    let (module, level) = match text.split_once('=') {
        Some((module, level)) => (Some(module), level.parse().ok()?),
        None => match text.parse() {
            Ok(level) => (None, level),
            Err(_) => (Some(text), LevelFilter::Trace),
        },
    };
    module.is_none_or(is_module).then_some((module, level))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Signal;
    use std::collections::HashMap;

    fn parsed(words: &[&str], variables: &[(&str, &str)]) -> Result<Invocation, UsageError> {
        called("rini", words, variables)
    }

    fn called(name: &str, words: &[&str], variables: &[(&str, &str)]) -> Result<Invocation, UsageError> {
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        let argv = std::iter::once(name).chain(words.iter().copied()).map(OsStr::new);
        let personality = Personality::called(OsStr::new(name));
        parse(personality, argv, &|name| variables.get(name).map(|value| OsStr::new(*value)))
    }

    fn run(words: &[&str], variables: &[(&str, &str)]) -> (Options, usize) {
        match parsed(words, variables) {
            Ok(Invocation::Run { options, program }) => (options, program.unwrap()),
            other => panic!("{words:?} gave {other:?}"),
        }
    }

    #[test]
    fn options_are_read_in_every_form_and_end_at_the_program() {
        let all = Options {
            process_group: true,
            session: false,
            subreaper: true,
            warn_on_reap: true,
            remap: {
                let mut remap = Remap::default();
                assert!(remap.add("143") && remap.add("1:2"));
                remap
            },
            policy: Policy {
                shutdown_signals: SignalSet::parse("TERM,INT").unwrap(),
                parent_death_signal: Some(Signal::TERM),
                ..Policy::default()
            },
            verbosity: Verbosity::Level(LevelFilter::Debug),
        };
        for (words, program) in [
            (&["-g", "-s", "-p", "TERM", "-w", "-e", "143", "-e", "1:2", "-v", "-v", "prog", "-x"][..], 12),
            (&["-gswvv", "-pTERM", "-e143", "-e1:2", "--", "prog", "--help"], 6),
            (&["-vgvswpSIGTERM", "--remap-exit=143", "--remap-exit", "1:2", "prog"], 5),
            (
                &[
                    "--process-group",
                    "--subreaper",
                    "--parent-death-signal=15",
                    "--warn-on-reap",
                    "--remap-exit",
                    "143",
                    "-e",
                    "1:2",
                    "--verbose",
                    "--verbose",
                    "--",
                    "-",
                    "--",
                ],
                12,
            ),
        ] {
            assert_eq!(run(words, &[]), (all.clone(), program), "{words:?}");
        }
    }

    /// Every short sequence of words that are options, values, both or neither. What follows PROGRAM never changes what
    /// was read before it; PROGRAM is a word that is no option, or the one behind `--`.
    #[test]
    fn every_short_command_line_is_read_or_refused_whatever_follows() {
        let words = [
            "-g",
            "-e",
            "-e7",
            "-p",
            "TERM",
            "7",
            "--",
            "-",
            "",
            "prog",
            "-x",
            "-gv",
            "--remap-exit",
            "--remap-exit=7:8",
            "--subreaper",
            "--subreaper=x",
            "-h",
            "--version",
            "-=",
            "--=",
        ];
        let mut count = 0_u32;
        let mut started = 0_u32;
        let mut sequences: Vec<Vec<&str>> = vec![vec![]];
        for _ in 0..=4 {
            for sequence in &sequences {
                count += 1;
                let first = parsed(sequence, &[]);
                let longer: Vec<_> = sequence.iter().copied().chain(["-h", "--", "x"]).collect();
                match &first {
                    Ok(Invocation::Run { program, .. }) => {
                        let program = program.unwrap();
                        started += 1;
                        let word = sequence.get(program - 1).unwrap();
                        let dashes = program.checked_sub(2).and_then(|before| sequence.get(before)) == Some(&"--");
                        assert!(dashes || !word.starts_with('-') || *word == "-", "{sequence:?} {program}");
                        assert_eq!(parsed(&longer, &[]), first, "{sequence:?}");
                    }
                    Ok(Invocation::Print(..)) => assert_eq!(parsed(&longer, &[]), first, "{sequence:?}"),
                    Err(UsageError { complaint: Complaint::Message(text), usage }) if usage.is_empty() => {
                        assert_eq!(text.lines().count(), 1, "{sequence:?}");
                    }
                    Err(error) => panic!("{sequence:?} gave {error:?}"),
                }
            }
            sequences =
                sequences.iter().flat_map(|s| words.iter().map(move |w| [s.as_slice(), &[*w]].concat())).collect();
        }
        assert_eq!(count, (0..=4).map(|n| 20_u32.pow(n)).sum::<u32>());
        assert!(started > 10_000, "{started} of them start something");
    }

    /// lexopt copies what it is given, so it is not given a program's megabytes.
    #[test]
    fn a_program_s_arguments_are_not_copied() {
        let argv = |words: &'static [&'static str]| {
            let endless = std::iter::repeat_n("x", 1000).chain(std::iter::repeat_n("-x", 1000));
            words_of_rini(words.iter().copied().chain(endless).map(OsStr::new)).len()
        };
        assert_eq!(argv(&["rini", "--", "prog"]), 3);
        assert_eq!(argv(&["rini", "-g", "-e", "7", "prog"]), 5);
        assert_eq!(argv(&["rini", "-g", "prog"]), 4);
        assert_eq!(argv(&["rini", "prog"]), 2);
    }

    #[test]
    fn the_option_beats_rini_s_variable_which_beats_tini_s() {
        let level = |words: &[&str], variables: &[(&str, &str)]| run(words, variables).0.verbosity;
        let (info, warn) = (Verbosity::Level(LevelFilter::Info), Verbosity::Level(LevelFilter::Warn));
        let filter = Verbosity::Filter("debug".to_owned());
        assert_eq!(level(&["p"], &[]), warn);
        assert_eq!(level(&["-v", "p"], &[("RINI_LOG", "debug"), ("TINI_VERBOSITY", "1")]), info);
        assert_eq!(level(&["p"], &[("RINI_LOG", "debug"), ("TINI_VERBOSITY", "1")]), filter);
        assert_eq!(level(&["-vvv", "p"], &[("RINI_LOG", ""), ("TINI_VERBOSITY", "1")]), warn);
        let group = |words: &[&str], variables: &[(&str, &str)]| run(words, variables).0.process_group;
        assert!(!group(&["p"], &[("TINI_KILL_PROCESS_GROUP", ""), ("RINI_PROCESS_GROUP", "0")]));
        assert!(group(&["p"], &[("TINI_KILL_PROCESS_GROUP", ""), ("RINI_PROCESS_GROUP", "")]));
        assert!(group(&["-g", "p"], &[("RINI_PROCESS_GROUP", "0")]));
    }

    #[test]
    fn a_shutdown_is_set_up_by_option_or_by_environment() {
        let mut rewrite = Rewrite::default();
        assert!(rewrite.add("TERM:QUIT") && rewrite.add("HUP:0"));
        let policy = Policy {
            shutdown_signals: SignalSet::parse("QUIT,RTMIN+3").unwrap(),
            delay: Some(Duration::from_millis(1500)),
            grace: Some(Duration::from_secs(8)),
            rewrite,
            stops_itself: false,
            after_exit: AfterExit::Terminate,
            pause: false,
            parent_death_signal: None,
            terminal: false,
        };
        let words =
            "-t8s --stop-delay=1.5 --stop-signals SIGQUIT,37 --after-exit=terminate -r 15:quit --rewrite=HUP:0 p";
        let words: Vec<_> = words.split(' ').collect();
        let variables = [
            ("RINI_GRACE_PERIOD", "8"),
            ("RINI_STOP_DELAY", "1500ms"),
            ("RINI_STOP_SIGNALS", "3,rtmin+3"),
            ("RINI_REWRITE", "TERM:3,SIGHUP:0"),
            ("RINI_AFTER_EXIT", "terminate"),
        ];
        assert_eq!(run(&words, &[]).0.policy, policy);
        assert_eq!(run(&["p"], &variables).0.policy, policy);
        let others = [
            ("RINI_GRACE_PERIOD", "1h"),
            ("RINI_STOP_DELAY", "0"),
            ("RINI_STOP_SIGNALS", "1"),
            ("RINI_REWRITE", "1:2"),
            ("RINI_AFTER_EXIT", "wait"),
        ];
        assert_eq!(run(&words, &others).0.policy, policy, "the option is stronger");
        assert_eq!(run(&["--stop-delay", "0", "p"], &variables).0.policy.delay, None);
        let empty = variables.map(|(name, _)| (name, ""));
        assert_eq!(run(&["p"], &empty), run(&["p"], &[]));
    }

    #[test]
    fn a_duration_has_a_unit_or_is_in_seconds() {
        for (text, milliseconds) in [
            ("10s", 10_000),
            ("1500ms", 1500),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("10", 10_000),
            ("0.5", 500),
            ("0", 0),
            ("1.25s", 1250),
            ("0.5m", 30_000),
            ("0.000001h", 3),
            ("1.5ms", 1),
            ("8760h", 31_536_000_000),
            ("007", 7000),
        ] {
            assert_eq!(duration(text).map(|d| d.as_secs() * 1000 + d.subsec_nanos() / 1_000_000), Some(milliseconds), "{text}");
        }
        for text in [
            "",
            "s",
            "ms",
            ".5",
            "1.",
            "1.s",
            "-1",
            "+1",
            "1 s",
            " 1",
            "1e3",
            "1d",
            "1S",
            "0x10",
            "1.0000001",
            "1..2",
            "8761h",
            "99999999999999999999",
            "18446744073709551615h",
            "1s2",
            "inf",
            "NaN",
        ] {
            assert_eq!(duration(text), None, "{text:?}");
        }
    }

    #[test]
    fn atoi_reads_what_the_c_library_s_reads() {
        for (text, number) in [
            ("", 0),
            ("0", 0),
            ("3", 3),
            (" \t\n3", 3),
            ("+3", 3),
            ("-1", -1),
            ("3abc", 3),
            ("abc", 0),
            ("--1", 0),
            ("99999999999999999999", i32::MAX),
            ("-99999999999999999999", -i32::MAX),
        ] {
            assert_eq!(atoi(text.as_bytes()), number, "{text:?}");
        }
    }

    #[test]
    fn a_filter_is_one_that_env_logger_reads_as_it_was_meant() {
        for text in ["off", "warn", "INFO", "rini", "rini=debug", "rini::runtime=trace", "error, rini::sys::spawn=info"]
        {
            assert!(is_filter(text), "{text}");
        }
        for text in
            ["", ",", "verbose", "2", "rini=2", "rini=", "nix=debug", "=debug", "info/x", "rini=debug=x", "rini::"]
        {
            assert!(!is_filter(text), "{text}");
        }
    }
}
