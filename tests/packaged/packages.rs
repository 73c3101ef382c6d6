//! The files that `packaging/release` makes. Two clones give the same files, and each file works for its purpose: the
//! .deb in a Debian made by debootstrap, the .rpm in an empty root, the image in engines and in a build.
//!
//! The tests do this for the machine's architecture only. They leave `cargo deny` out, which takes a minute to install
//! and makes no file.

mod signatures;

use crate::podman::Podman;
use crate::release::{commit_all, commit_changes, copy_of_the_tree, done, git, is_clone, path, text};
use crate::support::{Start, is_root, skip, tools};
use crate::toolchains;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The time of the commit that is released here.
const COMMITTED: &str = "2001-02-03T04:05:06Z";
/// The addresses that the image and the provenance name.
const ADDRESSES: [(&str, &str); 2] =
    [("RELEASE_SOURCE", "https://example.org/rini.git"), ("RELEASE_URL", "https://example.org/rini")];
const COMMITTED_SECONDS: &str = "981173106";

/// The version in packages, where a candidate must sort before its release.
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
    /// What packaging/release printed to standard error in each.
    said: [String; 2],
}

impl Clones {
    /// A file of the first clone, by the end of its name. The name has the version.
    fn file(&self, end: &str) -> PathBuf {
        let dist = self.one.join("dist");
        let is_it = |name: &String| name.ends_with(end) && (name == end || name.contains(VERSION));
        let mut found = files(&dist).into_iter().filter(is_it);
        let name = found.next().unwrap_or_else(|| panic!("no {end} in {dist:?}"));
        assert_eq!(found.next(), None);
        dist.join(name)
    }
}

fn files(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Runs packaging/release to its end. Returns whether it succeeded, and its output.
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

/// The clones, which are made once. If something for that is missing, prints SKIPPED and returns None.
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
    // The same arguments as below. Other architectures need more tools.
    let (checked, says) = release(&path("."), "022", &["--check", "--no-deny", "--sign", "a key", "x86_64"], &[]);
    if !checked {
        return Err(says.trim().to_owned());
    }
    if !is_clone() {
        return Err("a release is made of a clone".to_owned());
    }
    // SAFETY: The handler is a plain function that does not unwind.
    assert_eq!(unsafe { libc::atexit(remove_scratch) }, 0);
    let (one, other) = (scratch().join("one"), scratch().join("another/with/a/longer/path"));
    copy_of_the_tree(&one);
    let key = signatures::make_key(&scratch(), "key");
    signatures::set_key(&one, &key);
    commit_all(&one, COMMITTED);
    // The version of a release, and not that of a commit in between.
    git(&one, &["tag", &format!("v{VERSION}")]);
    git(&one, &["clone", "--quiet", one.to_str().unwrap(), other.to_str().unwrap()]);
    // Some files are older than the commit.
    for file in ["Cargo.toml", "CHANGELOG.md", "packaging/completions/_rini"] {
        done(Command::new("touch").args(["--date", "1999-01-01"]).arg(other.join(file)));
    }
    git(&other, &["update-index", "--refresh"]);
    if is_root() {
        done(Command::new("chown").args(["--recursive", "nobody"]).arg(&one));
    }
    // The downloaded crates under another path, and an empty home. (rustup's toolchains stay where they are, because
    // they run the other tools.)
    let (home, crates) = (scratch().join("home"), scratch().join("home/crates"));
    fs::create_dir(&home).unwrap();
    symlink(cargo_home(), &crates).unwrap();
    let rustup = in_home("RUSTUP_HOME", ".rustup");
    let [source, url] = ADDRESSES;
    let ours = [
        source,
        url,
        ("HOME", home.to_str().unwrap()),
        ("RUSTUP_HOME", rustup.to_str().unwrap()),
        ("CARGO_HOME", crates.to_str().unwrap()),
        ("TZ", "Asia/Tokyo"),
        ("LC_ALL", "C.UTF-8"),
        ("USER", "somebody"),
        ("SOURCE_DATE_EPOCH", "1"),
        ("CARGO_INCREMENTAL", "1"),
    ];
    let theirs = [
        source,
        url,
        ("TZ", "America/Lima"),
        ("LC_ALL", "C"),
        ("CARGO_BUILD_JOBS", "1"),
        ("CARGO_ENCODED_RUSTFLAGS", "-Cdebuginfo=2"),
        ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3"),
        ("GZIP", "--rsyncable"),
        ("RINI_COMMIT", "0123456789"),
    ];
    let signed = ["--no-deny", "--sign", key.to_str().unwrap(), "x86_64"];
    let said = thread::scope(|scope| {
        let first = scope.spawn(|| release(&one, "077", &signed, &ours));
        let second = release(&other, "002", &["--no-deny", "x86_64"], &theirs);
        [first.join().unwrap(), second].map(|(succeeded, says)| {
            assert!(succeeded, "packaging/release: {says}");
            says
        })
    });
    let commit = git(&other, &["rev-parse", "HEAD"]);
    Ok(Clones { one, other, commit, said })
}

/// The directory of the downloaded crates.
fn cargo_home() -> PathBuf {
    in_home("CARGO_HOME", ".cargo")
}

/// The directory that a variable names, or the usual one.
fn in_home(variable: &str, usual: &str) -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(usual);
    std::env::var_os(variable).map_or_else(home, PathBuf::from)
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

/// The files that differ between two directories.
fn find_differences(one: &Path, other: &Path) -> Vec<String> {
    let read = |folder: &Path, name: &str| {
        let bytes = fs::read(folder.join(name)).ok()?;
        Some(if name == "TABLE.md" { without_memory(std::str::from_utf8(&bytes).unwrap()).into_bytes() } else { bytes })
    };
    files(one).union(&files(other)).filter(|name| read(one, name) != read(other, name)).cloned().collect()
}

/// GitHub replaces every other character in the name of an upload, and then SHA256SUMS would name another file.
fn assert_can_be_uploaded(names: &BTreeSet<String>) {
    let stays = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
    let wrong: Vec<_> = names.iter().filter(|name| !name.bytes().all(stays)).collect();
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn two_clones_give_the_same_files() {
    let Some(clones) = clones() else { return };
    let (one, other) = (clones.one.join("dist"), clones.other.join("dist"));
    let names = [
        "SHA256SUMS".to_owned(),
        "TABLE.md".to_owned(),
        "rini-oci.tar".to_owned(),
        "rini-oci.tar.sha256".to_owned(),
        "rini-x86_64".to_owned(),
        "rini-x86_64.sha256".to_owned(),
        format!("rini-{VERSION}-image-index.json"),
        format!("rini-{VERSION}-licenses.txt"),
        format!("rini-{VERSION}-oci.tar"),
        format!("rini-{VERSION}-oci.tar.sha256"),
        format!("rini-{VERSION}-provenance.json"),
        format!("rini-{VERSION}-sbom.cdx.json"),
        format!("rini-{VERSION}-x86_64"),
        format!("rini-{VERSION}-x86_64.sha256"),
        format!("rini-{VERSION}-1.x86_64.rpm"),
        format!("rini_{VERSION}-1_amd64.deb"),
    ];
    assert_eq!(files(&other), names.into());
    assert_can_be_uploaded(&files(&one));
    // Only the one clone is signed.
    assert_eq!(find_differences(&one, &other), signatures::names());

    // The negative controls.
    let folder = tempfile::tempdir().unwrap();
    for name in files(&one) {
        fs::copy(one.join(&name), folder.path().join(&name)).unwrap();
    }
    assert_eq!(find_differences(&one, folder.path()), [""; 0]);
    let sums = || {
        let check = ["--check", "--strict", "--quiet", "SHA256SUMS"];
        Command::new("sha256sum").args(check).current_dir(folder.path()).output().unwrap().status.success()
    };
    assert!(sums());
    let licenses = folder.path().join(format!("rini-{VERSION}-licenses.txt"));
    fs::write(&licenses, fs::read_to_string(&licenses).unwrap().replacen("MIT", "MIt", 1)).unwrap();
    fs::write(folder.path().join("more"), "").unwrap();
    assert_eq!(find_differences(&one, folder.path()), ["more", licenses.file_name().unwrap().to_str().unwrap()]);
    assert!(!sums());

    // The checksums cover all files but these two, and the files with a checksum of their own.
    let sums = fs::read_to_string(other.join("SHA256SUMS")).unwrap();
    let named: BTreeSet<_> = sums.lines().map(|line| line[66..].to_owned()).collect();
    let mut rest = &files(&other) - &named;
    assert!(rest.remove("SHA256SUMS") && rest.remove("TABLE.md"), "{rest:?}");
    assert_eq!(rest.len(), 4);
    for name in rest {
        let line = fs::read_to_string(other.join(&name)).unwrap();
        assert!(
            sums.contains(&line) && line.ends_with(&format!("  {}\n", name.strip_suffix(".sha256").unwrap())),
            "{line}"
        );
    }
}

/// A commit between releases, as a user of the README makes it: each file has the version with the commit's time and hash.
#[test]
fn a_commit_without_a_tag_has_its_version_in_every_file() {
    let Some(clones) = clones() else { return };
    if !tools(&["dpkg-deb", "rpm", "jq"]) {
        return;
    }
    let between = scratch().join("between");
    git(&clones.other, &["clone", "--quiet", "--no-tags", ".", between.to_str().unwrap()]);
    let (succeeded, says) = release(&between, "022", &["--no-deny", "x86_64"], &[]);
    assert!(succeeded, "{says}");
    let suffix = format!("git.20010203040506.{}", &clones.commit[..7]);
    let version = format!("{VERSION}+{suffix}");
    let dist = between.join("dist");
    // The names of the release, with another version.
    let names: BTreeSet<_> =
        files(&clones.other.join("dist")).iter().map(|name| name.replace(VERSION, &version)).collect();
    assert_eq!(files(&dist), names);
    assert_can_be_uploaded(&names);
    let sums = ["--check", "--strict", "--quiet", "SHA256SUMS"];
    done(Command::new("sha256sum").args(sums).current_dir(&dist));

    let of_packages = format!("{}~unreleased+{suffix}", version_of_packages());
    let deb = dist.join(format!("rini_{version}-1_amd64.deb"));
    assert_eq!(done(Command::new("dpkg-deb").arg("--field").arg(deb).arg("Version")), format!("{of_packages}-1"));
    let rpm = dist.join(format!("rini-{version}-1.x86_64.rpm"));
    let query = ["--query", "--queryformat", "%{VERSION}", "--package"];
    assert_eq!(done(Command::new("rpm").args(query).arg(rpm)), of_packages);
    let file = |end: &str| dist.join(format!("rini-{version}-{end}"));
    assert_eq!(jq(".metadata.component.version", &file("sbom.cdx.json")), version);
    let parameters = ".predicate.buildDefinition.externalParameters.version";
    assert_eq!(jq(parameters, &file("provenance.json")), version);
    let label = r#".annotations["org.opencontainers.image.version"]"#;
    assert_eq!(jq(label, &file("image-index.json")), version);
    // A tag of an image may have no +.
    let index = done(Command::new("tar").args(["-xOf"]).arg(file("oci.tar")).arg("index.json"));
    assert!(index.contains(&format!("\"rini:{VERSION}_{suffix}\"")), "{index}");
    let table = fs::read_to_string(dist.join("TABLE.md")).unwrap();
    assert!(rows(&table).is_ok_and(|names| names.len() == 8), "{table}");
}

/// The files of a release that cover all its architectures.
fn is_of_all(name: &str) -> bool {
    let of_all = ["SHA256SUMS", "TABLE.md", "oci.tar", "image-index.json", "sbom.cdx.json", "provenance.json"];
    of_all.iter().any(|part| name.contains(part))
}

#[test]
fn one_architecture_gives_the_files_that_all_give() {
    let Some(clones) = clones() else { return };
    let words = ["--no-deny", "x86_64", "aarch64"];
    let (checked, says) = release(&path("."), "022", &[&["--check"], &words[..]].concat(), &[]);
    if !checked {
        return skip(says.trim());
    }
    if !tools(&["jq"]) {
        return;
    }
    let both = scratch().join("both");
    git(&clones.other, &["clone", "--quiet", ".", both.to_str().unwrap()]);
    let (succeeded, says) = release(&both, "022", &words, &ADDRESSES);
    assert!(succeeded, "{says}");
    let (one, both) = (clones.other.join("dist"), both.join("dist"));
    let differ = find_differences(&one, &both);
    let of_aarch64 = |name: &&String| name.contains("aarch64") || name.contains("arm64");
    assert_eq!(differ.iter().filter(of_aarch64).count(), 6, "{differ:?}");
    let unexpected: Vec<_> = differ.iter().filter(|name| !of_aarch64(name) && !is_of_all(name)).collect();
    assert_eq!(unexpected, [""; 0]);
    // The image of the architecture is the same, and so is all that it names.
    let image = |dist: &Path| {
        let filter = r#"[.manifests[] | select(.platform.architecture == "amd64")] | tojson"#;
        jq(filter, &dist.join(format!("rini-{VERSION}-image-index.json")))
    };
    assert_eq!(image(&one), image(&both));
    assert!(image(&one).contains("sha256:"), "{}", image(&one));
    // aarch64 has start files of gcc, with a hash.
    let bill = both.join(format!("rini-{VERSION}-sbom.cdx.json"));
    let gcc = jq(r#".components[] | select(.name == "gcc") | .hashes[0].content, .purl"#, &bill);
    assert!(gcc.len() > 64 && gcc.ends_with("#aarch64-unknown-linux-musl"), "{gcc}");
}

#[test]
fn the_image_and_the_provenance_name_the_addresses() {
    let Some(clones) = clones() else { return };
    if !tools(&["jq"]) {
        return;
    }
    let labels = r#".annotations | .["org.opencontainers.image.source"], .["org.opencontainers.image.url"]"#;
    let [(_, source), (_, url)] = ADDRESSES;
    assert_eq!(jq(labels, &clones.file("-image-index.json")), format!("{source}\n{url}"));
    let uri = jq(".predicate.buildDefinition.resolvedDependencies[0].uri", &clones.file("-provenance.json"));
    assert_eq!(uri, format!("git+{source}@{}", clones.commit));
    // The negative control: without the variables, there are no such labels.
    let folder = tempfile::tempdir().unwrap();
    let mut image = Command::new(path("packaging/release-image"));
    image.args(["image.tar", "index.json", "1.0.0"].map(|name| folder.path().join(name)));
    image.arg(path("LICENSE")).arg(format!("amd64={}", path("LICENSE").display())).current_dir(path("."));
    for (name, _) in ADDRESSES {
        image.env_remove(name);
    }
    done(image.env("RINI_COMMIT", "0123456789").env("SOURCE_DATE_EPOCH", COMMITTED_SECONDS));
    assert_eq!(jq(labels, &folder.path().join("index.json")), "null\nnull");
}

/// Whether one version is older than another, for dpkg and for RPM.
fn is_older(one: &str, other: &str) -> [bool; 2] {
    let dpkg = Command::new("dpkg").args(["--compare-versions", one, "lt", other]).status().unwrap().success();
    let lua = format!("%{{lua:print(rpm.vercmp(\"{one}\", \"{other}\"))}}");
    [dpkg, done(Command::new("rpm").args(["--eval", &lua])) == "-1"]
}

#[test]
fn each_commit_has_a_version_of_its_own_in_the_order_of_the_commits() {
    if !is_clone() || !tools(&["dpkg", "rpm", "git"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path();
    for name in ["packaging/release", "Cargo.toml"] {
        let to = tree.join(name);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(path(name), to).unwrap();
    }
    let set_version = |version: &str| {
        let manifest = fs::read_to_string(tree.join("Cargo.toml")).unwrap();
        let line = |line: &str| {
            if line.starts_with("version = ") { format!("version = \"{version}\"") } else { line.to_owned() }
        };
        fs::write(tree.join("Cargo.toml"), manifest.lines().map(line).collect::<Vec<_>>().join("\n")).unwrap();
    };
    // The test does not depend on today's version.
    const FIRST: &str = "1.0.0-rc.2";
    set_version(FIRST);
    commit_all(tree, COMMITTED);
    let print_names = |tree: &Path| {
        let mut names = Command::new(tree.join("packaging/release"));
        names.arg("--names").current_dir("/");
        names
    };
    let names_in = |tree: &Path| done(&mut print_names(tree)).lines().map(str::to_owned).collect::<Vec<_>>();
    let names = || names_in(tree);
    let commit = |time: &str, version: &str| {
        set_version(version);
        fs::write(tree.join("time"), time).unwrap();
        commit_changes(tree, time);
        names()
    };
    let first = names();
    let hash = git(tree, &["rev-parse", "HEAD"])[..7].to_owned();
    let packages = FIRST.replace('-', "~");
    assert_eq!(first[0], format!("{FIRST}+git.20010203040506.{hash}"));
    assert_eq!(first[1], format!("{packages}~unreleased+git.20010203040506.{hash}"));
    assert_eq!(first[2], format!("{FIRST}_git.20010203040506.{hash}"));
    // The second commit of the next line comes a second later; the third is a release.
    let mut all = vec![first, commit("2001-02-03T04:05:07Z", FIRST)];
    let tag = |version: &str| git(tree, &["tag", &format!("v{version}")]);
    tag(FIRST);
    assert_eq!(names(), [FIRST, &packages, FIRST]);
    all.push(names());
    all.push(commit("2001-02-03T05:00:00Z", FIRST));
    all.push(commit("2001-02-03T05:00:01Z", "1.0.0"));
    tag("1.0.0");
    all.push(names());
    all.push(commit("2001-02-04T00:00:00Z", "1.0.0"));
    all.push(commit("2001-02-05T00:00:00Z", "1.0.1-rc.1"));
    for pair in all.windows(2) {
        assert_eq!(is_older(&pair[0][1], &pair[1][1]), [true; 2], "{pair:?}");
        // The negative control.
        assert_eq!(is_older(&pair[1][1], &pair[0][1]), [false; 2], "{pair:?}");
    }
    let different: BTreeSet<_> = all.iter().map(|names| &names[0]).collect();
    assert_eq!(different.len(), all.len());
    // In a shallow clone, a commit after a tag would have the version of one before it.
    let shallow = tempfile::tempdir().unwrap();
    let origin = format!("file://{}", tree.display());
    git(tree, &["clone", "--quiet", "--depth=1", &origin, shallow.path().to_str().unwrap()]);
    let output = print_names(shallow.path()).output().unwrap();
    let says = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && says.contains("git fetch --unshallow --tags"), "{says}");
    git(shallow.path(), &["fetch", "--quiet", "--unshallow", "--tags"]);
    assert_eq!(names_in(shallow.path()), names());

    let is_tag =
        |tag: &str| tag.len() <= 128 && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    assert!(all.iter().all(|names| is_tag(&names[2])), "{all:?}");
}

/// The words after the name of the package in each line.
fn overrides(text: &str, package: &str) -> BTreeSet<String> {
    text.lines().filter_map(|line| line.strip_prefix(package)).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn lintian_accepts_the_deb_and_needs_each_override() {
    let Some(clones) = clones() else { return };
    if !tools(&["lintian"]) {
        return;
    }
    let lintian = |words: &[&str]| {
        let mut lintian = Command::new("lintian");
        lintian.args(["--allow-root", "--fail-on", "error,warning,info"]).args(words).arg(clones.file(".deb"));
        let output = lintian.output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let (accepted, says) = lintian(&["--info"]);
    assert!(accepted, "{says}");
    let (accepted, says) = lintian(&["--no-override"]);
    let found: BTreeSet<_> =
        says.lines().filter_map(|line| line.split_once(": rini: ")).map(|(_, tag)| tag.to_owned()).collect();
    assert!(!accepted, "{says}");
    let page = text("packaging/lintian-overrides");
    assert_eq!(found, overrides(&page, "rini: "));
    // Each paragraph begins with its reason.
    assert!(page.trim().split("\n\n").all(|paragraph| paragraph.starts_with("# ")), "{page}");
}

#[test]
fn rpmlint_accepts_the_rpm_and_needs_each_filter() {
    let Some(clones) = clones() else { return };
    if !tools(&["rpmlint"]) {
        return;
    }
    let rpmlint = |config: &Path| {
        let mut rpmlint = Command::new("rpmlint");
        let output = rpmlint.arg("--strict").arg("--config").arg(config).arg(clones.file(".rpm")).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let config = path("packaging/rpmlint.toml");
    let (accepted, says) = rpmlint(&config);
    assert!(accepted, "{says}");
    let page = text("packaging/rpmlint.toml");
    let (settings, filters) = page.split_once("Filters = [\n").unwrap();
    let filters: Vec<_> =
        filters.lines().filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\",")).collect();
    let without = scratch().join("rpmlint.toml");
    fs::write(&without, settings).unwrap();
    let (accepted, says) = rpmlint(&without);
    let found: Vec<_> = says.lines().filter(|line| line.starts_with("rini.x86_64: ")).collect();
    assert!(!accepted && found.len() == filters.len(), "{says}");
    for filter in filters {
        assert_eq!(found.iter().filter(|line| line.contains(filter)).count(), 1, "{filter}: {says}");
        let (before, _) = page.split_once(&format!("    \"{filter}\"")).unwrap();
        assert!(before.trim_end().lines().last().unwrap().trim().starts_with("# "), "{filter} has no reason");
    }
}

/// The texts among these that a file contains.
fn find_texts<'a>(file: &Path, texts: &[&'a str]) -> Vec<&'a str> {
    let bytes = fs::read(file).unwrap();
    let is_there = |text: &&&str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    texts.iter().filter(is_there).copied().collect()
}

#[test]
fn the_binary_names_its_commit_and_no_place() {
    let Some(clones) = clones() else { return };
    let binary = clones.file("-x86_64");
    // The mode does not depend on the umask.
    for clone in [&clones.one, &clones.other] {
        let file = clone.join("dist").join(binary.file_name().unwrap());
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o755);
    }
    let registry = "/registry/src/";
    let scratch = scratch();
    let places = [scratch.to_str().unwrap(), registry, "/rustlib/", "/rustc/"];
    assert_eq!(find_texts(&binary, &places), [""; 0]);
    // The negative control: this test program does name such places.
    let found = find_texts(&std::env::current_exe().unwrap(), &places);
    assert!(found.contains(&registry) && found.contains(&"/rustc/"), "{found:?}");

    // The texts are packed, so the binary has to print its commit itself. Another commit gives another binary. The copy
    // of the tree has no git.
    let folder = tempfile::tempdir_in(&scratch).unwrap();
    let copy = folder.path().join("copy");
    done(Command::new("cp").args(["-a", "--reflink=auto"]).arg(&clones.other).arg(&copy));
    fs::remove_dir_all(copy.join(".git")).unwrap();
    // The same compiler in the layout of another toolchain gives the same bytes.
    let toolchain = toolchains::stand_in(folder.path());
    let build = |commit: &str| {
        let mut build = Command::new("timeout");
        build.args(["1800", "packaging/build-static"]).env("RINI_COMMIT", commit).current_dir(&copy);
        build.env("RINI_TOOLCHAIN", &toolchain);
        copy.join(done(build.env_remove("CARGO_TARGET_DIR").stdin(Stdio::null())))
    };
    let says = |binary: &Path, commit: &str| {
        let output = Start::of(binary).args(["--version"]).run();
        assert_eq!(output.only_line(), format!("rini {VERSION} (git.{})", &commit[..7]));
    };
    says(&binary, &clones.commit);
    let same = build(&clones.commit);
    assert!(fs::read(&same).unwrap() == fs::read(&binary).unwrap(), "{} is another one", same.display());
    let changed = build("0123456789abcdef");
    assert!(fs::read(&changed).unwrap() != fs::read(&binary).unwrap(), "the commit is not in it");
    says(&changed, "0123456");
}

#[test]
fn every_time_in_it_is_the_commit_s() {
    let Some(clones) = clones() else { return };
    if !tools(&["dpkg-deb", "tar", "rpm"]) {
        return;
    }
    // In a listing, the file's time is the first word with a year in it, after mode, owner and size.
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
    // The negative control: the files that it was made from have other times.
    let tree = done(Command::new("sh").args(["-c", "tar -c packaging | tar --utc -tv"]).current_dir(&clones.one));
    assert!(times(&tree).is_disjoint(&committed), "{tree}");
}

/// Applies a jq filter to a file.
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
    // The provenance cannot list its own sum.
    let rest: Vec<_> = sums.lines().filter(|line| !line.ends_with("-provenance.json")).collect();
    assert_eq!(subjects.lines().collect::<Vec<_>>(), rest);
    assert_eq!(
        jq("._type, .predicateType", &provenance),
        "https://in-toto.io/Statement/v1\nhttps://slsa.dev/provenance/v1"
    );
    let made_by = jq(".predicate.buildDefinition.resolvedDependencies[].uri | values", &provenance);
    for one in [
        "pkg:cargo/nix@",
        "pkg:deb/debian/rustc-web@",
        "pkg:deb/debian/musl@",
        "pkg:deb/debian/elfutils@",
        "pkg:cargo/cargo-deb@",
    ] {
        assert_eq!(made_by.lines().filter(|uri| uri.starts_with(one)).count(), 1, "{one}: {made_by}");
    }
}

/// The bill of materials agrees with Cargo and Debian.
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
    let source = "target/static/musl/source/debian/changelog";
    let musl = fs::read_to_string(clones.one.join(source)).unwrap();
    let musl = musl.split(['(', ')']).nth(1).unwrap();
    for one in [format!("rust-std {}", rust.split(' ').nth(1).unwrap()), format!("musl {musl}")] {
        assert!(theirs.contains(&one), "no {one} in {theirs:?}");
    }
    // On x86-64 no start file of gcc is linked in.
    for (one, count) in [("compiler_builtins ", 1), ("hashbrown ", 1), ("libc ", 1), ("gcc ", 0)] {
        assert_eq!(theirs.iter().filter(|name| name.starts_with(one)).count(), count, "{one}: {theirs:?}");
    }

    let licenses = fs::read_to_string(clones.file("-licenses.txt")).unwrap();
    let crates = jq(
        r#".components[] | select(.properties | not) | .name + " " + .version + ": " + .licenses[0].expression"#,
        &bill,
    );
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
    // Each released crate has a licence.
    assert!(crates.lines().count() > linked.len());

    // The bill has a number of its own, and each component a hash that anybody can make again.
    let serial = jq(".serialNumber", &bill);
    let digits: Vec<_> = serial.strip_prefix("urn:uuid:").unwrap().split('-').map(str::len).collect();
    assert_eq!(digits, [8, 4, 4, 4, 12], "{serial}");
    let hash = |name: &str| {
        jq(
            &format!(r#".components[] | select(.name == "{name}") | .hashes[] | select(.alg == "SHA-256") | .content"#),
            &bill,
        )
    };
    let all = jq(r#".components[] | .hashes[0].content | length"#, &bill);
    assert!(all.lines().count() > linked.len() && all.lines().all(|length| length == "64"), "{all}");
    let again = r"find -type f -printf '%P\n' | LC_ALL=C sort | xargs sha256sum | sha256sum";
    let source = clones.one.join("target/static/musl/source");
    let made = done(Command::new("sh").args(["-c", again]).current_dir(source));
    assert_eq!(made.strip_suffix("  -"), Some(&*hash("musl")));
    let lock = fs::read_to_string(clones.one.join("Cargo.lock")).unwrap();
    let (_, behind) = lock.split_once("name = \"nix\"\n").unwrap();
    assert!(behind.split("[[package]]").next().unwrap().contains(&hash("nix")));

    // packaging/release-bill refuses to write a bill that lacks one of rini's own crates.
    let elsewhere = tempfile::tempdir().unwrap();
    let built = "target/static/x86_64-unknown-linux-musl/release/deps";
    let without_nix = |text: &str| text.split(' ').filter(|word| !word.contains("/nix-")).collect::<Vec<_>>().join(" ");
    fs::create_dir_all(elsewhere.path().join(built)).unwrap();
    fs::copy(clones.one.join("Cargo.toml"), elsewhere.path().join("Cargo.toml")).unwrap();
    for name in files(&clones.one.join(built)).iter().filter(|name| name.ends_with(".d")) {
        let read = fs::read_to_string(clones.one.join(built).join(name)).unwrap();
        fs::write(elsewhere.path().join(built).join(name), without_nix(&read)).unwrap();
    }
    let mut refused = Command::new(clones.one.join("packaging/release-bill"));
    let output = refused.args([&bill, Path::new("bill"), Path::new("licenses")]).current_dir(elsewhere.path()).output();
    let says = String::from_utf8(output.unwrap().stderr).unwrap();
    assert!(says.contains("does not show where nix came from"), "{says}");
}

/// An image of Debian: one that packaging/demo-example has made for other tests, with Python, or an empty one, which is
/// made once on a machine.
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
        if let Some(name) = NAMES.into_iter().find(|name| answers(&["image", "inspect", name])) {
            return Ok(name);
        }
        {
            let script = r#"debootstrap --variant=minbase bookworm "$1" "${MIRROR:-http://deb.debian.org/debian}" >&2 &&
                tar -C "$1" --exclude='./dev/*' --exclude='./var/cache/apt/*' -c . | docker import - "$2""#;
            let folder = crate::support::short_folder();
            let mut debootstrap = Command::new("timeout");
            debootstrap.args(["1200", "sh", "-c", script, "sh"]).arg(folder.path()).arg(NAMES[1]).stdin(Stdio::null());
            let made = debootstrap.output().unwrap();
            let says = String::from_utf8_lossy(&made.stderr);
            made.status.success().then_some(NAMES[1]).ok_or_else(|| format!("debootstrap failed: {says}"))
        }
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
        cd /it
        there() { find / -xdev -iname '*rini*' -not -path '/proc/*' -not -name '*.deb'; }
        before=$(there)
        sh -c "$1" >/dev/null && dpkg --verify rini && dpkg --audit || exit
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
    let mount = format!("{}:/it/dist:ro", clones.one.join("dist").display());
    let command = readme_command("Debian, Ubuntu");
    let run = ["run", "--rm", "--network", "none", "--volume", &mount, image, "sh", "-c", script, "sh", &command];
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
        "/usr/share/lintian/overrides/rini",
        "/usr/share/man/man1/rini.1.gz",
        "/usr/share/zsh/vendor-completions/_rini",
        ".Dt RINI 1",
        &*format!("rini {VERSION}, commit {}, and what is linked into it.", clones.commit),
        "# Changelog",
        &*format!("rini ({}-1) unstable; urgency=medium", version_of_packages()),
        "removed",
    ];
    let mut said: Vec<_> = says.lines().collect();
    said[2..11].sort_unstable();
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
    let command = readme_command("Fedora, SUSE").replace("rpm ", &format!("rpm --root {} ", root.path().display()));
    done(Command::new("sh").args(["-c", &command]).current_dir(&clones.one));
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

/// For each name in the image, the option that prints its version, and the beginning of the answer.
const NAMES: [(&str, &str, &str); 10] = [
    ("rini", "--version", "rini "),
    ("tini", "--version", "tini version "),
    ("tini-static", "--version", "tini version "),
    ("docker-init", "--version", "tini version "),
    ("dumb-init", "--version", "dumb-init "),
    ("catatonit", "--version", "tini version "),
    ("podman-init", "--version", "tini version "),
    ("pause", "-v", "pause.c "),
    ("gosu", "--version", "rini "),
    // It has no version. Without words it prints its usage.
    ("su-exec", "--", "Usage: "),
];

/// The container and the images that the engine must not keep.
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

    // The other names are hard links to the one file.
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
    // skopeo does not read DOCKER_HOST.
    let host =
        std::env::var("DOCKER_HOST").map_or_else(|_| String::new(), |host| format!("--dest-daemon-host {host} "));
    let of_readme = format!("docker-daemon:rini:{VERSION}");
    let command = readme_command("Docker images");
    assert!(command.contains(&of_readme), "{command}");
    let command = command.replace(&of_readme, &format!("{host}docker-daemon:{image}"));
    done(Command::new("sh").args(["-c", &command]).current_dir(&clones.one));
    let version = format!("rini {VERSION} (git.{})", &clones.commit[..7]);
    let run = |image: &str, flags: &[&str], words: &[&str]| {
        let words = [&["run", "--rm", "--network", "none", "--name", &container], flags, &[image], words].concat();
        Start::of("docker").args(words).run()
    };
    // The image's entry point takes a program, and no options.
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
    // The build did not copy this one.
    assert_eq!(run(&built, &[], &["/dumb-init", "--version"]).code(), 127);
}

/// `podman load` takes the name from the image, which has that of the commit. The README's command names it as its Dockerfile does.
#[test]
fn podman_loads_the_image_and_has_it_under_the_name_that_the_readme_gives() {
    let (Some(clones), Some(podman)) = (clones(), Podman::new()) else { return };
    if !tools(&["skopeo"]) {
        return;
    }
    let image = format!("localhost/rini:{VERSION}");
    let runs = || {
        let output = podman.run(["run", "--rm", &image, "/rini", "--version"]);
        assert_eq!(output.only_line(), format!("rini {VERSION} (git.{})", &clones.commit[..7]));
        assert_ne!(podman.run(["run", "--rm", &image, "/none"]).code(), 0);
    };
    let loaded = podman.run(["load".as_ref(), "--input".as_ref(), clones.file("-oci.tar").as_os_str()]);
    assert_eq!(loaded.code(), 0, "{loaded:?}");
    runs();
    let removed = podman.run(["rmi", &image]);
    assert_eq!(removed.code(), 0, "{removed:?}");

    let command = readme_command("Podman images").replace("containers-storage:", &podman.storage());
    done(Command::new("sh").args(["-c", &command]).current_dir(&clones.one));
    runs();
}

/// A command of the README's table for the installation. It takes files of dist/ in the working directory.
fn readme_command(row: &str) -> String {
    let readme = text("README.md");
    let row = readme.lines().find_map(|line| line.strip_prefix(&format!("| {row} | `"))).unwrap();
    let command = row.split('`').next().unwrap();
    assert!(command.contains("dist/rini"), "{command}");
    command.to_owned()
}

/// A registry keeps the index, so that docs/verify.md's commands accept the image that it has.
#[test]
fn a_registry_has_the_image_that_was_signed() {
    let Some(clones) = clones() else { return };
    if !tools(&["skopeo", "bash", "ssh-keygen", "sha256sum"]) {
        return;
    }
    let program = path("target/registry/usr/bin/docker-registry");
    if !program.exists() {
        return skip("there is no target/registry; tests/setup unpacks it");
    }
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yml");
    let storage = folder.path().join("storage");
    fs::write(
        &config,
        format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:0\n",
            storage.display()
        ),
    )
    .unwrap();
    let mut registry = Start::of(program).args(["serve"]).args([&config]).spawn();
    let line = registry.err_line_with("listening on ");
    let address = line.split("listening on ").nth(1).unwrap().trim_end_matches('"').split('"').next().unwrap();
    // This registry has no certificate.
    let settings = folder.path().join(".config/containers");
    fs::create_dir_all(&settings).unwrap();
    fs::write(settings.join("registries.conf"), format!("[[registry]]\nlocation = \"{address}\"\ninsecure = true\n"))
        .unwrap();
    let push = |command: &str| {
        done(Command::new("sh").args(["-c", command]).current_dir(&clones.one).env("HOME", folder.path()))
    };
    let command = readme_command("your registry").replace("REGISTRY", address);
    push(&command);
    let image = format!("docker://{address}/rini:{VERSION}");
    let (succeeded, says) = signatures::verify_image(clones, &image, folder.path());
    assert!(succeeded && says.starts_with("Good \"rini-release\" signature"), "{says}");
    // The negative control: a copy of one architecture, without the index.
    push(&command.replace("--all --preserve-digests", "").replace(VERSION, "changed"));
    let image = format!("docker://{address}/rini:changed");
    let (succeeded, says) = signatures::verify_image(clones, &image, folder.path());
    assert!(!succeeded && says.contains("incorrect signature"), "{says}");
}

/// A text of packaging/release as of a release. The version of a commit in between has its time and its hash at the end.
fn without_commit(text: &str) -> String {
    let mut parts = text.split("git.20");
    let mut whole = parts.next().unwrap().to_owned();
    for part in parts {
        whole.truncate(whole.trim_end_matches('+').len());
        // Twelve more digits, a point, and seven digits of the hash.
        whole += &part[20..];
    }
    whole
}

/// The rows of a table of packaging/release: the name of each file.
fn rows(table: &str) -> Result<BTreeSet<String>, String> {
    let table = without_commit(table);
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
    // The list of packages follows after an empty line.
    for line in lines.take_while(|line| !line.is_empty()) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [name, bytes, memory, sum] = cells[..] else { return Err(line.into()) };
        let number = |word: &str| word.parse::<u32>().is_ok_and(|number| number > 0);
        measured += usize::from(
            memory
                .split_once(", ")
                .is_some_and(|(all, dirty)| number(all) && dirty.strip_suffix(" of it dirty").is_some_and(number)),
        );
        let is_sum = sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !(is_sum && number(bytes) && name.contains(VERSION) && names.insert(name.to_owned())) {
            return Err(line.into());
        }
    }
    if measured == 1 { Ok(names) } else { Err(format!("{measured} binaries were measured")) }
}

#[test]
fn the_table_of_a_commit_is_read_as_that_of_its_release() {
    let text = "rini 1.0.0-rc.2+git.20261130002637.b1109af: `rini-1.0.0-rc.2+git.20261130002637.b1109af-1.rpm`";
    assert_eq!(without_commit(text), "rini 1.0.0-rc.2: `rini-1.0.0-rc.2-1.rpm`");
    assert_eq!(without_commit("rini 1.0.0, git.0123abc"), "rini 1.0.0, git.0123abc");
}

#[test]
fn the_documentation_has_the_table() {
    let page = text("docs/building.md");
    let (_, behind) = page.split_once("<!-- table: packaging/release --docs -->\n").expect("a beginning");
    let table = behind.split_once("<!-- /table -->").expect("an end").0;
    let in_page = rows(table).unwrap();
    // The negative controls: another version, a shortened sum, a row that was typed by hand.
    for (from, to) in [(VERSION, "9.9.9"), ("` |\n", "0` |\n"), ("of it dirty", "dirty"), ("| `rini", "| 1 | `rini")] {
        let broken = table.replacen(from, to, 1);
        assert!(broken != table && rows(&broken).is_err(), "{from}");
    }

    let Some(clones) = clones() else { return };
    let made = rows(&fs::read_to_string(clones.file("TABLE.md")).unwrap()).unwrap();
    assert_eq!(&made - &in_page, BTreeSet::new());
    // The documentation has the same rows for other architectures.
    let ends = ["-aarch64", "-armv7", "-i686", "-ppc64le", "-s390x", "-riscv64"].map(str::to_owned).into_iter();
    let rpm = ["aarch64", "armv7hl", "i686", "ppc64le", "s390x", "riscv64"].map(|arch| format!(".{arch}.rpm"));
    let deb = ["arm64", "armhf", "i386", "ppc64el", "s390x", "riscv64"].map(|arch| format!("_{arch}.deb"));
    let ends: Vec<_> = ends.chain(rpm).chain(deb).collect();
    for name in &in_page - &made {
        assert!(ends.iter().any(|end| name.ends_with(end)), "{name}");
    }
}

#[test]
fn missing_tools_are_listed_and_nothing_is_made() {
    if !is_clone() {
        return;
    }
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
    // packaging/release does not look for Debian's compiler along PATH, so it finds the machine's own, if there is one.
    let of_rust = [
        ("cargo-web", "/usr/bin/cargo"),
        ("rust-web-src", "/usr/lib/rustlib/src/rust/library"),
        ("rustc-web", "/usr/bin/rustc"),
    ];
    let missing = of_rust.iter().filter(|(_, brings)| !Path::new(brings).exists()).map(|(package, _)| *package);
    let mut wanted: Vec<_> =
        ["dpkg-dev", "elfutils", "gcc-x86-64-linux-gnu", "python3", "util-linux"].into_iter().chain(missing).collect();
    wanted.sort_unstable();
    let wanted = wanted.join(" ");
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

/// The memory is measured last, after minutes.
#[test]
fn a_machine_where_no_memory_can_be_measured_is_refused_at_once() {
    if !is_clone() || !tools(&["setpriv", "unshare"]) {
        return;
    }
    if !is_root() {
        return skip("only root can give up CAP_SYS_ADMIN");
    }
    let (checked, _) = release(&path("."), "022", &["--check", "--no-deny", "x86_64"], &[]);
    if !checked {
        return skip("packaging/release lacks tools");
    }
    let mut setpriv = Command::new("setpriv");
    setpriv.args(["--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin", "packaging/release"]);
    let output = setpriv.args(["--check", "--no-deny", "x86_64"]).current_dir(path(".")).output().unwrap();
    let says = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && says.contains("use root with CAP_SYS_ADMIN"), "{says}");
}

#[test]
fn uncommitted_changes_are_not_released() {
    let Some(clones) = clones() else { return };
    let tree = scratch().join("changed");
    git(&clones.other, &["clone", "--quiet", ".", tree.to_str().unwrap()]);
    fs::write(tree.join("src/more.rs"), "").unwrap();
    let (succeeded, says) = release(&tree, "022", &["--no-deny", "x86_64"], &[]);
    assert!(!succeeded && says.contains("in no commit"), "{says}");
    assert!(!tree.join("dist").exists());
}
