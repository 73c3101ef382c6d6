//! What the child has left behind: who that is, and how it is told.
//!
//! | role | what remains | how it is signalled |
//! | --- | --- | --- |
//! | PID 1 | every other process of the PID namespace | kill(2) of -1, at one moment |
//! | any other | the child's process group, and the children that rini was given | one by one, and again as more come |
//!
//! In both it makes no difference whether a process called setsid or forked twice. Whoever is not PID 1 hears of what is
//! further down only when its parents have ended and it is adopted; so what was said to the others is said to it then.
//!
//! Nobody else is ever signalled. A child that has not been reaped keeps its pid. The number of the child's process
//! group is the child's, which *has* been reaped, so it is used only while a child of rini's is in that group: until
//! then it cannot be given to anybody else.
//!
//! Where /proc is missing, or shows another PID namespace, nobody can be named, and only PID 1 reaches those outside
//! the child's group.
#![forbid(unsafe_code)]

use crate::diagnosis::Named;
use crate::signal::Signal;
use crate::sys::process::{self, Pid, Pid1};
use nix::errno::Errno;
use std::ffi::OsStr;
use std::fs;

/// What remains.
pub struct Remaining {
    pid1: Option<Pid1>,
    /// The process group that was the child's.
    group: Option<Pid>,
    /// What all of it was told last.
    last: Option<Signal>,
    /// Whether the group was told that too.
    group_told: bool,
    /// Which processes were found when that was last said; sorted.
    told: Vec<Pid>,
}

/// What came of telling it something.
pub struct Told {
    /// Those who had not been told this before, as far as /proc shows them: pid and name.
    pub new: Vec<String>,
    /// There is somebody left, and rini may signal none of them.
    pub refused: bool,
}

/// A process that remains.
struct Found {
    pid: Pid,
    stopped: bool,
}

impl Remaining {
    /// What is left of the child with this process group; None where there was no child.
    pub fn new(pid1: Option<Pid1>, group: Option<Pid>) -> Remaining {
        Remaining { pid1, group, last: None, group_told: false, told: Vec::new() }
    }

    /// Sends a signal to all of it, and SIGCONT to what of it is stopped.
    pub fn send(&mut self, signal: Signal) -> Told {
        self.last = Some(signal);
        self.told.clear();
        self.tell(signal, true)
    }

    /// Tells those that have come since what the others were told. A SIGKILL is repeated to all: that does no harm, and
    /// shows whether what is still there can be killed.
    pub fn catch_up(&mut self) -> Told {
        match self.last {
            Some(Signal::KILL) => self.tell(Signal::KILL, true),
            Some(signal) if self.pid1.is_none() => self.tell(signal, false),
            _ => Told { new: Vec::new(), refused: false },
        }
    }

    /// Whether SIGKILL is what it was told last.
    pub fn is_being_killed(&self) -> bool {
        self.last == Some(Signal::KILL)
    }

    fn tell(&mut self, signal: Signal, again: bool) -> Told {
        let found = self.look();
        let is_new = |pid: &Pid| self.told.binary_search(pid).is_err();
        // Before the signal: those that are dead have no name.
        let new = found.iter().map(|process| process.pid).filter(is_new).map(|pid| Named(pid).to_string()).collect();
        let mut sent = Err(Errno::ESRCH);
        // One that could be signalled is enough.
        let mut note = |result: Result<(), Errno>| {
            if sent.is_err() && result != Err(Errno::ESRCH) {
                sent = result;
            }
        };
        if let Some(pid1) = self.pid1 {
            note(pid1.kill_everything(signal));
        } else {
            self.group_told &= !again;
            if let Some(group) = self.group.filter(|group| !self.group_told && process::has_child_in(*group)) {
                note(process::kill_group(group, signal));
                self.group_told = true;
            }
            let one_by_one = found.iter().map(|process| process.pid).filter(|pid| again || is_new(pid));
            for pid in one_by_one.filter(|pid| !self.is_in_group(*pid)) {
                note(process::kill(pid, signal));
            }
        }
        for Found { pid, .. } in found.iter().filter(|process| process.stopped) {
            let _ = process::kill(*pid, Signal::CONT);
        }
        self.told = found.into_iter().map(|process| process.pid).collect();
        Told { new, refused: sent == Err(Errno::EPERM) }
    }

    fn is_in_group(&self, pid: Pid) -> bool {
        self.group.is_some() && process::group_of(pid).ok() == self.group
    }

    /// Those that live, sorted by pid: of the whole namespace for PID 1, else rini's children.
    fn look(&self) -> Vec<Found> {
        let own = process::own_pid();
        // The numbers of another namespace's processes would be other processes here.
        if fs::read_link("/proc/self").ok().and_then(|link| pid(link.as_os_str())) != Some(own) {
            return Vec::new();
        }
        let mut pids: Vec<Pid> = match self.pid1 {
            Some(_) => fs::read_dir("/proc")
                .map(|entries| entries.flatten().filter_map(|entry| pid(&entry.file_name())).collect())
                .unwrap_or_default(),
            None => fs::read_to_string(format!("/proc/self/task/{own}/children"))
                .map(|list| list.split_ascii_whitespace().filter_map(|word| pid(OsStr::new(word))).collect())
                .unwrap_or_default(),
        };
        pids.sort_unstable();
        let others = pids.into_iter().filter(|pid| *pid != own);
        others
            .filter_map(|pid| Some((pid, state(pid)?)))
            .filter(|(_, state)| !matches!(state, b'Z' | b'X'))
            .map(|(pid, state)| Found { pid, stopped: state == b'T' })
            .collect()
    }
}

fn pid(name: &OsStr) -> Option<Pid> {
    name.to_str()?.parse().ok().map(Pid::from_raw)
}

/// The state letter of a process, which stands behind its name, whatever that holds (proc_pid_stat(5)).
fn state(pid: Pid) -> Option<u8> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let behind = stat.iter().rposition(|byte| *byte == b')')?.checked_add(2)?;
    stat.get(behind).copied()
}
