//! On pseudo-terminals: who has the terminal, and job control under interactive shells.
//!
//! The terminals here do not echo and do not change what is written to them, so that all that is read from one was
//! printed by a program; and a signal key does not drop what has not been read yet. The shells' prompt is a whole line.

use crate::support::{
    LIMIT, Running, Start, beside, bit, blocked_in, children_of, namespaces, probe, rini, skip, state, status_field,
    until,
};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{InputFlags, LocalFlags, OutputFlags, SetArg, tcgetattr, tcsetattr};
use nix::unistd::{Pid, mkfifo, tcgetpgrp};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use tempfile::TempDir;

pub const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_BACKSLASH: &str = "\x1c";
pub const CTRL_Z: &str = "\x1a";

/// The shells' prompt.
const PROMPT: &str = "-prompt-";

/// A child that shows that it runs, and then that it can read from the terminal.
const READER: &str = "echo ready; read x; echo got $x";

/// Interactive shells with job control.
const SHELLS: [&str; 2] = ["bash", "dash"];

/// The master's side of a pseudo-terminal.
pub struct Pty {
    master: File,
    /// Read, and not yet taken.
    text: String,
}

impl Pty {
    /// A new one, and its other side.
    fn open() -> (Pty, OwnedFd) {
        let check = |result: i32| {
            assert!(result >= 0, "{}", io::Error::last_os_error());
            result
        };
        let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
        // SAFETY: system calls on numbers and a local; each descriptor gets its one owner.
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

    /// Where it is in the file system.
    fn path(&self) -> String {
        let mut number = 0_u32;
        // SAFETY: room for the number, which outlives the call.
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

    /// The next line that was printed.
    pub fn next(&mut self) -> String {
        self.take_until("\n")
    }

    /// Waits until the terminal of a container has echoed these keys. A key that makes a signal takes away what is printed and
    /// not yet read, and is echoed behind that (termios(3), NOFLSH).
    pub fn expect_echo(&mut self, keys: &str) {
        self.take_until(keys);
    }

    /// What was printed before this, which is taken too.
    fn take_until(&mut self, end_of_it: &str) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            if let Some((before, rest)) = self.text.split_once(end_of_it) {
                let before = before.to_owned();
                self.text = rest.to_owned();
                return before;
            }
            let mut poll = libc::pollfd { fd: self.master.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            let left = end.saturating_duration_since(Instant::now()).as_millis() as i32;
            // SAFETY: one pollfd, which outlives the call.
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

    /// Waits for a line like this; those before it are dropped, and told of if it does not come.
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

    /// Waits for just this line.
    fn expect(&mut self, line: &str) {
        self.find(|printed| printed == line, line);
    }

    /// Waits for a line with this in it.
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

/// Prints the lines that were passed over, when the wait for one fails.
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

/// A process that has a pseudo-terminal for its controlling terminal, on all three standard streams. It leads its
/// session, which is killed when this is dropped.
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
    /// Something as the leader of a session with a terminal.
    pub fn of(start: Start) -> Session {
        Session::with(start, |command| {
            // SAFETY: the closure runs in a forked child and makes system calls only.
            unsafe { command.pre_exec(|| new_session().and_then(|()| control(0))) }
        })
    }

    /// rini as the leader of a session.
    fn rini<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> Session {
        Session::of(beside(args))
    }

    /// rini as PID 1 and the leader of a session, as `docker run -it` starts it.
    fn pid1<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> Session {
        // setsid(1) needs no fork: the group of PID 1 is one outside its namespace.
        let start = Start::of("setsid").args(["--ctty".as_ref(), rini().as_os_str()]).args(args);
        Session::with(start.in_namespace(), |command| command)
    }

    fn shell_script(script: &str) -> Session {
        Session::of(Start::of("sh").args(["-c", script]))
    }

    /// An interactive shell with job control, at its prompt.
    fn shell(name: &str) -> Session {
        let mut shell = Session::of(Start::of(name).args(options_of(name)));
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
                // SAFETY: the closure runs in a forked child and makes a system call only. ^\ is not to leave core
                // files.
                unsafe {
                    command.pre_exec(|| {
                        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
                        check(libc::setrlimit(libc::RLIMIT_CORE, &raw const none))
                    })
                };
                change(command)
            })
            .spawn();
        Session { pty, leader: running.pid(), running: Some(running) }
    }

    /// Types a command and takes the lines up to the next prompt.
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

    /// That the shell, which must have the terminal for it, reads and runs a command.
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

    /// rini's job, where rini leads the session.
    fn own_job(&self) -> Job {
        until("there is one child", || children_of(self.leader).len() == 1);
        Job { rini: self.leader, child: children_of(self.leader)[0] }
    }

    /// Waits for its end.
    pub fn code(mut self) -> i32 {
        self.running.take().unwrap().finish().code()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.running.is_none() {
            return;
        }
        // The leader stays as a zombie until `running` is dropped, so until then the session's number is its own.
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

    /// rini has seen that its stopped child is stopped, and has done about it whatever it does.
    ///
    /// For a child that has handlers for SIGUSR1 and SIGUSR2. Before each wait for a signal rini looks at its children:
    /// when it passes on the second of two signals, it has looked since the first.
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

/// A named pipe: something that a child can wait for without the terminal.
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
        // Both directions: no open of it blocks.
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

/// What makes a shell interactive, and nothing more.
fn options_of(shell: &str) -> &'static [&'static str] {
    if shell == "bash" { &["--norc", "--noprofile", "--noediting", "-i"] } else { &["-i"] }
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn new_session() -> io::Result<()> {
    // SAFETY: a system call without arguments.
    check(unsafe { libc::setsid() })
}

/// Makes a terminal the controlling one of the caller, the leader of a session.
fn control(terminal: i32) -> io::Result<()> {
    // SAFETY: a system call on numbers.
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

// The terminal is the child's.

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

/// tini asks standard input for the terminal: its child is stopped by SIGTTIN, for ever. dumb-init's has no /dev/tty.
#[test]
fn with_stdin_redirected_the_child_reads_dev_tty() {
    let mut session = Session::shell_script(r#""$RINI" -- sh -c 'read x </dev/tty; echo got $x' </dev/null"#);
    session.line("hello");
    session.expect("got hello");
    assert_eq!(session.code(), 0);
}

/// tini ends with 1 and "tcsetpgrp failed: Bad file descriptor".
#[test]
fn standard_streams_may_be_closed() {
    // The child finds them as closed as rini did: rini's own descriptor for the terminal has the lowest free number.
    let child = "for n in $*; do [ ! -e /proc/$$/fd/$n ] || exit 1; done; read x </dev/tty; [ $x = hello ] && exit 7";
    for closed in ["0", "1", "2", "0 1", "0 1 2"] {
        let redirections: String = closed.split(' ').map(|n| format!(" {n}>&-")).collect();
        let script = |closed: &str| format!(r#""$RINI" -- sh -c '{child}' sh {closed} {redirections}"#);
        let mut session = Session::shell_script(&script(closed));
        session.line("hello");
        assert_eq!(session.code(), 7, "{closed}");
        // The child would see one that is open.
        assert_eq!(Session::shell_script(&script("0 1 2 /")).code(), 1, "{closed}");
    }
}

// No error of the terminal's is fatal.

/// tini treats every error of tcsetpgrp but ENOTTY and ENXIO as fatal ("tcsetpgrp failed: Permission denied").
#[test]
fn a_terminal_that_has_hung_up_is_no_obstacle() {
    let start = beside(["--", "sh", "-c", "exit 7"]).ignored(bit(libc::SIGHUP)).with(|command| {
        // SAFETY: the closure runs in a forked child and makes system calls only.
        unsafe { command.pre_exec(|| hung_up_terminal(true)) }
    });
    let output = start.run();
    assert_eq!((output.code(), output.err), (7, vec![]));
    // As it was before the hang-up, there was a terminal, and it was the controlling one.
    for (hung_up, wanted) in [(false, 0), (true, 1)] {
        let start =
            Start::of("sh").args(["-c", "[ -t 0 ] && : </dev/tty"]).ignored(bit(libc::SIGHUP)).with(|command| {
                // SAFETY: as above.
                unsafe { command.pre_exec(move || hung_up_terminal(hung_up)) }
            });
        let code = start.run().code();
        assert_eq!(code.min(1), wanted, "hung up: {hung_up}");
    }
}

/// In a forked child: a session whose controlling terminal, on standard input, has lost its other side.
fn hung_up_terminal(hung_up: bool) -> io::Result<()> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    new_session()?;
    // SAFETY: system calls on numbers and a local. The descriptor that stays open is inherited by the exec.
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

#[test]
fn a_terminal_on_stdin_that_is_not_the_controlling_one_is_only_read_from() {
    // No controlling terminal at all.
    let (mut other, slave) = Pty::open();
    let start = beside(["--", "sh", "-c", READER]).with(|command| {
        command.stdin(slave);
        // SAFETY: the closure runs in a forked child and makes a system call only.
        unsafe { command.pre_exec(new_session) }
    });
    let mut running = start.spawn();
    running.expect("ready");
    assert_eq!(other.foreground(), Pid::from_raw(0));
    other.line("hello");
    running.expect("got hello");
    let output = running.finish();
    assert_eq!((output.code(), output.err), (0, vec![]));

    // Another one, which the child gets.
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
        // An empty /dev has no null either: a pipe takes its place.
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

// Under an interactive shell.

/// tini and catatonit take the terminal: the shell's next read fails with EIO, and it exits.
#[test]
fn a_job_in_the_background_leaves_the_terminal_to_the_shell() {
    for name in SHELLS {
        let mut fifo = Fifo::new();
        let command = format!(r#""$RINI" -- sh -c 'echo ready; read x <{}; echo fifo $x'"#, fifo.path());
        let mut shell = Session::shell(name);
        shell.line(&format!("{command} &"));
        // Its prompt may come before the line or after it; the answers show who has the terminal.
        shell.expect("ready");
        for _ in 0..3 {
            shell.assert_shell_answers();
        }
        fifo.line("hello");
        shell.expect("fifo hello");
        shell.run("wait");
        shell.assert_shell_answers();
        // The same in the foreground has it.
        shell.line(&command);
        shell.expect("ready");
        assert_eq!(shell.foreground(), shell.job().child, "{name}");
        fifo.line("again");
        shell.expect("fifo again");
        shell.expect(PROMPT);
        shell.assert_shell_answers();
    }
}

/// Both are in state T after the ^Z, and neither after `fg`. `dumb-init -c` stops and its child runs on; tini's child
/// stops and tini runs on, with the shell waiting for it; catatonit's child has SIGTSTP blocked.
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
        // It reads from the terminal, which is not its own: the job stops again, and the shell sees why.
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

/// bash sends no SIGCONT to a job that it knows to be running, so nothing tells rini that it has the terminal now.
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
                // Continuing the child alone leaves them as they are, and leaves `fg` its work.
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

/// As a shell under rini does by `suspend`.
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

/// `kill -TSTP` of a job, which the shell sends to rini's process group.
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

/// tini, dumb-init and catatonit leave the terminal to a group that is gone: the script is stopped, or reads EIO.
#[test]
fn a_script_reads_from_the_terminal_after_its_rini() {
    let ends = [("true", 0, ""), ("/nonexistent", 127, ""), ("sh -c \"echo ready; read x\"", 130, CTRL_C)];
    for (child, code, keys) in ends {
        let script = format!(r#""$RINI" -- {child}; echo end $?; read x; echo got $x"#);
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

/// What remains has no terminal, so ^C has to reach rini for it.
#[test]
fn after_the_child_ctrl_c_stops_what_remains() {
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
        // What was forked twice may have been adopted already, behind the child.
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

/// ^Z stops rini, as it would stop any job; fg brings it back.
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

/// One that reads from the terminal behind rini's back stops; if rini continued it, it would stop again, for ever.
#[test]
fn a_reader_that_remains_is_not_continued_again_and_again() {
    let reader = r#"trap "echo asked" TERM; trap "echo continued" CONT; echo ready; while :; do read x; done"#;
    let script = format!("sh -c '{reader}' </dev/tty & read x; exit 3");
    let mut session = Session::rini(["--after-exit", "terminate", "-t", "1h", "--", "sh", "-c", &script]);
    session.expect("ready");
    let reader = children_of(children_of(session.leader)[0])[0];
    signal(children_of(session.leader)[0], Signal::SIGKILL);
    session.expect_with("SIGKILL, which rini did not send");
    session.expect("asked");
    until("the reader is stopped", || is_stopped(reader));
    // It looks at what remains at each wake-up.
    for _ in 0..3 {
        signal(session.leader, Signal::SIGUSR1);
        until("rini has seen it", || !is_pending(session.leader, Signal::SIGUSR1 as i32));
        blocked_in(session.leader);
    }
    assert!(is_stopped(reader));
    // The next that it says is about these two: there was no SIGCONT before. The negative control: this one shows.
    signal(reader, Signal::SIGTERM);
    signal(reader, Signal::SIGCONT);
    session.expect("asked");
    session.expect("continued");
    until("the reader is stopped again", || is_stopped(reader));
    signal(reader, Signal::SIGKILL);
    assert_eq!(session.code(), 137);
}

// Signals of the terminal's, without a shell.

/// dumb-init takes the first SIGHUP and SIGCONT for those of its own hand-over of the terminal, and drops them.
#[test]
fn the_first_sighup_and_sigcont_reach_the_child() {
    // Blocked when rini is started, they cannot act on it before it has run its first instruction.
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

/// The kernel sends SIGHUP to the leader of the session, which is rini, and to no other.
#[test]
fn when_the_terminal_hangs_up_the_child_hears_of_it() {
    let fifo = Fifo::new();
    let mut session = Session::rini(["--", "sh", "-c", &format!("echo ready; read x <{}", fifo.path())]);
    session.expect("ready");
    let (unused, _slave) = Pty::open();
    drop(std::mem::replace(&mut session.pty, unused));
    assert_eq!(session.code(), 129);
}

/// rini uses SIGTTOU and SIGTTIN to look at the terminal and to hand it over; its child finds them as they were.
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
        // And the hand-over works.
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

// Where nobody could undo a ^Z.

/// With rini held still, a ^Z stops the child; and with rini running it does not for long.
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

/// rini leads the session: its process group is orphaned.
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

/// `unshare --pid --fork rini ...`: rini is PID 1, and its process group is that of unshare, outside its namespace. All
/// groups outside have the number 0 for it.
fn unshared(args: &[&str]) -> Session {
    let rini = rini();
    let start = Start::of("unshare").args(["--pid", "--fork", "--mount-proc", rini.to_str().unwrap()]).args(args);
    Session::of(start)
}

#[test]
fn as_pid_1_of_a_group_outside_the_child_has_the_terminal() {
    if !namespaces() {
        return;
    }
    let mut session = unshared(&["--", "sh", "-c", READER]);
    session.expect("ready");
    assert_eq!(session.foreground(), session.job().child);
    session.keys("hello\n");
    session.expect_with("hello");
    assert_eq!(session.code(), 0);
}

/// Somebody else of the foreground group waits for a line of the terminal already; reads are one at a time.
#[test]
fn as_pid_1_of_a_group_outside_it_takes_the_terminal_from_one_who_reads_it() {
    if !namespaces() {
        return;
    }
    // By /dev/tty, and without one by a standard stream.
    for hide in ["", "mount --make-rprivate / && mount -t tmpfs none /dev && "] {
        // The session's leader stays: its end hangs the terminal up, and what is printed and not yet read may be lost.
        let script = format!(
            r#"exec 3<&0; cat <&3 2>/dev/null & until [ "$(cut -d ' ' -f 2,3 /proc/$!/stat)" = "(cat) S" ]; do :; done
                unshare --pid --fork --mount sh -c '{hide}exec "$RINI" -- sh -c "$READER"' <&3; exec sleep infinity"#
        );
        let mut session = Session::of(Start::of("sh").args(["-c", &script]).env("READER", READER));
        session.expect("ready");
        // The first line is for the one who waits already. It may not read on: it is in the background now.
        session.line("hello");
        session.line("hello");
        session.expect("got hello");
    }
}

/// There somebody can undo it: the shell stops and continues the process group that rini belongs to. Continued at once,
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
        for _ in 0..3 {
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
            shell.until_foreground(job.child);
            until("the child runs", || !is_stopped(job.child));
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
    for start in [|args: &[&str]| Session::pid1(args), unshared] {
        for (key, code) in [(CTRL_C, 130), (CTRL_BACKSLASH, 131)] {
            let mut session = start(&args);
            session.expect("ready");
            session.keys(key);
            assert_eq!(session.code(), code);
        }
    }
}

/// A stop that was sent through rini (`docker kill -s TSTP`) was meant. catatonit swallows it.
#[test]
fn as_pid_1_a_stop_sent_through_rini_lasts_until_a_sigcont_through_rini() {
    if !namespaces() {
        return;
    }
    // A handler may interrupt the read.
    let child = "trap : USR1 USR2; echo ready; until read x; do :; done; echo got $x";
    let args = ["--", "sh", "-c", child];
    let on_terminals: [fn(&[&str]) -> Session; 2] = [|args| Session::pid1(args), unshared];
    for (outside, start) in on_terminals.iter().enumerate() {
        let mut session = start(&args);
        session.expect("ready");
        let job = if outside == 1 { session.job() } else { session.own_job() };
        for _ in 0..3 {
            signal(job.rini, Signal::SIGTSTP);
            until("the child is stopped", || is_stopped(job.child));
            job.assert_stays_stopped();
            signal(job.rini, Signal::SIGCONT);
            until("the child runs", || !is_stopped(job.child));
        }
        // A ^Z after it is undone again: that is the difference that the sender makes. A group outside the namespace is
        // left to whoever made it.
        if outside == 0 {
            session.keys(CTRL_Z);
        }
        session.line("hello");
        session.expect("got hello");
        assert_eq!(session.code(), 0);
    }
}

/// Stopping itself would take a SIGCONT away that is there already; PID 1, which cannot be stopped, does not try.
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

/// A SIGCONT that is there when rini sees the child's stop has undone it: rini does not stop itself behind it.
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

// That the tests above see what they look for: a peer that fails them.

#[test]
fn what_tini_does_is_seen() {
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
