//! The messages about each event in a container's life, with their values.
#![forbid(unsafe_code)]

use crate::ground::bytes::Decimal;
use crate::ground::exit::Status;
use crate::ground::signal::Signal;
use crate::ground::time::Instant;
use crate::messages::catalog::Catalog;
use crate::messages::diagnosis::{Diagnosis, Named, Origin, Reason};
use crate::messages::message::{self, OddScript, OddScriptMessage};
use crate::messages::quote::Word;
use crate::sys::clock;
use crate::sys::exec_failure::{BYTE_ORDER_MARK, ExecFailure};
use crate::sys::process::{self, Pid};
use crate::sys::terminal::HandOff;
use nix::errno::Errno;

impl Catalog {
    /// Logs, in the child, that the program could not be executed, or what is odd about it.
    pub fn log_exec_failure(&self, program: &[u8], failure: &ExecFailure) {
        if failure.is_odd_script {
            let has_mark = failure.head.starts_with(BYTE_ORDER_MARK);
            let name = if has_mark { OddScript::ByteOrderMark } else { OddScript::Blank };
            return self.log(OddScriptMessage { name, file: &Word(failure.path) });
        }
        self.log(message::ExecFailed {
            child: Decimal::from(process::own_pid()),
            program: &Word(program),
            failure,
            diagnosis: &Diagnosis(failure),
            reason: &Reason(Errno::from_raw(failure.errno)),
        });
    }

    /// Logs whether rini left the terminal to the child's session.
    pub fn log_hand_off(&self, done: Result<HandOff, Errno>) {
        match done {
            Ok(HandOff::BySessionLeader) => self.log(message::DetachedAsLeader),
            Ok(HandOff::Alone) => self.log(message::Detached),
            Err(errno) => self.log(message::CannotDetach { errno: number_of(errno), reason: &Reason(errno) }),
        }
    }

    /// Logs, in the child, that it has a new session, and whether the session has the terminal.
    pub fn log_session(&self, terminal: Result<(), Errno>) {
        if let Err(errno) = terminal {
            self.log(message::CannotAttach { errno: number_of(errno), reason: &Reason(errno) });
        }
        self.log(message::Session);
    }

    /// Logs the start of the child.
    pub fn log_start(&self, child: Pid) {
        self.log(message::Started { child: child.into() });
    }

    /// Logs a signal that rini received.
    pub fn log_received(&self, signal: Signal) {
        self.log(message::Received { number: signal.number().into() });
    }

    /// Logs a signal that rini does not forward, because the kernel sent it when rini left the terminal.
    pub fn log_signal_of_hand_off(&self, signal: Signal) {
        self.log(message::SignalOfHandOff { signal: &signal, number: signal.number().into() });
    }

    /// Logs that a signal was forwarded to the child as `rewritten`. `by_rule`: a rewrite rule matched, even one that maps the
    /// signal to itself.
    pub fn log_forwarded(&self, origin: &Origin, child: Pid, rewritten: Signal, by_rule: bool) {
        let rewritten_number = Decimal::from(rewritten.number());
        let child = Decimal::from(child);
        self.log_rule(origin, by_rule, rewritten_number);
        if rewritten == origin.signal {
            self.log(message::Forwarded { origin, child, rewritten_number });
        } else {
            self.log(message::ForwardedAs { origin, child, rewritten: &rewritten, rewritten_number });
        }
    }

    /// Logs that a signal was not forwarded, because of a rewrite rule.
    pub fn log_dropped(&self, origin: &Origin) {
        self.log_rule(origin, true, Decimal(0));
        self.log(message::Dropped { origin });
    }

    /// Logs that rini sent `rewritten`, or nothing, to the child's process group instead of SIGTERM. (Only dumb-init does
    /// that, and its messages are those of a forwarded signal.)
    pub fn log_group_termination(&self, origin: &Origin, rewritten: Option<Signal>, by_rule: bool) {
        let rewritten_number = Decimal::from(rewritten.map_or(0, Signal::number));
        self.log_rule(origin, by_rule, rewritten_number);
        match rewritten {
            Some(_) => self.log(message::Forwarded { origin, child: Decimal(0), rewritten_number }),
            None => self.log(message::Dropped { origin }),
        }
    }

    fn log_rule(&self, origin: &Origin, by_rule: bool, rewritten_number: Decimal) {
        if by_rule {
            self.log(message::ByRule { number: origin.signal.number().into(), rewritten_number });
        }
    }

    /// Logs that an orphan was reaped. `loudly`: as a warning.
    pub fn log_orphan(&self, pid: Pid, status: Status, loudly: bool) {
        let orphan = Decimal::from(pid);
        if loudly {
            self.log(message::ReapedLoudly { orphan, status: &status });
        } else {
            self.log(message::Reaped { orphan, status: &status });
        }
        self.log_reaped(pid, status);
    }

    /// Logs that a process was reaped, as dumb-init does for the child and for orphans.
    pub fn log_reaped(&self, pid: Pid, status: Status) {
        let pid = Decimal::from(pid);
        match status {
            Status::Exited(code) => self.log(message::ChildExited { pid, code: code.into() }),
            Status::Killed(signal) => self.log(message::ChildKilled { pid, number: signal.number().into() }),
        }
    }

    /// Logs that rini killed a process, or that it may not. `request`: the stop signal that the process had got, and the time of
    /// it, or None if a rule dropped that signal.
    pub fn log_killed(&self, pid: Pid, request: Option<(Origin, Instant)>) {
        let process = &Named(pid);
        match request {
            // As PID 1 rini kills everything at once, and kill(2) passes over what it may not kill.
            _ if process::is_forbidden(pid) => self.log(message::CannotKill { process, reason: &Reason(Errno::EPERM) }),
            Some((origin, since)) => {
                let elapsed = &clock::now().since(since);
                self.log(message::KilledAfter { process, elapsed, origin: &origin });
            }
            None => self.log(message::Killed { process }),
        }
    }

    /// Logs that this stop signal ended the pause.
    pub fn log_pause_end(&self, signal: Signal) {
        match signal {
            Signal::TERM => self.log(message::PauseTerminated),
            Signal::INT => self.log(message::PauseInterrupted),
            _ => self.log(message::PauseEnded { signal: &signal }),
        }
    }
}

fn number_of(errno: Errno) -> Decimal {
    Decimal::from(errno as i32)
}
