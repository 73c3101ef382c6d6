//! Readers of the values of options and variables. They return None, or false, if a value is invalid.
#![forbid(unsafe_code)]

use crate::ground::bytes::{self, digits, strtol};
use crate::ground::exit::Remap;
use crate::ground::policy::AfterExit;
use crate::ground::signal::{Rewrite, Signal};
use crate::ground::time::Duration;

/// Reads a switch: `1`, `yes`, `true` or `on`, or `0`, `no`, `false` or `off`, in any case.
pub fn read_switch(value: &[u8]) -> Option<bool> {
    bytes::index_of_word(b"1 YES TRUE ON 0 NO FALSE OFF", value).map(|position| position < 4)
}

/// Reads an action for leftover processes, in any case.
pub fn read_after_exit(text: &[u8]) -> Option<AfterExit> {
    const ACTIONS: [AfterExit; 3] = [AfterExit::Kill, AfterExit::Terminate, AfterExit::Wait];
    bytes::index_of_word(b"KILL TERMINATE WAIT", text).and_then(|index| ACTIONS.get(index).copied())
}

/// Reads `10s`, `1500ms`, `2m`, `1h`, or a bare number of seconds, with up to six decimals and in any case. The duration has to
/// be at least `least` nanoseconds, and at most a year.
pub fn read_duration(text: &[u8], least: u64) -> Option<Duration> {
    const MOST: u64 = 365 * 24 * 3600 * 1_000_000_000;
    let (mut millionths, mut rest) = digits(text)?;
    let mut missing = 6_u32;
    let mut fraction = 0;
    if let Some(decimals) = rest.strip_prefix(b".".as_slice()) {
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
    // The first unit is empty.
    let nanoseconds = match bytes::index_of_word(b" S MS M H", rest)? {
        0 | 1 => 1000,
        2 => 1,
        3 => 60_000,
        _ => 3_600_000,
    };
    let total = millionths.checked_mul(nanoseconds)?;
    if (least..=MOST).contains(&total) { Some(Duration::from_nanos(total)) } else { None }
}

/// Whether tini's -p knows a signal by this name. It knows the first 31 signals except SIGSTKFLT, SIGIO and SIGPWR, by their full
/// names, and no second names.
pub fn is_signal_of_tini(signal: Signal, word: &[u8]) -> bool {
    !matches!(signal.number(), 16 | 29 | 30) && signal.name().is_some_and(|name| name.as_bytes() == word)
}

/// Adds a rule in tini's form: an exit code that becomes 0. tini reads it by strtol(3), so spaces and a sign may come first. An empty
/// text is 0.
pub fn add_remap_of_tini(rules: &mut Remap, text: &[u8]) -> bool {
    let number = if text.is_empty() { Some((0, text)) } else { strtol(text) };
    let code = number.filter(|(_, rest)| rest.is_empty()).and_then(|(number, _)| u8::try_from(number).ok());
    if let Some(code) = code {
        rules.insert(code, 0);
    }
    code.is_some()
}

/// Adds a rule in dumb-init's form: two signals, from 1 to 31, of which the second may be 0. dumb-init reads it by sscanf(3) as
/// `%d:%d`, so spaces and a sign may come before each number, and any text after them.
pub fn add_rewrite_of_dumb_init(rules: &mut Rewrite, text: &[u8]) -> bool {
    let rule = strtol(text).and_then(|(from, rest)| Some((from, strtol(rest.strip_prefix(b":".as_slice())?)?.0)));
    let Some((from @ 1..=31, to @ 0..=31)) = rule else { return false };
    let signal = |number: i64| Signal::from_number(i32::try_from(number).ok()?);
    if let Some(from) = signal(from) {
        rules.insert(from, signal(to));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("10S", 10_000),
            ("15Ms", 15),
            ("2M", 120_000),
            ("1H", 3_600_000),
        ] {
            assert_eq!(
                read_duration(text.as_bytes(), 0).map(|d| d.as_secs() * 1000 + d.subsec_nanos() / 1_000_000),
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
            "1sS",
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
            assert_eq!(read_duration(text.as_bytes(), 0), None, "{text:?}");
        }
    }

    fn signal(name: &[u8]) -> Option<Signal> {
        Signal::parse(name).filter(|signal| is_signal_of_tini(*signal, name))
    }

    #[test]
    fn tini_knows_28_signals() {
        let known: Vec<i32> =
            (1..=64).filter(|n| signal(Signal::from_number(*n).unwrap().to_string().as_bytes()).is_some()).collect();
        assert_eq!(known, (1..=31).filter(|n| ![16, 29, 30].contains(n)).collect::<Vec<_>>());
        for text in ["TERM", "sigterm", "SIGterm", "15", "SIG", "SIGRTMIN", "SIG15", "SIGPOLL", "SIGIOT", "SIGCLD", ""]
        {
            assert_eq!(signal(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn tini_reads_exit_codes_as_strtol_does() {
        for (text, code) in [("143", 143), ("", 0), (" 1", 1), ("+1", 1), ("007", 7), ("0", 0), ("-0", 0), ("255", 255)]
        {
            let mut rules = Remap::default();
            assert!(add_remap_of_tini(&mut rules, text.as_bytes()), "{text:?}");
            assert_eq!(rules.apply(code), 0, "{text:?}");
        }
        for text in ["256", "abc", "1 ", "-1", "+", "-", " ", "1:2", "0x1", "99999999999999999999"] {
            assert!(!add_remap_of_tini(&mut Remap::default(), text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn rules_are_read_as_sscanf_reads_them() {
        let rule = |text: &str| {
            let mut rules = Rewrite::default();
            add_rewrite_of_dumb_init(&mut rules, text.as_bytes()).then_some(rules)
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
