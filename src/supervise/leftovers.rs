//! Leftover processes: which they are after the main child's end, and how rini signals each of them once.
//!
//! | role | leftover processes | how rini signals them |
//! | --- | --- | --- |
//! | PID 1 | every other process of the PID namespace | kill(2) of -1, at one moment |
//! | any other | the main child's process group, and rini's children, adopted ones included | one by one, and each newly adopted one later |
//!
//! In both roles it makes no difference whether a process called setsid or forked twice. A rini that is not PID 1
//! learns of deeper descendants only when it adopts them, and then sends them the signal that the others got. It adopts
//! a process when the parents have ended. If a parent that lives on reaps them, no signal reports the adoption to rini,
//! and rini sees the process when it next reads the list of its children.
//!
//! rini never signals any other process. A child that rini has not reaped keeps its pid. The number of the main child's
//! group is the pid of the main child, which rini *has* reaped. So rini uses that number only while one of its children
//! is in that group. (If the kernel gave the number to another group in the meantime, that group holds one of rini's
//! children, which is a leftover process too.)
//!
//! rini sends the request to end once. With `--process-group`, the processes of the main child's group may have
//! received it together with the main child. rini does not signal these again, but it signals a process that was forked
//! into the group later. PID 1 cannot use kill(2) of -1 in that case. It signals each other process group at one
//! moment, which lets no fork slip through, and the processes of the main child's group and of its own group one by
//! one. It reads /proc again until it finds no new process.
//!
//! Nothing here needs memory. If there is no memory to remember which processes were signalled, rini signals some of
//! them twice and omits none.
//!
//! rini does not signal these processes, or does not name them in a message:
//!
//! | processes | why |
//! | --- | --- |
//! | processes that a leftover process forks after it was signalled | Their parent may need them to end in order. PID 1 kills them at the deadline. In any other role rini signals them when it adopts them. |
//! | not PID 1: descendants whose parent lives on | Their parent was signalled. When it ends, or is killed, rini adopts them. |
//! | a role that adopts nothing: all but rini's own children from before its exec, and the main child's group while one of these is in it | rini may not signal any other process. |
//! | without /proc, with that of another PID namespace, or with a kernel without CONFIG_PROC_CHILDREN: names; if rini is not PID 1, all outside the main child's group | rini cannot find them. The main child's group, or as PID 1 every process, gets SIGCONT too, because rini cannot see which are stopped. |
//! | processes that /proc hides from rini (`hidepid`): names; as PID 1 with `--process-group`, the signal too | rini cannot find them. PID 1 kills them at the deadline all the same. |
//! | another user's, if rini may not signal them | kill(2) passes over them. rini names them, and they end with PID 1. |
//! | processes that stop after rini has read their state | They stay stopped until the deadline. If PID 1 signals group by group, it reads the states twice. |
//! | the kernel's threads, if rini is the init of a virtual machine; names: without /proc, all processes there, or if process 2 is in a group from outside the PID namespace | They belong to no container. Only /proc tells them from others. |
#![forbid(unsafe_code)]

use crate::ground::bytes::Decimal;
use crate::ground::signal::{Signal, SignalSet};
use crate::messages::catalog::write_message;
use crate::messages::diagnosis::Named;
use crate::messages::message;
use crate::observe::proc::{self, Process};
use crate::sys::clock;
use crate::sys::process::{self, Pid, Pid1};
use nix::errno::Errno;
use std::fmt;
use std::mem;
use std::ops::ControlFlow;

/// The leftover processes, and the record of which of them got which signal.
pub struct Leftovers {
    pid1: Option<Pid1>,
    /// The process group that the main child led.
    group: Option<Pid>,
    /// The stop signals that the group got together with the main child.
    signals_sent_with_child: SignalSet,
    /// When the group got its signal, in ticks. If it got one signal several times together with the main child, this
    /// is the last time. A later different signal does not move it.
    group_signalled_at: u64,
    /// The signal that asked the leftover processes to end.
    request: Option<Signal>,
    /// The group has got the request, or the SIGKILL.
    is_group_signalled: bool,
    /// The group got the request together with the main child.
    was_group_signalled_with_child: bool,
    /// The children of rini that have got the request. As PID 1: the processes and the groups.
    signalled: PidSet,
    /// An empty set, whose memory the next list of children uses.
    spare: PidSet,
    is_killing: bool,
}

/// A set of pids, sorted.
#[derive(Default)]
struct PidSet(Vec<Pid>);

impl PidSet {
    fn contains(&self, pid: Pid) -> bool {
        self.0.binary_search(&pid).is_ok()
    }

    /// Adds a pid. Returns false if there is no memory for it.
    fn insert(&mut self, pid: Pid) -> bool {
        let Err(index) = self.0.binary_search(&pid) else { return true };
        let has_memory = self.0.try_reserve(1).is_ok();
        if has_memory {
            self.0.insert(index, pid);
        }
        has_memory
    }
}

/// The living leftover processes: `: pid 7 (nginx), pid 8 (sh) of another user and at least 3 more`. It is empty if /proc does not
/// show them.
pub struct LeftoverList {
    named: [Pid; NAMED],
    count: usize,
}

/// The number of processes that a list names. It counts the others.
const NAMED: usize = 8;

/// The list ends at this number of processes and zombies, because rini must not exit late for a message.
const SEEN: usize = 1000;

impl LeftoverList {
    /// Reads the list. Returns None if there are none. A machine's init without /proc cannot tell, and gets None too.
    pub fn read(pid1: Option<Pid1>) -> Option<LeftoverList> {
        let (mut list, mut seen) = (LeftoverList { named: [Pid::from_raw(0); NAMED], count: 0 }, 0_usize);
        let for_each = if pid1.is_some() { proc::for_each_other } else { proc::for_each_child };
        let is_whole = for_each(&mut |pid, process| {
            if process.or_else(|| Process::read(pid)).is_some_and(|process| process.is_alive()) {
                if let Some(named) = list.named.get_mut(list.count) {
                    *named = pid;
                }
                list.count = list.count.wrapping_add(1);
            }
            seen = seen.wrapping_add(1);
            if seen < SEEN { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        // Without /proc, the kernel's threads look like other processes.
        if list.count == 0 && (is_whole || pid1.is_some() && process::sees_kernel_threads()) {
            return None;
        }
        Some(list)
    }
}

impl fmt::Display for LeftoverList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = ": ";
        for pid in self.named.iter().take(self.count) {
            f.write_str(separator)?;
            Named(*pid).fmt(f)?;
            if process::is_forbidden(*pid) {
                write_message(message::OfAnotherUser, f)?;
            }
            separator = ", ";
        }
        match self.count.saturating_sub(NAMED) {
            0 => Ok(()),
            more => write_message(message::AndMore { more: Decimal(u64::try_from(more).unwrap_or(0)) }, f),
        }
    }
}

/// How often PID 1 reads /proc at most: a program may fork faster than rini signals.
const MAX_WALKS: u32 = 10;

impl Leftovers {
    /// `group` is the process group of the main child. It is None if there is no main child, or if it has rini's group.
    pub fn new(pid1: Option<Pid1>, group: Option<Pid>) -> Leftovers {
        Leftovers {
            pid1,
            group,
            signals_sent_with_child: SignalSet::default(),
            group_signalled_at: 0,
            request: None,
            is_group_signalled: false,
            was_group_signalled_with_child: false,
            signalled: PidSet::default(),
            spare: PidSet::default(),
            is_killing: false,
        }
    }

    /// Whether the group of the main child got a stop signal, so that its processes know of the stop.
    pub fn has_signalled_group(&self) -> bool {
        self.signals_sent_with_child != SignalSet::default()
    }

    /// Records that rini is about to send this stop signal to the main child together with its group. If rini recorded
    /// it afterwards, a process that was forked into the group in between would count as one that got the signal.
    pub fn record_group_signal(&mut self, signal: Signal) {
        let mut others = self.signals_sent_with_child;
        others.remove(signal);
        if others == SignalSet::default() {
            self.group_signalled_at = clock::ticks();
        }
        self.signals_sent_with_child.insert(signal);
    }

    /// Asks all leftover processes to end by this signal, and continues those that are stopped. Returns false if there
    /// are none.
    pub fn signal_all(&mut self, signal: Signal) -> bool {
        let was_sent_with_child = self.request.is_none() && self.signals_sent_with_child.contains(signal);
        self.request.get_or_insert(signal);
        self.is_group_signalled = was_sent_with_child;
        self.was_group_signalled_with_child = was_sent_with_child;
        self.signalled.0.clear();
        let mut found_any = false;
        let Some(pid1) = self.pid1 else {
            let listed = self.signal_children(signal, false, &mut found_any);
            if !listed && !signal.has_stop_action() {
                let _ = self.signal_group(Signal::CONT);
            }
            return found_any || self.is_group_signalled;
        };
        if was_sent_with_child && self.signal_others(signal, &mut found_any) {
            return found_any;
        }
        let sent = pid1.kill_everything(signal).is_ok();
        let listed = proc::for_each_other(&mut |pid, process| {
            found_any = true;
            continue_if_stopped(pid, process, signal);
            ControlFlow::Continue(())
        });
        // Without /proc rini cannot see which processes are stopped.
        if !listed && !signal.has_stop_action() {
            let _ = pid1.kill_everything(Signal::CONT);
        }
        found_any || !listed && sent
    }

    /// Kills all leftover processes, and reports each. As PID 1 there is no error: kill(2) passes over another user's
    /// processes without one.
    pub fn kill_all(&mut self, report: &mut dyn FnMut(Pid)) -> Result<(), Errno> {
        if !self.is_killing {
            self.signalled.0.clear();
        }
        self.is_killing = true;
        let Some(pid1) = self.pid1 else { return self.kill_children(report) };
        let living = &mut self.signalled;
        proc::for_each_other(&mut |pid, process| {
            // Without memory rini reports it just before the kill.
            if process.is_some_and(|process| process.is_alive()) && !living.insert(pid) {
                report(pid);
            }
            ControlFlow::Continue(())
        });
        let _ = pid1.kill_everything(Signal::KILL);
        // Their names are still in /proc: all are zombies now, and only rini can reap them.
        for pid in &living.0 {
            report(*pid);
        }
        Ok(())
    }

    /// Sends the request, or the SIGKILL, to the children that rini has adopted since it signalled the others.
    pub fn signal_new_children(&mut self, report: &mut dyn FnMut(Pid)) -> Result<(), Errno> {
        match (self.pid1, self.request) {
            (None, _) if self.is_killing => return self.kill_children(report),
            (None, Some(signal)) => {
                self.signal_children(signal, true, &mut false);
            }
            _ => (),
        }
        Ok(())
    }

    /// As PID 1, if the main child's group got this signal with the main child: signals all other processes, and
    /// continues those that are stopped. Returns false if that is not possible, without /proc or without memory.
    fn signal_others(&mut self, signal: Signal, found_any: &mut bool) -> bool {
        let own = process::group_of(process::own_pid()).ok();
        for _ in 0..MAX_WALKS {
            let (mut is_done, mut can_remember) = (true, true);
            let listed = proc::for_each_other(&mut |pid, process| {
                *found_any = true;
                let group = process::group_of(pid).ok();
                // rini itself is in its own group, and a group from outside the namespace has no number here.
                let is_separate = group.is_some_and(|other| other.as_raw() > 1) && group != own && group != self.group;
                // A group and a process may have the same number, so the set holds a process by its negative number.
                let (target, key) = match group {
                    Some(group) if is_separate => (group, group),
                    _ => (pid, Pid::from_raw(pid.as_raw().saturating_neg())),
                };
                let has_signal =
                    group == self.group && self.has_group_signal(process, false) || self.signalled.contains(key);
                if !has_signal {
                    is_done = false;
                    can_remember &= self.signalled.insert(key);
                    let _ =
                        if is_separate { process::kill_group(target, signal) } else { process::kill(target, signal) };
                }
                continue_if_stopped(pid, process, signal);
                ControlFlow::Continue(())
            });
            if !listed || !can_remember {
                return false;
            }
            if is_done {
                break;
            }
        }
        true
    }

    /// Not as PID 1: signals the children of rini that have not got this signal, and continues those that are stopped.
    /// The main child's group gets it as one. `again` says that rini signalled the children before. Returns false if
    /// the kernel does not list rini's children.
    fn signal_children(&mut self, signal: Signal, again: bool, found_any: &mut bool) -> bool {
        if !self.is_group_signalled {
            self.group_signalled_at = clock::ticks();
            self.is_group_signalled = self.signal_group(signal).is_ok();
        }
        let mut listed_children = mem::take(&mut self.spare);
        listed_children.0.clear();
        let listed = proc::for_each_child(&mut |pid, _| {
            *found_any = true;
            if !self.signalled.contains(pid) {
                let process = Process::read(pid);
                let is_in_group = self.group.is_some() && process::group_of(pid).ok() == self.group;
                // rini has adopted this process since, so it may use the number of the group again.
                if is_in_group && !self.is_group_signalled {
                    self.is_group_signalled = self.signal_group(signal).is_ok();
                }
                if !is_in_group || !self.is_group_signalled || !self.has_group_signal(process, again) {
                    let _ = process::kill(pid, signal);
                }
                continue_if_stopped(pid, process, signal);
            }
            listed_children.insert(pid);
            ControlFlow::Continue(())
        });
        self.remember_children(listed, listed_children);
        listed
    }

    /// Whether a process that is in the group now has got the signal that was sent to the group.
    ///
    /// If the group was signalled just now, its members of now were members then. It may have been signalled long ago:
    /// with the main child, or before an earlier look (`again`). Then a process has got the signal if it was forked
    /// before. Two events in one tick of the kernel's clock have no order, and a process that gets a signal twice is
    /// better than a process that never gets it.
    fn has_group_signal(&self, process: Option<Process>, again: bool) -> bool {
        let is_long_ago = self.was_group_signalled_with_child || again;
        !is_long_ago || process.is_some_and(|process| process.started < self.group_signalled_at)
    }

    /// Not as PID 1: kills rini's children, also those that it killed before, to see whether one of them cannot be
    /// killed.
    fn kill_children(&mut self, report: &mut dyn FnMut(Pid)) -> Result<(), Errno> {
        let mut result = Err(Errno::ESRCH);
        // One success counts, and any other error says more than ESRCH.
        let mut merge = |killed: Result<(), Errno>| {
            if killed.is_ok() || result == Err(Errno::ESRCH) {
                result = killed;
            }
        };
        let mut listed_children = mem::take(&mut self.spare);
        listed_children.0.clear();
        let listed = proc::for_each_child(&mut |pid, _| {
            // The process may have ended on its own just now.
            let is_new = !self.signalled.contains(pid) && Process::read(pid).is_none_or(|process| process.is_alive());
            let killed = process::kill(pid, Signal::KILL);
            merge(killed);
            if is_new && killed.is_ok() {
                report(pid);
            }
            listed_children.insert(pid);
            ControlFlow::Continue(())
        });
        merge(self.signal_group(Signal::KILL));
        self.remember_children(listed, listed_children);
        result
    }

    /// Keeps the list of rini's children as the signalled ones, if there was such a list.
    fn remember_children(&mut self, listed: bool, mut children: PidSet) {
        if listed {
            mem::swap(&mut self.signalled, &mut children);
        }
        self.spare = children;
    }

    /// Signals the main child's process group, if its number cannot be another group's by now.
    pub fn signal_group(&self, signal: Signal) -> Result<(), Errno> {
        match self.group.filter(|group| process::has_child_in(*group)) {
            Some(group) => process::kill_group(group, signal),
            None => Err(Errno::ESRCH),
        }
    }
}

/// Continues a process that is stopped, or may be, so that it can act on this signal.
fn continue_if_stopped(pid: Pid, process: Option<Process>, signal: Signal) {
    if !signal.has_stop_action() && process.is_none_or(|process| process.may_be_stopped()) {
        let _ = process::kill(pid, Signal::CONT);
    }
}
