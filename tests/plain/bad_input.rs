//! rini prints one clear line and exits with a documented code, or works as if nothing was wrong. It never hangs.

use crate::support::{
    Output, Start, beside, called, copy_executable, executable, injecting, namespaces, pid1, probe, tools,
};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

/// Asserts the exit code, and returns the one line that rini printed.
fn line(output: &Output, code: i32) -> &str {
    assert_eq!(output.code(), code, "{output:?}");
    assert_eq!(output.out, [""; 0]);
    assert_eq!(output.err.len(), 1, "one line: {output:?}");
    output.err[0].strip_prefix("rini: ERROR ").unwrap_or_else(|| panic!("{output:?}"))
}

/// If the line of this program is missing, nothing was started.
const PROGRAM: [&str; 3] = ["sh", "-c", "echo started"];

#[test]
fn a_bad_option_or_value_names_itself_and_what_would_be_right() {
    for (options, wanted) in [
        (&["-x"][..], r#"there is no option "-x"; rini --help lists them"#),
        (&["--nonsense"], r#"there is no option "--nonsense"; rini --help lists them"#),
        (
            &["--graceperiod"],
            r#"there is no option "--graceperiod" (did you mean --grace-period?); rini --help lists them"#,
        ),
        (&["-gx"], r#"there is no option "-x"; "#),
        (&["-e", "256"], r#"--remap-exit: "256" is not CODE or CODE:TO, each 0 to 255"#),
        (&["-e", ""], r#"--remap-exit: "" is not CODE or CODE:TO, each 0 to 255"#),
        (&["--remap-exit", "1:x"], r#"--remap-exit: "1:x" is not "#),
        (&["--remap-exit=-1"], r#"--remap-exit: "-1" is not "#),
        (&["-p", "NOPE"], r#"--parent-death-signal: "NOPE" is not a signal: a name such as TERM"#),
        (&["-p", "0"], r#"--parent-death-signal: "0" is not a signal: "#),
        (&["-p65"], r#"--parent-death-signal: "65" is not a signal: "#),
        (&["--subreaper=1"], "--subreaper"),
        (&["-e", "a\nb"], r#"--remap-exit: "a\nb" is not "#),
        (&["-e", "143,x,y"], r#"--remap-exit: "x" in "143,x,y" is not CODE or CODE:TO"#),
        (&["-r", "HUP:0,TERM:QUITT"], r#"--rewrite: "TERM:QUITT" in "HUP:0,TERM:QUITT" is not two signals as FROM:TO"#),
        (&["--stop-signals=TERM,,INT"], r#"--stop-signals: "" in "TERM,,INT" is not a signal such as TERM"#),
        (&["--stop-signals=KILL"], r#"--stop-signals: "KILL" is not a signal such as TERM"#),
        (&["-t", "10sec"], r#"--grace-period: "10sec" is not a time from 1ms to 8760h, such as 10s"#),
        (&["-t", "1d"], r#"--grace-period: "1d" is not "#),
        (&["-t", "0"], r#"--grace-period: "0" is not "#),
        (&["-t", "-5"], r#"--grace-period: "-5" is not "#),
        (&["-t", "1,x"], r#"--grace-period: "1,x" is not "#),
        (&["--after-exit", "stop"], r#"--after-exit: "stop" is not kill, terminate or wait"#),
        (&["--verbose=3"], "--verbose takes no value; write it alone"),
        (&["--pause"], "--pause takes no PROGRAM; leave out one of the two"),
        (&["--a\nb"], r#"there is no option "--a\nb""#),
    ] {
        let output = beside(options.iter().chain(&PROGRAM)).run();
        assert!(line(&output, 1).contains(wanted), "{options:?}: {output:?}");
    }
    for options in [&["-e"][..], &["--remap-exit"], &["-p"], &["-g", "--parent-death-signal"]] {
        let output = beside(options).run();
        assert!(line(&output, 1).contains("the value is missing; it takes "), "{output:?}");
    }
    let bytes = [OsStr::new("-e"), OsStr::from_bytes(b"\xff\n"), OsStr::new("true")];
    assert!(line(&beside(bytes).run(), 1).starts_with(r#"--remap-exit: "\xFF\n" is not "#));
}

#[test]
fn a_misspelt_option_is_recognised_by_one_mistake() {
    let said = |option: &str| line(&beside([option].iter().chain(&PROGRAM)).run(), 1).to_owned();
    for (typed, option) in [
        ("--graceperiod", "--grace-period"),
        ("--grace-perid=8s", "--grace-period"),
        ("--grace-periods", "--grace-period"),
        ("--graace-period", "--grace-period"),
        ("--garce-period", "--grace-period"),
        ("--grace-pariod", "--grace-period"),
        ("--Grace-Period", "--grace-period"),
        ("--grace_period", "--grace-period"),
        ("--exit-after", "--after-exit"),
        ("--hepl", "--help"),
        ("--verison", "--version"),
    ] {
        let wanted = format!("there is no option {typed:?} (did you mean {option}?); rini --help lists them");
        assert!(said(typed).starts_with(&wanted), "{}", said(typed));
    }
    // The negative controls: words with two mistakes, words that are like no option, and another init's name.
    for typed in ["--gracperid", "--graceful-period", "--us", "--wait", "--foo", "--g", "--="] {
        assert!(!said(typed).contains("did you mean"), "{}", said(typed));
    }
    for name in ["tini", "dumb-init", "catatonit"] {
        let output = called(name).args(["--verison", "--", "true"]).run();
        assert!(!output.err.concat().contains("did you mean"), "{output:?}");
    }
}

#[test]
fn the_case_of_a_value_does_not_matter() {
    for (option, value) in [
        ("--after-exit", "Terminate"),
        ("--grace-period", "10S"),
        ("--stop-delay", "5MS"),
        ("--stop-signals", "sigterm,Int"),
        ("--rewrite", "term:Quit"),
    ] {
        let output = beside([option, value, "true"]).run();
        assert_eq!((output.code(), output.err), (0, vec![]), "{option} {value}");
    }
    let output = beside(["true"]).env("RINI_AFTER_EXIT", "WAIT").env("RINI_LOG", "ERROR").run();
    assert_eq!((output.code(), output.err), (0, vec![]));
}

#[test]
fn without_a_program_the_usage_is_printed() {
    for options in [&[][..], &["--"], &["-g"], &["-v", "--"], &["-e", "1"]] {
        let output = beside(options).run();
        assert!(
            line(&output, 1)
                .contains("no PROGRAM was given (has the image no CMD?); usage: rini [OPTIONS] [--] PROGRAM [ARG...]")
        );
    }
}

#[test]
fn a_bad_variable_is_refused_before_anything_starts() {
    for (name, value, wanted) in [
        (
            "RINI_PROCESS_GROUP",
            "maybe",
            r#"RINI_PROCESS_GROUP: "maybe" is not 1 or 0, yes or no, true or false, on or off"#,
        ),
        ("RINI_SUBREAPER", "2", r#"RINI_SUBREAPER: "2" is not 1 or 0"#),
        (
            "RINI_REMAP_EXIT",
            "1,,2",
            r#"RINI_REMAP_EXIT: "" in "1,,2" is not CODE or CODE:TO, each 0 to 255, or several of these separated by commas without blanks"#,
        ),
        ("RINI_REMAP_EXIT", "300", r#"RINI_REMAP_EXIT: "300" is not "#),
        (
            "RINI_REWRITE",
            "TERM:QUIT, HUP:0",
            r#"RINI_REWRITE: " HUP:0" in "TERM:QUIT, HUP:0" is not two signals as FROM:TO, such as TERM:QUIT or TERM:0, or several of these separated by commas without blanks"#,
        ),
        ("RINI_STOP_SIGNALS", "TERM,CHLD", r#"RINI_STOP_SIGNALS: "CHLD" in "TERM,CHLD" is not a signal such as TERM"#),
        ("RINI_GRACE_PERIOD", "\"8s\"", r#"RINI_GRACE_PERIOD: "\"8s\"" is not a time"#),
        ("RINI_LOG", "verbose", r#"RINI_LOG: "verbose" is not off, error, warn, info, debug or trace"#),
        ("RINI_LOG", "rini=loud", r#"RINI_LOG: "rini=loud" is not "#),
        ("RINI_LOG", "info/x", r#"RINI_LOG: "info/x" is not "#),
        ("RINI_LOG", "info,", r#"RINI_LOG: "info," is not "#),
    ] {
        let output = beside(PROGRAM).env(name, value).run();
        assert!(line(&output, 1).starts_with(wanted), "{output:?}");
    }
    let output = beside(PROGRAM).env("RINI_REMAP_EXIT", OsStr::from_bytes(b"\xff")).run();
    assert!(line(&output, 1).starts_with(r#"RINI_REMAP_EXIT: "\xFF" is not "#));
    // tini's variables never stop a start.
    for (name, value) in [("TINI_VERBOSITY", "nonsense"), ("TINI_SUBREAPER", "\u{1}"), ("TINI_KILL_PROCESS_GROUP", "?")]
    {
        assert_eq!(beside(PROGRAM).env(name, value).run().out, ["started"]);
    }
}

/// dumb-init once reported a failed exec as success, and under another program's name.
#[test]
fn a_program_that_cannot_be_run_is_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8], mode: u32| {
        let path = executable(folder.path(), name, content);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let shell = fs::read("/bin/sh").unwrap();
    let mut foreign = fs::read(probe()).unwrap();
    foreign[18..20].copy_from_slice(&183_u16.to_le_bytes());
    // Debian's shell with another name for its loader.
    let name = b"/lib64/ld-linux-x86-64.so.2\0";
    let at = shell.windows(name.len()).position(|window| window == name).unwrap();
    let mut no_loader = shell.clone();
    no_loader[at + 7..at + 9].copy_from_slice(b"no");

    let long = format!("/{}", "x".repeat(300));
    for (path, code, reason) in [
        ("/nonexistent".to_owned(), 127, "there is no such file"),
        ("nonexistent".to_owned(), 127, "there is no such program in PATH, which is "),
        ("/etc/passwd/x".to_owned(), 126, "Not a directory"),
        (folder.path().to_str().unwrap().to_owned(), 126, "it is a directory"),
        (file("plain", b"#!/bin/sh\n", 0o644), 126, "it has no execute permission (chmod +x, or COPY --chmod=755)"),
        (
            file("interpreter", b"#! /no/such/shell -e\n", 0o755),
            127,
            r#"its interpreter "/no/such/shell" is not in this image"#,
        ),
        (file("crlf", b"#!/bin/sh\r\nexit 0\r\n", 0o755), 127, r#"its interpreter "/bin/sh\r" is not in this image"#),
        // Under tini's name /bin/sh reads this file, in whatever language it is.
        (
            file("foreign-script", format!("#!{}\nexit 0\n", file("other", &foreign, 0o755)).as_bytes(), 0o755),
            126,
            "this kernel cannot execute its interpreter ",
        ),
        (
            file("loader", &no_loader, 0o755),
            127,
            r#"its loader "/lib64/no-linux-x86-64.so.2" is not in this image; use an image with the same C library (glibc or musl), or link it statically"#,
        ),
        (
            file("foreign", &foreign, 0o755),
            126,
            "it is a binary for aarch64 (arm64), and this is x86_64 (amd64); build or pull the image for this platform (--platform)",
        ),
        (file("data", b"\0\0\0\0data", 0o755), 126, "it is neither a binary that this kernel can run nor a script"),
        (file("cut", &shell[..40], 0o755), 126, "it is neither a binary that this kernel can run nor a script"),
        ("x".repeat(5000), 127, "there is no such program in PATH, which is "),
        // Some file systems accept the long name (fuse-overlayfs, in a container).
        match fs::metadata(&long).map_err(|error| error.raw_os_error()) {
            Err(Some(libc::ENOENT)) => (long, 127, "there is no such file"),
            _ => (long, 126, "File name too long"),
        },
    ] {
        let output = beside(["--", &path]).run();
        let line = line(&output, code);
        // rini shows the beginning and the end of a long name.
        let shown = if path.len() > 480 { format!("{}[...]{}", &path[..240], &path[path.len() - 240..]) } else { path };
        assert!(line.starts_with(&format!("cannot run {shown:?}: ")), "{line}");
        assert!(line.contains(reason), "{line}");
    }
}

/// If /proc is not mounted, an image may have put anything in its place. tini reads nothing there.
#[test]
fn a_named_pipe_in_place_of_a_file_of_the_kernel_s_holds_nothing_up() {
    if !namespaces() || !tools(&["mkfifo"]) {
        return;
    }
    let script =
        r#"mkdir /proc/self && mkfifo /proc/self/cgroup && exec "$0" sh -c '[ -p /proc/self/cgroup ] && exit 7'"#;
    let output =
        Start::of("sh").args(["-c", script]).args([crate::support::rini()]).in_namespace().hide(c"/proc").run();
    assert_eq!(output.code(), 7, "{output:?}");
}

#[test]
fn a_script_for_a_shell_that_is_not_there_says_so() {
    if !namespaces() {
        return;
    }
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let script = executable(folder.path(), "script", "exit 0\n");
    let shell = fs::canonicalize("/bin").unwrap();
    let hidden = if shell == std::path::Path::new("/usr/bin") { c"/usr/bin" } else { c"/bin" };
    let output = pid1([&script]).hide(hidden).run();
    assert!(line(&output, 126).contains("a script without a #! line, and /bin/sh cannot run it: No such file"));
}

/// rini asks the kernel for memory only if it needs more than some KB: for a long list of options, or the beginning of a script.
#[test]
fn without_memory_one_line_says_so_and_nothing_runs() {
    if !tools(&["strace"]) {
        return;
    }
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let script = executable(folder.path(), "script", format!("{}\necho started\n", "#".repeat(4000)));
    let script = script.into_os_string().into_string().unwrap();
    let many = ["-e", "1:2"].repeat(3000);
    for (words, code, text) in [
        ([&many[..], &PROGRAM].concat(), 1, "there is no memory for a start; raise the limit (ulimit -v)".to_owned()),
        // The option takes a part of what rini has from the beginning.
        (vec!["-e", "1:2", &script], 126, format!("cannot run \"{script}\": Cannot allocate memory")),
    ] {
        let start = injecting("mmap:error=ENOMEM");
        assert_eq!(line(&start.args(&words).run(), code), text);
        // The negative control.
        assert_eq!(beside(&words).run().out, ["started"]);
    }
}

/// execve(2) limits an argument list to a quarter of the stack's limit. If rini's list fits, the program's must fit
/// too.
#[test]
fn arguments_that_grow_too_long_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let script = executable(folder.path(), "script", format!("#!/bin/sh {}\n", "x".repeat(200)));
    // The longest list with which rini itself can be started. The shell's own words make the program's list longer.
    let words = |count: usize| vec!["x".repeat(100_000); count];
    let run = |count: usize, rest: usize| {
        let mut command = std::process::Command::new(crate::support::rini());
        command.arg(&script).args(words(count)).arg("y".repeat(rest));
        command.output()
    };
    let count = (1..200).find(|count| run(*count, 0).is_err()).expect("there is a limit") - 1;
    let (mut fits, mut too_long) = (0, 100_000);
    while too_long - fits > 1 {
        let middle = (fits + too_long) / 2;
        *(if run(count, middle).is_ok() { &mut fits } else { &mut too_long }) = middle;
    }
    let output = run(count, fits).unwrap();
    assert_eq!(output.status.code(), Some(126));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("its arguments and environment are too long") && error.lines().count() == 1, "{error}");
}

#[test]
fn a_refused_fork_is_one_line_and_1() {
    if !namespaces() {
        return;
    }
    // The user is unprivileged and may have one process, which is rini itself.
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let rini = folder.path().join("rini");
    copy_executable(&crate::support::rini(), &rini);
    let uid = 54_321;
    let start = |limit| Start::of(&rini).args(["sh", "-c", "exit 7"]).in_namespace().user(uid).processes(limit).run();
    let text =
        "cannot start a process: the limit of processes is reached; raise the container's pids limit, or RLIMIT_NPROC";
    assert_eq!(line(&start(1), 1), text);
    assert_eq!(start(2).code(), 7, "with room for two it starts");
}

#[test]
fn it_works_as_if_nothing_was_wrong() {
    if !namespaces() {
        return;
    }
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = |from: std::path::PathBuf, name: &str| {
        copy_executable(&from, &folder.path().join(name));
        folder.path().join(name)
    };
    let (rini, probe) = (copy(crate::support::rini(), "rini"), copy(probe(), "probe"));
    let start = |words: &[&str]| Start::of(&rini).args([&probe]).args(words).in_namespace();
    type Change = fn(Start) -> Start;
    let surroundings: [(&str, Change); 10] = [
        ("no /proc", |start| start.hide(c"/proc")),
        ("no /dev", |start| start.hide(c"/dev")),
        ("stdin closed", |start| start.close([0])),
        ("stderr closed", |start| start.close([2])),
        ("stdin and stderr closed", |start| start.close([0, 2])),
        ("a read-only root", Start::read_only),
        ("an unknown user without any capability", |start| start.user(54_322)),
        ("an unknown user, read-only, no /proc", |start| start.user(54_323).read_only().hide(c"/proc")),
        ("the same with stdin and stderr closed", |start| start.user(54_324).read_only().hide(c"/proc").close([0, 2])),
        ("an empty environment", |start| start.with(std::process::Command::env_clear)),
    ];
    for (what, change) in surroundings {
        for code in [0, 7] {
            let output = change(start(&["exit", &code.to_string()])).run();
            assert_eq!((output.code(), output.err), (code, vec![]), "{what}");
        }
        let mut run = change(start(&["signals", "15"])).spawn();
        run.expect_ready();
        for signal in [10, 34, 15] {
            run.signal(signal);
            assert!(run.line().starts_with(&format!("signal {signal} ")), "{what}");
        }
        assert_eq!(run.finish().code(), 0, "{what}");
    }
}

#[test]
fn standard_output_that_cannot_be_written_is_an_error_of_help() {
    let full = || std::fs::File::create("/dev/full").unwrap();
    let output = beside(["--help"]).with(|command| command.stdout(full())).run();
    assert!(line(&output, 1).contains("cannot write to standard output: No space left on device"));
    let output = beside(["--version"]).close([1]).run();
    assert!(line(&output, 1).contains("cannot write to standard output: Bad file"));
}

/// A seccomp profile that forbids rini's one wait. rini prints one line, and still ends with the program.
#[test]
fn where_signals_cannot_be_waited_for_the_child_s_end_still_is() {
    if !tools(&["strace"]) {
        return;
    }
    let mut run = injecting("rt_sigtimedwait:error=EPERM").args(["sh", "-c", "read go; exit 7"]).spawn();
    assert!(run.err_line().contains("cannot wait for signals, so none is forwarded from now on: "));
    // The child may end only now, because rini does not wait if its child has ended already.
    run.write_line("go");
    let output = run.finish();
    assert_eq!((output.code(), output.err), (7, vec![]));
}

/// rini does not hang either if it may not wait for children. It cannot know then how the program ended.
#[test]
fn where_children_cannot_be_waited_for_it_ends_with_a_line() {
    if !tools(&["strace"]) {
        return;
    }
    let output = injecting("waitid:error=EPERM").args(["sh", "-c", "exit 7"]).run();
    assert_eq!(line(&output, 1), "cannot wait for children: Operation not permitted");
}

/// A seccomp profile without rt_sigqueueinfo. rini uses kill, which passes on neither sender nor value.
#[test]
fn where_signals_cannot_be_queued_they_are_sent() {
    if !tools(&["strace"]) {
        return;
    }
    let mut run = injecting("rt_sigqueueinfo:error=EPERM").args([probe()]).args(["signals", "15"]).spawn();
    assert!(run.line().starts_with("ready "));
    let rini = run.only_child();
    for signal in [nix::sys::signal::SIGUSR1, nix::sys::signal::SIGTERM] {
        nix::sys::signal::kill(rini, signal).unwrap();
        assert_eq!(run.line(), format!("signal {} code 0 pid {rini} uid 0 value 0", signal as i32));
    }
    assert_eq!(run.finish().code(), 0);
}

/// As in tini, `-s` refuses to start if rini cannot become a subreaper. Without `-s` rini only warns.
#[test]
fn a_failure_to_become_a_subreaper_is_an_error_only_with_the_option() {
    if !tools(&["strace"]) {
        return;
    }
    let run = |options: &[&str]| {
        let words = options.iter().copied().chain(["sh", "-c", "exit 7"]);
        injecting("prctl:error=EINVAL").args(words).run()
    };
    let output = run(&[]);
    assert_eq!(output.code(), 7);
    assert_eq!(
        output.err,
        [
            "rini: WARN cannot become a subreaper: Invalid argument; rini reaps no orphans (run it as PID 1, or allow prctl)"
        ]
    );
    assert!(line(&run(&["-s"]), 1).starts_with("--subreaper: cannot become a subreaper: "));
}
