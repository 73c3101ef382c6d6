//! The cases that run inside a virtual machine: containers as an engine makes them, with both versions of the cgroups.
//!
//! They are ignored elsewhere, because they change the root of the cgroups.

use crate::stopping::let_pass;
use crate::support::{
    NO_REASON, OTHER_KILL, Running, Start, beside, children_of, probe, probing, rini, until, write_file, zombies_of,
};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The script `run` mounts the cgroups here. Version 2 has one tree. Version 1 has a tree for each controller, and a hybrid one
/// has `unified` beside these: a tree of version 2 without controllers.
const ROOT: &str = "/sys/fs/cgroup";

/// The controllers, and so the trees of version 1.
const CONTROLLERS: [&str; 3] = ["freezer", "memory", "pids"];

/// True if the controllers have version 1 of the cgroups.
fn is_version_1() -> bool {
    Path::new(ROOT).join("memory").exists()
}

/// What version 2 has, or what version 1 has.
fn by_version<T>(version_2: T, version_1: T) -> T {
    if is_version_1() { version_1 } else { version_2 }
}

/// The root of the tree that has this controller, or with `cgroup` the root of the tree of version 2.
fn tree(controller: &str) -> PathBuf {
    let name = if controller == "cgroup" { "unified" } else { controller };
    by_version(ROOT.into(), Path::new(ROOT).join(name))
}

/// The roots of all trees.
fn trees() -> Vec<PathBuf> {
    let all = CONTROLLERS.iter().chain(&["cgroup"]).map(|name| tree(name)).filter(|tree| tree.exists());
    let mut all: Vec<_> = all.collect();
    all.dedup();
    all
}

/// What a container sees of the tree of cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    /// The whole tree, as with `--cgroupns host`.
    Whole,
    /// Its own cgroup as the root of the tree, by a cgroup namespace.
    Own,
    /// No tree at all.
    Nothing,
}

/// A cgroup of its own, by its path in each tree. [`Drop`] kills what is in it, and removes it.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new(settings: &[(&str, &str)]) -> Cgroup {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let cgroup = Cgroup(format!("case-{}", NUMBER.fetch_add(1, Ordering::Relaxed)).into());
        cgroup.make();
        settings.iter().for_each(|(file, value)| cgroup.set(file, value));
        cgroup
    }

    /// A cgroup in which the kernel kills the process that eats more than this.
    fn limited() -> Cgroup {
        Cgroup::new(&[(by_version("memory.max", "memory.limit_in_bytes"), "32M")])
    }

    /// Makes a cgroup in this one.
    fn with_inner(&self, name: &str) -> Cgroup {
        let inner = Cgroup(self.0.join(name));
        inner.make();
        inner
    }

    fn make(&self) {
        trees().iter().for_each(|tree| fs::create_dir(tree.join(&self.0)).unwrap());
    }

    /// The file of this name. The name begins with the controller's.
    fn file(&self, name: &str) -> PathBuf {
        tree(name.split('.').next().unwrap()).join(&self.0).join(name)
    }

    fn set(&self, file: &str, value: &str) {
        fs::write(self.file(file), value).unwrap_or_else(|error| panic!("{value} to {file}: {error}"));
    }

    fn has_line(&self, file: &str, line: &str) -> bool {
        fs::read_to_string(self.file(file)).unwrap().lines().any(|one| one == line)
    }

    /// Starts a program as PID 1 of a container. Two more processes are in the cgroup: its parent (`mirror`), and the
    /// shell that becomes the program.
    fn start_program(&self, view: View, program: PathBuf, words: &[&str]) -> Running {
        let mount = |tree: &PathBuf| {
            let name = tree.file_name().unwrap().to_str().unwrap();
            let kind = if CONTROLLERS.contains(&name) { format!("cgroup -o {name}") } else { "cgroup2".to_owned() };
            format!("umount {0}; mount -t {kind} cgroup {0}; ", tree.display())
        };
        let script = match view {
            View::Whole => String::new(),
            View::Own => trees().iter().map(mount).collect(),
            View::Nothing => format!("umount -l {ROOT}; "),
        } + "exec \"$@\"";
        let path = |tree: PathBuf| tree.join(&self.0).join("cgroup.procs").into_os_string().into_encoded_bytes();
        let files: Vec<_> = trees().into_iter().map(|tree| CString::new(path(tree)).unwrap()).collect();
        let enter = move || {
            files.iter().try_for_each(|file| write_file(file, b"0"))?;
            if view == View::Own { unshare(CloneFlags::CLONE_NEWCGROUP).map_err(io::Error::from) } else { Ok(()) }
        };
        let start = Start::of("sh").args(["-c", &script, "sh"]).args([program]).args(words);
        // SAFETY: The closure runs in a forked child and makes system calls only.
        start.with(|command| unsafe { command.pre_exec(enter) }).in_namespace().spawn()
    }

    /// Starts rini with the probe.
    fn start(&self, view: View, options: &[&str], command: &[&str]) -> Running {
        let probe = probe();
        let words = [options, &[probe.to_str().unwrap()], command].concat();
        self.start_program(view, rini(), &words)
    }

    fn freeze(&self, frozen: bool) {
        let number = u8::from(frozen).to_string();
        let (file, value) = by_version(
            ("cgroup.freeze", number.as_str()),
            ("freezer.state", ["THAWED", "FROZEN"][usize::from(frozen)]),
        );
        self.set(file, value);
        let (file, line) = by_version(("cgroup.events", format!("frozen {number}")), (file, value.to_owned()));
        until(&line, || self.has_line(file, &line));
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in trees().into_iter().map(|tree| tree.join(&self.0)) {
            let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
            for inner in entries.filter(|entry| entry.file_type().unwrap().is_dir()) {
                drop(Cgroup(self.0.join(inner.file_name())));
            }
            // In version 1 a frozen process does not die.
            let _ = fs::write(folder.join("freezer.state"), "THAWED");
            let is_gone = || {
                let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
                for pid in text.split_whitespace() {
                    let _ = kill(nix::unistd::Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL);
                }
                fs::remove_dir(&folder).is_ok() || !folder.exists()
            };
            until("the cgroup is empty", is_gone);
        }
    }
}

/// A shell's command that makes a cgroup `inner` at the root of the tree that the container sees, and enters it.
fn enter_inner(controller: &str) -> String {
    let inner = tree(controller).join("inner");
    format!("mkdir {0}; echo 0 >{0}/cgroup.procs; ", inner.display())
}

/// The end of rini's line about kills by the kernel.
fn memory_kills(count: u32, limit: &str) -> String {
    format!("; meanwhile the kernel killed {count} of this container's processes: out of memory{limit}")
}

/// The probe's first line. The shell of a container takes pids before the program does.
fn expect_ready(run: &mut Running) {
    let line = run.line();
    assert!(line.starts_with("ready "), "{line}");
}

/// Waits for the end of a container whose program is killed, and returns rini's one line. A shell prints a line too.
fn only_line_of_137(run: Running) -> String {
    let output = run.finish();
    let lines: Vec<_> = output.err.iter().filter(|line| line.starts_with("rini: ")).collect();
    assert_eq!((output.code(), lines.len()), (137, 1), "{output:?}");
    lines[0].clone()
}

/// True if this kernel is older than that version.
fn is_older_than(major: u32, minor: u32) -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse::<u32>().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap()) < (major, minor)
}

#[test]
#[ignore = "runs in a virtual machine"]
fn a_kill_for_memory_is_reported_with_and_without_a_cgroup_namespace() {
    for view in [View::Whole, View::Own] {
        let cgroup = Cgroup::limited();
        let line = only_line_of_137(cgroup.start(view, &[], &["eat", "64"]));
        assert!(line.ends_with(&format!("{OTHER_KILL}{}", memory_kills(1, ", limit 32 MiB"))), "{view:?}: {line}");
    }
    // The negative controls: no file to read, enough memory, and a SIGKILL from elsewhere.
    let cgroup = Cgroup::limited();
    let line = only_line_of_137(cgroup.start(View::Nothing, &[], &["eat", "64"]));
    assert!(line.ends_with(NO_REASON), "{line}");
    let output = cgroup.start(View::Own, &[], &["eat", "4"]).finish();
    assert_eq!((output.code(), output.err), (0, vec![]));
    let mut run = cgroup.start(View::Own, &[], &["signals"]);
    expect_ready(&mut run);
    kill(run.only_child(), Signal::SIGKILL).unwrap();
    let line = only_line_of_137(run);
    assert!(line.ends_with(NO_REASON), "{line}");
}

#[test]
#[ignore = "runs in a virtual machine"]
fn each_kill_for_memory_counts_once_in_its_own_run() {
    let cgroup = Cgroup::limited();
    let script = "/probe eat 64; /probe eat 64; exit $?";
    // The counter of the cgroup goes on in the second run, as if the container was restarted in its cgroup.
    let file = by_version("memory.events", "memory.oom_control");
    for all in ["oom_kill 2", "oom_kill 4"] {
        let line = only_line_of_137(cgroup.start_program(View::Own, rini(), &["sh", "-c", script]));
        assert!(line.ends_with(&format!("exited with 137{}", memory_kills(2, ", limit 32 MiB"))), "{line}");
        assert!(cgroup.has_line(file, all));
    }
}

/// Kubernetes sets `memory.oom.group` for containers. Version 1 has no such kill.
#[test]
#[ignore = "runs in a virtual machine"]
fn a_kill_of_the_whole_group_takes_rini_too() {
    if is_version_1() {
        assert!(!Cgroup::limited().file("memory.oom.group").exists());
        return;
    }
    for (group, remains) in [("1", false), ("0", true)] {
        let cgroup = Cgroup::limited();
        cgroup.set("memory.oom.group", group);
        let output = cgroup.start(View::Own, &[], &["eat", "64"]).finish();
        let said = output.err.iter().filter(|line| line.contains("out of memory")).count();
        let expected = if remains { (Some(137), None, 1) } else { (None, Some(9), 0) };
        assert_eq!((output.status.code(), output.status.signal(), said), expected, "{output:?}");
    }
}

/// The kernel counts a kill in the cgroup of the killed process, and with version 2 in those above it.
#[test]
#[ignore = "runs in a virtual machine"]
fn a_kill_counts_where_the_process_is_and_above() {
    // The program moves itself below rini's own cgroup.
    let inner = enter_inner("memory") + "exec /probe eat 64";
    let cgroup = Cgroup::limited();
    let line = only_line_of_137(cgroup.start_program(View::Own, rini(), &["sh", "-c", &inner]));
    let above = memory_kills(1, ", limit 32 MiB");
    assert!(line.ends_with(by_version(above.as_str(), NO_REASON)), "{line}");
    // The limit is that of a pod, and rini's own cgroup has none.
    let pod = Cgroup::limited();
    if !is_version_1() {
        pod.set("cgroup.subtree_control", "+memory");
    }
    let container = pod.with_inner("container");
    let line = only_line_of_137(container.start(View::Own, &[], &["eat", "64"]));
    assert!(line.ends_with(&memory_kills(1, "")), "{line}");
    // The negative control: the kernel does not count the kill of another cgroup for rini's.
    if !is_version_1() {
        container.set("cgroup.subtree_control", "+memory");
    }
    let [init, work] = ["init", "work"].map(|name| container.with_inner(name));
    let work = tree("memory").join(&work.0);
    let script = format!("echo 0 >{}/cgroup.procs; exec /probe eat 64", work.display());
    let line = only_line_of_137(init.start_program(View::Whole, rini(), &["sh", "-c", &script]));
    assert!(line.ends_with(NO_REASON), "{line}");
}

#[test]
#[ignore = "runs in a virtual machine"]
fn a_limit_of_processes_is_named() {
    // rini's parent and rini itself count too.
    let (cgroup, words) = (Cgroup::new(&[("pids.max", "2")]), ["exit", "3"]);
    let output = cgroup.start(View::Whole, &[], &words).finish();
    assert_eq!((output.code(), output.err.len()), (1, 1), "{output:?}");
    assert!(output.err[0].contains("the limit of processes is reached"), "{output:?}");
    // The negative control: one more.
    cgroup.set("pids.max", "3");
    assert_eq!(cgroup.start(View::Whole, &[], &words).finish().code(), 3);
}

#[test]
#[ignore = "runs in a virtual machine"]
fn a_kill_of_the_cgroup_is_no_kill_for_memory() {
    let cgroup = Cgroup::limited();
    // A tree of version 2 has the file, also a hybrid one.
    let has_file = !is_older_than(5, 14) && trees().contains(&tree("cgroup"));
    assert_eq!(cgroup.file("cgroup.kill").exists(), has_file);
    if !has_file {
        return;
    }
    // Of the program's cgroup only.
    let script = enter_inner("cgroup") + "exec /probe signals";
    let mut run = cgroup.start_program(View::Own, rini(), &["sh", "-c", &script]);
    expect_ready(&mut run);
    Cgroup(cgroup.0.join("inner")).set("cgroup.kill", "1");
    let line = only_line_of_137(run);
    assert!(line.ends_with(NO_REASON), "{line}");
    // Of the container's: rini can neither prevent nor report it.
    let mut run = cgroup.start(View::Own, &[], &["signals"]);
    expect_ready(&mut run);
    cgroup.set("cgroup.kill", "1");
    let output = run.finish();
    assert_eq!((output.status.signal(), output.err), (Some(9), vec![]));
    until("nothing remains", || cgroup.has_line("cgroup.events", "populated 0"));
}

/// `docker pause` freezes the cgroup. The deadline passes meanwhile, and rini gives the program that time again.
#[test]
#[ignore = "runs in a virtual machine"]
fn a_program_that_was_frozen_in_its_grace_period_has_its_time() {
    for frozen in [true, false] {
        let cgroup = Cgroup::new(&[]);
        let mut run = cgroup.start(View::Own, &["-t", "2s"], &["signals", "10"]);
        expect_ready(&mut run);
        run.signal(libc::SIGTERM);
        assert!(run.line().starts_with("signal 15 "));
        if frozen {
            cgroup.freeze(true);
            let_pass(Duration::from_millis(3500));
            // The kernel keeps it until the thaw.
            run.signal(libc::SIGUSR1);
            cgroup.freeze(false);
            assert!(run.line().starts_with("signal 10 "));
            let output = run.finish();
            assert_eq!((output.code(), output.err), (0, vec![]));
        } else {
            // The negative control: without the pause, rini kills the program.
            let line = only_line_of_137(run);
            assert!(line.contains("killed pid "), "{line}");
        }
    }
}

/// The deadline is put off once, so a program that does not end is killed.
#[test]
#[ignore = "runs in a virtual machine"]
fn a_thawed_program_that_does_not_end_is_killed() {
    let cgroup = Cgroup::new(&[]);
    let mut run = cgroup.start(View::Own, &["-t", "2s"], &["signals", "10"]);
    expect_ready(&mut run);
    run.signal(libc::SIGTERM);
    assert!(run.line().starts_with("signal 15 "));
    cgroup.freeze(true);
    let_pass(Duration::from_millis(3500));
    let thaw = Instant::now();
    cgroup.freeze(false);
    let line = only_line_of_137(run);
    assert!(line.contains("killed pid "), "{line}");
    assert!(thaw.elapsed() >= Duration::from_millis(1400), "as late as rini was: {:?}", thaw.elapsed());
}

#[test]
#[ignore = "runs in a virtual machine"]
fn a_program_that_was_frozen_in_the_stop_delay_has_its_whole_grace_period() {
    let cgroup = Cgroup::new(&[]);
    let mut run = cgroup.start(View::Own, &["--stop-delay", "1s", "-t", "8s"], &["signals", "10"]);
    expect_ready(&mut run);
    run.signal(libc::SIGTERM);
    cgroup.freeze(true);
    let_pass(Duration::from_millis(2500));
    let thaw = Instant::now();
    cgroup.freeze(false);
    assert!(run.line().starts_with("signal 15 "));
    let line = only_line_of_137(run);
    assert!(line.contains("killed pid "), "{line}");
    assert!(thaw.elapsed() >= Duration::from_secs(8), "{:?}", thaw.elapsed());
}

/// A frozen program is not one that job control has stopped. rini does nothing about it.
#[test]
#[ignore = "runs in a virtual machine"]
fn a_pause_of_the_program_alone_is_no_stop() {
    let cgroup = Cgroup::new(&[]);
    let script = enter_inner(by_version("cgroup", "freezer")) + "exec /probe signals 15";
    let mut run = cgroup.start_program(View::Own, rini(), &["-vvv", "sh", "-c", &script]);
    expect_ready(&mut run);
    let inner = Cgroup(cgroup.0.join("inner"));
    inner.freeze(true);
    // The kernel hands out the lowest number first.
    let signals = [libc::SIGUSR1, libc::SIGCONT];
    for signal in signals {
        run.signal(signal);
        run.err_line_with(", forwarded to pid ");
    }
    inner.freeze(false);
    for signal in signals {
        assert!(run.line().starts_with(&format!("signal {signal} ")));
    }
    run.signal(libc::SIGTERM);
    let output = run.finish();
    assert_eq!(output.code(), 0);
    // The negative control of this is the test of job control: rini logs that it stops itself.
    assert!(!output.err.iter().any(|line| line.contains("stopping after")), "{output:?}");
}

#[test]
#[ignore = "runs in a virtual machine"]
fn a_burst_of_orphans_is_reaped() {
    let cgroup = Cgroup::new(&[]);
    let mut run = cgroup.start(View::Own, &[], &["orphans", "100"]);
    run.expect("made 100");
    until("no zombie remains", || zombies_of(run.pid()) == 0);
    drop(run.stdin.take());
    assert_eq!(run.finish().code(), 0);
    // The negative control: without an init, all remain.
    let mut run = cgroup.start_program(View::Own, probe(), &["orphans", "100"]);
    run.expect("made 100");
    until("all are zombies", || zombies_of(run.pid()) == 100);
}

/// While rini waits for leftover processes, it looks again every 10 s. Without that, it would wait for this one for ever.
#[test]
#[ignore = "runs in a virtual machine"]
fn a_leftover_process_that_ends_without_a_signal_ends_the_wait() {
    // linux/sched.h
    const CLONE_AUTOREAP: u64 = 1 << 34;
    let leave_one = || {
        // struct clone_args: the flags, and seven fields for what is not wanted, the exit signal among them.
        let wanted = [CLONE_AUTOREAP, 0, 0, 0, 0, 0, 0, 0_u64];
        // SAFETY: The call gets a struct of this size, which outlives it. It works as a fork, in a forked child.
        let child = unsafe { libc::syscall(libc::SYS_clone3, wanted.as_ptr(), size_of_val(&wanted)) };
        if child == 0 {
            // SAFETY: The calls take numbers only. They close the descriptors on which Command and the test wait.
            unsafe {
                libc::syscall(libc::SYS_close_range, 0, i32::MAX, 0);
                libc::pause();
                libc::_exit(0)
            }
        }
        if child < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    let start = beside(probing(&["-vv", "--after-exit", "wait"], &["signals", "10"]));
    // SAFETY: The closure runs in a forked child and makes system calls only.
    let start = start.with(|command| unsafe { command.pre_exec(leave_one) });
    if is_older_than(7, 1) {
        assert_eq!(start.try_spawn().err().and_then(|error| error.raw_os_error()), Some(libc::EINVAL));
        return;
    }
    let mut run = start.spawn();
    expect_ready(&mut run);
    let children = children_of(run.pid());
    assert_eq!(children.len(), 2, "{children:?}");
    run.signal(libc::SIGUSR1);
    // rini has reaped its program, and waits for the other child.
    until("the program has been reaped", || children_of(run.pid()).len() == 1);
    kill(children_of(run.pid())[0], Signal::SIGKILL).unwrap();
    let output = run.finish();
    assert_eq!(output.code(), 0, "{output:?}");
    // The negative control: rini has not reaped it, so no signal has called rini.
    assert!(output.err.iter().any(|line| line.contains("orphans reaped: 0")), "{output:?}");
}
