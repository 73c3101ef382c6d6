//! An init that has nothing to do: its memory, and the number of times that it wakes nevertheless.
//!
//! Resident memory is all that is in RAM. Proportional memory divides a shared page among the processes that share it.
//! Private and dirty memory belongs to one process, and the kernel cannot drop it. Many copies share the pages of the file,
//! so in the rows of many copies the last two figures are the price of one more container.

use crate::container::Container;
use crate::effort::Effort;
use crate::inits::{self, Init, Kind};
use crate::results::{Better, Results};
use nix::fcntl::OFlag;
use nix::unistd::Pid;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

pub fn measure(inits: &[Init], effort: Effort, results: &mut Results) {
    let mut alone = vec![Vec::new(); inits.len()];
    for round in 0..effort.pick(9, 3) {
        for (index, init) in inits::rotate_without_none(inits, round) {
            alone[index].push(Memory::read(start_idle(init).pid));
        }
    }
    add_rows(results, "idle", &alone);

    let copies = effort.pick(200, 40);
    let mut many = vec![Vec::new(); inits.len()];
    for (index, init) in inits::rotate_without_none(inits, 0) {
        let containers: Vec<_> = (0..copies).map(|_| start_idle(init)).collect();
        many[index].extend(containers.iter().map(|container| Memory::read(container.pid)));
    }
    add_rows(results, &format!("idle, each of {copies} copies"), &many);

    measure_watching(inits, effort, results);
    measure_wake_ups(inits, effort, results);
}

/// Measures rini while it watches standard input. The other inits have no such option.
fn measure_watching(inits: &[Init], effort: Effort, results: &mut Results) {
    let [mut resident, mut dirty] = [const { Vec::new() }; 2].map(|_: Vec<f64>| vec![Vec::new(); inits.len()]);
    for _ in 0..effort.pick(9, 3) {
        for (index, init) in inits.iter().enumerate().filter(|(_, init)| init.kind == Kind::Rini) {
            let mut watching = init.clone();
            watching.command.insert(1, "--stop-on-stdin-close".to_owned());
            let (input, _open) = nix::unistd::pipe2(OFlag::O_CLOEXEC).expect("a pipe");
            let memory = Memory::read(start_idle_with(&watching, Some(input.as_fd())).pid);
            resident[index].push(memory.resident);
            dirty[index].push(memory.private_dirty);
        }
    }
    let name = |what: &str| format!("idle, with `--stop-on-stdin-close`: {what} memory");
    results.add_row(&name("resident"), "KiB", Better::Lower, &resident);
    results.add_row(&name("private and dirty"), "KiB", Better::Lower, &dirty);
}

/// Starts an init, and waits until it is idle.
fn start_idle(init: &Init) -> Container {
    start_idle_with(init, None)
}

fn start_idle_with(init: &Init, input: Option<BorrowedFd<'_>>) -> Container {
    let mut container = Container::start(init, &["idle"], input);
    container.read_time().expect("its start");
    container.await_sleep();
    container
}

/// The memory of a process, in KiB.
#[derive(Clone)]
pub struct Memory {
    resident: f64,
    pub proportional: f64,
    pub private_dirty: f64,
}

impl Memory {
    pub fn read(pid: Pid) -> Memory {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("a process");
        Memory {
            resident: parse_field(&text, "Rss"),
            proportional: parse_field(&text, "Pss"),
            private_dirty: parse_field(&text, "Private_Dirty"),
        }
    }
}

/// Parses a figure in a file of the kernel whose lines are `Name: figure`.
pub fn parse_field(text: &str, name: &str) -> f64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = value.and_then(|value| value.split_whitespace().next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no {name} in {text}"))
}

fn add_rows(results: &mut Results, when: &str, memory: &[Vec<Memory>]) {
    let samples = |of: fn(&Memory) -> f64| -> Vec<Vec<f64>> {
        memory.iter().map(|samples| samples.iter().map(of).collect()).collect()
    };
    let name = |what: &str| format!("{when}: {what} memory");
    results.add_row(&name("resident"), "KiB", Better::Lower, &samples(|memory| memory.resident));
    results.add_plotted_row(&name("proportional"), "KiB", Better::Lower, &samples(|memory| memory.proportional));
    let private = samples(|memory| memory.private_dirty);
    results.add_plotted_row(&name("private and dirty"), "KiB", Better::Lower, &private);
}

/// Measures all inits at the same time, because an init that only waits does not disturb the others.
fn measure_wake_ups(inits: &[Init], effort: Effort, results: &mut Results) {
    let seconds = effort.pick(10, 3);
    let (indices, containers): (Vec<usize>, Vec<Container>) =
        inits::rotate_without_none(inits, 0).map(|(index, init)| (index, start_idle(init))).unzip();
    let switches = || -> Vec<f64> {
        let read = |container: &Container| fs::read_to_string(format!("/proc/{}/status", container.pid));
        containers.iter().map(|one| parse_field(&read(one).expect("a process"), "voluntary_ctxt_switches")).collect()
    };
    let before = switches();
    Container::let_time_pass(&containers, Duration::from_secs(u64::try_from(seconds).expect("few")));
    let mut samples = vec![Vec::new(); inits.len()];
    for (index, (before, after)) in indices.into_iter().zip(before.into_iter().zip(switches())) {
        samples[index].push(after - before);
    }
    results.add_row(&format!("idle: wakes in {seconds} s"), "", Better::Lower, &samples);
}
