//! An init in namespaces of its own, started so that the times contain only the work of the init.
//!
//! The benches are a big process, and after a fork the exec would have to tear down a copy of its memory. So a vfork into a
//! new PID namespace starts the init: the child borrows the memory of the benches, prepares itself, stores the time in that
//! memory, and calls exec.
//!
//! A mount namespace ends with its last process. This takes longer than everything that is measured here, and it happens
//! before the kernel reports the end of the init. So the child opens a descriptor of the namespace, in the table of
//! descriptors that it still shares with the benches. The container closes it when it is dropped.

use crate::clock;
use crate::inits::{self, Init};
use libc::{c_int, c_void};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::mount::MsFlags;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use std::ffi::{CStr, CString, c_char};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::process::Stdio;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// After this time, a wait for an event fails.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The lowest number of a descriptor that a container keeps. The descriptors that a child needs stay below it, however many
/// containers there are.
const LOWEST_KEPT: RawFd = 100;

/// Counts the descriptors that this number of containers needs at the same time.
pub fn count_descriptors(containers: usize) -> usize {
    // Each container keeps three. The factor leaves as many for everything else as there are below the kept ones.
    2 * usize::try_from(LOWEST_KEPT).expect("a small number") + 3 * containers
}

/// The results that the child of the vfork stores while it has our memory. Another thread may read them meanwhile.
pub struct Launch {
    /// The pid in our PID namespace.
    pub pid: AtomicI32,
    /// The time at which the child called exec.
    pub executed: AtomicI64,
    mounts: AtomicI32,
    error: AtomicI32,
}

impl Launch {
    pub const fn new() -> Launch {
        let (pid, mounts, error) = (AtomicI32::new(0), AtomicI32::new(-1), AtomicI32::new(0));
        Launch { pid, executed: AtomicI64::new(0), mounts, error }
    }
}

/// The arguments of the child of the vfork.
struct ChildArguments<'a> {
    launch: &'a Launch,
    argv: &'a [*const c_char],
    environment: &'a [*const c_char],
    input: BorrowedFd<'a>,
    output: BorrowedFd<'a>,
    errors: BorrowedFd<'a>,
}

/// A running init. Drop kills it, and the kernel kills everything else in its PID namespace.
pub struct Container {
    pub pid: Pid,
    /// The time at which the child called exec.
    pub executed: i64,
    output: File,
    ended: OwnedFd,
    status: Option<i32>,
    /// Keeps the mount namespace until the container is dropped.
    _mounts: OwnedFd,
}

impl Container {
    /// Starts the probe under an init, with this standard input or /dev/null. Some of its commands use a [`Page`].
    pub fn start(init: &Init, command: &[&str], input: Option<BorrowedFd<'_>>) -> Container {
        Container::start_observed(init, command, input, &Launch::new())
    }

    /// The same, while another thread reads `launch`.
    pub fn start_observed(init: &Init, command: &[&str], input: Option<BorrowedFd<'_>>, launch: &Launch) -> Container {
        let words = init.command_with_probe(command);
        let words: Vec<CString> = words.into_iter().map(|word| CString::new(word).unwrap()).collect();
        let path = CString::new(format!("PATH={}", std::env::var("PATH").unwrap_or_default())).unwrap();
        let pointers = |words: &[CString]| -> Vec<*const c_char> {
            words.iter().map(|word| word.as_ptr()).chain([ptr::null()]).collect()
        };
        let (argv, environment) = (pointers(&words), pointers(std::slice::from_ref(&path)));
        let null = File::open("/dev/null").expect("/dev/null");
        let errors = open_messages();
        let (output, output_of_child) = nix::unistd::pipe2(OFlag::O_CLOEXEC).expect("a pipe");
        let arguments = ChildArguments {
            launch,
            argv: &argv,
            environment: &environment,
            input: input.unwrap_or(null.as_fd()),
            output: output_of_child.as_fd(),
            errors: errors.as_fd(),
        };
        let mut stack = vec![0_u128; 8192];
        // With CLONE_FILES we keep the descriptors that the child opens, until it has a table of its own.
        let flags = CloneFlags::CLONE_VM
            | CloneFlags::CLONE_VFORK
            | CloneFlags::CLONE_FILES
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWNS;
        let flags = flags.bits() | libc::CLONE_PARENT_SETTID | libc::SIGCHLD;
        let top = stack.as_mut_ptr_range().end.cast();
        let argument = ptr::from_ref(&arguments).cast_mut().cast();
        // SAFETY: CLONE_VFORK suspends this thread until the child no longer uses our memory. The child has a stack of its own
        // and makes system calls only. Its arguments and the address for the pid outlive the call.
        let pid = unsafe { libc::clone(become_init, top, flags, argument, launch.pid.as_ptr()) };
        Errno::result(pid).expect("a process in new namespaces, which takes root");
        let pid = Pid::from_raw(pid);
        let error = launch.error.load(Ordering::Acquire);
        assert!(error == 0, "{words:?}: {}", Errno::from_raw(error));
        let executed = launch.executed.load(Ordering::Acquire);
        let mounts = keep(&own(launch.mounts.load(Ordering::Acquire)));
        Container {
            pid,
            executed,
            output: keep(&output).into(),
            ended: keep(&open_pidfd(pid)),
            status: None,
            _mounts: mounts,
        }
    }

    /// Reads the next time that the probe writes, or None if the container has ended.
    pub fn read_time(&mut self) -> Option<i64> {
        await_readable(self.output.as_fd(), "the probe says something");
        let mut bytes = [0; 8];
        self.output.read_exact(&mut bytes).ok().map(|()| i64::from_ne_bytes(bytes))
    }

    /// Waits until the init ends. Returns the time, and the exit code, or 128 and the number of the signal.
    pub fn await_end(&mut self) -> (i64, i32) {
        await_readable(self.ended.as_fd(), "the init ends");
        let time = clock::now();
        let status = match waitpid(self.pid, None).expect("a child") {
            WaitStatus::Exited(_, code) => code,
            WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
            other => panic!("{other:?}"),
        };
        self.status = Some(status);
        (time, status)
    }

    /// Waits until the init has nothing more to do. It is then in an interruptible sleep; the wait of a vfork for the exec
    /// is not interruptible.
    pub fn await_sleep(&self) {
        self.await_condition("the init is at rest", || read_state(self.pid) == Some('S'));
    }

    /// Waits for a condition that has no event. Checks it each millisecond, and fails at once if the init ends.
    pub fn await_condition(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + LIMIT;
        while !holds() {
            assert!(Instant::now() < end, "it never came to this: {what}");
            assert!(!is_readable(self.ended.as_fd(), 1), "the init has ended before this: {what}");
        }
    }

    /// Lets time pass for all of these containers, and fails if one of them ends.
    pub fn let_time_pass(containers: &[Container], time: Duration) {
        let mut ends: Vec<_> =
            containers.iter().map(|container| PollFd::new(container.ended.as_fd(), PollFlags::POLLIN)).collect();
        let ended = poll(&mut ends, PollTimeout::try_from(time).expect("a short time")).expect("poll");
        assert!(ended == 0, "an init has ended while it had nothing to do");
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.status.is_none() {
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = waitpid(self.pid, None);
        }
    }
}

/// Runs in the child of the vfork. It makes system calls only, because the memory belongs to the parent.
extern "C" fn become_init(arguments: *mut c_void) -> c_int {
    // SAFETY: `Container` passes a pointer to the arguments, which outlive their use in this process.
    let arguments = unsafe { &*arguments.cast_const().cast::<ChildArguments<'_>>() };
    let launch = arguments.launch;
    if let Err(errno) = prepare_child(arguments) {
        launch.error.store(errno as i32, Ordering::Release);
        return 127;
    }
    launch.executed.store(clock::now(), Ordering::Release);
    let (argv, environment) = (arguments.argv.as_ptr(), arguments.environment.as_ptr());
    // SAFETY: both arrays hold strings, and end with a null.
    unsafe { libc::execve(arguments.argv[0], argv, environment) };
    launch.error.store(Errno::last_raw(), Ordering::Release);
    127
}

/// Sets up the namespaces, the descriptors and the signals of the child.
fn prepare_child(arguments: &ChildArguments<'_>) -> Result<(), Errno> {
    // If the benches die, the kernel kills the init.
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    let (none, private) = (None::<&CStr>, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
    nix::mount::mount(none, c"/", none, private, none)?;
    nix::mount::mount(Some(c"proc"), c"/proc", Some(c"proc"), MsFlags::empty(), none)?;
    let mounts = nix::fcntl::open(c"/proc/self/ns/mnt", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    arguments.launch.mounts.store(std::os::fd::IntoRawFd::into_raw_fd(mounts), Ordering::Release);
    // The child gets a table of its own. The kernel does not copy the descriptors of the other containers into it.
    let unshare = libc::CLOSE_RANGE_UNSHARE.cast_signed();
    // SAFETY: this process uses none of the closed descriptors, and the table of the benches does not change.
    Errno::result(unsafe { libc::close_range(LOWEST_KEPT.cast_unsigned(), libc::c_uint::MAX, unshare) })?;
    nix::unistd::dup2_stdin(arguments.input)?;
    nix::unistd::dup2_stdout(arguments.output)?;
    nix::unistd::dup2_stderr(arguments.errors)?;
    // SAFETY: this process uses none of these descriptors any more, and its table is its own.
    Errno::result(unsafe { libc::close_range(3, libc::c_uint::MAX, 0) })?;
    // Rust ignores SIGPIPE, and a shell starts background jobs with SIGINT and SIGQUIT ignored. A SIGINT that the program
    // ignores would count as lost.
    for signal in [Signal::SIGPIPE, Signal::SIGINT, Signal::SIGQUIT] {
        // SAFETY: the default action is no handler.
        unsafe { nix::sys::signal::signal(signal, nix::sys::signal::SigHandler::SigDfl)? };
    }
    Ok(())
}

/// Opens the file that gets what the inits write to standard error: target/bench/messages.log.
fn open_messages() -> File {
    let path = inits::output_directory().join("messages.log");
    File::options().append(true).create(true).open(path).expect("a file in target")
}

/// Opens a descriptor that becomes readable when the process ends.
pub fn open_pidfd(pid: Pid) -> OwnedFd {
    // SAFETY: the system call takes only numbers.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) }).expect("a pidfd");
    own(RawFd::try_from(fd).expect("a descriptor"))
}

/// Duplicates a descriptor to a high number, so that the low numbers are free for the next container.
fn keep(fd: &OwnedFd) -> OwnedFd {
    own(fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(LOWEST_KEPT)).expect("a descriptor"))
}

/// Takes ownership of a descriptor that has just been opened.
fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: the descriptor is open, and has no other owner.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Whether a descriptor becomes readable, or reaches its end, within this number of milliseconds.
pub fn is_readable(fd: BorrowedFd<'_>, milliseconds: u16) -> bool {
    let mut polled = [PollFd::new(fd, PollFlags::POLLIN)];
    loop {
        match poll(&mut polled, milliseconds) {
            Ok(ready) => return ready > 0,
            Err(Errno::EINTR) => (),
            Err(errno) => panic!("poll: {errno}"),
        }
    }
}

/// Waits until a descriptor becomes readable. `what` names the event in the message of a failure.
pub fn await_readable(fd: BorrowedFd<'_>, what: &str) {
    let limit = u16::try_from(LIMIT.as_millis()).expect("a minute");
    assert!(is_readable(fd, limit), "it never came to this: {what}");
}

/// The page that the benches share with the probe: `struct page` in probe.c.
pub struct Page {
    file: OwnedFd,
    words: *mut AtomicI32,
}

impl Page {
    pub fn new() -> Page {
        let file = nix::sys::memfd::memfd_create(c"page", nix::sys::memfd::MFdFlags::MFD_CLOEXEC).expect("a memfd");
        nix::unistd::ftruncate(&file, 4096).expect("a page");
        let (protection, fd) = (libc::PROT_READ | libc::PROT_WRITE, file.as_raw_fd());
        // SAFETY: mmap without MAP_FIXED changes no memory that is in use. The result is checked below.
        let page = unsafe { libc::mmap(ptr::null_mut(), 4096, protection, libc::MAP_SHARED, fd, 0) };
        assert!(page != libc::MAP_FAILED, "mmap: {}", Errno::last());
        Page { file, words: page.cast() }
    }

    /// The page as the standard input of a container.
    pub fn as_input(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }

    /// The page as the standard input of a child.
    pub fn to_stdin(&self) -> Stdio {
        Stdio::from(self.file.try_clone().expect("a descriptor"))
    }

    fn word(&self, index: usize) -> &AtomicI32 {
        assert!(index < 3, "`struct page` has three");
        // SAFETY: the word is within the page, which is mapped for the lifetime of `self`.
        let word = unsafe { self.words.add(index) };
        // SAFETY: the word is aligned and valid, and every process accesses it atomically.
        unsafe { &*word }
    }

    /// Lets the probe begin its work.
    pub fn release_probe(&self) {
        self.word(0).store(1, Ordering::Release);
        // SAFETY: the system call takes an address that is mapped.
        unsafe { libc::syscall(libc::SYS_futex, self.word(0).as_ptr(), libc::FUTEX_WAKE, c_int::MAX, 0, 0, 0) };
    }

    /// The number of orphans that the probe has made.
    pub fn count_made(&self) -> i32 {
        self.word(1).load(Ordering::Acquire)
    }

    /// The number of orphans that are about to exit or have exited.
    pub fn count_gone(&self) -> i32 {
        self.word(2).load(Ordering::Acquire)
    }

    /// Waits until this number of orphans are about to exit or have exited.
    pub fn await_gone(&self, count: i32) {
        let (end, second) = (Instant::now() + LIMIT, libc::timespec { tv_sec: 1, tv_nsec: 0 });
        loop {
            let gone = self.count_gone();
            if gone >= count {
                return;
            }
            assert!(Instant::now() < end, "{gone} of {count} orphans are gone, and no more");
            // Only the last orphan wakes this thread. If the value has changed since, the call returns and the loop reads again.
            let word = self.word(2).as_ptr();
            // SAFETY: the system call takes an address that is mapped, and a time that outlives the call.
            unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAIT, gone, &raw const second, 0, 0) };
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: `new` mapped this page, and no reference to it outlives `self`.
        unsafe { libc::munmap(self.words.cast(), 4096) };
    }
}

/// Lists the children of a process, with the zombies.
pub fn list_children(pid: Pid) -> Vec<Pid> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).map(Pid::from_raw).collect()
}

/// Reads the state letter of a process (proc_pid_stat(5)), or None if there is no such process.
fn read_state(pid: Pid) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}
