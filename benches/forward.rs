//! How long a signal takes from its sender, through the init, to the program.
//!
//! All inits are running, and get a signal in turn, so that the alternation is as fine as it can be. The program has all
//! signals blocked and waits for them: it notes the time when it has one.

use crate::clock::{self, micros};
use crate::container::Container;
use crate::priority::Urgent;
use crate::results::{Better, Results, quantile};
use crate::{Effort, Init, inits};
use nix::sys::signal::{Signal, kill};

/// Signals in a block, which gives a median and a 99th percentile of its own.
const BLOCK: usize = 200;

pub fn measure(inits: &[Init], effort: Effort, results: &mut Results) {
    let _urgent = Urgent::begin(results);
    let mut middles = vec![Vec::new(); inits.len()];
    let mut tails = vec![Vec::new(); inits.len()];
    for round in 0..effort.of(30, 8) {
        // Others for each block: which processor they are on makes a difference, and they tend to stay there.
        let mut containers: Vec<(usize, Container)> = inits::round_of_inits(inits, round).map(start).collect();
        let mut block = vec![Vec::new(); inits.len()];
        for _ in 0..BLOCK {
            for (index, container) in &mut containers {
                let sent = clock::now();
                kill(container.pid, Signal::SIGUSR1).expect("it runs");
                let received = container.time().expect("it runs");
                block[*index].push(micros(received - sent));
            }
        }
        for (index, mut times) in block.into_iter().enumerate() {
            times.sort_by(f64::total_cmp);
            middles[index].extend(quantile(&times, 0.5));
            tails[index].extend(quantile(&times, 0.99));
        }
    }
    results.add_plotted("a forwarded signal, median", "µs", Better::Lower, &middles);
    results.add("a forwarded signal, 99th percentile", "µs", Better::Lower, &tails);
}

fn start((index, init): (usize, &Init)) -> (usize, Container) {
    let mut container = Container::start(init, &["signals"], None);
    container.time().expect("its start");
    container.rest();
    (index, container)
}
