//! The foreground process group of the terminal. `sys` reads it, and the supervisor decides by it.
#![forbid(unsafe_code)]

/// The process group that is the terminal's foreground group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreground {
    /// The child's group.
    Child,
    /// rini's own group.
    Own,
    /// A group without processes, of a job that died while it had the terminal.
    Nobody,
    /// Another group, or there is no controlling terminal.
    Other,
}
