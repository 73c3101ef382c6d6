//! System calls, counted by strace: of the init alone, but for what its child does until the exec of the program.
//!
//! What one signal or one orphan takes is the difference between many and few of them, so that the start and the end are not
//! in it. The orphans come in a burst, all dead at once; strace makes an init slow, so a stream would be one too.

use crate::container::{LIMIT, Page, await_readable, children, pidfd, readable};
use crate::results::{Better, Results, median};
use crate::{Effort, Init, inits};
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
            return results.note("System calls are left out: strace is not installed.".to_owned());
        }
        other => drop(other.expect("strace")),
    }
    let mut samples = [const { Vec::new() }; 4].map(|_: Vec<f64>| vec![Vec::new(); inits.len()]);
    for round in 0..effort.of(3, 1) {
        for (index, init) in inits::round_of_inits(inits, round) {
            let (whole, start) = whole(init);
            samples[0][index].push(count(start));
            samples[1][index].push(count(whole));
            let [few, many] = [10, 60].map(|signals| (count(signals), count(forwarding(init, signals))));
            samples[2][index].push((many.1 - few.1) / (many.0 - few.0));
            let [few, many] = [100, 400].map(|orphans| (count(orphans), count(reaping(init, orphans))));
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
        // All of them are the same but for the moment at which something comes.
        let middle: Vec<Vec<f64>> =
            samples.iter().map(|of| if of.is_empty() { vec![] } else { vec![median(of)] }).collect();
        results.add(name, "", Better::Lower, &middle);
    }
}

#[allow(clippy::cast_precision_loss)] // Small numbers.
fn count(number: usize) -> f64 {
    number as f64
}

/// An init under strace, in namespaces of its own.
struct Traced {
    strace: Child,
    output: ChildStdout,
    folder: tempfile::TempDir,
}

impl Traced {
    fn start(init: &Init, command: &[&str], page: Option<&Page>) -> Traced {
        let folder = tempfile::tempdir().expect("a folder");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-ff", "--signal=none", "-o"]).arg(folder.path().join("calls"));
        strace.args(["unshare", "--pid", "--fork", "--mount-proc"]).args(init.running(command));
        strace.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let input = page.map_or_else(Stdio::null, |page| page.for_child());
        // At its end, unshare complains of a signal mask.
        let mut strace = strace.stdin(input).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("strace");
        let output = strace.stdout.take().expect("a pipe");
        Traced { strace, output, folder }
    }

    /// Waits until the probe says something.
    fn hear(&mut self) {
        await_readable(self.output.as_fd(), "the probe says something");
        self.output.read_exact(&mut [0; 8]).expect("a time");
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.strace.id()).expect("a pid"))
    }

    /// The init: strace's child is unshare, and unshare's child is the init.
    fn init(&self) -> Pid {
        let below = |pid: Pid| children(pid).first().copied().expect("a child");
        below(below(self.pid()))
    }

    /// Ends the init, and returns its calls.
    fn kill(mut self) -> Vec<String> {
        let init = self.init();
        kill(init, Signal::SIGKILL).expect("it runs");
        self.end();
        self.calls(|calls| calls.0 == init.as_raw())
    }

    fn end(&mut self) {
        await_readable(pidfd(self.pid()).as_fd(), "strace ends");
        self.strace.wait().expect("a child");
    }

    /// The calls of the first process that is asked for, with those that came to nothing.
    fn calls(&self, wanted: impl Fn(&(i32, Vec<String>)) -> bool) -> Vec<String> {
        let files = fs::read_dir(self.folder.path()).expect("a folder").map(|file| file.expect("a file").path());
        files.map(|file| read(&file)).find(wanted).expect("a process that was traced").1
    }
}

impl Drop for Traced {
    /// Where something went wrong: strace leaves alone what it traced.
    fn drop(&mut self) {
        let unshare = children(self.pid());
        for pid in unshare.iter().flat_map(|pid| children(*pid)).chain(unshare.iter().copied()) {
            let _ = kill(pid, Signal::SIGKILL);
        }
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}

/// A file of strace's: the pid, and the calls, each a line; other lines tell of signals and the end.
fn read(file: &Path) -> (i32, Vec<String>) {
    let pid = file.extension().and_then(|pid| pid.to_str()?.parse().ok()).expect("a pid");
    let text = String::from_utf8_lossy(&fs::read(file).expect("a file")).into_owned();
    (pid, text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase())).map(str::to_owned).collect())
}

/// Where in its calls a process becomes a program.
fn exec_of(calls: &[String], program: &str) -> Option<usize> {
    calls.iter().position(|call| call.starts_with(&format!("execve(\"{program}\"")) && call.ends_with("= 0"))
}

/// The calls from the one behind the exec of the init on.
fn since_exec(init: &Init, calls: &[String]) -> Vec<String> {
    calls[exec_of(calls, &init.words[0]).expect("its exec") + 1..].to_vec()
}

/// For a program that exits at once: the init's calls, and those until the exec of the program.
fn whole(init: &Init) -> (usize, usize) {
    let mut traced = Traced::start(init, &["exit"], None);
    traced.end();
    let calls = since_exec(init, &traced.calls(|(_, calls)| exec_of(calls, &init.words[0]).is_some()));
    let forks = ["clone", "fork", "vfork"];
    let fork = calls.iter().position(|call| forks.iter().any(|fork| call.starts_with(fork))).expect("a fork");
    let child = traced.calls(|(_, calls)| exec_of(calls, &init.probe).is_some());
    (calls.len(), fork + 1 + exec_of(&child, &init.probe).expect("found by it") + 1)
}

/// The init's calls, with so many signals to forward, one after the other.
fn forwarding(init: &Init, signals: usize) -> usize {
    let mut traced = Traced::start(init, &["signals"], None);
    traced.hear();
    let pid = traced.init();
    for _ in 0..signals {
        kill(pid, Signal::SIGUSR1).expect("it runs");
        traced.hear();
    }
    since_exec(init, &traced.kill()).len()
}

/// The init's calls, with so many orphans to reap, all at once.
fn reaping(init: &Init, orphans: usize) -> usize {
    let page = Page::new();
    let mut traced = Traced::start(init, &["heirs", &orphans.to_string()], Some(&page));
    traced.hear();
    page.go();
    traced.hear();
    let (pid, ended, end) = (traced.init(), pidfd(traced.pid()), Instant::now() + LIMIT);
    while children(pid).len() > 1 {
        assert!(Instant::now() < end && !readable(ended.as_fd(), 1), "{}: there are orphans left", init.name);
    }
    since_exec(init, &traced.kill()).len()
}
