//! Storms of orphans, of two kinds.
//!
//! - A stream: one orphan after the other, as fast as one process can make them, each dead when the init gets it.
//! - A burst: thousands that live, and end at once. They compete with the init for the processors.
//!
//! How long it takes until the init has reaped the last one, and what processor time the init used, is taken when nobody
//! watches. How many zombies there are is looked at in a run of its own, again and again: the children that the kernel
//! lists, without those that have not begun to exit.

use crate::clock::{self, micros};
use crate::container::{Container, Page, children};
use crate::results::{Better, Results};
use crate::{Effort, Init, inits};

pub fn measure(inits: &[Init], effort: Effort, results: &mut Results) {
    for (kind, size) in [("stream", effort.of(20_000, 1_000)), ("burst", effort.of(5_000, 1_000))] {
        let size = i32::try_from(size).expect("a small number");
        let [mut rates, mut costs, mut zombies] =
            [const { Vec::new() }; 3].map(|_: Vec<f64>| vec![Vec::new(); inits.len()]);
        for round in 0..effort.of(7, 2) {
            for (index, init) in inits::round_of_inits(inits, round) {
                let storm = run(init, kind, size);
                rates[index].push(storm.rate);
                costs[index].push(storm.cost);
                zombies[index].push(watch(init, kind, size));
            }
        }
        let name = |what: &str| format!("a {kind} of {size} orphans: {what}");
        results.add(&name("reaped in a second"), "", Better::Higher, &rates);
        results.add_plotted(&name("the init's processor time for each"), "µs", Better::Lower, &costs);
        results.add(&name("zombies at the most"), "", Better::Lower, &zombies);
    }
}

struct Storm {
    rate: f64,
    cost: f64,
}

fn prepare(init: &Init, kind: &str, size: i32, page: &Page) -> Container {
    let mut container = Container::start(init, &[kind, &size.to_string()], Some(page));
    container.time().expect("it is ready");
    container.rest();
    container
}

/// The program alone is left.
fn is_over(container: &Container) -> bool {
    children(container.pid).len() == 1
}

fn run(init: &Init, kind: &str, size: i32) -> Storm {
    let page = Page::new();
    let container = prepare(init, kind, size, &page);
    let (used, began) = (clock::processor_time(container.pid), clock::now());
    page.go();
    page.await_gone(size);
    container.until("all orphans are reaped", || is_over(&container));
    let took = micros(clock::now() - began);
    container.rest();
    let cost = micros(clock::processor_time(container.pid) - used) / f64::from(size);
    Storm { rate: f64::from(size) / took * 1e6, cost }
}

/// The most zombies that were seen.
fn watch(init: &Init, kind: &str, size: i32) -> f64 {
    let page = Page::new();
    let container = prepare(init, kind, size, &page);
    page.go();
    let mut most = 0;
    container.until("all orphans are reaped", || {
        // In this order: who is alive here may have ended by the time of the list, and is missing rather than counted twice.
        let alive = page.made() - page.gone();
        let listed = i32::try_from(children(container.pid).len()).expect("a small number");
        most = most.max(listed - 1 - alive);
        page.gone() == size && listed == 1
    });
    f64::from(most)
}
