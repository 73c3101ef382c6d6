//! For how long after the exec a signal is lost.
//!
//! The kernel drops a signal for a PID 1 that has neither blocked nor handled it yet. A SIGINT is sent at a time after the
//! exec, by a thread that spins until then, and is kept if it ends the program in the end. A SIGTERM that follows when the
//! program runs ends the others: the kernel delivers the lower number first, so that the exit code tells which one came
//! through.
//!
//! The times are swept over twice the start. What is shown is the sum of the times around those that were lost: where half
//! of the signals are lost, such a stretch counts half. The exec itself, in the kernel, is in it for everybody.

use crate::clock;
use crate::container::{Container, Launch};
use crate::priority::Urgent;
use crate::results::{Better, Results, median};
use crate::{Effort, Init, inits, start};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::hint;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

pub fn measure(inits: &[Init], effort: Effort, results: &mut Results) {
    let urgent = Urgent::begin(results);
    let Some(elsewhere) = urgent.other() else {
        return results.note("When a signal is lost is left out: it takes two processors.".to_owned());
    };
    let (sweeps, steps) = (effort.of(8, 3), effort.of(60, 20));
    let sender = Shooter::new(elsewhere);
    let mut samples = vec![Vec::new(); inits.len()];
    let mut spans = vec![0.0; inits.len()];
    for (index, init) in inits::round_of_inits(inits, 0) {
        spans[index] = span(init);
    }
    for sweep in 0..sweeps {
        let mut shots = vec![Vec::new(); inits.len()];
        for step in 0..steps {
            for (index, init) in inits::round_of_inits(inits, step) {
                // Other times in each sweep.
                let part = (count(step) + count(sweep) / count(sweeps)) / count(steps);
                shots[index].push(aim(init, part * spans[index], spans[index] / count(steps), &sender));
            }
        }
        for (index, mut shots) in shots.into_iter().enumerate().filter(|(_, shots)| !shots.is_empty()) {
            samples[index].push(lost(&mut shots, spans[index]));
        }
    }
    results.add_plotted("a signal is lost for, from the exec on", "µs", Better::Lower, &samples);
}

#[allow(clippy::cast_precision_loss)] // Small numbers.
fn count(number: usize) -> f64 {
    number as f64
}

/// The time to sweep over, in microseconds.
fn span(init: &Init) -> f64 {
    let starts: Vec<f64> = (0..9).map(|_| start::run(init).start).collect();
    2.0 * median(&starts)
}

/// A signal that was sent: how many microseconds after the exec, and whether it was lost.
#[derive(Clone)]
struct Shot {
    after: f64,
    lost: bool,
}

/// Sends a signal, and on a busy machine again until it has been in time: those that are late would all be missing at the
/// beginning. The last one counts in any case, at the time at which it was sent.
fn aim(init: &Init, after: f64, tolerance: f64, shooter: &Shooter) -> Shot {
    let mut shots = (0..10).map(|_| shoot(init, after, shooter));
    let mut last = shots.next().expect("ten");
    while last.after > after + tolerance {
        let Some(shot) = shots.next() else { break };
        last = shot;
    }
    last
}

fn shoot(init: &Init, after: f64, shooter: &Shooter) -> Shot {
    let launch = Arc::new(Launch::new());
    shooter.orders.send((launch.clone(), after)).expect("the thread");
    let mut container = Container::start_watched(init, &["idle"], None, &launch);
    let sent = shooter.sent.recv().expect("the thread");
    // None where the signal has ended the program before it wrote anything.
    if container.time().is_some() {
        let _ = kill(container.pid, Signal::SIGTERM);
    }
    let (_, status) = container.end();
    let lost = match status {
        130 => false,
        143 => true,
        other => panic!("{}: it exited with {other}, neither of SIGINT nor of SIGTERM", init.name),
    };
    Shot { after: clock::micros(sent - container.executed), lost }
}

/// The time that is lost, out of 0 to `span`: each signal stands for what is nearer to it than to the next.
fn lost(shots: &mut [Shot], span: f64) -> f64 {
    shots.sort_by(|one, other| one.after.total_cmp(&other.after));
    let middle = |index: usize| f64::midpoint(shots[index].after, shots[index + 1].after).clamp(0.0, span);
    let width = |index: usize| {
        let from = if index == 0 { 0.0 } else { middle(index - 1) };
        let to = if index + 1 == shots.len() { span } else { middle(index) };
        to - from
    };
    (0..shots.len()).filter(|index| shots[*index].lost).map(width).sum()
}

/// A thread that sends a signal at its time: the benches' own is suspended until the exec has happened.
struct Shooter {
    orders: Sender<(Arc<Launch>, f64)>,
    sent: Receiver<i64>,
}

impl Shooter {
    fn new(processor: CpuSet) -> Shooter {
        let ((orders, received), (times, sent)) = (channel::<(Arc<Launch>, f64)>(), channel());
        thread::spawn(move || {
            sched_setaffinity(Pid::from_raw(0), &processor).expect("a processor");
            for (launch, after) in received {
                let mut executed = 0;
                // Until the exec, a few hundred microseconds; or for ever, in a process that is about to panic.
                while executed == 0 {
                    hint::spin_loop();
                    executed = launch.executed.load(Ordering::Acquire);
                }
                while clock::micros(clock::now() - executed) < after {
                    hint::spin_loop();
                }
                let time = clock::now();
                let _ = kill(Pid::from_raw(launch.pid.load(Ordering::Acquire)), Signal::SIGINT);
                if times.send(time).is_err() {
                    return;
                }
            }
        });
        Shooter { orders, sent }
    }
}
