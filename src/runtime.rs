//! The loop: wait for a signal, tell the supervisor, do what it says, reap. It cannot fail.
//!
//! It blocks in one place, the wait for a signal, and wakes for nothing else but the supervisor's deadline. Until the
//! child is reaped its pid is the child's: [`Spawned`] owns that pid, and is given up at the reap. What is left then is
//! [`Remaining`].
#![forbid(unsafe_code)]

use crate::cgroup;
use crate::cli::Options;
use crate::diagnosis::{Origin, OutOfMemory, Suspicion};
use crate::exit::{self, Remap, Status};
use crate::remaining::Remaining;
use crate::signal::{Signal, SignalSet};
use crate::supervisor::{Action, Event, Foreground, Supervisor, Target};
use crate::sys::clock;
use crate::sys::process::{self, Children, Pid, Pid1, Stop};
use crate::sys::signals::{self, Patience, Received, Sender};
use crate::sys::spawn::Spawned;
use crate::sys::terminal::{HandOff, Terminal};
use crate::time::{Duration, Instant};
use crate::voice::{Message, Part, Voice};
use nix::errno::Errno;
use std::mem;
use std::ops::ControlFlow;

/// What rini is to the processes around it; decided once, at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The init of a PID namespace: the kernel gives it every orphan, and ends the namespace with it.
    Pid1(Pid1),
    /// Somewhere else in a process tree: the kernel gives it its descendants' orphans.
    Subreaper,
    /// Neither: orphans go to another process.
    Plain,
}

/// How many changes of children are taken before signals are looked at again: a program that makes orphans faster than
/// they can be reaped must not keep a stop signal waiting.
const BATCH: u32 = 256;

/// Everything that the loop works with. What is used most is nearest to its beginning, where x86 has shorter instructions
/// for it.
#[repr(C)]
pub struct Runtime {
    voice: &'static Voice,
    /// The child, from its fork to its reap: as long as it is here, its pid is its own.
    child: Option<Spawned>,
    role: Role,
    process_group: bool,
    session: bool,
    warn_on_reap: bool,
    /// rini sent the child a SIGKILL, of its own or as a rewritten signal.
    killed: bool,
    /// The last shutdown signal that came.
    stopped_by: Option<Signal>,
    /// The shutdown signal that is being held back.
    delayed: Option<Box<Received>>,
    /// The first shutdown signal that was forwarded to the child, and when.
    asked: Option<(Origin, Instant)>,
    /// What asked what remains to end, and when.
    asked_remaining: Option<(Origin, Instant)>,
    tally: Tally,
    supervisor: Supervisor,
    remaining: Remaining,
    /// What the kernel has sent to rini for leaving its terminal to the child's session, or may still; nobody's but
    /// rini's.
    hand_off: SignalSet,
    /// The kernel's count of out-of-memory kills of others than the child, as far as it and rini can tell; until rini has
    /// looked, that of a new container, where this is one. None: nobody knows.
    oom_kills: Option<u64>,
    remap: Remap,
}

/// For the closing line.
struct Tally {
    started: Instant,
    /// How the child ended, after how long.
    child: Option<(Pid, Status, Duration)>,
    signals: u64,
    orphans: u64,
}

impl Role {
    fn pid1(self) -> Option<Pid1> {
        match self {
            Role::Pid1(pid1) => Some(pid1),
            Role::Subreaper | Role::Plain => None,
        }
    }
}

impl Runtime {
    /// The child has been forked; None: there is to be none. From here on there is no error. `hand_off` is how the
    /// terminal was left to the child's session, if so.
    pub fn new(
        voice: &'static Voice,
        child: Option<Spawned>,
        role: Role,
        options: &mut Options,
        hand_off: Option<HandOff>,
    ) -> Runtime {
        let started = clock::now();
        match &child {
            Some(child) => {
                voice.started(child.pid);
                signals::leave_room_for_forwarding();
            }
            None => {
                voice.say(Message::Paused, &[]);
            }
        }
        // What rini holds of the container's would be held as long as the container runs: a file deleted and not freed,
        // a pipe without an end, a mount that cannot be unmounted. The child has its own copies.
        process::close_from_3();
        process::leave_folder();
        Runtime {
            voice,
            remaining: Remaining::new(role.pid1(), child.as_ref().map(|child| child.pid)),
            supervisor: Supervisor::new(mem::take(&mut options.policy)),
            oom_kills: role.pid1().map(|_| 0),
            child,
            role,
            process_group: options.process_group,
            session: options.session,
            warn_on_reap: options.warn_on_reap,
            remap: mem::take(&mut options.remap),
            hand_off: match hand_off {
                Some(HandOff::BySessionLeader) => SignalSet::of([Signal::HUP, Signal::CONT]),
                Some(HandOff::Alone) | None => SignalSet::default(),
            },
            delayed: None,
            asked: None,
            asked_remaining: None,
            stopped_by: None,
            killed: false,
            tally: Tally { started, child: None, signals: 0, orphans: 0 },
        }
    }

    /// Runs until the child has ended; returns rini's exit code. (In a frame of its own: so what led to here is no longer on
    /// the stack.)
    #[inline(never)]
    pub fn run(&mut self) -> u8 {
        let (mut blind, mut received) = (false, Received::none());
        // Each change of a child is behind a SIGCHLD, also that it has come to rini as a zombie; and a look takes all that there
        // is. But at first there may be zombies from before rini's exec, of which no signal tells any more.
        let (mut look, mut first) = (true, true);
        loop {
            // Of what remains, some may have come to rini alive, and no signal tells of that.
            let looks = look || self.child.is_none();
            let reaped = if looks { self.reap(blind) } else { ControlFlow::Continue(false) };
            let reaped = match reaped {
                // Without the signals nobody can be asked to end, and no grace period runs out.
                ControlFlow::Continue(_) if blind && self.child.is_none() => {
                    self.tell(Event::Helpless, None).map_continue(|()| false)
                }
                reaped => reaped,
            };
            let more = match reaped {
                ControlFlow::Continue(more) => more,
                ControlFlow::Break(code) => return code,
            };
            // Not before the child is started: many a one is gone by now, and this takes a tenth of the time till then.
            if mem::take(&mut first) && self.child.is_some() {
                self.oom_kills = cgroup::oom_kills();
            }
            let patience = match self.supervisor.deadline() {
                _ if more => Patience::None,
                Some(deadline) => Patience::Until(deadline),
                None => Patience::Endless,
            };
            let taken = match signals::wait(patience, &mut received) {
                Ok(taken) => taken,
                Err(errno) => {
                    // Nothing that a retry would mend. The child's end can still be waited for, and is.
                    if !blind {
                        self.voice.say(Message::CannotWaitForSignals, &[Part::Reason(errno)]);
                    }
                    (blind, look) = (true, true);
                    continue;
                }
            };
            look = more || taken && received.signal() == Some(Signal::CHLD);
            if let ControlFlow::Break(code) = self.wake(taken.then_some(&received)) {
                return code;
            }
        }
    }

    /// Takes what has happened to the children, and says whether there may be more of it. With `block`, waits for it.
    fn reap(&mut self, block: bool) -> ControlFlow<u8, bool> {
        self.voice.say(Message::Looking, &[]);
        let mut said = false;
        for _ in 0..BATCH {
            let children = process::reap(block && self.child.is_some());
            // Here, where it is known to be so, and not with the SIGCHLD: the first may be found before that is taken.
            if matches!(children, Children::Ended(..)) && !said {
                self.voice.say(Message::ChildrenChanged, &[]);
                said = true;
            }
            match children {
                Children::Living => {
                    // Without a terminal they matter to nobody but a shutdown, which looks for itself.
                    if self.supervisor.policy.terminal {
                        self.look_at_stops()?;
                    }
                    return self.catch_up().map_continue(|()| false);
                }
                Children::Unknown(Errno::ECHILD) if self.child.is_none() => {
                    return self.tell(Event::NoChildren, None).map_continue(|()| false);
                }
                Children::Unknown(errno) => {
                    self.voice.say(Message::CannotWaitForChildren, &[Part::Reason(errno)]);
                    return self.tell(Event::Helpless, None).map_continue(|()| false);
                }
                Children::Ended(pid, status) if self.child.as_ref().is_some_and(|child| child.pid == pid) => {
                    self.child_ended(status);
                    self.tell(Event::ChildEnded(status), None)?;
                }
                Children::Ended(pid, status) => {
                    self.tally.orphans = self.tally.orphans.saturating_add(1);
                    self.voice.reaped(pid, status, self.warn_on_reap);
                    // This one may be what the count rose for; the child's end then has to have another reason.
                    if status == Status::Killed(Signal::KILL) && self.child.is_some() {
                        self.oom_kills = self.oom_kills.and_then(|_| cgroup::oom_kills());
                    }
                }
            }
        }
        ControlFlow::Continue(true)
    }

    /// Takes what is new of whether the child is stopped.
    fn look_at_stops(&mut self) -> ControlFlow<u8> {
        let Some(child) = self.child.as_ref().map(|child| child.pid) else { return ControlFlow::Continue(()) };
        match process::stop_of(child) {
            Some(Stop::Stopped(by)) => self.tell(Event::ChildStopped { by, foreground: self.foreground(child) }, None),
            Some(Stop::Continued) => self.tell(Event::ChildContinued, None),
            None => ControlFlow::Continue(()),
        }
    }

    /// What came to rini's children since the rest was told something is told that too.
    fn catch_up(&mut self) -> ControlFlow<u8> {
        if self.child.is_some() {
            return ControlFlow::Continue(());
        }
        let (voice, asked) = (self.voice, self.asked_remaining);
        let done = self.remaining.catch_up(&mut |pid| report_kill(voice, pid, asked));
        self.note(done)
    }

    /// The wait is over: by a signal, or the time for it is.
    fn wake(&mut self, received: Option<&Received>) -> ControlFlow<u8> {
        // The delay may be over with whatever is told next, and where the child is stopped, it is continued then.
        if self.supervisor.holds_back() {
            self.look_at_stops()?;
        }
        match received {
            Some(received) => self.receive(received),
            None => self.tell(Event::Tick, None),
        }
    }

    fn receive(&mut self, received: &Received) -> ControlFlow<u8> {
        match received.signal() {
            Some(Signal::CHLD) => {
                self.voice.say(Message::OfRini, &[]);
                self.tell(Event::Tick, None)
            }
            Some(signal) => {
                self.voice.say_of(Message::Received, signal);
                // The kernel sends them in the name of who left the terminal. One that somebody else sent is for the
                // child (dumb-init keeps the first of each, whoever sent it).
                if self.hand_off.contains(signal) && received.sender() == Sender::Process(process::own_pid()) {
                    self.hand_off.remove(signal);
                    self.voice.say_of(Message::OfHandOff, signal);
                    return self.tell(Event::Tick, None);
                }
                // Whether the child is stopped matters for a shutdown, and SIGCHLD may be waiting behind this signal:
                // the kernel hands out the lowest number first.
                if self.supervisor.begins_shutdown(signal) {
                    self.stopped_by = Some(signal);
                    self.reap(false)?;
                    self.look_at_stops()?;
                }
                self.tell(Event::Signal(signal), Some(received))
            }
            None => ControlFlow::Continue(()),
        }
    }

    /// Tells the supervisor what happened, and does what it says. A break is the end, with rini's exit code.
    fn tell(&mut self, event: Event, received: Option<&Received>) -> ControlFlow<u8> {
        let now = if self.supervisor.looks_at_time(event) { clock::now() } else { self.tally.started };
        for action in self.supervisor.handle(event, now).iter() {
            match action {
                Action::Forward { signal, rewritten, to: Target::Child } => self.forward(signal, rewritten, received),
                Action::Forward { signal, rewritten, to: Target::Remaining } => {
                    self.forward_to_remaining(signal, rewritten, received);
                }
                Action::Drop(signal) => self.voice.dropped(&self.origin(signal, received)),
                Action::Delay(signal) => {
                    self.delayed = received.map(|received| Box::new(*received));
                    let origin = self.origin(signal, received);
                    let delay = self.supervisor.policy.delay.unwrap_or_default();
                    self.voice.say(Message::HeldBack, &[Part::Origin(&origin), Part::Lasted(delay)]);
                }
                Action::Terminate => self.terminate(),
                Action::TerminateGroup(rewritten) => self.terminate_group(rewritten),
                Action::StopItself => {
                    self.voice.say(Message::StopsItself, &[]);
                    process::stop_itself();
                }
                Action::Continue => {
                    let _ = self.deliver(Signal::CONT, None);
                }
                Action::Kill(Target::Child) => self.kill()?,
                Action::Kill(Target::Remaining) => {
                    let (voice, asked) = (self.voice, self.asked_remaining);
                    let killed = self.remaining.kill(&mut |pid| report_kill(voice, pid, asked));
                    self.note(killed)?;
                    // The end of PID 1 is the end of the namespace, whoever's processes are still in it.
                    if self.role.pid1().is_some() {
                        return self.tell(Event::Helpless, None);
                    }
                }
                Action::Suspend(signal) => self.suspend(signal)?,
                Action::Resume => self.resume(),
                Action::Finish(status) => return ControlFlow::Break(self.finish(status)),
            }
        }
        ControlFlow::Continue(())
    }

    fn origin(&self, signal: Signal, received: Option<&Received>) -> Origin {
        let sender = received.map_or(Sender::Kernel, Received::sender);
        Origin { signal, sender, container: self.role.pid1().is_some() }
    }

    /// Passes a signal on: to the child, or with --process-group to its group.
    ///
    /// A group gets it by kill(2), without the sender and the value: the kernel queues those to single processes only.
    fn forward(&mut self, signal: Signal, rewritten: Signal, received: Option<&Received>) {
        let Some(child) = self.child.as_ref().map(|child| child.pid) else { return };
        let received = self.as_received(signal, received);
        let origin = self.origin(signal, received);
        let sent = self.deliver(rewritten, received);
        if self.supervisor.begins_shutdown(signal) {
            self.asked.get_or_insert_with(|| (origin, clock::now()));
            if self.process_group {
                self.remaining.group_was_asked(rewritten);
            }
        }
        self.killed |= rewritten == Signal::KILL;
        match sent {
            Ok(()) => {
                self.tally.signals = self.tally.signals.saturating_add(1);
                let by_rule = self.supervisor.policy.rewrite.has_rule(signal);
                self.voice.forwarded(&origin, child, rewritten, by_rule);
            }
            Err(errno) => {
                let parts = [Part::Origin(&origin), Part::Process(child), Part::Reason(errno)];
                self.voice.say(Message::CannotForward, &parts);
            }
        }
    }

    /// As it was received: one that was held back comes with a later event, or with none.
    fn as_received<'a>(&'a self, signal: Signal, now: Option<&'a Received>) -> Option<&'a Received> {
        [now, self.delayed.as_deref()].into_iter().flatten().find(|received| received.signal() == Some(signal))
    }

    /// Passes a signal on to what remains. The kernel has no queued form for that either.
    fn forward_to_remaining(&mut self, signal: Signal, rewritten: Signal, received: Option<&Received>) {
        let origin = match (self.as_received(signal, received), self.asked) {
            // It ended the child, and goes on to what remains.
            (None, Some((origin, _))) if origin.signal == signal => origin,
            (received, _) => self.origin(signal, received),
        };
        // The period that runs counts from the first.
        self.asked_remaining.get_or_insert_with(|| (origin, clock::now()));
        if !self.remaining.send(rewritten) {
            return;
        }
        let message = if rewritten == signal { Message::ForwardedToRest } else { Message::ForwardedToRestAs };
        self.voice.say(message, &[Part::Origin(&origin), Part::Signal(rewritten)]);
    }

    /// Asks what remains to end.
    fn terminate(&mut self) {
        let origin = Origin { signal: Signal::TERM, sender: Sender::Process(process::own_pid()), container: true };
        self.asked_remaining = Some((origin, clock::now()));
        if self.remaining.send(Signal::TERM) {
            self.voice.say(Message::Terminating, &[]);
        }
    }

    /// Asks what the child has left of its process group to end, where that was a session's.
    fn terminate_group(&self, rewritten: Option<Signal>) {
        if let Some(signal) = rewritten
            && self.session
        {
            self.remaining.terminate_group(signal);
        }
        let origin = self.origin(Signal::TERM, None);
        self.voice.group_asked(&origin, rewritten, self.supervisor.policy.rewrite.has_rule(Signal::TERM));
    }

    /// Ends where nobody can be killed.
    fn note(&mut self, killed: Result<(), Errno>) -> ControlFlow<u8> {
        let Err(errno) = killed else { return ControlFlow::Continue(()) };
        let message = if errno == Errno::ESRCH { Message::CannotSeeRest } else { Message::CannotKillRest };
        self.voice.say(message, &[Part::Reason(errno)]);
        self.tell(Event::Helpless, None)
    }

    /// Sends a signal to the child, or with --process-group to its group: as it was received, or one of rini's own.
    fn deliver(&self, signal: Signal, received: Option<&Received>) -> Result<(), Errno> {
        let Some(child) = self.child.as_ref().map(|child| child.pid) else { return Err(Errno::ESRCH) };
        // The child may have left for another group; or it is about to make the one of its session. Where nobody says (seccomp),
        // it is taken to be where it was put: a signal that comes twice is worse.
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

    /// The grace period is over.
    fn kill(&mut self) -> ControlFlow<u8> {
        let Some(pid) = self.child.as_ref().map(|child| child.pid) else { return ControlFlow::Continue(()) };
        match self.deliver(Signal::KILL, None) {
            Ok(()) => {
                self.killed = true;
                // It has its name until it is reaped.
                report_kill(self.voice, pid, self.asked);
            }
            // It is another user's, as a program that is setuid.
            Err(errno) => {
                self.voice.say(Message::CannotKill, &[Part::Process(pid), Part::Reason(errno)]);
                // The kernel kills whoever is in the namespace, with its PID 1. Elsewhere there is nothing left but to wait.
                if self.role.pid1().is_some() {
                    return ControlFlow::Break(self.finish(Some(Status::Killed(Signal::KILL))));
                }
            }
        }
        ControlFlow::Continue(())
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
        let alone = self.role.pid1().is_some() && !outside;
        if !alone && (signals::stop_own_group(signal) || outside) {
            return ControlFlow::Continue(());
        }
        self.tell(Event::SuspendRefused, None)
    }

    fn foreground(&self, child: Pid) -> Foreground {
        let terminal = if self.supervisor.policy.terminal { Terminal::open() } else { None };
        terminal.map_or(Foreground::Other, |terminal| terminal.foreground(child))
    }

    /// The child has been reaped: its pid is given up, and what it left is put in order.
    fn child_ended(&mut self, status: Status) {
        let Some(child) = self.child.take() else { return };
        let lasted = clock::now().since(self.tally.started);
        // Where the exec has failed, the child has said why. Where nobody knows, these are the codes of that.
        let may_be = || matches!(status, Status::Exited(exit::NOT_FOUND | exit::NOT_EXECUTABLE));
        let explained = matches!(status, Status::Exited(_)) && child.exec_failed.unwrap_or_else(may_be);
        if !explained {
            self.suspect(child.pid, status, lasted);
        }
        self.voice.ended(child.pid, status);
        self.tally.child = Some((child.pid, status, lasted));
        if self.supervisor.policy.after_exit.stays() {
            self.voice.say(Message::Ended, &[child.pid.into(), Part::Status(status)]);
        }
        // A script that started rini goes on to use the terminal, and from a group in the background it could not. And
        // where rini stays for what remains, a ^C is for rini, PID 1 or not.
        let goes_on = self.role.pid1().is_none() || self.supervisor.policy.after_exit.stays();
        if goes_on
            && self.supervisor.policy.terminal
            && let Some(terminal) = Terminal::open()
            && terminal.foreground(child.pid) == Foreground::Child
        {
            terminal.take_back();
        }
    }

    /// Warns of an end that nobody seems to have wanted.
    fn suspect(&self, child: Pid, status: Status, lasted: Duration) {
        let out_of_memory = || {
            // A count that rini could not read at the start says nothing.
            let (before, after) = self.oom_kills.zip(cgroup::oom_kills())?;
            let kills = after.checked_sub(before).filter(|count| *count > 0)?;
            Some(OutOfMemory { kills, limit: cgroup::memory_limit() })
        };
        if let Some(suspicion) = Suspicion::of(status, self.killed, lasted, out_of_memory) {
            self.voice.say(Message::Suspect, &[child.into(), Part::Suspicion(&suspicion)]);
        }
    }

    /// The end: the child's exit code is made rini's.
    fn finish(&mut self, status: Option<Status>) -> u8 {
        let Tally { started, child, signals, orphans } = self.tally;
        if let (None, Some(signal)) = (child, self.stopped_by) {
            self.voice.pause_ended(signal);
        }
        self.voice.closing(child, started, signals, orphans);
        status.map_or(exit::CANNOT_START, |status| self.remap.apply(status.code()))
    }
}

/// Says who was killed, and how long after what had asked them to end, where that was no dropped signal.
fn report_kill(voice: &Voice, pid: Pid, asked: Option<(Origin, Instant)>) {
    match asked {
        Some((origin, since)) => {
            let lasted = Part::Lasted(clock::now().since(since));
            voice.say(Message::KilledAfter, &[Part::Process(pid), lasted, Part::Origin(&origin)]);
        }
        None => {
            voice.say(Message::Killed, &[Part::Process(pid)]);
        }
    }
}
