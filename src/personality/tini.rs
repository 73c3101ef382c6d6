//! tini 0.19, by its source and by Debian's package.
#![forbid(unsafe_code)]

use super::{Grammar, Means, OptionTable, Personality, RINI, options};
use crate::cli;
use crate::exit::{self, ExecCodes, Remap};
use crate::signal::Signal;
use crate::voice::Voice;

/// tini.
pub static TINI: Personality = Personality {
    names: "tini tini-static docker-init",
    options: options! {
        b'p' "" ParentDeathSignalOfTini,
        b'h' "" Help,
        b'v' "" Verbose,
        b'w' "" WarnOnReap,
        b'g' "" ProcessGroup,
        b'l' "" License,
        b'e' "" RemapExitOfTini,
        b's' "" Subreaper,
    },
    grammar: Grammar::VersionAlone,
    adopts: false,
    exec_codes: ExecCodes { not_found: exit::NOT_FOUND, not_permitted: exit::NOT_EXECUTABLE, other: 1 },
    voice: Voice::TINI,
    ..RINI
};

/// Whether tini's -p knows a signal by this name: the 31 but SIGSTKFLT, SIGIO and SIGPWR, by their whole names, and no
/// second ones.
pub fn knows(signal: Signal, word: &[u8]) -> bool {
    !matches!(signal.number(), 16 | 29 | 30) && signal.name().is_some_and(|name| name.as_bytes() == word)
}

/// tini's -e: a number as strtol(3) reads it, which takes blanks and a sign before it, and nothing at all for 0.
pub fn remap(rules: &mut Remap, text: &[u8]) -> bool {
    let number = if text.is_empty() { Some((0, text)) } else { cli::strtol(text) };
    let code = number.filter(|(_, rest)| rest.is_empty()).and_then(|(number, _)| u8::try_from(number).ok());
    if let Some(code) = code {
        rules.insert(code, 0);
    }
    code.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(name: &[u8]) -> Option<Signal> {
        Signal::parse(name).filter(|signal| knows(*signal, name))
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
            assert!(remap(&mut rules, text.as_bytes()), "{text:?}");
            assert_eq!(rules.apply(code), 0, "{text:?}");
        }
        for text in ["256", "abc", "1 ", "-1", "+", "-", " ", "1:2", "0x1", "99999999999999999999"] {
            assert!(!remap(&mut Remap::default(), text.as_bytes()), "{text:?}");
        }
    }
}
