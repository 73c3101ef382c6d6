//! The machine, in every history: however long, in whatever order, possible or not. The kernel's order of events is not
//! the machine's to trust.
//!
//! The machine is finite, if time is taken as what is left until its deadline. So all states that any history leads to
//! can be listed ([`explore`]), and every event tried in each of them, after every passing of time; a witness, who knows
//! only the contract, says each time what should have been answered. Which role rini has does not come in here: no
//! decision depends on it, and what only PID 1 may do is a matter of types (`sys::process::Pid1`).
//!
//! Beside a model that is not Rust, and checked by somebody else's program, stands [`model`].
//!
//! `tests/mutations.rs` breaks the machine in one place at a time, and expects these tests to fail.

use super::*;
use crate::fuzzed::is_long;
use histories::Sum;
use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

pub mod histories;
mod model;

fn signal(number: i32) -> Signal {
    Signal::from_number(number).unwrap()
}

const BEGIN: Instant = Instant::after_boot(Duration::from_secs(1));

/// Those of a second.
const NANOSECONDS: u64 = 1_000_000_000;

const DELAY: u64 = 1;
const GRACE: u64 = 2;

/// What the policies and the times are made of, in seconds. Which seconds they are does not matter to the machine, but only which
/// is longer than which.
struct Size {
    delays: &'static [Option<u64>],
    graces: &'static [Option<u64>],
    /// How much time may pass between two events.
    steps: &'static [u64],
    rules: &'static [&'static [&'static str]],
    shutdown_signals: &'static [&'static str],
    /// Every signal there is, and not one of each kind; and more ways to end.
    all_signals: bool,
}

/// None, too little time for the grace period, enough for that, and enough for the one that is taken where none is given.
const SHORT: Size = Size {
    delays: &[None, Some(DELAY)],
    graces: &[None, Some(GRACE)],
    steps: &[0, 1, GRACE, DEFAULT_GRACE.as_secs()],
    rules: &[&[], &["TERM:QUIT", "USR1:0"], &["TERM:0", "USR1:KILL"], &["INT:STOP"]],
    shutdown_signals: &["TERM,INT"],
    all_signals: false,
};
/// Each second, with periods that are shorter and longer than each other and than the one that is taken where none is given.
const LONG: Size = Size {
    delays: &[None, Some(DELAY), Some(4)],
    graces: &[None, Some(GRACE), Some(5), Some(12)],
    steps: &[0, 1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13],
    rules: &[
        &[],
        &["TERM:QUIT", "USR1:0"],
        &["TERM:0", "USR1:KILL"],
        &["INT:STOP"],
        &["TERM:CONT", "TSTP:STOP", "INT:0"],
        &["CONT:TSTP", "TSTP:0", "HUP:TERM"],
    ],
    shutdown_signals: &["TERM,INT", "TERM,TSTP,CONT,RTMIN+3"],
    all_signals: true,
};

fn size() -> &'static Size {
    if is_long() { &LONG } else { &SHORT }
}

fn nanoseconds(span: Duration) -> u64 {
    span.as_secs() * NANOSECONDS + span.subsec_nanos()
}

fn forwarded(signal: Signal) -> Option<Action> {
    Some(Action::Forward { signal, rewritten: signal, to: Target::Child })
}

/// Somebody who follows a history and says what was wrong about an answer.
trait Witness: Clone + Eq + Hash {
    /// `passed` nanoseconds after the last event comes this one, and is answered so.
    fn see(&mut self, policy: &Policy, event: Event, passed: u64, actions: &[Action]);

    /// In so many nanoseconds the machine wants to be told the time.
    fn see_deadline(&self, left: Option<u64>);
}

/// All of a machine that its answers can depend on, with the time as what is left of it.
type Key = (State, Option<u64>, (u8, Option<Signal>), [bool; 3]);

fn key(machine: &Supervisor, now: Instant) -> Key {
    // By name, so that nothing that a machine gets anew is left out.
    let Supervisor { policy: _, state, shutdown, stopped, stop_requested, stop_seen } = *machine;
    let shutdown = match shutdown {
        Shutdown::Not => (0, None),
        Shutdown::Delayed { signal, .. } => (1, Some(signal)),
        Shutdown::Asked { by, .. } => (2, Some(by)),
        Shutdown::Escalated { by } => (3, Some(by)),
    };
    let left = machine.deadline().map(|deadline| nanoseconds(deadline.since(now)));
    // Whether a stop was seen matters to one that was requested alone.
    (state, left, shutdown, [stopped, stop_requested, stop_requested && stop_seen])
}

/// What was found.
#[derive(Default)]
pub struct Explored {
    /// Each action that was seen.
    seen: Vec<Action>,
    /// How many events were answered.
    answers: u64,
    /// In how many states, of the machine and the witness.
    states: usize,
}

/// Every event in every state that can be come to.
fn explore(policy: &Policy, events: &[Event], steps: &[u64], witness: impl Witness) -> Explored {
    let machine = Supervisor::new(policy.clone());
    let mut known = HashSet::from([(key(&machine, BEGIN), witness.clone())]);
    let mut ahead = VecDeque::from([(machine, BEGIN, witness)]);
    let mut explored = Explored::default();
    while let Some((machine, now, witness)) = ahead.pop_front() {
        for &event in events {
            for passed in steps {
                let (mut machine, mut witness) = (machine.clone(), witness.clone());
                let now = now.later_by(Duration::from_secs(*passed));
                // Where it says that the time does not matter, it may be any.
                let timeless = (!machine.looks_at_time(event)).then(|| {
                    let mut machine = machine.clone();
                    let actions = machine.handle(event, Instant::after_boot(Duration::default()));
                    (actions, machine.deadline(), key(&machine, now))
                });
                let actions = machine.handle(event, now);
                let timely = (actions.clone(), machine.deadline(), key(&machine, now));
                assert_eq!(timeless.unwrap_or(timely.clone()), timely, "{event:?} looks at no time, with {policy:?}");
                let actions: Vec<_> = actions.iter().collect();
                witness.see(policy, event, passed * NANOSECONDS, &actions);
                let left = machine.deadline().map(|deadline| nanoseconds(deadline.since(now)));
                witness.see_deadline(left);
                explored.answers += 1;
                for action in actions {
                    if !explored.seen.contains(&action) {
                        explored.seen.push(action);
                    }
                }
                let state = (key(&machine, now), witness);
                if !known.contains(&state) {
                    known.insert(state.clone());
                    ahead.push_back((machine, now, state.1));
                }
            }
        }
    }
    explored.states = known.len();
    explored
}

/// Everything that can be told to the machine, a representative for each kind: an ordinary signal, each signal that
/// it treats in its own way, each stop at each foreground, and each end. In the large size each signal there is.
fn every_event(size: &Size) -> Vec<Event> {
    let mut events = vec![
        Event::Signal(Signal::TERM),
        Event::Signal(signal(libc::SIGINT)),
        Event::Signal(signal(libc::SIGUSR1)),
        Event::Signal(signal(libc::SIGUSR2)),
        Event::Signal(Signal::CHLD),
        Event::Signal(Signal::CONT),
        Event::Signal(Signal::TSTP),
        Event::Signal(Signal::TTIN),
        Event::Tick,
        Event::ChildContinued,
        Event::SuspendRefused,
        Event::ChildEnded(Status::Exited(7)),
        Event::ChildEnded(Status::Killed(Signal::STOP)),
        Event::NoChildren,
        Event::Helpless,
    ];
    for by in [Signal::STOP, Signal::TSTP, Signal::TTIN, Signal::TTOU] {
        for foreground in [Foreground::Child, Foreground::Own, Foreground::Other] {
            events.push(Event::ChildStopped { by, foreground });
        }
    }
    if size.all_signals {
        let more = (1..=64).map(|number| Event::Signal(signal(number)));
        events.extend(more.filter(|more| !events.contains(more)).collect::<Vec<_>>());
        events.extend([0, 255].map(|code| Event::ChildEnded(Status::Exited(code))));
        events.extend([1, 9, 64].map(|number| Event::ChildEnded(Status::Killed(signal(number)))));
    }
    events
}

/// Each after-exit, grace, delay, with and without a child, and several rewrites.
fn policies(terminal: bool, size: &Size) -> Vec<Policy> {
    let mut policies = vec![];
    let seconds = |span: &Option<u64>| span.map(Duration::from_secs);
    for after_exit in [AfterExit::Kill, AfterExit::TerminateGroup, AfterExit::Terminate, AfterExit::Wait] {
        for grace in size.graces.iter().map(seconds) {
            for delay in size.delays.iter().map(seconds) {
                for rules in size.rules {
                    for list in size.shutdown_signals {
                        for pause in [false, true] {
                            let mut rewrite = Rewrite::default();
                            assert!(rules.iter().all(|rule| rewrite.add(rule.as_bytes())));
                            // With some of them, so that both are seen with everything else that matters.
                            let parent_death_signal = delay.and(Signal::from_number(libc::SIGUSR2));
                            let stops_itself = after_exit == AfterExit::TerminateGroup;
                            policies.push(Policy {
                                shutdown_signals: SignalSet::parse(list.as_bytes()).unwrap(),
                                delay,
                                grace,
                                rewrite,
                                stops_itself,
                                after_exit,
                                pause,
                                parent_death_signal,
                                terminal,
                            });
                        }
                    }
                }
            }
        }
    }
    // The first of them are of every kind, for who does not wait for the last.
    assert!(policies.len() % 37 > 0);
    (0..policies.len()).map(|place| policies[place * 37 % policies.len()].clone()).collect()
}

/// What an onlooker expects of job control, kept apart from the machine's own state. For a policy without shutdown
/// signals, where no time runs.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct JobControl {
    ended: bool,
    /// rini stopped its own group, by this signal, and nothing has undone it.
    suspended: Option<Signal>,
    /// A stop went through rini and nothing has undone it.
    requested: bool,
    /// The child has stopped since.
    carried_out: bool,
}

impl Witness for JobControl {
    fn see(&mut self, policy: &Policy, event: Event, _: u64, actions: &[Action]) {
        assert!(actions.len() <= 1, "{event:?} is answered by {actions:?}");
        let action = actions.first().copied();
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
            Event::NoChildren | Event::Helpless => {
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
                self.carried_out &= !signal.stops();
            }
            Event::ChildContinued => assert_eq!(action, None),
            Event::ChildStopped { .. } if !policy.terminal => {
                assert_eq!(action, None, "no terminal, no job control");
                self.carried_out = true;
            }
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
                self.carried_out = true;
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
        // A child's word of the SIGCONT before may come late.
        if resumed || event == Event::ChildContinued && self.carried_out {
            self.requested = false;
        }
    }

    fn see_deadline(&self, left: Option<u64>) {
        assert_eq!(left, None, "no shutdown, no deadline");
    }
}

#[test]
fn every_history_of_job_control_keeps_the_promises() {
    let (events, mut sum) = (every_event(size()), Sum::begin("every state of job control alone", 2));
    for terminal in [false, true] {
        let policy = Policy { terminal, ..Policy::default() };
        let explored = explore(&policy, &events, size().steps, JobControl::default());
        let Explored { seen, answers, .. } = &explored;
        assert_eq!(seen.contains(&Action::Resume) && seen.contains(&Action::Suspend(Signal::TSTP)), terminal);
        assert!(seen.contains(&Action::Finish(None)) && *answers > 100, "{seen:?} {answers}");
        sum.add(explored.states, *answers);
    }
}

#[test]
fn each_of_the_64_signals_is_forwarded_but_sigchld() {
    for n in 1..=64 {
        let wanted = if n == libc::SIGCHLD { None } else { forwarded(signal(n)) };
        let answer = Supervisor::new(Policy::default()).handle(Event::Signal(signal(n)), BEGIN);
        assert_eq!(answer.iter().collect::<Vec<_>>(), wanted.into_iter().collect::<Vec<_>>());
    }
}

/// A walk is worth only what its witness sees: machines with one wrong answer each must not pass it.
#[test]
fn a_wrong_answer_is_seen() {
    let end = Event::ChildEnded(Status::Exited(7));
    let wrong: [(&[Event], Option<Action>); 6] = [
        (&[Event::Signal(Signal::CHLD)], forwarded(Signal::CHLD)),
        (&[Event::Signal(signal(15))], None),
        (&[end], Some(Action::Finish(Some(Status::Exited(0))))),
        (&[end, Event::Signal(signal(15))], forwarded(signal(15))),
        (&[Event::Helpless], None),
        (&[Event::Signal(Signal::TSTP), Event::SuspendRefused], Some(Action::Resume)),
    ];
    for (history, last) in wrong {
        let policy = Policy { terminal: true, ..Policy::default() };
        let (mut machine, mut witness) = (Supervisor::new(policy.clone()), JobControl::default());
        let seen = std::panic::catch_unwind(move || {
            for (i, &event) in history.iter().enumerate() {
                let actions: Vec<_> = machine.handle(event, BEGIN).iter().collect();
                let last: Vec<_> = last.into_iter().collect();
                witness.see(&policy, event, 0, if i + 1 == history.len() { &last } else { &actions });
            }
        });
        assert!(seen.is_err(), "{history:?} answered by {last:?} passed");
    }
}

/// Who is there to be asked.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    Child,
    Remaining(Status),
    Ended,
}

/// What an onlooker expects of a shutdown who knows the contract, and counts the time down. For policies without a
/// terminal.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Clock {
    phase: Phase,
    stopped: bool,
    /// The signal that is held back, and how much longer.
    held: Option<(Signal, u64)>,
    /// The signal that those of this phase were asked by.
    asked: Option<Signal>,
    /// When they are killed.
    kill_in: Option<u64>,
    /// They were killed.
    killed: bool,
}

impl Clock {
    fn new(policy: &Policy) -> Clock {
        let phase = if policy.pause { Phase::Remaining(Status::Exited(0)) } else { Phase::Child };
        Clock { phase, stopped: false, held: None, asked: None, kill_in: None, killed: false }
    }

    fn forward(&self, policy: &Policy, signal: Signal) -> Action {
        let to = if self.phase == Phase::Child { Target::Child } else { Target::Remaining };
        let rewritten = policy.rewrite.apply(signal);
        rewritten.map_or(Action::Drop(signal), |rewritten| Action::Forward { signal, rewritten, to })
    }

    fn end(&mut self, status: Option<Status>) -> Vec<Action> {
        self.phase = Phase::Ended;
        vec![Action::Finish(status)]
    }

    fn terminate(&mut self, policy: &Policy) -> Vec<Action> {
        self.held = None;
        self.asked = Some(Signal::TERM);
        self.kill_in = Some(policy.grace.map_or(10 * NANOSECONDS, nanoseconds));
        vec![Action::Terminate]
    }

    /// The delay is over: `signals` are let through, the last of them being the one that asks.
    fn ask(&mut self, policy: &Policy, signals: &[Signal]) -> Vec<Action> {
        self.held = None;
        match (self.phase, policy.after_exit) {
            (Phase::Remaining(status), AfterExit::Kill | AfterExit::TerminateGroup) => return self.end(Some(status)),
            (Phase::Remaining(_), AfterExit::Terminate) => return self.terminate(policy),
            _ => (),
        }
        self.asked = signals.last().copied();
        self.kill_in = policy.grace.map(nanoseconds);
        self.forward_and_continue(policy, signals)
    }

    fn forward_and_continue(&mut self, policy: &Policy, signals: &[Signal]) -> Vec<Action> {
        let mut wanted: Vec<_> = signals.iter().map(|signal| self.forward(policy, *signal)).collect();
        if self.stopped && self.phase == Phase::Child {
            wanted.push(Action::Continue);
        }
        wanted
    }

    fn expect(&mut self, policy: &Policy, event: Event) -> Vec<Action> {
        let remains = matches!(self.phase, Phase::Remaining(_));
        let begins =
            |signal| policy.shutdown_signals.contains(signal) || remains && policy.parent_death_signal == Some(signal);
        let unfinished_pause = policy.pause && self.asked.is_none();
        match (self.phase, event) {
            (Phase::Ended, _) | (_, Event::Signal(Signal::CHLD) | Event::Tick) => vec![],
            (_, Event::Signal(signal)) if begins(signal) => match (self.asked, self.held) {
                (Some(_), _) if self.phase != Phase::Child && (self.killed || policy.after_exit != AfterExit::Wait) => {
                    vec![]
                }
                (Some(_), _) => self.forward_and_continue(policy, &[signal]),
                (None, Some((first, _))) if first != signal => self.ask(policy, &[first, signal]),
                (None, Some(_)) => self.ask(policy, &[signal]),
                (None, None) => match policy.delay {
                    Some(delay) => {
                        self.held = Some((signal, nanoseconds(delay)));
                        vec![Action::Delay(signal)]
                    }
                    None => self.ask(policy, &[signal]),
                },
            },
            (Phase::Child, Event::Signal(signal)) => {
                let stops = policy.stops_itself
                    && [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU].map(self::signal).contains(&signal);
                [self.forward(policy, signal)].into_iter().chain(stops.then_some(Action::StopItself)).collect()
            }
            (Phase::Child, Event::ChildEnded(status)) => {
                self.phase = Phase::Remaining(status);
                let asked_by = self.asked.take();
                (self.kill_in, self.killed) = (None, false);
                match policy.after_exit {
                    AfterExit::Kill => self.end(Some(status)),
                    AfterExit::TerminateGroup => {
                        let mut wanted = vec![Action::TerminateGroup(policy.rewrite.apply(Signal::TERM))];
                        wanted.extend(self.end(Some(status)));
                        wanted
                    }
                    AfterExit::Terminate => self.terminate(policy),
                    AfterExit::Wait => asked_by.map(|by| self.ask(policy, &[by])).unwrap_or_default(),
                }
            }
            (Phase::Child, Event::ChildStopped { .. }) => {
                self.stopped = true;
                vec![]
            }
            (Phase::Child, Event::ChildContinued) => {
                self.stopped = false;
                vec![]
            }
            (Phase::Child, Event::NoChildren | Event::Helpless) => self.end(None),
            (Phase::Remaining(_), Event::Helpless) if unfinished_pause => self.end(None),
            (Phase::Remaining(_), Event::NoChildren) if unfinished_pause => vec![],
            (Phase::Remaining(status), Event::NoChildren | Event::Helpless) => self.end(Some(status)),
            (Phase::Child, Event::SuspendRefused) | (Phase::Remaining(_), _) => vec![],
        }
    }

    fn expect_of_time(&mut self, policy: &Policy) -> Vec<Action> {
        match (self.held, self.kill_in) {
            _ if self.phase == Phase::Ended => vec![],
            (Some((signal, 0)), _) => self.ask(policy, &[signal]),
            (None, Some(0)) => {
                (self.kill_in, self.killed) = (None, true);
                vec![Action::Kill(if self.phase == Phase::Child { Target::Child } else { Target::Remaining })]
            }
            _ => vec![],
        }
    }
}

impl Witness for Clock {
    fn see(&mut self, policy: &Policy, event: Event, passed: u64, actions: &[Action]) {
        self.held = self.held.map(|(signal, left)| (signal, left.saturating_sub(passed)));
        self.kill_in = self.kill_in.map(|left| left.saturating_sub(passed));
        let mut wanted = self.expect(policy, event);
        wanted.extend(self.expect_of_time(policy));
        assert_eq!(actions, wanted, "{event:?} after {passed} ns, with {policy:?}");
    }

    fn see_deadline(&self, left: Option<u64>) {
        let wanted = match (self.phase, self.held) {
            (Phase::Ended, _) => None,
            (_, Some((_, left))) => Some(left),
            (_, None) => self.kill_in,
        };
        assert_eq!(left, wanted, "in how many nanoseconds");
    }
}

#[test]
fn every_history_of_a_shutdown_keeps_to_the_clock() {
    let (events, policies) = (every_event(size()), policies(false, size()));
    let mut sum = Sum::begin("every state, without a terminal, by the clock", policies.len());
    for policy in policies {
        let explored = explore(&policy, &events, size().steps, Clock::new(&policy));
        let Explored { seen, answers, .. } = &explored;
        assert!(*answers >= 2 * 26 * 4, "{answers}: there are at least two states");
        let kills = |target| seen.contains(&Action::Kill(target));
        assert_eq!(kills(Target::Child), !policy.pause && policy.grace.is_some());
        let remaining =
            policy.after_exit == AfterExit::Terminate || policy.after_exit == AfterExit::Wait && policy.grace.is_some();
        assert_eq!(kills(Target::Remaining), remaining, "{policy:?}");
        sum.add(explored.states, *answers);
    }
}

/// What must hold in every history, job control and shutdown at once, whatever else is right or wrong.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Promises {
    /// How the child ended, when it has.
    status: Option<Status>,
    ended: bool,
    /// Somebody asked for a shutdown, by a signal.
    asked_for: bool,
    /// How long ago the child, and the remaining, were first asked to end; counted up to the longest period.
    asked: [Option<u64>; 2],
    killed: [bool; 2],
}

impl Witness for Promises {
    fn see(&mut self, policy: &Policy, event: Event, passed: u64, actions: &[Action]) {
        let grace = nanoseconds(policy.grace.unwrap_or(DEFAULT_GRACE));
        self.asked = self.asked.map(|since| since.map(|since| (since + passed).min(grace)));
        let begins = |signal, remains| {
            policy.shutdown_signals.contains(signal) || remains && policy.parent_death_signal == Some(signal)
        };
        if let Event::Signal(signal) = event {
            self.asked_for |= begins(signal, self.status.is_some() || policy.pause) && !self.ended;
        }
        if let (Event::ChildEnded(status), None, false) = (event, self.status, policy.pause) {
            self.status = Some(status).filter(|_| !self.ended);
        }
        if let Event::Signal(Signal::TSTP) = event {
            let remaining = (self.status.is_some() || policy.pause) && !self.ended && !begins(Signal::TSTP, true);
            let suspends = actions.contains(&Action::Suspend(Signal::TSTP));
            assert!(!remaining || suspends == policy.terminal, "after the child a ^Z is for rini");
        }
        let mut signals = 0;
        for action in actions {
            assert!(!self.ended, "nothing comes after the end: {action:?}");
            let (target, kills) = match action {
                Action::Finish(status) => {
                    let own = if policy.pause { Some(Status::Exited(0)) } else { self.status };
                    let lost = matches!(event, Event::NoChildren | Event::Helpless) && status.is_none();
                    assert!(*status == own || lost, "the status is the child's: {status:?}, {own:?}");
                    self.ended = true;
                    continue;
                }
                Action::Delay(_) => continue,
                // It asks all the same, and the period counts.
                Action::Drop(signal) => {
                    let remains = self.status.is_some() || policy.pause;
                    if begins(*signal, remains) {
                        self.asked[usize::from(remains)].get_or_insert(0);
                    }
                    continue;
                }
                Action::TerminateGroup(signal) => {
                    assert!(policy.after_exit == AfterExit::TerminateGroup && matches!(event, Event::ChildEnded(_)));
                    assert_eq!((*signal, actions.len()), (policy.rewrite.apply(Signal::TERM), 2), "and that is all");
                    continue;
                }
                Action::StopItself => {
                    let by_terminal = matches!(event, Event::Signal(signal) if signal.is_terminal_stop());
                    assert!(policy.stops_itself && by_terminal && self.status.is_none() && !policy.pause);
                    continue;
                }
                // It stops rini alone.
                Action::Suspend(_) if self.status.is_some() || policy.pause => continue,
                Action::Forward { to, .. } => {
                    signals += 1;
                    (*to, false)
                }
                Action::Terminate => (Target::Remaining, false),
                Action::Continue | Action::Suspend(_) | Action::Resume => (Target::Child, false),
                Action::Kill(target) => (*target, true),
            };
            let to_child = target == Target::Child;
            assert_eq!(to_child, self.status.is_none() && !policy.pause, "a dead child is never signalled: {action:?}");
            assert!(to_child || policy.after_exit.stays(), "`kill` leaves the rest to the kernel");
            let unasked = policy.after_exit == AfterExit::Wait && !self.asked_for;
            assert!(to_child || !unasked, "`wait` signals nobody unasked: {action:?}");
            let index = usize::from(!to_child);
            assert!(to_child || !self.killed[index], "what is being killed hears of nothing else: {action:?}");
            let again = !to_child && policy.after_exit == AfterExit::Terminate && self.asked[index].is_some();
            assert!(!again || kills, "`terminate` asks once: {action:?}");
            if kills {
                assert!(self.asked[index].is_some_and(|since| since >= grace), "nobody is killed who has time left");
                assert!(policy.grace.is_some() || policy.after_exit == AfterExit::Terminate && !to_child);
                assert!(!self.killed[index], "nobody is killed twice");
                self.killed[index] = true;
            }
            let asks = match action {
                Action::Terminate => true,
                Action::Forward { signal, .. } => begins(*signal, !to_child),
                _ => false,
            };
            if asks && self.asked[index].is_none() {
                self.asked[index] = Some(0);
            }
        }
        assert!(signals <= 2, "no signal is multiplied");
    }

    fn see_deadline(&self, left: Option<u64>) {
        assert!(left.is_none_or(|left| left > 0), "it never asks for the present again and again");
        assert!(left.is_none() || !self.ended, "after the end there is nothing to wait for");
    }
}

fn keeps_the_promises(terminal: bool, what: &str) {
    let (events, policies) = (every_event(size()), policies(terminal, size()));
    let mut sum = Sum::begin(what, policies.len());
    for policy in policies {
        let explored = explore(&policy, &events, size().steps, Promises::default());
        let Explored { seen, answers, .. } = &explored;
        assert!(*answers >= 2 * 26 * 4, "{answers}: there are at least two states");
        let code = if policy.pause { 0 } else { 7 };
        assert!(seen.contains(&Action::Finish(Some(Status::Exited(code)))));
        assert_eq!(seen.contains(&Action::Resume), terminal && !policy.pause);
        assert_eq!(seen.contains(&Action::StopItself), policy.stops_itself && !policy.pause);
        let asks_group = seen.iter().any(|action| matches!(action, Action::TerminateGroup(_)));
        assert_eq!(asks_group, policy.after_exit == AfterExit::TerminateGroup && !policy.pause);
        sum.add(explored.states, *answers);
    }
}

#[test]
fn every_history_keeps_the_promises() {
    keeps_the_promises(false, "every state, without a terminal, by the promises");
}

#[test]
fn every_history_at_a_terminal_keeps_the_promises() {
    keeps_the_promises(true, "every state, with a terminal, by the promises");
}

/// Whoever does not end is killed if there is a grace period: being told the time at each deadline is all that it
/// takes. Then, when all are gone, rini ends.
#[test]
fn every_shutdown_with_a_grace_period_comes_to_an_end() {
    for policy in policies(false, size()) {
        let mut machine = Supervisor::new(policy.clone());
        let mut now = BEGIN;
        let mut seen = Vec::new();
        for event in [Event::Signal(Signal::TERM), Event::ChildEnded(Status::Killed(Signal::KILL)), Event::NoChildren] {
            seen.extend(machine.handle(event, now).iter());
            while let Some(deadline) = machine.deadline() {
                assert!(deadline > now, "it never asks for the present again and again");
                now = deadline;
                seen.extend(machine.handle(Event::Tick, now).iter());
            }
        }
        assert_eq!(seen.contains(&Action::Kill(Target::Child)), policy.grace.is_some() && !policy.pause);
        let limited = policy.after_exit == AfterExit::Wait && policy.grace.is_some();
        let remaining = policy.after_exit == AfterExit::Terminate || limited;
        assert_eq!(seen.contains(&Action::Kill(Target::Remaining)), remaining, "{policy:?}");
        assert_eq!(machine.state, State::Ended, "{policy:?}");
    }
}
