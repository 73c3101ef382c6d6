//! The end of an init whose program leaves processes behind.
//!
//! The program starts processes that sleep, and exits at once. The init adopts them and exits, and the kernel then kills them.
//! The time runs from the program's end to the end of the init, which the kernel reports when the last process is gone. rini
//! meanwhile names the leftover processes in a warning. `none` shows what the kernel alone takes.
//!
//! There is no real-time priority, because so many processes have to share the processors.

use crate::effort::Effort;
use crate::inits::{self, Init};
use crate::results::{Better, Results};
use crate::scale;
use crate::start;

pub fn measure(inits: &[Init], effort: Effort, results: &mut Results) {
    for (count, rounds) in [(1, effort.pick(100, 20)), (100, effort.pick(40, 10)), (effort.pick(10_000, 1_000), 5)] {
        if let Err(reason) = scale::check_process_limits(count) {
            results.add_note(format!("The end with {count} leftover processes is left out: {reason}."));
            continue;
        }
        let mut samples = vec![Vec::new(); inits.len()];
        for round in 0..rounds {
            for (index, init) in inits::rotate(inits, round) {
                samples[index].push(start::measure_run_of(init, &["leave", &count.to_string()]).end / 1000.0);
            }
        }
        let processes = if count == 1 { "process" } else { "processes" };
        results.add_row(&format!("end with {count} leftover {processes}"), "ms", Better::Lower, &samples);
    }
}
