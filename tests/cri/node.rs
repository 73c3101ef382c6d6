//! A node of Kubernetes: containerd with the plugin for the container runtime interface (CRI), and a client that makes a
//! kubelet's calls (client.rs). The script `node` runs containerd, and ends everything when the test ends.

use crate::support::{
    self, LIMIT, Output, Start, children_of, is_root, make_root, namespaces, short_folder, skip, state, tools, until,
};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// The low-level runtimes, which Kubernetes would choose by a runtime class.
pub const RUNTIMES: [&str; 2] = ["runc", "crun"];

/// The image with rini as its entry point, and the same with `STOPSIGNAL SIGQUIT`. Both have /rini and /probe.
pub const IMAGE: &str = "localhost/app:test";
pub const QUIT_IMAGE: &str = "localhost/quit:test";
/// The image with nothing but /rini, and one with nothing but /probe.
pub const RINI_IMAGE: &str = "localhost/rini:test";
pub const UNCHANGED_IMAGE: &str = "localhost/unchanged:test";
/// containerd's `sandbox_image`: rini under the name pause.
const PAUSE_IMAGE: &str = "localhost/pause:test";

/// Dropping it ends the node.
pub struct Node {
    folder: TempDir,
    script: Child,
    cgroup: String,
    client: PathBuf,
}

impl Node {
    /// Starts a node with the images. If this machine cannot run one, prints SKIPPED.
    pub fn start() -> Option<Node> {
        if !is_root() {
            skip("containerd needs root");
            return None;
        }
        if support::emulation().is_some() {
            skip("containerd would run rini without the emulator");
            return None;
        }
        if !namespaces() || !tools(&["containerd", "ctr", "runc", "crun"]) {
            return None;
        }
        let client = client()?;
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let cgroup = format!("rini-cri-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = short_folder();
        let mut script = Command::new(own("node"));
        script.arg(folder.path()).arg(&cgroup).stdin(Stdio::piped());
        // ^C ends the tests, and then this script by the end of its standard input.
        let script = script.process_group(0).spawn().unwrap();
        let mut node = Node { folder, script, cgroup, client };
        until("containerd answers", || {
            let log = fs::read_to_string(node.path("log")).unwrap_or_default();
            let has_ended = log.contains("containerd ended") || node.script.try_wait().unwrap().is_some();
            assert!(!has_ended, "{log}");
            node.ctr(&["version"]).code() == 0
        });
        let images = make_images(node.folder.path());
        let imported = node.ctr(&["images", "import", "--snapshotter", "native", images.to_str().unwrap()]);
        assert_eq!(imported.code(), 0, "{imported:?}");
        Some(node)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn socket(&self) -> String {
        self.path("sock").display().to_string()
    }

    /// Calls containerd's own client.
    fn ctr(&self, words: &[&str]) -> Output {
        Start::of("ctr").args(["--address", &self.socket(), "--namespace", "k8s.io"]).args(words).run()
    }

    /// Makes one call of a kubelet's. Returns the answer.
    fn call(&self, words: &[&str]) -> Value {
        let output = Start::of(&self.client).args([&self.socket()]).args(words).run();
        assert_eq!(output.code(), 0, "{words:?}: {output:?}");
        serde_json::from_str(&output.only_line()).unwrap()
    }

    /// RunPodSandbox, with a PID namespace that all containers share or with one for each container.
    pub fn run_pod(&self, runtime: &str, shared: bool) -> Pod<'_> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("pod-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let logs = self.path(&name).display().to_string();
        let cgroup = format!("/{}", self.cgroup);
        let config = json!({"name": name, "runtime": runtime, "shared": shared, "cgroup": cgroup, "logs": logs});
        let answer = self.call(&["run-pod", &config.to_string()]);
        Pod { node: self, id: text(&answer["pod_sandbox_id"]), config: config.to_string() }
    }

    /// Makes a directory of the node, as a kubelet does for an emptyDir.
    pub fn empty_dir(&self) -> PathBuf {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = self.path(&format!("volume-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&folder).unwrap();
        folder
    }

    /// The processes in the cgroup of a container, or of the pause container of a pod.
    fn processes(&self, id: &str) -> Vec<Pid> {
        // The same with version 1 of the cgroups and with version 2.
        let files = ["pids/", ""].map(|folder| format!("/sys/fs/cgroup/{folder}{}/{id}/cgroup.procs", self.cgroup));
        let processes = files.iter().find_map(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        processes.lines().map(|pid| Pid::from_raw(pid.parse().unwrap())).collect()
    }

    /// The directory and the name of the cgroup, and a process of containerd's, for a test of the end of the node.
    pub fn traces(&self) -> (PathBuf, String, Pid) {
        let unshare = children_of(Pid::from_raw(self.script.id() as i32))[0];
        (self.folder.path().to_owned(), self.cgroup.clone(), children_of(unshare)[0])
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.path("log")).unwrap_or_default();
            let start = log.lines().count().saturating_sub(20);
            let last: Vec<_> = log.lines().skip(start).collect();
            let _ = std::io::Write::write_all(&mut std::io::stderr(), (last.join("\n") + "\n").as_bytes());
        }
        drop(self.script.stdin.take());
        let _ = self.script.wait();
    }
}

/// A pod sandbox.
pub struct Pod<'a> {
    node: &'a Node,
    id: String,
    config: String,
}

impl Pod<'_> {
    /// The process of the pause container.
    pub fn pause(&self) -> Pid {
        let processes = self.node.processes(&self.id);
        assert_eq!(processes.len(), 1, "the pause container has one process");
        processes[0]
    }

    pub fn is_ready(&self) -> bool {
        self.node.call(&["pod-status", &self.id])["status"]["state"] == 0
    }

    /// StopPodSandbox.
    pub fn stop(&self) {
        self.node.call(&["stop-pod", &self.id]);
    }

    /// RemovePodSandbox.
    pub fn remove(self) {
        self.node.call(&["remove-pod", &self.id]);
    }

    /// CreateContainer and StartContainer, with these settings (client.rs, `Container`) and by default with [`IMAGE`].
    pub fn run(&self, settings: Value) -> Container<'_> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mut all =
            json!({"image": IMAGE, "attempt": 0, "name": format!("c{}", COUNT.fetch_add(1, Ordering::Relaxed))});
        all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let answer = self.node.call(&["create", &self.id, &self.config, &all.to_string()]);
        let id = text(&answer["container_id"]);
        self.node.call(&["start", &id]);
        Container { node: self.node, id }
    }
}

/// A container that was started.
pub struct Container<'a> {
    node: &'a Node,
    id: String,
}

/// How a container ended, as a kubelet reads it: the exit code and the reason.
pub type Ended = (i64, String);

impl Container<'_> {
    fn status(&self) -> Value {
        self.node.call(&["status", &self.id])["status"].take()
    }

    pub fn is_running(&self) -> bool {
        self.status()["state"] == 1
    }

    /// Waits for the end of the container.
    pub fn ended(&self) -> Ended {
        until("the container has ended", || self.status()["state"] == 2);
        let status = self.status();
        (status["exit_code"].as_i64().unwrap(), text(&status["reason"]))
    }

    /// StopContainer. After this many seconds the runtime kills the container.
    pub fn stop(&self, seconds: u32) -> Ended {
        self.node.call(&["stop", &self.id, &seconds.to_string()]);
        self.ended()
    }

    /// ExecSync, as for an exec probe. Returns the exit code and the standard output.
    pub fn exec(&self, command: &[&str]) -> (i64, String) {
        let answer = self.node.call(&[&["exec", &self.id], command].concat());
        let bytes = answer["stdout"].as_array().unwrap().iter().map(|byte| byte.as_u64().unwrap() as u8).collect();
        (answer["exit_code"].as_i64().unwrap(), String::from_utf8(bytes).unwrap())
    }

    /// RemoveContainer.
    pub fn remove(self) {
        self.node.call(&["remove", &self.id]);
    }

    /// The lines of its log on `stdout` or `stderr`.
    pub fn lines(&self, stream: &str) -> Vec<String> {
        let log = fs::read_to_string(text(&self.status()["log_path"])).unwrap_or_default();
        let begin = format!(" {stream} F ");
        log.lines().filter_map(|line| Some(line.split_once(&begin)?.1.to_owned())).collect()
    }

    /// Waits for a line that begins like this on standard output.
    pub fn expect(&self, begin: &str) {
        until(begin, || self.lines("stdout").iter().any(|line| line.starts_with(begin)));
    }

    /// Its first process, and the child of this process if it is rini.
    pub fn init(&self) -> Pid {
        let processes = self.node.processes(&self.id);
        let is_child = |pid: &Pid| processes.iter().any(|parent| children_of(*parent).contains(pid));
        *processes.iter().find(|pid| !is_child(pid)).expect("the container has a process")
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A file of this directory.
fn own(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cri").join(name)
}

/// Builds the client. Prints SKIPPED if its crates are not available. Where there is no Cargo, `BUILT_CRI_CLIENT` names a built client.
pub fn client() -> Option<PathBuf> {
    if let Some(built) = std::env::var_os("BUILT_CRI_CLIENT") {
        return Some(built.into());
    }
    if !tools(&["protoc"]) {
        return None;
    }
    static CLIENT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/cri");
    let cargo = |words: &[&str]| {
        let manifest = own("Cargo.toml");
        let cargo = Start::of(env!("CARGO")).args(words).args(["--quiet", "--locked", "--manifest-path"]);
        // In this repository, .cargo/config.toml asks for static programs, and macros cannot be static.
        cargo
            .args([manifest])
            .env("CARGO_TARGET_DIR", &target)
            .with(|command| command.current_dir("/"))
            .run_within(8 * LIMIT)
    };
    let build = || {
        let fetched = cargo(&["fetch"]);
        if fetched.code() != 0 {
            return Err(format!("the crates of the CRI client cannot be had: {}", fetched.err.join(" ")));
        }
        let built = cargo(&["build", "--offline"]);
        assert_eq!(built.code(), 0, "{built:?}");
        Ok(target.join("debug/cri-client"))
    };
    match CLIENT.get_or_init(build) {
        Ok(path) => Some(path.clone()),
        Err(why) => {
            skip(why);
            None
        }
    }
}

/// Makes an archive of the images, as `docker save` would. Each image has one layer.
fn make_images(folder: &Path) -> PathBuf {
    make_root(folder);
    std::os::unix::fs::symlink("rini", folder.join("image/pause")).unwrap();
    let tar = |words: &[&str]| {
        let output = Start::of("tar").args(words).with(|command| command.current_dir(folder)).run();
        assert_eq!(output.code(), 0, "{output:?}");
    };
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    };
    let images = [
        (PAUSE_IMAGE, ".", json!({"Entrypoint": ["/pause"]})),
        (IMAGE, ".", json!({"Entrypoint": ["/rini", "--"]})),
        (QUIT_IMAGE, ".", json!({"Entrypoint": ["/rini", "--"], "StopSignal": "SIGQUIT"})),
        (RINI_IMAGE, "./rini", json!({"Entrypoint": ["/rini", "--"]})),
        (UNCHANGED_IMAGE, "./probe", json!({"Entrypoint": ["/probe"]})),
    ];
    let (mut manifest, mut files) = (vec![], vec!["manifest.json".to_owned()]);
    for (number, (name, content, config)) in images.iter().enumerate() {
        let (file, layer) = (format!("{number}.json"), format!("{}.tar", content.trim_start_matches("./")));
        if !files.contains(&layer) {
            tar(&["-cf", &layer, "-C", "image", content]);
            files.push(layer.clone());
        }
        let sum = Start::of("sha256sum").args([folder.join(&layer)]).run().only_line();
        let layers = [format!("sha256:{}", sum.split(' ').next().unwrap())];
        let rootfs = json!({"type": "layers", "diff_ids": layers});
        let image = json!({"architecture": architecture, "os": "linux", "config": config, "rootfs": rootfs});
        fs::write(folder.join(&file), image.to_string()).unwrap();
        manifest.push(json!({"Config": file, "RepoTags": [name], "Layers": [layer]}));
        files.push(file);
    }
    fs::write(folder.join("manifest.json"), json!(manifest).to_string()).unwrap();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    tar(&[&["-cf", "images.tar"], &files[..]].concat());
    folder.join("images.tar")
}

/// Waits until a process is gone.
pub fn expect_gone(pid: Pid) {
    until("the process is gone", || state(pid).is_none());
}
