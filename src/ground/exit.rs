//! How the main child ended, and the exit code for that.
//!
//! | code | meaning |
//! | --- | --- |
//! | 0 to 255 | the child's own exit code |
//! | 128 + n | the child was killed by signal n, 1 to 64 |
//! | 127 | the program was not found |
//! | 126 | the program was found and could not be executed |
//! | 1 | rini could not start: a bad option or value, no program, a refused fork |
//!
//! 126, 127 and 128 + n are the convention of the shell (POSIX, 2.8.2) and of tini. If a program cannot be executed,
//! the child ends with one of these codes, so `--remap-exit` applies to it, as in tini.
#![forbid(unsafe_code)]

use crate::ground::bytes;
use crate::ground::signal::Signal;

/// rini's own exit code if it cannot start.
pub const CANNOT_START: u8 = 1;
/// The child's exit code if its program was found and could not be executed.
pub const NOT_EXECUTABLE: u8 = 126;
/// The child's exit code if its program was not found.
pub const NOT_FOUND: u8 = 127;

/// The child's exit codes if its program could not be executed, by the errno of execve(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecCodes {
    /// ENOENT.
    pub not_found: u8,
    /// EACCES.
    pub not_permitted: u8,
    /// Any other errno.
    pub other: u8,
}

impl ExecCodes {
    /// The exit code for this errno.
    pub fn code_for(self, errno: i32) -> u8 {
        match errno {
            libc::ENOENT => self.not_found,
            libc::EACCES => self.not_permitted,
            _ => self.other,
        }
    }
}

/// How a process ended (waitid(2): `CLD_EXITED`; `CLD_KILLED` and `CLD_DUMPED`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// The process exited with this code.
    Exited(u8),
    /// This signal killed the process.
    Killed(Signal),
}

impl Status {
    /// The exit code that reports this end.
    pub const fn code(self) -> u8 {
        match self {
            Status::Exited(code) => code,
            Status::Killed(signal) => signal.number().saturating_add(128),
        }
    }
}

/// The rules of `--remap-exit CODE[:TO]`, in the given order: if the child's exit code is CODE, rini exits with TO.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remap(Vec<(u8, u8)>);

impl Remap {
    /// Adds a rule `CODE[:TO]` of numbers from 0 to 255. The default of TO is 0. A later rule for the same CODE wins.
    /// Returns false if `rule` is invalid.
    #[must_use]
    pub fn add(&mut self, rule: &[u8]) -> bool {
        let code = |digits: &[u8]| u8::try_from(bytes::number(digits)?).ok();
        let (from, to) = bytes::cut(rule, b':').unwrap_or((rule, b"0"));
        let Some((from, to)) = code(from).zip(code(to)) else { return false };
        self.insert(from, to);
        true
    }

    /// Adds the rule CODE:TO.
    pub fn insert(&mut self, code: u8, to: u8) {
        self.0.push((code, to));
    }

    /// The exit code instead of `code`. A rule never applies to the TO of another rule.
    pub fn apply(&self, code: u8) -> u8 {
        self.0.iter().rev().find(|(from, _)| *from == code).map_or(code, |(_, to)| *to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_maps_to_the_shell_s_code() {
        for code in 0..=255 {
            assert_eq!(Status::Exited(code).code(), code);
        }
        for n in 1..=64_u8 {
            assert_eq!(Status::Killed(Signal::from_number(n.into()).unwrap()).code(), 128 + n);
        }
    }

    #[test]
    fn remap_takes_every_code_to_every_code_and_leaves_the_others() {
        for from in 0..=255_u8 {
            for to in [0, 1, 143, 255] {
                let mut remap = Remap::default();
                assert!(remap.add(format!("{from}:{to}").as_bytes()));
                for code in 0..=255 {
                    assert_eq!(remap.apply(code), if code == from { to } else { code });
                }
            }
        }
    }

    #[test]
    fn remap_defaults_to_0_the_last_rule_wins_and_rules_do_not_chain() {
        let mut remap = Remap::default();
        assert_eq!(remap, Remap::default());
        for rule in ["143", "1:2", "2:3", "7:8", "7:9"] {
            assert!(remap.add(rule.as_bytes()));
        }
        assert_eq!([143, 1, 2, 7, 8].map(|c| remap.apply(c)), [0, 2, 3, 9, 8]);
    }

    #[test]
    fn remap_refuses_what_is_no_code_and_adds_nothing() {
        for text in ["", "256", "-1", "+1", "a", "1:", ":1", "1:256", "1:2:3", " 1", "1 ", "0x10", "1,2", "99999999999"]
        {
            let mut remap = Remap::default();
            assert!(!remap.add(text.as_bytes()), "{text:?}");
            assert_eq!(remap, Remap::default(), "{text:?}");
        }
    }
}
