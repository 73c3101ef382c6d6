//! Job control: whether the child is stopped by a signal, and which process group has the terminal.
//!
//! The first half reports changes to the supervisor, and the second half carries out its answers.
#![forbid(unsafe_code)]

use crate::ground::foreground::Foreground;
use crate::ground::signal::Signal;
use crate::messages::diagnosis::{Named, Reason};
use crate::messages::message;
use crate::observe::proc;
use crate::supervise::runtime::Runtime;
use crate::supervise::supervisor::Event;
use crate::sys::process::{self, Pid, RunChange};
use crate::sys::signals::{self, Received, Sender};
use crate::sys::terminal::Terminal;
use nix::errno::Errno;
use std::ops::ControlFlow;

impl Runtime {
    /// Whether the supervisor has to know now that the child was stopped. Without a terminal that matters only if rini
    /// would continue the child. It never does in rini's own group, whose job control belongs to the shell that started
    /// rini.
    pub(super) fn has_to_check_child(&self) -> bool {
        let has_group = self.child.as_ref().is_some_and(|child| child.group.is_some());
        self.supervisor.policy.terminal || has_group && (self.supervisor.undoes_stops() || self.undoes_background_stops)
    }

    /// Asks the kernel whether the child was stopped or continued, and passes that to the supervisor.
    pub(super) fn check_child_stopped(&mut self) -> ControlFlow<u8> {
        let Some(child) = self.child.as_ref().map(|child| child.pid) else { return ControlFlow::Continue(()) };
        match process::take_run_change(child) {
            Some(RunChange::Stopped(by)) => {
                self.handle_event(Event::ChildStopped { by, foreground: self.read_foreground(child) }, None)
            }
            Some(RunChange::Continued) => self.handle_event(Event::ChildContinued, None),
            Some(RunChange::Traced(signal)) => {
                self.detach_tracee(child, signal);
                ControlFlow::Continue(())
            }
            None => ControlFlow::Continue(()),
        }
    }

    /// Says which process group has the terminal.
    fn read_foreground(&self, child: Pid) -> Foreground {
        let terminal = if self.supervisor.policy.terminal { Terminal::open() } else { None };
        terminal.map_or(Foreground::Other, |terminal| terminal.foreground(child))
    }

    /// Whether rini keeps this signal from the child because it would stop the child for good. If rini cannot find out
    /// whether the child handles the signal, it forwards it, and later undoes the stop.
    pub(super) fn withholds_signal(&mut self, signal: Signal, received: &Received) -> bool {
        let Some(child) = self.child.as_ref().map(|child| child.pid) else { return false };
        // The kernel's own signal is for a reader or writer in the background. At a terminal a shell can continue rini.
        let could_be_undone = self.role.pid1().is_none() && self.supervisor.policy.terminal;
        if received.sender() == Sender::Kernel || could_be_undone || !self.supervisor.forwards_only_if_handled(signal) {
            return false;
        }
        let handled = proc::is_handled(child, signal);
        self.undoes_background_stops |= handled.is_none();
        let withholds = handled == Some(false);
        if withholds {
            let origin = &self.make_origin(signal, Some(received));
            self.catalog.log(message::Spared { origin, child: &Named(child) });
        }
        withholds
    }

    /// Suspends rini's own process group.
    ///
    /// PID 1 cannot be stopped from inside its namespace. It does not try, because that would only discard a pending
    /// SIGCONT. But if its group is from outside the namespace (`unshare --pid --fork`), a shell there can continue the
    /// group, and that SIGCONT reaches rini too.
    pub(super) fn suspend(&mut self, signal: Signal) -> ControlFlow<u8> {
        let outside = process::own_group_is_outside();
        let alone = self.role.pid1().is_some() && !outside;
        if !alone && (signals::stop_own_group(signal) || outside) {
            return ControlFlow::Continue(());
        }
        self.handle_event(Event::SuspendRefused, None)
    }

    /// Resumes the child's process group. If the shell has given the terminal back to rini, the child's group gets it.
    pub(super) fn resume(&self) {
        let Some(child) = &self.child else { return };
        if let Some(terminal) = Terminal::open()
            && matches!(terminal.foreground(child.pid), Foreground::Own | Foreground::Nobody)
        {
            terminal.give_to(child.pid);
        }
        let _ = process::kill_group(child.pid, Signal::CONT);
    }

    /// Ends the trace of a process that made rini its tracer (PTRACE_TRACEME), so that it goes on with the signal that
    /// it stopped for.
    pub(super) fn detach_tracee(&self, pid: Pid, signal: Option<Signal>) {
        match process::detach_tracee(pid, signal) {
            Ok(()) => self.catalog.log(message::TraceEnded { process: &Named(pid) }),
            // The process was killed in the meantime.
            Err(Errno::ESRCH) => (),
            Err(errno) => {
                self.catalog.log(message::CannotEndTrace { process: &Named(pid), reason: &Reason(errno) });
            }
        }
    }
}
