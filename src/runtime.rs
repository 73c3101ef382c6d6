//! The loop: wait for a signal, tell the supervisor, do what it says, reap. It cannot fail.
//!
//! It blocks in one place, the wait for a signal, and wakes for nothing else but the supervisor's deadline. Until the
//! child is reaped its pid is the child's: [`Child`] owns that pid, and is given up at the reap.
#![forbid(unsafe_code)]

use crate::cli::Options;
use crate::diagnosis::{Named, Origin};
use crate::exit::{self, Status};
use crate::signal::Signal;
use crate::supervisor::{Action, Event, Foreground, Supervisor};
use crate::sys::process::{self, Change, Children, Pid};
use crate::sys::signals::{self, Patience, Received, Sender};
use crate::sys::spawn::{Report, Spawned};
use crate::sys::terminal::Terminal;
use nix::errno::Errno;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

/// What rini is to the processes around it; decided once, at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The init of a PID namespace: the kernel gives it every orphan, and ends the namespace with it.
    Pid1,
    /// Somewhere else in a process tree: the kernel gives it its descendants' orphans.
    Subreaper,
    /// Neither: orphans go to another process.
    Plain,
}

/// The child, from its fork to its reap: as long as there is a `Child`, its pid is its own.
struct Child {
    pid: Pid,
    report: Report,
}

/// How many changes of children are taken before signals are looked at again: a program that makes orphans faster than
/// they can be reaped must not keep a stop signal waiting.
const BATCH: u32 = 256;

/// Everything that the loop works with.
pub struct Runtime {
    child: Option<Child>,
    supervisor: Supervisor,
    role: Role,
    options: Options,
    /// The shutdown signal that is being held back.
    delayed: Option<Received>,
    /// The first shutdown signal that was forwarded, and when.
    asked: Option<(Origin, Instant)>,
}

impl Runtime {
    /// The child has been forked. From here on there is no error.
    pub fn new(spawned: Spawned, role: Role, options: Options) -> Runtime {
        let child = Child { pid: spawned.pid, report: spawned.report };
        log::debug!("started pid {}", child.pid);
        // What rini holds of the container's would be held as long as the container runs: a file deleted and not freed,
        // a pipe without an end, a mount that cannot be unmounted. The child has its own copies.
        process::close_from_3();
        let _ = std::env::set_current_dir(Path::new("/"));
        let supervisor = Supervisor::new(options.policy.clone());
        Runtime { child: Some(child), supervisor, role, options, delayed: None, asked: None }
    }

    /// Runs until the child has ended; returns rini's exit code.
    pub fn run(mut self) -> u8 {
        let mut blind = false;
        loop {
            let more = match self.reap(blind) {
                ControlFlow::Continue(more) => more,
                ControlFlow::Break(code) => return code,
            };
            let patience = match self.supervisor.deadline() {
                _ if more => Patience::None,
                Some(deadline) => Patience::Until(deadline),
                None => Patience::Endless,
            };
            let received = match signals::wait(patience) {
                Ok(received) => received,
                Err(errno) => {
                    // Nothing that a retry would mend. The child's end can still be waited for, and is.
                    if !blind {
                        log::error!("cannot wait for signals, so none is forwarded from now on: {}", errno.desc());
                    }
                    blind = true;
                    continue;
                }
            };
            let told = match received {
                Some(received) => self.receive(received),
                None => self.tell(Event::Tick, None),
            };
            if let ControlFlow::Break(code) = told {
                return code;
            }
        }
    }

    /// Takes what has happened to the children, and says whether there may be more of it. With `block`, waits for it.
    fn reap(&mut self, block: bool) -> ControlFlow<u8, bool> {
        log::trace!("looking for changes of children");
        for _ in 0..BATCH {
            match process::next_change(block) {
                Children::Unchanged => return ControlFlow::Continue(false),
                Children::Unknown(errno) => {
                    log::error!("cannot wait for the child: {}", errno.desc());
                    self.tell(Event::ChildLost, None)?;
                    return ControlFlow::Continue(false);
                }
                Children::Changed(pid, change) if self.child.as_ref().is_some_and(|child| child.pid == pid) => {
                    let event = match change {
                        Change::Ended(status) => Event::ChildEnded(status),
                        Change::Stopped(by) => Event::ChildStopped { by, foreground: self.foreground(pid) },
                        Change::Continued => Event::ChildContinued,
                    };
                    self.tell(event, None)?;
                }
                Children::Changed(pid, Change::Ended(status)) => {
                    let level = if self.options.warn_on_reap { log::Level::Warn } else { log::Level::Debug };
                    log::log!(level, "reaped orphan pid {pid}, which {status}");
                }
                Children::Changed(_, Change::Stopped(_) | Change::Continued) => (),
            }
        }
        ControlFlow::Continue(true)
    }

    fn receive(&mut self, received: Received) -> ControlFlow<u8> {
        match received.signal() {
            Some(Signal::CHLD) => {
                log::trace!("SIGCHLD, for rini itself");
                self.tell(Event::Tick, None)
            }
            Some(signal) => {
                // Whether the child is stopped matters for a shutdown, and SIGCHLD may be waiting behind this signal:
                // the kernel hands out the lowest number first.
                if self.supervisor.begins_shutdown(signal) {
                    self.reap(false)?;
                }
                self.tell(Event::Signal(signal), Some(received))
            }
            None => ControlFlow::Continue(()),
        }
    }

    /// Tells the supervisor what happened, and does what it says. A break is the end, with rini's exit code.
    fn tell(&mut self, event: Event, received: Option<Received>) -> ControlFlow<u8> {
        for action in self.supervisor.handle(event, Instant::now()) {
            match action {
                Action::Forward { signal, rewritten } => self.forward(signal, rewritten, received),
                Action::Delay(signal) => {
                    self.delayed = received;
                    let origin = self.origin(signal, received);
                    log::info!("{origin}, held back for {:?}", self.options.policy.delay.unwrap_or_default());
                }
                Action::Continue => self.send(Signal::CONT),
                Action::Kill => self.kill(),
                Action::Suspend(signal) => self.suspend(signal)?,
                Action::Resume => self.resume(),
                Action::Finish(status) => return ControlFlow::Break(self.finish(status)),
            }
        }
        ControlFlow::Continue(())
    }

    fn origin(&self, signal: Signal, received: Option<Received>) -> Origin {
        let sender = received.map_or(Sender::Kernel, |received| received.sender());
        Origin { signal, sender, container: self.role == Role::Pid1 }
    }

    /// Passes a signal on: to the child, or with --process-group to its group.
    ///
    /// A group gets it by kill(2), without the sender and the value: the kernel queues those to single processes only.
    fn forward(&mut self, signal: Signal, rewritten: Signal, received: Option<Received>) {
        let Some(child) = &self.child else { return };
        // One that was held back comes with a later event, or with none.
        let of_signal = |received: &Received| received.signal() == Some(signal);
        let received = received.filter(of_signal).or(self.delayed.filter(of_signal));
        let sent = self.deliver(child, rewritten, || match &received {
            Some(received) => received.forward_to(child.pid, rewritten),
            None => process::kill(child.pid, rewritten),
        });
        let origin = self.origin(signal, received);
        if self.supervisor.begins_shutdown(signal) && self.asked.is_none() {
            self.asked = Some((origin, Instant::now()));
        }
        match sent {
            Ok(()) if rewritten == signal => log::info!("{origin}, forwarded to pid {}", child.pid),
            Ok(()) => log::info!("{origin}, forwarded to pid {} as {rewritten}", child.pid),
            Err(errno) => log::warn!("{origin}, cannot be forwarded to {}: {}", Named(child.pid), errno.desc()),
        }
    }

    /// Sends a signal of rini's own to the child, or with --process-group to its group.
    fn send(&self, signal: Signal) {
        let Some(child) = &self.child else { return };
        let _ = self.deliver(child, signal, || process::kill(child.pid, signal));
    }

    /// Sends a signal to the child in the way of `alone`, or with --process-group to its group.
    fn deliver(&self, child: &Child, signal: Signal, alone: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
        if !self.options.process_group {
            return alone();
        }
        let sent = process::kill_group(child.pid, signal);
        // The child itself may have left for another group.
        if process::group_of(child.pid) == Ok(child.pid) { sent } else { alone() }
    }

    /// The grace period is over.
    fn kill(&self) {
        let Some(child) = &self.child else { return };
        let name = Named(child.pid).to_string();
        self.send(Signal::KILL);
        match &self.asked {
            Some((origin, since)) => {
                let waited = Duration::from_millis(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX));
                log::warn!("killed {name}, which was still there {waited:?} after {origin}");
            }
            None => log::warn!("killed {name}: the grace period is over"),
        }
    }

    /// Job control: hands the terminal on, where the shell has given it back to rini, and continues the child's group.
    fn resume(&self) {
        let Some(child) = &self.child else { return };
        if let Some(terminal) = Terminal::open()
            && terminal.is_ours()
        {
            terminal.give_to(child.pid);
        }
        let _ = process::kill_group(child.pid, Signal::CONT);
    }

    /// Job control: stops rini's own group.
    ///
    /// PID 1 cannot be stopped from inside its namespace, so it does not try: that would only take a pending SIGCONT
    /// away. But where its group is one outside (`unshare --pid --fork`), somebody there can continue that, and the
    /// SIGCONT comes here too.
    fn suspend(&mut self, signal: Signal) -> ControlFlow<u8> {
        let outside = process::own_group_is_outside();
        let alone = self.role == Role::Pid1 && !outside;
        if !alone && (signals::stop_own_group(signal) || outside) {
            return ControlFlow::Continue(());
        }
        self.tell(Event::SuspendRefused, None)
    }

    fn foreground(&self, child: Pid) -> Foreground {
        let terminal = if self.options.policy.terminal { Terminal::open() } else { None };
        terminal.map_or(Foreground::Other, |terminal| terminal.foreground(child))
    }

    /// The child has been reaped: its pid is given up, what it left is put in order, and its exit code is made rini's.
    fn finish(&mut self, status: Option<Status>) -> u8 {
        let Some((child, status)) = self.child.take().zip(status) else { return exit::CANNOT_START };
        let failure = match status {
            Status::Exited(exit::NOT_FOUND | exit::NOT_EXECUTABLE) => child.report.read(),
            _ => None,
        };
        match failure {
            Some(failure) => log::error!("{failure}"),
            None => log::info!("pid {} {status}", child.pid),
        }
        // A script that started rini goes on to use the terminal, and from a group in the background it could not.
        if self.role != Role::Pid1
            && self.options.policy.terminal
            && let Some(terminal) = Terminal::open()
            && terminal.foreground(child.pid) == Foreground::Child
        {
            terminal.take_back();
        }
        self.options.remap.apply(status.code())
    }
}
