//! The options and variables, and the messages of rini.

use crate::support::{
    Output, Start, beside, called, has_commit, injecting, namespaces, pid1, probe, rini, state, tools, until,
};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Command, Stdio};

fn text(output: &Output) -> String {
    output.out.join("\n")
}

/// What keeps `--help` from fitting on a screen of 24 lines and 80 columns.
fn misfits_on_a_screen(help: &[String]) -> Vec<String> {
    let file = "of `== Help stdout` in src/messages/texts/rini.txt";
    let long = help.iter().filter(|line| line.len() > 80);
    let long = long.map(|line| {
        format!("--help has a line of {} columns, and may have 80. Shorten it {file}:\n{line}", line.len())
    });
    let lines = help.len();
    let many = (lines > 24).then(|| {
        format!(
            "--help has {lines} lines, and may have 24. Join or remove {} of the lines {file}.",
            lines.saturating_sub(24)
        )
    });
    long.chain(many).collect()
}

#[test]
fn a_help_that_does_not_fit_on_a_screen_is_refused() {
    let lines = |count: usize, length: usize| vec!["x".repeat(length); count];
    assert_eq!(misfits_on_a_screen(&lines(24, 80)), [""; 0]);
    assert!(
        misfits_on_a_screen(&lines(26, 80))[0].starts_with("--help has 26 lines, and may have 24. Join or remove 2 ")
    );
    assert!(
        misfits_on_a_screen(&lines(1, 81))[0].starts_with("--help has a line of 81 columns, and may have 80. Shorten")
    );
}

#[test]
fn help_version_and_license_go_to_standard_output() {
    for option in ["-h", "--help"] {
        let output = beside([option]).run();
        assert_eq!((output.code(), &output.err), (0, &vec![]));
        let misfits = misfits_on_a_screen(&output.out);
        assert!(misfits.is_empty(), "{}", misfits.join("\n"));
        for word in ["--verbose", "--license", "--help", "--version", "RINI_LOG", "128 + n", "127", "126"] {
            assert!(text(&output).contains(word), "{word}");
        }
    }
    for option in ["-V", "--version"] {
        let output = beside([option]).run();
        let line = output.only_line();
        if !has_commit() {
            assert_eq!(line, concat!("rini ", env!("CARGO_PKG_VERSION")));
            continue;
        }
        let commit = line
            .strip_prefix(concat!("rini ", env!("CARGO_PKG_VERSION"), " (git."))
            .unwrap_or_else(|| panic!("{line}"));
        let commit = commit.strip_suffix(')').unwrap();
        // It is the same as under tini's name.
        let of_tini = called("tini").args(["--version"]).run().only_line();
        assert_eq!(of_tini.rsplit_once("git.").unwrap().1, commit);
        assert!(commit.len() == 7 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{commit}");
    }
    for option in ["-l", "--license"] {
        let output = beside([option]).run();
        assert!(output.code() == 0 && text(&output).contains("MIT") && text(&output).contains("Apache"), "{output:?}");
    }
}

/// tini prints its own lines into the program's output.
#[test]
fn standard_output_is_the_program_s_alone() {
    let output = beside(["-vvv", "-w", "sh", "-c", "(: &); printf 'a\\nb'"]).run();
    assert_eq!(output.out, ["a", "b"]);
    assert!(!output.err.is_empty(), "it did say something");
    assert!(output.err.iter().all(|line| line.starts_with("rini: ")), "{output:?}");
}

/// The lines of a run with these options and variables, without the parts that differ from run to run.
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
        (&[], &[("RINI_LOG", " info ")], &info),
        (&[], &[("RINI_LOG", "off")], &nothing),
        (&[], &[("RINI_LOG", "")], &nothing),
        (&["-v"], &[("RINI_LOG", "error")], &info),
        // As in tini, the value is read by atoi and is stronger than -v.
        (&[], &[("TINI_VERBOSITY", "2")], &info),
        (&[], &[("TINI_VERBOSITY", "3x")], &debug),
        (&[], &[("TINI_VERBOSITY", "-1")], &trace),
        (&["-vvv"], &[("TINI_VERBOSITY", "1")], &nothing),
        (&["-vvv"], &[("TINI_VERBOSITY", "abc")], &nothing),
        (&["-vvv"], &[("TINI_VERBOSITY", "")], &nothing),
        // RINI_LOG is stronger than tini's variable, and the option is stronger than RINI_LOG.
        (&[], &[("TINI_VERBOSITY", "3"), ("RINI_LOG", "info")], &info),
        (&["-vv"], &[("TINI_VERBOSITY", "0"), ("RINI_LOG", "info")], &debug),
    ] {
        assert_eq!(&levels(options, variables), wanted, "{options:?} {variables:?}");
    }
}

/// True if the signals go to a group. The program sees it: a signal to a group comes by kill(2), whose code is 0.
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
fn the_group_is_set_by_the_option_or_a_variable() {
    for (options, variables, wanted) in [
        (&[][..], &[][..], false),
        (&["-g"], &[], true),
        (&["--process-group"], &[], true),
        (&[], &[("RINI_PROCESS_GROUP", "1")], true),
        (&[], &[("RINI_PROCESS_GROUP", "Yes")], true),
        (&[], &[("RINI_PROCESS_GROUP", "0")], false),
        (&[], &[("RINI_PROCESS_GROUP", "")], false),
        (&["-g"], &[("RINI_PROCESS_GROUP", "off")], true),
        // As in tini, it is enough that the variable exists.
        (&[], &[("TINI_KILL_PROCESS_GROUP", "")], true),
        (&[], &[("TINI_KILL_PROCESS_GROUP", "0")], true),
        (&[], &[("TINI_KILL_PROCESS_GROUP", "1"), ("RINI_PROCESS_GROUP", "no")], false),
    ] {
        assert_eq!(process_group(options, variables), wanted, "{options:?} {variables:?}");
    }
}

/// tino refuses the form that tini's own README shows.
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
    assert_eq!(code(&["-e", "143,7:6"], ""), 6, "the option takes a list too");
    assert_eq!(code(&["-e", "7:1,9", "--remap-exit=8,7:4"], ""), 4, "and can be repeated");
}

/// A message never holds rini up: neither a full pipe, nor a closed or broken stream, nor a full disk.
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

    // A full pipe and a full socket. Both are still full afterwards, so a blocking write would have blocked.
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

/// A terminal that nobody reads, as with `docker run -t` and a client that is stuck. It is full, or has room for half a
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
    // A read frees room in large pieces. So the test fills the terminal again, except for a few bytes.
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
    // The negative control: an ordinary write to this terminal blocks.
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

/// Writes until nothing more goes in. Leaves the descriptor blocking, as a program's standard error is.
fn fill(stream: &impl AsRawFd) -> usize {
    fill_up_to(stream, usize::MAX)
}

/// Does the same with at most this many bytes.
fn fill_up_to(stream: &impl AsRawFd, most: usize) -> usize {
    let fd = stream.as_raw_fd();
    let mut total = 0;
    // SAFETY: The system calls get an open descriptor, and an array that outlives them.
    unsafe {
        let flags = libc::fcntl(fd, libc::F_GETFL);
        libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK);
        // The pieces become smaller, down to the last byte.
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

/// A pipe has room for a moment, and another writer fills it before rini's write. So rini makes no write that could
/// block: none after a refusal, and through a pipe of its own if the kernel does not know RWF_NOWAIT for this pipe.
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
    // A file is not a pipe. Some file systems refuse a write that would not wait, and opening the file again would
    // start at its beginning.
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, b"what was there\n").unwrap();
    let seen = calls("pwritev2:error=EAGAIN", file.as_file().try_clone().unwrap().into());
    let text = std::fs::read_to_string(file.path()).unwrap();
    assert!(text.starts_with("what was there\nrini: INFO ") && seen.contains("write(2"), "{text}: {seen}");
}

/// If the kernel does not know the flag for one write (before 6.4 for pipes), rini polls before the write.
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
    // The negative control: with room the lines arrive.
    let output = start("exit 7").run();
    assert!(output.code() == 7 && output.err.iter().any(|line| line.starts_with("rini: INFO ")), "{output:?}");
}

/// Kubernetes writes its stop signals (`lifecycle.stopSignal`) with names only. docs/kubernetes.md says which rini accepts.
#[test]
fn the_stop_signals_of_kubernetes_are_accepted_by_name() {
    let accepts = |name: &str| match beside(["true"]).env("RINI_STOP_SIGNALS", name).run() {
        output if output.code() == 0 => true,
        output => {
            assert!(output.code() == 1 && output.err[0].contains("is not a signal such as TERM"), "{output:?}");
            false
        }
    };
    let names =
        "ABRT ALRM BUS CONT FPE HUP ILL INT IO IOT PIPE POLL PROF PWR QUIT SEGV STKFLT SYS TERM TRAP TSTP TTIN TTOU
        URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX";
    let names = names.split_whitespace().map(str::to_owned);
    let above = (1..=15).map(|offset| format!("RTMIN+{offset}"));
    let below = (1..=14).map(|offset| format!("RTMAX-{offset}"));
    for name in names.chain(above).chain(below) {
        assert!(accepts(&format!("SIG{name}")), "{name}");
    }
    // The other four, and the negative control.
    for name in ["SIGKILL", "SIGSTOP", "SIGCHLD", "SIGCLD", "SIGRTMIN+31"] {
        assert!(!accepts(name), "{name}");
    }
}

/// A misspelt variable would have no effect, and nobody would notice.
#[test]
fn a_variable_that_rini_does_not_know_is_named_at_info() {
    let said = |level: &str, name: &str| {
        let output = beside(["true"]).env("RINI_LOG", level).env(name, "8s").run();
        assert_eq!(output.code(), 0, "{output:?}");
        output.err.into_iter().filter(|line| line.contains("variable")).collect::<Vec<_>>()
    };
    for name in [
        "RINI_GRACEPERIOD",
        "RINI_",
        "RINI_PORTS",
        "RINI_GRACE_PERIOD_",
        "RINI_Grace_Period",
        "RINI_VERBOSE",
        "RINI_PAUSE",
    ] {
        let line = format!("rini: INFO rini has no variable \"{name}\"");
        assert_eq!(said("info", name), [line], "{name}");
        assert_eq!(said("warn", name), [""; 0], "{name}");
    }
    // The negative controls: rini's own, one of a service of Kubernetes, and another program's.
    for name in [
        "RINI_GRACE_PERIOD",
        "RINI_SERVICE_HOST",
        "RINI_SERVICE_PORT_HTTP",
        "RINI_PORT",
        "RINI_PORT_80_TCP",
        "RINI_WEB_SERVICE_HOST",
        "RINI_WEB_PORT_80_TCP_ADDR",
        "RINI",
        "XRINI_GRACEPERIOD",
        "TINI_GRACEPERIOD",
    ] {
        assert_eq!(said("info", name), [""; 0], "{name}");
    }
    let output = called("tini").args(["true"]).env("RINI_LOG", "info").env("RINI_GRACEPERIOD", "8s").run();
    assert!(output.err.iter().any(|line| line.contains("rini has no variable \"RINI_GRACEPERIOD\"")), "{output:?}");
}

/// A setting that an engine gives by a variable is not on the command line.
#[test]
fn the_variables_in_force_are_listed_at_info() {
    let said = |level: &str| {
        let start = beside(["-t", "9s", "true"]).env("RINI_LOG", level).env("RINI_GRACE_PERIOD", "8s");
        let output = start.env("RINI_REWRITE", "TERM:QUIT").env("RINI_STOP_DELAY", "").run();
        assert_eq!(output.code(), 0, "{output:?}");
        output.err.into_iter().filter(|line| line.contains(" is set to ")).collect::<Vec<_>>()
    };
    let mut lines = said("info");
    lines.sort();
    assert_eq!(
        lines,
        [
            "rini: INFO RINI_GRACE_PERIOD is set to \"8s\", unless an option says otherwise",
            "rini: INFO RINI_REWRITE is set to \"TERM:QUIT\", unless an option says otherwise",
        ]
    );
    assert_eq!(said("warn"), [""; 0]);

    // tini's, which are on if they are set at all. Under its name, users know them.
    let of_tini = |name: &str| {
        let start = called(name).args(["true"]).env("RINI_LOG", "info").env("TINI_SUBREAPER", "");
        let output = start.env("TINI_KILL_PROCESS_GROUP", "0").env("TINI_OTHER", "1").run();
        let mut lines: Vec<_> = output.err.into_iter().filter(|line| line.contains(" is on, ")).collect();
        lines.sort();
        lines
    };
    let lines = ["TINI_KILL_PROCESS_GROUP", "TINI_SUBREAPER"]
        .map(|name| format!("rini: INFO {name} is on, whatever its value, unless an option or RINI_* says otherwise"));
    assert_eq!(of_tini("rini"), lines);
    assert_eq!(of_tini("tini"), [""; 0]);
}

#[test]
fn the_options_in_force_are_listed_at_info() {
    let said = |start: Start| {
        let output = start.run();
        assert_eq!(output.code(), 0, "{output:?}");
        output.err.into_iter().filter(|line| line.contains("options in force")).collect::<Vec<_>>()
    };
    let words = ["-vt8s", "--after-exit", "terminate", "--", "true", "-r"];
    assert_eq!(said(beside(words)), ["rini: INFO options in force: -vt8s --after-exit terminate"]);
    let words = ["-t8s", "--after-exit", "terminate", "true", "-r"];
    assert_eq!(
        said(beside(words).env("RINI_LOG", "info")),
        ["rini: INFO options in force: -t8s --after-exit terminate"]
    );
    // A line has room for the beginning and the end of a long list.
    let long = "1,".repeat(9999) + "1";
    let lines = said(beside(["-v", "-e", &long, "-e", "2", "true"]));
    assert!(lines.len() == 1 && lines[0].len() < 600 && lines[0].contains("[...]"), "{lines:?}");
    // The negative controls: the default level, no options, and another init, whose users know its options.
    assert_eq!(said(beside(words)), [""; 0]);
    for none in [&["-v", "true"][..], &["-vv", "--", "true", "-g"], &["-v", "-v", "--", "true"]] {
        assert_eq!(said(beside(none)), [""; 0], "{none:?}");
    }
    for (name, option) in [("tini", "-g"), ("dumb-init", "-c"), ("catatonit", "-g")] {
        assert_eq!(said(called(name).args([option, "true"]).env("RINI_LOG", "info")), [""; 0], "{name}");
    }
}

/// `sh -c "rini -- app; true"`: the engine's stop signal goes to the shell.
#[test]
fn a_rini_that_is_not_pid_1_says_at_info_what_that_means_for_a_stop() {
    let line = "rini: INFO rini is not PID 1, and an engine's stop signal goes to PID 1; start rini first, or by exec";
    let count = |output: Output| output.err.iter().filter(|said| **said == line).count();
    assert_eq!(count(beside(["-v", "true"]).run()), 1);
    assert_eq!(count(beside(["-v", "-s", "true"]).run()), 1);
    // The negative controls: the default level, and PID 1.
    assert_eq!(beside(["true"]).run().err, [""; 0]);
    if namespaces() {
        assert_eq!(count(pid1(["-v", "true"]).run()), 0);
    }
}

/// Stops a run, and returns the memory that rini has written to when it ends, in KiB: the least of some runs, because the
/// kernel places the stack at random.
fn memory_at_the_end(options: &[&str]) -> u64 {
    let run = |_| {
        let mut command = Command::new(rini());
        command.args(options).arg("--").arg(probe()).args(["signals", "15"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
        let pid = Pid::from_raw(child.id().try_into().unwrap());
        // A traced process stops once more when it ends, with its memory (ptrace(2), PTRACE_O_TRACEEXIT).
        ptrace::seize(pid, ptrace::Options::PTRACE_O_TRACEEXIT).unwrap();
        kill(pid, Signal::SIGTERM).unwrap();
        let event = waitpid(pid, None).unwrap();
        assert_eq!(event, WaitStatus::PtraceEvent(pid, Signal::SIGTRAP, libc::PTRACE_EVENT_EXIT));
        let usage = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        ptrace::detach(pid, None).unwrap();
        assert!(child.wait().unwrap().success(), "{options:?}");
        // Not Private_Dirty, which has the pages of a new file until they are on the disk.
        let written = usage.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
        written.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap()
    };
    (0..5).map(run).min().unwrap()
}

#[test]
fn a_silent_stop_unpacks_no_texts() {
    // The room for the unpacked texts has 16 KiB, and the place of the stack makes 4 KiB more or less.
    let (silent, loud) = (memory_at_the_end(&[]), memory_at_the_end(&["-v"]));
    assert!(silent + 8 <= loud, "a silent run has written to {silent} KiB, and one that logs to {loud} KiB");
}
