//! Messages: `rini: LEVEL text` on standard error, a line each, and nowhere else.
//!
//! No time stamp, as the engine adds one. A line that does not fit into a full pipe is dropped, and a closed or broken
//! standard error is no error: a message is never a reason for PID 1 to wait or to end.
#![forbid(unsafe_code)]

use crate::cli::Verbosity;
use crate::sys::process;
use env_logger::{Builder, Target, WriteStyle};
use std::io::{self, Write};

/// Sets the logger up, once.
pub fn init(verbosity: &Verbosity) {
    let mut builder = Builder::new();
    match verbosity {
        Verbosity::Level(level) => builder.filter_level(*level),
        Verbosity::Filter(filter) => builder.parse_filters(filter),
    };
    builder
        .format(|line, record| writeln!(line, "rini: {} {}", record.level(), record.args()))
        .target(Target::Pipe(Box::new(StandardError)))
        .write_style(WriteStyle::Never);
    // The one error is that there is a logger already, and nobody else sets one.
    let _ = builder.try_init();
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
