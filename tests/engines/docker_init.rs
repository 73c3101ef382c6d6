//! `docker run --init` with rini in docker-init's place. The test starts a Docker engine of its own, with its own
//! socket and directories, and `--init-path` names rini.

use crate::support::{
    Output, Start, assert_is_rini, children_of, copy_executable, has_commit, is_root, make_root, rini, short_folder,
    skip, status_field, tools, until, user_namespaces, zombies_of,
};
use crate::terminal::{CTRL_C, CTRL_Z, Session};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// The engine. Dropping it stops it.
struct Engine {
    folder: TempDir,
    daemon: Child,
}

impl Engine {
    /// Starts it with rini as its `docker-init`, and an image `probe` with rini's probe in it.
    fn start() -> Option<Engine> {
        Engine::start_with("{}", "")
    }

    /// Does the same with `userns-remap`: root in a container is an ordinary user of the machine. The engine takes the user
    /// numbers from files of the test's own, which only it sees at these paths.
    fn start_remapped() -> Option<Engine> {
        let subordinate = ["/etc/subuid", "/etc/subgid"];
        if let Some(file) = subordinate.iter().find(|file| !Path::new(file).exists()) {
            skip(&format!("there is no {file}"));
            return None;
        }
        if !user_namespaces() {
            return None;
        }
        let mut ids = tempfile::NamedTempFile::new().unwrap();
        writeln!(ids, "daemon:{REMAPPED}:65536").unwrap();
        let script = subordinate.map(|file| format!("mount --bind {} {file}; ", ids.path().display())).concat();
        Engine::start_with(r#"{"userns-remap": "daemon:daemon"}"#, &script)
    }

    /// Starts it with this configuration, in a mount namespace of its own where this script has run. The socket of the machine's
    /// containerd is hidden there: the engine would use it, and that containerd has none of the mounts of this namespace.
    fn start_with(configuration: &str, script: &str) -> Option<Engine> {
        if !is_root() {
            skip("an engine needs root");
            return None;
        }
        if !tools(&["dockerd", "docker"]) {
            return None;
        }
        let folder = short_folder();
        let path = |name: &str| folder.path().join(name);
        // The file needs this name. The engine mounts it into the containers, and runs it outside them for its version.
        copy_executable(&rini(), path("docker-init").as_ref());
        fs::write(path("daemon.json"), configuration).unwrap();
        // With `userns-remap` another user passes through it.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
        let log = File::create(path("log")).unwrap();
        let script = format!("{script}mkdir -p /run/containerd; mount -t tmpfs tmpfs /run/containerd; exec \"$@\"");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-euc", &script, "sh", "dockerd"]);
        for (option, name) in [
            ("--config-file", "daemon.json"),
            ("--data-root", "root"),
            ("--exec-root", "exec"),
            ("--pidfile", "pid"),
            ("--init-path", "docker-init"),
        ] {
            command.arg(option).arg(path(name));
        }
        command.arg("--host").arg(format!("unix://{}", path("docker.sock").display()));
        command.args(["--iptables=false", "--ip6tables=false", "--bridge=none"]);
        let daemon = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let mut engine = Engine { folder, daemon };
        until("the engine answers", || {
            let ended = engine.daemon.try_wait().unwrap();
            assert!(ended.is_none(), "{}", fs::read_to_string(engine.folder.path().join("log")).unwrap());
            engine.docker(["version"]).code() == 0
        });
        let tar = make_root(engine.folder.path());
        assert_eq!(engine.docker(["import".as_ref(), tar.as_os_str(), "probe".as_ref()]).code(), 0);
        Some(engine)
    }

    fn client<I: IntoIterator<Item: AsRef<OsStr>>>(&self, args: I) -> Start {
        let host = format!("unix://{}", self.folder.path().join("docker.sock").display());
        Start::of("docker").args(["--host", &host]).args(args)
    }

    fn docker<I: IntoIterator<Item: AsRef<OsStr>>>(&self, args: I) -> Output {
        self.client(args).run()
    }

    /// PID 1 of a container, as this machine numbers it.
    fn pid1(&self, container: &str) -> Pid {
        Pid::from_raw(self.docker(["inspect", "--format", "{{.State.Pid}}", container]).only_line().parse().unwrap())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let containers = self.docker(["ps", "--all", "--quiet"]);
        if !containers.out.is_empty() {
            self.docker(["rm".to_owned(), "--force".to_owned()].into_iter().chain(containers.out));
        }
        let _ = kill(Pid::from_raw(self.daemon.id() as i32), Signal::SIGTERM);
        let _ = self.daemon.wait();
    }
}

/// The user of the machine that is root in a container of [`Engine::start_remapped`].
const REMAPPED: u32 = 100_000;

const NETWORK: [&str; 2] = ["--network", "none"];

#[test]
fn docker_run_with_init_runs_rini() {
    let Some(engine) = Engine::start() else { return };

    // `docker info` shows rini's version. Without a commit it shows "N/A".
    if !has_commit() {
        return;
    }
    let shown = Command::new(engine.folder.path().join("docker-init")).arg("--version").output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let commit = shown.trim().rsplit_once("git.").unwrap().1;
    assert_eq!(engine.docker(["info", "--format", "{{.InitBinary}} {{.InitCommit.ID}}"]).only_line(), {
        let path = engine.folder.path().join("docker-init");
        format!("{} {commit}", path.display())
    });

    // rini is PID 1, and the program its child.
    let run = |flags: &[&str], command: &[&str]| {
        let words = ["run", "--init", "--interactive"].iter().chain(&NETWORK).chain(flags);
        engine.client(words.chain(&["probe"]).chain(command)).spawn()
    };
    let mut client = run(&["--name", "one"], &["/probe", "orphans", "20"]);
    client.expect("made 20");
    let pid = engine.pid1("one");
    assert_eq!(status_field(pid, "Name"), "docker-init");
    assert_is_rini(pid);
    until("all orphans are reaped", || children_of(pid).len() == 1);
    assert_eq!(zombies_of(pid), 0);
    assert_eq!(engine.docker(["stop", "one"]).code(), 0);
    let output = client.finish();
    assert_eq!((output.code(), output.err), (143, vec![]));
    // The negative control: without rini the orphans stay, and the program ignores SIGTERM.
    let words = ["run", "--interactive", "--name", "two"].iter().chain(&NETWORK);
    let mut client = engine.client(words.chain(&["probe", "/probe", "orphans", "20"])).spawn();
    client.expect("made 20");
    until("20 zombies", || zombies_of(engine.pid1("two")) == 20);
    assert_eq!(engine.docker(["stop", "--time", "1", "two"]).code(), 0);
    assert_eq!(client.finish().code(), 137);

    // `docker run --init` can pass no option, but the environment.
    let flags = ["--name", "three", "--env", "RINI_GRACE_PERIOD=300ms", "--env", "RINI_REWRITE=TERM:QUIT"];
    let mut client = run(&flags, &["/probe", "signals"]);
    assert!(client.line().starts_with("ready "));
    assert_eq!(engine.docker(["stop", "--time", "60", "three"]).code(), 0);
    assert!(client.line().starts_with("signal 3 "));
    let output = client.finish();
    assert_eq!((output.code(), output.err.len()), (137, 1));
    assert!(output.err[0].starts_with("[WARN  tini (1)] killed pid "), "{output:?}");

    // A program that cannot run, and one whose exit rini explains.
    let output = run(&[], &["/no/such"]).finish();
    assert_eq!((output.code(), output.err.len()), (127, 1), "{output:?}");
    assert!(output.err[0].contains("exec /no/such failed: No such file or directory"), "{output:?}");
    assert_eq!(run(&[], &["/probe", "exit", "7"]).finish().code(), 7);
    assert_eq!(run(&[], &["/probe", "die", "34"]).finish().code(), 162);

    // A container with as few rights as possible.
    for flags in [
        &["--read-only"][..],
        &["--cap-drop", "ALL"],
        &["--security-opt", "no-new-privileges"],
        &["--user", "12345:12345"],
        &["--pids-limit", "20"],
        &["--memory", "32m"],
        &["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only", "--user", "12345"],
    ] {
        let name = ["--name", "four", "--rm"];
        let mut client = run(&[&name, flags].concat(), &["/probe", "signals", "15"]);
        assert!(client.line().starts_with("ready "), "{flags:?}");
        assert_eq!(engine.docker(["stop", "--time", "60", "four"]).code(), 0);
        assert!(client.line().starts_with("signal 15 "), "{flags:?}");
        let output = client.finish();
        assert_eq!((output.code(), output.err), (0, vec![]), "{flags:?}");
        until("the container is removed", || engine.docker(["inspect", "four"]).code() != 0);
    }

    // On a terminal ^C ends the program. ^Z does not stop it, because nobody could undo that: under tini it would stay
    // stopped.
    let words = ["run", "--init", "--rm", "--interactive", "--tty", "--name", "six"].iter().chain(&NETWORK);
    let mut session = Session::of(engine.client(words.chain(&["probe", "/probe", "alive"])));
    session.expect_with("ready");
    for _ in 0..3 {
        session.keys(CTRL_Z);
        session.expect_echo("^Z");
        assert_eq!(engine.docker(["kill", "--signal", "USR1", "six"]).code(), 0);
        session.expect_with("alive");
    }
    session.keys(CTRL_C);
    assert_eq!(session.code(), 130);

    // `docker exec`, a pause, and a restart of the container.
    let mut client = run(&["--name", "seven"], &["/probe", "signals", "15"]);
    assert!(client.line().starts_with("ready "));
    let pid = engine.pid1("seven");
    assert_eq!(engine.docker(["exec", "seven", "/probe", "orphans", "5"]).code(), 0);
    until("the orphans of docker exec are reaped", || children_of(pid).len() == 1);
    assert_eq!(engine.docker(["pause", "seven"]).code(), 0);
    assert_eq!(engine.docker(["unpause", "seven"]).code(), 0);
    assert_eq!(engine.docker(["kill", "--signal", "USR1", "seven"]).code(), 0);
    assert!(client.line().starts_with("signal 10 "));
    assert_eq!(engine.docker(["restart", "--time", "60", "seven"]).code(), 0);
    assert!(client.line().starts_with("signal 15 "));
    until("it runs again", || {
        engine.docker(["logs", "seven"]).out.iter().filter(|line| line.starts_with("ready ")).count() == 2
    });
    assert_eq!(engine.docker(["stop", "--time", "60", "seven"]).code(), 0);
    client.finish();
    assert_eq!(engine.docker(["inspect", "--format", "{{.State.ExitCode}}", "seven"]).only_line(), "0");

    // In the namespace of another container rini would not be PID 1, so the engine ignores --init.
    let mut first = run(&["--name", "five"], &["/probe", "signals", "15"]);
    assert!(first.line().starts_with("ready "));
    let output = engine.docker([
        "run",
        "--rm",
        "--init",
        "--network",
        "none",
        "--pid",
        "container:five",
        "probe",
        "/probe",
        "exit",
        "3",
    ]);
    assert_eq!(output.code(), 3, "{output:?}");
    assert_eq!(engine.docker(["stop", "--time", "60", "five"]).code(), 0);
    assert_eq!(first.finish().code(), 0);
}

/// `init`, `stop_grace_period` and `stop_signal` of a compose file.
#[test]
fn compose_with_init_runs_rini() {
    if !tools(&["docker-compose"]) {
        return;
    }
    let Some(engine) = Engine::start() else { return };
    let file = engine.folder.path().join("docker-compose.yml");
    let text = "\
version: '2.4'
services:
  service:
    image: probe
    init: true
    network_mode: none
    stop_grace_period: 60s
    stop_signal: SIGQUIT
    command: ['/probe', 'signals']
    environment:
      RINI_GRACE_PERIOD: 300ms
      RINI_STOP_SIGNALS: QUIT
      RINI_REWRITE: 'QUIT:USR1'
";
    fs::write(&file, text).unwrap();
    let host = format!("unix://{}", engine.folder.path().join("docker.sock").display());
    let compose = |words: &[&str]| {
        // Compose 2 has no option for the engine.
        let start = Start::of("docker-compose").env("DOCKER_HOST", &host);
        let output = start.args(["--project-name", "rini", "--file"]).args([&file]).args(words).run();
        assert_eq!(output.code(), 0, "{output:?}");
        output
    };
    compose(&["up", "--detach"]);
    let container = compose(&["ps", "--quiet"]).out[0].clone();
    assert_eq!(status_field(engine.pid1(&container), "Name"), "docker-init");
    until("the program is ready", || {
        engine.docker(["logs", &container]).out.iter().any(|line| line.starts_with("ready "))
    });
    compose(&["stop"]);
    let logs = engine.docker(["logs", &container]);
    assert!(logs.out.iter().any(|line| line.starts_with("signal 10 ")), "{logs:?}");
    assert!(logs.err.iter().any(|line| line.contains(" after SIGQUIT from outside the container")), "{logs:?}");
    assert_eq!(engine.docker(["inspect", "--format", "{{.State.ExitCode}}", &container]).only_line(), "137");
    compose(&["down"]);
}

/// `userns-remap`: rini as docker-init, and as the entry point of an image.
#[test]
fn with_a_remapped_root_rini_does_the_same() {
    let Some(engine) = Engine::start_remapped() else { return };
    for (name, flags, words) in [("one", &["--init"][..], &[][..]), ("two", &[], &["/rini", "--"])] {
        let run = |env: &str, command: &[&str]| {
            let start: &[&str] = &["run", "--interactive", "--name", name, "--env", env];
            engine.client([start, &NETWORK, flags, &["probe"], words, command].concat()).spawn()
        };
        let remove = || assert_eq!(engine.docker(["rm", name]).code(), 0);

        let mut client = run("A=b", &["/probe", "orphans", "20"]);
        client.expect("made 20");
        let pid = engine.pid1(name);
        assert_is_rini(pid);
        // Root of the container's user namespace, and not of the machine.
        assert_eq!(status_field(pid, "Uid"), format!("{REMAPPED}\t{REMAPPED}\t{REMAPPED}\t{REMAPPED}"));
        assert_eq!(engine.docker(["exec", name, "/probe", "orphans", "5"]).code(), 0);
        until("all orphans are reaped", || children_of(pid).len() == 1);
        assert_eq!(engine.docker(["stop", "--time", "60", name]).code(), 0);
        let output = client.finish();
        assert_eq!((output.code(), output.err), (143, vec![]));
        remove();

        let mut client = run("RINI_GRACE_PERIOD=300ms", &["/probe", "signals"]);
        assert!(client.line().starts_with("ready "));
        assert_eq!(engine.docker(["stop", "--time", "60", name]).code(), 0);
        assert!(client.line().starts_with("signal 15 "));
        let output = client.finish();
        assert_eq!((output.code(), output.err.len()), (137, 1), "{output:?}");
        assert!(output.err[0].contains("(probe), which was still there"), "{output:?}");
        remove();

        assert_eq!(run("A=b", &["/probe", "exit", "7"]).finish().code(), 7);
        remove();
    }
}
