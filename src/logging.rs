//! Messages: a line each on standard error, and nowhere else; `rini: LEVEL text` in rini's own voice.
//!
//! No time stamp, as the engine adds one. A line that does not fit into a full pipe is dropped, and a closed or broken
//! standard error is no error: a message is never a reason for PID 1 to wait or to end.
#![forbid(unsafe_code)]

use crate::cli::{self, Verbosity};
use crate::sys::process;
use crate::text::Parts;
use crate::voice::Voice;
use env_logger::{Builder, Logger};
use log::{Log, Metadata, Record};
use std::mem::{self, ManuallyDrop};

/// Sets the logger up, once. (Not a part of its caller: env_logger sorts in a page of the stack, and that should be of use
/// to others later.)
#[inline(never)]
pub fn init(verbosity: Verbosity, voice: &'static Voice) {
    let mut builder = Builder::new();
    for (module, level) in Parts::of(verbosity.0, b',').filter_map(cli::directive) {
        builder.filter(module, level);
    }
    // What env_logger would write with: not used, and so not to be linked in.
    let filter = builder.format(|_, _| Ok(())).build();
    // It is empty now. Dropping it would do nothing, in half a kilobyte of code.
    mem::forget(builder);
    log::set_max_level(filter.filter());
    // The one error is that there is a logger already, and nobody else sets one.
    let _ = log::set_logger(Box::leak(Box::new(Lines { filter: ManuallyDrop::new(filter), voice })));
}

/// env_logger decides what is said; how and where is rini's affair. (env_logger's own way there is a thread-local
/// buffer with a destructor, behind which is a good part of std.)
struct Lines {
    /// As long as rini lives.
    filter: ManuallyDrop<Logger>,
    voice: &'static Voice,
}

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.voice.write_line(record.level(), process::own_pid().into(), record.args());
        }
    }

    fn flush(&self) {}
}
