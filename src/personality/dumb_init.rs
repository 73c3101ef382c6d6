//! dumb-init 1.2.5, by its source and by Debian's package.
//!
//! Its child is the leader of a session of its own, which takes the terminal over, and signals go to the child's process
//! group; with `-c` neither. What its child leaves of that group is sent a last SIGTERM. SIGTSTP, SIGTTIN and SIGTTOU
//! stop dumb-init too, and reach a child with a session as SIGSTOP: the kernel spares an orphaned process group the
//! others.
#![forbid(unsafe_code)]

use super::{Means, OptionTable, Personality, RINI, Switch, Variable, options};
use crate::cli;
use crate::exit::ExecCodes;
use crate::signal::{Rewrite, Signal};
use crate::supervisor::AfterExit;
use crate::voice::{Message, Voice};

/// dumb-init.
pub static DUMB_INIT: Personality = Personality {
    names: "dumb-init",
    options: options! {
        b'h' "--help" Help,
        b'c' "--single-child" SingleChild,
        b'r' "--rewrite" RewriteOfDumbInit,
        b'v' "--verbose" Debug,
        b'V' "--version" Version,
    },
    cuts_words: true,
    switches: &[
        Variable { name: "DUMB_INIT_DEBUG", value: b'1', means: Switch::Debug, notice: Message::DebugIsOn },
        Variable { name: "DUMB_INIT_SETSID", value: b'0', means: Switch::SingleChild, notice: Message::NoSession },
    ],
    tini_verbosity: false,
    session: true,
    after_exit: AfterExit::TerminateGroup,
    stops_itself: true,
    exec_codes: ExecCodes { not_found: 2, not_permitted: 2, other: 2 },
    voice: Voice::DUMB_INIT,
    ..RINI
};

/// dumb-init's -r, as sscanf(3) reads "%d:%d": blanks and a sign before each number, and anything behind. The numbers
/// are 1 to 31, and 0 for none.
pub fn rewrite(rules: &mut Rewrite, text: &[u8]) -> bool {
    let rule = cli::strtol(text).and_then(|(from, rest)| Some((from, cli::strtol(rest.strip_prefix(b":")?)?.0)));
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
    fn rules_are_read_as_sscanf_reads_them() {
        let rule = |text: &str| {
            let mut rules = Rewrite::default();
            rewrite(&mut rules, text.as_bytes()).then_some(rules)
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
