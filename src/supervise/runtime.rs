//! The loop: reap children, wait for a signal, pass the event to the supervisor, carry out its actions. It cannot fail.
//!
//! The other methods of [`Runtime`] are in the files beside this one. `actions.rs` carries out the supervisor's
//! actions, `job_control.rs` handles a suspended child and the terminal, and `ending.rs` the end of the child and of
//! rini.
//!
//! The loop blocks in one place, the wait for a signal, or for a signal and the hang-up of standard input
//! ([`stdin`](crate::sys::stdin)). It wakes for a signal or a deadline, and every 10 s while it waits for
//! leftover processes. Only if that wait fails does it block in waitid(2).
//! The child's pid cannot belong to another process before rini reaps the child: [`Spawned`] owns the pid until then.
//! After that there are only [`Leftovers`].
#![forbid(unsafe_code)]

use crate::cli::options::Options;
use crate::cli::table::Personality;
use crate::ground::bytes;
use crate::ground::exit::{Remap, Status};
use crate::ground::policy::AfterExit;
use crate::ground::signal::{Signal, SignalSet};
use crate::ground::time::{Duration, Instant};
use crate::messages::catalog::Catalog;
use crate::messages::diagnosis::{Origin, Reason};
use crate::messages::message::{self, LeftoverFate};
use crate::messages::quote::Escaped;
use crate::observe::cgroup;
use crate::supervise::leftovers::Leftovers;
use crate::supervise::supervisor::{Action, Event, Supervisor, Target};
use crate::sys::process::{self, Pid, Pid1, Reaped};
use crate::sys::signals::{self, Received, Sender, Timeout};
use crate::sys::spawn::Spawned;
use crate::sys::stdin::StdinWatch;
use crate::sys::terminal::HandOff;
use crate::sys::{clock, output};
use nix::errno::Errno;
use std::mem;
use std::ops::ControlFlow;

/// Which orphans the kernel gives to rini. It is decided once, at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The init of a PID namespace. The kernel gives it every orphan, and ends the namespace with it.
    Pid1(Pid1),
    /// A process elsewhere in the tree. The kernel gives it the orphans among its descendants.
    Subreaper,
    /// Any other process. Its orphans go to another process.
    Plain,
}

/// How many children rini reaps before it takes the next signal. A program that makes orphans faster than rini reaps
/// them must not keep a stop signal waiting.
const REAP_BATCH: u32 = 256;

/// How often rini checks for leftover processes without a signal: the end of a child that was made with CLONE_AUTOREAP
/// (Linux 7.1) sends no SIGCHLD.
const RECHECK_INTERVAL: Duration = Duration::from_secs(10);

/// rini logs once that it has waited for leftover processes for this long, when it next wakes.
const LONG_WAIT: Duration = Duration::from_secs(10);

/// All data of the loop. The fields that are used most come first (size: 17).
#[repr(C)]
pub struct Runtime {
    pub(super) catalog: &'static Catalog,
    /// The main child, until rini reaps it. While it is here, no other process can have its pid.
    pub(super) child: Option<Spawned>,
    pub(super) role: Role,
    pub(super) process_group: bool,
    pub(super) session: bool,
    pub(super) warn_on_reap: bool,
    /// If the terminal's SIGINT or SIGQUIT kills the child, rini dies by it too. The child's end makes this false if
    /// the child did not have the terminal.
    pub(super) may_die_by_signal: bool,
    /// A SIGINT or SIGQUIT for the child came to rini, or rini sent it one. So its sender reached rini too.
    pub(super) has_sent_interrupt: bool,
    /// rini has sent the child a SIGKILL, on its own or as a rewritten signal.
    pub(super) has_sent_kill: bool,
    /// The last signal that rini took is a SIGTTIN or SIGTTOU that it did not forward.
    pub(super) has_withheld_signal: bool,
    /// rini forwarded a SIGTTIN or SIGTTOU although it could not find out whether the child handles it.
    pub(super) undoes_background_stops: bool,
    /// The last stop signal that rini received.
    pub(super) last_stop_signal: Option<Signal>,
    /// The first signal that asked the child or the leftover processes to end, and when. It is for messages alone: the
    /// supervisor keeps the deadline.
    pub(super) stop_request: Option<(Origin, Instant)>,
    pub(super) tally: Tally,
    pub(super) supervisor: Supervisor,
    pub(super) leftovers: Leftovers,
    /// The signals that the kernel sends to rini because rini gave up its terminal, and that rini has not received yet.
    /// They are not for the child.
    pub(super) hand_off_signals: SignalSet,
    /// The count of out-of-memory kills with which rini compares the count at the child's end. As PID 1 it is 0, as in a
    /// new container, until rini has read it. It is None if rini cannot read it.
    pub(super) oom_kills: Option<u64>,
    /// The count as rini first read it, shortly after the child's start.
    pub(super) oom_kills_at_start: Option<u64>,
    /// The signals of which rini has logged that they start no stop.
    pub(super) hinted: SignalSet,
    /// rini waits for leftover processes without a limit, and has not logged yet that this takes long.
    pub(super) can_wait_long: bool,
    pub(super) remap: Remap,
    stop_on_stdin_close: bool,
    /// With `--stop-on-stdin-close`, until standard input hangs up.
    stdin_watch: Option<StdinWatch>,
    /// The stop signal that rini holds back for the stop delay.
    pub(super) delayed: Option<Received>,
    /// The last component of the program's name. It is from argv, because /proc has no name of a process that is gone.
    pub(super) program: Escaped<'static>,
}

/// The figures of the closing line.
pub(super) struct Tally {
    pub(super) started: Instant,
    /// The pid of the child, if the closing line is about its end. Else 0.
    pub(super) child: Pid,
    /// How the child ended.
    pub(super) status: Status,
    /// How long the child ran.
    pub(super) lasted: Duration,
    pub(super) signals: u64,
    pub(super) orphans: u64,
}

impl Role {
    pub(super) fn pid1(self) -> Option<Pid1> {
        match self {
            Role::Pid1(pid1) => Some(pid1),
            Role::Subreaper | Role::Plain => None,
        }
    }
}

impl Runtime {
    /// Takes over after the fork. `child` is None with `--pause`, and `hand_off` says how rini gave up its terminal, if
    /// it did. From here on there is no error.
    #[inline(never)] // (size: 29)
    pub fn new(
        personality: &'static Personality,
        child: Option<Spawned>,
        role: Role,
        options: &mut Options,
        hand_off: Option<HandOff>,
    ) -> Runtime {
        output::forbid_waiting(true);
        let (started, catalog) = (clock::now(), &personality.catalog);
        let can_wait_long = options.policy.after_exit == AfterExit::Wait;
        match &child {
            Some(child) => catalog.log_start(child.pid),
            None => catalog.log(message::Paused),
        }
        Runtime {
            catalog,
            leftovers: Leftovers::new(role.pid1(), child.as_ref().and_then(|child| child.group)),
            supervisor: Supervisor::new(mem::take(&mut options.policy)),
            oom_kills: role.pid1().map(|_| 0),
            oom_kills_at_start: None,
            child,
            role,
            process_group: options.process_group,
            session: options.session,
            can_wait_long,
            hinted: SignalSet::default(),
            may_die_by_signal: personality.is_rini(),
            warn_on_reap: options.warn_on_reap,
            stop_on_stdin_close: options.stop_on_stdin_close,
            stdin_watch: None,
            remap: mem::take(&mut options.remap),
            hand_off_signals: match hand_off {
                Some(HandOff::BySessionLeader) => SignalSet::of([Signal::HUP, Signal::CONT]),
                Some(HandOff::Alone) | None => SignalSet::default(),
            },
            delayed: None,
            stop_request: None,
            last_stop_signal: None,
            has_sent_kill: false,
            has_withheld_signal: false,
            undoes_background_stops: false,
            has_sent_interrupt: false,
            tally: Tally {
                started,
                child: Pid::from_raw(0),
                status: Status::Exited(0),
                lasted: Duration::default(),
                signals: 0,
                orphans: 0,
            },
            program: Escaped(bytes::base_name(options.name)),
        }
    }
}

/// Logs that rini does not watch standard input.
#[inline(never)]
fn log_unwatched(catalog: &Catalog, errno: Errno) {
    catalog.log(message::CannotWatchStdin { reason: &Reason(errno) });
}

/// The loop.
impl Runtime {
    /// Runs until rini ends, and returns its exit code. A function of its own, so that the frames of the set-up are not
    /// part of the stack of an idle rini (size: 29).
    #[inline(never)]
    pub fn run(&mut self) -> u8 {
        // Not before the start, because a full standard error must not hold up the program for this.
        // Without a parent in its PID namespace, it is what the engine started and stops: in a pod that shares its
        // namespace.
        if self.role.pid1().is_none() && process::parent_pid().as_raw() != 0 {
            self.catalog.log(message::StopGoesToPid1);
        }
        let (mut cannot_receive, mut received) = (false, Received::empty());
        // A SIGCHLD follows each change of a child, also the adoption of a zombie. A round reaps up to REAP_BATCH zombies,
        // and if there are more, the next round goes on.
        // But no signal reports zombies from before rini's exec, so the first round reaps without one.
        let (mut has_news, mut is_first_round) = (true, true);
        loop {
            // rini may have adopted a living leftover process, and no signal reports that.
            let reaps = has_news || self.child.is_none();
            let reaped = if reaps { self.reap_children(cannot_receive) } else { ControlFlow::Continue(false) };
            let reaped = match reaped {
                // Without signals nothing can ask the leftover processes to end, and no grace period can expire.
                ControlFlow::Continue(_) if cannot_receive && self.child.is_none() => {
                    self.handle_event(Event::Helpless, None).map_continue(|()| false)
                }
                reaped => reaped,
            };
            let has_more = match reaped {
                ControlFlow::Continue(has_more) => has_more,
                ControlFlow::Break(code) => return code,
            };
            if mem::take(&mut is_first_round) {
                self.settle_in();
            }
            let timeout = if has_more { Timeout::Now } else { self.choose_timeout() };
            let timeout = self.wait_for_stdin(timeout);
            let has_received = match self.wait_for_signal(timeout, &mut received) {
                Ok(has_received) => has_received,
                Err(errno) => {
                    // A retry would fail too. rini can still wait for the child's end, and does.
                    if !cannot_receive {
                        self.catalog.log(message::CannotWaitForSignals { reason: &Reason(errno) });
                    }
                    (cannot_receive, has_news) = (true, true);
                    self.stdin_watch = None;
                    continue;
                }
            };
            has_news = has_more || has_received && received.signal() == Some(Signal::CHLD);
            if let ControlFlow::Break(code) = self.handle_wake(has_received.then_some(&received)) {
                return code;
            }
        }
    }

    /// Does what can wait until the first round, because a short-lived program has exited by then: these calls take a tenth
    /// of the start-up time.
    fn settle_in(&mut self) {
        // rini would hold what it inherited for as long as the container runs: a deleted file would keep its blocks, a
        // pipe would never end, and a mount could not be unmounted. The child has its own copies.
        process::close_descriptors_from_3();
        process::leave_working_directory();
        if self.stop_on_stdin_close {
            self.stdin_watch = StdinWatch::begin().map_err(|errno| log_unwatched(self.catalog, errno)).ok();
        }
        if self.child.is_some() {
            signals::lower_queue_limit();
            self.oom_kills = cgroup::read_oom_kills();
            self.oom_kills_at_start = self.oom_kills;
        }
    }

    /// Returns when the wait for a signal has to end. Logs once if rini has waited long for leftover processes.
    fn choose_timeout(&mut self) -> Timeout {
        let deadline = self.supervisor.deadline();
        if !self.supervisor.waits_for_leftovers() {
            return deadline.map_or(Timeout::Never, Timeout::At);
        }
        let now = clock::now();
        if self.can_wait_long && now.since(self.tally.started.later_by(self.tally.lasted)) >= LONG_WAIT {
            self.can_wait_long = false;
            self.log_leftovers(LeftoverFate::StillAwaited);
        }
        let recheck = now.later_by(RECHECK_INTERVAL);
        Timeout::At(deadline.map_or(recheck, |deadline| deadline.min(recheck)))
    }

    /// While rini watches standard input, waits for its hang-up and for a signal, and returns when the wait that takes the signal
    /// has to end. The hang-up becomes a SIGTERM from rini to itself, which begins a stop even if the user's stop signals do not
    /// include SIGTERM. In a stop rini sends none, because many programs take a second one for "at once".
    fn wait_for_stdin(&mut self, timeout: Timeout) -> Timeout {
        let Some(watch) = &self.stdin_watch else { return timeout };
        match watch.wait(timeout) {
            Ok(false) => return Timeout::Now,
            Ok(true) if self.supervisor.has_begun_stop() => (),
            Ok(true) => {
                self.supervisor.policy.stop_signals.insert(Signal::TERM);
                let _ = process::kill(process::own_pid(), Signal::TERM);
                self.catalog.log(message::StdinClosed);
            }
            Err(errno) => log_unwatched(self.catalog, errno),
        }
        self.stdin_watch = None;
        timeout
    }

    /// Waits for a signal. The kernel delivers the lowest number first, so a flood of SIGTTIN or SIGTTOU would hold up
    /// all signals with higher numbers. After one of these that was not forwarded, rini therefore takes another signal
    /// first.
    fn wait_for_signal(&mut self, timeout: Timeout, received: &mut Received) -> Result<bool, Errno> {
        if mem::take(&mut self.has_withheld_signal) && signals::take_other_than_background_stops(received) == Ok(true) {
            return Ok(true);
        }
        signals::wait(timeout, received)
    }

    /// Reaps zombies, and returns whether there may be more. With `block`, waits for a zombie while the child runs.
    fn reap_children(&mut self, block: bool) -> ControlFlow<u8, bool> {
        self.catalog.log(message::Looking);
        let mut has_logged = false;
        for _ in 0..REAP_BATCH {
            let reaped = process::reap(block && self.child.is_some());
            // Logged at the first zombie and not with the SIGCHLD: rini may reap a zombie before it takes that signal.
            if matches!(reaped, Reaped::Ended(..)) && !has_logged {
                self.catalog.log(message::ChildrenChanged);
                has_logged = true;
            }
            match reaped {
                Reaped::Nothing => {
                    if self.has_to_check_child() {
                        self.check_child_stopped()?;
                    }
                    return self.signal_new_leftovers().map_continue(|()| false);
                }
                Reaped::Failed(Errno::ECHILD) if self.child.is_none() => {
                    return self.handle_event(Event::NoChildren, None).map_continue(|()| false);
                }
                Reaped::Failed(errno) => {
                    self.catalog.log(message::CannotWaitForChildren { reason: &Reason(errno) });
                    return self.handle_event(Event::Helpless, None).map_continue(|()| false);
                }
                Reaped::Traced(pid, signal) => self.detach_tracee(pid, signal),
                Reaped::Ended(pid, status) if self.child.as_ref().is_some_and(|child| child.pid == pid) => {
                    self.handle_child_end(status);
                    self.handle_event(Event::ChildEnded(status), None)?;
                }
                Reaped::Ended(pid, status) => {
                    self.tally.orphans = self.tally.orphans.saturating_add(1);
                    self.catalog.log_orphan(pid, status, self.warn_on_reap);
                    // The kernel may have counted this orphan, so a later end of the child is compared with a new count.
                    if status == Status::Killed(Signal::KILL) && self.child.is_some() {
                        self.oom_kills = self.oom_kills.and_then(|_| cgroup::read_oom_kills());
                    }
                }
            }
        }
        ControlFlow::Continue(true)
    }

    /// Sends the request to end to leftover processes that rini has adopted since it signalled the others.
    fn signal_new_leftovers(&mut self) -> ControlFlow<u8> {
        if self.child.is_some() {
            return ControlFlow::Continue(());
        }
        let (catalog, asked) = (self.catalog, self.stop_request);
        let signalled = self.leftovers.signal_new_children(&mut |pid| catalog.log_killed(pid, asked));
        self.end_on_error(signalled)
    }

    /// Handles the end of a wait: a signal, or None for the timeout.
    fn handle_wake(&mut self, received: Option<&Received>) -> ControlFlow<u8> {
        // Any event may end the stop delay, and then the supervisor has to know whether the child must be continued.
        if self.supervisor.holds_back() {
            self.check_child_stopped()?;
        }
        // rini must not kill what ended before the deadline, nor log it as killed. Such an end may be unseen: rini
        // itself may have been stopped beyond the deadline, and SIGCHLD waits behind signals with lower numbers.
        if self.supervisor.deadline().is_some_and(|deadline| clock::now() >= deadline) {
            self.reap_children(false)?;
        }
        match received {
            Some(received) => self.handle_signal(received),
            None => self.handle_event(Event::Tick, None),
        }
    }

    fn handle_signal(&mut self, received: &Received) -> ControlFlow<u8> {
        match received.signal() {
            Some(Signal::CHLD) => {
                self.catalog.log(message::SigchldOfRini);
                self.handle_event(Event::Tick, None)
            }
            Some(signal) => {
                self.catalog.log_received(signal);
                // The kernel sends these in the name of the process that gave up the terminal, here rini. If another
                // process sent it, it is for the child. (dumb-init keeps the first of each from the child, by any
                // sender.)
                if self.hand_off_signals.contains(signal) && received.sender() == Sender::Process(process::own_pid()) {
                    self.hand_off_signals.remove(signal);
                    self.catalog.log_signal_of_hand_off(signal);
                    return self.handle_event(Event::Tick, None);
                }
                if self.withholds_signal(signal, received) {
                    self.has_withheld_signal = true;
                    return self.handle_event(Event::Tick, None);
                }
                // The supervisor has to know whether the child is stopped before a stop begins. The SIGCHLD that says
                // so may wait behind this signal, because the kernel delivers the lowest number first.
                if self.supervisor.begins_stop(signal) {
                    self.last_stop_signal = Some(signal);
                    self.reap_children(false)?;
                    self.check_child_stopped()?;
                }
                self.handle_event(Event::Signal(signal), Some(received))?;
                // This is a ^Z from before the child had the terminal, so it went to rini's group.
                if signal == Signal::TSTP && received.sender() == Sender::Kernel {
                    self.supervisor.stop_was_of_terminal();
                }
                ControlFlow::Continue(())
            }
            None => ControlFlow::Continue(()),
        }
    }

    /// Passes an event to the supervisor, and carries out its actions. A break is the end, with rini's exit code.
    pub(super) fn handle_event(&mut self, event: Event, received: Option<&Received>) -> ControlFlow<u8> {
        let now = if self.supervisor.looks_at_time(event) { clock::now() } else { self.tally.started };
        for action in self.supervisor.handle(event, now).iter() {
            match action {
                Action::Forward { signal, rewritten, to: Target::Child } => {
                    self.forward_to_child(signal, rewritten, received);
                }
                Action::Forward { signal, rewritten, to: Target::Leftovers } => {
                    self.forward_to_leftovers(signal, rewritten, received);
                }
                Action::Drop(signal) => self.catalog.log_dropped(&self.make_origin(signal, received)),
                Action::Discard(signal) => self.log_discarded(signal, received),
                Action::Delay(signal) => {
                    self.delayed = received.copied();
                    let origin = self.make_origin(signal, received);
                    let delay = self.supervisor.policy.delay.unwrap_or_default();
                    self.catalog.log(message::HeldBack { origin: &origin, delay: &delay });
                }
                Action::Terminate => self.terminate_leftovers(),
                Action::TerminateGroup(rewritten) => self.terminate_group(rewritten),
                Action::StopItself => {
                    self.catalog.log(message::StopsItself);
                    process::stop_itself();
                }
                Action::Continue => {
                    let _ = self.send_to_child(Signal::CONT, None);
                }
                Action::Kill(Target::Child) => self.kill_child()?,
                Action::GiveUp => self.catalog.log(message::StillThere),
                Action::Kill(Target::Leftovers) => {
                    let (catalog, asked) = (self.catalog, self.stop_request);
                    let killed = self.leftovers.kill_all(&mut |pid| catalog.log_killed(pid, asked));
                    self.end_on_error(killed)?;
                    // PID 1 has nothing to wait for: at its exit the kernel kills every process of the namespace, also
                    // another user's, and waits for their ends.
                    if self.role.pid1().is_some() {
                        self.handle_event(Event::Helpless, None)?;
                    }
                }
                Action::Suspend(signal) => self.suspend(signal)?,
                Action::Resume => self.resume(),
                Action::Finish(status) => return ControlFlow::Break(self.end_run(status)),
            }
        }
        ControlFlow::Continue(())
    }
}
