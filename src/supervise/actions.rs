//! The supervisor's actions, carried out by system calls and logged.
#![forbid(unsafe_code)]

use crate::ground::exit::Status;
use crate::ground::signal::Signal;
use crate::messages::diagnosis::{Named, Origin, Reason};
use crate::messages::message::{self, Discarded, DiscardedMessage};
use crate::supervise::runtime::{Role, Runtime};
use crate::supervise::supervisor::Event;
use crate::sys::clock;
use crate::sys::process;
use crate::sys::signals::{Received, Sender};
use nix::errno::Errno;
use std::ops::ControlFlow;

impl Runtime {
    /// Says which signal came, and from which sender. Without `received`, the sender counts as the kernel.
    pub(super) fn make_origin(&self, signal: Signal, received: Option<&Received>) -> Origin {
        let sender = received.map_or(Sender::Kernel, Received::sender);
        Origin { signal, sender, container: self.role.pid1().is_some() }
    }

    /// Forwards a signal to the child, or with --process-group to its group.
    ///
    /// A group gets it by kill(2), without the sender and the value, because the kernel queues these to single
    /// processes only.
    pub(super) fn forward_to_child(&mut self, signal: Signal, rewritten: Signal, received: Option<&Received>) {
        let Some(child) = self.child.as_ref().map(|child| child.pid) else { return };
        let begins_stop = self.supervisor.begins_stop(signal);
        if begins_stop && self.process_group {
            self.leftovers.record_group_signal(rewritten);
        }
        let received = self.find_received(signal, received);
        let origin = self.make_origin(signal, received);
        // If the child is in rini's own group, it gets the terminal's signals from the terminal, as rini does.
        let shares_group = self.child.as_ref().is_some_and(|child| child.group.is_none());
        let direct =
            shares_group && origin.sender == Sender::Kernel && rewritten == signal && signal.is_sent_by_terminal();
        let sent = if direct { Ok(()) } else { self.send_to_child(rewritten, received) };
        if begins_stop {
            self.stop_request.get_or_insert_with(|| (origin, clock::now()));
        }
        self.has_sent_kill |= rewritten == Signal::KILL;
        self.has_sent_interrupt |= matches!(rewritten, Signal::INT | Signal::QUIT);
        if !begins_stop {
            self.hint_at_stop_signals(&origin);
        }
        match sent {
            Ok(()) if direct => {
                self.catalog.log(message::Direct { origin: &origin, child: child.into() });
            }
            Ok(()) => {
                self.tally.signals = self.tally.signals.saturating_add(1);
                let by_rule = self.supervisor.policy.rewrite.has_rule(signal);
                self.catalog.log_forwarded(&origin, child, rewritten, by_rule);
            }
            Err(errno) => {
                let (child, reason) = (&Named(child), &Reason(errno));
                self.catalog.log(message::CannotForward { origin: &origin, child, reason });
            }
        }
    }

    /// Logs once for each signal that it from outside starts no stop, if the user has set how a stop goes: the STOPSIGNAL of an
    /// image may be such a signal.
    #[inline(never)]
    fn hint_at_stop_signals(&mut self, origin: &Origin) {
        let Origin { signal, sender, .. } = origin;
        let policy = &self.supervisor.policy;
        if !self.hinted.contains(*signal)
            && (policy.grace.is_some() || policy.delay.is_some())
            && *sender == Sender::Outside
            && !signal.is_for_job_control()
        {
            self.hinted.insert(*signal);
            self.catalog.log(message::StartsNoStop { signal });
        }
    }

    /// Finds the signal as rini received it. A signal that rini held back is forwarded at a later event.
    fn find_received<'a>(&'a self, signal: Signal, now: Option<&'a Received>) -> Option<&'a Received> {
        [now, self.delayed.as_ref()].into_iter().flatten().find(|received| received.signal() == Some(signal))
    }

    /// Forwards a signal to the leftover processes, by kill(2) as for a group.
    pub(super) fn forward_to_leftovers(&mut self, signal: Signal, rewritten: Signal, received: Option<&Received>) {
        self.log_leftovers_of_pause();
        let (origin, count) = match (self.find_received(signal, received), self.stop_request) {
            // This stop signal ended the child, and rini counted it then.
            (None, Some((origin, _))) if origin.signal == signal => (origin, 0),
            (received, _) => (self.make_origin(signal, received), 1),
        };
        self.stop_request.get_or_insert_with(|| (origin, clock::now()));
        if !self.leftovers.signal_all(rewritten) {
            return;
        }
        self.tally.signals = self.tally.signals.saturating_add(count);
        if rewritten == signal {
            self.catalog.log(message::ForwardedToLeftovers { origin: &origin });
        } else {
            self.catalog.log(message::ForwardedToLeftoversAs { origin: &origin, rewritten: &rewritten });
        }
    }

    /// Logs that rini does not forward a signal, because it would change nothing for any process.
    pub(super) fn log_discarded(&self, signal: Signal, received: Option<&Received>) {
        let name = match self.supervisor.begins_stop(signal) {
            true => Discarded::InStop,
            false if !self.supervisor.policy.pause => Discarded::AfterEnd,
            false => Discarded::InPause,
        };
        self.catalog.log(DiscardedMessage { name, origin: &self.make_origin(signal, received) });
    }

    /// Asks the leftover processes to end, by a SIGTERM of rini's own.
    pub(super) fn terminate_leftovers(&mut self) {
        self.log_leftovers_of_pause();
        let origin = Origin { signal: Signal::TERM, sender: Sender::Process(process::own_pid()), container: true };
        self.stop_request.get_or_insert_with(|| (origin, clock::now()));
        if self.leftovers.signal_all(Signal::TERM) {
            self.catalog.log(message::Terminating);
        }
    }

    /// After the child's end, asks its process group to end if the child led a session.
    pub(super) fn terminate_group(&self, rewritten: Option<Signal>) {
        if let Some(signal) = rewritten
            && self.session
        {
            let _ = self.leftovers.signal_group(signal);
        }
        let origin = self.make_origin(Signal::TERM, None);
        self.catalog.log_group_termination(&origin, rewritten, self.supervisor.policy.rewrite.has_rule(Signal::TERM));
    }

    /// Kills the child at the deadline, or with --process-group its group.
    ///
    /// As PID 1, and if it stays for leftover processes, rini kills the child alone. The others of the group are named, and end as
    /// soon as rini has reaped the child. A rini that adopts no orphans cannot reach them then.
    pub(super) fn kill_child(&mut self) -> ControlFlow<u8> {
        let Some(pid) = self.child.as_ref().map(|child| child.pid) else { return ControlFlow::Continue(()) };
        let is_alone = match self.role {
            Role::Pid1(_) => true,
            Role::Subreaper => self.supervisor.policy.after_exit.stays(),
            Role::Plain => false,
        };
        let killed = if is_alone { process::kill(pid, Signal::KILL) } else { self.send_to_child(Signal::KILL, None) };
        match killed {
            Ok(()) => {
                self.has_sent_kill = true;
                // The name is in /proc until rini reaps the child.
                self.catalog.log_killed(pid, self.stop_request);
            }
            // The child belongs to another user, for instance as a setuid program.
            Err(errno) => {
                self.catalog.log(message::CannotKill { process: &Named(pid), reason: &Reason(errno) });
                // The kernel kills the child with PID 1. In another role rini gives it up a second later.
                if self.role.pid1().is_some() {
                    return ControlFlow::Break(self.end_run(Some(Status::Killed(Signal::KILL))));
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Sends a signal to the child, or with --process-group to its group: as rini received it, or one of rini's own.
    pub(super) fn send_to_child(&self, signal: Signal, received: Option<&Received>) -> Result<(), Errno> {
        let Some(child) = self.child.as_ref().map(|child| child.pid) else { return Err(Errno::ESRCH) };
        // The child may have moved to another group, or not yet made the group of its session. If getpgid is forbidden
        // (seccomp), rini assumes that the child is still in its group: a signal that comes twice is worse than a lost
        // one.
        if self.process_group
            && process::kill_group(child, signal).is_ok()
            && process::group_of(child).unwrap_or(child) == child
        {
            return Ok(());
        }
        match received {
            Some(received) => received.forward_to(child, signal),
            None => process::kill(child, signal),
        }
    }

    /// Ends the wait for leftover processes if rini can signal none of them.
    pub(super) fn end_on_error(&mut self, signalled: Result<(), Errno>) -> ControlFlow<u8> {
        let Err(errno) = signalled else { return ControlFlow::Continue(()) };
        match errno {
            Errno::ESRCH => self.catalog.log(message::CannotSeeLeftovers),
            _ => self.catalog.log(message::CannotKillLeftovers { reason: &Reason(errno) }),
        }
        self.handle_event(Event::Helpless, None)
    }
}
