//! The settings on which the supervisor's decisions depend. The command line fills them in.
#![forbid(unsafe_code)]

use crate::ground::signal::{Rewrite, Signal, SignalSet};
use crate::ground::time::Duration;

/// What rini does about leftover processes after the child's end (`--after-exit`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AfterExit {
    /// rini exits. If it is PID 1, the kernel then kills them.
    #[default]
    Kill,
    /// rini asks the child's process group to end, and exits.
    TerminateGroup,
    /// rini asks them to end, and kills them at the end of the grace period.
    Terminate,
    /// rini waits until they end.
    Wait,
}

impl AfterExit {
    /// Whether rini stays until the leftover processes have ended.
    pub fn stays(self) -> bool {
        matches!(self, AfterExit::Terminate | AfterExit::Wait)
    }
}

/// The settings on which decisions depend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The signals that begin a stop.
    pub stop_signals: SignalSet,
    /// The stop delay: how long rini holds a stop signal back before it forwards it.
    pub delay: Option<Duration>,
    /// The grace period: how long after the forwarding rini kills the child.
    pub grace: Option<Duration>,
    /// The signals that rini forwards as other signals.
    pub rewrite: Rewrite,
    /// After rini has forwarded a SIGTSTP, SIGTTIN or SIGTTOU, rewritten or not, it stops itself too.
    pub stops_itself: bool,
    /// What rini does about leftover processes.
    pub after_exit: AfterExit,
    /// There is no child, and rini runs until a stop signal.
    pub pause: bool,
    /// The signal that the kernel sends when rini's parent dies. rini forwards it as any other signal. Without a child
    /// it begins a stop.
    pub parent_death_signal: Option<Signal>,
    /// rini and its child share a controlling terminal. Without one there is no job control.
    pub terminal: bool,
}
