//! What /proc tells of processes (proc(5)). Where it is missing, or is that of another PID namespace, it tells nothing: its
//! numbers would be other processes here.
#![forbid(unsafe_code)]

use crate::sys::process::{self, Pid};
use crate::sys::{Text, files};
use crate::text::{self, Decimal, Parts};
use std::ops::ControlFlow;

/// rini's children, sorted by pid; zombies too.
pub fn own_children() -> Vec<Pid> {
    let mut pids = Vec::new();
    if is_ours() {
        // Numbers, and a blank behind each.
        let (mut number, mut text) = (0_i32, Text::new());
        let path = text.path(format_args!("/proc/self/task/{}/children", Decimal::from(process::own_pid())));
        files::bytes(path.unwrap_or_default(), |byte| {
            if byte == b' ' {
                pids.push(Pid::from_raw(std::mem::take(&mut number)));
            } else {
                number = number.saturating_mul(10).saturating_add(i32::from(byte.saturating_sub(b'0')));
            }
            ControlFlow::Continue(())
        });
        pids.sort_unstable();
    }
    pids
}

/// Every process but rini.
pub fn others() -> Vec<Pid> {
    let mut pids = Vec::new();
    if is_ours() {
        let own = process::own_pid();
        files::names(c"/proc", |name| pids.extend(pid(name).filter(|pid| *pid != own)));
    }
    pids
}

/// The state letter of a process (proc_pid_stat(5)).
pub fn state(pid: Pid) -> Option<u8> {
    stat(pid, 3, |field| field.first().copied())
}

/// When a process was forked, in [`ticks`](crate::sys::clock::ticks) (proc_pid_stat(5)).
pub fn started(pid: Pid) -> Option<u64> {
    stat(pid, 22, text::number)
}

/// A field from the third on, by its number: those stand behind the name, whatever that holds.
fn stat<T>(pid: Pid, field: usize, read: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
    // The pid, a name of at most 64 bytes, and twenty numbers of at most twenty digits.
    let mut room = [0; 512];
    let stat = files::read(Text::new().path(format_args!("/proc/{}/stat", Decimal::from(pid)))?, &mut room)?;
    let behind = stat.get(stat.iter().rposition(|byte| *byte == b')')?..)?;
    read(Parts::of(behind, b' ').nth(field.checked_sub(2)?)?)
}

/// The name of a process: at most 15 bytes of anything, and a newline (proc_pid_comm(5)).
pub fn name(pid: Pid, room: &mut [u8; 16]) -> Option<&[u8]> {
    files::read(Text::new().path(format_args!("/proc/{}/comm", Decimal::from(pid)))?, room)
        .map(<[u8]>::trim_ascii_end)
        .filter(|name| !name.is_empty())
}

fn is_ours() -> bool {
    let mut room = [0; 16];
    files::link(c"/proc/self", &mut room).and_then(pid) == Some(process::own_pid())
}

fn pid(name: &[u8]) -> Option<Pid> {
    text::number(name).and_then(|number| i32::try_from(number).ok()).map(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_of_this_process() {
        let own = process::own_pid();
        let mut room = [0; 16];
        assert!(name(own, &mut room).is_some_and(|name| name.starts_with(b"rini-")));
        assert!(matches!(state(own), Some(b'R' | b'S')));
        assert!(others().contains(&process::parent()) && !others().contains(&own));
        assert_eq!((state(Pid::from_raw(i32::MAX)), name(Pid::from_raw(i32::MAX), &mut room)), (None, None));
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = Pid::from_raw(child.id().try_into().unwrap());
        // The first thread's, which is another one here; so it is looked for among all.
        assert!(others().contains(&pid) && state(pid).is_some());
        // It has just been started, and this process long before the next tick.
        let ticks = crate::sys::clock::ticks();
        assert!(started(pid).is_some_and(|its| its <= ticks && ticks - its < 60 * 100));
        assert!(started(own) <= started(pid) && started(Pid::from_raw(i32::MAX)).is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!others().contains(&pid));
    }
}
