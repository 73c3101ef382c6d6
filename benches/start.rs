//! The start and the end: an init that runs a program which exits at once.
//!
//! The times of the exec, of the program's first instruction, of its end, and of the init's end as its parent sees it are
//! taken in the same run.

use crate::clock::micros;
use crate::container::Container;
use crate::priority::Urgent;
use crate::results::{Better, Results};
use crate::{Effort, Init, inits};

pub fn measure(inits: &[Init], effort: Effort, results: &mut Results) {
    let _urgent = Urgent::begin(results);
    let [mut starts, mut ends, mut wholes] = [const { Vec::new() }; 3].map(|_: Vec<f64>| vec![Vec::new(); inits.len()]);
    for round in 0..effort.of(400, 60) + WARM_UP {
        for (index, init) in inits::round(inits, round) {
            let run = run(init);
            if round >= WARM_UP {
                starts[index].push(run.start);
                ends[index].push(run.end);
                wholes[index].push(run.whole);
            }
        }
    }
    results.add_plotted("start: exec of the init to the program's first instruction", "µs", Better::Lower, &starts);
    results.add_plotted("end: the program's to the init's", "µs", Better::Lower, &ends);
    results.add("the whole of `init -- true`", "µs", Better::Lower, &wholes);
}

/// The first rounds are not counted.
const WARM_UP: usize = 3;

/// Times of a run, in microseconds.
pub struct Run {
    pub start: f64,
    end: f64,
    whole: f64,
}

/// A run of a program that exits at once.
pub fn run(init: &Init) -> Run {
    let mut container = Container::start(init, &["exit"], None);
    // The end first: nothing but that is to wake us.
    let (ended, status) = container.end();
    let (first, last) = (container.time().expect("its start"), container.time().expect("its end"));
    assert!(status == 0, "{}: the program's exit code is 0, and its own {status}", init.name);
    Run {
        start: micros(first - container.executed),
        end: micros(ended - last),
        whole: micros(ended - container.executed),
    }
}
