//! Storms of orphans, of two kinds.
//!
//! - A stream: a process makes one orphan after the other, as fast as it can. Each orphan is a zombie when the init adopts it.
//! - A burst: thousands of orphans live, and exit at once. They compete with the init for the processors.
//!
//! One run takes the time until the init has reaped the last orphan, and the processor time of the init. Another run counts
//! the zombies again and again, because counting would disturb the first run. The zombies are the children that the kernel
//! lists, without those that have not begun to exit.

use crate::clock::{self, to_micros};
use crate::container::{Container, Page, list_children};
use crate::effort::Effort;
use crate::inits::{self, Init};
use crate::results::{Better, Results};

pub fn measure(inits: &[Init], effort: Effort, results: &mut Results) {
    for (kind, size) in [("stream", effort.pick(20_000, 1_000)), ("burst", effort.pick(5_000, 1_000))] {
        let size = i32::try_from(size).expect("a small number");
        let [mut rates, mut costs, mut zombies] =
            [const { Vec::new() }; 3].map(|_: Vec<f64>| vec![Vec::new(); inits.len()]);
        for round in 0..effort.pick(7, 2) {
            for (index, init) in inits::rotate_without_none(inits, round) {
                let storm = measure_storm(init, kind, size);
                rates[index].push(storm.rate);
                costs[index].push(storm.cost);
                zombies[index].push(count_most_zombies(init, kind, size));
            }
        }
        let name = |what: &str| format!("a {kind} of {size} orphans: {what}");
        results.add_row(&name("reaped in a second"), "", Better::Higher, &rates);
        results.add_plotted_row(&name("the init's processor time for each"), "µs", Better::Lower, &costs);
        results.add_row(&name("zombies at the most"), "", Better::Lower, &zombies);
    }
}

/// The figures of a storm.
struct Storm {
    /// Orphans in a second.
    rate: f64,
    /// The processor time of the init for an orphan, in microseconds.
    cost: f64,
}

/// Starts an init whose program waits to begin a storm.
fn start_waiting(init: &Init, kind: &str, size: i32, page: &Page) -> Container {
    let mut container = Container::start(init, &[kind, &size.to_string()], page.as_input());
    container.read_time().expect("it is ready");
    container.await_sleep();
    container
}

/// Whether the program is the only child: the init has reaped all orphans.
fn has_reaped_all(container: &Container) -> bool {
    list_children(container.pid).len() == 1
}

/// Measures a storm without looking at it meanwhile.
fn measure_storm(init: &Init, kind: &str, size: i32) -> Storm {
    let page = Page::new();
    let container = start_waiting(init, kind, size, &page);
    let (used, began) = (clock::read_processor_time(container.pid), clock::now());
    page.release_probe();
    page.await_gone(size);
    container.await_condition("all orphans are reaped", || has_reaped_all(&container));
    let took = to_micros(clock::now() - began);
    container.await_sleep();
    let cost = to_micros(clock::read_processor_time(container.pid) - used) / f64::from(size);
    Storm { rate: f64::from(size) / took * 1e6, cost }
}

/// Counts the zombies during a storm, and returns the highest number.
fn count_most_zombies(init: &Init, kind: &str, size: i32) -> f64 {
    let page = Page::new();
    let container = start_waiting(init, kind, size, &page);
    page.release_probe();
    let mut most = 0;
    container.await_condition("all orphans are reaped", || {
        // In this order, because an orphan can exit between the two lines. The count is then too low, and never too high.
        let alive = page.count_made() - page.count_gone();
        let listed = i32::try_from(list_children(container.pid).len()).expect("a small number");
        most = most.max(listed - 1 - alive);
        page.count_gone() == size && listed == 1
    });
    f64::from(most)
}
