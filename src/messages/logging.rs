//! The logger: each message is a line on standard error, `rini: LEVEL text` under rini's own name.
//!
//! A line has no time stamp, because the container engine adds one. After the start of the program, rini drops a line that does not
//! fit into a full pipe, and ignores a closed or broken standard error: PID 1 must not wait or end because of a message.
//!
//! All messages have the same module, so a filter comes down to a level. rini computes that level at the start, because there may
//! be no memory for it later.
#![forbid(unsafe_code)]

use crate::ground::bytes::{Decimal, Parts};
use crate::messages::catalog::{Catalog, TARGET};
use crate::messages::filter::{self, Verbosity};
use crate::sys::process;
use env_logger::Builder;
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::mem;

/// Sets up the logger. Call it once.
pub fn init(verbosity: Verbosity, catalog: &'static Catalog) {
    log::set_max_level(read_level(verbosity));
    // The only error is that there is a logger already.
    let _ = log::set_logger(Box::leak(Box::new(Lines(catalog))));
}

/// Reads the level down to which rini logs.
fn read_level(verbosity: Verbosity) -> LevelFilter {
    match filter::read_directive(verbosity.0) {
        Some((None, level)) => level,
        _ => read_level_of_list(verbosity),
    }
}

/// Does the same for a list, with env_logger. (A function of its own, because env_logger sorts in a page of the stack (size: 29).)
#[inline(never)]
fn read_level_of_list(verbosity: Verbosity) -> LevelFilter {
    let mut builder = Builder::new();
    for (module, level) in Parts::of(verbosity.0, b',').filter_map(filter::read_directive) {
        builder.filter(module, level);
    }
    // An own format keeps env_logger's writer out of the link (size: 26).
    let filter = builder.format(|_, _| Ok(())).build();
    let is_logged = |level: &Level| filter.enabled(&Metadata::builder().target(TARGET).level(*level).build());
    let levels = [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
    let loudest = levels.into_iter().rfind(is_logged).map_or(LevelFilter::Off, |level| level.to_level_filter());
    // To free them would be half a kilobyte of code (size: 27).
    mem::forget((builder, filter));
    loudest
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
