//! The time that a signal takes from its sender, through the init, to the program.
//!
//! All inits run at the same time and get a signal in turn, so that a busy moment of the machine meets all of them. The
//! program blocks all signals and waits for them. It writes the time as soon as it has one.

use crate::clock::{self, to_micros};
use crate::container::Container;
use crate::effort::Effort;
use crate::figures::quantile;
use crate::inits::{self, Init};
use crate::priority::RealTimePriority;
use crate::results::{Better, Results};
use nix::sys::signal::{Signal, kill};

/// The number of signals in a block. Each block gives one median and one 99th percentile.
const BLOCK: usize = 200;

pub fn measure(inits: &[Init], effort: Effort, results: &mut Results) {
    let _priority = RealTimePriority::acquire(results);
    let mut middles = vec![Vec::new(); inits.len()];
    let mut tails = vec![Vec::new(); inits.len()];
    for round in 0..effort.pick(30, 8) {
        // New containers for each block: a process tends to stay on its processor, and the processor makes a difference.
        let mut containers: Vec<(usize, Container)> =
            inits::rotate_without_none(inits, round).map(start_container).collect();
        let mut block = vec![Vec::new(); inits.len()];
        for _ in 0..BLOCK {
            for (index, container) in &mut containers {
                let sent = clock::now();
                kill(container.pid, Signal::SIGUSR1).expect("it runs");
                let received = container.read_time().expect("it runs");
                block[*index].push(to_micros(received - sent));
            }
        }
        for (index, mut times) in block.into_iter().enumerate() {
            times.sort_by(f64::total_cmp);
            middles[index].extend(quantile(&times, 0.5));
            tails[index].extend(quantile(&times, 0.99));
        }
    }
    results.add_plotted_row("a forwarded signal, median", "µs", Better::Lower, &middles);
    results.add_row("a forwarded signal, 99th percentile", "µs", Better::Lower, &tails);
}

/// Starts an init, and waits until it and its program wait for signals.
fn start_container((index, init): (usize, &Init)) -> (usize, Container) {
    let mut container = Container::start(init, &["signals"], None);
    container.read_time().expect("its start");
    container.await_sleep();
    (index, container)
}
