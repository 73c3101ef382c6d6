//! podman with rini in catatonit's place: for `podman run --init`, as the infra container of a pod, and for a small
//! Kubernetes manifest. Also runc by itself.
//!
//! podman gets directories and a configuration of the test's own. It fetches nothing, and makes no network.

use crate::support::{
    Output, Running, Start, assert_is_rini, can_enter, children_of, copy_executable, find_program, is_root, make_root,
    probe, rini, short_folder, skip, state, status_field, tools, until, user_namespaces, zombies_of,
};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// podman with a directory of the test's own.
pub struct Podman(pub TempDir);

impl Podman {
    /// Sets podman up as root, with an image `localhost/probe` that holds rini and its probe.
    pub fn new() -> Option<Podman> {
        if !is_root() {
            skip("podman needs root here");
            return None;
        }
        if !tools(&["podman", "runc"]) {
            return None;
        }
        let folder = short_folder();
        let path = |name: &str| folder.path().join(name);
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::create_dir_all(path("helpers")).unwrap();
        copy_executable(&rini(), path("helpers/catatonit").as_ref());
        configure(folder.path(), &own.join("tests/engines/runc-without-limits"));
        let tar = make_root(folder.path());
        let podman = Podman(folder);
        let imported = podman.run(["import".as_ref(), tar.as_os_str(), "localhost/probe".as_ref()]);
        assert_eq!(imported.code(), 0, "{imported:?}");
        Some(podman)
    }

    pub fn client<I: IntoIterator<Item: AsRef<OsStr>>>(&self, args: I) -> Start {
        let path = |name: &str| self.0.path().join(name);
        let start = Start::of("podman").env("CONTAINERS_CONF", path("containers.conf"));
        let start =
            start.args(["--root".as_ref(), path("root").as_os_str(), "--runroot".as_ref(), path("run").as_os_str()]);
        start.args(["--storage-driver", "vfs"]).args(args)
    }

    pub fn run<I: IntoIterator<Item: AsRef<OsStr>>>(&self, args: I) -> Output {
        self.client(args).run()
    }

    /// The place of the images, as skopeo names it.
    pub fn storage(&self) -> String {
        let path = |name: &str| self.0.path().join(name).display().to_string();
        format!("containers-storage:[vfs@{}+{}]", path("root"), path("run"))
    }

    /// PID 1 of a container, as this machine numbers it.
    pub fn pid1(&self, container: &str) -> Pid {
        Pid::from_raw(self.run(["inspect", "--format", "{{.State.Pid}}", container]).only_line().parse().unwrap())
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        self.run(["pod", "rm", "--all", "--force", "--time", "0"]);
        self.run(["rm", "--all", "--force", "--time", "0"]);
    }
}

/// Writes the configuration, with rini as the init and this program as the runtime `plain`.
fn configure(folder: &Path, runtime: &Path) {
    let text = format!(
        r#"[containers]
netns = "none"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "plain"
init_path = "{helpers}/catatonit"
helper_binaries_dir = ["{helpers}", "/usr/libexec/podman", "/usr/lib/podman", "/usr/bin"]
[engine.runtimes]
plain = ["{runtime}"]
"#,
        helpers = folder.join("helpers").display(),
        runtime = runtime.display()
    );
    fs::write(folder.join("containers.conf"), text).unwrap();
}

/// The paths of the catatonit that rootless podman starts to keep its user namespace. They are compiled in, and podman looks
/// neither at PATH nor at its configuration.
const CATATONITS: [&str; 2] = ["/usr/libexec/podman/catatonit", "/usr/bin/catatonit"];

/// podman without root: all of it runs as nobody, in a namespace of the test's own. There rini has catatonit's paths too, and
/// runs as `catatonit -P`.
struct Rootless {
    /// PID 1 of that namespace. The kernel kills all processes of the namespace when it ends.
    holder: Running,
    folder: TempDir,
}

impl Rootless {
    fn new() -> Option<Rootless> {
        if !can_enter() || !user_namespaces() || !tools(&["podman", "runc", "crun"]) {
            return None;
        }
        let catatonits: Vec<_> = CATATONITS.into_iter().filter(|path| Path::new(path).exists()).collect();
        if catatonits.is_empty() {
            skip(&format!("this needs one of {} (Debian's package catatonit)", CATATONITS.join(", ")));
            return None;
        }
        let folder = short_folder();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["helpers", "home", "run"] {
            fs::create_dir(path(name)).unwrap();
            chown(path(name), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        copy_executable(&rini(), path("helpers/catatonit").as_ref());
        configure(folder.path(), &find_program("runc").unwrap());
        let script = r#"
            mount --make-rshared /
            # crun refuses both versions of the cgroups at the same time.
            umount /sys/fs/cgroup/unified 2>/dev/null || true
            for file; do mount --bind "$0" "$file"; done
            echo ready
            cat"#;
        let script = Start::of("sh").args(["-euc", script]).args([path("helpers/catatonit")]).args(catatonits);
        let mut holder = script.in_namespace().spawn();
        holder.expect("ready");
        let tar = make_root(folder.path());
        let podman = Rootless { holder, folder };
        let imported = podman.client(&["import", tar.to_str().unwrap(), "localhost/probe"]).run();
        assert_eq!(imported.code(), 0, "{imported:?}");
        Some(podman)
    }

    fn client(&self, words: &[&str]) -> Start {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let user = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
        let start = self.holder.enter().args(["setpriv"]).args(user).args(["podman"]);
        let start = start.args(["--root", &path("home/root"), "--runroot", &path("run/containers")]);
        // There is one user number, so no file can belong to another.
        let start = start.args(["--storage-driver", "vfs", "--storage-opt", "vfs.ignore_chown_errors=true"]);
        // With root's USER, runc would take podman's user namespace for root's session and keep its state in /run/runc.
        let start = start.env("HOME", path("home")).env("USER", "nobody").env("XDG_RUNTIME_DIR", path("run"));
        start.env("CONTAINERS_CONF", path("containers.conf")).args(words).with(|command| command.current_dir("/"))
    }

    /// The process with this pid of the namespace, as this machine numbers it.
    fn find(&self, inner: &str) -> Pid {
        let is_it = |pid: &Pid| {
            let pids = status_field(*pid, "NSpid");
            pids.split('\t').nth(1) == Some(inner)
        };
        let holder = children_of(self.holder.pid());
        let below = holder.iter().flat_map(|pid| children_of(*pid));
        below.chain(holder.clone()).find(is_it).unwrap_or_else(|| panic!("no process {inner}"))
    }

    fn pid1(&self, container: &str) -> Pid {
        self.find(&self.client(&["inspect", "--format", "{{.State.Pid}}", container]).run().only_line())
    }
}

impl Drop for Rootless {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        if !std::thread::panicking() {
            // The directory can go when no process is left.
            until("the namespace has ended", || state(self.holder.pid()).is_none());
        }
    }
}

const NOBODY: u32 = 65534;

#[test]
fn rootless_podman_runs_rini() {
    let Some(podman) = Rootless::new() else { return };
    // The process that keeps the user namespace, whose file names it.
    let pause = fs::read_to_string(podman.folder.path().join("run/libpod/tmp/pause.pid")).unwrap();
    assert_is_rini(podman.find(pause.trim()));

    for runtime in ["runc", "crun"] {
        let runtime = find_program(runtime).unwrap().display().to_string();
        let options = ["--runtime", &runtime, "run", "--rm", "--interactive", "--name", "one"];
        let run = |flags: &[&str], command: &[&str]| {
            podman.client(&[&options, flags, &["localhost/probe"], command].concat()).spawn()
        };
        let stop =
            || assert_eq!(podman.client(&["--runtime", &runtime, "stop", "--time", "60", "one"]).run().code(), 0);
        let gone =
            || until("podman has removed it", || podman.client(&["container", "exists", "one"]).run().code() == 1);

        let mut client = run(&["--init"], &["/probe", "orphans", "20"]);
        client.expect("made 20");
        let pid = podman.pid1("one");
        assert_is_rini(pid);
        assert_eq!(status_field(pid, "Name"), "podman-init");
        assert_eq!(status_field(pid, "Uid"), format!("{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}"));
        let exec = podman.client(&["--runtime", &runtime, "exec", "one", "/probe", "orphans", "5"]).run();
        assert_eq!((exec.code(), &exec.out[..]), (0, &["made 5".to_owned()][..]), "{exec:?}");
        until("all orphans are reaped", || children_of(pid).len() == 1);
        stop();
        assert_eq!(client.finish().code(), 143);
        gone();
        // The negative control.
        let mut client = run(&[], &["/probe", "orphans", "20"]);
        client.expect("made 20");
        until("20 zombies", || zombies_of(podman.pid1("one")) == 20);
        drop(client.stdin.take());
        assert_eq!(client.finish().code(), 0);
        gone();

        // rini as the entry point, which kills the program at the end of the grace period.
        let mut client = run(&["--env", "RINI_GRACE_PERIOD=300ms"], &["/rini", "--", "/probe", "signals"]);
        assert!(client.line().starts_with("ready "));
        stop();
        assert!(client.line().starts_with("signal 15 "));
        let output = client.finish();
        assert_eq!(output.code(), 137);
        assert!(output.err.iter().any(|line| line.starts_with("rini: WARN killed pid ")), "{output:?}");
        gone();
        assert_eq!(run(&["--init"], &["/probe", "exit", "7"]).finish().code(), 7);
        gone();
    }
}

#[test]
fn podman_run_with_init_runs_rini() {
    let Some(podman) = Podman::new() else { return };
    let run = |flags: &[&str], command: &[&str]| {
        let words = ["run", "--init", "--interactive"].iter().chain(flags);
        podman.client(words.chain(&["localhost/probe"]).chain(command)).spawn()
    };
    let mut client = run(&["--name", "one"], &["/probe", "orphans", "20"]);
    client.expect("made 20");
    let pid = podman.pid1("one");
    assert_eq!(status_field(pid, "Name"), "podman-init");
    assert_is_rini(pid);
    until("all orphans are reaped", || children_of(pid).len() == 1);
    assert_eq!(zombies_of(pid), 0);
    assert_eq!(podman.run(["stop", "one"]).code(), 0);
    assert_eq!(client.finish().code(), 143);

    let mut client = run(&["--name", "two", "--env", "RINI_GRACE_PERIOD=300ms"], &["/probe", "signals"]);
    assert!(client.line().starts_with("ready "));
    assert_eq!(podman.run(["stop", "--time", "60", "two"]).code(), 0);
    assert!(client.line().starts_with("signal 15 "));
    let output = client.finish();
    assert_eq!(output.code(), 137);
    assert!(output.err.iter().any(|line| line.starts_with("WARN (catatonit:1): killed pid ")), "{output:?}");

    assert_eq!(run(&[], &["/probe", "exit", "7"]).finish().code(), 7);
    // rini as the image's own entry point.
    let output = podman.run(["run", "--rm", "localhost/probe", "/rini", "--", "/probe", "exit", "3"]);
    assert_eq!(output.code(), 3);
}

/// The infra container of a pod runs `/catatonit -P`, which is PID 1 for the whole pod.
#[test]
fn a_pod_s_infra_container_is_rini() {
    let Some(podman) = Podman::new() else { return };
    let created = podman.run(["pod", "create", "--name", "pod", "--network", "none", "--share", "pid,ipc,uts"]);
    assert_eq!(created.code(), 0, "{created:?}");
    let words =
        ["run", "--interactive", "--pod", "pod", "--name", "member", "localhost/probe", "/probe", "orphans", "20"];
    let mut member = podman.client(words).spawn();
    member.expect("made 20");
    let infra = podman.run(["pod", "inspect", "--format", "{{.InfraContainerID}}", "pod"]).only_line();
    let pid = podman.pid1(&infra);
    assert_eq!(status_field(pid, "Name"), "catatonit");
    assert_is_rini(pid);
    // The infra container reaps the member's orphans.
    until("all orphans are reaped", || children_of(pid).is_empty());
    drop(member.stdin.take());
    assert_eq!(member.finish().code(), 0);
    assert_eq!(podman.run(["pod", "stop", "--time", "60", "pod"]).code(), 0);
    assert_eq!(podman.run(["inspect", "--format", "{{.State.ExitCode}}", &infra]).only_line(), "0");
}

#[test]
fn a_kubernetes_manifest_with_a_shared_process_namespace_is_played() {
    let Some(podman) = Podman::new() else { return };
    let manifest = podman.0.path().join("pod.yaml");
    let text = "\
apiVersion: v1
kind: Pod
metadata:
  name: shared
spec:
  shareProcessNamespace: true
  hostNetwork: true
  containers:
  - name: program
    image: localhost/probe
    imagePullPolicy: Never
    command: [\"/probe\", \"signals\", \"15\"]
";
    fs::write(&manifest, text).unwrap();
    let played = podman.run(["kube".as_ref(), "play".as_ref(), manifest.as_os_str()]);
    assert_eq!(played.code(), 0, "{played:?}");
    let infra = podman.run(["pod", "inspect", "--format", "{{.InfraContainerID}}", "shared"]).only_line();
    let pid = podman.pid1(&infra);
    assert_is_rini(pid);
    let program = podman.pid1("shared-program");
    let namespace = |pid: Pid| fs::read_link(format!("/proc/{pid}/ns/pid")).unwrap();
    assert_eq!(namespace(pid), namespace(program));
    assert_eq!(status_field(pid, "NSpid"), format!("{pid}\t1"));
    let down = podman.run(["kube".as_ref(), "down".as_ref(), manifest.as_os_str()]);
    assert_eq!(down.code(), 0, "{down:?}");
    until("the infra container is gone", || crate::support::state(pid).is_none());
}

/// Makes an image of these files and nothing else, with an entry point.
fn import(podman: &Podman, name: &str, files: &[&Path], entry_point: &str) {
    let (root, tar) = (podman.0.path().join(name), podman.0.path().join(format!("{name}.tar")));
    fs::create_dir(&root).unwrap();
    for file in files {
        copy_executable(file, &root.join(file.file_name().unwrap()));
    }
    assert!(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&tar).arg(".").status().unwrap().success());
    let change = format!("ENTRYPOINT {entry_point}");
    let words = ["import", "--change", &change, tar.to_str().unwrap(), &format!("localhost/{name}")];
    assert_eq!(podman.run(words).code(), 0);
}

/// podman removes an init container that has exited, and podman 4 may find that it still runs: `failed to remove once init
/// container`. With this annotation it stays. podman then runs it again when the program already runs, and rini replaces its own
/// file.
const KEEP_INIT: &str = "io.podman.annotations.init.container.type: always";

/// The two Pods of packaging/examples/kubernetes-inject.yaml.
fn injections() -> [String; 2] {
    let text = fs::read_to_string("packaging/examples/kubernetes-inject.yaml").unwrap();
    let pods: Vec<String> = text.split("\n---\n").map(str::to_owned).collect();
    pods.try_into().unwrap_or_else(|pods: Vec<_>| panic!("{} documents", pods.len()))
}

/// Puts values of the test into a Pod. Each example is there once.
fn fill_in(pod: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(pod.to_owned(), |pod, (example, here)| {
        assert_eq!(pod.matches(example).count(), 1, "{example} in {pod}");
        pod.replace(example, here)
    })
}

/// The value of the only line with this key.
fn value_of<'a>(pod: &'a str, key: &str) -> &'a str {
    let mut found = pod.lines().filter_map(|line| line.trim_start().strip_prefix(key)?.strip_prefix(": "));
    let value = found.next().unwrap_or_else(|| panic!("no {key} in {pod}"));
    assert_eq!(found.next(), None, "a second {key} in {pod}");
    value
}

/// Asserts that a container runs the probe `signals` of an image without rini under the rini of a read-only mount, with a grace
/// period of 300 ms. Stops the container.
fn assert_is_injected(podman: &Podman, container: &str) {
    let app = podman.pid1(container);
    assert_is_rini(app);
    assert!(fs::read(format!("/proc/{app}/cmdline")).unwrap().starts_with(b"/opt/rini/rini\0--\0"));
    let mounts = fs::read_to_string(format!("/proc/{app}/mountinfo")).unwrap();
    let mount = mounts.lines().find(|line| line.contains(" /opt/rini ")).unwrap();
    // Of an image volume, the file system is read-only and not the mount.
    assert!(mount.split([' ', ',']).any(|option| option == "ro"), "{mount}");
    let orphans = |container: &str| {
        assert_eq!(podman.run(["exec", container, "/probe", "orphans", "5"]).only_line(), "made 5");
    };
    orphans(container);
    until("rini has reaped all", || children_of(app).len() == 1);

    // The negative control: the same image without rini.
    let started = podman.run(["run", "--detach", "--name", "control", "localhost/unchanged", "signals"]);
    assert_eq!(started.code(), 0, "{started:?}");
    orphans("control");
    until("5 zombies", || zombies_of(podman.pid1("control")) == 5);

    // The program is deaf. The grace period ends it, long before the end of podman's own stop timeout.
    assert_eq!(podman.run(["stop", "--time", "60", container]).code(), 0);
    assert_eq!(podman.run(["inspect", "--format", "{{.State.ExitCode}}", container]).only_line(), "137");
    let log = podman.run(["logs", container]);
    assert!(log.out[1].starts_with("signal 15 "), "{log:?}");
    let is_named = log.err.len() == 1 && log.err[0].starts_with("rini: WARN killed pid ");
    assert!(is_named && log.err[0].contains(" (probe), which was still there "), "{log:?}");
}

/// podman with rini's own image, which has nothing else, and with an image that has no rini.
fn with_two_images() -> Option<Podman> {
    let podman = Podman::new()?;
    import(&podman, "scratch", &[&rini()], "[\"/rini\", \"--\"]");
    import(&podman, "unchanged", &[&probe()], "[\"/probe\"]");
    Some(podman)
}

/// The example's init container has rini's own image, and its container an image without rini.
#[test]
fn the_example_of_an_injection_is_played() {
    let Some(podman) = with_two_images() else { return };
    let manifest = podman.0.path().join("inject.yaml");
    let [pod, _] = injections();
    let values = [
        ("registry.example/rini:1.0.0-rc.2", "localhost/scratch\n      imagePullPolicy: Never"),
        ("vendor/app:1.2.3", "localhost/unchanged\n      imagePullPolicy: Never"),
        ("\"/docker-entrypoint.sh\"", "\"/probe\""),
        ("[\"app\", \"--serve\"]", "[\"signals\"]"),
        ("value: 20s", "value: 300ms"),
        ("metadata:\n", &format!("metadata:\n  annotations: {{{KEEP_INIT}}}\n")),
        ("\nspec:\n", "\nspec:\n  hostNetwork: true\n"),
    ];
    fs::write(&manifest, fill_in(&pod, &values)).unwrap();
    let played = podman.run(["kube".as_ref(), "play".as_ref(), manifest.as_os_str()]);
    assert_eq!(played.code(), 0, "{played:?}");
    assert_is_injected(&podman, "app-app");
}

/// podman 4's `kube play` does not know image volumes, and `podman run` does. So the test reads the example's command and mounts
/// the image where the example does.
#[test]
fn the_example_of_an_injection_by_an_image_volume_runs() {
    let Some(podman) = with_two_images() else { return };
    let [_, pod] = injections();
    for needed in [
        "    - name: rini\n      image: {reference: \"registry.example/rini:1.0.0-rc.2\", ",
        "        - {name: rini, mountPath: /opt/rini, readOnly: true}",
        "        - {name: RINI_GRACE_PERIOD, value: 20s}",
    ] {
        assert!(pod.contains(needed), "no {needed:?} in {pod}");
    }
    let command = fill_in(value_of(&pod, "command"), &[("\"/docker-entrypoint.sh\"", "\"/probe\"")]);
    let mount = "type=image,source=localhost/scratch,destination=/opt/rini";
    let run = |name: &str, mount: &[&str]| {
        let words = ["run", "--detach", "--name", name, "--env", "RINI_GRACE_PERIOD=300ms", "--entrypoint", &command];
        podman.run(words.iter().chain(mount).chain(&["localhost/unchanged", "signals"]))
    };
    let started = run("app", &["--mount", mount]);
    assert_eq!(started.code(), 0, "{started:?}");
    assert_is_injected(&podman, "app");
    // The negative control: rini is in the volume only.
    let started = run("without", &[]);
    assert!(started.code() == 127 && started.err.concat().contains("/opt/rini/rini"), "{started:?}");
}

/// runc, the runtime below the engines, without any engine.
#[test]
fn an_oci_bundle_runs_rini() {
    if !is_root() {
        return skip("runc needs root here");
    }
    if !tools(&["runc", "python3"]) {
        return;
    }
    let folder = short_folder();
    let bundle = folder.path().join("bundle");
    fs::create_dir(&bundle).unwrap();
    make_root(&bundle);
    let run = |words: &[&str]| {
        let _ = fs::remove_file(bundle.join("config.json"));
        assert!(Command::new("runc").args(["spec", "--bundle"]).arg(&bundle).status().unwrap().success());
        let edit = "
import json, sys
path, words = sys.argv[1], sys.argv[2:]
config = json.load(open(path))
config['root']['path'] = 'image'
config['process']['terminal'] = False
config['process']['args'] = words
config['process'].pop('rlimits')
json.dump(config, open(path, 'w'))";
        let config = bundle.join("config.json");
        let python = Command::new("python3").args(["-c", edit]).arg(config).args(words).status().unwrap();
        assert!(python.success());
        let root = folder.path().join("state");
        let name = format!("rini-test-{}", std::process::id());
        Start::of("runc")
            .args(["--root".as_ref(), root.as_os_str()])
            .args(["run", "--bundle"])
            .args([&bundle])
            .args([&name])
    };
    assert_eq!(run(&["/rini", "--", "/probe", "exit", "7"]).run().code(), 7);
    let mut container = run(&["/rini", "-w", "--", "/probe", "orphans", "3"]).spawn();
    container.expect("made 3");
    for _ in 0..3 {
        assert!(container.err_line().starts_with("rini: WARN reaped orphan pid "));
    }
    // runc forwards signals to PID 1.
    container.signal(libc::SIGTERM);
    assert_eq!(container.finish().code(), 143);
}
