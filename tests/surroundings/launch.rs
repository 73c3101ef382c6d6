//! Starts a program in hostile surroundings: one clone, a few system calls, an exec; some milliseconds in all.
//!
//! It is PID 1 of a PID namespace, and a child of this process: what it ends by is seen as it is, a signal too. Everything that
//! takes memory is made before the clone. The order in the clone is that of what a step still needs: mounts want root's
//! capabilities, a filter wants one of them or no_new_privs, and behind a filter there is the exec alone. That takes the
//! capabilities of a user who is not root, and root's by what is left in the bounding set (capabilities(7)).

use crate::support::LIMIT;
use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::ptr;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    Root,
    Nobody,
    UserNamespace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Files {
    Usual,
    ReadOnly,
    NoProc,
    NoDev,
    /// What Docker hides and write-protects in /proc; and there is nobody to be seen in it but one's own.
    MaskedProc,
    /// That of another PID namespace.
    ForeignProc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rights {
    Usual,
    NoCapabilities,
    NoNewPrivileges,
    /// Docker's default seccomp profile.
    Docker,
    /// A profile that answers EPERM to all but what rini cannot do without.
    Refusing,
    /// A profile that kills at all but what rini is documented to call.
    Killing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    None,
    /// So many bytes, in a cgroup of the init and its child.
    Memory(u64),
    /// So many processes, in a cgroup.
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
    /// A pipe that nobody empties.
    ErrFullPipe,
    /// A pipe without a reader.
    OutBroken,
    ErrBroken,
    /// A regular file.
    ErrFile,
    /// All three are a controlling terminal whose other side is gone.
    HungUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Surroundings {
    pub who: Who,
    pub files: Files,
    pub rights: Rights,
    pub limit: Limit,
    pub streams: Streams,
}

pub const USUAL: Surroundings = Surroundings {
    who: Who::Root,
    files: Files::Usual,
    rights: Rights::Usual,
    limit: Limit::None,
    streams: Streams::Usual,
};

/// A filter, as the kernel takes it.
pub type Filter = Vec<libc::sock_filter>;

/// The cgroups of one worker: nobody else is in them at the time.
pub struct Groups {
    /// Each with its path: the memory's and the pids', which in version 2 is the same.
    memory: PathBuf,
    pids: PathBuf,
    version_2: bool,
}

impl Groups {
    /// None: this machine lets nobody make any.
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

    /// Sets a limit, and gives the file to enter that group by.
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

    /// Takes the limits off again. Nobody is in there any more, and what was kept for those who were is given back.
    fn leave(&self) {
        let (memory, most) = if self.version_2 { ("memory.max", "max") } else { ("memory.limit_in_bytes", "-1") };
        for (group, name, most) in [(&self.memory, memory, most), (&self.pids, "pids.max", "max")] {
            fs::write(group.join(name), most).unwrap();
        }
    }

    /// How many processes the kernel has killed in there.
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

/// What is started.
pub struct Program<'a> {
    pub argv: &'a [CString],
    pub filter: Option<&'a Filter>,
    /// This signal is sent to it, once its child has said that it is there.
    pub signal: Option<i32>,
    /// After this it counts as hanging.
    pub patience: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Exited(i32),
    Killed(i32),
    Hung,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    pub end: End,
    /// What was written to descriptor 3, which the child has of the program.
    pub effect: String,
    /// What was written to standard output and error; None where nobody can see it.
    pub out: Option<String>,
    pub err: Option<String>,
    /// How many processes the kernel killed for their memory.
    pub oom_kills: u64,
}

fn check(result: impl TryInto<i64>) -> io::Result<i64> {
    match result.try_into() {
        Ok(number) if number >= 0 => Ok(number),
        _ => Err(io::Error::last_os_error()),
    }
}

fn owned(fd: impl TryInto<i64>) -> OwnedFd {
    // SAFETY: each caller has just got it.
    unsafe { OwnedFd::from_raw_fd(check(fd).unwrap() as RawFd) }
}

/// Out of the way of the descriptors that the program is to have.
fn high(fd: OwnedFd) -> OwnedFd {
    // SAFETY: a system call on numbers.
    owned(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 64) })
}

fn open(path: &CStr, flags: i32) -> OwnedFd {
    // SAFETY: a path.
    high(owned(unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC, 0o600) }))
}

/// Its two ends, the one to read from first.
fn pipe() -> (OwnedFd, OwnedFd) {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }).unwrap();
    let [read, write] = ends.map(|end| high(owned(end)));
    (read, write)
}

/// The three streams, and what can be read of what is written to the last two.
#[derive(Default)]
struct Plumbing {
    given: [Option<OwnedFd>; 3],
    out: Option<OwnedFd>,
    err: Option<OwnedFd>,
    /// The other side of a terminal.
    master: Option<OwnedFd>,
    /// What nobody is to close before the end.
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
            // SAFETY: ioctls on numbers, and a number that outlives the call.
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
                // SAFETY: system calls on numbers, and bytes that outlive them.
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

/// All that there is in it, whoever still has its other end.
fn contents(fd: OwnedFd) -> String {
    // SAFETY: system calls on numbers. A pipe cannot be rewound, which is no matter.
    unsafe {
        libc::lseek(fd.as_raw_fd(), 0, libc::SEEK_SET);
        libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK);
    }
    let (mut file, mut bytes) = (File::from(fd), Vec::new());
    let _ = file.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Runs it to its end.
pub fn run(surroundings: &Surroundings, program: &Program, groups: Option<&Groups>) -> Outcome {
    let mut plumbing = Plumbing::lay(surroundings.streams);
    let (effect, effect_end) = pipe();
    let (told, tell) = pipe();
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
        tell: tell.as_raw_fd(),
        go: go.as_raw_fd(),
    };
    let mut flags = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_PIDFD;
    if surroundings.who == Who::UserNamespace {
        flags |= libc::CLONE_NEWUSER;
    }
    let mut pidfd = -1;
    // SAFETY: clone_args is plain data, for which all zeros is a value.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags as u64;
    args.pidfd = (&raw mut pidfd) as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM it is a fork; what goes on in it makes system calls only.
    let pid = unsafe { check(libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args))) }.unwrap() as i32;
    if pid == 0 {
        clone.become_program();
    }
    let pidfd = owned(pidfd);
    if surroundings.who == Who::UserNamespace {
        for name in ["uid_map", "gid_map"] {
            fs::write(format!("/proc/{pid}/{name}"), "0 65534 1").unwrap();
        }
    }
    // Its own are the last of these.
    plumbing.given = [None, None, None];
    plumbing.master = None;
    drop((effect_end, tell, go, group));
    // A byte, and not the end of the pipe: clones that have each other's end would wait for ever.
    File::from(start).write_all(b"!").unwrap();
    let mut error = String::new();
    File::from(told).read_to_string(&mut error).unwrap();
    assert!(error.is_empty(), "{surroundings:?} cannot be made: {error}");

    let wait = |fd: RawFd, patience: Duration| {
        let mut polls = [(fd, libc::POLLIN), (pidfd.as_raw_fd(), libc::POLLIN)].map(|(fd, events)| libc::pollfd {
            fd,
            events,
            revents: 0,
        });
        // SAFETY: two pollfds, which outlive the call.
        unsafe { libc::poll(polls.as_mut_ptr(), 2, patience.as_millis() as i32) }
    };
    if let Some(signal) = program.signal {
        // Its child is there; or it has ended without.
        wait(effect.as_raw_fd(), program.patience);
        // SAFETY: a system call on numbers. It has not been waited for, so it is nobody else.
        unsafe { libc::kill(pid, signal) };
    }
    let ended = wait(-1, program.patience) > 0;
    if !ended {
        // SAFETY: likewise.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
    let mut status = 0;
    // SAFETY: room for a status.
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
        err: plumbing.err.map(contents),
        oom_kills,
    }
}

/// By the system calls: glibc's functions would do it in every thread, and wait here for those of this process.
///
/// # Safety
/// For the clone only.
unsafe fn become_user(id: u32) -> io::Result<()> {
    // SAFETY: system calls on numbers.
    unsafe {
        check(libc::syscall(libc::SYS_setresgid, id, id, id))?;
        check(libc::syscall(libc::SYS_setresuid, id, id, id))?;
    }
    Ok(())
}

/// All that the clone needs.
struct Clone<'a> {
    surroundings: &'a Surroundings,
    argv: &'a [*const libc::c_char],
    filter: Option<&'a Filter>,
    given: [Option<RawFd>; 3],
    hung_up: bool,
    group: Option<RawFd>,
    effect: RawFd,
    tell: RawFd,
    go: RawFd,
}

/// What Docker hides in /proc, and what it does not let anybody write to.
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
        // SAFETY: bytes that outlive the calls.
        unsafe {
            libc::write(self.tell, step.as_ptr().cast(), step.len());
            libc::write(self.tell, digits.as_ptr().cast(), digits.len());
            libc::_exit(99)
        }
    }

    fn steps(&self) -> Result<std::convert::Infallible, (&'static str, io::Error)> {
        let at = |step: &'static str| move |error| (step, error);
        self.wait_for_parent().map_err(at("start"))?;
        self.mount().map_err(at("mount"))?;
        // Before the streams: it has none yet that it needs.
        self.plumb().map_err(at("streams"))?;
        self.take_rights().map_err(at("rights"))?;
        self.reset_signals();
        self.set_limits().map_err(at("limits"))?;
        if let Some(filter) = self.filter {
            let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
            // SAFETY: a program that outlives the call.
            let set = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
            check(set).map_err(at("filter"))?;
        }
        let environment = [c"PATH=/no/such".as_ptr(), ptr::null()];
        // SAFETY: a path, and two arrays of strings with a null behind.
        unsafe { libc::execve(self.argv[0], self.argv.as_ptr(), environment.as_ptr()) };
        Err(("exec", io::Error::last_os_error()))
    }

    /// It has made the map of users, and closed its end of a terminal.
    fn wait_for_parent(&self) -> io::Result<()> {
        // SAFETY: system calls on numbers, and a byte that outlives them.
        unsafe {
            let mut byte = 0_u8;
            check(libc::read(self.go, (&raw mut byte).cast(), 1))?;
            if self.surroundings.who == Who::UserNamespace {
                become_user(0)?;
            }
        }
        Ok(())
    }

    fn mount(&self) -> io::Result<()> {
        let mount = |from: &CStr, to: &CStr, kind: &CStr, flags: u64, data: &CStr| {
            // SAFETY: strings.
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
                    // Some of them are not in every kernel.
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
        // SAFETY: system calls on numbers and locals.
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
            // All but these end here, and first: somebody else's start may wait for them.
            let group = self.group.unwrap_or(self.tell);
            let (low, high) = (self.tell.min(group), self.tell.max(group));
            for (from, to) in [(4, low - 1), (low + 1, high - 1), (high + 1, i32::MAX)] {
                if from <= to {
                    check(libc::syscall(libc::SYS_close_range, from, to, 0))?;
                }
            }
            if self.hung_up {
                // Another clone may have the other side for a moment; and with it goes a SIGHUP.
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
        // SAFETY: system calls on numbers and locals.
        unsafe {
            match self.surroundings.rights {
                Rights::NoCapabilities => {
                    // Up to the last that this kernel knows.
                    let mut capability = 0;
                    while libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) == 0 {
                        capability += 1;
                    }
                }
                Rights::NoNewPrivileges => drop(check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?),
                _ => (),
            }
            if self.surroundings.who == Who::Nobody {
                check(libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0))?;
                check(libc::syscall(libc::SYS_setgroups, 0, 0))?;
                become_user(65534)?;
                // For the filter; the exec takes them.
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
            // SAFETY: an action without a function, which outlives the call.
            unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, &raw const action, 0, 8) };
        }
        let none = 0_u64;
        // SAFETY: a set of 8 bytes, which outlives the call.
        unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const none, 0, 8) };
    }

    fn set_limits(&self) -> io::Result<()> {
        let (resource, most) = match self.surroundings.limit {
            Limit::None => return Ok(()),
            Limit::Memory(_) | Limit::Pids(_) => {
                let Some(group) = self.group else { return Err(io::Error::from_raw_os_error(libc::ENOENT)) };
                // SAFETY: a byte that outlives the calls.
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
        // SAFETY: a limit that outlives the call.
        check(unsafe { libc::setrlimit(resource, &raw const limit) })?;
        Ok(())
    }
}
