//! The level down to which rini logs.
#![forbid(unsafe_code)]

use log::LevelFilter;

/// The level down to which rini logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verbosity(pub LevelFilter);

impl Verbosity {
    /// Everything but `trace`.
    pub const DEBUG: Verbosity = Verbosity(LevelFilter::Debug);

    /// Reads the name of a level, in any case, with or without blanks around it.
    pub fn parse(text: &[u8]) -> Option<Verbosity> {
        Some(Verbosity(str::from_utf8(text.trim_ascii()).ok()?.parse().ok()?))
    }

    /// Returns the level with this number in tini.
    pub fn from_number(number: i64) -> Verbosity {
        Verbosity(match number {
            0 => LevelFilter::Error,
            1 => LevelFilter::Warn,
            2 => LevelFilter::Info,
            3 => LevelFilter::Debug,
            // This includes negative numbers, because tini's number is unsigned.
            _ => LevelFilter::Trace,
        })
    }
}

impl Default for Verbosity {
    fn default() -> Verbosity {
        Verbosity(LevelFilter::Warn)
    }
}
