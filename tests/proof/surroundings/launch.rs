//! Starts a program in hostile surroundings: one clone, a few system calls and an exec, which take some milliseconds
//! together.
//!
//! The program is PID 1 of a PID namespace, and a child of this process, which therefore sees how it ends, even by a
//! signal. All memory is allocated before the clone. The steps after the clone have an order: a mount needs root's
//! capabilities; a filter needs one of these or no_new_privs; after the filter there is only the exec. The exec removes
//! the capabilities of a user who is not root, and reduces root's to the bounding set (capabilities(7)).

use crate::support::LIMIT;
use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::ptr;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum User {
    Root,
    Nobody,
    RootOfNamespace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Files {
    Usual,
    ReadOnly,
    NoProc,
    NoDev,
    /// Docker's hidden and write-protected files in /proc, which shows only the namespace's own processes.
    MaskedProc,
    /// The /proc of another PID namespace.
    ForeignProc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rights {
    Usual,
    NoCapabilities,
    NoNewPrivileges,
    /// Docker's default seccomp profile.
    Docker,
    /// A profile that refuses, with EPERM, all calls except those that rini cannot do without.
    Refusing,
    /// A profile that kills at every call that is not in rini's documented list.
    Killing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    None,
    /// This many bytes, in a cgroup of the init and its child.
    Memory(u64),
    /// This many processes, in a cgroup.
    Pids(u64),
    /// RLIMIT_NPROC.
    Processes(u64),
    /// RLIMIT_NOFILE.
    Descriptors(u64),
    /// RLIMIT_AS.
    Space(u64),
    /// RLIMIT_FSIZE.
    FileSize(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Streams {
    Usual,
    InClosed,
    OutClosed,
    ErrClosed,
    AllClosed,
    /// /dev/full: ENOSPC.
    OutFull,
    ErrFull,
    /// A full pipe, which is emptied once if the child does not start.
    ErrFullPipe,
    /// A pipe without a reader.
    OutBroken,
    ErrBroken,
    /// A regular file.
    ErrFile,
    /// All three streams are a controlling terminal whose other side is gone.
    HungUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Surroundings {
    pub user: User,
    pub files: Files,
    pub rights: Rights,
    pub limit: Limit,
    pub streams: Streams,
}

pub const USUAL: Surroundings = Surroundings {
    user: User::Root,
    files: Files::Usual,
    rights: Rights::Usual,
    limit: Limit::None,
    streams: Streams::Usual,
};

/// A filter in the kernel's form.
pub type Filter = Vec<libc::sock_filter>;

/// The cgroups of one worker thread. Nothing else is in them meanwhile.
pub struct Groups {
    /// The cgroup for memory and the one for pids, which are the same in version 2.
    memory: PathBuf,
    pids: PathBuf,
    version_2: bool,
}

impl Groups {
    /// Returns None if nobody can make cgroups on this machine.
    pub fn make(name: &str) -> Option<Groups> {
        let root = Path::new("/sys/fs/cgroup");
        let controllers = fs::read_to_string(root.join("cgroup.subtree_control")).unwrap_or_default();
        let version_2 = ["memory", "pids"].iter().all(|one| controllers.split_whitespace().any(|has| has == *one));
        let [memory, pids] =
            ["memory", "pids"].map(|one| if version_2 { root.to_owned() } else { root.join(one) }.join(name));
        for group in [&memory, &pids] {
            if !group.exists() {
                fs::create_dir(group).ok()?;
            }
            fs::metadata(group.join("pids.max")).or_else(|_| fs::metadata(group.join("memory.limit_in_bytes"))).ok()?;
        }
        Some(Groups { memory, pids, version_2 })
    }

    /// Sets a limit, and returns the file through which a process enters the group.
    fn enter(&self, limit: Limit) -> Option<File> {
        let write = |path: PathBuf, number: u64| {
            fs::write(&path, number.to_string()).unwrap_or_else(|error| panic!("{path:?}: {error}"))
        };
        let group = match limit {
            Limit::Memory(bytes) => {
                let name = if self.version_2 { "memory.max" } else { "memory.limit_in_bytes" };
                write(self.memory.join(name), bytes);
                if self.version_2 {
                    let _ = fs::write(self.memory.join("memory.swap.max"), "0");
                }
                &self.memory
            }
            Limit::Pids(count) => {
                write(self.pids.join("pids.max"), count);
                &self.pids
            }
            _ => return None,
        };
        Some(File::options().write(true).open(group.join("cgroup.procs")).unwrap())
    }

    /// Removes the limits again. The group is empty, and the memory that it still holds is freed.
    fn leave(&self) {
        let (memory, most) = if self.version_2 { ("memory.max", "max") } else { ("memory.limit_in_bytes", "-1") };
        for (group, name, most) in [(&self.memory, memory, most), (&self.pids, "pids.max", "max")] {
            fs::write(group.join(name), most).unwrap();
        }
    }

    /// The number of processes that the kernel has killed in the group.
    fn oom_kills(&self) -> u64 {
        let name = if self.version_2 { "memory.events" } else { "memory.oom_control" };
        let text = fs::read_to_string(self.memory.join(name)).unwrap();
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")).unwrap().parse().unwrap()
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for group in [&self.memory, &self.pids] {
            let _ = fs::remove_dir(group);
        }
    }
}

/// The program to start.
pub struct Program<'a> {
    pub argv: &'a [CString],
    pub filter: Option<&'a Filter>,
    /// Send this signal, once the program's child has written that it runs.
    pub signal: Option<i32>,
    /// After this time the program counts as hanging.
    pub time_limit: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Exited(i32),
    Killed(i32),
    Hung,
}

/// The result of a run.
#[derive(Debug)]
pub struct Outcome {
    pub end: End,
    /// The output on descriptor 3, which the program's child inherits.
    pub effect: String,
    /// The standard output and error, or None if nobody can see it.
    pub out: Option<String>,
    pub err: Option<String>,
    /// The number of processes that the kernel killed for their memory.
    pub oom_kills: u64,
}

fn check(result: impl TryInto<i64>) -> io::Result<i64> {
    match result.try_into() {
        Ok(number) if number >= 0 => Ok(number),
        _ => Err(io::Error::last_os_error()),
    }
}

fn owned(fd: impl TryInto<i64>) -> OwnedFd {
    // SAFETY: Each caller has just got the descriptor.
    unsafe { OwnedFd::from_raw_fd(check(fd).unwrap() as RawFd) }
}

/// Moves a descriptor above those that the program will have.
fn high(fd: OwnedFd) -> OwnedFd {
    // SAFETY: The system call takes numbers only.
    owned(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 64) })
}

fn open(path: &CStr, flags: i32) -> OwnedFd {
    // SAFETY: The call gets a path.
    high(owned(unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC, 0o600) }))
}

/// A pipe: the end to read from, and the other end.
fn pipe() -> (OwnedFd, OwnedFd) {
    let mut ends = [0; 2];
    // SAFETY: The call gets room for two descriptors.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }).unwrap();
    let [read, write] = ends.map(|end| high(owned(end)));
    (read, write)
}

/// The three streams, and the other sides of the last two.
#[derive(Default)]
struct Plumbing {
    given: [Option<OwnedFd>; 3],
    out: Option<OwnedFd>,
    err: Option<OwnedFd>,
    /// The other side of a terminal.
    master: Option<OwnedFd>,
    /// A descriptor that must stay open until the end.
    kept: Option<OwnedFd>,
}

impl Plumbing {
    fn lay(streams: Streams) -> Plumbing {
        use Streams::*;
        let (null, full) = (|| Some(open(c"/dev/null", libc::O_RDONLY)), || Some(open(c"/dev/full", libc::O_WRONLY)));
        let mut this = Plumbing::default();
        if streams == HungUp {
            let master = open(c"/dev/ptmx", libc::O_RDWR | libc::O_NOCTTY);
            let unlock = 0;
            // SAFETY: The ioctls get numbers, and a number that outlives them.
            let slave = unsafe {
                check(libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlock)).unwrap();
                libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC)
            };
            let slave = high(owned(slave));
            this.given = [(); 3].map(|()| Some(high(slave.try_clone().unwrap())));
            this.master = Some(master);
            return this;
        }
        if !matches!(streams, InClosed | AllClosed) {
            this.given[0] = null();
        }
        this.given[1] = match streams {
            OutClosed | AllClosed => None,
            OutFull => full(),
            OutBroken => Some(pipe().1),
            _ => {
                let (read, write) = pipe();
                this.out = Some(read);
                Some(write)
            }
        };
        this.given[2] = match streams {
            ErrClosed | AllClosed => None,
            ErrFull => full(),
            ErrBroken => Some(pipe().1),
            ErrFullPipe => {
                let (read, write) = pipe();
                // SAFETY: The system calls get numbers, and bytes that outlive them.
                unsafe {
                    let flags = check(libc::fcntl(write.as_raw_fd(), libc::F_GETFL)).unwrap() as i32;
                    check(libc::fcntl(write.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK)).unwrap();
                    while libc::write(write.as_raw_fd(), [0_u8; 4096].as_ptr().cast(), 4096) > 0 {}
                    check(libc::fcntl(write.as_raw_fd(), libc::F_SETFL, flags)).unwrap();
                }
                this.kept = Some(read);
                Some(write)
            }
            ErrFile => {
                let file = open(c"/tmp", libc::O_TMPFILE | libc::O_RDWR);
                this.err = Some(high(file.try_clone().unwrap()));
                Some(file)
            }
            _ => {
                let (read, write) = pipe();
                this.err = Some(read);
                Some(write)
            }
        };
        this
    }
}

/// Reads all that is in it, even if another process still has the other end.
fn contents(fd: OwnedFd) -> String {
    // SAFETY: The system calls get numbers only. A pipe cannot be rewound, which does not matter.
    unsafe {
        libc::lseek(fd.as_raw_fd(), 0, libc::SEEK_SET);
        libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK);
    }
    let (mut file, mut bytes) = (File::from(fd), Vec::new());
    let _ = file.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A full pipe is emptied if nothing has happened for this long.
const EMPTIED_AFTER: Duration = Duration::from_millis(500);

/// Runs a program to its end.
pub fn run(surroundings: &Surroundings, program: &Program, groups: Option<&Groups>) -> Outcome {
    let mut plumbing = Plumbing::lay(surroundings.streams);
    let (effect, effect_end) = pipe();
    let (errors, errors_end) = pipe();
    let (go, start) = pipe();
    let group = groups.and_then(|groups| groups.enter(surroundings.limit)).map(|file| high(file.into()));
    let oom_kills = || match surroundings.limit {
        Limit::Memory(_) => groups.map_or(0, Groups::oom_kills),
        _ => 0,
    };
    let before = oom_kills();
    let mut argv: Vec<_> = program.argv.iter().map(|word| word.as_ptr()).collect();
    argv.push(ptr::null());
    let raw = |fd: &Option<OwnedFd>| fd.as_ref().map(AsRawFd::as_raw_fd);
    let clone = Clone {
        surroundings,
        argv: &argv,
        filter: program.filter,
        given: [0, 1, 2].map(|stream: usize| raw(&plumbing.given[stream])),
        hung_up: plumbing.master.is_some(),
        group: raw(&group),
        effect: effect_end.as_raw_fd(),
        errors_end: errors_end.as_raw_fd(),
        go: go.as_raw_fd(),
    };
    let mut flags = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_PIDFD;
    if surroundings.user == User::RootOfNamespace {
        flags |= libc::CLONE_NEWUSER;
    }
    let mut pidfd = -1;
    // SAFETY: clone_args is plain data, and all zeros are a valid value.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags as u64;
    args.pidfd = (&raw mut pidfd) as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: Without CLONE_VM this is a fork, and the child makes system calls only.
    let pid = unsafe { check(libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args))) }.unwrap() as i32;
    if pid == 0 {
        clone.become_program();
    }
    let pidfd = owned(pidfd);
    if surroundings.user == User::RootOfNamespace {
        for name in ["uid_map", "gid_map"] {
            fs::write(format!("/proc/{pid}/{name}"), "0 65534 1").unwrap();
        }
    }
    // The clone has the last copies of these.
    plumbing.given = [None, None, None];
    plumbing.master = None;
    drop((effect_end, errors_end, go, group));
    // The start is a byte, and not the end of the pipe: clones that hold each other's end would wait for ever.
    File::from(start).write_all(b"!").unwrap();
    let mut error = String::new();
    File::from(errors).read_to_string(&mut error).unwrap();
    assert!(error.is_empty(), "{surroundings:?} cannot be made: {error}");

    let wait = |fd: RawFd, time_limit: Duration| {
        let mut polls = [(fd, libc::POLLIN), (pidfd.as_raw_fd(), libc::POLLIN)].map(|(fd, events)| libc::pollfd {
            fd,
            events,
            revents: 0,
        });
        // SAFETY: The call gets two pollfds, which outlive it.
        unsafe { libc::poll(polls.as_mut_ptr(), 2, time_limit.as_millis() as i32) }
    };
    // Until the child runs, rini may wait for standard error, but no longer.
    let mut first = String::new();
    if let Some(full) = &plumbing.kept
        && program.time_limit > EMPTIED_AFTER
        && wait(effect.as_raw_fd(), EMPTIED_AFTER) == 0
    {
        first = contents(high(full.try_clone().unwrap()));
        plumbing.err = plumbing.kept.take();
    }
    if let Some(signal) = program.signal {
        // Its child runs now, or the program has ended without one.
        wait(effect.as_raw_fd(), program.time_limit);
        // SAFETY: The system call takes numbers only. The process has not been waited for, so the pid is still its own.
        unsafe { libc::kill(pid, signal) };
    }
    let ended = wait(-1, program.time_limit) > 0;
    if !ended {
        // SAFETY: See above.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
    let mut status = 0;
    // SAFETY: The call gets room for a status.
    check(unsafe { libc::waitpid(pid, &raw mut status, 0) }).unwrap();
    let end = match status {
        _ if !ended => End::Hung,
        _ if libc::WIFSIGNALED(status) => End::Killed(libc::WTERMSIG(status)),
        _ => End::Exited(libc::WEXITSTATUS(status)),
    };
    let oom_kills = oom_kills() - before;
    if let (Limit::Memory(_) | Limit::Pids(_), Some(groups)) = (surroundings.limit, groups) {
        groups.leave();
    }
    Outcome {
        end,
        effect: contents(effect),
        out: plumbing.out.map(contents),
        err: plumbing.err.map(|err| (first + &contents(err)).trim_start_matches('\0').to_owned()),
        oom_kills,
    }
}

/// Uses the raw system calls. glibc's functions would change every thread, and wait here for the threads of this
/// process.
///
/// # Safety
/// For the clone only.
unsafe fn become_user(id: u32) -> io::Result<()> {
    // SAFETY: The system calls take numbers only.
    unsafe {
        check(libc::syscall(libc::SYS_setresgid, id, id, id))?;
        check(libc::syscall(libc::SYS_setresuid, id, id, id))?;
    }
    Ok(())
}

/// The values that the clone needs.
struct Clone<'a> {
    surroundings: &'a Surroundings,
    argv: &'a [*const libc::c_char],
    filter: Option<&'a Filter>,
    given: [Option<RawFd>; 3],
    hung_up: bool,
    group: Option<RawFd>,
    effect: RawFd,
    errors_end: RawFd,
    go: RawFd,
}

/// The files that Docker hides in /proc, and those that it write-protects.
const HIDDEN: [&CStr; 5] =
    [c"/proc/kcore", c"/proc/keys", c"/proc/timer_list", c"/proc/sched_debug", c"/proc/latency_stats"];
const PROTECTED: [&CStr; 5] = [c"/proc/bus", c"/proc/fs", c"/proc/irq", c"/proc/sys", c"/proc/sysrq-trigger"];

impl Clone<'_> {
    fn become_program(&self) -> ! {
        let (step, error) = match self.steps() {
            Ok(never) => match never {},
            Err(failed) => failed,
        };
        let number = error.raw_os_error().unwrap_or(0);
        let digits = [b' ', b'0' + (number / 100) as u8, b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8];
        // SAFETY: The bytes outlive the calls.
        unsafe {
            libc::write(self.errors_end, step.as_ptr().cast(), step.len());
            libc::write(self.errors_end, digits.as_ptr().cast(), digits.len());
            libc::_exit(99)
        }
    }

    fn steps(&self) -> Result<std::convert::Infallible, (&'static str, io::Error)> {
        let at = |step: &'static str| move |error| (step, error);
        self.wait_for_parent().map_err(at("start"))?;
        self.mount().map_err(at("mount"))?;
        // The streams come first. The clone needs none of its own streams yet.
        self.plumb().map_err(at("streams"))?;
        self.take_rights().map_err(at("rights"))?;
        self.reset_signals();
        self.set_limits().map_err(at("limits"))?;
        if let Some(filter) = self.filter {
            let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
            // SAFETY: The filter outlives the call.
            let set = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
            check(set).map_err(at("filter"))?;
        }
        let environment = [c"PATH=/no/such".as_ptr(), ptr::null()];
        // SAFETY: The call gets a path, and two arrays of strings that end with a null.
        unsafe { libc::execve(self.argv[0], self.argv.as_ptr(), environment.as_ptr()) };
        Err(("exec", io::Error::last_os_error()))
    }

    /// Waits until the parent has written the map of users, and has closed its end of a terminal.
    fn wait_for_parent(&self) -> io::Result<()> {
        // SAFETY: The system calls get numbers, and a byte that outlives them.
        unsafe {
            let mut byte = 0_u8;
            check(libc::read(self.go, (&raw mut byte).cast(), 1))?;
            if self.surroundings.user == User::RootOfNamespace {
                become_user(0)?;
            }
        }
        Ok(())
    }

    fn mount(&self) -> io::Result<()> {
        let mount = |from: &CStr, to: &CStr, kind: &CStr, flags: u64, data: &CStr| {
            // SAFETY: The call gets strings.
            check(unsafe { libc::mount(from.as_ptr(), to.as_ptr(), kind.as_ptr(), flags, data.as_ptr().cast()) })
        };
        let only =
            |folder: &CStr| mount(c"none", folder, c"none", libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY, c"");
        mount(c"none", c"/", c"none", libc::MS_REC | libc::MS_PRIVATE, c"")?;
        match self.surroundings.files {
            Files::ForeignProc => return Ok(()),
            Files::NoProc => return mount(c"none", c"/proc", c"tmpfs", libc::MS_RDONLY, c"").map(drop),
            Files::MaskedProc => mount(c"proc", c"/proc", c"proc", 0, c"hidepid=invisible")?,
            _ => mount(c"proc", c"/proc", c"proc", 0, c"")?,
        };
        match self.surroundings.files {
            Files::ReadOnly => only(c"/").map(drop)?,
            Files::NoDev => mount(c"none", c"/dev", c"tmpfs", libc::MS_RDONLY, c"").map(drop)?,
            Files::MaskedProc => {
                for path in HIDDEN {
                    // Some of them do not exist in every kernel.
                    if mount(c"/dev/null", path, c"none", libc::MS_BIND, c"").is_ok() {
                        only(path)?;
                    }
                }
                for path in PROTECTED {
                    if mount(path, path, c"none", libc::MS_BIND, c"").is_ok() {
                        only(path)?;
                    }
                }
            }
            _ => (),
        }
        Ok(())
    }

    fn plumb(&self) -> io::Result<()> {
        // SAFETY: The system calls get numbers, and locals that outlive them.
        unsafe {
            for (fd, given) in (0..).zip(self.given) {
                match given {
                    Some(given) => check(libc::dup2(given, fd)).map(drop)?,
                    None => drop(libc::close(fd)),
                }
            }
            if self.hung_up {
                libc::signal(libc::SIGHUP, libc::SIG_IGN);
                check(libc::setsid())?;
                check(libc::ioctl(0, libc::TIOCSCTTY, 0))?;
            }
            check(libc::dup2(self.effect, 3))?;
            // All other descriptors close here, and early: the start of another program may wait for them.
            let group = self.group.unwrap_or(self.errors_end);
            let (low, high) = (self.errors_end.min(group), self.errors_end.max(group));
            for (from, to) in [(4, low - 1), (low + 1, high - 1), (high + 1, i32::MAX)] {
                if from <= to {
                    check(libc::syscall(libc::SYS_close_range, from, to, 0))?;
                }
            }
            if self.hung_up {
                // Another clone may hold the other side for a moment. When it closes, SIGHUP comes.
                let mut poll = libc::pollfd { fd: 0, events: 0, revents: 0 };
                check(libc::poll(&raw mut poll, 1, LIMIT.as_millis() as i32))?;
                if poll.revents & libc::POLLHUP == 0 {
                    return Err(io::Error::from_raw_os_error(libc::ETIMEDOUT));
                }
            }
        }
        Ok(())
    }

    fn take_rights(&self) -> io::Result<()> {
        // SAFETY: The system calls get numbers, and locals that outlive them.
        unsafe {
            match self.surroundings.rights {
                Rights::NoCapabilities => {
                    // The loop ends after the last capability that this kernel knows.
                    let mut capability = 0;
                    while libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) == 0 {
                        capability += 1;
                    }
                }
                Rights::NoNewPrivileges => drop(check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?),
                _ => (),
            }
            if self.surroundings.user == User::Nobody {
                check(libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0))?;
                check(libc::syscall(libc::SYS_setgroups, 0, 0))?;
                become_user(65534)?;
                // The filter needs these, and the exec removes them.
                let header = [0x2008_0522_u32, 0];
                let mut sets = [0_u32; 6];
                check(libc::syscall(libc::SYS_capget, &raw const header, sets.as_mut_ptr()))?;
                (sets[0], sets[3]) = (sets[1], sets[4]);
                check(libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()))?;
            }
        }
        Ok(())
    }

    fn reset_signals(&self) {
        for signal in 1..=64 {
            // The kernel's struct: the default handler, no flags, no restorer, an empty mask.
            let action = [0_u64; 4];
            // SAFETY: The action has no function, and outlives the call.
            unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, &raw const action, 0, 8) };
        }
        let none = 0_u64;
        // SAFETY: The set has 8 bytes, and outlives the call.
        unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const none, 0, 8) };
    }

    fn set_limits(&self) -> io::Result<()> {
        let (resource, most) = match self.surroundings.limit {
            Limit::None => return Ok(()),
            Limit::Memory(_) | Limit::Pids(_) => {
                let Some(group) = self.group else { return Err(io::Error::from_raw_os_error(libc::ENOENT)) };
                // SAFETY: The byte outlives the calls.
                unsafe {
                    check(libc::write(group, c"0".as_ptr().cast(), 1))?;
                    check(libc::close(group))?;
                }
                return Ok(());
            }
            Limit::Processes(most) => (libc::RLIMIT_NPROC, most),
            Limit::Descriptors(most) => (libc::RLIMIT_NOFILE, most),
            Limit::Space(most) => (libc::RLIMIT_AS, most),
            Limit::FileSize(most) => (libc::RLIMIT_FSIZE, most),
        };
        let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
        // SAFETY: The limit outlives the call.
        check(unsafe { libc::setrlimit(resource, &raw const limit) })?;
        Ok(())
    }
}
