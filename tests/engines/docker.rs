//! rini as the entry point of containers, on a real engine.
//!
//! The tests make the image from rini and the probe only. It needs no registry, no network and no libc. `tests/engine`
//! starts an engine if none answers.

use crate::support::{
    LIMIT, NO_REASON, OTHER_KILL, Running, Start, children_of, copy_executable, find_program, is_root, lacked, probe,
    rini, seconds_before_kill, skip, state, status_field, tools, until, zombies_of,
};
use crate::terminal::{CTRL_C, CTRL_Z, Session};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Runs the docker client to its end.
fn docker<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> crate::support::Output {
    Start::of("docker").args(args).run()
}

/// Runs the docker client, which must succeed. Returns its standard output.
fn done<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> String {
    let output = docker(args);
    assert_eq!(output.code(), 0, "{output:?}");
    output.out.join("\n")
}

/// The image that all tests share. If no engine answers, prints SKIPPED and returns None.
pub fn image() -> Option<&'static str> {
    static IMAGE: OnceLock<Result<String, String>> = OnceLock::new();
    match IMAGE.get_or_init(make_image) {
        Ok(name) => Some(name),
        Err(why) => {
            skip(why);
            None
        }
    }
}

fn image_name() -> String {
    format!("rini-test:{}", std::process::id())
}

/// The image has `/rini` as the entry point, a link `/dumb-init` to it, `/probe`, `/plain` (a file that is not
/// executable), and `/busybox` if the machine has one.
fn make_image() -> Result<String, String> {
    let answer = Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]).output();
    match answer {
        Ok(answer) if answer.status.success() => (),
        Ok(answer) => return Err(format!("no engine answers: {}", String::from_utf8_lossy(&answer.stderr).trim())),
        Err(error) => return Err(format!("there is no docker client: {error}")),
    }
    let folder = tempfile::tempdir().unwrap();
    let add = |from: &Path, name: &str| {
        let to = folder.path().join(name);
        copy_executable(from, &to);
    };
    add(&rini(), "rini");
    add(&probe(), "probe");
    std::os::unix::fs::symlink("rini", folder.path().join("dumb-init")).unwrap();
    if let Some(busybox) = busybox() {
        add(&busybox, "busybox");
    }
    let plain = folder.path().join("plain");
    fs::write(&plain, "not a program\n").unwrap();
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).unwrap();

    let mut tar = Command::new("tar")
        .args(["--owner=0", "--group=0", "-c", "-C"])
        .arg(folder.path())
        .arg(".")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let name = image_name();
    let imported = Command::new("docker")
        .args(["import", "--change", r#"ENTRYPOINT ["/rini","--"]"#, "-", &name])
        .stdin(tar.stdout.take().unwrap())
        .output()
        .unwrap();
    assert!(tar.wait().unwrap().success() && imported.status.success(), "docker import: {imported:?}");
    // SAFETY: The handler is a plain function that does not unwind.
    let registered = unsafe { libc::atexit(remove_image) };
    assert_eq!(registered, 0);
    // The engine may run on another machine (DOCKER_HOST), or outside the container in which the tests run.
    let mut container = Container::run(&name, &[], &["/probe", "signals", "15"]);
    container.ready();
    let exe = format!("/proc/{}/exe", container.inspect("{{.State.Pid}}"));
    // Another user's file cannot be read.
    if is_root() && !fs::read(exe).is_ok_and(|its| its == fs::read(rini()).unwrap()) {
        return Err("the engine is not on this machine, or its containers cannot be seen from here".to_owned());
    }
    Ok(name)
}

/// Runs at the end of the process, because no test knows that it is the last.
extern "C" fn remove_image() {
    let _ = Command::new("docker").args(["rmi", "--force", &image_name()]).output();
}

/// A busybox that needs no libraries.
pub fn busybox() -> Option<PathBuf> {
    let path = ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from).into_iter().find(|path| path.exists())?;
    let bytes = fs::read(&path).unwrap();
    let elf = object::read::elf::ElfFile64::<object::Endianness>::parse(&*bytes).ok()?;
    let loader =
        elf.elf_program_headers().iter().any(|header| header.p_type.get(elf.endian()) == object::elf::PT_INTERP);
    (!loader).then_some(path)
}

/// A container with an attached client. Dropping it removes the container.
pub struct Container {
    name: String,
    client: Option<Running>,
}

impl Container {
    /// `docker run` of the image with these flags and this command.
    pub fn run(image: &str, flags: &[&str], command: &[&str]) -> Container {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("rini-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // Standard input stays open as long as the client runs. The probe's `orphans` exits when it closes.
        let words = ["run", "--interactive", "--network", "none", "--name", &name];
        let client = Start::of("docker").args(words).args(flags).args([image]).args(command).spawn();
        Container { name, client: Some(client) }
    }

    /// Does the same without rini: the first word of the command is PID 1.
    fn without_rini(image: &str, command: &[&str]) -> Container {
        Container::run(image, &["--entrypoint", command[0]], &command[1..])
    }

    pub fn client(&mut self) -> &mut Running {
        self.client.as_mut().unwrap()
    }

    /// The next line of its standard output.
    pub fn line(&mut self) -> String {
        self.client().line()
    }

    fn expect(&mut self, line: &str) {
        self.client().expect(line);
    }

    /// Waits until the probe is ready for signals. Returns its pid in the container. The pid is seldom 2, because
    /// runc's threads had numbers of the namespace too.
    fn ready(&mut self) -> u32 {
        let line = self.line();
        line.strip_prefix("ready ").and_then(|pid| pid.parse().ok()).unwrap_or_else(|| panic!("{line:?}"))
    }

    /// Waits for the probe's line about this signal.
    fn expect_signal(&mut self, signal: i32) {
        let line = self.line();
        assert!(line.starts_with(&format!("signal {signal} ")), "{line:?}, and not signal {signal}");
    }

    /// `docker COMMAND... NAME`.
    pub fn docker(&self, command: &[&str]) -> String {
        done([command, &[&self.name]].concat())
    }

    fn inspect(&self, field: &str) -> String {
        self.docker(&["inspect", "--format", field])
    }

    /// The pid of its PID 1 on this machine.
    pub fn pid(&self) -> Pid {
        let pid = Pid::from_raw(self.inspect("{{.State.Pid}}").parse().unwrap());
        assert!(state(pid).is_some(), "the engine's pid {pid} is not in this machine's /proc");
        pid
    }

    /// `docker exec`.
    fn exec(&self, command: &[&str]) -> crate::support::Output {
        docker([&["exec", &self.name], command].concat())
    }

    /// Waits for the client to exit. Its result has the container's exit code and the unread output.
    pub fn finish(mut self) -> crate::support::Output {
        self.client.take().unwrap().finish()
    }

    pub fn code(self) -> i32 {
        self.finish().code()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "--force", "--volumes", &self.name]).output();
    }
}

/// Makes an image from a Dockerfile that copies nothing.
fn build(name: &str, dockerfile: &str) {
    let mut run = Start::of("docker").args(["build", "--quiet", "--network", "none", "--tag", name, "-"]).spawn();
    run.stdin.take().unwrap().write_all(dockerfile.as_bytes()).unwrap();
    let output = run.finish();
    assert_eq!(output.code(), 0, "{output:?}");
}

/// Asserts that there is exactly one line, and that rini printed it.
fn only_error(output: &crate::support::Output) -> &str {
    assert_eq!((output.out.len(), output.err.len()), (0, 1), "{output:?}");
    output.err[0].strip_prefix("rini: ERROR ").unwrap_or_else(|| panic!("{output:?}"))
}

#[test]
fn rini_is_pid_1_and_the_program_its_only_child() {
    let Some(image) = image() else { return };
    let mut container = Container::run(image, &[], &["/probe", "signals", "15"]);
    let program = container.ready();
    let pid = container.pid();
    assert_eq!((status_field(pid, "Name"), status_field(pid, "NSpid")), ("rini".to_owned(), format!("{pid}\t1")));
    let child = children_of(pid)[0];
    assert_eq!(children_of(pid), [child]);
    assert_eq!(
        (status_field(child, "Name"), status_field(child, "NSpid")),
        ("probe".to_owned(), format!("{child}\t{program}"))
    );
    container.docker(&["stop"]);
    container.expect_signal(15);
    let output = container.finish();
    assert_eq!((output.code(), output.out, output.err), (0, vec![], vec![]));
}

#[test]
fn exit_codes_come_through() {
    let Some(image) = image() else { return };
    for code in ["0", "1", "7", "125", "126", "127", "143", "255"] {
        let output = Container::run(image, &[], &["/probe", "exit", code]).finish();
        // rini explains the codes of a shell that could not run its command.
        let lines = if ["126", "127"].contains(&code) { 1 } else { 0 };
        let count = output.err.len();
        assert_eq!((output.code().to_string().as_str(), output.out, count), (code, vec![], lines), "{:?}", output.err);
    }
    for signal in [6, 9, 11, 15, 34, 64] {
        let output = Container::run(image, &[], &["/probe", "die", &signal.to_string()]).finish();
        // rini explains a SIGKILL from elsewhere too.
        let lines = if signal == 9 { 1 } else { 0 };
        let count = output.err.len();
        assert_eq!((output.code(), output.out, count), (128 + signal, vec![], lines), "{:?}", output.err);
    }
}

#[test]
fn docker_stop_ends_the_program_which_is_deaf_as_pid_1() {
    let Some(image) = image() else { return };
    // Like most programs, it has only the default action for SIGTERM.
    let program = ["/probe", "orphans", "0"];
    let mut container = Container::run(image, &[], &program);
    container.expect("made 0");
    container.docker(&["stop"]);
    assert_eq!(container.code(), 128 + 15);

    let mut container = Container::without_rini(image, &program);
    container.expect("made 0");
    container.docker(&["stop", "--time", "1"]);
    assert_eq!(container.code(), 128 + 9, "the control: as PID 1 it is killed in the end");
}

#[test]
fn docker_stop_and_the_program_s_own_end() {
    let Some(image) = image() else { return };
    let mut container = Container::run(image, &[], &["/probe", "signals", "15"]);
    assert_ne!(container.ready(), 1);
    container.docker(&["stop"]);
    container.expect_signal(15);
    assert_eq!(container.code(), 0);

    // A stop signal that an image or its user chose.
    let mut container = Container::run(image, &["--stop-signal", "RTMIN+3"], &["/probe", "signals", "37"]);
    assert_ne!(container.ready(), 1);
    container.docker(&["stop"]);
    container.expect_signal(37);
    assert_eq!(container.code(), 0);
}

#[test]
fn docker_kill_reaches_the_program_with_every_signal() {
    let Some(image) = image() else { return };
    let mut container = Container::run(image, &[], &["/probe", "signals", "15"]);
    assert_ne!(container.ready(), 1);
    for (name, number) in [
        ("RTMIN+3", 37),
        ("SIGRTMIN+3", 37),
        ("RTMAX-1", 63),
        ("HUP", 1),
        ("USR1", 10),
        ("SIGUSR2", 12),
        ("INT", 2),
        ("ABRT", 6),
        ("SEGV", 11),
        ("WINCH", 28),
        ("TSTP", 20),
        ("CONT", 18),
        ("34", 34),
        ("64", 64),
        ("TERM", 15),
    ] {
        container.docker(&["kill", "--signal", name]);
        container.expect_signal(number);
    }
    let output = container.finish();
    assert_eq!((output.code(), output.out, output.err), (0, vec![], vec![]));
}

#[test]
fn it_works_with_as_few_rights_as_an_engine_can_leave_it() {
    let Some(image) = image() else { return };
    // The engine is responsible for --read-only and the other flags. The test shows that rini works with them.
    // `--network none` is in all of them.
    let hardened: [&[&str]; 5] = [
        &["--read-only"],
        &["--cap-drop", "ALL"],
        &["--security-opt", "no-new-privileges"],
        &["--user", "12345:12345"],
        &[
            "--read-only",
            "--cap-drop",
            "ALL",
            "--security-opt",
            "no-new-privileges",
            "--user",
            "12345:12345",
            "--ipc",
            "none",
        ],
    ];
    for flags in hardened {
        let mut container = Container::run(image, flags, &["/probe", "signals", "15"]);
        assert_ne!(container.ready(), 1);
        let pid = container.pid();
        if flags.contains(&"--user") {
            assert_eq!(status_field(pid, "Uid"), "12345\t12345\t12345\t12345");
        }
        if flags.contains(&"ALL") {
            assert_eq!(status_field(pid, "CapBnd"), "0000000000000000");
        }
        if flags.contains(&"no-new-privileges") {
            assert_eq!(status_field(pid, "NoNewPrivs"), "1");
        }
        container.docker(&["kill", "--signal", "USR1"]);
        container.expect_signal(10);
        assert_eq!(container.exec(&["/probe", "orphans", "3"]).out, ["made 3"]);
        until("only the program is left", || children_of(pid).len() == 1);
        container.docker(&["stop"]);
        container.expect_signal(15);
        let output = container.finish();
        assert_eq!((output.code(), output.out, output.err), (0, vec![], vec![]), "{flags:?}");
    }
}

/// With `--pid host` rini is a subreaper among all processes of the machine. It stops its own processes and no others.
#[test]
fn in_the_machine_s_pid_namespace_it_signals_its_own_processes_only() {
    let Some(image) = image() else { return };
    let mut foreign = Start::of(probe()).args(["signals"]).spawn();
    assert!(foreign.line().starts_with("ready "));
    for ipc in ["private", "host"] {
        let flags = ["--pid", "host", "--ipc", ipc, "--env", "RINI_AFTER_EXIT=terminate"];
        // It leaves three processes behind, which only rini can end.
        let mut container = Container::run(image, &flags, &["/probe", "many", "3"]);
        container.expect("made 3");
        let pid = container.pid();
        assert_eq!(status_field(pid, "NSpid"), pid.to_string());
        let program = children_of(pid)[0];
        let left = children_of(program);
        assert_eq!((children_of(pid).len(), left.len()), (1, 3));
        drop(container.client().stdin.take());
        let output = container.finish();
        assert_eq!((output.code(), output.out, output.err), (3, vec![], vec![]));
        assert!(left.iter().all(|pid| state(*pid).is_none()));

        let mut container = Container::run(image, &flags, &["/probe", "orphans", "20"]);
        container.expect("made 20");
        let pid = container.pid();
        until("all orphans are reaped", || children_of(pid).len() == 1);
        container.docker(&["stop"]);
        assert_eq!(container.code(), 128 + 15);
    }
    // The control is the first signal that the foreign process has got.
    foreign.signal(libc::SIGUSR1);
    assert!(foreign.line().starts_with("signal 10 "));
}

/// packaging/seccomp.json as the container's profile, with the calls that runc makes under it. rini's own list is
/// enough for rini that starts rini, and with a group of packaging/seccomp-more.json for `--user` or `--install`. The negative
/// controls: without one of these calls it is not.
#[cfg(target_arch = "x86_64")]
#[test]
fn its_list_of_system_calls_is_a_profile_for_docker() {
    use crate::surroundings::calls::{Group, listed};
    let Some(image) = image() else { return };
    // runc is a Go program, and needs some of these only now and then.
    const RUNTIME: &str = "futex fstatfs fcntl fstat newfstatat epoll_ctl epoll_pwait nanosleep tgkill gettid sigaltstack \
        rt_sigreturn sched_yield";
    let folder = tempfile::tempdir().unwrap();
    let run = |more: &[Group], without: &str, user: &[&str], words: &[&str]| {
        let names = listed(&[Group::ALL, more].concat());
        let names = names.iter().map(String::as_str).chain(RUNTIME.split_whitespace());
        let names: Vec<&str> = names.filter(|name| *name != without).collect();
        let allowed = serde_json::json!([{ "names": names, "action": "SCMP_ACT_ALLOW" }]);
        let profile =
            serde_json::json!({ "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "syscalls": allowed });
        let file = folder.path().join("profile.json");
        fs::write(&file, profile.to_string()).unwrap();
        // Without no-new-privileges runc makes many more calls under the profile.
        let seccomp = format!("seccomp={}", file.display());
        let flags = ["--security-opt", "no-new-privileges", "--security-opt", &seccomp];
        Container::run(image, &[&flags, user].concat(), words).finish()
    };
    let (version, user) = (["/rini", "--version"], ["--env", "RINI_USER=12345:54321"]);
    let install = ["/rini", "--install", "/installed"];
    for output in [run(&[], "", &[], &version), run(&[Group::User], "", &user, &version)] {
        assert!(output.code() == 0 && output.err.is_empty() && output.out[0].starts_with("rini "), "{output:?}");
    }
    let output = run(&[Group::Install], "", &[], &install);
    assert_eq!((output.code(), &output.out[..], &output.err[..]), (0, &[][..], &[][..]));

    let output = run(&[], "waitid", &[], &version);
    assert_eq!((output.code(), output.err.len()), (1, 1), "{output:?}");
    assert!(output.err[0].starts_with("rini: ERROR "), "{output:?}");
    for without in ["setgroups", "setresgid", "setresuid", "capset"] {
        let output = run(&[Group::User], without, &user, &version);
        assert_eq!(output.code(), 1, "{without}: {output:?}");
        assert!(only_error(&output).starts_with("cannot run as \"12345:54321\": "), "{without}: {output:?}");
    }
    for without in ["sendfile", "fchmod", "fsync", "renameat2"] {
        let output = run(&[Group::Install], without, &[], &install);
        assert_eq!(output.code(), 1, "{without}: {output:?}");
        assert!(only_error(&output).starts_with("--install \"/installed\": "), "{without}: {output:?}");
    }
}

#[test]
fn a_refused_fork_is_one_line_and_an_end() {
    let Some(image) = image() else { return };
    if busybox().is_none() {
        skip("this needs a static busybox (Debian's package busybox-static)");
        return;
    }
    // A limit of 1 from the start would refuse the engine's own threads before rini. So the test sets it when these
    // have gone, and only the PID 1 remains that will become rini.
    for (limit, code) in [("1", 1), ("2", 7)] {
        let command = ["/busybox", "sh", "-c", "echo ready; read go; exec /rini -- /probe exit 7"];
        let mut container = Container::without_rini(image, &command);
        container.expect("ready");
        container.docker(&["update", "--pids-limit", limit]);
        container.client().stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
        let output = container.finish();
        assert_eq!(output.code(), code, "{output:?}");
        if code == 1 {
            let line = only_error(&output);
            assert!(line.starts_with("cannot start a process: the limit of processes is reached"), "{line:?}");
        } else {
            assert!(output.err.is_empty(), "the control: {output:?}");
        }
    }
}

#[test]
fn a_program_that_cannot_be_executed_is_named() {
    let Some(image) = image() else { return };
    for (program, code, line) in [
        ("/nothing", 127, r#"cannot run "/nothing": there is no such file"#),
        (
            "nothing",
            127,
            concat!(
                r#"cannot run "nothing": there is no such program in PATH, which is "#,
                r#""/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"; "#,
                "a file in the working directory needs ./ before its name"
            ),
        ),
        ("/plain", 126, r#"cannot run "/plain": it has no execute permission (chmod +x, or COPY --chmod=755)"#),
        ("/proc", 126, r#"cannot run "/proc": it is a directory"#),
    ] {
        let output = Container::run(image, &[], &[program]).finish();
        assert_eq!((output.code(), only_error(&output)), (code, line));
    }
}

#[test]
fn orphans_are_reaped_and_stay_zombies_without_rini() {
    let Some(image) = image() else { return };
    let program = ["/probe", "orphans", "50"];
    let mut container = Container::run(image, &[], &program);
    container.expect("made 50");
    let pid = container.pid();
    until("only the program is left", || children_of(pid).len() == 1);
    assert_eq!(zombies_of(pid), 0);
    drop(container.client().stdin.take());
    assert_eq!(container.code(), 0);

    let mut container = Container::without_rini(image, &program);
    container.expect("made 50");
    let pid = container.pid();
    until("all are zombies: the control", || zombies_of(pid) == 50);
}

/// Orphans of `docker exec` and of health checks, which are the same to the container.
#[test]
fn orphans_of_docker_exec_and_health_checks_are_reaped() {
    let Some(image) = image() else { return };
    const RUNS: usize = 5;
    let runs = |container: &Container| {
        for _ in 0..RUNS {
            let output = container.exec(&["/probe", "orphans", "4"]);
            assert_eq!((output.code(), output.out, output.err), (0, vec!["made 4".to_owned()], vec![]));
        }
        container.pid()
    };
    let mut container = Container::run(image, &[], &["/probe", "signals", "15"]);
    assert_ne!(container.ready(), 1);
    let pid = runs(&container);
    until("only the program is left", || children_of(pid).len() == 1);
    container.docker(&["stop"]);
    container.expect_signal(15);
    assert_eq!(container.code(), 0);

    let mut container = Container::without_rini(image, &["/probe", "signals", "15"]);
    assert_eq!(container.ready(), 1);
    let pid = runs(&container);
    until("all are zombies: the control", || zombies_of(pid) == RUNS * 4);
}

#[test]
fn the_program_s_output_is_its_own_while_rini_logs_all_it_can() {
    let Some(image) = image() else { return };
    let command = ["/probe", "count", "a", "", "rini: b", "\u{e4}\t"];
    let plain = Container::without_rini(image, &command).finish();
    assert_eq!((plain.code(), plain.out.is_empty(), &plain.err), (0, false, &vec![]));

    let flags = ["--entrypoint", "/rini"];
    let traced = Container::run(image, &flags, &[&["-vvv", "--"], &command[..]].concat()).finish();
    assert_eq!((traced.code(), &traced.out), (0, &plain.out));
    assert!(traced.err.iter().any(|line| line.starts_with("rini: DEBUG started pid ")), "{traced:?}");
    for line in &traced.err {
        // The level comes first. The engine adds time stamps itself (docker logs --timestamps).
        let level = line.strip_prefix("rini: ").and_then(|rest| rest.split(' ').next());
        assert!(matches!(level, Some("INFO" | "DEBUG" | "TRACE")), "{line:?}");
    }
}

#[test]
fn rini_log_of_the_container_shows_the_sender_in_docker_logs() {
    let Some(image) = image() else { return };
    for (log, shown) in [("info", true), ("warn", false)] {
        let mut container = Container::run(image, &["--env", &format!("RINI_LOG={log}")], &["/probe", "signals", "15"]);
        let pid = container.ready();
        container.docker(&["stop"]);
        container.expect_signal(15);
        let logs = docker(["logs", &container.name]);
        assert_eq!((logs.code(), logs.out[0].as_str(), logs.out.len()), (0, format!("ready {pid}").as_str(), 2));
        // The container has ended when docker stop returns.
        let lines = [
            format!("rini: INFO SIGTERM from outside the container, forwarded to pid {pid}"),
            format!("rini: INFO pid {pid} (probe) ran for "),
        ];
        assert_eq!(logs.err.len(), if shown { 2 } else { 0 }, "{:?}", logs.err);
        assert!(logs.err.iter().zip(lines).all(|(line, wanted)| line.starts_with(&wanted)), "{:?}", logs.err);
        assert_eq!(container.code(), 0);
    }
}

/// `docker run --init` can pass no options, but the environment. rini's line shows that the engine did not kill the
/// program.
#[test]
fn a_stop_is_shaped_by_the_environment() {
    let Some(image) = image() else { return };
    let flags = ["--env", "RINI_GRACE_PERIOD=300ms", "--env", "RINI_REWRITE=TERM:QUIT"];
    let mut container = Container::run(image, &flags, &["/probe", "signals"]);
    let pid = container.ready();
    container.docker(&["stop", "--time", "60"]);
    container.expect_signal(3);
    let logs = docker(["logs", &container.name]);
    assert_eq!(logs.err.len(), 1);
    assert!(logs.err[0].starts_with(&format!("rini: WARN killed pid {pid} (probe), which was still there ")));
    assert!(logs.err[0].contains(" after SIGTERM from outside the container"), "{:?}", logs.err);
    assert_eq!(container.code(), 137);
}

/// The engine runs health checks in the container, and their orphans belong to PID 1.
#[test]
fn fifty_health_checks_leave_no_zombie() {
    const CHECKS: usize = 50;
    let Some(image) = image() else { return };
    let with_check = format!("{image}-health");
    let text = format!("FROM {image}\nHEALTHCHECK --interval=1ms CMD [\"/probe\", \"orphans\", \"2\"]\n");
    build(&with_check, &text);
    let flags = ["--entrypoint", "/rini"];
    let mut container = Container::run(&with_check, &flags, &["-w", "--", "/probe", "signals", "15"]);
    container.ready();
    for _ in 0..2 * CHECKS {
        let line = container.client().err_line();
        assert!(line.starts_with("rini: WARN reaped orphan pid "), "{line}");
    }
    // Another process may read it.
    let pid = container.pid();
    until("no zombie is left", || zombies_of(pid) == 0);
    assert_eq!(container.inspect("{{.State.Health.Status}}"), "healthy");
    container.docker(&["stop"]);
    container.expect_signal(15);
    assert_eq!(container.code(), 0);
    // The negative control: the same container without rini.
    let container = Container::without_rini(&with_check, &["/probe", "signals", "15"]);
    until("it runs", || docker(["inspect", "--format", "{{.State.Running}}", &container.name]).out == ["true"]);
    let pid = container.pid();
    until("a hundred zombies", || zombies_of(pid) >= 2 * CHECKS);
    drop(container);
    done(["rmi", "--force", &with_check]);
}

/// With `docker run -it` the keys go to the program. ^C ends it, and a ^Z does not stop it, because nobody could undo
/// that.
#[test]
fn the_keys_of_a_terminal_reach_the_program() {
    let Some(image) = image() else { return };
    let name = format!("rini-test-{}-tty", std::process::id());
    let words = ["run", "--rm", "--interactive", "--tty", "--network", "none", "--name", &name];
    let mut session = Session::of(Start::of("docker").args(words).args([image, "/probe", "alive"]));
    session.expect_with("ready");
    for _ in 0..3 {
        session.keys(CTRL_Z);
        session.expect_echo("^Z");
        done(["kill", "--signal", "USR1", &name]);
        session.expect_with("alive");
    }
    session.keys(CTRL_C);
    assert_eq!(session.code(), 130);
}

/// rini in the place of an image's dumb-init: its child leads the session and has the terminal. ^C and ^Z go to the
/// child's group, and the kernel spares an orphaned group the stop.
#[test]
fn as_dumb_init_it_hands_the_terminal_over() {
    let Some(image) = image() else { return };
    if busybox().is_none() {
        return skip("this needs a static busybox (Debian's package busybox-static)");
    }
    let name = format!("rini-test-{}-dumb-init", std::process::id());
    let words = ["run", "--rm", "--interactive", "--tty", "--network", "none", "--entrypoint", "/dumb-init", "--name"];
    let command = [&name, image, "--", "/busybox", "sh", "-c", "/probe state; /busybox tty; exec /probe alive"];
    let mut session = Session::of(Start::of("docker").args(words).args(command));
    let pid = session.expect_with("pid ");
    let pid = pid.trim().strip_prefix("pid ").unwrap().to_owned();
    let group = session.expect_with("group ");
    let own_session = session.expect_with("session ");
    // The group of the shell, which is the probe's parent.
    let shell = group.trim().strip_prefix("group ").unwrap();
    assert_eq!(own_session.trim(), format!("session {shell}"));
    assert!(shell != "1" && shell != pid, "{group} {pid}");
    session.expect_with("/dev/");
    session.expect_with("ready");
    session.keys(CTRL_Z);
    session.expect_echo("^Z");
    done(["kill", "--signal", "USR1", &name]);
    session.expect_with("alive");
    session.keys(CTRL_C);
    assert_eq!(session.code(), 130);
}

/// `docker stop` reaches the workers of a script that does not forward signals. Under rini's own name it does not (the
/// negative control).
#[test]
fn as_dumb_init_a_script_s_workers_get_the_stop_signal() {
    let Some(image) = image() else { return };
    if busybox().is_none() {
        return skip("this needs a static busybox (Debian's package busybox-static)");
    }
    let script = "/probe signals 15 & wait; exit 3";
    for (entrypoint, hears) in [("/dumb-init", true), ("/rini", false)] {
        let flags = ["--entrypoint", entrypoint, "--env", "RINI_AFTER_EXIT=wait"];
        let mut container = Container::run(image, &flags, &["--", "/busybox", "sh", "-c", script]);
        container.ready();
        container.docker(&["kill", "--signal", "USR1"]);
        if hears {
            container.expect_signal(10);
        }
        // The shell dies of the first signal, and the worker gets the second in any case.
        container.docker(&["kill", "--signal", "TERM"]);
        container.expect_signal(15);
        let output = container.finish();
        assert_eq!((output.code(), output.out, output.err), (128 + 10, vec![], vec![]));
    }
}

/// `docker stop` sends the image's STOPSIGNAL. rini forwards it like any other, and begins a stop only if the user
/// names it.
#[test]
fn an_image_s_stopsignal_reaches_the_program() {
    let Some(image) = image() else { return };
    let with_quit = format!("{image}-quit");
    build(&with_quit, &format!("FROM {image}\nSTOPSIGNAL SIGQUIT\n"));

    let mut container = Container::run(&with_quit, &[], &["/probe", "signals", "3"]);
    container.ready();
    container.docker(&["stop", "--time", "60"]);
    container.expect_signal(3);
    assert_eq!(container.code(), 0);

    let flags = ["--env", "RINI_GRACE_PERIOD=300ms", "--env", "RINI_STOP_SIGNALS=QUIT,TERM"];
    let mut container = Container::run(&with_quit, &flags, &["/probe", "signals"]);
    container.ready();
    container.docker(&["stop", "--time", "60"]);
    container.expect_signal(3);
    let output = container.finish();
    assert_eq!((output.code(), output.err.len()), (137, 1));
    assert!(output.err[0].contains(" after SIGQUIT from outside the container"), "{output:?}");
    done(["rmi", "--force", &with_quit]);
}

#[test]
fn an_out_of_memory_kill_in_a_container_is_reported() {
    let Some(image) = image() else { return };
    let memory = ["--memory", "64m", "--memory-swap", "64m"];
    let output = Container::run(image, &memory, &["/probe", "eat", "4096"]).finish();
    assert_eq!((output.code(), output.err.len()), (137, 1), "{output:?}");
    let line = &output.err[0];
    let memory_kill = "; meanwhile the kernel killed 1 of this container's processes: out of memory, limit 64 MiB";
    assert!(
        line.starts_with("rini: WARN pid ") && line.ends_with(&format!(" (probe) {OTHER_KILL}{memory_kill}")),
        "{line}"
    );

    // The negative controls: enough memory, and a SIGKILL from elsewhere under the same limit.
    let output = Container::run(image, &memory, &["/probe", "eat", "16"]).finish();
    assert_eq!((output.code(), output.err), (0, vec![]));
    let mut container = Container::run(image, &memory, &["/probe", "signals"]);
    container.ready();
    nix::sys::signal::kill(children_of(container.pid())[0], nix::sys::signal::SIGKILL).unwrap();
    let output = container.finish();
    assert_eq!((output.code(), output.err.len()), (137, 1), "{output:?}");
    assert!(output.err[0].ends_with(&format!("{OTHER_KILL}{NO_REASON}")), "{output:?}");

    if busybox().is_none() {
        return skip("this needs a static busybox (Debian's package busybox-static)");
    }
    // Below a shell, as most programs run.
    let output = Container::run(image, &memory, &["/busybox", "sh", "-c", "/probe eat 4096; exit $?"]).finish();
    assert_eq!(output.code(), 137);
    let line = output.err.iter().find(|line| line.starts_with("rini: ")).unwrap();
    assert!(line.ends_with(&format!(" (busybox) exited with 137{memory_kill}")), "{line}");

    // The program's own end has another status.
    let output = Container::run(image, &memory, &["/busybox", "sh", "-c", "/probe eat 4096; exit 1"]).finish();
    let said = format!("rini: WARN while the program ran, {}", memory_kill.strip_prefix("; meanwhile ").unwrap());
    let count = output.err.iter().filter(|line| **line == said).count();
    assert_eq!((output.code(), count), (1, 1), "{output:?}");

    // The program reaps a worker itself, and an operator sends SIGKILL later. rini cannot tell which of them the kernel
    // killed, and does not print it (hashicorp/nomad#12735).
    let script = "/probe eat 4096; echo the worker ended: $?; while :; do /busybox sleep 1; done";
    let mut container = Container::run(image, &memory, &["/busybox", "sh", "-c", script]);
    container.expect("the worker ended: 137");
    nix::sys::signal::kill(children_of(container.pid())[0], nix::sys::signal::SIGKILL).unwrap();
    let output = container.finish();
    let line = output.err.iter().find(|line| line.starts_with("rini: ")).unwrap();
    assert!(line.ends_with(&format!(" (busybox) {OTHER_KILL}{memory_kill}")), "{line}");
}

/// A start script that leaves two workers behind and exits.
#[test]
fn leftover_workers_of_a_script_are_terminated_or_waited_for() {
    let Some(image) = image() else { return };
    if busybox().is_none() {
        return skip("this needs a static busybox (Debian's package busybox-static)");
    }
    let script = "/probe signals 15 & /busybox setsid /probe signals 15 & read x; exit 3";
    let run = |mode: &str| {
        let flags = ["--env", &format!("RINI_AFTER_EXIT={mode}"), "--env", "RINI_GRACE_PERIOD=1h"];
        let mut container = Container::run(image, &flags, &["/busybox", "sh", "-c", script]);
        container.ready();
        container.ready();
        let child = children_of(container.pid())[0];
        drop(container.client().stdin.take());
        (container, child)
    };
    let signals = |output: &crate::support::Output| output.out.iter().filter(|l| l.starts_with("signal 15 ")).count();

    let (container, _) = run("terminate");
    let output = container.finish();
    assert_eq!((output.code(), signals(&output)), (3, 2), "{output:?}");

    let (container, child) = run("wait");
    until("the script has exited", || state(child).is_none());
    assert_eq!(children_of(container.pid()).len(), 2);
    container.docker(&["stop", "--time", "60"]);
    let output = container.finish();
    assert_eq!((output.code(), signals(&output)), (3, 2), "{output:?}");

    // The negative control: by default rini sends them nothing. It names them.
    let (container, child) = run("kill");
    until("the script has exited", || state(child).is_none());
    let output = container.finish();
    assert_eq!((output.code(), signals(&output), output.err.len()), (3, 0, 1), "{output:?}");
    let line = &output.err[0];
    assert!(line.starts_with("rini: WARN leftover processes get SIGKILL, as the container ends: pid "), "{line}");
    assert_eq!(line.matches(" (probe)").count(), 2, "{line}");
    assert!(line.ends_with("; --after-exit terminate gives them SIGTERM and the rest of the grace period"), "{line}");
}

/// The recipe of README.md for a script with workers. The script takes half of the grace period, and the worker more than
/// the other half. rini ends the container before Docker's 10 s are over: otherwise the code is 137, and no line says why.
#[test]
fn a_script_and_its_workers_share_the_grace_period() {
    let Some(image) = image() else { return };
    if busybox().is_none() {
        return skip("this needs a static busybox (Debian's package busybox-static)");
    }
    let settings = ["RINI_AFTER_EXIT=terminate", "RINI_GRACE_PERIOD=8s", "RINI_REMAP_EXIT=143"];
    let flags: Vec<_> = settings.iter().flat_map(|setting| ["--env", setting]).collect();
    let script = "trap '/busybox sleep 4; exit 143' TERM; /probe signals & wait";
    let mut container = Container::run(image, &flags, &["/busybox", "sh", "-c", script]);
    let worker = container.ready();
    container.docker(&["stop"]);
    container.expect_signal(15);
    let output = container.finish();
    assert_eq!((output.code(), output.err.len()), (0, 1), "{output:?}");
    assert!(
        output.err[0].starts_with(&format!("rini: WARN killed pid {worker} (probe), which was still there ")),
        "{output:?}"
    );
    assert!(seconds_before_kill(&output.err[0]) > 7.5, "{output:?}");
    assert!(output.err[0].contains("s after SIGTERM from outside the container"), "{output:?}");
}

/// rini as Kubernetes' pause: other containers join its PID namespace, and it reaps for them.
#[test]
fn a_paused_container_reaps_for_those_that_join_it() {
    let Some(image) = image() else { return };
    let mut pause = Container::run(image, &["--entrypoint", "/rini"], &["--pause", "--warn-on-reap"]);
    until("it runs", || docker(["inspect", "--format", "{{.State.Running}}", &pause.name]).out == ["true"]);
    let namespace = format!("container:{}", pause.name);
    let mut guest = Container::run(image, &["--pid", &namespace, "--entrypoint", "/probe"], &["orphans", "20"]);
    guest.expect("made 20");
    for _ in 0..20 {
        let line = pause.client().err_line();
        assert!(line.starts_with("rini: WARN reaped orphan pid "), "{line}");
    }
    assert_eq!(zombies_of(pause.pid()), 0);
    drop(guest.client().stdin.take());
    assert_eq!(guest.code(), 0);
    pause.docker(&["stop", "--time", "60"]);
    assert_eq!(pause.code(), 0);
}

/// The container of a build agent or of a development environment idles, and all work comes by `docker exec`.
#[test]
fn a_sandbox_that_idles_reaps_what_docker_exec_leaves_and_stops_at_once() {
    let Some(image) = image() else { return };
    if busybox().is_none() {
        return skip("the control needs a busybox without libraries");
    }
    let run = |command: &[&str]| {
        let container = Container::run(image, &["--entrypoint", command[0]], &command[1..]);
        until("it runs", || docker(["inspect", "--format", "{{.State.Running}}", &container.name]).out == ["true"]);
        for _ in 0..3 {
            assert_eq!(container.exec(&["/probe", "orphans", "10"]).only_line(), "made 10");
        }
        container
    };
    let sandbox = run(&["/rini", "--pause"]);
    until("rini has reaped all", || children_of(sandbox.pid()).is_empty());
    sandbox.docker(&["stop", "--time", "60"]);
    let output = sandbox.finish();
    assert_eq!((output.code(), &output.err), (0, &vec![]));
    // With work that still runs in the background, which gets SIGTERM and time. rini does not wait for a process that
    // `docker exec` itself started, so the test waits until rini has adopted the work.
    let mut sandbox = run(&["/rini", "--pause", "--after-exit", "terminate", "-t", "60s"]);
    // It writes where the container does: the client of `docker exec` may lose what it wrote last, since the container ends
    // with it.
    let work = ["/busybox", "sh", "-c", "/probe signals 15 >/proc/1/fd/1 &"];
    docker([&["exec", "--detach", &sandbox.name], &work[..]].concat());
    sandbox.ready();
    until("rini has adopted the work alone", || children_of(sandbox.pid()).len() == 1);
    sandbox.docker(&["stop", "--time", "60"]);
    sandbox.expect_signal(15);
    assert_eq!(sandbox.code(), 0);
    // The negative controls: what such a container usually runs.
    for command in [&["/busybox", "sleep", "infinity"][..], &["/busybox", "tail", "-f", "/dev/null"]] {
        let control = run(command);
        until("30 zombies", || zombies_of(control.pid()) == 30);
        control.docker(&["stop", "--time", "1"]);
        assert_eq!(control.code(), 137, "{command:?} ignores SIGTERM");
    }
}

#[test]
fn a_bad_value_in_the_environment_is_refused_and_a_good_one_works() {
    let Some(image) = image() else { return };
    for value in ["banana", "256", "143:"] {
        let flags = ["--env", &format!("RINI_REMAP_EXIT={value}")];
        let output = Container::run(image, &flags, &["/probe", "count"]).finish();
        assert_eq!(output.code(), 1);
        let line = only_error(&output);
        assert!(line.starts_with(&format!("RINI_REMAP_EXIT: {value:?} is not ")), "{line:?}");
    }
    let container = Container::run(image, &["--env", "RINI_REMAP_EXIT=143,7:3"], &["/probe", "exit", "7"]);
    assert_eq!(container.code(), 3);
    let mut container = Container::run(image, &["--env", "RINI_REMAP_EXIT=143,7:3"], &["/probe", "orphans", "0"]);
    container.expect("made 0");
    container.docker(&["stop"]);
    assert_eq!(container.code(), 0);
}

#[test]
fn a_signal_to_a_paused_container_comes_when_it_goes_on() {
    let Some(image) = image() else { return };
    if !is_root() {
        skip("sending a signal to a container's process from outside needs root");
        return;
    }
    let mut container = Container::run(image, &[], &["/probe", "signals", "15"]);
    assert_ne!(container.ready(), 1);
    let pid = container.pid();
    container.docker(&["pause"]);
    // The test sends it itself, because an engine may refuse docker kill here. SAFETY: The system call takes numbers
    // only.
    assert_eq!(unsafe { libc::kill(pid.as_raw(), 10) }, 0);
    assert_eq!(container.inspect("{{.State.Paused}}"), "true");
    // The signal is pending for rini, which does not run.
    assert_eq!(pending(pid) & crate::support::bit(10), crate::support::bit(10));
    container.docker(&["unpause"]);
    container.expect_signal(10);
    container.docker(&["stop"]);
    container.expect_signal(15);
    assert_eq!(container.code(), 0);
}

/// rini is frozen with the program, and sees the end of the grace period late.
#[test]
fn a_pause_in_the_grace_period_costs_the_program_none_of_its_time() {
    let Some(image) = image() else { return };
    let mut container = Container::run(image, &["--env", "RINI_GRACE_PERIOD=2s"], &["/probe", "signals", "12"]);
    container.ready();
    container.docker(&["kill", "--signal", "TERM"]);
    container.expect_signal(15);
    container.docker(&["pause"]);
    let paused = Instant::now();
    until("the grace period is over for long", || paused.elapsed() > Duration::from_millis(3500));
    container.docker(&["unpause"]);
    container.docker(&["kill", "--signal", "USR1"]);
    container.expect_signal(10);
    container.docker(&["kill", "--signal", "USR2"]);
    container.expect_signal(12);
    assert_eq!(container.code(), 0);
}

/// The client reads the terminal from the shell's background. It forwards each SIGTTIN that it gets to the container,
/// again and again (docker/cli#6005).
#[test]
fn docker_run_in_the_background_of_a_shell_goes_on() {
    let Some(image) = image() else { return };
    if busybox().is_none() {
        return skip("this needs a static busybox (Debian's package busybox-static)");
    }
    let container = Container { name: format!("rini-test-{}-background", std::process::id()), client: None };
    let program = "trap 'echo graceful; exit 0' TERM; while :; do /busybox sleep 0.1; done";
    let flags = format!("--interactive --network none --env RINI_LOG=info --name {} {image}", container.name);
    let mut shell = Session::of(Start::of("bash").args(["--norc", "--noprofile", "-i"]));
    shell.keys(&format!("docker run {flags} /busybox sh -c \"{program}\" &\n"));
    let logs = || {
        let output = docker(["logs", &container.name]);
        (output.out, output.err)
    };
    let spared = ", not forwarded: it would only stop pid ";
    until("a SIGTTIN has come, and is not for the program", || logs().1.iter().any(|line| line.contains(spared)));
    container.docker(&["stop", "--time", "30"]);
    assert_eq!(container.inspect("{{.State.ExitCode}}"), "0");
    let (out, err) = logs();
    assert_eq!(out, ["graceful"]);
    assert!(err.iter().filter(|line| line.contains(spared)).all(|line| line.contains(" SIGTTIN ")), "{err:?}");
}

/// The pending signals of a process as a whole.
fn pending(pid: Pid) -> u64 {
    u64::from_str_radix(&status_field(pid, "ShdPnd"), 16).unwrap()
}

#[test]
fn a_restarted_container_starts_afresh() {
    let Some(image) = image() else { return };
    let mut container = Container::run(image, &[], &["/probe", "signals", "15"]);
    assert_ne!(container.ready(), 1);
    container.docker(&["restart"]);
    container.expect_signal(15);
    let mut follower = Start::of("docker").args(["logs", "--follow", &container.name]).spawn();
    assert!(follower.line().starts_with("ready "));
    assert!(follower.line().starts_with("signal 15 "));
    assert!(follower.line().starts_with("ready "));
    container.docker(&["kill", "--signal", "USR1"]);
    assert!(follower.line().starts_with("signal 10 "));
    container.docker(&["stop"]);
    assert!(follower.line().starts_with("signal 15 "));
    let output = follower.finish();
    assert_eq!((output.code(), output.out, output.err), (0, vec![], vec![]));
    assert_eq!(container.inspect("{{.State.ExitCode}} {{.State.OOMKilled}}"), "0 false");
}

#[test]
fn under_docker_init_it_reaps_by_itself_and_prints_nothing() {
    let Some(image) = image() else { return };
    let mut container = Container::run(image, &["--init"], &["/probe", "orphans", "20"]);
    container.expect("made 20");
    let pid = container.pid();
    assert_ne!(status_field(pid, "Name"), "rini", "the engine's own init is PID 1");
    let rini = children_of(pid)[0];
    assert_eq!((children_of(pid).len(), status_field(rini, "Name").as_str()), (1, "rini"));
    until("only the program is left", || children_of(rini).len() == 1);
    container.docker(&["stop"]);
    let output = container.finish();
    assert_eq!((output.code(), output.out, output.err), (128 + 15, vec![], vec![]));

    // rini reaps them, and not the engine's init.
    let flags = ["--init", "--entrypoint", "/rini", "--env", "RINI_LOG=info"];
    let mut container = Container::run(image, &flags, &["-w", "--", "/probe", "orphans", "3"]);
    container.expect("made 3");
    let rini = children_of(container.pid())[0];
    until("only the program is left", || children_of(rini).len() == 1);
    container.docker(&["stop"]);
    let output = container.finish();
    assert_eq!(output.code(), 128 + 15);
    let count = |part: &str| output.err.iter().filter(|line| line.contains(part)).count();
    assert_eq!(count("rini: WARN reaped orphan pid "), 3, "{output:?}");
    assert_eq!(count("rini: INFO SIGTERM from pid 1 ("), 1, "{output:?}");
}

/// Runs a demonstration with this rini, and returns the table that it prints. Prints SKIPPED and returns None if something is
/// missing.
fn run_demo(name: &str, programs: &[&str]) -> Option<String> {
    image()?;
    if !is_root() {
        skip(&format!("{name} needs root"));
        return None;
    }
    if !tools(programs) {
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    // It may have to make a Debian image first, which takes minutes on a slow network.
    let limit = (LIMIT * 10).as_secs().to_string();
    let output = Command::new("timeout").arg(limit).arg(script).env("RINI_BINARY", rini()).output().unwrap();
    let (table, messages) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    if let Some(why) = lacked(output.status.code(), &messages) {
        skip(&why);
        return None;
    }
    assert!(output.status.success(), "{}: {messages}{table}", output.status);
    Some(table)
}

/// gunicorn, nginx, postgres, celery and a script with workers. The script itself fails if rini loses anything.
#[test]
fn the_real_programs_lose_nothing() {
    let Some(table) = run_demo("packaging/demo-programs", &["debootstrap", "tini"]) else { return };
    for program in ["gunicorn", "nginx", "postgres", "celery", "workers"] {
        let rows: Vec<&str> = table.lines().filter(|line| line.starts_with(&format!("| {program} "))).collect();
        assert_eq!(rows.len(), 3, "{table}");
        assert!(rows[0].contains("| `rini ") && rows[0].contains("| 0 of "), "{table}");
        assert!(rows[1].contains("| `tini ") && rows[2].contains(", no init"), "{table}");
    }
}

/// A server that ignores the end of standard input. The script itself fails if it runs on with rini's option.
#[test]
fn a_server_on_standard_input_ends_with_its_client() {
    let Some(table) = run_demo("packaging/demo-stdin", &["debootstrap", "tini"]) else { return };
    let rows: Vec<&str> = table.lines().skip(2).collect();
    assert_eq!(rows.len(), 4, "{table}");
    assert!(rows[0].starts_with("| `rini --stop-on-stdin-close ") && rows[0].contains("| after "), "{table}");
    assert!(rows[1..].iter().all(|row| row.contains("| still runs after ")), "{table}");
}

/// The cells of a table's rows, without the head.
fn cells_of(table: &str) -> Vec<Vec<String>> {
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// An entrypoint script with gosu, and `--user`. The script itself fails if a program runs as another user, or if rini and gosu
/// are two files in the image.
#[test]
fn a_program_runs_as_another_user_as_the_docs_say() {
    if busybox().is_none() {
        return skip("there is no busybox without libraries");
    }
    let Some(table) = run_demo("packaging/demo-user", &["gosu", "tini-static"]) else { return };
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/drop-in.md")).unwrap();
    let (_, kept) = page.split_once("<!-- table: packaging/demo-user -->").unwrap();
    let (found, kept) = (cells_of(&table), cells_of(kept.split_once("<!-- /table -->").unwrap().0));
    assert_eq!((found.len(), kept.len()), (4, 4), "{table}");
    // The sizes are those of this rini, and of this machine's tini and gosu, which Debian may have built again.
    let of = |path: &Path| fs::metadata(path).unwrap().len();
    let own = of(&rini());
    let others = of(&find_program("gosu").unwrap()) + of(&find_program("tini-static").unwrap());
    for ((found, kept), bytes) in found.iter().zip(&kept).zip([own, own, own, others]) {
        let size = format!("{} KB", (bytes + 500) / 1000);
        assert_eq!((&found[..3], found[3].replace(',', "")), (&kept[..3], size), "{table}");
    }
}

#[test]
fn the_demonstration_comes_out_as_the_readme_says() {
    let Some(table) = run_demo("packaging/demo-stop", &["debootstrap"]) else { return };

    let lines: Vec<&str> = table.lines().collect();
    let cells =
        |line: &str| -> Vec<String> { line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect() };
    assert_eq!(cells(lines[0]), ["The container runs", "`docker stop` took", "Exit code", "Requests cut off"]);
    // The row that makes the lines a table in Markdown, with its alignment.
    let ruled = |cell: &String| cell.trim_end_matches(':').chars().all(|c| c == '-') && cell.starts_with("--");
    assert!(cells(lines[1]).iter().all(ruled), "{table}");
    assert!(lines.iter().all(|line| line.chars().count() == lines[0].chars().count()), "{table}");
    let row = |start: &str| {
        let row = lines[2..].iter().map(|line| cells(line)).find(|cells| cells[0].starts_with(start));
        let row = row.unwrap_or_else(|| panic!("no {start} in {table}"));
        assert!(row[1].strip_suffix(" s").is_some_and(|seconds| seconds.parse::<f64>().is_ok()), "{table}");
        row
    };
    let with_rini = row("`rini -- ");
    assert_eq!(with_rini[2], "0", "{table}");
    let cut_off = with_rini[3].split_once(" of ").unwrap();
    assert_eq!(cut_off.0, "0", "{table}");
    assert!(cut_off.1.parse::<u32>().unwrap() >= 2, "no request was in flight: {table}");
    assert_eq!(row("`sh -c ")[2], "137", "{table}");
}

/// An init container with rini's image gives rini to an image that has none.
#[test]
fn an_image_that_nobody_may_rebuild_runs_under_an_installed_rini() {
    let Some(image) = image() else { return };
    let volume = format!("rini-test-{}-install", std::process::id());
    let mount = format!("{volume}:/opt/rini");
    done(["volume", "create", &volume]);
    let installed = Container::run(image, &["--volume", &mount, "--entrypoint", "/rini"], &["--install", "/opt/rini"]);
    assert_eq!(installed.finish().code(), 0);
    let flags = ["--volume", &mount, "--entrypoint", "/opt/rini/rini"];
    let mut container = Container::run(image, &flags, &["--", "/probe", "signals", "15"]);
    container.ready();
    container.docker(&["kill", "--signal", "TERM"]);
    container.expect_signal(15);
    assert_eq!(container.code(), 0);
    // A file system that is full keeps nothing of it.
    let small = ["--tmpfs", "/small:size=16k", "--entrypoint", "/rini"];
    let output = Container::run(image, &small, &["--install", "/small"]).finish();
    assert_eq!(output.code(), 1);
    assert!(output.err.concat().contains("--install \"/small\": No space left on device; "), "{output:?}");
    done(["volume", "rm", &volume]);
}

/// The container's exit code as soon as it has ended.
fn wait_for_code(container: &Container) -> String {
    container.docker(&["wait"])
}

const ON: [&str; 2] = ["--env", "RINI_STOP_ON_STDIN_CLOSE=1"];

/// The client has no time to say anything.
fn kill_client(container: &mut Container) {
    let pid = container.client().pid();
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
}

#[test]
fn the_end_of_the_client_stops_a_server_on_standard_input() {
    let Some(image) = image() else { return };
    let mut container = Container::run(image, &ON, &["/probe", "signals", "15"]);
    container.ready();
    kill_client(&mut container);
    assert_eq!(wait_for_code(&container), "0");
    let logs = docker(["logs", &container.name]);
    assert!(logs.out.last().unwrap().starts_with("signal 15 "), "{logs:?}");

    // A program that ignores it is killed at the deadline. The client only closes its pipe.
    let flags = [&ON[..], &["--env", "RINI_GRACE_PERIOD=100ms"]].concat();
    let mut container = Container::run(image, &flags, &["/probe", "signals", "12"]);
    container.ready();
    drop(container.client().stdin.take());
    container.expect_signal(15);
    assert_eq!(container.code(), 137);

    // An absence: without the option the container stays, and so it does with a pipe that the engine keeps open.
    for (flags, how) in [(&[][..], "without"), (&[&ON[..], &["--tty"]].concat(), "a terminal")] {
        let name = format!("rini-test-{}-{}", std::process::id(), how.replace(' ', "-"));
        let mut container = Container { name: name.clone(), client: None };
        let words = ["run", "--interactive", "--network", "none", "--name", &name];
        let start = Start::of("docker").args(words).args(flags).args([image, "/probe", "signals", "12"]);
        let session = if how == "without" {
            container.client = Some(start.spawn());
            None
        } else {
            Some(Session::of(start))
        };
        until("it runs", || docker(["logs", &name]).out.iter().any(|line| line.starts_with("ready ")));
        match &session {
            Some(session) => nix::sys::signal::kill(session.leader, nix::sys::signal::Signal::SIGKILL).unwrap(),
            None => kill_client(&mut container),
        }
        // The engine has noticed the end of the client, if rini has been asked for a signal after it.
        container.docker(&["kill", "--signal", "USR1"]);
        until("the signal has come", || docker(["logs", &name]).out.iter().any(|line| line.starts_with("signal 10 ")));
        container.docker(&["kill", "--signal", "USR2"]);
        assert_eq!(wait_for_code(&container), "0");
        let logs = docker(["logs", &name]);
        assert!(!logs.out.iter().any(|line| line.starts_with("signal 15 ")), "{how}: {logs:?}");
    }
}

#[test]
fn without_an_interactive_client_nothing_stops_it() {
    let Some(image) = image() else { return };
    let flags = [&ON[..], &["--env", "RINI_LOG=info", "--network", "none", "--detach"]].concat();
    // Without -i, standard input is /dev/null. With it and without a client, the engine keeps the pipe open.
    for interactive in [false, true] {
        let name = format!("rini-test-{}-detached-{interactive}", std::process::id());
        let container = Container { name: name.clone(), client: None };
        let more: &[&str] = if interactive { &["--interactive"] } else { &[] };
        done([&["run", "--name", &name], &flags[..], more, &[image, "/probe", "signals", "12"]].concat());
        until("it runs", || docker(["logs", &name]).out.iter().any(|line| line.starts_with("ready ")));
        container.docker(&["kill", "--signal", "USR2"]);
        assert_eq!(wait_for_code(&container), "0");
        let logs = docker(["logs", &name]);
        assert!(!logs.out.iter().any(|line| line.starts_with("signal 15 ")), "{logs:?}");
        let says = logs.err.iter().any(|line| line.contains("--stop-on-stdin-close does nothing: "));
        assert_eq!(says, !interactive, "{logs:?}");
    }
}

/// The arguments of `docker run` for rini's option instead of the variable.
const AS_OPTION: [&str; 2] = ["--entrypoint", "/rini"];

#[test]
fn the_option_on_the_command_line_does_as_the_variable() {
    let Some(image) = image() else { return };
    for (options, is_on) in [(&["--stop-on-stdin-close", "--"][..], true), (&["--"], false)] {
        let command = [options, &["/probe", "signals", "12"]].concat();
        let mut container = Container::run(image, &AS_OPTION, &command);
        container.ready();
        kill_client(&mut container);
        // The line of the SIGTERM comes by itself, or the option is off and the one of this signal is the first.
        let logs = || docker(["logs", &container.name]).out;
        if is_on {
            until("it is stopped", || logs().iter().any(|line| line.starts_with("signal 15 ")));
        }
        container.docker(&["kill", "--signal", "WINCH"]);
        until("the signal has come", || logs().iter().any(|line| line.starts_with("signal 28 ")));
        container.docker(&["kill", "--signal", "USR2"]);
        assert_eq!(wait_for_code(&container), "0");
        let count = logs().iter().filter(|line| line.starts_with("signal 15 ")).count();
        assert_eq!(count, usize::from(is_on), "{options:?}");
    }
}

/// The client has no `--tty`, so the terminal is the client's alone. It forwards the SIGHUP that it gets, and closes the pipe.
#[test]
fn the_hang_up_of_the_client_s_own_terminal_starts_a_stop() {
    let Some(image) = image() else { return };
    for is_on in [true, false] {
        let name = format!("rini-test-{}-hang-up-{is_on}", std::process::id());
        let container = Container { name: name.clone(), client: None };
        let words = ["run", "--interactive", "--network", "none", "--name", &name];
        let start = Start::of("docker").args(words).args(if is_on { &ON[..] } else { &[] });
        // The probe goes on after SIGHUP.
        let mut session = Session::of(start.args([image, "/probe", "signals", "15"]));
        let ready = session.next();
        assert!(ready.starts_with("ready "), "{ready}");
        let logs = || docker(["logs", &name]).out;
        let has = |signal: &str| logs().iter().any(|line| line.starts_with(signal));
        session.hang_up();
        if !is_on {
            // An absence: the container outlives its client, also after a signal that rini was asked for later.
            session.code();
            container.docker(&["kill", "--signal", "WINCH"]);
            until("the signal has come", || has("signal 28 "));
            assert!(!has("signal 15 "), "{:?}", logs());
            container.docker(&["kill", "--signal", "TERM"]);
        }
        assert_eq!(wait_for_code(&container), "0");
        assert!(has("signal 15 "), "{:?}", logs());
    }
}

/// The client closes the pipe at once. The engine does that before rini starts, or after it: then it is a stop. It is one of both, and
/// the log says which.
#[test]
fn an_interactive_client_with_an_empty_input_is_a_stop_or_none_and_the_log_says_which() {
    let Some(image) = image() else { return };
    for number in 0..4 {
        let name = format!("rini-test-{}-empty-{number}", std::process::id());
        let mut container = Container { name: name.clone(), client: None };
        let words = ["run", "--interactive", "--network", "none", "--env", "RINI_LOG=info", "--name", &name];
        let start = Start::of("docker").args(words).args(ON).args([image, "/probe", "signals", "15"]);
        container.client = Some(start.with(|command| command.stdin(Stdio::null())).spawn());
        let line = loop {
            let line = container.client().err_line();
            if line.contains("standard input") {
                break line;
            }
        };
        if line.ends_with("standard input was closed, which starts a stop") {
            // The probe may not handle the signal yet.
            let code = wait_for_code(&container);
            assert!(["0", "143"].contains(&&*code), "{code}");
            continue;
        }
        assert!(line.contains("--stop-on-stdin-close does nothing: standard input is "), "{line}");
        container.ready();
        container.docker(&["kill", "--signal", "WINCH"]);
        container.expect_signal(28);
        container.docker(&["kill", "--signal", "TERM"]);
        container.expect_signal(15);
        let output = container.finish();
        assert_eq!(output.code(), 0);
        assert!(!output.err.iter().any(|line| line.contains("standard input was closed")), "{output:?}");
    }
}

/// The users of a container's processes, as `docker top` shows them.
fn users(container: &Container) -> Vec<String> {
    let top = done(["top", &container.name, "-o", "uid,pid"]);
    top.lines().skip(1).map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

/// An entrypoint script does its work as root, and then becomes the user by `exec gosu`, in an image where gosu is rini too.
/// With `--user`, no process of root is left at all.
#[test]
fn an_entrypoint_hands_over_to_a_user_and_rini_can_be_that_user() {
    let Some(image) = image() else { return };
    if busybox().is_none() {
        return skip("there is no busybox without libraries");
    }
    let with_user = format!("rini-test-user:{}", std::process::id());
    let script = "/busybox mkdir -p /etc /bin /data && /busybox ln /rini /bin/gosu && /busybox ln -s /busybox /bin/sh && \
        echo app:x:1000:1000::/data:/bin/sh > /etc/passwd && echo app:x:1000: > /etc/group && \
        printf '%s\\n' '#!/bin/sh' '/busybox chown -R app /data' 'exec gosu app \"$@\"' > /entrypoint.sh && \
        /busybox chmod 755 /entrypoint.sh";
    let run = serde_json::to_string(&["/busybox", "sh", "-c", script]).unwrap();
    build(&with_user, &format!("FROM {image}\nRUN {run}\nVOLUME /data\n"));
    let work = "/busybox id -u; echo $HOME; if /busybox touch /data/file 2>/dev/null; then echo writes; else echo refused; fi; exec /probe signals 15";
    let lines = |container: &mut Container| [container.line(), container.line(), container.line()];
    let mut container = Container::run(&with_user, &[], &["/entrypoint.sh", "sh", "-c", work]);
    assert_eq!(lines(&mut container), ["1000", "/data", "writes"]);
    container.ready();
    assert_eq!(users(&container), ["0", "1000"], "rini is root's, and the program is not");
    container.docker(&["stop"]);
    assert_eq!(container.code(), 0);
    // The volume belongs to root, as nobody changed that.
    let mut container = Container::run(&with_user, &["--env", "RINI_USER=app"], &["sh", "-c", work]);
    assert_eq!(lines(&mut container), ["1000", "/data", "refused"]);
    container.ready();
    assert_eq!(users(&container), ["1000", "1000"], "no process is root's");
    container.docker(&["stop"]);
    assert_eq!(container.code(), 0);
    // The option is the same.
    for option in [&["-u", "app"][..], &["--user", "app:app"], &["--user=1000"]] {
        let command = [option, &["--", "sh", "-c", work]].concat();
        let mut container = Container::run(&with_user, &AS_OPTION, &command);
        assert_eq!(lines(&mut container), ["1000", "/data", "refused"], "{option:?}");
        container.ready();
        assert_eq!(users(&container), ["1000", "1000"], "{option:?}");
        container.docker(&["stop"]);
        assert_eq!(container.code(), 0);
    }
    let variable = ["--env", "RINI_USER=app", "--cap-drop", "SETUID"];
    let option = ["--entrypoint", "/rini", "--cap-drop", "SETGID"];
    for output in [
        Container::run(&with_user, &variable, &["sh"]).finish(),
        Container::run(&with_user, &option, &["--user", "app", "--", "sh"]).finish(),
    ] {
        assert_eq!(output.code(), 1);
        assert!(only_error(&output).starts_with("cannot run as \"app\": Operation not permitted; "), "{output:?}");
    }
    done(["rmi", "--force", &with_user]);
}
