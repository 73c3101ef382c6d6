//! System calls, counted by strace: those of the init, and those of its child until the exec of the program.
//!
//! The calls for one signal or one orphan are the difference between many and few of them, so that the start and the end do
//! not count. The orphans come in a burst, and all have exited: strace makes an init slow, and turns a stream into a burst.

use crate::container::{LIMIT, Page, await_readable, is_readable, list_children, open_pidfd};
use crate::effort::Effort;
use crate::figures::{median, to_f64};
use crate::inits::{self, Init};
use crate::results::{Better, Results};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

pub fn measure(inits: &[Init], effort: Effort, results: &mut Results) {
    match Command::new("strace").arg("--version").output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return results.add_note("System calls are left out: strace is not installed.".to_owned());
        }
        other => drop(other.expect("strace")),
    }
    let mut samples = [const { Vec::new() }; 4].map(|_: Vec<f64>| vec![Vec::new(); inits.len()]);
    for round in 0..effort.pick(3, 1) {
        for (index, init) in inits::rotate_without_none(inits, round) {
            let (whole, start) = count_calls_of_run(init);
            samples[0][index].push(to_f64(start));
            samples[1][index].push(to_f64(whole));
            let [few, many] = [10, 60].map(|signals| (to_f64(signals), to_f64(count_calls_for_signals(init, signals))));
            samples[2][index].push((many.1 - few.1) / (many.0 - few.0));
            let [few, many] =
                [100, 400].map(|orphans| (to_f64(orphans), to_f64(count_calls_for_orphans(init, orphans))));
            samples[3][index].push((many.1 - few.1) / (many.0 - few.0));
        }
    }
    let names = [
        "system calls until the program's exec",
        "system calls of the init for `init -- true`",
        "system calls for a forwarded signal",
        "system calls for an orphan",
    ];
    for (name, samples) in names.iter().zip(&samples) {
        // The counts differ only if an event comes at another moment, so the row shows the median without quartiles.
        let middle: Vec<Vec<f64>> =
            samples.iter().map(|counts| if counts.is_empty() { vec![] } else { vec![median(counts)] }).collect();
        results.add_row(name, "", Better::Lower, &middle);
    }
}

/// An init under strace, in namespaces of its own.
struct Traced {
    strace: Child,
    output: ChildStdout,
    directory: tempfile::TempDir,
}

impl Traced {
    fn start(init: &Init, command: &[&str], page: Option<&Page>) -> Traced {
        let directory = tempfile::tempdir().expect("a directory");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-ff", "--signal=none", "-o"]).arg(directory.path().join("calls"));
        strace.args(["unshare", "--pid", "--fork", "--mount-proc"]).args(init.command_with_probe(command));
        strace.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let input = page.map_or_else(Stdio::null, |page| page.to_stdin());
        // At its end, unshare prints a complaint about a signal mask.
        let mut strace = strace.stdin(input).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("strace");
        let output = strace.stdout.take().expect("a pipe");
        Traced { strace, output, directory }
    }

    /// Waits until the probe writes a time.
    fn await_time(&mut self) {
        await_readable(self.output.as_fd(), "the probe says something");
        self.output.read_exact(&mut [0; 8]).expect("a time");
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.strace.id()).expect("a pid"))
    }

    /// Finds the init, which is a child of unshare, which is a child of strace.
    fn find_init(&self) -> Pid {
        let below = |pid: Pid| list_children(pid).first().copied().expect("a child");
        below(below(self.pid()))
    }

    /// Kills the init, and returns its calls.
    fn kill_and_read(mut self) -> Vec<String> {
        let init = self.find_init();
        kill(init, Signal::SIGKILL).expect("it runs");
        self.await_end();
        self.read_calls(|calls| calls.0 == init.as_raw())
    }

    /// Waits until strace ends, which writes the files.
    fn await_end(&mut self) {
        await_readable(open_pidfd(self.pid()).as_fd(), "strace ends");
        self.strace.wait().expect("a child");
    }

    /// Reads the calls of the first process that is wanted. Failed calls count too.
    fn read_calls(&self, wanted: impl Fn(&(i32, Vec<String>)) -> bool) -> Vec<String> {
        let files = fs::read_dir(self.directory.path()).expect("a directory").map(|file| file.expect("a file").path());
        files.map(|file| read_trace(&file)).find(wanted).expect("a process that was traced").1
    }
}

impl Drop for Traced {
    /// After a failure: strace does not kill the processes that it traced.
    fn drop(&mut self) {
        let unshare = list_children(self.pid());
        for pid in unshare.iter().flat_map(|pid| list_children(*pid)).chain(unshare.iter().copied()) {
            let _ = kill(pid, Signal::SIGKILL);
        }
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}

/// Reads a file of strace: the pid, and the calls, one a line. Lines about signals and the end do not count.
fn read_trace(file: &Path) -> (i32, Vec<String>) {
    let pid = file.extension().and_then(|pid| pid.to_str()?.parse().ok()).expect("a pid");
    let text = String::from_utf8_lossy(&fs::read(file).expect("a file")).into_owned();
    (pid, text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase())).map(str::to_owned).collect())
}

/// Finds the call with which a process becomes a program.
fn find_exec(calls: &[String], program: &str) -> Option<usize> {
    calls.iter().position(|call| call.starts_with(&format!("execve(\"{program}\"")) && call.ends_with("= 0"))
}

/// The calls of an init after its exec.
fn calls_after_exec(init: &Init, calls: &[String]) -> Vec<String> {
    calls[find_exec(calls, &init.command[0]).expect("its exec") + 1..].to_vec()
}

/// Counts the calls of the init for a program that exits at once: all of them, and those until the exec of the program.
fn count_calls_of_run(init: &Init) -> (usize, usize) {
    let mut traced = Traced::start(init, &["exit"], None);
    traced.await_end();
    let calls = calls_after_exec(init, &traced.read_calls(|(_, calls)| find_exec(calls, &init.command[0]).is_some()));
    let forks = ["clone", "fork", "vfork"];
    let fork = calls.iter().position(|call| forks.iter().any(|fork| call.starts_with(fork))).expect("a fork");
    let child = traced.read_calls(|(_, calls)| find_exec(calls, &init.probe).is_some());
    (calls.len(), fork + 1 + find_exec(&child, &init.probe).expect("an exec, by which the process was found") + 1)
}

/// Counts the calls of an init that forwards this number of signals, one after the other.
fn count_calls_for_signals(init: &Init, signals: usize) -> usize {
    let mut traced = Traced::start(init, &["signals"], None);
    traced.await_time();
    let pid = traced.find_init();
    for _ in 0..signals {
        kill(pid, Signal::SIGUSR1).expect("it runs");
        traced.await_time();
    }
    calls_after_exec(init, &traced.kill_and_read()).len()
}

/// Counts the calls of an init that reaps this number of orphans, all at once.
fn count_calls_for_orphans(init: &Init, orphans: usize) -> usize {
    let page = Page::new();
    let mut traced = Traced::start(init, &["heirs", &orphans.to_string()], Some(&page));
    traced.await_time();
    page.release_probe();
    traced.await_time();
    let (pid, ended, end) = (traced.find_init(), open_pidfd(traced.pid()), Instant::now() + LIMIT);
    while list_children(pid).len() > 1 {
        assert!(Instant::now() < end && !is_readable(ended.as_fd(), 1), "{}: there are orphans left", init.name);
    }
    calls_after_exec(init, &traced.kill_and_read()).len()
}
