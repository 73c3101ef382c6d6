//! For tests: an independent reader of the command line and the environment, compared with rini's own.
//!
//! [`expect`] is written from docs/options.md and docs/drop-in.md, not from the code. [`read`] gives the same words and variables to
//! rini and to [`expect`], and panics if they disagree.
//!
//! Change this file when the documented command line changes: a new option, variable or value, or another rule. Change the
//! documentation first, then this file from the documentation, then the code. Never change it to make a test pass.
//!
//! The words come from a vocabulary, in every short sequence; from a generator of random numbers with a fixed seed, which also
//! breaks words; from libFuzzer, which looks for words that lead to new code (tests/proof/fuzz); and from
//! tests/proof/fuzz/corpus/command_line, where libFuzzer keeps what it has found.

use crate::cli::command_line::{self, Subject};
use crate::cli::options::Options;
use crate::cli::table::Personality;
use crate::ground::policy::AfterExit;
use crate::ground::signal::Signal;
use crate::ground::time::Duration;
use crate::messages::message::Answer;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Values of `argv[0]`: each name, with and without a path, and some that select rini itself.
const NAMES: &[&str] = &[
    "rini",
    "tini",
    "dumb-init",
    "catatonit",
    "pause",
    "gosu",
    "su-exec",
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

/// The init whose command line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Rini,
    Tini,
    DumbInit,
    Catatonit,
    Pause,
    Gosu,
    SuExec,
}

fn find_name(called: &[u8]) -> Name {
    match String::from_utf8_lossy(called).split('/').next_back() {
        Some("tini" | "tini-static" | "docker-init") => Name::Tini,
        Some("dumb-init") => Name::DumbInit,
        Some("catatonit" | "podman-init") => Name::Catatonit,
        Some("pause") => Name::Pause,
        Some("gosu") => Name::Gosu,
        Some("su-exec") => Name::SuExec,
        _ => Name::Rini,
    }
}

/// The settings that a command line and an environment ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Settings {
    program: Option<usize>,
    process_group: bool,
    session: bool,
    stop_on_stdin_close: bool,
    subreaper: bool,
    warn_on_reap: bool,
    pause: bool,
    stops_itself: bool,
    after_exit: &'static str,
    grace: Option<u128>,
    delay: Option<u128>,
    stop_signals: Vec<u8>,
    parent_death_signal: Option<u8>,
    /// FROM and TO. A TO of 0 drops the signal. Each FROM has one rule, the last.
    rewrites: Vec<(u8, u8)>,
    remaps: Vec<(u8, u8)>,
    log: &'static str,
    user: Option<Vec<u8>>,
}

/// The reason why nothing is started.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    Help,
    Version,
    License,
    /// Not a refusal: rini is copied.
    Install,
    NoProgram,
    ProgramAndPause,
    /// This variable must not be set.
    Reserved(&'static str),
    /// This variable has this invalid value.
    Variable(&'static str, Vec<u8>),
    /// This option, named by its word, has this invalid value.
    Value(String, Vec<u8>),
    /// This option lacks its value.
    NoValue(String),
    /// This option has a value, and takes none.
    TakesNone(String),
    /// There is no such option.
    Unknown(Vec<u8>),
    /// Several options begin with this.
    Ambiguous(Vec<u8>),
}
use Refusal::{
    Ambiguous, Help, Install, License, NoProgram, NoValue, ProgramAndPause, Reserved, TakesNone, Unknown, Value,
    Version,
};

/// The signals of signal(7), with the numbers that they have everywhere except on Alpha, SPARC and MIPS. The last three are second names.
const SIGNALS: &[(&str, u8)] = &[
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

/// Reads a text of ASCII digits, of any length.
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

/// Reads a signal that rini can receive and forward.
fn passing(text: &str) -> Option<u8> {
    signal(text).filter(|number| ![9, 17, 19].contains(number))
}

/// Reads `FROM:TO`.
fn rewrite(text: &str) -> Option<(u8, u8)> {
    let (from, to) = text.split_once(':')?;
    Some((passing(from)?, if to == "0" { 0 } else { signal(to)? }))
}

/// Reads `CODE[:TO]`.
fn remap(text: &str) -> Option<(u8, u8)> {
    let code = |text: &str| u8::try_from(number(text)?).ok();
    match text.split_once(':') {
        Some((from, to)) => Some((code(from)?, code(to)?)),
        None => Some((code(text)?, 0)),
    }
}

/// Reads a duration in any case, in nanoseconds. Six decimals of a millisecond are whole nanoseconds.
fn duration(text: &str, least: u128) -> Option<u128> {
    let text = text.to_ascii_lowercase();
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

/// Reads the name of a level.
fn level(text: &str) -> Option<&'static str> {
    let name = text.trim_matches([' ', '\t', '\n', '\r', '\x0c']).to_ascii_lowercase();
    LEVELS.into_iter().find(|level| *level == name)
}

/// Reads a number as strtol(3) does, and returns it with the text after it.
fn strtol(text: &str) -> Option<(i128, &str)> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let end = unsigned.find(|c: char| !c.is_ascii_digit()).unwrap_or(unsigned.len());
    let value = i128::try_from(number(&unsigned[..end])?.min(1 << 100)).unwrap();
    Some((if text.starts_with('-') { -value } else { value }, &unsigned[end..]))
}

/// Reads the value of tini's -e.
fn remap_of_tini(text: &str) -> Option<(u8, u8)> {
    let (code, rest) = if text.is_empty() { (0, "") } else { strtol(text)? };
    if rest.is_empty() { Some((u8::try_from(code).ok()?, 0)) } else { None }
}

/// Reads the value of dumb-init's -r, as sscanf(3) does.
fn rewrite_of_dumb_init(text: &str) -> Option<(u8, u8)> {
    let (from, rest) = strtol(text)?;
    let (to, _) = strtol(rest.strip_prefix(':')?)?;
    ((1..=31).contains(&from) && (0..=31).contains(&to))
        .then(|| (u8::try_from(from).unwrap(), u8::try_from(to).unwrap()))
}

/// Reads the value of tini's -p.
fn signal_of_tini(text: &str) -> Option<u8> {
    let (_, number) = SIGNALS[..31].iter().find(|(name, _)| text.strip_prefix("SIG") == Some(name))?;
    Some(*number).filter(|number| ![16, 29, 30].contains(number))
}

/// The options of an init: letter, word, and whether a value follows.
fn options(init: Name) -> &'static [(&'static str, &'static str, bool)] {
    match init {
        Name::Rini => &[
            ("g", "process-group", false),
            ("s", "subreaper", false),
            ("w", "warn-on-reap", false),
            ("v", "verbose", false),
            ("e", "remap-exit", true),
            ("r", "rewrite", true),
            ("t", "grace-period", true),
            ("", "stop-delay", true),
            ("", "stop-signals", true),
            ("", "stop-on-stdin-close", false),
            ("", "after-exit", true),
            ("p", "parent-death-signal", true),
            ("P", "pause", false),
            ("h", "help", false),
            ("V", "version", false),
            ("l", "license", false),
            ("", "install", true),
            ("u", "user", true),
        ],
        Name::Tini => &[
            ("g", "", false),
            ("s", "", false),
            ("w", "", false),
            ("v", "", false),
            ("e", "", true),
            ("p", "", true),
            ("h", "", false),
            ("l", "", false),
        ],
        Name::DumbInit => &[
            ("c", "single-child", false),
            ("r", "rewrite", true),
            ("v", "verbose", false),
            ("h", "help", false),
            ("V", "version", false),
        ],
        Name::Catatonit => {
            &[("g", "", false), ("h", "", false), ("L", "", false), ("P", "", false), ("V", "version", false)]
        }
        Name::Gosu => &[("h", "help", false), ("?", "", false), ("v", "version", false)],
        Name::Pause | Name::SuExec => &[],
    }
}

/// Adds a rule, which replaces the rule with the same FROM.
fn insert(rules: &mut Vec<(u8, u8)>, (from, to): (u8, u8)) {
    rules.retain(|(known, _)| *known != from);
    rules.push((from, to));
    rules.sort_unstable();
}

/// Adds the rules of a comma-separated list.
fn insert_all(rules: &mut Vec<(u8, u8)>, list: &str, read: fn(&str) -> Option<(u8, u8)>) -> Option<()> {
    for part in list.split(',') {
        insert(rules, read(part)?);
    }
    Some(())
}

fn level_of_number(count: i128) -> &'static str {
    let level = usize::try_from(count).ok().and_then(|count| LEVELS[1..].get(count));
    level.copied().unwrap_or("trace")
}

/// Looks up the value of a variable. If it is set twice, the first one counts.
type Variables<'a> = &'a dyn Fn(&str) -> Option<&'a [u8]>;

/// Reads words, of which the first is `argv[0]`, and variables, as the documentation says.
fn expect(words: &[&[u8]], variable: Variables<'_>) -> Result<Settings, Refusal> {
    let init = find_name(words[0]);
    // The text is only compared with ASCII, so any encoding of other bytes will do.
    let text = |bytes: &[u8]| -> String { bytes.iter().map(|byte| char::from(*byte)).collect() };
    let mut settings = Settings { after_exit: "kill", stop_signals: vec![2, 15], log: "warn", ..Settings::default() };
    let mut by_tini = false;
    match init {
        Name::Rini | Name::Tini => {
            settings.subreaper = variable("TINI_SUBREAPER").is_some();
            settings.process_group = variable("TINI_KILL_PROCESS_GROUP").is_some();
            if let Some(value) = variable("TINI_VERBOSITY") {
                by_tini = true;
                settings.log = level_of_number(strtol(&text(value)).map_or(0, |(number, _)| number));
            }
        }
        Name::DumbInit => {
            settings.session = variable("DUMB_INIT_SETSID") != Some(b"0");
            settings.process_group = settings.session;
            settings.after_exit = "terminate the group";
            settings.stops_itself = true;
            if variable("DUMB_INIT_DEBUG") == Some(b"1") {
                settings.log = "debug";
            }
        }
        Name::Catatonit => {
            if variable("CATATONIT_DEBUG").is_some() {
                settings.log = "debug";
            }
            if variable("CATATONIT_LOG").is_some() {
                return Err(Reserved("CATATONIT_LOG"));
            }
        }
        Name::Pause | Name::Gosu | Name::SuExec => (),
    }
    let becomes_program = matches!(init, Name::Gosu | Name::SuExec);
    for name in [
        "RINI_PROCESS_GROUP",
        "RINI_SUBREAPER",
        "RINI_REMAP_EXIT",
        "RINI_LOG",
        "RINI_STOP_SIGNALS",
        "RINI_GRACE_PERIOD",
        "RINI_STOP_DELAY",
        "RINI_STOP_ON_STDIN_CLOSE",
        "RINI_AFTER_EXIT",
        "RINI_REWRITE",
        "RINI_USER",
    ] {
        let Some(value) = variable(name).filter(|value| !value.is_empty() && !becomes_program) else { continue };
        let list = text(value);
        let mut set = || -> Option<()> {
            match name {
                "RINI_PROCESS_GROUP" => settings.process_group = on_or_off(&list)?,
                "RINI_SUBREAPER" => settings.subreaper = on_or_off(&list)?,
                "RINI_STOP_ON_STDIN_CLOSE" => settings.stop_on_stdin_close = on_or_off(&list)?,
                "RINI_LOG" => {
                    settings.log = level(&list)?;
                    by_tini = false;
                }
                "RINI_REMAP_EXIT" => insert_all(&mut settings.remaps, &list, remap)?,
                "RINI_REWRITE" => insert_all(&mut settings.rewrites, &list, rewrite)?,
                "RINI_USER" => settings.user = Some(user(value)?),
                option => value_of_rini(option, &list, &mut settings)?,
            }
            Some(())
        };
        set().ok_or(Refusal::Variable(name, value.into()))?;
    }
    if init == Name::Pause {
        settings.pause = true;
        settings.remaps.retain(|(from, to)| from != to);
        let asks = words[1..].iter().any(|word| word.eq_ignore_ascii_case(b"-v"));
        return if asks { Err(Version) } else { Ok(settings) };
    }
    if init == Name::Tini && words[1..] == [b"--version"] {
        return Err(Version);
    }
    let (mut verbose, mut first_remap, mut first_rewrite) = (0, true, true);
    let mut at = 1;
    let mut apply = |option: &str, value: &[u8], settings: &mut Settings| -> Result<(), Refusal> {
        let list = text(value);
        let mut set = || -> Option<()> {
            match (init, option) {
                (_, "g" | "process-group") => settings.process_group = true,
                (_, "s" | "subreaper") => settings.subreaper = true,
                (_, "stop-on-stdin-close") => settings.stop_on_stdin_close = true,
                (_, "w" | "warn-on-reap") => settings.warn_on_reap = true,
                (_, "P" | "pause") => settings.pause = true,
                (_, "c" | "single-child") => (settings.session, settings.process_group) = (false, false),
                (Name::DumbInit, "v" | "verbose") => settings.log = "debug",
                (_, "v" | "verbose") => verbose += 1,
                (_, "e" | "remap-exit") => {
                    if std::mem::take(&mut first_remap) {
                        settings.remaps.clear();
                    }
                    match init {
                        Name::Tini => insert(&mut settings.remaps, remap_of_tini(&list)?),
                        _ => insert_all(&mut settings.remaps, &list, remap)?,
                    }
                }
                (_, "r" | "rewrite") => {
                    if std::mem::take(&mut first_rewrite) {
                        settings.rewrites.clear();
                    }
                    match init {
                        Name::DumbInit => insert(&mut settings.rewrites, rewrite_of_dumb_init(&list)?),
                        _ => insert_all(&mut settings.rewrites, &list, rewrite)?,
                    }
                }
                (_, "p" | "parent-death-signal") => {
                    let signal = if init == Name::Tini { signal_of_tini(&list) } else { signal(&list) };
                    settings.parent_death_signal = Some(signal?);
                }
                (_, "u" | "user") => settings.user = Some(user(value)?),
                (_, option) => value_of_rini(option, &list, settings)?,
            }
            Some(())
        };
        match option {
            "h" | "help" | "?" => Err(Help),
            "v" if init == Name::Gosu => Err(Version),
            "V" | "version" => Err(Version),
            "l" | "L" | "license" => Err(License),
            "install" if !value.is_empty() => Err(Install),
            _ => set().ok_or_else(|| Value(named(init, option), value.into())),
        }
    };
    loop {
        let none = if init == Name::SuExec { Help } else { NoProgram };
        let Some(word) = words.get(at) else {
            break if settings.pause { Ok(()) } else { Err(none) }?;
        };
        at += 1;
        if *word == b"--" {
            if at == words.len() && !settings.pause {
                return Err(none);
            }
            settings.program = Some(at).filter(|at| *at < words.len());
            break;
        }
        let next = words.get(at).copied();
        if let Some(long) = word.strip_prefix(b"--") {
            let end = long.iter().position(|byte| *byte == b'=');
            let (name, joined) = (&long[..end.unwrap_or(long.len())], end.map(|end| &long[end + 1..]));
            let known = || options(init).iter().filter(|(_, word, _)| !word.is_empty());
            let mut could_be: Vec<_> = known().filter(|(_, word, _)| word.as_bytes() == name).collect();
            if could_be.is_empty() && init == Name::DumbInit {
                could_be = known().filter(|(_, word, _)| word.as_bytes().starts_with(name)).collect();
            }
            let (option, takes_value) = match could_be[..] {
                [] => return Err(Unknown(word.to_vec())),
                [(_, option, takes_value)] => (*option, *takes_value),
                _ => return Err(Ambiguous(word.to_vec())),
            };
            let value = match (takes_value, joined, next) {
                (false, Some(_), _) => return Err(TakesNone(named(init, option))),
                (false, None, _) => &[][..],
                (true, Some(value), _) => value,
                (true, None, Some(value)) => {
                    at += 1;
                    value
                }
                (true, None, None) => return Err(NoValue(named(init, option))),
            };
            apply(option, value, &mut settings)?;
        } else if word.len() > 1 && word[0] == b'-' {
            let mut letters = &word[1..];
            while let [letter, rest @ ..] = letters {
                let name = text(&[*letter]);
                if *letter == b'=' && letters.len() + 1 < word.len() {
                    // The value belongs to the letter before.
                    return Err(TakesNone(format!("-{}", text(&word[word.len() - letters.len() - 1..][..1]))));
                }
                let Some((letter, _, takes_value)) = options(init).iter().find(|(letter, ..)| *letter == name) else {
                    // Bytes that are not ASCII can belong to one letter, and are named together.
                    let others = letters.iter().take_while(|byte| !byte.is_ascii()).count();
                    return Err(Unknown([b"-", &letters[..others.max(1)]].concat()));
                };
                letters = rest;
                let value = match (takes_value, rest, next) {
                    (false, ..) => &[][..],
                    (true, [b'=', value @ ..], _) => value,
                    (true, [], Some(value)) => {
                        at += 1;
                        value
                    }
                    (true, [], None) => return Err(NoValue(named(init, letter))),
                    (true, value, _) => value,
                };
                apply(letter, value, &mut settings)?;
                if *takes_value {
                    break;
                }
            }
        } else {
            at -= 1;
            settings.program = Some(at);
            break;
        }
    }
    if becomes_program {
        let at = settings.program.unwrap();
        settings.user = Some(words[at].into());
        settings.program = Some(at + 1).filter(|at| *at < words.len());
        if settings.program.is_none() {
            return Err(if init == Name::SuExec { Help } else { NoProgram });
        }
    }
    if settings.pause && settings.program.is_some() {
        if init != Name::Catatonit {
            return Err(ProgramAndPause);
        }
        settings.program = None;
    }
    if settings.session {
        for stop in [20, 21, 22] {
            if !settings.rewrites.iter().any(|(from, _)| *from == stop) {
                insert(&mut settings.rewrites, (stop, 19));
            }
        }
    }
    if verbose > 0 && !by_tini {
        settings.log = level_of_number(verbose + 1);
    }
    // A rule that keeps a code has no effect. (A rule that keeps a signal has one: its message differs.)
    settings.remaps.retain(|(from, to)| from != to);
    Ok(settings)
}

/// The name of an option in messages: its word, or its letter if it has none.
fn named(init: Name, option: &str) -> String {
    let (letter, word, _) = options(init).iter().find(|(letter, word, _)| [*letter, *word].contains(&option)).unwrap();
    if word.is_empty() { format!("-{letter}") } else { format!("--{word}") }
}

/// Reads a user and perhaps a group. The user must not be empty.
fn user(text: &[u8]) -> Option<Vec<u8>> {
    (!text.is_empty() && text[0] != b':').then(|| text.to_vec())
}

/// Applies a value that an option and its variable share.
fn value_of_rini(name: &str, text: &str, settings: &mut Settings) -> Option<()> {
    match name {
        "t" | "grace-period" | "RINI_GRACE_PERIOD" => settings.grace = Some(duration(text, 1_000_000)?),
        "stop-delay" | "RINI_STOP_DELAY" => settings.delay = Some(duration(text, 0)?).filter(|delay| *delay > 0),
        "stop-signals" | "RINI_STOP_SIGNALS" => {
            let mut signals = text.split(',').map(passing).collect::<Option<Vec<u8>>>()?;
            signals.sort_unstable();
            signals.dedup();
            settings.stop_signals = signals;
        }
        "after-exit" | "RINI_AFTER_EXIT" => {
            let action = text.to_ascii_lowercase();
            settings.after_exit = ["kill", "terminate", "wait"].into_iter().find(|known| *known == action)?;
        }
        // An empty path; others are no settings.
        "install" => return None,
        _ => panic!("{name}"),
    }
    Some(())
}

/// The wrong item of a list that rini refuses, if the list has several: the first item that is wrong alone.
fn wrong_item(init: Name, option: &str, list: &[u8]) -> Option<Vec<u8>> {
    let is_right: fn(&str) -> bool = match (init, option) {
        (_, "RINI_REMAP_EXIT") | (Name::Rini, "--remap-exit") => |item| remap(item).is_some(),
        (_, "RINI_REWRITE") | (Name::Rini, "--rewrite") => |item| rewrite(item).is_some(),
        (_, "RINI_STOP_SIGNALS") | (Name::Rini, "--stop-signals") => |item| passing(item).is_some(),
        _ => return None,
    };
    let items: Vec<&[u8]> = list.split(|byte| *byte == b',').collect();
    let wrong = items.iter().find(|item| !std::str::from_utf8(item).is_ok_and(is_right));
    wrong.filter(|_| items.len() > 1).map(|item| item.to_vec())
}

/// Panics if the message about an unknown option does not ask whether each option is meant that can be typed like that by one
/// mistake; or if it asks for one that has another length.
fn assert_asks_for_each_near_option(typed: &[u8], text: &str) {
    let name = typed.split(|byte| *byte == b'=').next().unwrap().to_ascii_lowercase();
    for option in options(Name::Rini).iter().map(|(_, word, _)| format!("--{word}")) {
        // What is left of each if the characters are taken in pairs of the same character, one of each.
        let mut others = name.clone();
        let mut missing = option.as_bytes().to_vec();
        missing.retain(|byte| others.iter().position(|other| other == byte).map(|at| others.remove(at)).is_none());
        let asks = text.contains(&format!(" (did you mean {option}?)"));
        assert!(asks || missing.len() > 1 || others.len() > 1, "{text:?}: no {option}");
        assert!(!asks || name.len().abs_diff(option.len()) <= 1, "{text:?}: {option} has another length");
    }
}

/// rini's options in the same form. The rules are listed by their effect on each signal and each code.
fn settings_of(options: &Options) -> Settings {
    let Options {
        program,
        process_group,
        session,
        stop_on_stdin_close,
        subreaper,
        warn_on_reap,
        remap,
        policy,
        verbosity,
        user,
        name: _,
    } = options;
    let all = || (1..=64_u8).map(|number| (number, Signal::from_number(number.into()).unwrap()));
    let nanoseconds = |span: Duration| u128::from(span.as_secs()) * 1_000_000_000 + u128::from(span.subsec_nanos());
    Settings {
        program: *program,
        process_group: *process_group,
        session: *session,
        stop_on_stdin_close: *stop_on_stdin_close,
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
        stop_signals: all().filter(|(_, signal)| policy.stop_signals.contains(*signal)).map(|(n, _)| n).collect(),
        parent_death_signal: policy.parent_death_signal.map(Signal::number),
        rewrites: all()
            .filter(|(_, signal)| policy.rewrite.has_rule(*signal))
            .map(|(n, signal)| (n, policy.rewrite.apply(signal).map_or(0, Signal::number)))
            .collect(),
        remaps: (0..=255).map(|code| (code, remap.apply(code))).filter(|(code, to)| code != to).collect(),
        log: level(verbosity.0.as_str()).unwrap(),
        user: user.map(<[u8]>::to_vec),
    }
}

/// The characters that change the direction of a text (Unicode's Bidi_Control), and the separators of lines and paragraphs.
const HIDDEN: &str =
    "\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";

/// A word in quotes, as messages show it: an escape replaces whatever is no printable text, and a long word is shortened in its
/// middle.
fn quoted(word: &[u8]) -> String {
    let half = 240;
    if word.len() <= 2 * half {
        return format!("\"{}\"", escaped(word));
    }
    format!("\"{}[...]{}\"", escaped(&word[..half]), escaped(&word[word.len() - half..]))
}

fn escaped(word: &[u8]) -> String {
    let mut text = String::new();
    for chunk in word.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => text.extend(['\\', c]),
                '\n' => text += "\\n",
                '\r' => text += "\\r",
                '\t' => text += "\\t",
                c if c.is_control() => text += &format!("\\x{:02X}", u32::from(c)),
                c if HIDDEN.contains(c) => text += &format!("\\u{{{:04X}}}", u32::from(c)),
                c => text.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| text += &format!("\\x{byte:02X}"));
    }
    text
}

/// What rini does with a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// rini accepts it.
    Started,
    /// rini prints the help, the version or the license.
    Printed,
    /// rini refuses it with this message.
    Refused(Answer),
}

fn leak(bytes: &[u8]) -> &'static OsStr {
    OsStr::from_bytes(bytes.to_vec().leak())
}

/// Reads words, of which the first is `argv[0]`, and variables, each as `NAME=value`. Panics if rini does not do what the
/// documentation says.
pub fn read_words(words: &[&[u8]], environment: &[&[u8]]) -> Outcome {
    let argv: Vec<&'static OsStr> = words.iter().map(|word| leak(word)).collect();
    let environ: Vec<&'static OsStr> = environment.iter().map(|entry| leak(entry)).collect();
    // getenv(3) looks variables up in this way.
    let find = |name: &[u8]| environ.iter().find_map(|entry| entry.as_bytes().strip_prefix(name)?.strip_prefix(b"="));
    let personality = Personality::of_name(argv[0]);
    let parse = |argv: &[&'static OsStr]| {
        let (mut options, mut subject) = (Options::default(), Subject::of(personality));
        let variable = |name: &[u8]| find(name).map(OsStr::from_bytes);
        match command_line::parse(personality, &|index| argv.get(index).copied(), &variable, &mut options, &mut subject)
        {
            Ok(()) => Ok(options),
            Err(message) => Err((message, personality.catalog.text(subject.message(message)))),
        }
    };
    let parsed = parse(&argv);
    assert_eq!(parse(&argv), parsed, "the same words mean the same");
    let expected = expect(words, &|name| find(name.as_bytes()));
    let init = find_name(words[0]);
    match parsed {
        Ok(options) => {
            assert_eq!(Ok(settings_of(&options)), expected);
            assert_eq!(options.name, options.program.map_or(&b""[..], |at| words[at]));
            // The program's own words change nothing.
            if let Some(first) = options.program {
                let begun: Vec<_> = argv[..=first].to_vec();
                assert_eq!(parse(&begun).as_ref(), Ok(&options), "the program's arguments do not matter");
                let more = [&begun[..], &["--help", "--", "-x", "\n"].map(OsStr::new)].concat();
                assert_eq!(parse(&more).as_ref(), Ok(&options), "whatever they are");
            }
            // A duration in a message can be used as a value again.
            for span in [options.policy.grace, options.policy.delay].into_iter().flatten() {
                let text = span.to_string();
                let whole = span.subsec_nanos() % 1_000_000 == 0;
                let back = if text == "less than 1ms" { None } else { duration(&text, 0) };
                let wanted = u128::from(span.as_secs()) * 1000 + u128::from(span.subsec_nanos() / 1_000_000);
                assert!(back.is_none_or(|back| back == wanted * 1_000_000), "{text}");
                assert!(back.is_some() || !whole, "{text}");
            }
            Outcome::Started
        }
        Err((message, text)) => {
            let Err(refusal) = expected else { panic!("{text:?}, and not {expected:?}") };
            let item = match &refusal {
                Refusal::Variable(name, list) => wrong_item(init, name, list),
                Value(option, list) => wrong_item(init, option, list),
                _ => None,
            };
            let (wanted, names, value): (&[Answer], Vec<u8>, Option<&[u8]>) = match &refusal {
                Refusal::Variable(name, list) if item.is_some() => {
                    (&[Answer::BadItem], name.as_bytes().into(), Some(list))
                }
                Value(option, list) if item.is_some() => (&[Answer::BadItem], option.as_bytes().into(), Some(list)),
                Help => (&[Answer::Help], vec![], None),
                Version => (&[Answer::Version], vec![], None),
                License => (&[Answer::License], vec![], None),
                Install => (&[Answer::Install], vec![], None),
                NoProgram => (&[Answer::NoProgram], vec![], None),
                ProgramAndPause => (&[Answer::ProgramAndPause], b"--pause".into(), None),
                Reserved(name) => (&[Answer::Reserved], name.as_bytes().into(), None),
                Refusal::Variable(name, value) => (&[Answer::BadVariable], name.as_bytes().into(), Some(value)),
                Value(option, value) => (&[Answer::BadOption], option.as_bytes().into(), Some(value)),
                NoValue(option) => (&[Answer::NoValueOfLetter, Answer::NoValueOfWord], option.as_bytes().into(), None),
                TakesNone(option) => {
                    (&[Answer::LetterTakesNone, Answer::WordTakesNone], option.as_bytes().into(), None)
                }
                Unknown(typed) => (&[Answer::NoLetter, Answer::NoWord], vec![], Some(typed)),
                Ambiguous(_) => (&[Answer::Ambiguous], vec![], None),
            };
            assert!(wanted.contains(&message), "{message:?} {text:?}, and not {refusal:?}");
            let printable = text.chars().all(|c| c == '\n' || !c.is_control());
            assert!(printable, "no control character comes through: {text:?}");
            if [Answer::Help, Answer::Version, Answer::License, Answer::Install].contains(&message) {
                assert_eq!(text.is_empty(), message == Answer::Install);
                return Outcome::Printed;
            }
            // The other inits have messages of their own for other cases.
            if init == Name::Rini || matches!(refusal, Refusal::Variable(..) | Reserved(_)) {
                assert!(!text.is_empty() && !text.contains('\n'), "one line: {text:?}");
                assert!(
                    text.as_bytes().windows(names.len().max(1)).any(|part| part == names) || names.is_empty(),
                    "{text:?}"
                );
                if let Some(value) = value {
                    assert!(text.contains(&quoted(value)), "it shows {}: {text:?}", quoted(value));
                }
                // rini's part of the message is short, and a byte of the user takes at most four bytes as an escape.
                let users = value.map_or(0, <[u8]>::len) + item.as_ref().map_or(0, Vec::len);
                assert!(text.len() <= 250 + 4 * users, "{} bytes: {text:?}", text.len());
            }
            if init == Name::Rini && message == Answer::NoWord {
                assert_asks_for_each_near_option(value.unwrap(), &text);
            }
            if let (Some(value), Answer::BadVariable | Answer::BadItem) = (value, message) {
                let name = String::from_utf8_lossy(&names);
                let item = item.map_or(String::new(), |item| format!("{} in ", quoted(&item)));
                assert!(text.starts_with(&format!("{name}: {item}{} is not ", quoted(value))), "{text:?}");
            }
            Outcome::Refused(message)
        }
    }
}

/// Reads the command line and the environment that these bytes encode: the number of a name, the number of variables, and the
/// variables and the words, separated by zeros.
pub fn read(bytes: &[u8]) -> Outcome {
    let [name, count, strings @ ..] = bytes else { return Outcome::Refused(Answer::NoProgram) };
    let mut strings: Vec<&[u8]> = strings.split(|byte| *byte == 0).collect();
    let words = strings.split_off(usize::from(*count).min(strings.len()));
    let called = NAMES[usize::from(*name) % NAMES.len()].as_bytes();
    read_words(&[&[called], &words[..]].concat(), &strings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::fuzzed::{self, Random, is_long, kept, with};

    const HEADING: &str = "## Command lines and environments

{form} of `cargo test --release --bin rini any_words`. Each command line is read by rini, as it is from a real start, and by an independent \
reader that was written from the documentation; the two have to agree on every option, on where PROGRAM begins, and on what is refused \
and why; a refusal of rini's is one line that names the option or the variable and shows the value; what follows PROGRAM is \
never looked at. *Started*: accepted; *printed*: help, version or license; *refused*: with a message and exit code 1.

| What | How many | Started | Printed | Refused |
| --- | ---: | ---: | ---: | ---: |
";

    /// Words that are options, values, both or neither, right and wrong.
    const WORDS: &[&[u8]] = &[
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
        b"-u",
        b"-uapp:7",
        b"--user=",
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
        b"--stop-on-stdin-close",
        b"--stop-on-stdin-close=1",
        b"--install",
        b"--install=",
        b"--install=/x",
        b"--\xff\n",
        b"7",
        b"15:3",
        b"SIGTERM",
        b"prog",
        b"-\xc3",
    ];

    /// Variables, right and wrong.
    const VARIABLES: &[&[u8]] = &[
        b"RINI_PROCESS_GROUP=1",
        b"RINI_PROCESS_GROUP=Off",
        b"RINI_PROCESS_GROUP=",
        b"RINI_PROCESS_GROUP=2",
        b"RINI_SUBREAPER=yes",
        b"RINI_SUBREAPER=\xff",
        b"RINI_REMAP_EXIT=143,1:0,143:9",
        b"RINI_REMAP_EXIT=1,,2",
        b"RINI_REMAP_EXIT=256",
        b"RINI_LOG=Debug",
        b"RINI_LOG= INFO ",
        b"RINI_LOG=rini=debug",
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
        b"RINI_AFTER_EXIT=waits",
        b"RINI_REWRITE=TERM:QUIT,HUP:0",
        b"RINI_REWRITE=TSTP:TSTP,15:9,TERM:HUP",
        b"RINI_REWRITE=KILL:TERM",
        b"RINI_STOP_ON_STDIN_CLOSE=on",
        b"RINI_STOP_ON_STDIN_CLOSE=x",
        b"RINI_INSTALL=/x",
        b"RINI_USER=app:web",
        b"RINI_USER=:7",
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
        b"=1",
    ];

    #[derive(Default)]
    struct Tally {
        all: u64,
        started: u64,
        printed: u64,
        refused: u64,
    }

    impl Tally {
        fn count(&mut self, outcome: Outcome) {
            self.all += 1;
            *match outcome {
                Outcome::Started => &mut self.started,
                Outcome::Printed => &mut self.printed,
                Outcome::Refused(_) => &mut self.refused,
            } += 1;
        }

        /// Reports the counts. Each has to be at least this large, or the words were a bad choice.
        fn report(&self, what: &str, least: u64) {
            let Tally { all, started, printed, refused } = self;
            assert!(started.min(printed).min(refused) >= &least, "{what}: {started}, {printed}, {refused}");
            fuzzed::report("command_line", HEADING, what, &format!("{all} | {started} | {printed} | {refused}"));
        }
    }

    /// The amount of work: for a debug build, which takes ten times as long; for a release build; and for the long form.
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
        // In the long form only rini itself reads the longest ones: the words are leaked, and fill a gigabyte.
        let most = size(2, 3, 4);
        let mut tally = Tally::default();
        let mut sequences: Vec<Vec<&[u8]>> = vec![vec![]];
        for length in 0..=most {
            for name in 0..if length == 4 { 1 } else { 7 } {
                for sequence in &sequences {
                    tally.count(with(&bytes(name, &[], sequence), read));
                }
            }
            if length < most {
                let longer = |sequence: &Vec<&'static [u8]>| {
                    WORDS.iter().map(|word| [&sequence[..], &[*word]].concat()).collect::<Vec<_>>()
                };
                sequences = sequences.iter().flat_map(longer).collect();
            }
        }
        tally.report(&format!("each sequence of up to {most} of {} words, under each of 7 names", WORDS.len()), 100);
    }

    /// libFuzzer found an Arabic letter mark that the reader above did not escape.
    #[test]
    fn a_refused_value_is_shown_with_escapes_and_shortened() {
        let long = "\u{e4}".repeat(241);
        for value in [HIDDEN, "\u{85}\u{1b}\u{7f}", "\u{a0}\u{2027}\u{202f}", &long[..480], &long] {
            for list in [value.as_bytes(), &[value.as_bytes(), b",TERM:QUIT"].concat()] {
                for line in [
                    bytes(0, &[&[b"RINI_REWRITE=", list].concat()], &[b"prog"]),
                    bytes(0, &[], &[b"-r", list, b"prog"]),
                ] {
                    let outcome = with(&line, read);
                    let refused = [Answer::BadVariable, Answer::BadOption, Answer::BadItem].map(Outcome::Refused);
                    assert!(refused.contains(&outcome), "{outcome:?}");
                }
            }
        }
    }

    /// Tries each pair of variables in both orders, with a program, and with options that take precedence over both.
    #[test]
    fn every_pair_of_variables_is_read_as_documented() {
        let mut tally = Tally::default();
        let lines: [&[&[u8]]; 3] =
            [&[b"prog"], &[b"-gv", b"prog"], &[b"-e1", b"-t9", b"-rUSR1:0", b"--stop-delay=0", b"--", b"-x"]];
        for name in 0..7 {
            for (one, other) in VARIABLES.iter().flat_map(|one| VARIABLES.iter().map(move |other| (one, other))) {
                for line in lines {
                    tally.count(with(&bytes(name, &[one, other], line), read));
                }
            }
            tally.count(with(&bytes(name, &[], &[b"-V"]), read));
        }
        tally.report(
            &format!("each pair of {} variables, with 3 command lines, under each of 7 names", VARIABLES.len()),
            3,
        );
    }

    /// Tries every short value of each kind, of the characters that durations, signals, codes and rules consist of.
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
        // Two options get the values after the beginning of a signal's name, because most short values are no signals.
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

    /// A random word. It may be broken: bytes are lost, doubled or changed.
    fn word(random: &mut Random) -> Vec<u8> {
        let own: [&[&[u8]]; 3] =
            [WORDS, VARIABLES, &[b"=", b",", b":", b"RTMIN+3", b"8760h", b"1ms", b"debug", b"terminate"]];
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
