//! What the tests share: running rini (or anything) as PID 1 of a namespace or beside it, and waiting for events.
//!
//! Nothing here sleeps: a line, an end or a state is waited for, with [`LIMIT`] as the time after which the test fails.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::VecDeque;
use std::ffi::{CStr, OsStr, OsString};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// After this an event that was waited for counts as one that will not come.
pub const LIMIT: Duration = Duration::from_secs(30);

/// The rini to test.
pub fn rini() -> PathBuf {
    std::env::var_os("RINI_BINARY").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_rini")), PathBuf::from)
}

/// The probe (tests/probe.rs). Cargo builds examples for a whole `cargo test`, and not for a part of it (`cargo test
/// NAME`): what would be found then may be older than its source. So it is asked for, once, in the tests' own profile.
pub fn probe() -> PathBuf {
    static PROBE: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let test = std::env::current_exe().unwrap();
        let folder = test.parent().and_then(Path::parent).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--example", "probe"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.arg("--target-dir").arg(folder.parent().unwrap());
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "{cargo:?}");
        folder.join("examples/probe")
    };
    PROBE.get_or_init(build).clone()
}

/// The emulator that runs rini, and the binary that it runs, where `tests/emulated` has set them; [`rini`] is then a program
/// that becomes that emulator (tests/emulated.rs).
pub fn emulation() -> Option<(PathBuf, PathBuf)> {
    let path = |name| std::env::var_os(name).map(PathBuf::from);
    path("RINI_EMULATOR").zip(path("RINI_EMULATED"))
}

/// The file that is rini, and not what stands in for it.
pub fn binary() -> PathBuf {
    emulation().map_or_else(rini, |(_, binary)| binary)
}

/// The pid of rini's child in a namespace, which is the next after rini's own. The emulator has a thread, which got that.
pub fn first_pid() -> i32 {
    if emulation().is_some() { 3 } else { 2 }
}

/// Whether a signal has its number in the emulator: glibc keeps two for itself, and the emulator two.
pub fn is_numbered(signal: i32) -> bool {
    emulation().is_none() || ![32, 33, 63, 64].contains(&signal)
}

/// Whether a signal that is sent to the emulator reaches rini: those of a fault, and SIGABRT, are for itself.
pub fn comes_through(signal: i32) -> bool {
    let kept = [libc::SIGILL, libc::SIGTRAP, libc::SIGABRT, libc::SIGBUS, libc::SIGFPE, libc::SIGSEGV];
    is_numbered(signal) && (emulation().is_none() || !kept.contains(&signal))
}

/// Says aloud that a test cannot run here; under CI=true that is a failure.
pub fn skip(why: &str) {
    let name = thread::current().name().unwrap_or("?").to_owned();
    // Not eprintln!, which the test harness swallows when the test passes; and in one piece, beside other threads.
    let _ = io::stderr().write_all(format!("SKIPPED {name}: {why}\n").as_bytes());
    assert!(std::env::var("CI").as_deref() != Ok("true"), "skipped under CI=true: {why}");
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// How a process is started.
#[derive(Clone, Copy, Default)]
struct Setting {
    /// As PID 1 of a PID namespace with its own /proc.
    pid1: bool,
    /// As nobody, root only in a user namespace.
    rootless: bool,
    /// Signals to block, a bit each.
    blocked: u64,
    /// Signals to ignore, a bit each.
    ignored: u64,
    /// An empty file system over this folder; in a namespace only.
    hidden: Option<&'static CStr>,
    /// Nothing can be written to; in a namespace only.
    read_only: bool,
    /// Descriptors to close, a bit each.
    closed: u64,
    /// Another user, without any capability, and none to be had.
    user: Option<u32>,
    /// How many processes that user may have.
    processes: Option<u64>,
}

/// Something to start: usually rini with arguments.
pub struct Start {
    command: Command,
    setting: Setting,
}

/// rini as PID 1 of a new PID namespace. Takes rini's arguments.
pub fn pid1<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> Start {
    Start::of(rini()).args(args).in_namespace()
}

/// The words of a rini that runs the probe.
pub fn probing(options: &[&str], command: &[&str]) -> Vec<OsString> {
    let mut words: Vec<OsString> = options.iter().map(Into::into).collect();
    words.push(probe().into());
    words.extend(command.iter().map(OsString::from));
    words
}

/// rini under an strace that makes one of its system calls fail, such as `waitid:error=EPERM`. rini is its only child.
pub fn injecting(fault: &str) -> Start {
    Start::of("strace").args(["-f", "-o", "/dev/null", "-e", &format!("inject={fault}")]).args([rini()])
}

/// rini as an ordinary process.
pub fn beside<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> Start {
    Start::of(rini()).args(args)
}

/// rini, called by another name.
pub fn called(name: &str) -> Start {
    Start::of(rini()).with(|command| command.arg0(name))
}

/// That a process is rini, by whatever name it goes.
pub fn assert_is_rini(pid: Pid) {
    assert_eq!(fs::read(format!("/proc/{pid}/exe")).unwrap(), fs::read(rini()).unwrap(), "it is rini");
}

/// A folder with a path that is short enough for sockets below it.
pub fn short_folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("rini-").tempdir_in("/var/tmp").unwrap()
}

/// Makes a file that may be executed.
pub fn executable(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let (path, written) = (folder.join(name), folder.join(format!("{name}~")));
    fs::write(&written, bytes).unwrap();
    copy_executable(&written, &path);
    fs::remove_file(written).unwrap();
    path
}

/// The same, as a copy. By another process: what another test forks here has all descriptors of this one until its exec, and a
/// file that somebody writes to cannot be executed (execve(2), ETXTBSY).
pub fn copy_executable(from: &Path, to: &Path) {
    assert!(Command::new("install").args(["--mode=755"]).args([from, to]).status().unwrap().success());
}

/// An ELF header without a machine, and what a shell would make of the rest.
pub const BROKEN_BINARY: &[u8] = b"\x7fELF\x01\0\0\0\necho a command; exit 7\n";

/// Makes a root file system, `image`, with rini and its probe in it, and a tar of that, which it gives back.
pub fn make_root(folder: &Path) -> PathBuf {
    let (root, tar) = (folder.join("image"), folder.join("image.tar"));
    fs::create_dir(&root).unwrap();
    copy_executable(&probe(), &root.join("probe"));
    copy_executable(&rini(), &root.join("rini"));
    assert!(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&tar).arg(".").status().unwrap().success());
    tar
}

/// The bit of a signal in the kernel's sets.
pub fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

impl Start {
    pub fn of(program: impl AsRef<OsStr>) -> Start {
        let mut command = Command::new(program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for name in ["RINI_LOG", "TINI_VERBOSITY", "TINI_SUBREAPER", "TINI_KILL_PROCESS_GROUP", "LISTEN_PID"] {
            command.env_remove(name);
        }
        Start { command, setting: Setting::default() }
    }

    pub fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, args: I) -> Start {
        self.command.args(args);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Start {
        self.command.env(name, value);
        self
    }

    /// Anything else that `Command` can do.
    pub fn with(mut self, change: impl FnOnce(&mut Command) -> &mut Command) -> Start {
        change(&mut self.command);
        self
    }

    pub fn in_namespace(mut self) -> Start {
        self.setting.pid1 = true;
        self
    }

    pub fn rootless(mut self) -> Start {
        self.setting.rootless = true;
        self
    }

    pub fn blocked(mut self, signals: u64) -> Start {
        self.setting.blocked = signals;
        self
    }

    pub fn ignored(mut self, signals: u64) -> Start {
        self.setting.ignored = signals;
        self
    }

    pub fn hide(mut self, folder: &'static CStr) -> Start {
        self.setting.hidden = Some(folder);
        self
    }

    pub fn read_only(mut self) -> Start {
        self.setting.read_only = true;
        self
    }

    pub fn close(mut self, descriptors: impl IntoIterator<Item = i32>) -> Start {
        self.setting.closed |= descriptors.into_iter().map(|fd| 1 << fd).sum::<u64>();
        self
    }

    pub fn user(mut self, uid: u32) -> Start {
        self.setting.user = Some(uid);
        self
    }

    pub fn processes(mut self, limit: u64) -> Start {
        self.setting.processes = Some(limit);
        self
    }

    pub fn spawn(mut self) -> Running {
        let setting = self.setting;
        // SAFETY: the closure runs in a forked child and makes system calls only.
        unsafe { self.command.pre_exec(move || setting.apply()) };
        let child = self.command.spawn().unwrap_or_else(|error| panic!("cannot start {:?}: {error}", self.command));
        let outer = Pid::from_raw(child.id() as i32);
        // The exec has happened when spawn returns; in a namespace it was the forked child's.
        let pid = if setting.pid1 { children_of(outer).first().copied() } else { Some(outer) };
        Running::watch(child, pid)
    }

    /// Runs it to its end.
    pub fn run(self) -> Output {
        let mut running = self.spawn();
        drop(running.stdin.take());
        running.finish()
    }
}

impl Setting {
    /// In the forked child. Returns in the process that is to exec.
    fn apply(self) -> io::Result<()> {
        let check = |result: i32| if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
        if self.rootless {
            // SAFETY: system calls on numbers.
            unsafe {
                check(libc::setgroups(0, std::ptr::null()))?;
                check(libc::setresgid(65534, 65534, 65534))?;
                check(libc::setresuid(65534, 65534, 65534))?;
                // A process that changed its uid is not dumpable, and then /proc/self/uid_map is root's.
                check(libc::prctl(libc::PR_SET_DUMPABLE, 1))?;
                check(libc::unshare(libc::CLONE_NEWUSER))?;
            }
            write_file(c"/proc/self/setgroups", b"deny")?;
            write_file(c"/proc/self/uid_map", b"0 65534 1")?;
            write_file(c"/proc/self/gid_map", b"0 65534 1")?;
        }
        if self.pid1 {
            // SAFETY: system calls on numbers and constant strings; the fork's parent never returns.
            unsafe {
                check(libc::unshare(libc::CLONE_NEWPID | libc::CLONE_NEWNS))?;
                match libc::fork() {
                    -1 => return Err(io::Error::last_os_error()),
                    0 => (),
                    child => mirror(child),
                }
                check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
                let (none, flags) = (std::ptr::null(), libc::MS_REC | libc::MS_PRIVATE);
                check(libc::mount(none, c"/".as_ptr(), none, flags, std::ptr::null()))?;
                check(libc::mount(c"proc".as_ptr(), c"/proc".as_ptr(), c"proc".as_ptr(), 0, std::ptr::null()))?;
                check(libc::prctl(libc::PR_SET_PDEATHSIG, 0))?;
            }
        }
        // SAFETY: system calls on numbers, constant strings and locals that outlive them.
        unsafe {
            let none = std::ptr::null();
            if let Some(folder) = self.hidden {
                check(libc::mount(none, folder.as_ptr(), c"tmpfs".as_ptr(), 0, std::ptr::null()))?;
            }
            if self.read_only {
                let flags = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY;
                check(libc::mount(none, c"/".as_ptr(), none, flags, std::ptr::null()))?;
            }
            if let Some(processes) = self.processes {
                let limit = libc::rlimit { rlim_cur: processes, rlim_max: processes };
                check(libc::setrlimit(libc::RLIMIT_NPROC, &raw const limit))?;
            }
            if let Some(user) = self.user {
                check(libc::setgroups(0, std::ptr::null()))?;
                check(libc::setresgid(user, user, user))?;
                check(libc::setresuid(user, user, user))?;
                check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
            }
            for fd in (0..63).filter(|fd| self.closed & (1 << fd) != 0) {
                libc::close(fd);
            }
        }
        // All of them, whatever the tests were started with; glibc's own wrapper refuses 32 and 33.
        for signal in 1..=64 {
            // The kernel's struct: a handler (0: default, 1: ignored), flags, a restorer and a mask.
            let action = [u64::from(self.ignored & bit(signal) != 0), 0, 0, 0];
            // SAFETY: an action without a function, which outlives the call. SIGKILL and SIGSTOP are refused, rightly.
            unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, &raw const action, 0, 8) };
        }
        // SAFETY: a set of 8 bytes, which outlives the call.
        unsafe {
            libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const self.blocked, 0, 8);
        }
        Ok(())
    }
}

/// The parent of the namespace's PID 1: ends as that ends.
///
/// # Safety
/// For a forked child only.
unsafe fn mirror(child: i32) -> ! {
    // SAFETY: system calls on numbers and a local. Command waits for the other end of a pipe that is among the
    // descriptors.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::syscall(libc::SYS_close_range, 0, i32::MAX, 0);
        let mut status = 0;
        while libc::waitpid(child, &raw mut status, 0) != child {}
        if libc::WIFSIGNALED(status) {
            libc::kill(libc::getpid(), libc::WTERMSIG(status));
        }
        libc::_exit(libc::WEXITSTATUS(status))
    }
}

fn write_file(path: &CStr, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: a path, and bytes that outlive the calls.
    unsafe {
        let fd = libc::open(path.as_ptr(), libc::O_WRONLY);
        if fd < 0 || libc::write(fd, bytes.as_ptr().cast(), bytes.len()) < 0 || libc::close(fd) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

fn read_lines(stream: impl Read + Send + 'static, which: Stream, to: Sender<(Stream, String)>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            if to.send((which, String::from_utf8_lossy(&line).into_owned())).is_err() {
                break;
            }
        }
    });
}

/// Something that was started. Dropped, it is killed, and all that is in its namespace with it.
pub struct Running {
    child: Child,
    pid: Option<Pid>,
    pub stdin: Option<ChildStdin>,
    lines: Receiver<(Stream, String)>,
    out: VecDeque<String>,
    err: VecDeque<String>,
    status: Option<ExitStatus>,
}

/// What is left of something that ended.
#[derive(Debug)]
pub struct Output {
    pub status: ExitStatus,
    /// The lines that had not been taken.
    pub out: Vec<String>,
    pub err: Vec<String>,
}

impl Output {
    /// The exit code; a death by signal is none.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("killed by signal {:?}: {self:?}", self.status.signal()))
    }

    /// The one line that it printed, where nothing but success will do.
    pub fn only_line(&self) -> String {
        assert_eq!((self.code(), self.out.len()), (0, 1), "{self:?}");
        self.out[0].clone()
    }
}

impl Running {
    /// What was started in some other way, and rini's pid, which is another one where something stands in between.
    pub fn watch(mut child: Child, pid: Option<Pid>) -> Running {
        let (sender, lines) = channel();
        if let Some(stream) = child.stdout.take() {
            read_lines(stream, Stream::Out, sender.clone());
        }
        if let Some(stream) = child.stderr.take() {
            read_lines(stream, Stream::Err, sender.clone());
        }
        let stdin = child.stdin.take();
        Running { child, pid, stdin, lines, out: VecDeque::new(), err: VecDeque::new(), status: None }
    }

    /// The pid, as it is outside the namespace.
    pub fn pid(&self) -> Pid {
        self.pid.expect("it had ended before its pid could be read")
    }

    /// Something to start in its namespaces, as another process than rini and its child.
    pub fn enter(&self) -> Start {
        let target = self.pid().to_string();
        Start::of("nsenter").args(["--target", &target, "--pid", "--mount"])
    }

    /// The probe, in its namespaces.
    pub fn inside(&self, command: &[&str]) -> Running {
        self.enter().args(probing(&[], command)).spawn()
    }

    /// The pid, outside the namespace, of the one child that it has.
    pub fn only_child(&self) -> Pid {
        let children = children_of(self.pid());
        assert_eq!(children.len(), 1, "{children:?}");
        children[0]
    }

    /// Sends any signal, 1 to 64.
    pub fn signal(&self, signal: i32) {
        // SAFETY: a system call on numbers.
        let sent = unsafe { libc::kill(self.pid().as_raw(), signal) };
        assert_eq!(sent, 0, "kill: {}", io::Error::last_os_error());
    }

    /// Queues a signal with a value.
    pub fn queue(&self, signal: i32, value: usize) {
        let value = libc::sigval { sival_ptr: value as *mut libc::c_void };
        // SAFETY: a system call on numbers; the value is never used as a pointer.
        assert_eq!(unsafe { libc::sigqueue(self.pid().as_raw(), signal, value) }, 0);
    }

    /// The next line on standard output.
    pub fn line(&mut self) -> String {
        self.next(Stream::Out, |_| true)
    }

    /// The next line on standard error.
    pub fn err_line(&mut self) -> String {
        self.next(Stream::Err, |_| true)
    }

    /// The next line on standard error that contains this; those before it are dropped.
    pub fn err_line_with(&mut self, part: &str) -> String {
        self.next(Stream::Err, |line| line.contains(part))
    }

    /// The next line on standard output; it has to be this one.
    pub fn expect(&mut self, line: &str) {
        assert_eq!(self.line(), line);
    }

    /// The probe's first line, when it is the first child of a rini that is PID 1.
    pub fn expect_ready(&mut self) {
        self.expect(&format!("ready {}", first_pid()));
    }

    fn next(&mut self, which: Stream, wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            let queue = if which == Stream::Out { &mut self.out } else { &mut self.err };
            while let Some(line) = queue.pop_front() {
                if wanted(&line) {
                    return line;
                }
            }
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok((Stream::Out, line)) => self.out.push_back(line),
                Ok((Stream::Err, line)) => self.err.push_back(line),
                Err(error) => panic!("no such line ({error:?}); out {:?}, err {:?}", self.out, self.err),
            }
        }
    }

    /// Waits for its end, and for the end of its output.
    pub fn finish(mut self) -> Output {
        let status = wait(&mut self.child);
        self.status = Some(status);
        let end = Instant::now() + LIMIT;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok((Stream::Out, line)) => self.out.push_back(line),
                Ok((Stream::Err, line)) => self.err.push_back(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it ended, and its output is still open"),
            }
        }
        Output { status, out: self.out.drain(..).collect(), err: self.err.drain(..).collect() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.status.is_some() {
            return;
        }
        // What it started first: rini beside its child would leave that behind.
        let own = Pid::from_raw(self.child.id() as i32);
        for pid in family_of(own).into_iter().chain(self.pid.into_iter().flat_map(family_of)) {
            let _ = kill(pid, Signal::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a child's end, by its pidfd.
pub fn wait(child: &mut Child) -> ExitStatus {
    // SAFETY: a system call on numbers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, child.id() as libc::pid_t, 0) } as i32;
    assert!(fd >= 0, "pidfd_open: {}", io::Error::last_os_error());
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, which outlives the call.
    let ready = unsafe { libc::poll(&raw mut poll, 1, LIMIT.as_millis() as i32) };
    // SAFETY: closes what was opened above.
    unsafe { libc::close(fd) };
    assert_eq!(ready, 1, "pid {} has not ended; {}", child.id(), describe(Pid::from_raw(child.id() as i32)));
    child.wait().unwrap()
}

fn describe(pid: Pid) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let children: Vec<_> = children_of(pid).iter().map(|c| describe(*c)).collect();
    let keep = |line: &&str| ["Name", "State", "Sig", "Shd"].iter().any(|key| line.starts_with(key));
    format!("{:?} {children:?}", status.lines().filter(keep).collect::<Vec<_>>())
}

/// The children of a process, zombies too.
pub fn children_of(pid: Pid) -> Vec<Pid> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(|word| Pid::from_raw(word.parse().unwrap())).collect()
}

/// A process and those below it, the lowest first; nobody once it has been reaped.
fn family_of(pid: Pid) -> Vec<Pid> {
    let mut family: Vec<_> = children_of(pid).into_iter().flat_map(family_of).collect();
    if state(pid).is_some() {
        family.push(pid);
    }
    family
}

/// The state letter of a process (proc_pid_stat(5)), or None where it is gone.
pub fn state(pid: Pid) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// The system call that a process is blocked in, once it is: its number and its arguments (proc_pid_syscall(5)).
pub fn blocked_in(pid: Pid) -> Vec<String> {
    let mut call = Vec::new();
    // One word, `running`, as long as it is not.
    until("it is blocked", || {
        let text = fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap();
        call = text.split_whitespace().map(str::to_owned).collect();
        call.len() > 4
    });
    call
}

/// How many zombies a process has not reaped.
pub fn zombies_of(pid: Pid) -> usize {
    children_of(pid).into_iter().filter(|child| state(*child) == Some('Z')).count()
}

/// Waits until something holds that no event tells of: looked at again and again, as fast as other threads let it.
pub fn until(what: &str, holds: impl FnMut() -> bool) {
    until_within(LIMIT, what, holds);
}

/// The same, with another time after which it counts as what will not come.
pub fn until_within(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < end, "it never came to this: {what}");
        thread::yield_now();
    }
}

/// A field of /proc/PID/status.
pub fn status_field(pid: Pid, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    field.unwrap_or_else(|| panic!("no {name} in {status}")).trim().to_owned()
}

/// Whether these programs are installed; says so aloud where not.
pub fn tools(names: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let missing = |name: &&&str| !std::env::split_paths(&path).any(|folder| folder.join(name).exists());
    match names.iter().find(missing) {
        None => true,
        Some(name) => {
            skip(&format!("{name} is not installed; tests/setup installs it"));
            false
        }
    }
}

/// Whether PID namespaces can be made; says so aloud where not.
pub fn namespaces() -> bool {
    if !is_root() {
        skip("PID namespaces need root; the rootless test makes its own");
        return false;
    }
    true
}

/// Whether the proofs are to look at everything: `RINI_PROOF=long`. Otherwise it is what a change can wait for.
pub fn is_long() -> bool {
    std::env::var("RINI_PROOF").as_deref() == Ok("long")
}

/// What came out, for a reader: target/proof/PART.md.
pub fn write_proof(part: &str, title: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/proof");
    fs::create_dir_all(&folder).unwrap();
    let form = if is_long() { "The long form (`RINI_PROOF=long`)." } else { "The short form." };
    fs::write(folder.join(format!("{part}.md")), format!("## {title}\n\n{form}\n{text}")).unwrap();
}
