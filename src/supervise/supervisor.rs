//! What rini decides. A pure state machine: no system call, no clock, no pid, no log.
//!
//! The runtime reports what happened ([`Event`]) and carries out the answer ([`Actions`]). The machine holds one [`State`]:
//!
//! ```text
//!              ChildStopped, at a terminal / Suspend
//!   Running ───────────────────────────────────────────▶ Suspended
//!      │    ◀───────────────────────────────────────────     │
//!      │     SIGCONT / Resume                                │
//!      │     SuspendRefused / Resume, or – if somebody       │
//!      │     requested the stop                              │
//!      │                                                     │
//!      ├──────────────────────────┬──────────────────────────┘
//!      │ ChildEnded / Finish      │ ChildEnded / Terminate, Forward, Kill, or –
//!      ▼                          ▼
//!    Ended ◀────────────────── Leftovers
//!            NoChildren / Finish
//! ```
//!
//! In `Running` and `Suspended` every signal but SIGCHLD is answered by `Forward`, by `Drop` if a rewrite rule says so, or by
//! `Delay` if it is a stop signal with a stop delay. There are two exceptions in `Suspended`, where the child is stopped:
//! SIGCONT is answered by `Resume`, and a signal that stops by another `Suspend`. `Ended` answers nothing, because the child's
//! pid may belong to another process.
//!
//! **Job control.** rini moves its child to a process group of its own and gives it the terminal. A shell that started
//! rini as a job then does not see that job stop, and cannot continue it. So `Suspend` stops rini's own group after the
//! child's, as the terminal would have done. `Resume` gives the terminal to the child's group and continues it.
//!
//! - The kernel refuses to stop a group that nobody could continue (an orphaned process group; PID 1). The child's group is
//!   not orphaned, because rini is in another group of its session. A ^Z would stop it for good, so rini continues it at
//!   once.
//! - If a job died while it had the terminal, a child that reads is stopped by SIGTTIN, and nobody gives it the terminal.
//!   rini treats that stop as a ^Z.
//! - A stop that a process sent *through* rini (`docker kill -s TSTP`) was requested, and stays. SIGTTIN and SIGTTOU are no
//!   such request: without a terminal rini undoes a stop by them, as the kernel would not have stopped process 1.
//! - With `stops_itself`, as dumb-init does, rini forwards such a stop and then stops too (`StopItself`). So a supervisor
//!   that stops rini to stop the child sees it stopped.
//!
//! **The stop.** The *stop* is that of the container, by a *stop signal* such as SIGTERM. A process *is stopped* by SIGSTOP and
//! its like. Independent of the state, the machine holds how far a stop has come ([`Stop`]):
//!
//! ```text
//!             stop signal / Delay           delay over, or second stop signal / Forward
//!   NotBegun ─────────────────────▶ Delayed ──────────────────────────────────────────▶ Requested
//!      └────────────────────────────────────────────────────────────────────────────────▲   │
//!             stop signal, no delay / Forward                                               │ deadline / Kill
//!                                                                                           ▼
//!                                           Ended ◀───────────────────────────────────── Escalated
//!                                                    TIME_TO_DIE over / GiveUp, Finish
//! ```
//!
//! If the child is stopped, SIGCONT follows the stop signal, because a stopped child cannot act on a signal. A stop that
//! rini sees after the signal may have been sent before it, so rini undoes it too. If rini forwards a SIGTSTP after the stop
//! signal, its sender wants the child suspended, and it stays so.
//!
//! **The deadline.** A stop has one deadline: the moment of forwarding plus the grace period. It covers the child and
//! everything that the child leaves. The child's end does not move it, and no later signal does.
//!
//! - At the deadline rini kills the child, or the leftover processes if the child has ended. If the child ends by that kill,
//!   `Kill` of its leftover processes follows at once (`Escalated` in `Leftovers`).
//! - One thing moves the deadline, once: if rini sees it more than [`LATE`] after its time, it puts it off by as much, and by
//!   one grace period at most. Otherwise rini would kill a container that was frozen (`docker pause`) as soon as it thaws.
//! - After a `Kill` rini waits for [`TIME_TO_DIE`], and gives up a process that has not ended: a process in an uninterruptible
//!   system call may never end.
//!
//! The machine has no clock. Each event comes with the time, and [`Supervisor::deadline`] says when the machine needs a
//! `Tick`.
//!
//! **Leftover processes.** `Leftovers` is for the processes that the child leaves if rini does not exit at once
//! ([`AfterExit`]). Which processes these are depends on rini's role, and is the runtime's affair.
//!
//! - `Terminate`: at the child's end rini asks them to end by SIGTERM. Without a stop, or in one without a deadline, the
//!   deadline is one grace period ([`DEFAULT_GRACE`] if none is set) after the child's end. Later stop signals change nothing.
//! - `Wait`: rini signals no leftover process of its own accord. If the child ended in a stop, they get the same stop
//!   signal. Otherwise the first stop signal after the child's end is forwarded to them, and the deadline counts from there.
//!
//! `Kill` and `TerminateGroup` have no `Leftovers`: rini exits at the child's end. `TerminateGroup` sends SIGTERM to the
//! child's process group before that.
//!
//! In `Leftovers` other signals were for the child, and are discarded. Two are not: a ^Z stops rini alone, and the signal of
//! the parent's death begins a stop. When no process is left, rini exits with the child's status. `pause` is a `Leftovers`
//! from the start, which lasts until a stop.
#![forbid(unsafe_code)]

use crate::ground::exit::Status;
use crate::ground::foreground::Foreground;
use crate::ground::policy::{AfterExit, Policy};
use crate::ground::signal::Signal;
use crate::ground::time::{Duration, Instant};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A signal came for rini.
    Signal(Signal),
    /// Time has passed.
    Tick,
    /// The child stopped.
    ChildStopped {
        /// The signal that stopped it.
        by: Signal,
        /// Which process group had the terminal when rini looked.
        foreground: Foreground,
    },
    /// The child was continued.
    ChildContinued,
    /// The kernel refused [`Action::Suspend`], because nobody could have continued rini.
    SuspendRefused,
    /// The child ended and was reaped.
    ChildEnded(Status),
    /// rini has no children. Before the child is reaped this should not happen: its status is lost then.
    NoChildren,
    /// To wait is useless: the kernel refuses waitid(2) or kill(2), or the exit of PID 1 kills all leftover processes.
    Helpless,
}

/// The processes that an action is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The child, or its process group with --process-group.
    Child,
    /// The leftover processes.
    Leftovers,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Forward a signal. Leftover processes that are stopped are continued too.
    Forward {
        /// The signal that rini received.
        signal: Signal,
        /// The signal that is sent.
        rewritten: Signal,
        /// The processes that get it.
        to: Target,
    },
    /// Do not forward a signal, because a rewrite rule drops it.
    Drop(Signal),
    /// Do not forward a signal, because it would change nothing for any process.
    Discard(Signal),
    /// Hold a stop signal back for the stop delay. `Forward` of it follows.
    Delay(Signal),
    /// Send SIGTERM to the leftover processes, and continue those that are stopped.
    Terminate,
    /// Continue the child, or its group, so that it can act on the signal before.
    Continue,
    /// Kill: the deadline has come.
    Kill(Target),
    /// Say that a killed process has not ended. `Finish` follows.
    GiveUp,
    /// The child has ended: send its process group the signal that SIGTERM is rewritten to, if it is not dropped.
    TerminateGroup(Option<Signal>),
    /// Stop rini alone.
    StopItself,
    /// Stop rini's own process group with this signal, as the terminal would have done.
    Suspend(Signal),
    /// Give the child's process group the terminal, if rini's group has it, and continue the child's group.
    Resume,
    /// Exit with the child's status, or `None` if it is lost.
    Finish(Option<Status>),
}

/// The answer to one event, to be carried out in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actions([Option<Action>; 4]);

impl Actions {
    /// The actions in order.
    pub fn iter(&self) -> impl Iterator<Item = Action> {
        self.0.iter().map_while(|action| *action)
    }

    /// There are at most four, such as a forwarded SIGTSTP, `StopItself`, the stop signal that was held back, and SIGCONT.
    fn push(&mut self, action: Action) {
        if let Some(place) = self.0.iter_mut().find(|place| place.is_none()) {
            *place = Some(action);
        }
    }
}

/// The grace period of leftover processes if the user sets none.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// If rini sees a deadline this long after its time, rini itself did not run in between.
const LATE: Duration = Duration::from_secs(1);

/// How long rini waits for the end of the processes that it has killed.
const TIME_TO_DIE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Running,
    Suspended { by: Signal },
    Leftovers { status: Status },
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stop {
    NotBegun,
    Delayed {
        signal: Signal,
        until: Instant,
    },
    Requested {
        /// The signal that asked the processes to end: the stop signal, or rini's own SIGTERM.
        by: Signal,
        /// The deadline.
        kill_at: Option<Instant>,
        /// Whether the deadline was put off. That happens once.
        put_off: bool,
    },
    Escalated {
        give_up_at: Instant,
    },
}

/// The state machine. The head of this file explains it.
#[derive(Clone, Debug)]
pub struct Supervisor {
    /// The settings that decisions depend on.
    pub policy: Policy,
    state: State,
    stop: Stop,
    /// The child is stopped.
    stopped: bool,
    /// A signal that stops was forwarded, and no SIGCONT since. So somebody requested a stop of the child.
    stop_requested: bool,
    /// The child has stopped since such a signal was forwarded.
    stop_seen: bool,
}

impl Supervisor {
    /// The machine right after the start of the child. With `pause` there is no child.
    pub fn new(policy: Policy) -> Supervisor {
        let state = if policy.pause { State::Leftovers { status: Status::Exited(0) } } else { State::Running };
        Supervisor { policy, state, stop: Stop::NotBegun, stopped: false, stop_requested: false, stop_seen: false }
    }

    /// Takes one event, at the time `now`, and answers with the actions to carry out.
    #[inline(never)]
    pub fn handle(&mut self, event: Event, now: Instant) -> Actions {
        let mut actions = Actions::default();
        match self.state {
            State::Ended => return actions,
            State::Leftovers { status } => self.handle_leftovers(event, status, now, &mut actions),
            State::Running | State::Suspended { .. } => self.handle_child(event, now, &mut actions),
        }
        // Not only at a `Tick`: signals may come so fast that no wait times out.
        self.check_time(now, &mut actions);
        actions
    }

    fn handle_child(&mut self, event: Event, now: Instant, actions: &mut Actions) {
        match (self.state, event) {
            (_, Event::ChildEnded(status)) => self.child_ended(status, now, actions),
            (_, Event::NoChildren | Event::Helpless) => self.finish(None, actions),
            (_, Event::Signal(Signal::CHLD) | Event::Tick) => (),
            (State::Suspended { .. }, Event::Signal(Signal::CONT)) => self.resume(actions),
            // A second ^Z removed the pending SIGCONT of the first one. The child is still stopped.
            (State::Suspended { .. }, Event::Signal(signal)) if signal.has_stop_action() => {
                self.suspend(Signal::TSTP, actions)
            }
            (_, Event::Signal(signal)) if self.begins_stop(signal) => self.handle_stop_signal(signal, now, actions),
            (_, Event::Signal(signal)) => {
                self.forward(signal, actions);
                if self.policy.stops_itself && signal.is_terminal_stop() {
                    actions.push(Action::StopItself);
                }
            }
            (_, Event::ChildStopped { by, foreground }) => {
                self.stopped = true;
                self.stop_seen = true;
                if self.undoes_stop(by) {
                    actions.push(Action::Continue);
                } else {
                    self.child_stopped(by, foreground, actions);
                }
            }
            // This is not the end of `Suspended`: a process may have continued the child alone, by its pid. rini has still to
            // take the SIGCONT that woke it. That one continues the whole group and gives it the terminal.
            //
            // The kernel reports that the child was continued when the child runs again. By then the next stop may have been
            // requested. So this event takes back a requested stop only if rini has seen that stop.
            (_, Event::ChildContinued) => {
                self.stopped = false;
                self.stop_requested &= !self.stop_seen;
            }
            // A process that reads or writes in the background would only stop again.
            (State::Suspended { by: Signal::TSTP }, Event::SuspendRefused) if !self.stop_requested => {
                self.resume(actions);
            }
            (_, Event::SuspendRefused) => self.state = State::Running,
        }
    }

    fn handle_leftovers(&mut self, event: Event, status: Status, now: Instant, actions: &mut Actions) {
        match event {
            Event::NoChildren if self.may_pause() => (),
            Event::Helpless if self.may_pause() => self.finish(None, actions),
            Event::NoChildren | Event::Helpless => self.finish(Some(status), actions),
            Event::Signal(signal) if self.begins_stop(signal) => self.handle_stop_signal(signal, now, actions),
            // A ^Z is for the process group that has the terminal, and that is rini's now.
            Event::Signal(signal) if signal.has_stop_action() && self.policy.terminal => {
                actions.push(Action::Suspend(Signal::TSTP));
            }
            Event::Signal(Signal::CHLD) | Event::Tick => (),
            Event::Signal(signal) => actions.push(Action::Discard(signal)),
            // These events are about a child, and there is none any more.
            Event::ChildStopped { .. } | Event::ChildContinued | Event::SuspendRefused | Event::ChildEnded(_) => (),
        }
    }

    /// Whether rini stays although it has no child.
    fn may_pause(&self) -> bool {
        self.policy.pause && matches!(self.stop, Stop::NotBegun | Stop::Delayed { .. })
    }

    /// Whether this signal begins a stop.
    pub fn begins_stop(&self, signal: Signal) -> bool {
        let orphaned = self.target() == Target::Leftovers && self.policy.parent_death_signal == Some(signal);
        orphaned || self.policy.stop_signals.contains(signal)
    }

    /// Takes back the request of the stop that was just forwarded: the terminal sent it, and no process asked for it.
    pub fn stop_was_of_terminal(&mut self) {
        self.stop_requested = false;
    }

    /// Whether the child has ended and rini waits for leftover processes.
    pub fn waits_for_leftovers(&self) -> bool {
        matches!(self.state, State::Leftovers { .. }) && !self.policy.pause
    }

    /// Whether rini would undo a stop of the child. Then the runtime has to look for one.
    pub fn undoes_stops(&self) -> bool {
        self.target() == Target::Child && matches!(self.stop, Stop::Requested { .. } | Stop::Escalated { .. })
    }

    /// Whether rini forwards this signal only to a child that handles it, if a process has sent it and nobody could undo
    /// the stop.
    ///
    /// The kernel does not stop process 1 by a SIGTTIN or SIGTTOU that it does not handle, so the program would go on without an
    /// init. The Docker client in a shell's background sends SIGTTIN over and over (docker/cli#6005). A stop signal or a signal
    /// with a rewrite rule is what the user asked for. dumb-init forwards all of them.
    pub fn forwards_only_if_handled(&self, signal: Signal) -> bool {
        signal.is_background_stop()
            && self.target() == Target::Child
            && self.policy.rewrite.apply(signal) == Some(signal)
            && !self.policy.stops_itself
            && !self.begins_stop(signal)
    }

    /// Whether a stop has begun, be it delayed or under way.
    pub fn has_begun_stop(&self) -> bool {
        self.stop != Stop::NotBegun
    }

    /// Whether rini holds back a stop signal.
    pub fn holds_back(&self) -> bool {
        matches!(self.stop, Stop::Delayed { .. })
    }

    /// When the machine needs the next event, at the latest: a `Tick` if nothing else happens.
    pub fn deadline(&self) -> Option<Instant> {
        match (self.state, self.stop) {
            (State::Ended, _) => None,
            (_, Stop::Delayed { until, .. }) => Some(until),
            (_, Stop::Requested { kill_at, .. }) => kill_at,
            (_, Stop::Escalated { give_up_at }) => Some(give_up_at),
            (_, Stop::NotBegun) => None,
        }
    }

    /// Whether the answer to this event depends on the time. If not, the runtime may pass any moment as `now`.
    pub fn looks_at_time(&self, event: Event) -> bool {
        let begins_period = match event {
            Event::Signal(signal) => self.begins_stop(signal),
            Event::ChildEnded(_) => self.policy.after_exit.stays(),
            _ => false,
        };
        begins_period || self.deadline().is_some()
    }
}

/// The stop: its delay, its deadline, and the signals that it consists of.
impl Supervisor {
    fn check_time(&mut self, now: Instant, actions: &mut Actions) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match self.stop {
            Stop::Delayed { signal, .. } => self.request_stop(signal, now, actions),
            Stop::Requested { by, kill_at: Some(kill_at), put_off: false } if now.since(kill_at) > LATE => {
                let more = now.since(kill_at).min(self.policy.grace.unwrap_or(DEFAULT_GRACE));
                self.stop = Stop::Requested { by, kill_at: Some(now.later_by(more)), put_off: true };
            }
            // If the program still runs, its end brings the kill of what it leaves (`child_ended`). With `AfterExit::Kill`
            // there is no such kill: rini's exit follows, and if rini is PID 1 the kernel kills every other process then.
            Stop::Requested { .. } => {
                self.stop = Stop::Escalated { give_up_at: now.later_by(TIME_TO_DIE) };
                actions.push(Action::Kill(self.target()));
            }
            // A process in an uninterruptible system call may never end. SIGKILL is on its way to the program, so that is
            // its status.
            Stop::Escalated { .. } => {
                let status = match self.state {
                    State::Leftovers { status } => status,
                    _ => Status::Killed(Signal::KILL),
                };
                actions.push(Action::GiveUp);
                self.finish(Some(status), actions);
            }
            Stop::NotBegun => (),
        }
    }

    fn target(&self) -> Target {
        if matches!(self.state, State::Leftovers { .. }) { Target::Leftovers } else { Target::Child }
    }

    fn handle_stop_signal(&mut self, signal: Signal, now: Instant, actions: &mut Actions) {
        match (self.stop, self.policy.delay) {
            (Stop::NotBegun, Some(delay)) => {
                self.stop = Stop::Delayed { signal, until: now.later_by(delay) };
                actions.push(Action::Delay(signal));
            }
            (Stop::NotBegun, None) => self.request_stop(signal, now, actions),
            (Stop::Delayed { signal: first, .. }, _) => {
                // Two pending signals of one kind are one to the kernel too. Another kind must not be lost.
                if signal != first && self.forwards() {
                    self.forward(first, actions);
                }
                self.request_stop(signal, now, actions);
            }
            // The leftover processes have got SIGTERM already. To many programs a second one says "at once".
            (Stop::Requested { .. }, _) if !self.forwards() => actions.push(Action::Discard(signal)),
            // These processes are being killed.
            (Stop::Escalated { .. }, _) if self.target() == Target::Leftovers => {
                actions.push(Action::Discard(signal));
            }
            (Stop::Requested { .. } | Stop::Escalated { .. }, _) => self.forward_stop(signal, actions),
        }
    }

    /// Forwards a stop signal, and continues a stopped child so that it can act on it.
    fn forward_stop(&mut self, signal: Signal, actions: &mut Actions) {
        self.forward(signal, actions);
        if self.stopped && self.target() == Target::Child {
            actions.push(Action::Continue);
        }
    }

    /// Whether stop signals are forwarded. With `Terminate` leftover processes get rini's SIGTERM instead.
    fn forwards(&self) -> bool {
        self.target() == Target::Child || self.policy.after_exit == AfterExit::Wait
    }

    /// Forwards the stop signal that begins the stop. The grace period counts from here, even if a rewrite rule drops the
    /// signal.
    fn request_stop(&mut self, signal: Signal, now: Instant, actions: &mut Actions) {
        match (self.state, self.policy.after_exit) {
            // This happens with `pause` only.
            (State::Leftovers { status }, AfterExit::Kill | AfterExit::TerminateGroup) => {
                return self.finish(Some(status), actions);
            }
            (State::Leftovers { .. }, AfterExit::Terminate) => return self.terminate_leftovers(now, actions),
            _ => (),
        }
        let kill_at = self.policy.grace.map(|grace| now.later_by(grace));
        self.stop = Stop::Requested { by: signal, kill_at, put_off: false };
        // A stop of the child that was requested before this signal does not stay.
        self.stop_requested = false;
        self.forward_stop(signal, actions);
    }

    /// Asks the leftover processes to end. They share the deadline of a stop that has one. A stop signal that is held
    /// back has nothing more to bring about.
    fn terminate_leftovers(&mut self, now: Instant, actions: &mut Actions) {
        if !matches!(self.stop, Stop::Requested { kill_at: Some(_), .. }) {
            let kill_at = Some(now.later_by(self.policy.grace.unwrap_or(DEFAULT_GRACE)));
            self.stop = Stop::Requested { by: Signal::TERM, kill_at, put_off: false };
        }
        actions.push(Action::Terminate);
    }

    fn forward(&mut self, signal: Signal, actions: &mut Actions) {
        let Some(rewritten) = self.policy.rewrite.apply(signal) else { return actions.push(Action::Drop(signal)) };
        if rewritten.has_stop_action() && !rewritten.is_background_stop() {
            self.stop_requested = true;
            self.stop_seen = false;
        } else if rewritten == Signal::CONT {
            self.stop_requested = false;
        }
        actions.push(Action::Forward { signal, rewritten, to: self.target() });
    }
}

/// The end of the child, and job control.
impl Supervisor {
    fn child_ended(&mut self, status: Status, now: Instant, actions: &mut Actions) {
        if self.policy.after_exit == AfterExit::TerminateGroup {
            actions.push(Action::TerminateGroup(self.policy.rewrite.apply(Signal::TERM)));
        }
        if !self.policy.after_exit.stays() {
            return self.finish(Some(status), actions);
        }
        self.state = State::Leftovers { status };
        match (self.stop, self.policy.after_exit) {
            // The deadline has passed.
            (Stop::Escalated { .. }, _) => actions.push(Action::Kill(Target::Leftovers)),
            (_, AfterExit::Terminate) => self.terminate_leftovers(now, actions),
            // The stop goes on, with its deadline.
            (Stop::Requested { by, .. }, _) => self.forward(by, actions),
            (Stop::NotBegun | Stop::Delayed { .. }, _) => (),
        }
    }

    /// Whether to continue a child at once that was stopped by this signal.
    fn undoes_stop(&self, by: Signal) -> bool {
        let terminal = self.policy.terminal;
        // With a terminal the other stops are the ^Z of a user, who sees the result.
        let would_miss_the_deadline = self.undoes_stops() && !self.stop_requested && (by == Signal::STOP || !terminal);
        would_miss_the_deadline || by.is_background_stop() && !terminal && !self.policy.stops_itself
    }

    fn child_stopped(&mut self, by: Signal, foreground: Foreground, actions: &mut Actions) {
        let by = match (by, foreground) {
            _ if !self.policy.terminal => return,
            // `fg` of a job that was started in the background: bash sends no SIGCONT to one that runs.
            (Signal::TTIN | Signal::TTOU, Foreground::Own) => return self.resume(actions),
            // A shell around rini takes the terminal back, and then sees rini stopped. Without a shell the stop is refused,
            // and then undone like that of a ^Z, which gives the child the terminal. The kernel does not send these signals
            // to the foreground, so a process has sent one to a child that has the terminal.
            (Signal::TTIN | Signal::TTOU, Foreground::Nobody | Foreground::Child) => Signal::TSTP,
            (Signal::TSTP | Signal::TTIN | Signal::TTOU, _) => by,
            // If a program stops itself by SIGSTOP while it has the terminal (bash's `suspend`), no process reads what its
            // user types. rini stops itself by SIGTSTP, because the kernel does not stop an orphaned group by that.
            (Signal::STOP, Foreground::Child) => Signal::TSTP,
            _ => return,
        };
        self.suspend(by, actions);
    }

    fn suspend(&mut self, by: Signal, actions: &mut Actions) {
        self.state = State::Suspended { by };
        actions.push(Action::Suspend(by));
    }

    fn resume(&mut self, actions: &mut Actions) {
        self.state = State::Running;
        self.stop_requested = false;
        actions.push(Action::Resume);
    }

    fn finish(&mut self, status: Option<Status>, actions: &mut Actions) {
        self.state = State::Ended;
        actions.push(Action::Finish(status));
    }
}

#[cfg(test)]
pub mod tests;
