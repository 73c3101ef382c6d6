//! The inits: builds the two small programs of this directory, and finds the others.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The role of an init in the comparison.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Rini,
    Peer,
    Floor,
    /// There is no init: the program itself is PID 1.
    None,
}

/// An init, with the program that it runs.
#[derive(Clone)]
pub struct Init {
    pub name: String,
    pub kind: Kind,
    /// The path and the options of the init. The program follows them.
    pub command: Vec<String>,
    /// The path of the probe, the program that every init runs.
    pub probe: String,
}

impl Init {
    /// Whether a user can choose this init. The floor and `none` are only there for comparison.
    pub fn is_contender(&self) -> bool {
        matches!(self.kind, Kind::Rini | Kind::Peer)
    }

    /// Whether this init takes part in every run, whatever `--only` names.
    pub fn is_always_measured(&self) -> bool {
        self.kind != Kind::Peer
    }

    /// The command line with which this init runs the probe.
    pub fn command_with_probe(&self, arguments: &[&str]) -> Vec<String> {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned());
        self.command.iter().cloned().chain([self.probe.clone()]).chain(arguments).collect()
    }

    /// The version that the init prints for `--version`, if it is known to have this option.
    pub fn read_version(&self) -> Option<String> {
        if self.kind == Kind::Rini || PEERS.contains(&&*self.name) {
            let output = Command::new(&self.command[0]).arg("--version").output().ok()?;
            // dumb-init prints it to standard error.
            let printed = [output.stdout, output.stderr].concat();
            return String::from_utf8(printed).ok()?.lines().next().map(str::to_owned);
        }
        None
    }

    /// Whether the file needs a dynamic loader.
    pub fn is_dynamic(&self) -> bool {
        use object::read::elf::{FileHeader, ProgramHeader};
        let needs_loader = || {
            let bytes = fs::read(self.command.first()?).ok()?;
            let header = object::elf::FileHeader64::<object::Endianness>::parse(&*bytes).ok()?;
            let endian = header.endian().ok()?;
            let mut segments = header.program_headers(endian, &*bytes).ok()?.iter();
            Some(segments.any(|segment| segment.p_type(endian) == object::elf::PT_INTERP))
        };
        needs_loader().unwrap_or(false)
    }
}

/// The peers to look for on PATH. All of them accept `--` before the program.
const PEERS: [&str; 4] = ["tini", "tini-static", "dumb-init", "catatonit"];

/// The directory for everything that the benches make.
pub fn output_directory() -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    fs::create_dir_all(&directory).expect("a directory in target");
    directory
}

/// The paths of the two programs of this directory.
pub struct Programs {
    floor: String,
    probe: String,
}

impl Programs {
    /// Builds both, each time: the compiler takes less than a check of what has changed is worth.
    pub fn build() -> Programs {
        let build = |name: &str| {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("benches/{name}.c"));
            let program = output_directory().join(name);
            let mut gcc = Command::new("gcc");
            // Without a red zone (x86-64): after vfork_here, two processes use one stack.
            let machine: &[&str] = if cfg!(target_arch = "x86_64") { &["-mno-red-zone"] } else { &[] };
            gcc.args("-std=gnu11 -Os -Wall -Wextra -static -nostdlib -ffreestanding -fno-stack-protector".split(' '))
                .args("-fno-asynchronous-unwind-tables -fno-pie -no-pie -s".split(' '))
                .arg("-Wl,--build-id=none,-z,noseparate-code,-z,norelro")
                .args(machine)
                .arg("-o")
                .args([&program, &source]);
            assert!(gcc.status().expect("gcc is needed, for the floor and the probe").success(), "{gcc:?}");
            to_text(&program)
        };
        Programs { floor: build("floor"), probe: build("probe") }
    }
}

pub fn to_text(path: &Path) -> String {
    path.to_str().expect("a path that is text").to_owned()
}

/// Finds the binary of rini. Without `RINI_BINARY` it calls the build each time, because only Cargo knows what has changed.
fn find_rini() -> PathBuf {
    if let Some(path) = std::env::var_os("RINI_BINARY") {
        return fs::canonicalize(path).expect("RINI_BINARY");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut build = Command::new(root.join("packaging/build-static"));
    // Cargo sets variables for this bench. They would change the other build.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO")) {
        build.env_remove(name);
    }
    let output = build.stderr(std::process::Stdio::inherit()).output().expect("packaging/build-static");
    assert!(output.status.success(), "packaging/build-static failed; RINI_BINARY=PATH measures another build");
    root.join(String::from_utf8(output.stdout).expect("a path").trim())
}

/// Finds all inits, rini first. `with` has the values of `--with`.
pub fn find(programs: &Programs, with: &[String]) -> Result<Vec<Init>, String> {
    let init = |name: &str, kind, command: Vec<String>| Init {
        name: name.to_owned(),
        kind,
        command,
        probe: programs.probe.clone(),
    };
    let mut inits = vec![init("rini", Kind::Rini, vec![to_text(&find_rini()), "--".to_owned()])];
    for peer in PEERS {
        match find_on_path(peer) {
            Some(path) => inits.push(init(peer, Kind::Peer, vec![to_text(&path), "--".to_owned()])),
            None => eprintln!("{peer} is not installed; tests/setup installs it"),
        }
    }
    for other in with {
        let (name, words) = other.split_once('=').ok_or("--with wants NAME=COMMAND")?;
        let mut command: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let path = command.first().and_then(|program| find_on_path(program));
        let path = path.ok_or_else(|| format!("--with {other}: there is no such program"))?;
        command[0] = to_text(&path);
        inits.push(init(name, Kind::Peer, command));
    }
    inits.push(init("floor", Kind::Floor, vec![programs.floor.clone()]));
    inits.push(init("none", Kind::None, Vec::new()));
    // Pages of a file that are not on the disk yet would count as dirty memory of the init.
    nix::unistd::sync();
    Ok(inits)
}

/// Finds a program as a shell does.
pub fn find_on_path(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return fs::canonicalize(name).ok();
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The inits in the order of a round. Each round begins with another init, because the first place, or the place after a
/// slow init, can be an advantage.
pub fn rotate(inits: &[Init], round: usize) -> impl Iterator<Item = (usize, &Init)> {
    let first = round % inits.len();
    inits.iter().enumerate().cycle().skip(first).take(inits.len())
}

/// The same without `none`.
pub fn rotate_without_none(inits: &[Init], round: usize) -> impl Iterator<Item = (usize, &Init)> {
    rotate(inits, round).filter(|(_, init)| init.kind != Kind::None)
}
