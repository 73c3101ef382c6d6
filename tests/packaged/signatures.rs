//! The signatures of a release: docs/verify.md's commands accept what `packaging/release --sign` has made, and nothing else.
//!
//! The clone `one` of [`super::clones`] is signed with a key that is thrown away, and the clone `other` is not signed.

use super::{Clones, VERSION, clones, files, find_differences, release, scratch};
use crate::docs::markdown::Page;
use crate::release::{commit_of_the_tree, done, git, is_clone, path, text};
use crate::support::{executable, tools};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The files that only a signed release has.
pub fn names() -> [String; 3] {
    [
        "SHA256SUMS.sig".to_owned(),
        format!("rini-{VERSION}-image-index.json.sig"),
        format!("rini-{VERSION}-provenance.intoto.jsonl"),
    ]
}

/// Makes a key without a passphrase, and returns the file of the private key.
pub fn make_key(folder: &Path, name: &str) -> PathBuf {
    let key = folder.join(name);
    done(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "thrown away", "-f"]).arg(&key));
    key
}

fn fingerprint(key: &Path) -> String {
    done(Command::new("ssh-keygen").arg("-lf").arg(key)).split(' ').nth(1).unwrap().to_owned()
}

/// The line of packaging/release-signers for a key.
fn signer(key: &Path) -> String {
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    format!("rini {}\n", public.rsplit_once(" thrown").unwrap().0)
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from:?} is not in {}", file.display());
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

/// Writes the address of a maintainer into a tree, whatever is there: the placeholder, or that of a releaser.
fn set_maintainer(tree: &Path, address: &str) {
    let file = tree.join("Cargo.toml");
    let text = fs::read_to_string(&file).unwrap();
    let (before, behind) = text.split_once("\nmaintainer = \"").unwrap();
    let (_, behind) = behind.split_once('\n').unwrap();
    fs::write(file, format!("{before}\nmaintainer = \"The rini authors <{address}>\"\n{behind}")).unwrap();
}

/// Names these keys as those of the releases, and no other one.
fn set_signers(tree: &Path, keys: &[&Path]) {
    let lines: String = keys.iter().map(|key| signer(key)).collect();
    fs::write(tree.join("packaging/release-signers"), format!("# A comment\n{lines}")).unwrap();
}

/// Adds a key's fingerprint to the page.
fn add_fingerprint(tree: &Path, key: &Path) {
    let file = tree.join("docs/verify.md");
    fs::write(&file, format!("{}\n{}\n", fs::read_to_string(&file).unwrap(), fingerprint(key))).unwrap();
}

/// Says on which day the version was released, or with "unreleased" that it was not.
fn set_day(tree: &Path, day: &str) {
    let file = tree.join("CHANGELOG.md");
    let text = fs::read_to_string(&file).unwrap();
    let (before, behind) = text.split_once("\n## ").unwrap();
    let (_, behind) = behind.split_once('\n').unwrap();
    fs::write(file, format!("{before}\n## {VERSION} - {day}\n{behind}")).unwrap();
}

/// Makes a tree one that can be released and signed with this key.
pub fn set_key(tree: &Path, key: &Path) {
    set_day(tree, "2026-10-31");
    set_maintainer(tree, "maintainer@example.org");
    set_signers(tree, &[key]);
    add_fingerprint(tree, key);
}

/// A block of docs/verify.md, by a word in it.
fn block(word: &str) -> String {
    let page = Page::read("docs/verify.md", &text("docs/verify.md"));
    let mut found = page.blocks.iter().filter(|block| block.language == "sh" && block.text.contains(word));
    let text = found.next().unwrap_or_else(|| panic!("no block has {word:?}")).text.clone();
    assert!(found.next().is_none(), "several blocks have {word:?}");
    text
}

/// A directory of a stranger, who has the key that signed `one`, and a copy of that release to download from.
struct Stranger {
    folder: tempfile::TempDir,
}

impl Stranger {
    fn new(clones: &Clones) -> Stranger {
        let folder = tempfile::tempdir_in(scratch()).unwrap();
        fs::create_dir(folder.path().join("release")).unwrap();
        for name in files(&clones.one.join("dist")) {
            fs::copy(clones.one.join("dist").join(&name), folder.path().join("release").join(name)).unwrap();
        }
        fs::create_dir(folder.path().join("home")).unwrap();
        fs::copy(clones.one.join("packaging/release-signers"), folder.path().join("home/release-signers")).unwrap();
        Stranger { folder }
    }

    fn release(&self, name: &str) -> PathBuf {
        self.folder.path().join("release").join(name)
    }

    fn at_home(&self, name: &str) -> PathBuf {
        self.folder.path().join("home").join(name)
    }

    /// Runs a block in an empty directory with the key. Returns whether it succeeded, and its whole output.
    fn run(&self, block: &str) -> (bool, String) {
        let release = format!("file://{}", self.release("").display());
        let image = format!("oci-archive:{}", self.release("rini-oci.tar").display());
        let mut bash = Command::new("bash");
        bash.args(["-c", &format!("exec 2>&1\n{block}")]).current_dir(self.at_home(""));
        bash.env("RELEASE", release.trim_end_matches('/')).env("IMAGE", image).env("VERSION", VERSION);
        let output = bash.output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }
}

/// Runs the commands for an image, with this home. Returns whether they succeeded, and their whole output.
pub fn verify_image(clones: &Clones, image: &str, home: &Path) -> (bool, String) {
    let stranger = Stranger::new(clones);
    let commands = format!("export IMAGE={image} HOME={}\n{}", home.display(), block("skopeo inspect"));
    stranger.run(&commands)
}

/// Changes one letter of a file.
fn tamper(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, bytes).unwrap();
}

/// Signs a file again, with another key.
fn sign_again(key: &Path, namespace: &str, file: &Path) {
    fs::remove_file(format!("{}.sig", file.display())).unwrap();
    done(Command::new("ssh-keygen").args(["-q", "-Y", "sign", "-n", namespace, "-f"]).args([key, file]));
}

#[test]
fn a_stranger_verifies_a_download_with_three_commands() {
    let Some(clones) = clones() else { return };
    if !tools(&["bash", "curl", "ssh-keygen", "sha256sum"]) {
        return;
    }
    let commands = block("--remote-name-all");
    let verify = |change: &dyn Fn(&Stranger)| {
        let stranger = Stranger::new(clones);
        change(&stranger);
        stranger.run(&commands)
    };
    let key = scratch().join("key");
    let good = format!("Good \"rini-release\" signature for rini with ED25519 key {}", fingerprint(&key));
    assert_eq!(verify(&|_| ()), (true, format!("{good}\nrini-x86_64: OK\n")));

    let assert_refused = |why: &str, change: &dyn Fn(&Stranger)| {
        let (succeeded, says) = verify(change);
        assert!(!succeeded && says.contains(why) && !says.contains("rini-x86_64: OK"), "{why}: {says}");
    };
    let sums = "SHA256SUMS";
    assert_refused("rini-x86_64: FAILED", &|stranger| tamper(&stranger.release("rini-x86_64")));
    // The sum of the changed file is in SHA256SUMS, and sha256sum alone would accept it.
    assert_refused("incorrect signature", &|stranger| {
        tamper(&stranger.release("rini-x86_64"));
        let new = done(Command::new("sha256sum").arg(stranger.release("rini-x86_64")));
        let old = fs::read_to_string(stranger.release("rini-x86_64.sha256")).unwrap();
        edit(
            &stranger.release(sums),
            &format!("{}  rini-x86_64\n", &old[..64]),
            &format!("{}  rini-x86_64\n", &new[..64]),
        );
        let alone = "sha256sum --check --ignore-missing --quiet SHA256SUMS";
        assert!(
            Command::new("sh").args(["-c", alone]).current_dir(stranger.release("")).output().unwrap().status.success()
        );
    });
    assert_refused("Could not verify signature", &|stranger| {
        let another = make_key(&stranger.at_home(""), "another");
        sign_again(&another, "rini-release", &stranger.release(sums));
    });
    // A signature that the releaser made for something else.
    assert_refused("Could not verify signature", &|stranger| sign_again(&key, "git", &stranger.release(sums)));
    assert_refused("curl", &|stranger| fs::remove_file(stranger.release("SHA256SUMS.sig")).unwrap());
    // The repository as it is names no key, or that of its releaser.
    assert_refused("Could not verify signature", &|stranger| {
        fs::copy(path("packaging/release-signers"), stranger.at_home("release-signers")).unwrap();
    });
}

#[test]
fn a_stranger_verifies_the_image_and_the_provenance() {
    let Some(clones) = clones() else { return };
    if !tools(&["bash", "skopeo", "ssh-keygen", "openssl", "tar", "curl", "grep"]) {
        return;
    }
    let stranger = Stranger::new(clones);
    let commands = block("skopeo inspect");
    let (succeeded, says) = stranger.run(&commands);
    assert!(succeeded && says.starts_with("Good \"rini-release\" signature"), "{says}");
    // An image of another version, under the name of this one.
    let signature = |version: &str| stranger.release(&format!("rini-{version}-image-index.json.sig"));
    fs::copy(signature(VERSION), signature("9.9.9")).unwrap();
    let (succeeded, says) = stranger.run(&format!("VERSION=9.9.9\n{commands}"));
    assert!(!succeeded && says.starts_with("Good \"rini-release\" signature") && says.lines().count() == 1, "{says}");
    // Another image with a good index of its own.
    let archive = stranger.release("rini-oci.tar");
    let change = r#"cd "$1" && mkdir new && tar -xf "$2" -C new && cd new &&
        old=$(sed 's/.*"digest":"sha256:\([0-9a-f]*\)".*/\1/' index.json) &&
        sed -i s/reaps/leaps/ "blobs/sha256/$old" && new=$(sha256sum "blobs/sha256/$old" | cut -c 1-64) &&
        mv "blobs/sha256/$old" "blobs/sha256/$new" && sed -i "s/$old/$new/" index.json && tar -cf "$2" *"#;
    done(Command::new("sh").args(["-c", change, "sh"]).args([stranger.folder.path(), &archive]));
    let (succeeded, says) = stranger.run(&commands);
    assert!(!succeeded && says.contains("incorrect signature"), "{says}");

    let envelope = format!("rini-{VERSION}-provenance.intoto.jsonl");
    let command = block("packaging/verify-provenance").replace("packaging/release-signers", "release-signers");
    let command = command.replace("packaging/", &format!("{}/", path("packaging").display()));
    let write = |text: &str| fs::write(stranger.release(&envelope), text).unwrap();
    let signed = fs::read_to_string(stranger.release(&envelope)).unwrap();
    let statement = fs::read_to_string(stranger.release(&format!("rini-{VERSION}-provenance.json"))).unwrap();
    assert_eq!(stranger.run(&command), (true, statement));
    for (from, to) in [
        ("\"payload\": \"ewog", "\"payload\": \"ewoJ"),
        ("in-toto+json", "in-toto.json"),
        ("\"sig\": \"", "\"sig\": \"AAAA"),
    ] {
        write(&signed.replacen(from, to, 1));
        let (succeeded, says) = stranger.run(&command);
        assert!(!succeeded && says.starts_with("verify-provenance: ") && says.lines().count() == 1, "{from}: {says}");
    }
    write(&signed);
    let another = signer(&make_key(&stranger.at_home(""), "another"));
    fs::write(stranger.at_home("release-signers"), another).unwrap();
    let (succeeded, says) = stranger.run(&command);
    assert!(!succeeded && says.contains("no key of \"release-signers\" signed"), "{says}");
}

/// The reference implementation of DSSE accepts the envelope.
#[test]
fn another_implementation_accepts_the_envelope() {
    let Some(clones) = clones() else { return };
    let library = path("target/schemas");
    if !library.join("securesystemslib").exists() {
        return crate::support::skip("there is no target/schemas/securesystemslib; tests/setup installs it");
    }
    let script = r#"
import base64, json, sys
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey
signers, envelope, fingerprint = sys.argv[1:]
public = base64.b64decode(open(signers).read().split()[-1])[-32:].hex()
key = SSlibKey(fingerprint, "ed25519", "ed25519", {"public": public})
Envelope.from_dict(json.load(open(envelope))).verify([key], 1)"#;
    let key = scratch().join("key");
    let envelope = clones.file("-provenance.intoto.jsonl");
    let accepts = |signers: &Path, envelope: &Path| {
        let mut python = Command::new("/usr/bin/python3");
        python.args(["-c", script]).args([signers, envelope]).arg(fingerprint(&key)).env("PYTHONPATH", &library);
        let output = python.output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let signers = clones.one.join("packaging/release-signers");
    assert_eq!(accepts(&signers, &envelope), (true, String::new()));
    // The negative control.
    let folder = tempfile::tempdir().unwrap();
    let another = folder.path().join("signers");
    fs::write(&another, signer(&make_key(folder.path(), "another"))).unwrap();
    let (accepted, says) = accepts(&another, &envelope);
    assert!(!accepted && says.contains("VerificationError"), "{says}");
}

/// With a public key, ssh-agent signs. Ed25519 has one signature for the same bytes and the same key.
#[test]
fn a_key_of_ssh_agent_gives_the_same_signatures() {
    let Some(clones) = clones() else { return };
    if !tools(&["ssh-agent", "ssh-add", "ssh-keygen", "openssl"]) {
        return;
    }
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    for name in files(&clones.other.join("dist")) {
        fs::copy(clones.other.join("dist").join(&name), folder.path().join(name)).unwrap();
    }
    let sign = |add: &str| {
        let script = format!(r#"{add}; exec "$2" "$1.pub" "$3""#);
        let mut agent = Command::new("ssh-agent");
        agent.args(["sh", "-c", &script, "sh"]).arg(scratch().join("key"));
        let output = agent.arg(clones.one.join("packaging/release-sign")).arg(folder.path()).output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    // The negative control: an agent that does not hold the key. Of the signatures, none stays.
    let (succeeded, says) = sign(":");
    assert!(!succeeded && says.contains("release-sign: ssh-agent does not sign with this key"), "{says}");
    let is_unsigned = || files(folder.path()).is_disjoint(&names().into());
    assert!(is_unsigned());
    // Nor does one stay if a signal ends the script. This openssl sends it to the script behind packaging/verify-provenance.
    let programs = tempfile::tempdir().unwrap();
    let openssl = r#"read -r _ _ _ sign _ <"/proc/$PPID/stat"; kill -TERM "$sign"; exit 1"#;
    executable(programs.path(), "openssl", format!("#!/bin/sh\n{openssl}\n"));
    let (succeeded, _) = sign(&format!(r#"ssh-add -q "$1"; export PATH="{}:$PATH""#, programs.path().display()));
    assert!(!succeeded && is_unsigned());
    // Nothing is signed that the checksums do not cover.
    let (sums, whole) =
        (folder.path().join("SHA256SUMS"), fs::read_to_string(clones.other.join("dist/SHA256SUMS")).unwrap());
    let lines = whole.lines().filter(|line| !line.ends_with("-image-index.json"));
    fs::write(&sums, lines.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let (succeeded, says) = sign(r#"ssh-add -q "$1""#);
    assert!(!succeeded && says.contains("SHA256SUMS does not name \"rini-") && is_unsigned(), "{says}");
    fs::write(&sums, whole).unwrap();
    let (succeeded, says) = sign(r#"ssh-add -q "$1""#);
    assert!(succeeded, "{says}");
    assert_eq!(find_differences(&clones.one.join("dist"), folder.path()), [""; 0]);
    // Signatures that are there stay.
    let (succeeded, says) = sign(r#"ssh-add -q "$1""#);
    assert!(!succeeded && says.contains("is signed already: remove ") && says.lines().count() == 1, "{says}");
    assert_eq!(find_differences(&clones.one.join("dist"), folder.path()), [""; 0]);
}

/// An unsigned release has no file of a signature, and packaging/release says so.
#[test]
fn an_unsigned_release_does_not_look_signed() {
    let Some(clones) = clones() else { return };
    let (signed, unsigned) = (files(&clones.one.join("dist")), files(&clones.other.join("dist")));
    assert_eq!(&signed - &unsigned, names().into());
    assert!(
        clones.said[0].contains("release: signed;") && !clones.said[0].contains("NOT SIGNED"),
        "{}",
        clones.said[0]
    );
    assert!(clones.said[1].contains("release: NOT SIGNED, as no key was named"), "{}", clones.said[1]);
}

/// packaging/release builds nothing for strangers while a placeholder is there, nor with a key that nobody can check.
#[test]
fn a_placeholder_is_not_published() {
    if !is_clone() || !tools(&["ssh-keygen", "ssh-agent", "openssl"]) {
        return;
    }
    if !release(&path("."), "022", &["--check", "--no-deny", "x86_64"], &[]).0 {
        return crate::support::skip("packaging/release lacks tools");
    }
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    commit_of_the_tree(&tree, super::COMMITTED);
    let (key, another) = (make_key(folder.path(), "key"), make_key(folder.path(), "another"));
    let rsa = folder.path().join("rsa");
    done(Command::new("ssh-keygen").args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f"]).arg(&rsa));
    let assert_refused = |words: &[&str], why: &str| {
        let (succeeded, says) = release(&tree, "022", &[&["--no-deny"], words, &["x86_64"]].concat(), &[]);
        assert!(!succeeded && says.contains(why) && says.lines().count() == 1, "{why}: {says}");
        assert!(!tree.join("dist").exists());
    };
    let sign = ["--sign", key.to_str().unwrap()];
    set_maintainer(&tree, "maintainer@rini.invalid");
    set_signers(&tree, &[]);
    set_day(&tree, "unreleased");
    assert_refused(&sign, "Cargo.toml has a placeholder for the maintainer's address");
    let tag = format!("v{VERSION}");
    git(&tree, &["tag", &tag]);
    assert_refused(&[], "Cargo.toml has a placeholder for the maintainer's address");
    set_maintainer(&tree, "maintainer@example.org");
    assert_refused(&[], "packaging/release-signers has a placeholder and no key");
    git(&tree, &["tag", "--delete", &tag]);
    assert_refused(&sign, "packaging/release-signers has a placeholder and no key");
    set_signers(&tree, &[&another]);
    assert_refused(&sign, "packaging/release-signers does not name the key");
    set_signers(&tree, &[&another, &key]);
    assert_refused(&sign, "docs/verify.md does not have the fingerprint");
    add_fingerprint(&tree, &key);
    assert_refused(&["--sign", rsa.to_str().unwrap()], "it is no Ed25519 key of OpenSSH");
    assert_refused(&["--sign", "/nonexistent"], "it is no Ed25519 key of OpenSSH");
    assert_refused(&["--sign", &format!("{}.pub", key.display())], "it is a public key, and there is no ssh-agent");
    // The negative control: with all of that, the next refusal is that of the uncommitted changes.
    assert_refused(&sign, "some changes are in no commit");
    git(&tree, &["tag", &tag]);
    assert_refused(&sign, &format!("CHANGELOG.md has no day for {VERSION}"));
    set_day(&tree, "2026-10-31");
    assert_refused(&sign, "some changes are in no commit");
    // A relative path begins in the caller's directory.
    let mut elsewhere = Command::new(tree.join("packaging/release"));
    elsewhere.args(["--no-deny", "--sign", "key", "x86_64"]).current_dir(folder.path());
    let says = String::from_utf8(elsewhere.output().unwrap().stderr).unwrap();
    assert!(says.contains("some changes are in no commit"), "{says}");
}
