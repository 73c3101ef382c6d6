//! How long a signal takes from its sender, through the init, to the program.
//!
//! All inits are running, and get a signal in turn, so that the alternation is as fine as it can be. The program has all
//! signals blocked and waits for them: it notes the time when it has one.

use crate::clock::{self, micros};
use crate::container::Container;
use crate::results::{Better, Results, quantile};
use crate::{Effort, Init};
use nix::sys::signal::{Signal, kill};

/// Signals in a block, which gives a median and a 99th percentile of its own.
const BLOCK: usize = 200;

pub fn measure(inits: &[Init], effort: Effort, results: &mut Results) {
    let mut containers: Vec<Option<Container>> =
        inits.iter().map(|init| init.is_init().then(|| Container::start(init, &["signals"], None))).collect();
    for container in containers.iter_mut().flatten() {
        container.time().expect("its start");
        container.rest();
    }
    let mut middles = vec![Vec::new(); inits.len()];
    let mut tails = vec![Vec::new(); inits.len()];
    for _ in 0..effort.of(25, 5) {
        let mut block = vec![Vec::new(); inits.len()];
        for _ in 0..BLOCK {
            for (times, container) in block.iter_mut().zip(&mut containers) {
                let Some(container) = container else { continue };
                let sent = clock::now();
                kill(container.pid, Signal::SIGUSR1).expect("it runs");
                let received = container.time().expect("it runs");
                times.push(micros(received - sent));
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
