//! The inits: building the two small programs of this folder, and finding the others.

use crate::Effort;
use crate::results::{Better, Results};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is known of an init beyond its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Rini,
    Peer,
    Floor,
    /// The program itself.
    None,
}

/// Something that a program can be started by.
#[derive(Clone)]
pub struct Init {
    pub name: String,
    pub kind: Kind,
    /// Its path and its options. The program to run is put behind it.
    pub words: Vec<String>,
    /// The probe, for it to run.
    pub probe: String,
}

impl Init {
    /// Whether it is there to be used, and not only to compare with.
    pub fn is_contender(&self) -> bool {
        matches!(self.kind, Kind::Rini | Kind::Peer)
    }

    /// Whether it is what the others are held against.
    pub fn is_reference(&self) -> bool {
        self.kind != Kind::Peer
    }

    /// The words of a run of the probe.
    pub fn running(&self, command: &[&str]) -> Vec<String> {
        let command = command.iter().map(|word| (*word).to_owned());
        self.words.iter().cloned().chain([self.probe.clone()]).chain(command).collect()
    }

    /// What it says of its version, where that is known to be asked for so.
    pub fn version(&self) -> Option<String> {
        if self.kind == Kind::Rini || PEERS.contains(&&*self.name) {
            let output = Command::new(&self.words[0]).arg("--version").output().ok()?;
            // dumb-init says it on standard error.
            let said = [output.stdout, output.stderr].concat();
            return String::from_utf8(said).ok()?.lines().next().map(str::to_owned);
        }
        None
    }

    /// Whether it wants a dynamic loader.
    pub fn is_dynamic(&self) -> bool {
        use object::read::elf::{FileHeader, ProgramHeader};
        let loads = || {
            let bytes = fs::read(self.words.first()?).ok()?;
            let header = object::elf::FileHeader64::<object::Endianness>::parse(&*bytes).ok()?;
            let endian = header.endian().ok()?;
            let mut parts = header.program_headers(endian, &*bytes).ok()?.iter();
            Some(parts.any(|part| part.p_type(endian) == object::elf::PT_INTERP))
        };
        loads().unwrap_or(false)
    }
}

/// The peers that are looked for. All of them take `--` before the program.
const PEERS: [&str; 4] = ["tini", "tini-static", "dumb-init", "catatonit"];

/// Where everything that the benches make is put.
pub fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    fs::create_dir_all(&folder).expect("a folder in target");
    folder
}

/// The two programs of this folder.
pub struct Programs {
    floor: String,
    probe: String,
}

impl Programs {
    /// Builds them. They are as good as instant to compile, so there is no looking whether they have to be.
    pub fn build() -> Programs {
        let build = |name: &str| {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("benches/{name}.c"));
            let program = folder().join(name);
            let mut gcc = Command::new("gcc");
            // No red zone (x86-64), as vfork_here has a second process on the same stack.
            let machine: &[&str] = if cfg!(target_arch = "x86_64") { &["-mno-red-zone"] } else { &[] };
            gcc.args("-std=gnu11 -Os -Wall -Wextra -static -nostdlib -ffreestanding -fno-stack-protector".split(' '))
                .args("-fno-asynchronous-unwind-tables -fno-pie -no-pie -s".split(' '))
                .arg("-Wl,--build-id=none,-z,noseparate-code,-z,norelro")
                .args(machine)
                .arg("-o")
                .args([&program, &source]);
            assert!(gcc.status().expect("gcc is needed, for the floor and the probe").success(), "{gcc:?}");
            text(&program)
        };
        Programs { floor: build("floor"), probe: build("probe") }
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path that is text").to_owned()
}

/// rini's binary: the small build is made anew, as Cargo knows whether it has to be.
fn rini() -> PathBuf {
    if let Some(path) = std::env::var_os("RINI_BINARY") {
        return fs::canonicalize(path).expect("RINI_BINARY");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut build = Command::new(folder.join("packaging/build-static"));
    // Cargo has set variables for this program, which are not meant for that one.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO")) {
        build.env_remove(name);
    }
    let output = build.stderr(std::process::Stdio::inherit()).output().expect("packaging/build-static");
    assert!(output.status.success(), "packaging/build-static failed; RINI_BINARY=PATH measures another build");
    folder.join(String::from_utf8(output.stdout).expect("a path").trim())
}

/// All inits that there are, rini first.
pub fn find(programs: &Programs, with: &[String]) -> Vec<Init> {
    let init = |name: &str, kind, words: Vec<String>| Init {
        name: name.to_owned(),
        kind,
        words,
        probe: programs.probe.clone(),
    };
    let mut inits = vec![init("rini", Kind::Rini, vec![text(&rini()), "--".to_owned()])];
    for peer in PEERS {
        match on_path(peer) {
            Some(path) => inits.push(init(peer, Kind::Peer, vec![text(&path), "--".to_owned()])),
            None => eprintln!("{peer} is not installed; tests/setup installs it"),
        }
    }
    for other in with {
        let (name, command) = other.split_once('=').unwrap_or_else(|| crate::refuse("--with wants NAME=COMMAND"));
        let mut words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        let path = words.first().and_then(|word| on_path(word));
        let Some(path) = path else { crate::refuse(&format!("--with {other}: there is no such program")) };
        words[0] = text(&path);
        inits.push(init(name, Kind::Peer, words));
    }
    inits.push(init("floor", Kind::Floor, vec![programs.floor.clone()]));
    inits.push(init("none", Kind::None, Vec::new()));
    // What is not yet on the disk counts as dirty memory of whoever maps it.
    nix::unistd::sync();
    inits
}

/// Finds a program as a shell would.
fn on_path(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return fs::canonicalize(name).ok();
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The inits in the order of a round: each round begins with another one, as who comes first or behind a slow one may be
/// better or worse off.
pub fn round(inits: &[Init], round: usize) -> impl Iterator<Item = (usize, &Init)> {
    let first = round % inits.len();
    inits.iter().enumerate().cycle().skip(first).take(inits.len())
}

/// The same, without the one that is none.
pub fn round_of_inits(inits: &[Init], number: usize) -> impl Iterator<Item = (usize, &Init)> {
    round(inits, number).filter(|(_, init)| init.kind != Kind::None)
}

/// The sizes of the files.
pub fn sizes(inits: &[Init], _: Effort, results: &mut Results) {
    #[allow(clippy::cast_precision_loss)] // A file of petabytes.
    let size = |init: &Init| Some(fs::metadata(init.words.first()?).ok()?.len() as f64);
    let samples: Vec<_> = inits.iter().map(|init| size(init).into_iter().collect()).collect();
    results.add_plotted("file", "B", Better::Lower, &samples);
}
