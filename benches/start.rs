//! The start and the end of an init whose program exits at once.
//!
//! Each run takes four times: the exec, the program's first instruction, the program's end, and the init's end as its
//! parent sees it.

use crate::clock::to_micros;
use crate::container::Container;
use crate::effort::Effort;
use crate::inits::{self, Init};
use crate::priority::RealTimePriority;
use crate::results::{Better, Results};

pub fn measure(inits: &[Init], effort: Effort, results: &mut Results) {
    let _priority = RealTimePriority::acquire(results);
    let [mut starts, mut ends, mut wholes] = [const { Vec::new() }; 3].map(|_: Vec<f64>| vec![Vec::new(); inits.len()]);
    for round in 0..effort.pick(400, 60) + WARM_UP {
        for (index, init) in inits::rotate(inits, round) {
            let run = measure_run(init);
            if round >= WARM_UP {
                starts[index].push(run.start);
                ends[index].push(run.end);
                wholes[index].push(run.whole);
            }
        }
    }
    results.add_plotted_row("start: exec of the init to the program's first instruction", "µs", Better::Lower, &starts);
    results.add_plotted_row("end: the program's to the init's", "µs", Better::Lower, &ends);
    results.add_row("the whole of `init -- true`", "µs", Better::Lower, &wholes);
}

/// The number of rounds at the beginning that do not count.
const WARM_UP: usize = 3;

/// The times of a run, in microseconds.
pub struct Run {
    pub start: f64,
    pub end: f64,
    whole: f64,
}

/// Runs a program that exits at once, and takes the times.
pub fn measure_run(init: &Init) -> Run {
    measure_run_of(init, &["exit"])
}

/// Runs a program that writes the times of its first instruction and of its end, and exits.
pub fn measure_run_of(init: &Init, command: &[&str]) -> Run {
    let mut container = Container::start(init, command, None);
    // The times of the probe are read later: until the end of the init, nothing else may wake this thread.
    let (ended, status) = container.await_end();
    let (first, last) = (container.read_time().expect("its start"), container.read_time().expect("its end"));
    assert!(status == 0, "{}: the program's exit code is 0, and its own {status}", init.name);
    Run {
        start: to_micros(first - container.executed),
        end: to_micros(ended - last),
        whole: to_micros(ended - container.executed),
    }
}
