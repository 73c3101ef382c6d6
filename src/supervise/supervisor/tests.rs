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
//! `tests/proof/mutations.rs` breaks the machine in one place at a time, and expects these tests to fail.

use super::*;
use crate::ground::fuzzed::is_long;
use crate::ground::signal::{Rewrite, SignalSet};
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
    stop_signals: &'static [&'static str],
    /// Every signal there is, and not one of each kind; and more ways to end.
    all_signals: bool,
}

/// None, too little time for the grace period, enough for that, and enough for the one that is taken where none is given.
const SHORT: Size = Size {
    delays: &[None, Some(DELAY)],
    graces: &[None, Some(GRACE)],
    steps: &[0, 1, GRACE, DEFAULT_GRACE.as_secs()],
    rules: &[&[], &["TERM:QUIT", "USR1:0"], &["TERM:0", "USR1:KILL"], &["INT:STOP"]],
    stop_signals: &["TERM,INT"],
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
    stop_signals: &["TERM,INT", "TERM,TSTP,CONT,RTMIN+3"],
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
type Key = (State, Option<u64>, (u8, Option<Signal>), [bool; 4]);

fn key(machine: &Supervisor, now: Instant) -> Key {
    // By name, so that nothing that a machine gets anew is left out.
    let Supervisor { policy: _, state, stop, stopped, stop_requested, stop_seen } = *machine;
    let is_put_off = matches!(stop, Stop::Requested { put_off: true, .. });
    let stop = match stop {
        Stop::NotBegun => (0, None),
        Stop::Delayed { signal, .. } => (1, Some(signal)),
        Stop::Requested { by, .. } => (2, Some(by)),
        Stop::Escalated { .. } => (3, None),
    };
    let left = machine.deadline().map(|deadline| nanoseconds(deadline.since(now)));
    // Whether a stop was seen matters to one that was requested alone.
    (state, left, stop, [stopped, stop_requested, stop_requested && stop_seen, is_put_off])
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
        for foreground in [Foreground::Child, Foreground::Own, Foreground::Nobody, Foreground::Other] {
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
                    for list in size.stop_signals {
                        for pause in [false, true] {
                            let mut rewrite = Rewrite::default();
                            assert!(rules.iter().all(|rule| rewrite.add(rule.as_bytes())));
                            // With some of them, so that both are seen with everything else that matters.
                            let parent_death_signal = delay.and(Signal::from_number(libc::SIGUSR2));
                            let stops_itself = after_exit == AfterExit::TerminateGroup;
                            policies.push(Policy {
                                stop_signals: SignalSet::parse(list.as_bytes()).unwrap(),
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

/// What an onlooker expects of job control, kept apart from the machine's own state. For a policy without stop
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
            Event::Signal(signal) if self.suspended.is_some() && signal.has_stop_action() => {
                assert_eq!(action, Some(Action::Suspend(Signal::TSTP)), "another ^Z stops rini again");
                self.suspended = Some(Signal::TSTP);
            }
            Event::Signal(signal) => {
                assert_eq!(action, forwarded(signal), "every signal is forwarded, once, unchanged");
                // A SIGTTIN asks nobody to stay stopped.
                let requests = signal.has_stop_action() && ![Signal::TTIN, Signal::TTOU].contains(&signal);
                self.requested = requests || (self.requested && signal != Signal::CONT);
                self.carried_out &= !requests;
            }
            Event::ChildContinued => assert_eq!(action, None),
            Event::ChildStopped { by, .. } if !policy.terminal => {
                let undone = [Signal::TTIN, Signal::TTOU].contains(&by).then_some(Action::Continue);
                assert_eq!(action, undone, "no terminal, no job control, and no stop by one that is not there");
                self.carried_out = true;
            }
            Event::ChildStopped { by, foreground } => {
                let wanted = match (by == Signal::STOP, by == Signal::TSTP, foreground) {
                    (true, _, Foreground::Child) => Some(Action::Suspend(Signal::TSTP)),
                    (true, _, _) => None,
                    (_, false, Foreground::Own) => Some(Action::Resume),
                    (_, false, Foreground::Nobody | Foreground::Child) => Some(Action::Suspend(Signal::TSTP)),
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
        assert_eq!(left, None, "no stop, no deadline");
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

/// SIGTTIN and SIGTTOU as they are, for a child; not those that somebody wants to arrive.
#[test]
fn background_stops_alone_are_for_a_child_that_handles_them() {
    let spared = |policy: &Policy| -> Vec<i32> {
        let machine = Supervisor::new(policy.clone());
        (1..=64).filter(|number| machine.forwards_only_if_handled(signal(*number))).collect()
    };
    let mut policy = Policy { stop_signals: SignalSet::of([Signal::TERM]), ..Policy::default() };
    assert_eq!(spared(&policy), [libc::SIGTTIN, libc::SIGTTOU]);
    policy.stop_signals = SignalSet::of([Signal::TERM, Signal::TTIN]);
    assert_eq!(spared(&policy), [libc::SIGTTOU]);
    assert!(policy.rewrite.add(b"TTOU:USR1") && policy.rewrite.add(b"USR2:TTIN"));
    assert_eq!(spared(&policy), [0; 0]);
    assert_eq!(spared(&Policy { stops_itself: true, ..Policy::default() }), [0; 0]);
    assert_eq!(spared(&Policy { pause: true, ..Policy::default() }), [0; 0]);
}

/// PID 1 with a terminal: a ^Z that came to rini before the child had the terminal, and a SIGTTIN that somebody sent to a child that
/// has it. Nobody can continue rini, so both stops are undone. One that a process sent through rini stays.
#[test]
fn where_nobody_continues_rini_a_stop_that_nobody_asked_for_is_undone() {
    let answers = |sent: Option<Signal>, of_terminal: bool, by: Signal| {
        let mut machine = Supervisor::new(Policy { terminal: true, ..Policy::default() });
        let mut tell = |event| machine.handle(event, BEGIN).iter().collect::<Vec<_>>();
        sent.into_iter().for_each(|signal| drop(tell(Event::Signal(signal))));
        if of_terminal {
            machine.stop_was_of_terminal();
        }
        machine.handle(Event::ChildStopped { by, foreground: Foreground::Child }, BEGIN);
        machine.handle(Event::SuspendRefused, BEGIN).iter().collect::<Vec<_>>()
    };
    assert_eq!(answers(Some(Signal::TSTP), true, Signal::TSTP), [Action::Resume]);
    assert_eq!(answers(Some(Signal::TTIN), false, Signal::TTIN), [Action::Resume]);
    assert_eq!(answers(None, false, Signal::TTOU), [Action::Resume]);
    assert_eq!(answers(Some(Signal::TSTP), false, Signal::TSTP), []);
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

/// What an onlooker expects of a stop who knows the contract, and counts the time down. For policies without a
/// terminal.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Clock {
    phase: Phase,
    stopped: bool,
    /// The signal that is held back, and how much longer.
    held: Option<(Signal, u64)>,
    /// A stop was forwarded, and neither SIGCONT nor the stop's signal after it: it is meant.
    meant: bool,
    /// The child has stopped since.
    carried_out: bool,
    /// The signal that began the stop.
    asked: Option<Signal>,
    /// How much time is left until the deadline.
    kill_in: Option<u64>,
    /// How late this event sees the deadline.
    late: u64,
    /// The deadline was put off.
    put_off: bool,
    /// After the kill: how much longer rini waits.
    give_up_in: Option<u64>,
}

impl Clock {
    fn new(policy: &Policy) -> Clock {
        let phase = if policy.pause { Phase::Remaining(Status::Exited(0)) } else { Phase::Child };
        Clock {
            phase,
            stopped: false,
            held: None,
            meant: false,
            carried_out: false,
            asked: None,
            kill_in: None,
            late: 0,
            put_off: false,
            give_up_in: None,
        }
    }

    fn forward(&mut self, policy: &Policy, signal: Signal) -> Action {
        let to = if self.phase == Phase::Child { Target::Child } else { Target::Leftovers };
        let rewritten = policy.rewrite.apply(signal);
        match rewritten {
            Some(Signal::STOP | Signal::TSTP) => (self.meant, self.carried_out) = (true, false),
            Some(Signal::CONT) => self.meant = false,
            _ => (),
        }
        rewritten.map_or(Action::Drop(signal), |rewritten| Action::Forward { signal, rewritten, to })
    }

    fn end(&mut self, status: Option<Status>) -> Vec<Action> {
        self.phase = Phase::Ended;
        vec![Action::Finish(status)]
    }

    fn terminate_leftovers(&mut self, policy: &Policy) -> Vec<Action> {
        self.held = None;
        self.asked.get_or_insert(Signal::TERM);
        self.kill_in.get_or_insert(policy.grace.map_or(10 * NANOSECONDS, nanoseconds));
        vec![Action::Terminate]
    }

    /// The delay is over: `signals` are let through, the last of them being the one that asks.
    fn request_stop(&mut self, policy: &Policy, signals: &[Signal]) -> Vec<Action> {
        self.held = None;
        match (self.phase, policy.after_exit) {
            (Phase::Remaining(status), AfterExit::Kill | AfterExit::TerminateGroup) => return self.end(Some(status)),
            (Phase::Remaining(_), AfterExit::Terminate) => return self.terminate_leftovers(policy),
            _ => (),
        }
        let (last, before) = signals.split_last().unwrap();
        let mut wanted: Vec<_> = before.iter().map(|signal| self.forward(policy, *signal)).collect();
        self.asked = Some(*last);
        self.kill_in = policy.grace.map(nanoseconds);
        self.meant = false;
        wanted.extend(self.forward_and_continue(policy, *last));
        wanted
    }

    fn forward_and_continue(&mut self, policy: &Policy, signal: Signal) -> Vec<Action> {
        let mut wanted = vec![self.forward(policy, signal)];
        if self.stopped && self.phase == Phase::Child {
            wanted.push(Action::Continue);
        }
        wanted
    }

    fn expect(&mut self, policy: &Policy, event: Event) -> Vec<Action> {
        let remains = matches!(self.phase, Phase::Remaining(_));
        let begins =
            |signal| policy.stop_signals.contains(signal) || remains && policy.parent_death_signal == Some(signal);
        let unfinished_pause = policy.pause && self.asked.is_none();
        match (self.phase, event) {
            (Phase::Ended, _) | (_, Event::Signal(Signal::CHLD) | Event::Tick) => vec![],
            (_, Event::Signal(signal)) if begins(signal) => match (self.asked, self.held) {
                (Some(_), _)
                    if self.phase != Phase::Child
                        && (self.give_up_in.is_some() || policy.after_exit != AfterExit::Wait) =>
                {
                    vec![Action::Discard(signal)]
                }
                (Some(_), _) => self.forward_and_continue(policy, signal),
                (None, Some((first, _))) if first != signal => self.request_stop(policy, &[first, signal]),
                (None, Some(_)) => self.request_stop(policy, &[signal]),
                (None, None) => match policy.delay {
                    Some(delay) => {
                        self.held = Some((signal, nanoseconds(delay)));
                        vec![Action::Delay(signal)]
                    }
                    None => self.request_stop(policy, &[signal]),
                },
            },
            (Phase::Child, Event::Signal(signal)) => {
                let stops = policy.stops_itself
                    && [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU].map(self::signal).contains(&signal);
                [self.forward(policy, signal)].into_iter().chain(stops.then_some(Action::StopItself)).collect()
            }
            (Phase::Child, Event::ChildEnded(status)) => {
                self.phase = Phase::Remaining(status);
                match policy.after_exit {
                    AfterExit::Kill => self.end(Some(status)),
                    AfterExit::TerminateGroup => {
                        let mut wanted = vec![Action::TerminateGroup(policy.rewrite.apply(Signal::TERM))];
                        wanted.extend(self.end(Some(status)));
                        wanted
                    }
                    _ if self.give_up_in.is_some() => vec![Action::Kill(Target::Leftovers)],
                    AfterExit::Terminate => self.terminate_leftovers(policy),
                    AfterExit::Wait => self.asked.map(|by| self.forward(policy, by)).into_iter().collect(),
                }
            }
            (Phase::Child, Event::ChildStopped { by, .. }) => {
                (self.stopped, self.carried_out) = (true, true);
                let background = [Signal::TTIN, Signal::TTOU].contains(&by) && !policy.stops_itself;
                let undone = self.asked.is_some() && !self.meant || background;
                undone.then_some(Action::Continue).into_iter().collect()
            }
            (Phase::Child, Event::ChildContinued) => {
                self.stopped = false;
                self.meant &= !self.carried_out;
                vec![]
            }
            (Phase::Child, Event::NoChildren | Event::Helpless) => self.end(None),
            (Phase::Remaining(_), Event::Helpless) if unfinished_pause => self.end(None),
            (Phase::Remaining(_), Event::NoChildren) if unfinished_pause => vec![],
            (Phase::Remaining(status), Event::NoChildren | Event::Helpless) => self.end(Some(status)),
            (Phase::Remaining(_), Event::Signal(signal)) => vec![Action::Discard(signal)],
            (Phase::Child, Event::SuspendRefused) | (Phase::Remaining(_), _) => vec![],
        }
    }

    fn expect_of_time(&mut self, policy: &Policy) -> Vec<Action> {
        match (self.held, self.kill_in) {
            _ if self.phase == Phase::Ended => vec![],
            (Some((signal, 0)), _) => self.request_stop(policy, &[signal]),
            (None, Some(0)) if self.late > NANOSECONDS && !self.put_off => {
                let most = policy.grace.map_or(10 * NANOSECONDS, nanoseconds);
                (self.kill_in, self.put_off) = (Some(self.late.min(most)), true);
                vec![]
            }
            (None, Some(0)) => {
                (self.kill_in, self.give_up_in) = (None, Some(NANOSECONDS));
                vec![Action::Kill(if self.phase == Phase::Child { Target::Child } else { Target::Leftovers })]
            }
            _ if self.give_up_in == Some(0) => {
                let status =
                    if let Phase::Remaining(status) = self.phase { status } else { Status::Killed(Signal::KILL) };
                [Action::GiveUp].into_iter().chain(self.end(Some(status))).collect()
            }
            _ => vec![],
        }
    }
}

impl Witness for Clock {
    fn see(&mut self, policy: &Policy, event: Event, passed: u64, actions: &[Action]) {
        self.held = self.held.map(|(signal, left)| (signal, left.saturating_sub(passed)));
        self.late = self.kill_in.map_or(0, |left| passed.saturating_sub(left));
        self.kill_in = self.kill_in.map(|left| left.saturating_sub(passed));
        self.give_up_in = self.give_up_in.map(|left| left.saturating_sub(passed));
        let mut wanted = self.expect(policy, event);
        wanted.extend(self.expect_of_time(policy));
        assert_eq!(actions, wanted, "{event:?} after {passed} ns, with {policy:?}");
    }

    fn see_deadline(&self, left: Option<u64>) {
        let wanted = match (self.phase, self.held) {
            (Phase::Ended, _) => None,
            (_, Some((_, left))) => Some(left),
            (_, None) => self.kill_in.or(self.give_up_in),
        };
        assert_eq!(left, wanted, "in how many nanoseconds");
    }
}

/// `docker pause` in the grace period: rini is frozen with the program, and sees its deadline late.
#[test]
fn a_deadline_that_is_seen_late_is_put_off_once_and_by_a_grace_period_at_most() {
    let begin = |grace| {
        let policy = Policy {
            stop_signals: SignalSet::of([Signal::TERM]),
            grace: Some(Duration::from_secs(grace)),
            ..Policy::default()
        };
        let mut machine = Supervisor::new(policy);
        machine.handle(Event::Signal(Signal::TERM), BEGIN);
        machine
    };
    let kill =
        |machine: &mut Supervisor, now| machine.handle(Event::Tick, now).iter().any(|a| matches!(a, Action::Kill(_)));
    let after = |seconds, milliseconds| {
        BEGIN.later_by(Duration::from_secs(seconds)).later_by(Duration::from_millis(milliseconds))
    };
    // A busy machine is late by less.
    for milliseconds in [0, 1, 1000] {
        assert!(kill(&mut begin(10), after(10, milliseconds)), "{milliseconds}");
    }
    // The seconds that it is late; the seconds of the new period.
    for (late, more) in [(2, 2), (9, 9), (10, 10), (11, 10), (86_400, 10)] {
        let mut machine = begin(10);
        assert!(!kill(&mut machine, after(10 + late, 0)));
        assert_eq!(machine.deadline(), Some(after(10 + late + more, 0)));
        // Once: however late that is seen.
        assert!(kill(&mut machine, after(10 + late + more + late, 0)), "{late}");
    }
}

#[test]
fn every_history_of_a_stop_keeps_to_the_clock() {
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
        assert_eq!(kills(Target::Leftovers), remaining, "{policy:?}");
        assert_eq!(seen.contains(&Action::GiveUp), kills(Target::Child) || remaining, "{policy:?}");
        sum.add(explored.states, *answers);
    }
}

/// What must hold in every history, job control and stop at once, whatever else is right or wrong.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Promises {
    /// How the child ended, when it has.
    status: Option<Status>,
    ended: bool,
    /// Somebody asked for a stop, by a signal.
    asked_for: bool,
    /// How long ago the child, and the leftover processes, were first asked to end; counted until it does not matter.
    asked: [Option<u64>; 2],
    /// rini may have seen the deadline so late that it put it off.
    is_late: bool,
    killed: [bool; 2],
    /// How long ago the first of them was killed.
    killed_since: Option<u64>,
}

impl Promises {
    /// How long ago the period began at whose end the child, or the leftover processes, are killed.
    fn since(&self, policy: &Policy, to_child: bool) -> Option<u64> {
        match policy.grace {
            // A stop has one deadline, for the child and for the leftover processes.
            Some(_) => self.asked[0].or(self.asked[1]),
            // Without a grace period only leftover processes have one, from the child's end.
            None => self.asked[1].filter(|_| !to_child && policy.after_exit == AfterExit::Terminate),
        }
    }
}

impl Witness for Promises {
    fn see(&mut self, policy: &Policy, event: Event, passed: u64, actions: &[Action]) {
        let grace = nanoseconds(policy.grace.unwrap_or(DEFAULT_GRACE));
        self.asked = self.asked.map(|since| since.map(|since| (since + passed).min(grace + 2 * NANOSECONDS)));
        self.killed_since = self.killed_since.map(|since| (since + passed).min(NANOSECONDS));
        let was_late = |since: Option<u64>| since.is_some_and(|since| since > grace + NANOSECONDS);
        let to_child = self.status.is_none() && !policy.pause;
        self.is_late |= self.killed_since.is_none() && was_late(self.since(policy, to_child));
        let begins = |signal, remains| {
            policy.stop_signals.contains(signal) || remains && policy.parent_death_signal == Some(signal)
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
        let (mut signals, mut gives_up) = (0, false);
        for action in actions {
            assert!(!self.ended, "nothing comes after the end: {action:?}");
            let (target, kills) = match action {
                Action::Finish(status) => {
                    let own = if policy.pause { Some(Status::Exited(0)) } else { self.status };
                    let lost = matches!(event, Event::NoChildren | Event::Helpless) && status.is_none();
                    let is_alive = gives_up && own.is_none() && *status == Some(Status::Killed(Signal::KILL));
                    assert!(*status == own || lost || is_alive, "the status is the child's: {status:?}, {own:?}");
                    self.ended = true;
                    continue;
                }
                Action::GiveUp => {
                    assert_eq!(self.killed_since, Some(NANOSECONDS), "it waits for those that it killed");
                    gives_up = true;
                    continue;
                }
                Action::Delay(_) => continue,
                Action::Discard(signal) => {
                    let remains = self.status.is_some() || policy.pause;
                    assert!(remains && matches!(event, Event::Signal(own) if own == *signal), "{event:?}: {action:?}");
                    let counts = self.asked[1].is_some() || self.killed_since.is_some();
                    assert!(!begins(*signal, true) || counts, "the first stop signal counts");
                    continue;
                }
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
                Action::Terminate => (Target::Leftovers, false),
                Action::Continue | Action::Suspend(_) | Action::Resume => (Target::Child, false),
                Action::Kill(target) => (*target, true),
            };
            let to_child = target == Target::Child;
            assert_eq!(to_child, self.status.is_none() && !policy.pause, "a dead child is never signalled: {action:?}");
            assert!(to_child || policy.after_exit.stays(), "`kill` leaves the rest to the kernel");
            let unasked = policy.after_exit == AfterExit::Wait && !self.asked_for;
            assert!(to_child || !unasked, "`wait` signals nobody unasked: {action:?}");
            let index = usize::from(!to_child);
            let dies = self.killed_since.is_some() && !kills || self.killed[1];
            assert!(to_child || !dies, "what is being killed hears of nothing else: {action:?}");
            let again = !to_child && policy.after_exit == AfterExit::Terminate && self.asked[index].is_some();
            assert!(!again || kills, "`terminate` asks once: {action:?}");
            if kills {
                let since = self.since(policy, to_child);
                assert!(since.is_some_and(|since| since >= grace), "nobody is killed who has time left");
                assert!(!self.killed[index], "nobody is killed twice");
                self.killed[index] = true;
                self.killed_since.get_or_insert(0);
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
        let to_child = self.status.is_none() && !policy.pause;
        let is_over = self.since(policy, to_child).is_some_and(|since| since >= grace) && !self.is_late;
        let killed = self.killed[usize::from(!to_child)];
        assert!(!is_over || killed || self.ended, "the deadline is for everybody, and never moves: {event:?}");
        assert!(self.killed_since != Some(NANOSECONDS) || self.ended, "nobody is waited for for ever: {event:?}");
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

/// With a grace period rini kills every process that does not end. It needs nothing but the time at each deadline. rini
/// ends when all processes have ended.
#[test]
fn every_stop_with_a_grace_period_comes_to_an_end() {
    for policy in policies(false, size()) {
        let mut machine = Supervisor::new(policy.clone());
        let mut now = BEGIN;
        let mut seen = Vec::new();
        for event in [Event::Signal(Signal::TERM), Event::ChildEnded(Status::Killed(Signal::KILL)), Event::NoChildren] {
            seen.extend(machine.handle(event, now).iter());
            while let Some(deadline) = machine.deadline()
                && !matches!(machine.stop, Stop::Escalated { .. })
            {
                assert!(deadline > now, "it never asks for the present again and again");
                now = deadline;
                seen.extend(machine.handle(Event::Tick, now).iter());
            }
        }
        assert_eq!(seen.contains(&Action::Kill(Target::Child)), policy.grace.is_some() && !policy.pause);
        let limited = policy.after_exit == AfterExit::Wait && policy.grace.is_some();
        let remaining = policy.after_exit == AfterExit::Terminate || limited;
        assert_eq!(seen.contains(&Action::Kill(Target::Leftovers)), remaining, "{policy:?}");
        assert_eq!(machine.state, State::Ended, "{policy:?}");
    }
}

/// The longest stop is the delay and one grace period, and a second if a process cannot be killed: whenever the child
/// ends, whatever it leaves, and whatever signals come.
#[test]
fn every_stop_ends_by_its_deadline() {
    let mut killed = [0, 0];
    for policy in policies(false, size()) {
        let Some(grace) = policy.grace else { continue };
        let forwarded = BEGIN.later_by(policy.delay.unwrap_or_default());
        let end = forwarded.later_by(grace).later_by(Duration::from_secs(1));
        // In halves of a second after the signal, until the child cannot end any more.
        for half in 1..=2 * nanoseconds(end.since(BEGIN)) / NANOSECONDS {
            let mut machine = Supervisor::new(policy.clone());
            let child_ends = BEGIN.later_by(Duration::from_millis(500 * half));
            // In the delay `terminate` does not wait for the signal that is held back.
            let is_early = policy.after_exit == AfterExit::Terminate && !policy.pause && child_ends < forwarded;
            let deadline = if is_early { child_ends } else { forwarded }.later_by(grace);
            let (mut now, mut is_asked, mut is_gone) = (BEGIN, false, policy.pause);
            while machine.state != State::Ended {
                let event = match () {
                    () if !is_asked => Event::Signal(Signal::TERM),
                    () if !is_gone && now >= child_ends => Event::ChildEnded(Status::Exited(7)),
                    () => Event::Tick,
                };
                is_asked = true;
                is_gone |= matches!(event, Event::ChildEnded(_));
                for action in machine.handle(event, now).iter() {
                    if let Action::Kill(target) = action {
                        // Leftover processes of a child that was killed follow it.
                        let follows = target == Target::Leftovers && now == child_ends && now > deadline;
                        assert!(now == deadline || follows, "{policy:?}: {action:?} at {now:?}");
                        killed[usize::from(target == Target::Leftovers)] += 1;
                    }
                }
                // A later stop signal changes nothing, except that it ends the delay.
                if !machine.holds_back() {
                    machine.handle(Event::Signal(Signal::TERM), now);
                }
                assert!(now <= end, "{policy:?}, {child_ends:?}: {machine:?}");
                now = now.later_by(Duration::from_millis(500));
            }
            assert!(now <= end.later_by(Duration::from_millis(500)));
        }
    }
    // The negative control: both were killed.
    assert!(killed.iter().all(|count| *count > 50), "{killed:?}");
}
