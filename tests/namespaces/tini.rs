//! rini under the names `tini`, `tini-static` and `docker-init`, as tini's users and Docker expect it.
//!
//! Debian's tini runs beside it with the same arguments, and both must print the same, except for the version and pids.
//! If rini differs on purpose, docs/drop-in.md has a number for the difference, and a test here has that number.

use crate::support::{
    BROKEN_BINARY, Output, Start, called, children_of, executable, has_commit, namespaces, probe, rini, skip, tools,
    until, without_reasons, zombies_of,
};
use std::path::Path;

const TINI: &str = "/usr/bin/tini";

/// The line without tini's version and without pids.
fn strip_line(line: &str) -> String {
    let mut text = line.to_owned();
    if let Some((before, rest)) = text.clone().split_once("tini version ") {
        // The version ends at the end of the line, or at the bracket that closes.
        let end = rest.find(')').unwrap_or(rest.len());
        text = format!("{before}tini version X{}", &rest[end..]);
    }
    for (open, close) in [(" (", ")] "), ("with pid=", "")] {
        if let Some((before, rest)) = text.clone().split_once(open) {
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            if rest.starts_with(close) {
                text = format!("{before}{open}PID{rest}");
            }
        }
    }
    text
}

fn strip_particulars(output: &Output) -> (Option<i32>, Vec<String>, Vec<String>) {
    let lines = |lines: &[String]| lines.iter().map(|line| strip_line(line)).collect();
    (output.status.code(), lines(&output.out), lines(&output.err))
}

#[test]
fn every_command_line_gives_what_tini_gives() {
    if !tools(&["tini"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = executable(folder.path(), "script", "exit 7\n").to_str().unwrap().to_owned();
    let below_a_file = format!("{script}/x");
    let commands: &[&[&str]] = &[
        &[],
        &["-h"],
        &["-h", "true"],
        &["--version"],
        &["--version", "x"],
        &["-s", "--version"],
        &["--help"],
        &["--foo", "true"],
        &["-x", "true"],
        &["-V"],
        &["-P", "true", "--", "true"],
        &["-gx", "true"],
        &["-p"],
        &["-e"],
        &["-s", "-e"],
        &["-p", "TERM", "true"],
        &["-p", "SIGPWR", "true"],
        &["-p", "15", "true"],
        &["-p", "sigterm", "true"],
        &["-e", "256", "true"],
        &["-e", "-1", "true"],
        &["-e", "abc", "true"],
        &["-e", "1 ", "true"],
        &["-e", "143:0", "true"],
        &["-s"],
        &["-s", "--"],
        &["--", "--", "true"],
        &["-sp", "SIGKILL", "sh", "-c", "exit 3"],
        &["-spSIGUSR1", "sh", "-c", "exit 3"],
        &["-se", "3", "sh", "-c", "exit 3"],
        &["-se3", "-e", "4", "sh", "-c", "exit 3"],
        &["-s", "-e", "", "true"],
        &["-s", "-e", " 3", "sh", "-c", "exit 3"],
        &["-s", "-e", "+3", "sh", "-c", "exit 3"],
        &["-s", "-e", "0", "sh", "-c", "exit 3"],
        &["-s", "-e143", "--", "sh", "-c", "kill -TERM $$"],
        &["-s", "--", "sh", "-c", "kill -TERM $$"],
        &["-s", "bash", "-c", "kill -35 $$"],
        &["-sg", "sh", "-c", "exit 9"],
        &["-s", "no-such-program"],
        &["-s", "/no/such/program"],
        &["-s", "-e", "127", "--", "no-such-program"],
        &["-s", "/etc/passwd"],
        &["-s", "/etc"],
        &["-s", &script],
        &["-s", &below_a_file],
        &["-s", "sh", "-c", "echo out; echo err >&2", "-x", "--", "y"],
        &["-s", "-w", "sh", "-c", "exit 0"],
        // Beside other processes and without -s, tini prints a warning of three lines.
        &["true"],
        &["-v", "no-such-program"],
        &["-", "x"],
    ];
    for words in commands {
        for (name, value) in [("X", ""), ("TINI_SUBREAPER", ""), ("TINI_VERBOSITY", "0"), ("TINI_VERBOSITY", "abc")] {
            // glibc's getopt would look for options after the program too (difference 2).
            let same = |start: Start| start.args(*words).env("POSIXLY_CORRECT", "1").env(name, value).run();
            let (mine, theirs) = (same(called(TINI)), same(Start::of(TINI)));
            // Above the default verbosity, tini writes other texts to standard output (difference 1).
            let info = |line: &String| line.starts_with("[INFO ") || line.starts_with("[DEBUG ");
            let (code, out, err) = strip_particulars(&theirs);
            let theirs = (code, out.into_iter().filter(|line| !info(line)).collect::<Vec<_>>(), err);
            let (code, out, err) = strip_particulars(&mine);
            let err: Vec<_> = err.into_iter().filter(|line| !info(line)).collect();
            let mine = (code, out, without_reasons(&err, &theirs.2));
            assert_eq!(mine, theirs, "{words:?} with {name}={value}");
        }
    }
}

#[test]
fn the_version_is_one_that_docker_understands() {
    for name in ["tini", "tini-static", "docker-init", "/sbin/docker-init"] {
        let output = called(name).args(["--version"]).run();
        assert_eq!((output.code(), output.out.len(), &output.err), (0, 1, &vec![]));
        // dockerd's parseInitVersion accepts two parts: the version, and the commit after "git.".
        let version = output.out[0].strip_prefix("tini version ").unwrap();
        if !has_commit() {
            assert_eq!(version, concat!(env!("CARGO_PKG_VERSION"), "_rini"));
            continue;
        }
        let (version, commit) = version.split_once(" - git.").unwrap_or_else(|| panic!("no commit: {version}"));
        assert_eq!(version, concat!(env!("CARGO_PKG_VERSION"), "_rini"));
        assert!(commit.len() == 7 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{commit}");
    }
    // Under any other name rini is rini.
    for name in ["rini", "tini2", "init"] {
        assert!(called(name).args(["--version"]).run().out[0].starts_with("rini "));
    }
}

#[test]
fn the_texts_that_people_look_for_are_there() {
    // As in tini's own smoke tests, many runs look for an event that may come early.
    for _ in 0..100 {
        let output = called("tini").args(["true"]).env("TINI_VERBOSITY", "3").run();
        assert_eq!(output.code(), 0);
        assert!(output.err.iter().any(|line| line.contains("Received SIGCHLD")), "{output:?}");
        assert!(output.err.iter().any(|line| line.contains("zombie reaping won't work")), "{output:?}");
    }
    let output = called("tini").run();
    let text = output.err.join("\n");
    assert!(text.contains("supervision of a valid init process") && text.contains("more verbose"), "{text}");
    let mut run = called("tini").args(["-s", "-w"]).args([probe()]).args(["orphans", "3"]).spawn();
    run.expect("made 3");
    for _ in 0..3 {
        let line = strip_line(&run.err_line());
        assert_eq!(line, "[WARN  tini (PID)] Reaped zombie process with pid=PID");
    }
    drop(run.stdin.take());
    assert_eq!(run.finish().code(), 0);
}

/// As in tini's own exit code test, each code is remapped, and all others stay.
#[test]
fn each_exit_code_can_be_remapped() {
    for code in 0..=255 {
        let child = format!("exit {code}");
        let output = called("tini").args(["-s", "-e", &code.to_string(), "--", "sh", "-c", &child]).run();
        assert_eq!(output.code(), 0);
        let others = (0..=255).filter(|other| *other != code).flat_map(|other| ["-e".to_owned(), other.to_string()]);
        let output = called("tini").args(["-s"]).args(others).args(["sh", "-c", &child]).run();
        assert_eq!(output.code(), code);
    }
}

#[test]
fn without_s_it_adopts_nobody_and_with_s_it_does() {
    // An orphan that lives until its standard input ends, and prints its parent's pid.
    let script = r#"exec 3<&0; (sh -c 'read x; exit 0' <&3 &) ; exec "$0" signals 15"#;
    for (options, variable, adopts) in [
        (&[][..], None, false),
        (&["-s"], None, true),
        (&[], Some(("TINI_SUBREAPER", "")), true),
        (&[], Some(("RINI_SUBREAPER", "1")), true),
        (&[], Some(("RINI_SUBREAPER", "0")), false),
    ] {
        let mut start = called("tini").args(options).args(["sh", "-c", script]).args([probe()]);
        if let Some((name, value)) = variable {
            start = start.env(name, value);
        }
        let mut run = start.spawn();
        assert!(run.line().starts_with("ready "));
        assert_eq!(children_of(run.pid()).len(), if adopts { 2 } else { 1 });
        run.signal(libc::SIGTERM);
        drop(run.stdin.take());
        let output = run.finish();
        assert_eq!(output.code(), 0);
        assert_eq!(output.err.iter().any(|line| line.contains("won't work")), !adopts, "{output:?}");
    }
}

/// The bit survives an exec, as in `exec tini …` in a subreaper. tini checks that too.
#[test]
fn a_subreaper_s_tini_does_not_warn() {
    if !tools(&["python3"]) {
        return;
    }
    let script = "import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1); os.execv(sys.argv[1], ['tini', 'true'])";
    for program in [rini().to_str().unwrap(), TINI] {
        let output = Start::of("python3").args(["-c", script, program]).run();
        assert_eq!((output.code(), output.err), (0, vec![]), "{program}");
    }
}

#[test]
fn as_pid_1_it_reaps_and_prints_nothing() {
    if !namespaces() {
        return;
    }
    for name in ["tini", "docker-init"] {
        let mut run = called(name).args(["--"]).args([probe()]).args(["orphans", "50"]).in_namespace().spawn();
        run.expect("made 50");
        until("all are reaped", || children_of(run.pid()).len() == 1);
        assert_eq!(zombies_of(run.pid()), 0);
        drop(run.stdin.take());
        let output = run.finish();
        assert_eq!((output.code(), output.err), (0, vec![]));
    }
}

/// `docker run --init` can pass nothing but the environment.
#[test]
fn rini_s_environment_works_under_tini_s_name() {
    let mut run = called("docker-init")
        .args(["-s", "--"])
        .args([probe()])
        .args(["signals", "12"])
        .env("RINI_GRACE_PERIOD", "200ms")
        .env("RINI_REWRITE", "TERM:QUIT")
        .spawn();
    assert!(run.line().starts_with("ready "));
    run.signal(libc::SIGTERM);
    assert!(run.line().starts_with("signal 3 "));
    let output = run.finish();
    assert_eq!((output.code(), output.err.len()), (137, 1));
    let line = strip_line(&output.err[0]);
    assert!(line.starts_with("[WARN  tini (PID)] killed pid ") && line.contains(" after SIGTERM from pid "), "{line}");

    let output = called("tini").args(["-s", "true"]).env("RINI_GRACE_PERIOD", "soon").run();
    assert_eq!((output.code(), output.out, output.err.len()), (1, vec![], 1));
    let line = strip_line(&output.err[0]);
    assert!(line.starts_with(r#"[FATAL tini (PID)] RINI_GRACE_PERIOD: "soon" is not a time "#), "{line}");
}

/// Difference 1: at every verbosity, standard output belongs to the program.
#[test]
fn nothing_of_it_goes_to_standard_output() {
    let verbose = |start: Start| start.args(["-s", "-vvv", "--", "echo", "hello"]).run();
    let output = verbose(called("tini"));
    assert_eq!((output.code(), output.out), (0, vec!["hello".to_owned()]));
    assert!(output.err.iter().any(|line| line.starts_with("[INFO  tini (")), "{:?}", output.err);
    assert!(output.err.iter().all(|line| line.starts_with('[')), "{:?}", output.err);
    // The negative control: tini.
    if Path::new(TINI).exists() {
        assert!(verbose(Start::of(TINI)).out.len() > 1);
    } else {
        skip("tini is not installed; tests/setup installs it");
    }
}

/// Difference 2: options end at the program, as with musl's getopt, and with glibc's under POSIXLY_CORRECT.
#[test]
fn options_end_at_the_program() {
    let output = called("tini").args(["-s", "sh", "-c", "echo $0 $1", "-g", "--"]).run();
    assert_eq!((output.code(), output.out), (0, vec!["-g --".to_owned()]));
    if Path::new(TINI).exists() {
        assert_eq!(Start::of(TINI).args(["-s", "sh", "-c", "echo $0 $1", "-g", "--"]).run().code(), 1);
    } else {
        skip("tini is not installed; tests/setup installs it");
    }
}

/// Difference 3: rini does not read a binary that the kernel refuses as shell commands, as glibc's execvp does.
#[test]
fn a_broken_binary_is_not_given_to_the_shell() {
    let folder = tempfile::tempdir().unwrap();
    let path = executable(folder.path(), "broken", BROKEN_BINARY);
    let output = called("tini").args(["-s"]).args([&path]).run();
    assert_eq!((output.code(), output.out), (1, vec![]));
    let line = strip_line(&output.err[0]);
    let theirs = format!("[FATAL tini (PID)] exec {} failed: Exec format error", path.display());
    assert_eq!(line, format!("{theirs} (it is neither a binary that this kernel can run nor a script)"));
    // The negative control: tini.
    if Path::new(TINI).exists() {
        assert_eq!(Start::of(TINI).args(["-s"]).args([&path]).run().out, ["a command"]);
    } else {
        skip("tini is not installed; tests/setup installs it");
    }
}

/// A link with tini's name is enough.
#[test]
fn a_link_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["tini", "docker-init"] {
        let link = folder.path().join(name);
        std::os::unix::fs::symlink(rini(), &link).unwrap();
        let output = Start::of(&link).args(["-h"]).run();
        assert!(output.out[0].starts_with(&format!("{name} (tini version ")), "{output:?}");
    }
}
