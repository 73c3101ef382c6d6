//! Processes as /proc shows them (proc(5)). If /proc is missing, is another file system, or shows another PID
//! namespace, every answer is "unknown", because its numbers would be other processes here.
//!
//! Nothing here allocates. A list is passed to a function, one process at a time.
#![forbid(unsafe_code)]

use crate::ground::bytes::{self, Decimal, Parts};
use crate::ground::signal::Signal;
use crate::sys::process::{self, Pid};
use crate::sys::signals;
use crate::sys::{PathBuffer, files};
use std::ffi::CStr;
use std::fmt;
use std::ops::ControlFlow;

/// A process, as /proc/PID/stat describes it (proc_pid_stat(5)).
#[derive(Clone, Copy)]
pub struct Process {
    state: u8,
    is_kernel_thread: bool,
    has_more_threads: bool,
    /// When the process was forked, in [`ticks`](crate::sys::clock::ticks).
    pub started: u64,
}

impl Process {
    /// Reads the process with this pid. The pid must come from a list of this module, because /proc may show another
    /// PID namespace.
    pub fn read(pid: Pid) -> Option<Process> {
        Process::read_file(PathBuffer::new().format(format_args!("/proc/{}/stat", Decimal::from(pid)))?)
    }

    fn read_file(path: &CStr) -> Option<Process> {
        const PF_KTHREAD: u64 = 0x0020_0000;
        let mut room = STAT_ROOM;
        let mut fields = stat_fields(path, &mut room)?;
        let state = *fields.next()?.first()?;
        // Fields 9, 20 and 22.
        let flags = bytes::number(fields.nth(5)?)?;
        let threads = bytes::number(fields.nth(10)?)?;
        let started = bytes::number(fields.nth(1)?)?;
        let (is_kernel_thread, has_more_threads) = (flags & PF_KTHREAD != 0, threads > 1);
        Some(Process { state, is_kernel_thread, has_more_threads, started })
    }

    /// Whether the process has not ended. If only its first thread has ended, the state is that of a zombie while
    /// others run.
    pub fn is_alive(&self) -> bool {
        self.has_more_threads || !matches!(self.state, b'Z' | b'X')
    }

    /// Whether the process may be stopped. The state is that of the first thread. If that has ended, the others may be
    /// stopped.
    pub fn may_be_stopped(&self) -> bool {
        self.state == b'T' || self.state == b'Z' && self.has_more_threads
    }
}

/// Calls `f` with each of rini's children, zombies included, until it breaks. The [`Process`] is None, because some
/// callers need only the pid. Returns false if there is no such list.
pub fn for_each_child(f: &mut dyn FnMut(Pid, Option<Process>) -> ControlFlow<()>) -> bool {
    // The length of the list if every possible pid is a child.
    const LONGEST: usize = 1 << 26;
    if !is_proc_usable() {
        return false;
    }
    // The file holds numbers, and a blank after each.
    let (mut number, mut buffer) = (0_i32, PathBuffer::new());
    let path = buffer.format(format_args!("/proc/self/task/{}/children", Decimal::from(process::own_pid())));
    files::for_each_byte(path.unwrap_or_default(), LONGEST, &mut |byte| {
        if byte == b' ' {
            return f(Pid::from_raw(std::mem::take(&mut number)), None);
        }
        number = number.saturating_mul(10).saturating_add(i32::from(byte.saturating_sub(b'0')));
        ControlFlow::Continue(())
    })
    .is_ok()
}

/// Calls `f` with each process except rini and the kernel's threads, until it breaks. The [`Process`] is None if /proc
/// shows only the pid. Returns false if there is no such list, or if rini cannot read it so far.
pub fn for_each_other(f: &mut dyn FnMut(Pid, Option<Process>) -> ControlFlow<()>) -> bool {
    let own = process::own_pid();
    is_proc_usable()
        && files::for_each_name(c"/proc", &mut |name| {
            if let Some(pid) = parse_pid(name).filter(|pid| *pid != own) {
                let process = Process::read(pid);
                if !process.is_some_and(|process| process.is_kernel_thread) {
                    return f(pid, process);
                }
            }
            ControlFlow::Continue(())
        })
}

/// Whether a process handles or ignores this standard signal. The answer is None if /proc does not show that, or if a
/// thread may block the signal and wait for it.
///
/// A blocked signal alone proves nothing, because glibc's fork(3) and posix_spawn(3) block all signals for a moment. A
/// thread in sigtimedwait(2) appears to block none of the signals that it waits for, and /proc does not show which
/// these are. A running thread may just have returned from there. rini may lack the right to see the system call of a
/// thread (ptrace(2), "access mode checking"). Then the thread counts as not waiting.
pub fn is_handled(pid: Pid, signal: Signal) -> Option<bool> {
    if !is_proc_usable() {
        return None;
    }
    let pid = Decimal::from(pid);
    let has = |set: u64| set & signal.bit() != 0;
    if has(Dispositions::read(format_args!("/proc/{pid}/stat"))?.handled) {
        return Some(true);
    }
    // The kernel delivers the signal to any thread that does not block it.
    let mut is_handled = None;
    files::for_each_name(PathBuffer::new().format(format_args!("/proc/{pid}/task"))?, &mut |name| {
        let Some(thread) = parse_pid(name).map(Decimal::from) else { return ControlFlow::Continue(()) };
        let stat = || Dispositions::read(format_args!("/proc/{pid}/task/{thread}/stat"));
        let is_unblocked = || stat().is_some_and(|thread| !has(thread.blocked));
        // For a thread that was woken inside sigtimedwait, and has not returned yet, the file says "running".
        let may_wait = || {
            let (mut buffer, mut room) = (PathBuffer::new(), [0; 16]);
            let path = buffer.format(format_args!("/proc/{pid}/task/{thread}/syscall"));
            let call = path.and_then(|path| files::read(path, &mut room));
            call.is_some_and(|call| bytes::digits(call).is_none_or(|(number, _)| signals::is_wait(number)))
        };
        // rini repeats the check, because the thread may return from sigtimedwait between the two reads.
        if (0..CHECKS).all(|_| is_unblocked() && !may_wait()) {
            is_handled = Some(false);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    is_handled
}

/// How often rini has to see that a thread does not block the signal, and does not wait for signals.
const CHECKS: u32 = 4;

/// What a thread does with the standard signals, a bit each (proc_pid_stat(5), fields 32 to 34).
struct Dispositions {
    blocked: u64,
    /// The signals that are ignored or have a handler.
    handled: u64,
}

impl Dispositions {
    fn read(path: fmt::Arguments<'_>) -> Option<Dispositions> {
        let mut room = STAT_ROOM;
        let mut fields = stat_fields(PathBuffer::new().format(path)?, &mut room)?.skip(29).map(bytes::number);
        let [blocked, ignored, caught] = [fields.next()??, fields.next()??, fields.next()??];
        Some(Dispositions { blocked, handled: ignored | caught })
    }
}

/// A buffer for the beginning of a stat file: the pid, a name of at most 64 bytes, and 32 numbers of at most 20 digits.
const STAT_ROOM: [u8; 768] = [0; 768];

/// Reads the fields of a stat file from the third on. The name before them may contain anything, so they begin after
/// the last `)`.
fn stat_fields<'a>(path: &CStr, room: &'a mut [u8]) -> Option<Parts<'a>> {
    let stat = files::read(path, room)?;
    let after_name = stat.get(stat.iter().rposition(|byte| *byte == b')')?..)?.get(2..)?;
    Some(Parts::of(after_name, b' '))
}

/// Reads the name of a process: at most 15 bytes of any value, and a newline (proc_pid_comm(5)).
pub fn name(pid: Pid, room: &mut [u8; 16]) -> Option<&[u8]> {
    if !is_proc_usable() {
        return None;
    }
    files::read(PathBuffer::new().format(format_args!("/proc/{}/comm", Decimal::from(pid)))?, room)
        .map(<[u8]>::trim_ascii_end)
        .filter(|name| !name.is_empty())
}

/// Whether /proc is the kernel's, and shows rini's own PID namespace.
fn is_proc_usable() -> bool {
    let mut room = [0; 16];
    files::read_link(c"/proc/self", &mut room).and_then(parse_pid) == Some(process::own_pid())
        && files::is_proc_mounted()
}

fn parse_pid(name: &[u8]) -> Option<Pid> {
    bytes::number(name).and_then(|number| i32::try_from(number).ok()).map(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::signal::Signal;
    use nix::sys::wait::{Id, WaitPidFlag, waitid};

    #[test]
    fn this_process_and_its_child_are_read() {
        let own = process::own_pid();
        let mut room = [0; 16];
        assert!(name(own, &mut room).is_some_and(|name| name.starts_with(b"rini-")));
        let nobody = Pid::from_raw(i32::MAX);
        assert!(name(nobody, &mut room).is_none() && Process::read(nobody).is_none());
        let found = |pid: Pid| {
            let mut found = false;
            assert!(for_each_other(&mut |other, _| {
                found |= other == pid;
                ControlFlow::Continue(())
            }));
            found
        };
        assert!(found(process::parent_pid()) && !found(own));
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = Pid::from_raw(child.id().try_into().unwrap());
        assert!(found(pid));
        let started = |pid| Process::read(pid).unwrap().started;
        // The child has just been started, after this process.
        let ticks = crate::sys::clock::ticks();
        assert!(started(pid) <= ticks && ticks - started(pid) < 60 * 100);
        assert!(started(own) <= started(pid));
        let is = |alive, stopped| {
            let is = Process::read(pid).unwrap();
            (is.is_alive(), is.may_be_stopped()) == (alive, stopped)
        };
        assert!(is(true, false));
        let stop_or_end = |signal| {
            process::kill(pid, signal).unwrap();
            // No other code of this program waits for the child.
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WSTOPPED | WaitPidFlag::WNOWAIT;
            waitid(Id::Pid(pid), flags).unwrap();
        };
        stop_or_end(Signal::STOP);
        assert!(is(true, true));
        stop_or_end(Signal::KILL);
        assert!(is(false, false));
        child.wait().unwrap();
        assert!(!found(pid));
    }

    #[test]
    fn the_kernel_s_threads_do_not_count_as_processes() {
        // Field by field, as proc_pid_stat(5) has them.
        let file = std::env::temp_dir().join(format!("rini-stat-{}", std::process::id()));
        let read = |flags: u32, state: char, threads: u32| {
            let stat =
                format!("2 (a) Z 1 (b)) {state} 0 0 0 0 -1 {flags} 0 0 0 0 0 0 0 0 20 -5 {threads} 0 77 0 0 1 0");
            std::fs::write(&file, stat).unwrap();
            let process =
                Process::read_file(PathBuffer::new().format(format_args!("{}", file.display())).unwrap()).unwrap();
            assert_eq!(process.started, 77);
            process
        };
        assert!(read(2_129_984, 'S', 1).is_kernel_thread && !read(4_194_560, 'S', 1).is_kernel_thread);
        assert!(read(0, 'Z', 2).is_alive() && !read(0, 'Z', 1).is_alive() && !read(0, 'X', 1).is_alive());
        for (state, threads, wanted) in
            [('T', 1, true), ('T', 7, true), ('Z', 2, true), ('Z', 1, false), ('t', 1, false), ('S', 7, false)]
        {
            assert_eq!(read(0, state, threads).may_be_stopped(), wanted, "{state} {threads}");
        }
        std::fs::write(&file, "2 (a) S 0 0").unwrap();
        assert!(Process::read_file(PathBuffer::new().format(format_args!("{}", file.display())).unwrap()).is_none());
        std::fs::remove_file(&file).unwrap();
    }
}
