//! An init in namespaces of its own, started so that nothing but itself is in the times.
//!
//! The benches are a big process, and a fork of it would have a big memory for the exec to tear down. So the init is started
//! by a vfork into a new PID namespace: the child borrows our memory, prepares itself, notes the time in it, and execs.
//!
//! A mount namespace goes down with its last process, which takes longer than all that is measured here, and before the
//! init counts as ended. So the child leaves a descriptor of it behind, in the table of descriptors that it shares with us
//! for that long; it is closed when the container is dropped.

use crate::clock;
use crate::inits::Init;
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

/// After this an event that was waited for counts as one that will not come.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Descriptors that are kept have this number or a higher one, so that those that a child needs are below it, however many
/// containers there are.
const ASIDE: RawFd = 100;

/// The limit of descriptors that so many containers at the same time need.
pub fn descriptors(containers: usize) -> usize {
    // Three each, and as many others as below.
    2 * usize::try_from(ASIDE).expect("a small number") + 3 * containers
}

/// What the child of the vfork tells while it has our memory. Another thread may look at it meanwhile.
pub struct Launch {
    /// The pid, as it is here.
    pub pid: AtomicI32,
    /// When it called exec.
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

/// What the child of the vfork is given.
struct Orders<'a> {
    launch: &'a Launch,
    argv: &'a [*const c_char],
    environment: &'a [*const c_char],
    input: BorrowedFd<'a>,
    output: BorrowedFd<'a>,
}

/// An init that was started, and is killed with everything in it when this is dropped.
pub struct Container {
    pub pid: Pid,
    /// When the exec was called.
    pub executed: i64,
    output: File,
    ended: OwnedFd,
    status: Option<i32>,
    /// Dropped after the end.
    _mounts: OwnedFd,
}

impl Container {
    /// Starts the probe under an init; the page is for those of its commands that use it.
    pub fn start(init: &Init, command: &[&str], page: Option<&Page>) -> Container {
        Container::start_watched(init, command, page, &Launch::new())
    }

    /// The same, while another thread looks at what it comes to.
    pub fn start_watched(init: &Init, command: &[&str], page: Option<&Page>, launch: &Launch) -> Container {
        let words: Vec<CString> = init.running(command).into_iter().map(|word| CString::new(word).unwrap()).collect();
        let path = CString::new(format!("PATH={}", std::env::var("PATH").unwrap_or_default())).unwrap();
        let pointers = |words: &[CString]| -> Vec<*const c_char> {
            words.iter().map(|word| word.as_ptr()).chain([ptr::null()]).collect()
        };
        let (argv, environment) = (pointers(&words), pointers(std::slice::from_ref(&path)));
        let nothing = File::open("/dev/null").expect("/dev/null");
        let (output, theirs) = nix::unistd::pipe2(OFlag::O_CLOEXEC).expect("a pipe");
        let orders = Orders {
            launch,
            argv: &argv,
            environment: &environment,
            input: page.map_or(nothing.as_fd(), |page| page.file.as_fd()),
            output: theirs.as_fd(),
        };
        let mut stack = vec![0_u128; 8192];
        // CLONE_FILES: what the child opens is left to us, until it has a table of its own.
        let flags = CloneFlags::CLONE_VM
            | CloneFlags::CLONE_VFORK
            | CloneFlags::CLONE_FILES
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWNS;
        let flags = flags.bits() | libc::CLONE_PARENT_SETTID | libc::SIGCHLD;
        let top = stack.as_mut_ptr_range().end.cast();
        let argument = ptr::from_ref(&orders).cast_mut().cast();
        // SAFETY: with CLONE_VFORK this thread is suspended until the child is done with our memory. Its stack is its own, and
        // it makes system calls only; the orders and where the pid is written to outlive the call.
        let pid = unsafe { libc::clone(become_init, top, flags, argument, launch.pid.as_ptr()) };
        Errno::result(pid).expect("a process in new namespaces, which takes root");
        let pid = Pid::from_raw(pid);
        let error = launch.error.load(Ordering::Acquire);
        assert!(error == 0, "{words:?}: {}", Errno::from_raw(error));
        let executed = launch.executed.load(Ordering::Acquire);
        let mounts = aside(&owned(launch.mounts.load(Ordering::Acquire)));
        Container {
            pid,
            executed,
            output: aside(&output).into(),
            ended: aside(&pidfd(pid)),
            status: None,
            _mounts: mounts,
        }
    }

    /// The next time that the probe writes, or none if the container has ended.
    pub fn time(&mut self) -> Option<i64> {
        await_readable(self.output.as_fd(), "the probe says something");
        let mut bytes = [0; 8];
        self.output.read_exact(&mut bytes).ok().map(|()| i64::from_ne_bytes(bytes))
    }

    /// Waits until the init ends. Returns when it did, and its exit code or 128 and the signal.
    pub fn end(&mut self) -> (i64, i32) {
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

    /// Waits until the init has nothing more to do: it sleeps, in a way that a signal ends, which the wait for an exec in a
    /// vfork is not.
    pub fn rest(&self) {
        self.until("the init is at rest", || state(self.pid) == Some('S'));
    }

    /// Waits for what no event tells of: looks again and again, each millisecond, or at once if the init ends.
    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + LIMIT;
        while !holds() {
            assert!(Instant::now() < end, "it never came to this: {what}");
            assert!(!readable(self.ended.as_fd(), 1), "the init has ended before this: {what}");
        }
    }

    /// Lets time pass for all of these, none of which may end.
    pub fn pass(containers: &[Container], time: Duration) {
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

/// In the child of the vfork: makes system calls only, as the memory is the parent's.
extern "C" fn become_init(orders: *mut c_void) -> c_int {
    // SAFETY: `Container` gives a pointer to its orders, which outlive this process's use of them.
    let orders = unsafe { &*orders.cast_const().cast::<Orders<'_>>() };
    let launch = orders.launch;
    if let Err(errno) = prepare(orders) {
        launch.error.store(errno as i32, Ordering::Release);
        return 127;
    }
    launch.executed.store(clock::now(), Ordering::Release);
    let (argv, environment) = (orders.argv.as_ptr(), orders.environment.as_ptr());
    // SAFETY: two arrays of strings, each with a null behind it.
    unsafe { libc::execve(orders.argv[0], argv, environment) };
    launch.error.store(Errno::last_raw(), Ordering::Release);
    127
}

fn prepare(orders: &Orders<'_>) -> Result<(), Errno> {
    // Whatever happens to the benches, nothing is left over.
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    let (none, private) = (None::<&CStr>, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
    nix::mount::mount(none, c"/", none, private, none)?;
    nix::mount::mount(Some(c"proc"), c"/proc", Some(c"proc"), MsFlags::empty(), none)?;
    let mounts = nix::fcntl::open(c"/proc/self/ns/mnt", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    orders.launch.mounts.store(std::os::fd::IntoRawFd::into_raw_fd(mounts), Ordering::Release);
    // A table of its own, without copying and closing what is in ours of the other containers.
    let unshare = libc::CLOSE_RANGE_UNSHARE.cast_signed();
    // SAFETY: closes nothing that this process uses, and nothing in our table.
    Errno::result(unsafe { libc::close_range(ASIDE.cast_unsigned(), libc::c_uint::MAX, unshare) })?;
    nix::unistd::dup2_stdin(orders.input)?;
    nix::unistd::dup2_stdout(orders.output)?;
    // SAFETY: closes what is not used in this process any more, the table of which is its own.
    Errno::result(unsafe { libc::close_range(3, libc::c_uint::MAX, 0) })?;
    // Rust has the first ignored, and a shell the others in what it runs in the background: a SIGINT that the program ignores
    // would count as lost.
    for signal in [Signal::SIGPIPE, Signal::SIGINT, Signal::SIGQUIT] {
        // SAFETY: no handler.
        unsafe { nix::sys::signal::signal(signal, nix::sys::signal::SigHandler::SigDfl)? };
    }
    Ok(())
}

/// A descriptor that becomes readable when the process ends.
pub fn pidfd(pid: Pid) -> OwnedFd {
    // SAFETY: a system call on numbers.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) }).expect("a pidfd");
    owned(RawFd::try_from(fd).expect("a descriptor"))
}

/// The same as a descriptor that is out of the way: the next container's own are below it again.
fn aside(fd: &OwnedFd) -> OwnedFd {
    owned(fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(ASIDE)).expect("a descriptor"))
}

/// Takes a descriptor that has just been opened.
fn owned(fd: RawFd) -> OwnedFd {
    // SAFETY: it is open, and nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Whether it becomes readable, or is at its end, within so many milliseconds.
pub fn readable(fd: BorrowedFd<'_>, milliseconds: u16) -> bool {
    let mut polled = [PollFd::new(fd, PollFlags::POLLIN)];
    loop {
        match poll(&mut polled, milliseconds) {
            Ok(ready) => return ready > 0,
            Err(Errno::EINTR) => (),
            Err(errno) => panic!("poll: {errno}"),
        }
    }
}

/// Waits for it.
pub fn await_readable(fd: BorrowedFd<'_>, what: &str) {
    let limit = u16::try_from(LIMIT.as_millis()).expect("a minute");
    assert!(readable(fd, limit), "it never came to this: {what}");
}

/// The page that is shared with the probe; `struct page` in probe.c.
pub struct Page {
    file: OwnedFd,
    words: *mut AtomicI32,
}

impl Page {
    pub fn new() -> Page {
        let file = nix::sys::memfd::memfd_create(c"page", nix::sys::memfd::MFdFlags::MFD_CLOEXEC).expect("a memfd");
        nix::unistd::ftruncate(&file, 4096).expect("a page");
        let (protection, fd) = (libc::PROT_READ | libc::PROT_WRITE, file.as_raw_fd());
        // SAFETY: mmap without MAP_FIXED touches no memory that is in use; the result is checked below.
        let page = unsafe { libc::mmap(ptr::null_mut(), 4096, protection, libc::MAP_SHARED, fd, 0) };
        assert!(page != libc::MAP_FAILED, "mmap: {}", Errno::last());
        Page { file, words: page.cast() }
    }

    /// As a child's standard input.
    pub fn for_child(&self) -> Stdio {
        Stdio::from(self.file.try_clone().expect("a descriptor"))
    }

    fn word(&self, index: usize) -> &AtomicI32 {
        assert!(index < 3, "`struct page` has three");
        // SAFETY: within the page, which is mapped as long as this lives.
        let word = unsafe { self.words.add(index) };
        // SAFETY: aligned, with a valid value, and everybody uses it atomically.
        unsafe { &*word }
    }

    /// Lets the probe begin.
    pub fn go(&self) {
        self.word(0).store(1, Ordering::Release);
        // SAFETY: a system call on an address that is mapped.
        unsafe { libc::syscall(libc::SYS_futex, self.word(0).as_ptr(), libc::FUTEX_WAKE, c_int::MAX, 0, 0, 0) };
    }

    /// How many orphans have been made.
    pub fn made(&self) -> i32 {
        self.word(1).load(Ordering::Acquire)
    }

    /// How many of them are about to exit, or have.
    pub fn gone(&self) -> i32 {
        self.word(2).load(Ordering::Acquire)
    }

    /// Waits until so many are.
    pub fn await_gone(&self, count: i32) {
        let (end, second) = (Instant::now() + LIMIT, libc::timespec { tv_sec: 1, tv_nsec: 0 });
        loop {
            let gone = self.gone();
            if gone >= count {
                return;
            }
            assert!(Instant::now() < end, "{gone} of {count} orphans are gone, and no more");
            // Only the last one wakes us; a value that is another by now lets us look again.
            let word = self.word(2).as_ptr();
            // SAFETY: a system call on an address that is mapped, and a time that outlives it.
            unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAIT, gone, &raw const second, 0, 0) };
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: what was mapped in `new`, and no reference to it outlives this.
        unsafe { libc::munmap(self.words.cast(), 4096) };
    }
}

/// The children of a process, zombies too.
pub fn children(pid: Pid) -> Vec<Pid> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).map(Pid::from_raw).collect()
}

/// The state letter of a process (proc_pid_stat(5)), or none where it is gone.
pub fn state(pid: Pid) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}
