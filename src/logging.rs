//! Messages: a line each on standard error, and nowhere else; `rini: LEVEL text` in rini's own voice.
//!
//! No time stamp, as the engine adds one. A line that does not fit into a full pipe is dropped, and a closed or broken
//! standard error is no error: a message is never a reason for PID 1 to wait or to end.
#![forbid(unsafe_code)]

use crate::cli::{self, Verbosity};
use crate::sys::process;
use crate::voice::{Complaint, Voice};
use env_logger::{Builder, Logger};
use log::{Log, Metadata, Record};

/// Sets the logger up, once.
pub fn init(verbosity: &Verbosity, voice: &'static dyn Voice) {
    let mut builder = Builder::new();
    match verbosity {
        Verbosity::Level(level) => {
            builder.filter_level(*level);
        }
        Verbosity::Filter(filter) => {
            for (module, level) in filter.split(',').filter_map(cli::directive) {
                builder.filter(module, level);
            }
        }
    }
    // What env_logger would write with: not used, and so not to be linked in.
    let filter = builder.format(|_, _| Ok(())).build();
    log::set_max_level(filter.filter());
    // The one error is that there is a logger already, and nobody else sets one.
    let _ = log::set_boxed_logger(Box::new(Lines { filter, voice }));
}

/// env_logger decides what is said; how and where is rini's affair. (env_logger's own way there is a thread-local
/// buffer with a destructor, behind which is a good part of std.)
struct Lines {
    filter: Logger,
    voice: &'static dyn Voice,
}

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let mut line = self.voice.line(record.level(), process::own_pid().as_raw().unsigned_abs(), record.args());
            line.push('\n');
            process::write_to_stderr(line.as_bytes());
        }
    }

    fn flush(&self) {}
}

/// Says what is wrong.
pub fn complain(complaint: &Complaint) {
    match complaint {
        Complaint::Message(text) => log::error!("{text}"),
        Complaint::Warning(text) => log::warn!("{text}"),
        // At every verbosity, as the command line and the exec are what the program is about.
        Complaint::Line(text) => process::write_to_stderr(format!("{text}\n").as_bytes()),
        Complaint::Text(text) => process::write_to_stderr(text.as_bytes()),
        Complaint::Nothing => (),
    }
}
