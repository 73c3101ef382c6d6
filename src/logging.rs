//! Messages: a line each on standard error, and nowhere else; `rini: LEVEL text` in rini's own voice.
//!
//! No time stamp, as the engine adds one. A line that does not fit into a full pipe is dropped, and a closed or broken
//! standard error is no error: a message is never a reason for PID 1 to wait or to end.
//!
//! Most runs of rini never say anything. So the loudest level is all that is found out at the start; env_logger's filter is made
//! for the first message that is not above that.
#![forbid(unsafe_code)]

use crate::cli::{self, Verbosity};
use crate::sys::process;
use crate::text::Parts;
use crate::voice::Voice;
use env_logger::{Builder, Logger};
use log::{LevelFilter, Log, Metadata, Record};
use std::cell::Cell;
use std::mem;

// Of rini's one thread, as a static would have to be shared by all.
thread_local! {
    static FILTER: Cell<Option<&'static Logger>> = const { Cell::new(None) };
}

/// Sets the logger up, once.
pub fn init(verbosity: Verbosity, voice: &'static Voice) {
    let loudest = directives(verbosity).map(|(_, level)| level).max();
    log::set_max_level(loudest.unwrap_or(LevelFilter::Off));
    // The one error is that there is a logger already, and nobody else sets one.
    let _ = log::set_logger(Box::leak(Box::new(Lines { verbosity, voice })));
}

fn directives(verbosity: Verbosity) -> impl Iterator<Item = cli::Directive> {
    Parts::of(verbosity.0, b',').filter_map(cli::directive)
}

/// env_logger decides what is said; how and where is rini's affair. (env_logger's own way there is a thread-local
/// buffer with a destructor, behind which is a good part of std.)
struct Lines {
    verbosity: Verbosity,
    voice: &'static Voice,
}

impl Lines {
    /// (Not a part of its caller: env_logger sorts in a page of the stack.)
    #[inline(never)]
    fn build(&self) -> &'static Logger {
        let mut builder = Builder::new();
        directives(self.verbosity).for_each(|(module, level)| {
            builder.filter(module, level);
        });
        // What env_logger would write with: not used, and so not to be linked in.
        let filter = builder.format(|_, _| Ok(())).build();
        // It is empty now. Dropping it would do nothing, in half a kilobyte of code.
        mem::forget(builder);
        let filter = Box::leak(Box::new(filter));
        FILTER.set(Some(filter));
        filter
    }
}

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        FILTER.get().unwrap_or_else(|| self.build()).enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.voice.write_line(record.level(), process::own_pid().into(), record.args());
        }
    }

    fn flush(&self) {}
}
