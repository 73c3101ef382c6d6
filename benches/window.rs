//! The time after the exec in which a signal is lost.
//!
//! The kernel drops a signal for a PID 1 that neither blocks nor handles it. A thread spins until a chosen time after the
//! exec, and then sends SIGINT. If the signal was not lost, it ends the program. When the program runs, a SIGTERM follows
//! and ends it otherwise. The kernel delivers the lower number first, so the exit code names the signal that arrived.
//!
//! The times sweep over twice the start time. The figure is the sum of the times around the lost signals. An interval in
//! which half of the signals are lost counts half. The exec itself, in the kernel, is a part of the figure for every init.

use crate::clock;
use crate::container::{Container, Launch};
use crate::effort::Effort;
use crate::figures::{median, to_f64};
use crate::inits::{self, Init};
use crate::priority::RealTimePriority;
use crate::results::{Better, Results};
use crate::start;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::hint;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

pub fn measure(inits: &[Init], effort: Effort, results: &mut Results) {
    let priority = RealTimePriority::acquire(results);
    let Some(processor) = priority.other_processor() else {
        return results.add_note("When a signal is lost is left out: it takes two processors.".to_owned());
    };
    let (sweeps, steps) = (effort.pick(8, 3), effort.pick(60, 20));
    let sender = TimedSender::new(processor);
    let mut samples = vec![Vec::new(); inits.len()];
    let mut spans = vec![0.0; inits.len()];
    for (index, init) in inits::rotate_without_none(inits, 0) {
        spans[index] = choose_span(init);
    }
    for sweep in 0..sweeps {
        let mut attempts = vec![Vec::new(); inits.len()];
        for step in 0..steps {
            for (index, init) in inits::rotate_without_none(inits, step) {
                // Each sweep has times between those of the others.
                let fraction = (to_f64(step) + to_f64(sweep) / to_f64(sweeps)) / to_f64(steps);
                attempts[index].push(send_in_time(
                    init,
                    fraction * spans[index],
                    spans[index] / to_f64(steps),
                    &sender,
                ));
            }
        }
        for (index, mut attempts) in attempts.into_iter().enumerate().filter(|(_, attempts)| !attempts.is_empty()) {
            samples[index].push(sum_lost_time(&mut attempts, spans[index]));
        }
    }
    results.add_plotted_row("a signal is lost for, from the exec on", "µs", Better::Lower, &samples);
}

/// Chooses the time to sweep over, in microseconds: twice the start of this init.
fn choose_span(init: &Init) -> f64 {
    let starts: Vec<f64> = (0..9).map(|_| start::measure_run(init).start).collect();
    2.0 * median(&starts)
}

/// A signal that was sent.
#[derive(Clone)]
struct Attempt {
    /// The time after the exec, in microseconds.
    after: f64,
    lost: bool,
}

/// Sends a signal, up to ten times until it is in time. On a busy machine a signal can be late, and without a repetition
/// the early times would be missing. The last attempt counts in any case, at the time at which it was sent.
fn send_in_time(init: &Init, after: f64, tolerance: f64, sender: &TimedSender) -> Attempt {
    let mut attempts = (0..10).map(|_| send_signal(init, after, sender));
    let mut last = attempts.next().expect("ten");
    while last.after > after + tolerance {
        let Some(attempt) = attempts.next() else { break };
        last = attempt;
    }
    last
}

/// Starts an init, sends SIGINT at this time after its exec, and reads from the exit code whether the signal was lost.
fn send_signal(init: &Init, after: f64, sender: &TimedSender) -> Attempt {
    let launch = Arc::new(Launch::new());
    sender.orders.send((launch.clone(), after)).expect("the thread");
    let mut container = Container::start_observed(init, &["idle"], None, &launch);
    let sent = sender.sent.recv().expect("the thread");
    // There is no time if the signal ended the program before it wrote one.
    if container.read_time().is_some() {
        let _ = kill(container.pid, Signal::SIGTERM);
    }
    let (_, status) = container.await_end();
    let lost = match status {
        130 => false,
        143 => true,
        other => panic!("{}: it exited with {other}, neither of SIGINT nor of SIGTERM", init.name),
    };
    Attempt { after: clock::to_micros(sent - container.executed), lost }
}

/// Sums up the time, between 0 and `span`, in which signals are lost. Each attempt stands for the times that are nearer to
/// it than to its neighbours.
fn sum_lost_time(attempts: &mut [Attempt], span: f64) -> f64 {
    attempts.sort_by(|one, other| one.after.total_cmp(&other.after));
    let middle = |index: usize| f64::midpoint(attempts[index].after, attempts[index + 1].after).clamp(0.0, span);
    let width = |index: usize| {
        let from = if index == 0 { 0.0 } else { middle(index - 1) };
        let to = if index + 1 == attempts.len() { span } else { middle(index) };
        to - from
    };
    (0..attempts.len()).filter(|index| attempts[*index].lost).map(width).sum()
}

/// A thread that sends a signal at a chosen time. The main thread is suspended until the exec.
struct TimedSender {
    orders: Sender<(Arc<Launch>, f64)>,
    sent: Receiver<i64>,
}

impl TimedSender {
    fn new(processor: CpuSet) -> TimedSender {
        let ((orders, received), (times, sent)) = (channel::<(Arc<Launch>, f64)>(), channel());
        thread::spawn(move || {
            sched_setaffinity(Pid::from_raw(0), &processor).expect("a processor");
            for (launch, after) in received {
                let mut executed = 0;
                // The exec comes within a few hundred microseconds. If it fails, the main thread panics and ends the process.
                while executed == 0 {
                    hint::spin_loop();
                    executed = launch.executed.load(Ordering::Acquire);
                }
                while clock::to_micros(clock::now() - executed) < after {
                    hint::spin_loop();
                }
                let time = clock::now();
                let _ = kill(Pid::from_raw(launch.pid.load(Ordering::Acquire)), Signal::SIGINT);
                if times.send(time).is_err() {
                    return;
                }
            }
        });
        TimedSender { orders, sent }
    }
}
