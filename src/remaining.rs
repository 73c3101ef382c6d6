//! What the child has left behind: who that is, and how it is told.
//!
//! | role | what remains | how it is signalled |
//! | --- | --- | --- |
//! | PID 1 | every other process of the PID namespace | kill(2) of -1, at one moment |
//! | any other | the child's process group, and the children that rini has or is given | one by one, and again as more come |
//!
//! In both it makes no difference whether a process called setsid or forked twice. Whoever is not PID 1 hears of what is
//! further down only when it is adopted, and then tells it what the others were told. (It is adopted when its parents
//! have ended. Where they were reaped by somebody who lives on, rini hears nothing of that, and sees it at the next
//! reason to look.)
//!
//! Nobody else is ever signalled. A child that has not been reaped keeps its pid. The number of the child's process
//! group is that of the child, which *has* been reaped, so it is used only while a child of rini's is in that group.
//!
//! What remains is asked once. Who was in the child's group when that was asked with the child (`--process-group`) is not asked
//! again; who has been forked into it since is.
//!
//! The role that adopts nobody has no children left when the child has been reaped, and so nobody to tell. Where /proc is
//! missing, or shows another PID namespace, nobody can be named, and only PID 1 reaches those outside the child's group.
#![forbid(unsafe_code)]

use crate::proc;
use crate::signal::{Signal, SignalSet};
use crate::sys::clock;
use crate::sys::process::{self, Pid, Pid1};
use nix::errno::Errno;

/// What remains.
pub struct Remaining {
    pid1: Option<Pid1>,
    /// The process group that was the child's.
    group: Option<Pid>,
    /// By which signals the group was asked with the child, and when: the last time, or before another signal did.
    asked_with_child: SignalSet,
    asked_with_child_at: u64,
    /// What asked those that remain.
    asked: Option<Signal>,
    /// Whether the group has heard that, or the SIGKILL.
    group_told: bool,
    /// Whether it has heard it with the child.
    told_with_child: bool,
    /// Which of rini's children have heard it; sorted.
    told: Vec<Pid>,
    killing: bool,
}

impl Remaining {
    /// What is left of the child with this process group; None where there was no child.
    pub fn new(pid1: Option<Pid1>, group: Option<Pid>) -> Remaining {
        let told = Vec::new();
        Remaining {
            pid1,
            group,
            asked_with_child: SignalSet::default(),
            asked_with_child_at: 0,
            asked: None,
            group_told: false,
            told_with_child: false,
            told,
            killing: false,
        }
    }

    /// The child was asked to end by this signal, and its process group with it.
    pub fn group_was_asked(&mut self, signal: Signal) {
        let mut others = self.asked_with_child;
        others.remove(signal);
        if others == SignalSet::default() {
            self.asked_with_child_at = clock::ticks();
        }
        self.asked_with_child.insert(signal);
    }

    /// Sends a signal to all of it, and SIGCONT to what of it is stopped. Returns false where there is nobody.
    pub fn send(&mut self, signal: Signal) -> bool {
        let has_it = self.asked.is_none() && self.asked_with_child.contains(signal);
        self.asked.get_or_insert(signal);
        self.group_told = has_it;
        self.told_with_child = has_it;
        let Some(pid1) = self.pid1 else {
            self.told.clear();
            self.tell_new(signal);
            return self.group_told || !self.told.is_empty();
        };
        let others = proc::others();
        // Without /proc nobody can be told apart.
        let by_itself = has_it && !others.is_empty();
        let anybody = by_itself || pid1.kill_everything(signal).is_ok();
        self.tell(&others, signal, by_itself);
        anybody
    }

    /// Kills all of it. As PID 1 only what kill(2) reaches: it passes over another user's processes, and does not say so.
    pub fn kill(&mut self, report: &mut dyn FnMut(Pid)) -> Result<(), Errno> {
        if !self.killing {
            self.told.clear();
        }
        self.killing = true;
        let Some(pid1) = self.pid1 else { return self.kill_children(report) };
        let mut living = proc::others();
        living.retain(|pid| proc::state(*pid).is_some_and(|state| state != b'Z'));
        let _ = pid1.kill_everything(Signal::KILL);
        // Nobody is left who could reap them before rini does, and till then they have their names.
        for pid in living {
            report(pid);
        }
        Ok(())
    }

    /// Signals the child's process group alone, as far as rini is sure that it is still that.
    pub fn terminate_group(&self, signal: Signal) {
        let _ = self.signal_group(signal);
    }

    /// Tells those that rini was given since what the others were told.
    pub fn catch_up(&mut self, report: &mut dyn FnMut(Pid)) -> Result<(), Errno> {
        match (self.pid1, self.asked) {
            (None, _) if self.killing => return self.kill_children(report),
            (None, Some(signal)) => self.tell_new(signal),
            _ => (),
        }
        Ok(())
    }

    /// Not as PID 1: tells those of rini's children that have not heard it.
    fn tell_new(&mut self, signal: Signal) {
        let children = proc::own_children();
        if !self.group_told {
            self.group_told = self.signal_group(signal).is_ok();
        }
        self.tell(&children, signal, true);
        self.told = children;
    }

    /// Continues those of these that are stopped and have not been told before; with `by_itself` they are told first, but
    /// for those in the group, which was told as one.
    ///
    /// Who is in the group now was in it then: a process that has just been forked may leave it at any moment, and one
    /// who is told twice is better than one who is never told. So where the group was told with the child, which may be long
    /// ago, and the kernel's tick does not tell what was first.
    fn tell(&self, pids: &[Pid], signal: Signal, by_itself: bool) {
        for pid in pids.iter().filter(|pid| self.told.binary_search(pid).is_err()) {
            let told = || {
                self.group.is_some()
                    && process::group_of(*pid).ok() == self.group
                    && (!self.told_with_child
                        || proc::started(*pid).is_some_and(|started| started < self.asked_with_child_at))
            };
            if by_itself && !told() {
                let _ = process::kill(*pid, signal);
            }
            if !signal.stops() && proc::state(*pid) == Some(b'T') {
                let _ = process::kill(*pid, Signal::CONT);
            }
        }
    }

    /// Not as PID 1: kills rini's children, those too that were killed before; so it shows if one cannot be killed.
    fn kill_children(&mut self, report: &mut dyn FnMut(Pid)) -> Result<(), Errno> {
        let children = proc::own_children();
        let mut result = self.signal_group(Signal::KILL);
        for pid in &children {
            let killed = process::kill(*pid, Signal::KILL);
            if killed.is_ok() && self.told.binary_search(pid).is_err() {
                report(*pid);
            }
            // Once is enough; and that there is nobody is the least of all reasons.
            if killed.is_ok() || result == Err(Errno::ESRCH) {
                result = killed;
            }
        }
        self.told = children;
        result
    }

    fn signal_group(&self, signal: Signal) -> Result<(), Errno> {
        match self.group.filter(|group| process::has_child_in(*group)) {
            Some(group) => process::kill_group(group, signal),
            None => Err(Errno::ESRCH),
        }
    }
}
