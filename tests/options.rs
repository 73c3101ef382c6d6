//! What a user can ask for, by option and by environment, and what rini says.

use crate::support::{Output, Start, beside, called, injecting, probe, rini, state, tools, until};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Stdio;

fn text(output: &Output) -> String {
    output.out.join("\n")
}

#[test]
fn help_version_and_license_go_to_standard_output() {
    for option in ["-h", "--help"] {
        let output = beside([option]).run();
        assert_eq!((output.code(), &output.err), (0, &vec![]));
        assert!(output.out.len() <= 24 && output.out.iter().all(|line| line.len() <= 80), "it fits a screen");
        for word in ["--process-group", "--remap-exit", "--parent-death-signal", "--subreaper", "--warn-on-reap"] {
            assert!(text(&output).contains(word), "{word}");
        }
        for word in ["--grace-period", "--stop-signals", "--stop-delay", "--rewrite", "--after-exit", "--pause"] {
            assert!(text(&output).contains(word), "{word}");
        }
        for word in ["RINI_GRACE_PERIOD", "RINI_AFTER_EXIT", "RINI_REWRITE", "RINI_STOP_DELAY"] {
            assert!(text(&output).contains(word), "{word}");
        }
        for word in ["--verbose", "--license", "--help", "--version", "RINI_LOG", "128 + n", "127", "126"] {
            assert!(text(&output).contains(word), "{word}");
        }
    }
    for option in ["-V", "--version"] {
        let output = beside([option]).run();
        let line = output.only_line();
        let commit = line
            .strip_prefix(concat!("rini ", env!("CARGO_PKG_VERSION"), " (git."))
            .unwrap_or_else(|| panic!("{line}"));
        let commit = commit.strip_suffix(')').unwrap();
        // The same as under tini's name.
        let of_tini = called("tini").args(["--version"]).run().only_line();
        assert_eq!(of_tini.rsplit_once("git.").unwrap().1, commit);
        assert!(commit.len() == 7 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{commit}");
    }
    for option in ["-l", "--license"] {
        let output = beside([option]).run();
        assert!(output.code() == 0 && text(&output).contains("MIT") && text(&output).contains("Apache"), "{output:?}");
    }
}

/// tini's own lines go into the program's output.
#[test]
fn standard_output_is_the_program_s_alone() {
    let output = beside(["-vvv", "-w", "sh", "-c", "(: &); printf 'a\\nb'"]).run();
    assert_eq!(output.out, ["a", "b"]);
    assert!(!output.err.is_empty(), "it did say something");
    assert!(output.err.iter().all(|line| line.starts_with("rini: ")), "{output:?}");
}

/// The lines that a run with these options and variables gives, without what differs from run to run.
fn levels(options: &[&str], variables: &[(&str, &str)]) -> Vec<String> {
    let words = options.iter().copied().chain(["--", "sh", "-c", "exit 3"]);
    let output = beside(words).with(|command| command.envs(variables.iter().copied())).run();
    assert_eq!((output.code(), &output.out), (3, &vec![]));
    let mut levels: Vec<_> = output.err.iter().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect();
    levels.sort();
    levels.dedup();
    levels
}

#[test]
fn verbosity_comes_from_the_option_then_rini_log_then_tini_verbosity() {
    let (nothing, info, debug) = (vec![""; 0], vec!["INFO"], vec!["DEBUG", "INFO"]);
    let trace = vec!["DEBUG", "INFO", "TRACE"];
    for (options, variables, wanted) in [
        (&[][..], &[][..], &nothing),
        (&["-v"], &[], &info),
        (&["--verbose"], &[], &info),
        (&["-vv"], &[], &debug),
        (&["-vvv"], &[], &trace),
        (&["-v", "-v", "-v", "-v"], &[], &trace),
        (&[], &[("RINI_LOG", "info")], &info),
        (&[], &[("RINI_LOG", "DEBUG")], &debug),
        (&[], &[("RINI_LOG", "error,rini::runtime=info")], &info),
        (&[], &[("RINI_LOG", "rini=debug")], &debug),
        (&[], &[("RINI_LOG", "off")], &nothing),
        (&[], &[("RINI_LOG", "")], &nothing),
        (&["-v"], &[("RINI_LOG", "error")], &info),
        // As tini: read by atoi, and stronger than -v.
        (&[], &[("TINI_VERBOSITY", "2")], &info),
        (&[], &[("TINI_VERBOSITY", "3x")], &debug),
        (&[], &[("TINI_VERBOSITY", "-1")], &trace),
        (&["-vvv"], &[("TINI_VERBOSITY", "1")], &nothing),
        (&["-vvv"], &[("TINI_VERBOSITY", "abc")], &nothing),
        (&["-vvv"], &[("TINI_VERBOSITY", "")], &nothing),
        // RINI_LOG is stronger than tini's, and the option stronger than RINI_LOG.
        (&[], &[("TINI_VERBOSITY", "3"), ("RINI_LOG", "info")], &info),
        (&["-vv"], &[("TINI_VERBOSITY", "0"), ("RINI_LOG", "info")], &debug),
    ] {
        assert_eq!(&levels(options, variables), wanted, "{options:?} {variables:?}");
    }
}

/// Whether a group gets signals, told by what the child sees: a signal to a group comes by kill(2), whose code is 0.
fn process_group(options: &[&str], variables: &[(&str, &str)]) -> bool {
    let probe = probe();
    let words = options.iter().copied().chain([probe.to_str().unwrap(), "signals", "15"]);
    let mut run = beside(words).with(|command| command.envs(variables.iter().copied())).spawn();
    assert!(run.line().starts_with("ready "));
    run.signal(15);
    let line = run.line();
    assert_eq!(run.finish().code(), 0);
    line.contains(" code 0 ")
}

#[test]
fn the_group_is_asked_for_by_option_rini_or_tini() {
    for (options, variables, wanted) in [
        (&[][..], &[][..], false),
        (&["-g"], &[], true),
        (&["--process-group"], &[], true),
        (&[], &[("RINI_PROCESS_GROUP", "1")], true),
        (&[], &[("RINI_PROCESS_GROUP", "Yes")], true),
        (&[], &[("RINI_PROCESS_GROUP", "0")], false),
        (&[], &[("RINI_PROCESS_GROUP", "")], false),
        (&["-g"], &[("RINI_PROCESS_GROUP", "off")], true),
        // tini: it is enough that it is there.
        (&[], &[("TINI_KILL_PROCESS_GROUP", "")], true),
        (&[], &[("TINI_KILL_PROCESS_GROUP", "0")], true),
        (&[], &[("TINI_KILL_PROCESS_GROUP", "1"), ("RINI_PROCESS_GROUP", "no")], false),
    ] {
        assert_eq!(process_group(options, variables), wanted, "{options:?} {variables:?}");
    }
}

/// tino refuses the form that tini's own README gives.
#[test]
fn tini_subreaper_may_be_empty() {
    for value in ["", "0", "false", "1", "anything"] {
        let output = beside(["true"]).env("TINI_SUBREAPER", value).run();
        assert_eq!((output.code(), output.err), (0, vec![]));
    }
    for value in ["", "0", "false", "1", "ON"] {
        assert_eq!(beside(["true"]).env("RINI_SUBREAPER", value).run().code(), 0);
    }
}

#[test]
fn remap_exit_by_environment_is_a_list_and_the_option_is_stronger() {
    let code = |options: &[&str], list: &str| {
        let words = options.iter().copied().chain(["sh", "-c", "exit 7"]);
        beside(words).env("RINI_REMAP_EXIT", list).run().code()
    };
    assert_eq!(code(&[], ""), 7);
    assert_eq!(code(&[], "7"), 0);
    assert_eq!(code(&[], "143,7:5,1:2"), 5);
    assert_eq!(code(&["-e", "9"], "7"), 7, "not added to: replaced");
}

/// Nothing that is written ever holds rini up: not a full pipe, not a closed or broken stream, not a full disk.
#[test]
fn no_message_ever_blocks_or_ends_rini() {
    let start = || beside(["-vvv", "-w", "--", "sh", "-c", "(: &); kill -URG $PPID; exit 7"]);
    let with = |error: Stdio| start().with(|command| command.stderr(error)).run().code();
    assert_eq!(start().close([2]).run().code(), 7);
    assert_eq!(start().close([0, 1, 2]).run().code(), 7);
    assert_eq!(with(File::create("/dev/full").unwrap().into()), 7);
    assert_eq!(with(File::open("/dev/null").unwrap().into()), 7);

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(with(writer.try_clone().unwrap().into()), 7);

    // A full pipe, and a full socket; both still full afterwards, so that something would have blocked.
    let (mut reader, writer) = std::io::pipe().unwrap();
    let filled = fill(&writer);
    assert_eq!(with(writer.try_clone().unwrap().into()), 7);
    assert_eq!(fill(&writer), 0);
    drop(writer);
    let mut content = Vec::new();
    reader.read_to_end(&mut content).unwrap();
    assert_eq!(content.len(), filled, "nothing of rini's got in");

    let (left, _right) = std::os::unix::net::UnixStream::pair().unwrap();
    fill(&left);
    assert_eq!(with(OwnedFd::from(left.try_clone().unwrap()).into()), 7);
    assert_eq!(fill(&left), 0);
}

/// A terminal that nobody reads, as of `docker run -t` with a client that is stuck: full, and with room for half a
/// line.
#[test]
fn a_full_terminal_does_not_block_either() {
    let code = |terminal: &OwnedFd| {
        let stderr = Stdio::from(terminal.try_clone().unwrap());
        beside(["-vvv", "sh", "-c", "exit 7"]).with(|command| command.stderr(stderr)).run().code()
    };
    let pty = nix::pty::openpty(None, None).unwrap();
    assert!(fill(&pty.slave) > 0);
    assert_eq!(code(&pty.slave), 7);
    // Reading frees room in large pieces. So as much as that is written again, but for a few bytes.
    for spare in [1, 10, 20] {
        let mut room = 0;
        while room == 0 {
            assert!(nix::unistd::read(&pty.master, &mut [0; 4096]).unwrap() > 0);
            room = fill(&pty.slave);
        }
        let mut left = room;
        while left > 0 {
            left = left.saturating_sub(nix::unistd::read(&pty.master, &mut vec![0; left]).unwrap());
        }
        fill_up_to(&pty.slave, room - spare);
        assert_eq!(code(&pty.slave), 7);
        fill(&pty.slave);
    }
    // The negative control: a line by an ordinary write is stuck.
    let mut writer = Start::of("sh").args(["-c", "echo ready; while :; do echo a long line to the terminal >&2; done"]);
    writer = writer.with(|command| command.stderr(Stdio::from(pty.slave.try_clone().unwrap())));
    let mut writer = writer.spawn();
    writer.expect("ready");
    let stuck = || {
        let call = std::fs::read_to_string(format!("/proc/{}/syscall", writer.pid())).unwrap();
        state(writer.pid()) == Some('S') && call.starts_with("1 0x")
    };
    until("the shell is stuck in its write", stuck);
}

/// Writes until no more goes in, and leaves the descriptor blocking, as a program's standard error is.
fn fill(stream: &impl AsRawFd) -> usize {
    fill_up_to(stream, usize::MAX)
}

/// The same, with so many bytes at the most.
fn fill_up_to(stream: &impl AsRawFd, most: usize) -> usize {
    let fd = stream.as_raw_fd();
    let mut total = 0;
    // SAFETY: system calls on a descriptor that is open, and on an array that outlives them.
    unsafe {
        let flags = libc::fcntl(fd, libc::F_GETFL);
        libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK);
        // By ever smaller pieces, to the last byte.
        for size in [4096, 64, 1] {
            while total < most {
                let written = libc::write(fd, [b'x'; 4096].as_ptr().cast(), size.min(most - total));
                if written <= 0 {
                    break;
                }
                total += written as usize;
            }
        }
        libc::fcntl(fd, libc::F_SETFL, flags & !libc::O_NONBLOCK);
    }
    total
}

/// A pipe has room for a moment, and another writer takes it before rini's write would come. So rini has no write that could be
/// held up: none behind a refusal, and where the kernel does not know the flag for one write, a pipe of its own.
#[test]
fn a_pipe_that_another_writer_fills_again_does_not_block_either() {
    if !tools(&["strace"]) {
        return;
    }
    let calls = |fault: &str, stderr: Stdio| {
        let log = tempfile::NamedTempFile::new().unwrap();
        let strace = Start::of("strace").args(["-qq", "-o"]).args([log.path()]);
        let strace = strace.args(["-e", "trace=pwritev2,poll,write,openat", "-e", &format!("inject={fault}")]);
        let output = strace.args([rini()]).args(["-v", "true"]).with(|command| command.stderr(stderr)).run();
        assert_eq!(output.code(), 0);
        std::fs::read_to_string(log.path()).unwrap()
    };
    let full = || {
        let (reader, writer) = std::io::pipe().unwrap();
        assert!(fill(&writer) > 0);
        (reader, Stdio::from(writer))
    };
    let (_reader, writer) = full();
    let seen = calls("chdir:error=EPERM", writer);
    assert!(seen.contains("pwritev2(2") && !seen.contains("poll(") && !seen.contains("write(2"), "{seen}");
    let (_reader, writer) = full();
    let seen = calls("pwritev2:error=EOPNOTSUPP", writer);
    assert!(seen.contains("\"/proc/self/fd/2\", O_WRONLY|O_NOCTTY|O_NONBLOCK"), "{seen}");
    assert!(!seen.contains("poll(") && !seen.contains("write(2"), "{seen}");
    // A file is no pipe: some file systems refuse there what would not wait, and a second beginning would be its beginning.
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, b"what was there\n").unwrap();
    let seen = calls("pwritev2:error=EAGAIN", file.as_file().try_clone().unwrap().into());
    let text = std::fs::read_to_string(file.path()).unwrap();
    assert!(text.starts_with("what was there\nrini: INFO ") && seen.contains("write(2"), "{text}: {seen}");
}

/// Where the kernel does not know the flag for one write (before 6.4 for pipes), a poll comes before the write.
#[test]
fn a_full_pipe_does_not_block_an_older_kernel_s_rini_either() {
    if !tools(&["strace"]) {
        return;
    }
    let (_reader, writer) = std::io::pipe().unwrap();
    let filled = fill(&writer);
    assert!(filled > 0);
    let older = || injecting("pwritev2:error=EOPNOTSUPP");
    let start = |program: &str| older().args(["-vvv", "sh", "-c", program]);
    let output = start("exit 7").with(|command| command.stderr(writer.try_clone().unwrap())).run();
    assert_eq!(output.code(), 7);
    assert_eq!(fill(&writer), 0);
    // A pipe that is ready has room for a page, and this line is longer.
    let (_reader, writer) = std::io::pipe().unwrap();
    let room = fill(&writer);
    let (_reader, writer) = std::io::pipe().unwrap();
    fill_up_to(&writer, room - 4096);
    let name = "x".repeat(4200);
    let output = older().args([&name]);
    assert_eq!(output.with(|command| command.stderr(writer.try_clone().unwrap())).run().code(), 127);
    // Where there is room the lines do come.
    let output = start("exit 7").run();
    assert!(output.code() == 7 && output.err.iter().any(|line| line.starts_with("rini: INFO ")), "{output:?}");
}
