//! An init that has nothing to do: its memory, and how often it wakes all the same.
//!
//! Resident is what is in memory; proportional counts a page that is shared by its part; private and dirty is what nobody
//! else can use and the kernel cannot drop. Pages of the file are shared by many copies, so with those the last two say what
//! one more container costs.

use crate::container::Container;
use crate::results::{Better, Results};
use crate::{Effort, Init, inits};
use nix::unistd::Pid;
use std::fs;
use std::time::Duration;

pub fn measure(inits: &[Init], effort: Effort, results: &mut Results) {
    let mut alone = vec![Vec::new(); inits.len()];
    for round in 0..effort.of(9, 3) {
        for (index, init) in inits::round_of_inits(inits, round) {
            alone[index].push(Memory::of(start(init).pid));
        }
    }
    add(results, "idle", &alone);

    let copies = effort.of(200, 40);
    let mut many = vec![Vec::new(); inits.len()];
    for (index, init) in inits::round_of_inits(inits, 0) {
        let containers: Vec<_> = (0..copies).map(|_| start(init)).collect();
        many[index].extend(containers.iter().map(|container| Memory::of(container.pid)));
    }
    add(results, &format!("idle, each of {copies} copies"), &many);

    wake_ups(inits, effort, results);
}

/// Starts an init, and waits until it is idle.
fn start(init: &Init) -> Container {
    let mut container = Container::start(init, &["idle"], None);
    container.time().expect("its start");
    container.rest();
    container
}

/// In KiB.
#[derive(Clone)]
pub struct Memory {
    resident: f64,
    pub proportional: f64,
    pub private_dirty: f64,
}

impl Memory {
    pub fn of(pid: Pid) -> Memory {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("a process");
        Memory {
            resident: field(&text, "Rss"),
            proportional: field(&text, "Pss"),
            private_dirty: field(&text, "Private_Dirty"),
        }
    }
}

/// A figure of one of the kernel's tables of names, colons and figures.
pub fn field(text: &str, name: &str) -> f64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = value.and_then(|value| value.split_whitespace().next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no {name} in {text}"))
}

fn add(results: &mut Results, when: &str, memory: &[Vec<Memory>]) {
    let samples = |of: fn(&Memory) -> f64| -> Vec<Vec<f64>> {
        memory.iter().map(|samples| samples.iter().map(of).collect()).collect()
    };
    let name = |what: &str| format!("{when}: {what} memory");
    results.add(&name("resident"), "KiB", Better::Lower, &samples(|memory| memory.resident));
    results.add_plotted(&name("proportional"), "KiB", Better::Lower, &samples(|memory| memory.proportional));
    let private = samples(|memory| memory.private_dirty);
    results.add_plotted(&name("private and dirty"), "KiB", Better::Lower, &private);
}

/// All at the same time: an init that only waits does not mind the others.
fn wake_ups(inits: &[Init], effort: Effort, results: &mut Results) {
    let seconds = effort.of(10, 3);
    let (indices, containers): (Vec<usize>, Vec<Container>) =
        inits::round_of_inits(inits, 0).map(|(index, init)| (index, start(init))).unzip();
    let switches = || -> Vec<f64> {
        let read = |container: &Container| fs::read_to_string(format!("/proc/{}/status", container.pid));
        containers.iter().map(|one| field(&read(one).expect("a process"), "voluntary_ctxt_switches")).collect()
    };
    let before = switches();
    Container::pass(&containers, Duration::from_secs(u64::try_from(seconds).expect("few")));
    let mut samples = vec![Vec::new(); inits.len()];
    for (index, (before, after)) in indices.into_iter().zip(before.into_iter().zip(switches())) {
        samples[index].push(after - before);
    }
    results.add(&format!("idle: wakes in {seconds} s"), "", Better::Lower, &samples);
}
