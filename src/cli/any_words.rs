//! Any words and any variables, under every name ([`read`]): what rini makes of them, beside what somebody does who has read the
//! documentation, and nothing of the code ([`expect`]).
//!
//! The bytes come from a vocabulary, in every short sequence; from a generator of random numbers with a fixed seed, which also
//! breaks those words; from libFuzzer, which looks for bytes that lead to code that has not been run (tests/fuzz); and from
//! the folder where it keeps what it has found, tests/fuzz/corpus/command_line.

use crate::cli::{self, NOWHERE, Options};
use crate::personality::Personality;
use crate::signal::Signal;
use crate::supervisor::AfterExit;
use crate::time::Duration;
use crate::voice::Message;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// What may be called: each name, by a path too, and some that are none.
const NAMES: [&str; 16] = [
    "rini",
    "tini",
    "dumb-init",
    "catatonit",
    "pause",
    "/sbin/docker-init",
    "/usr/bin/tini-static",
    "/usr/bin/podman-init",
    "/sbin/rini",
    "./dumb-init",
    "/pause",
    "init",
    "tini/",
    "",
    "\u{1b}[1m\n",
    "/tini/rini",
];

/// Whose command line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Rini,
    Tini,
    DumbInit,
    Catatonit,
    Pause,
}

fn who(called: &[u8]) -> Who {
    match String::from_utf8_lossy(called).split('/').next_back() {
        Some("tini" | "tini-static" | "docker-init") => Who::Tini,
        Some("dumb-init") => Who::DumbInit,
        Some("catatonit" | "podman-init") => Who::Catatonit,
        Some("pause") => Who::Pause,
        _ => Who::Rini,
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wish {
    program: Option<usize>,
    process_group: bool,
    session: bool,
    subreaper: bool,
    warn_on_reap: bool,
    pause: bool,
    stops_itself: bool,
    after_exit: &'static str,
    grace: Option<u128>,
    delay: Option<u128>,
    stop_signals: Vec<u8>,
    parent_death_signal: Option<u8>,
    /// FROM and TO, where 0 drops; of each FROM the last.
    rewrites: Vec<(u8, u8)>,
    remaps: Vec<(u8, u8)>,
    log: Vec<u8>,
}

/// Why nothing is started.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    Help,
    Version,
    License,
    NoProgram,
    ProgramAndPause,
    /// This variable must not be there.
    Reserved(&'static str),
    /// Of this variable this is the value.
    Variable(&'static str, Vec<u8>),
    /// Of this option, by its word, this is the value.
    Value(String, Vec<u8>),
    /// This option has none.
    NoValue(String),
    /// This option has one, and takes none.
    TakesNone(String),
    /// There is none that is called so.
    Unknown(Vec<u8>),
    /// There are several that it could be.
    Ambiguous(Vec<u8>),
}
use Refusal::{
    Ambiguous, Help, License, NoProgram, NoValue, ProgramAndPause, Reserved, TakesNone, Unknown, Value, Version,
};

/// signal(7), by the numbers of everything but Alpha, SPARC and MIPS.
const SIGNALS: [(&str, u8); 34] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
    ("IOT", 6),
    ("CLD", 17),
    ("POLL", 29),
];

/// A text of ASCII digits, however many.
fn number(text: &str) -> Option<u128> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = text.trim_start_matches('0');
    if digits.len() > 30 { Some(u128::MAX) } else { Some(digits.parse().unwrap_or(0)) }
}

fn signal(text: &str) -> Option<u8> {
    if let Some(number) = number(text) {
        return u8::try_from(number).ok().filter(|number| (1..=64).contains(number));
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let offset =
        |digits: &str| number(digits).filter(|offset| *offset <= 30).map(|offset| u8::try_from(offset).unwrap());
    match name {
        "RTMIN" => Some(34),
        "RTMAX" => Some(64),
        _ if name.starts_with("RTMIN+") => Some(34 + offset(&name[6..])?),
        _ if name.starts_with("RTMAX-") => Some(64 - offset(&name[6..])?),
        _ => SIGNALS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number),
    }
}

/// One that comes to rini and can go further.
fn passing(text: &str) -> Option<u8> {
    signal(text).filter(|number| ![9, 17, 19].contains(number))
}

/// `FROM:TO`.
fn rewrite(text: &str) -> Option<(u8, u8)> {
    let (from, to) = text.split_once(':')?;
    Some((passing(from)?, if to == "0" { 0 } else { signal(to)? }))
}

/// `CODE[:TO]`.
fn remap(text: &str) -> Option<(u8, u8)> {
    let code = |text: &str| u8::try_from(number(text)?).ok();
    match text.split_once(':') {
        Some((from, to)) => Some((code(from)?, code(to)?)),
        None => Some((code(text)?, 0)),
    }
}

/// In nanoseconds, which each of these is a whole number of.
fn duration(text: &str, least: u128) -> Option<u128> {
    let units: [(&str, u128); 5] =
        [("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000), ("", 1_000_000_000)];
    let (digits, unit) = units.iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, size)))?;
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
    if decimals.len() > 6 {
        return None;
    }
    let (whole, millionths) = (number(whole)?, number(&format!("{decimals:0<6}")).filter(|_| !decimals.is_empty())?);
    let total = whole.checked_mul(*unit)?.checked_add(millionths * unit / 1_000_000)?;
    (least..=8760 * 3_600_000_000_000).contains(&total).then_some(total)
}

fn on_or_off(text: &str) -> Option<bool> {
    match &*text.to_ascii_lowercase() {
        "1" | "yes" | "true" | "on" => Some(true),
        "0" | "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A filter: levels, modules of rini's, or a module's level.
fn is_filter(text: &str) -> bool {
    let is_level = |word: &str| LEVELS.contains(&&*word.to_ascii_lowercase());
    let is_module = |word: &str| match word.strip_prefix("rini") {
        Some("") => true,
        Some(path) => {
            let of_path = path.bytes().all(|byte| byte == b':' || byte.is_ascii_lowercase());
            path.starts_with("::") && !path.ends_with(':') && of_path
        }
        None => false,
    };
    text.split(',').map(|part| part.trim_matches([' ', '\t', '\n', '\r', '\x0c'])).all(|part| {
        match part.split_once('=') {
            _ if is_level(part) => true,
            Some((module, level)) => is_module(module) && is_level(level),
            None => is_module(part),
        }
    })
}

/// strtol(3): the number, and how much of the text it is; nothing where there is none.
fn strtol(text: &str) -> Option<(i128, &str)> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let end = unsigned.find(|c: char| !c.is_ascii_digit()).unwrap_or(unsigned.len());
    let value = i128::try_from(number(&unsigned[..end])?.min(1 << 100)).unwrap();
    Some((if text.starts_with('-') { -value } else { value }, &unsigned[end..]))
}

/// tini's -e.
fn remap_of_tini(text: &str) -> Option<(u8, u8)> {
    let (code, rest) = if text.is_empty() { (0, "") } else { strtol(text)? };
    if rest.is_empty() { Some((u8::try_from(code).ok()?, 0)) } else { None }
}

/// dumb-init's -r, by sscanf(3).
fn rewrite_of_dumb_init(text: &str) -> Option<(u8, u8)> {
    let (from, rest) = strtol(text)?;
    let (to, _) = strtol(rest.strip_prefix(':')?)?;
    ((1..=31).contains(&from) && (0..=31).contains(&to))
        .then(|| (u8::try_from(from).unwrap(), u8::try_from(to).unwrap()))
}

/// tini's -p.
fn signal_of_tini(text: &str) -> Option<u8> {
    let (_, number) = SIGNALS[..31].iter().find(|(name, _)| text.strip_prefix("SIG") == Some(name))?;
    Some(*number).filter(|number| ![16, 29, 30].contains(number))
}

/// The options of each: letter, word, and whether there is a value.
fn options(who: Who) -> &'static [(&'static str, &'static str, bool)] {
    match who {
        Who::Rini => &[
            ("g", "process-group", false),
            ("s", "subreaper", false),
            ("w", "warn-on-reap", false),
            ("v", "verbose", false),
            ("e", "remap-exit", true),
            ("r", "rewrite", true),
            ("t", "grace-period", true),
            ("", "stop-delay", true),
            ("", "stop-signals", true),
            ("", "after-exit", true),
            ("p", "parent-death-signal", true),
            ("P", "pause", false),
            ("h", "help", false),
            ("V", "version", false),
            ("l", "license", false),
        ],
        Who::Tini => &[
            ("g", "", false),
            ("s", "", false),
            ("w", "", false),
            ("v", "", false),
            ("e", "", true),
            ("p", "", true),
            ("h", "", false),
            ("l", "", false),
        ],
        Who::DumbInit => &[
            ("c", "single-child", false),
            ("r", "rewrite", true),
            ("v", "verbose", false),
            ("h", "help", false),
            ("V", "version", false),
        ],
        Who::Catatonit => {
            &[("g", "", false), ("h", "", false), ("L", "", false), ("P", "", false), ("V", "version", false)]
        }
        Who::Pause => &[],
    }
}

/// The rules of one FROM are the last one's.
fn insert(rules: &mut Vec<(u8, u8)>, (from, to): (u8, u8)) {
    rules.retain(|(known, _)| *known != from);
    rules.push((from, to));
    rules.sort_unstable();
}

/// The same of a list by commas, each part read so.
fn insert_all(rules: &mut Vec<(u8, u8)>, list: &str, read: fn(&str) -> Option<(u8, u8)>) -> Option<()> {
    for part in list.split(',') {
        insert(rules, read(part)?);
    }
    Some(())
}

fn level(count: i128) -> Vec<u8> {
    let level = usize::try_from(count).ok().and_then(|count| LEVELS[1..].get(count));
    level.copied().unwrap_or("trace").into()
}

/// A variable's value; of two the first.
type Variables<'a> = &'a dyn Fn(&str) -> Option<&'a [u8]>;

/// What the documentation promises of these words (the first is what was called) and variables.
fn expect(words: &[&[u8]], variable: Variables<'_>) -> Result<Wish, Refusal> {
    let who = who(words[0]);
    // The parts of what is read here are compared with ASCII, so that it does not matter what other text becomes of bytes.
    let text = |bytes: &[u8]| -> String { bytes.iter().map(|byte| char::from(*byte)).collect() };
    let mut wish = Wish {
        program: None,
        process_group: false,
        session: false,
        subreaper: false,
        warn_on_reap: false,
        pause: false,
        stops_itself: false,
        after_exit: "kill",
        grace: None,
        delay: None,
        stop_signals: vec![2, 15],
        parent_death_signal: None,
        rewrites: vec![],
        remaps: vec![],
        log: b"warn".into(),
    };
    let mut by_tini = false;
    match who {
        Who::Rini | Who::Tini => {
            wish.subreaper = variable("TINI_SUBREAPER").is_some();
            wish.process_group = variable("TINI_KILL_PROCESS_GROUP").is_some();
            if let Some(value) = variable("TINI_VERBOSITY") {
                by_tini = true;
                wish.log = level(strtol(&text(value)).map_or(0, |(number, _)| number));
            }
        }
        Who::DumbInit => {
            wish.session = variable("DUMB_INIT_SETSID") != Some(b"0");
            wish.process_group = wish.session;
            wish.after_exit = "terminate the group";
            wish.stops_itself = true;
            if variable("DUMB_INIT_DEBUG") == Some(b"1") {
                wish.log = b"debug".into();
            }
        }
        Who::Catatonit => {
            if variable("CATATONIT_DEBUG").is_some() {
                wish.log = b"debug".into();
            }
            if variable("CATATONIT_LOG").is_some() {
                return Err(Reserved("CATATONIT_LOG"));
            }
        }
        Who::Pause => (),
    }
    for name in [
        "RINI_PROCESS_GROUP",
        "RINI_SUBREAPER",
        "RINI_REMAP_EXIT",
        "RINI_LOG",
        "RINI_STOP_SIGNALS",
        "RINI_GRACE_PERIOD",
        "RINI_STOP_DELAY",
        "RINI_AFTER_EXIT",
        "RINI_REWRITE",
    ] {
        let Some(value) = variable(name).filter(|value| !value.is_empty()) else { continue };
        let list = text(value);
        let mut set = || -> Option<()> {
            match name {
                "RINI_PROCESS_GROUP" => wish.process_group = on_or_off(&list)?,
                "RINI_SUBREAPER" => wish.subreaper = on_or_off(&list)?,
                "RINI_LOG" => {
                    is_filter(&list).then_some(())?;
                    wish.log = value.into();
                    by_tini = false;
                }
                "RINI_REMAP_EXIT" => insert_all(&mut wish.remaps, &list, remap)?,
                "RINI_REWRITE" => insert_all(&mut wish.rewrites, &list, rewrite)?,
                option => value_of_rini(option, &list, &mut wish)?,
            }
            Some(())
        };
        set().ok_or(Refusal::Variable(name, value.into()))?;
    }
    if who == Who::Pause {
        wish.pause = true;
        wish.remaps.retain(|(from, to)| from != to);
        let asks = words[1..].iter().any(|word| word.eq_ignore_ascii_case(b"-v"));
        return if asks { Err(Version) } else { Ok(wish) };
    }
    if who == Who::Tini && words[1..] == [b"--version"] {
        return Err(Version);
    }
    let (mut verbose, mut first_remap, mut first_rewrite) = (0, true, true);
    let mut at = 1;
    let mut apply = |option: &str, value: &[u8], wish: &mut Wish| -> Result<(), Refusal> {
        let list = text(value);
        let mut set = || -> Option<()> {
            match (who, option) {
                (_, "g" | "process-group") => wish.process_group = true,
                (_, "s" | "subreaper") => wish.subreaper = true,
                (_, "w" | "warn-on-reap") => wish.warn_on_reap = true,
                (_, "P" | "pause") => wish.pause = true,
                (_, "c" | "single-child") => (wish.session, wish.process_group) = (false, false),
                (Who::DumbInit, "v" | "verbose") => wish.log = b"debug".into(),
                (_, "v" | "verbose") => verbose += 1,
                (_, "e" | "remap-exit") => {
                    let rule = if who == Who::Tini { remap_of_tini(&list) } else { remap(&list) }?;
                    if std::mem::take(&mut first_remap) {
                        wish.remaps.clear();
                    }
                    insert(&mut wish.remaps, rule);
                }
                (_, "r" | "rewrite") => {
                    let rule = if who == Who::DumbInit { rewrite_of_dumb_init(&list) } else { rewrite(&list) }?;
                    if std::mem::take(&mut first_rewrite) {
                        wish.rewrites.clear();
                    }
                    insert(&mut wish.rewrites, rule);
                }
                (_, "p" | "parent-death-signal") => {
                    let signal = if who == Who::Tini { signal_of_tini(&list) } else { signal(&list) };
                    wish.parent_death_signal = Some(signal?);
                }
                (_, option) => value_of_rini(option, &list, wish)?,
            }
            Some(())
        };
        match option {
            "h" | "help" => Err(Help),
            "V" | "version" => Err(Version),
            "l" | "L" | "license" => Err(License),
            _ => set().ok_or_else(|| Value(named(who, option), value.into())),
        }
    };
    loop {
        let Some(word) = words.get(at) else {
            break if wish.pause { Ok(()) } else { Err(NoProgram) }?;
        };
        at += 1;
        if *word == b"--" {
            if at == words.len() && !wish.pause {
                return Err(NoProgram);
            }
            wish.program = Some(at).filter(|at| *at < words.len());
            break;
        }
        let next = words.get(at).copied();
        if let Some(long) = word.strip_prefix(b"--") {
            let end = long.iter().position(|byte| *byte == b'=');
            let (name, joined) = (&long[..end.unwrap_or(long.len())], end.map(|end| &long[end + 1..]));
            let known = || options(who).iter().filter(|(_, word, _)| !word.is_empty());
            let mut could_be: Vec<_> = known().filter(|(_, word, _)| word.as_bytes() == name).collect();
            if could_be.is_empty() && who == Who::DumbInit {
                could_be = known().filter(|(_, word, _)| word.as_bytes().starts_with(name)).collect();
            }
            let (option, takes_value) = match could_be[..] {
                [] => return Err(Unknown(word.to_vec())),
                [(_, option, takes_value)] => (*option, *takes_value),
                _ => return Err(Ambiguous(word.to_vec())),
            };
            let value = match (takes_value, joined, next) {
                (false, Some(_), _) => return Err(TakesNone(named(who, option))),
                (false, None, _) => &[][..],
                (true, Some(value), _) => value,
                (true, None, Some(value)) => {
                    at += 1;
                    value
                }
                (true, None, None) => return Err(NoValue(named(who, option))),
            };
            apply(option, value, &mut wish)?;
        } else if word.len() > 1 && word[0] == b'-' {
            let mut letters = &word[1..];
            while let [letter, rest @ ..] = letters {
                let name = text(&[*letter]);
                if *letter == b'=' && letters.len() + 1 < word.len() {
                    // The letter before.
                    return Err(TakesNone(format!("-{}", text(&word[word.len() - letters.len() - 1..][..1]))));
                }
                let Some((letter, _, takes_value)) = options(who).iter().find(|(letter, ..)| *letter == name) else {
                    let what = letters.utf8_chunks().next().map_or("", |chunk| chunk.valid()).chars().next();
                    return Err(Unknown(format!("-{}", what.unwrap_or('\u{fffd}')).into()));
                };
                letters = rest;
                let value = match (takes_value, rest, next) {
                    (false, ..) => &[][..],
                    (true, [b'=', value @ ..], _) => value,
                    (true, [], Some(value)) => {
                        at += 1;
                        value
                    }
                    (true, [], None) => return Err(NoValue(named(who, letter))),
                    (true, value, _) => value,
                };
                apply(letter, value, &mut wish)?;
                if *takes_value {
                    break;
                }
            }
        } else {
            at -= 1;
            wish.program = Some(at);
            break;
        }
    }
    if wish.pause && wish.program.is_some() {
        if who != Who::Catatonit {
            return Err(ProgramAndPause);
        }
        wish.program = None;
    }
    if wish.session {
        for stop in [20, 21, 22] {
            if !wish.rewrites.iter().any(|(from, _)| *from == stop) {
                insert(&mut wish.rewrites, (stop, 19));
            }
        }
    }
    if verbose > 0 && !by_tini {
        wish.log = level(verbose + 1);
    }
    // By what it does: a code that stays what it is might as well have no rule. (A signal's rule is told of.)
    wish.remaps.retain(|(from, to)| from != to);
    Ok(wish)
}

/// What a message calls an option that was found: by its word, if it has one.
fn named(who: Who, option: &str) -> String {
    let (letter, word, _) = options(who).iter().find(|(letter, word, _)| [*letter, *word].contains(&option)).unwrap();
    if word.is_empty() { format!("-{letter}") } else { format!("--{word}") }
}

/// What is read in the same way of an option and of a variable.
fn value_of_rini(name: &str, text: &str, wish: &mut Wish) -> Option<()> {
    match name {
        "t" | "grace-period" | "RINI_GRACE_PERIOD" => wish.grace = Some(duration(text, 1_000_000)?),
        "stop-delay" | "RINI_STOP_DELAY" => wish.delay = Some(duration(text, 0)?).filter(|delay| *delay > 0),
        "stop-signals" | "RINI_STOP_SIGNALS" => {
            let mut signals = text.split(',').map(passing).collect::<Option<Vec<u8>>>()?;
            signals.sort_unstable();
            signals.dedup();
            wish.stop_signals = signals;
        }
        "after-exit" | "RINI_AFTER_EXIT" => {
            wish.after_exit = ["kill", "terminate", "wait"].into_iter().find(|known| *known == text)?;
        }
        _ => panic!("{name}"),
    }
    Some(())
}

/// What rini takes the options for, in the same form: by what it will do for each signal and each code.
fn wish_of(options: &Options) -> Wish {
    let Options { program, process_group, session, subreaper, warn_on_reap, remap, policy, verbosity } = options;
    let all = || (1..=64_u8).map(|number| (number, Signal::from_number(number.into()).unwrap()));
    let nanoseconds = |span: Duration| u128::from(span.as_secs()) * 1_000_000_000 + u128::from(span.subsec_nanos());
    Wish {
        program: *program,
        process_group: *process_group,
        session: *session,
        subreaper: *subreaper,
        warn_on_reap: *warn_on_reap,
        pause: policy.pause,
        stops_itself: policy.stops_itself,
        after_exit: match policy.after_exit {
            AfterExit::Kill => "kill",
            AfterExit::TerminateGroup => "terminate the group",
            AfterExit::Terminate => "terminate",
            AfterExit::Wait => "wait",
        },
        grace: policy.grace.map(nanoseconds),
        delay: policy.delay.map(nanoseconds),
        stop_signals: all().filter(|(_, signal)| policy.shutdown_signals.contains(*signal)).map(|(n, _)| n).collect(),
        parent_death_signal: policy.parent_death_signal.map(Signal::number),
        rewrites: all()
            .filter(|(_, signal)| policy.rewrite.has_rule(*signal))
            .map(|(n, signal)| (n, policy.rewrite.apply(signal).map_or(0, Signal::number)))
            .collect(),
        remaps: (0..=255).map(|code| (code, remap.apply(code))).filter(|(code, to)| code != to).collect(),
        log: verbosity.0.to_vec(),
    }
}

/// A word in quotes, as README and the man page show them: what is no printable text stands there as an escape.
fn quoted(word: &[u8]) -> String {
    let mut text = "\"".to_owned();
    for chunk in word.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => text.extend(['\\', c]),
                '\n' => text += "\\n",
                '\r' => text += "\\r",
                '\t' => text += "\\t",
                c if c.is_control() => text += &format!("\\x{:02X}", u32::from(c)),
                c => text.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| text += &format!("\\x{byte:02X}"));
    }
    text + "\""
}

/// What came of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// It is accepted.
    Started,
    /// Something is printed that was asked for.
    Printed,
    /// It is refused, by this message.
    Refused(Message),
}

fn forever(bytes: &[u8]) -> &'static OsStr {
    OsStr::from_bytes(bytes.to_vec().leak())
}

/// Reads these words, of which the first is what was called, and these variables, `NAME=value`; and panics at anything that is
/// not as the documentation has it.
pub fn read_words(words: &[&[u8]], environment: &[&[u8]]) -> Came {
    let argv: Vec<&'static OsStr> = words.iter().map(|word| forever(word)).collect();
    let environ: Vec<&'static OsStr> = environment.iter().map(|entry| forever(entry)).collect();
    // As getenv(3) has it.
    let find = |name: &[u8]| environ.iter().find_map(|entry| entry.as_bytes().strip_prefix(name)?.strip_prefix(b"="));
    let personality = Personality::called(argv[0]);
    let parse = |argv: &[&'static OsStr]| {
        let (mut options, mut place) = (Options::default(), NOWHERE);
        let variable = |name: &[u8]| find(name).map(OsStr::from_bytes);
        match cli::parse(personality, &|index| argv.get(index).copied(), &variable, &mut options, &mut place) {
            Ok(()) => Ok(options),
            Err(message) => Err((message, personality.voice.text(message, &place))),
        }
    };
    let parsed = parse(&argv);
    assert_eq!(parse(&argv), parsed, "the same words mean the same");
    let expected = expect(words, &|name| find(name.as_bytes()));
    let who = who(words[0]);
    match parsed {
        Ok(options) => {
            assert_eq!(Ok(wish_of(&options)), expected);
            // Nothing of the program's own words is read, and rini has no others that begin there.
            if let Some(first) = options.program {
                let begun: Vec<_> = argv[..=first].to_vec();
                assert_eq!(parse(&begun).as_ref(), Ok(&options), "the program's arguments do not matter");
                let more = [&begun[..], &["--help", "--", "-x", "\n"].map(OsStr::new)].concat();
                assert_eq!(parse(&more).as_ref(), Ok(&options), "whatever they are");
            }
            // What is said of a value is read back as that.
            for span in [options.policy.grace, options.policy.delay].into_iter().flatten() {
                let text = span.to_string();
                let whole = span.subsec_nanos() % 1_000_000 == 0;
                let back = if text == "less than 1ms" { None } else { duration(&text, 0) };
                let wanted = u128::from(span.as_secs()) * 1000 + u128::from(span.subsec_nanos() / 1_000_000);
                assert!(back.is_none_or(|back| back == wanted * 1_000_000), "{text}");
                assert!(back.is_some() || !whole, "{text}");
            }
            assert!(verbosity_is_known(&options), "{:?}", options.verbosity);
            Came::Started
        }
        Err((message, text)) => {
            let Err(refusal) = expected else { panic!("{text:?}, and not {expected:?}") };
            let (wanted, names, value): (&[Message], Vec<u8>, Option<&[u8]>) = match &refusal {
                Help => (&[Message::Help], vec![], None),
                Version => (&[Message::Version], vec![], None),
                License => (&[Message::License], vec![], None),
                NoProgram => (&[Message::NoProgram], vec![], None),
                ProgramAndPause => (&[Message::ProgramAndPause], b"--pause".into(), None),
                Reserved(name) => (&[Message::Reserved], name.as_bytes().into(), None),
                Refusal::Variable(name, value) => {
                    (&[Message::BadVariable, Message::BadList], name.as_bytes().into(), Some(value))
                }
                Value(option, value) => (&[Message::BadOption], option.as_bytes().into(), Some(value)),
                NoValue(option) => {
                    (&[Message::NoValueOfLetter, Message::NoValueOfWord], option.as_bytes().into(), None)
                }
                TakesNone(option) => {
                    (&[Message::LetterTakesNone, Message::WordTakesNone], option.as_bytes().into(), None)
                }
                Unknown(typed) => (&[Message::NoLetter, Message::NoWord], vec![], Some(typed)),
                Ambiguous(_) => (&[Message::Ambiguous], vec![], None),
            };
            assert!(wanted.contains(&message), "{message:?} {text:?}, and not {refusal:?}");
            let printable = text.chars().all(|c| c == '\n' || !c.is_control());
            assert!(printable, "no control character comes through: {text:?}");
            if [Message::Help, Message::Version, Message::License].contains(&message) {
                assert!(!text.is_empty());
                return Came::Printed;
            }
            // In rini's voice; what the others say in such a case is theirs. What they do not have they say as rini does.
            if who == Who::Rini || matches!(refusal, Refusal::Variable(..) | Reserved(_)) {
                assert!(!text.is_empty() && !text.contains('\n'), "one line: {text:?}");
                assert!(
                    text.as_bytes().windows(names.len().max(1)).any(|part| part == names) || names.is_empty(),
                    "{text:?}"
                );
                if let Some(value) = value {
                    assert!(text.contains(&quoted(value)), "it shows {}: {text:?}", quoted(value));
                }
                // Its own words are not many; a byte of the user's is four of an escape at the most.
                let users = value.map_or(0, <[u8]>::len);
                assert!(text.len() <= 250 + 4 * users, "{} bytes: {text:?}", text.len());
            }
            if let Refusal::Variable(name, value) = &refusal {
                assert!(text.starts_with(&format!("{name}: {} is not ", quoted(value))), "{text:?}");
            }
            Came::Refused(message)
        }
    }
}

/// Whether all of it is what env_logger reads as it was meant.
fn verbosity_is_known(options: &Options) -> bool {
    options.verbosity.0.split(|byte| *byte == b',').all(|part| cli::directive(part).is_some())
}

/// Reads what these bytes stand for: a name, how many variables there are, and the variables and the words, with a zero behind each
/// but the last.
pub fn read(bytes: &[u8]) -> Came {
    let [name, count, strings @ ..] = bytes else { return Came::Refused(Message::Nothing) };
    let mut strings: Vec<&[u8]> = strings.split(|byte| *byte == 0).collect();
    let words = strings.split_off(usize::from(*count).min(strings.len()));
    let called = NAMES[usize::from(*name) % NAMES.len()].as_bytes();
    read_words(&[&[called], &words[..]].concat(), &strings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzed::{self, Random, is_long, kept, with};

    const HEADING: &str = "## Command lines and environments

{form} of `cargo test --release --bin rini any_words`. Each command line is read by rini, as it is from a real start, and by an independent \
reader that was written from the documentation; the two have to agree on every option, on where PROGRAM begins, and on what is refused \
and why; a refusal of rini's is one line that names the option or the variable and shows the value; what follows PROGRAM is \
never looked at. *Started*: accepted; *printed*: help, version or license; *refused*: with a message and exit code 1.

| What | How many | Started | Printed | Refused |
| --- | ---: | ---: | ---: | ---: |
";

    /// Words that are options, values, both or neither, right and wrong.
    const WORDS: [&[u8]; 40] = [
        b"-g",
        b"-s",
        b"-w",
        b"-v",
        b"-vvg",
        b"-e",
        b"-e7",
        b"-e=7:8",
        b"-p",
        b"-pTERM",
        b"-r15:0",
        b"-t",
        b"-t=1.5",
        b"-P",
        b"-c",
        b"-h",
        b"-x",
        b"-",
        b"--",
        b"",
        b"-=",
        b"-g=",
        b"--=",
        b"--remap-exit",
        b"--grace-period=8s",
        b"--stop-delay=0",
        b"--stop-signals=KILL",
        b"--after-exit=wait",
        b"--pause",
        b"--rewrite=TERM:QUIT",
        b"--re",
        b"--verb",
        b"--version",
        b"--subreaper=1",
        b"--\xff\n",
        b"7",
        b"15:3",
        b"SIGTERM",
        b"prog",
        b"-\xc3",
    ];

    /// Variables, right and wrong.
    const VARIABLES: [&[u8]; 41] = [
        b"RINI_PROCESS_GROUP=1",
        b"RINI_PROCESS_GROUP=Off",
        b"RINI_PROCESS_GROUP=",
        b"RINI_PROCESS_GROUP=2",
        b"RINI_SUBREAPER=yes",
        b"RINI_SUBREAPER=\xff",
        b"RINI_REMAP_EXIT=143,1:0,143:9",
        b"RINI_REMAP_EXIT=1,,2",
        b"RINI_REMAP_EXIT=256",
        b"RINI_LOG=warn,rini::runtime=debug",
        b"RINI_LOG= INFO ,rini",
        b"RINI_LOG=rini::",
        b"RINI_LOG=",
        b"RINI_STOP_SIGNALS=TERM,sigrtmax-3",
        b"RINI_STOP_SIGNALS=CHLD",
        b"RINI_STOP_SIGNALS=RTMIN-1",
        b"RINI_GRACE_PERIOD=8s",
        b"RINI_GRACE_PERIOD=0.0009",
        b"RINI_GRACE_PERIOD=8760h",
        b"RINI_GRACE_PERIOD=8760.000001h",
        b"RINI_GRACE_PERIOD=1.5.5\"\\",
        b"RINI_STOP_DELAY=0.5m",
        b"RINI_STOP_DELAY=0",
        b"RINI_STOP_DELAY=-1",
        b"RINI_STOP_DELAY=1.0000001",
        b"RINI_AFTER_EXIT=terminate",
        b"RINI_AFTER_EXIT=Wait",
        b"RINI_REWRITE=TERM:QUIT,HUP:0",
        b"RINI_REWRITE=TSTP:TSTP,15:9,TERM:HUP",
        b"RINI_REWRITE=KILL:TERM",
        b"TINI_SUBREAPER=",
        b"TINI_KILL_PROCESS_GROUP=0",
        b"TINI_VERBOSITY=0",
        b"TINI_VERBOSITY= +3x",
        b"TINI_VERBOSITY=-1",
        b"DUMB_INIT_DEBUG=1",
        b"DUMB_INIT_SETSID=0",
        b"DUMB_INIT_SETSID=1",
        b"CATATONIT_DEBUG=",
        b"CATATONIT_LOG=x",
        b"RINI_PROCESS_GROUP",
    ];

    #[derive(Default)]
    struct Tally {
        all: u64,
        started: u64,
        printed: u64,
        refused: u64,
    }

    impl Tally {
        fn count(&mut self, came: Came) {
            self.all += 1;
            *match came {
                Came::Started => &mut self.started,
                Came::Printed => &mut self.printed,
                Came::Refused(_) => &mut self.refused,
            } += 1;
        }

        /// Of each kind there have to be some: or these bytes do not say much.
        fn report(&self, what: &str, least: u64) {
            let Tally { all, started, printed, refused } = self;
            assert!(started.min(printed).min(refused) >= &least, "{what}: {started}, {printed}, {refused}");
            fuzzed::report("command_line", HEADING, what, &format!("{all} | {started} | {printed} | {refused}"));
        }
    }

    /// How much is to be done: in a debug build, which takes ten times the time; by default; and in the long form.
    fn size<T>(debug: T, short: T, long: T) -> T {
        match (is_long(), cfg!(debug_assertions)) {
            (true, _) => long,
            (false, true) => debug,
            (false, false) => short,
        }
    }

    fn bytes(name: u8, variables: &[&[u8]], words: &[&[u8]]) -> Vec<u8> {
        let strings = [variables, words].concat().join(&0);
        [&[name, u8::try_from(variables.len()).unwrap()], &strings[..]].concat()
    }

    #[test]
    fn every_short_command_line_is_read_as_documented() {
        // In the long form the longest are read under rini's name alone: what is read is not given back, and fills a gigabyte.
        let most = size(2, 3, 4);
        let mut tally = Tally::default();
        let mut sequences: Vec<Vec<&[u8]>> = vec![vec![]];
        for length in 0..=most {
            for name in 0..if length == 4 { 1 } else { 5 } {
                for sequence in &sequences {
                    tally.count(with(&bytes(name, &[], sequence), read));
                }
            }
            if length < most {
                let longer = |sequence: &Vec<&'static [u8]>| WORDS.map(|word| [&sequence[..], &[word]].concat());
                sequences = sequences.iter().flat_map(longer).collect();
            }
        }
        tally.report(&format!("each sequence of up to {most} of {} words, under each of 5 names", WORDS.len()), 100);
    }

    /// Two at a time, in both orders, so that one beats the other; before a program, and before options that beat both.
    #[test]
    fn every_pair_of_variables_is_read_as_documented() {
        let mut tally = Tally::default();
        let lines: [&[&[u8]]; 3] =
            [&[b"prog"], &[b"-gv", b"prog"], &[b"-e1", b"-t9", b"-rUSR1:0", b"--stop-delay=0", b"--", b"-x"]];
        for name in 0..5 {
            for (one, other) in VARIABLES.iter().flat_map(|one| VARIABLES.iter().map(move |other| (one, other))) {
                for line in lines {
                    tally.count(with(&bytes(name, &[one, other], line), read));
                }
            }
            tally.count(with(&bytes(name, &[], &[b"-V"]), read));
        }
        tally.report(
            &format!("each pair of {} variables, with 3 command lines, under each of 5 names", VARIABLES.len()),
            3,
        );
    }

    /// Of each variable, and of each option, every value that is a few characters long, of those that durations, signals, codes
    /// and rules are made of.
    #[test]
    fn every_short_value_is_read_as_documented() {
        const OF: &[u8] = b"0159.:,-+smhTMRIN ";
        let most = size(2, 3, 4);
        let mut values: Vec<Vec<u8>> = vec![vec![]];
        let (mut tally, mut begin) = (Tally::default(), 0);
        for _ in 0..most {
            let end = values.len();
            for value in begin..end {
                values.extend(OF.iter().map(|byte| [&values[value][..], &[*byte]].concat()).collect::<Vec<_>>());
            }
            begin = end;
        }
        // Where that is not refused at once, they are longer: with a beginning that signals have.
        for value in values {
            for (name, option) in [
                (0, "-t"),
                (0, "-e"),
                (0, "-r"),
                (0, "--stop-signals="),
                (1, "-e"),
                (2, "-r"),
                (0, "-pRTMIN"),
                (0, "-pSIGRTMAX"),
            ] {
                tally.count(with(&bytes(name, &[], &[&[option.as_bytes(), &value].concat(), b"prog"]), read));
            }
            let variable = [b"TINI_VERBOSITY=", &value[..]].concat();
            tally.count(with(&bytes(1, &[&variable], &[b"-v", b"prog"]), read));
        }
        tally.report(&format!("each value of up to {most} of {} characters, of each kind of value", OF.len()), 0);
    }

    /// A word, and perhaps broken: bytes lost, doubled, or others.
    fn word(random: &mut Random) -> Vec<u8> {
        let own: [&[&[u8]]; 3] =
            [&WORDS, &VARIABLES, &[b"=", b",", b":", b"RTMIN+3", b"8760h", b"1ms", b"debug", b"terminate"]];
        let mut word = own[random.below(3)];
        if random.below(3) == 0 {
            word = own[0];
        }
        let mut word = word[random.below(word.len())].to_vec();
        while random.below(3) == 0 {
            let at = random.below(word.len() + 1);
            match random.below(5) {
                0 => word.truncate(at),
                1 => word.insert(at, u8::try_from(random.below(256)).unwrap().max(1)),
                2 => drop(word.splice(at..at, own[2][random.below(own[2].len())].iter().copied())),
                3 => word.extend_from_slice(WORDS[random.below(WORDS.len())]),
                _ => word = word.repeat(2),
            }
        }
        word.truncate(200);
        word
    }

    #[test]
    fn random_command_lines_are_read_as_documented() {
        let (count, mut random) = (size(10_000, 100_000, 3_000_000), Random(1));
        let mut tally = Tally::default();
        for _ in 0..count {
            let name = u8::try_from(random.below(256)).unwrap();
            let variables: Vec<Vec<u8>> = (0..random.below(3)).map(|_| word(&mut random)).collect();
            let words: Vec<Vec<u8>> = (0..random.below(6)).map(|_| word(&mut random)).collect();
            let variables: Vec<&[u8]> = variables.iter().map(Vec::as_slice).collect();
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            tally.count(with(&bytes(name, &variables, &words), read));
        }
        tally.report("random", count / 100);
    }

    #[test]
    fn kept_command_lines_are_read_as_documented() {
        let mut tally = Tally::default();
        for bytes in kept("command_line") {
            tally.count(with(&bytes, read));
        }
        tally.report("kept by libFuzzer", 5);
    }
}
