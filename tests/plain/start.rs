//! The process state in which the program starts, and what rini holds from then on.

use crate::support::{
    Output, Running, Start, beside, bit, comes_through, copy_executable, executable, injecting, is_root, namespaces,
    pid1, probe, rini, skip, status_field, tools, until, user_namespaces,
};
use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

/// The program's signal state by `probe state`: pending, blocked, ignored, caught.
fn signal_state(start: Start) -> Vec<String> {
    let output = start.run();
    assert_eq!((output.code(), &output.err), (0, &vec![]));
    output.out.into_iter().filter(|line| line.starts_with("Sig")).collect()
}

/// catatonit leaves TSTP, TTIN and TTOU blocked. dumb-init, tino and pid1-rs unblock what was blocked and reset what
/// was ignored. tino leaks Rust's own ignored SIGPIPE.
#[test]
fn the_signal_mask_and_dispositions_pass_through_untouched() {
    if !namespaces() {
        return;
    }
    let every = u64::MAX;
    let kill_and_stop = bit(libc::SIGKILL) | bit(libc::SIGSTOP);
    let job_control = bit(libc::SIGTSTP) | bit(libc::SIGTTIN) | bit(libc::SIGTTOU);
    for (blocked, ignored) in [
        (0, 0),
        (bit(libc::SIGPIPE), 0),
        (0, bit(libc::SIGPIPE)),
        (0, bit(libc::SIGCHLD)),
        (bit(libc::SIGCHLD), bit(libc::SIGCHLD)),
        (job_control, 0),
        (0, job_control),
        (bit(1) | bit(15), bit(2) | bit(3)),
        (bit(32) | bit(33) | bit(34), bit(35) | bit(64)),
        (every, 0),
        (0, every),
        (every, every),
    ] {
        let set = |start: Start| start.blocked(blocked).ignored(ignored);
        // The negative control: without rini the probe sees exactly what the launcher set.
        let alone = signal_state(set(Start::of(probe()).args(["state"])));
        assert_eq!(alone[1], format!("SigBlk {:016x}", blocked & !kill_and_stop));
        assert_eq!(alone[2], format!("SigIgn {:016x}", ignored & !kill_and_stop));
        let words = [probe().into_os_string(), "state".into()];
        assert_eq!(signal_state(set(beside(&words))), alone);
        assert_eq!(signal_state(set(pid1(&words))), alone);
    }
}

fn field(lines: &[String], name: &str) -> String {
    let value = lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in {lines:?}")).to_owned()
}

#[test]
fn the_child_leads_a_process_group_in_rini_s_session() {
    let output = beside([probe().as_os_str(), "state".as_ref()]).run();
    assert_eq!(field(&output.out, "group"), field(&output.out, "pid"));
    let alone = Start::of(probe()).args(["state"]).run();
    assert_eq!(field(&output.out, "session"), field(&alone.out, "session"));
    assert_ne!(field(&alone.out, "group"), field(&alone.out, "pid"), "by itself it has its parent's group");
}

fn recorder(start: Start) -> Running {
    let mut run = start.spawn();
    assert!(run.line().starts_with("ready "));
    run
}

/// tini, pid1-rs and tino keep their working directory. Nobody can unmount a file system in which PID 1 has one.
#[test]
fn rini_s_working_directory_is_the_root_and_the_child_s_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = fs::canonicalize(folder.path()).unwrap();
    let start = beside([probe().as_os_str(), "signals".as_ref(), "15".as_ref()]);
    let run = recorder(start.with(|command| command.current_dir(&path)));
    // rini changes to the root while the program starts.
    let root = || fs::read_link(format!("/proc/{}/cwd", run.pid())).unwrap().as_os_str() == "/";
    until("rini is in the root", root);
    assert_eq!(fs::read_link(format!("/proc/{}/cwd", run.only_child())).unwrap(), path);
    run.signal(15);
    assert_eq!(run.finish().code(), 0);
}

fn descriptors(pid: nix::unistd::Pid) -> Vec<i32> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let mut fds: Vec<i32> = entries.map(|e| e.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect();
    fds.sort_unstable();
    fds
}

/// tini, dumb-init and tino keep them.
#[test]
fn descriptors_above_2_are_closed_in_rini_and_open_in_the_child() {
    let open = || {
        for fd in [7, 63, 900] {
            // SAFETY: The system call takes numbers only. The copy of standard input stays open across the exec.
            assert!(unsafe { libc::dup2(0, fd) } == fd);
        }
        Ok(())
    };
    let start = beside([probe().as_os_str(), "signals".as_ref(), "15".as_ref()]);
    let run = recorder(start.with(|command| {
        // SAFETY: The closure makes system calls only.
        unsafe { command.pre_exec(open) }
    }));
    until("rini has closed them", || descriptors(run.pid()) == [0, 1, 2]);
    let child = descriptors(run.only_child());
    assert!([0, 1, 2, 7, 63, 900].iter().all(|fd| child.contains(fd)), "{child:?}");
    run.signal(15);
    assert_eq!(run.finish().code(), 0);
}

/// A kernel before 5.9, or a seccomp profile that does not know the call.
#[test]
fn descriptors_are_closed_without_close_range_too() {
    if !tools(&["strace", "bash"]) {
        return;
    }
    let script =
        r#"exec 7<&0 9<&0; exec strace -f -o /dev/null -e inject=close_range:error=ENOSYS "$0" -- "$1" signals 15"#;
    let mut run = Start::of("bash").args(["-c", script]).args([rini(), probe()]).spawn();
    assert!(run.line().starts_with("ready "));
    let traced = run.only_child();
    assert_eq!(fs::read_link(format!("/proc/{traced}/exe")).unwrap(), fs::canonicalize(rini()).unwrap());
    until("rini has closed them", || descriptors(traced) == [0, 1, 2]);
    nix::sys::signal::kill(traced, nix::sys::signal::SIGTERM).unwrap();
    assert_eq!(run.finish().code(), 0);
}

/// All peers but catatonit leave it as it is. A program that inherits sockets takes them only if LISTEN_PID is its own
/// pid.
#[test]
fn listen_pid_and_watchdog_pid_are_the_child_s_where_they_were_rini_s() {
    if !namespaces() {
        return;
    }
    let words = [probe().into_os_string(), "state".into()];
    let output = pid1(&words).env("LISTEN_PID", "1").env("LISTEN_FDS", "2").run();
    assert_eq!(field(&output.out, "LISTEN_PID"), field(&output.out, "pid"));
    assert_eq!(field(&output.out, "LISTEN_FDS"), "2");
    // systemd's second name of the process. It does not name the program, which would then refuse the sockets.
    let start = || pid1(&words).env("LISTEN_PIDFDID", "4711");
    assert_eq!(field(&start().env("LISTEN_PID", "1").run().out, "LISTEN_PIDFDID"), "");
    assert_eq!(field(&start().env("LISTEN_PID", "2").run().out, "LISTEN_PIDFDID"), "4711");
    for other in ["2", "11", "", "1x", "01", "-1"] {
        let output = pid1(&words).env("LISTEN_PID", other).run();
        assert_eq!(field(&output.out, "LISTEN_PID"), other, "somebody else's is left alone");
    }
    // systemd kills the service of WATCHDOG_PID if it gets no keep-alives (sd_watchdog_enabled(3)).
    let output = start().env("WATCHDOG_PID", "1").env("LISTEN_PID", "2").run();
    assert_eq!(field(&output.out, "WATCHDOG_PID"), field(&output.out, "pid"));
    assert_eq!(["LISTEN_PID", "LISTEN_PIDFDID"].map(|name| field(&output.out, name)), ["2", "4711"]);
    let output = start().env("WATCHDOG_PID", "2").env("LISTEN_PID", "1").run();
    assert_eq!(field(&output.out, "WATCHDOG_PID"), "2");
    assert_eq!(field(&output.out, "LISTEN_PID"), field(&output.out, "pid"));
}

/// Debian's libsystemd is the judge: a program learns by it whether systemd waits for its keep-alives.
#[test]
fn libsystemd_finds_the_watchdog_and_the_sockets_only_under_rini() {
    if !tools(&["tini"]) || !has_libsystemd() {
        return;
    }
    let program = format!(
        "{LIBSYSTEMD}
time = ctypes.c_uint64()
print(systemd.sd_watchdog_enabled(0, ctypes.byref(time)), time.value, systemd.sd_listen_fds(0))"
    );
    // The shell becomes the main process, as systemd's child does, and the variables name it.
    let run = |main: &str| {
        let script =
            format!("exec 3<&0 4<&0; export LISTEN_PID=$$ WATCHDOG_PID=$$; {main} /usr/bin/python3 -c \"$1\"; exit");
        let start = Start::of("sh").args(["-c", &script, "sh", &program]).args([rini()]);
        start.env("WATCHDOG_USEC", "30000000").env("LISTEN_FDS", "2").run().only_line()
    };
    assert_eq!(run("exec"), "1 30000000 2");
    assert_eq!(run("exec \"$2\" --"), "1 30000000 2");
    // The negative controls: a shell with a child, and another init.
    assert_eq!(run(""), "0 0 0");
    assert_eq!(run("exec tini -s --"), "0 0 0");
}

/// systemd judges a message by its sender. With `NotifyAccess=main` that must be the main process, and rini is it.
#[test]
fn a_notification_comes_from_the_program_and_not_from_the_main_process() {
    if !has_libsystemd() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = format!("{LIBSYSTEMD}\nsystemd.sd_notify(0, b'READY=1')\ninput()");
    let manager = "
import os, socket, struct, subprocess, sys
program, main = sys.argv[1], sys.argv[2:]
inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
inbox.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
inbox.settimeout(60)
inbox.bind('notify')
environment = dict(os.environ, NOTIFY_SOCKET=os.path.abspath('notify'))
service = subprocess.Popen(main + ['/usr/bin/python3', '-c', program], env=environment, stdin=subprocess.PIPE)
text, extra, _, _ = inbox.recvmsg(100, 100)
sender = struct.unpack('iii', extra[0][2])[0]
children = open(f'/proc/{service.pid}/task/{service.pid}/children').read().split()
service.communicate(b'\\n')
print(text.decode(), 'main' if sender == service.pid else 'child' if [str(sender)] == children else sender)";
    let run = |main: &[&OsStr]| {
        let start = Start::of("/usr/bin/python3").args(["-c", manager, &program]).args(main);
        let _ = fs::remove_file(folder.path().join("notify"));
        start.with(|command| command.current_dir(&folder)).run().only_line()
    };
    assert_eq!(run(&[rini().as_os_str(), "--".as_ref()]), "READY=1 child");
    // The negative control: without rini the program is the main process.
    assert_eq!(run(&["env".as_ref()]), "READY=1 main");
}

/// The start of a program of Python's that calls libsystemd.
const LIBSYSTEMD: &str = "import ctypes; systemd = ctypes.CDLL('libsystemd.so.0')";

/// True if Debian's Python can load libsystemd, which Debian's package of systemd needs. Otherwise prints SKIPPED.
fn has_libsystemd() -> bool {
    let python = "/usr/bin/python3";
    let has = Path::new(python).exists() && Start::of(python).args(["-c", LIBSYSTEMD]).run().status.success();
    if !has {
        skip("there is no libsystemd.so.0; tests/setup installs it with systemd");
    }
    has
}

/// If rini were setuid or had file capabilities, it would give these rights to every program that a user names.
#[test]
fn a_rini_whose_file_gives_rights_does_not_start() {
    const NOBODY: u32 = 65_534;
    if !is_root() {
        return skip("only root can make a file setuid for another user");
    }
    let folder = tempfile::tempdir().unwrap();
    let set_mode = |file: &Path, mode| fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    set_mode(folder.path(), 0o755);
    let copy = |name: &str, of: &Path, mode| {
        let file = folder.path().join(name);
        copy_executable(of, &file);
        set_mode(&file, mode);
        file
    };
    let as_nobody = |file: &Path, words: &[&str]| {
        Start::of(file).args(words).with(|command| command.uid(NOBODY).gid(NOBODY).current_dir("/")).run()
    };
    let words = ["--", "echo", "started"];
    let starts =
        |output: Output| assert_eq!((output.code(), output.out, output.err.len()), (0, vec!["started".to_owned()], 0));
    let refuses = |output: Output| {
        assert_eq!((output.code(), output.out, output.err.len()), (1, vec![], 1));
        assert!(output.err[0].contains("rini's file is setuid or setgid or has file capabilities"), "{:?}", output.err);
    };
    let plain = copy("plain", &rini(), 0o755);
    let probe = copy("probe", &probe(), 0o4755);
    starts(as_nobody(&plain, &words));
    for (name, mode) in [("setuid", 0o4755), ("setgid", 0o2755), ("tini", 0o4755)] {
        let file = copy(name, &rini(), mode);
        refuses(as_nobody(&file, &words));
        assert_eq!(as_nobody(&file, &["--version"]).code(), 0);
        // To root these files give nothing.
        starts(Start::of(&file).args(["-s"]).args(words).run());
    }
    let capable = copy("capable", &rini(), 0o755);
    // Version 2, effective: CAP_NET_BIND_SERVICE.
    let capability = [0x0200_0001_u32, 1 << 10, 0, 0, 0].map(u32::to_le_bytes).concat();
    let path = CString::new(capable.as_os_str().as_bytes()).unwrap();
    let name = c"security.capability".as_ptr();
    // SAFETY: The call gets two C strings and bytes of this length, which outlive it.
    let set = unsafe { libc::setxattr(path.as_ptr(), name, capability.as_ptr().cast(), capability.len(), 0) };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
    refuses(as_nobody(&capable, &words));
    // A setuid program that runs rini does not make rini setuid. The kernel reports both alike (AT_SECURE).
    let output = as_nobody(&probe, &["exec", plain.to_str().unwrap(), "--", "id", "-u"]);
    assert_eq!((output.code(), output.out, output.err.len()), (0, vec!["0".to_owned()], 0));
}

/// glibc's getopt reorders arguments, so tini and catatonit with glibc take the program's options for their own: `tini
/// ls -l` prints the licence. Under rini all arguments after the program belong to it.
#[test]
fn options_behind_the_program_are_the_program_s() {
    let probe = probe();
    let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
    for before in ["", "--", "-g --", "-v -e 1 -e2 -p TERM", "-gwsvv --remap-exit=3 --"] {
        let mut options = words(before);
        options.retain(|word| !word.is_empty());
        let mut run = options;
        run.extend([probe.clone().into_os_string(), "count".into()]);
        run.extend(words("-l --version -- -h -e x --"));
        let output = beside(&run).env("RINI_LOG", "error").run();
        assert_eq!(output.code(), 0, "{output:?}");
        assert_eq!(output.out[1..], ["-l", "--version", "--", "-h", "-e", "x", "--"], "{before}");
    }
    let output = beside(["ls", "-l", "/proc/self/exe"]).run();
    assert!(output.out[0].contains("/proc/self/exe -> "), "{output:?}");
}

/// tino and pid1-rs refuse arguments that are not UTF-8.
#[test]
fn arguments_and_environment_may_hold_any_bytes() {
    let bytes = OsString::from_vec((1..=255).collect());
    let probe = probe();
    let words = [probe.as_os_str(), "count".as_ref(), &bytes, "".as_ref(), OsStr::from_bytes(b"\xff\xfe")];
    let output = beside(words).env("X", &bytes).run();
    assert_eq!(output.code(), 0);
    assert_eq!(
        output.out,
        ["3 257".to_owned(), bytes.as_bytes().escape_ascii().to_string(), String::new(), r"\xff\xfe".to_owned()]
    );
    let output = beside(["sh", "-c", "printenv X | od -An -tx1 | tr -d ' \\n'"]).env("X", &bytes).run();
    let hex: String = (1..=255).chain([10]).map(|byte: u8| format!("{byte:02x}")).collect();
    assert_eq!(output.out, [hex]);
}

#[test]
fn a_million_bytes_of_arguments_come_through() {
    let long = "x".repeat(100_000);
    let mut words = vec![probe().into_os_string(), "count".into()];
    words.extend((0..10).map(|_| OsString::from(&long)));
    assert_eq!(beside(&words).run().out, ["10 1000000"]);
    let mut words = vec![probe().into_os_string(), "count".into()];
    words.extend((0..100_000).map(|_| OsString::from("-e")));
    let output = beside(&words).run();
    assert_eq!((output.out[0].as_str(), output.out.len()), ("100000 200000", 100_001));
}

/// glibc's execvp(3) runs such a script with /bin/sh. musl's does not.
#[test]
fn a_script_without_its_first_line_is_run_by_the_shell() {
    let folder = tempfile::tempdir().unwrap();
    let script = executable(folder.path(), "script", "echo \"$0\" \"$#\" \"$1\" \"$2\"; exit 9\n");
    let name = script.to_str().unwrap();
    for options in [&[][..], &["--"], &["-v", "--"]] {
        let output = beside(options.iter().copied().chain([name, "a b", "-c"])).run();
        assert_eq!((output.code(), output.out), (9, vec![format!("{name} 2 a b -c")]));
    }
    // The script is found along PATH too, and in the working directory, which an empty element of PATH stands for.
    let found = beside(["script", "x"]).env("PATH", format!("/nonexistent:{}", folder.path().display())).run();
    assert_eq!((found.code(), found.out), (9, vec![format!("{name} 1 x ")]));
    let here = beside(["script"]).env("PATH", ":/bin").with(|command| command.current_dir(folder.path())).run();
    assert_eq!((here.code(), here.out), (9, vec!["script 0  ".to_owned()]));
    // An empty file is an empty script.
    executable(folder.path(), "script", "");
    assert_eq!(beside([name]).run().code(), 0);
}

/// A kernel before 4.11 or an old seccomp profile, so rini cannot learn the kind of the file.
#[test]
fn a_script_without_its_first_line_is_run_where_there_is_no_statx() {
    if !tools(&["strace"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = executable(folder.path(), "script", "echo \"$1\"; exit 9\n");
    let output = injecting("statx:error=ENOSYS").args([script.to_str().unwrap(), "x"]).run();
    assert_eq!((output.code(), output.out), (9, vec!["x".to_owned()]));
}

#[test]
fn a_name_is_looked_for_along_path_as_execvp_does() {
    let folder = tempfile::tempdir().unwrap();
    let in_folder = |name: &str| folder.path().join(name);
    for name in ["denied", "real", "broken"] {
        fs::create_dir(in_folder(name)).unwrap();
    }
    fs::write(in_folder("denied/thing"), "#!/bin/sh\nexit 5\n").unwrap();
    fs::write(in_folder("file"), "").unwrap();
    executable(&in_folder("real"), "thing", "#!/bin/sh\nexit 5\n");
    executable(&in_folder("broken"), "thing", "#!/nonexistent/interpreter\n");
    let run = |folders: &[&str]| {
        let path: Vec<_> = folders.iter().map(|name| in_folder(name).display().to_string()).collect();
        beside(["thing"]).env("PATH", path.join(":")).run()
    };
    // A failed candidate in PATH does not end the search: a missing directory, a file as a directory, a file without
    // permission or interpreter.
    let found = run(&["none", "file", "denied", "broken", "real"]);
    assert_eq!((found.code(), found.err.len()), (5, 0), "{found:?}");
    assert_eq!(run(&["none", "denied"]).code(), 126);
    assert_eq!(run(&["denied", "none"]).code(), 126);
    assert_eq!(run(&["none", "file"]).code(), 127);
    let broken = run(&["none", "broken"]);
    assert_eq!(broken.code(), 127);
    assert!(
        broken.err[0].contains(r#"broken/thing": its interpreter "/nonexistent/interpreter" is not"#),
        "{broken:?}"
    );
    let too_long = format!("/{}:{}", "x/".repeat(4000), in_folder("real").display());
    assert_eq!(beside(["thing"]).env("PATH", too_long).run().code(), 5);
}

#[test]
fn without_path_the_usual_folders_are_searched() {
    let output = beside(["sh", "-c", "exit 4"]).with(|command| command.env_remove("PATH")).run();
    assert_eq!(output.code(), 4);
}

/// The program gets the whole environment in the same order. LISTEN_PID is the one exception.
#[test]
fn the_environment_passes_through_untouched() {
    let list = |start: Start| {
        let variables = [("A", "1"), ("TINI_SUBREAPER", ""), ("RINI_LOG", "warn"), ("Z", "x=y")];
        start.with(|command| command.env_clear().envs(variables)).run().out
    };
    assert_eq!(list(beside(["/usr/bin/env"])), list(Start::of("/usr/bin/env")));
}

#[test]
fn rootless_in_a_user_namespace_it_is_pid_1_all_the_same() {
    if !user_namespaces() {
        return;
    }
    // nobody may not enter the build's directories, so both programs are copied to one that everybody may enter.
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let copy = |from: std::path::PathBuf, name: &str| {
        copy_executable(&from, &folder.path().join(name));
        folder.path().join(name)
    };
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (rini, probe) = (copy(rini(), "rini"), copy(probe(), "probe"));
    let start = |words: &[&str]| Start::of(&rini).args(["-w"]).args([&probe]).args(words).in_namespace().rootless();
    let mut run = start(&["orphans", "20"]).spawn();
    run.expect("made 20");
    for _ in 0..20 {
        assert!(run.err_line().starts_with("rini: WARN reaped orphan pid "));
    }
    assert_eq!(status_field(run.pid(), "Uid"), "65534\t65534\t65534\t65534", "nobody, as root sees it");
    drop(run.stdin.take());
    assert_eq!(run.finish().code(), 0);
    let mut run = start(&["signals", "15"]).spawn();
    run.expect_ready();
    for signal in [1, 10, 32, 33, 34, 64, 15].into_iter().filter(|signal| comes_through(*signal)) {
        run.signal(signal);
        run.expect(&format!("signal {signal} code -1 pid 0 uid 65534 value 0"));
    }
    assert_eq!(run.finish().code(), 0);
    assert_eq!(start(&["die", "35"]).run().code(), 163);
}

/// The child shares rini's memory until its exec, and nothing is copied.
#[test]
fn the_child_borrows_rini_s_memory_until_its_exec() {
    if !tools(&["strace", "tini"]) {
        return;
    }
    let log = tempfile::NamedTempFile::new().unwrap();
    let calls_of = |init: &OsStr, option: &str| {
        let words = ["-f", "-qq", "-e", "trace=/clone|fork|execve", "-e", "signal=none", "-o"].map(OsString::from);
        let command = [log.path().into(), init.into(), option.into(), probe().into(), "state".into()];
        assert_eq!(Start::of("strace").args(words.into_iter().chain(command)).run().code(), 0);
        fs::read_to_string(log.path()).unwrap()
    };
    let calls = calls_of(rini().as_os_str(), "--");
    assert!(calls.contains("flags=CLONE_VM|CLONE_VFORK|SIGCHLD"), "{calls}");
    // The clone returns after the exec.
    let place = |part: &str| calls.find(part).unwrap_or_else(|| panic!("no {part} in {calls}"));
    assert!(place("<... clone resumed>") > place(&format!("execve(\"{}\"", probe().display())), "{calls}");
    // The negative control: a fork.
    let calls = calls_of(OsStr::new("tini"), "-s");
    assert!(calls.contains("clone(") && !calls.contains("CLONE_VM"), "{calls}");
}
