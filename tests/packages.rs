//! What `packaging/release` makes: the same from two clones, and each of it by what it is made for: the package in a Debian
//! of debootstrap's, the other in an empty root, the image in engines and in a build.
//!
//! For this machine's architecture only. `cargo deny` is left out: it takes a minute to install, and makes nothing.

use crate::podman::Podman;
use crate::release::{copy_of_the_tree, done, git, path, text};
use crate::support::{Start, is_root, skip, tools};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// When what is released here was committed.
const COMMITTED: &str = "2001-02-03T04:05:06Z";
const COMMITTED_SECONDS: &str = "981173106";

/// As in packages, where it has to come before the release that it is a candidate for.
fn version_of_packages() -> String {
    VERSION.replace('-', "~")
}

fn scratch() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("release-{}", std::process::id()))
}

extern "C" fn remove_scratch() {
    let _ = fs::remove_dir_all(scratch());
}

/// Two clones of one commit, in which everything has been made.
struct Clones {
    one: PathBuf,
    other: PathBuf,
    commit: String,
}

impl Clones {
    /// A file of the one, by the end of its name.
    fn file(&self, end: &str) -> PathBuf {
        let dist = self.one.join("dist");
        let mut found = files(&dist).into_iter().filter(|name| name.ends_with(end));
        let name = found.next().unwrap_or_else(|| panic!("no {end} in {dist:?}"));
        assert_eq!(found.next(), None);
        dist.join(name)
    }
}

fn files(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Runs packaging/release to its end: whether it succeeded, and what it said.
fn release(tree: &Path, umask: &str, words: &[&str], variables: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new("timeout");
    command
        .args(["1800", "sh", "-c", r#"umask "$1" && shift && exec packaging/release "$@""#, "sh", umask])
        .args(words);
    for name in ["RINI_COMMIT", "SOURCE_DATE_EPOCH", "CARGO_TARGET_DIR"] {
        command.env_remove(name);
    }
    let output = command.current_dir(tree).envs(variables.iter().copied()).stdin(Stdio::null()).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The clones, made once, or None where something for that is missing, which is said aloud.
fn clones() -> Option<&'static Clones> {
    static CLONES: OnceLock<Result<Clones, String>> = OnceLock::new();
    match CLONES.get_or_init(make_clones) {
        Ok(clones) => Some(clones),
        Err(why) => {
            skip(why);
            None
        }
    }
}

fn make_clones() -> Result<Clones, String> {
    if !cfg!(target_arch = "x86_64") {
        return Err("packaging/build-static wants x86-64".into());
    }
    // As they are made below: the other architectures need more.
    let (checked, says) = release(&path("."), "022", &["--check", "--no-deny", "x86_64"], &[]);
    if !checked {
        return Err(says.trim().to_owned());
    }
    // SAFETY: the handler is a plain function that does not unwind.
    assert_eq!(unsafe { libc::atexit(remove_scratch) }, 0);
    let (one, other) = (scratch().join("one"), scratch().join("another/with/a/longer/path"));
    copy_of_the_tree(&one);
    git(&one, &["init", "--quiet"]);
    git(&one, &["add", "--all"]);
    let commit = ["commit", "--quiet", "--no-verify", "--no-gpg-sign", "--message=a"];
    done(
        Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@example.org"])
            .args(commit)
            .current_dir(&one)
            .envs([("GIT_AUTHOR_DATE", COMMITTED), ("GIT_COMMITTER_DATE", COMMITTED)]),
    );
    git(&one, &["clone", "--quiet", one.to_str().unwrap(), other.to_str().unwrap()]);
    // Some files were there before the commit was.
    for file in ["Cargo.toml", "CHANGELOG.md", "packaging/completions/_rini"] {
        done(Command::new("touch").args(["--date", "1999-01-01"]).arg(other.join(file)));
    }
    git(&other, &["update-index", "--refresh"]);
    if is_root() {
        done(Command::new("chown").args(["--recursive", "nobody"]).arg(&one));
    }
    let ours = [("TZ", "Asia/Tokyo"), ("LC_ALL", "C.UTF-8"), ("USER", "somebody"), ("SOURCE_DATE_EPOCH", "1")];
    let theirs = [("TZ", "America/Lima"), ("LC_ALL", "C"), ("CARGO_BUILD_JOBS", "1"), ("RINI_COMMIT", "0123456789")];
    let words = ["--no-deny", "x86_64"];
    thread::scope(|scope| {
        let first = scope.spawn(|| release(&one, "077", &words, &ours));
        let second = release(&other, "002", &words, &theirs);
        for (succeeded, says) in [first.join().unwrap(), second] {
            assert!(succeeded, "packaging/release: {says}");
        }
    });
    let commit = git(&other, &["rev-parse", "HEAD"]);
    Ok(Clones { one, other, commit })
}

/// A table without its measured column.
fn without_memory(table: &str) -> String {
    let row = |line: &str| {
        let mut cells: Vec<_> = line.split('|').collect();
        if cells.len() > 3 {
            cells.remove(3);
        }
        cells.join("|")
    };
    table.lines().map(row).collect::<Vec<_>>().join("\n")
}

/// Which files of two folders differ.
fn different(one: &Path, other: &Path) -> Vec<String> {
    let read = |folder: &Path, name: &str| {
        let bytes = fs::read(folder.join(name)).ok()?;
        Some(if name == "TABLE.md" { without_memory(std::str::from_utf8(&bytes).unwrap()).into_bytes() } else { bytes })
    };
    files(one).union(&files(other)).filter(|name| read(one, name) != read(other, name)).cloned().collect()
}

#[test]
fn two_clones_give_the_same_files() {
    let Some(clones) = clones() else { return };
    let (one, other) = (clones.one.join("dist"), clones.other.join("dist"));
    let packages = version_of_packages();
    let names = [
        "SHA256SUMS".to_owned(),
        "TABLE.md".to_owned(),
        format!("rini-{VERSION}-licenses.txt"),
        format!("rini-{VERSION}-oci.tar"),
        format!("rini-{VERSION}-provenance.json"),
        format!("rini-{VERSION}-sbom.cdx.json"),
        format!("rini-{VERSION}-x86_64"),
        format!("rini-{packages}-1.x86_64.rpm"),
        format!("rini_{packages}-1_amd64.deb"),
    ];
    assert_eq!(files(&one), names.into());
    assert_eq!(different(&one, &other), [""; 0]);

    // What this finds.
    let folder = tempfile::tempdir().unwrap();
    for name in files(&one) {
        fs::copy(one.join(&name), folder.path().join(&name)).unwrap();
    }
    assert_eq!(different(&one, folder.path()), [""; 0]);
    let sums = || {
        let check = ["--check", "--strict", "--quiet", "SHA256SUMS"];
        Command::new("sha256sum").args(check).current_dir(folder.path()).output().unwrap().status.success()
    };
    assert!(sums());
    let licenses = folder.path().join(format!("rini-{VERSION}-licenses.txt"));
    fs::write(&licenses, fs::read_to_string(&licenses).unwrap().replacen("MIT", "MIt", 1)).unwrap();
    fs::write(folder.path().join("more"), "").unwrap();
    assert_eq!(different(&one, folder.path()), ["more", licenses.file_name().unwrap().to_str().unwrap()]);
    assert!(!sums());

    // All but these two are in the sums.
    let named: BTreeSet<_> =
        fs::read_to_string(one.join("SHA256SUMS")).unwrap().lines().map(|line| line[66..].to_owned()).collect();
    assert_eq!(&files(&one) - &named, ["SHA256SUMS".to_owned(), "TABLE.md".to_owned()].into());
}

#[test]
fn every_time_in_it_is_the_commit_s() {
    let Some(clones) = clones() else { return };
    if !tools(&["dpkg-deb", "tar", "rpm"]) {
        return;
    }
    // A file's time is the first word with a year in it, behind mode, owner and size.
    let times = |listing: &str| -> BTreeSet<String> {
        listing.lines().map(|line| line.split_whitespace().skip(3).take(2).collect::<Vec<_>>().join(" ")).collect()
    };
    let committed = BTreeSet::from(["2001-02-03 04:05".to_owned()]);
    let deb = done(Command::new("dpkg-deb").arg("--contents").arg(clones.file(".deb")).env("TZ", "UTC"));
    assert_eq!(times(&deb), committed, "{deb}");
    let image = done(Command::new("tar").args(["--utc", "-tvf"]).arg(clones.file("-oci.tar")));
    assert_eq!(times(&image), committed, "{image}");
    let query = ["--query", "--queryformat", "%{BUILDTIME}\n[%{FILEMTIMES}\n]", "--package"];
    let rpm = done(Command::new("rpm").args(query).arg(clones.file(".rpm")));
    assert_eq!(rpm.lines().collect::<BTreeSet<_>>(), [COMMITTED_SECONDS].into());
    // These are not: the files that it came from.
    let tree = done(Command::new("sh").args(["-c", "tar -c packaging | tar --utc -tv"]).current_dir(&clones.one));
    assert!(times(&tree).is_disjoint(&committed), "{tree}");
}

/// What jq makes of a file.
fn jq(filter: &str, file: &Path) -> String {
    done(Command::new("jq").args(["--raw-output", filter]).arg(file))
}

#[test]
fn every_file_says_the_version_and_the_commit() {
    let Some(clones) = clones() else { return };
    if !tools(&["dpkg-deb", "rpm", "jq", "skopeo"]) {
        return;
    }
    let commit = &*clones.commit;
    let binary = Start::of(clones.file("-x86_64")).args(["--version"]).run().only_line();
    assert_eq!(binary, format!("rini {VERSION} (git.{})", &commit[..7]));
    let field = |name: &str| done(Command::new("dpkg-deb").arg("--field").arg(clones.file(".deb")).arg(name));
    let in_words = format!("This is rini {VERSION}, built from commit {commit}.");
    let unfolded = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(unfolded(field("Description")).ends_with(&in_words), "{}", field("Description"));
    assert_eq!(field("Version"), format!("{}-1", version_of_packages()));
    let query = ["--query", "--queryformat", "%{VERSION} %{SUMMARY}", "--package"];
    let rpm = done(Command::new("rpm").args(query).arg(clones.file(".rpm")));
    let (version, summary) = rpm.split_once(' ').unwrap();
    assert_eq!(version, version_of_packages());
    assert!(summary.ends_with(&format!(" (git.{})", &commit[..7])), "{summary}");
    assert!(
        fs::read_to_string(clones.file("-licenses.txt"))
            .unwrap()
            .starts_with(&format!("rini {VERSION}, commit {commit},"))
    );
    assert!(
        fs::read_to_string(clones.file("TABLE.md"))
            .unwrap()
            .starts_with(&format!("rini {VERSION}, built from commit {}:", &commit[..7]))
    );
    let bill = r#".metadata | .component.version, (.properties[] | select(.name == "rini:commit") | .value)"#;
    assert_eq!(jq(bill, &clones.file("-sbom.cdx.json")), format!("{VERSION}\n{commit}"));
    let source = ".predicate.buildDefinition | .externalParameters.version, .resolvedDependencies[0].digest.gitCommit";
    assert_eq!(jq(source, &clones.file("-provenance.json")), format!("{VERSION}\n{commit}"));
    let index = scratch().join("index.json");
    let image = format!("oci-archive:{}", clones.file("-oci.tar").display());
    fs::write(&index, done(Command::new("skopeo").args(["inspect", "--raw", &image]))).unwrap();
    let said = r#".annotations | .["org.opencontainers.image.version"], .["org.opencontainers.image.revision"]"#;
    assert_eq!(jq(said, &index), format!("{VERSION}\n{commit}"));
    assert_eq!(jq(".manifests[].platform | .os, .architecture", &index), "linux\namd64");
}

#[test]
fn the_provenance_is_of_these_files() {
    let Some(clones) = clones() else { return };
    if !tools(&["jq"]) {
        return;
    }
    let provenance = clones.file("-provenance.json");
    let subjects = jq(r#".subject[] | .digest.sha256 + "  " + .name"#, &provenance);
    let sums = fs::read_to_string(clones.file("SHA256SUMS")).unwrap();
    // It cannot have its own.
    let rest: Vec<_> = sums.lines().filter(|line| !line.ends_with("-provenance.json")).collect();
    assert_eq!(subjects.lines().collect::<Vec<_>>(), rest);
    assert_eq!(
        jq("._type, .predicateType", &provenance),
        "https://in-toto.io/Statement/v1\nhttps://slsa.dev/provenance/v1"
    );
    let made_by = jq(".predicate.buildDefinition.resolvedDependencies[].uri | values", &provenance);
    for one in ["pkg:cargo/nix@", "pkg:deb/debian/rustc-web@", "pkg:deb/debian/musl-dev@", "pkg:cargo/cargo-deb@"] {
        assert_eq!(made_by.lines().filter(|uri| uri.starts_with(one)).count(), 1, "{one}: {made_by}");
    }
}

/// Held against what Cargo and Debian say.
#[test]
fn the_bill_names_what_is_linked_in_and_the_licences_are_there() {
    let Some(clones) = clones() else { return };
    if !tools(&["jq", "dpkg-query"]) {
        return;
    }
    let lines = |text: String| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let tree = |edges: &str| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([
            "tree",
            "--locked",
            "--offline",
            "--prefix",
            "none",
            "--no-dedupe",
            "--target",
            "x86_64-unknown-linux-musl",
        ]);
        let words = done(cargo.args(["--edges", edges]).current_dir(&clones.one));
        let crates = words.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ").replace(" v", " "));
        crates.filter(|name| !name.starts_with("rini ")).collect::<BTreeSet<_>>()
    };
    let linked = tree("normal");
    assert!(linked.iter().any(|name| name.starts_with("nix ")), "{linked:?}");
    let bill = clones.file("-sbom.cdx.json");
    let ours = jq(r#".components[] | select(."bom-ref" | startswith("registry")) | .name + " " + .version"#, &bill);
    assert_eq!(lines(ours), linked);
    assert_ne!(linked, tree("normal,dev"));

    let theirs = lines(jq(
        r#".components[] | select(."bom-ref" | startswith("registry") | not) | .name + " " + .version"#,
        &bill,
    ));
    let rust = done(Command::new("/usr/bin/rustc").arg("--version"));
    let show = ["--show", "--showformat", "${Version}", "musl-dev"];
    let musl = done(Command::new("dpkg-query").args(show));
    for one in [format!("rust-std {}", rust.split(' ').nth(1).unwrap()), format!("musl {musl}")] {
        assert!(theirs.contains(&one), "no {one} in {theirs:?}");
    }
    for one in ["compiler_builtins ", "hashbrown ", "libc ", "gcc "] {
        assert_eq!(theirs.iter().filter(|name| name.starts_with(one)).count(), 1, "{one}: {theirs:?}");
    }

    let licenses = fs::read_to_string(clones.file("-licenses.txt")).unwrap();
    let crates =
        jq(r#".components[] | select(.hashes) | .name + " " + .version + ": " + .licenses[0].expression"#, &bill);
    for one in crates.lines() {
        let (_, behind) = licenses.split_once(&format!("\n{one}\n")).unwrap_or_else(|| panic!("no licence of {one}"));
        let own = behind.split("\n====").next().unwrap();
        assert!(own.contains("Permission is hereby granted"), "{one}: {own}");
    }
    for one in
        ["\nRust's standard library 1.", "\nmusl 1.", "\nrini 1.", "Rich Felker", "UNICODE, INC. LICENSE AGREEMENT"]
    {
        assert!(licenses.contains(one), "no {one:?}");
    }
    // Nothing is released without one.
    assert!(crates.lines().count() > linked.len());
}

/// An image of Debian: one that packaging/demo-example has made for the tests before, with Python, or one of its own with nothing
/// else, once on a machine.
fn debian() -> Option<&'static str> {
    static IMAGE: OnceLock<Result<&str, String>> = OnceLock::new();
    const NAMES: [&str; 2] = ["rini-example-slim:bookworm", "rini-test-debian:bookworm"];
    let make = || {
        let answers = |words: &[&str]| Command::new("docker").args(words).output().is_ok_and(|it| it.status.success());
        if !answers(&["version"]) {
            return Err("no engine answers".to_owned());
        }
        if !is_root() {
            return Err("debootstrap needs root".to_owned());
        }
        let there = NAMES.into_iter().find(|name| answers(&["image", "inspect", name]));
        Ok(there.unwrap_or_else(|| {
            let script = r#"debootstrap --variant=minbase bookworm "$1" "${MIRROR:-http://deb.debian.org/debian}" >&2 &&
                tar -C "$1" --exclude='./dev/*' --exclude='./var/cache/apt/*' -c . | docker import - "$2""#;
            let folder = crate::support::short_folder();
            done(Command::new("timeout").args(["1200", "sh", "-c", script, "sh"]).arg(folder.path()).arg(NAMES[1]));
            NAMES[1]
        }))
    };
    if !tools(&["docker", "debootstrap"]) {
        return None;
    }
    match IMAGE.get_or_init(make) {
        Ok(name) => Some(name),
        Err(why) => {
            skip(why);
            None
        }
    }
}

#[test]
fn the_deb_is_installed_runs_and_is_removed() {
    let (Some(clones), Some(image)) = (clones(), debian()) else { return };
    let script = r#"
        export PATH=/usr/sbin:/usr/bin:/sbin:/bin
        there() { find / -xdev -iname '*rini*' -not -path '/proc/*' -not -name '*.deb'; }
        before=$(there)
        dpkg --install /it/rini_*.deb >/dev/null && dpkg --verify rini && dpkg --audit || exit
        rini --version
        rini -- sh -c 'kill -9 $$'; echo "code $?"
        # Files only.
        dpkg --listfiles rini | while read -r file; do [ -d "$file" ] || echo "$file"; done
        zcat /usr/share/man/man1/rini.1.gz | grep '^\.Dt'
        head -n 1 /usr/share/doc/rini/copyright
        zcat /usr/share/doc/rini/changelog.gz | head -n 1
        zcat /usr/share/doc/rini/changelog.Debian.gz | head -n 1
        [ "$(there)" != "$before" ] || echo "nothing was installed"
        dpkg --purge rini >/dev/null || exit
        [ "$(there)" = "$before" ] && echo removed"#;
    let mount = format!("{}:/it:ro", clones.one.join("dist").display());
    let run = ["run", "--rm", "--network", "none", "--volume", &mount, image, "sh", "-c", script];
    let says = done(Command::new("docker").args(run));
    let lines = [
        &*format!("rini {VERSION} (git.{})", &clones.commit[..7]),
        "code 137",
        "/usr/bin/rini",
        "/usr/share/bash-completion/completions/rini",
        "/usr/share/doc/rini/changelog.Debian.gz",
        "/usr/share/doc/rini/changelog.gz",
        "/usr/share/doc/rini/copyright",
        "/usr/share/fish/vendor_completions.d/rini.fish",
        "/usr/share/man/man1/rini.1.gz",
        "/usr/share/zsh/vendor-completions/_rini",
        ".Dt RINI 1",
        &*format!("rini {VERSION}, commit {}, and what is linked into it.", clones.commit),
        "# Changelog",
        &*format!("rini ({}-1) unstable; urgency=medium", version_of_packages()),
        "removed",
    ];
    let mut said: Vec<_> = says.lines().collect();
    said[2..10].sort_unstable();
    assert_eq!(said, lines);
}

#[test]
fn the_rpm_is_installed_runs_and_is_removed() {
    let Some(clones) = clones() else { return };
    if !is_root() {
        return skip("an installation needs root");
    }
    if !tools(&["rpm", "chroot"]) {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let rpm = |words: &[&str]| {
        let mut rpm = Command::new("rpm");
        done(rpm.arg("--root").arg(root.path()).args(words))
    };
    rpm(&["--initdb"]);
    rpm(&["--install", clones.file(".rpm").to_str().unwrap()]);
    let files = [
        "/usr/bin/rini",
        "/usr/share/bash-completion/completions/rini",
        "/usr/share/doc/rini/CHANGELOG.md",
        "/usr/share/fish/vendor_completions.d/rini.fish",
        "/usr/share/licenses/rini/LICENSE",
        "/usr/share/man/man1/rini.1.gz",
        "/usr/share/zsh/site-functions/_rini",
    ];
    assert_eq!(rpm(&["--query", "--list", "rini"]).lines().collect::<Vec<_>>(), files);
    assert_eq!(rpm(&["--verify", "rini"]), "");
    let version = done(Command::new("chroot").arg(root.path()).args(["/usr/bin/rini", "--version"]));
    assert_eq!(version, format!("rini {VERSION} (git.{})", &clones.commit[..7]));
    let there = || files.iter().filter(|file| root.path().join(&file[1..]).exists()).count();
    assert_eq!(there(), files.len());
    rpm(&["--erase", "rini"]);
    assert_eq!(there(), 0);
}

/// How each name in the image is asked for its version, and how the answer begins.
const NAMES: [(&str, &str, &str); 8] = [
    ("rini", "--version", "rini "),
    ("tini", "--version", "tini version "),
    ("tini-static", "--version", "tini version "),
    ("docker-init", "--version", "tini version "),
    ("dumb-init", "--version", "dumb-init "),
    ("catatonit", "--version", "tini version "),
    ("podman-init", "--version", "tini version "),
    ("pause", "-v", "pause.c "),
];

/// What the engine is not to keep.
struct Removed {
    container: String,
    images: [String; 2],
}

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "--force", &self.container]).output();
        let _ = Command::new("docker").args(["rmi", "--force"]).args(&self.images).output();
    }
}

#[test]
fn the_image_is_loaded_and_a_build_copies_from_it() {
    let Some(clones) = clones() else { return };
    if !tools(&["docker", "skopeo", "tar"]) {
        return;
    }
    if !Command::new("docker").arg("version").output().is_ok_and(|answer| answer.status.success()) {
        return skip("no engine answers");
    }
    let archive = format!("oci-archive:{}", clones.file("-oci.tar").display());
    let folder = tempfile::tempdir().unwrap();
    let to = |name: &str| folder.path().join(name);

    // Hard links, all of them to the one file.
    done(Command::new("skopeo").args(["copy", "--quiet", &archive, &format!("dir:{}", to("dir").display())]));
    let layer = jq(".layers[].digest", &to("dir/manifest.json")).replace("sha256:", "");
    let listing = done(Command::new("tar").args(["--numeric-owner", "-tvf"]).arg(to("dir").join(layer)));
    for (name, ..) in &NAMES[1..] {
        let line =
            listing.lines().find(|line| line.contains(&format!(" {name} "))).unwrap_or_else(|| panic!("{listing}"));
        assert!(line.starts_with("hrwxr-xr-x 0/0 ") && line.ends_with(" link to rini"), "{line}");
    }
    assert!(listing.lines().any(|line| line.starts_with("-rwxr-xr-x 0/0 ") && line.ends_with(" rini")), "{listing}");

    let (image, built) =
        (format!("rini-test-release:{}", std::process::id()), format!("rini-test-copied:{}", std::process::id()));
    let container = format!("rini-test-release-{}", std::process::id());
    let _removed_at_the_end = Removed { container: container.clone(), images: [built.clone(), image.clone()] };
    let docker_archive = format!("docker-archive:{}:{image}", to("docker.tar").display());
    done(Command::new("skopeo").args(["copy", "--quiet", &archive, &docker_archive]));
    done(Command::new("docker").args(["load", "--quiet", "--input"]).arg(to("docker.tar")));
    let version = format!("rini {VERSION} (git.{})", &clones.commit[..7]);
    let run = |image: &str, flags: &[&str], words: &[&str]| {
        let words = [&["run", "--rm", "--network", "none", "--name", &container], flags, &[image], words].concat();
        Start::of("docker").args(words).run()
    };
    // Its entry point takes a program, and not options.
    assert_eq!(run(&image, &[], &["/rini", "--version"]).only_line(), version);
    for (name, option, says) in NAMES {
        let output = run(&image, &["--entrypoint", &format!("/{name}")], &[option]);
        let said = [&output.out[..], &output.err].concat();
        assert!(said.len() == 1 && said[0].starts_with(says), "{name}: {output:?}");
    }
    let label = r#"{{index .Config.Labels "org.opencontainers.image.revision"}}"#;
    assert_eq!(done(Command::new("docker").args(["inspect", "--format", label, &image])), clones.commit);

    fs::create_dir(to("context")).unwrap();
    let dockerfile = format!(
        "FROM {image} AS rini\nFROM scratch\nCOPY --from=rini /rini /rini\nCOPY --from=rini /tini /sbin/tini\n\
         ENTRYPOINT [\"/rini\", \"--\"]\n"
    );
    fs::write(to("context/Dockerfile"), dockerfile).unwrap();
    done(Command::new("docker").args(["build", "--quiet", "--network", "none", "--tag", &built]).arg(to("context")));
    assert_eq!(run(&built, &[], &["/rini", "--version"]).only_line(), version);
    let tini = run(&built, &["--entrypoint", "/sbin/tini"], &["--version"]).only_line();
    assert!(tini.starts_with("tini version "), "{tini}");
    // That was not copied.
    assert_eq!(run(&built, &[], &["/dumb-init", "--version"]).code(), 127);
}

#[test]
fn podman_loads_the_image() {
    let (Some(clones), Some(podman)) = (clones(), Podman::new()) else { return };
    let loaded = podman.run(["load".as_ref(), "--input".as_ref(), clones.file("-oci.tar").as_os_str()]);
    assert_eq!(loaded.code(), 0, "{loaded:?}");
    let image = format!("localhost/rini:{VERSION}");
    let output = podman.run(["run", "--rm", &image, "/rini", "--version"]);
    assert_eq!(output.only_line(), format!("rini {VERSION} (git.{})", &clones.commit[..7]));
    assert_ne!(podman.run(["run", "--rm", &image, "/none"]).code(), 0);
}

/// The rows of a table of packaging/release: each file's name.
fn rows(table: &str) -> Result<BTreeSet<String>, String> {
    let mut lines = table.trim().lines();
    let title = lines.next().unwrap_or_default();
    let commit =
        title.strip_prefix(&format!("rini {VERSION}, built from commit ")).and_then(|rest| rest.strip_suffix(':'));
    commit.filter(|commit| commit.len() == 7).ok_or_else(|| format!("title: {title}"))?;
    let head = ["", "| File | Bytes | Resident, KiB | SHA-256 |", "|------|------:|--------------:|---------|"];
    if lines.by_ref().take(3).collect::<Vec<_>>() != head {
        return Err("head".into());
    }
    let mut names = BTreeSet::new();
    let mut measured = 0;
    for line in lines {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [name, bytes, memory, sum] = cells[..] else { return Err(line.into()) };
        let number = |word: &str| word.parse::<u32>().is_ok_and(|number| number > 0);
        measured += usize::from(
            memory
                .split_once(", ")
                .is_some_and(|(all, dirty)| number(all) && dirty.strip_suffix(" of it dirty").is_some_and(number)),
        );
        let is_sum = sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
        let has_version = name.contains(VERSION) || name.contains(&version_of_packages());
        if !(is_sum && number(bytes) && has_version && names.insert(name.to_owned())) {
            return Err(line.into());
        }
    }
    if measured == 1 { Ok(names) } else { Err(format!("{measured} binaries were measured")) }
}

#[test]
fn the_readme_has_the_table() {
    let readme = text("README.md");
    let (_, behind) = readme.split_once("<!-- The table of packaging/release").expect("a beginning");
    let table = behind.split_once("-->\n").unwrap().1.split_once("<!-- The end of the table").expect("an end").0;
    let in_readme = rows(table).unwrap();
    // What this finds: another version, a sum that was cut, a row that was typed.
    for (from, to) in [(VERSION, "9.9.9"), ("` |\n", "0` |\n"), ("of it dirty", "dirty"), ("| `rini", "| 1 | `rini")] {
        let broken = table.replacen(from, to, 1);
        assert!(broken != table && rows(&broken).is_err(), "{from}");
    }

    let Some(clones) = clones() else { return };
    let made = rows(&fs::read_to_string(clones.file("TABLE.md")).unwrap()).unwrap();
    assert_eq!(&made - &in_readme, BTreeSet::new());
    // What else it has is the same for other architectures.
    let ends = ["-aarch64", "-armv7", "-i686", "-ppc64le", "-s390x", "-riscv64"].map(str::to_owned).into_iter();
    let rpm = ["aarch64", "armv7hl", "i686", "ppc64le", "s390x", "riscv64"].map(|arch| format!(".{arch}.rpm"));
    let deb = ["arm64", "armhf", "i386", "ppc64el", "s390x", "riscv64"].map(|arch| format!("_{arch}.deb"));
    let ends: Vec<_> = ends.chain(rpm).chain(deb).collect();
    for name in &in_readme - &made {
        assert!(ends.iter().any(|end| name.ends_with(end)), "{name}");
    }
}

#[test]
fn what_is_missing_is_said_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    copy_of_the_tree(&tree);
    let tools = folder.path().join("bin");
    fs::create_dir(&tools).unwrap();
    for name in ["sh", "dirname", "git", "sed", "head", "uname", "tr", "sort"] {
        let found = done(Command::new("sh").args(["-c", "command -v \"$1\"", "sh", name]));
        symlink(found, tools.join(name)).unwrap();
    }
    let path = tools.to_str().unwrap();
    let run = |words: &[&str]| {
        let mut command = Command::new(tree.join("packaging/release"));
        let output = command.args(words).env("PATH", path).current_dir("/").output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, says) = run(&["x86_64"]);
    assert_eq!(code, Some(1), "{says}");
    let lines: Vec<_> = says.lines().collect();
    // Debian's compiler is not looked for along PATH.
    let wanted = ["elfutils", "musl-tools", "python3", "util-linux"].join(" ");
    assert_eq!(
        lines[0],
        format!("release: missing: {wanted}; install with: apt-get install --no-install-recommends {wanted}")
    );
    let (_, crates) = lines[1].split_once("; install with: cargo install --locked ").unwrap();
    let names: Vec<_> = crates.split(' ').map(|word| word.split_once('@').unwrap().0).collect();
    assert_eq!(names, ["cargo-deb", "cargo-generate-rpm", "cargo-cyclonedx", "cargo-deny"]);
    assert_eq!(lines.len(), 2, "{says}");
    assert!(!tree.join("dist").exists());

    let (code, says) = run(&["m68k"]);
    assert!(code == Some(1) && says.contains("no architecture m68k"), "{says}");
    let (code, says) = run(&["--quick"]);
    assert!(code == Some(1) && says.contains("usage: "), "{says}");
}

#[test]
fn what_is_in_no_commit_is_not_released() {
    let Some(clones) = clones() else { return };
    let tree = scratch().join("changed");
    git(&clones.other, &["clone", "--quiet", ".", tree.to_str().unwrap()]);
    fs::write(tree.join("src/more.rs"), "").unwrap();
    let (succeeded, says) = release(&tree, "022", &["--no-deny", "x86_64"], &[]);
    assert!(!succeeded && says.contains("in no commit"), "{says}");
    assert!(!tree.join("dist").exists());
}
