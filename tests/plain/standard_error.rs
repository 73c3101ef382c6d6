//! rini's messages arrive on every kind of standard error. If one cannot arrive, rini does not wait for it once the
//! program runs.

use crate::support::{
    Running, Start, beside, blocked_in, called, children_of, namespaces, pid1, probing, status_field, until,
};
use nix::pty::openpty;
use nix::sys::termios::{FlowArg, SetArg, cfmakeraw, tcflow, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The fate of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It arrives.
    Arrives,
    /// It arrives if rini may wait. The test then removes the obstacle.
    Waits,
    /// It cannot be written.
    Lost,
}
use Fate::{Arrives, Lost, Waits};

/// How rini's session is made. The steps have this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Session {
    /// The session is inherited.
    Inherited,
    /// A new session without a terminal.
    New,
    /// A new session, and standard error is its terminal.
    Terminal,
    /// A new session. Standard error is then opened as /dev/tty, and the session gives the terminal up.
    Former,
}

type Release = Box<dyn FnOnce(&mut File) -> String>;

/// A standard error, and its other side.
struct Laid {
    given: Option<OwnedFd>,
    /// The test reads here what arrives.
    seen: Option<File>,
    /// Until this is called, standard error holds the line back. Returns what has arrived before.
    release: Option<Release>,
    /// A descriptor that stays open until the end.
    _kept: Option<OwnedFd>,
    session: Session,
    user: Option<u32>,
    file_size: Option<libc::rlim_t>,
}

impl Laid {
    fn of(given: impl Into<OwnedFd>, seen: Option<OwnedFd>) -> Laid {
        let seen = seen.map(File::from);
        Laid {
            given: Some(given.into()),
            seen,
            release: None,
            _kept: None,
            session: Session::Inherited,
            user: None,
            file_size: None,
        }
    }

    fn in_session(mut self, session: Session) -> Laid {
        self.session = session;
        self
    }
}

fn terminal() -> (OwnedFd, OwnedFd) {
    let pty = openpty(None, None).unwrap();
    (pty.master, pty.slave)
}

fn on_terminal(session: Session) -> Laid {
    let (master, slave) = terminal();
    Laid::of(slave, Some(master)).in_session(session)
}

fn set_blocking(fd: &OwnedFd, blocking: bool) {
    // SAFETY: The system calls take numbers only.
    unsafe {
        let flags = libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) & !libc::O_NONBLOCK;
        libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | if blocking { 0 } else { libc::O_NONBLOCK });
    }
}

/// Fills it until nothing more goes in.
fn fill(laid: Laid) -> Laid {
    let given = laid.given.as_ref().unwrap();
    set_blocking(given, false);
    let mut file = File::from(given.try_clone().unwrap());
    for size in [4096, 1] {
        while file.write(&[0; 4096][..size]).is_ok() {}
    }
    set_blocking(given, true);
    Laid { release: Some(Box::new(read_arrived)), ..laid }
}

fn pipe() -> Laid {
    let (read, write) = nix::unistd::pipe().unwrap();
    Laid::of(write, Some(read))
}

fn socket() -> Laid {
    let (one, other) = UnixStream::pair().unwrap();
    Laid::of(one, Some(other.into()))
}

fn file_in(folder: &str) -> Laid {
    let file = tempfile::tempfile_in(folder).unwrap();
    let mut seen = file.try_clone().unwrap();
    // This copy shares its offset with the original, so `read_arrived` reads from the beginning.
    seen.seek(SeekFrom::Start(0)).unwrap();
    Laid::of(file, Some(seen.into()))
}

fn device(path: &str) -> Laid {
    Laid::of(File::options().write(true).open(path).unwrap(), None)
}

/// The kernel's log, from here on.
fn kernel_log() -> Laid {
    let mut seen = File::options().read(true).custom_flags(libc::O_NONBLOCK).open("/dev/kmsg").unwrap();
    seen.seek(SeekFrom::End(0)).unwrap();
    Laid { seen: Some(seen), ..device("/dev/kmsg") }
}

/// True if there is a kernel log that takes lines (`printk_devkmsg`).
fn has_kernel_log() -> bool {
    let Ok(mut log) = File::options().write(true).open("/dev/kmsg") else { return false };
    let mut laid = kernel_log();
    log.write_all(b"rini: a test's\n").is_ok() && read_arrived(laid.seen.as_mut().unwrap()) == "rini: a test's\n"
}

/// Reads what has arrived by now.
fn read_arrived(seen: &mut File) -> String {
    let mut bytes = Vec::new();
    if seen.metadata().unwrap().rdev() == libc::makedev(1, 11) {
        // Each read returns one record: some numbers, the line, and perhaps more fields.
        let mut room = [0; 8192];
        while let Ok(length @ 1..) = seen.read(&mut room) {
            let record = room[..length].split_inclusive(|byte| *byte == b'\n').next().unwrap();
            let text = record.splitn(2, |byte| *byte == b';').nth(1).unwrap();
            bytes.extend(text.iter().take(if text.starts_with(b"rini: ") { text.len() } else { 0 }));
        }
    } else if seen.metadata().unwrap().is_file() {
        seen.seek(SeekFrom::Start(0)).unwrap();
        seen.read_to_end(&mut bytes).unwrap();
    } else {
        set_blocking(&seen.as_fd().try_clone_to_owned().unwrap(), false);
        // A terminal returns EIO if nobody has it open.
        let mut room = [0; 8192];
        while let Ok(length @ 1..) = seen.read(&mut room) {
            bytes.extend(&room[..length]);
        }
    }
    String::from_utf8_lossy(&bytes).replace(['\0', '\r'], "")
}

type Row = (&'static str, Fate, fn() -> Laid);

const ROWS: &[Row] = &[
    ("its own terminal", Arrives, || on_terminal(Session::Terminal)),
    ("a terminal that is nobody's", Arrives, || on_terminal(Session::New)),
    ("another user's terminal", Arrives, || Laid { user: Some(65534), ..on_terminal(Session::New) }),
    ("opened as /dev/tty, in another session", Arrives, || on_terminal(Session::Former)),
    ("a terminal that is hung up", Lost, || {
        let (master, slave) = terminal();
        drop(master);
        Laid::of(slave, None)
    }),
    ("a terminal that is stopped by ^S", Waits, || stop_output(on_terminal(Session::Terminal))),
    ("another user's terminal that is stopped by ^S", Waits, || {
        stop_output(Laid { user: Some(65534), ..on_terminal(Session::New) })
    }),
    ("the master of a pseudo-terminal", Arrives, || {
        let (master, slave) = terminal();
        let mut raw = tcgetattr(&slave).unwrap();
        cfmakeraw(&mut raw);
        tcsetattr(&slave, SetArg::TCSANOW, &raw).unwrap();
        Laid { _kept: Some(master.try_clone().unwrap()), ..Laid::of(master, Some(slave)) }
    }),
    ("a pipe", Arrives, pipe),
    ("another user's pipe", Arrives, || Laid { user: Some(65534), ..pipe() }),
    ("a full pipe", Waits, || fill(pipe())),
    ("a broken pipe", Lost, || Laid { seen: None, ..pipe() }),
    ("a socket", Arrives, socket),
    ("a full socket", Waits, || fill(socket())),
    ("a broken socket", Lost, || Laid { seen: None, ..socket() }),
    ("a file on a disk", Arrives, || file_in(env!("CARGO_TARGET_TMPDIR"))),
    ("a file in memory", Arrives, || file_in("/dev/shm")),
    ("a file at its limit", Lost, || Laid { seen: None, file_size: Some(0), ..file_in(env!("CARGO_TARGET_TMPDIR")) }),
    ("/dev/full", Lost, || device("/dev/full")),
    ("/dev/null", Lost, || device("/dev/null")),
    ("nothing", Lost, || Laid { given: None, ..device("/dev/null") }),
    ("a directory", Lost, || Laid::of(File::open("/").unwrap(), None)),
    ("an eventfd", Lost, || {
        // SAFETY: The call takes numbers, and the descriptor is new.
        Laid::of(unsafe { OwnedFd::from_raw_fd(libc::eventfd(0, libc::EFD_CLOEXEC)) }, None)
    }),
];

/// Stops the output, as ^S does.
fn stop_output(laid: Laid) -> Laid {
    let slave = laid.given.as_ref().unwrap().try_clone().unwrap();
    tcflow(&slave, FlowArg::TCOOFF).unwrap();
    let go_on = move |_: &mut File| {
        tcflow(&slave, FlowArg::TCOON).unwrap();
        String::new()
    };
    Laid { release: Some(Box::new(go_on)), ..laid }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Around {
    Usual,
    NoProc,
    NoDescriptor,
}

/// rini as PID 1 with this standard error.
fn start(laid: &mut Laid, around: Around, words: &[std::ffi::OsString]) -> Start {
    let (session, file_size) = (laid.session, laid.file_size);
    let limit = |which, value: Option<libc::rlim_t>| {
        if let Some(value) = value {
            let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
            // SAFETY: The limit outlives the call.
            unsafe { libc::setrlimit(which, &raw const limit) };
        }
    };
    let set_up = move || {
        // SAFETY: The system calls get numbers and a constant string.
        unsafe {
            if session != Session::Inherited {
                libc::setsid();
            }
            if matches!(session, Session::Terminal | Session::Former) {
                libc::ioctl(2, libc::TIOCSCTTY, 0);
            }
            if session == Session::Former {
                libc::close(2);
                libc::open(c"/dev/tty".as_ptr(), libc::O_RDWR);
                libc::signal(libc::SIGHUP, libc::SIG_IGN);
                libc::ioctl(2, libc::TIOCNOTTY);
                libc::signal(libc::SIGHUP, libc::SIG_DFL);
            }
        }
        limit(libc::RLIMIT_FSIZE, file_size);
        limit(libc::RLIMIT_NOFILE, (around == Around::NoDescriptor).then_some(3));
        Ok(())
    };
    let mut start = pid1(words);
    start = match laid.given.take() {
        Some(given) => start.with(|command| command.stderr(Stdio::from(given))),
        None => start.with(|command| command.stderr(Stdio::null())).close([2]),
    };
    // SAFETY: The closure runs in a forked child and makes system calls only.
    start = start.with(|command| unsafe { command.pre_exec(set_up) });
    if let Some(user) = laid.user {
        start = start.user(user);
    }
    if around == Around::NoProc { start.hide(c"/proc") } else { start }
}

/// Waits until rini's child is in write(2) to standard error.
fn wait_until_it_writes(run: &Running) {
    let writes = format!("{} 0x2 ", libc::SYS_write);
    until("it waits for standard error", || {
        let child = children_of(run.pid()).into_iter().next();
        child.is_some_and(|child| {
            std::fs::read_to_string(format!("/proc/{child}/syscall")).is_ok_and(|call| call.starts_with(&writes))
        })
    });
}

/// Reads what arrives until it is right. The kernel passes on a write to a terminal a moment later.
fn read_until_right(laid: &mut Laid, mut said: String, is_right: impl Fn(&str) -> bool) -> Result<(), String> {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        match laid.seen.as_mut() {
            Some(seen) if seen.metadata().unwrap().is_file() => said = read_arrived(seen),
            Some(seen) => said += &read_arrived(seen),
            None => (),
        }
        if is_right(&said) {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(said);
        }
        std::thread::yield_now();
    }
}

/// Before the program runs: the exec fails, and rini reports it.
fn try_before_the_program(laid: &mut Laid, fate: Fate, around: Around) -> Result<(), String> {
    let mut run = start(laid, around, &["/no/such".into()]).spawn();
    drop(run.stdin.take());
    let mut said = String::new();
    if fate == Waits {
        wait_until_it_writes(&run);
        said = laid.release.take().unwrap()(laid.seen.as_mut().unwrap());
    }
    assert_eq!(run.finish().code(), 127);
    read_until_right(laid, said, |said| if fate == Lost { said.is_empty() } else { said == NO_SUCH })
}

/// While the program runs: rini forwards signals, and reports them.
fn try_with_the_program(laid: &mut Laid, fate: Fate, around: Around) -> Result<(), String> {
    let mut run = start(laid, around, &probing(&["-v"], &["signals", "15"])).spawn();
    run.expect_ready();
    // The signal comes more than once, because an eventfd takes some lines.
    for _ in 0..5 {
        run.signal(libc::SIGUSR1);
        assert!(run.line().starts_with("signal 10 "));
    }
    run.signal(libc::SIGTERM);
    assert_eq!(run.finish().code(), 0);
    let said = if fate == Waits { laid.release.take().unwrap()(laid.seen.as_mut().unwrap()) } else { String::new() };
    read_until_right(laid, said, |said| {
        let forwarded = said.lines().filter(|line| line.contains("INFO SIGUSR1 from ")).count();
        let is_whole = said.lines().all(|line| line.starts_with("rini: INFO ")) && said.ends_with('\n');
        if fate == Arrives { forwarded == 5 && is_whole && said.contains("forwarded: 6, ") } else { said.is_empty() }
    })
}

#[test]
fn a_line_arrives_wherever_it_can_and_nobody_waits_for_it_once_the_program_runs() {
    if !namespaces() {
        return;
    }
    let mut wrong = String::new();
    let log: &[Row] = if has_kernel_log() { &[("/dev/kmsg", Arrives, kernel_log)] } else { &[] };
    for (name, fate, lay) in ROWS.iter().chain(log) {
        for around in [Around::Usual, Around::NoProc, Around::NoDescriptor] {
            for (when, run) in [
                ("before", try_before_the_program as fn(&mut Laid, Fate, Around) -> _),
                ("after", try_with_the_program),
            ] {
                if let Err(said) = run(&mut lay(), *fate, around) {
                    wrong += &format!("{name}, {around:?}, {when} the start: {said:?}\n");
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

const NO_SUCH: &str = "rini: ERROR cannot run \"/no/such\": there is no such file\n";

/// A pipe takes 4,096 bytes in one piece.
#[test]
fn a_line_has_its_end_and_its_reason_however_long_a_word_is() {
    let long = format!("--{}", "x".repeat(100_000));
    // The path is as long as a path can be, and four times that when it is escaped.
    let path = format!("/{}", "\u{1}".repeat(250)).repeat(16);
    let reason = "No such file or directory\n";
    for (name, word, wanted) in [
        ("rini", &long, "xxx\"; rini --help lists them, and PROGRAM's options go after PROGRAM\n"),
        ("rini", &path, "\": there is no such file\n"),
        ("tini", &path, reason),
        ("dumb-init", &path, reason),
        ("catatonit", &path, "\": there is no such file)\n"),
    ] {
        // A file on a disk whose file system refuses a write that does not wait.
        let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let said = |word: &str| {
            let given = File::options().append(true).open(&file).unwrap();
            called(name).args([word]).with(|command| command.stderr(Stdio::from(given))).run();
            std::fs::read_to_string(&file).unwrap()
        };
        let first = said(word);
        assert!(first.lines().all(|line| line.len() < 4096) && first.ends_with(wanted), "{name}: {first}");
        // The next message begins a new line. A shorter word is shown whole.
        let both = said("/no/such");
        assert!(both.strip_prefix(&first).is_some_and(|next| !next.contains("[...]")), "{name}: {both}");
    }
}

/// rini has the memory for a line before the program runs.
#[test]
fn no_line_needs_memory_that_may_be_gone() {
    let mut run = beside(probing(&[], &["signals", "15"])).env("RINI_LOG", "info").spawn();
    assert!(run.line().starts_with("ready "));
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: The limit outlives the call.
    let set = unsafe { libc::prlimit(run.pid().as_raw(), libc::RLIMIT_AS, &raw const none, std::ptr::null_mut()) };
    assert_eq!(set, 0);
    run.signal(libc::SIGUSR1);
    run.err_line_with("INFO SIGUSR1 from ");
    run.signal(libc::SIGTERM);
    assert_eq!(run.finish().code(), 0);
}

/// The first line that goes through says how many did not.
#[test]
fn lines_that_could_not_be_written_are_counted() {
    if !namespaces() {
        return;
    }
    let is_first = |line: &str| line.ends_with(" (lines before this one that rini could not write: 5)");
    for (name, fate, lay) in ROWS.iter().filter(|(_, fate, _)| *fate == Waits).chain(&[("a pipe", Arrives, pipe as _)])
    {
        let mut laid = lay();
        let mut run = start(&mut laid, Around::Usual, &probing(&["-v"], &["signals", "15"])).spawn();
        run.expect_ready();
        let mut signal = |signal| {
            run.signal(signal);
            assert!(run.line().starts_with(&format!("signal {signal} ")));
            until("rini waits again", || status_field(run.pid(), "ShdPnd") == "0000000000000000");
            blocked_in(run.pid());
        };
        (0..5).for_each(|_| signal(libc::SIGUSR1));
        if *fate == Waits {
            laid.release.take().unwrap()(laid.seen.as_mut().unwrap());
        }
        signal(libc::SIGUSR2);
        signal(libc::SIGHUP);
        run.signal(libc::SIGTERM);
        assert_eq!(run.finish().code(), 0);
        let right = read_until_right(&mut laid, String::new(), |said| {
            let lines: Vec<_> = said.lines().collect();
            // The negative control: where each line arrives, none is missing.
            let (count, counted) = if *fate == Waits { (4, 1) } else { (9, 0) };
            let marked = lines.iter().filter(|line| line.contains("could not write")).count();
            let first = lines.first().is_some_and(|line| line.contains("SIGUSR2") && is_first(line));
            lines.len() == count && marked == counted && first == (*fate == Waits) && said.ends_with('\n')
        });
        assert!(right.is_ok(), "{name}: {right:?}");
    }
}
