//! A thousand containers on one machine, and the growth of memory and times with their number.
//!
//! A container here has no engine: it is an init with a program that does nothing, in namespaces of its own. All containers
//! exist at the same time.
//!
//! - Memory is the sum over the inits, without their programs. The kernel gives it in whole KiB and drops the rest, up to
//!   1 KiB for each. The page tables of a process are not a part of it, and can be larger; they have a figure of their own,
//!   without the topmost table, of which every process has one. The memory that the whole machine loses is no figure here:
//!   the kernel frees the memory of ended processes when it has time, and other processes change it more than the inits
//!   differ.
//! - Start: the bench starts the containers one after the other, as an engine does, and does not wait in between. The time
//!   runs from before the first start until the last program has reached its first instruction. The kernel's work for the
//!   namespaces is a part of it, the same for all inits.
//! - Stop: the bench sends SIGTERM to one init after the other. The signal ends its program, and so the init. The time runs
//!   from before the first signal until the last init has ended.
//!
//! There is no real-time priority, because so many processes have to share the processors. With all inits, a round takes
//! about ten seconds.

use crate::clock::{self, to_micros};
use crate::container::{self, Container};
use crate::effort::Effort;
use crate::idle::{Memory, parse_field};
use crate::inits::{self, Init};
use crate::results::{Better, Results};
use libc::rlim_t;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use std::fs;
use std::path::{Path, PathBuf};

const COUNTS: [usize; 6] = [10, 50, 100, 200, 500, 1000];

pub fn measure(inits: &[Init], effort: Effort, results: &mut Results) {
    let most = effort.pick(1000, 100);
    let limits =
        check_process_limits(2 * most).and_then(|()| DescriptorLimit::raise(container::count_descriptors(most)));
    let _limit = match limits {
        Ok(limit) => limit,
        Err(reason) => return results.add_note(format!("{most} containers are left out: {reason}.")),
    };
    let mut points: Vec<(usize, Vec<Vec<Run>>)> =
        COUNTS.iter().filter(|count| **count <= most).map(|count| (*count, vec![Vec::new(); inits.len()])).collect();
    for round in 0..effort.pick(5, 2) {
        for (count, runs) in &mut points {
            for (index, init) in inits::rotate_without_none(inits, round) {
                runs[index].push(measure_run(init, *count));
            }
        }
    }
    for (name, unit, shown, figure) in FIGURES {
        let of = |runs: &Vec<Vec<Run>>| runs.iter().map(|runs| runs.iter().map(figure).collect()).collect();
        let points: Vec<(usize, Vec<Vec<f64>>)> = points.iter().map(|(count, runs)| (*count, of(runs))).collect();
        results.add_curve(name, unit, shown == Shown::Plot, &points);
        if let Some((count, samples)) = points.last().filter(|_| shown != Shown::Json) {
            results.add_row(&format!("{count} containers: {name}"), unit, Better::Lower, samples);
        }
    }
}

/// The place where a figure is shown. Each place includes the places before it.
#[derive(PartialEq, Eq)]
enum Shown {
    Json,
    Table,
    Plot,
}

/// Picks a figure of a run.
type PickFigure = fn(&Run) -> f64;

/// Private and dirty memory is not in the table: with so many containers, it is nearly the same as proportional memory.
const FIGURES: [(&str, &str, Shown, PickFigure); 5] = [
    ("memory of the inits", "MiB", Shown::Plot, |run| run.memory),
    ("private and dirty memory of the inits", "MiB", Shown::Json, |run| run.private_dirty),
    ("page tables of the inits", "MiB", Shown::Table, |run| run.page_tables),
    ("from the first start until all run", "ms", Shown::Plot, |run| run.start),
    ("from SIGTERM until all have ended", "ms", Shown::Plot, |run| run.stop),
];

/// The figures of a run, in MiB and milliseconds.
#[derive(Clone)]
struct Run {
    memory: f64,
    private_dirty: f64,
    page_tables: f64,
    start: f64,
    stop: f64,
}

/// Starts this number of containers, measures them, and stops them.
fn measure_run(init: &Init, count: usize) -> Run {
    let began = clock::now();
    let mut containers: Vec<Container> = (0..count).map(|_| Container::start(init, &["idle"], None)).collect();
    let started = find_latest(containers.iter_mut().map(|container| container.read_time().expect("its start")));
    containers.iter().for_each(Container::await_sleep);

    let memory: Vec<Memory> = containers.iter().map(|container| Memory::read(container.pid)).collect();
    let page_tables = containers.iter().map(read_page_tables).sum::<f64>();

    let signalled = clock::now();
    for container in &containers {
        kill(container.pid, Signal::SIGTERM).expect("it runs");
    }
    let ended = find_latest(containers.iter_mut().map(|container| {
        let (time, status) = container.await_end();
        assert!(status == 143, "{}: it exited with {status}, which is not of SIGTERM", init.name);
        time
    }));
    Run {
        memory: memory.iter().map(|memory| memory.proportional).sum::<f64>() / 1024.0,
        private_dirty: memory.iter().map(|memory| memory.private_dirty).sum::<f64>() / 1024.0,
        page_tables: page_tables / 1024.0,
        start: to_micros(started - began) / 1000.0,
        stop: to_micros(ended - signalled) / 1000.0,
    }
}

fn find_latest(times: impl Iterator<Item = i64>) -> i64 {
    times.max().expect("there is a container")
}

/// Reads the size of the page tables of an init, in KiB.
fn read_page_tables(container: &Container) -> f64 {
    parse_field(&fs::read_to_string(format!("/proc/{}/status", container.pid)).expect("a process"), "VmPTE")
}

/// A raised limit of descriptors, until this value is dropped.
struct DescriptorLimit {
    soft: rlim_t,
    hard: rlim_t,
}

impl DescriptorLimit {
    fn raise(needed: usize) -> Result<DescriptorLimit, String> {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
        let needed = rlim_t::try_from(needed).expect("a small number");
        let refused = |errno: nix::errno::Errno| {
            let limit = format!("RLIMIT_NOFILE, {soft} of {hard}, cannot be raised ({})", errno.desc());
            format!("they take {needed} descriptors, and {limit}")
        };
        setrlimit(Resource::RLIMIT_NOFILE, soft.max(needed), hard.max(needed)).map_err(refused)?;
        Ok(DescriptorLimit { soft, hard })
    }
}

impl Drop for DescriptorLimit {
    fn drop(&mut self) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, self.soft, self.hard);
    }
}

/// Checks that this number of further processes is allowed. RLIMIT_NPROC does not apply to root.
pub fn check_process_limits(needed: usize) -> Result<(), String> {
    let load = fs::read_to_string("/proc/loadavg").expect("/proc");
    let running = load.split([' ', '/']).nth(4).and_then(|all| all.parse().ok()).expect("the number of processes");
    let of_machine = ["/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"];
    let of_machine = of_machine.map(|path| (PathBuf::from(path), running));
    let of_groups = list_cgroups().into_iter().filter_map(|group| {
        let running = read_number(&group.join("pids.current"))?;
        Some((group.join("pids.max"), running))
    });
    for (limit, running) in of_machine.into_iter().chain(of_groups) {
        // The file has `max` in place of a number if there is no limit.
        if let Some(most) = read_number(&limit).filter(|most| running + needed > *most) {
            return Err(format!("they are {needed} processes beside {running}, and {} is {most}", limit.display()));
        }
    }
    Ok(())
}

/// Reads a file that has one number.
fn read_number(file: &Path) -> Option<usize> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// Lists the cgroups that can limit the number of processes: the cgroup of this process, and all above it.
fn list_cgroups() -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut groups = Vec::new();
    for line in text.lines() {
        // The fields are a number, the controllers and the path. An empty list of controllers means version 2 with all of them.
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
