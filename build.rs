//! Three things that a build needs to know.
//!
//! Packs the texts in `src/personality`, which halves them: see `pack`.
//!
//! Makes `rini_entry` the first instruction that the kernel runs in rini, in place of libc's `_start`:
//! see `src/sys/entry.rs`, which says what that wins. Architectures without that entry begin at `_start`.

#![allow(clippy::print_stdout)] // Cargo reads a build script's standard output.
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)] // A build may fail.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// `tini version 1.2.3_rini - git.0123abc`, which is what `docker info` asks an init for; without a commit where none is
/// known: RINI_COMMIT, what Cargo wrote into a published package, or the clone's HEAD.
fn tini_version() {
    let package = fs::read_to_string(".cargo_vcs_info.json").ok();
    let head = || {
        let git = Command::new("git").args(["rev-parse", "HEAD"]).output().ok()?;
        String::from_utf8(git.stdout).ok()
    };
    let commit = env::var("RINI_COMMIT").ok().or(package).or_else(head).unwrap_or_default();
    let is_hash = |word: &&str| word.len() >= 7 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hash = commit.split(|c: char| !c.is_ascii_alphanumeric()).find(is_hash).and_then(|hash| hash.get(..7));
    let suffix = hash.map(|hash| format!(" - git.{}", hash.to_ascii_lowercase())).unwrap_or_default();
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    println!("cargo::rustc-env=RINI_TINI_VERSION=tini version {version}_rini{suffix}");
    println!("cargo::rerun-if-env-changed=RINI_COMMIT");
    for file in [".cargo_vcs_info.json", ".git/HEAD", ".git/logs/HEAD"] {
        if fs::exists(file).unwrap_or(false) {
            println!("cargo::rerun-if-changed={file}");
        }
    }
}

/// The files of texts, and the names that they go by in the source.
const TEXTS: [(&str, &str); 5] =
    [("rini", "RINI"), ("tini", "TINI"), ("dumb-init", "DUMB_INIT"), ("catatonit", "CATATONIT"), ("pause", "PAUSE")];

/// What a text can be, in the order of `mod form` in `src/voice.rs`. (rini.txt says what they mean.)
const FORMS: [&str; 10] = ["error", "warn", "info", "debug", "trace", "child", "stderr", "stdout", "part", "nothing"];

/// A text: its name, and its form, then its bytes.
type Entry = (String, Vec<u8>);

/// Reads a file of texts.
fn entries(file: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in file.lines().filter(|line| !line.starts_with('#')) {
        if let Some((name, form)) = line.strip_prefix("== ").and_then(|heading| heading.split_once(' ')) {
            let form = FORMS.iter().position(|known| *known == form).expect("a form");
            entries.push((name.to_owned(), vec![u8::try_from(form).expect("few") + 1]));
        } else if let Some((_, text)) = entries.last_mut() {
            if text.len() > 1 {
                text.push(b'\n');
            }
            text.extend(line.bytes());
        }
    }
    for (name, text) in &mut entries {
        let printable = |byte: &u8| matches!(byte, b'\n' | b' '..=b'~');
        assert!(text.iter().skip(1).all(printable), "{name}: only ASCII can be packed, and no control characters");
        let mut filled = String::from_utf8(text.clone()).expect("text").replace('\n', NEWLINE);
        filled = filled.replace("{version}", &env::var("CARGO_PKG_VERSION").unwrap_or_default());
        for (part, code) in (0..6).zip(PARTS..) {
            filled = filled.replace(&format!("{{{part}}}"), &char::from(code).to_string());
            filled = filled.replace(&format!("{{{part}:?}}"), &char::from(code + 6).to_string());
        }
        assert!(!filled.contains("{6"), "{name}: no text has a part 6");
        *text = filled.into_bytes();
    }
    entries
}

/// What stands for a part: 6 bytes for one as it is, then 6 for one in quotes. Pairs have what is below.
const PARTS: u8 = 0x12;
/// What stands for the end of a line.
const NEWLINE: &str = "\x1e";

/// Puts a byte in place of the pair of bytes that is most frequent, again and again; returns the pairs that 0x80 to 0xff,
/// 0 (which is none, as it ends a text) and the following bytes stand for. English is half as long then, and unpacking
/// it takes next to no code.
fn pack(texts: &mut [Vec<u8>]) -> Vec<[u8; 2]> {
    let mut pairs = Vec::new();
    for code in (0x80..=u8::MAX).chain(0..PARTS) {
        if code == 0 {
            pairs.push([0, 0]);
            continue;
        }
        let mut counts = BTreeMap::new();
        for pair in texts.iter().flat_map(|text| text.get(1..).unwrap_or_default().windows(2)) {
            *counts.entry([pair[0], pair[1]]).or_insert(0) += 1;
        }
        // Each saves a byte where it is, and takes two in the list.
        let Some((pair, 4..)) = counts.into_iter().rev().max_by_key(|(_, count)| *count) else { break };
        for text in &mut *texts {
            let mut at = 1;
            while at + 1 < text.len() {
                if text[at..at + 2] == pair {
                    text.splice(at..at + 2, [code]);
                }
                at += 1;
            }
        }
        pairs.push(pair);
    }
    pairs
}

/// Writes the texts as source: `enum Message` with a name for each, `PAIRS`, and for each file its texts, each between its
/// name's number and a zero.
fn texts() {
    let mut files = Vec::new();
    let mut names: Vec<String> = Vec::new();
    let mut packed = Vec::new();
    for (file, constant) in TEXTS {
        let path = format!("src/personality/{file}.txt");
        println!("cargo::rerun-if-changed={path}");
        let entries = entries(&fs::read_to_string(&path).expect("a file of texts"));
        files.push((constant, entries.len()));
        for (name, text) in entries {
            packed.push((name.clone(), text));
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let (of, mut bytes): (Vec<String>, Vec<Vec<u8>>) = packed.into_iter().unzip();
    let pairs = pack(&mut bytes);
    let mut source = String::new();
    let list = names.join(", ").replacen(',', " = 1,", 1);
    let _ = writeln!(
        source,
        "/// The texts.\n#[repr(u8)]\n#[derive(Clone, Copy, Debug, PartialEq, Eq)]\npub enum Message {{ {list} }}"
    );
    let _ = writeln!(source, "const PAIRS: [[u8; 2]; {}] = {pairs:?};", pairs.len());
    let mut all = of.iter().zip(bytes);
    for (constant, count) in files {
        let _ = write!(source, "/// Those of this name.\npub const {constant}: &[u8] = b\"");
        for (name, text) in all.by_ref().take(count) {
            let number = names.iter().position(|known| known == name).expect("known") + 1;
            for byte in [u8::try_from(number).expect("few")].into_iter().chain(text).chain([0]) {
                let _ = write!(source, "\\x{byte:02x}");
            }
        }
        let _ = writeln!(source, "\";");
    }
    let folder = env::var("OUT_DIR").expect("Cargo sets it");
    fs::write(Path::new(&folder).join("texts.rs"), source).expect("Cargo's folder");
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    tini_version();
    texts();
    let arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    if arch == "x86_64" {
        println!("cargo::rustc-link-arg-bin=rini=-Wl,--entry=rini_entry");
    }
}
