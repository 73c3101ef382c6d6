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
//!      └──────────────▶ Ended ◀──────────────────────────────┘
//!               ChildEnded, ChildLost / Finish
//! ```
//!
//! In `Running` and `Suspended` every signal but SIGCHLD is answered by `Forward`; but in `Suspended`, where the child
//! is stopped, SIGCONT is answered by `Resume`, and a signal that stops by another `Suspend`. `Ended` answers nothing:
//! the child's pid may by then be another process's.
//!
//! **Job control.** rini moves its child to a process group of its own and gives it the terminal, so a shell that
//! started rini as a job no longer sees that job stop and cannot continue it. `Suspend` stops rini's own group after
//! the child's, as the terminal would have; `Resume` hands the terminal on and continues the child's group. The kernel
//! refuses to stop a group that nobody could continue (an orphaned process group; PID 1). The child's group is not
//! orphaned, rini being in another group of its session, so there a ^Z would stop it for good: rini then continues it
//! at once, as the kernel would have. A stop that somebody sent *through* rini (`docker kill -s TSTP`) was meant, and
//! stays.
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
#![forbid(unsafe_code)]

use crate::exit::Status;
use crate::signal::{Rewrite, Signal, SignalSet};
use std::time::{Duration, Instant};

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
    /// The kernel says that there is no child, and never told how it ended; or it does not let rini ask. Neither should
    /// happen, and waiting for the child would be waiting for ever.
    ChildLost,
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

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Pass a signal on to the child, or to its process group where that was asked for.
    Forward {
        /// The signal that came.
        signal: Signal,
        /// What it is passed on as.
        rewritten: Signal,
    },
    /// Keep a shutdown signal back for the shutdown delay; a `Forward` of it will follow.
    Delay(Signal),
    /// Continue the child, or its group, so that it can act on the signal before.
    Continue,
    /// The grace period is over: kill the child, or its group.
    Kill,
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
    /// At the most: the signal that was kept back, the one that ended the delay, SIGCONT, and the kill.
    fn push(&mut self, action: Action) {
        if let Some(place) = self.0.iter_mut().find(|place| place.is_none()) {
            *place = Some(action);
        }
    }
}

impl IntoIterator for Actions {
    type Item = Action;
    type IntoIter = std::iter::Flatten<std::array::IntoIter<Option<Action>, 4>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().flatten()
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
    /// Whether rini and its child share a controlling terminal: without one there is no job control.
    pub terminal: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    Suspended { by: Signal },
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shutdown {
    Not,
    Delayed { signal: Signal, until: Option<Instant> },
    Asked { kill_at: Option<Instant> },
    Escalated,
}

/// The state machine. See the module's own text.
#[derive(Clone, Debug)]
pub struct Supervisor {
    policy: Policy,
    state: State,
    shutdown: Shutdown,
    /// The child is stopped.
    stopped: bool,
    /// A signal that stops was forwarded and no SIGCONT since: a stop of the child is what somebody asked for.
    stop_requested: bool,
}

impl Supervisor {
    /// The child has been started.
    pub fn new(policy: Policy) -> Supervisor {
        Supervisor { policy, state: State::Running, shutdown: Shutdown::Not, stopped: false, stop_requested: false }
    }

    /// Takes one event, at the time `now`, and says what to do about it.
    pub fn handle(&mut self, event: Event, now: Instant) -> Actions {
        let mut actions = Actions::default();
        match (self.state, event) {
            (State::Ended, _) => return actions,
            (_, Event::ChildEnded(status)) => self.finish(Some(status), &mut actions),
            (_, Event::ChildLost) => self.finish(None, &mut actions),
            (_, Event::Signal(Signal::CHLD) | Event::Tick) => (),
            (State::Suspended { .. }, Event::Signal(Signal::CONT)) => self.resume(&mut actions),
            // A second ^Z, which took the SIGCONT of the first away before rini did. The child is still stopped.
            (State::Suspended { .. }, Event::Signal(signal)) if signal.stops() => {
                self.suspend(Signal::TSTP, &mut actions);
            }
            (_, Event::Signal(signal)) if self.begins_shutdown(signal) => {
                self.shut_down(signal, now, &mut actions);
            }
            (_, Event::Signal(signal)) => self.forward(signal, &mut actions),
            (_, Event::ChildStopped { by, foreground }) => {
                self.stopped = true;
                self.child_stopped(by, foreground, &mut actions);
            }
            // Not the end of `Suspended`: it may have been the child alone, by its pid. The SIGCONT that let rini look
            // is still to be taken; it continues the whole group and hands the terminal on.
            (_, Event::ChildContinued) => {
                self.stopped = false;
                self.stop_requested = false;
            }
            // A reader or writer in the background would only stop again.
            (State::Suspended { by: Signal::TSTP }, Event::SuspendRefused) if !self.stop_requested => {
                self.resume(&mut actions);
            }
            (_, Event::SuspendRefused) => self.state = State::Running,
        }
        // With every event and not with `Tick` alone: signals may come so fast that rini never just waits.
        self.check_time(now, &mut actions);
        actions
    }

    /// Whether this signal begins a shutdown.
    pub fn begins_shutdown(&self, signal: Signal) -> bool {
        self.policy.shutdown_signals.contains(signal)
    }

    /// When to come again, at the latest, with a `Tick` if with nothing else.
    pub fn deadline(&self) -> Option<Instant> {
        match (self.state, self.shutdown) {
            (State::Ended, _) => None,
            (_, Shutdown::Delayed { until, .. }) => until,
            (_, Shutdown::Asked { kill_at }) => kill_at,
            (_, Shutdown::Not | Shutdown::Escalated) => None,
        }
    }

    fn check_time(&mut self, now: Instant, actions: &mut Actions) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match self.shutdown {
            Shutdown::Delayed { signal, .. } => self.ask(signal, now, actions),
            Shutdown::Asked { .. } => {
                self.shutdown = Shutdown::Escalated;
                actions.push(Action::Kill);
            }
            Shutdown::Not | Shutdown::Escalated => (),
        }
    }

    /// A shutdown signal came.
    fn shut_down(&mut self, signal: Signal, now: Instant, actions: &mut Actions) {
        match (self.shutdown, self.policy.delay) {
            (Shutdown::Not, Some(delay)) => {
                self.shutdown = Shutdown::Delayed { signal, until: now.checked_add(delay) };
                actions.push(Action::Delay(signal));
            }
            (Shutdown::Not, None) => self.ask(signal, now, actions),
            (Shutdown::Delayed { signal: first, .. }, _) => {
                // Two of a kind that are both pending are one to the kernel too; another kind is not lost.
                if signal != first {
                    self.forward(first, actions);
                }
                self.ask(signal, now, actions);
            }
            (Shutdown::Asked { .. } | Shutdown::Escalated, _) => self.forward(signal, actions),
        }
    }

    /// Forwards a shutdown signal, from which on the grace period counts. One that is dropped by a rewrite counts too.
    fn ask(&mut self, signal: Signal, now: Instant, actions: &mut Actions) {
        self.shutdown = Shutdown::Asked { kill_at: self.policy.grace.and_then(|grace| now.checked_add(grace)) };
        self.forward(signal, actions);
        if self.stopped {
            actions.push(Action::Continue);
        }
    }

    fn forward(&mut self, signal: Signal, actions: &mut Actions) {
        let Some(rewritten) = self.policy.rewrite.apply(signal) else { return };
        if rewritten.stops() {
            self.stop_requested = true;
        } else if rewritten == Signal::CONT {
            self.stop_requested = false;
        }
        actions.push(Action::Forward { signal, rewritten });
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
mod tests {
    use super::*;
    use std::sync::LazyLock;

    fn signal(number: i32) -> Signal {
        Signal::from_number(number).unwrap()
    }

    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

    fn forwarded(signal: Signal) -> Option<Action> {
        Some(Action::Forward { signal, rewritten: signal })
    }

    /// The one action of an answer, where there may be one at the most.
    fn only(actions: Actions) -> Option<Action> {
        let mut actions = actions.into_iter();
        let only = actions.next();
        assert_eq!(actions.next(), None);
        only
    }

    fn job_control(terminal: bool) -> Supervisor {
        Supervisor::new(Policy { terminal, ..Policy::default() })
    }

    /// Everything that can be told to the machine, a representative for each kind: an ordinary signal, each signal that
    /// it treats in its own way, each stop at each foreground, and each end.
    fn alphabet() -> Vec<Event> {
        let mut events = vec![
            Event::Signal(signal(libc::SIGTERM)),
            Event::Signal(Signal::CHLD),
            Event::Signal(Signal::CONT),
            Event::Signal(Signal::TSTP),
            Event::Signal(Signal::TTIN),
            Event::Tick,
            Event::ChildContinued,
            Event::SuspendRefused,
            Event::ChildEnded(Status::Exited(7)),
            Event::ChildEnded(Status::Killed(Signal::STOP)),
            Event::ChildLost,
        ];
        for by in [Signal::STOP, Signal::TSTP, Signal::TTIN, Signal::TTOU] {
            for foreground in [Foreground::Child, Foreground::Own, Foreground::Other] {
                events.push(Event::ChildStopped { by, foreground });
            }
        }
        events
    }

    /// What an onlooker who knows only the contract expects, kept apart from the machine's own state.
    #[derive(Clone, Default)]
    struct Onlooker {
        ended: bool,
        /// rini stopped its own group, by this signal, and nothing has undone it.
        suspended: Option<Signal>,
        /// A stop went through rini and nothing has undone it.
        requested: bool,
    }

    impl Onlooker {
        fn check(&mut self, terminal: bool, event: Event, action: Option<Action>) {
            if self.ended {
                assert_eq!(action, None, "no action, and above all no signal, after the child was reaped");
                return;
            }
            let resumed = action == Some(Action::Resume);
            match event {
                Event::ChildEnded(status) => {
                    assert_eq!(action, Some(Action::Finish(Some(status))), "the end is the child's, at once");
                    self.ended = true;
                }
                Event::ChildLost => {
                    assert_eq!(action, Some(Action::Finish(None)), "a lost child is never waited for");
                    self.ended = true;
                }
                Event::Signal(Signal::CHLD) | Event::Tick => assert_eq!(action, None, "SIGCHLD is for rini"),
                Event::Signal(Signal::CONT) if self.suspended.is_some() => assert!(resumed, "SIGCONT undoes a ^Z"),
                Event::Signal(signal) if self.suspended.is_some() && signal.stops() => {
                    assert_eq!(action, Some(Action::Suspend(Signal::TSTP)), "another ^Z stops rini again");
                    self.suspended = Some(Signal::TSTP);
                }
                Event::Signal(signal) => {
                    assert_eq!(action, forwarded(signal), "every signal is forwarded, once, unchanged");
                    self.requested = signal.stops() || (self.requested && signal != Signal::CONT);
                }
                Event::ChildContinued => assert_eq!(action, None),
                Event::ChildStopped { .. } if !terminal => assert_eq!(action, None, "no terminal, no job control"),
                Event::ChildStopped { by, foreground } => {
                    let wanted = match (by == Signal::STOP, by == Signal::TSTP, foreground) {
                        (true, _, Foreground::Child) => Some(Action::Suspend(Signal::TSTP)),
                        (true, _, _) => None,
                        (_, false, Foreground::Own) => Some(Action::Resume),
                        (_, _, _) => Some(Action::Suspend(by)),
                    };
                    assert_eq!(action, wanted);
                    if let Some(Action::Suspend(by)) = action {
                        self.suspended = Some(by);
                    }
                }
                Event::SuspendRefused => {
                    let stuck = self.suspended == Some(Signal::TSTP) && !self.requested;
                    assert_eq!(resumed, stuck, "undone only if nobody else could, and nobody meant it");
                    assert!(resumed || action.is_none());
                    self.suspended = None;
                }
            }
            if resumed {
                self.suspended = None;
            }
            if resumed || event == Event::ChildContinued {
                self.requested = false;
            }
        }
    }

    fn every_history(machine: &Supervisor, onlooker: &Onlooker, events: &[Event], depth: usize, count: &mut u64) {
        let now = *BEGIN;
        *count += 1;
        if depth == 0 {
            return;
        }
        for &event in events {
            let (mut machine, mut onlooker) = (machine.clone(), onlooker.clone());
            let action = only(machine.handle(event, now));
            onlooker.check(machine.policy.terminal, event, action);
            every_history(&machine, &onlooker, events, depth - 1, count);
        }
    }

    /// Every history up to a depth, the impossible ones too: the kernel's order of events is not the machine's to
    /// trust.
    #[test]
    fn every_history_of_5_events_keeps_the_promises() {
        const DEPTH: u32 = 5;
        let events = alphabet();
        for terminal in [false, true] {
            let mut count = 0;
            every_history(&job_control(terminal), &Onlooker::default(), &events, DEPTH as usize, &mut count);
            let kinds = events.len() as u64;
            assert_eq!(count, (0..=DEPTH).map(|n| kinds.pow(n)).sum::<u64>(), "the whole tree was walked");
        }
    }

    #[test]
    fn each_of_the_64_signals_is_forwarded_but_sigchld() {
        for n in 1..=64 {
            let wanted = if n == libc::SIGCHLD { None } else { forwarded(signal(n)) };
            assert_eq!(only(job_control(false).handle(Event::Signal(signal(n)), *BEGIN)), wanted);
        }
    }

    /// The walk above is worth only what its onlooker sees: machines with one wrong answer each must not pass it.
    #[test]
    fn a_wrong_answer_is_seen() {
        let wrong: [(&[Event], Option<Action>); 6] = [
            (&[Event::Signal(Signal::CHLD)], forwarded(Signal::CHLD)),
            (&[Event::Signal(signal(15))], None),
            (&[Event::ChildEnded(Status::Exited(7))], Some(Action::Finish(Some(Status::Exited(0))))),
            (&[Event::ChildEnded(Status::Exited(7)), Event::Signal(signal(15))], forwarded(signal(15))),
            (&[Event::ChildLost], None),
            (&[Event::Signal(Signal::TSTP), Event::SuspendRefused], Some(Action::Resume)),
        ];
        for (history, last) in wrong {
            let (mut machine, mut onlooker) = (job_control(true), Onlooker::default());
            let seen = std::panic::catch_unwind(move || {
                for (i, &event) in history.iter().enumerate() {
                    let action = only(machine.handle(event, *BEGIN));
                    onlooker.check(true, event, if i + 1 == history.len() { last } else { action });
                }
            });
            assert!(seen.is_err(), "{history:?} answered by {last:?} passed");
        }
    }

    /// What an onlooker expects of a shutdown who knows the contract, and counts time in seconds from the beginning.
    #[derive(Clone, Default)]
    struct Clock {
        now: u64,
        stopped: bool,
        ended: bool,
        /// The signal that is held back, and until when.
        held: Option<(Signal, u64)>,
        /// When the first shutdown signal was forwarded.
        asked: Option<u64>,
        killed: bool,
    }

    const DELAY: u64 = 1;
    const GRACE: u64 = 2;

    impl Clock {
        fn expect(&mut self, policy: &Policy, event: Event) -> Vec<Action> {
            if self.ended {
                return vec![];
            }
            let forward = |signal| policy.rewrite.apply(signal).map(|rewritten| Action::Forward { signal, rewritten });
            let mut wanted = vec![];
            match event {
                Event::Signal(Signal::CHLD) | Event::Tick => (),
                Event::Signal(signal) if !policy.shutdown_signals.contains(signal) => wanted.extend(forward(signal)),
                Event::Signal(signal) if self.asked.is_some() => wanted.extend(forward(signal)),
                Event::Signal(signal) if policy.delay.is_some() && self.held.is_none() => {
                    self.held = Some((signal, self.now + DELAY));
                    wanted.push(Action::Delay(signal));
                }
                Event::Signal(signal) => {
                    let first = self.held.take().map(|(first, _)| first).filter(|first| *first != signal);
                    wanted.extend(first.and_then(forward));
                    wanted.extend(forward(signal));
                    wanted.extend(self.ask());
                }
                Event::ChildStopped { .. } => self.stopped = true,
                Event::ChildContinued => self.stopped = false,
                Event::ChildEnded(status) => {
                    self.ended = true;
                    return vec![Action::Finish(Some(status))];
                }
                Event::SuspendRefused | Event::ChildLost => panic!("not in this walk"),
            }
            if let Some((signal, _)) = self.held.filter(|(_, until)| self.now >= *until) {
                self.held = None;
                wanted.extend(forward(signal));
                wanted.extend(self.ask());
            } else if policy.grace.is_some() && !self.killed && self.asked.is_some_and(|at| self.now >= at + GRACE) {
                self.killed = true;
                wanted.push(Action::Kill);
            }
            wanted
        }

        fn ask(&mut self) -> Option<Action> {
            self.asked = Some(self.now);
            self.stopped.then_some(Action::Continue)
        }

        /// When the machine must want to be told the time.
        fn deadline(&self, policy: &Policy) -> Option<u64> {
            match (self.held, self.asked) {
                _ if self.ended => None,
                (Some((_, until)), _) => Some(until),
                (None, Some(at)) if policy.grace.is_some() && !self.killed => Some(at + GRACE),
                _ => None,
            }
        }
    }

    fn every_shutdown(machine: &Supervisor, clock: &Clock, events: &[Event], depth: u32, count: &mut u64) {
        *count += 1;
        if depth == 0 {
            return;
        }
        for &event in events {
            for passed in 0..=GRACE {
                let (mut machine, mut clock) = (machine.clone(), clock.clone());
                clock.now += passed;
                let wanted = clock.expect(&machine.policy, event);
                let now = *BEGIN + Duration::from_secs(clock.now);
                let actions: Vec<_> = machine.handle(event, now).into_iter().collect();
                assert_eq!(actions, wanted, "{event:?} at {} s", clock.now);
                let deadline = clock.deadline(&machine.policy).map(|at| *BEGIN + Duration::from_secs(at));
                assert_eq!(machine.deadline(), deadline);
                every_shutdown(&machine, &clock, events, depth - 1, count);
            }
        }
    }

    fn policies() -> Vec<Policy> {
        let mut policies = vec![];
        for grace in [None, Some(Duration::from_secs(GRACE))] {
            for delay in [None, Some(Duration::from_secs(DELAY))] {
                for rules in [&[][..], &["TERM:QUIT", "USR1:0"], &["TERM:0", "USR1:KILL"]] {
                    let mut rewrite = Rewrite::default();
                    assert!(rules.iter().all(|rule| rewrite.add(rule)));
                    let shutdown_signals = SignalSet::parse("TERM,INT").unwrap();
                    policies.push(Policy { shutdown_signals, delay, grace, rewrite, terminal: false });
                }
            }
        }
        policies
    }

    /// Every order of shutdown signals, other signals, the child's stops and its end, with every passing of time
    /// between them; for every policy.
    #[test]
    fn every_shutdown_of_up_to_5_events_keeps_to_the_clock() {
        // The debug build takes its time.
        let depth = if cfg!(debug_assertions) { 3 } else { 5 };
        let stopped = Event::ChildStopped { by: Signal::STOP, foreground: Foreground::Other };
        let events = [
            Event::Signal(signal(libc::SIGTERM)),
            Event::Signal(signal(libc::SIGINT)),
            Event::Signal(signal(libc::SIGUSR1)),
            Event::Tick,
            stopped,
            Event::ChildContinued,
            Event::ChildEnded(Status::Exited(7)),
        ];
        for policy in policies() {
            let mut count = 0;
            every_shutdown(&Supervisor::new(policy), &Clock::default(), &events, depth, &mut count);
            let kinds = events.len() as u64 * (GRACE + 1);
            assert_eq!(count, (0..=depth).map(|n| kinds.pow(n)).sum::<u64>(), "the whole tree was walked");
        }
    }

    /// A child that does not end is killed if there is a grace period, whatever else comes: being told the time at each
    /// deadline is all that it takes.
    #[test]
    fn every_shutdown_with_a_grace_period_comes_to_an_end() {
        for policy in policies() {
            let escalates = policy.grace.is_some();
            let mut machine = Supervisor::new(policy);
            let mut now = *BEGIN;
            let mut actions: Vec<_> = machine.handle(Event::Signal(signal(libc::SIGTERM)), now).into_iter().collect();
            while let Some(deadline) = machine.deadline() {
                assert!(deadline > now, "it never asks for the present again and again");
                now = deadline;
                actions.extend(machine.handle(Event::Tick, now));
            }
            assert_eq!(actions.contains(&Action::Kill), escalates);
        }
    }
}
