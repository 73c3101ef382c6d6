//! The messages about an exit that nobody seems to have wanted, and about every exit at `-v`.

use crate::support::{
    NET_ADMIN, NO_REASON, OTHER_KILL, SYS_ADMIN, Start, beside, called, children_of, copy_executable, emulation,
    executable, first_pid, give_capabilities, is_root, namespaces, pid1, probe, probing, rini, skip, tools, until,
};
use nix::sys::signal::{Signal, kill};
use std::path::Path;

#[test]
fn a_sigkill_that_rini_did_not_send_is_reported() {
    let mut run = beside(probing(&[], &["signals"])).spawn();
    assert!(run.line().starts_with("ready "));
    let child = run.only_child();
    kill(child, Signal::SIGKILL).unwrap();
    let output = run.finish();
    assert_eq!(output.code(), 137);
    assert_eq!(output.err, [format!("rini: WARN pid {child} (probe) {OTHER_KILL}{NO_REASON}")]);
    // The negative controls: another signal, and a SIGKILL of rini's own, from a rewrite and from the grace period.
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
fn a_command_that_is_not_found_within_the_program_is_reported() {
    for (script, code, wanted) in [
        ("no-such-command", 127, "it may be a shell that did not find a command and said so above"),
        ("/etc/passwd", 126, "it may be a shell that could not execute a command and said so above"),
        ("exit 127", 127, "it may be a shell that did not find a command and said so above"),
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

/// A container has 14 of the 41 capabilities, or none. An image's program may have others (setcap(8)).
#[test]
fn file_capabilities_that_the_container_lacks_are_named() {
    if !is_root() {
        return skip("to give a file capabilities needs root");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    copy_executable(Path::new("/bin/true"), &path("server"));
    give_capabilities(&path("server"), &[NET_ADMIN, SYS_ADMIN]);
    executable(folder.path(), "script", format!("#! {} -x\n", path("server").display()));
    let run = |start: Start, lacking: &[u32]| {
        let output = start.lacking(lacking).run();
        (output.code(), output.err.concat())
    };
    let lacking = |options: &str| {
        format!(
            "file capabilities that this container lacks; add them (docker run {options}) or remove them (setcap -r)"
        )
    };
    let (one, both) = ("--cap-add SYS_ADMIN", "--cap-add NET_ADMIN --cap-add SYS_ADMIN");
    let server = path("server").display().to_string();
    for (dropped, options) in [(&[SYS_ADMIN][..], one), (&[NET_ADMIN, SYS_ADMIN], both)] {
        for name in ["server", "script"] {
            let whose = if name == "server" { "it".to_owned() } else { format!("its interpreter {server:?}") };
            let line = format!("rini: ERROR cannot run {:?}: {whose} has {}", path(name), lacking(options));
            assert_eq!(run(beside([path(name)]), dropped), (126, line));
        }
    }
    // Without a directory in its name, the program is found through PATH.
    let (code, line) = run(beside(["server"]).env("PATH", folder.path()), &[SYS_ADMIN]);
    assert!(code == 126 && line.ends_with(&lacking(one)), "{line}");
    // Another init keeps its own text, and the reason follows.
    let (_, line) = run(called("tini").args([path("server")]), &[SYS_ADMIN]);
    let wanted = format!("exec {server} failed: Operation not permitted (it has {})", lacking(one));
    assert!(line.ends_with(&wanted), "{line}");
    // The negative controls: the container has these capabilities, or lacks another one.
    assert_eq!(run(beside([path("server")]), &[]), (0, String::new()));
    assert_eq!(run(beside([path("server")]), &[0]), (0, String::new()));
}

#[test]
fn at_info_one_line_closes_the_account() {
    if !namespaces() {
        return;
    }
    let child = first_pid();
    let mut run = pid1(probing(&["-v"], &["orphans", "3"])).spawn();
    run.expect("made 3");
    // SIGCONT has no effect on the child. Most other signals would end it, because it has no handlers.
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
        line.starts_with(&format!("rini: INFO pid {child} (probe) ran for ")) && line.contains("s and exited with 0; "),
        "{line}"
    );
    assert!(line.ends_with("; signals forwarded: 2, orphans reaped: 3"), "{line}");
    assert_eq!(output.err.iter().filter(|line| line.contains(" orphans reaped: ")).count(), 1);
    // The negative control: the default level prints nothing.
    assert_eq!(pid1(["true"]).run().err, [""; 0]);
    // A program that could not run has its own line, and no process of this name ran.
    let output = pid1(["-v", "/no/such"]).run();
    assert_eq!(output.err.len(), 2, "{output:?}");
    assert!(emulation().is_some() || output.err[1].starts_with("rini: INFO rini ran for "), "{output:?}");
    // The name is that of argv: /proc would have the interpreter's.
    let folder = tempfile::tempdir().unwrap();
    let odd = executable(folder.path(), "a\nb (c)", "#!/bin/sh\nexit 3\n");
    let output = pid1(["-v".as_ref(), odd.as_os_str()]).run();
    assert_eq!(output.err.len(), 1, "{output:?}");
    let line = &output.err[0];
    assert!(line.starts_with(&format!("rini: INFO pid {child} (a\\nb (c)) ran for ")), "{line}");
    // If rini stays, the end of the program has a line at once, and the closing line does not repeat it.
    for mode in ["terminate", "wait"] {
        let output = pid1(["-v", "--after-exit", mode, "sh", "-c", "exit 3"]).run();
        let [_, end, closing] = &output.err[..] else { panic!("{output:?}") };
        assert!(end.starts_with(&format!("rini: INFO pid {child} (sh) ran for ")), "{end}");
        assert!(end.ends_with(" and exited with 3"), "{end}");
        assert!(closing.starts_with("rini: INFO rini ran for "), "{closing}");
        assert!(closing.ends_with("s; signals forwarded: 0, orphans reaped: 0"), "{closing}");
    }
}

/// Gives rini, as PID 1, a container's view of its cgroup: /proc/1/cgroup holds `groups`, and /sys/fs/cgroup the files
/// (a path and a line each). Then runs a shell script as rini's child and returns rini's messages. `start` is that of a
/// PID namespace.
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
    // The commands that made the files had pids too, so the pid differs.
    let without_pid = |line: String| match line.strip_prefix("rini: WARN pid ") {
        Some(rest) => rest.split_once(" (sh) ").unwrap().1.to_owned(),
        None => line,
    };
    start.run().err.into_iter().map(without_pid).collect()
}

/// A PID namespace, in which a command can run.
fn namespace() -> Start {
    Start::of("env").in_namespace()
}

/// At the beginning of a script: waits until rini, as PID 1, has read the count and sleeps.
const RINI_HAS_LOOKED: &str = "until grep -q '^State:.S' /proc/1/status; do :; done; ";

/// Versions 1 and 2, each at the container's own path and at the root. The machine has only one of them, so the test
/// makes the files.
#[test]
fn an_out_of_memory_kill_is_distinguished_from_another_kill() {
    if !namespaces() {
        return;
    }
    let v1 = "11:cpu,cpuacct:/x\n4:memory:/docker/1\n0::/\n";
    let named = "3:memory,hugetlb:/docker/1\n2:name=memory:/y\n";
    let meanwhile = "meanwhile the kernel killed 1 of this container's processes: out of memory";
    let killed = format!("{OTHER_KILL}; {meanwhile}");
    let other = &*format!("{OTHER_KILL}{NO_REASON}");
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
        assert_eq!(run(&(rise.clone() + die), unlimited), killed);
        // A shell whose command was killed.
        assert_eq!(
            run(&(rise.clone() + "exit 137"), "67108864"),
            format!("exited with 137; {meanwhile}, limit 64 MiB")
        );
        // The kernel killed a worker, and the program failed for want of it.
        let other_end =
            "rini: WARN while the program ran, the kernel killed 1 of this container's processes: out of memory";
        for end in ["exit 1", "exit 255", "kill -TERM $$"] {
            assert_eq!(run(&(rise.clone() + end), "67108864"), format!("{other_end}, limit 64 MiB"));
        }
        // The negative controls: the program succeeds, or nobody was killed.
        for script in [rise + "exit 0", "exit 1".to_owned()] {
            let script = RINI_HAS_LOOKED.to_owned() + &script;
            assert_eq!(in_cgroup(namespace(), groups, &[(&file, before), (&limit, "1")], &script), [""; 0]);
        }
        // The negative control: the count is not 0, and does not change.
        assert_eq!(run(die, "67108864"), other);
    }
    // Without a file to read, rini prints nothing about memory.
    for (groups, files) in [("", &[][..]), ("0::/\n", &[]), ("4:memory:/\n", &[]), ("junk\n:::\n", &[])] {
        assert_eq!(in_cgroup(namespace(), groups, files, "kill -KILL $$"), [other]);
    }
    assert_eq!(in_cgroup(namespace(), "0::/\n", &[], "exit 137"), [""; 0]);
}

/// An endless file covers one of the kernel's. rini must not read all of it, because the program's memory limit counts
/// rini too.
#[test]
fn a_file_without_an_end_in_the_place_of_proc_self_cgroup_is_given_up() {
    if !namespaces() {
        return;
    }
    let set_up = r#"set -e; ulimit -v 300000; mount --bind /dev/zero /proc/1/cgroup; exec "$0" sh -c 'kill -KILL $$'"#;
    let output = namespace().args(["sh", "-c", set_up]).args([rini()]).run();
    assert_eq!(output.code(), 137);
    assert!(output.err.len() == 1 && output.err[0].ends_with(NO_REASON), "{output:?}");
}

/// An image without a mounted /proc may have anything there. rini believes nothing of it, and nothing of it holds rini
/// up.
#[test]
fn a_proc_that_is_not_the_kernel_s_is_not_read() {
    if !namespaces() {
        return;
    }
    let set_up = r#"
        set -e
        ulimit -v 300000
        mount -t tmpfs none /proc
        mkdir -p /proc/1/task/1 /proc/2 /proc/3
        ln -s 1 /proc/self
        ln -s /dev/zero /proc/1/cgroup
        ln -s /dev/zero /proc/1/task/1/children
        for pid in 1 2 3; do
            echo false-name >/proc/$pid/comm
            echo "$pid (false-name) T 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1 0 0" >/proc/$pid/stat
        done
        exec "$0" -v --after-exit terminate -t 300ms sh -c "$1" "$2""#;
    let script = r#"trap "exit 3" TERM; setsid "$0" signals & echo started; read x"#;
    let start = namespace().args(["sh", "-c", set_up]).args([rini()]).args([script]).args([probe()]);
    let mut run = start.spawn();
    let mut lines = [run.line(), run.line()];
    lines.sort_unstable();
    assert!(lines[0].starts_with("ready ") && lines[1] == "started", "{lines:?}");
    run.signal(libc::SIGTERM);
    let output = run.finish();
    assert_eq!(
        (output.code(), output.out.len()),
        (3, 2),
        "SIGTERM, and SIGCONT because no list of stopped processes exists: {output:?}"
    );
    assert!(!output.err.is_empty() && !output.err.iter().any(|line| line.contains("false-name")), "{output:?}");
}

/// If /proc belongs to the namespace outside, its numbers name other processes.
#[test]
fn the_proc_of_another_namespace_names_no_process() {
    if !namespaces() || !tools(&["unshare"]) {
        return;
    }
    let script = r#"trap "" TERM; sh -c "kill -TERM $PPID"; while :; do sleep 5; done"#;
    let said = |options: &[&str]| {
        let start = Start::of("unshare").args(["--pid", "--fork", "--kill-child"]).args(options);
        let output = start.args([rini()]).args(["-v", "-t", "300ms", "--", "sh", "-c", script]).run();
        assert_eq!(output.code(), 137, "{output:?}");
        let names = output.err.iter().filter(|line| line.contains(" (") && !line.contains(" ran for ")).count();
        let lines =
            output.err.iter().filter(|line| line.contains(" from pid ") || line.contains("killed pid ")).count();
        (lines > 1, names > 0)
    };
    assert_eq!(said(&[]), (true, false));
    // The negative control: its own /proc.
    assert_eq!(said(&["--mount-proc"]), (true, true));
}

/// The child has exited before rini reads the count. PID 1 is in a new container, in which the count began at 0.
#[test]
fn a_child_that_is_killed_for_memory_at_once_is_reported_too() {
    if !namespaces() || !tools(&["strace", "unshare"]) {
        return;
    }
    let said = |milliseconds: u32, file: &str, script: &str| {
        let fault = format!("inject=waitid:delay_enter={milliseconds}000");
        let strace = Start::of("strace").args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=waitid", "-e", &fault]);
        let start = strace.args(["unshare", "--pid", "--mount-proc", "--fork"]);
        in_cgroup(start, "0::/\n", &[(file, "oom_kill 1")], script)
    };
    // The fault delays rini's look at its children. The child must have died before it, which takes some milliseconds, or
    // longer on a busy machine.
    let events = "/sys/fs/cgroup/memory.events";
    let other = &*format!("{OTHER_KILL}{NO_REASON}");
    let wanted = format!("{OTHER_KILL}; meanwhile the kernel killed 1 of this container's processes: out of memory");
    let die = "kill -KILL $$";
    assert!([300, 3000, 10_000].into_iter().any(|time| said(time, events, die) == [&*wanted]));
    // The negative controls: no such kill; and another end, which does not tell that the kill was in this run.
    assert_eq!(said(300, "/sys/fs/cgroup/other", die), [other]);
    assert_eq!(said(300, events, "exit 1"), [""; 0]);
}
