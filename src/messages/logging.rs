//! The logger: each message is a line on standard error, `rini: LEVEL text` under rini's own name.
//!
//! A line has no time stamp, because the container engine adds one. After the start of the program, rini drops a line that does not
//! fit into a full pipe, and ignores a closed or broken standard error: PID 1 must not wait or end because of a message.
#![forbid(unsafe_code)]

use crate::ground::bytes::Decimal;
use crate::messages::catalog::Catalog;
use crate::sys::process;
use log::{LevelFilter, Log, Metadata, Record};

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

/// Sets up the logger. Call it once.
pub fn init(verbosity: Verbosity, catalog: &'static Catalog) {
    log::set_max_level(verbosity.0);
    // The only error is that there is a logger already.
    let _ = log::set_logger(Box::leak(Box::new(Lines(catalog))));
}

/// Writes each record as a line.
struct Lines(&'static Catalog);

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        let author = Decimal::from(process::own_pid());
        self.0.write_log_line(record.level(), author, record.args());
    }

    fn flush(&self) {}
}
