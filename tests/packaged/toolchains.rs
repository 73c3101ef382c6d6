//! Which Rust `packaging/build-static` uses. The toolchains here only have the layout of real ones: their cargo writes down
//! how it is called, and "builds" a copy of a program. `packages` builds rini with a real compiler in such a layout.

use crate::release::{copy_of_the_tree, done, is_clone};
use crate::support::{executable, is_root, skip, tools, until};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

const TRIPLE: &str = "x86_64-unknown-linux-musl";
const DEBIAN_S_SOURCES: &str = "/usr/lib/rustlib/src/rust/library";

/// A directory in the layout of a toolchain, as rustup and Debian have it.
fn make_toolchain(directory: &Path, name: &str) -> PathBuf {
    let toolchain = directory.join(name);
    fs::create_dir_all(toolchain.join("bin")).unwrap();
    fs::create_dir_all(toolchain.join("lib/rustlib/src/rust/library")).unwrap();
    executable(&toolchain.join("bin"), "rustc", format!("#!/bin/sh\necho \"rustc of {name}\"\n"));
    let cargo = format!(
        "#!/bin/sh\necho \"cargo of {name}, RUSTC=$RUSTC: $*\" >&2\n\
         mkdir -p target/static/{TRIPLE}/release && cp /bin/true target/static/{TRIPLE}/release/rini\n"
    );
    executable(&toolchain.join("bin"), "cargo", cargo);
    toolchain
}

/// A copy of the tree, whose musl counts as built, and a directory with the programs that the script calls.
struct Build {
    folder: tempfile::TempDir,
}

impl Build {
    fn new() -> Build {
        let folder = tempfile::tempdir().unwrap();
        copy_of_the_tree(&folder.path().join("tree"));
        let musl = folder.path().join("tree/target/static/musl/x86_64");
        fs::create_dir_all(&musl).unwrap();
        let compiler = done(Command::new("sh").args(["-c", "x86_64-linux-gnu-gcc --version | head -n 1"]));
        fs::write(musl.join("made-from"), format!("{compiler}\n-w -Oz\n")).unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        Build { folder }
    }

    /// Lets rustup know this toolchain as its nightly, or none.
    fn set_nightly(&self, toolchain: Option<&Path>) {
        let answer =
            toolchain.map_or("exit 1".to_owned(), |toolchain| format!("echo {}/bin/rustc", toolchain.display()));
        let rustup = format!("#!/bin/sh\n[ \"$*\" = 'which --toolchain nightly rustc' ] || exit 2\n{answer}\n");
        executable(&self.folder.path().join("bin"), "rustup", rustup);
    }

    /// Runs a command in the tree, without a choice of a toolchain.
    fn finish(&self, command: &mut Command) -> Output {
        let path = std::env::var("PATH").unwrap();
        command.current_dir(self.folder.path().join("tree"));
        command.env("PATH", format!("{}:{path}", self.folder.path().join("bin").display()));
        command.env_remove("RINI_TOOLCHAIN").env_remove("CARGO_TARGET_DIR").output().unwrap()
    }

    /// Runs the script with this choice. Returns whether it succeeded, and its standard error.
    fn run(&self, toolchain: &str) -> (bool, String) {
        let script = r#"RINI_TOOLCHAIN=$1 exec packaging/build-static x86_64"#;
        let output = self.finish(Command::new("sh").args(["-c", script, "sh", toolchain]));
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    }

    /// Runs the script without a choice, where files of this machine are mounted over. Returns its standard output and error.
    fn run_where(&self, mounts: &str, words: &[&str]) -> [String; 2] {
        let script = format!(r#"cd .. && {mounts} && cd tree && exec packaging/build-static "$@""#);
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]).args(words);
        let output = self.finish(&mut unshare);
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap())
    }
}

fn can_run() -> bool {
    is_clone() && tools(&["gcc", "dpkg-source", "eu-strip", "ar"])
}

#[test]
fn the_chosen_toolchain_is_used_and_named() {
    if !can_run() {
        return;
    }
    let build = Build::new();
    let (nightly, other) =
        (make_toolchain(build.folder.path(), "nightly"), make_toolchain(build.folder.path(), "other"));
    build.set_nightly(Some(&nightly));
    let assert_used = |chosen: &str, called: &str, toolchain: &Path, name: &str| {
        let (succeeded, says) = build.run(chosen);
        let lines: Vec<_> = says.lines().collect();
        let place = toolchain.display();
        assert!(succeeded && lines.len() == 2, "{says}");
        assert_eq!(lines[0], format!("build-static: uses {called}: rustc of {name} in {place}"));
        assert!(lines[1].starts_with(&format!("cargo of {name}, RUSTC={place}/bin/rustc: build ")), "{says}");
        assert!(lines[1].contains("-Zbuild-std=std,panic_abort"), "{says}");
    };
    assert_used("rustup", "rustup's nightly", &nightly, "nightly");
    let chosen = other.to_str().unwrap();
    assert_used(chosen, &format!("the toolchain in {chosen}"), &other, "other");
}

/// Cargo reads the configuration of each directory above the tree.
#[test]
fn a_configuration_that_would_change_the_binary_is_refused() {
    if !can_run() {
        return;
    }
    let build = Build::new();
    let nightly = make_toolchain(build.folder.path(), "nightly");
    build.set_nightly(Some(&nightly));
    // A real cargo reads the configuration; the build is still that of the stand-in.
    let stand_in = fs::read_to_string(nightly.join("bin/cargo")).unwrap();
    let reads = format!("case $* in *config*) exec {} \"$@\";; esac", env!("CARGO"));
    executable(&nightly.join("bin"), "cargo", stand_in.replacen('\n', &format!("\n{reads}\n"), 1));
    fs::create_dir(build.folder.path().join(".cargo")).unwrap();
    let configuration = build.folder.path().join(".cargo/config.toml");
    for (setting, shown) in [
        ("[profile.release]\nlto = \"off\"", "profile.release.lto = \"off\""),
        ("[patch.crates-io]\nnix = { path = \"/nix\" }", "patch.crates-io.nix.path = \"/nix\""),
        ("[unstable]\ntrim-paths = true", "unstable.trim-paths = true"),
        ("[env]\nLIBRARY_PATH = \"/usr/lib\"", "env.LIBRARY_PATH = \"/usr/lib\""),
        (&format!("[target.{TRIPLE}]\nlinker = \"mold\""), &format!("target.{TRIPLE}.linker = \"mold\"")),
    ] {
        fs::write(&configuration, setting).unwrap();
        let (succeeded, says) = build.run("rustup");
        let why = format!("with this setting: {shown} # {}; remove it", configuration.display());
        assert!(!succeeded && says.lines().count() == 2 && says.contains(&why), "{says}");
    }
    // The negative control.
    fs::write(&configuration, "[net]\nretry = 3\n[target.x86_64-unknown-linux-gnu]\nlinker = \"gcc\"\n").unwrap();
    let (succeeded, says) = build.run("rustup");
    assert!(succeeded, "{says}");
}

/// Debian's Rust is taken first, and then rustup's nightly.
#[test]
fn without_a_choice_the_first_complete_toolchain_is_used() {
    if !can_run() || !tools(&["unshare", "mount"]) {
        return;
    }
    if !is_root() {
        return skip("mounts need root");
    }
    if !["/usr/bin/rustc", "/usr/bin/cargo", DEBIAN_S_SOURCES].iter().all(|file| Path::new(file).exists()) {
        return skip("Debian's Rust is not installed");
    }
    let build = Build::new();
    let nightly = make_toolchain(build.folder.path(), "nightly");
    make_toolchain(build.folder.path(), "debian");
    fs::create_dir(build.folder.path().join("empty")).unwrap();
    build.set_nightly(Some(&nightly));
    let there = "mount --bind debian/bin/rustc /usr/bin/rustc && mount --bind debian/bin/cargo /usr/bin/cargo";
    let hidden = &format!("{there} && mount --bind empty {DEBIAN_S_SOURCES}/..");

    let [_, says] = build.run_where(there, &["x86_64"]);
    assert!(says.starts_with("build-static: uses Debian's Rust: rustc of debian in /usr\ncargo of debian, "), "{says}");
    let [_, says] = build.run_where(hidden, &["x86_64"]);
    assert!(says.starts_with("build-static: uses rustup's nightly: rustc of nightly in "), "{says}");
    assert_eq!(build.run_where(hidden, &["--missing", "x86_64"]), ["\n", ""]);
    build.set_nightly(None);
    assert_eq!(build.run_where(hidden, &["--missing", "x86_64"]), ["rust-web-src\n", ""]);
    let [_, says] = build.run_where(hidden, &["x86_64"]);
    let install = "install with: apt-get install --no-install-recommends rust-web-src";
    assert_eq!(says, format!("build-static: missing: rust-web-src; {install}\n"));
}

/// Two builds at the same time fetch the source of musl once: the second waits, and uses what the first has fetched.
#[test]
fn a_build_waits_for_another_one_that_fetches_musl() {
    if !can_run() {
        return;
    }
    let build = Build::new();
    let nightly = make_toolchain(build.folder.path(), "nightly");
    build.set_nightly(Some(&nightly));
    let musl = build.folder.path().join("tree/target/static/musl");
    // The C library is not built yet, and cannot be fetched.
    fs::remove_file(musl.join("x86_64/made-from")).unwrap();
    executable(&build.folder.path().join("tree/packaging"), "apt-apart", "#!/bin/sh\nexit 1\n");
    let (succeeded, says) = build.run("rustup");
    assert!(!succeeded && says.contains("cannot download the source of Debian's package musl"), "{says}");

    let lock = File::options().append(true).open(musl.join("lock")).unwrap();
    let held = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
    let inode = format!(":{} ", fs::metadata(musl.join("lock")).unwrap().ino());
    let waits =
        || fs::read_to_string("/proc/locks").unwrap().lines().any(|line| line.contains("->") && line.contains(&inode));
    thread::scope(|scope| {
        let second = scope.spawn(|| build.run("rustup"));
        until("the second build waits", waits);
        fs::create_dir(musl.join("source")).unwrap();
        let configure = "#!/bin/sh\necho 'install-libs install-tools install-headers:' >Makefile\n";
        executable(&musl.join("source"), "configure", configure);
        held.unlock().unwrap();
        let (succeeded, says) = second.join().unwrap();
        assert!(succeeded, "{says}");
    });

    // The library is kept, but not for another source.
    executable(&musl.join("source"), "configure", "#!/bin/sh\nexit 3\n");
    assert!(build.run("rustup").0);
    fs::create_dir(musl.join("source/debian")).unwrap();
    fs::write(musl.join("source/debian/changelog"), "musl (1.2.3-2) unstable; urgency=medium\n").unwrap();
    assert!(!build.run("rustup").0);
}

#[test]
fn a_toolchain_that_lacks_something_is_refused() {
    if !can_run() {
        return;
    }
    let build = Build::new();
    let nightly = make_toolchain(build.folder.path(), "nightly");
    let assert_refused = |chosen: &str, why: &str| {
        let (succeeded, says) = build.run(chosen);
        assert!(!succeeded && says.lines().count() == 1 && says.contains(why), "{chosen}: {says}");
    };
    build.set_nightly(None);
    let install = "install with: rustup toolchain install nightly --profile minimal --component rust-src";
    assert_refused("rustup", &format!("rustup's nightly lacks rustc, cargo or the sources of its library; {install}"));
    build.set_nightly(Some(&nightly));
    // The negative control.
    assert!(build.run("rustup").0);
    fs::remove_dir_all(nightly.join("lib/rustlib/src")).unwrap();
    assert_refused("rustup", install);
    assert_refused(nightly.to_str().unwrap(), "lacks rustc, cargo or the sources of its library");
    assert_refused(
        "stable",
        "cannot use RINI_TOOLCHAIN=\"stable\": use debian, rustup, or the absolute path of a toolchain",
    );
}

/// A layout like that of rustup, whose programs are Debian's compilers.
pub fn stand_in(directory: &Path) -> PathBuf {
    let toolchain = make_toolchain(directory, "stand-in");
    for name in ["rustc", "cargo"] {
        executable(&toolchain.join("bin"), name, format!("#!/bin/sh\nexec /usr/bin/{name} \"$@\"\n"));
    }
    let library = toolchain.join("lib/rustlib/src/rust/library");
    fs::remove_dir(&library).unwrap();
    symlink(DEBIAN_S_SOURCES, library).unwrap();
    toolchain
}
