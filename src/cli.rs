//! argv and the environment, read into [`Options`]. Pure: nothing is set up, started or said here.
//!
//! An option beats its `RINI_*` variable, which beats tini's `TINI_*`. `RINI_*` variables are read as strictly as the
//! options, and an empty one counts as not set, as templates write them. `TINI_*` keep tini's meaning and never stop a
//! start: `TINI_SUBREAPER` and `TINI_KILL_PROCESS_GROUP` count by being there, even empty; `TINI_VERBOSITY` is read as
//! atoi(3) does, and overrides `-v` as it does in tini, where `RINI_LOG` does not say anything.
//!
//! Words live as long as rini does, as argv and the environment do; those that lexopt copies are not given back: it is
//! done once, and giving them back is a quarter of the code.
#![forbid(unsafe_code)]

use crate::exit::Remap;
use crate::personality::{Grammar, Means, Opt, OptionTable, Personality, Switch, Variable, dumb_init, options, tini};
use crate::signal::{Rewrite, Signal, SignalSet, TERMINAL_STOPS};
use crate::supervisor::{AfterExit, Policy};
use crate::text::{self, Parts, digits};
use crate::time::Duration;
use crate::voice::{Message, Part};
use lexopt::Arg::{Long, Short, Value};
use log::LevelFilter;
use std::ffi::{OsStr, OsString};
use std::mem::{self, ManuallyDrop};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The program begins at this word of argv, at least 1; None with --pause.
    pub program: Option<usize>,
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

/// What to log: a filter as env_logger has them, which has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verbosity(pub &'static [u8]);

impl Default for Verbosity {
    fn default() -> Verbosity {
        Verbosity(b"warn")
    }
}

/// What is being read, and so what an error is about:
///
/// 0. what rini was called by;
/// 1. the variable; or the option, by its word, if it has one, whatever was typed;
/// 2. the option as it was typed;
/// 3. its letter;
/// 4. the value; or what an option that was cut short could be;
/// 5. what would be right.
pub type Place = [Part<'static>; 6];

/// Nothing has been read.
pub const NOWHERE: Place = [Part::Number(0); 6];

/// Whether this is an error of the command line as a whole, and not of a value: some then show how it is to be.
pub fn wants_usage(wrong: Message) -> bool {
    use Message::{BadList, BadOption, BadVariable, ProgramAndPause, Reserved};
    !matches!(wrong, BadOption | BadVariable | BadList | ProgramAndPause | Reserved)
}

/// rini's own variables, and the options that they stand for; and what is between the parts of their values, where they
/// are lists, or 0.
const VARIABLES: OptionTable = options! {
    0 "RINI_PROCESS_GROUP" ProcessGroup,
    0 "RINI_SUBREAPER" Subreaper,
    b',' "RINI_REMAP_EXIT" RemapExit,
    0 "RINI_LOG" Log,
    0 "RINI_STOP_SIGNALS" StopSignals,
    0 "RINI_GRACE_PERIOD" GracePeriod,
    0 "RINI_STOP_DELAY" StopDelay,
    0 "RINI_AFTER_EXIT" AfterExit,
    b',' "RINI_REWRITE" Rewrite,
};

/// A word of argv, if it has so many.
pub type Words<'a> = &'a dyn Fn(usize) -> Option<&'static OsStr>;

/// How a variable is looked up.
pub type Variables<'a> = &'a dyn Fn(&[u8]) -> Option<&'static OsStr>;

/// What has been seen of the options.
#[derive(Default)]
struct Seen {
    verbose: u8,
    remap: bool,
    rewrite: bool,
}

/// Does what an option or a variable says. Err: this is to be said; or `value` is not what that takes.
fn apply(means: Means, value: &'static [u8], options: &mut Options, seen: &mut Seen) -> Result<(), Message> {
    let policy = &mut options.policy;
    let wrong = Message::BadOption;
    match means {
        Means::ProcessGroup | Means::Subreaper | Means::WarnOnReap => {
            let flag = match means {
                Means::ProcessGroup => &mut options.process_group,
                Means::Subreaper => &mut options.subreaper,
                _ => &mut options.warn_on_reap,
            };
            *flag = switch(value).ok_or(wrong)?;
        }
        Means::RemapExit | Means::RemapExitOfTini => {
            // The first of an option takes the place of what its variable says.
            if !mem::replace(&mut seen.remap, true) {
                options.remap = Remap::default();
            }
            let added = match means {
                Means::RemapExit => options.remap.add(value),
                _ => tini::remap(&mut options.remap, value),
            };
            return added.then_some(()).ok_or(wrong);
        }
        Means::Rewrite | Means::RewriteOfDumbInit => {
            if !mem::replace(&mut seen.rewrite, true) {
                policy.rewrite = Rewrite::default();
            }
            let added = match means {
                Means::Rewrite => policy.rewrite.add(value),
                _ => dumb_init::rewrite(&mut policy.rewrite, value),
            };
            return added.then_some(()).ok_or(wrong);
        }
        Means::GracePeriod => policy.grace = Some(duration(value, 1_000_000).ok_or(wrong)?),
        // No time at all is no delay.
        Means::StopDelay => {
            policy.delay = Some(duration(value, 0).ok_or(wrong)?).filter(|delay| *delay > Duration::default())
        }
        Means::StopSignals => policy.shutdown_signals = SignalSet::parse(value).ok_or(wrong)?,
        Means::AfterExit => policy.after_exit = after_exit(value).ok_or(wrong)?,
        Means::ParentDeathSignal | Means::ParentDeathSignalOfTini => {
            let signal =
                Signal::parse(value).filter(|signal| means == Means::ParentDeathSignal || tini::knows(*signal, value));
            policy.parent_death_signal = Some(signal.ok_or(wrong)?);
        }
        Means::Log => {
            if Parts::of(value, b',').any(|part| directive(part).is_none()) {
                return Err(wrong);
            }
            options.verbosity = Verbosity(value);
        }
        Means::Debug => options.verbosity = Verbosity(b"debug"),
        Means::Pause => policy.pause = true,
        Means::SingleChild => (options.process_group, options.session) = (false, false),
        Means::Verbose => seen.verbose = seen.verbose.saturating_add(1),
        Means::Help => return Err(Message::Help),
        Means::License => return Err(Message::License),
        Means::Version => return Err(Message::Version),
    }
    Ok(())
}

/// What their values are to be. Options that are not here take no value.
const VALUES: [(Means, Message); 14] = [
    (Means::Log, Message::Filter),
    (Means::ProcessGroup, Message::OnOrOff),
    (Means::Subreaper, Message::OnOrOff),
    (Means::WarnOnReap, Message::OnOrOff),
    (Means::RemapExit, Message::Codes),
    (Means::RemapExitOfTini, Message::Codes),
    (Means::Rewrite, Message::Rules),
    (Means::RewriteOfDumbInit, Message::Rules),
    (Means::GracePeriod, Message::Grace),
    (Means::StopDelay, Message::Delay),
    (Means::StopSignals, Message::List),
    (Means::AfterExit, Message::AfterExit),
    (Means::ParentDeathSignal, Message::Signals),
    (Means::ParentDeathSignalOfTini, Message::Signals),
];

fn takes(means: Means) -> Message {
    VALUES.iter().find(|(known, _)| *known == means).map_or(Message::Nothing, |(_, value)| *value)
}

/// Reads the environment by `variable`, and the command line `argv` of a `personality`, into `options`, which are the
/// default ones. Err: no program is to be run, and this is to be said: the help, the version or the license, which were
/// asked for, or what is wrong at that `place`.
#[inline(never)]
pub fn parse(
    personality: &'static Personality,
    argv: Words<'_>,
    variable: Variables<'_>,
    options: &mut Options,
    place: &mut Place,
) -> Result<(), Message> {
    let by_tini = environment(personality, variable, options, place)?;
    let [called, source, typed, its_letter, value, right] = place;
    *called = Part::Word(argv(0).unwrap_or_default());
    if personality.grammar == Grammar::Pause {
        options.policy.pause = true;
        let asks = (1..).map_while(argv).any(|word| text::is_word(word.as_bytes(), b"-V"));
        return if asks { Err(Message::Version) } else { Ok(()) };
    }
    if personality.grammar == Grammar::VersionAlone
        && argv(1).is_some_and(|word| word == "--version")
        && argv(2).is_none()
    {
        return Err(Message::Version);
    }
    let words = words_of_rini(argv);
    let count = words.len();
    let mut parser = ManuallyDrop::new(lexopt::Parser::from_args(words));
    let mut seen = Seen::default();
    let is_program = loop {
        let letter = match *ManuallyDrop::new(parser.next()) {
            Ok(Some(Short(letter))) => Some(letter),
            Ok(Some(Long(_))) => None,
            Ok(Some(Value(_))) => break true,
            Ok(None) if options.policy.pause => break false,
            Ok(None) => return Err(Message::NoProgram),
            // The one error is a value for a letter that takes none: -v=x. (For a word that is seen below.)
            Err(_) => return Err(Message::LetterTakesNone),
        };
        // Of a word that takes none too, as this may be the last option that is looked at. Behind a letter that takes
        // none it would be the next letter.
        let mut text = if letter.is_none() { attached(&mut parser) } else { None };
        let word = match letter {
            Some(letter) => leak(format!("-{letter}").into_bytes()),
            None => argv(count.saturating_sub(left(&mut parser))).unwrap_or_default(),
        };
        *typed = Part::Word(word);
        *its_letter = Part::Word(OsStr::from_bytes(word.as_bytes().get(1..).unwrap_or_default()));
        *value = Part::Choices(&personality.options);
        let option = find(personality, letter, word)?;
        *source = Part::Word(if option.word.is_empty() { word } else { OsStr::from_bytes(option.word) });
        let takes = takes(option.means);
        *right = Part::Message(takes);
        if matches!(takes, Message::Nothing | Message::OnOrOff) {
            if text.is_some() {
                return Err(Message::WordTakesNone);
            }
            text = Some(OsStr::new("1"));
        } else if letter.is_some() {
            text = attached(&mut parser);
        }
        let next = || parser.try_raw_args()?.next().map(|word| leak(word.into_vec()));
        let Some(text) = text.or_else(next) else {
            return Err(if letter.is_some() { Message::NoValueOfLetter } else { Message::NoValueOfWord });
        };
        *value = Part::Word(text);
        apply(option.means, text.as_bytes(), options, &mut seen)?;
    };
    if is_program && !(options.policy.pause && personality.grammar == Grammar::PauseIgnoresWords) {
        if options.policy.pause {
            return Err(Message::ProgramAndPause);
        }
        options.program = Some(count.saturating_sub(left(&mut parser)));
    }
    if options.session {
        // The kernel spares an orphaned process group, such as a session leader's, every stop but this one.
        for signal in &TERMINAL_STOPS {
            options.policy.rewrite.insert_default(*signal, Signal::STOP);
        }
    }
    if seen.verbose > 0 && !by_tini {
        options.verbosity = Verbosity(level(i64::from(seen.verbose).saturating_add(1)));
    }
    Ok(())
}

/// How many words the parser has not looked at.
fn left(parser: &mut lexopt::Parser) -> usize {
    parser.try_raw_args().map_or(0, |rest| rest.as_slice().len())
}

/// What is joined to an option: `--option=value`, `-ovalue`.
fn attached(parser: &mut lexopt::Parser) -> Option<&'static OsStr> {
    parser.optional_value().map(|value| leak(value.into_vec()))
}

/// For as long as rini lives.
fn leak(word: Vec<u8>) -> &'static OsStr {
    OsStr::from_bytes(word.leak())
}

/// The option with this letter, or the word that was `typed`, which may be cut short where the personality takes that.
fn find(personality: &Personality, letter: Option<char>, typed: &OsStr) -> Result<Opt, Message> {
    let mut found = Err(if letter.is_some() { Message::NoLetter } else { Message::NoWord });
    for option in personality.options.iter() {
        let named = match letter {
            Some(letter) => char::from(option.letter) == letter,
            None => match option.rest(typed.as_bytes()) {
                Some([]) => true,
                Some(_) if personality.cuts_words => {
                    found = if let Err(Message::NoWord) = found { Ok(option) } else { Err(Message::Ambiguous) };
                    false
                }
                _ => false,
            },
        };
        if named {
            return Ok(option);
        }
    }
    found
}

/// The beginning of argv, as far as it can be rini's own words: lexopt copies all that it is given, and a program's
/// arguments may be megabytes. No option takes more than one value, so a word that is no option is PROGRAM, or behind
/// it, if the word before is no option either.
fn words_of_rini(argv: Words<'_>) -> Vec<OsString> {
    let mut words = Vec::new();
    // The word before: whether it is rini's own name, or what may be an option's value; and whether it is `--`.
    let (mut is_no_option, mut is_end) = (true, false);
    for word in (1..).map_while(argv) {
        words.push(word.to_owned());
        let before = is_no_option;
        is_no_option = !word.as_bytes().starts_with(b"-");
        if is_end || before && is_no_option {
            break;
        }
        is_end = word == "--";
    }
    words
}

/// A `RINI_*` variable, where it is set to something.
fn set(variable: Variables<'_>, name: &[u8]) -> Option<&'static OsStr> {
    variable(name).filter(|value| !value.is_empty())
}

/// The level that tini counts so.
fn level(count: i64) -> &'static [u8] {
    match count {
        0 => b"error",
        1 => b"warn",
        2 => b"info",
        3 => b"debug",
        // Negative numbers too: tini keeps it unsigned.
        _ => b"trace",
    }
}

/// Reads the environment. Returns whether tini's variable says what is to be logged.
fn environment(
    personality: &Personality,
    variable: Variables<'_>,
    options: &mut Options,
    [_, source, _, _, value, right]: &mut Place,
) -> Result<bool, Message> {
    options.policy.shutdown_signals = SignalSet::of([Signal::TERM, Signal::INT]);
    options.policy.after_exit = personality.after_exit;
    options.policy.stops_itself = personality.stops_itself;
    options.session = personality.session;
    for switch in personality.switches.iter().filter(|switch| counts(switch, variable)) {
        match switch.means {
            Switch::ProcessGroup => options.process_group = true,
            Switch::Subreaper => options.subreaper = true,
            Switch::SingleChild => options.session = false,
            Switch::Debug => options.verbosity = Verbosity(b"debug"),
            Switch::Reserved => {
                *source = Part::Word(OsStr::new(switch.name));
                return Err(Message::Reserved);
            }
        }
    }
    options.process_group |= options.session;
    let mut by_tini = false;
    if personality.tini_verbosity
        && let Some(text) = variable(b"TINI_VERBOSITY")
    {
        by_tini = true;
        // atoi(3): 0 where there is no number.
        options.verbosity = Verbosity(level(strtol(text.as_bytes()).map_or(0, |(number, _)| number)));
    }
    let mut seen = Seen::default();
    for Opt { word: name, letter: separator, means } in VARIABLES.iter() {
        let Some(text) = set(variable, name) else { continue };
        by_tini &= means != Means::Log;
        *source = Part::Word(OsStr::from_bytes(name));
        *value = Part::Word(text);
        *right = Part::Message(takes(means));
        if Parts::of(text.as_bytes(), separator).any(|part| apply(means, part, options, &mut seen).is_err()) {
            return Err(if separator == 0 { Message::BadVariable } else { Message::BadList });
        }
    }
    Ok(by_tini)
}

/// Whether a variable that is on or off is on.
pub fn counts(switch: &Variable, variable: Variables<'_>) -> bool {
    variable(switch.name.as_bytes()).is_some_and(|value| switch.value == 0 || value.as_bytes() == [switch.value])
}

/// A flag is on; the switches of the environment can be off too.
fn switch(value: &[u8]) -> Option<bool> {
    position(b"1 YES TRUE ON 0 NO FALSE OFF", value).map(|position| position < 4)
}

fn log_level(word: &[u8]) -> Option<LevelFilter> {
    Some(match position(b"OFF ERROR WARN INFO DEBUG TRACE", word)? {
        0 => LevelFilter::Off,
        1 => LevelFilter::Error,
        2 => LevelFilter::Warn,
        3 => LevelFilter::Info,
        4 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    })
}

/// Which of these words, in upper case, it is in any case.
fn position(words: &'static [u8], word: &[u8]) -> Option<usize> {
    Parts::of(words, b' ').position(|known| text::is_word(word, known))
}

fn after_exit(text: &[u8]) -> Option<AfterExit> {
    match text {
        b"kill" => Some(AfterExit::Kill),
        b"terminate" => Some(AfterExit::Terminate),
        b"wait" => Some(AfterExit::Wait),
        _ => None,
    }
}

/// Reads `10s`, `1500ms`, `2m`, `1h`, or a bare number of seconds; with up to six decimals; so many nanoseconds at least,
/// and a year at the most.
fn duration(text: &[u8], least: u64) -> Option<Duration> {
    const MOST: u64 = 365 * 24 * 3600 * 1_000_000_000;
    let (mut millionths, mut rest) = digits(text)?;
    let mut missing = 6_u32;
    let mut fraction = 0;
    if let Some(decimals) = rest.strip_prefix(b".") {
        (fraction, rest) = digits(decimals)?;
        for _ in 0..decimals.len().saturating_sub(rest.len()) {
            millionths = millionths.checked_mul(10)?;
            missing = missing.checked_sub(1)?;
        }
    }
    millionths = millionths.checked_add(fraction)?;
    for _ in 0..missing {
        millionths = millionths.checked_mul(10)?;
    }
    let nanoseconds = match rest {
        b"ms" => 1,
        b"s" | b"" => 1000,
        b"m" => 60_000,
        b"h" => 3_600_000,
        _ => return None,
    };
    let total = millionths.checked_mul(nanoseconds)?;
    if (least..=MOST).contains(&total) { Some(Duration::from_nanos(total)) } else { None }
}

/// strtol(3), which takes the number that a text begins with, behind blanks and a sign; and what follows. None where there
/// is none.
pub fn strtol(mut text: &[u8]) -> Option<(i64, &[u8])> {
    while let [b' ' | b'\t'..=b'\r', rest @ ..] = text {
        text = rest;
    }
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (number, rest) = digits(text)?;
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    Some((if negative { number.saturating_neg() } else { number }, rest))
}

/// A part of what is to be logged: a module, or all of them; and down to which level.
pub type Directive = (Option<&'static str>, LevelFilter);

/// A part of a filter as env_logger reads them: a level for all, a module for every level, or a module's level. (By
/// itself it prints a warning of its own about what it cannot read, and takes any word that is no level for a module's
/// name, which would silence everything else.)
pub fn directive(part: &'static [u8]) -> Option<Directive> {
    let part = part.trim_ascii();
    if let Some(level) = log_level(part) {
        return Some((None, level));
    }
    let (module, level) = match text::cut(part, b'=') {
        Some((module, level)) => (module, log_level(level)?),
        None => (part, LevelFilter::Trace),
    };
    let path = module.strip_prefix(b"rini")?;
    let is_path = |byte: &u8| matches!(byte, b':' | b'a'..=b'z');
    let is_module = path.is_empty() || path.starts_with(b"::") && !path.ends_with(b":") && path.iter().all(is_path);
    if is_module { Some((Some(str::from_utf8(module).ok()?), level)) } else { None }
}

#[cfg(test)]
pub mod any_words;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Signal;
    use std::collections::HashMap;

    type Parsed = Result<Options, String>;

    fn is_filter(text: &'static [u8]) -> bool {
        apply(Means::Log, text, &mut Options::default(), &mut Seen::default()).is_ok()
    }

    fn forever(text: &str) -> &'static OsStr {
        leak(text.as_bytes().to_vec())
    }

    fn parsed(words: &[&str], variables: &[(&str, &str)]) -> Parsed {
        let variables: HashMap<_, _> =
            variables.iter().map(|(name, value)| (name.as_bytes(), forever(value))).collect();
        let argv: Vec<_> = std::iter::once("rini").chain(words.iter().copied()).map(forever).collect();
        let (mut options, mut place) = (Options::default(), NOWHERE);
        let personality = Personality::called(OsStr::new("rini"));
        let variable = |name: &[u8]| variables.get(name).copied();
        match parse(personality, &|index| argv.get(index).copied(), &variable, &mut options, &mut place) {
            Ok(()) => Ok(options),
            Err(message @ (Message::Help | Message::Version)) => Err(format!("{message:?}")),
            Err(message) => Err(personality.voice.text(message, &place)),
        }
    }

    fn run(words: &[&str], variables: &[(&str, &str)]) -> (Options, usize) {
        match parsed(words, variables) {
            Ok(options) => (Options { program: None, ..options.clone() }, options.program.unwrap()),
            other => panic!("{words:?} gave {other:?}"),
        }
    }

    #[test]
    fn options_are_read_in_every_form_and_end_at_the_program() {
        let all = Options {
            program: None,
            process_group: true,
            session: false,
            subreaper: true,
            warn_on_reap: true,
            remap: {
                let mut remap = Remap::default();
                assert!(remap.add(b"143") && remap.add(b"1:2"));
                remap
            },
            policy: Policy {
                shutdown_signals: SignalSet::parse(b"TERM,INT").unwrap(),
                parent_death_signal: Some(Signal::TERM),
                ..Policy::default()
            },
            verbosity: Verbosity(b"debug"),
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
                    Ok(options) => {
                        let program = options.program.unwrap();
                        started += 1;
                        let word = sequence.get(program - 1).unwrap();
                        let dashes = program.checked_sub(2).and_then(|before| sequence.get(before)) == Some(&"--");
                        assert!(dashes || !word.starts_with('-') || *word == "-", "{sequence:?} {program}");
                        assert_eq!(parsed(&longer, &[]), first, "{sequence:?}");
                    }
                    Err(text) if ["Help", "Version"].contains(&&**text) => {
                        assert_eq!(parsed(&longer, &[]), first, "{sequence:?}");
                    }
                    Err(text) => assert_eq!(text.lines().count(), 1, "{sequence:?}"),
                }
            }
            sequences =
                sequences.iter().flat_map(|s| words.iter().map(move |w| [s.as_slice(), &[*w]].concat())).collect();
        }
        assert_eq!(count, (0..=4).map(|n| 20_u32.pow(n)).sum::<u32>());
        assert!(started > 10_000, "{started} of them start something");
    }

    #[test]
    fn a_word_that_is_cut_short_is_the_one_option_that_it_can_be() {
        let dumb_init = Personality::called(OsStr::new("dumb-init"));
        let find = |personality, word| find(personality, None, OsStr::new(word)).map(|option| option.means);
        for (word, found) in [
            ("--verb", Ok(Means::Debug)),
            ("--verbose", Ok(Means::Debug)),
            ("--h", Ok(Means::Help)),
            ("--s=x", Ok(Means::SingleChild)),
            ("--ver", Err(Message::Ambiguous)),
            ("--=x", Err(Message::Ambiguous)),
            ("--verbosely", Err(Message::NoWord)),
            ("--x", Err(Message::NoWord)),
        ] {
            assert_eq!(find(dumb_init, word), found, "{word}");
        }
        let rini = Personality::called(OsStr::new("rini"));
        assert_eq!(find(rini, "--verbose=x"), Ok(Means::Verbose));
        assert_eq!(find(rini, "--verb"), Err(Message::NoWord));
    }

    /// lexopt copies what it is given, so it is not given a program's megabytes.
    #[test]
    fn a_program_s_arguments_are_not_copied() {
        let argv = |words: &'static [&'static str]| {
            let endless = std::iter::repeat_n("x", 1000).chain(std::iter::repeat_n("-x", 1000));
            let argv: Vec<_> = words.iter().copied().chain(endless).map(OsStr::new).collect();
            words_of_rini(&|index| argv.get(index).copied()).len() + 1
        };
        assert_eq!(argv(&["rini", "--", "prog"]), 3);
        assert_eq!(argv(&["rini", "-g", "-e", "7", "prog"]), 5);
        assert_eq!(argv(&["rini", "-g", "prog"]), 4);
        assert_eq!(argv(&["rini", "prog"]), 2);
    }

    #[test]
    fn the_option_beats_rini_s_variable_which_beats_tini_s() {
        let level = |words: &[&str], variables: &[(&str, &str)]| run(words, variables).0.verbosity;
        let (info, warn) = (Verbosity(b"info"), Verbosity(b"warn"));
        let filter = Verbosity(b"debug");
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
        assert!(rewrite.add(b"TERM:QUIT") && rewrite.add(b"HUP:0"));
        let policy = Policy {
            shutdown_signals: SignalSet::parse(b"QUIT,RTMIN+3").unwrap(),
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
            assert_eq!(
                duration(text.as_bytes(), 0).map(|d| d.as_secs() * 1000 + d.subsec_nanos() / 1_000_000),
                Some(milliseconds),
                "{text}"
            );
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
            assert_eq!(duration(text.as_bytes(), 0), None, "{text:?}");
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
            ("99999999999999999999", i64::MAX),
            ("-99999999999999999999", -i64::MAX),
        ] {
            assert_eq!(strtol(text.as_bytes()).map_or(0, |(number, _)| number), number, "{text:?}");
        }
    }

    #[test]
    fn what_follows_a_number_is_left() {
        for (text, rest) in [("3abc", "abc"), ("-1:2", ":2"), ("\x0b+1 ", " "), ("0", "")] {
            assert_eq!(strtol(text.as_bytes()).map(|(_, rest)| rest), Some(rest.as_bytes()), "{text:?}");
        }
        for text in ["", " ", "+", "-", "+-1", "x1"] {
            assert_eq!(strtol(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_filter_is_one_that_env_logger_reads_as_it_was_meant() {
        for text in ["off", "warn", "INFO", "rini", "rini=debug", "rini::runtime=trace", "error, rini::sys::spawn=info"]
        {
            assert!(is_filter(text.as_bytes()), "{text}");
        }
        for text in
            ["", ",", "verbose", "2", "rini=2", "rini=", "nix=debug", "=debug", "info/x", "rini=debug=x", "rini::"]
        {
            assert!(!is_filter(text.as_bytes()), "{text}");
        }
    }
}
