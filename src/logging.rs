//! Messages: a line each on standard error, and nowhere else; `rini: LEVEL text` in rini's own voice.
//!
//! No time stamp, as the engine adds one. A line that does not fit into a full pipe is dropped, and a closed or broken
//! standard error is no error: a message is never a reason for PID 1 to wait or to end.
#![forbid(unsafe_code)]

use crate::cli::Verbosity;
use crate::sys::process;
use crate::voice::{Complaint, Voice};
use env_logger::{Builder, Target, WriteStyle};
use std::io::{self, Write};

/// Sets the logger up, once.
pub fn init(verbosity: &Verbosity, voice: &'static dyn Voice) {
    let mut builder = Builder::new();
    match verbosity {
        Verbosity::Level(level) => builder.filter_level(*level),
        Verbosity::Filter(filter) => builder.parse_filters(filter),
    };
    builder
        .format(move |to, record| writeln!(to, "{}", voice.line(record.level(), std::process::id(), record.args())))
        .target(Target::Pipe(Box::new(StandardError)))
        .write_style(WriteStyle::Never);
    // The one error is that there is a logger already, and nobody else sets one.
    let _ = builder.try_init();
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

/// Standard error that neither blocks nor fails.
struct StandardError;

impl Write for StandardError {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        process::write_to_stderr(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
