//! The machine beside the model of it (tests/proof/model/supervisor.pml), which was written from the documentation: both take
//! the same steps.
//!
//! The model's are listed by spin. Each is taken here too, wherever a history leads to it: the machine has to answer with the same
//! actions, and its deadline has to begin, stay, or go as the model's period does. In each state the list has to have every
//! event that there is for a policy without a terminal, rewrites, and a parent: so that the machine has no step
//! either that the model has not.

use super::*;
use std::collections::{BTreeMap, BTreeSet};

/// What the model answers.
struct Step<'a> {
    event: &'a str,
    to: &'a str,
    /// A period begins, or begins again.
    begins: bool,
    actions: Vec<Action>,
}

/// Every event, in the model's words, but for whether the period is over.
fn every_event() -> [(&'static str, Event); 12] {
    [
        ("SIGNAL,2,UNKNOWN", Event::Signal(Signal::INT)),
        ("SIGNAL,10,UNKNOWN", Event::Signal(signal(libc::SIGUSR1))),
        ("SIGNAL,15,UNKNOWN", Event::Signal(Signal::TERM)),
        ("SIGNAL,17,UNKNOWN", Event::Signal(Signal::CHLD)),
        ("SIGNAL,18,UNKNOWN", Event::Signal(Signal::CONT)),
        ("TICK,0,UNKNOWN", Event::Tick),
        ("STOPPED,0,UNKNOWN", Event::ChildStopped { by: Signal::STOP, foreground: Foreground::Other }),
        ("CONTINUED,0,UNKNOWN", Event::ChildContinued),
        ("ENDED,0,SEVEN", Event::ChildEnded(Status::Exited(7))),
        ("ENDED,0,KILLED", Event::ChildEnded(Status::Killed(Signal::KILL))),
        ("NO_CHILDREN,0,UNKNOWN", Event::NoChildren),
        ("HELPLESS,0,UNKNOWN", Event::Helpless),
    ]
}

fn words(text: &str) -> Vec<&str> {
    text.split(',').collect()
}

fn policy_of(text: &str) -> Policy {
    let [after_exit, delay, grace, pause] = words(text)[..] else { panic!("{text}") };
    Policy {
        stop_signals: SignalSet::of([Signal::TERM, Signal::INT]),
        delay: (delay == "1").then(|| Duration::from_secs(DELAY)),
        grace: (grace == "1").then(|| Duration::from_secs(GRACE)),
        after_exit: match after_exit {
            "EXIT" => AfterExit::Kill,
            "GROUP" => AfterExit::TerminateGroup,
            "TERMINATE" => AfterExit::Terminate,
            "WAIT" => AfterExit::Wait,
            _ => panic!("{text}"),
        },
        pause: pause == "1",
        ..Policy::default()
    }
}

/// How long the period lasts that runs in this state of the model.
fn period_of(state: &str) -> Option<Duration> {
    match words(state)[3] {
        "NEVER" => None,
        "DELAY" => Some(Duration::from_secs(DELAY)),
        "GRACE" => Some(Duration::from_secs(GRACE)),
        "TEN_SECONDS" => Some(DEFAULT_GRACE),
        "SECOND" => Some(Duration::from_secs(1)),
        _ => panic!("{state}"),
    }
}

/// An action in the model's words. Those have the status in the state.
fn action_of(text: &str, state: &str) -> Action {
    let [what, number] = words(text)[..] else { panic!("{text}") };
    let forward = |to| {
        let signal = signal(number.parse().unwrap());
        Action::Forward { signal, rewritten: signal, to }
    };
    match what {
        "FORWARD" => forward(Target::Child),
        "FORWARD_TO_REST" => forward(Target::Leftovers),
        "DISCARD" => Action::Discard(signal(number.parse().unwrap())),
        "HOLD" => Action::Delay(signal(number.parse().unwrap())),
        "ASK_REST" => Action::Terminate,
        "ASK_GROUP" => Action::TerminateGroup(Some(Signal::TERM)),
        "CONTINUE" => Action::Continue,
        "KILL" => Action::Kill(Target::Child),
        "KILL_REST" => Action::Kill(Target::Leftovers),
        "GIVE_UP" => Action::GiveUp,
        "FINISH" => Action::Finish(match words(state)[5] {
            "UNKNOWN" => None,
            "ZERO" => Some(Status::Exited(0)),
            "SEVEN" => Some(Status::Exited(7)),
            "KILLED" => Some(Status::Killed(Signal::KILL)),
            _ => panic!("{state}"),
        }),
        _ => panic!("{text}"),
    }
}

/// `STEP policy state event state begins action...`, by policy and state.
fn read(list: &str) -> BTreeMap<&str, BTreeMap<&str, Vec<Step<'_>>>> {
    let mut steps = BTreeMap::<_, BTreeMap<_, Vec<_>>>::new();
    for line in list.lines().filter_map(|line| line.strip_prefix("STEP ")) {
        let mut fields = line.split(' ');
        let [policy, from, event, to, begins] = [(); 5].map(|()| fields.next().unwrap());
        let actions = fields.map(|action| action_of(action, to)).collect();
        let step = Step { event, to, begins: begins == "1", actions };
        steps.entry(policy).or_default().entry(from).or_default().push(step);
    }
    steps
}

#[test]
#[ignore = "tests/proof/model/mod.rs runs it, with the steps that spin lists"]
fn the_machine_takes_the_steps_of_the_model_and_no_others() {
    let list = std::fs::read_to_string(std::env::var_os("RINI_MODEL_STEPS").unwrap()).unwrap();
    let steps = read(&list);
    assert_eq!(steps.len(), 4 * 2 * 2 * 2, "each after-exit, with and without a delay, a grace period, a child");
    let events = every_event();
    for (name, steps) in &steps {
        let policy = policy_of(name);
        let first = if policy.pause { "REST,NONE,0,NEVER,0,ZERO,0" } else { "CHILD,NONE,0,NEVER,0,UNKNOWN,0" };
        let machine = Supervisor::new(policy);
        let mut known = HashSet::from([(first, key(&machine, BEGIN))]);
        let mut ahead = VecDeque::from([(first, machine, BEGIN)]);
        while let Some((from, before, then)) = ahead.pop_front() {
            let listed: BTreeSet<_> = steps[from].iter().map(|step| step.event.to_owned()).collect();
            let late = if before.deadline().is_some() { &["0", "1", "2"][..] } else { &["0"] };
            let every = events.iter().flat_map(|(event, _)| late.iter().map(move |late| format!("{event},{late}")));
            assert_eq!(listed, every.collect(), "the events in {from}, with {name}");
            for Step { event, to, begins, actions } in &steps[from] {
                let (word, late) = event.rsplit_once(',').unwrap();
                let (_, told) = events.into_iter().find(|(name, _)| *name == word).unwrap();
                // Some time passes in any case: a deadline that was moved would not be the same. Late is later than any period.
                let now = match (late, before.deadline()) {
                    ("1", Some(deadline)) => deadline,
                    ("2", Some(deadline)) => deadline.later_by(Duration::from_secs(1000)),
                    _ => then.later_by(Duration::from_nanos(1)),
                };
                let mut machine = before.clone();
                let what = format!("{event} in {from}, with {name}");
                assert_eq!(machine.handle(told, now).iter().collect::<Vec<_>>(), *actions, "{what}");
                let since = if *begins { Some(now) } else { None };
                let deadline = match (period_of(to), since) {
                    (None, _) => None,
                    (Some(period), Some(since)) => Some(since.later_by(period)),
                    (Some(_), None) => before.deadline(),
                };
                assert_eq!(machine.deadline(), deadline, "the deadline after {what}");
                // Of the time only matters what runs, and that the model's state says.
                if known.insert((*to, key(&machine, deadline.unwrap_or(now)))) {
                    ahead.push_back((*to, machine, now));
                }
            }
        }
        let reached: HashSet<_> = known.iter().map(|(state, _)| *state).collect();
        assert_eq!(reached.len(), steps.len(), "the model's states are the machine's, with {name}");
    }
}
