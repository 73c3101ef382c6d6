//! A thousand containers on one machine, and how what they take grows with their number.
//!
//! A container here is what is left of it without an engine: an init with a program that does nothing, in namespaces of its
//! own. All of them are there at the same time.
//!
//! - Memory is that of the inits alone, without their programs, summed up. The kernel tells it in whole KiB and leaves out
//!   the rest, up to one for each. A process's page tables are not in that, and may be more than it; they are a figure of
//!   their own, without the topmost, which everybody has one of. What the machine as a whole has lost is no figure: the
//!   kernel takes back the memory of what has ended when it finds the time, and what else runs changes more than the inits
//!   differ by.
//! - The start: one after the other, as an engine does it, and without waiting for one before the next. It is from before the
//!   first one until the last program has come to its first instruction. The making of the namespaces is in it, the same
//!   for all.
//! - The stop: a SIGTERM to each, one after the other, of which its program ends, and so the init. It is from before the first
//!   one until the last init has ended.
//!
//! Without real-time priority, as so many have to share the processors. All inits take part: with all of them, a round
//! takes about ten seconds.

use crate::clock::{self, micros};
use crate::container::{self, Container};
use crate::idle::{Memory, field};
use crate::results::{Better, Results};
use crate::{Effort, Init, inits};
use libc::rlim_t;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use std::fs;
use std::path::{Path, PathBuf};

const COUNTS: [usize; 6] = [10, 50, 100, 200, 500, 1000];

pub fn measure(inits: &[Init], effort: Effort, results: &mut Results) {
    let most = effort.of(1000, 100);
    let room = check_processes(2 * most).and_then(|()| Descriptors::allow(container::descriptors(most)));
    let _descriptors = match room {
        Ok(descriptors) => descriptors,
        Err(reason) => return results.note(format!("{most} containers are left out: {reason}.")),
    };
    let mut points: Vec<(usize, Vec<Vec<Run>>)> =
        COUNTS.iter().filter(|count| **count <= most).map(|count| (*count, vec![Vec::new(); inits.len()])).collect();
    for round in 0..effort.of(5, 2) {
        for (count, runs) in &mut points {
            for (index, init) in inits::round_of_inits(inits, round) {
                runs[index].push(run(init, *count));
            }
        }
    }
    for (name, unit, shown, figure) in FIGURES {
        let of = |runs: &Vec<Vec<Run>>| runs.iter().map(|runs| runs.iter().map(figure).collect()).collect();
        let points: Vec<(usize, Vec<Vec<f64>>)> = points.iter().map(|(count, runs)| (*count, of(runs))).collect();
        results.add_curve(name, unit, shown == Shown::Plot, &points);
        if let Some((count, samples)) = points.last().filter(|_| shown != Shown::Json) {
            results.add(&format!("{count} containers: {name}"), unit, Better::Lower, samples);
        }
    }
}

/// Where a figure is shown: each of these in addition to the one before.
#[derive(PartialEq, Eq)]
enum Shown {
    Json,
    Table,
    Plot,
}

type Of = fn(&Run) -> f64;

/// With so many containers, private and dirty is as good as all that is proportional, so the table is without it.
const FIGURES: [(&str, &str, Shown, Of); 5] = [
    ("memory of the inits", "MiB", Shown::Plot, |run| run.memory),
    ("private and dirty memory of the inits", "MiB", Shown::Json, |run| run.private_dirty),
    ("page tables of the inits", "MiB", Shown::Table, |run| run.page_tables),
    ("from the first start until all run", "ms", Shown::Plot, |run| run.start),
    ("from SIGTERM until all have ended", "ms", Shown::Plot, |run| run.stop),
];

/// In MiB and milliseconds.
#[derive(Clone)]
struct Run {
    memory: f64,
    private_dirty: f64,
    page_tables: f64,
    start: f64,
    stop: f64,
}

fn run(init: &Init, count: usize) -> Run {
    let began = clock::now();
    let mut containers: Vec<Container> = (0..count).map(|_| Container::start(init, &["idle"], None)).collect();
    let started = last(containers.iter_mut().map(|container| container.time().expect("its start")));
    containers.iter().for_each(Container::rest);

    let memory: Vec<Memory> = containers.iter().map(|container| Memory::of(container.pid)).collect();
    let page_tables = containers.iter().map(page_tables).sum::<f64>();

    let signalled = clock::now();
    for container in &containers {
        kill(container.pid, Signal::SIGTERM).expect("it runs");
    }
    let ended = last(containers.iter_mut().map(|container| {
        let (time, status) = container.end();
        assert!(status == 143, "{}: it exited with {status}, which is not of SIGTERM", init.name);
        time
    }));
    Run {
        memory: memory.iter().map(|memory| memory.proportional).sum::<f64>() / 1024.0,
        private_dirty: memory.iter().map(|memory| memory.private_dirty).sum::<f64>() / 1024.0,
        page_tables: page_tables / 1024.0,
        start: micros(started - began) / 1000.0,
        stop: micros(ended - signalled) / 1000.0,
    }
}

fn last(times: impl Iterator<Item = i64>) -> i64 {
    times.max().expect("there is a container")
}

/// In KiB.
fn page_tables(container: &Container) -> f64 {
    field(&fs::read_to_string(format!("/proc/{}/status", container.pid)).expect("a process"), "VmPTE")
}

/// A limit of descriptors that is high enough, until this is dropped.
struct Descriptors {
    soft: rlim_t,
    hard: rlim_t,
}

impl Descriptors {
    fn allow(needed: usize) -> Result<Descriptors, String> {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
        let needed = rlim_t::try_from(needed).expect("a small number");
        let refused = |errno: nix::errno::Errno| {
            let limit = format!("RLIMIT_NOFILE, {soft} of {hard}, cannot be raised ({})", errno.desc());
            format!("they take {needed} descriptors, and {limit}")
        };
        setrlimit(Resource::RLIMIT_NOFILE, soft.max(needed), hard.max(needed)).map_err(refused)?;
        Ok(Descriptors { soft, hard })
    }
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, self.soft, self.hard);
    }
}

/// Whether there may be so many processes more. RLIMIT_NPROC is none for root.
fn check_processes(needed: usize) -> Result<(), String> {
    let load = fs::read_to_string("/proc/loadavg").expect("/proc");
    let running = load.split([' ', '/']).nth(4).and_then(|all| all.parse().ok()).expect("the number of processes");
    let of_machine = ["/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"];
    let of_machine = of_machine.map(|path| (PathBuf::from(path), running));
    let of_groups = groups().into_iter().filter_map(|group| {
        let running = number(&group.join("pids.current"))?;
        Some((group.join("pids.max"), running))
    });
    for (limit, running) in of_machine.into_iter().chain(of_groups) {
        // No number: `max`.
        if let Some(most) = number(&limit).filter(|most| running + needed > *most) {
            return Err(format!("they are {needed} processes beside {running}, and {} is {most}", limit.display()));
        }
    }
    Ok(())
}

fn number(file: &Path) -> Option<usize> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The control groups that may limit how many processes there are: this process's own, and those that it is in.
fn groups() -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut groups = Vec::new();
    for line in text.lines() {
        // A number, the controllers (none: version 2, with all of them), the path.
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let root = match controllers {
            "" => Path::new("/sys/fs/cgroup"),
            "pids" => Path::new("/sys/fs/cgroup/pids"),
            _ => continue,
        };
        let group = root.join(path.trim_start_matches('/'));
        groups.extend(group.ancestors().take_while(|group| group.starts_with(root)).map(Path::to_owned));
    }
    groups
}
