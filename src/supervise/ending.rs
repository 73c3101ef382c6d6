//! The end of the main child, and then of rini.
#![forbid(unsafe_code)]

use crate::ground::bytes::Decimal;
use crate::ground::exit::{self, Status};
use crate::ground::foreground::Foreground;
use crate::ground::signal::Signal;
use crate::ground::time::Duration;
use crate::messages::diagnosis::OutOfMemory;
use crate::messages::message::{Ending, EndingMessage, LeftoverFate, LeftoverFateMessage, Suspicion, SuspicionMessage};
use crate::observe::cgroup;
use crate::supervise::leftovers::LeftoverList;
use crate::supervise::runtime::{Role, Runtime, Tally};
use crate::sys::clock;
use crate::sys::process::{self, Pid};
use crate::sys::signals;
use crate::sys::terminal::Terminal;
use log::LevelFilter;

/// Reads what the kernel did for memory since it had killed so many processes. Without that count, the count of now
/// says nothing, and rini does not read it.
fn read_out_of_memory(kills_before: Option<u64>) -> Option<OutOfMemory> {
    let kills_before = kills_before?;
    let kills = cgroup::read_oom_kills()?.checked_sub(kills_before).filter(|count| *count > 0)?;
    Some(OutOfMemory { kills, limit: cgroup::read_memory_limit() })
}

impl Runtime {
    /// Gives up the pid of the child, which rini has reaped, logs how the child ended, and takes the terminal back.
    pub(super) fn handle_child_end(&mut self, status: Status) {
        let Some(child) = self.child.take() else { return };
        // If the exec failed, the child has logged why. Without shared memory, rini infers a failed exec from these
        // codes.
        let is_exec_code = || matches!(status, Status::Exited(exit::NOT_FOUND | exit::NOT_EXECUTABLE));
        // A silent rini needs no time, and makes another system call for it, the look for leftover processes.
        let is_timed = log::max_level() >= LevelFilter::Info || is_exec_code();
        let lasted = if is_timed { clock::now().since(self.tally.started) } else { Duration::default() };
        let exec_failed = child.exec_failed();
        let explained = matches!(status, Status::Exited(_)) && exec_failed.unwrap_or_else(is_exec_code);
        if !explained {
            self.warn_of_unexpected_end(child.pid, status, lasted);
        }
        self.catalog.log_reaped(child.pid, status);
        (self.tally.status, self.tally.lasted) = (status, lasted);
        let stays = self.supervisor.policy.after_exit.stays();
        match exec_failed {
            // No program ran.
            Some(true) => (),
            // rini may end much later, so the closing line is about rini.
            _ if stays => self.log_ending(Ending::Ended, child.pid),
            _ => self.tally.child = child.pid,
        }
        // At the deadline those for which rini stays are killed at once, and named then.
        if !(stays && self.has_sent_kill) {
            self.log_leftovers(self.fate_of_leftovers());
        }
        // A script that started rini uses the terminal next, and could not from a background group. While rini waits
        // for leftover processes, a ^C is for rini, in every role.
        let needs_terminal = self.role.pid1().is_none() || stays;
        if needs_terminal
            && self.supervisor.policy.terminal
            && let Some(terminal) = Terminal::open()
            && terminal.foreground(child.pid) == Foreground::Child
        {
            terminal.take_back();
        } else if child.group.is_some() {
            self.may_die_by_signal = false;
        }
    }

    /// What happens to leftover processes when the program has exited, or when a pause ends.
    fn fate_of_leftovers(&self) -> LeftoverFate {
        match self.role {
            _ if self.supervisor.policy.after_exit.stays() => LeftoverFate::Awaited,
            // The grace period is over, and no option gives them more of it.
            Role::Pid1(_) if self.has_sent_kill => LeftoverFate::EndAtDeadline,
            Role::Pid1(_) if self.leftovers.has_signalled_group() => LeftoverFate::EndWithGroup,
            Role::Pid1(_) => LeftoverFate::Killed,
            Role::Subreaper | Role::Plain => LeftoverFate::KeepRunning,
        }
    }

    /// In a pause, names the processes that its stop meets, once.
    pub(super) fn log_leftovers_of_pause(&self) {
        if self.supervisor.policy.pause && self.stop_request.is_none() {
            self.log_leftovers(self.fate_of_leftovers());
        }
    }

    /// Warns of an end that rini did not cause, and that looks like a crash or a kill for memory.
    fn warn_of_unexpected_end(&self, child: Pid, status: Status, lasted: Duration) {
        let suspicion = Suspicion::of(status, self.has_sent_kill, lasted, || read_out_of_memory(self.oom_kills));
        let others = || {
            let kills_before = self.oom_kills_at_start.filter(|_| status != Status::Exited(0));
            read_out_of_memory(kills_before).map(|memory| (Suspicion::OthersKilledForMemory, memory))
        };
        let Some((name, memory)) = suspicion.or_else(others) else { return };
        self.catalog.log(SuspicionMessage {
            name,
            child: child.into(),
            program: &self.program,
            kills: Decimal(memory.kills),
            memory: &memory,
            elapsed: &lasted,
        });
    }

    /// Names the leftover processes, if there are any. rini reads /proc only if there can be some.
    #[inline(never)]
    pub(super) fn log_leftovers(&self, fate: LeftoverFate) {
        // The loudest level of the message under any name.
        let is_loud = matches!(fate, LeftoverFate::Killed | LeftoverFate::EndAtDeadline);
        let pid1 = self.role.pid1();
        // `docker exec` and health checks start processes that are not rini's children. No option gives them more time, so
        // they alone are worth a line only to a reader of details: kill(2) of -1 looks at every process of the machine.
        let has_any = || match pid1.filter(|_| log::max_level() >= LevelFilter::Info) {
            Some(pid1) => pid1.has_company(),
            None => process::has_living_child(),
        };
        if log::max_level() >= if is_loud { LevelFilter::Warn } else { LevelFilter::Info }
            && has_any()
            && let Some(list) = LeftoverList::read(pid1)
        {
            self.catalog.log(LeftoverFateMessage { name: fate, processes: &list });
        }
    }

    /// Logs the end of the child, or the closing line.
    fn log_ending(&self, name: Ending, child: Pid) {
        let Tally { started, status, lasted, signals, orphans, .. } = self.tally;
        self.catalog.log(EndingMessage {
            name,
            child: child.into(),
            program: &self.program,
            status: &status,
            code: status.code().into(),
            elapsed: &if child.as_raw() == 0 { clock::now().since(started) } else { lasted },
            signals: Decimal(signals),
            orphans: Decimal(orphans),
        });
    }

    /// Logs the closing line and returns rini's exit code, which is the child's. rini may die by a signal here instead.
    pub(super) fn end_run(&mut self, status: Option<Status>) -> u8 {
        if let Some(signal) = self.last_stop_signal {
            self.catalog.log_pause_end(signal);
        }
        if !self.supervisor.policy.after_exit.stays() {
            self.log_leftovers_of_pause();
        }
        let child = self.tally.child;
        self.log_ending(if child.as_raw() == 0 { Ending::RiniEnded } else { Ending::Closing }, child);
        let code = status.map_or(exit::CANNOT_START, |status| self.remap.apply(status.code()));
        // A ^C went to the child's group only. The shell of a script around rini ends its script only if it got the
        // SIGINT itself and rini died by it. So rini sends the signal to its whole group, unless the child got it
        // through rini: then the sender meant rini alone.
        if let Some(Status::Killed(signal @ (Signal::INT | Signal::QUIT))) = status
            && self.may_die_by_signal
            && self.role.pid1().is_none()
            && code == Status::Killed(signal).code()
        {
            // rini may have waited long for leftover processes. By then nothing expects the signal any more.
            signals::die_by(signal, !self.has_sent_interrupt && !self.supervisor.policy.after_exit.stays());
        }
        code
    }
}
