//! The blocks of code: the kind of each by its marker, and the functions that run or read it.

use super::markdown::{Block, Page};
use crate::support::{copy_executable, for_each, rini};
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The use of a block in the test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// bash runs it as root in an empty directory. It must exit with this code.
    Root(i32),
    /// The same with `docker`.
    Docker(i32),
    /// The same as root in a clone of the repository.
    Clone(i32),
    /// This file of tests/ runs the same commands.
    By(String),
    /// A shell, or Docker's reader of Dockerfiles, reads it and runs nothing.
    Syntax,
    /// It is built.
    Image,
    Compose,
    Kubernetes,
    /// Its own parser reads it.
    Parse,
    /// Docker's configuration.
    Daemon,
    /// Nothing reads it.
    Text,
}

/// Reads a block's language and marker.
pub fn kind(block: &Block) -> Result<Kind, String> {
    let marker = block.marker.as_deref();
    let (word, rest) = marker.map_or(("", ""), |marker| marker.split_once(' ').unwrap_or((marker, "")));
    let code = || match rest.strip_prefix("exit ") {
        Some(code) => code.parse().map_err(|_| format!("{code:?} is no exit code")),
        None if rest.is_empty() => Ok(0),
        None => Err(format!("{rest:?} is not `exit N`")),
    };
    let kind = match (&*block.language, word) {
        ("text" | "rust", _) if marker.is_none() => Kind::Text,
        ("text" | "rust", _) => return Err(format!("a block of {} has no marker", block.language)),
        ("sh", "root") => Kind::Root(code()?),
        ("sh", "docker") => Kind::Docker(code()?),
        ("sh", "clone") => Kind::Clone(code()?),
        ("sh", "by") if !rest.is_empty() => Kind::By(rest.to_owned()),
        ("sh" | "dockerfile", "syntax:") if !rest.is_empty() => Kind::Syntax,
        ("dockerfile", "image") => Kind::Image,
        ("yaml", "compose") => Kind::Compose,
        ("yaml", "kubernetes") => Kind::Kubernetes,
        ("yaml" | "json" | "ini" | "toml", "parse") => Kind::Parse,
        ("json", "daemon") => Kind::Daemon,
        ("sh" | "dockerfile" | "yaml" | "json" | "ini" | "toml", "") => {
            return Err("there is no marker above it".to_owned());
        }
        ("sh" | "dockerfile" | "yaml" | "json" | "ini" | "toml", _) => {
            return Err(format!("{:?} is no marker of {}", marker.unwrap_or_default(), block.language));
        }
        ("", _) => return Err("it has no language".to_owned()),
        (language, _) => return Err(format!("{language:?} is no language of these pages")),
    };
    if !matches!(kind, Kind::Root(_) | Kind::Docker(_) | Kind::Clone(_) | Kind::By(_))
        && !rest.is_empty()
        && word != "syntax:"
    {
        return Err(format!("nothing may follow {word:?}"));
    }
    Ok(kind)
}

/// The blocks that `wanted` accepts, each with its place.
pub fn of_kind(pages: &[Page], wanted: fn(&Kind) -> bool) -> Vec<(String, &Block, Kind)> {
    let blocks = pages.iter().flat_map(|page| page.blocks.iter().map(|block| (page.at(block.line), block)));
    let known = blocks.filter_map(|(place, block)| Some((place, block, kind(block).ok()?)));
    known.filter(|(_, _, kind)| wanted(kind)).collect()
}

/// Calls `act` for all of them, several at a time. Returns the mistakes with their places.
pub fn each<T: Sync>(
    all: &[(String, &Block, T)],
    check: impl Fn(&Block, &T) -> Result<(), String> + Sync,
) -> Vec<String> {
    let wrong = Mutex::new(Vec::new());
    // They wait more than they work.
    for_each(8, all, |(place, block, what)| {
        if let Err(why) = check(block, what) {
            wrong.lock().unwrap().push(format!("{place}: {why}"));
        }
    });
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort();
    wrong
}

/// A directory in which blocks run. PATH begins with one that has rini, its other names and `docker`.
pub struct Place {
    folder: tempfile::TempDir,
    count: AtomicUsize,
    /// The client of an engine that has the images.
    client: Option<PathBuf>,
}

/// rini's other names.
pub const NAMES: [&str; 9] =
    ["tini", "tini-static", "docker-init", "dumb-init", "catatonit", "podman-init", "pause", "gosu", "su-exec"];

fn own(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

impl Place {
    pub fn new() -> Place {
        let folder = tempfile::Builder::new().prefix("rini-docs-").tempdir().unwrap();
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        copy_executable(&rini(), &bin.join("rini"));
        copy_executable(&own("tests/packaged/docs/docker"), &bin.join("docker"));
        NAMES.iter().for_each(|name| symlink("rini", bin.join(name)).unwrap());
        Place { folder, count: AtomicUsize::new(0), client: None }
    }

    fn id(&self) -> String {
        format!("rini-docs-{}", std::process::id())
    }

    /// Makes the images that blocks may use: rini's own, and `app`, which is busybox with rini as its entry point.
    pub fn with_images(mut self, client: &Path, busybox: &Path) -> Place {
        self.client = Some(client.to_owned());
        for (name, changes) in [
            ("rini:1.0.0-rc.2", &["ENTRYPOINT [\"/rini\"]"][..]),
            ("app", &["ENTRYPOINT [\"/rini\",\"--\"]", "CMD [\"sleep\",\"1000\"]", "ENV PATH=/bin"]),
        ] {
            let root = tempfile::tempdir_in(self.folder.path()).unwrap();
            copy_executable(&rini(), &root.path().join("rini"));
            if name == "app" {
                let bin = root.path().join("bin");
                ["bin", "tmp", "etc"].iter().for_each(|name| fs::create_dir(root.path().join(name)).unwrap());
                copy_executable(busybox, &bin.join("busybox"));
                let list = Command::new(busybox).arg("--list").output().unwrap();
                for applet in String::from_utf8(list.stdout).unwrap().lines().filter(|name| *name != "busybox") {
                    symlink("busybox", bin.join(applet)).unwrap();
                }
            } else {
                NAMES.iter().for_each(|name| fs::hard_link(root.path().join("rini"), root.path().join(name)).unwrap());
            }
            let mut tar = Command::new("tar");
            // Each image has another time. A COPY that changes nothing breaks the next one
            // (https://github.com/moby/moby/issues/40591).
            let time = format!("--mtime=@{}", name.len());
            tar.args(["--owner=0", "--group=0", &time, "-c", "-C"]).arg(root.path()).arg(".").stdout(Stdio::piped());
            let mut tar = tar.spawn().unwrap();
            let mut import = Command::new(client);
            import.args(["import", "--change", &format!("LABEL rini-docs={}", self.id())]);
            import.args(changes.iter().flat_map(|change| ["--change", change]));
            import.args(["-", &format!("{}/{name}", self.id())]).stdin(tar.stdout.take().unwrap());
            let output = import.output().unwrap();
            assert!(tar.wait().unwrap().success() && output.status.success(), "{import:?}: {output:?}");
        }
        self
    }

    /// An empty directory for a block.
    pub fn directory(&self) -> PathBuf {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let directory = self.folder.path().join(number.to_string());
        fs::create_dir(&directory).unwrap();
        directory
    }

    /// Runs a script in a directory. It must exit with this code.
    pub fn run(&self, script: &str, directory: &Path, code: i32) -> Result<(), String> {
        let path = format!("{}:{}", self.folder.path().join("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", "60", "unshare", "--mount", "--propagation", "private", "--pid", "--fork"]);
        command
            .args(["--kill-child", "--mount-proc"])
            .arg(own("tests/packaged/docs/isolated"))
            .args(["bash", "-euc", script]);
        command.current_dir(directory).env("PATH", path).env("TMPDIR", directory);
        let id = format!("{}-{}", self.id(), directory.file_name().unwrap().to_str().unwrap());
        if let Some(client) = &self.client {
            let state = directory.with_extension("state");
            fs::create_dir(&state).unwrap();
            let image = |name: &str| format!("{name} {}/{name}\n", self.id());
            fs::write(state.join("images"), image("app") + &image("rini:1.0.0-rc.2")).unwrap();
            fs::write(state.join("containers"), "").unwrap();
            command.env("RINI_DOCS_CLIENT", client).env("RINI_DOCS_STATE", state);
            command.env("RINI_DOCS_ALL", self.id()).env("RINI_DOCS_ID", &id);
        }
        let output = command.stdin(Stdio::null()).output().unwrap();
        self.remove(["ps", "--all"], &format!("rini-docs-block={id}"), "rm");
        ends_with(&output, code)
    }

    /// Removes all containers or images with a label.
    fn remove(&self, list: [&str; 2], label: &str, remove: &str) {
        let Some(client) = &self.client else { return };
        let found = Command::new(client).args(list).args(["--quiet", "--filter", &format!("label={label}")]).output();
        let found = String::from_utf8(found.unwrap().stdout).unwrap();
        let found: Vec<_> = found.split_whitespace().collect();
        if !found.is_empty() {
            let _ = Command::new(client).args([remove, "--force"]).args(found).output();
        }
    }

    /// Builds an image. A Dockerfile without FROM continues from `app`.
    pub fn build(&self, text: &str) -> Result<(), String> {
        let is_whole = text.lines().any(|line| line.starts_with("FROM ") || line.starts_with("ARG "));
        let text = if is_whole { text.to_owned() } else { format!("FROM app\n{text}") };
        self.in_context(&text, "docker build --tag page .")
    }

    /// Lets Docker read a Dockerfile without running it.
    pub fn read_dockerfile(&self, text: &str) -> Result<(), String> {
        self.in_context(&format!("FROM app AS first\n{text}"), "docker build --target first --tag page .")
    }

    fn in_context(&self, text: &str, script: &str) -> Result<(), String> {
        let directory = self.directory();
        ["app", "start.sh"].iter().for_each(|name| copy_executable(Path::new("/dev/null"), &directory.join(name)));
        fs::write(directory.join("Dockerfile"), text).unwrap();
        self.run(script, &directory, 0)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.remove(["images", "--all"], &format!("rini-docs={}", self.id()), "rmi");
    }
}

fn ends_with(output: &Output, code: i32) -> Result<(), String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    match output.status.code() {
        Some(found) if found == code => Ok(()),
        Some(124) => Err("it has not ended in 60 s".to_owned()),
        found => {
            Err(format!("it ends with {found:?} and not {code}: {} {}", text(&output.stdout), text(&output.stderr)))
        }
    }
}

/// Lets bash read a script without running it.
pub fn read_by_bash(script: &str) -> Result<(), String> {
    ends_with(&Command::new("bash").args(["-nc", script]).output().unwrap(), 0)
}

/// The first words of each command of a script: up to two, before the first option or other word that is not plain.
pub fn first_words(script: &str) -> Vec<Vec<&str>> {
    let plain = |word: &&str| word.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c)) && !word.starts_with('-');
    let joined = script.lines().scan(false, |continues, line| {
        let is_new = !std::mem::replace(continues, line.ends_with('\\'));
        Some(if is_new { line } else { "" })
    });
    let commands = joined.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    commands.map(|line| line.split_whitespace().take_while(plain).take(2).collect()).collect()
}

/// Checks that a file runs the commands of a script.
pub fn run_by(script: &str, file: &str) -> Result<(), String> {
    let file =
        if file.starts_with(".ci/") { file.to_owned() } else { format!("tests/{}", file.trim_start_matches("tests/")) };
    let text = fs::read_to_string(own(&file)).map_err(|_| format!("there is no {file}"))?;
    for words in first_words(script) {
        if words.is_empty() {
            return Err("a command begins with no plain word".to_owned());
        }
        if let Some(word) = words.iter().find(|word| !text.contains(**word)) {
            return Err(format!("{file} does not have {word:?}"));
        }
    }
    Ok(())
}

/// Lets Compose read a file.
pub fn read_by_compose(text: &str, compose: &mut Command, directory: &Path) -> Result<(), String> {
    fs::write(directory.join("compose.yaml"), text).unwrap();
    ends_with(&compose.current_dir(directory).args(["--file", "compose.yaml", "config"]).output().unwrap(), 0)
}

/// Lets Docker read a configuration. nobody may not start an engine, and dockerd says so once it has read all of it.
pub fn read_by_dockerd(text: &str, directory: &Path) -> Result<(), String> {
    let file = directory.join("daemon.json");
    fs::write(&file, text).unwrap();
    let mut dockerd = Command::new("setpriv");
    dockerd.args(["--reuid=65534", "--regid=65534", "--clear-groups", "dockerd", "--config-file"]).arg("/dev/stdin");
    let output = dockerd.stdin(fs::File::open(file).unwrap()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("needs to be started with root") { Ok(()) } else { Err(said.trim_end().to_owned()) }
}

/// The parsers' errors for these blocks, each with its place: `(place, kind, text)`.
pub fn parse(all: &[(String, String, String)]) -> Vec<String> {
    let mut python = Command::new("/usr/bin/python3");
    python.arg(own("tests/packaged/docs/parse.py")).env("PYTHONPATH", own("target/schemas"));
    let mut python = python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    python.stdin.take().unwrap().write_all(serde_json::to_string(all).unwrap().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}
