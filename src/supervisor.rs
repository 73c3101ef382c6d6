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
//! What an escalation adds: states between `Running` and `Ended` that carry a deadline, and a state behind the child's
//! end for those that outlive it. Both take the same events and answer with the same actions.
#![forbid(unsafe_code)]

use crate::exit::Status;
use crate::signal::Signal;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A signal came for rini.
    Signal(Signal),
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
    /// Pass this signal on to the child, or to its process group where that was asked for.
    Forward(Signal),
    /// Stop rini's own process group with this signal, as the terminal would have.
    Suspend(Signal),
    /// Give the child's process group the terminal, if rini's has it, and continue it.
    Resume,
    /// Exit: the child ended so, or (`None`) nobody knows how.
    Finish(Option<Status>),
}

/// The answer to one event: at most one action so far.
pub type Actions = Option<Action>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    Suspended { by: Signal },
    Ended,
}

/// The state machine. See the module's own text.
#[derive(Clone, Debug)]
pub struct Supervisor {
    state: State,
    /// Whether rini and its child share a controlling terminal: without one there is no job control.
    terminal: bool,
    /// A stop signal was forwarded and no SIGCONT since: a stop of the child is what somebody asked for.
    stop_requested: bool,
}

impl Supervisor {
    /// The child has been started; `terminal` says whether there is a controlling terminal.
    pub fn new(terminal: bool) -> Supervisor {
        Supervisor { state: State::Running, terminal, stop_requested: false }
    }

    /// Takes one event and says what to do about it.
    pub fn handle(&mut self, event: Event) -> Actions {
        match (self.state, event) {
            (State::Ended, _) => None,
            (_, Event::ChildEnded(status)) => self.finish(Some(status)),
            (_, Event::ChildLost) => self.finish(None),
            (_, Event::Signal(Signal::CHLD)) => None,
            (State::Suspended { .. }, Event::Signal(Signal::CONT)) => self.resume(),
            // A second ^Z, which took the SIGCONT of the first away before rini did. The child is still stopped.
            (State::Suspended { .. }, Event::Signal(signal)) if signal.stops() => self.suspend(Signal::TSTP),
            (_, Event::Signal(signal)) => {
                if signal.stops() {
                    self.stop_requested = true;
                } else if signal == Signal::CONT {
                    self.stop_requested = false;
                }
                Some(Action::Forward(signal))
            }
            (_, Event::ChildStopped { by, foreground }) => self.child_stopped(by, foreground),
            // Not the end of `Suspended`: it may have been the child alone, by its pid. The SIGCONT that let rini look
            // is still to be taken; it continues the whole group and hands the terminal on.
            (_, Event::ChildContinued) => {
                self.stop_requested = false;
                None
            }
            // A reader or writer in the background would only stop again.
            (State::Suspended { by: Signal::TSTP }, Event::SuspendRefused) if !self.stop_requested => self.resume(),
            (_, Event::SuspendRefused) => {
                self.state = State::Running;
                None
            }
        }
    }

    fn child_stopped(&mut self, by: Signal, foreground: Foreground) -> Actions {
        let by = match (by, foreground) {
            _ if !self.terminal => return None,
            // `fg` of a job that was started in the background: bash sends no SIGCONT to one that runs.
            (Signal::TTIN | Signal::TTOU, Foreground::Own) => return self.resume(),
            (Signal::TSTP | Signal::TTIN | Signal::TTOU, _) => by,
            // A program that stops itself by SIGSTOP while it has the terminal (bash's `suspend`) would leave its user
            // with nobody to type to. For rini itself it is TSTP: that is the one that an orphaned group is spared.
            (Signal::STOP, Foreground::Child) => Signal::TSTP,
            _ => return None,
        };
        self.suspend(by)
    }

    fn suspend(&mut self, by: Signal) -> Actions {
        self.state = State::Suspended { by };
        Some(Action::Suspend(by))
    }

    fn resume(&mut self) -> Actions {
        self.state = State::Running;
        self.stop_requested = false;
        Some(Action::Resume)
    }

    fn finish(&mut self, status: Option<Status>) -> Actions {
        self.state = State::Ended;
        Some(Action::Finish(status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(number: i32) -> Signal {
        Signal::from_number(number).unwrap()
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
        fn check(&mut self, terminal: bool, event: Event, action: Actions) {
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
                Event::Signal(Signal::CHLD) => assert_eq!(action, None, "SIGCHLD is for rini"),
                Event::Signal(Signal::CONT) if self.suspended.is_some() => assert!(resumed, "SIGCONT undoes a ^Z"),
                Event::Signal(signal) if self.suspended.is_some() && signal.stops() => {
                    assert_eq!(action, Some(Action::Suspend(Signal::TSTP)), "another ^Z stops rini again");
                    self.suspended = Some(Signal::TSTP);
                }
                Event::Signal(signal) => {
                    assert_eq!(action, Some(Action::Forward(signal)), "every signal is forwarded, once, unchanged");
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
        *count += 1;
        if depth == 0 {
            return;
        }
        for &event in events {
            let (mut machine, mut onlooker) = (machine.clone(), onlooker.clone());
            let action = machine.handle(event);
            onlooker.check(machine.terminal, event, action);
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
            every_history(&Supervisor::new(terminal), &Onlooker::default(), &events, DEPTH as usize, &mut count);
            let kinds = events.len() as u64;
            assert_eq!(count, (0..=DEPTH).map(|n| kinds.pow(n)).sum::<u64>(), "the whole tree was walked");
        }
    }

    #[test]
    fn each_of_the_64_signals_is_forwarded_but_sigchld() {
        for n in 1..=64 {
            let wanted = (n != libc::SIGCHLD).then(|| Action::Forward(signal(n)));
            assert_eq!(Supervisor::new(false).handle(Event::Signal(signal(n))), wanted);
        }
    }

    /// The walk above is worth only what its onlooker sees: machines with one wrong answer each must not pass it.
    #[test]
    fn a_wrong_answer_is_seen() {
        let wrong: [(&[Event], Actions); 6] = [
            (&[Event::Signal(Signal::CHLD)], Some(Action::Forward(Signal::CHLD))),
            (&[Event::Signal(signal(15))], None),
            (&[Event::ChildEnded(Status::Exited(7))], Some(Action::Finish(Some(Status::Exited(0))))),
            (&[Event::ChildEnded(Status::Exited(7)), Event::Signal(signal(15))], Some(Action::Forward(signal(15)))),
            (&[Event::ChildLost], None),
            (&[Event::Signal(Signal::TSTP), Event::SuspendRefused], Some(Action::Resume)),
        ];
        for (history, last) in wrong {
            let (mut machine, mut onlooker) = (Supervisor::new(true), Onlooker::default());
            let seen = std::panic::catch_unwind(move || {
                for (i, &event) in history.iter().enumerate() {
                    let action = machine.handle(event);
                    onlooker.check(true, event, if i + 1 == history.len() { last } else { action });
                }
            });
            assert!(seen.is_err(), "{history:?} answered by {last:?} passed");
        }
    }
}
