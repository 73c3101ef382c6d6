//! Long histories, from any bytes: a policy, then events and the times between them ([`follow`]). All the witnesses that know
//! this kind of policy look on, and beside them somebody who knows the machine from outside only ([`Onlooker`]).
//!
//! The bytes come from a generator of random numbers with a fixed seed; or from libFuzzer, which looks for those that lead to code
//! that has not been run (tests/proof/fuzz); or from the folder where it keeps what it has found, tests/proof/fuzz/corpus/supervisor.
//!
//! [`explore`] has each state that can be come to, but for a few policies, periods and signals, and takes it for granted
//! that two histories that lead to the same state are one from there on. These have any; and [`walk`] takes every history up
//! to a depth by itself, and looks whether that is so.

use super::*;
use crate::ground::fuzzed::{Random, is_long, kept, processor_time, report, with};
use std::collections::HashMap;

/// What a history has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// How many events it had.
    pub events: u64,
    /// How many of each kind of answer: see [`kind`].
    pub answers: [u64; KINDS.len()],
}

const KINDS: [&str; 13] = [
    "forward",
    "drop",
    "delay",
    "terminate",
    "continue",
    "kill",
    "terminate the group",
    "stop itself",
    "suspend",
    "resume",
    "finish",
    "discard",
    "give up",
];

fn kind(action: Action) -> usize {
    match action {
        Action::Forward { .. } => 0,
        Action::Drop(_) => 1,
        Action::Delay(_) => 2,
        Action::Terminate => 3,
        Action::Continue => 4,
        Action::Kill(_) => 5,
        Action::TerminateGroup(_) => 6,
        Action::StopItself => 7,
        Action::Suspend(_) => 8,
        Action::Resume => 9,
        Action::Finish(_) => 10,
        Action::Discard(_) => 11,
        Action::GiveUp => 12,
    }
}

/// Reads bytes; behind the last there are zeros.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn signal(&mut self) -> Signal {
        signal(i32::from(self.next() % 64) + 1)
    }

    /// A span of time, in nanoseconds: one that is somebody's limit, or any up to some hours.
    fn time(&mut self) -> u64 {
        const S: u64 = NANOSECONDS;
        const SPANS: [u64; 12] =
            [0, 1, 1_000_000, S - 1, S, S + 1, 2 * S, 3 * S, 10 * S - 1, 10 * S, 10 * S + 1, 8760 * 3600 * S];
        match self.next() {
            code @ 0..64 => SPANS[usize::from(code) % SPANS.len()],
            code => u64::from(code) << (self.next() % 38),
        }
    }

    fn span(&mut self) -> Option<Duration> {
        Some(Duration::from_nanos(self.time())).filter(|span| *span > Duration::default())
    }
}

fn can_come(signal: Signal) -> bool {
    ![Signal::KILL, Signal::STOP, Signal::CHLD].contains(&signal)
}

/// Any policy that the command line can ask for.
fn policy(bytes: &mut Bytes<'_>) -> Policy {
    let (first, second) = (bytes.next(), bytes.next());
    let bit = |byte: u8, place: u8| byte >> place & 1 == 1;
    // Those that the witness of job control knows.
    if second & 0b1000_0110 == 0b1000_0110 {
        return Policy { terminal: bit(second, 0), ..Policy::default() };
    }
    let mut rewrite = Rewrite::default();
    for _ in 0..second >> 5 & 3 {
        let (from, to) = (bytes.signal(), bytes.next() % 96);
        if can_come(from) {
            rewrite.insert(from, Signal::from_number(i32::from(to))); // Above 64 there are none, so it is dropped.
        }
    }
    let mut stop_signals = SignalSet::of([Signal::TERM, Signal::INT]);
    if bit(second, 4) {
        stop_signals = SignalSet::default();
        for signal in (0..bytes.next() % 5).map(|_| bytes.signal()).filter(|signal| can_come(*signal)) {
            stop_signals.insert(signal);
        }
    }
    Policy {
        stop_signals,
        delay: bit(first, 0).then(|| bytes.span()).flatten(),
        grace: bit(first, 1).then(|| bytes.span()).flatten(),
        rewrite,
        stops_itself: bit(first, 2),
        after_exit: [AfterExit::Kill, AfterExit::TerminateGroup, AfterExit::Terminate, AfterExit::Wait]
            [usize::from(first >> 3 & 3)],
        pause: first >> 5 & 3 == 3,
        // SIGCHLD the runtime takes for its own, and tells of it as of time that has passed.
        parent_death_signal: bit(second, 3).then(|| bytes.signal()).filter(|signal| *signal != Signal::CHLD),
        terminal: bit(second, 0),
    }
}

/// Any event; those that end a history are rare among the bytes, so that most of them are long.
fn event(bytes: &mut Bytes<'_>, policy: &Policy) -> Event {
    match bytes.next() {
        code @ 0..64 => Event::Signal(signal(i32::from(code) + 1)),
        code @ 64..112 => {
            let by = [Signal::STOP, Signal::TSTP, Signal::TTIN, Signal::TTOU][usize::from(code & 3)];
            let foreground =
                [Foreground::Child, Foreground::Own, Foreground::Nobody, Foreground::Other][usize::from(code >> 2) % 4];
            Event::ChildStopped { by, foreground }
        }
        112..120 => Event::ChildContinued,
        code @ 120..128 => Event::Signal(nth(code, |signal| policy.rewrite.has_rule(signal))),
        128..144 => Event::SuspendRefused,
        code @ 144..184 => Event::Signal(nth(code, |signal| policy.stop_signals.contains(signal))),
        184..192 => Event::Signal(Signal::CONT),
        192..200 => policy.parent_death_signal.map_or(Event::Tick, Event::Signal),
        code @ 200..=255 => match (code, bytes.next()) {
            (255, 0..16) => Event::ChildEnded(Status::Exited(bytes.next())),
            (255, 16..32) => Event::ChildEnded(Status::Killed(bytes.signal())),
            (255, 32..40) => Event::Helpless,
            (255, 40..48) => Event::NoChildren,
            _ => Event::Tick,
        },
    }
}

/// One of the signals for which this is so.
fn nth(n: u8, is_so: impl Fn(Signal) -> bool) -> Signal {
    let all: Vec<_> = (1..=64).map(signal).filter(|signal| is_so(*signal)).collect();
    all.get(usize::from(n) % all.len().max(1)).copied().unwrap_or(Signal::TERM)
}

/// What holds whatever the policy is, and can be told from outside.
struct Onlooker {
    policy: Policy,
    machine: Supervisor,
    now: Instant,
    promises: Promises,
    clock: Option<Clock>,
    job_control: Option<JobControl>,
    /// The end of the period that runs was put off.
    put_off: bool,
    finishes: u64,
    followed: Followed,
}

impl Onlooker {
    fn new(policy: Policy) -> Onlooker {
        let plain = Policy { terminal: policy.terminal, ..Policy::default() };
        Onlooker {
            machine: Supervisor::new(policy.clone()),
            now: BEGIN,
            promises: Promises::default(),
            clock: (!policy.terminal).then(|| Clock::new(&policy)),
            job_control: (policy == plain).then(JobControl::default),
            policy,
            put_off: false,
            finishes: 0,
            followed: Followed::default(),
        }
    }

    fn left(&self) -> Option<u64> {
        self.machine.deadline().map(|deadline| nanoseconds(deadline.since(self.now)))
    }

    fn tell(&mut self, event: Event, passed: u64) {
        let policy = &self.policy;
        self.now = self.now.later_by(Duration::from_nanos(passed));
        let (held, deadline, now) = (self.machine.holds_back(), self.machine.deadline(), self.now);
        let before = self.machine.clone();
        let actions: Vec<_> = self.machine.handle(event, now).iter().collect();
        let what = || format!("{event:?} after {passed} ns, with {policy:?}: {actions:?}");
        if !before.looks_at_time(event) {
            let mut timeless = before.clone();
            let same: Vec<_> = timeless.handle(event, Instant::after_boot(Duration::default())).iter().collect();
            assert_eq!(
                (same, key(&timeless, now)),
                (actions.clone(), key(&self.machine, now)),
                "it looks at no time: {}",
                what()
            );
        }
        self.promises.see(policy, event, passed, &actions);
        if let Some(clock) = &mut self.clock {
            clock.see(policy, event, passed, &actions);
        }
        if let Some(job_control) = &mut self.job_control {
            job_control.see(policy, event, passed, &actions);
        }
        // A delay, a grace period and the wait after the kill follow each other, and nothing else begins one of them. A
        // deadline that is seen late moves, once, by a grace period at most.
        let changed = deadline != self.machine.deadline() && self.machine.deadline().is_some();
        let kills = actions.iter().any(|action| matches!(action, Action::Kill(_)));
        let begins = deadline.is_none() || held && !self.machine.holds_back() || kills;
        if changed && begins {
            self.put_off = false;
        } else if changed {
            let late = deadline.map_or(0, |deadline| nanoseconds(now.since(deadline)));
            let more = self.machine.deadline().map_or(0, |deadline| nanoseconds(deadline.since(now)));
            let most = nanoseconds(policy.grace.unwrap_or(DEFAULT_GRACE));
            assert!(late > NANOSECONDS && more == late.min(most), "a deadline that is in time never moves: {}", what());
            assert!(!std::mem::replace(&mut self.put_off, true), "a deadline moves once: {}", what());
        }
        assert!(
            deadline.is_none_or(|deadline| now < deadline) || self.machine.deadline() != deadline,
            "it is over: {}",
            what()
        );
        for action in &actions {
            if let Action::Kill(_) = action {
                let follows = matches!((event, before.stop), (Event::ChildEnded(_), Stop::Escalated { .. }));
                assert!(
                    !held && deadline.is_some_and(|deadline| deadline <= now) || follows,
                    "nothing kills but a period's end: {}",
                    what()
                );
            }
            if let Action::Forward { signal, rewritten, .. } = action {
                assert_eq!(policy.rewrite.apply(*signal), Some(*rewritten), "by the rules: {}", what());
            }
            self.followed.answers[kind(*action)] += 1;
            self.finishes += u64::from(matches!(action, Action::Finish(_)));
        }
        assert!(self.finishes <= 1, "there is one end: {}", what());
        let left = self.left();
        self.promises.see_deadline(left);
        if let Some(clock) = &self.clock {
            clock.see_deadline(left);
        }
        if let Some(job_control) = &self.job_control {
            job_control.see_deadline(left);
        }
        self.followed.events += 1;
    }

    /// There is an end once the child and its period are gone, and all that remained.
    fn end(&mut self) {
        for event in [Event::ChildEnded(Status::Exited(9)), Event::NoChildren, Event::Helpless] {
            if event == Event::Helpless {
                // Nobody has asked a pause to end.
                assert!(self.finishes == 1 || self.policy.pause, "with nobody left there is an end: {:?}", self.policy);
            }
            self.tell(event, 1);
            for _ in 0..3 {
                let Some(left) = self.left() else { break };
                self.tell(Event::Tick, left);
            }
            assert_eq!(self.left(), None, "at most a delay, a period, and a second: {:?}", self.policy);
        }
        assert_eq!(self.finishes, 1, "there is an end: {:?}", self.policy);
    }
}

/// Takes the history that these bytes stand for, and panics at an answer that is wrong.
pub fn follow(bytes: &[u8]) -> Followed {
    let mut bytes = Bytes(bytes);
    let mut onlooker = Onlooker::new(policy(&mut bytes));
    while !bytes.0.is_empty() {
        let event = event(&mut bytes, &onlooker.policy);
        let left = onlooker.left();
        // Around the deadline is where a mistake would be.
        let passed = match (bytes.next(), left) {
            (0..96, _) => 0,
            (96..128, Some(left)) => left,
            (128..144, Some(left)) => left - 1,
            (144..160, Some(left)) => left + 1,
            _ => bytes.time() % (1 << 50),
        };
        onlooker.tell(event, passed);
    }
    onlooker.end();
    onlooker.followed
}

const HEADING: &str = "## The state machine in every history, and in long ones

{form} of `cargo test --release --bin rini supervisor::tests`. An answer is what the machine says to one event, behind some history, after \
some time, with some policy; each is judged by witnesses who know the contract and not the code. *Every state*: the machine is finite if time \
is taken as what is left until its deadline, so the states that histories of any length lead to can be listed; each event is tried in each \
of them, after each passing of time. *Each history*: up to that depth, without taking two for one that lead to the same state; \
and whether such two have the same answers. *Random*, *kept*: policies, signals and times of any kind, as the bytes come. \
Seconds are of processor time.

| What | Policies | Histories | States | Answers | Seconds |
| --- | ---: | ---: | ---: | ---: | ---: |
";

/// A row of the report.
pub struct Sum {
    what: String,
    policies: u64,
    /// How many there are.
    all: usize,
    histories: u64,
    states: u64,
    answers: u64,
    began: f64,
}

impl Sum {
    pub fn begin(what: &str, all: usize) -> Sum {
        let (what, began) = (what.to_owned(), processor_time());
        Sum { what, policies: 0, all, histories: 0, states: 0, answers: 0, began }
    }

    /// One more policy is done.
    pub fn add(&mut self, states: usize, answers: u64) {
        self.policies += 1;
        self.states += u64::try_from(states).unwrap();
        self.answers += answers;
        // The long form takes its time: there is a row before it is at its end.
        if is_long() || self.all == usize::try_from(self.policies).unwrap() {
            self.report();
        }
    }

    fn report(&self) {
        let Sum { what, policies, all, histories, states, answers, began } = self;
        let took = processor_time() - began;
        let count = |count: &u64| if *count == 0 { "–".to_owned() } else { count.to_string() };
        let [histories, states] = [histories, states].map(count);
        let policies = if *all == 0 { "–".to_owned() } else { format!("{policies} of {all}") };
        report("histories", HEADING, what, &format!("{policies} | {histories} | {states} | {answers} | {took:.1}"));
    }
}

/// Some seconds of them, and in the long form some minutes.
#[test]
fn random_long_histories_keep_the_promises() {
    let (count, mut random) = (if is_long() { 2_000_000 } else { 10_000 }, Random(1));
    let (mut sum, mut all) = (Sum::begin("random", 0), Followed::default());
    for _ in 0..count {
        // As many short ones as long ones: those that begin are seen more often then.
        let length = 1 << random.below(13);
        let length = random.below(length) + 8;
        let followed = with(&random.bytes(length), follow);
        all.events += followed.events;
        all.answers.iter_mut().zip(followed.answers).for_each(|(all, more)| *all += more);
        sum.histories += 1;
    }
    for (kind, count) in KINDS.iter().zip(all.answers) {
        assert!(count > 100, "{count} times {kind}: these histories do not go everywhere");
    }
    sum.answers = all.events;
    sum.report();
}

#[test]
fn kept_histories_keep_the_promises() {
    let mut sum = Sum::begin("kept by libFuzzer", 0);
    for bytes in kept("supervisor") {
        sum.answers += with(&bytes, follow).events;
        sum.histories += 1;
    }
    assert!(sum.histories > 20, "{} of them", sum.histories);
    sum.report();
}

/// Every history up to a depth, each by itself.
struct Walk<'a, W> {
    policy: &'a Policy,
    events: &'a [Event],
    steps: &'a [u64],
    witness: std::marker::PhantomData<W>,
    /// All that the machine has answered in a state, and which states that led to.
    known: HashMap<Key, Vec<(Actions, Key)>>,
    histories: u64,
}

impl<W: Witness> Walk<'_, W> {
    fn go(&mut self, machine: &Supervisor, now: Instant, witness: &W, depth: u32) {
        // Behind the end nothing comes; to see that in each history up to the depth would be most of the work.
        let depth = if machine.state == State::Ended { depth.min(1) } else { depth };
        if depth == 0 {
            return;
        }
        let mut answers = Vec::with_capacity(self.events.len() * self.steps.len());
        for event in self.events {
            for passed in self.steps {
                let (mut machine, mut witness) = (machine.clone(), witness.clone());
                let now = now.later_by(Duration::from_secs(*passed));
                let actions = machine.handle(*event, now);
                witness.see(self.policy, *event, passed * NANOSECONDS, &actions.iter().collect::<Vec<_>>());
                witness.see_deadline(machine.deadline().map(|deadline| nanoseconds(deadline.since(now))));
                answers.push((actions, key(&machine, now)));
                self.histories += 1;
                self.go(&machine, now, &witness, depth - 1);
            }
        }
        let first = self.known.entry(key(machine, now)).or_insert_with(|| answers.clone());
        assert_eq!(*first, answers, "two histories to one state, {machine:?}, and two answers");
    }
}

/// The states that are behind less than so many events, where two histories to the same state are taken for one.
fn merged(policy: &Policy, events: &[Event], steps: &[u64], depth: u32) -> HashSet<Key> {
    let mut level = vec![(Supervisor::new(policy.clone()), BEGIN)];
    let mut known = HashSet::from([key(&level[0].0, BEGIN)]);
    for _ in 1..depth {
        let mut next = vec![];
        for (machine, now) in level {
            for (event, passed) in events.iter().flat_map(|event| steps.iter().map(move |passed| (*event, *passed))) {
                let (mut machine, now) = (machine.clone(), now.later_by(Duration::from_secs(passed)));
                machine.handle(event, now);
                if known.insert(key(&machine, now)) {
                    next.push((machine, now));
                }
            }
        }
        level = next;
    }
    known
}

fn walk<W: Witness>(policy: &Policy, events: &[Event], steps: &[u64], depth: u32, witness: &W, sum: &mut Sum) {
    let (known, witness_type) = (HashMap::new(), std::marker::PhantomData);
    let mut walk = Walk { policy, events, steps, witness: witness_type, known, histories: 0 };
    walk.go(&Supervisor::new(policy.clone()), BEGIN, witness, depth);
    let states: HashSet<Key> = walk.known.keys().copied().collect();
    assert_eq!(states, merged(policy, events, steps, depth), "with {policy:?}");
    sum.histories += walk.histories;
    sum.add(states.len(), walk.histories);
}

/// By the clock where that is known, and by the promises.
fn walk_all(policies: &[Policy], events: &[Event], steps: &[u64], depth: u32, sum: &mut Sum) {
    for policy in policies {
        match policy.terminal {
            true => walk(policy, events, steps, depth, &Promises::default(), sum),
            false => walk(policy, events, steps, depth, &Clock::new(policy), sum),
        }
    }
}

#[test]
fn each_history_up_to_a_depth_keeps_the_promises() {
    let all = [policies(false, &SHORT), policies(true, &SHORT)].concat();
    let events = every_event(&SHORT);
    let what = |depth: u32, events: &[Event], steps: &[u64]| {
        format!("each history of up to {depth} of {} events, after each of {} times", events.len(), steps.len())
    };
    let depth = if is_long() { 3 } else { 2 };
    let mut sum = Sum::begin(&what(depth, &events, SHORT.steps), all.len());
    walk_all(&all, &events, SHORT.steps, depth, &mut sum);

    // Deeper, with what a stop and a ^Z are made of.
    let events = [
        Event::Signal(Signal::TERM),
        Event::Signal(Signal::CONT),
        Event::Signal(Signal::TSTP),
        Event::Tick,
        Event::ChildStopped { by: Signal::TSTP, foreground: Foreground::Child },
        Event::ChildEnded(Status::Exited(7)),
        Event::NoChildren,
    ];
    let (depth, steps) = (if is_long() { 6 } else { 3 }, [0, GRACE]);
    let mut sum = Sum::begin(&what(depth, &events, &steps), all.len());
    walk_all(&all, &events, &steps, depth, &mut sum);
}

/// A walk is worth something only if it sees two answers for one: here the key leaves out what the machine goes by.
#[test]
#[should_panic(expected = "two histories to one state")]
fn two_answers_in_one_state_are_seen() {
    let policy = Policy { stop_signals: SignalSet::of([Signal::TERM]), ..Policy::default() };
    let (known, witness) = (HashMap::new(), std::marker::PhantomData);
    let mut walk = Walk { policy: &policy, events: &[Event::Tick], steps: &[0], witness, known, histories: 0 };
    let machine = Supervisor::new(policy.clone());
    walk.go(&machine, BEGIN, &Promises::default(), 1);
    // The same state, where everything else is the same but for the event that it was made with.
    walk.events = &[Event::Signal(Signal::TERM)];
    walk.go(&machine, BEGIN, &Promises::default(), 1);
}
