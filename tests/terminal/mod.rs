//! Pseudo-terminals: the foreground process group, and job control under interactive shells.
//!
//! The terminals here do not echo and do not change what is written to them, so everything that the test reads was
//! printed by a program. A signal key does not drop unread output. The shells' prompt is a whole line.

use crate::support::{
    Running, Start, beside, bit, blocked_in, called, children_of, limit, namespaces, probe, probing, rini, skip, state,
    status_field, until,
};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{InputFlags, LocalFlags, OutputFlags, SetArg, tcgetattr, tcsetattr};
use nix::unistd::{Pid, mkfifo, tcgetpgrp};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Instant;
use tempfile::TempDir;

pub const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
pub const CTRL_BACKSLASH: &str = "\x1c";
pub const CTRL_Z: &str = "\x1a";

/// The shells' prompt.
const PROMPT: &str = "-prompt-";

/// A child that prints that it runs, and then reads from the terminal.
const READER: &str = "echo ready; read x; echo got $x";

/// Interactive shells with job control.
const SHELLS: [&str; 2] = ["bash", "dash"];

/// The master side of a pseudo-terminal.
pub struct Pty {
    master: File,
    /// Output that was read, and not yet returned.
    text: String,
}

impl Pty {
    /// Opens a new one. Returns its other side too.
    fn open() -> (Pty, OwnedFd) {
        let check = |result: i32| {
            assert!(result >= 0, "{}", io::Error::last_os_error());
            result
        };
        let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
        // SAFETY: The system calls get numbers and a local. Each descriptor gets its one owner.
        let (master, slave) = unsafe {
            let master = File::from_raw_fd(check(libc::posix_openpt(flags)));
            let unlocked = 0;
            check(libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked));
            let slave = check(libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags));
            (master, OwnedFd::from_raw_fd(slave))
        };
        let mut modes = tcgetattr(&slave).unwrap();
        modes.local_flags.remove(LocalFlags::ECHO);
        modes.local_flags.insert(LocalFlags::NOFLSH);
        modes.output_flags.remove(OutputFlags::OPOST);
        modes.input_flags.remove(InputFlags::IXON);
        tcsetattr(&slave, SetArg::TCSANOW, &modes).unwrap();
        (Pty { master, text: String::new() }, slave)
    }

    /// The terminal's path in the file system.
    fn path(&self) -> String {
        let mut number = 0_u32;
        // SAFETY: The call gets room for the number, which outlives it.
        let got = unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCGPTN, &raw mut number) };
        assert_eq!(got, 0, "{}", io::Error::last_os_error());
        format!("/dev/pts/{number}")
    }

    /// Types keys.
    pub fn keys(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Types a line.
    fn line(&mut self, line: &str) {
        self.keys(&format!("{line}\n"));
    }

    /// The next printed line.
    pub fn next(&mut self) -> String {
        self.take_until("\n")
    }

    /// Waits until a container's terminal has echoed these keys. A key that makes a signal drops output that nobody has
    /// read, and the echo comes after that (termios(3), NOFLSH).
    pub fn expect_echo(&mut self, keys: &str) {
        self.take_until(keys);
    }

    /// Returns the output before this text, and removes the text.
    fn take_until(&mut self, end_of_it: &str) -> String {
        let end = Instant::now() + limit();
        loop {
            if let Some((before, rest)) = self.text.split_once(end_of_it) {
                let before = before.to_owned();
                self.text = rest.to_owned();
                return before;
            }
            let mut poll = libc::pollfd { fd: self.master.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            let left = end.saturating_duration_since(Instant::now()).as_millis() as i32;
            // SAFETY: The call gets one pollfd, which outlives it.
            let ready = unsafe { libc::poll(&raw mut poll, 1, left) };
            assert_eq!(ready, 1, "no more lines; in the last one: {:?}", self.text);
            let mut bytes = [0; 4096];
            match self.master.read(&mut bytes) {
                Ok(length) => self.text.push_str(std::str::from_utf8(&bytes[..length]).unwrap()),
                // EIO: nobody has the other side open any more.
                Err(error) => panic!("no more lines ({error}); in the last one: {:?}", self.text),
            }
        }
    }

    /// Waits for such a line. Drops the lines before it, and prints them if it does not come.
    fn find(&mut self, wanted: impl Fn(&str) -> bool, what: &str) -> String {
        let mut seen = Lines { what, lines: Vec::new() };
        loop {
            let line = self.next();
            if wanted(&line) {
                seen.lines.clear();
                return line;
            }
            seen.lines.push(line);
        }
    }

    /// Waits for exactly this line.
    fn expect(&mut self, line: &str) {
        self.find(|printed| printed == line, line);
    }

    /// Waits for a line that contains this.
    pub fn expect_with(&mut self, part: &str) -> String {
        self.find(|printed| printed.contains(part), part)
    }

    /// The terminal's foreground process group.
    fn foreground(&self) -> Pid {
        tcgetpgrp(&self.master).unwrap()
    }

    /// Waits until this is the terminal's foreground process group.
    fn until_foreground(&self, group: Pid) {
        until("the terminal is given over", || self.foreground() == group);
    }
}

/// Prints the dropped lines if the wait for one fails.
struct Lines<'a> {
    what: &'a str,
    lines: Vec<String>,
}

impl Drop for Lines<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = writeln!(io::stderr(), "waited for {:?}, and passed over {:#?}", self.what, self.lines);
        }
    }
}

/// A process that has a pseudo-terminal as its controlling terminal and on all three standard streams. It leads its
/// session. Dropping it kills the session.
pub struct Session {
    pty: Pty,
    pub leader: Pid,
    running: Option<Running>,
}

impl std::ops::Deref for Session {
    type Target = Pty;
    fn deref(&self) -> &Pty {
        &self.pty
    }
}

impl std::ops::DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Pty {
        &mut self.pty
    }
}

impl Session {
    /// Starts a command as the leader of a session with a terminal.
    pub fn of(start: Start) -> Session {
        Session::with(start, |command| {
            // SAFETY: The closure runs in a forked child and makes system calls only.
            unsafe { command.pre_exec(|| new_session().and_then(|()| control(0))) }
        })
    }

    /// rini as the leader of a session.
    fn rini<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> Session {
        Session::of(beside(args))
    }

    /// rini as PID 1 and the leader of a session, as `docker run -it` starts it.
    fn pid1<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> Session {
        Session::first(Start::of("setsid").args(["--ctty".as_ref(), rini().as_os_str()]).args(args))
    }

    /// Starts a command as PID 1. setsid(1) need not fork there, because the group of PID 1 is one outside its
    /// namespace.
    fn first(start: Start) -> Session {
        Session::with(start.in_namespace(), |command| command)
    }

    fn shell_script(script: &str) -> Session {
        Session::of(Start::of("sh").args(["-c", script]))
    }

    /// An interactive shell with job control, at its prompt.
    fn shell(name: &str) -> Session {
        Session::shell_of(name, |start| start)
    }

    fn shell_of(name: &str, change: impl FnOnce(Start) -> Start) -> Session {
        let mut shell = Session::of(change(Start::of(name).args(options_of(name))));
        shell.expect(PROMPT);
        shell
    }

    fn with(start: Start, change: impl FnOnce(&mut Command) -> &mut Command) -> Session {
        let (pty, slave) = Pty::open();
        let running = start
            .env("PS1", format!("{PROMPT}\n"))
            .env("LC_ALL", "C")
            .env("HISTFILE", "")
            .env("RINI", rini())
            .with(|command| {
                command.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap()).stderr(slave);
                command.env_remove("ENV").env_remove("BASH_ENV").env_remove("PROMPT_COMMAND");
                // SAFETY: The closure runs in a forked child and makes system calls only. The limit keeps ^\ from
                // leaving core files.
                unsafe {
                    command.pre_exec(|| {
                        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
                        check(libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit))?;
                        limit.rlim_cur = 0;
                        check(libc::setrlimit(libc::RLIMIT_CORE, &raw const limit))
                    })
                };
                change(command)
            })
            .spawn();
        Session { pty, leader: running.pid(), running: Some(running) }
    }

    /// Types a command, and returns the lines up to the next prompt.
    fn run(&mut self, command: &str) -> Vec<String> {
        self.line(command);
        let mut lines = Vec::new();
        loop {
            match self.next() {
                line if line == PROMPT => return lines,
                line => lines.push(line),
            }
        }
    }

    /// Asserts that the shell reads and runs a command, for which it must have the terminal.
    fn assert_shell_answers(&mut self) {
        self.line("echo answer $((6 * 7))");
        self.expect("answer 42");
        self.expect(PROMPT);
        assert_eq!(self.foreground(), self.leader);
    }

    /// The shell's only job, which is rini.
    fn job(&self) -> Job {
        let only = |parent| {
            until("there is one child", || children_of(parent).len() == 1);
            children_of(parent)[0]
        };
        let rini = only(self.leader);
        Job { rini, child: only(rini) }
    }

    /// rini's job, if rini leads the session.
    fn own_job(&self) -> Job {
        until("there is one child", || children_of(self.leader).len() == 1);
        Job { rini: self.leader, child: children_of(self.leader)[0] }
    }

    /// Closes the master side, which is what the end of a terminal emulator or of sshd does. The kernel sends SIGHUP to the leader
    /// and to the foreground group, and a read from the other side gives an error or the end.
    pub fn hang_up(&mut self) {
        self.pty.master = File::open("/dev/null").unwrap();
    }

    /// Waits for its exit, and returns the code.
    pub fn code(self) -> i32 {
        let status = self.status();
        status.code().unwrap_or_else(|| panic!("{status}"))
    }

    /// Waits for its exit, which may be by a signal.
    fn status(mut self) -> ExitStatus {
        self.running.take().unwrap().finish().status
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.running.is_none() {
            return;
        }
        // The leader stays a zombie until `running` is dropped, so nobody else can get the session's number before.
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).map(Pid::from_raw);
            if let Some(pid) = pid.filter(|pid| session_of(*pid) == Some(self.leader)) {
                let _ = kill(pid, Signal::SIGKILL);
            }
        }
    }
}

/// rini and its child.
#[derive(Clone, Copy)]
struct Job {
    rini: Pid,
    child: Pid,
}

impl Job {
    fn until_stopped(self) {
        until("rini and its child are stopped", || is_stopped(self.rini) && is_stopped(self.child));
    }

    fn until_continued(self) {
        until("neither rini nor its child is stopped", || !is_stopped(self.rini) && !is_stopped(self.child));
    }

    /// Asserts that rini has seen its child's stop, and has left it stopped.
    ///
    /// The child needs handlers for SIGUSR1 and SIGUSR2. rini looks at its children before each wait for a signal. When
    /// it forwards the second of two signals, it has looked since the first.
    fn assert_stays_stopped(self) {
        for signal in [Signal::SIGUSR1, Signal::SIGUSR2] {
            kill(self.rini, signal).unwrap();
            until("the signal is pending for the child", || {
                is_pending(self.child, signal as i32) || !is_stopped(self.child)
            });
        }
        assert!(is_stopped(self.child), "it was continued");
    }
}

/// A named pipe: a child can wait for it without the terminal.
struct Fifo {
    file: File,
    path: PathBuf,
    _folder: TempDir,
}

impl Fifo {
    fn new() -> Fifo {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        // It is open in both directions, so no open of it blocks.
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
        Fifo { file, path, _folder: folder }
    }

    fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    fn line(&mut self, line: &str) {
        writeln!(self.file, "{line}").unwrap();
    }
}

/// A PATH in which the search for a program takes a second, because its first 60,000 directories do not exist. The
/// child searches it before its exec.
struct LongPath(TempDir);

impl LongPath {
    fn new() -> LongPath {
        let folder = tempfile::tempdir().unwrap();
        // A chain of links takes longer to follow. The kernel follows 40.
        for link in 0..38 {
            let name = |link: u32| if link == 0 { "l".to_owned() } else { format!("link{link}") };
            std::os::unix::fs::symlink(name(link + 1), folder.path().join(name(link))).unwrap();
        }
        LongPath(folder)
    }

    /// Sets this up for `PATH=$LONG "$RINI" ...`.
    fn of(&self, start: Start) -> Start {
        let path = format!("{}{}", "l:".repeat(60_000), std::env::var("PATH").unwrap());
        start.env("LONG", path).with(|command| command.current_dir(self.0.path()))
    }

    /// Asserts that a process has not become the program yet.
    fn assert_is_in_it(child: Pid) {
        let file = fs::read_link(format!("/proc/{child}/exe")).unwrap();
        assert_eq!(file, fs::canonicalize(rini()).unwrap(), "it is still before its exec");
    }
}

/// The options that make a shell interactive, and do nothing else.
fn options_of(shell: &str) -> &'static [&'static str] {
    if shell == "bash" { &["--norc", "--noprofile", "--noediting", "-i"] } else { &["-i"] }
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn new_session() -> io::Result<()> {
    // SAFETY: The system call has no arguments.
    check(unsafe { libc::setsid() })
}

/// Makes a terminal the controlling terminal of the caller, which leads the session.
fn control(terminal: i32) -> io::Result<()> {
    // SAFETY: The system call takes numbers only.
    check(unsafe { libc::ioctl(terminal, libc::TIOCSCTTY, 0) })
}

fn is_stopped(pid: Pid) -> bool {
    state(pid) == Some('T')
}

fn is_pending(pid: Pid, signal: i32) -> bool {
    u64::from_str_radix(&status_field(pid, "ShdPnd"), 16).unwrap() & bit(signal) != 0
}

fn session_of(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let session = stat.rsplit_once(") ")?.1.split(' ').nth(3)?;
    Some(Pid::from_raw(session.parse().ok()?))
}

fn signal(pid: Pid, signal: Signal) {
    kill(pid, signal).unwrap();
}

// The terminal hangs up.

/// rini does not lead the session, so the kernel sends it no SIGHUP.
#[test]
fn a_terminal_that_hangs_up_starts_a_stop() {
    for is_on in [true, false] {
        let (mut pty, slave) = Pty::open();
        let options: &[&str] = if is_on { &["-v", "--stop-on-stdin-close"] } else { &["-v"] };
        let mut run = beside(probing(options, &["signals", "15"])).with(|command| command.stdin(slave)).spawn();
        assert!(run.line().starts_with("ready "));
        let call = if is_on { libc::SYS_ppoll } else { libc::SYS_rt_sigtimedwait };
        let until_it_waits = |run: &Running| until("it waits", || blocked_in(run.pid())[0] == call.to_string());
        until_it_waits(&run);
        pty.line("a line that nobody reads");
        run.signal(28);
        assert!(run.line().starts_with("signal 28 "));
        until_it_waits(&run);
        drop(pty);
        if !is_on {
            // The next signal is the one from here.
            run.signal(15);
        }
        assert!(run.line().starts_with("signal 15 "));
        let output = run.finish();
        assert_eq!(output.code(), 0);
        assert_eq!(output.err.iter().any(|line| line.contains("standard input was closed")), is_on, "{output:?}");
    }
}

/// The session's leader gets the kernel's SIGHUP, too, which most programs end by.
#[test]
fn a_terminal_of_rini_s_own_that_hangs_up_ends_the_program_or_stops_it() {
    for ignored in ["", "trap '' HUP;"] {
        let script = format!("{ignored} trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done");
        let mut session = Session::rini(["--stop-on-stdin-close", "--", "sh", "-c", &script]);
        session.expect("ready");
        until("it waits", || blocked_in(session.leader)[0] == libc::SYS_ppoll.to_string());
        let Session { pty, running, .. } = &mut session;
        let (unused, _) = Pty::open();
        drop(std::mem::replace(pty, unused));
        let code = running.take().unwrap().finish().code();
        assert!(code == 7 || ignored.is_empty() && code == 128 + libc::SIGHUP, "{ignored}: {code}");
    }
}

// The child gets the terminal.

/// tino's child reads for ever: it never becomes the foreground group of the session that tino makes.
#[test]
fn the_child_reads_from_the_terminal() {
    let mut session = Session::rini(["--", "sh", "-c", READER]);
    session.expect("ready");
    let job = session.own_job();
    assert_eq!(session.foreground(), job.child, "before the child's first line it has the terminal");
    session.line("hello");
    session.expect("got hello");
    assert_eq!(session.code(), 0);
}

/// tini looks for the terminal on standard input, so SIGTTIN stops its child for ever. dumb-init's child has no
/// /dev/tty.
#[test]
fn with_stdin_redirected_the_child_reads_dev_tty() {
    let mut session = Session::shell_script(r#""$RINI" -- sh -c 'read x </dev/tty; echo got $x' </dev/null"#);
    session.line("hello");
    session.expect("got hello");
    assert_eq!(session.code(), 0);
}

/// tini exits with 1 and "tcsetpgrp failed: Bad file descriptor".
#[test]
fn standard_streams_may_be_closed() {
    // The child finds these descriptors as closed as rini found them. rini's own descriptor for the terminal has the
    // lowest free number.
    let child = "for n in $*; do [ ! -e /proc/$$/fd/$n ] || exit 1; done; read x </dev/tty; [ $x = hello ] && exit 7";
    for closed in ["0", "1", "2", "0 1", "0 1 2"] {
        let redirections: String = closed.split(' ').map(|n| format!(" {n}>&-")).collect();
        let script = |closed: &str| format!(r#""$RINI" -- sh -c '{child}' sh {closed} {redirections}"#);
        let mut session = Session::shell_script(&script(closed));
        session.line("hello");
        assert_eq!(session.code(), 7, "{closed}");
        // The negative control: the child would see an open one.
        assert_eq!(Session::shell_script(&script("0 1 2 /")).code(), 1, "{closed}");
    }
}

// No error of the terminal is fatal.

/// tini treats every error of tcsetpgrp as fatal, except ENOTTY and ENXIO ("tcsetpgrp failed: Permission denied").
#[test]
fn a_terminal_that_has_hung_up_is_no_obstacle() {
    let start = beside(["--", "sh", "-c", "exit 7"]).ignored(bit(libc::SIGHUP)).with(|command| {
        // SAFETY: The closure runs in a forked child and makes system calls only.
        unsafe { command.pre_exec(|| hung_up_terminal(true)) }
    });
    let output = start.run();
    assert_eq!((output.code(), output.err), (7, vec![]));
    // The negative control: before the hang-up there is a controlling terminal.
    for (hung_up, wanted) in [(false, 0), (true, 1)] {
        let start =
            Start::of("sh").args(["-c", "[ -t 0 ] && : </dev/tty"]).ignored(bit(libc::SIGHUP)).with(|command| {
                // SAFETY: See above.
                unsafe { command.pre_exec(move || hung_up_terminal(hung_up)) }
            });
        let code = start.run().code();
        assert_eq!(code.min(1), wanted, "hung up: {hung_up}");
    }
}

/// Makes a session whose controlling terminal, on standard input, has lost its other side. For a forked child.
fn hung_up_terminal(hung_up: bool) -> io::Result<()> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    new_session()?;
    // SAFETY: The system calls get numbers and a local. The exec inherits the descriptor that stays open.
    unsafe {
        let master = libc::posix_openpt(flags);
        check(master)?;
        let unlocked = 0;
        check(libc::ioctl(master, libc::TIOCSPTLCK, &raw const unlocked))?;
        let slave = libc::ioctl(master, libc::TIOCGPTPEER, flags);
        check(slave)?;
        check(libc::dup2(slave, 0))?;
        control(0)?;
        // The hang-up sends SIGHUP to the leader of the session.
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
        if hung_up { check(libc::close(master)) } else { check(libc::fcntl(master, libc::F_SETFD, 0)) }
    }
}

/// `lxc-start -F` leaves the terminal to process 1 of its container. Under tini and catatonit ^C does nothing there.
/// dumb-init's child leads a session and works like rini's.
#[test]
fn a_terminal_that_is_nobody_s_becomes_the_child_s() {
    let leads = |command: &mut Command| {
        // SAFETY: The closure runs in a forked child and makes a system call only.
        unsafe { command.pre_exec(new_session) };
    };
    let mut sessions = vec![Session::with(beside(["--", "sh", "-c", READER]), |command| {
        leads(command);
        command
    })];
    if namespaces() {
        let start = Start::of("setsid").args([rini()]).args(["--", "sh", "-c", READER]);
        sessions.push(Session::first(start));
    }
    for mut session in sessions {
        session.expect("ready");
        let job = session.own_job();
        assert_eq!(session.foreground(), job.child);
        session.line("hello");
        session.expect("got hello");
        assert_eq!(session.code(), 0);
    }
    // ^C, and the negative controls: under the names of inits that leave such a terminal alone.
    for (name, taken) in [("rini", true), ("tini", false), ("catatonit", false)] {
        let mut session = Session::with(called(name).args(["sh", "-c", READER]), |command| {
            leads(command);
            command
        });
        session.expect_with("ready");
        assert_eq!(session.foreground().as_raw() != 0, taken, "{name}");
        if taken {
            session.keys(CTRL_C);
            assert_eq!(session.status().signal(), Some(libc::SIGINT));
        } else {
            session.line("hello");
            session.expect("got hello");
            assert_eq!(session.code(), 0);
        }
    }
}

/// rini does not take a terminal on standard output alone either, such as a service's console.
#[test]
fn a_terminal_of_another_session_is_not_taken() {
    let script = "setsid --wait \"$RINI\" -- sh -c \"$READER\"; echo end $?; read x; echo then $x";
    let mut session = Session::of(Start::of("sh").args(["-c", script]).env("READER", READER));
    session.expect("ready");
    assert_eq!(session.foreground(), session.leader);
    session.line("hello");
    session.expect("got hello");
    session.expect("end 0");
    session.line("again");
    session.expect("then again");
    assert_eq!(session.code(), 0);

    let (mut output, slave) = Pty::open();
    let start = beside(["--", "sh", "-c", "echo ready; exit 7"]).with(|command| {
        command.stdout(slave);
        // SAFETY: The closure runs in a forked child and makes a system call only.
        unsafe { command.pre_exec(new_session) }
    });
    let running = start.spawn();
    output.expect("ready");
    assert_eq!(output.foreground(), Pid::from_raw(0));
    assert_eq!(running.finish().code(), 7);
}

#[test]
fn a_terminal_on_stdin_that_is_not_the_controlling_one_is_only_read_from() {
    let (mut other, _slave) = Pty::open();
    let script = format!(r#""$RINI" -- sh -c '{READER}; read x </dev/tty; echo then $x' <{}"#, other.path());
    let mut session = Session::shell_script(&script);
    session.expect("ready");
    assert_eq!(other.foreground(), Pid::from_raw(0));
    other.line("hello");
    session.expect("got hello");
    session.line("again");
    session.expect("then again");
    assert_eq!(session.code(), 0);
}

#[test]
fn without_dev_tty_the_terminal_is_found_on_any_standard_stream() {
    if !namespaces() {
        return;
    }
    for terminal in [0, 1, 2] {
        // The empty /dev has no null either, so a pipe takes its place.
        let others: String =
            [0, 1, 2].iter().filter(|n| **n != terminal).map(|n| format!(" {n}</proc/version")).collect();
        let child = format!(
            "[ ! -e /dev/tty ] || exit 1; echo ready >&{terminal}; read x <&{terminal}; \
                             echo got $x >&{terminal}"
        );
        let script = format!(
            r#"mount --make-rprivate / && mount -t tmpfs none /dev && exec "$RINI" -- sh -c '{child}' {others}"#
        );
        let mut session = Session::of(Start::of("unshare").args(["--mount", "sh", "-c", &script]));
        session.expect("ready");
        assert_eq!(session.foreground(), session.own_job().child, "stream {terminal}");
        session.line("hello");
        session.expect("got hello");
        assert_eq!(session.code(), 0);
    }
}

// Job control under an interactive shell.

/// tini and catatonit take the terminal. The shell's next read then fails with EIO, and the shell exits.
#[test]
fn a_job_in_the_background_leaves_the_terminal_to_the_shell() {
    for name in SHELLS {
        let mut fifo = Fifo::new();
        let command = format!(r#""$RINI" -- sh -c 'echo ready; read x <{}; echo fifo $x'"#, fifo.path());
        let mut shell = Session::shell(name);
        shell.line(&format!("{command} &"));
        // The prompt may come before the line or after it. The answers show that the shell has the terminal.
        shell.expect("ready");
        for _ in 0..3 {
            shell.assert_shell_answers();
        }
        fifo.line("hello");
        shell.expect("fifo hello");
        shell.run("wait");
        shell.assert_shell_answers();
        // The negative control: in the foreground rini's child has it.
        shell.line(&command);
        shell.expect("ready");
        assert_eq!(shell.foreground(), shell.job().child, "{name}");
        fifo.line("again");
        shell.expect("fifo again");
        shell.expect(PROMPT);
        shell.assert_shell_answers();
    }
}

/// rini and its child are in state T after the ^Z, and neither is after `fg`. `dumb-init -c` stops and its child runs
/// on. tini's child stops and tini runs on, while the shell waits for it. catatonit's child has SIGTSTP blocked.
#[test]
fn ctrl_z_stops_rini_and_its_child_and_fg_resumes_both() {
    for name in SHELLS {
        let mut shell = Session::shell(name);
        shell.line(&format!(r#""$RINI" -- sh -c '{READER}; read x; echo then $x; exit 7'"#));
        shell.expect("ready");
        let job = shell.job();
        for typed in ["hello", "again"] {
            assert_eq!(shell.foreground(), job.child, "{name}");
            shell.keys(CTRL_Z);
            shell.expect_with("Stopped");
            shell.expect(PROMPT);
            job.until_stopped();
            shell.assert_shell_answers();
            let jobs = shell.run("jobs");
            assert!(jobs.iter().any(|line| line.contains("Stopped")), "{name}: {jobs:?}");
            shell.line("fg");
            job.until_continued();
            shell.until_foreground(job.child);
            shell.line(typed);
            shell.expect(&format!("{} {typed}", if typed == "hello" { "got" } else { "then" }));
        }
        shell.expect(PROMPT);
        assert_eq!(shell.run("echo status $?"), ["status 7"], "{name}");
    }
}

#[test]
fn bg_resumes_a_stopped_job_without_the_terminal() {
    for name in SHELLS {
        let mut fifo = Fifo::new();
        let mut shell = Session::shell(name);
        let script = format!("echo ready; read x <{}; echo fifo $x; {READER}", fifo.path());
        shell.line(&format!(r#""$RINI" -- sh -c '{script}'"#));
        shell.expect("ready");
        let job = shell.job();
        shell.keys(CTRL_Z);
        shell.expect_with("Stopped");
        shell.expect(PROMPT);
        job.until_stopped();
        shell.run("bg");
        job.until_continued();
        shell.assert_shell_answers();
        fifo.line("hello");
        shell.expect("fifo hello");
        shell.expect("ready");
        // The child reads from the terminal in the background. The job stops again, and the shell sees the reason.
        job.until_stopped();
        until("the shell says why the job stopped", || {
            shell.run("jobs -l").iter().any(|line| line.contains("tty input"))
        });
        shell.assert_shell_answers();
        shell.line("fg");
        shell.until_foreground(job.child);
        shell.line("again");
        shell.expect("got again");
        shell.expect(PROMPT);
        shell.assert_shell_answers();
    }
}

/// bash sends no SIGCONT to a job that it knows to be running, so rini gets no signal when it is in the foreground
/// again.
#[test]
fn a_running_job_that_is_brought_to_the_foreground_can_read() {
    for name in SHELLS {
        let mut fifo = Fifo::new();
        let mut shell = Session::shell(name);
        let script = format!("echo started; read x <{}; {READER}", fifo.path());
        shell.line(&format!(r#""$RINI" -- sh -c '{script}' &"#));
        shell.expect("started");
        let job = shell.job();
        shell.assert_shell_answers();
        shell.line("fg");
        until("the shell gives the terminal away", || shell.foreground() != shell.leader);
        fifo.line("go");
        shell.expect("ready");
        shell.line("hello");
        shell.expect("got hello");
        shell.expect(PROMPT);
        assert_eq!(state(job.rini), None);
        shell.assert_shell_answers();
    }
}

#[test]
fn a_job_that_reads_in_the_background_stops_and_fg_resumes_it() {
    for name in SHELLS {
        let mut shell = Session::shell(name);
        shell.line(&format!(r#""$RINI" -- sh -c '{READER}' &"#));
        shell.expect("ready");
        let job = shell.job();
        job.until_stopped();
        shell.assert_shell_answers();
        shell.line("fg");
        shell.until_foreground(job.child);
        shell.line("hello");
        shell.expect("got hello");
        shell.expect(PROMPT);
        shell.assert_shell_answers();
    }
}

#[test]
fn fg_resumes_every_member_of_a_pipeline() {
    for name in SHELLS {
        let mut shell = Session::shell(name);
        shell.line(r#""$RINI" -- sh -c 'cat | cat; echo end $?'"#);
        let job = shell.job();
        until("both cats are there", || {
            let name = |pid| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            children_of(job.child).iter().filter(|pid| name(**pid) == "cat\n").count() == 2
        });
        let cats = children_of(job.child);
        for typed in ["hello", "again"] {
            shell.keys(CTRL_Z);
            shell.expect_with("Stopped");
            shell.expect(PROMPT);
            job.until_stopped();
            until("both cats are stopped", || cats.iter().all(|cat| is_stopped(*cat)));
            if typed == "again" {
                // If somebody continues the child alone, rini changes nothing, and `fg` still works.
                signal(job.child, Signal::SIGCONT);
                until("the child runs", || !is_stopped(job.child));
                assert!(cats.iter().all(|cat| is_stopped(*cat)));
            }
            shell.line("fg");
            job.until_continued();
            until("both cats run", || cats.iter().all(|cat| !is_stopped(*cat)));
            shell.line(typed);
            shell.expect(typed);
        }
        shell.keys(CTRL_D);
        shell.expect("end 0");
        shell.expect(PROMPT);
        shell.assert_shell_answers();
    }
}

/// rini shares its process group with the script that started it.
#[test]
fn ctrl_z_stops_the_script_around_rini_too() {
    for name in SHELLS {
        let mut shell = Session::shell(name);
        shell.line(&format!(r#"sh -c '"$RINI" -- sh -c "{}"; echo end $?'"#, READER.replace('$', "\\$")));
        shell.expect("ready");
        let script = children_of(shell.leader)[0];
        let rini = children_of(script)[0];
        let job = Job { rini, child: children_of(rini)[0] };
        shell.keys(CTRL_Z);
        shell.expect_with("Stopped");
        shell.expect(PROMPT);
        job.until_stopped();
        until("the script is stopped", || is_stopped(script));
        shell.assert_shell_answers();
        shell.line("fg");
        job.until_continued();
        until("the script runs", || !is_stopped(script));
        shell.line("hello");
        shell.expect("got hello");
        shell.expect("end 0");
        shell.expect(PROMPT);
        shell.assert_shell_answers();
    }
}

/// A shell under rini does this at `suspend`.
#[test]
fn a_child_that_stops_itself_gives_the_shell_the_terminal() {
    for name in SHELLS {
        let mut shell = Session::shell(name);
        shell.line(&format!(r#""$RINI" -- sh -c 'kill -STOP $$; {READER}'"#));
        shell.expect_with("Stopped");
        shell.expect(PROMPT);
        let job = shell.job();
        job.until_stopped();
        shell.assert_shell_answers();
        shell.line("fg");
        shell.expect("ready");
        shell.line("hello");
        shell.expect("got hello");
        shell.expect(PROMPT);
        shell.assert_shell_answers();
    }
}

/// The shell sends `kill -TSTP` of a job to rini's process group.
#[test]
fn a_stop_sent_to_the_job_stops_both_and_bg_resumes_both() {
    for name in SHELLS {
        let mut fifo = Fifo::new();
        let mut shell = Session::shell(name);
        shell.line(&format!(r#""$RINI" -- sh -c 'echo ready; read x <{}; echo fifo $x' &"#, fifo.path()));
        shell.expect("ready");
        let job = shell.job();
        for _ in 0..2 {
            shell.line("kill -s TSTP %1");
            job.until_stopped();
            until("the shell sees it", || shell.run("jobs").iter().any(|line| line.contains("Stopped")));
            shell.run("bg");
            job.until_continued();
        }
        fifo.line("hello");
        shell.expect("fifo hello");
        shell.assert_shell_answers();
    }
}

#[test]
fn ctrl_c_and_ctrl_backslash_end_the_child() {
    for name in SHELLS {
        let mut shell = Session::shell(name);
        for (key, code) in [(CTRL_C, 130), (CTRL_BACKSLASH, 131)] {
            shell.line(r#""$RINI" -- sh -c 'echo ready; read x; exit 1'"#);
            shell.expect("ready");
            shell.keys(key);
            shell.expect(PROMPT);
            assert_eq!(shell.run("echo status $?"), [format!("status {code}")], "{name}");
        }
    }
}

/// tini, dumb-init and catatonit leave the terminal to a group that is gone. The script is stopped, or reads EIO.
#[test]
fn a_script_reads_from_the_terminal_after_its_rini() {
    let ends = [("true", 0, ""), ("/nonexistent", 127, ""), ("sh -c \"echo ready; read x\"", 130, CTRL_C)];
    for (child, code, keys) in ends {
        // The script gets the ^C too. Its trap lets it go on.
        let script = format!(r#"trap : INT; "$RINI" -- {child}; echo end $?; read x; echo got $x"#);
        let mut session = Session::shell_script(&script);
        if !keys.is_empty() {
            session.expect("ready");
            session.keys(keys);
        }
        session.expect(&format!("end {code}"));
        assert_eq!(session.foreground(), session.leader);
        session.line("hello");
        session.expect("got hello");
        assert_eq!(session.code(), 0, "{child}");
    }
}

/// Leftover processes have no terminal, so ^C must reach rini.
#[test]
fn after_the_child_ctrl_c_stops_leftover_processes() {
    let script = r#"(setsid "$0" signals 2 &); read x; exit 3"#;
    let probe = probe();
    let words = ["--after-exit", "wait", "--", "sh", "-c", script].map(OsString::from);
    let words: Vec<_> = words.into_iter().chain([probe.clone().into()]).collect();
    let mut sessions = vec![Session::rini(&words)];
    if namespaces() {
        sessions.push(Session::pid1(&words));
    }
    for mut session in sessions {
        session.expect_with("ready ");
        let child = children_of(session.leader)[0];
        assert_eq!(session.foreground(), child);
        session.line("");
        session.until_foreground(session.leader);
        session.keys(CTRL_C);
        session.expect_with("signal 2 code 0 ");
        assert_eq!(session.code(), 3);
    }
    for name in SHELLS {
        let mut shell = Session::shell(name);
        shell.line(&format!(r#""$RINI" --after-exit wait sh -c '{script}' {}"#, probe.display()));
        shell.expect_with("ready ");
        // rini may have adopted the daemon already, after its child.
        let rini = children_of(shell.leader)[0];
        assert_eq!(shell.foreground(), children_of(rini)[0]);
        shell.line("");
        shell.until_foreground(rini);
        shell.keys(CTRL_C);
        shell.expect_with("signal 2 code 0 ");
        shell.expect(PROMPT);
        assert_eq!(shell.run("echo status $?"), ["status 3"], "{name}");
        shell.assert_shell_answers();
    }
}

/// ^Z stops rini, as it stops any job, and `fg` continues it.
#[test]
fn after_the_child_ctrl_z_stops_rini() {
    let probe = probe();
    for name in SHELLS {
        let mut shell = Session::shell(name);
        let script = r#"(setsid "$0" signals 2 &); read x; exit 3"#;
        shell.line(&format!(r#""$RINI" --after-exit wait sh -c '{script}' {}"#, probe.display()));
        shell.expect_with("ready ");
        let rini = children_of(shell.leader)[0];
        shell.line("");
        shell.until_foreground(rini);
        shell.keys(CTRL_Z);
        shell.expect_with("Stopped");
        shell.expect(PROMPT);
        assert!(is_stopped(rini));
        shell.assert_shell_answers();
        shell.line("fg");
        shell.until_foreground(rini);
        until("rini runs", || !is_stopped(rini));
        shell.keys(CTRL_C);
        shell.expect_with("signal 2 code 0 ");
        shell.expect(PROMPT);
        assert_eq!(shell.run("echo status $?"), ["status 3"], "{name}");
    }
}

/// A leftover process that reads from the terminal stops. If rini continued it, it would stop again, for ever.
#[test]
fn a_leftover_reader_is_not_continued_again_and_again() {
    let reader = r#"trap "echo got SIGTERM" TERM; trap "echo continued" CONT; echo ready; while :; do read x; done"#;
    let script = format!("sh -c '{reader}' </dev/tty & read x; exit 3");
    let mut session = Session::rini(["--after-exit", "terminate", "-t", "1h", "--", "sh", "-c", &script]);
    session.expect("ready");
    let reader = children_of(children_of(session.leader)[0])[0];
    signal(children_of(session.leader)[0], Signal::SIGKILL);
    session.expect_with("SIGKILL, which rini did not send");
    session.expect("got SIGTERM");
    until("the reader is stopped", || is_stopped(reader));
    // rini looks at the leftover processes at each wake-up.
    for _ in 0..3 {
        signal(session.leader, Signal::SIGUSR1);
        until("rini has seen it", || !is_pending(session.leader, Signal::SIGUSR1 as i32));
        blocked_in(session.leader);
    }
    assert!(is_stopped(reader));
    // Its next line is about these two signals, so there was no SIGCONT before. The negative control: this signal does
    // show.
    signal(reader, Signal::SIGTERM);
    signal(reader, Signal::SIGCONT);
    session.expect("got SIGTERM");
    session.expect("continued");
    until("the reader is stopped again", || is_stopped(reader));
    signal(reader, Signal::SIGKILL);
    assert_eq!(session.code(), 137);
}

// Before the child's exec, when the child already has the terminal.

/// The stop does not hold rini up. A shell around rini sees that the job stopped, and `fg` resumes it.
#[test]
fn ctrl_z_before_the_exec_stops_the_job_until_fg() {
    let long = LongPath::new();
    for name in SHELLS {
        let mut shell = Session::shell_of(name, |start| long.of(start));
        shell.line(&format!(r#"PATH=$LONG "$RINI" -- sh -c '{READER}'"#));
        let job = shell.job();
        shell.until_foreground(job.child);
        shell.keys(CTRL_Z);
        LongPath::assert_is_in_it(job.child);
        shell.expect_with("Stopped");
        shell.expect(PROMPT);
        job.until_stopped();
        LongPath::assert_is_in_it(job.child);
        shell.assert_shell_answers();
        shell.line("fg");
        shell.until_foreground(job.child);
        shell.expect("ready");
        shell.line("hello");
        shell.expect("got hello");
        shell.expect(PROMPT);
        shell.assert_shell_answers();
    }
}

/// As process 1 or as the leader of its session, rini undoes a ^Z. A stop that somebody sent does not keep rini from a
/// stop signal.
#[test]
fn a_stop_before_the_exec_does_not_hold_rini() {
    let long = LongPath::new();
    let words = ["-c", r#"PATH=$LONG exec "$RINI" -- sh -c "$READER""#];
    let session = || Session::of(long.of(Start::of("sh").args(words)).env("READER", READER));
    let as_pid_1 = || {
        let start = Start::of("setsid").args(["--ctty", "sh"]).args(words);
        Session::first(long.of(start).env("READER", READER))
    };
    let before_the_exec = |session: &mut Session| {
        let job = session.own_job();
        session.until_foreground(job.child);
        job
    };
    for start in [&session as &dyn Fn() -> Session, &as_pid_1].into_iter().take(if namespaces() { 2 } else { 1 }) {
        let mut session = start();
        let job = before_the_exec(&mut session);
        session.keys(CTRL_Z);
        LongPath::assert_is_in_it(job.child);
        session.expect("ready");
        session.line("hello");
        session.expect("got hello");
        assert_eq!(session.code(), 0);
    }
    let mut session = session();
    let job = before_the_exec(&mut session);
    LongPath::assert_is_in_it(job.child);
    // Nobody else could continue a session leader, so rini undoes this stop, before anybody sees it.
    signal(job.child, Signal::SIGSTOP);
    signal(job.rini, Signal::SIGTERM);
    assert_eq!(session.code(), 143);
}

/// With a terminal rini does not wait for the exec. The child reports whether the exec has failed, and rini then prints
/// no second line.
#[test]
fn at_a_terminal_rini_knows_whether_the_exec_has_failed() {
    let mut session = Session::rini(["-v", "--", "/nonexistent"]);
    session.find(|line| line.contains("/nonexistent"), "the reason");
    session.find(|line| line.contains("INFO rini ran for ") && !line.contains("shell"), "the closing line");
    assert_eq!(session.code(), 127);
    // The negative control: if a program exits with 127, rini explains the code.
    let mut session = Session::rini(["--", "sh", "-c", "exit 127"]);
    session.expect_with("it may be a shell that did not find a command");
    assert_eq!(session.code(), 127);
}

// Exits by a key of the terminal.

/// The shell that runs a script ends it, as without an init in between. tini and catatonit exit with 130, and the
/// script goes on.
#[test]
fn ctrl_c_in_a_program_ends_the_script_around_rini() {
    for name in SHELLS {
        let script = r#"for n in 1 2; do "$RINI" -- sh -c 'echo ready; read x'; echo end $?; done"#;
        let mut session = Session::of(Start::of(name).args(["-c", script]));
        session.expect("ready");
        session.keys(CTRL_C);
        assert_eq!(session.status().signal(), Some(libc::SIGINT), "{name}");
        // The script goes on if the program has handled the key,
        let script = r#""$RINI" -- sh -c 'trap "exit 3" INT; echo ready; read x'; echo end $?"#;
        let mut session = Session::of(Start::of(name).args(["-c", script]));
        session.expect("ready");
        session.keys(CTRL_C);
        session.expect("end 3");
        assert_eq!(session.code(), 0, "{name}");
        // and if the signal was for rini alone.
        let script = r#""$RINI" -- sh -c 'echo ready; read x'; echo end $?"#;
        let mut session = Session::of(Start::of(name).args(["-c", script]));
        session.expect("ready");
        signal(children_of(session.leader)[0], Signal::SIGINT);
        session.expect("end 130");
        assert_eq!(session.code(), 0, "{name}");
    }
}

#[test]
fn rini_ends_by_the_signal_of_the_key_that_ended_the_program() {
    for (key, signal) in [(CTRL_C, libc::SIGINT), (CTRL_BACKSLASH, libc::SIGQUIT)] {
        let status = |start: Start, options: &[&str]| {
            let mut session = Session::of(start.args(options).args(["sh", "-c", "echo ready; read x"]));
            session.expect_with("ready");
            session.keys(key);
            session.status()
        };
        assert_eq!(status(beside(["--"]), &[]).signal(), Some(signal));
        // With a rule for the exit code, rini exits with a code. It does so under another init's name too.
        assert_eq!(status(beside(["-e", &format!("{}:7", 128 + signal)]), &["--"]).code(), Some(7));
        assert_eq!(status(called("tini"), &["-s", "--"]).code(), Some(128 + signal));
        // The signal state in which rini was started makes no difference.
        let number = signal.to_string();
        let words = ["--", probe().to_str().unwrap(), "die", &number].map(str::to_owned);
        let start = beside(words).blocked(bit(signal)).ignored(bit(signal));
        assert_eq!(Session::of(start).status().signal(), Some(signal));
    }
}

/// A core file of rini would be useless, and it would have the name that a user expects for the program's.
#[test]
fn rini_leaves_no_core_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let dumped = |program: &str| {
        let script = format!("ulimit -Sc $(ulimit -Hc); exec {program}");
        let start = Start::of("sh").args(["-c", &script]).with(|command| command.current_dir(folder.path()));
        let mut session = Session::of(start);
        session.expect("ready");
        session.keys(CTRL_BACKSLASH);
        let status = session.status();
        assert_eq!(status.signal(), Some(libc::SIGQUIT), "{program}");
        status.core_dumped()
    };
    assert!(!dumped(r#""$RINI" -- sh -c 'ulimit -c 0; echo ready; read x'"#));
    // The negative control, if this machine writes core files at all.
    if !dumped("sh -c 'echo ready; read x'") {
        skip("no program leaves a core file here");
    }
}

// The terminal's signals, without a shell.

/// dumb-init takes the first SIGHUP and SIGCONT for those of its own hand-over of the terminal, and drops them.
#[test]
fn the_first_sighup_and_sigcont_reach_the_child() {
    // The signals are blocked when rini starts, so they cannot act on it before its first instruction.
    let start = beside(["--".as_ref(), probe().as_os_str(), "signals".as_ref(), "15".as_ref()]);
    let mut session = Session::of(start.blocked(bit(libc::SIGHUP) | bit(libc::SIGCONT)));
    signal(session.leader, Signal::SIGHUP);
    signal(session.leader, Signal::SIGCONT);
    session.expect_with("signal 1 code ");
    session.expect_with("signal 18 code ");
    signal(session.leader, Signal::SIGTERM);
    session.expect_with("signal 15 code ");
    assert_eq!(session.code(), 0);
}

/// The kernel sends SIGHUP to the leader of the session only, which is rini.
#[test]
fn when_the_terminal_hangs_up_the_child_gets_sighup() {
    let fifo = Fifo::new();
    let mut session = Session::rini(["--", "sh", "-c", &format!("echo ready; read x <{}", fifo.path())]);
    session.expect("ready");
    let (unused, _slave) = Pty::open();
    drop(std::mem::replace(&mut session.pty, unused));
    assert_eq!(session.code(), 129);
}

/// rini uses SIGTTOU and SIGTTIN to look at the terminal and to hand it over. The child inherits both as rini found
/// them.
#[test]
fn sigttou_and_sigttin_are_inherited_as_they_were() {
    let (output, input) = (bit(libc::SIGTTOU), bit(libc::SIGTTIN));
    let found = |start: Start, blocked, ignored| {
        let start = start.args([probe().as_os_str(), "state".as_ref()]).blocked(blocked).ignored(ignored);
        let mut session = Session::of(start);
        let mut sets: Vec<_> = (0..4).map(|_| session.expect_with("Sig")).collect();
        sets.sort();
        assert_eq!(session.code(), 0);
        sets
    };
    let mut all = Vec::new();
    for (blocked, ignored) in [(0, 0), (output | input, 0), (0, output | input), (output, input), (input, output)] {
        let under_rini = found(beside(["--"]), blocked, ignored);
        assert_eq!(under_rini, found(Start::of("env"), blocked, ignored));
        all.push(under_rini);
        // The hand-over works too.
        let mut session = Session::of(beside(["--", "sh", "-c", READER]).blocked(blocked).ignored(ignored));
        session.expect("ready");
        assert_eq!(session.foreground(), session.own_job().child);
        session.line("hello");
        session.expect("got hello");
        assert_eq!(session.code(), 0);
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 5, "they differ: {all:?}");
}

// The terminal's foreground job has died with it.

/// SIGTTIN stops tini's child for ever. dumb-init's and catatonit's children cannot read (EIO).
#[test]
fn a_program_whose_job_died_with_the_terminal_gets_it_back() {
    let probe = probe();
    let words = ["--".as_ref(), probe.as_os_str(), "dead-job".as_ref()];
    let mut sessions = vec![Session::rini(words)];
    if namespaces() {
        sessions.push(Session::pid1(words));
    }
    for mut session in sessions {
        session.expect("ready");
        let child = session.own_job().child;
        session.until_foreground(child);
        session.line("hello");
        session.expect("got hello");
        assert_eq!(session.code(), 0);
    }
    // A shell around rini takes the terminal back itself, and has a stopped job.
    for name in SHELLS {
        let mut shell = Session::shell(name);
        shell.line(&format!(r#""$RINI" -- {} dead-job"#, probe.display()));
        shell.expect("ready");
        shell.expect_with("Stopped");
        shell.expect(PROMPT);
        shell.assert_shell_answers();
        let child = shell.job().child;
        shell.line("fg");
        shell.until_foreground(child);
        shell.line("hello");
        shell.expect("got hello");
        shell.expect(PROMPT);
        shell.assert_shell_answers();
    }
}

// Sessions in which nobody could undo a ^Z.

/// Asserts that a ^Z stops the child while rini itself is stopped, and only for a moment while rini runs.
fn assert_ctrl_z_is_undone(session: &mut Session, job: Job) {
    session.keys(CTRL_Z);
    session.line("hello");
    session.expect("got hello");
    session.expect("ready");
    assert_eq!(session.foreground(), job.child);
    signal(job.rini, Signal::SIGSTOP);
    until("rini is stopped", || is_stopped(job.rini));
    session.keys(CTRL_Z);
    until("the child is stopped", || is_stopped(job.child));
    signal(job.rini, Signal::SIGCONT);
    job.until_continued();
    session.line("again");
    session.expect("got again");
}

/// rini leads the session, so its process group is orphaned.
#[test]
fn ctrl_z_does_not_wedge_a_session_of_rinis_own() {
    let mut session = Session::rini(["--", "sh", "-c", &format!("{READER}; {READER}")]);
    session.expect("ready");
    let job = session.own_job();
    assert_ctrl_z_is_undone(&mut session, job);
    assert_eq!(session.code(), 0);
}

#[test]
fn as_pid_1_ctrl_z_does_not_wedge() {
    if !namespaces() {
        return;
    }
    let mut session = Session::pid1(["--", "sh", "-c", &format!("{READER}; {READER}")]);
    session.expect("ready");
    let job = session.own_job();
    assert_ctrl_z_is_undone(&mut session, job);
    assert_eq!(session.code(), 0);
}

/// `unshare --pid --fork rini ...`: rini is PID 1, and its process group is that of unshare, outside its namespace.
/// Inside, all groups outside have the number 0.
fn unshared(args: &[&str]) -> Session {
    let rini = rini();
    let start = Start::of("unshare").args(["--pid", "--fork", "--mount-proc", rini.to_str().unwrap()]).args(args);
    Session::of(start)
}

/// rini could not give the terminal back to a group without a number, so it does not take it, and the child stays in
/// that group. tini, dumb-init and catatonit leave the terminal to a group that is gone, and the script is stopped.
#[test]
fn as_pid_1_of_a_group_outside_rini_leaves_the_terminal_with_it() {
    if !namespaces() {
        return;
    }
    // The first is PID 1 itself, the second its child.
    for around in ["", "sh -c '\"$@\"; exit $?' sh"] {
        let script = format!(
            r#"unshare --pid --fork --mount-proc {around} "$RINI" -- sh -c '{READER}; exit 7'
                echo end $?; read x; echo then $x"#
        );
        let mut session = Session::shell_script(&script);
        session.expect("ready");
        assert_eq!(session.foreground(), session.leader);
        session.line("hello");
        session.expect("got hello");
        session.expect("end 7");
        session.line("again");
        session.expect("then again");
        assert_eq!(session.code(), 0);
    }
}

/// The child gets the terminal's signals from the terminal, and rini does not send them a second time.
#[test]
fn as_pid_1_of_a_group_outside_the_child_gets_a_key_s_signal_once() {
    if !namespaces() {
        return;
    }
    let probe = probe();
    let mut session = unshared(&["-v", "--", probe.to_str().unwrap(), "signals", "15"]);
    let ready = session.expect_with("ready ");
    let rini = session.job().child;
    session.keys(CTRL_C);
    session.expect_with("SIGINT from the kernel, not forwarded: pid ");
    // rini forwards what somebody sends to rini alone, after the signals that came before.
    for number in [Signal::SIGINT, Signal::SIGUSR1, Signal::SIGTERM] {
        signal(rini, number);
    }
    let mut signals = vec![];
    while signals.last().is_none_or(|line: &String| !line.starts_with("signal 15 ")) {
        signals.extend(Some(session.next()).filter(|line| line.starts_with("signal ")));
    }
    let numbers: Vec<_> = signals.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert!(matches!(numbers[..], ["2", "2", "10", "15"] | ["2", "10", "15"]), "{ready}: {signals:?}");
    assert_eq!(session.code(), 0);
}

/// In a stop, rini resumes a suspended program. But here the shell has suspended the whole job: the program would read
/// from the terminal, and be suspended again without end.
#[test]
fn as_pid_1_of_a_group_outside_a_job_that_the_shell_suspends_stays_suspended_in_a_stop() {
    if !namespaces() {
        return;
    }
    let mut shell = Session::shell("bash");
    let program = r#"sh -c 'trap "" TERM; echo ready; exec cat'"#;
    shell.line(&format!(r#"unshare --pid --fork --mount-proc "$RINI" -vvv -t 1h -- {program}"#));
    shell.expect("ready");
    let rini = shell.job().child;
    let program = children_of(rini)[0];
    signal(rini, Signal::SIGTERM);
    shell.expect_with("SIGTERM from outside the ");
    shell.keys(CTRL_Z);
    shell.expect_with("Stopped");
    until("the program is suspended", || is_stopped(program));
    // The number of child events that rini sees until the test's own signal.
    let mut changes = || {
        signal(rini, Signal::SIGWINCH);
        let lines = std::iter::repeat_with(|| shell.next()).take_while(|line| !line.contains("SIGWINCH"));
        lines.filter(|line| line.contains("SIGCHLD, for rini itself")).count()
    };
    until("rini has seen it", || changes() == 0);
    assert_eq!([changes(), changes(), changes()], [0; 3]);
    assert!(is_stopped(program));
    // The negative control: rini notices a program that somebody resumes. The program reads, and is suspended again.
    signal(program, Signal::SIGCONT);
    until("rini hears of it", || changes() > 0);
}

#[test]
fn as_pid_1_of_a_group_outside_a_ctrl_c_begins_the_grace_period() {
    if !namespaces() {
        return;
    }
    let mut session = unshared(&["-t", "50ms", "--", "sh", "-c", "trap '' INT; echo ready; exec sleep 1000"]);
    session.expect("ready");
    session.keys(CTRL_C);
    session.expect_with("after SIGINT");
    assert_eq!(session.code(), 137);
}

/// Another process of the foreground group already waits for a line of the terminal, and only one reads at a time.
/// (With `-g` the child has a group of its own, and so the terminal.)
#[test]
fn as_pid_1_of_a_group_outside_it_takes_the_terminal_from_a_reader() {
    if !namespaces() {
        return;
    }
    // Through /dev/tty, and without one through a standard stream.
    for hide in ["", "mount --make-rprivate / && mount -t tmpfs none /dev && "] {
        // The session's leader stays. Its exit would hang the terminal up, and unread output could be lost.
        let script = format!(
            r#"exec 3<&0; cat <&3 2>/dev/null & until [ "$(cut -d ' ' -f 2,3 /proc/$!/stat)" = "(cat) S" ]; do :; done
                unshare --pid --fork --mount sh -c '{hide}exec "$RINI" -g -- sh -c "$READER"' <&3; exec sleep infinity"#
        );
        let mut session = Session::of(Start::of("sh").args(["-c", &script]).env("READER", READER));
        session.expect("ready");
        // The process that already waits gets the first line. It may not read again, because it is in the background
        // now.
        session.line("hello");
        session.line("hello");
        session.expect("got hello");
    }
}

/// A shell can undo this stop: it stops and continues the process group of rini. If rini continued the child at once,
/// the child would read what is typed for the shell.
#[test]
fn as_pid_1_in_a_shell_s_job_ctrl_z_stops_the_child_until_fg() {
    if !namespaces() {
        return;
    }
    for name in SHELLS {
        let mut shell = Session::shell(name);
        shell.line(&format!(r#"unshare --pid --fork --mount-proc "$RINI" -- sh -c '{READER}'"#));
        shell.expect("ready");
        let unshare = shell.job();
        let job = Job { rini: unshare.child, child: children_of(unshare.child)[0] };
        for through_rini in [false, true, false] {
            if through_rini {
                signal(job.rini, Signal::SIGTSTP);
                until("the child is stopped", || is_stopped(job.child));
                signal(job.rini, Signal::SIGCONT);
                until("the child runs", || !is_stopped(job.child));
            }
            shell.keys(CTRL_Z);
            shell.expect_with("Stopped");
            shell.expect(PROMPT);
            until("the child and what is around rini are stopped", || {
                is_stopped(job.child) && is_stopped(unshare.rini)
            });
            for _ in 0..3 {
                shell.assert_shell_answers();
            }
            assert!(is_stopped(job.child), "{name}");
            shell.line("fg");
            shell.until_foreground(unshare.rini);
            until("the child runs", || !is_stopped(job.child));
            // rini gets the shell's SIGCONT too, and forwards it. If the next ^Z came before that, rini would undo it.
            until("rini has forwarded it", || !is_pending(job.rini, libc::SIGCONT) && state(job.rini) == Some('S'));
        }
        shell.line("hello");
        shell.expect("got hello");
        shell.expect(PROMPT);
        shell.assert_shell_answers();
    }
}

#[test]
fn as_pid_1_ctrl_c_ends_the_child() {
    if !namespaces() {
        return;
    }
    let args = ["--", "sh", "-c", "echo ready; read x; exit 1"];
    for (key, code) in [(CTRL_C, 130), (CTRL_BACKSLASH, 131)] {
        let mut session = Session::pid1(args);
        session.expect("ready");
        session.keys(key);
        assert_eq!(session.code(), code);
    }
    // unshare(1), which is in the same group, ignores SIGINT only.
    let mut session = unshared(&args);
    session.expect("ready");
    session.keys(CTRL_C);
    assert_eq!(session.code(), 130);
}

/// A stop that is sent through rini (`docker kill -s TSTP`) is intended. catatonit swallows it.
#[test]
fn as_pid_1_a_stop_sent_through_rini_lasts_until_a_sigcont_through_rini() {
    if !namespaces() {
        return;
    }
    // A handler may interrupt the read.
    let child = "trap : USR1 USR2; echo ready; until read x; do :; done; echo got $x";
    let args = ["--", "sh", "-c", child];
    let mut session = Session::pid1(args);
    session.expect("ready");
    let job = session.own_job();
    for _ in 0..3 {
        signal(job.rini, Signal::SIGTSTP);
        until("the child is stopped", || is_stopped(job.child));
        job.assert_stays_stopped();
        signal(job.rini, Signal::SIGCONT);
        until("the child runs", || !is_stopped(job.child));
    }
    // rini undoes a ^Z after it. The sender makes the difference.
    session.keys(CTRL_Z);
    session.line("hello");
    session.expect("got hello");
    assert_eq!(session.code(), 0);
}

/// A stop of rini itself would remove a pending SIGCONT. PID 1 cannot be stopped, and does not try.
#[test]
fn as_pid_1_a_continue_right_behind_a_stop_is_not_lost() {
    if !namespaces() {
        return;
    }
    let probe = probe();
    let mut session = Session::pid1(["--", probe.to_str().unwrap(), "alive"]);
    session.expect("ready");
    let job = session.own_job();
    for turns in 0..200_u64 {
        signal(job.rini, Signal::SIGTSTP);
        for turn in 0..turns * 100 {
            std::hint::black_box(turn);
        }
        signal(job.rini, Signal::SIGCONT);
        signal(job.rini, Signal::SIGUSR1);
        session.expect("alive");
    }
    signal(job.rini, Signal::SIGTERM);
    assert_eq!(session.code(), 143);
}

/// If a SIGCONT is pending when rini sees the child's stop, it has undone the stop. rini does not stop itself after it.
#[test]
fn fg_undoes_a_stop_of_the_child_that_rini_has_not_seen_yet() {
    for name in SHELLS {
        let mut shell = Session::shell(name);
        shell.line(&format!(r#""$RINI" -- sh -c '{READER}'"#));
        shell.expect("ready");
        let job = shell.job();
        signal(job.rini, Signal::SIGSTOP);
        shell.expect_with("Stopped");
        shell.expect(PROMPT);
        signal(job.child, Signal::SIGTSTP);
        until("the child is stopped", || is_stopped(job.child));
        shell.line("fg");
        job.until_continued();
        shell.line("hello");
        shell.expect_with("got hello");
    }
}

/// `docker run -it IMAGE bash`.
#[test]
fn as_pid_1_a_shell_under_rini_has_job_control() {
    if !namespaces() {
        return;
    }
    for name in SHELLS {
        let mut session = Session::pid1(["--", name].iter().chain(options_of(name)));
        session.expect(PROMPT);
        let shell = session.own_job().child;
        session.line(&format!("sh -c '{READER}'"));
        session.expect("ready");
        session.keys(CTRL_Z);
        session.expect_with("Stopped");
        session.expect(PROMPT);
        assert_eq!(session.foreground(), shell, "{name}");
        session.line("fg");
        session.line("hello");
        session.expect("got hello");
        session.expect(PROMPT);
        session.line("exit 7");
        assert_eq!(session.code(), 7, "{name}");
    }
}

// The negative control of the tests above: a peer that fails them.

#[test]
fn tini_fails_these_tests() {
    let tini = Path::new("/usr/bin/tini");
    if !tini.exists() {
        skip("no tini to compare with");
        return;
    }
    let session = Session::shell_script("exec 2>/dev/null; tini -s -- sh -c 'exit 7' <&-");
    assert_eq!(session.code(), 1, "closed standard input");

    let session = Session::shell_script("tini -s -- sh -c 'read x </dev/tty' </dev/null; exit 1");
    let job = session.job();
    until("redirected standard input: the child is stopped", || is_stopped(job.child));

    let mut shell = Session::shell("bash");
    shell.line(&format!("tini -s -- sh -c '{READER}'"));
    shell.expect("ready");
    let job = shell.job();
    shell.keys(CTRL_Z);
    until("^Z: the child is stopped", || is_stopped(job.child));
    until("^Z: tini is not", || state(job.rini) == Some('S'));
    assert_eq!(shell.foreground(), job.child, "^Z: the shell does not get the terminal back");
}
