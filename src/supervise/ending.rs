//! The end of the main child, and then of rini.
#![forbid(unsafe_code)]

use crate::ground::bytes::Decimal;
use crate::ground::exit::{self, Status};
use crate::ground::foreground::Foreground;
use crate::ground::signal::Signal;
use crate::ground::time::Duration;
use crate::messages::diagnosis::{OutOfMemory, Suspicion};
use crate::messages::message::{self, LeftoverFate, LeftoverFateMessage};
use crate::observe::cgroup;
use crate::supervise::leftovers::LeftoverList;
use crate::supervise::runtime::{Role, Runtime, Tally};
use crate::sys::clock;
use crate::sys::process::{self, Pid};
use crate::sys::signals;
use crate::sys::terminal::Terminal;
use log::LevelFilter;

/// Reads what the kernel did for memory since it had killed so many processes. Without that count, the count of now
/// says nothing.
fn read_out_of_memory(kills_before: Option<u64>) -> Option<OutOfMemory> {
    let kills = cgroup::read_oom_kills()?.checked_sub(kills_before?).filter(|count| *count > 0)?;
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
        let explained = matches!(status, Status::Exited(_)) && child.exec_failed().unwrap_or_else(is_exec_code);
        if !explained {
            self.warn_of_unexpected_end(child.pid, status, lasted);
        }
        self.catalog.log_reaped(child.pid, status);
        self.tally.child = Some((child.pid, status, lasted));
        let stays = self.supervisor.policy.after_exit.stays();
        if stays {
            self.catalog.log(message::Ended { child: child.pid.into(), status: &status });
        }
        match self.role {
            // The deadline is over, and they are killed at once.
            _ if stays && self.has_sent_kill => (),
            _ if stays => self.log_leftovers(LeftoverFate::Awaited),
            Role::Pid1(_) if self.leftovers.has_signalled_group() => self.log_leftovers(LeftoverFate::EndWithGroup),
            Role::Pid1(_) => self.log_leftovers(LeftoverFate::Killed),
            Role::Subreaper | Role::Plain => self.log_leftovers(LeftoverFate::KeepRunning),
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

    /// Warns of an end that rini did not cause, and that looks like a crash or a kill for memory.
    fn warn_of_unexpected_end(&self, child: Pid, status: Status, lasted: Duration) {
        if let Some(suspicion) =
            Suspicion::of(status, self.has_sent_kill, lasted, || read_out_of_memory(self.oom_kills))
        {
            self.catalog.log(message::Suspect { child: child.into(), suspicion: &suspicion });
        } else if status != Status::Exited(0)
            && let Some(memory) = read_out_of_memory(self.oom_kills_at_start)
        {
            self.catalog.log(message::OthersKilledForMemory { kills: Decimal(memory.kills), memory: &memory });
        }
    }

    /// Names the leftover processes, if there are any. Without a living child of rini's there are none, and then rini
    /// does not read /proc.
    #[inline(never)]
    pub(super) fn log_leftovers(&self, fate: LeftoverFate) {
        // The loudest level of the message under any name.
        let level = if matches!(fate, LeftoverFate::Killed) { LevelFilter::Warn } else { LevelFilter::Info };
        if log::max_level() >= level
            && process::has_living_child()
            && let Some(list) = LeftoverList::read(self.role.pid1())
        {
            self.catalog.log(LeftoverFateMessage { name: fate, processes: &list });
        }
    }

    /// Logs the closing line and returns rini's exit code, which is the child's. rini may die by a signal here instead.
    pub(super) fn end_run(&mut self, status: Option<Status>) -> u8 {
        let Tally { started, child, signals, orphans } = self.tally;
        if let (None, Some(signal)) = (child, self.last_stop_signal) {
            self.catalog.log_pause_end(signal);
        }
        self.catalog.log_end(child, started, signals, orphans);
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
