//! What the tests share: they run rini (or another program) as PID 1 of a namespace or beside others, and wait for
//! events.
//!
//! Nothing here sleeps (but see [`until`]). A test waits for a line, an exit or a state, and fails after [`LIMIT`].

pub mod prepare;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::VecDeque;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// After this time the event counts as missing, on a real machine ([`limit`]).
pub const LIMIT: Duration = Duration::from_secs(90);

/// [`LIMIT`], or a multiple of it.
pub fn limit() -> Duration {
    LIMIT * limit_factor()
}

/// `LIMIT_FACTOR`, which is more than 1 on a slow machine, such as a virtual one (tests/host, tests/kernels).
fn limit_factor() -> u32 {
    static FACTOR: OnceLock<u32> = OnceLock::new();
    let read = || std::env::var("LIMIT_FACTOR").map_or(1, |factor| factor.parse().expect("LIMIT_FACTOR is a number"));
    *FACTOR.get_or_init(read)
}

/// The rini that is tested.
pub fn rini() -> PathBuf {
    static RINI: OnceLock<PathBuf> = OnceLock::new();
    let find = || {
        let chosen = std::env::var_os("RINI_BINARY");
        for_all_users(chosen.map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_rini")), PathBuf::from))
    };
    RINI.get_or_init(find).clone()
}

/// A program that every user may run: this one, or a copy of it if the clone is below a directory that others may not enter,
/// as root's home is. The copies are removed at the end.
pub fn for_all_users(program: PathBuf) -> PathBuf {
    static COPIES: OnceLock<PathBuf> = OnceLock::new();
    extern "C" fn remove_copies() {
        let _ = fs::remove_dir_all(COPIES.get().unwrap());
    }
    let is_open = |real: &Path| {
        real.parent().is_some_and(prepare::is_open_to_all) && fs::metadata(real).is_ok_and(|it| it.mode() & 0o5 == 0o5)
    };
    if program.canonicalize().is_ok_and(|real| is_open(&real)) {
        return program;
    }
    let make_folder = |folder: tempfile::TempDir| {
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        folder.keep()
    };
    let copies = COPIES.get_or_init(|| {
        let folder = make_folder(tempfile::Builder::new().prefix("rini-programs-").tempdir().unwrap());
        // SAFETY: The handler is a plain function that does not unwind.
        assert_eq!(unsafe { libc::atexit(remove_copies) }, 0);
        folder
    });
    // Each call has a directory of its own, because another program of this name may run.
    let copy = make_folder(tempfile::tempdir_in(copies).unwrap()).join(program.file_name().unwrap());
    copy_executable(&program, &copy);
    copy
}

/// The probe (tests/probe/main.rs). Cargo builds examples for a whole `cargo test`, but not for `cargo test NAME`, so
/// an existing probe may be older than its source. This builds the probe once, in the profile of the tests.
/// `RINI_PROBE` names a built one, where there is no Cargo.
pub fn probe() -> PathBuf {
    static PROBE: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        if let Some(built) = std::env::var_os("RINI_PROBE") {
            return for_all_users(built.into());
        }
        let test = std::env::current_exe().unwrap();
        let folder = test.parent().and_then(Path::parent).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--example", "probe"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.arg("--target-dir").arg(folder.parent().unwrap());
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "{cargo:?}");
        for_all_users(folder.join("examples/probe"))
    };
    PROBE.get_or_init(build).clone()
}

/// The emulator that runs rini, and the binary that it runs, if `tests/emulated` has set them. [`rini`] is then a
/// program that becomes that emulator (tests/support/emulated.rs).
pub fn emulation() -> Option<(PathBuf, PathBuf)> {
    let path = |name| std::env::var_os(name).map(PathBuf::from);
    path("EMULATOR_OF_RINI").zip(path("EMULATED_RINI"))
}

/// The file of rini itself, even if [`rini`] is a stand-in.
pub fn binary() -> PathBuf {
    emulation().map_or_else(rini, |(_, binary)| binary)
}

/// The pid of rini's child in a namespace. It follows rini's own, but the emulator has a thread, which takes the next
/// one.
pub fn first_pid() -> i32 {
    if emulation().is_some() { 3 } else { 2 }
}

/// True if a signal keeps its number in the emulator. glibc reserves two signals, and the emulator two more.
pub fn is_numbered(signal: i32) -> bool {
    emulation().is_none() || ![32, 33, 63, 64].contains(&signal)
}

/// True if a signal to the emulator reaches rini. The emulator takes those of a fault, and SIGABRT, for itself.
pub fn comes_through(signal: i32) -> bool {
    let kept = [libc::SIGILL, libc::SIGTRAP, libc::SIGABRT, libc::SIGBUS, libc::SIGFPE, libc::SIGSEGV];
    is_numbered(signal) && (emulation().is_none() || !kept.contains(&signal))
}

/// Prints that a test cannot run here. With CI=true that is a failure.
pub fn skip(why: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "a test may not be skipped under CI=true: {why}");
    let name = thread::current().name().unwrap_or("?").to_owned();
    // The test harness swallows eprintln! if the test passes. One write keeps the line in one piece beside other
    // threads.
    let _ = io::stderr().write_all(format!("SKIPPED {name}: {}\n", why.replace('\n', " ")).as_bytes());
}

/// The exit code with which the scripts of packaging/ and tests/ say that the machine lacks something, as in automake's
/// tests.
pub const LACK: i32 = 77;

/// The last line of such a script, which says what the machine lacks.
pub fn lacked(code: Option<i32>, said: &str) -> Option<String> {
    (code == Some(LACK)).then(|| said.trim_end().lines().last().unwrap_or_default().to_owned())
}

/// Calls `act` with each item, in this many threads.
pub fn for_each<T: Send>(threads: usize, all: impl IntoIterator<Item = T>, act: impl Fn(T) + Sync) {
    let waiting = Mutex::new(all.into_iter().collect::<VecDeque<_>>());
    let next = || waiting.lock().unwrap().pop_front();
    let work = || {
        while let Some(item) = next() {
            act(item);
        }
    };
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
}

/// The files of Rust in a directory and below it.
pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = |path: PathBuf| match path.extension() {
        _ if path.is_dir() => rust_files(&path),
        Some(extension) if extension == "rs" => vec![path],
        _ => vec![],
    };
    entries.flat_map(files).collect()
}

/// The number of threads that can work at a time.
pub fn processors() -> usize {
    thread::available_parallelism().unwrap().get()
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// How a process is started.
#[derive(Clone, Copy, Default)]
struct Setting {
    /// The process is PID 1 of a PID namespace with its own /proc.
    pid1: bool,
    /// The process runs as nobody, and as root only in a user namespace.
    rootless: bool,
    /// The signals to block, one bit each.
    blocked: u64,
    /// The signals to ignore, one bit each.
    ignored: u64,
    /// An empty file system covers this directory; in a namespace only.
    hidden: Option<&'static CStr>,
    /// These files cover others; in a namespace only.
    covering: [Option<(&'static CStr, &'static CStr)>; 2],
    /// All file systems are read-only; in a namespace only.
    read_only: bool,
    /// The descriptors to close, one bit each.
    closed: u64,
    /// Another user, without any capability and without a way to get one.
    user: Option<u32>,
    /// The number of processes that this user may have.
    processes: Option<u64>,
    /// The capabilities that the bounding set lacks, one bit each.
    lacking: u64,
}

/// A command to start, usually rini with arguments.
pub struct Start {
    command: Command,
    setting: Setting,
}

/// rini as PID 1 of a new PID namespace, with these arguments.
pub fn pid1<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> Start {
    Start::of(rini()).args(args).in_namespace()
}

/// The arguments with which rini runs the probe.
pub fn probing(options: &[&str], command: &[&str]) -> Vec<OsString> {
    let mut words: Vec<OsString> = options.iter().map(Into::into).collect();
    words.push(probe().into());
    words.extend(command.iter().map(OsString::from));
    words
}

/// rini under strace, which makes one of rini's system calls fail, such as `waitid:error=EPERM`. strace has no other
/// child.
pub fn injecting(fault: &str) -> Start {
    strace_injecting(fault).args([rini()])
}

/// The same for any command, which follows.
pub fn strace_injecting(fault: &str) -> Start {
    Start::of("strace").args(["-f", "-qqq", "-o", "/dev/null", "-e", &format!("inject={fault}")])
}

/// rini as an ordinary process.
pub fn beside<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> Start {
    Start::of(rini()).args(args)
}

/// rini under another name.
pub fn called(name: &str) -> Start {
    Start::of(rini()).with(|command| command.arg0(name))
}

/// The lines of rini without its reasons for a failed exec: under another init's name rini writes that init's line, and then
/// the reason in parentheses (difference 33). `theirs` are the lines of that init.
pub fn without_reasons(mine: &[String], theirs: &[String]) -> Vec<String> {
    const ERRNOS: [&str; 5] = ["No such file or directory", "Not a directory", "Permission denied", "error", "links"];
    let failed = |line: &&String| ERRNOS.iter().any(|errno| line.ends_with(errno));
    let without = |line: &String| {
        let is_begin = |theirs: &&String| line.strip_prefix(theirs.as_str()).is_some_and(is_in_parentheses);
        theirs.iter().filter(failed).find(is_begin).unwrap_or(line).clone()
    };
    mine.iter().map(without).collect()
}

fn is_in_parentheses(text: &str) -> bool {
    text.len() > " ()".len() && text.starts_with(" (") && text.ends_with(')')
}

/// Asserts that a process is rini, under whatever name.
pub fn assert_is_rini(pid: Pid) {
    let exe = format!("/proc/{pid}/exe");
    // A failed `assert_eq` would print both files.
    assert!(fs::read(&exe).unwrap() == fs::read(rini()).unwrap(), "pid {pid} is {:?}, not rini", fs::read_link(&exe));
}

/// A directory whose path is short enough for sockets below it.
pub fn short_folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("rini-").tempdir_in("/var/tmp").unwrap()
}

/// Makes an executable file.
pub fn executable(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let (path, written) = (folder.join(name), folder.join(format!("{name}~")));
    fs::write(&written, bytes).unwrap();
    copy_executable(&written, &path);
    fs::remove_file(written).unwrap();
    path
}

/// Copies an executable file in another process. The children that other tests fork here hold all descriptors of this
/// process until their exec, and a file that is open for writing cannot be executed (execve(2), ETXTBSY).
pub fn copy_executable(from: &Path, to: &Path) {
    assert!(Command::new("install").args(["--mode=755"]).args([from, to]).status().unwrap().success());
}

/// Two capabilities (capabilities(7)).
pub const NET_ADMIN: u32 = 12;
pub const SYS_ADMIN: u32 = 21;

/// Gives a file capabilities that are in effect from the start of its program, as `setcap cap_…=ep` does.
pub fn give_capabilities(file: &Path, capabilities: &[u32]) {
    let set: u64 = capabilities.iter().map(|number| 1 << number).sum();
    // VFS_CAP_REVISION_2 and VFS_CAP_FLAGS_EFFECTIVE, the permitted ones, the inheritable ones, and the upper halves of
    // both.
    let value = [0x0200_0001, set as u32, 0, (set >> 32) as u32, 0].map(u32::to_le_bytes).concat();
    let path = std::ffi::CString::new(file.as_os_str().as_bytes()).unwrap();
    let name = c"security.capability".as_ptr();
    // SAFETY: The call gets two strings, and bytes of this length.
    let set = unsafe { libc::setxattr(path.as_ptr(), name, value.as_ptr().cast(), value.len(), 0) };
    assert_eq!(set, 0, "setxattr: {}", io::Error::last_os_error());
}

/// What rini says if its program was killed by another process or by the kernel, and what follows if no more is known.
pub const OTHER_KILL: &str = "was killed by SIGKILL, which rini did not send";
pub const NO_REASON: &str = "; was it kill -9, or did memory run out?";

/// A broken ELF header, followed by text that a shell would run.
pub const BROKEN_BINARY: &[u8] = b"\x7fELF\x01\0\0\0\necho a command; exit 7\n";

/// Makes a root file system `image` with rini and its probe in it, and returns the path of a tar of it.
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
        // `prepare` keeps these variables for the tests, and rini would read them.
        for name in ["RINI_BINARY", "RINI_PROBE", "RINI_PROOF", "RINI_SEED", "RINI_ENGINE_HOME"] {
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

    /// Changes the `Command` in any other way.
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

    /// Lets `passwd` and `group` of this folder stand for those in /etc.
    pub fn accounts(mut self, folder: &Path) -> Start {
        let path = |name: &str| -> &'static CStr {
            Box::leak(CString::new(folder.join(name).as_os_str().as_bytes()).unwrap().into_boxed_c_str())
        };
        self.setting.covering = [Some((path("passwd"), c"/etc/passwd")), Some((path("group"), c"/etc/group"))];
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

    pub fn lacking(mut self, capabilities: &[u32]) -> Start {
        self.setting.lacking |= capabilities.iter().map(|number| 1 << number).sum::<u64>();
        self
    }

    pub fn spawn(self) -> Running {
        let words = format!("{:?}", self.command);
        self.try_spawn().unwrap_or_else(|error| panic!("cannot start {words}: {error}"))
    }

    /// Starts it, on a machine that may not allow it.
    pub fn try_spawn(mut self) -> io::Result<Running> {
        let setting = self.setting;
        // SAFETY: The closure runs in a forked child and makes system calls only.
        unsafe { self.command.pre_exec(move || setting.apply()) };
        let child = self.command.spawn()?;
        let outer = Pid::from_raw(child.id() as i32);
        // The exec has happened when spawn returns. In a namespace the forked child has made it.
        let pid = if setting.pid1 { children_of(outer).first().copied() } else { Some(outer) };
        Ok(Running::watch(child, pid))
    }

    /// Runs it to its end.
    pub fn run(self) -> Output {
        self.run_within(limit())
    }

    /// Runs a command that may take longer than [`LIMIT`], such as other tests.
    pub fn run_within(self, limit: Duration) -> Output {
        let mut running = self.spawn();
        drop(running.stdin.take());
        running.finish_within(limit)
    }
}

impl Setting {
    /// Runs in the forked child. Returns in the process that is to exec.
    fn apply(self) -> io::Result<()> {
        let check = |result: i32| if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
        if self.rootless {
            // SAFETY: The system calls take numbers only.
            unsafe {
                check(libc::setgroups(0, std::ptr::null()))?;
                check(libc::setresgid(65534, 65534, 65534))?;
                check(libc::setresuid(65534, 65534, 65534))?;
                // A process that has changed its uid is not dumpable, and then root owns /proc/self/uid_map.
                check(libc::prctl(libc::PR_SET_DUMPABLE, 1))?;
                check(libc::unshare(libc::CLONE_NEWUSER))?;
            }
            write_file(c"/proc/self/setgroups", b"deny")?;
            write_file(c"/proc/self/uid_map", b"0 65534 1")?;
            write_file(c"/proc/self/gid_map", b"0 65534 1")?;
        }
        if self.pid1 {
            // SAFETY: The system calls get numbers and constant strings. The parent of the fork never returns.
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
        // SAFETY: The system calls get numbers, constant strings, and locals that outlive them.
        unsafe {
            let none = std::ptr::null();
            if let Some(folder) = self.hidden {
                check(libc::mount(none, folder.as_ptr(), c"tmpfs".as_ptr(), 0, std::ptr::null()))?;
            }
            for (file, covered) in self.covering.into_iter().flatten() {
                check(libc::mount(file.as_ptr(), covered.as_ptr(), none, libc::MS_BIND, std::ptr::null()))?;
            }
            if self.read_only {
                let flags = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY;
                check(libc::mount(none, c"/".as_ptr(), none, flags, std::ptr::null()))?;
            }
            if let Some(processes) = self.processes {
                let processes = processes as libc::rlim_t;
                let limit = libc::rlimit { rlim_cur: processes, rlim_max: processes };
                check(libc::setrlimit(libc::RLIMIT_NPROC, &raw const limit))?;
            }
            for capability in (0..64).filter(|number| self.lacking & (1 << number) != 0) {
                check(libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0))?;
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
        // This loop resets all signals, whatever the starter of the tests had set. glibc's own wrapper refuses 32 and
        // 33.
        for signal in 1..=64 {
            // The kernel's struct: a handler (0: default, 1: ignored), flags, a restorer and a mask.
            let action = [u64::from(self.ignored & bit(signal) != 0), 0, 0, 0];
            // SAFETY: The action has no function, and outlives the call. The kernel refuses SIGKILL and SIGSTOP, rightly.
            unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, &raw const action, 0, 8) };
        }
        // SAFETY: The set has 8 bytes, and outlives the call.
        unsafe {
            libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const self.blocked, 0, 8);
        }
        Ok(())
    }
}

/// The parent of the namespace's PID 1. It ends in the same way as PID 1.
///
/// # Safety
/// For a forked child only.
unsafe fn mirror(child: i32) -> ! {
    // SAFETY: The system calls get numbers and a local. The descriptors that it closes include the end of a pipe on
    // which Command waits.
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

/// Reads the seconds in a line such as `killed pid 7 (app), which was still there 3.998s after SIGTERM from pid 1 (sh)`. They
/// can be a little fewer than the grace period, because rini reads the clock once more after it has forwarded the signal.
pub fn seconds_before_kill(line: &str) -> f64 {
    let (_, time) = line.split_once("still there ").unwrap_or_else(|| panic!("{line}"));
    let (seconds, _) = time.split_once("s after ").unwrap_or_else(|| panic!("{line}"));
    seconds.parse().unwrap_or_else(|_| panic!("{line}"))
}

/// Writes bytes with system calls only, for a forked child.
pub fn write_file(path: &CStr, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: The calls get a path, and bytes that outlive them.
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

/// A started command. Dropping it kills the process, and all that is in its namespace.
pub struct Running {
    child: Child,
    pid: Option<Pid>,
    pub stdin: Option<ChildStdin>,
    lines: Receiver<(Stream, String)>,
    out: VecDeque<String>,
    err: VecDeque<String>,
    status: Option<ExitStatus>,
}

/// The exit status and the output of a command that has ended.
#[derive(Debug)]
pub struct Output {
    pub status: ExitStatus,
    /// The lines that the test had not read before.
    pub out: Vec<String>,
    pub err: Vec<String>,
}

impl Output {
    /// The exit code. Panics if a signal killed the process.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("killed by signal {:?}: {self:?}", self.status.signal()))
    }

    /// The one line that it printed. Panics unless the command succeeded with just this line.
    pub fn only_line(&self) -> String {
        assert_eq!((self.code(), self.out.len()), (0, 1), "{self:?}");
        self.out[0].clone()
    }
}

impl Running {
    /// Watches a process that was started in some other way. `pid` is rini's pid, if another process stands in between.
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

    /// The pid as it is outside the namespace.
    pub fn pid(&self) -> Pid {
        self.pid.expect("it had ended before its pid could be read")
    }

    /// A command to start in the namespaces of this one, as a process that is neither rini nor its child.
    pub fn enter(&self) -> Start {
        let target = self.pid().to_string();
        Start::of("nsenter").args(["--target", &target, "--pid", "--mount"])
    }

    /// Starts the probe in its namespaces.
    pub fn inside(&self, command: &[&str]) -> Running {
        self.enter().args(probing(&[], command)).spawn()
    }

    /// The pid of its only child, as it is outside the namespace.
    pub fn only_child(&self) -> Pid {
        let children = children_of(self.pid());
        assert_eq!(children.len(), 1, "{children:?}");
        children[0]
    }

    /// Sends any signal from 1 to 64.
    pub fn signal(&self, signal: i32) {
        // SAFETY: The system call takes numbers only.
        let sent = unsafe { libc::kill(self.pid().as_raw(), signal) };
        assert_eq!(sent, 0, "kill: {}", io::Error::last_os_error());
    }

    /// Queues a signal with a value.
    pub fn queue(&self, signal: i32, value: usize) {
        let value = libc::sigval { sival_ptr: value as *mut libc::c_void };
        // SAFETY: The system call takes numbers. The value is never used as a pointer.
        assert_eq!(unsafe { libc::sigqueue(self.pid().as_raw(), signal, value) }, 0);
    }

    /// Writes a line to its standard input.
    pub fn write_line(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The next line on standard output.
    pub fn line(&mut self) -> String {
        self.next(Stream::Out, |_| true)
    }

    /// The next line on standard output, if it comes within this time.
    pub fn line_within(&mut self, limit: Duration) -> String {
        self.next_within(limit, Stream::Out, |_| true)
    }

    /// The next line on standard error.
    pub fn err_line(&mut self) -> String {
        self.next(Stream::Err, |_| true)
    }

    /// The next line on standard error that contains `part`. Drops the lines before it.
    pub fn err_line_with(&mut self, part: &str) -> String {
        self.next(Stream::Err, |line| line.contains(part))
    }

    /// Asserts that the next line on standard output is this one.
    pub fn expect(&mut self, line: &str) {
        assert_eq!(self.line(), line);
    }

    /// The probe's first line, if it is the first child of rini as PID 1.
    pub fn expect_ready(&mut self) {
        self.expect(&format!("ready {}", first_pid()));
    }

    fn next(&mut self, which: Stream, wanted: impl Fn(&str) -> bool) -> String {
        self.next_within(limit(), which, wanted)
    }

    fn next_within(&mut self, limit: Duration, which: Stream, wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + limit;
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
    pub fn finish(self) -> Output {
        self.finish_within(limit())
    }

    fn finish_within(mut self, limit: Duration) -> Output {
        let status = wait_within(limit, &mut self.child);
        self.status = Some(status);
        let end = Instant::now() + limit;
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
        // The processes below it are killed too: rini beside its child would leave them behind.
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
    wait_within(limit(), child)
}

fn wait_within(limit: Duration, child: &mut Child) -> ExitStatus {
    // SAFETY: The system call takes numbers only.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, child.id() as libc::pid_t, 0) } as i32;
    assert!(fd >= 0, "pidfd_open: {}", io::Error::last_os_error());
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: The call gets one pollfd, which outlives it.
    let ready = unsafe { libc::poll(&raw mut poll, 1, limit.as_millis() as i32) };
    // SAFETY: This closes what was opened above.
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

/// The children of a process, with the zombies.
pub fn children_of(pid: Pid) -> Vec<Pid> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(|word| Pid::from_raw(word.parse().unwrap())).collect()
}

/// A process and its descendants, the lowest first. Empty once the process has been reaped.
fn family_of(pid: Pid) -> Vec<Pid> {
    let mut family: Vec<_> = children_of(pid).into_iter().flat_map(family_of).collect();
    if state(pid).is_some() {
        family.push(pid);
    }
    family
}

/// The state letter of a process (proc_pid_stat(5)), or None if the process is gone.
pub fn state(pid: Pid) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Waits until a process is blocked in a system call. Returns its number and its arguments (proc_pid_syscall(5)).
pub fn blocked_in(pid: Pid) -> Vec<String> {
    let mut call = Vec::new();
    // The file has one word, `running`, while the process is not blocked.
    until("it is blocked", || {
        let text = fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap();
        call = text.split_whitespace().map(str::to_owned).collect();
        call.len() > 4
    });
    call
}

/// The number of zombies that a process has not reaped.
pub fn zombies_of(pid: Pid) -> usize {
    children_of(pid).into_iter().filter(|child| state(*child) == Some('Z')).count()
}

/// Waits for a condition that no event announces. It checks again and again, and yields to other threads in between. On a slow
/// machine a check takes much of the time that the condition needs, so there it checks five times a second.
pub fn until(what: &str, holds: impl FnMut() -> bool) {
    until_within(limit(), what, holds);
}

/// Does the same with another limit than [`LIMIT`].
pub fn until_within(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < end, "it never came to this: {what}");
        if limit_factor() > 1 { thread::sleep(Duration::from_millis(200)) } else { thread::yield_now() }
    }
}

/// A field of /proc/PID/status.
pub fn status_field(pid: Pid, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    field.unwrap_or_else(|| panic!("no {name} in {status}")).trim().to_owned()
}

/// Finds a program along PATH.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.exists())
}

/// True if these programs are installed. Otherwise prints SKIPPED.
pub fn tools(names: &[&str]) -> bool {
    match names.iter().find(|name| find_program(name).is_none()) {
        None => true,
        Some(name) => {
            skip(&format!("{name} is not installed; tests/setup installs it"));
            false
        }
    }
}

/// True if rini can name its commit. Otherwise it was built without git or outside a clone, and this prints SKIPPED.
pub fn has_commit() -> bool {
    let has = beside(["--version"]).run().only_line().contains("(git.");
    if !has {
        skip("this rini was built without git or from no clone, and does not know its commit");
    }
    has
}

/// True if PID namespaces can be made. Otherwise prints SKIPPED. Even root may not make them in an engine's container.
pub fn namespaces() -> bool {
    static WHY_NOT: OnceLock<Option<String>> = OnceLock::new();
    if !is_root() {
        skip("PID namespaces need root; the rootless test makes its own");
        return false;
    }
    can_start(&WHY_NOT, "PID namespaces", Start::in_namespace)
}

/// True if user namespaces can be made. Otherwise prints SKIPPED. A chroot, for example, has none.
pub fn user_namespaces() -> bool {
    static WHY_NOT: OnceLock<Option<String>> = OnceLock::new();
    if !is_root() {
        skip("this test becomes nobody first, which takes root");
        return false;
    }
    can_start(&WHY_NOT, "user namespaces", |start| start.in_namespace().rootless())
}

/// Tries it once.
fn can_start(why_not: &OnceLock<Option<String>>, what: &str, set: fn(Start) -> Start) -> bool {
    let why_not = why_not.get_or_init(|| match set(Start::of("/bin/true")).try_spawn() {
        Ok(running) => running.finish().status.code().is_none_or(|code| code != 0).then(|| "it ends".to_owned()),
        Err(error) => Some(error.to_string()),
    });
    why_not.iter().for_each(|why| skip(&format!("{what} cannot be made here: {why}")));
    why_not.is_none()
}

/// True if a process can be started in the namespaces of another ([`Running::enter`]). Otherwise prints SKIPPED. In a
/// chroot such a process has the machine's own root.
pub fn can_enter() -> bool {
    static COMES_BACK: OnceLock<bool> = OnceLock::new();
    if !namespaces() || !tools(&["nsenter"]) {
        return false;
    }
    let comes_back = || {
        let target = std::process::id().to_string();
        let start = Start::of("nsenter").args(["--target", &target, "--mount", "test", "-x"]).args([probe()]);
        start.run().status.success()
    };
    let comes_back = *COMES_BACK.get_or_init(comes_back);
    if !comes_back {
        skip("this root is not that of its mount namespace (a chroot), or may not be entered");
    }
    comes_back
}

/// True if the proof is to try everything (`RINI_PROOF=long`). Otherwise it tries what a change can wait for.
pub fn is_long() -> bool {
    std::env::var("RINI_PROOF").as_deref() == Ok("long")
}

/// Writes the result for a reader, to target/proof/PART.md.
pub fn write_proof(part: &str, title: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/proof");
    fs::create_dir_all(&folder).unwrap();
    let form = if is_long() { "The long form (`RINI_PROOF=long`)." } else { "The short form." };
    fs::write(folder.join(format!("{part}.md")), format!("## {title}\n\n{form}\n{text}")).unwrap();
}
