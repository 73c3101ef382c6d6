//! The production container of `Dockerfile.example`, with its worker and redis beside it, as Compose runs them; what it
//! does under bad conditions; and the files of packaging/examples, each checked by the tool that reads it.
//!
//! `packaging/demo-example` builds the images. Their base images are made from Debian here, in the place of those of a
//! registry.

use crate::podman::Podman;
use crate::support::{
    LIMIT, OTHER_KILL, Start, assert_is_rini, children_of, is_root, lacked, rini, skip, status_field, tools,
    until_within, zombies_of,
};
use nix::unistd::Pid;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::thread;
use std::time::Duration;

/// The engine gives it to the service at run time, and no image may contain it.
const SECRET: &str = "a-secret-of-the-tests-that-is-in-no-image";
/// The page with the measured table, and the commands that start the service.
const README: &str = "packaging/example/README.md";
/// Python programs start slowly on a loaded machine, and engines take time for each command.
const LONG_LIMIT: Duration = Duration::from_secs(2 * LIMIT.as_secs());

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn tag() -> String {
    format!("test-{}", std::process::id())
}

fn image(name: &str) -> String {
    format!("{name}:{}", tag())
}

fn secret_file() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("signing_key-{}", std::process::id()))
}

/// The result of a command that has ended.
#[derive(Debug)]
struct Outcome {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs a command that may take longer than [`LIMIT`].
fn run_command(command: &mut Command) -> Outcome {
    // The base images take minutes on a slow network. Nothing else uses the network.
    let limit = if Path::new(command.get_program()).ends_with("demo-example") { LIMIT * 10 } else { LONG_LIMIT };
    let mut limited = Command::new("timeout");
    limited.arg(limit.as_secs().to_string()).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        limited.env(name, value.unwrap());
    }
    if let Some(folder) = command.get_current_dir() {
        limited.current_dir(folder);
    }
    let output = limited.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    Outcome { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Runs a command that must succeed. Returns its standard output.
fn done(command: &mut Command) -> String {
    let outcome = run_command(command);
    assert_eq!(outcome.code, Some(0), "{command:?}: {outcome:?}");
    outcome.out
}

fn docker(words: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(words);
    command
}

fn demo(action: &str) -> Command {
    let mut command = Command::new(path("packaging/demo-example"));
    command.arg(action).env("TAG", tag()).env("RINI_BINARY", rini()).env("SIGNING_KEY_FILE", secret_file());
    command
}

fn compose_command() -> Command {
    let plugin = Command::new("docker").args(["compose", "version"]).output();
    if plugin.is_ok_and(|output| output.status.success()) {
        docker(&["compose"])
    } else {
        Command::new("docker-compose")
    }
}

/// True if Compose is installed. Otherwise prints SKIPPED.
fn has_compose() -> bool {
    let found = compose_command().arg("version").output().is_ok_and(|output| output.status.success());
    if !found {
        skip("there is no Compose; tests/setup installs docker-compose");
    }
    found
}

/// Waits for a condition, for longer than elsewhere, because each check starts a process or more.
fn until(what: &str, holds: impl FnMut() -> bool) {
    until_within(LONG_LIMIT, what, holds);
}

/// Lets two of these tests run at a time, because each starts several services. Makes the images first. If that is
/// impossible, prints SKIPPED and returns None.
fn take_turn() -> Option<MutexGuard<'static, ()>> {
    static TURNS: [Mutex<()>; 2] = [const { Mutex::new(()) }; 2];
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    static IMAGES: OnceLock<Result<(), String>> = OnceLock::new();
    if !is_root() {
        skip("packaging/demo-example needs root");
        return None;
    }
    if !tools(&["docker", "debootstrap", "pip3"]) || !has_compose() {
        return None;
    }
    // A test that fails does not make the next one fail.
    let turn = &TURNS[NEXT.fetch_add(1, Ordering::Relaxed) % TURNS.len()];
    let turn = turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let images = IMAGES.get_or_init(|| {
        let answer = run_command(&mut docker(&["version"]));
        if answer.code != Some(0) {
            return Err(format!("no engine answers: {}", answer.err));
        }
        fs::write(secret_file(), SECRET).unwrap();
        // SAFETY: The handler is a plain function that does not unwind.
        assert_eq!(unsafe { libc::atexit(remove_images) }, 0);
        let build = run_command(&mut demo("build"));
        if let Some(why) = lacked(build.code, &build.err) {
            return Err(why);
        }
        assert_eq!(build.code, Some(0), "{build:?}");
        Ok(())
    });
    match images {
        Ok(()) => Some(turn),
        Err(why) => {
            skip(why);
            None
        }
    }
}

extern "C" fn remove_images() {
    let names = ["rini-example", "rini-example-naive", "rini-example-distroless", "rini-example-rini"].map(image);
    let _ = Command::new("docker").args(["rmi", "--force"]).args(names).output();
    let _ = fs::remove_file(secret_file());
}

fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("rini-test-{}-{what}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn inspect(container: &str, field: &str) -> String {
    done(&mut docker(&["inspect", "--format", field, container]))
}

fn pid_of(container: &str) -> Pid {
    Pid::from_raw(inspect(container, "{{.State.Pid}}").parse().unwrap())
}

fn health(container: &str) -> String {
    inspect(container, "{{.State.Health.Status}}")
}

fn logs(container: &str) -> String {
    let outcome = run_command(&mut docker(&["logs", container]));
    outcome.out + "\n" + &outcome.err
}

fn count(text: &str, part: &str) -> usize {
    text.lines().filter(|line| line.contains(part)).count()
}

/// The web service, the worker and redis. Dropping it removes them.
struct Stack {
    project: String,
    web: String,
    worker: String,
    redis: String,
}

impl Stack {
    /// Starts them from compose.yaml, and waits until both services are healthy.
    fn up() -> Stack {
        let project = unique("stack");
        let mut stack = Stack { project, web: String::new(), worker: String::new(), redis: String::new() };
        done(&mut stack.compose(&["up", "--detach", "--no-build"]));
        for (service, id) in [("web", &mut stack.web), ("worker", &mut stack.worker), ("redis", &mut stack.redis)] {
            let project = format!("label=com.docker.compose.project={}", stack.project);
            let service = format!("label=com.docker.compose.service={service}");
            *id = done(&mut docker(&["ps", "--all", "--quiet", "--filter", &project, "--filter", &service]));
        }
        stack.until_healthy();
        stack
    }

    fn until_healthy(&self) {
        for container in [&self.web, &self.worker] {
            until("both are healthy", || health(container) == "healthy");
        }
    }

    fn compose(&self, words: &[&str]) -> Command {
        let mut command = compose_command();
        command
            .args(["--project-name", &self.project, "--file"])
            .arg(path("packaging/example/compose.yaml"))
            .args(words);
        command.env("EXAMPLE_IMAGE", image("rini-example")).env("REDIS_IMAGE", "rini-example-redis:bookworm");
        // Any free port, and health checks as often as a test needs them.
        command.env("SIGNING_KEY_FILE", secret_file()).env("PORT", "0").env("HEALTH_INTERVAL", "1s");
        command
    }

    /// Sends an HTTP request to the web service. Returns the status and the body.
    fn ask(&self, method: &str, path: &str) -> (u16, String) {
        let address = inspect(&self.web, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}");
        ask(&format!("{address}:8000"), method, path).unwrap()
    }

    fn in_redis(&self, words: &[&str]) -> usize {
        let command = ["exec", &self.redis, "redis-cli", "--raw"];
        done(docker(&command).args(words)).parse().unwrap()
    }

    /// Starts packaging/demo/example/load.py beside the web service, in its network. Returns the container.
    fn load(&self, words: &[&str]) -> Load {
        let name = unique("load");
        let network = format!("container:{}", self.web);
        let script = format!("{}:/load.py:ro", path("packaging/demo/example/load.py").display());
        let command = ["run", "--detach", "--name", &name, "--network", &network, "--volume", &script];
        let image = image("rini-example");
        done(docker(&command).args(["--no-healthcheck", "--entrypoint", "python3", &image, "/load.py"]).args(words));
        Load(name)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if thread::panicking() {
            // The services' logs are in the output of a failed test.
            for container in [&self.web, &self.worker] {
                let _ = writeln!(std::io::stderr(), "{}", logs(container));
            }
        }
        let _ = run_command(&mut self.compose(&["down", "--volumes", "--timeout", "1"]));
    }
}

/// A client's container.
struct Load(String);

impl Load {
    /// Waits for its end, and returns its last line.
    fn result(&self) -> String {
        assert_eq!(done(&mut docker(&["wait", &self.0])), "0", "{}", logs(&self.0));
        done(&mut docker(&["logs", &self.0])).lines().last().unwrap().to_owned()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = run_command(&mut docker(&["rm", "--force", "--volumes", &self.0]));
    }
}

/// The last line of `load.py balancer`: the requests that were lost, the number of all of them, and the orders that
/// were taken.
fn lost_of_and_orders(line: &str) -> (usize, usize, usize) {
    let numbers: Vec<usize> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [lost, of, orders] = numbers[..] else { panic!("{line:?}") };
    (lost, of, orders)
}

fn ask(address: &str, method: &str, path: &str) -> std::io::Result<(u16, String)> {
    let address: SocketAddr = address.parse().unwrap();
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(stream, "{method} {path} HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    Ok((status.ok_or(std::io::ErrorKind::InvalidData)?, body.trim().to_owned()))
}

/// Runs a container of its own to its end, without a network and with these flags.
fn run(image: &str, flags: &[&str], command: &[&str]) -> Outcome {
    let name = unique("run");
    let words = ["run", "--rm", "--name", &name, "--network", "none", "--no-healthcheck"];
    run_command(docker(&words).args(flags).arg(image).args(command))
}

/// Runs fifty checks that each leave an orphan. The engine's own checks work like `docker exec`.
fn run_fifty_checks(container: &str, python: &str) {
    let check = "import os; r, w = os.pipe(); os.fork() or (os.close(w), os.read(r, 1))";
    thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                for _ in 0..10 {
                    done(&mut docker(&["exec", container, python, "-c", check]));
                }
            });
        }
    });
}

/// The file of a cgroup controller (cgroup v2, or v1) for a process.
fn cgroup_file(pid: Pid, v2: &str, controller: &str, v1: &str) -> String {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    for line in groups.lines() {
        let [_, controllers, group] = line.splitn(3, ':').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let file = if controllers.is_empty() {
            format!("/sys/fs/cgroup{group}/{v2}")
        } else if controllers.split(',').any(|name| name == controller) {
            format!("/sys/fs/cgroup/{controller}{group}/{v1}")
        } else {
            continue;
        };
        if let Ok(text) = fs::read_to_string(file) {
            return text.trim().to_owned();
        }
    }
    panic!("no {controller} for pid {pid} in {groups}");
}

#[test]
fn it_runs_as_its_files_say() {
    let Some(_turn) = take_turn() else { return };
    let stack = Stack::up();
    for container in [&stack.web, &stack.worker] {
        let pid = pid_of(container);
        assert_is_rini(pid);
        assert_eq!(status_field(pid, "NSpid"), format!("{pid}\t1"));
        let program = children_of(pid)[0];
        for process in children_of(program).into_iter().chain([pid, program]) {
            assert_eq!(status_field(process, "Uid"), "10001\t10001\t10001\t10001");
            assert_eq!(status_field(process, "CapBnd"), "0000000000000000");
            assert_eq!(status_field(process, "NoNewPrivs"), "1");
        }
        let limits = "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}} \
            {{.HostConfig.ReadonlyRootfs}} {{.Config.StopTimeout}}";
        assert_eq!(inspect(container, limits), "268435456 268435456 1000000000 true 30");
        // The kernel's value must be the same.
        assert_eq!(cgroup_file(pid, "memory.max", "memory", "memory.limit_in_bytes"), "268435456");
        let cpu = cgroup_file(pid, "cpu.max", "cpu", "cpu.cfs_quota_us");
        assert!(["100000", "100000 100000"].contains(&&*cpu), "{cpu}");
        assert_eq!(cgroup_file(pid, "pids.max", "pids", "pids.max"), "100");
        assert_eq!(fs::read_to_string(format!("/proc/{pid}/root/run/secrets/signing_key")).unwrap(), SECRET);
        let environment = fs::read(format!("/proc/{program}/environ")).unwrap();
        assert!(!String::from_utf8_lossy(&environment).contains(SECRET));
    }
    let (status, body) = stack.ask("POST", "/orders");
    assert_eq!(status, 202, "{body}");
    assert!(body.contains(r#""receipt":""#), "{body}");
    until("the worker has done it", || stack.in_redis(&["scard", "orders:done"]) == 1);
    assert_eq!(stack.ask("GET", "/report").0, 200);

    run_fifty_checks(&stack.web, "python3");
    let pid = pid_of(&stack.web);
    // One of Compose's own checks may run at this moment.
    until("only gunicorn is left", || zombies_of(pid) == 0 && children_of(pid).len() == 1);

    // The negative control: in the naive image the program is PID 1 and reaps nothing.
    let name = unique("naive");
    let naive = image("rini-example-naive");
    done(&mut docker(&["run", "--detach", "--name", &name, "--network", "none", &naive]));
    let _naive = Load(name.clone());
    run_fifty_checks(&name, "python3");
    until("all are zombies", || zombies_of(pid_of(&name)) == 50);
    assert_eq!(status_field(pid_of(&name), "Uid"), "0\t0\t0\t0");
}

#[test]
fn a_stop_in_the_middle_loses_no_request_and_no_task() {
    let Some(_turn) = take_turn() else { return };
    let stack = Stack::up();
    // More than the worker can finish before the stop.
    assert_eq!(stack.load(&["burst", "12"]).result(), "12");
    let load = stack.load(&["balancer", "1"]);
    until("requests are in flight", || count(&logs(&stack.web), "a request is being handled") >= 22);
    until("tasks are running", || count(&logs(&stack.worker), "a task is running") >= 2);
    // The balancer's second begins before the stop, so that a slow machine does not make it end after the delay.
    done(&mut docker(&["kill", "--signal", "USR1", &load.0]));
    done(&mut stack.compose(&["stop", "web", "worker"]));

    let line = load.result();
    let (lost, of, orders) = lost_of_and_orders(&line);
    assert!(lost == 0 && of > 0, "{line}");
    for container in [&stack.web, &stack.worker] {
        assert_eq!(inspect(container, "{{.State.ExitCode}}"), "0", "{}", logs(container));
        let log = logs(container);
        assert_eq!(count(&log, "rini: INFO SIGTERM from outside the container, forwarded to pid "), 1, "{log}");
        // A health check (python3) may run when the container ends, and is named then. No process of the service is.
        for line in log.lines().filter(|line| line.contains("rini: WARN")) {
            assert!(line.starts_with("rini: WARN leftover processes get SIGKILL"), "{line}");
            assert_eq!(line.matches(" (python3)").count(), line.matches("pid ").count(), "{line}");
        }
    }
    let begun = stack.in_redis(&["scard", "orders:begun"]);
    assert_eq!(stack.in_redis(&["scard", "orders:done"]), begun, "what was begun is done");
    // The stop came in the middle. The queue has the tasks that were not begun, for the next worker.
    let queued = stack.in_redis(&["llen", "celery"]);
    assert!(queued > 0);
    assert_eq!(begun + queued, 12 + orders);
    done(&mut docker(&["start", &stack.worker]));
    until("it goes on", || stack.in_redis(&["scard", "orders:done"]) > begun);
}

#[test]
fn without_redis_it_is_unhealthy_and_nothing_is_killed() {
    let Some(_turn) = take_turn() else { return };
    let stack = Stack::up();
    let state = |container: &str| inspect(container, "{{.State.Running}} {{.State.StartedAt}} {{.RestartCount}}");
    let before = [state(&stack.web), state(&stack.worker)];
    done(&mut docker(&["stop", &stack.redis]));
    for container in [&stack.web, &stack.worker] {
        until("it is unhealthy", || health(container) == "unhealthy");
        let checks = inspect(container, "{{range .State.Health.Log}}{{.ExitCode}} {{.Output}}{{end}}");
        assert!(checks.contains("1 unhealthy: ") && !checks.contains("Traceback"), "{checks}");
    }
    assert_eq!(stack.ask("GET", "/health").0, 503);
    assert_eq!(stack.ask("POST", "/orders").0, 503);
    // The pages that need no redis still work.
    assert_eq!(stack.ask("GET", "/alive").0, 200);
    assert_eq!([state(&stack.web), state(&stack.worker)], before);

    done(&mut docker(&["start", &stack.redis]));
    stack.until_healthy();
    until("orders are taken", || stack.ask("POST", "/orders").0 == 202);
    until("the worker has found redis again", || stack.in_redis(&["scard", "orders:done"]) >= 1);
    assert_eq!([state(&stack.web), state(&stack.worker)], before);
}

/// gunicorn adds a worker at SIGTTIN and removes one at SIGTTOU. rini forwards these signals to a program that handles
/// them.
#[test]
fn gunicorn_changes_its_number_of_workers_by_docker_kill() {
    let Some(_turn) = take_turn() else { return };
    let name = unique("workers");
    // The example's own directory has settings that need its secret, so this uses another.
    let words = ["run", "--detach", "--no-healthcheck", "--network", "none", "--workdir", "/tmp", "--name", &name];
    let program = ["gunicorn", "--workers", "1", "--bind", "127.0.0.1:8000", "wsgiref.simple_server:demo_app"];
    let _container = Load(name.clone());
    done(docker(&words).arg(image("rini-example")).args(program));
    let lines = |part: &str| count(&logs(&name), part);
    until("a worker runs", || lines("Booting worker with pid") == 1);
    done(&mut docker(&["kill", "--signal", "TTIN", &name]));
    until("a second worker runs", || lines("Booting worker with pid") == 2);
    done(&mut docker(&["kill", "--signal", "TTOU", &name]));
    until("a worker has ended", || lines("Worker exiting (pid: ") == 1);
    done(&mut docker(&["stop", &name]));
    assert_eq!((inspect(&name, "{{.State.ExitCode}}"), lines("not forwarded")), ("0".to_owned(), 0));
}

#[test]
fn a_kill_by_the_memory_limit_is_reported() {
    let Some(_turn) = take_turn() else { return };
    let limit = ["--memory", "32m", "--memory-swap", "32m"];
    let eat = |mebibytes: u32| {
        let program = format!("print(len(bytearray({mebibytes} << 20)) >> 20)");
        run(&image("rini-example"), &limit, &["python3", "-c", &program])
    };
    let outcome = eat(512);
    assert_eq!((outcome.code, &*outcome.out), (Some(137), ""), "{outcome:?}");
    let memory = "meanwhile the kernel killed 1 of this container's processes: out of memory, limit 32 MiB";
    let wanted = &format!(" (python3) {OTHER_KILL}; {memory}");
    let line = &outcome.err;
    assert!(line.starts_with("rini: WARN pid ") && line.ends_with(wanted) && line.lines().count() == 1, "{line}");
    // The negative control: less memory.
    let outcome = eat(8);
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(0), "8", ""));
}

#[test]
fn without_its_secret_it_prints_an_error_and_exits() {
    let Some(_turn) = take_turn() else { return };
    let wanted =
        "orders: no secret: neither the file /run/secrets/signing_key nor SIGNING_KEY in the environment has one";
    let worker = ["celery", "--app=tasks", "worker"];
    for command in [&[][..], &worker] {
        let outcome = run(&image("rini-example"), &[], command);
        assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(1), "", wanted), "{command:?}");
    }
    // A file that the service may not read.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signing_key");
    fs::write(&file, SECRET).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
    let mount = format!("{}:/run/secrets/signing_key:ro", file.display());
    let outcome = run(&image("rini-example"), &["--volume", &mount], &[]);
    let wanted = "orders: cannot read the secret /run/secrets/signing_key: Permission denied";
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(1), "", wanted));
    // The negative control: if the service may read it, it reads the settings.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    let outcome = run(&image("rini-example"), &["--volume", &mount], &["gunicorn", "--check-config", "app:app"]);
    assert_eq!((outcome.code, &*outcome.out), (Some(0), ""), "{outcome:?}");
}

/// The layers of an image, and its configuration, that contain a text.
fn files_with(image: &str, text: &str) -> Vec<String> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let tar = folder.path().join("image.tar");
    done(docker(&["save", image, "--output"]).arg(&tar));
    let unpacked = folder.path().join("image");
    fs::create_dir(&unpacked).unwrap();
    done(Command::new("tar").arg("-xf").arg(&tar).arg("-C").arg(&unpacked));
    let mut grep = Command::new("grep");
    grep.args(["--recursive", "--text", "--files-with-matches", "--fixed-strings", "-e", text]).arg(&unpacked);
    run_command(&mut grep).out.lines().map(str::to_owned).collect()
}

#[test]
fn the_secret_is_in_no_layer_and_no_history() {
    let Some(_turn) = take_turn() else { return };
    let history = |image: &str| done(&mut docker(&["history", "--no-trunc", image]));
    for image in [image("rini-example"), image("rini-example-distroless")] {
        assert_eq!(files_with(&image, SECRET), Vec::<String>::new());
        assert_eq!(count(&history(&image), SECRET), 0);
        // The search finds a text in a layer, and in the configuration.
        assert!(files_with(&image, "an answered order is not lost").iter().any(|file| file.ends_with("tar")));
        assert!(files_with(&image, "PYTHONUNBUFFERED=1").iter().any(|file| file.ends_with("json")));
        assert!(count(&history(&image), "HEALTHCHECK") > 0);
    }
    // It finds the secret in an image that has it.
    let naive = image("rini-example-naive");
    let found = files_with(&naive, SECRET);
    assert!(found.iter().any(|file| file.ends_with("tar")) && found.iter().any(|file| file.ends_with("json")));
    assert!(count(&history(&naive), SECRET) > 0);
}

/// The packages and images that the Dockerfiles, the requirements and the other files fetch.
#[test]
fn what_is_fetched_is_pinned() {
    let pinned = |image: &str| {
        let (_, digest) = image.split_once("@sha256:").unwrap_or_else(|| panic!("{image}"));
        assert!(digest.len() == 64 && digest.chars().all(|c| c.is_ascii_hexdigit()), "{image}");
    };
    for (name, least) in [("Dockerfile.example", 1), ("packaging/examples/Dockerfile.distroless", 2)] {
        let text = fs::read_to_string(path(name)).unwrap();
        let defaults = text.lines().filter_map(|line| line.strip_prefix("ARG ")?.split_once('='));
        let images: Vec<&str> = defaults.map(|(_, image)| image).filter(|image| image.contains(['/', ':'])).collect();
        assert_eq!(images.len(), least, "{images:?}");
        images.into_iter().for_each(pinned);
        // They fetch nothing else.
        let bases: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("FROM ")).collect();
        assert!(bases.len() == 3 && bases.iter().all(|base| base.starts_with("${")), "{bases:?}");
    }
    for name in ["example/compose.yaml", "examples/kubernetes.yaml", "examples/quadlet/rini-example-redis.container"] {
        let text = fs::read_to_string(path("packaging").join(name)).unwrap();
        let image = text.lines().find(|line| line.contains("redis:7")).unwrap();
        pinned(image.trim_end_matches('}'));
    }
    let text = fs::read_to_string(path("packaging/example/requirements.txt")).unwrap();
    let text = text.replace("\\\n", "");
    let packages: Vec<&str> = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase())).collect();
    assert!(packages.len() > 10 && packages.iter().all(|line| line.contains("==") && line.contains("--hash=sha256:")));
}

#[test]
fn the_table_is_measured_and_is_the_readme_s() {
    let Some(_turn) = take_turn() else { return };
    let outcome = run_command(&mut demo("table"));
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let table = outcome.out;
    let cells = |text: &str| -> Vec<[String; 3]> {
        let lines = text.lines().filter(|line| line.starts_with("| "));
        let cells = lines.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()));
        cells.map(|cells| cells.collect::<Vec<_>>().try_into().unwrap()).collect()
    };
    let rows = cells(&table);
    let row = |start: &str| {
        let row = rows.iter().find(|row| row[0].starts_with(start)).unwrap_or_else(|| panic!("no {start} in {table}"));
        (row[1].as_str(), row[2].as_str())
    };
    assert_eq!(row("PID 1"), ("flask, sh", "rini, rini"));
    let number = |text: &str| text.replace(' ', "").parse::<u64>().unwrap();
    let (naive, example) = row("Image, bytes");
    assert!(number(example) < number(naive), "{table}");
    assert_eq!(row("User"), ("0 (root)", "10001"));
    assert_eq!(row("Exit code: web"), ("137", "0"));
    assert_eq!(row("Exit code: worker"), ("137", "0"));
    let (naive, example) = row("Requests lost");
    assert!(!naive.starts_with("0 of ") && example.starts_with("0 of ") && example != "0 of 0", "{table}");
    let (naive, example) = row("Tasks lost");
    assert!(!naive.starts_with("0 of ") && example == "0 of 30", "{table}");
    assert_eq!(row("Zombies"), ("50", "0"));
    let (naive, example) = row("Files of the image");
    assert!(number(naive) >= 2 && example == "0", "{table}");
    for time in ["`docker compose stop`: web", "`docker compose stop`: worker", "Rebuild"] {
        let seconds = |text: &str| text.strip_suffix(" s").unwrap().parse::<f64>().unwrap();
        let (naive, example) = row(time);
        assert!(seconds(naive) > 0.0 && seconds(example) > 0.0, "{table}");
    }

    // The example's README has the same rows, and the same cells if they do not depend on the machine.
    let readme = fs::read_to_string(path(README)).unwrap();
    let (_, shown) = readme.split_once("<!-- table: packaging/demo-example -->").expect("the table is in the README");
    let shown = cells(shown.split_once("<!-- /table -->").unwrap().0);
    let first = |rows: &[[String; 3]]| rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>();
    assert_eq!(first(&shown), first(&rows));
    for name in ["PID 1", "User", "Exit code: web", "Exit code: worker", "Zombies", "Files of the image"] {
        let row = shown.iter().find(|row| row[0].starts_with(name)).unwrap();
        assert!(rows.contains(row), "{row:?} is not in {table}");
    }
}

/// The two commands of the example's README. The first starts the service, and prints the second.
#[test]
fn two_commands_from_the_readme_to_the_running_service() {
    let Some(_turn) = take_turn() else { return };
    if !tools(&["curl"]) {
        return;
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let up = run_command(demo("up").env("PORT", &port));
    struct Down;
    impl Drop for Down {
        fn drop(&mut self) {
            let _ = run_command(&mut demo("down"));
        }
    }
    let _down = Down;
    assert_eq!(up.code, Some(0), "{up:?}");
    let readme = fs::read_to_string(path(README)).unwrap();
    let commands = format!("packaging/demo-example up\n{}\n", up.out.replace(&port, "8000"));
    assert!(readme.contains(&commands), "{README} has {commands:?}");
    let words: Vec<&str> = up.out.split(' ').collect();
    let answer = done(Command::new(words[0]).args(["--silent", "--fail"]).args(&words[1..]));
    assert!(answer.starts_with(r#"{"order":""#), "{answer}");
}

#[test]
fn the_distroless_image_runs_without_a_shell() {
    let Some(_turn) = take_turn() else { return };
    let distroless = image("rini-example-distroless");
    let name = unique("distroless");
    let flags = ["--read-only", "--tmpfs", "/tmp", "--env", "SIGNING_KEY=x", "--network", "none"];
    done(docker(&["run", "--detach", "--name", &name]).args(flags).arg(&distroless));
    let _container = Load(name.clone());
    until("it listens", || logs(&name).contains("Booting worker"));
    let pid = pid_of(&name);
    assert_is_rini(pid);
    assert_eq!(status_field(pid, "Uid"), "65532\t65532\t65532\t65532");
    // There is no redis here, so only /alive answers.
    let check = ["exec", &name, "/usr/bin/python3", "health.py", "alive"];
    until("it answers", || run_command(&mut docker(&check)).code == Some(0));
    run_fifty_checks(&name, "/usr/bin/python3");
    until("only gunicorn is left", || zombies_of(pid) == 0 && children_of(pid).len() == 1);
    let exists = |image: &str, path: &str| {
        let program = format!("import os, sys; sys.exit(0 if os.path.lexists('{path}') else 3)");
        run(image, &["--entrypoint", "/usr/bin/python3"], &["-c", &program]).code
    };
    for path in ["/bin/sh", "/usr/bin/sh", "/bin/bash", "/bin/dash", "/usr/bin/apt-get", "/usr/bin/pip3"] {
        assert_eq!(exists(&distroless, path), Some(3), "{path}");
    }
    // The negative control: the naive image.
    assert_eq!(exists(&image("rini-example-naive"), "/bin/sh"), Some(0));
    done(&mut docker(&["stop", "--time", "60", &name]));
    assert_eq!(inspect(&name, "{{.State.ExitCode}}"), "0", "{}", logs(&name));
}

/// Compose reads the Compose files.
#[test]
fn the_compose_files_are_compose_s() {
    if !tools(&["docker"]) || !has_compose() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("signing_key");
    fs::write(&key, SECRET).unwrap();
    let config = |file: &Path| {
        run_command(compose_command().arg("--file").arg(file).arg("config").env("SIGNING_KEY_FILE", &key))
    };
    let file = path("packaging/example/compose.yaml");
    let parsed = config(&file);
    assert_eq!((parsed.code, &*parsed.err), (Some(0), ""));
    assert!(count(&parsed.out, "stop_grace_period: 30s") == 2 && !parsed.out.contains(SECRET), "{}", parsed.out);
    let naive = config(&path("packaging/example/naive/compose.yaml"));
    assert_eq!((naive.code, &*naive.err), (Some(0), ""));
    // The negative control: a wrong file.
    let wrong = folder.path().join("compose.yaml");
    fs::write(&wrong, fs::read_to_string(file).unwrap().replace("stop_grace_period", "stop_grace_time")).unwrap();
    assert_ne!(config(&wrong).code, Some(0));
}

/// The ECS task definition passes the schema with which AWS' own library checks requests.
#[test]
fn the_ecs_task_definition_is_valid() {
    if !Path::new("/usr/lib/python3/dist-packages/botocore").exists() {
        return skip("there is no botocore (Debian's package python3-botocore); tests/setup installs it");
    }
    let program = "
import json, sys
import botocore.loaders, botocore.model, botocore.validate
api = botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model('ecs', 'service-2'))
shape = api.operation_model('RegisterTaskDefinition').input_shape
report = botocore.validate.ParamValidator().validate(json.load(sys.stdin), shape)
sys.exit(report.generate_report() or 0)";
    let validate = |text: &str| {
        let mut python = Start::of("/usr/bin/python3").args(["-c", program]).spawn();
        python.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        python.finish()
    };
    let text = fs::read_to_string(path("packaging/examples/ecs-task.json")).unwrap();
    let output = validate(&text);
    assert!(output.code() == 0 && output.err.is_empty(), "{output:?}");
    // The negative controls: a name that does not exist, and a wrong type.
    for (from, to, wanted) in [
        ("\"stopTimeout\"", "\"stopTime\"", "Unknown parameter in containerDefinitions[0]: \"stopTime\""),
        (
            "\"stopTimeout\": 30",
            "\"stopTimeout\": \"30\"",
            "Invalid type for parameter containerDefinitions[0].stopTimeout",
        ),
    ] {
        let output = validate(&text.replace(from, to));
        assert!(output.code() == 1 && output.err.iter().any(|line| line.contains(wanted)), "{output:?}");
    }
}

/// podman's own generator reads the quadlet files, and systemd reads the units that it makes.
#[test]
fn the_quadlet_files_become_units() {
    if !is_root() {
        return skip("apt-get needs root");
    }
    if !tools(&["apt-get", "systemd-analyze", "podman"]) {
        return;
    }
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("quadlet");
    let quadlet = run_command(Command::new(path("tests/engines/quadlet")).arg(kept));
    if let Some(why) = lacked(quadlet.code, &quadlet.err) {
        return skip(&why);
    }
    assert_eq!(quadlet.code, Some(0), "{quadlet:?}");
    let quadlet = quadlet.out;
    let generate = |from: &Path, to: &Path| run_command(Command::new(&quadlet).arg(to).env("QUADLET_UNIT_DIRS", from));
    let folder = tempfile::tempdir().unwrap();
    let (source, units) = (folder.path().join("source"), folder.path().join("units"));
    fs::create_dir(&units).unwrap();
    done(Command::new("cp").arg("-r").arg(path("packaging/examples/quadlet")).arg(&source));
    let generated = generate(&source, &units);
    assert_eq!(generated.code, Some(0), "{generated:?}");
    let start = |name: &str| {
        let unit = fs::read_to_string(units.join(name)).unwrap();
        unit.lines().find(|line| line.starts_with("ExecStart=/usr/bin/podman run ")).unwrap().to_owned()
    };
    for name in ["rini-example.service", "rini-example-worker.service"] {
        let line = start(name);
        for words in [
            " --stop-timeout=30 ",
            " --memory=256m ",
            " --user 10001:10001 ",
            " --read-only ",
            " --cap-drop all ",
            " --init=false ",
            " --health-on-failure none ",
            " --env RINI_GRACE_PERIOD=",
            " --secret signing_key,uid=10001,mode=0400 ",
            " localhost/rini-example:latest",
        ] {
            assert!(line.contains(words), "no {words} in {line}");
        }
    }
    assert!(start("rini-example-redis.service").contains(" redis-server --dir /data "));
    // docs/engines.md says so: systemd accepts messages of every process of the service, and podman itself reports the start.
    let unit = fs::read_to_string(units.join("rini-example.service")).unwrap();
    assert!(unit.contains("\nType=notify\nNotifyAccess=all\n"), "{unit}");
    assert!(start("rini-example.service").contains(" --sdnotify=conmon "));
    let targets = folder.path().join("targets");
    fs::create_dir(&targets).unwrap();
    for name in ["basic", "sysinit", "shutdown", "network-online", "multi-user"] {
        fs::write(targets.join(name).with_extension("target"), "[Unit]\n").unwrap();
    }
    let verify = || {
        let names = fs::read_dir(&units).unwrap().map(|entry| entry.unwrap().path());
        let services: Vec<_> = names.filter(|name| name.extension().is_some_and(|e| e == "service")).collect();
        assert_eq!(services.len(), 4);
        // The units, and stand-ins for systemd's own. This machine has other units, with mistakes of their own.
        let path = format!("{}:{}", units.display(), targets.display());
        run_command(Command::new("systemd-analyze").arg("verify").args(services).env("SYSTEMD_UNIT_PATH", path))
    };
    let verified = verify();
    assert_eq!((verified.code, &*verified.err), (Some(0), ""));

    // With Notify=true the program itself reports that it is ready. NOTIFY_SOCKET is then the container's.
    let file = source.join("rini-example.container");
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text.matches("\nRunInit=false\n").count(), 1, "{text}");
    fs::write(&file, text.replace("\nRunInit=false\n", "\nRunInit=false\nNotify=true\n")).unwrap();
    assert_eq!(generate(&source, &units).code, Some(0));
    let line = start("rini-example.service");
    assert!(line.contains(" --sdnotify=container ") && !line.contains("--sdnotify=conmon"), "{line}");
    assert!(start("rini-example-worker.service").contains(" --sdnotify=conmon "));
    let unit = fs::read_to_string(units.join("rini-example.service")).unwrap();
    assert!(unit.contains("\nType=notify\nNotifyAccess=all\n"), "{unit}");
    let verified = verify();
    assert_eq!((verified.code, &*verified.err), (Some(0), ""));

    // The negative controls: a key that quadlet does not know, and one that systemd does not know.
    fs::write(&file, text.replace("TimeoutStopSec", "TimeoutStopTime")).unwrap();
    assert_eq!(generate(&source, &units).code, Some(0));
    assert!(verify().err.contains("Unknown key 'TimeoutStopTime'"));
    fs::write(&file, text.replace("HealthCmd", "HealthCommand")).unwrap();
    // Without a terminal, quadlet prints this to the system's log.
    let refused = run_command(Command::new(&quadlet).arg("-dryrun").env("QUADLET_UNIT_DIRS", &source));
    assert!(refused.code != Some(0) && refused.err.contains("unsupported key 'HealthCommand'"), "{refused:?}");
}

/// podman plays the Kubernetes manifest: in a network namespace of the test's own, with the secret that `kubectl create
/// secret` would make, and with a stand-in for redis' image.
#[test]
fn the_kubernetes_deployment_loses_nothing_when_it_is_stopped() {
    let Some(_turn) = take_turn() else { return };
    if !tools(&["ip", "unshare", "nsenter", "python3"]) {
        return;
    }
    let Some(podman) = Podman::new() else { return };
    let folder = podman.0.path();
    // It ends when its standard input closes, which this test holds.
    let holder = "ip link set lo up && echo ready && exec cat";
    let mut network = Start::of("unshare").args(["--net", "sh", "-c", holder]).spawn();
    network.expect("ready");
    let in_network = |words: &[&str]| {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", network.pid())).args(words);
        command
    };
    let tool = |words: &[&str]| {
        let mut command = in_network(&["podman", "--root"]);
        command.arg(folder.join("root")).arg("--runroot").arg(folder.join("run")).args(["--storage-driver", "vfs"]);
        command.args(words).env("CONTAINERS_CONF", folder.join("containers.conf"));
        command
    };
    let example = image("rini-example");
    // Each image has one layer, because this storage driver copies all layers for the next one. The configuration
    // stays.
    for name in [&*example, "rini-example-redis:bookworm"] {
        let container = Load(unique("export"));
        done(&mut docker(&["create", "--name", &container.0, name, "nothing"]));
        let tar = folder.join("docker.tar");
        done(docker(&["export", &container.0, "--output"]).arg(&tar));
        let says = "{{range .Config.Env}}ENV {{.}}\n{{end}}{{with .Config.Entrypoint}}ENTRYPOINT {{json .}}\n{{end}}\
            {{with .Config.Cmd}}CMD {{json .}}\n{{end}}{{with .Config.User}}USER {{.}}\n{{end}}\
            {{with .Config.WorkingDir}}WORKDIR {{.}}{{end}}";
        let mut import = tool(&["import", "--quiet"]);
        for line in inspect(name, says).lines() {
            import.args(["--change", line]);
        }
        done(import.arg(&tar).arg(format!("localhost/{name}")));
        fs::remove_file(tar).unwrap();
    }

    let manifest = folder.join("orders.yaml");
    let text = fs::read_to_string(path("packaging/examples/kubernetes.yaml")).unwrap();
    let redis = text.lines().find_map(|line| line.trim().strip_prefix("image: docker.io/")).unwrap();
    let edited = [
        ("image: localhost/rini-example:latest", format!("image: localhost/{example}")),
        (&*format!("docker.io/{redis}"), "localhost/rini-example-redis:bookworm".to_owned()),
        // All use one network, so the ports are the host's, and there is no name service. The kubelet would not restart
        // what it stops, so podman must not either.
        ("    spec:\n", "    spec:\n      hostNetwork: true\n      restartPolicy: Never\n".to_owned()),
        ("          ports:\n            - {name: http, containerPort: 8000}\n", String::new()),
        ("          ports:\n            - {name: redis, containerPort: 6379}\n", String::new()),
        ("redis://orders-redis:", "redis://127.0.0.1:".to_owned()),
        ("replicas: 2", "replicas: 1".to_owned()),
    ];
    let text = edited.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "no {from:?}");
        text.replace(from, to)
    });
    // `kubectl create secret` encodes it in base64 too.
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: orders}\ndata: {signing_key: YS1zZWNyZXQ=}\n---\n";
    fs::write(&manifest, format!("{secret}{text}")).unwrap();
    done(tool(&["kube", "play"]).arg(&manifest));

    let names = done(&mut tool(&["ps", "--format", "{{.Names}}"]));
    let find = |end: &str| names.lines().find(|name| name.ends_with(end)).unwrap_or_else(|| panic!("{names}"));
    let (web, worker, redis) = (find("-web"), find("-worker"), find("-redis"));
    let field = |name: &str, field: &str| done(&mut tool(&["inspect", "--format", field, name]));
    let pid = |name: &str| Pid::from_raw(field(name, "{{.State.Pid}}").parse().unwrap());
    // podman's health checks need systemd, so the test runs their commands here.
    let check = |name: &str, what: &str| {
        let enter = ["nsenter", "--all", "--target", &pid(name).to_string(), "--setuid", "10001"];
        run_command(
            Command::new(enter[0])
                .args(&enter[1..])
                .args(["/venv/bin/python3", "/app/health.py", what])
                .env("REDIS_URL", "redis://127.0.0.1:6379/0"),
        )
        .code
            == Some(0)
    };
    until("the service is ready", || check(web, "web") && check(web, "alive") && check(worker, "worker"));

    // One PID namespace has rini as PID 1, in pause's place, and rini in front of each program.
    let infra = field(web, "{{.Pod}}");
    let infra = done(&mut tool(&["pod", "inspect", "--format", "{{.InfraContainerID}}", &infra]));
    let pause = pid(&infra);
    assert_is_rini(pause);
    assert_eq!(status_field(pause, "NSpid"), format!("{pause}\t1"));
    let namespace = |pid: Pid| fs::read_link(format!("/proc/{pid}/ns/pid")).unwrap();
    for name in [web, worker] {
        assert_is_rini(pid(name));
        assert_eq!(namespace(pid(name)), namespace(pause));
        assert_eq!(status_field(pid(name), "Uid"), "10001\t10001\t10001\t10001");
        assert_eq!(status_field(pid(name), "CapEff"), "0000000000000000");
    }

    let load = path("packaging/demo/example/load.py");
    let load = load.to_str().unwrap();
    let in_redis = |words: &[&str]| {
        let enter = ["--target", &pid(redis).to_string(), "--mount", "--net", "redis-cli", "--raw"].map(str::to_owned);
        done(Command::new("nsenter").args(enter).args(words)).parse::<usize>().unwrap()
    };
    assert_eq!(done(&mut in_network(&["python3", load, "burst", "12"])), "12");
    let balancer = in_network(&["python3", load, "balancer", "2"]).stdout(Stdio::piped()).spawn().unwrap();
    until("tasks are running", || in_redis(&["scard", "orders:begun"]) >= 2);
    let log = || {
        let outcome = run_command(&mut tool(&["logs", web]));
        outcome.out + &outcome.err
    };
    until("requests are in flight", || count(&log(), "a request is being handled") >= 22);
    // nsenter has become the client. The balancer notices the stop after two seconds, and the stop delay is five.
    nix::sys::signal::kill(Pid::from_raw(balancer.id() as i32), nix::sys::signal::SIGUSR1).unwrap();
    assert_eq!(zombies_of(pause), 0);
    // Like the kubelet, the test sends SIGTERM to the containers, and ends the sandbox after them. `podman stop` would
    // end the sandbox, and all that is in its PID namespace, as soon as each container is stopping.
    done(&mut tool(&["kill", "--signal", "TERM", web, worker]));
    done(&mut tool(&["wait", web, worker]));
    let output = balancer.wait_with_output().unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    let (lost, of, orders) = lost_of_and_orders(line.trim());
    assert!(lost == 0 && of > 0, "{line}");
    for name in [web, worker] {
        assert_eq!(field(name, "{{.State.ExitCode}}"), "0", "{:?}", run_command(&mut tool(&["logs", name])));
    }
    let begun = in_redis(&["scard", "orders:begun"]);
    assert_eq!(in_redis(&["scard", "orders:done"]), begun);
    let queued = in_redis(&["llen", "celery"]);
    assert!(queued > 0, "the stop was in the middle");
    assert_eq!(begun + queued, 12 + orders);
    done(tool(&["kube", "down"]).arg(&manifest));
}
