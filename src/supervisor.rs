//! What rini decides. A pure state machine: no system call, no clock, no pid, no log.
//!
//! The runtime tells it what happened ([`Event`]) and does what it answers ([`Actions`]). It holds one [`State`]:
//!
//! ```text
//!              ChildStopped, at a terminal / Suspend
//!   Running ───────────────────────────────────────────▶ Suspended
//!      │    ◀───────────────────────────────────────────     │
//!      │     SIGCONT / Resume                                │
//!      │     SuspendRefused / Resume, or – where the stop    │
//!      │     had been asked for                              │
//!      │                                                     │
//!      ├──────────────────────────┬──────────────────────────┘
//!      │ ChildEnded / Finish      │ ChildEnded / Terminate, or Forward, or –
//!      ▼                          ▼
//!    Ended ◀────────────────── Remaining
//!            NoChildren / Finish
//! ```
//!
//! In `Running` and `Suspended` every signal but SIGCHLD is answered by `Forward`, or by `Drop` where a rule lets it end
//! here; but in `Suspended`, where the child is stopped, SIGCONT is answered by `Resume`, and a signal that stops by
//! another `Suspend`. `Ended` answers nothing: the child's pid may by then be another process's.
//!
//! **Job control.** rini moves its child to a process group of its own and gives it the terminal, so a shell that
//! started rini as a job no longer sees that job stop and cannot continue it. `Suspend` stops rini's own group after
//! the child's, as the terminal would have; `Resume` hands the terminal on and continues the child's group. The kernel
//! refuses to stop a group that nobody could continue (an orphaned process group; PID 1). The child's group is not
//! orphaned, rini being in another group of its session, so there a ^Z would stop it for good: rini then continues it
//! at once, as the kernel would have. A stop that somebody sent *through* rini (`docker kill -s TSTP`) was meant, and
//! stays. With `stops_itself`, which is dumb-init's way, rini passes such a stop on and then stops too (`StopItself`),
//! until somebody continues it: who stopped rini to stop the child sees it stopped.
//!
//! **Shutdown.** Beside that, and independent of it, it holds how far a shutdown has come ([`Shutdown`]):
//!
//! ```text
//!         a shutdown signal / –             the delay is over, or a second one comes / Forward
//!   Not ─────────────────────────▶ Delayed ───────────────────────────────────────────────────▶ Asked ──▶ Escalated
//!    └──────────────────────────────────────────────────────────────────────────────────────────▲     │
//!         a shutdown signal, no delay / Forward                   the grace period is over / Kill ──────┘
//! ```
//!
//! Where the child is stopped, SIGCONT follows the signal, or it could not act on it. The grace period counts from that
//! forwarding; nothing moves its end, and nothing but the child's end comes before it. Time comes in with each event:
//! the machine has no clock, and says by [`Supervisor::deadline`] when it wants to be told the time again.
//!
//! **What remains.** `Remaining` is for what the child leaves behind, where the user does not want it killed
//! ([`AfterExit`]); what counts as remaining is the runtime's affair, as it depends on the role. There the same
//! shutdown goes on, with everything that remains in the child's place:
//!
//! - `Terminate`: the child's end asks what remains to end, and the grace period, now a whole one, counts from there.
//!   Shutdown signals have nothing to add.
//! - `Wait`: nobody is signalled unasked. A shutdown signal is forwarded to what remains, and the grace period counts
//!   from there. Where the child ended by a shutdown, what remains has not been asked yet and was meant too: it gets
//!   the same signal.
//!
//! `TerminateGroup` has no `Remaining`: the child's process group is sent SIGTERM, and that is the end.
//!
//! Other signals were meant for the child, and are dropped; but for a ^Z, which now stops rini alone, and the one that
//! tells of the parent's death, which ends this too. When nothing remains that is the end, with the child's
//! status. `pause` is a `Remaining` from the start, which lasts until a shutdown.
#![forbid(unsafe_code)]

use crate::exit::Status;
use crate::signal::{Rewrite, Signal, SignalSet};
use crate::time::{Duration, Instant};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A signal came for rini.
    Signal(Signal),
    /// Nothing but that time has passed.
    Tick,
    /// The child stopped.
    ChildStopped {
        /// The signal that stopped it.
        by: Signal,
        /// Who had the terminal when rini looked.
        foreground: Foreground,
    },
    /// The child was continued.
    ChildContinued,
    /// The kernel did not carry out [`Action::Suspend`]: nobody could have continued rini.
    SuspendRefused,
    /// The child ended and was reaped.
    ChildEnded(Status),
    /// rini has no children. While the child has not been reaped this should not happen: nobody knows how it ended.
    NoChildren,
    /// Nothing more can be learned of children, or nothing done about them: the kernel does not let rini wait, or not
    /// kill. Waiting on would be waiting for ever.
    Helpless,
}

/// Whose process group is the terminal's foreground group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreground {
    /// The child's.
    Child,
    /// rini's own.
    Own,
    /// Somebody else's, or there is no controlling terminal.
    Other,
}

/// Who is meant by an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The child, or its process group where that was asked for.
    Child,
    /// Everything that the child has left behind.
    Remaining,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Pass a signal on. What of the remaining is stopped is also continued.
    Forward {
        /// The signal that came.
        signal: Signal,
        /// What it is passed on as.
        rewritten: Signal,
        /// To whom.
        to: Target,
    },
    /// Let a signal end here, by a rewrite to nothing.
    Drop(Signal),
    /// Keep a shutdown signal back for the shutdown delay; a `Forward` of it will follow.
    Delay(Signal),
    /// Ask everything that remains to end, by SIGTERM, and continue what of it is stopped.
    Terminate,
    /// Continue the child, or its group, so that it can act on the signal before.
    Continue,
    /// The grace period is over: kill.
    Kill(Target),
    /// The child has ended: pass on to its process group what SIGTERM is rewritten to, if it is not dropped.
    TerminateGroup(Option<Signal>),
    /// Stop rini alone.
    StopItself,
    /// Stop rini's own process group with this signal, as the terminal would have.
    Suspend(Signal),
    /// Give the child's process group the terminal, if rini's has it, and continue it.
    Resume,
    /// Exit: the child ended so, or (`None`) nobody knows how.
    Finish(Option<Status>),
}

/// The answer to one event, to be carried out in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actions([Option<Action>; 4]);

impl Actions {
    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = Action> {
        self.0.iter().map_while(|action| *action)
    }

    /// At the most: the signal that was kept back, the one that ended the delay, SIGCONT or a stop, and the kill.
    fn push(&mut self, action: Action) {
        if let Some(place) = self.0.iter_mut().find(|place| place.is_none()) {
            *place = Some(action);
        }
    }
}

/// What becomes of the other processes when the child has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AfterExit {
    /// rini exits too; as PID 1, the kernel then kills them.
    #[default]
    Kill,
    /// The child's process group is asked to end, and rini exits.
    TerminateGroup,
    /// They are asked to end, and killed when the grace period is over.
    Terminate,
    /// They go on, and rini with them.
    Wait,
}

impl AfterExit {
    /// Whether rini stays for them.
    pub fn stays(self) -> bool {
        matches!(self, AfterExit::Terminate | AfterExit::Wait)
    }
}

/// What the user asked for, as far as it concerns decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The signals that begin a shutdown.
    pub shutdown_signals: SignalSet,
    /// How long a shutdown signal is kept back before it is forwarded.
    pub delay: Option<Duration>,
    /// How long the child has, from the forwarding on, until it is killed.
    pub grace: Option<Duration>,
    /// What signals are passed on as.
    pub rewrite: Rewrite,
    /// After a SIGTSTP, SIGTTIN or SIGTTOU for the child, whatever it is rewritten to, rini stops too.
    pub stops_itself: bool,
    /// What becomes of the other processes when the child has ended.
    pub after_exit: AfterExit,
    /// There is no child, and rini runs until a shutdown.
    pub pause: bool,
    /// The signal that tells of the parent's death. It is forwarded as any other; where there is no child to be told,
    /// it begins a shutdown.
    pub parent_death_signal: Option<Signal>,
    /// Whether rini and its child share a controlling terminal: without one there is no job control.
    pub terminal: bool,
}

/// How long what remains has to end where no grace period is given.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Running,
    Suspended { by: Signal },
    Remaining { status: Status },
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Shutdown {
    Not,
    Delayed {
        signal: Signal,
        until: Instant,
    },
    /// They were asked to end by this signal.
    Asked {
        by: Signal,
        kill_at: Option<Instant>,
    },
    Escalated {
        by: Signal,
    },
}

/// The state machine. See the module's own text.
#[derive(Clone, Debug)]
pub struct Supervisor {
    /// What it goes by.
    pub policy: Policy,
    state: State,
    shutdown: Shutdown,
    /// The child is stopped.
    stopped: bool,
    /// A signal that stops was forwarded and no SIGCONT since: a stop of the child is what somebody asked for.
    stop_requested: bool,
    /// The child has stopped since such a signal was forwarded.
    stop_seen: bool,
}

impl Supervisor {
    /// The child has been started; or with `pause` there is none.
    pub fn new(policy: Policy) -> Supervisor {
        let state = if policy.pause { State::Remaining { status: Status::Exited(0) } } else { State::Running };
        Supervisor { policy, state, shutdown: Shutdown::Not, stopped: false, stop_requested: false, stop_seen: false }
    }

    /// Takes one event, at the time `now`, and says what to do about it.
    #[inline(never)]
    pub fn handle(&mut self, event: Event, now: Instant) -> Actions {
        let mut actions = Actions::default();
        match self.state {
            State::Ended => return actions,
            State::Remaining { status } => self.handle_remaining(event, status, now, &mut actions),
            State::Running | State::Suspended { .. } => self.handle_child(event, now, &mut actions),
        }
        // With every event and not with `Tick` alone: signals may come so fast that rini never just waits.
        self.check_time(now, &mut actions);
        actions
    }

    fn handle_child(&mut self, event: Event, now: Instant, actions: &mut Actions) {
        match (self.state, event) {
            (_, Event::ChildEnded(status)) => self.child_ended(status, now, actions),
            (_, Event::NoChildren | Event::Helpless) => self.finish(None, actions),
            (_, Event::Signal(Signal::CHLD) | Event::Tick) => (),
            (State::Suspended { .. }, Event::Signal(Signal::CONT)) => self.resume(actions),
            // A second ^Z, which took the SIGCONT of the first away before rini did. The child is still stopped.
            (State::Suspended { .. }, Event::Signal(signal)) if signal.stops() => self.suspend(Signal::TSTP, actions),
            (_, Event::Signal(signal)) if self.begins_shutdown(signal) => self.shut_down(signal, now, actions),
            (_, Event::Signal(signal)) => {
                self.forward(signal, actions);
                if self.policy.stops_itself && signal.is_terminal_stop() {
                    actions.push(Action::StopItself);
                }
            }
            (_, Event::ChildStopped { by, foreground }) => {
                self.stopped = true;
                self.stop_seen = true;
                self.child_stopped(by, foreground, actions);
            }
            // Not the end of `Suspended`: it may have been the child alone, by its pid. The SIGCONT that let rini look
            // is still to be taken; it continues the whole group and hands the terminal on.
            //
            // A child tells that it was continued when it gets to run, and the next stop may have been asked for by then: this
            // undoes a stop that was seen, and not one that is still to come.
            (_, Event::ChildContinued) => {
                self.stopped = false;
                self.stop_requested &= !self.stop_seen;
            }
            // A reader or writer in the background would only stop again.
            (State::Suspended { by: Signal::TSTP }, Event::SuspendRefused) if !self.stop_requested => {
                self.resume(actions);
            }
            (_, Event::SuspendRefused) => self.state = State::Running,
        }
    }

    fn handle_remaining(&mut self, event: Event, status: Status, now: Instant, actions: &mut Actions) {
        match event {
            Event::NoChildren if self.may_pause() => (),
            Event::Helpless if self.may_pause() => self.finish(None, actions),
            Event::NoChildren | Event::Helpless => self.finish(Some(status), actions),
            Event::Signal(signal) if self.begins_shutdown(signal) => self.shut_down(signal, now, actions),
            // A ^Z is for whoever has the terminal, and that is rini now.
            Event::Signal(signal) if signal.stops() && self.policy.terminal => {
                actions.push(Action::Suspend(Signal::TSTP));
            }
            Event::Signal(_) | Event::Tick => (),
            // There is no child any more of which these could tell.
            Event::ChildStopped { .. } | Event::ChildContinued | Event::SuspendRefused | Event::ChildEnded(_) => (),
        }
    }

    /// Whether rini is to stay although nothing remains.
    fn may_pause(&self) -> bool {
        self.policy.pause && matches!(self.shutdown, Shutdown::Not | Shutdown::Delayed { .. })
    }

    /// Whether this signal begins a shutdown.
    pub fn begins_shutdown(&self, signal: Signal) -> bool {
        let orphaned = self.target() == Target::Remaining && self.policy.parent_death_signal == Some(signal);
        orphaned || self.policy.shutdown_signals.contains(signal)
    }

    /// Whether a shutdown signal is being held back.
    pub fn holds_back(&self) -> bool {
        matches!(self.shutdown, Shutdown::Delayed { .. })
    }

    /// When to come again, at the latest, with a `Tick` if with nothing else.
    pub fn deadline(&self) -> Option<Instant> {
        match (self.state, self.shutdown) {
            (State::Ended, _) => None,
            (_, Shutdown::Delayed { until, .. }) => Some(until),
            (_, Shutdown::Asked { kill_at, .. }) => kill_at,
            (_, Shutdown::Not | Shutdown::Escalated { .. }) => None,
        }
    }

    /// Whether it matters to this event when it comes. Where it does not, any moment will do for `now`.
    pub fn looks_at_time(&self, event: Event) -> bool {
        let begins_period = match event {
            Event::Signal(signal) => self.begins_shutdown(signal),
            Event::ChildEnded(_) => self.policy.after_exit.stays(),
            _ => false,
        };
        begins_period || self.deadline().is_some()
    }

    fn check_time(&mut self, now: Instant, actions: &mut Actions) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match self.shutdown {
            Shutdown::Delayed { signal, .. } => self.ask(signal, now, actions),
            Shutdown::Asked { by, .. } => {
                self.shutdown = Shutdown::Escalated { by };
                actions.push(Action::Kill(self.target()));
            }
            Shutdown::Not | Shutdown::Escalated { .. } => (),
        }
    }

    fn target(&self) -> Target {
        if matches!(self.state, State::Remaining { .. }) { Target::Remaining } else { Target::Child }
    }

    /// A shutdown signal came.
    fn shut_down(&mut self, signal: Signal, now: Instant, actions: &mut Actions) {
        match (self.shutdown, self.policy.delay) {
            (Shutdown::Not, Some(delay)) => {
                self.shutdown = Shutdown::Delayed { signal, until: now.later_by(delay) };
                actions.push(Action::Delay(signal));
            }
            (Shutdown::Not, None) => self.ask(signal, now, actions),
            (Shutdown::Delayed { signal: first, .. }, _) => {
                // Two of a kind that are both pending are one to the kernel too; another kind is not lost.
                if signal != first && self.forwards() {
                    self.forward(first, actions);
                }
                self.ask(signal, now, actions);
            }
            // All that remains was asked already; a second SIGTERM is to many programs "at once, and never mind".
            (Shutdown::Asked { .. }, _) if !self.forwards() => (),
            // Those that are being killed hear of nothing else.
            (Shutdown::Escalated { .. }, _) if self.target() == Target::Remaining => (),
            (Shutdown::Asked { .. } | Shutdown::Escalated { .. }, _) => self.forward_stop(signal, actions),
        }
    }

    /// Forwards a shutdown signal, so that a child that is stopped can act on it.
    fn forward_stop(&mut self, signal: Signal, actions: &mut Actions) {
        self.forward(signal, actions);
        if self.stopped && self.target() == Target::Child {
            actions.push(Action::Continue);
        }
    }

    /// Whether shutdown signals are forwarded: what remains may have to be asked, or not asked, in another way.
    fn forwards(&self) -> bool {
        self.target() == Target::Child || self.policy.after_exit == AfterExit::Wait
    }

    /// Asks for the end, from which on the grace period counts: by a shutdown signal, which is forwarded. One that is
    /// dropped by a rewrite counts too.
    fn ask(&mut self, signal: Signal, now: Instant, actions: &mut Actions) {
        match (self.state, self.policy.after_exit) {
            // These two come with `pause` only.
            (State::Remaining { status }, AfterExit::Kill | AfterExit::TerminateGroup) => {
                return self.finish(Some(status), actions);
            }
            (State::Remaining { .. }, AfterExit::Terminate) => return self.terminate(now, actions),
            _ => (),
        }
        let kill_at = self.policy.grace.map(|grace| now.later_by(grace));
        self.shutdown = Shutdown::Asked { by: signal, kill_at };
        self.forward_stop(signal, actions);
    }

    /// Asks what remains to end. Where a shutdown signal was being held back, this is what it was to bring about.
    fn terminate(&mut self, now: Instant, actions: &mut Actions) {
        let kill_at = Some(now.later_by(self.policy.grace.unwrap_or(DEFAULT_GRACE)));
        self.shutdown = Shutdown::Asked { by: Signal::TERM, kill_at };
        actions.push(Action::Terminate);
    }

    fn forward(&mut self, signal: Signal, actions: &mut Actions) {
        let Some(rewritten) = self.policy.rewrite.apply(signal) else { return actions.push(Action::Drop(signal)) };
        if rewritten.stops() {
            self.stop_requested = true;
            self.stop_seen = false;
        } else if rewritten == Signal::CONT {
            self.stop_requested = false;
        }
        actions.push(Action::Forward { signal, rewritten, to: self.target() });
    }

    fn child_ended(&mut self, status: Status, now: Instant, actions: &mut Actions) {
        if self.policy.after_exit == AfterExit::TerminateGroup {
            actions.push(Action::TerminateGroup(self.policy.rewrite.apply(Signal::TERM)));
        }
        if !self.policy.after_exit.stays() {
            return self.finish(Some(status), actions);
        }
        self.state = State::Remaining { status };
        match (self.policy.after_exit, self.shutdown) {
            (AfterExit::Terminate, _) => self.terminate(now, actions),
            (_, Shutdown::Asked { by, .. } | Shutdown::Escalated { by }) => self.ask(by, now, actions),
            (_, Shutdown::Not | Shutdown::Delayed { .. }) => (),
        }
    }

    fn child_stopped(&mut self, by: Signal, foreground: Foreground, actions: &mut Actions) {
        let by = match (by, foreground) {
            _ if !self.policy.terminal => return,
            // `fg` of a job that was started in the background: bash sends no SIGCONT to one that runs.
            (Signal::TTIN | Signal::TTOU, Foreground::Own) => return self.resume(actions),
            (Signal::TSTP | Signal::TTIN | Signal::TTOU, _) => by,
            // A program that stops itself by SIGSTOP while it has the terminal (bash's `suspend`) would leave its user
            // with nobody to type to. For rini itself it is TSTP: that is the one that an orphaned group is spared.
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
