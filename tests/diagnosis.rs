//! What rini says about an end that nobody seems to have wanted, and about every end at `-v`.

use crate::support::{Start, beside, children_of, first_pid, namespaces, pid1, probing, rini, tools, until};
use nix::sys::signal::{Signal, kill};

#[test]
fn a_sigkill_that_rini_did_not_send_is_said() {
    let mut run = beside(probing(&[], &["signals"])).spawn();
    assert!(run.line().starts_with("ready "));
    let child = run.only_child();
    kill(child, Signal::SIGKILL).unwrap();
    let output = run.finish();
    assert_eq!(output.code(), 137);
    assert_eq!(output.err, [format!("rini: WARN pid {child} was killed by SIGKILL, which rini did not send")]);
    // The negative controls: another signal; and one of rini's own, as a rewritten signal and by the grace period.
    for (options, signal, lines) in [
        (&[][..], libc::SIGQUIT, 0),
        (&["-r", "TERM:KILL"], libc::SIGTERM, 0),
        (&["-g", "-r", "TERM:KILL"], libc::SIGTERM, 0),
        (&["-t", "100ms"], libc::SIGTERM, 1),
    ] {
        let mut run = beside(probing(options, &["signals", "3"])).spawn();
        assert!(run.line().starts_with("ready "));
        run.signal(signal);
        let output = run.finish();
        assert_eq!(output.err.len(), lines, "{output:?}");
        assert!(!output.err.iter().any(|line| line.contains("did not send")), "{output:?}");
    }
}

#[test]
fn a_command_that_is_not_found_within_the_program_is_said() {
    for (script, code, wanted) in [
        ("no-such-command", 127, "it ran, and a shell says by this that it did not find a command"),
        ("/etc/passwd", 126, "it ran, and a shell says by this that it could not execute a command"),
        ("exit 127", 127, "it ran, and a shell says by this that it did not find a command"),
    ] {
        let output = beside(["sh", "-c", script]).run();
        assert_eq!(output.code(), code);
        let line = output.err.iter().find(|line| line.starts_with("rini: ")).unwrap();
        assert!(line.contains(&format!(" exited with {code} after ")) && line.ends_with(wanted), "{line}");
    }
    // The negative controls: other codes, and a program that rini itself did not find.
    for (words, lines) in [(&["sh", "-c", "exit 125"][..], 0), (&["sh", "-c", "exit 1"], 0), (&["/no/such"], 1)] {
        let output = beside(words).run();
        assert_eq!(output.err.len(), lines, "{output:?}");
        assert!(!output.err.iter().any(|line| line.contains("it ran")), "{output:?}");
    }
}

#[test]
fn at_info_one_line_closes_the_account() {
    if !namespaces() {
        return;
    }
    let child = first_pid();
    let mut run = pid1(probing(&["-v"], &["orphans", "3"])).spawn();
    run.expect("made 3");
    // Each to a child that ignores what it has no handler for, or ends by it: SIGCONT and SIGURG do nothing.
    for _ in 0..2 {
        run.signal(libc::SIGCONT);
        run.err_line_with(&format!("forwarded to pid {child}"));
    }
    until("the orphans are reaped", || children_of(run.pid()).len() == 1);
    drop(run.stdin.take());
    let output = run.finish();
    assert_eq!(output.code(), 0);
    let line = output.err.last().unwrap();
    assert!(
        line.starts_with(&format!("rini: INFO pid {child} exited with 0 after ")) && line.contains("s; "),
        "{line}"
    );
    assert!(line.ends_with("; signals forwarded: 2, orphans reaped: 3"), "{line}");
    assert_eq!(output.err.iter().filter(|line| line.contains(" orphans reaped: ")).count(), 1);
    // By default nothing is said.
    assert_eq!(pid1(["true"]).run().err, [""; 0]);
    // A program that could not be run has its own line, and the same account.
    let output = pid1(["-v", "/no/such"]).run();
    assert_eq!(output.err.len(), 2, "{output:?}");
    assert!(output.err[1].starts_with(&format!("rini: INFO pid {child} exited with 127 after ")), "{output:?}");
}

/// Makes a container's view of its cgroup for rini, which is PID 1: /proc/1/cgroup holds `groups`, and /sys/fs/cgroup
/// the files (a path and a line each). Then runs a shell script as rini's child, and gives back what rini says of it. `start`
/// is that of a PID namespace.
fn in_cgroup(start: Start, groups: &str, files: &[(&str, &str)], script: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("cgroup");
    std::fs::write(&list, groups).unwrap();
    let mut set_up = "set -e; mount --bind \"$1\" /proc/1/cgroup; mount -t tmpfs none /sys/fs/cgroup\n".to_owned();
    for (path, line) in files {
        set_up += &format!("mkdir -p \"$(dirname {path})\"; printf '{line}\\n' >{path}\n");
    }
    set_up += r#"exec "$0" sh -c "$2""#;
    let start = start.args(["sh", "-c", &set_up]).args([rini(), list]).args([script]);
    // What it took to make the files had pids too.
    let without_pid = |line: String| match line.strip_prefix("rini: WARN pid ") {
        Some(rest) => rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').to_owned(),
        None => line,
    };
    start.run().err.into_iter().map(without_pid).collect()
}

/// A PID namespace, in which a command is to be run.
fn namespace() -> Start {
    Start::of("env").in_namespace()
}

/// Before a script: rini, which is PID 1, has looked at the count, and waits.
const RINI_HAS_LOOKED: &str = "until grep -q '^State:.S' /proc/1/status; do :; done; ";

/// Version 1 and 2, at the container's own path and at the root; this machine has one of them, so the files are made.
#[test]
fn an_out_of_memory_kill_is_told_from_another() {
    if !namespaces() {
        return;
    }
    let v1 = "11:cpu,cpuacct:/x\n4:memory:/docker/1\n0::/\n";
    let named = "3:memory,hugetlb:/docker/1\n2:name=memory:/y\n";
    let killed = "was killed by the kernel: out of memory";
    let other = "was killed by SIGKILL, which rini did not send";
    let events = "low 0\\noom 9\\noom_kill 2\\noom_group_kill 0";
    let control = "oom_kill_disable 0\\nunder_oom 0\\noom_kill 2";
    for (groups, folder, [name, limit], before, unlimited) in [
        ("0::/\n", "/sys/fs/cgroup", ["memory.events", "memory.max"], events, "max"),
        ("0::/a/b\n", "/sys/fs/cgroup/a/b", ["memory.events", "memory.max"], events, "max"),
        ("0::/a/b\n", "/sys/fs/cgroup", ["memory.events", "memory.max"], events, "max"),
        (v1, "/sys/fs/cgroup/memory", ["memory.oom_control", "memory.limit_in_bytes"], control, "9223372036854771712"),
        (named, "/sys/fs/cgroup/memory/docker/1", ["memory.oom_control", "memory.limit_in_bytes"], control, "max"),
    ] {
        let (file, limit) = (format!("{folder}/{name}"), format!("{folder}/{limit}"));
        let run = |script: &str, bytes: &str| {
            let script = RINI_HAS_LOOKED.to_owned() + script;
            let err = in_cgroup(namespace(), groups, &[(&file, before), (&limit, bytes)], &script);
            assert_eq!(err.len(), 1, "{groups} {folder} {err:?}");
            err[0].clone()
        };
        let rise = format!("sed -i 's/oom_kill 2/oom_kill 3/' {file}; ");
        let die = "kill -KILL $$";
        assert_eq!(run(&(rise.clone() + die), "67108864"), format!("{killed}, limit 64 MiB"));
        assert_eq!(run(&(rise.clone() + die), "1000"), format!("{killed}, limit 1000 bytes"));
        assert_eq!(run(&(rise.clone() + die), unlimited), format!("{killed}"));
        // A shell whose command it was.
        assert_eq!(
            run(&(rise + "exit 137"), "67108864"),
            "exited with 137; processes here that the kernel killed meanwhile: 1, out of memory, limit 64 MiB"
        );
        // The negative control: the count, which is not 0, stays as it is.
        assert_eq!(run(die, "67108864"), other);
    }
    // Nothing to read: nothing is said about memory.
    for (groups, files) in [("", &[][..]), ("0::/\n", &[]), ("4:memory:/\n", &[]), ("junk\n:::\n", &[])] {
        assert_eq!(in_cgroup(namespace(), groups, files, "kill -KILL $$"), [other]);
    }
    assert_eq!(in_cgroup(namespace(), "0::/\n", &[], "exit 137"), [""; 0]);
}

/// The child is gone before rini has looked at the count: PID 1 is in a new container, where it was 0.
#[test]
fn a_child_that_is_killed_for_memory_at_once_is_told_of_too() {
    if !namespaces() || !tools(&["strace", "unshare"]) {
        return;
    }
    let said = |milliseconds: u32, file: &str| {
        let fault = format!("inject=waitid:delay_enter={milliseconds}000");
        let strace = Start::of("strace").args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=waitid", "-e", &fault]);
        let start = strace.args(["unshare", "--pid", "--mount-proc", "--fork"]);
        in_cgroup(start, "0::/\n", &[(file, "oom_kill 1")], "kill -KILL $$")
    };
    // The delay is that of rini's look; what it is for takes some milliseconds, or longer where much else goes on.
    let events = "/sys/fs/cgroup/memory.events";
    let told =
        [300, 3000, 10_000].into_iter().any(|time| said(time, events) == ["was killed by the kernel: out of memory"]);
    assert!(told);
    // The negative control: no such kill.
    assert_eq!(said(300, "/sys/fs/cgroup/other"), ["was killed by SIGKILL, which rini did not send"]);
}
